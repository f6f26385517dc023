"""Scenario tables: what a product person can read, run on anything that can say it.

    == The sooner expiry burns first.
    unit credits scale=0
    d0    grant A 50 exp=d10     ok available=50
    d1    debit X 20             ok A=30 available=30
    d2    debit 40               insufficient_credit needed=40 available=30
    d10   read                   ok A.expired=30 available=0

Times are days after the start, ``d10-1us`` a microsecond before the tenth. ``grant`` and ``debit`` name
what they make. After ``ok`` or an error's code come facts: of the wallet (available, posted, pending,
used, granted, expired, voided, overage), of a grant (``A`` its remaining credit, ``A.state`` …), or of
the refusal (needed, reversible …).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

import msgspec

from drawdown.core.types import DAY, Instant

START = Instant(1_767_225_600_000_000)  # 2026-01-01T00:00:00Z
WALLET_FACTS = frozenset(
    "available posted pending used granted expired voided overage held seq".split()
)
_TIME = re.compile(r"d(\d+(?:\.\d+)?)([+-]\d+)?(?:us)?")


class Step(msgspec.Struct, frozen=True):
    """One line: when, what, and what must come of it."""

    line: str
    at: Instant
    verb: str
    words: tuple[str, ...]
    options: dict[str, str]
    result: str
    facts: dict[str, str]


class Scenario(msgspec.Struct, frozen=True):
    title: str
    unit: dict[str, str]
    steps: tuple[Step, ...]


class Subject(Protocol):
    """Something that scenarios run on. ``act`` answers the result's code and the refusal's facts."""

    def prepare(self, unit: dict[str, str]) -> None: ...
    def act(self, step: Step) -> tuple[str, dict[str, str]]: ...
    def wallet(self, at: Instant) -> dict[str, str]: ...
    def grant(self, name: str, at: Instant) -> dict[str, str]: ...


def instant(text: str) -> Instant:
    match = _TIME.fullmatch(text)
    assert match is not None, f"{text!r} is not a time"
    return Instant(START + round(float(match[1]) * DAY) + int(match[2] or 0))


def load(folder: Path) -> list[Scenario]:
    """Every scenario of every table in ``folder``."""
    tables = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))]
    return [_scenario(part) for table in tables for part in table.split("\n== ")[1:]]


def _scenario(text: str) -> Scenario:
    title, _, body = text.partition("\n")
    lines = [line for line in body.splitlines() if line.strip() and not line.startswith("#")]
    unit = {"scale": "0"}
    if lines[0].startswith("unit "):
        unit |= _pairs(lines.pop(0).split()[2:])
    return Scenario(title, unit, tuple(_step(line) for line in lines))


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


def run(scenario: Scenario, subject: Subject) -> None:
    """Run every step and compare every fact it states."""
    subject.prepare(scenario.unit)
    for step in scenario.steps:
        result, said = subject.act(step)
        assert result == step.result, f"{step.line}\n  gave {result} {said}"
        for fact, expected in step.facts.items():
            found = _fact(fact, step, subject, said)
            assert found == expected, f"{step.line}\n  {fact} is {found}"


def _fact(fact: str, step: Step, subject: Subject, said: dict[str, str]) -> str:
    if fact in said:
        return said[fact]
    if fact in WALLET_FACTS:
        return subject.wallet(step.at)[fact]
    name, _, field = fact.partition(".")
    return subject.grant(name, step.at)[field or "remaining"]
