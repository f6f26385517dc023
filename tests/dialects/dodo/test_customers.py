"""Customers through the vendor's SDK."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from dodopayments import NotFoundError, UnprocessableEntityError

from tests.dialects.dodo.sdk import Ask, Dodo
from tests.support.server import Tenant


def test_a_customer_is_answered_as_it_was_given(dodo: Dodo) -> None:
    """200, not 201, as the vendor does; the same again when it is looked up."""
    metadata = {"tier": "pro", "seats": 3, "score": 0.5, "beta": True}
    given: dict[str, Any] = {
        "name": "Ada",
        "email": "ada@example.com",
        "phone_number": "+15550100",
        "metadata": metadata,
        "preferred_locale": "fr",
    }
    created = dodo(lambda client: client.customers.create(**given))
    assert {name: getattr(created, name) for name in given} == given
    assert created.customer_id.startswith("cus_")
    assert created.business_id.startswith("bus_")
    assert (created.blocked_at, created.blocklist_entry_id) == (None, None)
    assert dodo(lambda client: client.customers.retrieve(created.customer_id)) == created
    raw = dodo(
        lambda client: client.customers.with_raw_response.create(name="Bo", email="b@example.com")
    )
    assert raw.http_response.status_code == 200


def test_two_customers_may_share_an_address(dodo: Dodo) -> None:
    """The vendor does not say that it is unique."""
    assert dodo.customer() != dodo.customer()


def test_what_a_customer_never_had_is_empty(dodo: Dodo, native: httpx.Client) -> None:
    """One made elsewhere without name or address shows under the operator's own id."""
    native.post("/customers", json={"id": "ada"}).raise_for_status()
    found = dodo(lambda client: client.customers.retrieve("ada"))
    assert (found.customer_id, found.name, found.email) == ("ada", "", "")
    assert (found.metadata, found.phone_number, found.preferred_locale) == ({}, None, None)


def test_an_unknown_customer_is_not_found(dodo: Dodo, tenant: Tenant) -> None:
    """So is one of another mode or another account, with the same words."""
    other = Dodo(tenant.url, tenant.live.editor.secret, blocking=True)
    theirs = other.customer()
    messages = set()
    for unknown in ("cus_8VbC6JDZzPEqfBPUdpj0K", "nobody", theirs, dodo.entitlement().id):
        dodo.sent.clear()
        refusal = dodo.refused(retrieve(unknown))
        assert refusal.error is NotFoundError
        assert refusal.code == "NOT_FOUND"
        assert len(dodo.sent) == 1
        messages.add(refusal.message)
    assert len(messages) == 1
    other.close()


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "INVALID_REQUEST_BODY", "name"),
    ({"name": "n" * 256}, "INVALID_REQUEST_BODY", "name"),
    ({"email": ""}, "INVALID_REQUEST_BODY", "email"),
    ({"email": "e" * 321}, "INVALID_REQUEST_BODY", "email"),
    ({"email": None}, "INVALID_REQUEST_BODY", "email"),
    ({"phone_number": "1" * 51}, "INVALID_REQUEST_BODY", "phone_number"),
    ({"preferred_locale": "xx"}, "INVALID_REQUEST_BODY", "preferred_locale"),
    ({"metadata": {"a": {"b": 1}}}, "INVALID_REQUEST_BODY", "metadata"),
    ({"metadata": {"a": [1]}}, "INVALID_REQUEST_BODY", "metadata"),
    ({"metadata": {"a": None}}, "INVALID_REQUEST_BODY", "metadata"),
    ({"metadata": {"a": 2**63}}, "INVALID_REQUEST_BODY", "metadata"),
    ({"metadata": {"": "empty"}}, "INVALID_REQUEST_BODY", "metadata"),
    ({"metadata": {"k" * 41: "long"}}, "INVALID_REQUEST_BODY", "metadata"),
    ({"metadata": {"a": "v" * 501}}, "INVALID_REQUEST_BODY", "metadata.a"),
    ({"metadata": {str(i): i for i in range(51)}}, "MAXIMUM_KEYS_REACHED", "metadata"),
    ({"extra_body": {"id": "mine"}}, "INVALID_REQUEST_BODY", "id"),
]


@pytest.mark.parametrize(("change", "code", "field"), REFUSED)
def test_a_field_that_breaks_its_rule_is_refused(
    dodo: Dodo, change: dict[str, Any], code: str, field: str
) -> None:
    given = {"name": "Ada", "email": "ada@example.com"} | change
    refusal = dodo.refused(lambda client: client.customers.create(**given))
    assert refusal.error is UnprocessableEntityError
    assert refusal.code == code
    assert refusal.message.startswith(field)
    assert len(dodo.sent) == 1


def test_the_limits_themselves_are_allowed(dodo: Dodo) -> None:
    """50 pairs, keys of 40 characters, values of 500; whole numbers of 64 bits."""
    metadata: dict[str, Any] = {f"{i:040d}": "v" * 500 for i in range(49)}
    metadata["count"] = 2**53
    created = dodo(
        lambda client: client.customers.create(name="n" * 255, email="e", metadata=metadata)
    )
    assert created.metadata == metadata


def retrieve(customer: str) -> Ask:
    return lambda client: client.customers.retrieve(customer)
