"""What is needed to make and to change customers, kinds of credit and test clocks."""

from __future__ import annotations

from drawdown.core.asking.asking import Asking
from drawdown.core.commands import (
    AdvanceTestClock,
    AmendEntitlement,
    CreateCustomer,
    CreateEntitlement,
    CreateTestClock,
    DeleteTestClock,
    EndAdvance,
)
from drawdown.core.requests import Request
from drawdown.core.state import CUSTOMER_OWN_ID, ENTITLEMENT_CODE, ENTITLEMENT_NAME
from drawdown.core.types import Id


def entitlement_names(
    book: Id, command: CreateEntitlement
) -> tuple[tuple[Id, str, str | None], ...]:
    """The names a new entitlement claims; without a name it is called by its code."""
    name = command.name if command.name is not None else command.code
    return ((book, ENTITLEMENT_CODE, command.code), (book, ENTITLEMENT_NAME, name))


def create_customer(asking: Asking, request: Request, command: CreateCustomer) -> None:
    """Under a key it may have been made before, with the request's id."""
    asking.names(((request.book, CUSTOMER_OWN_ID, command.own_id),))
    if command.test_clock is not None:
        asking.clock(command.test_clock)
    if request.key is not None and request.id not in asking.state.customers:
        asking.want(asking.wanted.customers, request.id)


def create_entitlement(asking: Asking, request: Request, command: CreateEntitlement) -> None:
    asking.names(entitlement_names(request.book, command))
    if request.key is not None and request.id not in asking.state.entitlements:
        asking.want(asking.wanted.entitlements, request.id)


def amend_entitlement(asking: Asking, request: Request, command: AmendEntitlement) -> None:
    asking.locked_entitlement(request, command.entitlement)


def create_clock(asking: Asking, request: Request, command: CreateTestClock) -> None:
    """It may have been made before, with the request's id."""
    asking.clock(request.id)


def change_clock(
    asking: Asking, request: Request, command: AdvanceTestClock | EndAdvance | DeleteTestClock
) -> None:
    asking.clock(command.clock)
