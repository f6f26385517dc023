"""A larger ledger moves while it is written to: every chain, every number and every answer goes with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Store
from drawdown.opening import open_store
from tests.copy.test_passes import EMPTY, PLAYED, Plays, checked
from tests.simulation.planned import heads_of
from tests.support.books import open_ledger_on
from tests.support.commands import sqlite_url
from tests.support.stores import OpenedByUrl, opened

pytestmark = pytest.mark.anyio

BOOKS = 12
COMMANDS = 3_000
KILLS = 4
CHUNK = 40
#: A second or two when nothing else keeps the machine busy.
STOP_SECONDS_MAX = 60


async def copying(path: Path, target: str, *words: str) -> Process:
    """`drawdown copy` as a process of its own, which can be killed."""
    command = [sys.executable, "-m", "drawdown", "copy", "--json"]
    urls = ["--from", sqlite_url(path), "--to", target]
    return await asyncio.create_subprocess_exec(
        *command, *urls, *words, stdout=PIPE, stderr=DEVNULL
    )


async def play_during(plays: Plays, process: Process) -> int:
    """Go on until the process has ended. How many commands that were."""
    played = 0
    while process.returncode is None:
        await plays.go_on(CHUNK)
        played += CHUNK
        await asyncio.sleep(0)
    return played


async def kill_copies(path: Path, target: str, plays: Plays) -> None:
    """Kill so many copying processes while there is writing, each at another moment of its work."""
    chance, longest, killed = random.Random(23), 1.2, 0
    while killed < KILLS:
        process = await copying(path, target)
        killing = asyncio.create_task(kill_after(process, chance.uniform(0.3, 1.0) * longest))
        await play_during(plays, process)
        await killing
        if process.returncode == -signal.SIGKILL:
            killed += 1
        else:  # it was done before: on this machine that takes less
            assert process.returncode == 0
            longest *= 0.7


async def kill_after(process: Process, seconds: float) -> None:
    """Unless it has ended by then."""
    await asyncio.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        process.kill()


@asynccontextmanager
async def moved(target: str, plays: Plays) -> AsyncIterator[tuple[Store, Ledger]]:
    async with opened(OpenedByUrl(target)) as store:
        ledger = open_ledger_on(await open_store(target), plays.clock)
        try:
            yield store, ledger
        finally:
            await ledger.close()


async def test_a_ledger_of_thousands_of_operations_moves_whole(
    path: Path, each_target: str
) -> None:
    """Under writes, through several kills of the copying process; then its keys replay on PostgreSQL."""
    plays = Plays(path, seed=23, books=BOOKS)
    await plays.begin()
    await plays.go_on(COMMANDS)
    await kill_copies(path, each_target, plays)
    process = await copying(path, each_target)
    assert await play_during(plays, process) > 0
    assert process.returncode == 0
    process = await copying(path, each_target, "--finish")
    out, _ = await process.communicate()
    done = json.loads(out)
    assert done["finished"] is True
    assert done["stopped_seconds"] < STOP_SECONDS_MAX
    await check_moved(path, each_target, plays)


async def check_moved(path: Path, target: str, plays: Plays) -> None:
    assert plays.seen.kinds.keys() >= PLAYED | {"amend", "spend", "adjust"}, plays.seen.kinds
    async with opened(OpenedByUrl(sqlite_url(path))) as before:
        heads = await heads_of(before)
    assert await checked(target) == await checked(sqlite_url(path))
    async with moved(target, plays) as (store, ledger):
        assert len(heads) >= BOOKS
        assert await heads_of(store) == heads
        assert len(plays.answered) > COMMANDS / 2
        await ask_again(ledger, plays)  # a wallet that is asked about is settled, which is recorded
        heads = await heads_of(store)
        await ask_again(ledger, plays)
        assert await heads_of(store) == heads, "nothing has been done twice"
        for book in plays.books:
            await plays.step_of(ledger, book)


async def ask_again(ledger: Ledger, plays: Plays) -> None:
    """Everything that was answered once is answered as it was then."""
    for asked in plays.answered:
        again = await ledger.submit(
            asked.book, asked.command, lambda _: EMPTY, key=asked.key, claim=asked.claim
        )
        assert (again.replayed, again.body) == (True, asked.answer.body), asked
