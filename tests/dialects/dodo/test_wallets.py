"""Wallets: real money, in whole cents and paise."""

from __future__ import annotations

from typing import Any

import dodopayments
import pytest

from tests.dialects.dodo.sdk import Ask, Dodo


def enter(customer: str, entry_type: str, amount: int, **more: Any) -> Ask:
    given = {"currency": "USD"} | more
    return lambda client: client.customers.wallets.ledger_entries.create(
        customer, amount=amount, entry_type=entry_type, **given
    )


def entries(dodo: Dodo, customer: str, **query: Any) -> list[Any]:
    found: list[Any] = dodo(
        lambda client: client.customers.wallets.ledger_entries.list(customer, **query)
    ).items
    return found


def test_money_is_put_in_and_taken_out(dodo: Dodo) -> None:
    ada = dodo.customer()
    empty = dodo(lambda client: client.customers.wallets.list(ada))
    assert (empty.items, empty.total_balance_usd) == ([], 0)
    made = dodo(enter(ada, "credit", 1_000, reason="A refund"))
    assert (made.customer_id, made.currency, made.balance) == (ada, "USD", 1_000)
    assert dodo(enter(ada, "debit", 999)).balance == 1
    assert dodo(enter(ada, "credit", 50_000, currency="INR")).balance == 50_000
    wallets = dodo(lambda client: client.customers.wallets.list(ada))
    assert [(each.currency, each.balance) for each in wallets.items] == [
        ("USD", 1),
        ("INR", 50_000),
    ]
    assert wallets.total_balance_usd == 1


def test_what_is_not_there_is_not_taken_out(dodo: Dodo) -> None:
    ada = dodo.customer()
    dodo(enter(ada, "credit", 10))
    for currency, amount in (("USD", 11), ("INR", 1)):
        refused = dodo.refused(enter(ada, "debit", amount, currency=currency))
        assert (refused.status, refused.code) == (400, "INSUFFICIENT_WALLET_FUNDS")
    assert dodo(lambda client: client.customers.wallets.list(ada)).items[0].balance == 10


def test_a_used_key_gets_the_first_answer_and_moves_nothing(dodo: Dodo) -> None:
    """Another amount under it is a conflict."""
    ada = dodo.customer()
    first = dodo(enter(ada, "credit", 10, idempotency_key="once"))
    dodo(enter(ada, "credit", 5))
    assert dodo(enter(ada, "credit", 10, idempotency_key="once")) == first
    refused = dodo.refused(enter(ada, "credit", 11, idempotency_key="once"))
    assert (refused.status, refused.code) == (409, "IDEMPOTENCY_KEY_ALREADY_EXISTS")
    assert dodo(lambda client: client.customers.wallets.list(ada)).items[0].balance == 15


def test_what_happened_is_listed_newest_first(dodo: Dodo) -> None:
    ada = dodo.customer()
    dodo(enter(ada, "credit", 100, reason="A refund"))
    dodo(enter(ada, "credit", 700, currency="INR"))
    dodo(enter(ada, "credit", 20))
    dodo(enter(ada, "debit", 110))
    shown = [
        (each.currency, each.amount, each.is_credit, each.before_balance, each.after_balance)
        for each in entries(dodo, ada)
    ]
    assert shown == [
        ("USD", 110, False, 120, 10),
        ("USD", 20, True, 100, 120),
        ("INR", 700, True, 0, 700),
        ("USD", 100, True, 0, 100),
    ]
    last = entries(dodo, ada)[-1]
    assert (last.reason, last.event_type) == ("A refund", "merchant_adjustment")
    assert [each.amount for each in entries(dodo, ada, currency="INR")] == [700]
    pages = [entries(dodo, ada, page_size=3, page_number=number) for number in range(3)]
    assert [[each.amount for each in page] for page in pages] == [[110, 20, 700], [100], []]


@pytest.mark.parametrize(
    "wrong", [{"amount": 0}, {"amount": -1}, {"currency": "EUR"}, {"entry_type": "gift"}]
)
def test_a_bad_entry_is_refused(dodo: Dodo, wrong: dict[str, Any]) -> None:
    ada = dodo.customer()
    given: dict[str, Any] = {"entry_type": "credit", "amount": 1} | wrong
    refused = dodo.refused(enter(ada, **given))
    assert (refused.status, refused.code) == (422, "INVALID_REQUEST_BODY")
    [named] = wrong
    assert named in refused.message


def test_wallets_are_of_a_customer_and_no_credit_entitlement(dodo: Dodo) -> None:
    ada = dodo.customer()
    dodo(enter(ada, "credit", 10))
    assert dodo(lambda client: client.customers.list_credit_entitlements(ada)).items == []
    assert dodo(lambda client: client.credit_entitlements.list()).items == []
    for ask in (
        enter("cus_unknown", "credit", 1),
        lambda client: client.customers.wallets.list("cus_unknown"),
        lambda client: client.customers.wallets.ledger_entries.list("cus_unknown"),
    ):
        assert dodo.refused(ask).error is dodopayments.NotFoundError
