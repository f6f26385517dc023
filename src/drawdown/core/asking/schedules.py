"""What commands about schedules need: the wallet with all that is live of it."""

from __future__ import annotations

from drawdown.core.asking.asking import Asking
from drawdown.core.commands import (
    AmendSchedule,
    CancelSchedule,
    CreateSchedule,
    PauseSchedule,
    ResumeSchedule,
)
from drawdown.core.requests import Request


def create_schedule(asking: Asking, request: Request, command: CreateSchedule) -> None:
    """How many there are is known with what is due. Whoever closes the customer meanwhile must find it."""
    key = asking.wallet_key(request, command.customer, command.entitlement)
    if key is not None:
        asking.lock_customer(key[0])
        asking.due(asking.now(request, key), key)
        asking.demand.grown.add(key)


def schedule(
    asking: Asking,
    request: Request,
    command: AmendSchedule | CancelSchedule | PauseSchedule | ResumeSchedule,
) -> None:
    """A schedule named by its id brings its wallet, with all that is live of it."""
    if command.schedule not in asking.state.schedule_wallets:
        asking.want(asking.wanted.schedules, command.schedule)
        return
    key = asking.state.schedule_wallets[command.schedule]
    if key is None or asking.owned(request, key) is None:
        return
    asking.demand.changed.add(key)
    wallet = asking.due(asking.now(request, key), key)
    if wallet is not None and command.schedule not in wallet.schedules:
        asking.want(asking.wanted.schedules, command.schedule)
