"""The statements as they are sent: as they are written where tables are spread, else in a cheaper form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

#: The condition that tells Citus which shard a statement is about. Its rows are joined by their slots anyway.
_SHARD = re.compile(r"\b\w+\.slot = ANY \((\$\d+::int\[\])\)")
_SHARD_JOIN = re.compile(r"\nJOIN \w+ (\w) ON [^\n]* -- shard$", re.MULTILINE)
_COLUMNS = re.compile(r"\bFROM unnest\(([^()]*)\)\s+AS u\s+\(([^()]*)\)")


def on_one_server(queries: Mapping[str, str]) -> dict[str, str]:
    """The same statements for a server that has all slots: they find the same rows, by their whole keys.

    Told the distinct slots as well, PostgreSQL reads whatever these slots have and then picks from it:
    to look a key up, every operation of everybody with one of those slots, more of them each day. And a
    function in FROM is written down whole before its first row is read, once for each column.
    """
    return {name: _on_one_server(query) for name, query in queries.items()}


@cache
def _on_one_server(query: str) -> str:
    joined = _SHARD_JOIN.search(query)
    if joined is not None:
        query = re.sub(rf"\b{joined[1]}\.", "u.", query.replace(joined[0], ""))
    return _COLUMNS.sub(_row_by_row, _SHARD.sub(r"\1 IS NOT NULL", query))


def _row_by_row(found: re.Match[str]) -> str:
    """The first array's length is kept from the planner: knowing that it is short, it would take a plan made
    for that alone to be worth its making, and make one each time, at twice the price of a small batch.
    """
    arrays, names = (part.split(",") for part in found.groups())
    arrays[0] = f"(SELECT {arrays[0]})"
    columns = (
        f"unnest({array.strip()}) AS {name.strip()}"
        for array, name in zip(arrays, names, strict=True)
    )
    return f"FROM (SELECT {', '.join(columns)}) AS u"
