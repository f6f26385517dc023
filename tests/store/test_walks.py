"""What was recorded is walked from any place on, in both directions, however it lies in time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest

from drawdown.core import identity
from drawdown.core.commands import Command, CreateCustomer
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import DAY, Id, Instant
from drawdown.dialects.stripe import recorded
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import Position
from tests.support.books import SECOND, START, Book, open_book

pytestmark = pytest.mark.anyio
#: How many things happen, so long after those before.
HAPPENED = ((1, 0), (23, 1), (3, 1), (1, 400 * DAY), (12, 1), (7, 30), (2, 3 * DAY), (40, 1))


@pytest.fixture
async def book(ledger: Ledger, clock: ManualClock) -> Book:
    """One in which things happen by the dozen at one instant, and not for a year; beside another one."""
    made, other = await open_book(ledger), await open_book(ledger)
    for count, later in HAPPENED:
        clock.instant = Instant(clock.instant + later)
        for owner in (made, other):
            made_here: Command = CreateCustomer()
            await ledger.submit_many(owner.id, [(made_here, _nothing, None)] * count)
    return made


def _nothing(accepted: Accepted) -> Answer:
    return Answer(status=200, body=b"")


async def places(walk: AsyncIterator[Recorded | None]) -> list[Position]:
    return [each.position async for each in walk if each is not None]


@pytest.mark.parametrize("at_once", [1, 5, 1_000])
async def test_a_walk_comes_to_each_operation_once_in_its_order(
    ledger: Ledger, clock: ManualClock, book: Book, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "READ_AT_ONCE", at_once)
    read = partial(ledger.recorded, book=book.id)
    last = Position(clock.now(), Id(b"\xff" * 16))
    every = (await places(recorded.backwards(read, last, Instant(0))))[::-1]
    assert len(every) == len(set(every)) == 1 + sum(count for count, _ in HAPPENED)
    assert every == sorted(every)
    for place in (0, 5, 26, 30, len(every) - 1):
        newer = await places(recorded.forwards(read, every[place]))
        assert newer == every[place:]
        older = await places(recorded.backwards(read, every[place], Instant(0)))
        assert older == every[place::-1]
    since = Instant(every[30].recorded_at - 1)
    found = await places(recorded.backwards(read, last, since))
    assert found == [each for each in every[::-1] if each.recorded_at > since]


async def test_a_walk_goes_back_to_the_beginning_of_the_book_and_not_of_the_ledger(
    book: Book,
) -> None:
    """With five minutes to spare, for a clock that was put back; one put back further tells nothing."""
    made = identity.made_at(book.id)
    spare = 300 * SECOND
    assert recorded.beginning(book.id, Instant(made + DAY)) == made - spare
    assert recorded.beginning(book.id, Instant(made - 1)) == 0


async def test_a_page_ends_in_time_once_there_is_anything_on_it(
    ledger: Ledger, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is looked for in vain is looked for longer; then it is told that the time was over."""
    read = partial(ledger.recorded, book=book.id)

    async def page(of: Sequence[str]) -> tuple[list[str], bool, bool]:
        async def told(each: Recorded) -> list[str]:
            return [each.operation.kind for _ in range(2) if each.operation.kind in of]

        walk = recorded.forwards(read, Position(START, Id(bytes(16))))
        return await recorded.collect(walk, told, 3, newest_first=False)

    kinds = ["customer"]
    assert await page(kinds) == (kinds * 3, True, False)
    assert await page(["entitlement"]) == (["entitlement"] * 2, False, False)
    monkeypatch.setattr(recorded, "LOOKED_AT_SECONDS", -1)
    assert await page(kinds) == (kinds * 2, True, True)
    assert await page(["nothing"]) == ([], False, False)
    monkeypatch.setattr(recorded, "IN_VAIN_SECONDS", -1)
    assert await page(["nothing"]) == ([], True, True)
