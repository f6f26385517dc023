"""`drawdown backup` and `drawdown restore`: what is in a backup, and what can go wrong with it."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from tests.cli.test_init import later_release
from tests.cli.test_verify import fill
from tests.conftest import StartServer
from tests.support.commands import drawdown, process, sqlite_url
from tests.support.server import Server, Tenant
from tests.support.stores import tamper

FUNDS = "1000000000"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with one customer who was granted 20 USD and used 0.0042 of them."""
    path = tmp_path / "ledger.db"
    asyncio.run(fill(sqlite_url(path)))
    return path


def backup(path: Path, file: Path, *words: str) -> Any:
    return drawdown("backup", file, *words, "--database", sqlite_url(path), "--json").json()


def restore(path: Path, file: Path, *words: str) -> Any:
    return drawdown("restore", file, *words, "--database", sqlite_url(path), "--json").json()


def entries(path: Path) -> int:
    found = drawdown("verify", "--database", sqlite_url(path), "--json").json()
    assert isinstance(found["entries"], int)
    return found["entries"]


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


# Under load --------------------------------------------------------------------------------------


class Load:
    """Debits on connections of their own, one after the other, until told to stop."""

    def __init__(self, tenant: Tenant) -> None:
        self.acknowledged: list[tuple[dict[str, str], bytes]] = []
        self._tenant = tenant
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(4)]

    def grow(self, batches: int) -> None:
        """A thousand debits at a time: a file that takes several steps to copy."""
        with self._tenant.client() as client:
            client.post("/customers", json={"id": "ada"})
            grant = {"customer": "ada", "entitlement": "usd", "amount": FUNDS}
            assert client.post("/grants", json=grant).status_code == 201
            for _ in range(batches):
                debits = [self._debit() for _ in range(1_000)]
                answer = client.post("/debits/batch", json={"debits": debits})
                assert {result["status"] for result in answer.json()["results"]} == {201}

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(30)

    def _work(self) -> None:
        with self._tenant.client() as client:
            while not self._stop.is_set():
                body = self._debit()
                try:
                    answer = client.post("/debits", json=body)
                except httpx.TransportError:
                    return  # the server was killed
                assert answer.status_code == 201, answer.text
                self.acknowledged.append((body, answer.content))

    def _debit(self) -> dict[str, str]:
        key = f"call-{next(self._numbers)}"
        return {"customer": "ada", "entitlement": "usd", "amount": "0.01", "idempotency_key": key}


def wait_for_more(load: Load, than: int) -> None:
    deadline = time.monotonic() + 60
    while len(load.acknowledged) <= than:
        assert time.monotonic() < deadline, "the load stands still"
        time.sleep(0.01)


def check_is_there(
    server: Server, tenant: Tenant, asked: list[tuple[dict[str, str], bytes]]
) -> None:
    """Each was carried out before, and is answered as it was, to the byte."""
    with httpx.Client(
        base_url=server.url + "/api/v1",
        headers={"authorization": f"Bearer {tenant.test.editor.secret}"},
        verify=False,
    ) as client:
        for body, answered in asked:
            again = client.post("/debits", json=body)
            assert again.headers.get("idempotent-replayed") == "true", f"lost: {body}"
            assert again.content == answered


def test_a_backup_under_load_has_everything_acknowledged_before_it_began(
    serve: StartServer, tmp_path: Path
) -> None:
    """A real server, killed afterwards; the backup is restored and serves again."""
    server = serve(database=sqlite_url(tmp_path / "ledger.db"))
    tenant = server.tenant()
    load, file = Load(tenant), tmp_path / "backup.db"
    load.grow(10)
    with load.running():
        wait_for_more(load, than=20)
        before = list(load.acknowledged)
        made = process("backup", file, "--verify", "--json", "--database", server.database).json()
        wait_for_more(load, than=len(before))
        server.kill()
    assert len(load.acknowledged) > len(before), "nothing was written during the backup"
    assert made["entries"] >= 10_000 + 1 + len(before)
    assert names(tmp_path) >= {"ledger.db", "ledger.db-wal", "backup.db"}

    restored = restore(tmp_path / "ledger.db", file, "--force")
    assert restored["entries"] == made["entries"]
    kept = Path(restored["kept"])
    assert entries(tmp_path / "ledger.db") == made["entries"]
    assert entries(kept) >= 10_000 + 1 + len(load.acknowledged), (
        "the log was not kept with its file"
    )
    again = serve(database=server.database)
    check_is_there(again, tenant, before)


def test_a_killed_servers_log_does_not_get_into_what_is_restored(
    serve: StartServer, tmp_path: Path
) -> None:
    """It belongs to the file that was there, and goes with it."""
    server = serve(database=sqlite_url(tmp_path / "ledger.db"))
    load = Load(server.tenant())
    load.grow(1)
    file = tmp_path / "backup.db"
    taken = backup(tmp_path / "ledger.db", file, "--verify")
    with load.running():
        wait_for_more(load, than=50)
        server.kill()
    assert (tmp_path / "ledger.db-wal").stat().st_size > 0
    kept = Path(restore(tmp_path / "ledger.db", file, "--force")["kept"])
    assert not (tmp_path / "ledger.db-wal").exists()
    assert entries(tmp_path / "ledger.db") == taken["entries"]
    assert entries(kept) > taken["entries"] + 50


def test_a_ledger_in_use_is_not_replaced(serve: StartServer, tmp_path: Path) -> None:
    """Not even with --force: what the server writes afterwards would be lost."""
    path = tmp_path / "ledger.db"
    server = serve(database=sqlite_url(path))
    backup(path, tmp_path / "backup.db")
    before = path.stat().st_ino
    words = ("restore", tmp_path / "backup.db", "--force", "--database", server.database)
    failure = drawdown(*words).failure()
    assert "in use" in failure
    assert "Stop the server" in failure
    assert path.stat().st_ino == before
    server.stop()
    assert drawdown(*words).code == 0


# Backup ------------------------------------------------------------------------------------------


def test_a_backup_is_one_private_file_that_tells_what_it_is(path: Path, tmp_path: Path) -> None:
    """No log beside it, and readable where nothing can be written."""
    file = tmp_path / "copies" / "backup.db"
    file.parent.mkdir()
    made = backup(path, file)
    assert made["file"] == str(file)
    assert made["bytes"] == file.stat().st_size > 0
    assert made["newest_record"].endswith("Z")
    assert "wallets" not in made
    assert file.stat().st_mode & 0o777 == 0o600
    assert names(file.parent) == {"backup.db"}
    with closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)) as opened:
        assert opened.pragma("journal_mode") == "delete"
        assert opened.execute("SELECT count(*) FROM entry").get == 2
    assert entries(file) == 2


def test_what_a_person_reads_of_a_backup(path: Path, tmp_path: Path) -> None:
    shown = drawdown("backup", tmp_path / "b.db", "--verify", "--database", sqlite_url(path))
    assert f"Backup of {path} in {tmp_path / 'b.db'}: " in shown.out
    assert "Verified: 1 wallet, 2 entries, all in order." in shown.out
    shown = drawdown("restore", tmp_path / "b.db", "--force", "--database", sqlite_url(path))
    assert "Verified: 1 wallet, 2 entries, all in order." in shown.out
    assert f"kept as {path}.before-" in shown.out


def test_a_file_of_that_name_is_replaced_only_by_force(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    file.write_text("precious")
    words = ("backup", file, "--database", sqlite_url(path))
    failure = drawdown(*words).failure()
    assert str(file) in failure
    assert "--force" in failure
    assert file.read_text() == "precious"
    assert drawdown(*words, "--force").code == 0
    assert entries(file) == 2


def test_another_files_log_does_not_get_into_a_backup(path: Path, tmp_path: Path) -> None:
    """What lies beside the name would be read into the backup by whoever opens it."""
    stray = tmp_path / "backup.db-wal"
    stray.write_text("of something else")
    words = ("backup", tmp_path / "backup.db", "--database", sqlite_url(path))
    assert str(stray) in drawdown(*words).failure()
    assert drawdown(*words, "--force").code == 0
    assert not stray.exists()
    assert entries(tmp_path / "backup.db") == 2


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("ledger.db", "is the ledger itself"),
        ("folder", "is a folder"),
        ("no/where.db", "Cannot write"),
    ],
)
def test_a_target_that_cannot_be_is_refused(
    path: Path, tmp_path: Path, target: str, said: str
) -> None:
    (tmp_path / "folder").mkdir()
    before = path.read_bytes()
    words = ("backup", tmp_path / target, "--force", "--database", sqlite_url(path))
    failure = drawdown(*words).failure()
    assert said in failure
    assert str(tmp_path / target) in failure
    assert path.read_bytes() == before
    assert names(tmp_path) == {"ledger.db", "folder"}


def test_there_is_no_backup_of_a_ledger_that_is_not_there(tmp_path: Path) -> None:
    words = ("backup", tmp_path / "b.db", "--database", sqlite_url(tmp_path / "typo.db"))
    assert "There is no ledger" in drawdown(*words).failure()
    assert names(tmp_path) == set()


def test_there_is_no_backup_of_another_programs_database(tmp_path: Path) -> None:
    with closing(apsw.Connection(str(tmp_path / "other.db"))) as other:
        other.execute("CREATE TABLE theirs (a)")
    words = ("backup", tmp_path / "b.db", "--database", sqlite_url(tmp_path / "other.db"))
    assert "not one of Drawdown's" in drawdown(*words).failure()
    assert names(tmp_path) == {"other.db"}


def damage(path: Path) -> None:
    """Overwrite a page of it, as a failing disk would."""
    with path.open("rb+") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096)


def test_a_damaged_ledger_gives_no_backup(path: Path, tmp_path: Path) -> None:
    """Nobody is to find out on the day he needs it."""
    damage(path)
    failure = drawdown("backup", tmp_path / "b.db", "--database", sqlite_url(path)).failure()
    assert "is damaged" in failure
    assert names(tmp_path) == {"ledger.db"}


def test_a_backup_can_be_taken_before_its_schema_is_migrated(path: Path, tmp_path: Path) -> None:
    """That is when it is needed most; only verifying it takes the new schema."""
    with later_release() as number:
        words = ("backup", tmp_path / "b.db", "--database", sqlite_url(path))
        assert "drawdown migrate" in drawdown(*words, "--verify").failure()
        assert not (tmp_path / "b.db").exists()
        assert drawdown(*words, "--json").json()["schema"] == number - 1
        restored = restore(tmp_path / "new.db", tmp_path / "b.db")
        assert (restored["schema"], restored["entries"]) == (number, 2)


# Restore -----------------------------------------------------------------------------------------


def test_a_restored_ledger_is_in_its_place_and_nothing_else_is(path: Path, tmp_path: Path) -> None:
    backup(path, tmp_path / "b.db")
    restored = restore(tmp_path / "fresh.db", tmp_path / "b.db")
    assert restored["file"] == str(tmp_path / "fresh.db")
    assert (restored["wallets"], restored["entries"]) == (1, 2)
    assert "kept" not in restored
    assert names(tmp_path) == {"ledger.db", "b.db", "fresh.db"}
    assert entries(tmp_path / "fresh.db") == 2


def test_what_was_there_is_kept_whole_with_its_owner_and_mode(path: Path, tmp_path: Path) -> None:
    backup(path, tmp_path / "b.db")
    path.chmod(0o640)
    refused = drawdown("restore", tmp_path / "b.db", "--database", sqlite_url(path)).failure()
    assert "--force" in refused
    kept = [Path(restore(path, tmp_path / "b.db", "--force")["kept"]) for _ in range(2)]
    assert len(set(kept)) == 2
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entries(file) for file in (path, *kept)] == [2, 2, 2]


@pytest.mark.parametrize("where", ["header", "page"])
def test_a_damaged_ledger_can_be_replaced(path: Path, tmp_path: Path, where: str) -> None:
    """That is what a backup is for; the damaged one is kept as it is."""
    backup(path, tmp_path / "b.db")
    if where == "header":
        path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
    else:
        damage(path)
    before = path.read_bytes()
    kept = Path(restore(path, tmp_path / "b.db", "--force")["kept"])
    assert entries(path) == 2
    assert kept.read_bytes()[4096 * 3 :] == before[4096 * 3 :]


def test_a_damaged_backup_replaces_nothing(path: Path, tmp_path: Path) -> None:
    backup(path, tmp_path / "b.db")
    damage(tmp_path / "b.db")
    before = path.read_bytes()
    words = ("restore", tmp_path / "b.db", "--force", "--database", sqlite_url(path))
    assert "is damaged" in drawdown(*words).failure()
    assert path.read_bytes() == before
    assert names(tmp_path) == {"ledger.db", "b.db"}


def test_a_backup_that_does_not_add_up_replaces_nothing(path: Path, tmp_path: Path) -> None:
    """SQLite finds nothing wrong with it; its entries do."""
    backup(path, tmp_path / "b.db")
    statement = "UPDATE wallet SET posted = posted + 1, used = used - 1"
    asyncio.run(tamper(sqlite_url(tmp_path / "b.db"), statement))
    words = ("restore", tmp_path / "b.db", "--force", "--database", sqlite_url(path))
    failure = drawdown(*words).failure()
    assert "does not add up" in failure
    assert "Nothing was written." in failure
    assert names(tmp_path) == {"ledger.db", "b.db"}


@pytest.mark.parametrize("content", [None, "Dear diary", "another program's"])
def test_what_is_no_backup_is_refused(path: Path, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "b.db"
    if content == "Dear diary":
        file.write_text("Dear diary, " * 500)
    elif content is not None:
        with closing(apsw.Connection(str(file))) as other:
            other.execute("CREATE TABLE theirs (a)")
    before = names(tmp_path)
    words = ("restore", file, "--force", "--database", sqlite_url(path))
    assert str(file) in drawdown(*words).failure()
    assert names(tmp_path) == before
    assert entries(path) == 2


def test_an_empty_file_is_not_restored(path: Path, tmp_path: Path) -> None:
    """A copy that was cut off at its beginning would else be an empty ledger, and all in order."""
    file, before = tmp_path / "backup.db", path.read_bytes()
    file.touch()
    ran = drawdown("restore", file, "--force", "--database", sqlite_url(path))
    assert f"{file} is empty" in ran.failure()
    assert path.read_bytes() == before
    assert names(tmp_path) == {"ledger.db", "backup.db"}


def test_a_disk_that_takes_no_more_is_told_as_such(path: Path, tmp_path: Path) -> None:
    """Here a limit on the size of files stands for it; nothing is left of the copy."""
    with apsw.Connection(str(path)) as connection:
        pages = connection.pragma("page_count") * connection.pragma("page_size")
    limited = (
        "import resource, signal; from drawdown.cli.main import main; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({pages // 2}, {pages // 2})); main()"
    )
    words = [sys.executable, "-c", limited, "backup", str(tmp_path / "backup.db")]
    ran = subprocess.run(
        [*words, "--database", sqlite_url(path)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "the disk refuses" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "backup.db" not in {file.name for file in tmp_path.glob("*backup*")}


def test_a_ledger_is_not_restored_from_itself(path: Path) -> None:
    words = ("restore", path, "--force", "--database", sqlite_url(path))
    assert "is the ledger itself" in drawdown(*words).failure()


def test_a_link_to_a_ledger_stays_a_link(path: Path, tmp_path: Path) -> None:
    """The file it leads to is replaced, on the disk it is on."""
    (tmp_path / "disk").mkdir()
    path.rename(tmp_path / "disk" / "real.db")
    path.symlink_to(tmp_path / "disk" / "real.db")
    backup(path, tmp_path / "b.db")
    restored = restore(path, tmp_path / "b.db", "--force")
    assert path.is_symlink()
    assert Path(restored["kept"]).parent == tmp_path / "disk"
    assert entries(path) == 2


def test_a_database_server_is_neither_backed_up_nor_restored_as_a_file(tmp_path: Path) -> None:
    """Both say so before they connect, and where to read how it is done."""
    url = "postgresql://drawdown:secret@127.0.0.1:1/credits"
    for command in ("backup", "restore"):
        told = drawdown(command, tmp_path / "backup.db", "--database", url).failure()
        assert "is no file. docs/operations.md says how PostgreSQL is backed up" in told
        assert "secret" not in told
