"""`drawdown doctor`: what it finds, what it says to do, and that it changes nothing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import apsw
import pytest

from bench.__main__ import default_directory
from drawdown.cli.doctor import checks
from drawdown.cli.doctor.checks import State
from drawdown.core.amounts import Amount
from drawdown.core.commands import CreateCustomer, IssueGrant
from drawdown.core.types import Instant, Mode
from drawdown.engine.clocks import ManualClock, SystemClock
from drawdown.opening import open_ledger
from drawdown.store.sqlite.inspection import Inspection
from tests.cli.test_init import later_release
from tests.support.answering import answering
from tests.support.commands import Ran, drawdown, sqlite_url
from tests.support.server import Server, start_server

HOUR = 3_600 * 1_000_000
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger as `drawdown init` makes it."""
    path = tmp_path / "ledger.db"
    assert drawdown("init", "--database", sqlite_url(path)).code == 0
    return path


def examined(path: Path, **variables: str) -> dict[str, Any]:
    """What each check found, by its name."""
    ran = drawdown("doctor", "--database", sqlite_url(path), "--json", **variables)
    return by_name(ran)


def by_name(ran: Ran) -> dict[str, Any]:
    document = json.loads(ran.out)
    faults = any(check["state"] == "fault" for check in document["checks"])
    assert (ran.code, document["ok"]) == (int(faults), not faults)
    for check in document["checks"]:
        assert bool(check["fix"]) == (check["state"] != "ok"), check
    return {check["check"]: check for check in document["checks"]}


def state(found: dict[str, Any], check: str) -> str:
    return str(found[check]["state"])


# A whole installation ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """On a file; the doctor's findings about PostgreSQL are in ``test_postgres``."""
    running = start_server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
@pytest.mark.parametrize("mode", ["test", "live"])
def test_an_installation_in_order_has_no_fault(server: Server, mode: str, role: str) -> None:
    """The machine, the file, the server, and the key with what it opens."""
    tenant = server.tenant()
    secret = getattr(getattr(tenant, mode), role).secret
    words = ("doctor", "--database", server.database, "--json")
    found = by_name(drawdown(*words, url=server.url, api_key=secret))
    assert "fault" not in {check["state"] for check in found.values()}
    assert found["key"]["found"] == f"{mode}, {role}"
    assert server.url in found["server"]["found"]
    assert set(found) == {
        *("python", "sqlite", "settings", "permissions", "file system", "disk", "log", "database"),
        *("schema", "writable", "durability", "clock", "keys", "due work"),
        *("server", "readiness", "key"),
    }


@pytest.fixture
def folder() -> Iterator[Path]:
    """On a disk: of a ledger in memory the doctor warns."""
    with tempfile.TemporaryDirectory(dir=default_directory()) as name:
        yield Path(name)


def test_what_a_person_reads_is_one_line_a_check_with_what_to_do(folder: Path) -> None:
    """Exit 1 with a fault; a terminal is not needed."""
    path = folder / "ledger.db"
    assert drawdown("init", "--database", sqlite_url(path)).code == 0
    path.chmod(0o666)
    ran = drawdown("doctor", "--database", sqlite_url(path), url=NOWHERE)
    *lines, blank, last = ran.out.splitlines()
    assert (ran.code, blank, ran.err) == (1, "", "")
    assert {line.split()[0] for line in lines} == {"ok", "fault"}
    [permissions] = [line for line in lines if " permissions " in line]
    assert "`chmod o-rwx" in permissions
    assert last == "2 faults, 0 warnings."


def test_doctor_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    with later_release():
        drawdown("doctor", "--database", sqlite_url(path))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


# The file ----------------------------------------------------------------------------------------


def test_a_ledger_that_was_named_and_is_not_there_is_a_fault(tmp_path: Path) -> None:
    found = examined(tmp_path / "typo.db")
    assert state(found, "database") == "fault"
    assert str(tmp_path / "typo.db") in found["database"]["found"]
    assert list(tmp_path.iterdir()) == []


def test_without_a_name_there_need_not_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever only asks a server has none."""
    monkeypatch.chdir(tmp_path)
    assert state(by_name(drawdown("doctor", "--json")), "database") == "warning"


@pytest.mark.parametrize("url", ["drawdown.db", "mysql://localhost/x"])
def test_an_url_of_another_kind_is_a_fault(url: str) -> None:
    found = by_name(drawdown("doctor", "--json", "--database", url))
    assert state(found, "database") == "fault"
    assert "sqlite:////" in found["database"]["found"]


@pytest.mark.parametrize("content", ["Dear diary, " * 500, "another program's", ""])
def test_a_file_of_something_else_is_a_fault(tmp_path: Path, content: str) -> None:
    """An empty one is said to be so, and what to do with it."""
    path = tmp_path / "ledger.db"
    if content == "another program's":
        with closing(apsw.Connection(str(path))) as other:
            other.execute("CREATE TABLE theirs (a)")
    else:
        path.write_text(content)
    before = path.read_bytes()
    found = examined(path)
    if content:
        assert state(found, "database") == "fault"
    else:
        assert "drawdown init" in found["schema"]["fix"]
    assert path.read_bytes() == before


def test_a_damaged_file_is_a_fault_with_the_way_to_a_backup(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    found = examined(path)
    assert any("drawdown restore" in check["fix"] for check in found.values())


def test_the_schema_is_compared_with_this_releases(path: Path) -> None:
    with later_release():
        found = examined(path)
        assert state(found, "schema") == "warning"
        assert "drawdown migrate" in found["schema"]["fix"]
        drawdown("migrate", "--database", sqlite_url(path))
    found = examined(path)
    assert state(found, "schema") == "fault"
    assert "newer release" in found["schema"]["found"]


@pytest.mark.parametrize(
    ("file", "folder", "judged"),
    [
        (0o600, 0o700, "ok"),
        (0o660, 0o770, "ok"),
        (0o644, 0o755, "warning"),
        (0o646, 0o755, "fault"),
        (0o600, 0o777, "fault"),
        (0o600, 0o1777, "ok"),
    ],
)
def test_what_everybody_may_do_with_the_file_is_judged(
    path: Path, file: int, folder: int, judged: str
) -> None:
    """A group is somebody's decision; in a folder that anybody writes the file can be replaced."""
    path.chmod(file)
    path.parent.chmod(folder)
    found = examined(path)
    path.parent.chmod(0o700)
    assert state(found, "permissions") == judged


@contextmanager
def another_process(path: Path, statement: str) -> Iterator[None]:
    """A process of another program that does something with the file, and stays."""
    code = (
        "import apsw, sys; c = apsw.Connection(sys.argv[1]); c.execute(sys.argv[2]).fetchall();"
        "print('ready', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(path), statement]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
        process.communicate(timeout=60)


def test_a_file_that_stays_locked_is_a_fault(path: Path) -> None:
    with another_process(path, "BEGIN IMMEDIATE"):
        found = examined(path)
    assert state(found, "writable") == "fault"
    assert "locked" in found["writable"]["found"]
    assert state(examined(path), "writable") == "ok"


def test_a_file_that_cannot_be_written_is_a_fault(path: Path) -> None:
    refused = patch.object(Inspection, "check_writable", side_effect=apsw.ReadOnlyError("no"))
    with refused:
        assert "server's user" in examined(path)["writable"]["fix"]


def test_how_the_disk_lets_sqlite_write_is_tried(path: Path) -> None:
    """Beside the ledger, on a file that is gone afterwards."""
    assert state(examined(path), "durability") == "ok"
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert checks.durability("wal", 2).state is State.OK
    assert checks.durability("delete", 2).state is State.FAULT
    assert checks.durability("wal", 1).state is State.FAULT


def test_keys_that_open_nothing_are_told(path: Path) -> None:
    [key] = drawdown("keys", "list", "--database", sqlite_url(path), "--json").json()
    drawdown("keys", "revoke", key["id"], "--database", sqlite_url(path))
    found = examined(path)
    assert state(found, "keys") == "warning"
    assert "drawdown keys create" in found["keys"]["fix"]


def test_the_printed_first_key_is_told_once_there_is_a_live_one(path: Path) -> None:
    """While trying, it is the only one; in production it may stand in a log."""
    assert state(examined(path), "keys") == "ok"
    words = ("keys", "create", "--mode", "live", "--role", "editor")
    drawdown(*words, "--database", sqlite_url(path))
    found = examined(path)
    assert state(found, "keys") == "warning"
    assert "first start" in found["keys"]["found"]


def grant_at(path: Path, now: Instant, expires_at: Instant | None) -> None:
    """A grant made when the clock said ``now``."""

    async def made() -> None:
        async with open_ledger(sqlite_url(path), clock=ManualClock(now), jobs=False) as ledger:
            [account] = await ledger.accounts.accounts()
            book = await ledger.accounts.book(account.id, Mode.TEST)
            await ledger.apply(book, CreateCustomer(own_id="ada"))
            grant = IssueGrant(
                customer="ada", entitlement="usd", amount=Amount(20), expires_at=expires_at
            )
            await ledger.apply(book, grant)

    asyncio.run(made())


def test_a_clock_behind_the_newest_record_is_a_fault(path: Path) -> None:
    now = SystemClock().now()
    grant_at(path, Instant(now + 5 * HOUR), None)
    found = examined(path)
    assert state(found, "clock") == "fault"
    assert found["clock"]["found"].startswith(("4 hours behind", "5 hours behind"))
    assert "NTP" in found["clock"]["fix"]


def test_what_is_due_and_not_recorded_is_told(path: Path) -> None:
    """Without a server nobody does it; beside one it is a fault."""
    now = SystemClock().now()
    grant_at(path, Instant(now - 5 * HOUR), Instant(now - 3 * HOUR))
    found = examined(path)
    assert state(found, "due work") == "warning"
    assert "1 wallet waits" in found["due work"]["found"]
    assert "3 hours ago" in found["due work"]["found"]
    with another_process(path, "SELECT count(*) FROM wallet"):
        assert state(examined(path), "due work") == "fault"


# The server and the key --------------------------------------------------------------------------


def test_a_server_that_was_named_and_does_not_answer_is_a_fault(path: Path) -> None:
    assert state(examined(path, url=NOWHERE), "server") == "fault"


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://[", "http://x:99999"])
def test_an_url_of_no_server_is_a_fault(path: Path, url: str) -> None:
    found = examined(path, url=url)
    assert state(found, "server") == "fault"


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]"])
def test_another_kind_of_server_is_told_from_drawdown(path: Path, body: bytes) -> None:
    with answering((200, body)) as (url, _):
        found = examined(path, url=url)
    assert "no Drawdown server" in found["server"]["found"]
    assert "key" not in found


def test_another_release_and_a_server_that_is_not_ready_are_told(path: Path) -> None:
    welcome = b'{"name": "Drawdown", "version": "9.9"}'
    with answering((200, welcome), (503, b"{}"), (200, b"{}")) as (url, asked):
        found = examined(path, url=url, api_key="sk_live_x")
    assert asked == ["/", "/health/ready", "/api/v1/keys"]
    assert state(found, "server") == "warning"
    assert "9.9" in found["server"]["found"]
    assert state(found, "readiness") == "fault"


def test_a_key_that_opens_nothing_is_a_fault_and_is_not_repeated(server: Server) -> None:
    words = ("doctor", "--database", server.database, "--json")
    secret = "sk_test_" + "x" * 54
    ran = drawdown(*words, url=server.url, api_key=secret)
    assert state(by_name(ran), "key") == "fault"
    assert secret not in ran.out
    assert state(by_name(drawdown(*words, url=server.url)), "key") == "warning"


@pytest.mark.parametrize(("key", "expected"), [("", "warning"), ("sk_test_x ", "fault")])
def test_an_empty_key_is_none_and_a_badly_copied_one_a_fault(
    server: Server, key: str, expected: str
) -> None:
    """Neither is taken for a server that does not answer."""
    words = ("doctor", "--database", server.database, "--json")
    found = by_name(drawdown(*words, url=server.url, key=key, api_key=key))
    assert state(found, "server") == "ok"
    assert state(found, "key") == expected


# The machine -------------------------------------------------------------------------------------


def test_a_misspelt_setting_and_one_that_breaks_its_rule_are_told(path: Path) -> None:
    found = examined(path, databse="x")
    assert state(found, "settings") == "warning"
    assert "DRAWDOWN_DATABSE" in found["settings"]["found"]
    found = examined(path, log_level="loud")
    assert state(found, "settings") == "fault"
    assert "DRAWDOWN_LOG_LEVEL" in found["settings"]["found"]


def test_a_sqlite_that_can_corrupt_the_log_is_a_fault(path: Path) -> None:
    with patch.object(apsw, "sqlite_lib_version", lambda: "3.51.2"):
        assert state(examined(path), "sqlite") == "fault"


def test_a_python_that_is_too_old_is_a_fault() -> None:
    with patch.object(sys, "version_info", (3, 10, 9)):
        assert checks.python().state is State.FAULT
    assert checks.python().state is State.OK


@pytest.mark.parametrize(
    ("free", "database", "judged"),
    [
        (200 << 30, 1 << 30, State.OK),
        (2 << 30, 3 << 30, State.WARNING),
        (512 << 20, 1, State.WARNING),
        (64 << 20, 1, State.FAULT),
        (0, 0, State.FAULT),
    ],
)
def test_room_on_the_disk_is_judged_with_a_backup_in_mind(
    free: int, database: int, judged: State
) -> None:
    assert checks.disk(free, database).state is judged


def test_a_log_that_has_grown_far_beyond_its_measure_is_told() -> None:
    assert checks.log(16 << 20).state is State.OK
    assert checks.log(65 << 20).state is State.WARNING


MOUNTS = r"""/dev/sda1 / ext4 rw 0 0
server:/export /srv nfs4 rw 0 0
tmpfs /srv/fast tmpfs rw 0 0
/dev/sdb1 /srv/two\040words xfs rw 0 0
overlay /merged overlay rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind", "judged"),
    [
        ("/var/lib/drawdown/drawdown.db", "ext4", State.OK),
        ("/srv/drawdown.db", "nfs4", State.FAULT),
        ("/srvx/drawdown.db", "ext4", State.OK),
        ("/srv/fast/drawdown.db", "tmpfs", State.WARNING),
        ("/srv/two words/drawdown.db", "xfs", State.OK),
        ("/merged/drawdown.db", "overlay", State.WARNING),
    ],
)
def test_the_file_system_is_judged_by_where_the_file_is(
    path: str, kind: str, judged: State
) -> None:
    """SQLite's log does not work over a network; memory and a container's layer go away."""
    found = checks.kind_of_file_system(Path(path), MOUNTS)
    assert found == kind
    assert checks.file_system(found).state is judged


def test_a_system_that_does_not_tell_its_file_systems_is_taken_as_it_is() -> None:
    assert checks.file_system(checks.kind_of_file_system(Path("/x"), "")).state is State.OK


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7_200, "2 hours"),
        (172_800, "2 days"),
    ],
)
def test_a_span_is_said_in_a_unit_that_fits(seconds: int, said: str) -> None:
    assert checks.span(seconds * 1_000_000) == said
