"""Whatever is asked in whichever dialect, all of them show what a naive list of grants comes to.

In one process with a clock that the test sets, on a real socket: random plays over four dialects.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from drawdown.core.times import text_of
from drawdown.core.types import MICROSECONDS, Instant
from tests.dialects.dodo.conftest import NEW_YEAR
from tests.dialects.sequence.contract_usage import metric_body
from tests.dialects.together.four import Four, Json
from tests.dialects.together.naive import NaiveCredit, NaiveGrant
from tests.dialects.together.shown import Wallet, agreed
from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.commands import drawdown, sqlite_url
from tests.support.server import Tenant

HOUR, DAY = 3_600, 86_400
NATIVE, STRIPE, DODO, SEQUENCE = "native", "stripe", "dodo", "sequence"
USD, UNITS = "usd", "units"


@dataclass(frozen=True)
class Give:
    """``lasts`` in hours from its beginning; ``waits`` until that, where the dialect can say so."""

    dialect: str
    kind: str
    cents: int
    priority: int
    paid: bool
    lasts: int | None
    waits: int


@dataclass(frozen=True)
class Draw:
    way: str
    kind: str
    cents: int


@dataclass(frozen=True)
class End:
    """Of the grants of both kinds, that with the number, counted round."""

    way: str
    number: int


@dataclass(frozen=True)
class Move:
    """Sequence's transactions."""

    which: str
    number: int
    cents: int


@dataclass(frozen=True)
class Wait:
    hours: int


Step = Give | Draw | End | Move | Wait
DRAWS = {
    USD: ("native", "hold", "dodo", "wallet", "native event"),
    UNITS: ("native", "hold", "dodo", "native event", "stripe event", "dodo event", "sequence event"),
}  # fmt: skip
ENDS = ("native.expire", "native.void", "stripe.expire", "stripe.void")
CENTS, NUMBERS = st.integers(1, 3_000), st.integers(0, 50)


def gives() -> st.SearchStrategy[Step]:
    return st.builds(
        Give,
        st.sampled_from((NATIVE, STRIPE, DODO, SEQUENCE)),
        st.sampled_from((USD, USD, UNITS)),
        CENTS,
        st.integers(48, 52),
        st.booleans(),
        st.none() | st.integers(1, 60),
        st.sampled_from((0, 0, 0, 5, 30)),
    ).filter(lambda each: each.dialect != STRIPE or each.kind == USD)


STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        gives(),
        gives(),
        *(st.builds(Draw, st.sampled_from(ways), st.just(kind), CENTS) for kind, ways in DRAWS.items()),
        st.builds(End, st.sampled_from(ENDS), NUMBERS),
        st.builds(Move, st.sampled_from(("DEBIT", "CREDIT")), NUMBERS, CENTS),
        st.builds(Wait, st.integers(1, 30)),
    ),
    min_size=6,
    max_size=24,
)  # fmt: skip


class Book:
    """A book on a server whose time is told in seconds, with a metric that any dialect's events count for."""

    def __init__(self, server: ClockedServer, tenant: Tenant) -> None:
        self.server = server
        self.four = Four(tenant)
        self.http: httpx.Client = tenant.client(base="")
        body = metric_body(name="Units", eventType="use", aggregationProperty="n")
        made = self.four.sequence.post("/usage-metrics", json=body).json()
        self.metric: str = made["id"]
        self.account: str = made["sequenceAccountId"]
        meter = {"code": "pay", "event_name": "pay", "aggregation": "sum", "property": "n"}
        self.four.ask("POST", "/meters", meter)
        price = {"model": "per_credit", "units_per_credit": "1"}
        self.four.ask("POST", "/rates", {"meter": "pay", "entitlement": USD, "price": price})
        self.numbers = itertools.count()

    @property
    def now(self) -> int:
        return (self.server.clock.instant - NEW_YEAR) // MICROSECONDS

    def pass_time(self, seconds: int) -> None:
        self.server.clock.instant = Instant(self.server.clock.instant + seconds * MICROSECONDS)

    def close(self) -> None:
        self.http.close()
        self.four.close()


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    """In the end nothing in it may be out of order."""
    path: Path = tmp_path_factory.mktemp("play") / "ledger.db"
    with (
        clocked_server(sqlite_url(path), NEW_YEAR) as server,
        closing(Book(server, server.tenant())) as opened,
    ):
        yield opened
    assert drawdown("verify", "--database", sqlite_url(path), "--json").json()["ok"]


def at(seconds: int) -> Instant:
    return Instant(NEW_YEAR + seconds * MICROSECONDS)


def time_text(seconds: int) -> str:
    return text_of(at(seconds))


def day_text(seconds: int) -> str:
    return time_text(seconds)[:10]


def decimal(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


class Player:
    """A customer of the server's, and the naive credit that must be the same."""

    def __init__(self, book: Book) -> None:
        self.book, self.four = book, book.four
        self.customer = f"customer-{next(book.numbers)}"
        self.four.ask("POST", "/customers", {"id": self.customer})
        self.naive = {kind: NaiveCredit(now=book.now) for kind in (USD, UNITS)}
        self.made: list[tuple[str, NaiveGrant]] = []

    def play(self, step: Step) -> None:
        """No two at the same second."""
        self.book.pass_time(step.hours * HOUR if isinstance(step, Wait) else 1)
        for each in self.naive.values():
            each.pass_time(self.book.now)
        match step:
            case Give():
                self._give(step)
            case Draw():
                self._draw(step)
            case End():
                self._end(step)
            case Move():
                self._move(step)

    def _kind(self, kind: str) -> str:
        return self.book.metric if kind == UNITS else kind

    def _ask(self, path: str, expected: bool, **content: Any) -> None:
        """It is carried out, or it is refused as the caller's mistake."""
        answer = self.book.http.post(path, **content)
        assert answer.is_success is expected, (path, content, answer.text)
        assert answer.status_code < 500

    # Credit ------------------------------------------------------------------------------------------

    def _give(self, step: Give) -> None:
        now, credit = self.book.now, self.naive[step.kind]
        begins, ends, priority, paid = now, None, 50, True
        if step.dialect != DODO:
            begins, paid = now + step.waits * HOUR, step.paid
        if step.lasts is not None:
            ends = begins + step.lasts * HOUR
        if step.dialect in (NATIVE, STRIPE):
            priority = step.priority
        if step.dialect == SEQUENCE:
            begins -= begins % DAY
            ends = None if ends is None else ends - ends % DAY + DAY
        getattr(self, f"_by_{step.dialect}")(step, begins, ends)
        credit.give(decimal(step.cents), begins, ends, priority, paid=paid)
        self.made.append((step.kind, credit.grants[-1]))

    def _by_native(self, step: Give, begins: int, ends: int | None) -> None:
        asked: Json = {
            "customer": self.customer,
            "entitlement": self._kind(step.kind),
            "amount": str(decimal(step.cents)),
            "priority": step.priority,
            "category": "paid" if step.paid else "promotional",
        }
        asked |= {"effective_at": time_text(begins)} if step.waits else {}
        asked |= {} if ends is None else {"expires_at": time_text(ends)}
        self._ask("/api/v1/grants", True, json=asked)

    def _by_stripe(self, step: Give, begins: int, ends: int | None) -> None:
        asked: Json = {
            "customer": self.customer,
            "amount[type]": "monetary",
            "amount[monetary][currency]": step.kind,
            "amount[monetary][value]": step.cents,
            "applicability_config[scope][price_type]": "metered",
            "category": "paid" if step.paid else "promotional",
            "priority": step.priority,
        }
        asked |= {"effective_at": at(begins) // MICROSECONDS} if step.waits else {}
        asked |= {} if ends is None else {"expires_at": at(ends) // MICROSECONDS}
        self._ask("/v1/billing/credit_grants", True, data=asked)

    def _by_dodo(self, step: Give, begins: int, ends: int | None) -> None:
        asked: Json = {"entry_type": "credit", "amount": str(decimal(step.cents))}
        asked |= {} if ends is None else {"expires_at": time_text(ends)}
        self._ask(self._ledger(step.kind), True, json=asked)

    def _ledger(self, kind: str) -> str:
        return (
            f"/dodo/credit-entitlements/{self._kind(kind)}/balances/{self.customer}/ledger-entries"
        )

    def _by_sequence(self, step: Give, begins: int, ends: int | None) -> None:
        asked: Json = {
            "customerId": self.customer,
            "name": "Credit",
            "creditUnitType": "CURRENCY" if step.kind == USD else "METRIC",
            "currency": "USD",
            "amount": step.cents / 100,
            "costOfCredit": 9 if step.paid else 0,
        }
        asked |= {} if step.kind == USD else {"metricId": self.book.metric}
        asked |= {"effectiveDate": day_text(begins)} if step.waits else {}
        asked |= {} if ends is None else {"expiryDate": day_text(ends - 1)}
        self._ask("/sequence/credits", True, json=asked)

    def _end(self, step: End) -> None:
        """Stripe has no credit but money, and voids none that was drawn on."""
        if not self.made:
            return
        kind, grant = self.made[step.number % len(self.made)]
        dialect, _, how = step.way.partition(".")
        if dialect == STRIPE and kind == UNITS:
            expected = False
        elif how == "expire":
            expected = self.naive[kind].expire(grant)
        else:
            expected = self.naive[kind].void(grant, only_untouched=dialect == STRIPE)
        path = "/api/v1/grants" if dialect == NATIVE else "/v1/billing/credit_grants"
        content: Json = {"json": {}} if dialect == NATIVE else {}
        self._ask(f"{path}/{self._spelled(kind, grant)}/{how}", expected, **content)

    def _spelled(self, kind: str, grant: NaiveGrant) -> str:
        found = self.four.every("/grants", customer=self.customer, entitlement=self._kind(kind))
        return str(found[::-1][grant.number]["id"])

    def _move(self, step: Move) -> None:
        if not self.made:
            return
        kind, grant = self.made[step.number % len(self.made)]
        credit, amount = self.naive[kind], decimal(step.cents)
        act = credit.take if step.which == "DEBIT" else credit.put_back
        expected = act(grant, amount)
        body = {"grantId": self._spelled(kind, grant), "type": step.which, "amount": str(amount)}
        headers = {"On-Behalf-Of": self.book.account}
        self._ask("/sequence/credit-transactions", expected, json=body, headers=headers)

    # Usage -------------------------------------------------------------------------------------------

    def _draw(self, step: Draw) -> None:
        """Where there is too little, a debit is refused; an event draws what units there are, or no money."""
        credit, amount = self.naive[step.kind], decimal(step.cents)
        if step.way.endswith("event"):
            name = "use" if step.kind == UNITS else "pay"
            credit.draw(min(amount, credit.available()) if step.kind == UNITS else amount)
            getattr(self, f"_{step.way.replace(' ', '_')}")(name, amount)
        elif step.way == "hold":
            self._hold(step, amount)
        else:
            self._debit(step, amount, credit.draw(amount))

    def _debit(self, step: Draw, amount: Decimal, expected: bool) -> None:
        if step.way == "native":
            body = self._native_body(step.kind, amount)
            self._ask("/api/v1/debits", expected, json=body)
        elif step.way == "dodo":
            body = {"entry_type": "debit", "amount": str(amount)}
            self._ask(self._ledger(step.kind), expected, json=body)
        else:
            body = {"amount": step.cents, "currency": "USD", "entry_type": "debit"}
            path = f"/dodo/customers/{self.customer}/wallets/ledger-entries"
            self._ask(path, expected, json=body)

    def _native_body(self, kind: str, amount: Decimal) -> Json:
        return {
            "customer": self.customer,
            "entitlement": self._kind(kind),
            "amount": str(amount),
            "idempotency_key": f"key-{next(self.book.numbers)}",
        }

    def _hold(self, step: Draw, amount: Decimal) -> None:
        """Half as much again is set aside."""
        reserved = amount + amount / 2
        expected = self.naive[step.kind].draw(amount, reserved)
        body = self._native_body(step.kind, reserved)
        answer = self.book.http.post("/api/v1/holds", json=body)
        assert answer.is_success is expected, answer.text
        if expected:
            capture = {
                "amount": str(amount),
                "final": True,
                "idempotency_key": body["idempotency_key"],
            }
            self._ask(f"/api/v1/holds/{answer.json()['id']}/capture", True, json=capture)

    def _event_id(self) -> str:
        return f"event-{next(self.book.numbers)}"

    def _native_event(self, name: str, amount: Decimal) -> None:
        body = {"id": self._event_id(), "customer": self.customer, "name": name}
        self._ask("/api/v1/events", True, json=body | {"properties": {"n": str(amount)}})

    def _stripe_event(self, name: str, amount: Decimal) -> None:
        payload = {"payload[stripe_customer_id]": self.customer, "payload[n]": str(amount)}
        self._ask("/v1/billing/meter_events", True, data={"event_name": name} | payload)

    def _dodo_event(self, name: str, amount: Decimal) -> None:
        event: Json = {
            "event_id": self._event_id(),
            "customer_id": self.customer,
            "event_name": name,
        }
        event |= {"metadata": {"n": float(amount)}}
        self._ask("/dodo/events/ingest", True, json={"events": [event]})

    def _sequence_event(self, name: str, amount: Decimal) -> None:
        event = {"customerAlias": self.customer, "eventType": name}
        self._ask(
            "/sequence/usage-events", True, json=event | {"eventProperties": {"n": float(amount)}}
        )

    # What must be the same ---------------------------------------------------------------------------

    def check(self) -> None:
        wallets = agreed(self.four, self.customer)
        by_kind = {USD if code == USD else UNITS: each for code, each in wallets.items()}
        for kind, credit in self.naive.items():
            if credit.grants:
                self._check(by_kind[kind], credit)

    def _check(self, wallet: Wallet, credit: NaiveCredit) -> None:
        now = credit.now
        for kept, grant in zip(wallet.grants, credit.grants, strict=True):
            assert kept["state"] == grant.state(now), kept
            found = tuple(
                Decimal(kept[name]) for name in ("amount", "remaining", "used", "expired", "voided")
            )
            assert found == (grant.amount, grant.left, grant.used, grant.expired, grant.voided)
        assert wallet.has("available") == credit.available()


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_whatever_is_asked_all_dialects_show_what_a_naive_ledger_does(
    book: Book, steps: list[Step]
) -> None:
    note(f"{steps}")
    player = Player(book)
    for number, step in enumerate(steps, 1):
        player.play(step)
        if number % 8 == 0:
            player.check()
    player.check()
