"""What a wallet remembers so that a crossed line is told once: kept with it, and mostly nothing."""

from __future__ import annotations

import msgspec

from drawdown.core.types import AlertKind, AlertRule, Id, Instant
from drawdown.core.watching.top_ups import Standing


class Watch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wallet's own alerts, and where it stands with all that watch it.

    ``fired``: the alerts whose line has been crossed, and not crossed back.
    ``base``: what a percentage is of.
    ``use``: the units used on each of the last days, by the day's number since 1970, oldest first.
    ``top_up``: where the wallet's top-up stands, once it has had one.
    ``counted``: the alerts on expiry by which the grants have been looked at, and ``until`` when.
    """

    rules: tuple[AlertRule, ...] = ()
    fired: tuple[Id, ...] = ()
    base: int | None = None
    use: tuple[tuple[int, int], ...] = ()
    counted: tuple[Id, ...] = ()
    until: Instant = Instant(0)
    top_up: Standing | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That an alert has fired: the operation in which it did keeps it.

    ``available``, ``overage`` and ``used`` (which counts overage in) are the wallet's right after it.
    ``threshold`` is the line in units, where it is one of credit. Of an alert on expiry: which ``grant``,
    what remains of it, and its end.
    """

    alert: Id
    kind: AlertKind
    entitlement: Id
    at: Instant
    available: int
    overage: int
    used: int
    threshold: int | None = None
    percent: int | None = None
    days: int | None = None
    name: str | None = None
    grant: Id | None = None
    remaining: int | None = None
    expires_at: Instant | None = None
