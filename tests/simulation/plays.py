"""What a simulation is made of: a setting and turns of asks, as plain data that can be written down.

A seed makes a play, and a play alone decides everything that happens: so a play that fails can be cut down
(``shrinking``), kept as a file (``regressions``) and run again on anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from drawdown.core.amounts import normalised
from drawdown.core.commands import AskedOverage
from drawdown.core.types import OverageBehavior, OverageMode
from tests.support.stores import SQLITE

#: Plays begin a day after the epoch: their instants are short to read, and the clock may step back.
BEGIN = 86_400_000_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: More than ever ask at once.
ALL = 1_000
#: The small limits of plays: grants and holds that may be open in one wallet, schedules that may live.
GRANTS_MAX = 10
HOLDS_MAX = 4
SCHEDULES_MAX = 3


class Unit(msgspec.Struct, frozen=True, omit_defaults=True):
    """A kind of credit. ``overage_max``: how many units past zero; None: any number.

    ``shortfall``: what becomes of usage that it does not pay; ``grace``: how late usage may come.
    """

    scale: int = 0
    oldest_first: bool = False
    expires_after_days: int = 0
    overage_max: int | None = 0
    behavior: str = "forgive_at_reset"
    shortfall: str = "refuse"
    grace: int = 0

    @property
    def limited(self) -> bool:
        return self.overage_max is not None and self.overage_max > 0

    @property
    def overage(self) -> AskedOverage:
        """The rule as it is asked for."""
        return asked_overage(self.overage_max, self.scale, self.behavior)


class Meter(msgspec.Struct, frozen=True, omit_defaults=True):
    """What events count, and what that costs in which unit.

    ``prices`` by the value of ``attribute``, "" where there is none; "*" is for any other.
    """

    event: str
    aggregation: str
    unit: str
    prices: dict[str, dict[str, Any]]
    attribute: str = ""
    property: str = ""
    where: dict[str, Any] | None = None
    any_case: bool = False
    group_by: tuple[str, ...] = ()
    on_invoice: bool = False
    period: str | None = "month"
    zone: str = "UTC"


def asked_overage(most: int | None, scale: int, behavior: str) -> AskedOverage:
    """So many units past zero; None: any number."""
    if most:
        return AskedOverage(
            mode=OverageMode.LIMITED,
            limit=normalised(most, scale),
            behavior=OverageBehavior(behavior),
        )
    mode = OverageMode.UNLIMITED if most is None else OverageMode.OFF
    return AskedOverage(mode=mode, behavior=OverageBehavior(behavior))


class Ask(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request of one customer. ``asked`` is what ``NaiveLedger.ask`` takes; what it makes is numbered.

    ``replays`` as of ``LedgerKey``. ``claims``: the key is a claim in the whole book, and keeps refusals too.
    """

    verb: str
    asked: dict[str, Any] = {}
    customer: int = 0
    key: str | None = None
    replays: bool = True
    claims: bool = False


class Turn(msgspec.Struct, frozen=True, omit_defaults=True):
    """Requests on their way at one moment.

    The ``first`` of them come at once, the others while those are being committed. ``server`` is one of
    two on one database; ``both``: it serves the customers of even numbers, and the other one the others at
    the same time. ``fault`` is what goes wrong with the first transaction (``faults``), ``step`` how many
    more steps of the disk it takes for the power to fail, or milliseconds for the database to be killed.
    ``jobs``: at the end all wallets are settled in which something is due.
    """

    now: int
    asks: tuple[Ask, ...] = ()
    first: int = ALL
    server: int = 0
    both: bool = False
    fault: str = ""
    step: int = 0
    jobs: bool = False


class Play(msgspec.Struct, frozen=True, omit_defaults=True):
    """``depth`` is what it is played on: ``core``, or ``engine`` on a ``database``.

    ``power``: on a disk whose power can fail, or a database that can be killed. ``meters`` each have one
    rate. The first ``clocked`` customers are on one test clock, which begins when the play does. ``why`` says
    what it once showed.
    """

    units: dict[str, Unit]
    customers: int
    turns: tuple[Turn, ...]
    depth: str = "core"
    database: str = SQLITE
    power: bool = False
    meters: tuple[Meter, ...] = ()
    clocked: int = 0
    seed: int | None = None
    why: str = ""

    @property
    def place(self) -> str:
        """What it is played on, in a word."""
        return self.depth if self.database == SQLITE else f"{self.depth}-{self.database}"

    @property
    def customer_names(self) -> list[tuple[str, bool]]:
        """And whether each is on the test clock."""
        return [(f"customer-{number}", number < self.clocked) for number in range(self.customers)]

    @property
    def size(self) -> int:
        return sum(len(turn.asks) for turn in self.turns)


class Difference(Exception):
    """The ledger did not do what the naive one did."""


def write(play: Play) -> str:
    """The play as JSON, a turn on each line."""
    head = msgspec.json.encode(msgspec.structs.replace(play, turns=())).decode()
    turns = ",\n  ".join(msgspec.json.encode(turn).decode() for turn in play.turns)
    return head.replace('"turns":[]', f'"turns":[\n  {turns}\n]') + "\n"


def read(path: Path) -> Play:
    return msgspec.json.decode(path.read_bytes(), type=Play)
