"""Migrations in PostgreSQL: what two releases side by side can bear, and that any way leads to one schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import asyncpg
import pytest

from drawdown.engine.ports import SchemaNewer, StoreUnusable
from drawdown.store.postgres import connection as opening
from drawdown.store.postgres.connection import Step, migrate, migrations, schema_of
from drawdown.store.postgres.store import PostgresStore
from tests.support.commands import drawdown
from tests.support.postgres import VERSIONS, Clusters

pytestmark = pytest.mark.anyio

#: A made-up history: a release with two names for a thing; the next adds a whole one, and then drops them.
FIRST = [Step(1, "person.pre", "CREATE TABLE person (id int PRIMARY KEY, first text, last text);")]
SECOND = [
    *FIRST,
    Step(
        2,
        "name.pre",
        "ALTER TABLE person ADD name text; CREATE INDEX person_name ON person (name);",
    ),
    Step(
        3,
        "fill.pre",
        "UPDATE person SET name = first || ' ' || last WHERE name IS NULL;",
    ),
    Step(4, "parts.post", "ALTER TABLE person DROP first; ALTER TABLE person DROP last;"),
]
THIRD = [*SECOND, Step(5, "age.pre", "ALTER TABLE person ADD age int CHECK (age >= 0);")]
CATALOGUE = """
SELECT 'column', c.relname, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull::text
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint', c.relname, n.conname::text, pg_get_constraintdef(n.oid), ''
FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
WHERE n.connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', tablename, indexname::text, indexdef, '' FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'options', relname, reloptions::text, '', '' FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
ORDER BY 1, 2, 3
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def empty(clusters: Clusters) -> Iterator[str]:
    with clusters.of(VERSIONS[-1]).database("template0") as url:
        yield url


@pytest.fixture
def other(clusters: Clusters) -> Iterator[str]:
    with clusters.of(VERSIONS[-1]).database("template0") as url:
        yield url


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await opening.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def catalogue(connection: Any) -> list[tuple[Any, ...]]:
    """Every table, column, constraint and index, as the database itself describes them."""
    return [tuple(row) for row in await connection.fetch(CATALOGUE)]


async def test_any_way_through_the_releases_leads_to_the_schema_of_a_new_database(
    empty: str, other: str
) -> None:
    async with connected(empty) as old, connected(other) as new:
        assert await migrate(old, steps=FIRST) == 1
        await old.execute("INSERT INTO person VALUES (1, 'Lin', 'Chen')")
        assert await migrate(old, steps=SECOND) == 2
        assert await migrate(old, steps=SECOND, finish=True) == 1
        assert await migrate(old, steps=THIRD) == 1
        assert await migrate(new, steps=THIRD) == 5, "nobody uses a new database yet"
        assert await catalogue(old) == await catalogue(new)
        assert len(await catalogue(new)) > 5
        assert await old.fetchval("SELECT name FROM person") == "Lin Chen"
        assert await migrate(old, steps=THIRD, finish=True) == 0


async def test_the_previous_release_runs_until_the_upgrade_is_finished(empty: str) -> None:
    async with connected(empty) as connection:
        await migrate(connection, steps=FIRST)
        await migrate(connection, steps=SECOND)
        assert await schema_of(connection, FIRST) == 3
        assert await migrate(connection, steps=FIRST) == 0
        await connection.execute("INSERT INTO person VALUES (1, 'Lin', 'Chen')")
        await migrate(connection, steps=SECOND, finish=True)
        with pytest.raises(SchemaNewer, match="schema 4, this release knows 1"):
            await migrate(connection, steps=FIRST)


async def test_a_release_later_nothing_runs_before_the_upgrade_is_finished(empty: str) -> None:
    """What the release in between could not bear waits for a word; so does all that builds upon it."""
    async with connected(empty) as connection:
        await migrate(connection, steps=FIRST)
        with pytest.raises(StoreUnusable, match="migrate --finish"):
            await migrate(connection, steps=THIRD)
        assert await schema_of(connection, THIRD) == 1
        assert await migrate(connection, steps=THIRD, finish=True) == 4


async def test_a_step_that_fails_leaves_nothing_of_itself(empty: str) -> None:
    broken = [*FIRST, Step(2, "broken.pre", "ALTER TABLE person ADD name text; SELECT 1 / 0;")]
    async with connected(empty) as connection:
        await migrate(connection, steps=FIRST)
        before = await catalogue(connection)
        with pytest.raises(asyncpg.DivisionByZeroError):
            await migrate(connection, steps=broken)
        assert await schema_of(connection, broken) == 1
        assert await catalogue(connection) == before


async def test_the_steps_are_numbered_without_a_gap_and_lead_to_one_schema(
    empty: str, other: str
) -> None:
    """One by one, each with the words of an upgrade, or all at once."""
    steps = migrations()
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert not steps[0].is_post
    async with connected(empty) as old, connected(other) as new:
        for known in range(1, len(steps) + 1):
            assert await migrate(old, steps=steps[:known], finish=True) == 1
        await migrate(new)
        assert await catalogue(old) == await catalogue(new)


async def test_serve_and_migrate_stop_before_what_needs_a_word(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = migrations()
    longer = [
        *real,
        Step(len(real) + 1, "more.pre", "CREATE TABLE more (a int);"),
        Step(len(real) + 2, "less.post", "DROP TABLE more;"),
    ]
    async with connected(empty) as connection:
        await migrate(connection)
    monkeypatch.setattr(opening, "migrations", lambda: longer)
    store = await PostgresStore.open(empty)
    assert store.migrations_run == 1
    await store.close()
    said = await _run("migrate", "--check", "--database", empty)
    assert (said.code, "1 migration pending" in said.out) == (1, True)
    said = await _run("migrate", "--database", empty)
    assert "1 migration left" in said.out
    said = await _run("migrate", "--finish", "--database", empty)
    assert f"is {len(longer)} now: 1 migration run." in said.out
    monkeypatch.setattr(opening, "migrations", lambda: real)
    said = await _run("migrate", "--database", empty)
    assert "Install the newer release" in said.failure()


async def _run(*words: str) -> Any:
    """The command in a thread: it has a loop of its own."""
    return await anyio.to_thread.run_sync(lambda: drawdown(*words))
