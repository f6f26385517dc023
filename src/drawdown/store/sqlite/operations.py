"""Operations as this file keeps them: by numbers of its own, with their entries beside each other."""

from __future__ import annotations

import hashlib

from drawdown.core.identity import slot_of
from drawdown.core.requests import LedgerKey
from drawdown.core.types import Id, Operation
from drawdown.store.rows import Row


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
        key=row[10],
        status=row[11] or 0,
        answer=row[12] or b"",
    )


def operation_row(operation: Operation, number: int, first_entry: int, entries: int) -> Row:
    return (
        number,
        operation.id,
        slot_of(operation.customer),
        operation.customer,
        operation.entitlement,
        operation.kind,
        operation.at,
        operation.recorded_at,
        operation.subject,
        operation.facts.decode(),
        operation.changed.decode() or None,
        operation.namespace,
        operation.key,
        operation.status or None,
        operation.answer or None,
        first_entry,
        entries,
    )


def key_hash(customer: Id, key: LedgerKey) -> int:
    """The first 8 bytes of a hash over a ledger key: where its operation is looked for."""
    text = f"{key.namespace}\0{key.key}".encode()
    digest = hashlib.blake2b(customer + text, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
