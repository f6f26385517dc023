"""Records of the ledger as Sequence shows them: ids are UUIDs, amounts JSON numbers. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from itertools import groupby

import msgspec

from drawdown.core import burn, identity, types
from drawdown.core.amounts import Amount
from drawdown.core.identity import spell_uuid
from drawdown.core.times import text_of
from drawdown.core.types import BurnOrder, Entitlement, Grant, Id
from drawdown.dialects.sequence import dates, numbers
from drawdown.dialects.sequence.reading import PROFILE
from drawdown.dialects.sequence.wire import (
    Contact,
    ContactShown,
    CreateCreditRequest,
    CreatedCredit,
    CreditUnitType,
    Customer,
    CustomerProfile,
    IntegrationShown,
    OutstandingGrant,
)


def customer(found: types.Customer) -> Customer:
    """A customer made in this dialect."""
    profile = msgspec.convert(found.profiles[PROFILE], CustomerProfile)
    return Customer(
        id=spell_uuid(found.id),
        created_at=text_of(found.created_at),
        legal_name=found.name or "",
        address=profile.address,
        tax_status=profile.tax_status,
        contacts=[_contact(each, place, found) for place, each in enumerate(profile.contacts)],
        integration_ids=[
            IntegrationShown(service=each.service, id=each.id, is_pending=False)
            for each in profile.integration_ids
        ],
        organizations=[],
        customer_aliases=None if found.own_id is None else [found.own_id],
        label=profile.label,
        url=profile.url,
        parent_id=profile.parent_id,
    )


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


def created_credit(
    grant: Grant, kind: Entitlement, body: CreateCreditRequest, cost: Amount | None, account: Id
) -> CreatedCredit:
    """What was asked for, as it was understood, and what was made of it."""
    metric = body.credit_unit_type is CreditUnitType.METRIC
    return CreatedCredit(
        id=spell_uuid(grant.id),
        sequence_account_id=spell_uuid(account),
        customer_id=spell_uuid(grant.customer),
        name=body.name,
        credit_unit_type=body.credit_unit_type,
        currency=body.currency,
        amount=numbers.write(grant.amount, kind.scale),
        created_at=text_of(grant.created_at),
        integration_ids=[],
        metric_id=spell_uuid(kind.id) if metric else None,
        cost_of_credit=(msgspec.UNSET if cost is None else numbers.write(cost.digits, cost.places)),
        effective_date=body.effective_date,
        expiry_date=None if grant.expires_at is None else dates.last_day(grant.expires_at),
        tax_rate_id=body.tax_rate_id,
    )


def outstanding_grant(grant: Grant, kind: Entitlement) -> OutstandingGrant:
    """``issueDate`` is the day it was made, not the day from which it can be used."""
    return OutstandingGrant(
        id=spell_uuid(grant.id),
        name=kind.name if grant.name is None else grant.name,
        grant_amount=numbers.write(grant.amount, kind.scale),
        balance=numbers.write(grant.remaining, kind.scale),
        issue_date=dates.day_of(grant.created_at),
        expiry_date=None if grant.expires_at is None else dates.last_day(grant.expires_at),
    )


def in_burn_order(grants: Iterable[Grant], kinds: Mapping[Id, Entitlement]) -> list[Grant]:
    """One list of a customer's wallets: units before money, then by what burns first.

    ``grants`` come wallet by wallet, each in its own burn-down order, which is kept.
    """
    wallets = [list(wallet) for _, wallet in groupby(grants, lambda grant: grant.entitlement)]

    def place(grant: Grant) -> tuple[bool, burn.OrderKey]:
        money = kinds[grant.entitlement].currency is not None
        return money, burn.order_of(grant, BurnOrder.SOONEST_EXPIRY)

    return list(heapq.merge(*wallets, key=place))
