"""Which credit pays for which lines: over invoices, their lines, and the grants, in one order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from drawdown.core import burn
from drawdown.core.types import Attributes, Grant, Id, Instant

Shares = list[tuple[Grant, int]]


class Claimed(msgspec.Struct, frozen=True):
    """What credit is asked to pay: ``units`` at most, by grants that are valid then and in scope."""

    units: int
    valid_at: Instant
    attributes: Attributes


def allocate(grants: Sequence[Grant], claims: Iterable[Claimed], step: int) -> list[Shares]:
    """What each grant pays of each claim, as far as credit goes. ``grants`` come in burn-down order.

    The claims come in theirs; the first takes first. Each share is a whole number of ``step`` units, so that
    what is shown in minor units adds up. Nothing is moved.
    """
    taken: dict[Id, int] = {}
    found: list[Shares] = []
    for claim in claims:
        left, shares = claim.units, Shares()
        for grant in grants:
            if left == 0:
                break
            if not burn.is_eligible(grant, claim.valid_at, claim.attributes):
                continue
            free = (grant.free - taken.get(grant.id, 0)) // step * step
            share = min(left, free)
            if share > 0:
                shares.append((grant, share))
                taken[grant.id] = taken.get(grant.id, 0) + share
                left -= share
        found.append(shares)
    return found
