"""Credit that renews, is carried on, goes past zero, or is set aside by drafts: the same in all dialects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.dialects.dodo.clocked import Clocked
from tests.dialects.dodo.test_products import product
from tests.dialects.dodo.test_subscriptions import attach, subscribe
from tests.dialects.sequence.contract import Balances, read
from tests.dialects.sequence.support import new_credit
from tests.dialects.stripe.test_billing import DAY, HOUR, START, Stage
from tests.dialects.together.four import Four
from tests.dialects.together.shown import agreed

ENDS = ("2031-02-28", "2031-03-31", "2031-04-30")


@pytest.fixture
def ada(four: Four) -> Iterator[Clocked]:
    """On a test clock, at the end of January."""
    made = Clocked(four.tenant)
    with closing(made.http):
        yield made


def test_a_plan_of_dodo_renews_and_is_carried_on_in_every_dialect(four: Four, ada: Clocked) -> None:
    """Sequence's grants and events are drawn beside it."""
    terms = {"rollover_enabled": True, "rollover_percentage": 50, "max_rollover_count": 1}
    kind = four.dodo.entitlement(name="Tokens", precision=2, **terms).id
    subscribe(four.dodo, ada.customer, product(four.dodo, attach(kind)).product_id)
    for number, month in enumerate(ENDS):
        four.native.debit(ada.customer, kind, 30)
        more = {"creditUnitType": "METRIC", "metricId": kind, "amount": "10"}
        new_credit(four.sequence, ada.customer, **more)
        agreed(four, ada.customer)
        ada.advance(f"{month}T00:00:00Z")
        [wallet] = agreed(four, ada.customer).values()
        assert wallet.moved("rolled_in") == wallet.moved("rolled_out") > 0
        assert (wallet.moved("forfeited") > 0) is (number > 0)
    assert reasons(four, ada.customer) >= {"Rolled over", "Expired", "Forfeited"}


def reasons(four: Four, customer: str) -> set[Any]:
    answer = four.sequence.get(f"/credits/{customer}/balances")
    [shown] = read(answer, 200, Balances).items
    return {each.reason for each in shown.transactions}


def test_a_schedule_in_money_is_shown_in_every_dialect(four: Four, ada: Clocked) -> None:
    """To Stripe what leaves one grant has expired, and what comes into the other is granted."""
    asked = {
        "customer": ada.customer,
        "entitlement": "usd",
        "amount": "25.5",
        "every": {"unit": "month"},
        "rollover": {"percentage": 50},
        "name": "Monthly",
    }
    four.ask("POST", "/schedules", asked)
    for month in ENDS:
        four.dodo.debit(ada.customer, "usd", "5.123456789")
        agreed(four, ada.customer)
        ada.advance(f"{month}T00:00:00Z")
        wallet = agreed(four, ada.customer)["usd"]
        assert wallet.moved("rolled_in") > 0
        assert {each["name"] for each in wallet.grants} == {"Monthly"}


def test_overage_is_repaid_by_what_any_dialect_grants(four: Four, ada: Clocked) -> None:
    """It is no balance below zero: Stripe and Sequence show none, and a debit of what repays it."""
    terms: Any = {"overage_enabled": True, "price_per_unit": "1", "currency": "USD"}
    kind = four.dodo.entitlement(overage_behavior="carry_deficit_auto_repay", **terms).id
    four.dodo.credit(ada.customer, kind, "10")
    four.native.debit(ada.customer, kind, 25)
    [wallet] = agreed(four, ada.customer).values()
    assert (wallet.balance["posted"], wallet.balance["overage"]) == ("0", "15")
    more = {"creditUnitType": "METRIC", "metricId": kind}
    new_credit(four.sequence, ada.customer, amount="12", **more)
    four.dodo.credit(ada.customer, kind, "7")
    [wallet] = agreed(four, ada.customer).values()
    assert (wallet.balance["posted"], wallet.balance["overage"]) == ("4", "0")
    assert "Overage repaid" in reasons(four, ada.customer)


def test_what_a_draft_of_stripe_sets_aside_is_held_in_every_dialect(four: Four) -> None:
    """It is drawn as the invoice is final, and given back as it is void; a native debit is beside it."""
    stage = Stage(four.stripe)
    customer = stage.customer.id
    stage.grant(50, priority=1)
    new_credit(four.sequence, customer, amount="10", expiryDate="2031-12-31")
    stage.subscribe()
    stage.use(40)
    stage.advance(START + 31 * DAY)
    assert held(four, customer) == ("10.5", "2", "0")
    four.native.debit(customer, "usd", "1.25")
    four.dodo.debit(customer, "usd", "1")
    assert held(four, customer) == ("8.25", "2", "2.25")
    stage.advance(START + 31 * DAY + HOUR)
    assert held(four, customer) == ("6.25", "0", "4.25")
    stage.use(600, timestamp=START + 31 * DAY + HOUR)
    stage.advance(START + 59 * DAY + HOUR)
    assert held(four, customer) == ("0", "0", "10.5")
    four.stripe.v1.invoices.void_invoice(stage.invoices()[-1].id)
    assert held(four, customer) == ("6.25", "0", "4.25")


def held(four: Four, customer: str) -> tuple[str, ...]:
    """Posted, held and used, on which all agree."""
    wallet = agreed(four, customer)["usd"]
    return tuple(str(wallet.balance[name]) for name in ("posted", "held", "used"))
