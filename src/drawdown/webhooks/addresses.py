"""Where a webhook may go. An endpoint's owner chooses the URL, so it must not lead into our own network."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from threading import BoundedSemaphore, Thread
from urllib.parse import SplitResult, urlsplit

URL_MAX = 2_048
#: Ports below these are of services that take anything for a command of theirs.
PORTS = frozenset({80, 443})
PORT_MIN = 1_024
#: IPv6 that carries an IPv4 address inside, which is where it would end: mapped, compatible, NAT64, 6to4.
_CARRIERS = tuple(
    map(IPv6Network, ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16"))
)

#: Names that may be looked up at once, those included that nobody waits for any more.
LOOKUPS_MAX = 256
_lookups = BoundedSemaphore(LOOKUPS_MAX)

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]


class AddressRefused(Exception):
    """The URL, or the address that its name leads to, is none that events are sent to."""


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a name. Raises ``OSError``.

    On a thread of its own: a name server that keeps silent holds it for half a minute, whoever waits, and
    the threads that a process shares have other work. None of them keeps the process from ending.
    """
    if not _lookups.acquire(blocking=False):
        raise OSError("too many names are being looked up")
    answer: Future[list[str]] = Future()
    look = Thread(target=_look_up, args=(host, port, answer), name="drawdown-lookup", daemon=True)
    look.start()
    return await asyncio.wrap_future(answer)


def _look_up(host: str, port: int, answer: Future[list[str]]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answer.set_result(list(dict.fromkeys(str(each[4][0]) for each in found)))
    except InvalidStateError:
        pass  # nobody waits for it any more
    except Exception as error:
        with contextlib.suppress(InvalidStateError):
            answer.set_exception(error)
    finally:
        _lookups.release()


def is_public(address: Address) -> bool:
    """Whether an address is of a machine on the internet: no private, loopback, link-local or other."""
    if isinstance(address, IPv6Address) and any(address in each for each in _CARRIERS):
        return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not special


def check_url(url: str, allow_private: bool) -> SplitResult:
    """A URL that may be an endpoint's. Raises ``AddressRefused``, whose text is the rule that it breaks."""
    if not 1 <= len(url) <= URL_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressRefused(f"an address of 1 to {URL_MAX:,} ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused("an address such as https://example.com/webhooks") from None
    allowed = ("https", "http") if allow_private else ("https",)
    if parts.scheme not in allowed or not parts.hostname:
        raise AddressRefused("an address that begins with https:// and names a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise AddressRefused("an address without a user, a password or a fragment")
    if port is not None and not allow_private and port not in PORTS and port < PORT_MIN:
        raise AddressRefused("on port 80, 443, or one from 1024 on")
    literal = _literal(parts.hostname)
    if literal is not None and not allow_private and not is_public(literal):
        raise AddressRefused("at a public address")
    return parts


def check_addresses(found: list[str], allow_private: bool) -> list[str]:
    """All addresses of a name, if all may be sent to: a name that also leads inside is not trusted."""
    if not found:
        raise AddressRefused("The name has no address.")
    for text in found:
        address = _literal(text)
        if address is None or not (allow_private or is_public(address)):
            raise AddressRefused("The name leads to an address that is not public.")
    return found


def _literal(text: str) -> Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None
