"""Documents change with whatever command they come beside, wherever the store keeps what that is about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from typing import Any, get_args

import pytest

from drawdown.core import commands
from drawdown.core.amounts import Amount
from drawdown.core.commands import Command, Direction, DocumentChange
from drawdown.core.identity import relocate, slot_of
from drawdown.core.requests import Accepted, Answer, Claim
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import DAY, AlertKind, Id, Instant, Mode
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import PerUnit
from drawdown.core.usage.records import Customers
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter
from tests.support import toy
from tests.support.books import CREDITS, START, Book, open_book, open_ledger_on, units, verified
from tests.support.stores import SPREAD, SQLITE, Database
from tests.support.transactions import Recorder

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database", [SQLITE, SPREAD], indirect=True),
]

DAILY = Every(CalendarUnit.DAY)
MEASURE = Measure(event_name="call", aggregation=Aggregation.COUNT)


class Place:
    """A customer of whom there is something of everything, and his book's catalogue."""

    def __init__(self, book: Book, text: str, owner: Id) -> None:
        self.book, self.text, self.owner = book, text, owner

    async def did(self, command: Command) -> Accepted:
        return await self.book.ledger.apply(self.book.id, command)

    def of_his(self, kind: type[Any], /, **more: Any) -> Any:
        return kind(customer=self.text, entitlement=CREDITS, **more)

    async def grant(self) -> Id:
        return (await self.book.grant(self.text, 100)).id

    async def debit(self) -> Id:
        made = await self.did(self.of_his(commands.Debit, amount=Amount(5)))
        assert made.operation is not None
        return made.operation.id

    async def hold(self) -> Id:
        made = (await self.did(self.of_his(commands.Authorize, amount=Amount(5)))).hold
        assert made is not None
        return made.id

    async def schedule(self) -> Id:
        asked = self.of_his(commands.CreateSchedule, amount=Amount(5), every=DAILY)
        made = (await self.did(asked)).schedule
        assert made is not None
        return made.id

    async def alert(self) -> Id:
        made = (await self.did(self.of_his(commands.CreateAlert, **LINE))).alert
        assert made is not None
        return made.id

    async def top_up(self, threshold: int = 1) -> Id:
        asked = self.of_his(commands.CreateTopUp, threshold=Amount(threshold), amount=Amount(10))
        made = (await self.did(asked)).top_up
        assert made is not None
        return made.id

    async def top_up_request(self) -> Id:
        await self.top_up(threshold=1_000_000)
        ledger = self.book.ledger
        return (await ledger.top_up_requests(self.book.id, customer=self.text, limit=1))[0].id

    async def clock(self) -> Id:
        asked = commands.CreateTestClock(frozen_at=START, mode=Mode.TEST)
        made = (await self.did(asked)).clock
        assert made is not None
        return made.id

    async def meter(self, code: str) -> str:
        await self.did(commands.CreateMeter(code=code, measure=MEASURE))
        return code

    async def rate(self, code: str, **more: Any) -> Id:
        price = PerUnit(price=units("1"))
        meter = await self.meter(code)
        asked = commands.CreateRate(meter=meter, entitlement=CREDITS, price=price, **more)
        made = (await self.did(asked)).rate
        assert made is not None
        return made.id


LATER = Instant(START + DAY)
LINE: Any = {"kind": AlertKind.AVAILABLE_BELOW, "amount": Amount(1)}
Make = Callable[[Place], Awaitable[Command]]


def _plain(kind: type[Any], /, **more: Any) -> Make:
    """A command about a customer's credit."""

    async def make(place: Place) -> Command:
        command: Command = place.of_his(kind, **more)
        return command

    return make


def _about(
    kind: type[Any], name: str, thing: Callable[[Place], Awaitable[Any]], /, **more: Any
) -> Make:
    """A command about something of a customer's, or of the catalogue."""

    async def make(place: Place) -> Command:
        command: Command = kind(**{name: await thing(place)}, **more)
        return command

    return make


def _his(kind: type[Any], /, **more: Any) -> Make:
    async def make(place: Place) -> Command:
        command: Command = kind(customer=place.text, **more)
        return command

    return make


async def _paused(place: Place) -> Id:
    found = await place.schedule()
    await place.did(commands.PauseSchedule(schedule=found))
    return found


async def _attached(place: Place) -> Id:
    return await place.rate("attached", customers=Customers.ATTACHED)


async def _detach(place: Place) -> Command:
    rate = await place.rate("detached", customers=Customers.ATTACHED)
    await place.did(commands.AttachRate(rate=rate, customer=place.text))
    return commands.DetachRate(rate=rate, customer=place.text)


async def _attach(place: Place) -> Command:
    return commands.AttachRate(rate=await _attached(place), customer=place.text)


async def _watched(place: Place) -> Command:
    meter = await place.meter("watched")
    return commands.CreateUsageAlert(meter=meter, customer=place.text, amount=Amount(5))


async def _together(place: Place) -> Command:
    grant = place.of_his(commands.IssueGrant, amount=Amount(5))
    meter = await place.meter("watched-too")
    watch = commands.CreateUsageAlert(meter=meter, customer=place.text, amount=Amount(5))
    return commands.Together(customer=place.text, commands=(grant, watch))


#: One of each command that is about a customer.
OF_CUSTOMER: dict[type, Make] = {
    commands.AmendCustomer: _his(commands.AmendCustomer, name="Ada"),
    commands.CloseCustomer: _his(commands.CloseCustomer),
    commands.CreateTestClock: _his(commands.CreateTestClock, frozen_at=LATER, mode=Mode.TEST),
    commands.IssueGrant: _plain(commands.IssueGrant, amount=Amount(5)),
    commands.Debit: _plain(commands.Debit, amount=Amount(5)),
    commands.Spend: _his(
        commands.Spend, quantity=Amount(5), wallets=(commands.Price(CREDITS, Amount(1)),)
    ),
    commands.Authorize: _plain(commands.Authorize, amount=Amount(5)),
    commands.Capture: _about(commands.Capture, "hold", Place.hold, amount=Amount(5)),
    commands.Release: _about(commands.Release, "hold", Place.hold),
    commands.Extend: _about(commands.Extend, "hold", Place.hold, expires_in=DAY),
    commands.ReverseDebit: _about(commands.ReverseDebit, "debit", Place.debit),
    commands.AdjustGrant: _about(
        commands.AdjustGrant, "grant", Place.grant, direction=Direction.DOWN, amount=Amount(5)
    ),
    commands.ExpireGrant: _about(commands.ExpireGrant, "grant", Place.grant),
    commands.VoidGrant: _about(commands.VoidGrant, "grant", Place.grant),
    commands.AmendGrant: _about(commands.AmendGrant, "grant", Place.grant, expires_at=None),
    commands.CreateSchedule: _plain(commands.CreateSchedule, amount=Amount(5), every=DAILY),
    commands.AmendSchedule: _about(
        commands.AmendSchedule, "schedule", Place.schedule, amount=Amount(7)
    ),
    commands.PauseSchedule: _about(commands.PauseSchedule, "schedule", Place.schedule),
    commands.ResumeSchedule: _about(commands.ResumeSchedule, "schedule", _paused),
    commands.CancelSchedule: _about(commands.CancelSchedule, "schedule", Place.schedule),
    commands.CreateAlert: _plain(commands.CreateAlert, **LINE),
    commands.CreateUsageAlert: _watched,
    commands.CloseAlert: _about(commands.CloseAlert, "alert", Place.alert),
    commands.ResetOverage: _plain(commands.ResetOverage),
    commands.CreateTopUp: _plain(commands.CreateTopUp, threshold=Amount(1), amount=Amount(10)),
    commands.CloseTopUp: _about(commands.CloseTopUp, "top_up", Place.top_up),
    commands.ConfirmTopUp: _about(commands.ConfirmTopUp, "request", Place.top_up_request),
    commands.FailTopUp: _about(commands.FailTopUp, "request", Place.top_up_request),
    commands.Settle: _plain(commands.Settle),
    commands.AttachRate: _attach,
    commands.DetachRate: _detach,
    commands.RecordUsage: _his(commands.RecordUsage, own_id="e1", name="call"),
    commands.KeepDocuments: _his(commands.KeepDocuments),
    commands.Act: _plain(
        commands.Act, kind=toy.CADENCE, action=toy.Begin(every=DAY, wait=DAY), begins=True
    ),
    commands.Together: _together,
}


def _of_book(kind: type[Any], /, **more: Any) -> Make:
    async def make(_: Place) -> Command:
        command: Command = kind(**more)
        return command

    return make


async def _create_rate(place: Place) -> Command:
    meter = await place.meter("rated")
    return commands.CreateRate(meter=meter, entitlement=CREDITS, price=PerUnit(price=units("1")))


async def _closed_meter(place: Place) -> str:
    meter = await place.meter("closed")
    await place.did(commands.CloseMeter(meter=meter))
    return meter


async def _credits(_: Place) -> str:
    return CREDITS


#: One of each command that is about a book's own things.
OF_BOOK: dict[type, Make] = {
    commands.CreateAlert: _of_book(commands.CreateAlert, entitlement=CREDITS, **LINE),
    commands.CreateUsageAlert: _about(
        commands.CreateUsageAlert, "meter", lambda place: place.meter("seen"), amount=Amount(5)
    ),
    commands.KeepDocuments: _of_book(commands.KeepDocuments),
    commands.CreateEntitlement: _of_book(
        commands.CreateEntitlement, code="more", unit="credit", scale=0
    ),
    commands.AmendEntitlement: _about(
        commands.AmendEntitlement, "entitlement", _credits, unit="token"
    ),
    commands.CloseEntitlement: _about(commands.CloseEntitlement, "entitlement", _credits),
    commands.ReopenEntitlement: _about(commands.ReopenEntitlement, "entitlement", _credits),
    commands.CreateMeter: _of_book(commands.CreateMeter, code="calls", measure=MEASURE),
    commands.CreateRate: _create_rate,
    commands.AmendMeter: _about(
        commands.AmendMeter, "meter", lambda place: place.meter("named"), name="Calls"
    ),
    commands.CloseMeter: _about(commands.CloseMeter, "meter", lambda place: place.meter("done")),
    commands.ReopenMeter: _about(commands.ReopenMeter, "meter", _closed_meter),
    commands.CloseRate: _about(commands.CloseRate, "rate", lambda place: place.rate("over")),
    commands.CreateTestClock: _of_book(commands.CreateTestClock, frozen_at=START, mode=Mode.TEST),
    commands.AdvanceTestClock: _about(commands.AdvanceTestClock, "clock", Place.clock, to=LATER),
    commands.EndAdvance: _about(commands.EndAdvance, "clock", Place.clock, target=LATER),
    commands.DeleteTestClock: _about(commands.DeleteTestClock, "clock", Place.clock),
}


@pytest.fixture
async def ledger(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Ledger]:
    """Where the tables are spread, no transaction may be about two shards."""
    recorder = Recorder()
    is_spread = request.node.callspec.params["database"] == SPREAD
    with recorder.listening() if is_spread else nullcontext():
        opened = open_ledger_on(await database.open(), ManualClock(START), players=toy.PLAYERS)
        yield opened
        await opened.close()
    assert recorder.faults() == []


async def place(book: Book) -> Place:
    text = await book.customer()
    await book.grant(text, 1_000)
    return Place(book, text, (await book.ledger.customer(book.id, text)).id)


async def keep(book: Book, owner: Id, command: Command, name: str, way: str) -> None:
    """Carry a command out with a document, which is there afterwards."""
    kind = f"test.{name}"
    change = DocumentChange(
        id=relocate(book.ledger.ids.new(), slot_of(owner)),
        owner=owner,
        kind=kind,
        body="1",
        takes=name if way == "with a name" else None,
    )
    made: list[Accepted] = []

    def render(accepted: Accepted) -> Answer:
        made.append(accepted)
        return Answer(status=200, body=b"")

    claim = Claim("test", name, b"1") if way == "under a claim" else None
    await book.ledger.submit(book.id, command, render, claim=claim, documents=(change,))
    asked = DocumentFilter(book=book.id, kind=kind, owner=owner, limit=10)
    found = await book.ledger.documents(asked)
    assert [each.body for each in found] == ["1"], command
    assert made[0].documents == tuple(found), command
    if way == "with a name":
        assert await book.ledger.document_named(book.id, name, kind) == found[0]


@pytest.mark.parametrize("way", ["plainly", "with a name", "under a claim"])
async def test_documents_change_with_every_command_of_their_customers(
    ledger: Ledger, way: str
) -> None:
    """Who is made with documents has a test of his own (``test_aliases``)."""
    every = set(get_args(Command)) - {commands.CreateCustomer}
    assert OF_CUSTOMER.keys() | OF_BOOK.keys() == every
    book = await open_book(ledger)
    for kind, make in OF_CUSTOMER.items():
        his = await place(book)
        await keep(book, his.owner, await make(his), kind.__name__, way)
    await verified(ledger)


@pytest.mark.parametrize("way", ["plainly", "with a name", "under a claim"])
async def test_documents_change_with_every_command_of_their_books(ledger: Ledger, way: str) -> None:
    book = await open_book(ledger)
    his = await place(book)
    for kind, make in OF_BOOK.items():
        await keep(book, book.id, await make(his), kind.__name__, way)
    await verified(ledger)
