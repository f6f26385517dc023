"""Credit as Sequence shows it: ids are UUIDs, amounts JSON numbers. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from itertools import groupby

import msgspec

from drawdown.core import burn
from drawdown.core.amounts import Amount
from drawdown.core.identity import spell_uuid
from drawdown.core.times import text_of
from drawdown.core.types import BurnOrder, Entitlement, Grant, Id
from drawdown.dialects.sequence import dates, numbers
from drawdown.dialects.sequence.credit.wire import (
    CreateCreditRequest,
    CreatedCredit,
    CreditUnitType,
    OutstandingGrant,
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
