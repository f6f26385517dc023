"""Balances and the ledger as lists, page by page to the end."""

from __future__ import annotations

from typing import Any

import dodopayments

from drawdown.core.types import DAY, Instant
from tests.dialects.dodo.sdk import Ask, Dodo
from tests.support.clocked_server import ClockedServer


def ledger(dodo: Dodo, customer: str, entitlement: str, **query: Any) -> list[Any]:
    """One page, as it was asked for."""
    found: list[Any] = dodo(listing(customer, entitlement, **query)).items
    return found


def listing(customer: str, entitlement: str, **query: Any) -> Ask:
    return lambda client: client.credit_entitlements.balances.list_ledger(
        customer, credit_entitlement_id=entitlement, **query
    )


def balances(dodo: Dodo, entitlement: str, **query: Any) -> list[Any]:
    found: list[Any] = dodo(
        lambda client: client.credit_entitlements.balances.list(entitlement, **query)
    ).items
    return found


def test_every_call_is_one_row_newest_first(dodo: Dodo) -> None:
    """With the id that the call was answered with; before and after make an unbroken chain."""
    ada, tokens = dodo.customer(), dodo.entitlement()
    entries = [
        dodo.credit(ada, tokens.id, "10", reason="Welcome", metadata={"campaign": "may"}),
        dodo.credit(ada, tokens.id, "5"),
        dodo.debit(ada, tokens.id, "12.5", reason="A long job"),
    ]
    rows = ledger(dodo, ada, tokens.id)
    assert [row.id for row in rows] == [entry.id for entry in reversed(entries)]
    drawn, second, first = rows
    assert (first.transaction_type, first.amount, first.is_credit) == ("credit_added", "10", True)
    assert (first.description, first.metadata) == ("Welcome", {"campaign": "may"})
    assert (first.reference_type, first.reference_id) == ("api", None)
    assert first.grant_id == entries[0].grant_id
    assert (drawn.transaction_type, drawn.amount, drawn.is_credit) == (
        "credit_deducted",
        "12.5",
        False,
    )
    assert (drawn.grant_id, drawn.description) == (None, "A long job")
    assert [(row.balance_before, row.balance_after) for row in (first, second, drawn)] == [
        ("0", "10"),
        ("10", "15"),
        ("15", "2.5"),
    ]
    assert {row.overage_before for row in rows} | {row.overage_after for row in rows} == {"0"}
    account = dodo(lambda client: client.customers.retrieve(ada)).business_id
    assert {(row.business_id, row.customer_id, row.credit_entitlement_id) for row in rows} == {
        (account, ada, tokens.id)
    }


def test_rows_are_chosen_by_type(dodo: Dodo) -> None:
    """The vendor's schema takes any text: of an unknown type there is nothing."""
    ada, tokens = dodo.customer(), dodo.entitlement()
    for number in range(3):
        dodo.credit(ada, tokens.id, "10")
        dodo.debit(ada, tokens.id, str(number + 1))
    drawn = ledger(dodo, ada, tokens.id, transaction_type="credit_deducted")
    assert [row.amount for row in drawn] == ["3", "2", "1"]
    second = ledger(
        dodo, ada, tokens.id, transaction_type="credit_added", page_size=1, page_number=1
    )
    assert [row.balance_before for row in second] == ["9"]
    assert ledger(dodo, ada, tokens.id, transaction_type="refund") == []
    assert ledger(dodo, ada, tokens.id, transaction_type="anything") == []


def test_rows_are_chosen_by_time_both_ends_included(timed: Dodo, clocked: ClockedServer) -> None:
    ada, tokens = timed.customer(), timed.entitlement()
    at = []
    for number in range(4):
        at.append(timed.credit(ada, tokens.id, str(number + 1)).created_at)
        clocked.clock.instant = Instant(clocked.clock.instant + DAY)

    def amounts(**query: Any) -> list[str]:
        return [row.amount for row in ledger(timed, ada, tokens.id, **query)]

    assert amounts(start_date=at[1], end_date=at[2]) == ["3", "2"]
    assert amounts(start_date=at[2]) == ["4", "3"]
    assert amounts(end_date=at[0]) == ["1"]
    assert amounts(start_date=at[3].replace(tzinfo=None)) == ["4"]
    assert amounts(start_date=at[3], end_date=at[0]) == []
    refused = timed.refused(
        lambda client: client.credit_entitlements.balances.list_ledger(
            ada, credit_entitlement_id=tokens.id, start_date="soon"
        )
    )
    assert (refused.status, refused.code) == (422, "INVALID_QUERY_PARAMS")


def test_what_expires_is_a_row_of_its_own_at_that_instant(
    timed: Dodo, clocked: ClockedServer
) -> None:
    """Written or not: the list has it as soon as it is over."""
    ada, tokens = timed.customer(), timed.entitlement(expires_after_days=1)
    given = timed.credit(ada, tokens.id, "10")
    timed.debit(ada, tokens.id, "4")
    clocked.clock.instant = Instant(clocked.clock.instant + 3 * DAY)
    expired = ledger(timed, ada, tokens.id)[0]
    assert (expired.transaction_type, expired.amount, expired.is_credit) == (
        "credit_expired",
        "6",
        False,
    )
    assert (expired.balance_before, expired.balance_after) == ("6", "0")
    assert (expired.grant_id, expired.reference_type) == (given.grant_id, None)
    assert (expired.created_at - given.created_at).days == 1


def test_pages_of_the_ledger_hold_every_row_once(dodo: Dodo) -> None:
    """Also where a walk takes several steps: a debit of many grants is never torn."""
    ada, tokens = dodo.customer(), dodo.entitlement()
    ids = []
    for _ in range(5):
        ids += [dodo.credit(ada, tokens.id, "1").id for _ in range(60)]
        ids.append(dodo.debit(ada, tokens.id, "60").id)
    found: list[str] = []
    for number in range(8):
        page = ledger(dodo, ada, tokens.id, page_size=50, page_number=number)
        found += [row.id for row in page]
    assert found == ids[::-1]


def test_a_ledger_is_of_what_there_is(dodo: Dodo) -> None:
    ada, tokens = dodo.customer(), dodo.entitlement()
    assert ledger(dodo, ada, tokens.id) == []
    for customer, entitlement in ((ada, "cde_unknown"), ("cus_unknown", tokens.id)):
        refused = dodo.refused(listing(customer, entitlement))
        assert refused.error is dodopayments.NotFoundError


def test_balances_are_listed_the_newest_first(dodo: Dodo) -> None:
    tokens, other = dodo.entitlement(), dodo.entitlement(name="Others")
    customers = [dodo.customer() for _ in range(3)]
    for number, customer in enumerate(customers):
        dodo.credit(customer, tokens.id, str(number + 1))
    dodo.debit(customers[0], tokens.id, "1")
    shown = [(each.customer_id, each.balance) for each in balances(dodo, tokens.id)]
    assert shown == [(customers[2], "3"), (customers[1], "2"), (customers[0], "0")]
    one = balances(dodo, tokens.id, customer_id=customers[1])
    assert one == [dodo.balance(customers[1], tokens.id)]
    page = balances(dodo, tokens.id, page_size=2, page_number=1)
    assert [each.customer_id for each in page] == [customers[0]]
    assert balances(dodo, other.id) == balances(dodo, tokens.id, page_number=7) == []
    assert balances(dodo, other.id, customer_id=customers[1]) == []
    assert balances(dodo, tokens.id, customer_id="cus_unknown") == []
    refused = dodo.refused(lambda client: client.credit_entitlements.balances.list("cde_unknown"))
    assert refused.error is dodopayments.NotFoundError
