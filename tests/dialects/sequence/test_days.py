"""When a grant can be used: from its first to its last day, both included, in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from drawdown.core.times import instant_of
from drawdown.core.types import Instant
from tests.conftest import NewUrl
from tests.dialects.sequence.contract import refusal
from tests.dialects.sequence.support import (
    credit_body,
    debit,
    drawn,
    new_credit,
    new_customer,
    outstanding,
    post_credit,
)
from tests.support.clocked_server import ClockedServer, clocked_server


def at(text: str) -> Instant:
    return instant_of(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.fixture(scope="module")
def clocked(new_url: NewUrl) -> Iterator[ClockedServer]:
    with new_url() as url, clocked_server(url, at("2026-01-01")) as running:
        yield running


@pytest.fixture
def mouths(clocked: ClockedServer) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """The Sequence and the native API with the same key; it is 15:30 on 15 January 2026."""
    clocked.clock.instant = at("2026-01-15T15:30:00")
    headers = {"authorization": f"Bearer {clocked.secret}"}
    with (
        httpx.Client(base_url=f"{clocked.url}/sequence", headers=headers) as sequence,
        httpx.Client(base_url=f"{clocked.url}/api/v1", headers=headers) as native,
    ):
        yield sequence, native


def test_the_last_day_is_included_to_its_last_microsecond(
    clocked: ClockedServer, mouths: tuple[httpx.Client, httpx.Client]
) -> None:
    sequence, native = mouths
    customer = new_customer(sequence).id
    new_credit(sequence, customer, expiryDate="2026-01-31")
    clocked.clock.instant = at("2026-01-31T23:59:59.999999")
    drawn(native, customer, "1")
    [left] = outstanding(sequence, customer)
    assert (bytes(left.balance), left.expiry_date) == (b"999", "2026-01-31")
    clocked.clock.instant = at("2026-02-01")
    assert debit(native, customer, "1").json()["available"] == "0"
    assert outstanding(sequence, customer) == []


def test_the_first_day_is_included_from_its_first_microsecond(
    clocked: ClockedServer, mouths: tuple[httpx.Client, httpx.Client]
) -> None:
    sequence, native = mouths
    customer = new_customer(sequence).id
    made = new_credit(sequence, customer, effectiveDate="2026-01-20", expiryDate="2026-01-20")
    clocked.clock.instant = at("2026-01-19T23:59:59.999999")
    assert debit(native, customer, "1").status_code == 402
    assert outstanding(sequence, customer)[0].id == made.id
    clocked.clock.instant = at("2026-01-20")
    drawn(native, customer, "1")
    clocked.clock.instant = at("2026-01-20T23:59:59.999999")
    drawn(native, customer, "1")
    clocked.clock.instant = at("2026-01-21")
    assert debit(native, customer, "1").status_code == 402


def test_a_grant_can_be_for_today_alone(
    clocked: ClockedServer, mouths: tuple[httpx.Client, httpx.Client]
) -> None:
    sequence, native = mouths
    customer = new_customer(sequence).id
    today = "2026-01-15"
    for day in (today, None):
        more = {} if day is None else {"effectiveDate": day}
        new_credit(sequence, customer, expiryDate=today, **more)
    drawn(native, customer, "2000")
    clocked.clock.instant = at("2026-01-16")
    answer = post_credit(sequence, credit_body(customer, expiryDate=today))
    refusal(answer, 400, "ValidationError", "expiryDate", "today or later")


@pytest.mark.parametrize("day", [None, "2026-01-15"])
def test_a_grant_counts_for_the_whole_of_its_issue_day(
    mouths: tuple[httpx.Client, httpx.Client], day: str | None
) -> None:
    """Without an effective date it can be used from its issue day, which is included like any other."""
    sequence, native = mouths
    customer = new_customer(sequence).id
    made = new_credit(sequence, customer, **({} if day is None else {"effectiveDate": day}))
    assert native.get(f"/grants/{made.id}").json()["effective_at"] == "2026-01-15T00:00:00Z"
    [shown] = outstanding(sequence, customer)
    assert (made.created_at, shown.issue_date) == ("2026-01-15T15:30:00Z", "2026-01-15")


def test_a_grant_may_begin_in_the_past(mouths: tuple[httpx.Client, httpx.Client]) -> None:
    """Its issue date is today all the same."""
    sequence, native = mouths
    customer = new_customer(sequence).id
    made = new_credit(sequence, customer, effectiveDate="2025-12-01")
    assert native.get(f"/grants/{made.id}").json()["state"] == "active"
    assert outstanding(sequence, customer)[0].issue_date == "2026-01-15"


def test_a_request_repeated_on_another_day_is_still_the_same(
    clocked: ClockedServer, mouths: tuple[httpx.Client, httpx.Client]
) -> None:
    """The day that a grant gets for want of an effective date is no part of what was asked."""
    sequence, _ = mouths
    customer = new_customer(sequence).id
    body, headers = credit_body(customer, expiryDate="2026-01-15"), {"Idempotency-Key": "k"}
    first = post_credit(sequence, body, headers)
    clocked.clock.instant = at("2026-01-17")
    second = post_credit(sequence, body, headers)
    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["idempotent-replayed"] == "true"


def test_without_an_expiry_date_the_entitlements_own_rule_decides(
    mouths: tuple[httpx.Client, httpx.Client],
) -> None:
    """Thirty days from the issue day, that day included, which the answer says."""
    sequence, native = mouths
    body = {"code": "monthly", "unit": "token", "scale": 0, "expires_after_days": 30}
    assert native.post("/entitlements", json=body).status_code == 201
    metric = {"creditUnitType": "METRIC", "metricId": "monthly"}
    customer = new_customer(sequence).id
    assert new_credit(sequence, customer, **metric).expiry_date == "2026-02-13"
    [shown] = outstanding(sequence, customer)
    assert shown.expiry_date == "2026-02-13"
