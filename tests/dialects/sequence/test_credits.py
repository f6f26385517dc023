"""POST /credits: a grant, as it was asked for and as it was made."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from msgspec import UNSET

from drawdown.core import currencies, identity
from drawdown.dialects.sequence.wire import CURRENCIES
from tests.dialects.sequence.contract import Credit, read, refusal
from tests.dialects.sequence.support import (
    client,
    credit_body,
    debit,
    drawn,
    new_credit,
    new_customer,
    new_metric,
    outstanding,
    post_credit,
)
from tests.support.server import Tenant


def account_of(tenant: Tenant) -> str:
    found = identity.parse(tenant.account)
    assert found is not None
    return identity.spell_uuid(found)


def test_a_grant_answers_what_was_asked_and_what_was_made(
    sequence: httpx.Client, tenant: Tenant, customer: str
) -> None:
    """The request's fields but createInvoice, with an id, an account and the time of its making."""
    body = credit_body(
        customer,
        name="Prepaid 2031",
        amount="1000.50",
        costOfCredit="900.10",
        effectiveDate="2031-01-01",
        expiryDate="2031-12-31",
        createInvoice=False,
        taxRateId="tax-20",
        sequenceAccountId=account_of(tenant),
    )
    made = read(post_credit(sequence, body), 201, Credit)
    assert (bytes(made.amount), bytes(made.cost_of_credit or b"")) == (b"1000.5", b"900.1")
    assert (made.effective_date, made.expiry_date) == ("2031-01-01", "2031-12-31")
    assert (made.customer_id, made.name, made.tax_rate_id) == (customer, "Prepaid 2031", "tax-20")
    assert (made.credit_unit_type, made.currency, made.metric_id) == ("CURRENCY", "USD", UNSET)
    assert made.sequence_account_id == account_of(tenant)
    assert made.integration_ids == []


def test_what_was_not_given_is_left_out(
    sequence: httpx.Client, tenant: Tenant, customer: str
) -> None:
    """Null in a request means left out; nothing is null in an answer."""
    names = "metricId costOfCredit effectiveDate expiryDate createInvoice taxRateId"
    optional = dict.fromkeys(["sequenceAccountId", *names.split()])
    for body in (credit_body(customer), credit_body(customer, **optional)):
        answer = post_credit(sequence, body)
        made = read(answer, 201, Credit)
        given = (made.metric_id, made.cost_of_credit, made.effective_date, made.expiry_date)
        assert set(given) | {made.tax_rate_id} == {UNSET}
        assert "null" not in answer.text
        assert made.sequence_account_id == account_of(tenant)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("1000", "1000"),
        ("1000.0", "1000"),
        ("0.25", "0.25"),
        ("25.5", "25.5"),
        ("1e3", "1000"),
        ("1.5E-3", "0.0015"),
        ("0.000000001", "0.000000001"),
        ("9007199254740993e-6", "9007199254.740993"),
        ("9007199254.740993", "9007199254.740993"),
        ("9223372036.854775807", "9223372036.854775807"),
    ],
)
def test_a_number_is_kept_to_the_digit(
    sequence: httpx.Client, native: httpx.Client, customer: str, sent: str, shown: str
) -> None:
    """However it is written, beyond what a binary float can hold, up to 2**63 - 1 units."""
    made = new_credit(sequence, customer, amount=sent)
    [grant] = outstanding(sequence, customer)
    assert bytes(made.amount).decode() == shown
    assert (bytes(grant.grant_amount).decode(), bytes(grant.balance).decode()) == (shown, shown)
    assert native.get(f"/grants/{made.id}").json()["amount"] == shown


def test_a_grant_of_a_metric_is_of_that_entitlement(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """A metric's id is an entitlement's id, in any spelling, or its code; answered as a UUID."""
    code = new_metric(native, scale=2)
    shown = native.get(f"/entitlements/{code}").json()["id"]
    found = identity.parse(shown)
    assert found is not None
    uuid = identity.spell_uuid(found)
    for metric in (code, shown, uuid, identity.spell("cde_", found)):
        more = {"creditUnitType": "METRIC", "metricId": metric, "amount": "0.25"}
        assert new_credit(sequence, customer, **more).metric_id == uuid
    assert native.get(f"/balances/{customer}/{code}").json()["posted"] == "1"


def test_an_amount_finer_than_the_metric_is_refused(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """Never rounded."""
    code = new_metric(native, scale=2)
    body = credit_body(customer, creditUnitType="METRIC", metricId=code, amount="0.255")
    refusal(post_credit(sequence, body), 400, "ValidationError", "amount", "2 decimal places")
    assert outstanding(sequence, customer) == []


@pytest.mark.parametrize(
    ("cost", "category", "basis"),
    [
        (None, "promotional", "0"),
        ("0", "promotional", "0"),
        ("0.00", "promotional", "0"),
        ("900", "paid", "900"),
    ],
)
@pytest.mark.parametrize("unit", ["CURRENCY", "METRIC"])
def test_what_cost_nothing_is_promotional(
    sequence: httpx.Client,
    native: httpx.Client,
    customer: str,
    unit: str,
    cost: str | None,
    category: str,
    basis: str,
) -> None:
    """The cost is of the whole grant, in the currency, which is kept for a metric without cost, too."""
    more: dict[str, Any] = {} if cost is None else {"costOfCredit": cost}
    if unit == "METRIC":
        more |= {"creditUnitType": unit, "metricId": new_metric(native)}
    made = new_credit(sequence, customer, currency="EUR", **more)
    shown = native.get(f"/grants/{made.id}").json()
    assert shown["category"] == category
    assert shown["cost_basis"] == {"amount": basis, "currency": "eur"}


def test_promotional_credit_burns_before_paid_credit_of_the_same_last_day(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    paid = new_credit(sequence, customer, costOfCredit="900", expiryDate="2031-12-31")
    gift = new_credit(sequence, customer, expiryDate="2031-12-31")
    drawn(native, customer, "10")
    assert [(grant.id, bytes(grant.balance)) for grant in outstanding(sequence, customer)] == [
        (gift.id, b"990"),
        (paid.id, b"1000"),
    ]


def test_every_currency_of_the_vendor_can_be_granted(sequence: httpx.Client, customer: str) -> None:
    assert len(CURRENCIES) == 30
    assert {code.lower() for code in CURRENCIES} <= set(currencies.MINOR_PLACES)
    for code in CURRENCIES:
        assert new_credit(sequence, customer, currency=code, amount="1").currency == code
    assert len(outstanding(sequence, customer)) == len(CURRENCIES)


@pytest.mark.parametrize("code", ["usd", "JOD", "XAU", "", "US"])
def test_no_other_currency_can(sequence: httpx.Client, customer: str, code: str) -> None:
    """Others exist in the ledger, and some are not money at all."""
    body = credit_body(customer, currency=code)
    refusal(post_credit(sequence, body), 400, "ValidationError", "currency", "USD")


def test_currencies_do_not_pay_for_each_other(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    new_credit(sequence, customer, currency="EUR")
    assert debit(native, customer, "1").status_code == 402


def test_a_grant_that_would_be_invoiced_is_refused(sequence: httpx.Client, customer: str) -> None:
    """Nobody should believe that an invoice was made."""
    body = credit_body(customer, createInvoice=True)
    refusal(post_credit(sequence, body), 400, "ValidationError", "createInvoice", "no invoices")
    assert outstanding(sequence, customer) == []


@pytest.mark.parametrize("account", ["", "acct", "01920000-0000-7000-8000-000000000000"])
def test_an_account_that_is_not_the_keys_is_refused(
    sequence: httpx.Client, tenant: Tenant, customer: str, account: str
) -> None:
    """The message names the one that it must be."""
    body = credit_body(customer, sequenceAccountId=account)
    answer = post_credit(sequence, body)
    refusal(answer, 400, "ValidationError", "sequenceAccountId", account_of(tenant))
    assert outstanding(sequence, customer) == []


def test_an_account_may_be_spelled_as_elsewhere(
    sequence: httpx.Client, tenant: Tenant, customer: str
) -> None:
    made = new_credit(sequence, customer, sequenceAccountId=tenant.account)
    assert made.sequence_account_id == account_of(tenant)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"creditUnitType": "METRIC"}, ("metricId", "given")),
        ({"creditUnitType": "METRIC", "metricId": "usd"}, ("metricId", "CURRENCY")),
        ({"creditUnitType": "METRIC", "metricId": "nothing"}, ("metricId", "none")),
        ({"creditUnitType": "METRIC", "metricId": ""}, ("metricId", "characters")),
        ({"metricId": "tokens"}, ("metricId", "left out")),
        ({"customerId": "nobody"}, ("customerId", "none")),
        ({"effectiveDate": "2031-02-01", "expiryDate": "2031-01-31"}, ("expiryDate", "effective")),
        ({"expiryDate": "2020-01-01"}, ("expiryDate", "today or later")),
    ],
)
def test_what_does_not_fit_together_is_refused(
    sequence: httpx.Client, customer: str, change: dict[str, Any], parts: tuple[str, ...]
) -> None:
    """With the field and the way out; a body that names what is not there is invalid, not a 404."""
    answer = post_credit(sequence, credit_body(customer, **change))
    refusal(answer, 400, "ValidationError", *parts)
    assert outstanding(sequence, customer) == []


def test_money_cannot_be_granted_as_a_metric_by_its_id(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    usd = native.get("/entitlements/usd").json()["id"]
    body = credit_body(customer, creditUnitType="METRIC", metricId=usd)
    refusal(post_credit(sequence, body), 400, "ValidationError", "metricId", "CURRENCY")


def test_what_belongs_to_another_book_cannot_be_named(
    sequence: httpx.Client, tenant: Tenant, customer: str
) -> None:
    """It is refused in the same words as what never existed."""
    with client(tenant, tenant.live.editor) as live, tenant.client(tenant.live.editor) as native:
        foreign = new_customer(live).id
        metric = native.get(f"/entitlements/{new_metric(native)}").json()["id"]
    units = {"creditUnitType": "METRIC"}
    for given, never in (
        (credit_body(foreign), credit_body("nobody")),
        (
            credit_body(customer, metricId=metric, **units),
            credit_body(customer, metricId="nothing", **units),
        ),
    ):
        messages = {
            refusal(post_credit(sequence, body), 400, "ValidationError") for body in (given, never)
        }
        assert len(messages) == 1
    assert outstanding(sequence, customer) == []


def test_a_wallet_does_not_grow_beyond_64_bits(sequence: httpx.Client, customer: str) -> None:
    """The total of what was granted counts, and the message names the most there can be."""
    new_credit(sequence, customer, amount="9223372036.854775807")
    answer = post_credit(sequence, credit_body(customer, amount="0.000000001"))
    refusal(answer, 400, "ValidationError", "amount", "9223372036.854775807")
    assert len(outstanding(sequence, customer)) == 1
