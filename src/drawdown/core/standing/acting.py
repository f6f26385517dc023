"""What is asked of a player between the instants of his documents: ``Act``."""

from __future__ import annotations

import msgspec

from drawdown.core.commands import Act
from drawdown.core.context import (
    check_open,
    find_customer,
    find_entitlement,
    settled_context,
)
from drawdown.core.requests import Accepted, Request
from drawdown.core.spending import register_wallet
from drawdown.core.standing import playing
from drawdown.core.standing.desk import Desk
from drawdown.core.state import State


def act(request: Request, command: Act, state: State) -> Accepted:
    """Do what is asked for, as one operation; what was due before that has its turn first.

    An action that changes no document is a look at things as they are, and is not recorded. Nothing new
    stands with a closed customer or entitlement. Raises what the player refuses.
    """
    customer = find_customer(request, command.customer, state)
    entitlement = find_entitlement(request, command.entitlement, state)
    context = settled_context(request, customer, entitlement, state)
    said = [type(command.action).__name__, msgspec.to_builtins(command.action)]
    started = context.begin("act", {"kind": command.kind, "action": said})
    if command.begins:
        check_open(customer, entitlement)
    desk = Desk(started, context.wallet, state, request.book, context.at)
    state.players[command.kind].act(desk, command.action)
    if not desk.touched:
        return Accepted(customer=customer, entitlement=entitlement, documents=tuple(desk.shown))
    register_wallet(context)
    playing.note(desk)
    accepted = context.finish(started)
    state.changes.wallets[context.key] = context.wallet
    accepted.documents = tuple(desk.touched.values())
    return accepted
