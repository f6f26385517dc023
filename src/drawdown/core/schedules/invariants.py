"""What must always hold of schedules: cycles stand where the calendar has them, and each has one grant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from drawdown.core.fold import Fault
from drawdown.core.schedules import cycles
from drawdown.core.schedules import terms as schedules
from drawdown.core.schedules.terms import Schedule, ScheduleState
from drawdown.core.types import Entry, EntryKind, Grant, Id, Instant, Overage

_BEGINS = frozenset({EntryKind.GRANTED, EntryKind.ROLLED_IN})


class KeptWallet(Protocol):
    """What a store keeps of a wallet that follows from its schedules."""

    @property
    def next_due_at(self) -> Instant | None: ...
    @property
    def overage_override(self) -> Overage | None: ...


def check_schedules(
    kept: KeptWallet,
    found: Sequence[Schedule],
    grants: Sequence[Grant],
    entries: Iterable[Entry],
) -> None:
    """Raises ``Fault``. ``found`` are all the wallet's schedules, ``grants`` and ``entries`` all of its."""
    if kept.overage_override != schedules.override_of(found):
        raise Fault("the rule for overage is not what its schedules say")
    for schedule in found:
        _check_place(schedule)
        _check_due(kept, schedule)
    if found or any(grant.schedule is not None or grant.parent is not None for grant in grants):
        begun = {entry.grant: entry for entry in entries if entry.kind in _BEGINS}
        _check_grants({schedule.id: schedule for schedule in found}, grants, begun)
    _check_carried({grant.id: grant for grant in grants})


def _check_place(schedule: Schedule) -> None:
    """``next_at`` and ``cycle_at`` are where the calendar has them."""
    name = schedule.id.hex()
    if schedule.next_at != _next_at(schedule):
        raise Fault(f"schedule {name}: next_at is kept as {schedule.next_at}")
    if schedule.cycle_at is None:
        return
    begins_at = None if schedule.cycle is None else schedule.begins_at(schedule.cycle)
    taken_up = begins_at is not None and begins_at < schedule.created_at == schedule.cycle_at
    if schedule.cycle_at != begins_at and not taken_up:
        raise Fault(f"schedule {name}: cycle {schedule.cycle} did not begin at {schedule.cycle_at}")


def _next_at(schedule: Schedule) -> Instant | None:
    """When time changes a schedule next, from what else is kept of it."""
    if not schedule.is_live:
        return None
    if schedule.state is ScheduleState.PAUSED and schedule.cycle_at is None:
        return schedule.ends_at
    return schedules.bounded(schedule, schedule.begins_at(schedule.next_number))


def _check_due(kept: KeptWallet, schedule: Schedule) -> None:
    at = schedule.next_at
    if at is not None and (kept.next_due_at is None or kept.next_due_at > at):
        raise Fault(f"schedule {schedule.id.hex()} is due at {at}, the wallet is due later")


def _check_grants(
    found: Mapping[Id, Schedule], grants: Iterable[Grant], begun: Mapping[Id, Entry]
) -> None:
    """A schedule's own grants, by the operations that made them: each cycle's is made by its cycle, once."""
    given = set()
    for grant in grants:
        operation = begun[grant.id].operation
        if grant.schedule is not None and grant.created_at != begun[grant.id].at:
            raise Fault(f"grant {grant.id.hex()} was not made when it says")
        if grant.schedule is not None and grant.schedule not in found:
            raise Fault(f"grant {grant.id.hex()} names a schedule that the wallet has not")
        if grant.parent is not None:
            if grant.id != cycles.carried_id(operation, grant.parent):
                raise Fault(f"grant {grant.id.hex()} is not what was carried over from its parent")
            continue
        owner = _cycle_of(found.values(), grant, operation)
        if owner is None and grant.schedule is None:
            continue
        if grant.id != cycles.grant_id(operation) or operation in given:
            raise Fault(f"grant {grant.id.hex()} is not the one of its cycle")
        if owner is not None and owner.id != grant.schedule:
            raise Fault(f"grant {grant.id.hex()} is of a cycle of another schedule than it names")
        given.add(operation)


def _cycle_of(found: Iterable[Schedule], grant: Grant, operation: Id) -> Schedule | None:
    """The schedule with a cycle that ran when the grant was made, and was what made it."""
    for schedule in found:
        if grant.created_at < schedule.starts_at:
            continue
        number = schedules.number_at(schedule, grant.created_at)
        if operation == schedule.cycle_id(number):
            return schedule
    return None


def _check_carried(grants: Mapping[Id, Grant]) -> None:
    """What rolled out of a grant is what its children began with, each once."""
    carried: dict[Id, int] = {}
    for grant in grants.values():
        if grant.parent is None:
            continue
        parent = grants.get(grant.parent)
        if parent is None or parent.schedule != grant.schedule:
            raise Fault(f"grant {grant.id.hex()} was not carried over from a grant of its schedule")
        if grant.generation != parent.generation + 1:
            raise Fault(f"grant {grant.id.hex()}: generation {grant.generation} does not follow")
        if grant.rollover != parent.rollover:
            raise Fault(f"grant {grant.id.hex()} has other terms than it was carried over by")
        carried[parent.id] = carried.get(parent.id, 0) + grant.amount
    for grant in grants.values():
        if grant.rolled_over != carried.get(grant.id, 0):
            raise Fault(
                f"grant {grant.id.hex()}: {grant.rolled_over} rolled over, its children began with"
                f" {carried.get(grant.id, 0)}"
            )
