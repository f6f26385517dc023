"""Who may ask how often: windows of a second and a minute, by the clock that is given."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from drawdown.core.types import MICROSECONDS, Id, Instant, Mode
from drawdown.engine.accounts import Principal, Role
from drawdown.engine.clocks import ManualClock
from drawdown.web import rate_limits
from drawdown.web.rate_limits import (
    Allowance,
    Counted,
    RateLimiter,
    Rates,
    headers,
    network_of,
)

#: A minute begins.
BEGAN = 1_767_225_600


class Played:
    """A limiter, its clock in seconds after ``BEGAN``, and whom it has refused."""

    def __init__(
        self,
        *,
        accounts: Rates | None = None,
        addresses: Rates | None = None,
        usage: Rates | None = None,
    ) -> None:
        self.refused: list[str] = []
        self._clock = ManualClock(Instant(BEGAN * MICROSECONDS))
        self._limiter = RateLimiter(
            accounts or Rates(),
            addresses or Rates(),
            usage or Rates(),
            self._clock,
            self.refused.append,
        )

    def at(self, seconds: float) -> None:
        self._clock.instant = Instant(BEGAN * MICROSECONDS + round(seconds * MICROSECONDS))

    def account(
        self, number: int = 1, mode: Mode = Mode.TEST, counted: Counted = "requests"
    ) -> Allowance | None:
        book = Id(bytes([number, mode is Mode.TEST]) * 8)
        return self._limiter.of_account(
            Principal(
                key_id=book,
                account=Id(bytes([number]) * 16),
                book=book,
                mode=mode,
                role=Role.VIEWER,
            ),
            counted,
        )

    def address(self, address: str) -> Allowance | None:
        return self._limiter.of_address(address)

    def granted(self, seconds: float) -> bool:
        self.at(seconds)
        found = self.account()
        assert found is not None
        return found.granted


def test_what_has_no_limit_is_not_counted() -> None:
    played = Played(accounts=Rates(per_second=1))
    assert played.address("192.0.2.1") is None
    assert Played().account() is None


def test_a_second_takes_as_many_as_it_may_and_the_next_as_many_again() -> None:
    played = Played(accounts=Rates(per_second=2))
    assert [played.granted(at) for at in (0, 0.5, 0.999999)] == [True, True, False]
    assert [played.granted(at) for at in (1, 1, 1)] == [True, True, False]
    assert played.refused == ["account", "account"]


def test_both_windows_hold_and_what_one_refuses_is_counted_in_none() -> None:
    """Five a minute at two a second: refusals of the second leave the minute as it was."""
    played = Played(accounts=Rates(per_second=2, per_minute=5))
    assert [played.granted(0) for _ in range(9)] == [True, True] + 7 * [False]
    assert [played.granted(1) for _ in range(3)] == [True, True, False]
    assert [played.granted(2) for _ in range(3)] == [True, False, False]
    assert [played.granted(at) for at in (59.9, 60)] == [False, True]


def test_a_caller_is_told_of_the_window_that_is_used_up_first() -> None:
    """Of two that are equally near, of the one that lasts longer."""
    played = Played(accounts=Rates(per_second=2, per_minute=3))
    played.at(5.25)
    assert played.account() == Allowance(True, 2, 1, 1, 1, BEGAN + 6)
    assert played.account() == Allowance(True, 2, 0, 1, 1, BEGAN + 6)
    assert played.account() == Allowance(False, 2, 0, 1, 1, BEGAN + 6)
    played.at(6)
    assert played.account() == Allowance(True, 3, 0, 60, 54, BEGAN + 60)
    assert played.account() == Allowance(False, 3, 0, 60, 54, BEGAN + 60)
    played.at(59.999999)
    assert played.account() == Allowance(False, 3, 0, 60, 1, BEGAN + 60)


def test_both_windows_may_be_used_up_and_end_together() -> None:
    played = Played(accounts=Rates(per_second=1, per_minute=1))
    played.at(59)
    found = [played.account() for _ in range(2)]
    assert [each and (each.granted, each.remaining, each.reset_in) for each in found] == [
        (True, 0, 1),
        (False, 0, 1),
    ]


def test_accounts_and_their_modes_are_counted_apart() -> None:
    played = Played(accounts=Rates(per_minute=1))
    asked = [(1, Mode.TEST), (1, Mode.LIVE), (2, Mode.TEST), (1, Mode.TEST)]
    found = [played.account(number, mode) for number, mode in asked]
    assert [each and each.granted for each in found] == [True, True, True, False]


def test_usage_with_a_limit_of_its_own_is_counted_apart() -> None:
    """Neither takes anything of the other's room, and each tells of its own."""
    played = Played(accounts=Rates(per_minute=1), usage=Rates(per_minute=2))
    asked: list[Counted] = ["usage", "requests", "requests", "usage", "usage"]
    found = [played.account(counted=each) for each in asked]
    assert [each and (each.granted, each.limit, each.counted) for each in found] == [
        (True, 2, "usage"),
        (True, 1, "requests"),
        (False, 1, "requests"),
        (True, 2, "usage"),
        (False, 2, "usage"),
    ]


def test_usage_without_a_limit_of_its_own_counts_among_all_the_others() -> None:
    played = Played(accounts=Rates(per_minute=1))
    found = [played.account(counted=each) for each in ("usage", "requests")]
    assert [each and (each.granted, each.counted) for each in found] == [
        (True, "requests"),
        (False, "requests"),
    ]
    alone = Played(usage=Rates(per_minute=1))
    assert alone.account() is None
    assert alone.account(counted="usage") is not None


def test_a_clock_that_is_put_back_begins_another_window() -> None:
    played = Played(accounts=Rates(per_minute=1))
    assert [played.granted(at) for at in (90, 90, 0, 0)] == [True, False, True, False]


def test_an_address_is_counted_by_its_network() -> None:
    """IPv6 gives a customer 2⁶⁴ addresses; IPv4 behind IPv6 is what it was."""
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9%eth0")
    assert network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of("") != network_of("::")


def test_addresses_that_there_is_no_room_for_are_counted_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that whoever has many addresses takes neither memory nor more than one caller may."""
    monkeypatch.setattr(rate_limits, "ADDRESSES_MAX", 2)
    played = Played(addresses=Rates(per_minute=2))
    asked = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.1"]
    found = [played.address(address) for address in asked]
    assert [each and each.granted for each in found] == [True, True, True, True, False, True]
    assert played.refused == ["address"]


def test_a_limit_that_is_reached_is_logged_once_a_minute() -> None:
    """With the account and no more than that; of addresses there is one line for all."""
    played = Played(accounts=Rates(per_second=1), addresses=Rates(per_minute=1))
    with capture_logs() as logged:
        for second in (0, 0, 0, 1, 1, 58, 58):
            played.granted(second)
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"):
            played.address(address)
        played.granted(61)
        played.granted(61)
    assert [(line["log_level"], line["event"]) for line in logged] == [
        ("warning", "a rate limit is reached")
    ] * 3
    assert [(line["mode"], line["limit"], line["seconds"]) for line in logged] == [
        ("test", 1, 1), (None, 1, 60), ("test", 1, 1)
    ]  # fmt: skip
    assert logged[0]["account"].startswith("acct_")
    assert logged[1]["account"] is None
    assert len(played.refused) == 4 + 2 + 1


def test_of_each_limit_there_is_a_line_in_the_log() -> None:
    played = Played(accounts=Rates(per_minute=1), usage=Rates(per_minute=2))
    with capture_logs() as logged:
        for _ in range(4):
            played.account()
            played.account(counted="usage")
    assert [line["limit"] for line in logged] == [1, 2]


def test_the_headers_are_whole_numbers() -> None:
    assert headers(None) == ()
    assert headers(Allowance(True, 40, 7, 1, 1, BEGAN)) == (
        (b"x-ratelimit-limit", b"40"),
        (b"x-ratelimit-remaining", b"7"),
        (b"x-ratelimit-reset", b"1767225600"),
    )
