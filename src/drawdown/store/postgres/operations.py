"""Operations as PostgreSQL keeps them: each says where its entries are, in the numbering of their wallets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from drawdown.core.identity import slot_of
from drawdown.core.state import DebitRecord
from drawdown.core.types import DEBITS, OF_BOOK, USES, Entry, Id, Operation
from drawdown.store import rows
from drawdown.store.rows import Row

_decode = msgspec.json.Decoder(dict[str, tuple[int, int]]).decode
_encode = msgspec.json.Encoder().encode


class Reader(Protocol):
    async def fetch(self, query: str, *args: object) -> list[Any]: ...


def spans(text: str) -> dict[Id, tuple[int, int]]:
    """By entitlement: the first of an operation's entries, and how many there are."""
    return {Id(bytes.fromhex(kind)): span for kind, span in _decode(text).items()}


def spans_of(entries: Sequence[Entry]) -> str:
    found: dict[str, list[int]] = {}
    for entry in entries:
        span = found.setdefault(entry.entitlement.hex(), [entry.seq, 0])
        span[1] += 1
    return spans_json(found)


def spans_json(found: dict[str, list[int]]) -> str:
    """``found`` is by the entitlement's id in hexadecimal, in the order of the operation's entries."""
    return _encode(found).decode()


def operation_of(row: Row) -> Operation:
    return Operation(
        id=row[0],
        customer=row[1],
        entitlement=row[2],
        kind=row[3],
        at=row[4],
        recorded_at=row[5],
        subject=row[6],
        facts=row[7].encode(),
        changed=(row[8] or "").encode(),
        namespace=row[9],
        key=None if row[10] is None else row[10].decode(),
        status=row[11] or 0,
        answer=row[12] or b"",
    )


def operation_row(operation: Operation, entries: Sequence[Entry]) -> Row:
    return (
        slot_of(operation.customer),
        operation.id,
        operation.customer,
        operation.entitlement,
        operation.kind,
        operation.at,
        operation.recorded_at,
        operation.subject,
        operation.facts.decode(),
        operation.changed.decode() or None,
        operation.namespace,
        None if operation.key is None else operation.key.encode(),
        operation.status or None,
        operation.answer or None,
        spans_of(entries),
    )


def is_of_book(operation: Operation) -> bool:
    return operation.kind in OF_BOOK


async def find_operations(
    connection: Reader, queries: Mapping[str, str], ids: Collection[Id]
) -> list[tuple[Operation, list[Entry], dict[Id, int]]]:
    """Operations with their entries in order, and what was reversed of them by entitlement."""
    slots_of = tuple(map(slot_of, ids))
    columns = (slots_of, tuple(ids))
    slots = sorted(set(slots_of))
    found = await connection.fetch(queries["find_operation"], *columns, slots)
    places = [
        (slot_of(row[1]), row[1], kind, first, first + count)
        for row in found
        for kind, (first, count) in spans(row[-1]).items()
    ]
    entries: dict[Id, list[Entry]] = {row[0]: [] for row in found}
    if places:
        wanted = list(zip(*places, strict=True))
        for row in await connection.fetch(
            queries["entries_of_operation"], *wanted, sorted(set(wanted[0]))
        ):
            entries[row[2]].append(rows.entry_of(row[0], row[1], row[2], tuple(row[3:])))
    reversed_: dict[Id, dict[Id, int]] = {row[0]: {} for row in found}
    for debit, kind, units in await connection.fetch(queries["find_reversals"], *columns, slots):
        reversed_[debit][kind] = units
    return [(operation_of(row), entries[row[0]], reversed_[row[0]]) for row in found]


async def find_debits(
    connection: Reader, queries: Mapping[str, str], debits: Collection[Id]
) -> list[DebitRecord]:
    return [
        DebitRecord(
            operation=operation,
            draws=tuple(entry for entry in entries if entry.kind in USES),
            reversed=reversed_,
        )
        for operation, entries, reversed_ in await find_operations(connection, queries, debits)
        if operation.kind in DEBITS
    ]
