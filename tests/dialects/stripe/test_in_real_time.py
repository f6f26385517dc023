"""Credit that invoices draw on is spent in real time, too: by native debits, holds and rates.

The customer is on a test clock and has 10.00 USD; a search costs five cents on his invoice.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stripe

from tests.dialects.native.support import capture, created, debit, hold, ok, problem
from tests.dialects.stripe.test_billing import DAY, HOUR, START, Stage
from tests.support.commands import drawdown
from tests.support.server import Server

FEBRUARY = START + 31 * DAY


@pytest.fixture
def ann(client: stripe.StripeClient, native: httpx.Client) -> Stage:
    made = Stage(client)
    made.grant(1_000)
    return made


def rate(native: httpx.Client, price: str) -> None:
    """From now on each search draws so many dollars at once."""
    meter = {
        "code": "at-once",
        "event_name": "search",
        "aggregation": "sum",
        "property": "value",
    }
    created(native.post("/meters", json=meter))
    model = {"model": "per_unit", "price": price}
    created(native.post("/rates", json={"meter": "at-once", "entitlement": "usd", "price": model}))


def bill(stage: Stage) -> tuple[str, int, int, int]:
    """Of the newest invoice: how it stands, its subtotal, what credit pays of it, and what is left."""
    found = stage.invoices()[-1]
    credits = found.total_pretax_credit_amounts or []
    return found.status or "", found.subtotal, sum(each.amount for each in credits), found.total


@pytest.mark.parametrize(
    ("price", "before", "left", "after"),
    [
        ("0.05", 800, 0, 800),  # all of it
        ("0.03", 880, 80, 800),  # 2.00 - 1.20
        ("0.07", 720, 0, 720),  # more than it costs: nothing is given back
        ("0.0312", 875, 75, 800),  # 2.00 - 1.248 = 0.752; 10.00 - 1.248 - 0.75 = 8.002
        ("0.049875", 800, 1, 799),  # 2.00 - 1.995 = 0.005, half a cent is one; 10.00 - 1.995 - 0.01
    ],
)
def test_usage_that_was_drawn_at_once_is_not_charged_again(
    ann: Stage, native: httpx.Client, price: str, before: int, left: int, after: int
) -> None:
    rate(native, price)
    ann.subscribe()
    ann.use(25)
    ann.use(15)
    assert ann.balance() == (before, before)
    ann.advance(FEBRUARY)
    assert bill(ann) == ("draft", left, left, 0)
    line = ann.invoices()[-1].lines.data[0]
    assert (line.quantity, line.amount) == (40, left)
    ann.advance(FEBRUARY + HOUR)
    assert bill(ann) == ("paid", left, left, 0)
    assert ann.balance() == (after, after)


def test_usage_that_credit_was_not_enough_for_is_charged(ann: Stage, native: httpx.Client) -> None:
    """All or nothing is drawn at once; the invoice takes what there is, and asks for the rest."""
    rate(native, "0.05")
    ann.subscribe()
    ann.use(220)
    assert ann.balance() == (1_000, 1_000)
    ann.use(150)
    assert ann.balance() == (250, 250)
    ann.advance(FEBRUARY + HOUR)
    assert bill(ann) == ("open", 1_100, 250, 850)
    assert ann.balance() == (0, 0)


def test_usage_that_is_taken_back_gives_back_what_it_drew_and_is_on_no_invoice(
    ann: Stage, native: httpx.Client
) -> None:
    rate(native, "0.03")
    ann.subscribe()
    ann.use(25, identifier="mistaken")
    ann.use(15)
    assert ann.balance() == (880, 880)
    ann.client.v1.billing.meter_event_adjustments.create(
        {"event_name": "search", "type": "cancel", "cancel": {"identifier": "mistaken"}}
    )
    assert ann.balance() == (955, 955)
    ann.advance(FEBRUARY)
    assert bill(ann) == ("draft", 30, 30, 0)  # 15 at five cents, without 0.45


def test_what_is_given_back_by_hand_is_not_charged_either(ann: Stage, native: httpx.Client) -> None:
    rate(native, "0.05")
    ann.subscribe()
    ann.use(40, identifier="kind")
    drawn = ok(native.get("/events/kind"))["debit"]
    key = {"idempotency_key": "goodwill"}
    created(native.post(f"/debits/{drawn}/reverse", json=key))
    assert ann.balance() == (1_000, 1_000)
    ann.advance(FEBRUARY + HOUR)
    assert bill(ann) == ("paid", 0, 0, 0)


def test_holds_and_debits_leave_to_a_draft_what_it_has_set_aside(
    ann: Stage, native: httpx.Client, server: Server
) -> None:
    ann.subscribe()
    ann.use(100)
    ann.advance(FEBRUARY - HOUR)
    work = hold(native, ann.customer.id, "3", expires_in=DAY)["id"]
    assert ann.balance() == (1_000, 700)
    ann.advance(FEBRUARY)
    assert bill(ann) == ("draft", 500, 500, 0)
    assert ann.balance() == (1_000, 200)
    refused = problem(debit(native, ann.customer.id, "2.01"), 402, "insufficient_credit")
    assert refused["available"] == "2"
    created(debit(native, ann.customer.id, "1.5"))
    assert ann.balance() == (850, 50)
    created(capture(native, work, "2", final=True))
    assert ann.balance() == (650, 150)
    ann.advance(FEBRUARY + HOUR)
    assert bill(ann) == ("paid", 500, 500, 0)
    assert ann.balance() == (150, 150)
    assert ann.transactions() == [
        ("credits_applied", 500),
        ("credits_applied", 200),
        ("credits_applied", 150),
        ("credits_granted", 1_000),
    ]
    newest = ann.client.v1.billing.credit_balance_transactions.list({"customer": ann.customer.id})
    named = [each.debit and each.debit.credits_applied for each in newest.data]
    assert [each is not None for each in named] == [True, False, False, False]
    assert drawdown("verify", "--database", server.database, "--json").json()["ok"]


def test_a_draft_becomes_final_with_what_is_there_then(ann: Stage, native: httpx.Client) -> None:
    """A hold leaves it short; what is released is its own to take, as far as nobody has drawn it."""
    ann.subscribe()
    ann.use(100)
    ann.advance(FEBRUARY - HOUR)
    work = hold(native, ann.customer.id, "8", expires_in=DAY)["id"]
    ann.advance(FEBRUARY)
    assert bill(ann) == ("draft", 500, 200, 300)
    assert ann.balance() == (1_000, 0)
    ok(native.post(f"/holds/{work}/release", json={"idempotency_key": "done"}))
    assert ann.balance() == (1_000, 800)
    assert bill(ann) == ("draft", 500, 200, 300)
    created(debit(native, ann.customer.id, "7"))
    assert ann.balance() == (300, 100)
    ann.advance(FEBRUARY + HOUR)
    assert bill(ann) == ("open", 500, 300, 200)
    assert ann.balance() == (0, 0)
    ann.client.v1.invoices.void_invoice(ann.invoices()[-1].id)
    assert ann.balance() == (300, 300)
    created(debit(native, ann.customer.id, "3"))
    assert ann.balance() == (0, 0)


def test_credit_for_one_price_pays_what_names_the_price(ann: Stage, native: httpx.Client) -> None:
    scope: Any = {"scope": {"prices": [{"id": ann.price.id}]}}
    ann.grant(400, applicability_config=scope, priority=0)
    name = ann.customer.id
    problem(debit(native, name, "10.01"), 402, "insufficient_credit")
    both = created(debit(native, name, "4.5", attributes={"price": ann.price.id}))
    assert [draw["amount"] for draw in both["draws"]] == ["4", "0.5"]
    assert ann.balance() == (950, 950)
