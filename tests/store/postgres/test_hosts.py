"""Of several hosts in a URL the one that takes writes is connected to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

import pytest

from drawdown.engine.ports import StoreUnavailable, StoreUnusable
from drawdown.store.postgres import connection as opening
from drawdown.store.postgres.hosts import each_host
from tests.support.proxy import Proxy

pytestmark = pytest.mark.anyio

WRITES = "target_session_attrs=read-write"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u@a/d", ["postgresql://u@a/d"]),
        ("postgresql://u@/d?host=/tmp/a", ["postgresql://u@/d?host=/tmp/a"]),
        (
            "postgresql://u:p%40w@a:1,b/d",
            [f"postgresql://u:p%40w@/d?{WRITES}&host=a&port=1", f"postgresql://u:p%40w@/d?{WRITES}&host=b"],
        ),
        (
            "postgresql:///d?host=/tmp/a,/tmp/b&port=7",
            [f"postgresql:///d?{WRITES}&host=%2Ftmp%2F{name}&port=7" for name in "ab"],
        ),
        (
            "postgresql://[::1]:5,[::2]:6/d?target_session_attrs=any&sslmode=require",
            [
                "postgresql:///d?target_session_attrs=any&sslmode=require&host=%5B%3A%3A1%5D&port=5",
                "postgresql:///d?target_session_attrs=any&sslmode=require&host=%5B%3A%3A2%5D&port=6",
            ],
        ),
        (
            "postgresql://u@/d?host=a,b&port=1,2",
            [f"postgresql://u@/d?{WRITES}&host=a&port=1", f"postgresql://u@/d?{WRITES}&host=b&port=2"],
        ),
    ],
)  # fmt: skip
def test_each_host_has_a_url_of_its_own(url: str, hosts: list[str]) -> None:
    """With what belongs to all of them; a single one is left as it is."""
    assert each_host(url) == hosts


async def test_ports_that_are_not_as_many_as_the_hosts_are_refused() -> None:
    with pytest.raises(StoreUnusable, match="3 hosts, but 2 ports"):
        await opening.connect("postgresql://u@/d?host=a,b,c&port=1,2")


@pytest.fixture
async def hosts(url: str) -> AsyncIterator[str]:
    """Two addresses of which one answers nothing, and the other leads to a database."""
    async with Proxy(url) as proxy:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            alive = urlsplit(proxy.url)
            listed = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{alive.port}"
            yield f"postgresql://postgres@{listed}{alive.path}?{alive.query}"


async def test_a_host_that_does_not_answer_delays_nobody(
    hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "CONNECT_SECONDS", 120.0)
    async with asyncio.timeout(60):
        connection = await opening.connect(hosts)
    await connection.close()


async def test_why_no_host_will_do_is_told_of_each(url: str) -> None:
    """One is not there, and the other wants to be known under another name."""
    host = urlsplit(url).query.removeprefix("host=")
    wrong = f"postgresql://nobody@/postgres?host={quote('/nowhere')},{host}"
    with pytest.raises(
        StoreUnavailable, match=r'No such file.*role "nobody"|role "nobody".*No such'
    ):
        await opening.connect(wrong)
