"""What the server's settings make of the promise that an acknowledged write is not lost."""

from __future__ import annotations

import msgspec

NO_STANDBY = (
    "synchronous_standby_names is empty: the loss of this one machine loses what was acknowledged since "
    "the last backup. Set it to 'ANY 1 (…)'."
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``synced``: fsync and full_page_writes are both on. ``clock``: microseconds since 1970."""

    synced: bool
    synchronous_commit: str
    standbys: str
    only_reads: bool
    bytes: int
    clock: int


def weaknesses(settings: Settings) -> list[str]:
    """What is weaker than promised, in words; the store itself lowers none of it."""
    found = []
    if not settings.synced:
        found.append(
            "fsync or full_page_writes is off: a crash of the machine can lose or tear what was acknowledged."
        )
    if settings.synchronous_commit == "off":
        found.append(
            "synchronous_commit is off: a crash of the server loses what was acknowledged just before."
        )
    elif settings.standbys and settings.synchronous_commit == "local":
        found.append(
            "synchronous_commit is local: writes are acknowledged before a standby has them."
        )
    if not settings.standbys:
        found.append(NO_STANDBY)
    return found
