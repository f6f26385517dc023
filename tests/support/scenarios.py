"""Scenario tables: what a product person can read, run on anything that can say it.

    == The sooner expiry burns first.
    unit credits scale=0
    d0    grant A 50 exp=d10     ok available=50
    d1    debit X 20             ok A=30 available=30
    d2    debit 40               insufficient_credit needed=40 available=30
    d10   read                   ok A.expired=30 available=0

Times are days after the start: ``d10-1us`` a microsecond before the tenth, ``d1+15min`` a quarter of an
hour after the first. ``grant``, ``debit``, ``hold``, ``capture`` and ``spend`` name what they make. After
``ok``, ``replayed`` or an error's code come facts: of the wallet (available, posted, pending, held, used,
granted, expired, voided, overage), of a grant (``A`` its remaining credit, ``A.state`` …), of a hold
(``H`` what it still holds, ``H.captured``, ``H.state`` …), or of the answer (needed, reversible, spent, and
of a reset ``moved`` …).

A scenario about several wallets has a line ``unit`` for each. The first is meant where none is named,
another by ``of=cash``; its facts are ``cash.available`` and so on.

    grant A 50 [of=unit] [pri=] [cat=] [eff=] [exp=] [scope=model:large|small]
        [roll=75] [generations=] [lives=3:month] [least=] [most=]
    debit X 20 [of=unit] [attr=model:large] [valid=]
    spend X 12 credits:1 cash:0.25 [partial] [attr=]      a quantity, and each wallet's price
    reverse X [7] [of=unit]
    hold H 30 [of=unit] [for=15min | until=d1] [attr=]
    capture X H 10 [final] [refuse]                       refuse: no more than is held
    extend H for=1h | until=d1
    release H
    adjust A up 5, adjust A down 5
    rule limited:50 | unlimited | off [behavior=carry_deficit] [of=unit]   how far past zero; a unit may have
                                                          it from its start: unit credits overage=limited:50
    reset [of=unit]
    amend A exp=d20, expire A, void A [only_unused], settle, read
    forecast 30 [window=7] [of=unit]                      so many days ahead, at the rate of the last 7:
                                                          ``rate`` a day, ``depletes`` or why not, ``lost``,
                                                          ``short``, and ``d3``: what is available then
    schedule S 100 every=month [count=] [anchor=] [zone=] [starts=] [ends=] [trial=20:d14[:keeps]]
        [after=30 | never] [roll=50] [generations=] [lives=3:month] [least=] [most=] [overage=limited:50]
    change S 200 [now] [prorate], change S overage=off | none, pause S, resume S,
        cancel S [at_end] [expire_credit]

    rate sum:n per_unit:0.5 [free=] [by=model] [period=day | ever | cycle] [zone=] [invoice] [of=unit]
        rate max:n table=model small=per_unit:1 default=…      also per_credit:4, package:10:3[:down],
                                                          graduated:10:2,:1+5 and volume:… (tiers: up to,
                                                          price, and what is due once)
    use E n=5 model=small [at=d0] [override]              an event; a unit may say what becomes of what is not
                                                          paid, and how many seconds late usage may come:
                                                          unit credits shortfall=cap grace=86400

A forecast's facts are of its answer; it changes nothing. An event's are ``amount``, ``drawn``, ``beyond`` and
``uncovered``, over all that it is charged.
    topup T below=20 amount=100 | to=150 [cap=250:month] [cool=5min] [answer=1d] [attempts=3] [days=]
    close T, confirm T.1 [ref=], fail T.1

    alert L below=20 | below=20% | used=500 | expiry=7 | depletes=3 [all]    all: on everybody's credit
    silence L

Of an alert, ``L`` is how often it has fired, ``L.at`` when it did last, ``L.available`` what there was then.

Of a top-up, ``T.state``, ``T.asked`` (how many requests there were) and its requests are facts: ``T.1`` is
what the wallet's first asked for, ``T.1.state`` what became of it.

Where a calendar matters, times are written out, in UTC: ``2026-03-29T01:00``. Of a schedule, ``S.cycle``,
``S.state`` and ``S.next`` are facts; ``S.1`` is the grant of its first cycle, ``S.1>2`` what was carried of
that into the second. Of a grant with rollover of its own, ``A>1`` is what was carried of it, ``A>2`` what
was carried of that.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from drawdown.core.times import instant_of
from drawdown.core.types import DAY, Instant

START = Instant(1_767_225_600_000_000)  # 2026-01-01T00:00:00Z
WALLET_FACTS = frozenset(
    "available posted pending used granted expired voided overage held seq".split()
)
MICROSECONDS = {"us": 1, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": DAY}
_TIME = re.compile(r"d(\d+(?:\.\d+)?)((?:[+-]\d+(?:us|s|min|h)?)*)")
_OFFSET = re.compile(r"([+-])(\w+)")
_SPAN = re.compile(r"(\d+)(us|s|min|h|d)?")


class Step(msgspec.Struct, frozen=True):
    """One line: when, what, and what must come of it."""

    line: str
    at: Instant
    verb: str
    words: tuple[str, ...]
    options: dict[str, str]
    result: str
    facts: dict[str, str]

    @property
    def prices(self) -> list[tuple[str, str]]:
        """Of a spend: (unit, price) of each wallet."""
        return [
            (unit, price)
            for unit, _, price in (word.partition(":") for word in self.words[2:])
            if price
        ]

    @property
    def attributes(self) -> dict[str, str]:
        return dict(pair.split(":") for pair in self.options.get("attr", "").split(",") if pair)

    @property
    def scope(self) -> dict[str, list[str]]:
        pairs = (pair.split(":") for pair in self.options.get("scope", "").split(",") if pair)
        return {name: values.split("|") for name, values in pairs}


def rule_of(options: dict[str, str], text: str) -> dict[str, str]:
    """``limited:50`` and a behavior as fields: mode, limit, behavior; empty where nothing is said."""
    mode, _, limit = text.partition(":")
    found = {"mode": mode, "limit": limit, "behavior": options.get("behavior", "")}
    return {name: value for name, value in found.items() if value}


class Scenario(msgspec.Struct, frozen=True):
    """``units`` are the options of each ``unit`` line by its name, the first one first."""

    title: str
    units: dict[str, dict[str, str]]
    steps: tuple[Step, ...]


class Subject(Protocol):
    """Something that scenarios run on. ``act`` answers the result's code and the answer's facts.

    ``unit`` None: the first.
    """

    def prepare(self, units: dict[str, dict[str, str]]) -> None: ...
    def act(self, step: Step) -> tuple[str, dict[str, str]]: ...
    def wallet(self, at: Instant, unit: str | None) -> dict[str, str]: ...
    def grant(self, name: str, at: Instant) -> dict[str, str]: ...
    def hold(self, name: str, at: Instant) -> dict[str, str]: ...
    def schedule(self, name: str, at: Instant) -> dict[str, str]: ...
    def carried(self, name: str, times: int, at: Instant) -> dict[str, str]: ...
    def cycle_grant(self, name: str, cycles: str, at: Instant) -> dict[str, str]: ...
    def alert(self, name: str, at: Instant) -> dict[str, str]: ...
    def top_up(self, name: str, at: Instant) -> dict[str, str]: ...
    def top_up_request(self, name: str, number: int, at: Instant) -> dict[str, str]: ...


def instant(text: str) -> Instant:
    if text[:2].isdigit():
        return instant_of(datetime.fromisoformat(text).replace(tzinfo=UTC))
    match = _TIME.fullmatch(text)
    assert match is not None, f"{text!r} is not a time"
    moved = START + round(float(match[1]) * DAY)
    for sign, offset in _OFFSET.findall(match[2]):
        moved += -span(offset) if sign == "-" else span(offset)
    return Instant(moved)


def day_text(at: int) -> str:
    """``d12``, ``d12+6h``, or to the microsecond: an instant as tables write those that are found."""
    days, rest = divmod(at - START, DAY)
    for unit in ("h", "min", "s", "us"):
        if rest % MICROSECONDS[unit] == 0:
            return f"d{days}+{rest // MICROSECONDS[unit]}{unit}" if rest else f"d{days}"
    raise AssertionError("microseconds divide everything")


def span(text: str) -> int:
    """Microseconds of ``15min``; a bare number is microseconds."""
    match = _SPAN.fullmatch(text)
    assert match is not None, f"{text!r} is not a span of time"
    return int(match[1]) * MICROSECONDS[match[2] or "us"]


def load(folder: Path) -> list[Scenario]:
    """Every scenario of every table in ``folder``."""
    tables = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))]
    return [_scenario(part) for table in tables for part in table.split("\n== ")[1:]]


def _scenario(text: str) -> Scenario:
    title, _, body = text.partition("\n")
    lines = [line for line in body.splitlines() if line.strip() and not line.startswith("#")]
    units = {}
    while lines[0].startswith("unit "):
        _, name, *options = lines.pop(0).split()
        units[name] = {"scale": "0"} | _pairs(options)
    return Scenario(title, units or {"credits": {"scale": "0"}}, tuple(map(_step, lines)))


def _step(line: str) -> Step:
    left, right = re.split(
        r"\s{2,}(?=ok\b|replayed\b|[a-z]+_[a-z_]+(?:\s|$))", line.rstrip(), maxsplit=1
    )
    time, verb, *rest = left.split()
    result, *facts = right.split()
    words = tuple(word for word in rest if "=" not in word)
    return Step(line, instant(time), verb, words, _pairs(rest), result, _pairs(facts))


def _pairs(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words if "=" in word)


def run(scenario: Scenario, subject: Subject, unknown: frozenset[str] = frozenset()) -> None:
    """Run every step and compare every fact it states, but those ``unknown`` to the subject."""
    subject.prepare(scenario.units)
    holds = {step.words[0] for step in scenario.steps if step.verb == "hold"}
    for step in scenario.steps:
        result, said = subject.act(step)
        assert result == step.result, f"{step.line}\n  gave {result} {said}"
        for fact, expected in step.facts.items():
            if fact in unknown:
                continue
            found = said[fact] if fact in said else _fact(fact, step, subject, scenario, holds)
            assert found == expected, f"{step.line}\n  {fact} is {found}"


def _fact(fact: str, step: Step, subject: Subject, scenario: Scenario, holds: set[str]) -> str:
    if fact in WALLET_FACTS:
        return subject.wallet(step.at, step.options.get("of"))[fact]
    name, _, field = fact.partition(".")
    if ">" in name:
        name, _, times = name.partition(">")
        return subject.carried(name, int(times), step.at)[field or "remaining"]
    if name in scenario.units:
        return subject.wallet(step.at, name)[field]
    if any(step.verb == "schedule" and step.words[0] == name for step in scenario.steps):
        cycles, _, field = field.partition(".")
        if cycles[0].isdigit():
            return subject.cycle_grant(name, cycles, step.at)[field or "remaining"]
        return subject.schedule(name, step.at)[cycles]
    if any(step.verb == "alert" and step.words[0] == name for step in scenario.steps):
        return subject.alert(name, step.at)[field or "told"]
    if any(step.verb == "topup" and step.words[0] == name for step in scenario.steps):
        number, _, field = field.partition(".")
        if number.isdigit():
            return subject.top_up_request(name, int(number), step.at)[field or "amount"]
        return subject.top_up(name, step.at)[number]
    if name in holds:
        return subject.hold(name, step.at)[field or "held"]
    return subject.grant(name, step.at)[field or "remaining"]
