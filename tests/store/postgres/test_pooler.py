"""Behind a pooler the ledger works, or it says at the start that it does not."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from drawdown.engine.ports import StoreUnusable
from drawdown.store.postgres import pooler
from drawdown.store.postgres.store import PostgresStore
from tests.support import pgbouncer
from tests.support.books import open_book, open_ledger_on, verified

pytestmark = pytest.mark.anyio

#: From this version on PgBouncer knows which statements it has prepared where.
KNOWS_STATEMENTS = (1, 21)


def statements_are_kept() -> bool:
    return pgbouncer.version() >= KNOWS_STATEMENTS


async def use(url: str) -> None:
    """Two processes' worth of stores, over fewer connections than they have; every debit is made once."""
    ledgers = [open_ledger_on(await PostgresStore.open(url)) for _ in range(2)]
    book = await open_book(ledgers[0])
    other = type(book)(ledgers[1], book.id)
    customer = await book.customer()
    await book.grant(customer, 1_000)
    for start in range(0, 200, 20):
        keys = [f"key-{start + n}" for n in range(20)]
        asked = [each.debit(customer, 1, key) for key in keys for each in (book, other)]
        reads = [each.balance(customer) for _ in keys for each in (book, other)]
        answers, _ = await asyncio.gather(asyncio.gather(*asked), asyncio.gather(*reads))
        assert len({answer.body for answer in answers}) == 20
    assert (await other.balance(customer)).used == 200
    await verified(ledgers[0])
    for ledger in ledgers:
        await ledger.close()


async def test_a_pooler_is_noticed(url: str) -> None:
    """Whoever answers has another number than was told; without a pooler it is the same."""
    direct = await asyncpg.connect(url)
    assert not await pooler.is_between(direct)
    await direct.close()
    with pgbouncer.pooled(url, pool_mode="session") as behind:
        through = await asyncpg.connect(behind)
        assert await pooler.is_between(through)
        await through.close()


async def test_behind_a_session_pooler_the_ledger_works(url: str) -> None:
    with pgbouncer.pooled(url, pool_mode="session") as behind:
        await use(behind)


async def test_behind_a_transaction_pooler_that_keeps_statements_the_ledger_works(url: str) -> None:
    if not statements_are_kept():
        pytest.skip("PgBouncer keeps prepared statements from 1.21 on")
    settings = {"max_prepared_statements": "200", "default_pool_size": "4"}
    with pgbouncer.pooled(url, pool_mode="transaction", **settings) as behind:
        await use(behind)


async def test_behind_a_transaction_pooler_that_loses_statements_it_does_not_start(
    url: str,
) -> None:
    settings = {"max_prepared_statements": "0"} if statements_are_kept() else {}
    with (
        pgbouncer.pooled(url, pool_mode="transaction", **settings) as behind,
        pytest.raises(StoreUnusable, match="loses prepared statements"),
    ):
        await PostgresStore.open(behind)


async def test_behind_a_statement_pooler_it_does_not_start(url: str) -> None:
    with (
        pgbouncer.pooled(url, pool_mode="statement") as behind,
        pytest.raises(StoreUnusable, match="pool_mode transaction or session"),
    ):
        await PostgresStore.open(behind)


@pytest.mark.parametrize("limit", ["max_connections", "role", "database"])
async def test_fewer_connections_than_are_wanted_are_told(url: str, limit: str) -> None:
    """Whichever limit is the lowest is named; as many as there are is enough."""
    admin = await asyncpg.connect(url)
    name = await admin.fetchval("SELECT current_database()")
    wanted = 1_000
    if limit == "database":
        await admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 20")
        wanted = 21
    if limit == "role":
        await admin.execute("ALTER ROLE postgres CONNECTION LIMIT 20")
        wanted = 21
    store = await PostgresStore.open(url, wanted)
    [told] = [each for each in await store.weaknesses() if "CONNECTIONS_MAX" in each]
    await store.close()
    await admin.execute("ALTER ROLE postgres CONNECTION LIMIT -1")
    assert f"is {wanted}" in told
    assert limit in told
    enough = await PostgresStore.open(url, 20)
    assert not [each for each in await enough.weaknesses() if "CONNECTIONS_MAX" in each]
    await enough.close()
    await admin.close()
