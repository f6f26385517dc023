"""A URL that names several hosts: whichever of them takes writes now is connected to."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import asyncpg

_ROLE = "target_session_attrs"
#: What one host answers says nothing about the next.
_NOT_THIS_ONE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InternalClientError)
_PORT = re.compile(r":(\d+)$")


def each_host(url: str) -> list[str]:
    """One URL for each host, in their order; of a single one the URL as it is.

    A ledger is written to, so of several hosts that one is meant which takes writes, unless the URL says
    otherwise. Raises ``ValueError`` for ports that are not as many as the hosts.
    """
    parts = urlsplit(url)
    user, at, listed = parts.netloc.rpartition("@")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    hosts = query.pop("host", "") or unquote(listed)
    if "," not in hosts:
        return [url]
    names = hosts.split(",")
    ports = query.pop("port", "").split(",")
    if len(ports) not in (1, len(names)):
        raise ValueError(f"{len(names)} hosts, but {len(ports)} ports")
    query = {_ROLE: "read-write"} | query
    return [
        f"{parts.scheme}://{user}{at}{parts.path}?{_one(query, name, port)}"
        for name, port in zip(names, ports * (len(names) // len(ports)), strict=True)
    ]


def _one(query: dict[str, str], name: str, port: str) -> str:
    """What follows the question mark for one host; it may bring a port of its own."""
    own = _PORT.search(name)
    if own is not None:
        name, port = name[: own.start()], own[1]
    one = query | {"host": name} | ({"port": port} if port else {})
    return urlencode(one, quote_via=quote)


async def dial(url: str, **options: Any) -> Any:
    """Connect. Several hosts are asked all at once, so that one that is dead delays nobody.

    Raises what the driver does; ``ConnectionError`` when none of several will do.
    """
    urls = each_host(url)
    if len(urls) == 1:
        return await asyncpg.connect(url, **options)
    asked = {asyncio.ensure_future(asyncpg.connect(one, **options)) for one in urls}
    reasons: list[str] = []
    try:
        while asked:
            done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            one = done.pop()
            asked |= done
            try:
                return one.result()
            except _NOT_THIS_ONE as error:
                reasons.append(str(error) or type(error).__name__)
    finally:
        for late in asked:
            late.add_done_callback(_hang_up)
            late.cancel()
    raise ConnectionError("; ".join(reasons))


def _hang_up(late: asyncio.Future[Any]) -> None:
    """Of two that would do one is enough; why others would not is of no interest any more."""
    if not late.cancelled() and late.exception() is None:
        late.result().terminate()
