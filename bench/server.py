"""A server as a user starts it: ``drawdown serve`` as a process, and the other commands beside it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from bench.children import ROOT, BenchError, run
from bench.costs import family, processor_seconds

START_SECONDS = 60
STOP_SECONDS = 60
VERIFY_SECONDS = 3600

_LISTENING = re.compile(rb"^listening on http://127\.0\.0\.1:(\d+)$", re.MULTILINE)


def drawdown() -> str:
    """The command beside the interpreter that runs this."""
    return str(Path(sys.executable).parent / "drawdown")


def resident_kilobytes(process: int) -> int:
    """How much memory a process holds, as ``ps`` says it."""
    return int(run(["ps", "-o", "rss=", "-p", str(process)], timeout_seconds=60))


class Server:
    """``with Server(database, log) as server``: ready when entered, stopped by SIGTERM when left."""

    def __init__(self, database: str, log: Path, *options: str) -> None:
        self._database, self._log, self._options = database, log, options

    def __enter__(self) -> Server:
        clean = {name: value for name, value in os.environ.items() if "DRAWDOWN" not in name}
        command = [drawdown(), "serve", "--port", "0", "--database", self._database]
        command += self._options
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, stdout=log, stderr=log, env=clean, cwd=ROOT
            )
        try:
            self.port = self._wait_for_port()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def _wait_for_port(self) -> int:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            if found := _LISTENING.search(self._log.read_bytes()):
                return int(found[1])
            time.sleep(0.02)
        said = self._log.read_text(errors="replace")[-2000:]
        raise BenchError(f"The server did not start: {said}")

    @property
    def resident_kilobytes(self) -> int:
        return resident_kilobytes(self._process.pid)

    @property
    def processor_seconds(self) -> float | None:
        """What it has taken so far, with its workers."""
        return processor_seconds(family(self._process.pid))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops the server. One that does not end well spoils the run, unless it is spoilt already."""
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status != 0 and error is None:
            said = self._log.read_text(errors="replace")[-2000:]
            raise BenchError(f"The server ended with status {status}: {said}")
