"""Whether the server has as many connections as a process may open."""

from __future__ import annotations

from typing import Any

from drawdown.store.postgres import pooler

#: -1 is no limit. Connections are reserved for others than superusers since PostgreSQL 16.
_LIMITS = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0),
  (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
  (SELECT datconnlimit FROM pg_database WHERE datname = current_database())
"""


async def shortage(connection: Any, wanted: int) -> list[str]:
    """In words, when ``wanted`` connections are more than there can be; a pooler's are its own affair."""
    if await pooler.is_between(connection):
        return []
    server, role, database = await connection.fetchrow(_LIMITS)
    limits = {
        "max_connections of the server, less those reserved": server,
        "the limit of this role": role,
        "the limit of this database": database,
    }
    given = {name: limit for name, limit in limits.items() if limit >= 0}
    name = min(given, key=lambda each: given[each])
    if wanted <= given[name]:
        return []
    return [
        f"DRAWDOWN_DATABASE_CONNECTIONS_MAX is {wanted}, but PostgreSQL gives {given[name]} ({name}), to "
        "all servers together: under load some requests will be answered 503. Lower the one or raise the "
        "other."
    ]
