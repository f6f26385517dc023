"""What may be given: exact amounts, times with a zone, a server's URL and a key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from drawdown.client import AsyncClient, Client, NewDebit
from drawdown.client.requests import balances, debits, grants, holds
from drawdown.client.values import amount_text, in_path, time_text, whole_seconds

MAKERS: tuple[Callable[..., Any], ...] = (Client, AsyncClient)
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        ("1.50", "1.50"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-9"), "0.000000001"),
        (Decimal(10) ** 18, "1000000000000000000"),
    ],
)
def test_an_amount_goes_as_it_is_written(value: Any, text: str) -> None:
    """Without an exponent, and to the last digit."""
    assert amount_text(value) == text


@pytest.mark.parametrize("value", [0.1, 1.0, True, None, b"1", 1j])
def test_a_float_is_no_amount(value: Any) -> None:
    """Nor is what is no number; the error names the field and what to give instead."""
    with pytest.raises(TypeError, match=r"amount is a \w+: give a Decimal, an int or a str"):
        amount_text(value)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_no_amount_is_without_end(value: str) -> None:
    with pytest.raises(ValueError, match="give a finite number"):
        amount_text(Decimal(value))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: grants.grant("ada", "usd", 0.1),  # type: ignore[arg-type]
        lambda: grants.grant("ada", "usd", 1, cost_basis=(0.5, "usd")),  # type: ignore[arg-type]
        lambda: grants.adjust_grant("grant_1", "up", 0.1),  # type: ignore[arg-type]
        lambda: debits.debit("ada", "usd", 0.1),  # type: ignore[arg-type]
        lambda: debits.debit_many([NewDebit("ada", "usd", 0.1)]),  # type: ignore[arg-type]
        lambda: debits.reverse("deb_1", amount=0.1),  # type: ignore[arg-type]
        lambda: debits.spend("ada", 0.1, [("usd", 1)]),  # type: ignore[arg-type]
        lambda: debits.spend("ada", 1, [("usd", 0.04)]),  # type: ignore[list-item]
        lambda: holds.hold("ada", "usd", 0.1),  # type: ignore[arg-type]
        lambda: holds.hold("ada", "usd", 1, expires_in=0.5),  # type: ignore[arg-type]
        lambda: holds.capture("hold_1", 0.1),  # type: ignore[arg-type]
        lambda: holds.extend("hold_1", expires_in=1.5),  # type: ignore[arg-type]
    ],
)
def test_no_request_takes_a_float(ask: Callable[[], object]) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(TypeError, match="float"):
        ask()


def test_a_time_goes_with_its_zone() -> None:
    assert time_text(NOON, "at") == "2030-01-02T12:00:00+00:00"
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    assert time_text(NOON.astimezone(kathmandu), "at") == "2030-01-02T17:45:00+05:45"


@pytest.mark.parametrize(
    "ask",
    [
        lambda at: balances.balance("ada", "usd", at=at),
        lambda at: balances.balance_history("ada", "usd", start=at),
        lambda at: balances.balance_history("ada", "usd", end=at),
        lambda at: grants.grant("ada", "usd", 1, expires_at=at),
        lambda at: grants.grant("ada", "usd", 1, effective_at=at),
        lambda at: grants.amend_grant("grant_1", expires_at=at),
        lambda at: grants.get_grant("grant_1", at=at),
        lambda at: debits.debit("ada", "usd", 1, occurred_at=at),
        lambda at: holds.hold("ada", "usd", 1, expires_at=at),
    ],
)
def test_a_time_without_a_zone_is_refused(ask: Callable[[datetime], object]) -> None:
    """It would mean another instant on another machine."""
    with pytest.raises(ValueError, match=r"has no zone: give one"):
        ask(NOON.replace(tzinfo=None))
    ask(NOON)


@pytest.mark.parametrize("value", ["2030-01-02T12:00:00Z", date(2030, 1, 2), 1_900_000_000])
def test_what_is_no_datetime_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"at is a .*: give a datetime"):
        time_text(value, "at")


def test_a_duration_is_in_whole_seconds() -> None:
    assert whole_seconds(90) == 90
    assert whole_seconds(timedelta(minutes=1.5)) == 90
    with pytest.raises(ValueError, match="whole seconds"):
        whole_seconds(timedelta(milliseconds=1500))


def test_a_name_stays_within_its_part_of_the_path() -> None:
    """Whatever is in it: nothing else is asked for."""
    assert in_path("a/b?c#d", "customer") == "a%2Fb%3Fc%23d"
    assert in_path("..", "customer") == "%2E%2E"
    with pytest.raises(ValueError, match="customer is empty"):
        in_path("", "customer")
    with pytest.raises(TypeError, match="customer is a int"):
        in_path(5, "customer")  # type: ignore[arg-type]


@pytest.mark.parametrize("make", MAKERS)
def test_url_and_key_come_from_the_environment(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWDOWN_API_KEY", "sk_test_x")
    monkeypatch.delenv("DRAWDOWN_URL", raising=False)
    assert make().url == "http://127.0.0.1:8080"
    monkeypatch.setenv("DRAWDOWN_URL", "https://credit.example/ledger/")
    assert make().url == "https://credit.example/ledger"
    assert make("http://here:1").url == "http://here:1"


@pytest.mark.parametrize("make", MAKERS)
def test_a_client_without_a_key_says_where_to_put_it(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DRAWDOWN_API_KEY", raising=False)
    with pytest.raises(ValueError, match="DRAWDOWN_API_KEY"):
        make("http://127.0.0.1:8080")


@pytest.mark.parametrize(
    "url",
    ["localhost:8080", "ftp://x", "http://", "http://[", "//x", "http://x:99999", "http://x:0"],
)
def test_a_url_of_no_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no URL of a server"):
        Client(url, "sk_test_x")


def test_a_password_in_the_url_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="the key is given apart") as caught:
        Client("http://name:hunter2@x", "sk_test_x")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["sk_test_é", "sk\n", "sk_test_\x00", "sk test"])
def test_a_key_with_characters_no_key_has_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ValueError, match="copy it again") as caught:
        Client("http://127.0.0.1", key)
    assert key not in str(caught.value)


@pytest.mark.parametrize("attempts", [0, -1])
def test_there_is_at_least_one_attempt(attempts: int) -> None:
    with pytest.raises(ValueError, match="attempts_max is at least 1"):
        Client("http://127.0.0.1", "sk_test_x", attempts_max=attempts)
