"""One ledger: what is made here is drawn elsewhere, and what is made elsewhere is shown here."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
import stripe

from tests.dialects.native.test_events import events
from tests.dialects.stripe.conftest import METERED, MakeGrant, asked, usd
from tests.dialects.stripe.test_billing import DAY, HOUR, START, Stage


def made(native: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = native.post(path, json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_grant_made_here_is_drawn_by_a_native_debit(
    native: httpx.Client, client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    """The soonest expiry first; what is drawn shows nowhere on the grant, and forbids voiding it."""
    later = int(time.time()) + 86_400
    lasting, ending = make_grant(), make_grant(expires_at=later)
    debit = made(
        native,
        "/debits",
        customer=lasting.customer,
        entitlement="usd",
        amount="12.34567",
        idempotency_key="call-1",
    )
    assert [draw["amount"] for draw in debit["draws"]] == ["10", "2.34567"]
    assert debit["available"] == "7.65433"
    for grant, used in ((ending, "10"), (lasting, "2.34567")):
        assert native.get(f"/grants/{grant.id}").json()["used"] == used
        assert client.v1.billing.credit_grants.retrieve(grant.id).to_dict() == grant.to_dict()
        with pytest.raises(stripe.InvalidRequestError, match="cannot void"):
            client.v1.billing.credit_grants.void_grant(grant.id)
    client.v1.billing.credit_grants.expire(lasting.id)
    balance = native.get(f"/balances/{lasting.customer}/usd").json()
    assert (balance["available"], balance["used"]) == ("0", "12.34567")


def test_what_a_key_retried_has_granted_is_there_once(
    native: httpx.Client, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    for _ in range(3):
        client.v1.billing.credit_grants.create(
            asked(customer.id, amount=usd(250)),
            {"idempotency_key": "order-17"},
        )
    assert native.get(f"/balances/{customer.id}/usd").json()["available"] == "2.5"


def test_a_native_grant_is_shown_in_whole_cents(
    native: httpx.Client, client: stripe.StripeClient
) -> None:
    """Rounded down; without a name of its own it goes by the currency's."""
    made(native, "/customers", id="ada", name="Ada")
    grant = made(
        native,
        "/grants",
        customer="ada",
        entitlement="eur",
        amount="12.345678901",
        category="promotional",
        priority=3,
        expires_at="2100-01-01T00:00:00.75Z",
        metadata={"text": "a", "number": 5, "fraction": 0.5, "yes": True},
    )
    shown = client.v1.billing.credit_grants.list({"customer": "ada"}).data[0]
    assert shown.amount.monetary is not None
    assert shown.amount.monetary.to_dict() == {"currency": "eur", "value": 1234}
    assert shown.applicability_config.to_dict() == METERED
    assert (shown.category, shown.priority, shown.name) == ("promotional", 3, "EUR")
    assert (shown.customer, shown.expires_at) == ("ada", 4_102_444_800)
    texts = {"text": "a", "number": "5", "fraction": "0.5", "yes": "true"}
    assert shown.metadata.to_dict() == texts
    assert client.v1.billing.credit_grants.retrieve(grant["id"]).id == shown.id
    assert native.get(f"/grants/{shown.id}").json()["id"] == grant["id"]


def test_a_grant_is_the_same_one_under_both_names(
    native: httpx.Client, make_grant: MakeGrant
) -> None:
    shown = native.get(f"/grants/{make_grant(name='Purchased', priority=9).id}").json()
    assert (shown["amount"], shown["remaining"], shown["state"]) == ("10", "10", "active")
    assert (shown["name"], shown["priority"], shown["category"]) == ("Purchased", 9, "paid")


def test_a_native_customer_is_shown_with_the_reference_s_defaults(
    native: httpx.Client, client: stripe.StripeClient
) -> None:
    made(native, "/customers", id="acme-7", name="Acme", email="it@acme.example")
    shown = client.v1.customers.retrieve("acme-7")
    assert (shown.id, shown.name, shown.email) == ("acme-7", "Acme", "it@acme.example")
    assert (shown.address, shown.tax_exempt, shown.balance) == (None, "none", 0)


def test_a_customer_made_here_is_known_natively(
    native: httpx.Client, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    shown = native.get(f"/customers/{customer.id}").json()
    assert (shown["name"], shown["email"]) == (customer.name, customer.email)


def test_a_hold_shows_nowhere_on_the_grant_and_forbids_voiding_it(
    native: httpx.Client, client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    """It may be expired; what is held can still be captured, and is a debit to whoever voids."""
    grant = make_grant()
    place = {"customer": grant.customer, "entitlement": "usd"}
    hold = made(native, "/holds", **place, amount="4", idempotency_key="stream-1")
    assert client.v1.billing.credit_grants.retrieve(grant.id).to_dict() == grant.to_dict()
    with pytest.raises(stripe.InvalidRequestError, match="while 4 of it is reserved"):
        client.v1.billing.credit_grants.void_grant(grant.id)
    capture = {"amount": "1.5", "final": True, "idempotency_key": "chunk-1"}
    assert made(native, f"/holds/{hold['id']}/capture", **capture)["available"] == "8.5"
    with pytest.raises(stripe.InvalidRequestError, match="has been applied"):
        client.v1.billing.credit_grants.void_grant(grant.id)


def test_a_grant_expired_here_while_some_is_held_is_expired(
    native: httpx.Client, client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    grant = make_grant()
    place = {"customer": grant.customer, "entitlement": "usd"}
    hold = made(native, "/holds", **place, amount="4", idempotency_key="stream-1")
    expired = client.v1.billing.credit_grants.expire(grant.id)
    assert expired.expires_at is not None
    shown = native.get(f"/grants/{grant.id}").json()
    assert (shown["state"], shown["remaining"], shown["held"]) == ("expired", "4", "4")
    capture = {"amount": "3", "final": True, "idempotency_key": "chunk-1"}
    assert made(native, f"/holds/{hold['id']}/capture", **capture)["amount"] == "3"
    assert native.get(f"/grants/{grant.id}").json()["expired"] == "7"


def test_what_an_invoice_draws_and_gives_back_is_told_natively(
    native: httpx.Client, client: stripe.StripeClient
) -> None:
    """By grant, with the balances after it; of one that credit has no part in nothing is told."""
    stage = Stage(client)
    first, second = stage.grant(50, priority=1), stage.grant(1000)
    stage.subscribe()
    stage.use(40)
    stage.advance(START + 31 * DAY + HOUR)
    invoice = stage.invoices()[-1].id
    stage.use(200, timestamp=START + 31 * DAY + HOUR)
    stage.advance(START + 59 * DAY + HOUR)
    february = stage.invoices()[-1]
    client.v1.invoices.void_invoice(february.id)
    told = [
        each
        for each in fed(native, customer=stage.customer.id, last="invoice.returned")
        if each["type"].startswith("invoice.")
    ]
    shown = [
        (each["type"], each["data"]["amount"], [part["amount"] for part in each["data"]["grants"]])
        for each in told
    ]
    assert shown == [
        ("invoice.drawn", "2", ["0.5", "1.5"]),
        ("invoice.drawn", "8.5", ["8.5"]),
        ("invoice.returned", "8.5", ["8.5"]),
    ]
    grants = [part["grant"] for part in told[0]["data"]["grants"]]
    names = [native.get(f"/grants/{each.id}").json()["id"] for each in (first, second)]
    assert grants == names
    assert [each["balances"][0]["posted"] for each in told] == ["8.5", "0", "8.5"]
    assert client.v1.invoices.retrieve(told[0]["data"]["invoice"]).id == invoice


def fed(native: httpx.Client, *, customer: str, last: str) -> list[Any]:
    """The feed of a customer once there is an event of a type."""
    until = time.monotonic() + 60
    while True:
        found = events(native, customer=customer, limit=100)
        if any(each["type"] == last for each in found):
            return found
        assert time.monotonic() < until
        time.sleep(0.1)
