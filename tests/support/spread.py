"""Databases that are spread: a fake Citus on plain PostgreSQL, and a real one where there is one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit
from weakref import WeakSet

import asyncpg

from drawdown.store.postgres.citus import open_postgres
from tests.support.postgres import VERSIONS, Cluster, Clusters, apart, execute

SHARDS = 4
FAKE = (Path(__file__).parent / "fake_citus.sql").read_text(encoding="utf-8")
TEMPLATE = "spread"
_templates: WeakSet[Cluster] = WeakSet()


@contextmanager
def spread_database(clusters: Clusters, version: int = VERSIONS[-1]) -> Iterator[str]:
    """The URL of a ledger's empty database, in which everything is found that is asked of Citus."""
    with spread_on(clusters.of(version)) as url:
        yield url


@contextmanager
def spread_on(cluster: Cluster) -> Iterator[str]:
    """As ``spread_database``, on a cluster of one's own."""
    if cluster not in _templates:
        _templates.add(cluster)
        cluster.sql(f"CREATE DATABASE {TEMPLATE} TEMPLATE migrated")
        url = cluster.postgres.url(TEMPLATE)
        pretend_citus(url)
        apart(_spread(url))
    with cluster.database(TEMPLATE) as url:
        yield url


async def _spread(url: str) -> None:
    await (await open_postgres(url)).close()


def pretend_citus(url: str) -> None:
    """From now on the database looks as one with Citus whose tables are not spread yet."""
    [host] = parse_qs(urlsplit(url).query)["host"]
    apart(execute(url, FAKE.replace(":'host'", f"'{host}'")))


@contextmanager
def citus_database(url: str) -> Iterator[str]:
    """A new database on a real cluster: Citus is a matter of each database, so it is made on every node.

    A coordinator that is alone has the shards itself, as long as it is not told to be one.
    """
    name = f"drawdown_test_{secrets.token_hex(4)}"
    nodes = apart(_nodes(url))
    for node in nodes:
        apart(execute(node, f"CREATE DATABASE {name}"))
        apart(execute(_in(node, name), "CREATE EXTENSION citus"))
    made = _in(url, name)
    for node in nodes if len(nodes) > 1 else []:
        host, port = _address(node)
        add = "citus_set_coordinator_host" if node == url else "citus_add_node"
        apart(execute(made, f"SELECT {add}('{host}', {port})"))
    yield made
    for node in nodes:
        apart(execute(node, f"DROP DATABASE {name} WITH (FORCE)"))


async def _nodes(url: str) -> list[str]:
    """The URLs of the coordinator and of its workers."""
    connection = await asyncpg.connect(url)
    found = await connection.fetch(
        "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid <> 0 AND noderole = 'primary'"
    )
    await connection.close()
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return [url, *(urlunsplit(parts._replace(netloc=f"{user}{at}{h}:{p}")) for h, p in found)]


def _in(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "localhost", parts.port or 5432
