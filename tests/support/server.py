"""The real server as a subprocess, and accounts with keys on it: what tests over HTTP stand on."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from drawdown.core.identity import spell
from drawdown.core.types import Mode
from drawdown.engine.accounts import KEY_PREFIX, Role
from drawdown.opening import open_ledger

START_SECONDS = 60
STOP_SECONDS = 60
LOG_SECONDS = 60
LISTENING = "listening on "
COMMAND = (sys.executable, "-m", "drawdown", "serve")


@dataclass(frozen=True)
class Key:
    """``id`` is what Sequence's Basic takes as user name; ``secret`` serves every dialect."""

    id: str
    secret: str


@dataclass(frozen=True)
class Keyring:
    """One key of each role to one book."""

    viewer: Key
    editor: Key
    admin: Key


@dataclass(frozen=True)
class Tenant:
    """An account of its own on a server: no other test sees its books."""

    url: str
    account: str
    test: Keyring
    live: Keyring

    def client(self, key: Key | None = None, base: str = "/api/v1") -> httpx.Client:
        """A plain HTTP client; the editor's test key unless another is given. Close it.

        It never speaks TLS, so it need not spend 20 ms on reading the certificates of the world.
        """
        secret = (key or self.test.editor).secret
        headers = {"authorization": f"Bearer {secret}"}
        return httpx.Client(base_url=self.url + base, headers=headers, timeout=60, verify=False)


@dataclass
class Server:
    """A running ``drawdown serve``. ``output`` is what it printed, ``log_path`` where it logs."""

    process: subprocess.Popen[str]
    url: str
    database: str
    log_path: Path
    output: list[str] = field(default_factory=list)
    reading: threading.Thread = field(init=False, repr=False)

    def tenant(self) -> Tenant:
        return asyncio.run(new_tenant(self.url, self.database))

    def log_lines(self) -> list[dict[str, object]]:
        """What it has logged so far, without a line that is still being written."""
        lines = self.log_path.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def logged(self, event: str) -> dict[str, object]:
        """The first line of an event, once it has been written: a request's is, after its answer."""
        last = time.monotonic() + LOG_SECONDS
        while True:
            for line in self.log_lines():
                if line["event"] == event:
                    return line
            assert time.monotonic() < last, f"nothing is logged of {event!r}"
            time.sleep(0.02)

    def stop(self, *expected: str) -> None:
        """Stop it as an operator does. It must end well, and have logged no errors but ``expected``."""
        self.process.send_signal(signal.SIGTERM)
        assert self.wait() == 0, self.log_path.read_text()
        faults = [
            line
            for line in self.log_lines()
            if line["level"] in {"error", "critical"} and line["event"] not in expected
        ]
        assert not faults, faults

    def wait(self) -> int:
        """Its exit status, once it has ended; ``output`` is whole then."""
        status = self.process.wait(STOP_SECONDS)
        self.reading.join(STOP_SECONDS)
        return status

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)


def start_server(
    folder: Path, *options: str, database: str | None = None, **settings: str
) -> Server:
    """Start a server on a free port and wait until it listens.

    ``database`` None: a new file in ``folder``. ``settings`` are ``DRAWDOWN_`` variables by their
    names in lower case, such as ``body_bytes_max="2000"``.
    """
    number = secrets.token_hex(4)
    database = database or f"sqlite:///{folder / f'ledger-{number}.db'}"
    log_path = folder / f"server-{number}.log"
    environment = {key: value for key, value in os.environ.items() if "DRAWDOWN_" not in key}
    environment |= {f"DRAWDOWN_{name.upper()}": value for name, value in settings.items()}
    environment |= {"DRAWDOWN_PORT": "0", "DRAWDOWN_DATABASE": database}
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, *options],
            env={"DRAWDOWN_LOG_FORMAT": "json"} | environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    server = Server(process, "", database, log_path)
    server.url = _wait_until_listening(server)
    return server


def _wait_until_listening(server: Server) -> str:
    """Reads what the server prints until it says where it listens; a thread reads the rest."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert server.process.stdout is not None
        with server.process.stdout as stdout:
            for line in stdout:
                server.output.append(line.rstrip("\n"))
                lines.put(line)
        lines.put("")

    server.reading = threading.Thread(target=read, daemon=True)
    server.reading.start()
    while line := lines.get(timeout=START_SECONDS):
        if line.startswith(LISTENING):
            return line.removeprefix(LISTENING).strip()
    raise AssertionError(f"the server did not start:\n{server.log_path.read_text()}")


async def new_tenant(url: str, database: str) -> Tenant:
    """Made beside the running server, as the command line does it."""
    async with open_ledger(database, jobs=False) as ledger:
        account = await ledger.accounts.create_account(f"tenant-{secrets.token_hex(8)}")

        async def keyring(mode: Mode) -> Keyring:
            keys = {}
            for role in Role:
                key, secret = await ledger.accounts.create_key(account.id, mode, role)
                keys[role.value] = Key(spell(KEY_PREFIX, key.id), secret)
            return Keyring(**keys)

        return Tenant(
            url=url,
            account=spell("acct_", account.id),
            test=await keyring(Mode.TEST),
            live=await keyring(Mode.LIVE),
        )
