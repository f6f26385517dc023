"""Requests about customers, to commands: the vendor's rules that go beyond the type of a field."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from drawdown.core import identity
from drawdown.core.commands import AmendCustomer, CreateCustomer
from drawdown.core.types import Id
from drawdown.dialects.sequence.answering import PROFILE, optional_text
from drawdown.dialects.sequence.customers.wire import (
    Address,
    Contact,
    CreateCustomerRequest,
    Integration,
)
from drawdown.web import fields
from drawdown.web.errors import BadRequest

EMAIL_MAX = 320
#: An alias that nobody can have: a usage event is cancelled by sending it again for that one.
NOBODY = "VOID"
_COUNTRY = re.compile(r"[A-Z]{2}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def create_customer(body: CreateCustomerRequest, parent: str | None) -> CreateCustomer:
    """The legal name is the customer's name, the first contact's address its email."""
    profile = _profile(body, parent)
    return CreateCustomer(
        name=fields.text(body.legal_name, "legalName"),
        email=body.contacts[0].email if body.contacts else None,
        profiles={PROFILE: {name: value for name, value in profile.items() if value is not None}},
    )


def amend_customer(customer: Id, body: CreateCustomerRequest, parent: str | None) -> AmendCustomer:
    """All of it in the place of what there was: what is left out is not there any more."""
    return AmendCustomer(
        customer=customer,
        name=fields.text(body.legal_name, "legalName"),
        email=body.contacts[0].email if body.contacts else None,
        profiles={PROFILE: _profile(body, parent)},
    )


def _profile(body: CreateCustomerRequest, parent: str | None) -> dict[str, Any]:
    return {
        "address": msgspec.to_builtins(_address(body.address)),
        "contacts": [
            msgspec.to_builtins(_contact(given, place)) for place, given in enumerate(body.contacts)
        ],
        "taxStatus": body.tax_status.value,
        "label": optional_text(body.label, "label"),
        "url": optional_text(body.url, "url"),
        "parentId": parent,
        "integrationIds": [
            msgspec.to_builtins(_integration(given, place))
            for place, given in enumerate(body.integration_ids or ())
        ],
    }


def _address(given: Address) -> Address:
    fields.text(given.line1, "address.line1")
    optional_text(given.line2, "address.line2", shortest=0)
    fields.text(given.town, "address.town")
    optional_text(given.state, "address.state", shortest=0)
    fields.text(given.postcode, "address.postcode")
    if _COUNTRY.fullmatch(given.country) is None:
        raise BadRequest("address.country", "an ISO 3166-1 alpha-2 code in capitals, such as GB")
    return given


def _contact(given: Contact, place: int) -> Contact:
    field = f"contacts[{place}]"
    fields.text(given.name, f"{field}.name")
    fields.text(given.email, f"{field}.email", longest=EMAIL_MAX)
    if _EMAIL.fullmatch(given.email) is None:
        raise BadRequest(f"{field}.email", "an email address")
    return given


def _integration(given: Integration, place: int) -> Integration:
    field = f"integrationIds[{place}]"
    fields.text(given.service, f"{field}.service")
    fields.text(given.id, f"{field}.id")
    return given


def alias(text: str, field: str) -> str:
    """What usage may name a customer by. Raises ``BadRequest``."""
    if not identity.is_own_id(text) or text == NOBODY:
        raise BadRequest(field, f"{identity.OWN_ID_RULE}, and not {NOBODY}")
    return text
