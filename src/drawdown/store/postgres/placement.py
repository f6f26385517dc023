"""Which slots are kept together, and on which node, in a database that Citus has spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from drawdown.engine.ports import Group
from drawdown.store.postgres.distribution import citus_queries


class Node(NamedTuple):
    """A server of the cluster, by the name under which Citus knows it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Map(NamedTuple):
    """``shards``: by slot. ``nodes``: by shard; None is the coordinator."""

    shards: Sequence[Group]
    nodes: Mapping[Group, Node | None]

    def servers(self) -> set[Node]:
        """Those beside the coordinator."""
        return {node for node in self.nodes.values() if node is not None}


class Reader(Protocol):
    async def fetch(self, query: str, *args: object) -> list[Any]: ...


async def read_map(reader: Reader, known: Map | None) -> Map:
    """The map as it is now. Which slots a shard has never changes, so a known shard is not asked again."""
    queries = citus_queries()
    found = await reader.fetch(queries["shards"])
    nodes = {shard: None if host is None else Node(host, int(port)) for shard, host, port in found}
    if known is not None and known.nodes.keys() == nodes.keys():
        return Map(known.shards, nodes)
    shards = [row[0] for row in await reader.fetch(queries["slot_shards"])]
    return Map(shards, nodes)


def url_of(url: str, node: Node) -> str:
    """The same database, by the same user and in the same way, on another server."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query |= {"host": node.host, "port": str(node.port)}
    user, at, _ = parts.netloc.rpartition("@")
    options = urlencode(query, quote_via=quote)
    return f"{parts.scheme}://{user}{at}{parts.path}?{options}"
