"""Where Citus is found, migrating spreads the tables: on plain PostgreSQL that plays its part."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import asyncpg
import pytest

from drawdown.engine.clocks import ManualClock
from drawdown.engine.ports import StoreUnavailable
from drawdown.opening import open_store
from drawdown.store.postgres import distribution
from drawdown.store.postgres.citus import CitusStore
from drawdown.store.postgres.distribution import BY_SLOT, EVERYWHERE, distribute
from tests.conftest import StartServer
from tests.support.books import START, open_book, open_ledger_on, verified
from tests.support.commands import drawdown
from tests.support.postgres import VERSIONS, Clusters, apart
from tests.support.spread import SHARDS, pretend_citus

pytestmark = pytest.mark.anyio

TABLES = len(EVERYWHERE) + len(BY_SLOT)


@pytest.fixture(params=VERSIONS)
def empty(request: pytest.FixtureRequest, clusters: Clusters) -> Iterator[str]:
    """A database with Citus in which no ledger was made."""
    with clusters.of(request.param).database("template0") as url:
        pretend_citus(url)
        yield url


async def rows(url: str, sql: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    found: list[Any] = await connection.fetch(sql)
    await connection.close()
    return found


async def spread(url: str) -> dict[str, tuple[bytes, str | None]]:
    """How each table is spread, and with which other one."""
    sql = "SELECT logicalrelid::text, partmethod, colocated FROM pg_dist_partition"
    return {row[0]: (row[1], row[2]) for row in await rows(url, sql)}


async def test_every_table_but_those_of_bookkeeping_is_spread(empty: str) -> None:
    """What has a slot by it, and all of it together; what has none is everywhere."""
    store = await open_store(empty)
    assert isinstance(store, CitusStore)
    await store.close()
    found = await spread(empty)
    with_slot = await rows(
        empty,
        "SELECT attrelid::regclass::text FROM pg_attribute WHERE attname = 'slot'"
        " AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r')",
    )
    assert {row[0] for row in with_slot} == set(BY_SLOT)
    assert found == {
        **dict.fromkeys(EVERYWHERE, (b"n", None)),
        **dict.fromkeys(BY_SLOT, (b"h", "customer")),
        "customer": (b"h", "none"),
    }
    tables = await rows(empty, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ours = {row[0] for row in tables if not row[0].startswith("pg_")}
    assert ours - found.keys() == {"drawdown_schema"}


async def test_what_is_spread_already_is_left_alone(empty: str) -> None:
    await (await open_store(empty)).close()
    connection = await asyncpg.connect(empty)
    assert await distribute(connection) == 0
    await connection.close()
    await (await open_store(empty)).close()


async def test_two_processes_that_start_at_once_spread_each_table_once(empty: str) -> None:
    stores = await asyncio.gather(*(open_store(empty) for _ in range(3)))
    assert len(await spread(empty)) == TABLES
    for store in stores:
        await store.close()


async def test_what_was_broken_off_goes_on_where_it_ended(empty: str) -> None:
    how, spoilt = distribution._how, "SELECT 1 / 0 + length($1::text)"
    queries = distribution.citus_queries()
    with (
        patch.dict(queries, {"spoilt": spoilt}),
        patch.object(
            distribution, "_how", lambda table: "spoilt" if table == "hold" else how(table)
        ),
        pytest.raises(StoreUnavailable, match="division by zero"),
    ):
        await open_store(empty)
    assert list(await spread(empty)) == [*EVERYWHERE, *BY_SLOT[: BY_SLOT.index("hold")]]
    await (await open_store(empty)).close()
    assert len(await spread(empty)) == TABLES


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_ledger_that_was_there_before_citus_goes_on(
    clusters: Clusters, version: int
) -> None:
    """Its customers live where their ids say, and are found by names that are elsewhere."""
    with clusters.of(version).database() as url:
        ledger = open_ledger_on(await open_store(url), ManualClock(START))
        book = await open_book(ledger)
        for customer in ("ada", "grace", "mary", "joan"):
            await book.customer(customer)
            await book.grant(customer, 10)
        await ledger.close()
        await asyncio.to_thread(pretend_citus, url)
        store = await open_store(url)
        assert isinstance(store, CitusStore)
        book.ledger = open_ledger_on(store, ManualClock(START))
        for customer in ("ada", "grace", "mary", "joan"):
            await book.debit(customer, 3)
            assert (await book.balance(customer)).posted == 7
        await verified(book.ledger)
        await book.ledger.close()


def test_migrate_and_the_doctor_tell_what_is_not_spread(empty: str) -> None:
    pending = drawdown("migrate", "--check", "--database", empty)
    assert pending.code == 1
    assert f"Citus is there: {TABLES} tables to distribute." in pending.out
    done = drawdown("migrate", "--database", empty)
    assert (done.code, f"Citus has distributed {TABLES} tables." in done.out) == (0, True)
    again = drawdown("migrate", "--check", "--json", "--database", empty)
    assert (again.code, again.json()["undistributed"]) == (0, 0)
    apart(rows(empty, "DELETE FROM pg_dist_partition WHERE logicalrelid = 'entry'::regclass"))
    assert drawdown("migrate", "--check", "--database", empty).code == 1
    said = drawdown("doctor", "--database", empty)
    assert "Citus has not distributed entry." in said.out


def test_the_server_says_over_how_many_shards_it_works(empty: str, serve: StartServer) -> None:
    logged = serve(database=empty).log_lines()
    [told] = [line for line in logged if line["event"] == "the tables are spread"]
    assert told["shards"] == SHARDS
