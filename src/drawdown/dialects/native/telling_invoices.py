"""Events of what invoices drew and gave back; what else becomes of them is for their own dialect to tell."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drawdown.core.amounts import render as decimal
from drawdown.core.billing.records import INVOICE, Invoice, invoice_of
from drawdown.core.identity import spell
from drawdown.core.types import EntryKind, Id
from drawdown.dialects.native import wire, wire_events
from drawdown.dialects.native.render import INVOICE_PREFIX
from drawdown.dialects.native.telling import Tell, Telling, Told, grant_name, moves, total


class _Changed(msgspec.Struct):
    """Documents: the id, the kind, and what each said before and after."""

    documents: list[tuple[str, str, str | None, str | None]] = []


_changed = msgspec.json.Decoder(_Changed).decode


def _stand(telling: Telling) -> Iterator[Told]:
    """What a document's turn drew or gave back first, then what that did to grants."""
    yield from _moved(telling, "invoice.drawn", EntryKind.DEBITED)
    yield from _moved(telling, "invoice.returned", EntryKind.REVERSED)
    yield from moves(telling)


def _moved(telling: Telling, name: str, kind: EntryKind) -> Iterator[Told]:
    entries = [entry for entry in telling.entries if entry.kind is kind]
    invoice = _invoice(telling) if entries else None
    if invoice is None:
        return
    of = telling.kind_of(entries[0])
    shown = wire_events.InvoiceMoved(
        invoice=spell(INVOICE_PREFIX, invoice),
        entitlement=of.code,
        amount=total(entries, kind, of),
        grants=[
            wire.Return(grant=grant_name(entry), amount=decimal(entry.amount, of.scale))
            for entry in entries
        ],
    )
    yield name, shown, telling.entries


def _invoice(telling: Telling) -> Id | None:
    """The one whose lines name the operation: it moves credit for one at most."""
    operation = telling.operation.id.hex()
    for name, kind, _, after in _changed(telling.operation.changed or b"{}").documents:
        if kind == INVOICE and after is not None and operation in _named(invoice_of(after)):
            return Id(bytes.fromhex(name))
    return None


def _named(invoice: Invoice) -> set[str]:
    lines = invoice.lines
    drawn = {each.operation for line in lines for each in line.applied}
    return drawn | {operation for line in lines for operation, _ in line.returned}


TOLD: dict[str, Tell] = {"play": _stand, "act": _stand}
