"""Why a debit drew on the grants it drew on: facts, from the wallet as it was just before.

The words for them are in ``wording``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from drawdown.core import burn, lifecycle
from drawdown.core.state import Wallet
from drawdown.core.types import (
    DRAWS,
    Attributes,
    BurnOrder,
    Entitlement,
    Entry,
    EntryKind,
    Grant,
    GrantState,
    Hold,
    Instant,
    Operation,
)

#: How many grants that paid nothing are explained, of each sort.
OTHERS_MAX = 10


class Ineligible(StrEnum):
    """Why a grant could not pay."""

    NOT_EFFECTIVE = "not_effective"
    EXPIRED = "expired"
    VOIDED = "voided"
    USED_UP = "used_up"
    HELD = "held"
    OUT_OF_SCOPE = "out_of_scope"


class Drawn(msgspec.Struct, kw_only=True):
    """One draw. ``before`` is the grant that came next in burn-down order, drawn or not, if there was one.

    ``order_key`` is its place as it was recorded. What was ``captured`` the hold had chosen.
    """

    grant: Grant
    amount: int
    order_key: str
    captured: bool
    before: Grant | None = None
    decided_by: str = ""


class Later(msgspec.Struct, kw_only=True):
    """A grant that could have paid ``available`` units, but came after ``drawn``, the last one drawn."""

    grant: Grant
    available: int
    drawn: Grant
    decided_by: str


class Excluded(msgspec.Struct, kw_only=True):
    """A grant that could not pay. ``attribute``: the first one of its scope that the debit did not match."""

    grant: Grant
    reason: Ineligible
    attribute: str | None = None


class WalletPart(msgspec.Struct, kw_only=True):
    """What a debit did in one wallet. ``later_count`` counts also those that are not listed.

    ``overage`` is what went past zero: nothing that could pay was left.
    """

    entitlement: Entitlement
    draws: list[Drawn]
    reversed: int
    later: list[Later]
    later_count: int
    excluded: list[Excluded]
    overage: int = 0

    @property
    def amount(self) -> int:
        return sum(draw.amount for draw in self.draws) + self.overage


class Explanation(msgspec.Struct, kw_only=True):
    """A debit explained, wallet by wallet in the order drawn. ``hold`` is the one that was captured."""

    operation: Operation
    parts: list[WalletPart]
    valid_at: Instant
    attributes: Attributes
    hold: Hold | None = None


class Facts(msgspec.Struct):
    """What of a debit's facts says which grants could pay."""

    attributes: Attributes = {}
    valid_at: Instant | None = None


_facts_of = msgspec.json.Decoder(Facts).decode


def explain(operation: Operation, hold: Hold | None) -> Explanation:
    """An explanation without its parts yet. A capture asks for what its hold asked for."""
    facts = _facts_of(operation.facts)
    return Explanation(
        operation=operation,
        parts=[],
        valid_at=operation.at if facts.valid_at is None else facts.valid_at,
        attributes=facts.attributes if hold is None else hold.attributes,
        hold=hold,
    )


def undo_changes(grant: Grant, operations: Iterable[Operation], seq: int) -> None:
    """Give the grant the expiry it had before the wallet's entry ``seq``.

    ``operations`` amended or expired it, in any order; of them those since that entry are undone. Each
    began with the expiry that the one before it had left: so they are gone back from the present one.
    """
    befores: dict[Instant | None, list[Instant | None]] = {}
    for operation in operations:
        changed = msgspec.json.decode(operation.changed) if operation.changed else {}
        if "expires_at" not in changed or changed["seq"][0] < seq:
            continue
        before, after = changed["expires_at"]
        befores.setdefault(after, []).append(before)
        if operation.kind == "expire":
            grant.expired_at = None
    while before_it := befores.get(grant.expires_at):
        grant.expires_at = before_it.pop()


def add_part(
    explanation: Explanation,
    entitlement: Entitlement,
    wallet: Wallet,
    entries: Sequence[Entry],
    reversed_units: int,
) -> None:
    """Explain ``entries``, the debit's in one wallet, by ``wallet`` as it was just before them.

    What is due by then has been recorded, so that the grants are as the debit found them.
    """
    order = entitlement.burn_order
    draws = [entry for entry in entries if entry.kind in DRAWS]
    drawn = {entry.grant for entry in draws}
    chosen = [entry.grant for entry in draws if entry.kind is EntryKind.DEBITED]
    eligible, excluded = _judged(explanation, wallet, order)
    later = [grant for grant in eligible if chosen and grant.id not in drawn]
    explanation.parts.append(
        WalletPart(
            entitlement=entitlement,
            draws=_drawn(draws, wallet, later, order),
            reversed=reversed_units,
            later=[_later(grant, wallet.grants[chosen[-1]], order) for grant in later[:OTHERS_MAX]],
            later_count=len(later),
            excluded=[each for each in excluded if each.grant.id not in drawn],
            overage=sum(e.amount for e in entries if e.kind is EntryKind.OVERAGE_CHARGED),
        )
    )
    _cut(explanation)


def _judged(
    explanation: Explanation, wallet: Wallet, order: BurnOrder
) -> tuple[list[Grant], list[Excluded]]:
    """Which grants could pay, in burn-down order, and which could not: those with credit first."""
    eligible, excluded = [], []
    for grant in wallet.grants.values():
        found = why_not(grant, explanation.valid_at, explanation.attributes)
        if found is None:
            eligible.append(grant)
        else:
            excluded.append(found)
    eligible.sort(key=lambda grant: burn.order_of(grant, order))
    excluded.sort(key=lambda each: each.grant.id, reverse=True)
    excluded.sort(key=lambda each: _is_over(each.reason))
    return eligible, excluded


def _is_over(reason: Ineligible) -> bool:
    return reason in (Ineligible.EXPIRED, Ineligible.VOIDED, Ineligible.USED_UP)


def why_not(grant: Grant, valid_at: Instant, attributes: Attributes) -> Excluded | None:
    """Why ``grant`` cannot pay a debit valid at an instant, with its attributes; None: it can.

    The reason that lasts longest is given: what has ended, then what has not begun, the scope, the holds.
    """
    reason = _ENDS.get(lifecycle.state_of(grant, valid_at))
    if reason is None and (grant.pending or grant.effective_at > valid_at):
        reason = Ineligible.NOT_EFFECTIVE
    if reason is not None:
        return Excluded(grant=grant, reason=reason)
    for name, values in grant.scope.items():
        if attributes.get(name) not in values:
            return Excluded(grant=grant, reason=Ineligible.OUT_OF_SCOPE, attribute=name)
    return Excluded(grant=grant, reason=Ineligible.HELD) if grant.free == 0 else None


_ENDS = {
    GrantState.VOIDED: Ineligible.VOIDED,
    GrantState.EXPIRED: Ineligible.EXPIRED,
    GrantState.DEPLETED: Ineligible.USED_UP,
}


def _drawn(
    entries: Sequence[Entry], wallet: Wallet, later: Sequence[Grant], order: BurnOrder
) -> list[Drawn]:
    """Each draw, and if it was chosen in this debit, the grant that came next."""
    grants = [wallet.grants[entry.grant] for entry in entries] + list(later[:1])
    found = []
    for place, entry in enumerate(entries):
        assert entry.order_key is not None, "every draw has one"
        draw = Drawn(
            grant=grants[place],
            amount=entry.amount,
            order_key=entry.order_key,
            captured=entry.kind is EntryKind.CAPTURED,
        )
        if not draw.captured and place + 1 < len(grants):
            draw.before = grants[place + 1]
            draw.decided_by = burn.decided_by(draw.grant, draw.before, order)
        found.append(draw)
    return found


def _later(grant: Grant, last: Grant, order: BurnOrder) -> Later:
    return Later(
        grant=grant,
        available=grant.free,
        drawn=last,
        decided_by=burn.decided_by(last, grant, order),
    )


def _cut(explanation: Explanation) -> None:
    """Of all wallets together no more than ``OTHERS_MAX`` of each sort, the first wallet's first."""
    later_left = excluded_left = OTHERS_MAX
    for part in explanation.parts:
        part.later, part.excluded = part.later[:later_left], part.excluded[:excluded_left]
        later_left -= len(part.later)
        excluded_left -= len(part.excluded)
