"""The endpoints of ``billing.credit_grant``: credit in a currency, whichever dialect made it."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from drawdown.core import amounts, currencies, identity
from drawdown.core.billing.records import PRICE
from drawdown.core.commands import AmendGrant, ExpireGrant, IssueGrant, VoidGrant
from drawdown.core.errors import CustomerNotFound, GrantNotFound, NotFound
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import (
    MICROSECONDS,
    Category,
    Customer,
    Entitlement,
    Grant,
    Id,
    Instant,
    Metadata,
)
from drawdown.dialects.stripe import expansion, imported, wire
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.idempotency import NOTHING, Write
from drawdown.dialects.stripe.parameters import missing
from drawdown.dialects.stripe.prices import PRICES, price_id
from drawdown.dialects.stripe.requests import (
    Amount,
    CreateGrant,
    ListGrants,
    OneGrant,
    Scope,
    UpdateGrant,
)
from drawdown.web.endpoints import Call

#: Stripe: a customer may hold this many unused grants.
UNUSED_MAX = 100
#: What a grant may be worth, in minor units.
VALUE_MAX = 99_999_999_999
#: A clock that is this far behind ours still means "now" by its present.
LATE_MAX = 60 * MICROSECONDS
NOUN = "billing credit grant"


async def create_credit_grant(call: Call, asked: CreateGrant) -> Write:
    currency = asked.amount.monetary.currency.lower()
    amount = _amount(asked.amount, currency)
    prices = await scope_of(call, asked.applicability_config.scope, "applicability_config[scope]")
    command = IssueGrant(
        customer=identity.reference(asked.customer),
        entitlement=currency,
        amount=amount,
        priority=None if asked.priority is UNSET else asked.priority,
        category=Category(asked.category),
        effective_at=None if asked.effective_at is UNSET else _instant(asked.effective_at),
        expires_at=None if asked.expires_at is None else _instant(asked.expires_at),
        name=asked.name,
        scope={PRICE: prices} if prices else {},
        metadata=_without_empty(asked.metadata),
        profiles=wire.NAMELESS if asked.name is None else {},
        late_max=LATE_MAX,
        unused_max=UNUSED_MAX,
    )
    return _write(call, command, asked.expand, {CustomerNotFound: ("customer", asked.customer)})


async def update_credit_grant(call: Call, asked: UpdateGrant) -> Write:
    expires_at = asked.expires_at
    metadata = asked.metadata
    command = AmendGrant(
        grant=await _monetary_grant(call),
        expires_at=_instant(expires_at) if isinstance(expires_at, int) else expires_at,
        metadata=(
            {name: value or None for name, value in metadata.items()}
            if isinstance(metadata, dict)
            else {}
        ),
        clear_metadata=metadata is None,
    )
    return _write(call, command, asked.expand, _of_path(call))


async def expire_credit_grant(call: Call, asked: OneGrant) -> Write:
    command = ExpireGrant(grant=await _monetary_grant(call))
    return _write(call, command, asked.expand, _of_path(call))


async def void_credit_grant(call: Call, asked: OneGrant) -> Write:
    command = VoidGrant(grant=await _monetary_grant(call), only_unused=True)
    return _write(call, command, asked.expand, _of_path(call))


async def retrieve_credit_grant(call: Call) -> Answer:
    expansion.expansion(call.query.expand, expansion.GRANT)
    text = call.path["grant"]
    grant = await find(call, text)
    if grant is None:
        raise missing_object(NOUN, text, "id")
    shown = await _Shown(call).grant(grant)
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)


async def list_credit_grants(call: Call) -> Answer:
    """A page, newest first; it looks one further than it shows, to say whether there are more."""
    asked: ListGrants = call.query
    expansion.expansion(asked.expand, expansion.GRANT, of_list=True)
    after, before = await _cursors(call, asked)
    try:
        found = await call.ledger.grants(
            call.book,
            customer=None if asked.customer is UNSET else identity.reference(asked.customer),
            monetary=True,
            after=after,
            before=before,
            limit=asked.limit + 1,
        )
    except CustomerNotFound:
        raise missing_object("customer", str(asked.customer), "customer") from None
    page = found[: asked.limit] if before is None else found[-asked.limit :]
    shown = _Shown(call)
    answer = wire.CreditGrantList(
        data=[await shown.grant(grant) for grant in page],
        has_more=len(found) > asked.limit,
        url=wire.GRANTS_URL,
    )
    return Answer(status=200, body=msgspec.json.encode(answer), request_id=call.request_id)


async def _cursors(call: Call, asked: ListGrants) -> tuple[Id | None, Id | None]:
    """The grants that ``starting_after`` and ``ending_before`` name: at most one of them."""
    if asked.starting_after is not UNSET and asked.ending_before is not UNSET:
        raise StripeError(
            "You may only specify one of these parameters: starting_after, ending_before.",
            code="parameters_exclusive",
            param="starting_after",
        )
    return (
        await _cursor(call, "starting_after", asked.starting_after),
        await _cursor(call, "ending_before", asked.ending_before),
    )


async def _cursor(call: Call, param: str, text: str | msgspec.UnsetType) -> Id | None:
    if not isinstance(text, str):
        return None
    grant = await find(call, text)
    if grant is None:
        raise missing_object(NOUN, text, param)
    return grant.id


async def find(call: Call, text: str) -> Grant | None:
    """The grant of credit in a currency that ``text`` spells, or that the vendor called so."""
    found = identity.parse(text)
    grant = None if found is None else await _grant(call, found)
    if grant is None:
        found = await imported.find_grant(call.ledger, call.book, text)
        grant = None if found is None else await _grant(call, found)
    if grant is None:
        return None
    return grant if grant.entitlement in currencies.codes_by_id(call.book) else None


async def _grant(call: Call, grant: Id) -> Grant | None:
    try:
        return await call.ledger.grant(call.book, grant)
    except GrantNotFound:
        return None


async def _monetary_grant(call: Call) -> Id:
    """The grant in the path; the id of nothing when there is none, for the ledger to refuse."""
    grant = await find(call, call.path["grant"])
    return NOTHING if grant is None else grant.id


def _of_path(call: Call) -> dict[type[NotFound], tuple[str, str]]:
    return {GrantNotFound: ("id", call.path["grant"])}


def _write(
    call: Call,
    command: IssueGrant | AmendGrant | ExpireGrant | VoidGrant,
    expand: list[str] | None,
    names: dict[type[NotFound], tuple[str, str]],
) -> Write:
    expansion.expansion(expand, expansion.GRANT)
    mode = call.principal.mode

    def show(accepted: Accepted) -> wire.CreditGrant:
        assert accepted.grant is not None
        assert accepted.customer is not None
        assert accepted.entitlement is not None
        return wire.credit_grant(accepted.grant, accepted.customer, accepted.entitlement, mode)

    return Write(command=command, show=show, names=names)


class _Shown:
    """Shows the grants of one answer; looks up each customer and currency once."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._customers: dict[Id, Customer] = {}
        self._entitlements: dict[Id, Entitlement] = {}

    async def grant(self, grant: Grant) -> wire.CreditGrant:
        ledger, book = self._call.ledger, self._call.book
        customer, entitlement = grant.customer, grant.entitlement
        if customer not in self._customers:
            self._customers[customer] = await ledger.customer(book, customer)
        if entitlement not in self._entitlements:
            self._entitlements[entitlement] = await ledger.entitlement(book, entitlement)
        return wire.credit_grant(
            grant,
            self._customers[customer],
            self._entitlements[entitlement],
            self._call.principal.mode,
        )


def _amount(asked: Amount, currency: str) -> amounts.Amount:
    value, param = asked.monetary.value, "amount[monetary][value]"
    if currency not in currencies.MINOR_PLACES:
        raise StripeError(
            f"Invalid currency: {currency[:20]}. It must be a three-letter ISO 4217 code.",
            param="amount[monetary][currency]",
        )
    if value < 1:
        raise StripeError(f"{param} must be at least 1.", code="amount_too_small", param=param)
    if value > VALUE_MAX:
        message = f"{param} must be at most {VALUE_MAX}."
        raise StripeError(message, code="amount_too_large", param=param)
    return amounts.normalised(value, currencies.MINOR_PLACES[currency])


async def scope_of(call: Call, asked: Scope, param: str) -> tuple[str, ...]:
    """The prices that credit is for; none: every metered one. Raises ``StripeError``."""
    if isinstance(asked.prices, msgspec.UnsetType):
        if asked.price_type is UNSET:
            raise missing(f"{param}[price_type]")
        return ()
    if asked.price_type is not UNSET:
        raise StripeError(
            f"You may only specify one of these parameters: {param}[price_type], {param}[prices].",
            code="parameters_exclusive",
            param=f"{param}[prices]",
        )
    if not asked.prices:
        raise missing(f"{param}[prices]")
    ids = [price.id for price in asked.prices]
    if len(set(ids)) < len(ids):
        message = f"{param}[prices] must name each price once."
        raise StripeError(message, param=f"{param}[prices]")
    return tuple(
        [await _metered(call, each, f"{param}[prices][{n}][id]") for n, each in enumerate(ids)]
    )


async def _metered(call: Call, text: str, param: str) -> str:
    """The id of a price that credit can pay for."""
    found = await PRICES.find(call, text, param)
    if found.body.recurring is None or found.body.recurring.meter is None:
        message = "Credit applies to metered prices with a meter only, and this price has none."
        raise StripeError(message, param=param)
    return price_id(found.id)


def _instant(seconds: int) -> Instant:
    return Instant(seconds * MICROSECONDS)


def _without_empty(metadata: dict[str, str] | None) -> Metadata:
    return {name: value for name, value in (metadata or {}).items() if value}
