"""What a wallet remembers so that a crossed line is told once: kept with it, and mostly nothing."""

from __future__ import annotations

import msgspec

from drawdown.core.types import AlertRule, Id, Instant


class Watch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wallet's own alerts, and where it stands with all that watch it.

    ``fired``: the alerts whose line has been crossed, and not crossed back.
    ``base``: what a percentage is of.
    ``use``: the units used on each of the last days, by the day's number since 1970, oldest first.
    ``counted``: the alerts on expiry by which the grants have been looked at, and ``until`` when.
    """

    rules: tuple[AlertRule, ...] = ()
    fired: tuple[Id, ...] = ()
    base: int | None = None
    use: tuple[tuple[int, int], ...] = ()
    counted: tuple[Id, ...] = ()
    until: Instant = Instant(0)
