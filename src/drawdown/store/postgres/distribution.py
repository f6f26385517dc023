"""Spreading the tables with Citus: what customers own by slot, all of one slot together.

Small tables are the same on every node. The tables that note migrations and a copy stay on the coordinator,
which alone looks at them.
"""

from __future__ import annotations

from typing import Any

from drawdown.engine.ports import StoreUnusable
from drawdown.store.queries import load_queries

#: Few rows, rarely written.
EVERYWHERE = (
    "account",
    "book",
    "api_key",
    "entitlement",
    "meter",
    "rate",
    "test_clock",
    "webhook_endpoint",
    "webhook_retry",
    "webhook_attempt",
)
#: The first one decides where the shards of the others are.
BY_SLOT = (
    "customer",
    "claim",
    "wallet",
    "credit_grant",
    "hold",
    "schedule",
    "alert",
    "document",
    "top_up",
    "top_up_request",
    "operation",
    "entry",
    "reversal",
    "repayment",
    "usage_event",
    "usage_count",
    "usage_value",
    "rate_customer",
    "lease",
)
#: A table may have rows already, which are moved.
SECONDS = 6 * 3600.0
_LOCK = "LOCK TABLE drawdown_schema IN EXCLUSIVE MODE"


def citus_queries() -> dict[str, str]:
    return load_queries("drawdown.store.postgres", "citus.sql")


async def has_citus(connection: Any) -> bool:
    return bool(await connection.fetchval(citus_queries()["has_citus"]))


async def undistributed(connection: Any) -> list[str]:
    """The tables that are still to be spread, in the order in which that is done; none without Citus."""
    if not await has_citus(connection):
        return []
    found = await connection.fetch(citus_queries()["distributed_tables"])
    done = {row[0] for row in found}
    return [table for table in (*EVERYWHERE, *BY_SLOT) if table not in done]


async def distribute(connection: Any) -> int:
    """Spread what is not yet spread, each table in a transaction; returns how many were.

    Processes that start at once wait for each other on the table of migrations. Raises ``StoreUnusable``
    on a connection that does not lead to the coordinator.
    """
    if not await has_citus(connection):
        return 0
    await _check_coordinator(connection)
    done = 0
    for table in await undistributed(connection):
        async with connection.transaction():
            await connection.execute(_LOCK)
            if table in await undistributed(connection):
                await connection.execute(citus_queries()[_how(table)], table, timeout=SECONDS)
                done += 1
    return done


def _how(table: str) -> str:
    if table in EVERYWHERE:
        return "make_reference"
    return "make_first_distributed" if table == BY_SLOT[0] else "make_distributed"


async def _check_coordinator(connection: Any) -> None:
    if await connection.fetchval(citus_queries()["local_group"]):
        raise StoreUnusable(
            "The URL leads to a worker of Citus. Name the coordinator; the workers are found from there."
        )
