"""A primary and its standby, as two machines would be: each with a disk and an address of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.children import BenchError
from bench.postgres import OWNER, Postgres, find_binaries
from tests.support.postgres import DURABLE

STANDBY = "second"
PATIENCE_SECONDS = 60


class Machine(Postgres):
    """A server that is reached over TCP on loopback; given a ``primary``, its standby."""

    def __init__(
        self,
        directory: Path,
        version: int,
        settings: Mapping[str, str] = DURABLE,
        primary: Machine | None = None,
    ) -> None:
        self._kept = keep_port("127.0.0.1")
        self.port: int = self._kept.getsockname()[1]
        self._primary = primary
        self._stopped: list[int] = []
        directory.mkdir(parents=True, exist_ok=True)
        address = {"listen_addresses": "127.0.0.1", "port": str(self.port)}
        super().__init__(directory, find_binaries(version), {**settings, **address})

    def __enter__(self) -> Machine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing of it is left running; what it held is no longer wanted."""
        self.kill()
        self.close()
        self._kept.close()

    def _fill(self) -> None:
        if self._primary is None:
            super()._fill()
            return
        there = f"host=127.0.0.1 port={self._primary.port} user={OWNER} application_name={STANDBY}"
        self.call("pg_basebackup", "-d", there, "-D", str(self._data), "-R", "--checkpoint=fast")

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, database: str = OWNER) -> str:
        return f"postgresql://{OWNER}@{self.host}/{database}?sslmode=disable"

    def psql(self, database: str, *arguments: str) -> str:
        return super().psql(database, "-p", str(self.port), *arguments)

    def sql(self, text: str, database: str = OWNER) -> str:
        return self.psql(database, "-c", text).strip()

    def follow(self) -> None:
        """Wait until what the primary writes arrives."""
        self._wait_until_state("async")

    def _wait_until_state(self, state: str) -> None:
        assert self._primary is not None
        asked = f"SELECT sync_state FROM pg_stat_replication WHERE application_name = '{STANDBY}'"
        last = time.monotonic() + PATIENCE_SECONDS
        while self._primary.sql(asked) != state:
            assert time.monotonic() < last, f"the standby is not {state}"
            time.sleep(0.05)

    def demand_quorum(self) -> None:
        """From now on a commit is answered once the standby has it, too."""
        assert self._primary is not None
        self._primary.sql(f"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ({STANDBY})'")
        self._primary.sql("SELECT pg_reload_conf()")
        self._wait_until_state("quorum")

    def promote(self) -> None:
        """Make it the primary: it takes writes when this returns."""
        assert self.sql(f"SELECT pg_promote(wait_seconds => {PATIENCE_SECONDS})") == "t"

    def begin_log_file(self) -> None:
        """Where there is no room for one, the server ends itself rather than answer."""
        with pytest.raises(BenchError, match=r"server closed the connection|PANIC"):
            self.sql(
                "INSERT INTO told VALUES (1); SELECT pg_switch_wal(); INSERT INTO told VALUES (2)"
            )

    def revive(self) -> None:
        """As a service manager does: start it when it has ended."""
        last = time.monotonic() + PATIENCE_SECONDS
        while True:
            if self._server.poll() is not None:
                self.start()
            try:
                self.sql("SELECT 1")
            except BenchError:
                assert time.monotonic() < last, "PostgreSQL does not come back"
                time.sleep(0.2)
            else:
                return

    def stall_replication(self) -> None:
        """The standby gets nothing any more, and nobody notices."""
        sender = self.sql("SELECT pid FROM pg_stat_replication")
        self._stop_processes([int(sender)])

    def resume(self) -> None:
        """What was stopped goes on."""
        for process in self._stopped:
            os.kill(process, signal.SIGCONT)
        self._stopped = []

    def freeze(self) -> None:
        """It answers nothing any more, and refuses nothing: a machine that hangs."""
        self._stop_processes([self._server.pid])
        _wait_until(self._server.pid, "T")  # from then on it starts no other
        children = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children")
        self._stop_processes([*map(int, children.read_text().split())])

    def _stop_processes(self, processes: list[int]) -> None:
        self._stopped += processes
        for process in processes:
            os.kill(process, signal.SIGSTOP)

    def kill(self) -> None:
        """As a power cut would: all of it has ended when this returns, and writes nothing any more."""
        if self._server.poll() is None:
            self.freeze()
        super().kill()
        for process in self._stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            _wait_until(process, "Z")
        self._stopped = []

    def lose(self) -> None:
        """The machine is gone, and its disk with it."""
        self.kill()
        shutil.rmtree(self._data)


def url_of(machines: list[Machine], database: str) -> str:
    """As an operator writes it: whichever of them takes writes."""
    hosts = ",".join(machine.host for machine in machines)
    return (
        f"postgresql://{OWNER}@{hosts}/{database}?target_session_attrs=read-write&sslmode=disable"
    )


def keep_port(address: str, port: int = 0) -> socket.socket:
    """A port that nobody else is given while this is open. Who names it may listen there all the same."""
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind((address, port))
    return kept


def _wait_until(process: int, state: str) -> None:
    """Until a process is in that state, as the system calls it, or gone."""
    last = time.monotonic() + PATIENCE_SECONDS
    while state not in _state(process):
        assert time.monotonic() < last, f"process {process} is {_state(process)}, not {state}"
        time.sleep(0.001)


def _state(process: int) -> str:
    """One letter; of what is gone all that it may be waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "TZ"
