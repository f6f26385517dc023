"""Anything at all around top-ups, on the core and on the naive ledger: they agree after every step."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from drawdown.core.types import DAY, Instant
from tests.support.core_subject import CoreSubject
from tests.support.oracle_subject import OracleSubject
from tests.support.scenarios import START, Step, day_text

MINUTE, HOUR = 60_000_000, DAY // 24
UNITS = {"credits": {"scale": "0", "expires_after_days": "20"}}
OVERDRAWN = {
    "credits": {"scale": "0", "overage": "limited:60", "behavior": "carry_deficit_auto_repay"}
}
STEPS = 60


class Chance:
    """Steps about one wallet, by chance: mostly debits, now and then a long time in which nobody asks."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.at = START
        self._count = self._asked = 0
        self.rules: list[str] = []
        self._grants: list[str] = []
        self._holds: list[str] = []
        self._makers = [
            *[self._debit] * 8,
            *[self._confirm] * 5,
            *[self._fail] * 3,
            *[self._rule] * 2,
            *[self._hold] * 2,
            self._grant,
            self._release,
            self._expire,
            self._close,
            self._settle,
        ]

    def step(self, asked: int) -> Step:
        """The next; ``asked``: how many requests there are to be answered."""
        spans = (0, 0, 1, MINUTE, 5 * MINUTE, HOUR, 7 * HOUR, DAY, DAY, 9 * DAY)
        self.at = Instant(self.at + self._random.choice(spans))
        self._asked = asked
        return self._random.choice(self._makers)()

    def _step(self, verb: str, *words: str, **options: str) -> Step:
        line = f"{day_text(self.at)} {verb} {words} {options}"
        return Step(line, self.at, verb, words, options, "", {})

    def made(self, step: Step) -> None:
        """What the step was to make is there, and may be named."""
        names = {"grant": self._grants, "hold": self._holds, "topup": self.rules}
        if step.verb in names:
            names[step.verb].append(step.words[0])

    def _named(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def _settle(self) -> Step:
        return self._step("settle")

    def _debit(self) -> Step:
        return self._step("debit", "X", str(self._random.randint(1, 70)))

    def _grant(self) -> Step:
        options = {"exp": day_text(self.at + self._random.randint(1, 9) * DAY)}
        if self._random.random() < 0.5:
            options["eff"] = day_text(self.at + self._random.randint(1, 20) * HOUR)
        units = str(self._random.randint(1, 90))
        return self._step("grant", self._named("G"), units, **options)

    def _hold(self) -> Step:
        units, name = str(self._random.randint(1, 60)), self._named("H")
        return self._step("hold", name, units, **{"for": "2h"})

    def _release(self) -> Step:
        return (
            self._step("release", self._random.choice(self._holds)) if self._holds else self._hold()
        )

    def _expire(self) -> Step:
        if not self._grants:
            return self._grant()
        return self._step("expire", self._random.choice(self._grants))

    def _rule(self) -> Step:
        chance = self._random
        options = {
            "below": str(chance.randint(0, 30)),
            "cool": chance.choice(("1min", "5min", "3h")),
            "answer": chance.choice(("1min", "1h", "1d", "20d")),
            "attempts": str(chance.randint(1, 4)),
        }
        if chance.random() < 0.5:
            options["amount"] = str(chance.randint(1, 120))
        else:
            options["to"] = str(chance.randint(31, 120))
        if chance.random() < 0.7:
            options["cap"] = f"{chance.randint(40, 300)}:{chance.choice(('day', 'week', 'month'))}"
        if chance.random() < 0.5:
            options["days"] = str(chance.randint(1, 9))
        return self._step("topup", self._named("T"), **options)

    def _close(self) -> Step:
        return self._step("close", self._random.choice(self.rules)) if self.rules else self._rule()

    def _answered(self, verb: str) -> Step:
        """Mostly the newest."""
        if not self._asked:
            return self._rule()
        latest = self._random.random() < 0.7
        number = self._asked if latest else self._random.randint(1, self._asked)
        return self._step(verb, f"{self.rules[0]}.{number}")

    def _confirm(self) -> Step:
        return self._answered("confirm")

    def _fail(self) -> Step:
        return self._answered("fail")


def asked_so_far(core: CoreSubject, chance: Chance) -> int:
    if not chance.rules:
        return 0
    return int(core.top_up(chance.rules[0], chance.at)["asked"])


def play(seed: int, met: Counter[str]) -> None:
    chance, core, naive = Chance(seed), CoreSubject(), OracleSubject()
    units = UNITS if seed % 2 else OVERDRAWN
    core.prepare(units)
    naive.prepare(units)
    for _ in range(STEPS):
        step = chance.step(asked_so_far(core, chance))
        said = core.act(step)
        assert naive.act(step)[0] == said[0], f"seed {seed}: {step.line} gave {said}"
        met[f"{step.verb} {said[0]}"] += 1
        if said[0] == "ok":
            chance.made(step)
        at, where = chance.at, f"seed {seed}: {step.line}"
        seen, expected = core.wallet(at, None), naive.wallet(at, None)
        assert {name: seen[name] for name in expected} == expected, where
        for name in chance.rules:
            assert core.top_up(name, at) == naive.top_up(name, at), where
        for number in range(1, asked_so_far(core, chance) + 1):
            name = chance.rules[0]
            request = core.top_up_request(name, number, at)
            assert request == naive.top_up_request(name, number, at), where
            met[request["state"]] += 1


@pytest.mark.parametrize("block", range(4))
def test_the_core_and_the_naive_ledger_agree_on_every_request(block: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(block * 6, block * 6 + 6):
        play(seed, met)
    for name in ("open", "confirmed", "failed", "expired", "confirm ok", "fail top_up_paid"):
        assert met[name] > 10, met
