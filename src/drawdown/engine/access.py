"""Makes accounts and keys, and tells who a secret belongs to."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from drawdown.core import identity
from drawdown.core.schedules import calendar
from drawdown.core.types import MICROSECONDS, Id, Instant, Mode
from drawdown.engine.accounts import (
    FIRST_ACCOUNT,
    FIRST_KEY,
    NAME_RULE,
    ZONE_DEFAULT,
    Account,
    AccountExists,
    AccountNameInvalid,
    ApiKey,
    KeyRevoked,
    Principal,
    Role,
)
from drawdown.engine.ports import Clock, Ids, Store

SECRET_CHARACTERS = 32
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARACTERS = 22
#: A key's last use is written down at most this often: it is for people, not for counting.
TOUCH_EVERY = 60 * MICROSECONDS
#: Of so many accounts the zone is kept in mind for so long: another process may change it.
ZONES_MAX = 10_000
ZONE_SECONDS = 1.0


class Accounts:
    """Makes and finds accounts and keys; tells who a secret belongs to."""

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._used: dict[Id, Instant] = {}
        self._touched: dict[Id, Instant] = {}
        self._modes: dict[Id, Mode] = {}
        #: And until when it is taken for true, on the monotonic clock.
        self._zones: dict[Id, tuple[str, float]] = {}

    async def create_account(self, name: str, zone: str = ZONE_DEFAULT) -> Account:
        """An account with a test and a live book. Raises ``AccountExists``, ``FieldInvalid``: the zone."""
        _check_name(name)
        calendar.zone_of(zone)
        account = Account(id=self._ids.new(), name=name, created_at=self._clock.now(), zone=zone)
        books = [(self._ids.new(), mode.value) for mode in Mode]
        await self._store.create_account(account, books)
        return account

    async def accounts(self) -> list[Account]:
        return await self._store.list_accounts()

    async def set_zone(self, account: Id, zone: str) -> None:
        """Days are read and shown in it from now on; no instant changes. Raises ``FieldInvalid``.

        Other processes know it after ``ZONE_SECONDS`` at the latest.
        """
        calendar.zone_of(zone)
        await self._store.set_zone(account, zone)
        self._zones.pop(account, None)

    async def zone_of(self, account: Id) -> str:
        """In which the days are that the account names."""
        zone, until = self._zones.get(account, ("", 0.0))
        if time.monotonic() < until:
            return zone
        zone = await self._store.find_zone(account)
        if len(self._zones) >= ZONES_MAX:
            self._zones.clear()
        self._zones[account] = zone, time.monotonic() + ZONE_SECONDS
        return zone

    async def book(self, account: Id, mode: Mode) -> Id:
        found = await self._store.find_book(account, mode.value)
        assert found is not None, "every account has a book of each mode"
        return found

    async def of_book(self, book: Id) -> Id:
        """The account that a book belongs to."""
        return await self._store.account_of(book)

    async def mode_of(self, book: Id) -> Mode:
        """It is looked up once: a book stays what it is."""
        if book not in self._modes:
            account = await self.of_book(book)
            is_test = await self.book(account, Mode.TEST) == book
            self._modes[book] = Mode.TEST if is_test else Mode.LIVE
        return self._modes[book]

    async def create_key(
        self, account: Id, mode: Mode, role: Role, name: str | None = None
    ) -> tuple[ApiKey, str]:
        """A new key and its secret, which cannot be had again."""
        if name is not None:
            _check_name(name)
        key = ApiKey(
            id=self._ids.new(),
            account=account,
            book=await self.book(account, mode),
            mode=mode,
            role=role,
            created_at=self._clock.now(),
            name=name,
        )
        secret = new_secret(key)
        await self._store.create_key(key, digest_of(secret))
        return key, secret

    async def keys(self, account: Id | None = None) -> list[ApiKey]:
        keys = await self._store.list_keys()
        return [key for key in keys if account is None or key.account == account]

    async def revoke_key(self, key: Id) -> bool:
        """Whether there was such a key to revoke. It opens nothing from now on."""
        return await self._store.revoke_key(key, self._clock.now())

    async def first_start(
        self, name: str = FIRST_ACCOUNT, mode: Mode = Mode.TEST, zone: str = ZONE_DEFAULT
    ) -> tuple[Account, ApiKey, str] | None:
        """On an empty database: an account and an admin's key to its book. None on any other.

        Raises ``FieldInvalid``: the zone.
        """
        if await self._store.list_accounts():
            return None
        try:
            account = await self.create_account(name, zone)
        except AccountExists:  # another process was first
            return None
        key, secret = await self.create_key(account.id, mode, Role.ADMIN, FIRST_KEY)
        return account, key, secret

    async def authenticate(self, secret: str, key_id: str | None = None) -> Principal | None:
        """Who ``secret`` belongs to; None for a wrong one. ``key_id`` must name the same key.

        Raises ``KeyRevoked``. The secret names its key, so that what is compared, in constant time, is
        one hash with one hash.
        """
        named = _key_of(secret)
        found = None if named is None else await self._store.find_key(named)
        kept = bytes(32) if found is None else found[1]
        matches = hmac.compare_digest(kept, digest_of(secret))
        if found is None or not matches:
            return None
        key = found[0]
        if key_id is not None and identity.parse(key_id) != key.id:
            return None
        if key.revoked_at is not None:
            raise KeyRevoked
        self._note_use(key.id)
        return Principal(
            key_id=key.id, account=key.account, book=key.book, mode=key.mode, role=key.role
        )

    def _note_use(self, key: Id) -> None:
        now = self._clock.now()
        if now - self._touched.get(key, -TOUCH_EVERY) >= TOUCH_EVERY:
            self._touched[key] = now
            self._used[key] = now

    async def write_down_uses(self) -> None:
        """Store when keys were last used; called now and then, and before closing."""
        if self._used:
            used, self._used = self._used, {}
            await self._store.touch_keys(list(used.items()))


def new_secret(key: ApiKey) -> str:
    """``sk_test_`` or ``sk_live_``, the key's id, and 190 random bits, in base 62."""
    random_part = "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_CHARACTERS))
    return identity.spell(f"sk_{key.mode.value}_", key.id) + random_part


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _key_of(secret: str) -> Id | None:
    """The key that a secret names, if it has the form of one."""
    if not secret.startswith(("sk_test_", "sk_live_")):
        return None
    start = len("sk_test_")
    if len(secret) != start + _ID_CHARACTERS + SECRET_CHARACTERS:
        return None
    return identity.parse(secret[start : start + _ID_CHARACTERS])


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise AccountNameInvalid(f"The name must be {NAME_RULE}.")
