"""A subscription as an endpoint has it in hand: found, changed together with its schedules, shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from drawdown.core import types
from drawdown.core.commands import Command, KeepDocuments, Together
from drawdown.core.identity import spell
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import Instant, Reference
from drawdown.core.usage.records import Meter
from drawdown.dialects.dodo import documents
from drawdown.dialects.dodo.answering import answer
from drawdown.dialects.dodo.documents import Kept
from drawdown.dialects.dodo.errors import NotAllowedNow
from drawdown.dialects.dodo.selling import (
    product_routes,
    subscription_commands,
    subscription_rendering,
    subscriptions,
)
from drawdown.dialects.dodo.selling.product_wire import OneTimePrice, ProductRecord
from drawdown.dialects.dodo.selling.products import PRODUCTS
from drawdown.dialects.dodo.selling.subscription_wire import Plan, Subscription, SubscriptionRecord
from drawdown.dialects.dodo.selling.subscriptions import SUBSCRIPTIONS
from drawdown.web.endpoints import Call


class Held(msgspec.Struct):
    """A subscription with its customer, and what time it is for him."""

    kept: Kept[SubscriptionRecord]
    owner: types.Customer
    now: Instant

    @property
    def id(self) -> str:
        return subscriptions.subscription_id(self.kept.document.id)

    @property
    def body(self) -> SubscriptionRecord:
        return self.kept.body


Decide = Callable[[Held], Awaitable[tuple[SubscriptionRecord, list[Command]]]]


async def find(call: Call) -> Held:
    """The one that the path names, as it is now. Raises ``RecordNotFound``."""
    kept = await SUBSCRIPTIONS.find(call.ledger, call.book, call.path["subscription_id"])
    owner = await call.ledger.customer(call.book, kept.document.owner)
    now = await call.ledger.now_of(owner)
    return Held(as_of(kept, owner, now), owner, now)


def as_of(
    kept: Kept[SubscriptionRecord], owner: types.Customer, now: Instant
) -> Kept[SubscriptionRecord]:
    return Kept(kept.document, subscriptions.as_of(kept.body, now, owner.closed_at))


async def change(call: Call, decide: Decide) -> Held:
    """Change a subscription and what the ledger does for it, as both are when it happens.

    For when its meters charge follows from what it becomes.
    """

    async def attempt() -> Accepted:
        held = await find(call)
        after, commands = await decide(held)
        metered = subscription_commands.meter_changes(held.body, after, held.id, held.owner.id)
        asked = together(held.owner, [*commands, *metered])
        kept = SUBSCRIPTIONS.changed(held.kept, after)
        return await documents.submit(call.ledger, call.book, asked, kept)

    await documents.again(attempt)
    return await find(call)


def together(owner: types.Customer, commands: list[Command]) -> Command:
    if not commands:
        return KeepDocuments(customer=owner.id)
    return Together(customer=owner.id, commands=tuple(commands))


# What is sold -------------------------------------------------------------------------------------


async def sold(call: Call, product_id: str) -> Kept[ProductRecord]:
    """Raises ``RecordNotFound`` and ``NotAllowedNow``."""
    product = await PRODUCTS.find(call.ledger, call.book, product_id)
    if product.body.archived:
        raise NotAllowedNow("The product is archived: POST /products/{id}/unarchive first.")
    if isinstance(product.body.price, OneTimePrice):
        raise NotAllowedNow("The product has a one-time price: a subscription's is recurring.")
    return product


async def plan_of(call: Call, product: Kept[ProductRecord], quantity: int) -> Plan:
    """Raises ``EntitlementClosed``."""
    found = {}
    for number, each in enumerate(product.body.attachments):
        field = f"credit_entitlements[{number}]"
        found[each.entitlement] = await product_routes.live_entitlement(
            call, each.entitlement, field
        )
    return subscriptions.plan_of(product, found, quantity)


# Showing ------------------------------------------------------------------------------------------


async def balances(call: Call, held: Held) -> dict[str, types.Balance]:
    return {
        each.terms.credit_entitlement_id: await call.ledger.balance(
            call.book, held.owner.id, subscriptions.entitlement_of(each.terms)
        )
        for each in held.body.plan.cart
    }


async def rendered(call: Call, held: Held) -> Subscription:
    meters: dict[Reference, Meter] = {}
    if held.body.plan.meters:
        catalog = await call.ledger.catalog(call.book)
        for each in catalog.meters.values():
            meters[each.id] = meters[each.code] = each
    return subscription_rendering.subscription(
        held.kept,
        held.owner,
        await balances(call, held),
        meters,
        call.principal.account,
        held.now,
    )


async def shown(call: Call, held: Held) -> Answer:
    return answer(call, await rendered(call, held))


def spelled(call: Call, prefix: str) -> str:
    """A new id."""
    return spell(prefix, call.ledger.ids.new())
