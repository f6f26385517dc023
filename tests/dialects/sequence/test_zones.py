"""Days in the zone of the account, over HTTP: around midnight, and where clocks change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
from msgspec import UNSET

from drawdown.core.times import instant_of
from drawdown.core.types import Instant
from tests.conftest import NewUrl
from tests.dialects.sequence.contract import Balances, Grants, OneGrant, Transaction, read, refusal
from tests.dialects.sequence.contract_usage import counting, send, value
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
from tests.support.commands import drawdown


def at(text: str) -> Instant:
    return instant_of(datetime.fromisoformat(text).replace(tzinfo=UTC))


@dataclass
class Place:
    """An account with a zone, and the Sequence and the native API to its book."""

    account: str
    database: str
    server: ClockedServer
    sequence: httpx.Client
    native: httpx.Client

    def move(self, zone: str) -> None:
        words = ("accounts", "set", self.account, "--zone", zone, "--database", self.database)
        assert drawdown(*words).code == 0

    def now(self, text: str, microseconds: int = 0) -> None:
        self.server.clock.instant = Instant(at(text) + microseconds)

    def one(self, grant: str) -> OneGrant:
        return read(self.sequence.get(f"/credits/{grant}"), 200, OneGrant)


In = Callable[[str], Place]


@pytest.fixture(scope="module")
def clocked(new_url: NewUrl) -> Iterator[tuple[ClockedServer, str]]:
    with new_url() as url, clocked_server(url, at("2026-01-15")) as running:
        yield running, url


@pytest.fixture
def place_in(clocked: tuple[ClockedServer, str]) -> Iterator[In]:
    """Makes an account in a zone, which nobody has asked for anything yet; it is noon of 15 January 2026."""
    running, url = clocked
    running.clock.instant = at("2026-01-15T12:00")
    with ExitStack() as opened:

        def make(zone: str) -> Place:
            tenant = running.tenant()
            sequence, native = (
                opened.enter_context(tenant.client(base=base)) for base in ("/sequence", "/api/v1")
            )
            place = Place(tenant.account, url, running, sequence, native)
            place.move(zone)
            return place

        yield make


@pytest.mark.parametrize(
    ("zone", "day", "first", "end"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00", "2026-09-07T03:00"),  # from 01:00
        ("America/Havana", "2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00"),  # 00:30 twice
        ("Asia/Kathmandu", "2026-01-31", "2026-01-30T18:15", "2026-01-31T18:15"),  # 5:45 ahead
    ],
)
def test_a_grant_for_one_day_can_be_used_through_all_of_it_and_no_longer(
    place_in: In, zone: str, day: str, first: str, end: str
) -> None:
    """And every answer has that day, before, on and after it; other dialects have the instants."""
    place = place_in(zone)
    customer = new_customer(place.sequence).id
    made = new_credit(place.sequence, customer, effectiveDate=day, expiryDate=day)
    assert (made.effective_date, made.expiry_date) == (day, day)
    native = place.native.get(f"/grants/{made.id}").json()
    assert (native["effective_at"], native["expires_at"]) == (f"{first}:00Z", f"{end}:00Z")
    place.now(first, -1)
    assert debit(place.native, customer, "1").status_code == 402
    place.now(first)
    drawn(place.native, customer, "1")
    place.now(end, -1)
    drawn(place.native, customer, "1")
    [left] = outstanding(place.sequence, customer)
    assert (bytes(left.balance), left.expiry_date) == (b"998", day)
    place.now(end)
    assert debit(place.native, customer, "1").status_code == 402
    [listed] = read(place.sequence.get("/credits"), 200, Grants).items
    for shown in (place.one(made.id), listed):
        assert (shown.effective_date, shown.expiry_date) == (day, day)
        assert shown.current_balance == "0"


@pytest.mark.parametrize(
    ("zone", "now", "today", "yesterday", "begun"),
    [
        ("UTC", "2026-01-31T10:00", "2026-01-31", "2026-01-30", "2026-01-31T00:00"),
        ("Pacific/Kiritimati", "2026-01-31T10:00", "2026-02-01", "2026-01-31", "2026-01-31T10:00"),
        ("America/New_York", "2026-01-31T04:59", "2026-01-30", "2026-01-29", "2026-01-30T05:00"),
    ],
)
def test_today_is_the_day_that_the_accounts_clocks_show(
    place_in: In, zone: str, now: str, today: str, yesterday: str, begun: str
) -> None:
    """It is the issue day, the first of its use, the last that may be given, and that of what is moved."""
    place = place_in(zone)
    place.now(now)
    customer = new_customer(place.sequence).id
    made = new_credit(place.sequence, customer, expiryDate=today)
    assert place.native.get(f"/grants/{made.id}").json()["effective_at"] == f"{begun}:00Z"
    [shown] = outstanding(place.sequence, customer)
    assert (shown.issue_date, place.one(made.id).effective_date) == (today, today)
    behalf = {"On-Behalf-Of": place.account}
    body = {"grantId": made.id, "type": "DEBIT", "amount": "1"}
    moved = place.sequence.post("/credit-transactions", json=body, headers=behalf)
    assert read(moved, 201, Transaction).date == today
    [balance] = read(place.sequence.get(f"/credits/{customer}/balances"), 200, Balances).items
    assert [each.date for each in balance.transactions] == [today, today]
    answer = post_credit(place.sequence, credit_body(customer, expiryDate=yesterday))
    refusal(answer, 400, "ValidationError", "expiryDate", "today or later", "zone")


def test_calculate_counts_the_days_of_the_zone(place_in: In) -> None:
    """25 hours of 25 October 2026 in Berlin, and not the microseconds before and after."""
    place = place_in("Europe/Berlin")
    place.now("2026-11-01")
    customer = new_customer(place.sequence).id
    metric = counting(place.sequence)
    for moment in (
        "2026-10-24T21:59:59.999999Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T22:59:59.999999Z",
        "2026-10-25T23:00:00Z",
    ):
        send(place.sequence, customer, eventTimestamp=moment)
    day = "2026-10-25"
    assert value(place.sequence, metric.id, customer, day, day) == "2"
    assert value(place.sequence, metric.id, customer, "2026-10-24", day) == "3"
    assert value(place.sequence, metric.id, customer, day, "2026-10-26") == "3"
    place.move("UTC")
    eventually(
        lambda: value(place.sequence, metric.id, customer, "2026-10-24", "2026-10-24") == "2"
    )


def test_a_zone_that_changes_moves_no_instant(place_in: In) -> None:
    """What was made before is shown on other days, and what is made from now on lies in the new ones.

    A repeated request is still the same one, whatever its days would be now.
    """
    place = place_in("Europe/Berlin")
    customer = new_customer(place.sequence).id
    body = credit_body(customer, effectiveDate="2026-02-01", expiryDate="2026-02-28")
    headers = {"Idempotency-Key": "once"}
    first = post_credit(place.sequence, body, headers)
    before = place.one(first.json()["id"])
    instants = place.native.get(f"/grants/{before.id}").json()
    place.move("UTC")
    eventually(lambda: place.one(before.id).effective_date == "2026-01-31")
    assert place.one(before.id).expiry_date == "2026-02-28"
    assert place.native.get(f"/grants/{before.id}").json() == instants
    again = post_credit(place.sequence, body, headers)
    assert (again.status_code, again.content) == (201, first.content)
    after = new_credit(place.sequence, customer, effectiveDate="2026-02-01")
    shown = place.native.get(f"/grants/{after.id}").json()
    assert (instants["effective_at"], shown["effective_at"]) == (
        "2026-01-31T23:00:00Z",
        "2026-02-01T00:00:00Z",
    )
    assert place.one(after.id).expiry_date is UNSET


def test_a_day_that_the_zone_left_out_is_none_to_use_credit_on(place_in: In) -> None:
    """Samoa had no 30 December 2011: what begins with it begins on the 31st; alone it is no time."""
    place = place_in("Pacific/Apia")
    place.now("2011-12-29T12:00")
    customer = new_customer(place.sequence).id
    made = new_credit(place.sequence, customer, effectiveDate="2011-12-30", expiryDate="2011-12-31")
    native = place.native.get(f"/grants/{made.id}").json()
    assert native["effective_at"] == "2011-12-30T10:00:00Z"
    assert native["expires_at"] == "2011-12-31T10:00:00Z"
    assert place.one(made.id).effective_date == "2011-12-31"
    alone = credit_body(customer, effectiveDate="2011-12-30", expiryDate="2011-12-30")
    refusal(post_credit(place.sequence, alone), 400, "ValidationError", "expiryDate")


def eventually(holds: Callable[[], bool]) -> None:
    """A server knows a second later what the command line has changed."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)
