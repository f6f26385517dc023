"""What Sequence's notifications say of what happens, and how they come again, on every kind of database."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from drawdown.core.commands import AmendCustomer, CloseCustomer, CreateAlert, CreateCustomer
from drawdown.core.identity import spell_uuid
from drawdown.core.types import AlertKind, EntryKind, Id
from drawdown.dialects.sequence.notifications.events import FORMAT
from drawdown.engine.endpoints import DeliveryObserver, Endpoint, Settings
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import BEGINNING
from drawdown.webhooks.deliver import Deliverer
from drawdown.webhooks.formats import Formats
from drawdown.webhooks.outlet import JITTER
from tests.support.books import CREDITS, units
from tests.support.receiver import Received, answering, receiver
from tests.support.stores import Database
from tests.webhooks.stories import PLAYS, Story
from tests.webhooks.world import World, patient_sender, world

pytestmark = pytest.mark.anyio
DAY_SECONDS = 86_400
SECRET = "a-secret-of-mine"
TOLD_OF = {
    EntryKind.GRANTED: "CREDIT_GRANT_CREATED",
    EntryKind.ROLLED_IN: "CREDIT_GRANT_CREATED",
    EntryKind.EXPIRED: "CREDIT_GRANT_EXPIRED",
    EntryKind.FORFEITED: "CREDIT_GRANT_EXPIRED",
    EntryKind.VOIDED: "CREDIT_GRANT_VOIDED",
}


async def recorded(here: Story) -> list[Recorded]:
    """All operations of the book, in their order."""
    here.move(3)
    place, found, more = BEGINNING, [], True
    while more:
        page = await here.ledger.feed(place, books=frozenset({here.book.id}), limit=100)
        found += page.found
        place, more = page.end, page.more
    return list(found)


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.__name__)
async def test_what_becomes_of_grants_is_told_once_each_whatever_is_played(
    play: Any, database: Database
) -> None:
    """By its own id, and each under an id of its own."""
    async with world(database) as made:
        here = Story(made.ledger, made.clock, made.book)
        await play(here)
        found = await recorded(here)
        events = [each for one in found for each in await FORMAT.render(here.ledger, one)]
        account = spell_uuid(await here.ledger.accounts.of_book(here.book.id))
    told = [msgspec.json.decode(each.body) for each in events]
    assert len({each.id for each in events}) == len(events)
    assert [each["notificationType"] for each in told] == [each.type for each in events]
    assert {each.type for each in events} <= set(FORMAT.types)
    assert {each["sequenceAccountId"] for each in told} <= {account}
    for each in told:
        if each["notificationType"] != "CREDIT_BALANCE_LOW":
            assert each["resource"]["id"] == each["resourceId"]
    of_grants = [
        (each["notificationType"], each["resourceId"])
        for each in told
        if each["resourceType"] == "CREDIT_GRANT"
    ]
    assert of_grants == [
        (TOLD_OF[entry.kind], spell_uuid(entry.grant))
        for one in found
        for entry in one.entries
        if entry.kind in TOLD_OF
    ]


async def test_a_balance_is_low_where_what_is_available_falls_below_a_line(
    database: Database,
) -> None:
    """By an amount or a share; neither use that rises above a line nor an end that is near is told of so."""
    async with world(database) as made:
        here = Story(made.ledger, made.clock, made.book)
        customer = await here.book.customer()
        await here.book.grant(customer, 100)
        for line in (
            {"kind": AlertKind.AVAILABLE_BELOW, "amount": units("40")},
            {"kind": AlertKind.AVAILABLE_BELOW, "percent": 50},
            {"kind": AlertKind.USED_ABOVE, "amount": units("10")},
            {"kind": AlertKind.DEPLETES_WITHIN, "days": 300},
        ):
            asked: dict[str, Any] = {"customer": customer, "entitlement": CREDITS} | line
            await here.ledger.apply(here.book.id, CreateAlert(**asked))
        await here.book.debit(customer, 70)
        owner = await here.ledger.customer(here.book.id, customer)
        found = [
            each for one in await recorded(here) for each in await FORMAT.render(here.ledger, one)
        ]
    low = [msgspec.json.decode(each.body) for each in found if each.type == "CREDIT_BALANCE_LOW"]
    told = sorted((each["resource"]["threshold"], each["resource"]["balance"]) for each in low)
    assert told == [("40", "30"), ("50", "30")]
    assert {each["resourceId"] for each in low} == {spell_uuid(owner.id)}


# Deliveries ------------------------------------------------------------------------------------------


class Delivering:
    """A world whose deliveries are Sequence's."""

    def __init__(self, world: World) -> None:
        self.world = world
        formats = Formats([FORMAT])
        self.deliverer = Deliverer(world.ledger, formats, patient_sender(), DeliveryObserver())

    async def told(self, url: str, *types: str) -> Endpoint:
        settings = Settings(url=url, format=FORMAT.name, types=types or ("CUSTOMER_*",))
        made = await self.world.desk.create(settings, SECRET)
        self.world.move(1)
        return made

    async def new_customer(self) -> Id:
        made = await self.world.ledger.apply(self.world.book.id, CreateCustomer())
        assert made.customer is not None
        return made.customer.id

    async def rounds(self, seconds: float = 3) -> None:
        """So much time passes, and all is sent that is due then."""
        self.world.move(seconds)
        for _ in range(4):
            self.deliverer._look_at = 0
            await self.deliverer.tick()
            while self.deliverer._flights:
                await asyncio.wait(self.deliverer._flights)

    async def waiting(self, endpoint: Endpoint, *, dead: bool = False) -> int:
        return len(await self.world.ledger.store.list_retries(endpoint.id, dead, 10))


@pytest.fixture
async def here(database: Database) -> AsyncIterator[Delivering]:
    async with world(database) as made:
        delivering = Delivering(made)
        yield delivering
        await delivering.deliverer.close()


def check_signed(received: Received) -> int:
    """As a receiver does; the time of the signature, in milliseconds."""
    parts = dict(part.split("=", 1) for part in received.headers["sequence-signature"].split(","))
    signed = f"{parts['t']}.".encode() + received.body
    assert parts["s"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return int(parts["t"])


async def test_each_recipient_is_told_again_for_itself(here: Delivering) -> None:
    """One that fails delays no other, and gets the same again, signed anew."""
    async with receiver() as good, receiver(answering(500)) as bad:
        for each in (good, bad):
            await here.told(each.url)
        await here.new_customer()
        await here.rounds()
        assert (len(good.received), len(bad.received)) == (1, 1)
        bad.behaviour = answering(204)
        await here.rounds(FORMAT.schedule[0] * (1 + JITTER))
        assert (len(good.received), len(bad.received)) == (1, 2)
        await here.rounds(DAY_SECONDS)
        assert (len(good.received), len(bad.received)) == (1, 2)
    first, again = bad.received
    assert first.body == again.body == good.received[0].body
    apart = check_signed(again) - check_signed(first)
    assert apart >= FORMAT.schedule[0] * 1_000
    check_signed(good.received[0])


async def test_what_never_arrives_is_tried_eight_times_within_a_day(here: Delivering) -> None:
    """Each pause is longer than the one before."""
    assert sum(FORMAT.schedule) * (1 + JITTER) <= DAY_SECONDS
    assert all(first < second for first, second in pairwise(FORMAT.schedule))
    async with receiver(answering(503)) as bad:
        endpoint = await here.told(bad.url)
        await here.new_customer()
        await here.rounds()
        for count, pause in enumerate(FORMAT.schedule, 1):
            assert len(bad.received) == count
            assert await here.waiting(endpoint) == 1
            await here.rounds(pause * (1 + JITTER))
        assert len(bad.received) == 8
        assert (await here.waiting(endpoint), await here.waiting(endpoint, dead=True)) == (0, 1)
        await here.rounds(DAY_SECONDS)
        assert len(bad.received) == 8


async def test_what_waits_for_a_recipient_that_is_deleted_is_never_sent(here: Delivering) -> None:
    async with receiver(answering(500)) as bad, receiver() as good:
        gone, stays = await here.told(bad.url), await here.told(good.url)
        await here.new_customer()
        await here.rounds()
        assert await here.waiting(gone) == 1
        await here.world.desk.delete(gone.id)
        await here.new_customer()
        for _ in range(3):
            await here.rounds(DAY_SECONDS)
        assert len(bad.received) == 1
        assert len(good.received) == 2
        assert await here.waiting(gone) == await here.waiting(stays) == 0


async def test_customers_are_told_of_once_for_what_happens_to_them(here: Delivering) -> None:
    """What changes nothing says nothing."""
    async with receiver() as good:
        await here.told(good.url)
        customer, book = await here.new_customer(), here.world.book.id
        for _ in range(2):
            await here.world.ledger.apply(book, AmendCustomer(customer=customer, name="Ada"))
        for _ in range(2):
            await here.world.ledger.apply(book, CloseCustomer(customer=customer))
        await here.rounds()
    told = [msgspec.json.decode(each.body) for each in good.received]
    assert sorted(each["notificationType"] for each in told) == [
        "CUSTOMER_ARCHIVED",
        "CUSTOMER_CREATED",
        "CUSTOMER_UPDATED",
    ]
    assert {each["resourceId"] for each in told} == {spell_uuid(customer)}
