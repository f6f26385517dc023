"""Test clocks: what time it is for some customers of a test book, and moving it forward."""

from __future__ import annotations

from drawdown.core import commands, identity
from drawdown.core.errors import (
    ClockAdvancing,
    ClockNotFound,
    CustomerClosed,
    CustomerNotFound,
    FieldInvalid,
    KeyReused,
    OnlyInTestMode,
)
from drawdown.core.requests import Accepted, Answer
from drawdown.core.times import text_of
from drawdown.core.types import TestClock
from drawdown.dialects.native import asked, common, render, wire, wire_events
from drawdown.dialects.native.directory import NAME_MAX, optional_text
from drawdown.engine.accounts import Role
from drawdown.engine.test_clocks import Progress
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint

#: So long a request to advance plays itself before it answers that the clock is on its way.
PLAYED_SECONDS = 2.0


async def create_clock(call: Call) -> Answer:
    body: asked.CreateTestClock = call.body
    command = commands.CreateTestClock(
        frozen_at=fields.instant(body.frozen_at, "frozen_at"),
        mode=call.principal.mode,
        name=optional_text(body.name, "name", NAME_MAX),
        customer=common.optional_reference(body.customer, "customer"),
    )
    written = common.created(_shape, call.request_id)
    claim = common.claim(call, body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, claim=claim)


async def get_clock(call: Call) -> Answer:
    found = await call.ledger.test_clocks.find(call.book, common.clock_id(call.path["clock"]))
    return common.ok(await _shown(call, found))


async def list_clocks(call: Call) -> Answer:
    query: asked.PageQuery = call.query
    found = await call.ledger.test_clocks.list(
        call.book, after=common.after(query.after), limit=query.limit + 1
    )
    shown = {clock.id: await _shown(call, clock) for clock in found}
    return common.page(found, query.limit, lambda clock: shown[clock.id], render.CLOCK_PREFIX)


async def advance_clock(call: Call) -> Answer:
    """The clock as it is after two seconds, or as soon as it is there; so is the answer to a repetition."""
    body: asked.AdvanceTestClock = call.body
    clock = common.clock_id(call.path["clock"])
    command = commands.AdvanceTestClock(clock=clock, to=fields.instant(body.to, "to"))
    written = common.answered(200, _shape, call.request_id)
    claim = common.claim(call, body.idempotency_key, clock.hex())
    begun = await call.ledger.submit(call.book, command, written, claim=claim)
    found = await call.ledger.test_clocks.play(call.book, clock, PLAYED_SECONDS)
    shown = wire.encode(await _shown(call, found))
    return Answer(status=200, body=shown, request_id=begun.request_id, replayed=begun.replayed)


async def delete_clock(call: Call) -> Answer:
    command = commands.DeleteTestClock(clock=common.clock_id(call.path["clock"]))
    written = common.answered(200, _deleted, call.request_id)
    return await call.ledger.submit(call.book, command, written)


def _deleted(accepted: Accepted) -> wire_events.Deleted:
    assert accepted.clock is not None
    return wire_events.Deleted(
        id=identity.spell(render.CLOCK_PREFIX, accepted.clock.id), deleted=True
    )


async def _shown(call: Call, clock: TestClock) -> wire.Clock:
    return _rendered(clock, await call.ledger.test_clocks.progress(clock))


def _shape(accepted: Accepted) -> wire.Clock:
    assert accepted.clock is not None
    return _rendered(accepted.clock, None)


def _rendered(record: TestClock, progress: Progress | None) -> wire.Clock:
    shown = None
    if progress is not None:
        at = text_of(progress.at)
        shown = wire.ClockProgress(done=progress.done, total=progress.total, at=at)
    return wire.Clock(
        id=identity.spell(render.CLOCK_PREFIX, record.id),
        name=record.name,
        status=record.status,
        frozen_at=text_of(record.frozen_at),
        target=render.optional_time(record.target),
        progress=shown,
        created_at=text_of(record.created_at),
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/test-clocks",
        handler=create_clock,
        summary="Make a test clock, which stands still until it is advanced",
        role=Role.EDITOR,
        body=asked.CreateTestClock,
        answer=wire.Clock,
        status=201,
        errors=(FieldInvalid, OnlyInTestMode, CustomerNotFound, CustomerClosed, KeyReused),
    ),
    Endpoint(
        method="GET",
        path="/test-clocks",
        handler=list_clocks,
        summary="List test clocks, newest first",
        role=Role.VIEWER,
        query=asked.PageQuery,
        answer=wire.Page[wire.Clock],
    ),
    Endpoint(
        method="GET",
        path="/test-clocks/{clock}",
        handler=get_clock,
        summary="Get a test clock, and how far its advance is",
        role=Role.VIEWER,
        answer=wire.Clock,
        errors=(ClockNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/test-clocks/{clock}/advance",
        handler=advance_clock,
        summary="Move a test clock forward, and play all that falls due on the way",
        role=Role.EDITOR,
        body=asked.AdvanceTestClock,
        answer=wire.Clock,
        errors=(FieldInvalid, ClockNotFound, ClockAdvancing, KeyReused),
    ),
    Endpoint(
        method="DELETE",
        path="/test-clocks/{clock}",
        handler=delete_clock,
        summary="Stop a test clock for good, and close its customers",
        role=Role.EDITOR,
        answer=wire_events.Deleted,
        errors=(ClockNotFound,),
    ),
)
