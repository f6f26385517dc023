"""The statements as they are sent: all of them where tables are spread, a little less on one server."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: The condition that tells Citus which shard a statement is about. Its rows are joined by their slots anyway.
_SHARD = re.compile(r"\b\w+\.slot = ANY \((\$\d+::int\[\])\)")


def on_one_server(queries: Mapping[str, str]) -> dict[str, str]:
    """The same statements for a server that has all slots: they find the same rows, by their whole keys.

    Told the distinct slots as well, PostgreSQL reads whatever these slots have and then picks from it:
    to look a key up, every operation of everybody with one of those slots, more of them each day.
    """
    return {name: _SHARD.sub(r"\1 IS NOT NULL", query) for name, query in queries.items()}
