"""Columns as they are written for PostgreSQL are read by it as what they were."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from drawdown.store.postgres import connection as opening

pytestmark = pytest.mark.anyio

BIG = 2**63 - 1
COLUMNS: dict[str, list[tuple[Any, ...]]] = {
    "int": [(0, 1, -1, 2**31 - 1, -(2**31)), (None, 5), (7,) * 1_500],
    "bigint": [(0, BIG, -BIG - 1), (1, None, 3), tuple(range(2_000))],
    "uuid": [(bytes(16), b"\xff" * 16, bytes(range(16))), (None, bytes(16))],
    "text": [("", "a", "naïve €", 'quoted "\\{},'), ("NULL", None, "")],
    "bytea": [(b"", b"\0\xff", bytes(300)), (None, b"x")],
    "boolean": [(True, False, True), (False, None), (None, None)],
}


@pytest.mark.parametrize("kind", COLUMNS)
async def test_a_column_arrives_as_it_was(url: str, kind: str) -> None:
    connection = await opening.connect(url)
    for column in [*COLUMNS[kind], ()]:
        found = await connection.fetch(f"SELECT unnest($1::{kind}[])", column)
        assert [row[0] for row in found] == list(column)
    await connection.close()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", 2**31),
        ("bigint", 2**63),
        ("bigint", "1"),
        ("uuid", bytes(15)),
        ("text", b"bytes"),
        ("bytea", 5),
    ],
)
async def test_what_does_not_fit_is_refused(url: str, kind: str, value: object) -> None:
    """By the driver or the server, and never taken for another value."""
    connection = await opening.connect(url)
    refused = (asyncpg.DataError, asyncpg.InternalClientError, asyncpg.PostgresError)
    with pytest.raises(refused):
        await connection.fetch(f"SELECT unnest($1::{kind}[])", (value,))
    await connection.close()
