"""Test clocks: what time it is for customers that are on one, and how that time is moved.

A clock begins at any instant, stands still, and moves forward when it is told to: to ``target``, with every
instant played on the way at which something falls due (``engine.test_clocks``). It never goes back.
"""

from __future__ import annotations

import msgspec

from drawdown.core.commands import (
    AdvanceTestClock,
    CreateTestClock,
    DeleteTestClock,
    EndAdvance,
)
from drawdown.core.errors import (
    ClockAdvancing,
    ClockNotFound,
    FieldInvalid,
    OnlyInTestMode,
)
from drawdown.core.identity import derive, spell
from drawdown.core.requests import Accepted, Request, note_origin
from drawdown.core.state import State
from drawdown.core.times import text_of
from drawdown.core.types import Id, Instant, Mode, Operation, TestClock


def find_clock(request: Request, clock: Id, state: State) -> TestClock:
    """A clock of the book that has not been deleted. Raises ``ClockNotFound``."""
    found = state.clocks[clock]
    if found is None or found.book != request.book or found.deleted_at is not None:
        raise ClockNotFound(spell("", clock))
    return found


def played_until(clock: TestClock | None, at: Instant | None) -> Instant | None:
    """Up to when a wallet on a clock may be settled that is asked for ``at``: not past the clock's target.

    None where that is no question: what time it is for the customer decides.
    """
    if clock is None or at is None or clock.target is None:
        return None
    return max(clock.frozen_at, min(at, clock.target))


def check_mode(command: CreateTestClock) -> None:
    if command.mode is not Mode.TEST:
        raise OnlyInTestMode(what="A test clock")


def create_clock(request: Request, command: CreateTestClock, state: State) -> Accepted:
    """A clock that stands at an instant. One made by the same request before is answered."""
    check_mode(command)
    made = state.clocks.get(request.id)
    if made is None:
        made = new_clock(request, command, request.id, state)
        _record(request, state, "test_clock", made)
    return Accepted(clock=made)


def new_clock(
    request: Request, command: CreateTestClock, identifier: Id, state: State
) -> TestClock:
    made = TestClock(
        id=identifier,
        book=request.book,
        frozen_at=command.frozen_at,
        created_at=request.recorded_at,
        name=command.name,
    )
    state.clocks[made.id] = state.changes.new_clocks[made.id] = made
    return made


def facts_of(clock: TestClock) -> dict[str, object]:
    """What operations keep of a clock."""
    return {"name": clock.name, "frozen_at": clock.frozen_at, "target": clock.target}


def advance_clock(request: Request, command: AdvanceTestClock, state: State) -> Accepted:
    """Send a clock on its way. Where it is, or is going already, is no way to go.

    Raises ``FieldInvalid`` for what lies behind it, ``ClockAdvancing`` while it goes elsewhere.
    """
    clock = find_clock(request, command.clock, state)
    if clock.target is not None and command.to != clock.target:
        raise ClockAdvancing(target=text_of(clock.target))
    if command.to < clock.frozen_at:
        raise FieldInvalid("to", f"not before the clock's own time, {text_of(clock.frozen_at)}")
    if clock.target is None and command.to > clock.frozen_at:
        clock = msgspec.structs.replace(clock, target=command.to)
        _change(clock, state)
        _record(request, state, "advance_test_clock", clock)
    return Accepted(clock=clock)


def end_advance(request: Request, command: EndAdvance, state: State) -> Accepted:
    """Let a clock stand where it was sent to. One that is not there yet, or is sent on, stays as it is."""
    clock = find_clock(request, command.clock, state)
    if clock.target == clock.frozen_at == command.target:
        clock = msgspec.structs.replace(clock, target=None)
        _change(clock, state)
        _record(request, state, "end_advance", clock)
    return Accepted(clock=clock)


def delete_clock(request: Request, command: DeleteTestClock, state: State) -> Accepted:
    """Stop a clock where it is, also on its way; what was played stays. Its customers are closed."""
    clock = find_clock(request, command.clock, state)
    clock = msgspec.structs.replace(clock, target=None, deleted_at=request.recorded_at)
    _change(clock, state)
    _record(request, state, "delete_test_clock", clock)
    return Accepted(clock=clock)


def _change(clock: TestClock, state: State) -> None:
    state.clocks[clock.id] = clock
    changes = (
        state.changes.new_clocks if clock.id in state.changes.new_clocks else state.changes.clocks
    )
    changes[clock.id] = clock


def _record(request: Request, state: State, kind: str, clock: TestClock) -> None:
    """So that what becomes of a clock is found where everything else is that happens in its book."""
    operation = Operation(
        id=derive(request.id, kind),
        customer=request.book,
        entitlement=None,
        kind=kind,
        at=request.at,
        recorded_at=request.recorded_at,
        facts=msgspec.json.encode(facts_of(clock)),
        subject=clock.id,
    )
    if request.asked_by is not None:
        note_origin(operation, request.asked_by)
    state.changes.operations.append((operation, []))
