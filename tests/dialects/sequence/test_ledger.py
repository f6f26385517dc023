"""Credits read one by one, by pages and as balances, and the call that moves one by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import UNSET

from tests.dialects.sequence.contract import (
    Balance,
    Balances,
    Grants,
    OneGrant,
    Transaction,
    read,
    refusal,
)
from tests.dialects.sequence.support import (
    debit,
    drawn,
    new_credit,
    new_customer,
    new_metric,
    outstanding,
)
from tests.support.server import Tenant

NOTHING = "019b7e4c-5d2a-7c41-8f0e-3a5b6c7d8e9f"


@pytest.fixture
def account(tenant: Tenant, sequence: httpx.Client) -> str:
    """As answers spell it."""
    made = new_customer(sequence)
    return new_credit(sequence, made.id).sequence_account_id


def balances(sequence: httpx.Client, customer: str) -> list[Balance]:
    return read(sequence.get(f"/credits/{customer}/balances"), 200, Balances).items


def one(sequence: httpx.Client, grant: str) -> OneGrant:
    return read(sequence.get(f"/credits/{grant}"), 200, OneGrant)


def move(
    sequence: httpx.Client, account: str, grant: str, kind: str, amount: str, **more: Any
) -> httpx.Response:
    body = {"grantId": grant, "type": kind, "amount": amount} | more
    return sequence.post("/credit-transactions", json=body, headers={"On-Behalf-Of": account})


def moved(
    sequence: httpx.Client, account: str, grant: str, kind: str, amount: str, **more: Any
) -> Transaction:
    return read(move(sequence, account, grant, kind, amount, **more), 201, Transaction)


def test_a_credit_is_read_as_it_is_now(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    made = new_credit(
        sequence,
        customer,
        amount="1000.5",
        costOfCredit="900",
        expiryDate="2031-12-31",
        taxRateId="tax-1",
    )
    drawn(native, customer, "0.25")
    found = one(sequence, made.id)
    assert (found.type, found.currency, found.name) == ("CASH", "USD", "Launch credit")
    assert (found.original_amount, found.current_balance) == ("1000.5", "1000.25")
    assert (found.cost_of_credit, found.tax_rate_id) == ("900", "tax-1")
    assert (found.effective_date, found.expiry_date) == (found.created_at[:10], "2031-12-31")
    assert isinstance(found.amount, msgspec.Raw)
    assert (found.credit_unit_type, bytes(found.amount)) == ("CURRENCY", b"1000.5")
    for text in ("nothing", NOTHING, customer):
        refusal(sequence.get(f"/credits/{text}"), 404, "NotFound", "grant")


def test_a_credit_of_units_names_its_metric(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    code = new_metric(native, scale=2)
    more = {"creditUnitType": "METRIC", "metricId": code, "currency": "EUR"}
    made = new_credit(sequence, customer, amount="12.5", costOfCredit="5", **more)
    found = one(sequence, made.id)
    assert (found.type, found.metric_id, found.currency) == ("USAGE", made.metric_id, "EUR")
    assert (found.original_amount, found.cost_of_credit) == ("12.5", "5")


def test_what_was_granted_elsewhere_is_shown_too(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """Without a cost it cost nothing; units are priced in dollars where nobody says otherwise."""
    code = new_metric(native)
    body = {"customer": customer, "entitlement": code, "amount": "7", "category": "promotional"}
    made = native.post("/grants", json=body).json()
    [listed] = read(sequence.get("/credits"), 200, Grants).items
    assert (listed.name, listed.currency, listed.cost_of_credit) == (code, "USD", "0")
    assert one(sequence, made["id"]).id == listed.id


def test_credits_are_listed_in_every_state_newest_first(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    made = [new_credit(sequence, customer, amount="1").id for _ in range(7)]
    drawn(native, customer, "1")
    native.post(f"/grants/{made[1]}/expire")
    native.post(f"/grants/{made[2]}/void")
    listed = read(sequence.get("/credits"), 200, Grants)
    assert [each.id for each in listed.items] == made[::-1]
    assert [each.current_balance for each in listed.items] == ["1"] * 4 + ["0"] * 3
    assert listed.pagination.after is UNSET
    seen: list[str] = []
    query: dict[str, str] = {"limit": "3"}
    while True:
        page = read(sequence.get("/credits", params=query), 200, Grants)
        seen += [each.id for each in page.items]
        if page.pagination.after is UNSET:
            break
        query["after"] = str(page.pagination.after)
    assert seen == made[::-1]
    back = {"limit": "2", "before": str(page.pagination.before)}
    page = read(sequence.get("/credits", params=back), 200, Grants)
    assert [each.id for each in page.items] == made[::-1][4:6]


def test_a_balance_is_the_sum_of_its_transactions(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """Whatever moved it, in whichever dialect; what somebody did elsewhere says what it was."""
    code = new_metric(native)
    cash = new_credit(sequence, customer, amount="10")
    later = new_credit(sequence, customer, amount="5", effectiveDate="2090-01-01")
    units = new_credit(sequence, customer, amount="100", creditUnitType="METRIC", metricId=code)
    drawn(native, customer, "2.5")
    drawn(native, customer, "40", code)
    native.post(f"/grants/{cash.id}/expire")
    native.post(f"/grants/{later.id}/void")
    first, second = balances(sequence, customer)
    assert (first.id, first.type, first.name) == (units.metric_id, "USAGE", code)
    assert (second.id, second.type, second.name) == ("USD", "CASH", "USD")
    assert (first.balance, second.balance) == ("60", "0")
    assert [(each.type, each.amount, each.reason) for each in second.transactions] == [
        ("DEBIT", "5", "Voided"),
        ("DEBIT", "7.5", "Expired"),
        ("DEBIT", "2.5", UNSET),
        ("CREDIT", "5", UNSET),
        ("CREDIT", "10", UNSET),
    ]
    assert [each.id for each in second.grants] == [cash.id, later.id]
    for balance in (first, second):
        assert total(balance) == Decimal(balance.balance)
        assert len({each.id for each in balance.transactions}) == len(balance.transactions)


def test_a_customer_without_credit_has_no_balances(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """Nor has one who is only watched."""
    alert = {"customer": customer, "entitlement": "usd", "kind": "available_below", "amount": "9"}
    assert native.post("/alerts", json=alert).status_code == 201
    assert balances(sequence, customer) == []
    refusal(sequence.get("/credits/nobody/balances"), 404, "NotFound", "customer")


def test_credit_is_taken_from_one_grant_and_put_back(
    sequence: httpx.Client, account: str, customer: str
) -> None:
    first = new_credit(sequence, customer, amount="10", expiryDate="2030-01-01")
    second = new_credit(sequence, customer, amount="10")
    taken = moved(
        sequence,
        account,
        second.id,
        "DEBIT",
        "4.25",
        reason="Refund",
        invoiceId="inv-1",
        billingRunId="run-1",
    )
    assert (taken.grant_id, taken.type, taken.amount) == (second.id, "DEBIT", "4.25")
    tied = (taken.reason, taken.invoice_id, taken.billing_run_id)
    assert tied == ("Refund", "inv-1", "run-1")
    assert taken.date == taken.created_at[:10]
    assert one(sequence, second.id).current_balance == "5.75"
    assert one(sequence, first.id).current_balance == "10"
    back = moved(sequence, account, second.id, "CREDIT", "1")
    assert back.reason is UNSET
    assert one(sequence, second.id).current_balance == "6.75"
    [usd] = balances(sequence, customer)
    assert usd.transactions[1] == taken
    assert usd.balance == "16.75"


def test_no_more_is_taken_than_there_is_and_no_more_put_back_than_was_taken(
    sequence: httpx.Client, native: httpx.Client, account: str, customer: str
) -> None:
    made = new_credit(sequence, customer, amount="10")
    refusal(move(sequence, account, made.id, "DEBIT", "10.01"), 400, "InsufficientCredits", "10")
    refusal(move(sequence, account, made.id, "CREDIT", "0.01"), 400, "ValidationError", "0")
    drawn(native, customer, "3")
    refusal(move(sequence, account, made.id, "CREDIT", "3.01"), 400, "ValidationError", "3")
    moved(sequence, account, made.id, "CREDIT", "3")
    assert one(sequence, made.id).current_balance == "10"


def test_a_grant_is_never_overdrawn_however_many_draw(
    sequence: httpx.Client, native: httpx.Client, account: str, customer: str
) -> None:
    """By hand and by use, which may take from others besides; nor is more put back than was taken."""
    made = new_credit(sequence, customer, amount="10", expiryDate="2031-01-01")
    new_credit(sequence, customer, amount="3")

    def ask(place: int) -> int:
        if place % 3 == 0:
            return debit(native, customer, "0.75").status_code
        return move(sequence, account, made.id, "DEBIT", "0.75").status_code

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(ask, range(30)))
        [usd] = balances(sequence, customer)
        taken = sum(each == 201 for each in answers) * Decimal("0.75")
        assert set(answers) <= {201, 400, 402}
        assert taken == 13 - Decimal(usd.balance)
        assert all(Decimal(each.current_balance) >= 0 for each in usd.grants)
        assert total(usd) == Decimal(usd.balance)
        used = 10 - Decimal(one(sequence, made.id).current_balance)
        assert used > Decimal("9.25")
        back = threads.map(
            lambda _: move(sequence, account, made.id, "CREDIT", "1.5").status_code, range(12)
        )
        assert sorted(back) == [201] * 6 + [400] * 6
    assert Decimal(one(sequence, made.id).current_balance) == 10 - used + 9


def test_a_voided_grant_is_not_moved_and_an_expired_one_expires_again(
    sequence: httpx.Client, native: httpx.Client, account: str, customer: str
) -> None:
    voided, expired = (new_credit(sequence, customer, amount="10").id for _ in range(2))
    native.post(f"/grants/{voided}/void")
    moved(sequence, account, expired, "DEBIT", "4")
    native.post(f"/grants/{expired}/expire")
    for kind in ("DEBIT", "CREDIT"):
        refusal(move(sequence, account, voided, kind, "1"), 400, "InvalidState", "void")
    refusal(move(sequence, account, expired, "DEBIT", "1"), 400, "InvalidState", "expired")
    assert moved(sequence, account, expired, "CREDIT", "4", reason="Goodwill").amount == "4"
    assert one(sequence, expired).current_balance == "0"
    [usd] = balances(sequence, customer)
    assert [(each.type, each.amount, each.reason) for each in usd.transactions[:2]] == [
        ("DEBIT", "4", "Expired"),
        ("CREDIT", "4", "Goodwill"),
    ]


def test_what_follows_from_a_movement_has_a_reason_of_its_own(
    sequence: httpx.Client, native: httpx.Client, account: str, customer: str
) -> None:
    """What is said of a CREDIT, its reason and invoice, is not said of the expiry that follows."""
    made = new_credit(sequence, customer, amount="10")
    drawn(native, customer, "3")
    moved(sequence, account, made.id, "DEBIT", "1")
    native.post(f"/grants/{made.id}/expire")
    asked = {"reason": "Refund", "invoiceId": "inv-1"}
    back = moved(sequence, account, made.id, "CREDIT", "2", **asked)
    plain = moved(sequence, account, made.id, "CREDIT", "2")
    assert (plain.reason, plain.invoice_id) == (UNSET, UNSET)
    [usd] = balances(sequence, customer)
    lost, first, lost_before, second = usd.transactions[:4]
    assert (first, second) == (plain, back)
    for each in (lost, lost_before):
        told = (each.type, each.amount, each.reason, each.invoice_id)
        assert told == ("DEBIT", "2", "Expired", UNSET)


def total(balance: Balance) -> Decimal:
    signs = {"CREDIT": 1, "DEBIT": -1}
    return sum(
        (signs[each.type] * Decimal(each.amount) for each in balance.transactions), Decimal(0)
    )


BAD: list[tuple[dict[str, Any], str, tuple[str, ...]]] = [
    ({"grantId": "nothing"}, "ValidationError", ("grantId", "none")),
    ({"grantId": NOTHING}, "ValidationError", ("grantId", "none")),
    ({"type": "TRANSFER"}, "ValidationError", ("type", "DEBIT, CREDIT")),
    ({"amount": "0"}, "ValidationError", ("amount",)),
    ({"amount": "-1"}, "ValidationError", ("amount",)),
    ({"amount": "1e2"}, "ValidationError", ("amount",)),
    ({"amount": 5}, "ValidationError", ("amount", "a string")),
    ({"amount": "0.0000000001"}, "ValidationError", ("amount", "9")),
    ({"reason": ""}, "ValidationError", ("reason",)),
    ({"invoiceId": "x" * 501}, "ValidationError", ("invoiceId",)),
    ({"date": "2026-01-01"}, "ValidationError", ("date", "leave it out")),
]


@pytest.mark.parametrize(("change", "kind", "parts"), BAD)
def test_a_movement_that_cannot_be_is_refused(
    sequence: httpx.Client,
    account: str,
    customer: str,
    change: dict[str, Any],
    kind: str,
    parts: tuple[str, ...],
) -> None:
    made = new_credit(sequence, customer, amount="10")
    body = {"grantId": made.id, "type": "DEBIT", "amount": "1"} | change
    answer = sequence.post("/credit-transactions", json=body, headers={"On-Behalf-Of": account})
    refusal(answer, 400, kind, *parts)
    assert one(sequence, made.id).current_balance == "10"


def test_a_movement_is_on_behalf_of_the_keys_account(
    sequence: httpx.Client, account: str, customer: str
) -> None:
    made = new_credit(sequence, customer, amount="10")
    body = {"grantId": made.id, "type": "DEBIT", "amount": "1"}
    for headers in ({}, {"On-Behalf-Of": NOTHING}):
        answer = sequence.post("/credit-transactions", json=body, headers=headers)
        refusal(answer, 400, "ValidationError", "On-Behalf-Of", "account of the API key", account)
        assert "left out" not in answer.text  # a header is what it must have
    assert one(sequence, made.id).current_balance == "10"


def test_a_movement_is_made_once_for_its_key(
    sequence: httpx.Client, native: httpx.Client, account: str, customer: str
) -> None:
    """Also when the grant has been voided since."""
    made = new_credit(sequence, customer, amount="10")
    headers = {"On-Behalf-Of": account, "Idempotency-Key": "once"}
    body = {"grantId": made.id, "type": "DEBIT", "amount": "1"}
    first, again = (
        sequence.post("/credit-transactions", json=body, headers=headers) for _ in range(2)
    )
    assert (first.status_code, again.content) == (201, first.content)
    assert [bytes(each.balance) for each in outstanding(sequence, customer)] == [b"9"]
    native.post(f"/grants/{made.id}/void")
    again = sequence.post("/credit-transactions", json=body, headers=headers)
    assert (again.status_code, again.content) == (201, first.content)
    other = sequence.post("/credit-transactions", json=body | {"amount": "2"}, headers=headers)
    refusal(other, 409, "IdempotencyKeyReused")


def test_nothing_of_another_account_is_read_or_moved(
    sequence: httpx.Client, other: httpx.Client, account: str, customer: str
) -> None:
    made = new_credit(sequence, customer, amount="10")
    there = new_credit(other, new_customer(other).id).sequence_account_id
    for path in (f"/credits/{made.id}", f"/credits/{customer}/balances"):
        refusal(other.get(path), 404, "NotFound")
    refusal(move(other, there, made.id, "DEBIT", "1"), 400, "ValidationError", "grantId")
    assert made.id not in [each.id for each in read(other.get("/credits"), 200, Grants).items]
