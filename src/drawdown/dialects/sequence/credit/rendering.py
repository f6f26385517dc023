"""Credit as Sequence shows it: ids are UUIDs, amounts JSON numbers. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import msgspec

from drawdown.core import amounts, burn, currencies
from drawdown.core.amounts import Amount
from drawdown.core.identity import spell_uuid
from drawdown.core.times import text_of
from drawdown.core.types import BurnOrder, CostBasis, Entitlement, Grant, Id
from drawdown.dialects.sequence import imported, numbers
from drawdown.dialects.sequence.answering import PROFILE
from drawdown.dialects.sequence.credit import wire
from drawdown.dialects.sequence.credit.wire import (
    CreateCreditRequest,
    CreatedCredit,
    CreditUnitType,
    OutstandingGrant,
)
from drawdown.dialects.sequence.dates import Days

#: What units are priced in whose cost nobody has said.
CURRENCY_OF_UNITS = "USD"


def created_credit(
    grant: Grant,
    kind: Entitlement,
    body: CreateCreditRequest,
    cost: Amount | None,
    account: Id,
    customer: str,
    days: Days,
) -> CreatedCredit:
    """What was asked for, as it was understood, and what was made of it."""
    metric = body.credit_unit_type is CreditUnitType.METRIC
    return CreatedCredit(
        id=spell_uuid(grant.id),
        sequence_account_id=spell_uuid(account),
        customer_id=customer,
        name=body.name,
        credit_unit_type=body.credit_unit_type,
        currency=body.currency,
        amount=numbers.write(grant.amount, kind.scale),
        created_at=text_of(grant.created_at),
        integration_ids=[],
        metric_id=imported.metric_id(kind) if metric else None,
        cost_of_credit=(msgspec.UNSET if cost is None else numbers.write(cost.digits, cost.places)),
        effective_date=body.effective_date,
        expiry_date=None if grant.expires_at is None else days.last_day(grant.expires_at),
        tax_rate_id=body.tax_rate_id,
    )


def outstanding_grant(grant: Grant, kind: Entitlement, days: Days) -> OutstandingGrant:
    """``issueDate`` is the day it was made, not the day from which it can be used."""
    return OutstandingGrant(
        id=imported.grant_id(grant),
        name=kind.name if grant.name is None else grant.name,
        grant_amount=numbers.write(grant.amount, kind.scale),
        balance=numbers.write(grant.remaining, kind.scale),
        issue_date=days.day_of(imported.made_at(grant)),
        expiry_date=_expiry_date(grant, days),
    )


def _expiry_date(grant: Grant, days: Days) -> str | None:
    there = imported.grant_there(grant)
    if there is not None and there.is_void:
        return there.expiry_date
    return None if grant.expires_at is None else days.last_day(grant.expires_at)


def grant(found: Grant, kind: Entitlement, account: Id, customer: str, days: Days) -> wire.Grant:
    """``customer`` is his id as this dialect shows it."""
    return wire.Grant(**_fields(found, kind, account, customer, days))


def one_grant(
    found: Grant, kind: Entitlement, account: Id, customer: str, days: Days
) -> wire.OneGrant:
    money = kind.currency is not None
    return wire.OneGrant(
        **_fields(found, kind, account, customer, days),
        credit_unit_type=CreditUnitType.CURRENCY if money else CreditUnitType.METRIC,
        amount=numbers.write(found.amount, kind.scale),
        integration_ids=[],
    )


def _fields(
    found: Grant, kind: Entitlement, account: Id, customer: str, days: Days
) -> dict[str, Any]:
    """A grant that was made in another dialect costs what that said, or nothing."""
    cost, currency = found.cost_basis, kind.currency
    if currency is None:
        currency = (None if cost is None else cost.currency) or CURRENCY_OF_UNITS
    return {
        "id": imported.grant_id(found),
        "sequence_account_id": spell_uuid(account),
        "customer_id": customer,
        "type": type_of(kind),
        "currency": currency.upper(),
        "name": kind.name if found.name is None else found.name,
        "original_amount": amounts.render(found.amount, kind.scale),
        "current_balance": amounts.render(found.remaining, kind.scale),
        "cost_of_credit": "0" if cost is None else _cost(cost),
        "created_at": text_of(imported.made_at(found)),
        "metric_id": None if kind.currency is not None else imported.metric_id(kind),
        "effective_date": days.day_of(found.effective_at),
        "expiry_date": _expiry_date(found, days),
        "tax_rate_id": found.profiles.get(PROFILE, {}).get("taxRateId"),
    }


def _cost(cost: CostBasis) -> str:
    scale = 0 if cost.currency is None else currencies.scale_of(cost.currency)
    return amounts.render(cost.amount, scale)


def type_of(kind: Entitlement) -> wire.CreditType:
    return wire.CreditType.USAGE if kind.currency is None else wire.CreditType.CASH


def in_burn_order(grants: Iterable[Grant], kinds: Mapping[Id, Entitlement]) -> list[Grant]:
    """One list of a customer's wallets: units before money, then by what burns first.

    ``grants`` come wallet by wallet, each in its own burn-down order, which is kept.
    """
    wallets = [list(wallet) for _, wallet in groupby(grants, lambda grant: grant.entitlement)]

    def place(grant: Grant) -> tuple[bool, burn.OrderKey]:
        money = kinds[grant.entitlement].currency is not None
        return money, burn.order_of(grant, BurnOrder.SOONEST_EXPIRY)

    return list(heapq.merge(*wallets, key=place))
