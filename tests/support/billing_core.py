"""A customer whose invoices are played on the core alone."""

from __future__ import annotations

from drawdown.core import currencies
from drawdown.core.billing.records import INVOICE
from drawdown.core.commands import Command, CreateCustomer
from drawdown.core.requests import Accepted, Refused
from drawdown.core.types import Balance, Document, Instant
from tests.support.billing_play import CURRENCY, START, LedgerSubject
from tests.support.memory import CoreLedger


def core_subject(core: CoreLedger | None = None) -> LedgerSubject:
    core = core or CoreLedger()
    core.one(CreateCustomer(own_id="ann"), Instant(START))
    kind = currencies.entitlement_id(core.book, CURRENCY)

    async def apply(command: Command, at: int) -> Accepted:
        outcome = core.one(command, Instant(at))
        core.check()
        if isinstance(outcome, Refused):
            raise outcome.error
        assert isinstance(outcome, Accepted)
        return outcome

    async def documents() -> list[Document]:
        found = core.state.documents.values()
        return [each for each in found if each is not None and each.kind == INVOICE]

    async def balance() -> Balance | None:
        found = [each for each in core.wallets if each.entitlement == kind]
        return found[0].balance(9, found[0].last_at) if found else None

    return LedgerSubject("ann", apply, documents, balance)
