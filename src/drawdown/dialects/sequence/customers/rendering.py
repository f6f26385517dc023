"""Customers and aliases as Sequence shows them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from drawdown.core import identity, types
from drawdown.core.identity import spell_uuid
from drawdown.core.times import text_of
from drawdown.core.types import Id
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.answering import PROFILE
from drawdown.dialects.sequence.customers.wire import (
    Address,
    Alias,
    BillingPreference,
    Contact,
    ContactShown,
    Customer,
    CustomerProfile,
    TaxStatus,
)
from drawdown.dialects.sequence.wire import IntegrationShown

_NOWHERE = Address(line1="", town="", postcode="", country="")


def customer(found: types.Customer, aliases: Iterable[str]) -> Customer:
    """What was never given of one who was made in another dialect is empty."""
    profile = _profile(found)
    shown = list(aliases)
    return Customer(
        id=imported.customer_id(found),
        created_at=text_of(found.created_at),
        legal_name=found.name or found.own_id or spell_uuid(found.id),
        address=profile.address,
        tax_status=profile.tax_status,
        contacts=[_contact(each, place, found) for place, each in enumerate(profile.contacts)],
        integration_ids=[
            IntegrationShown(service=each.service, id=each.id, is_pending=False)
            for each in profile.integration_ids
        ],
        organizations=[],
        customer_aliases=shown or None,
        label=profile.label,
        url=profile.url,
        parent_id=profile.parent_id,
        archived_at=None if found.closed_at is None else text_of(found.closed_at),
    )


def _profile(found: types.Customer) -> CustomerProfile:
    kept = found.profiles.get(PROFILE)
    if kept is not None:
        return msgspec.convert(kept, CustomerProfile)
    contacts = []
    if found.email is not None:
        preference = BillingPreference.PRIMARY
        name = found.name or found.email
        contacts = [Contact(name=name, email=found.email, billing_preference=preference)]
    return CustomerProfile(address=_NOWHERE, contacts=contacts, tax_status=TaxStatus.TAXED)


def _contact(kept: Contact, place: int, owner: types.Customer) -> ContactShown:
    """Its id follows from the customer's and its place in the list."""
    created_at = text_of(owner.created_at)
    return ContactShown(
        id=spell_uuid(identity.derive(owner.id, f"sequence.contact:{place}")),
        name=kept.name,
        email=kept.email,
        billing_preference=kept.billing_preference,
        created_at=created_at,
        updated_at=created_at,
    )


def alias(document: types.Document, text: str, account: Id, customer: str) -> Alias:
    """``customer`` is his id as this dialect shows it."""
    return Alias(
        id=spell_uuid(document.id),
        customer_id=customer,
        sequence_account_id=spell_uuid(account),
        value=text,
        created_at=text_of(document.created_at),
    )


def own_alias(found: types.Customer, account: Id) -> Alias | None:
    """The own id is an alias that cannot be changed, unless it is what the vendor calls him."""
    if found.own_id is None or found.own_id == imported.customer_id(found):
        return None
    return Alias(
        id=spell_uuid(own_alias_id(found.id)),
        customer_id=spell_uuid(found.id),
        sequence_account_id=spell_uuid(account),
        value=found.own_id,
        created_at=text_of(found.created_at),
    )


def own_alias_id(customer: Id) -> Id:
    return identity.derive(customer, "sequence.alias")
