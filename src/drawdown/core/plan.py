"""The only place that decides. One request at a time; each sees the effects of those accepted before it.

``plan`` first looks for what the request's keys already answered, then settles the wallet up to the
request's time, then decides. A refusal is a value: it changes nothing and does not undo its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drawdown.core import documents
from drawdown.core.amending import (
    amend_customer,
    amend_entitlement,
    close_entitlement,
    reopen_entitlement,
)
from drawdown.core.attaching import create_clock
from drawdown.core.clocks import advance_clock, delete_clock, end_advance
from drawdown.core.closing import close_customer
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
from drawdown.core.context import KeyReplay, begin, commit
from drawdown.core.corrections import adjust_grant, amend_grant, expire_grant, void_grant
from drawdown.core.creation import create_customer, create_entitlement
from drawdown.core.errors import KeyReused, LedgerError
from drawdown.core.holds import authorize, capture, extend, release
from drawdown.core.requests import (
    Accepted,
    Answer,
    ClaimRecord,
    Outcome,
    Refused,
    Replayed,
    Request,
)
from drawdown.core.reversal import reverse_debit
from drawdown.core.schedules.changes import (
    amend_schedule,
    cancel_schedule,
    create_schedule,
    pause_schedule,
    resume_schedule,
)
from drawdown.core.several import spend
from drawdown.core.spending import debit, issue_grant, reset_overage, settle_wallet
from drawdown.core.standing.acting import act
from drawdown.core.state import State
from drawdown.core.together import Undone, operation_of, parts_of
from drawdown.core.usage.catalog import (
    amend_meter,
    attach_rate,
    close_meter,
    close_rate,
    create_meter,
    create_rate,
    detach_rate,
    reopen_meter,
)
from drawdown.core.usage.recording import record_usage
from drawdown.core.watching.alerts import close_alert, create_alert
from drawdown.core.watching.top_up_changes import (
    close_top_up,
    confirm_top_up,
    create_top_up,
    fail_top_up,
)
from drawdown.core.watching.usage_alerts import create_usage_alert

_DECISIONS: dict[type, Callable[[Request, Any, State], Accepted]] = {
    Act: act,
    AdjustGrant: adjust_grant,
    AmendCustomer: amend_customer,
    AmendEntitlement: amend_entitlement,
    CloseCustomer: close_customer,
    CloseEntitlement: close_entitlement,
    ReopenEntitlement: reopen_entitlement,
    AdvanceTestClock: advance_clock,
    CloseAlert: close_alert,
    CreateAlert: create_alert,
    CreateUsageAlert: create_usage_alert,
    AmendGrant: amend_grant,
    AmendSchedule: amend_schedule,
    Authorize: authorize,
    CancelSchedule: cancel_schedule,
    Capture: capture,
    CreateCustomer: create_customer,
    CreateEntitlement: create_entitlement,
    AttachRate: attach_rate,
    AmendMeter: amend_meter,
    CloseMeter: close_meter,
    ReopenMeter: reopen_meter,
    CloseRate: close_rate,
    CreateMeter: create_meter,
    CreateRate: create_rate,
    CreateSchedule: create_schedule,
    CloseTopUp: close_top_up,
    ConfirmTopUp: confirm_top_up,
    CreateTestClock: create_clock,
    CreateTopUp: create_top_up,
    FailTopUp: fail_top_up,
    Debit: debit,
    DeleteTestClock: delete_clock,
    DetachRate: detach_rate,
    EndAdvance: end_advance,
    ExpireGrant: expire_grant,
    Extend: extend,
    IssueGrant: issue_grant,
    RecordUsage: record_usage,
    PauseSchedule: pause_schedule,
    Release: release,
    ResumeSchedule: resume_schedule,
    ResetOverage: reset_overage,
    ReverseDebit: reverse_debit,
    KeepDocuments: documents.keep_documents,
    Settle: settle_wallet,
    Spend: spend,
    VoidGrant: void_grant,
}


def plan(request: Request, state: State) -> Outcome:
    """Decide one request on a state that holds all that ``needs`` asked for."""
    try:
        replayed = _claimed(request, state)
        if replayed is not None:
            return replayed
        if request.documents:
            return _with_documents(request, state)
        return _DECISIONS[type(request.command)](request, request.command, state)
    except KeyReplay as replay:
        return Replayed(replay.answer)
    except LedgerError as error:
        return Refused(error.with_traceback(None))  # its frames would keep the whole state


def _with_documents(request: Request, state: State) -> Accepted:
    """Decide a request that changes documents, too. What it has changed once is not in its way."""
    owner, key = request.documents[0].owner, request.key
    if key is None or state.keys.get((owner, key.namespace, key.key)) is None:
        documents.check(request, state)
    accepted = _DECISIONS[type(request.command)](request, request.command, state)
    at = request.at if accepted.customer is None else state.now_of(owner, request.at)
    accepted.documents = documents.keep(request, at, state)
    return accepted


def _together(request: Request, command: Together, state: State) -> Accepted:
    """Decide each of several commands on what those before it left. Raises ``Undone`` when one is refused."""
    operation = operation_of(request, command, state)
    commit(state, begin(request, state, operation))
    try:
        group = tuple(
            _DECISIONS[type(each.command)](each, each.command, state) for each in parts_of(request)
        )
    except LedgerError as error:
        raise Undone(error) from None
    owner = state.customers[operation.customer]
    return Accepted(operation=operation, customer=owner, group=group)


_DECISIONS[Together] = _together


def keep_answer(request: Request, outcome: Outcome, answer: Answer, state: State) -> None:
    """Keep what was answered where a repetition will look for it: in the operation, or in the claim."""
    if isinstance(outcome, Accepted) and outcome.operation is not None and request.key is not None:
        outcome.operation.status = answer.status
        outcome.operation.answer = answer.body
    if request.claim is None:
        return
    claim = request.claim
    record = ClaimRecord(
        book=request.book,
        space=claim.space,
        key=claim.key,
        created_at=request.recorded_at,
        fingerprint=claim.fingerprint,
        answer=answer,
    )
    state.claims[(request.book, claim.space, claim.key)] = record
    state.changes.claims.append(record)


def _claimed(request: Request, state: State) -> Replayed | None:
    """What the request's claim already answered. Raises ``KeyReused`` for another request's claim."""
    if request.claim is None:
        return None
    record = state.claims[(request.book, request.claim.space, request.claim.key)]
    if record is None:
        return None
    if record.fingerprint != request.claim.fingerprint or record.answer is None:
        raise KeyReused(key=request.claim.key)
    answer = record.answer
    return Replayed(
        Answer(status=answer.status, body=answer.body, request_id=answer.request_id, replayed=True)
    )
