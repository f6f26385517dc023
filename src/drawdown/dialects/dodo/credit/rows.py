"""Operations of the ledger as the rows of Dodo's: one for each thing that happened to a balance. Pure.

What one call drew from several grants is one row. What time did is a row for each grant; what is carried
into the next cycle is two: out of the old grant, into the new. Overage that new credit repays at once is
part of that credit's row, whose balance then rises by less than its amount. What moves neither balance nor
overage (a hold, credit that is not effective yet) has no row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from drawdown.core import identity, types
from drawdown.core.amounts import render as decimal
from drawdown.core.identity import spell
from drawdown.core.times import text_of
from drawdown.core.types import Entitlement, Entry, EntryKind, Id, Operation
from drawdown.dialects.dodo.credit import imported
from drawdown.dialects.dodo.credit.imported import EntryThere, entitlement_id
from drawdown.dialects.dodo.credit.row_wire import LedgerRow, TransactionType
from drawdown.dialects.dodo.rendering import business_id, customer_id, grant_name, only_grant

ROW_PREFIX = "cle_"

_Told = tuple[TransactionType, bool]
_TYPES: dict[EntryKind, _Told] = {
    EntryKind.GRANTED: (TransactionType.CREDIT_ADDED, True),
    EntryKind.ACTIVATED: (TransactionType.CREDIT_ADDED, True),
    EntryKind.DEBITED: (TransactionType.CREDIT_DEDUCTED, False),
    EntryKind.CAPTURED: (TransactionType.CREDIT_DEDUCTED, False),
    EntryKind.OVERAGE_REPAID: (TransactionType.CREDIT_DEDUCTED, False),
    EntryKind.EXPIRED: (TransactionType.CREDIT_EXPIRED, False),
    EntryKind.FORFEITED: (TransactionType.ROLLOVER_FORFEITED, False),
    EntryKind.ROLLED_OUT: (TransactionType.CREDIT_ROLLED_OVER, False),
    EntryKind.ROLLED_IN: (TransactionType.CREDIT_ROLLED_OVER, True),
    EntryKind.REVERSED: (TransactionType.MANUAL_ADJUSTMENT, True),
    EntryKind.RESTORED: (TransactionType.MANUAL_ADJUSTMENT, True),
    EntryKind.VOIDED: (TransactionType.MANUAL_ADJUSTMENT, False),
    EntryKind.OVERAGE_CHARGED: (TransactionType.OVERAGE_CHARGED, False),
    EntryKind.OVERAGE_REVERSED: (TransactionType.OVERAGE_RESET, False),
    EntryKind.OVERAGE_FORGIVEN: (TransactionType.OVERAGE_RESET, False),
    EntryKind.OVERAGE_INVOICED: (TransactionType.OVERAGE_RESET, False),
}
#: Of these, what follows one another in an operation is one row.
_MERGED = frozenset(
    {
        TransactionType.CREDIT_DEDUCTED,
        TransactionType.OVERAGE_CHARGED,
        TransactionType.MANUAL_ADJUSTMENT,
    }
)
#: What somebody corrected by hand is told as such, whatever it did.
_BY_HAND = frozenset({"adjust"})
_ASKED = frozenset({"grant", "debit", "spend", "capture"})


class _Facts(msgspec.Struct):
    """Of what was asked for, that which a row shows, and whether it was brought over from elsewhere."""

    reason: str | None = None
    metadata: dict[str, Any] = {}
    event: str | None = None
    used_before: int | None = None
    as_overage: bool = False

    @property
    def is_vendors(self) -> bool:
        """Whether the vendor's own rows stand for it."""
        brought = self.used_before is not None or self.as_overage
        return brought and self.reason == imported.REASON


_facts = msgspec.json.Decoder(_Facts).decode


def facts_of(operation: Operation) -> _Facts:
    return _facts(operation.facts)


class _Part(msgspec.Struct):
    """The entries of one row, all of one wallet; ``before`` is the entry that came before them."""

    told: _Told
    entries: list[Entry]
    before: Entry | None


class Names(msgspec.Struct, frozen=True):
    """What the ids of an operation stand for. ``subscription``: the one whose cycle it is, if it is one's.

    ``grants``: the vendor's ids of those that were made there.
    """

    owner: types.Customer
    account: Id
    kinds: dict[Id, Entitlement]
    subscription: str | None = None
    grants: Mapping[Id, str] = {}


def rows_of(operation: Operation, entries: Sequence[Entry], names: Names) -> list[LedgerRow]:
    """In the order in which they happened. Their ids are the same whichever of the entries are given.

    What was brought over has none: the vendor's own rows say how it came about.
    """
    facts = _facts(operation.facts)
    if facts.is_vendors:
        return []
    return [_row(operation, part, facts, names) for part in _parts(operation, entries)]


def brand_id(account: Id) -> str:
    """There are no brands here: each business has one."""
    return spell("brd_", account)


def _parts(operation: Operation, entries: Sequence[Entry]) -> list[_Part]:
    parts: list[_Part] = []
    before: Entry | None = None
    for entry in entries:
        told = _told(operation, entry)
        if told is not None and parts and _belongs(parts[-1], entry, told):
            parts[-1].entries.append(entry)
        elif told is not None:
            parts.append(_Part(told, [entry], before))
        before = entry
    return parts


def _told(operation: Operation, entry: Entry) -> _Told | None:
    if (entry.posted_before, entry.overage_before) == (entry.posted_after, entry.overage_after):
        return None
    told = _TYPES[entry.kind]
    if operation.kind in _BY_HAND and entry.kind is not EntryKind.OVERAGE_REPAID:
        return TransactionType.MANUAL_ADJUSTMENT, told[1]
    return told


def _belongs(part: _Part, entry: Entry, told: _Told) -> bool:
    if part.entries[-1].entitlement != entry.entitlement:
        return False
    if entry.kind is EntryKind.OVERAGE_REPAID:
        return part.told[1]
    return told == part.told and told[0] in _MERGED


def row_there(entry: EntryThere, kind: Entitlement, names: Names) -> LedgerRow:
    """A row that the vendor wrote, in its words; only whose it is, is said in ours."""
    told = {name: getattr(entry, name) for name in _SAID_THERE}
    return LedgerRow(
        business_id=business_id(names.account),
        brand_id=brand_id(names.account),
        customer_id=customer_id(names.owner),
        credit_entitlement_id=entitlement_id(kind),
        **told,
    )


_SAID_THERE = sorted(set(EntryThere.__struct_fields__) - {"entitlement", "at"})


def _row(operation: Operation, part: _Part, facts: _Facts, names: Names) -> LedgerRow:
    first, last = part.entries[0], part.entries[-1]
    kind = names.kinds[first.entitlement]
    transaction_type, is_credit = part.told
    asked = operation.kind in _ASKED or operation.kind in _BY_HAND
    reference_type, reference_id = _reference(operation, part, facts, names)
    return LedgerRow(
        id=_row_id(operation.id, first),
        business_id=business_id(names.account),
        brand_id=brand_id(names.account),
        customer_id=customer_id(names.owner),
        credit_entitlement_id=entitlement_id(kind),
        transaction_type=transaction_type,
        amount=decimal(_amount(part), kind.scale),
        is_credit=is_credit,
        balance_before=decimal(first.posted_before, kind.scale),
        balance_after=decimal(last.posted_after, kind.scale),
        overage_before=decimal(first.overage_before, kind.scale),
        overage_after=decimal(last.overage_after, kind.scale),
        grant_id=only_grant(part.entries, names.grants),
        description=facts.reason if asked else None,
        reference_type=reference_type,
        reference_id=reference_id,
        metadata=facts.metadata if asked else {},
        created_at=text_of(last.at),
    )


def _row_id(operation: Id, first: Entry) -> str:
    """The operation's own for its first row, which is what a call that made it was answered."""
    place = first.ordinal
    return spell(ROW_PREFIX, identity.derive(operation, f"row:{place}") if place else operation)


def _amount(part: _Part) -> int:
    """Of credit that repays overage at once, all of it."""
    rest = (entry for entry in part.entries if entry.kind is not EntryKind.OVERAGE_REPAID)
    return sum(entry.amount for entry in rest) or sum(entry.amount for entry in part.entries)


def _reference(
    operation: Operation, part: _Part, facts: _Facts, names: Names
) -> tuple[str | None, str | None]:
    """What a row is about beside its grant: the grant it was carried from, a subscription, a usage event."""
    first, transaction_type = part.entries[0], part.told[0]
    if first.kind is EntryKind.ROLLED_IN and part.before is not None:
        return "credit_grant", grant_name(part.before.grant, names.grants)
    if transaction_type is TransactionType.MANUAL_ADJUSTMENT:
        return None, None
    if names.subscription is not None:
        return "subscription", names.subscription
    if operation.kind == "usage":
        return "usage_event", facts.event
    return ("api", None) if operation.kind in _ASKED else (None, None)
