"""Closing a customer: with him ends all that would go on by itself.

In each of his wallets, settled up to his time, his schedules are cancelled, his top-up and his own alerts
closed, and what stands there as documents is ended by its players, each by an operation of its own after the
one that closed him, in one transaction. What they gave stays, and expires as it would have.

What is on everybody's credit of an entitlement is not his to end, and nor are the schedules of an entitlement
that is closed, which may be reopened: of closed wallets (``state.Wallet``) nothing is told or asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from drawdown.core.amending import record, stored_customer
from drawdown.core.commands import Act, CancelSchedule, CloseAlert, CloseCustomer, CloseTopUp
from drawdown.core.context import find_entitlement, settled_context
from drawdown.core.identity import parts
from drawdown.core.requests import Accepted, Request
from drawdown.core.schedules.changes import cancel_schedule
from drawdown.core.standing import playing
from drawdown.core.standing.acting import act
from drawdown.core.state import State, Wallet
from drawdown.core.types import Customer
from drawdown.core.watching.alerts import close_alert
from drawdown.core.watching.top_up_changes import close_top_up
from drawdown.core.watching.top_up_requests import standing_of
from drawdown.core.watching.usage_crossings import watched_by

Ending = CancelSchedule | CloseTopUp | CloseAlert | Act


def close_customer(request: Request, command: CloseCustomer, state: State) -> Accepted:
    """One who is closed already stays as he is. Raises ``CustomerNotFound``."""
    before = stored_customer(request, command.customer, state)
    if before.closed_at is not None:
        return record(request, before, "close_customer", {}, {}, state)
    asked = {"closed_at": state.now_of(before.id, request.at)}
    accepted = record(request, before, "close_customer", asked, {}, state)
    endings = list(_endings(request, before, state))
    for identifier, ending in zip(parts(request.id, len(endings)), endings, strict=True):
        part = Request(
            book=request.book,
            command=ending,
            id=identifier,
            at=request.at,
            recorded_at=request.recorded_at,
            asked_by=request.asked_by,
        )
        _end(part, ending, state)
    return accepted


def _end(part: Request, ending: Ending, state: State) -> None:
    match ending:
        case CancelSchedule():
            cancel_schedule(part, ending, state)
        case CloseTopUp():
            close_top_up(part, ending, state)
        case CloseAlert():
            close_alert(part, ending, state)
        case Act():
            act(part, ending, state)


def _endings(request: Request, customer: Customer, state: State) -> Iterator[Ending]:
    """What ends, wallet by wallet. It is known from the wallets: nothing else has to be loaded."""
    yield from _of_usage(request, customer, state)
    for key in state.customer_wallets[customer.id]:
        entitlement = find_entitlement(request, key[1], state)
        wallet = settled_context(request, customer, entitlement, state).wallet
        for schedule in sorted(wallet.schedules.values(), key=lambda each: each.id):
            if schedule.is_live:
                state.schedule_wallets[schedule.id] = key
                yield CancelSchedule(schedule=schedule.id)
        yield from _watchers(wallet, state)
        for kind, player in playing.players_of(wallet, state):
            yield Act(
                customer=customer.id, entitlement=entitlement.id, kind=kind, action=player.ending
            )


def _of_usage(request: Request, customer: Customer, state: State) -> Iterator[Ending]:
    """The alerts on his use of meters."""
    for meter in state.catalogs[request.book].watched_meters():
        for rule in watched_by(customer.id, meter.id, state).rules:
            yield CloseAlert(alert=rule.alert)


def _watchers(wallet: Wallet, state: State) -> Iterator[Ending]:
    standing = standing_of(wallet)
    if standing is not None and standing.rule is not None:
        state.top_ups[standing.rule.id] = standing.rule
        yield CloseTopUp(top_up=standing.rule.id)
    for rule in () if wallet.watch is None else wallet.watch.rules:
        yield CloseAlert(alert=rule.alert)
