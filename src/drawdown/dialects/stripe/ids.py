"""How the ids of billing's objects are spelled, and instants as seconds."""

from __future__ import annotations

from drawdown.core.billing.records import Line, unhexed
from drawdown.core.identity import spell
from drawdown.core.types import MICROSECONDS, Id, Mode


def invoice_id(found: Id) -> str:
    return spell("in_", found)


def line_id(line: Line) -> str:
    return spell("il_", unhexed(line.id))


def subscription_id(found: Id) -> str:
    return spell("sub_", found)


def transaction_id(operation: Id, ordinal: int, mode: Mode) -> str:
    prefix = "cbtxn_test_" if mode is Mode.TEST else "cbtxn_"
    return f"{spell(prefix, operation)}_{ordinal}"


def seconds(instant: int | None) -> int | None:
    return None if instant is None else instant // MICROSECONDS
