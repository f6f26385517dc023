"""What must always hold of a balance, whatever is asked of it and however often at once.

Random credits, debits, usage and waiting, with keys that are used again, against a naive balance: every
answer, every row of the ledger and every grant is the same, and ``drawdown verify`` finds nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drawdown.core.times import text_of
from drawdown.core.types import MICROSECONDS, Instant
from tests.conftest import NewUrl
from tests.dialects.dodo.conftest import NEW_YEAR
from tests.dialects.dodo.naive import REPAYS, NaiveBalance, Row
from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.commands import drawdown

HOUR = 3_600 * MICROSECONDS
LIMIT = 5
BEHAVIORS = (None, "forgive_at_reset", "invoice_at_billing", "carry_deficit", REPAYS)


@dataclass(frozen=True)
class Entry:
    """Asked ``times`` at once. ``expires_in`` is in hours, for a credit alone."""

    entry_type: str
    amount: int
    key: int | None
    times: int
    expires_in: int | None = None


@dataclass(frozen=True)
class Use:
    quantity: int


@dataclass(frozen=True)
class Race:
    """Debits of these amounts at once, none of which has a key."""

    amounts: list[int]


@dataclass(frozen=True)
class Wait:
    hours: int


Step = Entry | Use | Race | Wait
AMOUNTS = st.integers(1, 600)
KEYS, TIMES = st.none() | st.integers(0, 2), st.sampled_from([1, 1, 1, 2, 3])
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.builds(Entry, st.just("credit"), AMOUNTS, KEYS, TIMES, st.none() | st.integers(1, 9)),
        st.builds(Entry, st.just("debit"), AMOUNTS, KEYS, TIMES),
        st.builds(Use, AMOUNTS),
        st.builds(Race, st.lists(AMOUNTS, min_size=2, max_size=4)),
        st.builds(Wait, st.integers(1, 6)),
    ),
    min_size=4,
    max_size=20,
)


class Kind:
    """An entitlement of one behaviour of overage, and the event of which a unit costs a credit of it."""

    def __init__(self, http: httpx.Client, behavior: str | None) -> None:
        self.behavior = behavior
        self.event = f"use-{behavior}"
        asked = {
            "name": self.event,
            "unit": "token",
            "precision": 2,
            "rollover_enabled": False,
            "overage_enabled": behavior is not None,
        }
        if behavior is not None:
            asked |= {"overage_behavior": behavior, "overage_limit": LIMIT}
            asked |= {"price_per_unit": "1", "currency": "USD"}
        self.id = done(http.post("/dodo/credit-entitlements", json=asked))["id"]
        meter = {"code": self.event, "event_name": self.event, "aggregation": "sum"}
        done(http.post("/api/v1/meters", json=meter | {"property": "n"}))
        price = {"model": "per_credit", "units_per_credit": "1"}
        rate = {"meter": self.event, "entitlement": self.id, "price": price}
        done(http.post("/api/v1/rates", json=rate))


class Book:
    """A server whose time is told in hours, and a kind of credit for each behaviour."""

    def __init__(self, server: ClockedServer, http: httpx.Client) -> None:
        self.server, self.http = server, http
        self.kinds = {each: Kind(http, each) for each in BEHAVIORS}
        self.numbers = itertools.count()

    @property
    def now(self) -> int:
        return (self.server.clock.instant - NEW_YEAR) // HOUR

    def wait(self, hours: int) -> None:
        self.server.clock.instant = Instant(self.server.clock.instant + hours * HOUR)


@pytest.fixture(scope="module")
def book(new_url: NewUrl) -> Iterator[Book]:
    """In the end nothing in it may be out of order."""
    with new_url() as url:
        with clocked_server(url, NEW_YEAR) as server:
            headers = {"authorization": f"Bearer {server.secret}"}
            options: dict[str, Any] = {"base_url": server.url, "headers": headers}
            with httpx.Client(**options, timeout=30, verify=False) as http:
                yield Book(server, http)
        assert drawdown("verify", "--database", url, "--json").json()["ok"]


class Player:
    """A customer of the server's, and the naive balance that must be the same."""

    def __init__(self, book: Book, kind: Kind) -> None:
        self.book, self.http, self.kind = book, book.http, kind
        who = {"name": "Ada", "email": "ada@example.com"}
        self.customer = done(self.http.post("/dodo/customers", json=who))["customer_id"]
        self.path = f"/dodo/credit-entitlements/{kind.id}/balances/{self.customer}"
        self.naive = NaiveBalance(kind.behavior, LIMIT * 100, book.now)

    def play(self, step: Step, threads: ThreadPoolExecutor) -> None:
        match step:
            case Entry():
                self._enter(step, threads)
            case Race(amounts):
                self._race(amounts, threads)
            case Use(quantity):
                self._use(quantity)
                self.check_balance()
            case Wait(hours):
                self.book.wait(hours)
                self.naive.now = self.book.now
                self.check_balance()

    def _enter(self, step: Entry, threads: ThreadPoolExecutor) -> None:
        """Of several with the same key one is carried out, whichever comes first."""
        expires_at = None if step.expires_in is None else self.book.now + step.expires_in
        key = None if step.key is None else f"key-{step.key}"
        asked = {"entry_type": step.entry_type, "amount": text(step.amount)}
        asked |= {} if key is None else {"idempotency_key": key}
        if expires_at is not None:
            asked["expires_at"] = text_of(Instant(NEW_YEAR + expires_at * HOUR))
        answers = self._ask([asked] * step.times, threads)
        expected = [
            self.naive.credit(step.amount, expires_at, key)
            if step.entry_type == "credit"
            else self.naive.debit(step.amount, key)
            for _ in range(step.times)
        ]
        assert sorted(each.status_code for each in answers) == sorted(expected)
        for each in answers:
            if each.status_code == 409:
                assert each.headers["x-should-retry"] == "false"
                assert each.json()["code"] == "IDEMPOTENCY_KEY_ALREADY_EXISTS"
        self.check_answers(answers)

    def _race(self, amounts: list[int], threads: ThreadPoolExecutor) -> None:
        """Nobody knows who comes first; what is refused is more than was left."""
        asked = [{"entry_type": "debit", "amount": text(amount)} for amount in amounts]
        answers = self._ask(asked, threads)
        taken = sorted(
            (each.json() for each in answers if each.status_code == 201),
            key=lambda body: units(body["balance_before"]),
            reverse=True,
        )
        for body in taken:
            assert self.naive.debit(units(body["amount"]), None) == 201
        for amount, answer in zip(amounts, answers, strict=True):
            assert answer.status_code in (201, 400)
            if answer.status_code == 400:
                assert answer.json()["code"] == "INSUFFICIENT_CREDIT_BALANCE"
                assert amount > self.naive.balance
        self.check_answers(answers)

    def _ask(
        self, asked: list[dict[str, str]], threads: ThreadPoolExecutor
    ) -> list[httpx.Response]:
        path = f"{self.path}/ledger-entries"
        return list(threads.map(lambda body: self.http.post(path, json=body), asked))

    def _use(self, quantity: int) -> None:
        event = {
            "event_id": f"e-{next(self.book.numbers)}",
            "customer_id": self.customer,
            "event_name": self.kind.event,
            "metadata": {"n": text(quantity)},
        }
        for expected in (1, 0):  # told twice, it counts once
            told = done(self.http.post("/dodo/events/ingest", json={"events": [event]}))
            assert told == {"ingested_count": expected}
        self.naive.use(quantity)

    # What must be the same --------------------------------------------------------------------------

    def check_answers(self, answers: list[httpx.Response]) -> None:
        """Each that was carried out is one of the newest rows, and no two are the same."""
        told = [told_of(each.json()) for each in answers if each.status_code == 201]
        newest = [each[1:5] for each in self.naive.rows[-len(told) :]] if told else []
        assert sorted(told) == sorted(newest)

    def check_balance(self) -> None:
        answer = self.http.get(self.path)
        if not self.naive.rows:
            assert answer.status_code == 404
            return
        shown = done(answer)
        found = (units(shown["balance"]), units(shown["overage"]))
        assert found == (self.naive.balance, self.naive.overage)
        assert min(found) >= 0

    def check_all(self) -> None:
        """Once something was entered, so that whatever expired is written down."""
        for status in ("active", "depleted", "expired"):
            listed = self._pages("grants", status=status)
            found = [(units(g["initial_amount"]), units(g["remaining_amount"])) for g in listed]
            assert found == self.naive.in_status(status), status
            assert {each["is_expired"] for each in listed} <= {status == "expired"}
        rows = [row_of(each) for each in self._pages("ledger")][::-1]
        assert rows == self.naive.rows
        for before, after in itertools.pairwise(rows):
            assert after.before == before.after

    def _pages(self, of: str, **query: str) -> list[Any]:
        found: list[Any] = []
        while True:
            asked: dict[str, Any] = query | {"page_size": 25, "page_number": len(found) // 25}
            page = done(self.http.get(f"{self.path}/{of}", params=asked))["items"]
            found += page
            if len(page) < 25:
                return found


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(behavior=st.sampled_from(BEHAVIORS), steps=STEPS)
def test_whatever_is_asked_it_is_as_the_naive_balance_says(
    book: Book, behavior: str | None, steps: list[Step]
) -> None:
    player = Player(book, book.kinds[behavior])
    with ThreadPoolExecutor(4) as threads:
        for step in [*steps, Entry("credit", 1, None, 1)]:
            player.play(step, threads)
    player.check_balance()
    player.check_all()


def done(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()


def text(amount: int) -> str:
    return str(Decimal(amount).scaleb(-2))


def units(amount: str) -> int:
    found = Decimal(amount).scaleb(2)
    assert found == int(found)
    return int(found)


def told_of(body: dict[str, Any]) -> tuple[bool, int, tuple[int, int], tuple[int, int]]:
    before, after = (
        (units(body[f"balance_{when}"]), units(body[f"overage_{when}"]))
        for when in ("before", "after")
    )
    return body["is_credit"], units(body["amount"]), before, after


def row_of(body: dict[str, Any]) -> Row:
    since = datetime.fromisoformat(body["created_at"]).timestamp() - NEW_YEAR / MICROSECONDS
    return Row(body["transaction_type"], *told_of(body), at=round(since / 3_600))
