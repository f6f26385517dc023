"""Events of grants, and of what moved their credit."""

from __future__ import annotations

from typing import Any

import msgspec

from drawdown.core import currencies
from drawdown.core.types import MICROSECONDS, Entry, EntryKind, Grant, Instant, Metadata
from drawdown.dialects.stripe import imported, transactions, wire
from drawdown.dialects.stripe.test_clocks import clock_id
from drawdown.dialects.stripe.transactions import Lines
from drawdown.dialects.stripe.webhooks.telling import Tell, Telling, Told, changed, since

CREATED, UPDATED = "billing.credit_grant.created", "billing.credit_grant.updated"
_FIELDS = frozenset({"metadata", "expires_at"})
TRANSACTION = "billing.credit_balance_transaction.created"
_BEGINS = frozenset({EntryKind.GRANTED, EntryKind.ROLLED_IN})


class _Facts(msgspec.Struct):
    metadata: Metadata = {}
    expires_at: Instant | None = None


class _Changed(msgspec.Struct):
    metadata: tuple[Metadata, Metadata] | None = None
    expires_at: tuple[Instant | None, Instant | None] | None = None


_facts, _changed = msgspec.json.Decoder(_Facts).decode, msgspec.json.Decoder(_Changed).decode


async def credit(telling: Telling, lines: Lines) -> list[Told]:
    """Of each entry that moved credit in a currency: the grant where it begins, and the transaction."""
    found: list[Told] = []
    for entry in telling.entries:
        code = telling.currency_of(entry.entitlement)
        if code is None:
            continue
        grant = await telling.ledger.store.find_grant(entry.grant)
        if grant is None or imported.is_of_import(entry, grant):
            continue
        if entry.kind in _BEGINS and imported.grant_there(grant) is None:
            found.append(Told(CREATED, await _shown(telling, await _as_made(telling, grant))))
        found += _moved(telling, entry, grant, code, lines)
    return found


def _moved(telling: Telling, entry: Entry, grant: Grant, code: str, lines: Lines) -> list[Told]:
    if not transactions.is_shown(entry):
        return []
    after = currencies.minor_floor(entry.grant_after, code)
    value = abs(after - currencies.minor_floor(entry.grant_before, code))
    if not value:
        return []
    clock = telling.customer.test_clock
    shown = transactions.shown(
        entry,
        grant,
        transactions.money_of(value, code),
        lines,
        telling.mode,
        None if clock is None else clock_id(clock),
    )
    if entry.kind in _BEGINS:
        shown.effective_at = max(shown.effective_at, grant.effective_at // MICROSECONDS)
    return [Told(TRANSACTION, shown)]


async def _as_made(telling: Telling, grant: Grant) -> Grant:
    """As it was before anybody changed it."""
    made: dict[str, Any] = {"voided_at": None, "updated_at": grant.created_at}
    made |= await since(telling, grant.id, _FIELDS)
    operation = telling.operation
    if operation.kind == "grant":
        facts = _facts(operation.facts)
        made |= {"metadata": facts.metadata, "expires_at": facts.expires_at}
        by_default = _changed(operation.changed or b"{}").expires_at
        if by_default is not None:
            made["expires_at"] = by_default[1]
    return msgspec.structs.replace(grant, **made)


async def _shown(telling: Telling, grant: Grant) -> wire.CreditGrant:
    kind = await telling.ledger.entitlement(telling.book, grant.entitlement)
    return wire.credit_grant(grant, telling.customer, kind, telling.mode)


async def _amended(telling: Telling) -> list[Told]:
    """Its expiry or metadata was changed, or it was ended before its time."""
    said = _changed(telling.operation.changed or b"{}")
    pairs = {"metadata": said.metadata, "expires_at": said.expires_at}
    old = {name: pair[0] for name, pair in pairs.items() if pair is not None}
    new = {name: pair[1] for name, pair in pairs.items() if pair is not None}
    return await _turned(telling, old, new)


async def _voided(telling: Telling) -> list[Told]:
    return await _turned(telling, {"voided_at": None}, {"voided_at": telling.operation.at})


async def _turned(telling: Telling, old: dict[str, Any], new: dict[str, Any]) -> list[Told]:
    grant = await telling.ledger.store.find_grant(telling.subject)
    assert grant is not None, "what was granted is kept"
    if any(imported.is_of_import(entry, grant) for entry in telling.entries):
        return []
    if telling.currency_of(grant.entitlement) is None:
        return []
    at = telling.operation.at
    voided_at = None if grant.voided_at is None or grant.voided_at > at else grant.voided_at
    then = {"voided_at": voided_at, **await since(telling, grant.id, _FIELDS), **new}
    after = msgspec.structs.replace(grant, **then, updated_at=at)
    before = msgspec.structs.replace(after, **old)
    return changed(UPDATED, await _shown(telling, before), await _shown(telling, after))


TOLD: dict[str, Tell] = {"amend": _amended, "expire": _amended, "void": _voided}
