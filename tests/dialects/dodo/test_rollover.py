"""Credit of the API that rolls over at its own end, by what its entitlement said when it was given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.dialects.dodo.clocked import Clocked
from tests.dialects.dodo.sdk import Dodo
from tests.support.server import Tenant

TERMS = {
    "expires_after_days": 1,
    "rollover_enabled": True,
    "rollover_percentage": 75,
    "max_rollover_count": 1,
}


@pytest.fixture
def ada(tenant: Tenant) -> Iterator[Clocked]:
    found = Clocked(tenant)
    yield found
    found.http.close()


def rows(dodo: Dodo, ada: Clocked, kind: str) -> list[Any]:
    """The oldest first."""
    found: list[Any] = dodo(
        lambda client: client.credit_entitlements.balances.list_ledger(
            ada.customer, credit_entitlement_id=kind
        )
    ).items
    return found[::-1]


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T00:00:00+00:00")


def test_of_200_three_quarters_are_carried_once_and_then_forfeited(
    dodo: Dodo, ada: Clocked
) -> None:
    kind = dodo.entitlement(**TERMS).id
    dodo.credit(ada.customer, kind, "200")
    [given] = dodo.grants(ada.customer, kind)
    ada.advance("2031-02-01T00:00:00Z")
    assert dodo.balance(ada.customer, kind).balance == "150"
    carried, parent = dodo.grants(ada.customer, kind)
    assert (parent.id, parent.is_rolled_over, parent.is_expired) == (given.id, True, True)
    assert (carried.source_type, carried.source_id, carried.parent_grant_id) == (
        "rollover",
        None,
        given.id,
    )
    assert (carried.initial_amount, carried.remaining_amount) == ("150", "150")
    assert (carried.rollover_count, carried.is_rolled_over) == (1, False)
    assert (carried.created_at, carried.expires_at) == (day("2031-02-01"), day("2031-02-02"))
    ada.advance("2031-02-05T00:00:00Z")
    assert dodo.balance(ada.customer, kind).balance == "0"
    told = [
        (row.transaction_type, row.amount, row.balance_before, row.balance_after, row.grant_id)
        for row in rows(dodo, ada, kind)
    ]
    assert told == [
        ("credit_added", "200", "0", "200", given.id),
        ("credit_rolled_over", "150", "200", "50", given.id),
        ("credit_rolled_over", "150", "50", "200", carried.id),
        ("credit_expired", "50", "200", "150", given.id),
        ("rollover_forfeited", "150", "150", "0", carried.id),
    ]
    when = [row.created_at for row in rows(dodo, ada, kind)]
    assert when == [day("2031-01-31"), *[day("2031-02-01")] * 3, day("2031-02-02")]


def test_without_a_percentage_all_is_carried_for_the_timeframe(dodo: Dodo, ada: Clocked) -> None:
    """``expires_at`` of the credit itself is the instant."""
    kind = dodo.entitlement(
        rollover_enabled=True, rollover_timeframe_count=1, rollover_timeframe_interval="Month"
    ).id
    dodo.credit(ada.customer, kind, "10", expires_at="2031-02-28T00:00:00Z")
    dodo.debit(ada.customer, kind, "4")
    ada.advance("2031-02-28T00:00:00Z")
    carried, _ = dodo.grants(ada.customer, kind)
    assert (carried.remaining_amount, carried.expires_at) == ("6", day("2031-03-28"))


def test_what_was_given_keeps_the_terms_that_it_was_given_with(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement(**TERMS).id
    dodo.credit(ada.customer, kind, "200")
    dodo(lambda client: client.credit_entitlements.update(kind, rollover_enabled=False))
    dodo.credit(ada.customer, kind, "40")
    ada.advance("2031-02-01T00:00:00Z")
    assert dodo.balance(ada.customer, kind).balance == "150"


def test_credit_that_never_expires_is_never_carried(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement(rollover_enabled=True).id
    dodo.credit(ada.customer, kind, "5")
    ada.advance("2031-03-01T00:00:00Z")
    [kept] = dodo.grants(ada.customer, kind)
    assert (kept.remaining_amount, kept.expires_at, kept.is_rolled_over) == ("5", None, False)
