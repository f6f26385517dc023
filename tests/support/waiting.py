"""Locks of PostgreSQL that somebody waits for."""

from __future__ import annotations

import asyncio

import asyncpg


async def until_one_waits(connection: asyncpg.Connection) -> None:
    """For a lock that the connection has."""
    blocked = (
        "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    )
    async with asyncio.timeout(60):
        while await connection.fetchval(blocked) == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
