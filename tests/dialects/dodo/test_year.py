"""A year of a subscription with rollover and overage, on a test clock: every number of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from tests.dialects.dodo.clocked import Clocked
from tests.dialects.dodo.sdk import Dodo
from tests.dialects.dodo.test_products import MONTHLY, product
from tests.dialects.dodo.test_subscriptions import attach, found, subscribe, update, usage
from tests.support.server import Tenant


class Month(NamedTuple):
    """One cycle of 100 credits, and half of what is left carried on, once.

    ``carried``: what came over from the last; ``used``: in credits of 1,000 tokens. Then what is left,
    what is owed, and what becomes of that as the cycle ends at ``ends``.
    """

    ends: str
    carried: str
    used: str
    left: str
    owed: str
    carries: str
    expires: str
    forfeits: str


YEAR = (
    Month("2031-02-28", "0", "40", "60", "0", "30", "30", "0"),
    Month("2031-03-31", "30", "150", "0", "20", "0", "0", "0"),
    Month("2031-04-30", "0", "0", "100", "0", "50", "50", "0"),
    Month("2031-05-31", "50", "0", "150", "0", "50", "50", "50"),
    Month("2031-06-30", "50", "190", "0", "40", "0", "0", "0"),
    Month("2031-07-31", "0", "99.5", "0.5", "0", "0.25", "0.25", "0"),
    Month("2031-08-31", "0.25", "110.25", "0", "10", "0", "0", "0"),
    Month("2031-09-30", "0", "100", "0", "0", "0", "0", "0"),
    Month("2031-10-31", "0", "33.33", "66.67", "0", "33.33", "33.34", "0"),
    Month("2031-11-30", "33.33", "0", "133.33", "0", "50", "50", "33.33"),
    Month("2031-12-31", "50", "150", "0", "0", "0", "0", "0"),
    Month("2032-01-31", "0", "25", "75", "0", "37.5", "37.5", "0"),
)
LIMIT = Decimal(40)


@pytest.fixture
def ada(tenant: Tenant) -> Iterator[Clocked]:
    made = Clocked(tenant)
    yield made
    made.http.close()


def meter(dodo: Dodo) -> str:
    made: str = dodo(
        lambda client: client.meters.create(
            name="Tokens",
            event_name="tokens",
            measurement_unit="token",
            aggregation={"type": "sum", "key": "n"},
        )
    ).id
    return made


def use(dodo: Dodo, ada: Clocked, name: str, *quantities: int) -> None:
    """Events of these quantities, now, told twice: the second time they are known."""
    events = [
        {
            "event_id": f"{name}-{number}",
            "customer_id": ada.customer,
            "event_name": "tokens",
            "metadata": {"n": quantity},
        }
        for number, quantity in enumerate(quantities)
    ]
    told = [dodo(lambda client: client.usage_events.ingest(events=events)) for _ in range(2)]
    assert [each.ingested_count for each in told] == [len(quantities), 0]


def start(dodo: Dodo, ada: Clocked) -> tuple[str, str]:
    """The entitlement, and a subscription of Ada's to 100 of it a month, which a meter draws on."""
    kind = dodo.entitlement(
        rollover_enabled=True,
        rollover_percentage=50,
        max_rollover_count=1,
        overage_enabled=True,
        overage_limit=int(LIMIT),
        overage_behavior="forgive_at_reset",
        price_per_unit="2",
        currency="USD",
    ).id
    link = {
        "meter_id": meter(dodo),
        "credit_entitlement_id": kind,
        "meter_units_per_credit": "1000",
    }
    price = {key: value for key, value in MONTHLY.items() if key != "price"}
    price |= {"type": "usage_based_price", "fixed_price": 0, "meters": [link]}
    plan = product(dodo, attach(kind), price=price)
    return kind, subscribe(dodo, ada.customer, plan.product_id)


def test_every_number_of_a_year(dodo: Dodo, ada: Clocked) -> None:
    kind, subscription = start(dodo, ada)
    for month in YEAR:
        opened = dodo.balance(ada.customer, kind)
        assert (Decimal(opened.balance), opened.overage) == (100 + Decimal(month.carried), "0")
        tokens = int(Decimal(month.used) * 1_000)
        use(dodo, ada, month.ends, tokens // 2, tokens - tokens // 2)
        closing = dodo.balance(ada.customer, kind)
        assert (closing.balance, closing.overage) == (month.left, month.owed), month
        [item] = usage(dodo, subscription)
        assert (item.balance, item.overage) == (month.left, month.owed)
        assert (item.overage_enabled, item.overage_limit) == (True, "40")
        assert item.limit_reached is (Decimal(month.owed) == LIMIT)
        assert Decimal(item.remaining_headroom) == LIMIT - Decimal(month.owed)
        shown = found(dodo, subscription)
        assert (shown.status, f"{shown.next_billing_date:%Y-%m-%d}") == ("active", month.ends)
        [cart] = shown.credit_entitlement_cart
        assert (cart.remaining_balance, cart.overage_balance) == (month.left, month.owed)
        check_conserved(month)
        ada.advance(f"{month.ends}T00:00:00Z")
    assert dodo.balance(ada.customer, kind).balance == "137.5"
    check_grants(dodo, ada, kind, subscription)
    check_ledger(ledger(dodo, ada, kind))
    update(dodo, subscription, status="cancelled")
    ada.advance("2033-01-31T00:00:00Z")
    assert found(dodo, subscription).status == "cancelled"
    assert dodo.balance(ada.customer, kind).overage == "0"


def check_conserved(month: Month) -> None:
    """The table itself adds up: what came went somewhere."""
    carried, used, left, owed, *ends = (Decimal(each) for each in month[1:])
    assert 100 + carried - used == left - owed
    assert left == sum(ends)


def check_grants(dodo: Dodo, ada: Clocked, kind: str, subscription: str) -> None:
    """One of 100 for each month and the running one, and one for what each month carried on."""
    listed = dodo.grants(ada.customer, kind, page_size=100)
    made = sorted(listed, key=lambda grant: grant.created_at, reverse=True)
    assert {grant.source_id for grant in made} == {subscription}
    assert {str(grant.metadata) for grant in made} == {"{}"}
    whole = [grant for grant in made if grant.rollover_count == 0]
    carried = [grant for grant in made if grant.rollover_count == 1]
    assert [grant.initial_amount for grant in whole] == ["100"] * 13
    assert {grant.source_type for grant in whole} == {"subscription"}
    amounts = [month.carries for month in YEAR if month.carries != "0"]
    assert [grant.initial_amount for grant in reversed(carried)] == amounts
    assert {grant.source_type for grant in carried} == {"rollover"}
    assert {grant.parent_grant_id for grant in carried} <= {grant.id for grant in whole}
    assert sum(grant.is_rolled_over for grant in whole) == len(carried)
    assert [grant.remaining_amount for grant in (whole[0], carried[0])] == ["100", "37.5"]
    assert all(grant.remaining_amount == "0" for grant in (*whole[1:], *carried[1:]))


def ledger(dodo: Dodo, ada: Clocked, kind: str) -> list[Any]:
    """Every row of the year, the oldest first."""

    def page(number: int) -> list[Any]:
        found: list[Any] = dodo(
            lambda client: client.credit_entitlements.balances.list_ledger(
                ada.customer, credit_entitlement_id=kind, page_size=25, page_number=number
            )
        ).items
        return found

    return [row for number in range(10) for row in page(number)][::-1]


def check_ledger(rows: list[Any]) -> None:
    """Each row goes on where the one before it stopped, and the sums are those of the table."""
    for before, after in pairwise(rows):
        assert (after.balance_before, after.overage_before) == (
            before.balance_after,
            before.overage_after,
        )
    assert (rows[0].balance_before, rows[-1].balance_after) == ("0", "137.5")
    sums: dict[tuple[str, bool], Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row.transaction_type, row.is_credit] += Decimal(row.amount)
    owed, carried = total("owed"), total("carries")
    assert sums == {
        ("credit_added", True): Decimal(1_300),
        ("credit_deducted", False): total("used") - owed,
        ("overage_charged", False): owed,
        ("overage_reset", False): owed,
        ("credit_rolled_over", False): carried,
        ("credit_rolled_over", True): carried,
        ("credit_expired", False): total("expires"),
        ("rollover_forfeited", False): total("forfeits"),
    }


def total(column: str) -> Decimal:
    return sum((Decimal(getattr(month, column)) for month in YEAR), Decimal(0))
