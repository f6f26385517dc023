"""Requests about credit, to commands: the vendor's rules that go beyond the type of a field."""

from __future__ import annotations

import msgspec

from drawdown.core import currencies
from drawdown.core.amounts import Amount
from drawdown.core.commands import IssueGrant, Money
from drawdown.core.types import Category, Id, Instant, Profiles, Reference
from drawdown.dialects.sequence import numbers
from drawdown.dialects.sequence.answering import PROFILE, optional_text
from drawdown.dialects.sequence.credit.wire import (
    CreateCreditRequest,
    CreditUnitType,
    GrantProfile,
)
from drawdown.dialects.sequence.dates import Days
from drawdown.dialects.sequence.wire import CURRENCIES
from drawdown.web import fields
from drawdown.web.errors import BadRequest

_NOTHING = Amount(0)


def create_credit(body: CreateCreditRequest, book: Id, days: Days) -> IssueGrant:
    """Without ``effectiveDate`` the command has none: the day of issue is only known when it is made.

    A cost of nothing, or none given, makes the grant promotional. Its currency is kept all the same.
    """
    if body.create_invoice:
        raise BadRequest(
            "createInvoice", "false or left out: no invoices are made here, so none would be sent"
        )
    currency, metric = _currency(body.currency), _metric(body, book)
    cost = numbers.read_optional(body.cost_of_credit, "costOfCredit") or _NOTHING
    return IssueGrant(
        customer=fields.reference(body.customer_id, "customerId"),
        entitlement=currency if metric is None else metric,
        amount=numbers.read(body.amount, "amount"),
        category=Category.PAID if cost.digits else Category.PROMOTIONAL,
        effective_at=_effective_at(body.effective_date, days),
        expires_at=_expires_at(body.expiry_date, days),
        cost_basis=Money(cost, currency),
        name=fields.text(body.name, "name"),
        profiles=_profiles(GrantProfile(tax_rate_id=optional_text(body.tax_rate_id, "taxRateId"))),
    )


def _currency(code: str) -> str:
    """Money is its currency's entitlement, which is named by the code in lower case."""
    if code not in CURRENCIES:
        raise BadRequest("currency", f"one of {', '.join(CURRENCIES)}")
    return code.lower()


def _metric(body: CreateCreditRequest, book: Id) -> Reference | None:
    """A metric's id is the id or code of an entitlement that is not a currency's."""
    if body.credit_unit_type is CreditUnitType.CURRENCY:
        if body.metric_id is not None:
            raise BadRequest("metricId", "left out when creditUnitType is CURRENCY")
        return None
    if body.metric_id is None:
        raise BadRequest("metricId", "given when creditUnitType is METRIC")
    metric = fields.reference(body.metric_id, "metricId")
    if metric in currencies.MINOR_PLACES or metric in currencies.codes_by_id(book):
        raise BadRequest("metricId", "a metric: for money, creditUnitType is CURRENCY")
    return metric


def _effective_at(text: str | None, days: Days) -> Instant | None:
    return None if text is None else days.first_instant(text, "effectiveDate")


def _expires_at(text: str | None, days: Days) -> Instant | msgspec.UnsetType:
    """Without a date the entitlement's own rule decides, as everywhere."""
    return msgspec.UNSET if text is None else days.end(text, "expiryDate")


def _profiles(profile: GrantProfile) -> Profiles:
    """What was given of it; nothing when all of it is at its default."""
    given = msgspec.to_builtins(profile)
    return {PROFILE: given} if given else {}
