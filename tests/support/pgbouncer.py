"""A real PgBouncer before a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench.postgres import UNPRIVILEGED

#: Names the program; else it is looked for on the PATH.
VARIABLE = "PGBOUNCER"
START_SECONDS = 60


def find() -> str:
    """Skips the test where there is none."""
    found = os.environ.get(VARIABLE) or shutil.which("pgbouncer")
    if not found:
        pytest.skip(f"no PgBouncer: {VARIABLE} names none, and there is none on the PATH")
    return found


def version() -> tuple[int, ...]:
    said = subprocess.run([find(), "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, said.split()[1].split(".")))


@contextmanager
def pooled(url: str, **settings: str) -> Iterator[str]:
    """The URL of the same database behind a PgBouncer with ``settings``."""
    parts = urlsplit(url)
    name, host = parts.path[1:], parts.query.removeprefix("host=")
    folder = Path(tempfile.mkdtemp(prefix="drawdown-"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    given = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "any",
        **settings,
    }
    lines = [f"{key} = {value}" for key, value in given.items()]
    database = f"{name} = host={host} user={parts.username} dbname={name}"
    text = "\n".join(("[databases]", database, "[pgbouncer]", *lines, ""))
    (folder / "pgbouncer.ini").write_text(text)
    folder.chmod(0o755)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [find(), str(folder / "pgbouncer.ini")], stdout=log, stderr=log, user=user
        )
    try:
        _wait(port, process, folder / "log")
        yield f"postgresql://{parts.username}@127.0.0.1:{port}/{name}?sslmode=disable"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"PgBouncer does not start: {log.read_text()}")
