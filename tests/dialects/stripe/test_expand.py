"""``expand``: ids followed to the objects they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from drawdown.core.types import Instant
from drawdown.dialects.stripe import following
from tests.dialects.stripe.conftest import MakeGrant, asked, sdk
from tests.dialects.stripe.test_billing import DAY, HOUR, START, Stage
from tests.support.clocked_server import clocked_server


def test_a_grant_s_customer_is_an_id_until_it_is_expanded(
    client: stripe.StripeClient, customer: stripe.Customer, make_grant: MakeGrant
) -> None:
    grant = make_grant()
    assert grant.customer == customer.id
    found = client.v1.billing.credit_grants.retrieve(grant.id, {"expand": ["customer"]})
    assert isinstance(found.customer, stripe.Customer)
    assert found.customer.to_dict() == customer.to_dict()


def test_every_endpoint_of_a_grant_expands(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    grants = client.v1.billing.credit_grants
    expand = ["customer", "test_clock"]
    made = grants.create(asked(customer.id, expand=expand))
    answers = [
        made,
        grants.update(made.id, {"metadata": {"a": "b"}, "expand": expand}),
        grants.retrieve(made.id, {"expand": expand}),
        grants.list({"expand": ["data.customer", "data.test_clock"]}).data[0],
        grants.expire(made.id, {"expand": expand}),
    ]
    for answer in answers:
        assert isinstance(answer.customer, stripe.Customer)
        assert (answer.customer.email, answer.test_clock) == ("jenny@example.com", None)


def test_what_only_expansion_shows_of_a_customer_is_empty_here(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """This server takes no payments and keeps no subscriptions: their lists are there, and empty."""
    fields = ["sources", "subscriptions", "tax_ids", "tax", "cash_balance"]
    assert not set(fields) & customer.to_dict().keys()
    found = client.v1.customers.retrieve(
        customer.id, {"expand": [*fields, "invoice_credit_balance"]}
    ).to_dict()
    for field in fields[:3]:
        expected = {"object": "list", "data": [], "has_more": False}
        assert found[field] == expected | {"url": f"/v1/customers/{customer.id}/{field}"}
    assert (found["tax"], found["cash_balance"], found["invoice_credit_balance"]) == (
        None,
        None,
        {},
    )


def test_expansion_goes_through_an_object_to_what_lies_below(
    client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    make_grant()
    page = client.v1.billing.credit_grants.list({"expand": ["data.customer.sources"]})
    owner = page.data[0].customer
    assert isinstance(owner, stripe.Customer)
    assert owner.sources is not None
    assert owner.sources.data == []
    assert "subscriptions" not in owner.to_dict()


WRONG = [
    ("retrieve", "amount", "This property cannot be expanded (amount)."),
    ("retrieve", "customer.name", "This property cannot be expanded (customer.name)."),
    ("retrieve", "data.customer", "This property cannot be expanded (data.customer)."),
    (
        "list",
        "customer",
        "This property cannot be expanded (customer). Did you mean data.customer?",
    ),
    ("list", "data", "This property cannot be expanded (data)."),
    (
        "retrieve",
        "customer.a.b.c.d",
        "You can expand at most 4 levels of properties; customer.a.b.c.d has more.",
    ),
]


@pytest.mark.parametrize(("action", "path", "message"), WRONG)
def test_a_path_that_leads_nowhere_is_refused(
    client: stripe.StripeClient, make_grant: MakeGrant, action: str, path: str, message: str
) -> None:
    grants = client.v1.billing.credit_grants
    grant = make_grant()
    ask: dict[str, Callable[[], object]] = {
        "list": lambda: grants.list({"expand": [path]}),
        "retrieve": lambda: grants.retrieve(grant.id, {"expand": [path]}),
    }
    with pytest.raises(stripe.InvalidRequestError) as caught:
        ask[action]()
    assert caught.value.http_status == 400
    assert (caught.value.param, caught.value.user_message) == ("expand[0]", message)


def test_a_create_that_expands_nowhere_makes_nothing(
    client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        make_grant(expand=["nothing"])
    assert client.v1.billing.credit_grants.list().data == []


# Through subscriptions, invoices and transactions ------------------------------------------------------


@pytest.fixture
def stage(client: stripe.StripeClient) -> Stage:
    """With a subscription whose first month is on an invoice that credit has paid for a half."""
    made = Stage(client)
    made.grant(100)
    made.subscribe()
    made.use(40)
    made.advance(START + 31 * DAY + HOUR)
    return made


def test_a_subscription_leads_to_its_product_and_to_what_paid_its_invoice(stage: Stage) -> None:
    subscriptions = stage.client.v1.subscriptions
    [one] = subscriptions.list({"customer": stage.customer.id}).data
    found = subscriptions.retrieve(
        one.id,
        {
            "expand": [
                "items.data.price.product",
                "latest_invoice.customer.test_clock",
                "latest_invoice.total_pretax_credit_amounts.credit_balance_transaction",
                "test_clock",
            ]
        },
    ).to_dict()
    [item] = found["items"]["data"]
    assert item["price"]["product"]["name"] == "Search"
    assert found["test_clock"]["frozen_time"] == START + 31 * DAY + HOUR
    invoice = found["latest_invoice"]
    assert invoice["customer"]["test_clock"] == found["test_clock"]
    own = stage.client.v1.customers.retrieve(stage.customer.id).to_dict()
    assert invoice["customer"] == own | {"test_clock": found["test_clock"]}
    [paid] = invoice["total_pretax_credit_amounts"]
    assert paid["credit_balance_transaction"]["debit"]["amount"]["monetary"]["value"] == 100
    assert isinstance(invoice["lines"]["data"][0]["pricing"]["price_details"]["price"], str)
    listed = subscriptions.list({"expand": ["data.latest_invoice.customer", "data.customer"]})
    assert isinstance(listed.data[0].latest_invoice, stripe.Invoice)
    assert isinstance(listed.data[0].latest_invoice.customer, stripe.Customer)


def test_a_transaction_leads_to_its_grant_and_its_invoice_and_on_from_there(stage: Stage) -> None:
    transactions = stage.client.v1.billing.credit_balance_transactions
    listed = transactions.list(
        {
            "customer": stage.customer.id,
            "expand": ["data.credit_grant.customer.test_clock", "data.test_clock"],
        }
    )
    for each in listed.data:
        assert isinstance(each.credit_grant, stripe.billing.CreditGrant)
        assert isinstance(each.credit_grant.customer, stripe.Customer)
        assert isinstance(each.credit_grant.customer.test_clock, stripe.test_helpers.TestClock)
        assert isinstance(each.test_clock, stripe.test_helpers.TestClock)
    applied, granted = listed.data
    assert (applied.type, granted.type) == ("debit", "credit")
    path = "debit.credits_applied.invoice.customer"
    found = transactions.retrieve(applied.id, {"expand": [path]})
    assert found.debit is not None
    assert found.debit.credits_applied is not None
    invoice = found.debit.credits_applied.invoice
    assert isinstance(invoice, stripe.Invoice)
    assert isinstance(invoice.customer, stripe.Customer)
    assert invoice.customer.name == "Ann"
    assert transactions.retrieve(granted.id, {"expand": [path]}).debit is None


def test_what_is_written_is_expanded_also_when_it_is_answered_again(stage: Stage) -> None:
    again: Any = {"idempotency_key": "once"}
    asked: Any = {
        "customer": stage.customer.id,
        "items": [{"price": stage.price.id}],
        "expand": ["items.data.price.product", "latest_invoice.parent.subscription_details"],
    }
    subscriptions = stage.client.v1.subscriptions
    with pytest.raises(stripe.InvalidRequestError) as caught:
        subscriptions.create(asked, again)
    assert caught.value.param == "expand[1]"
    asked["expand"].pop()
    made = subscriptions.create(asked, again).to_dict()
    assert made["items"]["data"][0]["price"]["product"]["name"] == "Search"
    replayed = subscriptions.create(asked, again)
    assert replayed.to_dict() == made
    assert replayed.last_response is not None
    assert replayed.last_response.headers["idempotent-replayed"] == "true"


def test_lines_lead_to_their_prices_and_subscriptions(stage: Stage) -> None:
    name = stage.invoices()[-1].id
    path = "pricing.price_details.price"
    lines = stage.client.v1.invoices.line_items.list(
        name, {"expand": [f"data.{path}", "data.subscription"]}
    )
    [line] = lines.data
    assert isinstance(line.subscription, stripe.Subscription)
    assert line.pricing is not None
    assert line.pricing.price_details is not None
    assert isinstance(line.pricing.price_details.price, stripe.Price)
    assert line.pricing.price_details.price.unit_amount == 5


def test_an_object_that_is_whole_already_is_nothing_to_expand(stage: Stage) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=r"cannot be expanded"):
        stage.client.v1.subscriptions.list({"expand": ["data.items.data.price"]})
    [one] = stage.client.v1.subscriptions.list({"customer": stage.customer.id}).data
    with pytest.raises(stripe.InvalidRequestError, match="at most 4 levels"):
        stage.client.v1.subscriptions.list({"expand": ["data.items.data.price.product"]})
    found = stage.client.v1.subscriptions.retrieve(one.id, {"expand": ["items.data.price.tiers"]})
    assert found["items"].data[0].price.id == stage.price.id


def test_json_is_not_taken_for_a_form(stage: Stage, raw: httpx.Client) -> None:
    """Though it speaks of an expand."""
    asked = {
        "event_name": stage.meter.event_name,
        "identifier": "[expand][=x&expand=[",
        "payload": {"stripe_customer_id": stage.customer.id, "value": "1"},
    }
    answer = raw.post("/v2/billing/meter_events", json=asked)
    assert (answer.status_code, answer.json()["identifier"]) == (200, asked["identifier"])


def test_past_a_thousand_objects_ids_stay_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three here, so that a few customers are enough; one who is met again is read once."""
    monkeypatch.setattr(following, "FOLLOWED_MAX", 3)
    with clocked_server(
        f"sqlite:///{tmp_path / 'ledger.db'}", Instant(START * 1_000_000)
    ) as running:
        client = sdk(running.url, running.secret)
        names = [client.v1.customers.create({}).id for _ in range(5)]
        for name in (*names, names[4]):
            client.v1.billing.credit_grants.create(asked(name))
        listed = client.v1.billing.credit_grants.list({"expand": ["data.customer"]}).data
    owners = [each.customer for each in listed]
    assert [isinstance(each, stripe.Customer) for each in owners] == [True] * 4 + [False] * 2
    assert owners[4:] == [names[1], names[0]]


def test_what_is_gone_stays_an_id_and_who_is_deleted_is_a_stub(stage: Stage) -> None:
    stage.use(10)
    stage.advance(START + 59 * DAY)
    draft = stage.invoices()[-1]
    assert draft.status == "draft"
    stage.client.v1.invoices.delete(draft.id)
    expand: Any = {
        "customer": stage.customer.id,
        "expand": ["data.latest_invoice", "data.customer"],
    }
    [found] = stage.client.v1.subscriptions.list(expand).data
    assert found.latest_invoice == draft.id
    assert isinstance(found.customer, stripe.Customer)
    stage.client.v1.customers.delete(stage.customer.id)
    expand["status"] = "all"
    [found] = stage.client.v1.subscriptions.list(expand).data
    assert isinstance(found.customer, stripe.Customer)
    assert found.customer.to_dict() == {
        "id": stage.customer.id,
        "object": "customer",
        "deleted": True,
    }
