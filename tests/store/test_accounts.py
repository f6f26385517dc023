"""Accounts, books and keys as a store keeps them."""

from __future__ import annotations

import asyncio
import hashlib

import msgspec
import pytest

from drawdown.core.errors import FieldInvalid
from drawdown.core.identity import spell
from drawdown.core.types import Instant, Mode
from drawdown.engine import access, sessions
from drawdown.engine.access import TOUCH_EVERY, ZONE_SECONDS
from drawdown.engine.accounts import (
    Account,
    AccountExists,
    AccountNameInvalid,
    KeyRevoked,
    Principal,
    Role,
    SessionExpired,
)
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.opening import is_postgres
from drawdown.store.postgres.store import KEY_SECONDS
from tests.support.books import START, open_ledger_on
from tests.support.stores import Database, opened

pytestmark = pytest.mark.anyio


async def test_an_account_has_a_book_of_each_mode(database: Database, ledger: Ledger) -> None:
    made = [await ledger.accounts.create_account(name) for name in ("zebra", "Ärger & Söhne")]
    books = {await ledger.accounts.book(account.id, mode) for account in made for mode in Mode}
    assert len(books) == 4
    async with opened(database) as store:
        assert await store.list_accounts() == made
        assert await store.find_book(made[0].id, "test") in books
        assert await store.find_book(next(iter(books)), "test") is None
    for account in made:
        book = await ledger.accounts.book(account.id, Mode.LIVE)
        assert await ledger.accounts.of_book(book) == account.id
        for mode in Mode:
            book = await ledger.accounts.book(account.id, mode)
            assert await ledger.accounts.mode_of(book) is mode


@pytest.mark.parametrize("name", ["", "x" * 101, "tab\there", "line\nbreak"])
async def test_a_name_is_short_and_printable(ledger: Ledger, name: str) -> None:
    with pytest.raises(AccountNameInvalid):
        await ledger.accounts.create_account(name)
    account = await ledger.accounts.create_account("fine")
    with pytest.raises(AccountNameInvalid):
        await ledger.accounts.create_key(account.id, Mode.TEST, Role.VIEWER, name)
    assert await ledger.accounts.keys() == []


async def test_names_of_accounts_are_unique(ledger: Ledger) -> None:
    await ledger.accounts.create_account("one")
    with pytest.raises(AccountExists):
        await ledger.accounts.create_account("one")
    assert len(await ledger.accounts.accounts()) == 1


async def test_an_account_has_a_zone_of_its_own_which_is_utc_at_first(
    database: Database, ledger: Ledger
) -> None:
    plain = await ledger.accounts.create_account("plain")
    made = await ledger.accounts.create_account("abroad", "Pacific/Apia")
    assert (plain.zone, made.zone) == ("UTC", "Pacific/Apia")
    await ledger.accounts.set_zone(plain.id, "Asia/Kathmandu")
    async with opened(database) as store:
        kept = [await store.find_zone(account.id) for account in (plain, made)]
        assert kept == ["Asia/Kathmandu", "Pacific/Apia"]
        assert [account.zone for account in await store.list_accounts()] == kept


async def test_a_zone_that_changes_is_known_here_at_once_and_elsewhere_in_a_second(
    database: Database, ledger: Ledger
) -> None:
    account = await ledger.accounts.create_account("moving")
    async with opened(database) as store:
        elsewhere = open_ledger_on(store, ManualClock(START))
        assert await elsewhere.accounts.zone_of(account.id) == "UTC"
        assert await ledger.accounts.zone_of(account.id) == "UTC"
        await ledger.accounts.set_zone(account.id, "Europe/Berlin")
        assert await ledger.accounts.zone_of(account.id) == "Europe/Berlin"
        await asyncio.sleep(ZONE_SECONDS)
        assert await elsewhere.accounts.zone_of(account.id) == "Europe/Berlin"


async def test_zones_are_kept_in_mind_of_so_many_accounts(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "ZONES_MAX", 2)
    zones = ["UTC", "Asia/Tokyo", "America/Havana"]
    made = [await ledger.accounts.create_account(zone, zone) for zone in zones]
    for _ in range(2):
        assert [await ledger.accounts.zone_of(account.id) for account in made] == zones


@pytest.mark.parametrize("zone", ["", "Berlin", "europe/berlin", "../UTC", "+01:00", "localtime"])
async def test_a_zone_that_nobody_knows_is_refused(ledger: Ledger, zone: str) -> None:
    """Nothing is made, and nothing changed."""
    with pytest.raises(FieldInvalid, match="zone must be the name of a time zone"):
        await ledger.accounts.create_account("one", zone)
    account = await ledger.accounts.create_account("one")
    with pytest.raises(FieldInvalid, match="zone must be the name of a time zone"):
        await ledger.accounts.set_zone(account.id, zone)
    assert await ledger.accounts.accounts() == [account]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("role", list(Role))
async def test_a_key_opens_its_book_and_no_other(
    database: Database, ledger: Ledger, mode: Mode, role: Role
) -> None:
    """Kept with every field; its secret is kept nowhere."""
    account = await ledger.accounts.create_account("one")
    key, secret = await ledger.accounts.create_key(account.id, mode, role, "name ✓")
    principal = await ledger.accounts.authenticate(secret)
    assert principal is not None
    assert (principal.key_id, principal.account, principal.mode, principal.role) == (
        key.id,
        account.id,
        mode,
        role,
    )
    assert principal.book == await ledger.accounts.book(account.id, mode)
    async with opened(database) as store:
        found = await store.find_key(key.id)
        assert found is not None
        assert found[0] == key
        assert secret.encode() not in found[1]
        assert await store.list_keys() == [key]


async def test_a_wrong_secret_opens_nothing(ledger: Ledger) -> None:
    """Each character counts; so does the id given beside it."""
    account = await ledger.accounts.create_account("one")
    key, secret = await ledger.accounts.create_key(account.id, Mode.TEST, Role.ADMIN)
    other, _ = await ledger.accounts.create_key(account.id, Mode.TEST, Role.ADMIN)
    swapped = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    live = secret.replace("sk_test_", "sk_live_")
    for wrong in (swapped, live, secret[:-1], secret + "0", "", "sk_test_", "\ud800", "ä" * 62):
        assert await ledger.accounts.authenticate(wrong) is None
    assert await ledger.accounts.authenticate(secret, spell("key_", other.id)) is None
    assert await ledger.accounts.authenticate(secret, "nonsense") is None
    assert await ledger.accounts.authenticate(secret, spell("key_", key.id)) is not None


async def test_a_key_revoked_in_another_process_opens_nothing(
    database: Database, ledger: Ledger
) -> None:
    """From the next request on; on PostgreSQL from a second later. It cannot be revoked twice."""
    account = await ledger.accounts.create_account("one")
    key, secret = await ledger.accounts.create_key(account.id, Mode.LIVE, Role.EDITOR)
    assert await ledger.accounts.authenticate(secret) is not None
    other = open_ledger_on(await database.open(), ManualClock(Instant(START + 5)))
    assert await other.accounts.revoke_key(key.id)
    assert not await other.accounts.revoke_key(key.id)
    assert not await other.accounts.revoke_key(account.id)
    await other.close()
    await asyncio.sleep(KEY_SECONDS if is_postgres(database.url) else 0)
    with pytest.raises(KeyRevoked):
        await ledger.accounts.authenticate(secret)
    wrong = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    assert await ledger.accounts.authenticate(wrong) is None
    assert [found.revoked_at for found in await ledger.accounts.keys(account.id)] == [START + 5]


async def test_the_last_use_of_a_key_is_written_down(ledger: Ledger, clock: ManualClock) -> None:
    """At most once a minute, when a job comes by; never backwards."""
    account = await ledger.accounts.create_account("one")
    _, secret = await ledger.accounts.create_key(account.id, Mode.TEST, Role.VIEWER)

    async def used_at(now: int) -> Instant | None:
        clock.instant = Instant(now)
        assert await ledger.accounts.authenticate(secret) is not None
        await ledger.accounts.write_down_uses()
        return (await ledger.accounts.keys())[0].last_used_at

    assert (await ledger.accounts.keys())[0].last_used_at is None
    assert await used_at(START) == START
    assert await used_at(START + TOUCH_EVERY - 1) == START
    assert await used_at(START + TOUCH_EVERY) == START + TOUCH_EVERY
    assert await used_at(START) == START + TOUCH_EVERY


async def test_a_first_start_makes_one_account_and_key(ledger: Ledger) -> None:
    """On an empty database only."""
    first = await ledger.accounts.first_start()
    assert first is not None
    _, key, secret = first
    assert (key.mode, key.role) == (Mode.TEST, Role.ADMIN)
    assert await ledger.accounts.authenticate(secret) is not None
    assert await ledger.accounts.first_start() is None
    assert len(await ledger.accounts.accounts()) == 1


async def test_an_account_that_is_only_half_made_is_not_there(
    database: Database, ledger: Ledger
) -> None:
    """Account and books are made in one transaction."""
    account = await ledger.accounts.create_account("one")
    async with opened(database) as store:
        twice = [(await ledger.accounts.book(account.id, Mode.TEST), "test")]
        other = type(account)(id=twice[0][0], name="two", created_at=START)
        with pytest.raises(Exception, match=r"(?i)unique"):
            await store.create_account(other, twice)
        assert await store.list_accounts() == [account]


async def test_a_session_stands_for_its_key_until_it_ends(database: Database) -> None:
    """Every process knows it, and nobody else's key or a word of it more or less does."""
    clock = ManualClock(START)
    async with opened(database) as store:
        ledger = open_ledger_on(store, clock)
        account = await ledger.accounts.create_account("one")
        principal, other = [await opening(ledger, account) for _ in range(2)]
        token = await ledger.sessions.open(principal, Instant(START + 10))
        async with opened(database) as another:
            found = await sessions.Sessions(another, clock, ledger.submit).find(token)
        assert found == msgspec.structs.replace(principal, session=True)
        assert await ledger.authenticate(token) is None
        prefix, named, drawn = token.split("_")
        others = (await ledger.sessions.open(other, Instant(START + 10))).split("_")[1]
        for wrong in (f"{prefix}_{others}_{drawn}", token[:-1], f"{token}0", f"{prefix}_{named}_"):
            assert await ledger.sessions.find(wrong) is None
        clock.instant = Instant(START + 10)
        with pytest.raises(SessionExpired):
            await ledger.sessions.find(token)
        later = await ledger.sessions.open(principal, Instant(START + 99))
        assert await ledger.accounts.revoke_key(principal.key_id)
        with pytest.raises(KeyRevoked):
            await ledger.sessions.find(later)


async def test_who_reads_the_database_learns_no_token_of_a_session(database: Database) -> None:
    """What is kept is a hash, of which no token follows; the key's own hash opens nothing either."""
    clock = ManualClock(START)
    async with opened(database) as store:
        ledger = open_ledger_on(store, clock)
        principal = await opening(ledger, await ledger.accounts.create_account("one"))
        token = await ledger.sessions.open(principal, Instant(START + 10))
        prefix, named, drawn = token.split("_")
        digest = hashlib.sha256(token.encode()).hexdigest()
        claim = await store.find_claim((principal.book, sessions.SPACE, digest))
        assert claim is not None
        assert drawn.encode() not in msgspec.json.encode(claim)
        key = await store.find_key(principal.key_id)
        assert key is not None
        for kept in (digest, key[1].hex()):
            assert await ledger.sessions.find(f"{prefix}_{named}_{kept}") is None


async def opening(ledger: Ledger, account: Account) -> Principal:
    _, secret = await ledger.accounts.create_key(account.id, Mode.TEST, Role.EDITOR)
    found = await ledger.authenticate(secret)
    assert found is not None
    return found
