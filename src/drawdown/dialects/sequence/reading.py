"""Sequence's requests to commands: the vendor's rules that go beyond the type of a field."""

from __future__ import annotations

import re

import msgspec

from drawdown.core import currencies, identity
from drawdown.core.amounts import Amount
from drawdown.core.commands import CreateCustomer, IssueGrant, Money
from drawdown.core.types import Category, Id, Instant, Profiles, Reference
from drawdown.dialects.sequence import dates, numbers
from drawdown.dialects.sequence.wire import (
    CURRENCIES,
    Address,
    Contact,
    CreateCreditRequest,
    CreateCustomerRequest,
    CreditUnitType,
    CustomerProfile,
    GrantProfile,
    Integration,
)
from drawdown.web import fields
from drawdown.web.errors import BadRequest

#: Under this name the ledger keeps what only Sequence knows of an object.
PROFILE = "sequence"
ALIASES_MAX = 1
EMAIL_MAX = 320
_COUNTRY = re.compile(r"[A-Z]{2}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_NOTHING = Amount(0)


def create_customer(body: CreateCustomerRequest, parent: Id | None) -> CreateCustomer:
    """The legal name is the customer's name, the first contact's address its email."""
    profile = CustomerProfile(
        address=_address(body.address),
        contacts=[_contact(given, place) for place, given in enumerate(body.contacts)],
        tax_status=body.tax_status,
        label=_text(body.label, "label"),
        url=_text(body.url, "url"),
        parent_id=None if parent is None else identity.spell_uuid(parent),
        integration_ids=[
            _integration(given, place) for place, given in enumerate(body.integration_ids or ())
        ],
    )
    return CreateCustomer(
        own_id=_alias(body.customer_aliases or []),
        name=fields.text(body.legal_name, "legalName"),
        email=profile.contacts[0].email if profile.contacts else None,
        profiles=_profiles(profile),
    )


def _address(given: Address) -> Address:
    fields.text(given.line1, "address.line1")
    _text(given.line2, "address.line2", shortest=0)
    fields.text(given.town, "address.town")
    _text(given.state, "address.state", shortest=0)
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


def _alias(aliases: list[str]) -> str | None:
    """The one alias that a customer can have is its own id: every dialect finds it by that."""
    if len(aliases) > ALIASES_MAX:
        raise BadRequest("customerAliases", "a list of at most one alias: no more can be kept yet")
    if not aliases:
        return None
    if not identity.is_own_id(aliases[0]):
        raise BadRequest("customerAliases[0]", identity.OWN_ID_RULE)
    return aliases[0]


def create_credit(body: CreateCreditRequest, book: Id) -> IssueGrant:
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
        effective_at=_effective_at(body.effective_date),
        expires_at=_expires_at(body.expiry_date),
        cost_basis=Money(cost, currency),
        name=fields.text(body.name, "name"),
        profiles=_profiles(GrantProfile(tax_rate_id=_text(body.tax_rate_id, "taxRateId"))),
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


def check_account(given: str | None, account: Id) -> None:
    """The account is the key's. A request may name it, and then must name that one."""
    if given is not None and identity.parse(given) != account:
        raise BadRequest(
            "sequenceAccountId",
            f"the account of the API key, {identity.spell_uuid(account)}, or left out",
        )


def _effective_at(text: str | None) -> Instant | None:
    return None if text is None else dates.first_instant(text, "effectiveDate")


def _expires_at(text: str | None) -> Instant | msgspec.UnsetType:
    """Without a date the entitlement's own rule decides, as everywhere."""
    return msgspec.UNSET if text is None else dates.end(text, "expiryDate")


def _profiles(profile: CustomerProfile | GrantProfile) -> Profiles:
    """What was given of it; nothing when all of it is at its default."""
    given = msgspec.to_builtins(profile)
    return {PROFILE: given} if given else {}


def _text(value: str | None, field: str, *, shortest: int = 1) -> str | None:
    return None if value is None else fields.text(value, field, shortest=shortest)
