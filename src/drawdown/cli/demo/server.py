"""A real server for as long as the story lasts, on a database in a temporary folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import msgspec

from drawdown.cli.database import with_ledger
from drawdown.cli.failures import Failure
from drawdown.core.types import Mode

if TYPE_CHECKING:
    from drawdown.engine.accounts import ApiKey
    from drawdown.engine.ledger import Ledger

STOP_SECONDS = 20
LISTENING = "listening on "


class Throwaway(msgspec.Struct, frozen=True):
    """Where it listens, what it writes to, and a key to its test book."""

    url: str
    database: str
    secret: str


@contextmanager
def throwaway() -> Iterator[Throwaway]:
    """Start it on a free port; stop it and remove its files at the end, however that comes."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        with tempfile.TemporaryDirectory(prefix="drawdown-demo-") as folder:
            database = f"sqlite:///{Path(folder, 'demo.db')}"
            secret = with_ledger(database, _new_key, create=True, tell=False)[1]
            log = Path(folder, "server.log")
            process = _start(database, log)
            try:
                yield Throwaway(_address(process, log), database, secret)
            finally:
                _stop(process)
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, frame: FrameType | None) -> None:
    """Turn a request to end into an exception, so that what was started is stopped."""
    raise SystemExit(128 + number)


async def _new_key(ledger: Ledger) -> tuple[ApiKey, str]:
    from drawdown.engine.accounts import Role

    account = await ledger.accounts.create_account("demo")
    return await ledger.accounts.create_key(account.id, Mode.TEST, Role.EDITOR, "demo")


def _start(database: str, log: Path) -> subprocess.Popen[str]:
    """In a session of its own: what is typed at the terminal is for us to pass on."""
    settings = {name: value for name, value in os.environ.items() if "DRAWDOWN_" not in name}
    with log.open("wb") as errors:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "drawdown", "serve", "--port", "0", "--database", database],
            env=settings | {"DRAWDOWN_ACCESS_LOG": "false"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )


def _address(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(LISTENING):
            return line.removeprefix(LISTENING).strip()
    raise Failure(f"The server did not start: {log.read_text('utf-8', 'replace').strip()[-500:]}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
