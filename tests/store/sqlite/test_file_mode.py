"""Who may read the file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from drawdown.opening import open_ledger


def modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


@pytest.fixture(autouse=True)
def generous_umask() -> Iterator[None]:
    """As if everybody may read what this user makes."""
    before = os.umask(0)
    yield
    os.umask(before)


async def modes_while_open(path: Path) -> dict[str, int]:
    async with open_ledger(f"sqlite:///{path}", jobs=False) as ledger:
        await ledger.accounts.create_account("north")
        return modes(path.parent)


def test_a_new_file_and_its_log_are_their_owners_alone(tmp_path: Path) -> None:
    """They hold names and e-mail addresses."""
    names = ("ledger.db", "ledger.db-wal", "ledger.db-shm")
    assert asyncio.run(modes_while_open(tmp_path / "ledger.db")) == dict.fromkeys(names, 0o600)


def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    """Whoever shared it with a group meant it."""
    (tmp_path / "ledger.db").touch(0o640)
    assert set(asyncio.run(modes_while_open(tmp_path / "ledger.db")).values()) == {0o640}
