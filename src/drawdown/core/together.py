"""Several commands of one customer as one: all of them happen, or none does.

They are decided in their order, each on what those before it left, in a batch of their own. One that is
refused undoes the batch, and with it what those before it did: a refusal changes nothing here either.
"""

from __future__ import annotations

import msgspec

from drawdown.core.commands import Together
from drawdown.core.context import encode_facts, find_customer
from drawdown.core.errors import FieldInvalid, LedgerError
from drawdown.core.identity import parts, relocate, slot_of
from drawdown.core.requests import Request
from drawdown.core.state import State
from drawdown.core.types import Operation

#: A change of plan with five credits, whose terms were to change, their alerts and twenty meters on both
#: sides is 70.
COMMANDS_MAX = 80


class Undone(Exception):
    """One of several commands was refused after others were carried out: nothing of the batch may stay."""

    def __init__(self, error: LedgerError) -> None:
        super().__init__()
        self.error = error


def parts_of(request: Request) -> list[Request]:
    """A request for each of the commands, with ids that sort in their order, after the group's own."""
    assert isinstance(request.command, Together)
    commands = request.command.commands
    return [
        Request(
            book=request.book,
            command=command,
            id=identifier,
            at=request.at,
            recorded_at=request.recorded_at,
            asked_by=request.asked_by,
        )
        for identifier, command in zip(parts(request.id, len(commands)), commands, strict=True)
    ]


def operation_of(request: Request, command: Together, state: State) -> Operation:
    """The group's own operation, which has the key and the answer. Raises ``FieldInvalid`` for too many."""
    if len(command.commands) > COMMANDS_MAX:
        raise FieldInvalid("commands", f"at most {COMMANDS_MAX} at once")
    customer = find_customer(request, command.customer, state)
    asked = [[type(each).__name__, msgspec.to_builtins(each)] for each in command.commands]
    return Operation(
        id=relocate(request.id, slot_of(customer.id)),
        customer=customer.id,
        entitlement=None,
        kind="together",
        at=state.now_of(customer.id, request.at),
        recorded_at=request.recorded_at,
        facts=encode_facts({"commands": asked}),
    )
