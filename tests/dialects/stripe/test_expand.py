"""``expand``: ids followed to the objects they name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import stripe

from tests.dialects.stripe.conftest import MakeGrant, asked


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
