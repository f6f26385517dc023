"""How often one caller may ask: so many requests in a second, so many in a minute; both hold.

The windows are the clock's own seconds and minutes, and what was asked in them is forgotten with them. Each
process counts for itself: what several workers let through together is as many times the limit.

Who has a key is counted by its book: all keys of an account in one mode, in every dialect. Requests that
report usage are counted apart where they have a limit of their own. Who has no key that opens anything is
counted by address. A key that opens something is not refused for what others ask from the same address,
which may be a proxy's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Hashable
from typing import Literal, NamedTuple

import msgspec
import structlog

from drawdown.core.identity import spell
from drawdown.core.types import MICROSECONDS, Instant
from drawdown.engine.accounts import ACCOUNT_PREFIX, Principal
from drawdown.engine.ports import Clock
from drawdown.web.errors import Header

#: Addresses that are counted apart in one window; what comes from others is counted together.
ADDRESSES_MAX = 10_000
#: An IPv6 network of this size belongs to one customer of a provider.
IPV6_PREFIX = 64
SECOND, MINUTE = 1, 60

Caller = Literal["account", "address"]
#: By which count a request under a key goes: what reports usage comes in other numbers than all else.
Counted = Literal["requests", "usage"]
#: Told of each request that was refused.
Refused = Callable[[Caller], None]

log = structlog.get_logger("drawdown.web")


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one caller; 0: as many as it likes."""

    per_second: int = 0
    per_minute: int = 0


class Allowance(NamedTuple):
    """What is left to a caller in the window that will be used up first, this request counted.

    ``granted``: every window had room for it. ``seconds`` is the window's length; ``reset_in`` is how many of
    them are left, the current one included; ``reset_at`` is its end in seconds since the epoch. ``counted``:
    whose limit it is.
    """

    granted: bool
    limit: int
    remaining: int
    seconds: int
    reset_in: int
    reset_at: int
    counted: Counted = "requests"


def headers(allowance: Allowance | None) -> tuple[Header, ...]:
    """The usual three; none where nothing is counted."""
    if allowance is None:
        return ()
    return (
        (b"x-ratelimit-limit", b"%d" % allowance.limit),
        (b"x-ratelimit-remaining", b"%d" % allowance.remaining),
        (b"x-ratelimit-reset", b"%d" % allowance.reset_at),
    )


class RateLimiter:
    """Asked once for each request, by every dialect of a server.

    ``usage``: what an account may report of usage; without a limit that counts among all it asks.
    """

    def __init__(
        self, accounts: Rates, addresses: Rates, usage: Rates, clock: Clock, refused: Refused
    ) -> None:
        self._accounts = _Counts(accounts, None)
        self._usage = self._accounts if usage == Rates() else _Counts(usage, None, "usage")
        self._addresses = _Counts(addresses, ADDRESSES_MAX)
        self._clock, self._refused = clock, refused
        self._minute, self._told = 0, set[Hashable]()

    def of_account(self, principal: Principal, counted: Counted = "requests") -> Allowance | None:
        """Count a request under a key; None: nothing is counted."""
        counts = self._usage if counted == "usage" else self._accounts
        found = counts.take(principal.book, self._clock.now())
        if found is not None and not found.granted:
            self._refused("account")
            account = spell(ACCOUNT_PREFIX, principal.account)
            self._tell_once(found, account=account, mode=principal.mode.value)
        return found

    def of_address(self, address: str) -> Allowance | None:
        """Count a request of nobody known; None: nothing is counted."""
        found = self._addresses.take(network_of(address), self._clock.now())
        if found is not None and not found.granted:
            self._refused("address")
            self._tell_once(found, account=None, mode=None)
        return found

    def _tell_once(self, found: Allowance, *, account: str | None, mode: str | None) -> None:
        """Once a minute of each limit: whoever asks too often must not fill the log as well."""
        minute = found.reset_at // MINUTE
        if minute != self._minute:
            self._minute, self._told = minute, set()
        told = (account, mode, found.limit, found.seconds)
        if told not in self._told:
            self._told.add(told)
            log.warning(
                "a rate limit is reached",
                account=account,
                mode=mode,
                limit=found.limit,
                seconds=found.seconds,
            )


class _Counts:
    """The windows of one kind of caller."""

    def __init__(
        self, rates: Rates, callers_max: int | None, counted: Counted = "requests"
    ) -> None:
        self._counted: Counted = counted
        lengths = ((SECOND, rates.per_second), (MINUTE, rates.per_minute))
        self._windows = [_Window(each, limit, callers_max) for each, limit in lengths if limit]

    def take(self, caller: Hashable, now: Instant) -> Allowance | None:
        """What one window refuses is counted in none."""
        if not self._windows:
            return None
        for window in self._windows:
            window.turn(now)
        left = [window.left(caller) for window in self._windows]
        granted = all(left)
        if granted:
            left = [window.take(caller) for window in self._windows]
        pairs = zip(left, self._windows, strict=True)
        remaining, scarcest = min(pairs, key=lambda pair: (pair[0], -pair[1].ends_at))
        found = scarcest.allowance(granted, remaining, now)
        return found._replace(counted=self._counted)


class _Window:
    """One second or minute at a time."""

    def __init__(self, seconds: int, limit: int, callers_max: int | None) -> None:
        self._seconds, self._limit, self._callers_max = seconds, limit, callers_max
        self._number = -1
        self._taken: dict[Hashable, int] = {}

    @property
    def ends_at(self) -> int:
        return (self._number + 1) * self._seconds

    def turn(self, now: Instant) -> None:
        """Begin another where ``now`` is in another, also after a clock was put back."""
        number = now // (self._seconds * MICROSECONDS)
        if number != self._number:
            self._number, self._taken = number, {}

    def left(self, caller: Hashable) -> int:
        return self._limit - self._taken.get(self._counted(caller), 0)

    def take(self, caller: Hashable) -> int:
        """Count a request; what is left after it."""
        counted = self._counted(caller)
        self._taken[counted] = taken = self._taken.get(counted, 0) + 1
        return self._limit - taken

    def _counted(self, caller: Hashable) -> Hashable:
        """Under whom; None stands for all who came when there was no more room."""
        full = self._callers_max is not None and len(self._taken) >= self._callers_max
        return None if full and caller not in self._taken else caller

    def allowance(self, granted: bool, remaining: int, now: Instant) -> Allowance:
        return Allowance(
            granted=granted,
            limit=self._limit,
            remaining=remaining,
            seconds=self._seconds,
            reset_in=self.ends_at - now // MICROSECONDS,
            reset_at=self.ends_at,
        )


def network_of(address: str) -> Hashable:
    """An IPv4 address by itself, an IPv6 address by its network; what is neither as it is."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return parsed
    return parsed.ipv4_mapped or int(parsed) >> (128 - IPV6_PREFIX)
