"""POST /customers: what must exist before a credit can be granted."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from msgspec import UNSET

from drawdown.core import identity
from tests.dialects.sequence.contract import Address, Customer, Integration, read, refusal
from tests.dialects.sequence.support import CUSTOMER, new_customer


def test_a_customer_answers_everything_it_was_made_of(
    sequence: httpx.Client, customer: str
) -> None:
    body = {
        **CUSTOMER,
        "address": {**CUSTOMER["address"], "line2": "Floor 2", "state": "LDN"},
        "contacts": [
            {"name": "Ada", "email": "ada@acme.example", "billingPreference": "PRIMARY"},
            {"name": "Bob", "email": "bob@acme.example", "billingPreference": "NONE"},
        ],
        "taxStatus": "REVERSE_CHARGED",
        "customerAliases": ["acme", "acme-eu"],
        "label": "enterprise",
        "url": "https://acme.example",
        "parentId": customer,
        "integrationIds": [{"service": "XERO", "id": "x-1"}],
    }
    made = read(sequence.post("/customers", json=body), 201, Customer)
    assert (made.legal_name, made.tax_status) == ("Acme Ltd", "REVERSE_CHARGED")
    assert made.address == Address(
        line1="1 High Street",
        line2="Floor 2",
        town="London",
        state="LDN",
        postcode="E1 6AN",
        country="GB",
    )
    shown = [(each.name, each.email, each.billing_preference) for each in made.contacts]
    assert shown == [
        ("Ada", "ada@acme.example", "PRIMARY"),
        ("Bob", "bob@acme.example", "NONE"),
    ]
    assert len({made.id, *(each.id for each in made.contacts)}) == 3
    assert made.integration_ids == [Integration(service="XERO", id="x-1", is_pending=False)]
    assert (made.customer_aliases, made.parent_id) == (["acme", "acme-eu"], customer)
    assert (made.label, made.url) == ("enterprise", "https://acme.example")


def test_what_was_not_given_is_left_out(sequence: httpx.Client) -> None:
    """Null in a request means left out."""
    optional = ("customerAliases", "label", "url", "parentId", "integrationIds")
    for body in (CUSTOMER, CUSTOMER | dict.fromkeys(optional)):
        answer = sequence.post("/customers", json=body)
        made = read(answer, 201, Customer)
        given = {made.label, made.url, made.parent_id, made.address.line2, made.address.state}
        assert given == {UNSET}
        assert made.customer_aliases is UNSET
        assert (made.integration_ids, made.organizations) == ([], [])
        assert "null" not in answer.text


def test_the_others_know_it_by_its_alias_its_name_and_its_first_contact(
    sequence: httpx.Client, native: httpx.Client
) -> None:
    made = new_customer(sequence, customerAliases=["acme"])
    shown = native.get("/customers/acme").json()
    assert (shown["name"], shown["email"]) == ("Acme Ltd", "ada@acme.example")
    assert native.get(f"/customers/{made.id}").json() == shown


def test_a_customer_may_have_no_contacts(sequence: httpx.Client, native: httpx.Client) -> None:
    made = new_customer(sequence, contacts=[])
    assert made.contacts == []
    assert native.get(f"/customers/{made.id}").json()["email"] is None


def test_an_alias_names_one_customer_only(sequence: httpx.Client) -> None:
    new_customer(sequence, customerAliases=["acme"])
    answer = sequence.post("/customers", json=CUSTOMER | {"customerAliases": ["acme"]})
    refusal(answer, 400, "ValidationError", "alias", "acme", "taken")


def test_every_spelling_of_the_parent_is_answered_as_its_uuid(
    sequence: httpx.Client, customer: str
) -> None:
    parent = identity.parse(customer)
    assert parent is not None
    assert new_customer(sequence, parentId=identity.spell("cus_", parent)).parent_id == customer


CHANGES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"legalName": ""}, ("legalName", "characters")),
    ({"legalName": "x" * 501}, ("legalName", "500")),
    ({"legalName": "a\u0000b"}, ("legalName", "control")),
    ({"legalName": None}, ("legalName", "a string")),
    ({"taxStatus": "EXEMPT"}, ("taxStatus", "TAXED, TAX_EXEMPT, REVERSE_CHARGED")),
    ({"address": {**CUSTOMER["address"], "country": "gb"}}, ("address.country", "such as GB")),
    ({"address": {**CUSTOMER["address"], "country": "GB\n"}}, ("address.country",)),
    ({"address": {**CUSTOMER["address"], "country": "GBR"}}, ("address.country",)),
    ({"address": {**CUSTOMER["address"], "town": ""}}, ("address.town",)),
    ({"address": {"line1": "x"}}, ("address.town", "required")),
    ({"address": {**CUSTOMER["address"], "planet": "Earth"}}, ("address.planet", "leave it out")),
    ({"contacts": {}}, ("contacts", "a list")),
    ({"contacts": [{**CUSTOMER["contacts"][0], "email": "ada"}]}, ("contacts[0].email",)),
    ({"contacts": [{**CUSTOMER["contacts"][0], "billingPreference": "MAYBE"}]}, ("STANDARD",)),
    ({"contacts": CUSTOMER["contacts"] * 101}, ("contacts", "at most 100")),
    ({"customerAliases": ["a", "a"]}, ("customerAliases", "different")),
    ({"customerAliases": [f"a{n}" for n in range(31)]}, ("customerAliases", "at most 30")),
    ({"customerAliases": ["a b"]}, ("customerAliases[0]", "characters")),
    ({"customerAliases": ["01920000-0000-7000-8000-000000000000"]}, ("customerAliases[0]",)),
    ({"customerAliases": "acme"}, ("customerAliases", "a list")),
    ({"parentId": "nobody"}, ("parentId", "none")),
    ({"integrationIds": [{"service": "XERO"}]}, ("integrationIds[0].id", "required")),
    ({"sequenceAccountId": "x"}, ("sequenceAccountId", "leave it out")),
    ({"email": "ada@acme.example"}, ("email", "leave it out")),
]


@pytest.mark.parametrize(("change", "parts"), CHANGES)
def test_a_field_that_breaks_its_rule_is_refused_by_name(
    sequence: httpx.Client, native: httpx.Client, change: dict[str, Any], parts: tuple[str, ...]
) -> None:
    """With the rule, and no customer is made."""
    answer = sequence.post("/customers", json=CUSTOMER | change)
    refusal(answer, 400, "ValidationError", *parts)
    assert native.get("/customers").json()["data"] == []


@pytest.mark.parametrize("field", ["legalName", "address", "contacts", "taxStatus"])
def test_what_the_vendor_requires_is_required(sequence: httpx.Client, field: str) -> None:
    body = {name: value for name, value in CUSTOMER.items() if name != field}
    refusal(sequence.post("/customers", json=body), 400, "ValidationError", field, "required")
