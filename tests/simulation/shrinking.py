"""Cutting a failing play down to the few requests that it takes: delta debugging.

First what all turns have in common goes, then whole chunks of turns, then single turns, then single
requests, then what they say beside the needed: keys, attributes, amounts. A cut stays when the play still
fails with the same kind of fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from tests.simulation.plays import ALL, Ask, Play, Turn

T = TypeVar("T")
Fails = Callable[[Play], bool]

SHRINK_SECONDS = 60.0
#: What may be left out of a request.
OPTIONAL = (
    "attributes scope priority paid eff exp valid partial final refuse until lasting only_unused"
).split()


def shrink(play: Play, fails: Fails, seconds: float = SHRINK_SECONDS) -> Play:
    """The smallest play found in the time given that still ``fails``."""
    deadline = time.monotonic() + seconds
    before = None

    def fails_soundly(changed: Play) -> bool:
        return is_sound(changed) and fails(changed)

    cuts: tuple[Callable[[Play], Iterator[Play]], ...] = (_one_customer, _no_faults, _one_server)
    for cut in cuts:
        play = next(filter(fails_soundly, cut(play)), play)
    while play != before and time.monotonic() < deadline:
        before = play
        play = _simpler(_fewer(play, fails_soundly, deadline), fails_soundly, deadline)
    return play


def _one_customer(play: Play) -> Iterator[Play]:
    """Only what one of the customers asks."""
    for customer in range(play.customers):
        turns: list[Turn] = []
        for turn in play.turns:
            asks = tuple(ask for ask in turn.asks if ask.customer == customer)
            turns += [msgspec.structs.replace(turn, asks=asks, first=ALL)] if asks else []
        yield _turns(play, turns)


def _no_faults(play: Play) -> Iterator[Play]:
    without = [msgspec.structs.replace(turn, fault="", step=0, jobs=False) for turn in play.turns]
    yield msgspec.structs.replace(play, turns=tuple(without), power=False)


def _one_server(play: Play) -> Iterator[Play]:
    turns = [msgspec.structs.replace(turn, server=0, both=False, first=ALL) for turn in play.turns]
    yield _turns(play, turns)


def is_sound(play: Play) -> bool:
    """Whether each name is given to one thing: what is asked again is asked as before, under its key."""
    named: dict[int, Ask] = {}
    for ask in [ask for turn in play.turns for ask in turn.asks if "name" in ask.asked]:
        before = named.get(ask.asked["name"])
        if before is not None and (ask.key is None or ask != before):
            return False
        named[ask.asked["name"]] = ask
    return True


def _fewer(play: Play, fails: Fails, deadline: float) -> Play:
    return _turns(play, without(play.turns, lambda turns: fails(_turns(play, turns)), deadline))


def _turns(play: Play, turns: Sequence[Turn]) -> Play:
    return msgspec.structs.replace(play, turns=tuple(turns))


def without(
    things: Sequence[T], fails: Callable[[Sequence[T]], bool], deadline: float
) -> Sequence[T]:
    """``things`` without every chunk, large ones first, that is not needed to fail."""
    size = max(1, len(things) // 2)
    while True:
        start = 0
        while start < len(things) and time.monotonic() < deadline:
            fewer = [*things[:start], *things[start + size :]]
            if fails(fewer):
                things = fewer
            else:
                start += size
        if size == 1:
            return things
        size //= 2


def _simpler(play: Play, fails: Fails, deadline: float) -> Play:
    """Every change to one turn, and to what of it is asked elsewhere too, that keeps the fault is kept."""
    number = 0
    while number < len(play.turns) and time.monotonic() < deadline:
        for changed in _simpler_plays(play, number):
            if fails(changed):
                play = changed
                break
        else:
            number += 1
    return play


def _simpler_plays(play: Play, number: int) -> Iterator[Play]:
    turn = play.turns[number]
    for fewer in _simpler_turns(turn):
        yield _turns(play, [*play.turns[:number], fewer, *play.turns[number + 1 :]])
    for ask in turn.asks:
        for simpler in _simpler_asks(ask):
            yield _turns(play, [_with(each, ask, simpler) for each in play.turns])


def _with(turn: Turn, ask: Ask, simpler: Ask) -> Turn:
    asks = tuple(simpler if each == ask else each for each in turn.asks)
    return msgspec.structs.replace(turn, asks=asks)


def _simpler_turns(turn: Turn) -> Iterator[Turn]:
    """The turn with one thing less."""
    replace = msgspec.structs.replace
    for name, value in (("fault", ""), ("server", 0), ("both", False), ("first", ALL)):
        if getattr(turn, name) != value:
            yield replace(turn, **{name: value})
    if len(turn.asks) > 1:
        for place in range(len(turn.asks)):
            yield replace(turn, asks=turn.asks[:place] + turn.asks[place + 1 :])


def _simpler_asks(ask: Ask) -> Iterator[Ask]:
    replace = msgspec.structs.replace
    if ask.key is not None:
        yield replace(ask, key=None, claims=False, replays=True)
    for name in OPTIONAL:
        if name in ask.asked:
            yield replace(ask, asked={key: ask.asked[key] for key in ask.asked if key != name})
    if ask.verb == "reverse" and "unit" in ask.asked:
        yield replace(ask, asked={key: ask.asked[key] for key in ask.asked if key != "unit"})
    for name in ("amount", "quantity"):
        for amount in _simpler_amounts(ask.asked.get(name)):
            yield replace(ask, asked=ask.asked | {name: amount})
    if len(ask.asked.get("prices", ())) > 1:
        for price in ask.asked["prices"]:
            yield replace(
                ask, asked=ask.asked | {"prices": [p for p in ask.asked["prices"] if p != price]}
            )


def _simpler_amounts(amount: Any) -> Iterator[str]:
    """Smaller amounts with fewer digits."""
    if not isinstance(amount, str):
        return
    if "." in amount:
        yield amount.partition(".")[0]
    elif amount.isdigit() and int(amount) > 1:
        yield "1"
        if int(amount) > 10:
            yield "10"
            yield str(int(amount) // 10 * 10) if int(amount) % 10 else str(int(amount) // 2)
