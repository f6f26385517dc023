"""What a batch needs loaded before it can be decided: first the named rows, then what those name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from drawdown.core.asking import credit, directory, schedules, standing, usage, watching
from drawdown.core.asking.asking import Asking
from drawdown.core.commands import (
    Act,
    AdjustGrant,
    AdvanceTestClock,
    AmendCustomer,
    AmendEntitlement,
    AmendGrant,
    AmendMeter,
    AmendSchedule,
    AttachRate,
    Authorize,
    CancelSchedule,
    Capture,
    CloseAlert,
    CloseCustomer,
    CloseEntitlement,
    CloseMeter,
    CloseRate,
    CloseTopUp,
    ConfirmTopUp,
    CreateAlert,
    CreateCustomer,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
    CreateSchedule,
    CreateTestClock,
    CreateTopUp,
    CreateUsageAlert,
    Debit,
    DeleteTestClock,
    DetachRate,
    EndAdvance,
    ExpireGrant,
    Extend,
    FailTopUp,
    IssueGrant,
    KeepDocuments,
    PauseSchedule,
    RecordUsage,
    Release,
    ReopenEntitlement,
    ReopenMeter,
    ResetOverage,
    ResumeSchedule,
    ReverseDebit,
    Settle,
    Spend,
    Together,
    VoidGrant,
)
from drawdown.core.demand import Demand, enough_grants, is_shared, shared_times
from drawdown.core.requests import Request
from drawdown.core.state import State, Wanted
from drawdown.core.together import parts_of


def needs(batch: Sequence[Request], state: State) -> Iterator[Wanted]:
    """What of ``batch`` cannot be decided yet, until nothing is: load each into ``state`` before going on.

    A store may load only a part of it: the rest is wanted again. A request that is known to its end is not
    asked again, unless another's time may still carry over to its wallet.
    """
    asking = Asking(state)
    batch = [each for request in batch for each in _spread_out(request)]
    shared = [request for request in batch if is_shared(request)]
    asked = batch
    while True:
        if shared:
            asked, asking.demand = batch, Demand(times=shared_times(shared, state))
        asked = _ask(asking, asked)
        enough_grants(asking.demand, state, asking.wanted)
        if not asking.wanted:
            return
        yield asking.wanted
        asking.wanted = _left_out(asking.wanted, state)


def _ask(asking: Asking, batch: Sequence[Request]) -> list[Request]:
    """Ask each request once, and say which have to be asked again."""
    unknown = []
    for request in batch:
        asking.waits = False
        if request.claim is not None:
            asking.claim((request.book, request.claim.space, request.claim.key))
        for change in request.documents:
            directory.document(asking, request.book, change)
        _QUESTIONS[type(request.command)](asking, request, request.command)
        if asking.waits:
            unknown.append(request)
    return unknown


def _spread_out(request: Request) -> Iterable[Request]:
    """The request, and where it is for several commands one for each."""
    return (request, *parts_of(request)) if isinstance(request.command, Together) else (request,)


def _left_out(wanted: Wanted, state: State) -> Wanted:
    """Claims and keys lead to nothing, so who wanted them may not be asked again: they are kept in mind."""
    claims = {claim for claim in wanted.claims if claim not in state.claims}
    return Wanted(claims=claims, keys={key for key in wanted.keys if key not in state.keys})


_QUESTIONS: dict[type, Callable[[Asking, Request, Any], None]] = {
    Act: standing.act,
    AdjustGrant: credit.grant,
    AmendCustomer: directory.amend_customer,
    AmendEntitlement: directory.amend_entitlement,
    CloseCustomer: directory.close_customer,
    CloseEntitlement: directory.close_entitlement,
    ReopenEntitlement: directory.close_entitlement,
    AdvanceTestClock: directory.change_clock,
    CloseAlert: watching.close_alert,
    CreateAlert: watching.create_alert,
    CreateUsageAlert: watching.create_usage_alert,
    AmendGrant: credit.grant,
    AmendSchedule: schedules.schedule,
    Authorize: credit.draw,
    CancelSchedule: schedules.schedule,
    Capture: credit.hold,
    CreateCustomer: directory.create_customer,
    CreateEntitlement: directory.create_entitlement,
    AttachRate: usage.attach_rate,
    AmendMeter: usage.change_meter,
    CloseMeter: usage.change_meter,
    ReopenMeter: usage.change_meter,
    CloseRate: usage.close_rate,
    CreateMeter: usage.create_meter,
    CreateRate: usage.create_rate,
    CreateSchedule: schedules.create_schedule,
    CloseTopUp: watching.top_up,
    ConfirmTopUp: watching.top_up_request,
    CreateTestClock: directory.create_clock,
    CreateTopUp: watching.create_top_up,
    FailTopUp: watching.top_up_request,
    Debit: credit.draw,
    DeleteTestClock: directory.change_clock,
    DetachRate: usage.attach_rate,
    EndAdvance: directory.change_clock,
    ExpireGrant: credit.grant,
    Extend: credit.hold,
    IssueGrant: credit.issue,
    PauseSchedule: schedules.schedule,
    KeepDocuments: directory.group,
    Release: credit.hold,
    ResetOverage: credit.settle,
    RecordUsage: usage.usage,
    ResumeSchedule: schedules.schedule,
    ReverseDebit: credit.reverse,
    Settle: credit.settle,
    Spend: credit.spend,
    Together: directory.group,
    VoidGrant: credit.grant,
}
