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
    AliasRecord,
    BillingPreference,
    Contact,
    ContactShown,
    Customer,
    CustomerByAlias,
    CustomerProfile,
    TaxStatus,
)
from drawdown.dialects.sequence.wire import IntegrationShown

_NOWHERE = Address(line1="", town="", postcode="", country="")
_NOTHING = CustomerProfile(address=_NOWHERE, contacts=[], tax_status=TaxStatus.TAXED)


def customer(found: types.Customer, aliases: Iterable[str]) -> Customer:
    """What was never given of one who was made in another dialect is empty."""
    kept = found.profiles.get(PROFILE)
    profile = _NOTHING if kept is None else msgspec.convert(kept, CustomerProfile)
    shown = list(aliases)
    return Customer(
        id=imported.customer_id(found),
        created_at=text_of(found.created_at),
        legal_name=found.name or found.own_id or spell_uuid(found.id),
        address=profile.address,
        tax_status=profile.tax_status,
        contacts=[
            _contact(each, place, found) for place, each in enumerate(_contacts(profile, found))
        ],
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


def customer_by_alias(found: types.Customer, aliases: Iterable[str]) -> CustomerByAlias:
    """The main address is the first contact's; whom invoices go to are those who want them."""
    shown = customer(found, aliases)
    billed = [
        each.email
        for each in shown.contacts
        if each.billing_preference is not BillingPreference.NONE
    ]
    return CustomerByAlias(
        **msgspec.structs.asdict(shown),
        email=found.email or "",
        billing_emails=billed,
        contact_name=shown.contacts[0].name if shown.contacts else None,
    )


def _contacts(profile: CustomerProfile, found: types.Customer) -> list[Contact]:
    """The first one's address is the customer's, which another dialect may have changed or taken away."""
    if found.email is None:
        return profile.contacts[1:]
    preference = BillingPreference.PRIMARY
    unnamed = Contact(
        name=found.name or found.email, email=found.email, billing_preference=preference
    )
    first = profile.contacts[0] if profile.contacts else unnamed
    return [msgspec.structs.replace(first, email=found.email), *profile.contacts[1:]]


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


def alias(document: types.Document, kept: AliasRecord, account: Id, customer: str) -> Alias:
    """``customer`` is his id as this dialect shows it."""
    return Alias(
        id=spell_uuid(document.id),
        customer_id=customer,
        sequence_account_id=spell_uuid(account),
        value=kept.value,
        created_at=text_of(document.created_at),
        label=kept.label,
        deleted_at=None if document.deleted_at is None else text_of(document.deleted_at),
    )


def own_alias(found: types.Customer, text: str, account: Id) -> Alias:
    """The own id is an alias that came with the customer: it has his id."""
    return Alias(
        id=spell_uuid(found.id),
        customer_id=imported.customer_id(found),
        sequence_account_id=spell_uuid(account),
        value=text,
        created_at=text_of(found.created_at),
    )
