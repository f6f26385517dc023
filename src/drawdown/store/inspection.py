"""What looking at a ledger of any schema tells, whatever database keeps it."""

from __future__ import annotations

import msgspec

from drawdown.core.types import Id, Instant, Mode
from drawdown.engine.accounts import Role


class LiveKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was not revoked."""

    id: Id
    account: str
    mode: Mode
    role: Role
    name: str | None


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """Wallets in which something fell due that is not recorded yet, and when the first of it did."""

    wallets: int
    since: Instant | None
