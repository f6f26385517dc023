"""Running plays about invoices: from a seed, or as they were written down; cutting down what failed."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.simulation.billing_engine import EngineWorld, few_at_a_time
from tests.simulation.billing_plays import CORE, BillingPlay, Turn, made
from tests.simulation.plays import Difference
from tests.simulation.running import site_of
from tests.simulation.shrinking import SHRINK_SECONDS, without
from tests.support.billing_core import core_subject
from tests.support.billing_play import NaiveSubject, Subject, read_step


class Failed(Exception):
    """``play`` ends with the turn that showed the fault."""

    def __init__(self, play: BillingPlay, fault: Exception) -> None:
        super().__init__(f"{type(fault).__name__}: {fault}")
        self.play, self.fault = play, fault

    @property
    def kind(self) -> tuple[str, ...]:
        """What it was, and where: the innermost of the ledger's own functions or the simulation's."""
        places = traceback.extract_tb(self.fault.__traceback__)
        return (type(self.fault).__name__, places[-1].name)


class Beside:
    """The subjects of a play, each beside a naive one."""

    def __init__(self, subjects: Sequence[Subject], counts: Counter[str]) -> None:
        self._pairs = [(subject, NaiveSubject()) for subject in subjects]
        self._counts = counts

    async def turn(self, turn: Turn) -> None:
        """All ask at once; then what is there is compared. Raises ``Difference``."""
        steps = [(ask.customer, read_step(ask.text)) for ask in turn.asks]
        asked = (self._pairs[customer][0].act(step) for customer, step in steps)
        refusals = await asyncio.gather(*asked)
        for (customer, step), refusal in zip(steps, refusals, strict=True):
            subject, naive = self._pairs[customer]
            wanted = await naive.act(step)
            if refusal != wanted:
                raise Difference(f"{step}: {refusal} instead of {wanted}")
            self._counts[f"{step.verb}: {refusal or 'ok'}"] += 1
            compare(await subject.facts(step.at), await naive.facts(step.at), step)

    async def finish(self) -> None:
        """Count what there is at the end."""
        for _, naive in self._pairs:
            for fact in (await naive.facts(0)).values():
                status, _, amounts = fact.partition(":")
                if amounts and not amounts.endswith("-0.00"):
                    self._counts[f"{status} with credit"] += 1


def compare(said: dict[str, str], wanted: dict[str, str], what: object) -> None:
    """Raises ``Difference`` with what differs."""
    names = sorted(said.keys() | wanted.keys())
    found = [(n, said.get(n), wanted.get(n)) for n in names if said.get(n) != wanted.get(n)]
    if found:
        raise Difference(f"after {what}: {found}")


def run_seed(seed: int, place: str, counts: Counter[str]) -> None:
    """Raises ``Failed``."""
    run_play(made(seed, place), counts)


def run_play(play: BillingPlay, counts: Counter[str] | None = None) -> None:
    """Run a play as it was written down. Raises ``Failed``."""
    counts = Counter() if counts is None else counts
    played: list[Turn] = []
    try:
        if play.place == CORE:
            asyncio.run(_on_the_core(play, counts, played))
        else:
            with few_at_a_time(), site_of(play.place, False, counts) as site:
                asyncio.run(_on_the_engine(play, counts, played, EngineWorld(play, site, counts)))
    except Exception as fault:  # whatever it is, it is a fault of the ledger or of the simulation
        raise Failed(msgspec.structs.replace(play, turns=tuple(played)), fault) from fault


async def _on_the_core(play: BillingPlay, counts: Counter[str], played: list[Turn]) -> None:
    beside = Beside([core_subject() for _ in range(play.customers)], counts)
    for turn in play.turns:
        played.append(turn)
        await beside.turn(turn)
    await beside.finish()


async def _on_the_engine(
    play: BillingPlay, counts: Counter[str], played: list[Turn], world: EngineWorld
) -> None:
    try:
        beside = Beside(await world.open(), counts)
        for turn in play.turns:
            played.append(turn)
            await world.begin(turn)
            await beside.turn(turn)
            await world.end(turn)
        await beside.finish()
        await world.verify()
    finally:
        await world.close()


def smallest(failed: Failed, seconds: float = SHRINK_SECONDS) -> Failed:
    """The failing play cut down; what it shows then is of the same kind."""

    def failure(turns: Sequence[Turn]) -> Failed | None:
        try:
            run_play(msgspec.structs.replace(failed.play, turns=tuple(turns)))
        except Failed as found:
            return found if found.kind == failed.kind else None
        return None

    def fails(turns: Sequence[Turn]) -> bool:
        return failure(turns) is not None

    deadline = time.monotonic() + seconds
    turns = without(failed.play.turns, fails, deadline)
    single = [msgspec.structs.replace(turn, asks=(ask,)) for turn in turns for ask in turn.asks]
    if fails(single):
        turns = without(single, fails, deadline)
    return failure(turns) or failed


def write(play: BillingPlay) -> str:
    return msgspec.json.format(msgspec.json.encode(play)).decode()


def read(path: Path) -> BillingPlay:
    return msgspec.json.decode(path.read_bytes(), type=BillingPlay)
