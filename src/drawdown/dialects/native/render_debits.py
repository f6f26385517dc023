"""Debits, captures, spends and reversals to records of the wire: from their operation and its entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from drawdown.core import amounts, several, types
from drawdown.core.amounts import Amount
from drawdown.core.amounts import render as decimal
from drawdown.core.identity import spell
from drawdown.core.requests import Accepted, Part
from drawdown.core.times import text_of
from drawdown.core.types import EntryKind, Id, Instant
from drawdown.dialects.native import render, wire
from drawdown.dialects.native.render import GRANT_PREFIX, name_of, spelled
from drawdown.engine.reading.credit import Spent

DEBIT_PREFIX = "deb_"
REVERSAL_PREFIX = "rev_"


class DebitFacts(msgspec.Struct):
    """What an operation keeps of a debit beside its entries."""

    attributes: dict[str, str] = {}
    occurred_at: Instant | None = None
    metadata: dict[str, str | int | float | bool] = {}


class PriceFacts(msgspec.Struct):
    """``entitlement`` is the id in hexadecimal digits."""

    entitlement: str
    price: str


class SpendFacts(DebitFacts, kw_only=True):
    """The same of a spend."""

    quantity: str
    wallets: list[PriceFacts]


_facts_of = msgspec.json.Decoder(DebitFacts).decode
_spend_facts_of = msgspec.json.Decoder(SpendFacts).decode


def new_debit(accepted: Accepted) -> wire.Debit:
    operation, owner, kind = accepted.operation, accepted.customer, accepted.entitlement
    assert operation is not None
    assert owner is not None
    assert kind is not None
    return _debit(operation, accepted.entries, owner, kind, accepted.amount)


def new_capture(accepted: Accepted) -> wire.Debit:
    """With the hold after it, which says what it was for."""
    owner, kind, balance = accepted.customer, accepted.entitlement, accepted.balance
    assert owner is not None
    assert kind is not None
    assert accepted.hold is not None
    assert balance is not None
    hold = render.hold(accepted.hold, owner, kind, balance.available)
    return _of_hold(new_debit(accepted), hold)


def new_spend(accepted: Accepted) -> wire.Spend:
    assert accepted.operation is not None
    assert accepted.customer is not None
    kinds = [part.entitlement for part in accepted.parts]
    return _spend(accepted.operation, accepted.entries, accepted.customer, kinds)


def debit(record: Spent, hold: types.Hold | None) -> wire.Debit:
    """A debit read again; ``hold`` as it is now, if it is a capture."""
    if record.operation.kind == "spend":
        return _in_parts(spend(record))
    if record.operation.kind == "usage":
        return _usage(record)
    [kind] = record.entitlements
    shown = _debit(record.operation, record.entries, record.customer, kind, _used(record.entries))
    shown.reversed = decimal(record.reversed.get(kind.id, 0), kind.scale)
    return shown if hold is None else _of_hold(shown, render.hold(hold, record.customer, kind))


def _usage(record: Spent) -> wire.Debit:
    """What a usage event drew: of one wallet as any debit, of several in parts."""
    by_kind = [
        (kind, [entry for entry in record.entries if entry.entitlement == kind.id])
        for kind in record.entitlements
    ]
    drawn = [(kind, own) for kind, own in by_kind if any(entry.kind in types.USES for entry in own)]
    if len(drawn) == 1:
        kind, own = drawn[0]
        shown = _debit(record.operation, own, record.customer, kind, _used(own))
        shown.reversed = decimal(record.reversed.get(kind.id, 0), kind.scale)
        return shown
    facts = _facts_of(record.operation.facts)
    parts = [_part(own, kind, None) for kind, own in drawn]
    for part, (kind, _) in zip(parts, drawn, strict=True):
        part.reversed = decimal(record.reversed.get(kind.id, 0), kind.scale)
    return wire.Debit(
        id=spell(DEBIT_PREFIX, record.operation.id),
        customer=name_of(record.customer),
        entitlement=None,
        amount=None,
        draws=[draw for part in parts for draw in part.draws],
        available=None,
        overage=None,
        at=text_of(record.operation.at),
        attributes=facts.attributes,
        metadata=facts.metadata,
        parts=parts,
    )


def _used(entries: Sequence[types.Entry]) -> int:
    return sum(entry.amount for entry in entries if entry.kind in types.USES)


def spend(record: Spent) -> wire.Spend:
    """A spend read again."""
    kinds = record.entitlements
    shown = _spend(record.operation, record.entries, record.customer, kinds)
    for part, kind in zip(shown.parts, kinds, strict=True):
        part.reversed = decimal(record.reversed.get(kind.id, 0), kind.scale)
    return shown


def _debit(
    operation: types.Operation,
    entries: Sequence[types.Entry],
    owner: types.Customer,
    kind: types.Entitlement,
    amount: int,
) -> wire.Debit:
    """A debit as it was answered. The wallet after it is what its last entry says."""
    scale, last = kind.scale, entries[-1]
    facts = _facts_of(operation.facts)
    return wire.Debit(
        id=spell(DEBIT_PREFIX, operation.id),
        customer=name_of(owner),
        entitlement=kind.code,
        amount=decimal(amount, scale),
        draws=_draws(entries, scale),
        available=_available_after(last, scale),
        overage=decimal(last.overage_after, scale),
        at=text_of(operation.at),
        attributes=facts.attributes,
        metadata=facts.metadata,
        occurred_at=render.optional_time(facts.occurred_at),
        overage_charged=_overage(entries, EntryKind.OVERAGE_CHARGED, scale)
        if last.overage_after  # else nothing was
        else None,
    )


def _overage(entries: Sequence[types.Entry], kind: EntryKind, scale: int) -> str | None:
    """How much overage the entries charged or undid; None: none."""
    units = sum(entry.amount for entry in entries if entry.kind is kind)
    return decimal(units, scale) if units else None


def _of_hold(shown: wire.Debit, hold: wire.Hold) -> wire.Debit:
    shown.hold, shown.attributes, shown.metadata = hold, hold.attributes, hold.metadata
    return shown


def _in_parts(shown: wire.Spend) -> wire.Debit:
    """A spend in the shape of a debit: what is counted in one entitlement is null."""
    return wire.Debit(
        id=shown.id,
        customer=shown.customer,
        entitlement=None,
        amount=None,
        draws=[draw for part in shown.parts for draw in part.draws],
        available=None,
        overage=None,
        at=shown.at,
        attributes=shown.attributes,
        metadata=shown.metadata,
        occurred_at=shown.occurred_at,
        parts=shown.parts,
    )


def _spend(
    operation: types.Operation,
    entries: Sequence[types.Entry],
    owner: types.Customer,
    kinds: Sequence[types.Entitlement],
) -> wire.Spend:
    facts = _spend_facts_of(operation.facts)
    quantity = _amount(facts.quantity)
    prices = {each.entitlement: _amount(each.price) for each in facts.wallets}
    paid, parts = 0, []
    for kind in kinds:
        own = [entry for entry in entries if entry.entitlement == kind.id]
        steps = _steps(own, prices[kind.id.hex()], quantity.places, kind.scale)
        paid += steps
        parts.append(_part(own, kind, decimal(steps, quantity.places)))
    return wire.Spend(
        id=spell(DEBIT_PREFIX, operation.id),
        customer=name_of(owner),
        quantity=str(quantity),
        spent=decimal(paid, quantity.places),
        unpaid=decimal(quantity.digits - paid, quantity.places),
        parts=parts,
        at=text_of(operation.at),
        attributes=facts.attributes,
        metadata=facts.metadata,
        occurred_at=render.optional_time(facts.occurred_at),
    )


def _amount(text: str) -> Amount:
    found = amounts.parse(text)
    assert found is not None, "facts are kept as they were read"
    return found


def _steps(entries: Sequence[types.Entry], price: Amount, places: int, scale: int) -> int:
    """How many steps of the quantity's last place the entries paid: exact, as the core splits it."""
    units, steps = several.unit_price(price, places, scale)
    return sum(entry.amount for entry in entries) // units * steps


def _part(
    entries: Sequence[types.Entry], kind: types.Entitlement, quantity: str | None
) -> wire.SpendPart:
    return wire.SpendPart(
        entitlement=kind.code,
        quantity=quantity,
        amount=decimal(_used(entries), kind.scale),
        draws=_draws(entries, kind.scale),
        available=_available_after(entries[-1], kind.scale),
        overage_charged=_overage(entries, EntryKind.OVERAGE_CHARGED, kind.scale),
    )


def _draws(entries: Sequence[types.Entry], scale: int) -> list[wire.Draw]:
    return [
        wire.Draw(
            grant=spelled(GRANT_PREFIX, entry.grant),
            amount=decimal(entry.amount, scale),
            order_key=msgspec.Raw((entry.order_key or "null").encode()),
        )
        for entry in entries
        if entry.kind in types.DRAWS
    ]


def _available_after(entry: types.Entry, scale: int) -> str:
    return decimal(entry.posted_after - entry.held_after, scale)


def reversal(accepted: Accepted) -> wire.Reversal:
    """Credit that returns to a grant that has ended is written off in the same operation."""
    operation, kind, balance = accepted.operation, accepted.entitlement, accepted.balance
    assert operation is not None
    assert operation.subject is not None
    shown = wire.Reversal(
        id=spell(REVERSAL_PREFIX, operation.id),
        debit=spell(DEBIT_PREFIX, operation.subject),
        entitlement=None,
        amount=None,
        returns=_returns(accepted.entries, _scales(accepted)),
        available=None,
    )
    if accepted.parts:
        shown.parts = [_returned(part, accepted.entries) for part in accepted.parts]
        return shown
    assert kind is not None
    assert balance is not None
    shown.entitlement = kind.code
    shown.amount = decimal(accepted.amount, kind.scale)
    shown.available = decimal(balance.available, kind.scale)
    shown.overage_reversed = _overage(accepted.entries, EntryKind.OVERAGE_REVERSED, kind.scale)
    return shown


def _scales(accepted: Accepted) -> dict[Id, int]:
    kinds = [part.entitlement for part in accepted.parts]
    if accepted.entitlement is not None:
        kinds.append(accepted.entitlement)
    return {kind.id: kind.scale for kind in kinds}


def _returned(part: Part, entries: Sequence[types.Entry]) -> wire.ReversalPart:
    kind = part.entitlement
    own = [entry for entry in entries if entry.entitlement == kind.id]
    return wire.ReversalPart(
        entitlement=kind.code,
        amount=decimal(part.amount, kind.scale),
        returns=_returns(entries, {kind.id: kind.scale}),
        available=decimal(part.balance.available, kind.scale),
        overage_reversed=_overage(own, EntryKind.OVERAGE_REVERSED, kind.scale),
    )


def _returns(entries: Sequence[types.Entry], scales: Mapping[Id, int]) -> list[wire.Return]:
    """What went back to which grant, of the entitlements in ``scales``."""
    return [
        wire.Return(
            grant=spelled(GRANT_PREFIX, entry.grant),
            amount=decimal(entry.amount, scales[entry.entitlement]),
        )
        for entry in entries
        if entry.kind is EntryKind.REVERSED and entry.entitlement in scales
    ]
