"""The endpoints of ``test_helpers.test_clock``: what time it is for some customers, and moving it forward."""

from __future__ import annotations

from typing import Any

import msgspec

from drawdown.core import commands
from drawdown.core.errors import ClockNotFound, CustomerNotFound
from drawdown.core.identity import parse, reference, spell
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import DAY, MICROSECONDS, ClockStatus, Id, Instant, Mode, TestClock
from drawdown.dialects.stripe import expansion, kept, wire, wire_billing, wire_catalog
from drawdown.dialects.stripe.errors import missing_object
from drawdown.dialects.stripe.idempotency import NOTHING, Write, carry_out
from drawdown.dialects.stripe.requests_billing import AdvanceTestClock, CreateTestClock
from drawdown.dialects.stripe.requests_catalog import Page
from drawdown.engine.ports import CustomerFilter
from drawdown.web.endpoints import Call

NOUN = "test clock"
_KEPT_FOR = 7 * DAY


def clock_id(clock: Id) -> str:
    return spell("clock_", clock)


def shown(clock: TestClock, mode: Mode) -> wire.TestClock:
    details = wire.ClockDetails()
    if clock.target is not None:
        target = clock.target // MICROSECONDS
        details = wire.ClockDetails(advancing=wire.ClockAdvancing(target))
    return wire.TestClock(
        id=clock_id(clock.id),
        created=clock.created_at // MICROSECONDS,
        deletes_after=(clock.created_at + _KEPT_FOR) // MICROSECONDS,
        frozen_time=clock.frozen_at // MICROSECONDS,
        livemode=mode is Mode.LIVE,
        name=clock.name,
        status=clock.status.value,
        status_details=details,
    )


async def find(call: Call, text: str, param: str = "id") -> TestClock:
    found = parse(text)
    try:
        if found is not None:
            return await call.ledger.test_clocks.find(call.book, found)
    except ClockNotFound:
        pass
    raise missing_object(NOUN, text, param)


async def customers_on(call: Call, clock: Id) -> set[Id]:
    """Whose time it tells, among the newest customers (``kept.LOOKED_AT_MAX``)."""
    found, listed = set[Id](), CustomerFilter(book=call.book, limit=kept.CHUNK)
    for _ in range(kept.LOOKED_AT_MAX // kept.CHUNK):
        some = await call.ledger.customers(listed)
        found |= {each.id for each in some if each.test_clock == clock}
        if len(some) < kept.CHUNK:
            break
        listed = msgspec.structs.replace(listed, after=some[-1].id)
    return found


async def create_test_clock(call: Call, asked: CreateTestClock) -> Write:
    expansion.expansion(asked.expand, expansion.METER)
    mode = call.principal.mode

    def show(accepted: Accepted) -> wire.TestClock:
        assert accepted.clock is not None
        return shown(accepted.clock, mode)

    command = commands.CreateTestClock(
        frozen_at=Instant(asked.frozen_time * MICROSECONDS),
        mode=mode,
        name=asked.name,
        customer=None if asked.customer is None else reference(asked.customer),
    )
    return Write(
        command=command, show=show, names={CustomerNotFound: ("customer", asked.customer or "")}
    )


async def advance_test_clock(call: Call, asked: AdvanceTestClock) -> Write:
    """Answered at once: the clock is on its way, and ready when all that is due has been played."""
    expansion.expansion(asked.expand, expansion.METER)
    found = parse(call.path["clock"])
    mode = call.principal.mode

    def show(accepted: Accepted) -> wire.TestClock:
        assert accepted.clock is not None
        return shown(accepted.clock, mode)

    return Write(
        command=commands.AdvanceTestClock(
            clock=NOTHING if found is None else found,
            to=Instant(asked.frozen_time * MICROSECONDS),
        ),
        show=show,
        names={ClockNotFound: ("id", call.path["clock"])},
    )


async def retrieve_test_clock(call: Call) -> Answer:
    """Asking plays it on, where nobody else does."""
    expansion.expansion(call.query.expand, expansion.METER)
    found = await find(call, call.path["clock"])
    if found.status is ClockStatus.ADVANCING:
        found = await call.ledger.test_clocks.play(call.book, found.id, 0.5)
    return _answer(call, shown(found, call.principal.mode))


async def list_test_clocks(call: Call) -> Answer:
    asked: Page = call.query
    expansion.expansion(asked.expand, expansion.METER, of_list=True)

    async def cursor(text: str, param: str) -> Id:
        return (await find(call, text, param)).id

    async def chunk(after: Id | None, before: Id | None) -> list[TestClock]:
        if before is None:
            return await call.ledger.test_clocks.list(call.book, after=after, limit=100)
        found = await call.ledger.test_clocks.list(call.book, limit=1_000)
        return [each for each in reversed(found) if each.id > before][:100]

    found, more = await kept.page_of(
        asked, cursor, chunk, lambda each: each.id, lambda each: each.deleted_at is None
    )
    data = [shown(each, call.principal.mode) for each in found]
    return _answer(
        call, wire_billing.TestClockList(data=data, has_more=more, url=wire_billing.CLOCKS_URL)
    )


async def delete_test_clock(call: Call) -> Answer:
    """With it go its customers: nothing is granted to them or drawn from them any more."""
    found = await find(call, call.path["clock"])
    command = commands.DeleteTestClock(clock=found.id)
    await carry_out(call, command)
    gone = wire_catalog.Deleted(id=clock_id(found.id), object="test_helpers.test_clock")
    return _answer(call, gone)


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
