"""Invoices that do not say what is kept are found, whatever was changed of them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from drawdown.core.billing.records import Invoice, Line, body_of, invoice_of
from drawdown.core.fold import Fault
from drawdown.core.types import Document
from tests.support.billing_core import core_subject
from tests.support.billing_play import LedgerSubject, read_step
from tests.support.memory import CoreLedger

#: S1 is paid by A and B, S2, by B and C, is void, S3 is a draft.
STEPS = """
d0 grant A 4.00
d0 grant B 3.00
d0 grant C 5.00
d0 subscribe S calls every=30
d1 use calls 100
d31 use calls 200
d60+1h read
d60+1h void S2
d61 use calls 40
d90 read
"""


def played() -> tuple[CoreLedger, LedgerSubject]:
    core = CoreLedger()
    own = core_subject(core)

    async def play() -> None:
        for line in STEPS.strip().splitlines():
            assert await own.act(read_step(line)) is None
        facts = await own.facts(0)
        assert [facts[name] for name in ("S1", "S2", "S3")] == [
            "paid:5.00-5.00",
            "void:10.00-7.00",
            "draft:2.00-2.00",
        ]

    asyncio.run(play())
    return core, own


def change(core: CoreLedger, document: Document, **said: Any) -> None:
    """Keep an invoice as another than it was, or its document."""
    of_document = {name: said.pop(name) for name in ("entitlement", "due_at") if name in said}
    invoice = msgspec.structs.replace(invoice_of(document.body), **said)
    after = msgspec.structs.replace(document, body=body_of(invoice), **of_document)
    core.state.documents[document.id] = after


def with_line(invoice: Invoice, **said: Any) -> dict[str, Any]:
    return {"lines": (msgspec.structs.replace(invoice.lines[0], **said),)}


def _applied(line: Line, **said: Any) -> dict[str, Any]:
    first, *rest = line.applied
    return {"applied": (msgspec.structs.replace(first, **said), *rest)}


CHANGES: dict[str, tuple[str, Any, str]] = {
    "a line over less than credit paid": (
        "S1",
        lambda one, line: with_line(one, amount=499),
        "is paid more than it comes to",
    ),
    "a line over more than its quantity costs": (
        "S1",
        lambda one, line: with_line(one, amount=501),
        "does not come to what its quantity costs",
    ),
    "a quantity": (
        "S1",
        lambda one, line: with_line(one, quantity=line.quantity * 2),
        "does not come to what its quantity costs",
    ),
    "what a grant paid": (
        "S1",
        lambda one, line: with_line(one, **_applied(line, units=line.applied[0].units - 1)),
        "does not name what was debited",
    ),
    "which grant paid": (
        "S1",
        lambda one, line: with_line(one, **_applied(line, grant=line.applied[1].grant)),
        "does not name what was debited",
    ),
    "an entry named twice": (
        "S1",
        lambda one, line: with_line(one, applied=line.applied[:1] * 2, amount=1000, quantity=200),
        "does not come to|names an entry that another names",
    ),
    "one of two grants left out": (
        "S1",
        lambda one, line: with_line(one, applied=line.applied[:1]),
        "was debited for no invoice",
    ),
    "both left out": (
        "S1",
        lambda one, line: with_line(one, applied=()),
        "was debited for no invoice",
    ),
    "a paid one that is void": ("S1", lambda one, line: {"status": "void"}, "void since None"),
    "a void one that is paid": ("S2", lambda one, line: {"status": "paid"}, "and void since"),
    "what went back left out": (
        "S2",
        lambda one, line: with_line(one, returned=()),
        "does not say how what it took went back",
    ),
    "what went back in another order": (
        "S2",
        lambda one, line: with_line(one, returned=line.returned[::-1]),
        "does not name what was reversed",
    ),
    "a draft that is final": ("S3", lambda one, line: {"status": "paid"}, "waits to be final"),
    "a draft that stands nowhere": ("S3", lambda one, line: {"entitlement": None}, "and nowhere"),
    "when a draft is final": (
        "S3",
        lambda one, line: {"finalizes_at": one.finalizes_at + 1},
        "it is due at",
    ),
    "what a draft has set aside": (
        "S3",
        lambda one, line: with_line(one, held=()),
        "does not name what is held",
    ),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_an_invoice_that_was_changed_is_found(changed: str) -> None:
    core, own = played()
    core.check()
    name, say, fault = CHANGES[changed]
    document = asyncio.run(own.invoices())[name]
    invoice = invoice_of(document.body)
    change(core, document, **say(invoice, invoice.lines[0]))
    with pytest.raises(Fault, match=fault):
        core.check()
