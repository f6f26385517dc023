"""What is kept from one transaction to the next: no balance, only what stays as it is.

An own id and a code lead to the same thing for ever, so they are asked for once. What an entitlement is
like is taken for true for a second, as API keys are.
"""

from __future__ import annotations

import time

from drawdown.core.state import CUSTOMER_OWN_ID, ENTITLEMENT_CODE, Name
from drawdown.core.types import Entitlement, Id

_FOREVER = frozenset({CUSTOMER_OWN_ID, ENTITLEMENT_CODE})
#: About 15 MB of names; the oldest go first.
NAMES_KEPT = 50_000
ENTITLEMENTS_KEPT = 10_000
ENTITLEMENT_SECONDS = 1.0


class Facts:
    """One process's knowledge of one database. Only what is committed may be noted."""

    def __init__(self) -> None:
        self._names: dict[Name, Id] = {}
        self._entitlements: dict[Id, tuple[float, Entitlement]] = {}

    def name(self, name: Name) -> Id | None:
        """What a name is known to lead to; None: it has to be asked for."""
        return self._names.get(name)

    def note_name(self, name: Name, target: Id) -> None:
        if name[1] not in _FOREVER:
            return
        if len(self._names) >= NAMES_KEPT:
            del self._names[next(iter(self._names))]
        self._names[name] = target

    def entitlement(self, entitlement: Id) -> Entitlement | None:
        """An entitlement as it was a moment ago; None: it has to be asked for."""
        known = self._entitlements.get(entitlement)
        return known[1] if known is not None and time.monotonic() < known[0] else None

    def note_entitlement(self, entitlement: Entitlement) -> None:
        if len(self._entitlements) >= ENTITLEMENTS_KEPT:
            del self._entitlements[next(iter(self._entitlements))]
        until = time.monotonic() + ENTITLEMENT_SECONDS
        self._entitlements[entitlement.id] = (until, entitlement)
