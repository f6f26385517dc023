"""Customers through Stripe's own SDK."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import pytest
import stripe

from drawdown.core import identity
from tests.dialects.stripe.conftest import sdk
from tests.support.server import Server, Tenant

ADDRESS = {
    "city": "Berlin",
    "country": "DE",
    "line1": "Unter den Linden 1",
    "line2": "2nd floor",
    "postal_code": "10117",
    "state": "BE",
}
#: Everything that is kept of a customer, and shown as it was given.
KEPT: dict[str, Any] = {
    "name": "Jenny Rosen",
    "email": "jenny@example.com",
    "address": ADDRESS,
    "business_name": "Rosen GmbH",
    "description": "The first one",
    "individual_name": "Jenny Maria Rosen",
    "invoice_prefix": "ROSEN1",
    "next_invoice_sequence": 17,
    "phone": "+49 30 1234567",
    "preferred_locales": ["de", "en"],
    "shipping": {"address": ADDRESS, "name": "Front desk", "phone": "+49 30 7654321"},
    "tax_exempt": "reverse",
    "metadata": {"tier": "gold"},
}


def test_a_customer_is_shown_as_it_was_given(client: stripe.StripeClient) -> None:
    before = int(time.time())
    made = client.v1.customers.create(KEPT).to_dict()  # type: ignore[arg-type]
    assert {name: made[name] for name in KEPT} == KEPT
    assert re.fullmatch("cus_[0-9A-Za-z]{22}", made["id"])
    assert before <= made["created"] <= time.time()
    assert client.v1.customers.retrieve(made["id"]).to_dict() == made


def test_a_customer_of_nothing_has_the_reference_s_defaults(client: stripe.StripeClient) -> None:
    made = client.v1.customers.create().to_dict()
    empty = {name for name, value in made.items() if value is None}
    assert empty == {
        "address", "currency", "customer_account", "default_source", "description", "discount",
        "email", "name", "phone", "shipping", "test_clock",
    }  # fmt: skip
    assert not made.keys() & {"business_name", "individual_name"}, "left out, where there is none"
    assert (made["balance"], made["delinquent"], made["tax_exempt"]) == (0, False, "none")
    assert (made["preferred_locales"], made["metadata"]) == ([], {})
    assert made["next_invoice_sequence"] == 1
    assert re.fullmatch("[0-9A-F]{8}", made["invoice_prefix"])
    assert set(made["invoice_settings"].values()) == {None}


def test_invoice_settings_are_kept(client: stripe.StripeClient) -> None:
    settings: Any = {
        "custom_fields": [{"name": "VAT", "value": "DE123"}, {"name": "PO", "value": "9"}],
        "footer": "Thank you",
        "rendering_options": {"amount_tax_display": "exclude_tax"},
    }
    made = client.v1.customers.create({"invoice_settings": settings})
    shown = client.v1.customers.retrieve(made.id).to_dict()["invoice_settings"]
    options = {"amount_tax_display": "exclude_tax", "template": None}
    assert shown == {**settings, "default_payment_method": None, "rendering_options": options}


def test_part_of_an_address_leaves_the_rest_empty(client: stripe.StripeClient) -> None:
    made = client.v1.customers.create({"address": {"city": "Berlin"}})
    assert made.to_dict()["address"] == dict.fromkeys(ADDRESS, None) | {"city": "Berlin"}


def test_an_empty_value_is_no_value(raw: httpx.Client) -> None:
    fields = [
        "name",
        "email",
        "address",
        "description",
        "phone",
        "shipping",
        "metadata",
        "tax_exempt",
    ]
    made = raw.post("/v1/customers", data=dict.fromkeys(fields, "")).json()
    assert [made[name] for name in fields] == [None] * 6 + [{}, "none"]


def test_a_client_may_choose_the_id(client: stripe.StripeClient) -> None:
    parameters: Any = {"id": "cus_QXg1o8vcGmoR32"}
    made = client.v1.customers.create(parameters)
    assert made.id == "cus_QXg1o8vcGmoR32"
    assert client.v1.customers.retrieve("cus_QXg1o8vcGmoR32").to_dict() == made.to_dict()
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.create(parameters)
    assert caught.value.http_status == 400
    assert (caught.value.code, caught.value.param) == ("resource_already_exists", "id")


def test_an_id_in_the_form_of_a_generated_one_cannot_be_chosen(client: stripe.StripeClient) -> None:
    taken = client.v1.customers.create().id
    for wrong in (taken, "x" * 65, "with space", "slash/es"):
        parameters: Any = {"id": wrong}
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.customers.create(parameters)
        assert (caught.value.http_status, caught.value.param) == (400, "id")


def test_a_customer_answers_to_every_spelling_of_its_id(client: stripe.StripeClient) -> None:
    made = client.v1.customers.create()
    plain = identity.parse(made.id)
    assert plain is not None
    for spelling in (identity.spell("", plain), identity.spell_uuid(plain)):
        assert client.v1.customers.retrieve(spelling).id == made.id


def test_a_customer_of_another_book_is_not_there(
    server: Server, tenant: Tenant, customer: stripe.Customer
) -> None:
    """No hint is given of what another mode or account has."""
    other = server.tenant()
    for url, key in ((tenant.url, tenant.live.admin), (other.url, other.test.admin)):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            sdk(url, key).v1.customers.retrieve(customer.id)
        assert caught.value.http_status == 404
        assert caught.value.user_message == f"No such customer: '{customer.id}'"


UNSUPPORTED = {
    "balance": "100",
    "cash_balance[settings][reconciliation_mode]": "manual",
    "payment_method": "pm_1",
    "source": "tok_1",
    "tax[ip_address]": "127.0.0.1",
    "tax_id_data[0][type]": "eu_vat",
    "validate": "true",
    "invoice_settings[default_payment_method]": "pm_1",
    "invoice_settings[rendering_options][template]": "inrtem_1",
}


@pytest.mark.parametrize(("name", "value"), UNSUPPORTED.items())
def test_what_cannot_be_honoured_is_refused_by_name(
    raw: httpx.Client, name: str, value: str
) -> None:
    """Silence would look like consent: a payment method that nothing would ever charge."""
    answer = raw.post("/v1/customers", data={name: value})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert name.startswith(error["param"])
    assert error["message"].startswith(
        f"The parameter {error['param']} is not supported here: this "
    )


WRONG = [
    ({"email": "nobody"}, "email_invalid", "email"),
    ({"email": "a b@example.com"}, "email_invalid", "email"),
    ({"email": "x@" + "y" * 511}, None, "email"),
    ({"name": "n" * 257}, None, "name"),
    ({"phone": "1" * 21}, None, "phone"),
    ({"tax_exempt": "always"}, None, "tax_exempt"),
    ({"invoice_prefix": "lower"}, None, "invoice_prefix"),
    ({"next_invoice_sequence": "0"}, "parameter_invalid_integer", "next_invoice_sequence"),
    ({"address": "Berlin"}, None, "address"),
    ({"address[planet]": "Earth"}, "parameter_unknown", "address[planet]"),
    ({"shipping[name]": "Desk"}, "parameter_missing", "shipping[address]"),
    ({"preferred_locales": "de"}, None, "preferred_locales"),
    ({"preferred_locales[]": ""}, "parameter_invalid_empty", "preferred_locales[0]"),
    ({"preferred_locales[]": "x" * 5001}, None, "preferred_locales[0]"),
    (
        {
            f"invoice_settings[custom_fields][{n}][{k}]": "x"
            for n in range(5)
            for k in ("name", "value")
        },
        None,
        "invoice_settings[custom_fields]",
    ),
    ({"nickname": "Jen"}, "parameter_unknown", "nickname"),
]


@pytest.mark.parametrize(("form", "code", "param"), WRONG)
def test_a_customer_that_breaks_a_rule_is_refused_by_name(
    raw: httpx.Client, form: dict[str, str], code: str | None, param: str
) -> None:
    answer = raw.post("/v1/customers", data=form)
    error = answer.json()["error"]
    assert (answer.status_code, error.get("code"), error["param"]) == (400, code, param)


def test_a_customer_is_changed_where_something_is_said(client: stripe.StripeClient) -> None:
    made = client.v1.customers.create(KEPT)  # type: ignore[arg-type]
    changed = client.v1.customers.update(
        made.id,
        {"name": "Jane", "phone": "", "metadata": {"tier": "", "a": "b"}, "tax_exempt": "none"},
    )
    after = made.to_dict() | {
        "name": "Jane",
        "phone": None,
        "metadata": {"a": "b"},
        "tax_exempt": "none",
    }
    assert changed.to_dict() == after
    assert client.v1.customers.retrieve(made.id).to_dict() == after
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.update(made.id, {"email": "nobody"})
    assert refused.value.code == "email_invalid"


def test_a_deleted_customer_is_a_stub(client: stripe.StripeClient) -> None:
    made = client.v1.customers.create({"name": "Ann"})
    for _ in range(2):
        assert client.v1.customers.delete(made.id).deleted is True
    found = client.v1.customers.retrieve(made.id)
    assert (found.id, found.deleted) == (made.id, True)
    assert client.v1.customers.list().data == []
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.update(made.id, {"name": "Bob"})
    assert refused.value.code == "resource_missing"


def test_customers_are_listed_both_ways(client: stripe.StripeClient) -> None:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1_893_456_000})
    made = [
        client.v1.customers.create({"email": f"{number % 2}@example.com"}) for number in range(5)
    ]
    timed = client.v1.customers.create({"test_clock": clock.id})
    ids = [each.id for each in reversed(made)]
    listed = client.v1.customers.list
    assert [each.id for each in listed({"limit": 2}).auto_paging_iter()] == ids
    back = listed({"limit": 2, "ending_before": ids[-1]})
    assert [each.id for each in back.auto_paging_iter()] == ids[-2::-1]
    assert [each.id for each in listed({"test_clock": clock.id}).data] == [timed.id]
    odd = listed({"email": "1@example.com"}).data
    assert [each.id for each in odd] == [made[3].id, made[1].id]
    assert listed({"created": {"lt": made[0].created}}).data == []


def test_customers_are_searched(client: stripe.StripeClient) -> None:
    ann = client.v1.customers.create(
        {"name": "Ann Rosen", "email": "ann@example.com", "phone": "+49 30", "metadata": {"a": "1"}}
    )
    bob = client.v1.customers.create({"name": 'Bob "B" Rosen', "metadata": {"a": "2"}})

    def found(query: str) -> list[str]:
        asked = client.v1.customers.search({"query": query, "limit": 1})
        return [each.id for each in asked.auto_paging_iter()]

    assert found('name~"rosen"') == [bob.id, ann.id]
    assert found('email:"ANN@example.com"') == [ann.id]
    assert found('name:"Bob \\"B\\" Rosen"') == [bob.id]
    assert found('name~"rosen" AND -metadata["a"]:"1"') == [bob.id]
    assert found('metadata["a"]:"1" OR metadata["a"]:"2"') == [bob.id, ann.id]
    assert found("email:null") == [bob.id]
    assert found('phone:"+49 30"') == [ann.id]
    assert found(f"created>={ann.created}") == [bob.id, ann.id]
    assert found(f'created<"{ann.created}"') == []
    client.v1.customers.delete(bob.id)
    assert found('name~"rosen"') == [ann.id]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "name",
        "name:Ann",
        'name~"an"',
        'height:"1"',
        'metadata:"1"',
        'name["a"]:"1"',
        'name:"a" AND name:"b" OR name:"c"',
        'name:"a" name:"b"',
        'name>"a"',
        'created:"soon"',
        " AND ".join(['name:"a"'] * 11),
    ],
)
def test_a_search_that_cannot_be_understood_is_refused(raw: httpx.Client, query: str) -> None:
    answer = raw.get("/v1/customers/search", params={"query": query})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "query"
