"""What Stripe's events say of whatever happens to credit, on every kind of database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import stripe

from drawdown.core import currencies
from drawdown.core.billing.records import Item
from drawdown.core.commands import AmendEntitlement, DocumentChange, KeepDocuments
from drawdown.core.identity import parse, relocate, slot_of
from drawdown.core.requests import Answer
from drawdown.core.types import MICROSECONDS, Instant
from drawdown.dialects.stripe.invoices import ItemProfile
from drawdown.dialects.stripe.prices import PRICES, KeptRecurring, Price, price_id
from drawdown.dialects.stripe.webhooks.events import FORMAT
from drawdown.engine.endpoints import Endpoint, Settings
from drawdown.engine.positions import BEGINNING
from drawdown.webhooks.events import Event
from tests.support.stores import Database
from tests.webhooks.stories import PLAYS, Story, changed_directory
from tests.webhooks.world import World, world

pytestmark = pytest.mark.anyio


class Priced(Story):
    """What a subscription charges is a price of this dialect's."""

    async def item(self) -> Item:
        every = KeptRecurring(interval="day", interval_count=10)
        price = Price(product="prod_calls", currency="usd", unit="5", recurring=every)
        made = DocumentChange(
            id=relocate(self.ledger.ids.new(), slot_of(self.book.id)),
            owner=self.book.id,
            kind=PRICES.kind,
            body=msgspec.json.encode(price).decode(),
        )
        await self.ledger.submit(
            self.book.id, KeepDocuments(), lambda _: Answer(status=200, body=b""), documents=(made,)
        )
        await self.heard()
        profile = ItemProfile(
            price=price_id(made.id), product="prod_calls", product_name="Calls", unit="5"
        )
        item = await super().item()
        return msgspec.structs.replace(item, profile=msgspec.to_builtins(profile))


class Money(Priced):
    """The same things happen to dollars."""

    async def ada(self, **rules: Any) -> dict[str, Any]:
        ada = await super().ada()
        if rules:
            await self.do(AmendEntitlement(entitlement="usd", **rules))
            await self.heard()
        return ada | {"entitlement": "usd"}


#: What happens, to credit of an own kind and to dollars, which are called what they are called.
HAPPENING = [
    *((Priced, play) for play in PLAYS),
    *((Money, play) for play in PLAYS if play is not changed_directory),
]


@pytest.fixture
async def opened(database: Database) -> AsyncIterator[World]:
    async with world(database) as made:
        yield made


@pytest.fixture
def here(opened: World) -> Story:
    return Story(opened.ledger, opened.clock, opened.book)


def named(value: Any) -> str:
    return str(value.__name__)


async def events(here: Story) -> list[Event]:
    """All of the book's."""
    here.move(3)
    found: list[Event] = []
    place, more = BEGINNING, True
    while more:
        page = await here.ledger.feed(place, books=frozenset({here.book.id}), limit=100)
        for each in page.found:
            found += await FORMAT.render(here.ledger, each)
        place, more = page.end, page.more
    return found


@pytest.mark.parametrize(("kind", "play"), HAPPENING, ids=named)
async def test_whatever_happens_is_told_in_the_vendors_types(
    kind: Any, play: Any, opened: World
) -> None:
    """Each event has an id of its own, and is the same when it is rendered again."""
    here = kind(opened.ledger, opened.clock, opened.book)
    await play(here)
    found = await events(here)
    assert {each.type for each in found} <= set(FORMAT.types)
    assert len({each.id for each in found}) == len(found)
    assert await events(here) == found


@pytest.mark.parametrize(("kind", "play"), HAPPENING, ids=named)
async def test_transactions_add_up_to_what_grants_have(kind: Any, play: Any, opened: World) -> None:
    """Every grant in a currency is told before its first transaction; no other is told at all."""
    here = kind(opened.ledger, opened.clock, opened.book)
    await play(here)
    sums: dict[str, int] = {}
    for event in await events(here):
        told = msgspec.json.decode(event.body)["data"]["object"]
        if event.type == "billing.credit_grant.created":
            assert told["id"] not in sums
            sums[told["id"]] = 0
        if event.type == "billing.credit_balance_transaction.created":
            moved = told["credit"] or told["debit"]
            sign = 1 if told["credit"] else -1
            sums[told["credit_grant"]] += sign * moved["amount"]["monetary"]["value"]
    codes = currencies.codes_by_id(here.book.id)
    for name, total in sums.items():
        grant_id = parse(name)
        assert grant_id is not None
        grant = await here.ledger.store.find_grant(grant_id)
        assert grant is not None
        assert total == currencies.minor_floor(grant.remaining, codes[grant.entitlement])
    if kind is Story:
        assert sums == {}


def now() -> Instant:
    return Instant(int(datetime.now(UTC).timestamp()) * MICROSECONDS)


def endpoint(secret: str) -> Endpoint:
    """One that is kept nowhere: what a delivery to it would carry."""
    made: dict[str, Any] = {"id": bytes(16), "book": bytes(16), "cursor": BEGINNING}
    settings = Settings(url="https://example.com", format=FORMAT.name)
    return Endpoint(
        settings=settings, secret=secret, created_at=Instant(0), updated_at=Instant(0), **made
    )


async def test_the_sdk_accepts_the_signature_of_either_secret(here: Story) -> None:
    """For as long as the one before is valid, and no changed body."""
    await here.ada()
    [event] = await events(here)
    old, new = FORMAT.new_secret(), FORMAT.new_secret()
    to = endpoint(new)
    to.previous_secret, to.previous_until = old, Instant(now() + 60 * MICROSECONDS)
    signature = FORMAT.headers(to, event, now())["stripe-signature"]
    for secret in (old, new):
        read: Any = stripe.Webhook.construct_event(event.body, signature, secret)
        assert read.id == event.id
    to.previous_until = now()
    alone = FORMAT.headers(to, event, now())["stripe-signature"]
    for body, secret in ((event.body, old), (event.body + b" ", new)):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body, alone, secret)


async def test_a_test_says_nothing_of_anybody(here: Story) -> None:
    event = FORMAT.test(here.ledger.ids.new(), now())
    secret = FORMAT.new_secret()
    headers = FORMAT.headers(endpoint(secret), event, now())
    read: Any = stripe.Webhook.construct_event(event.body, headers["stripe-signature"], secret)
    assert (read.type, read.livemode) == ("test_helpers.test_clock.ready", False)
    assert read.data.object.name == "The endpoint can be reached"
