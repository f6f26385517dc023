"""The records of access: accounts, their two books, and the keys that open them."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from drawdown.core.types import Id, Instant, Mode

ACCOUNT_PREFIX = "acct_"
KEY_PREFIX = "key_"
#: What the first start, or `drawdown init`, calls the account and the key that it makes.
FIRST_ACCOUNT, FIRST_KEY = "default", "first key"
#: In which an account's days are unless it says otherwise.
ZONE_DEFAULT = "UTC"
NAME_RULE = "1 to 100 characters without control characters"


class Role(StrEnum):
    """What a key may do: a viewer reads, an editor writes too, an admin manages keys as well."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"

    def allows(self, needed: Role) -> bool:
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {Role.VIEWER: 0, Role.EDITOR: 1, Role.ADMIN: 2}


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Who operates the server for its customers. ``zone``: where the days are days that it names."""

    id: Id
    name: str
    created_at: Instant
    zone: str = ZONE_DEFAULT


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to one book. Its secret is shown once and kept nowhere."""

    id: Id
    account: Id
    book: Id
    mode: Mode
    role: Role
    created_at: Instant
    name: str | None = None
    last_used_at: Instant | None = None
    revoked_at: Instant | None = None


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: the key, and what it opens. ``session``: he came by a token that the key has opened."""

    key_id: Id
    account: Id
    book: Id
    mode: Mode
    role: Role
    session: bool = False


class AccountNameInvalid(Exception):
    """The name of an account or key is empty, too long, or holds control characters."""


class AccountExists(Exception):
    """Another account has that name."""


class KeyRevoked(Exception):
    """The secret is right, and the key has been revoked: its holder may know."""


class SessionExpired(Exception):
    """The token is right, and its time is over."""
