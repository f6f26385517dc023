"""`drawdown init` and `drawdown migrate`: a database made ready, and kept so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from drawdown.store.sqlite import connection as opening
from tests.cli.test_keys import who
from tests.conftest import StartServer
from tests.support.commands import drawdown, sqlite_url


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def url(path: Path) -> str:
    return sqlite_url(path)


@contextmanager
def later_release() -> Iterator[int]:
    """A release with one migration more. What it yields is that migration's number."""
    known = opening.migrations()
    number = known[-1][0] + 1
    longer = [*known, (number, "CREATE TABLE another (a INTEGER) STRICT;")]
    with patch.object(opening, "migrations", lambda: longer):
        yield number


def test_the_first_key_is_an_admins_and_is_told_once(url: str) -> None:
    """With what to type next; the secret is in no list afterwards."""
    shown = drawdown("init", "--database", url)
    assert shown.code == 0
    secrets = set(re.findall(r"sk_test_\w+", shown.out))
    assert len(secrets) == 1
    principal = who(url, secrets.pop())
    assert principal is not None
    assert (principal.mode, principal.role) == ("test", "admin")
    assert f"serve --database {url}" in shown.out
    assert "export DRAWDOWN_API_KEY=" in shown.out
    assert "sk_test_" not in drawdown("keys", "list", "--database", url).out


def test_account_mode_and_zone_are_what_was_asked_for(path: Path, url: str) -> None:
    words = ("init", "--account", "north", "--mode", "live", "--zone", "Asia/Kathmandu")
    made = drawdown(*words, "--database", url, "--json").json()
    assert made["prepared"] is True
    assert made["database"] == str(path)
    assert (made["account"]["name"], made["account"]["zone"]) == ("north", "Asia/Kathmandu")
    assert (made["key"]["mode"], made["key"]["role"]) == ("live", "admin")
    principal = who(url, made["key"]["secret"], made["key"]["id"])
    assert principal is not None
    assert principal.mode == "live"
    [account] = drawdown("accounts", "list", "--database", url, "--json").json()
    assert account["id"] == made["account"]["id"]


@pytest.mark.parametrize("how", ["init", "keys create --mode test --role viewer"])
def test_a_prepared_database_is_left_as_it_is(path: Path, url: str, how: str) -> None:
    """To the byte, however it was prepared; and no secret is shown again."""
    drawdown(*how.split(), "--database", url)
    before = path.read_bytes()
    again = drawdown("init", "--account", "other", "--database", url)
    assert again.code == 0
    assert "prepared already: 1 account (default), 1 key. Nothing was changed." in again.out
    assert "sk_" not in again.out
    assert "`drawdown keys create` makes another key" in again.out
    told = drawdown("init", "--database", url, "--json").json()
    assert told == {"prepared": False, "database": str(path), "accounts": ["default"]}
    assert path.read_bytes() == before


def test_an_account_without_a_key_is_told_how_to_make_one(url: str) -> None:
    """Nothing is guessed about an account that somebody made on purpose."""
    drawdown("accounts", "create", "north", "--database", url)
    assert "`drawdown keys create`" in drawdown("init", "--database", url).out
    assert drawdown("keys", "list", "--database", url, "--json").json() == []


def test_an_empty_file_is_prepared(path: Path, url: str) -> None:
    path.touch()
    assert drawdown("init", "--database", url, "--json").json()["prepared"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--account", ""), "1 to 100 characters"), (("--zone", "Berlin"), "zone must be the name")],
)
def test_what_no_account_can_have_is_refused(url: str, words: tuple[str, ...], said: str) -> None:
    assert said in drawdown("init", *words, "--database", url).failure()
    assert drawdown("accounts", "list", "--database", url, "--json").json() == []


def test_a_server_on_a_prepared_database_makes_no_other_key(
    url: str, serve: StartServer, tmp_path: Path
) -> None:
    """And takes the one that was made."""
    secret = drawdown("init", "--database", url, "--json").json()["key"]["secret"]
    server = serve(database=url)
    assert not any("sk_" in line for line in server.output)
    asked = httpx.get(f"{server.url}/api/v1/keys", headers={"authorization": f"Bearer {secret}"})
    assert [key["name"] for key in asked.json()["data"]] == ["first key"]


def test_a_schema_of_this_release_needs_nothing(path: Path, url: str) -> None:
    drawdown("init", "--database", url)
    before = path.read_bytes()
    newest = len(opening.migrations())
    shown = drawdown("migrate", "--database", url)
    assert (shown.code, shown.out) == (
        0,
        f"The schema is {newest}, this release's. Nothing to do.\n",
    )
    assert drawdown("migrate", "--check", "--database", url).code == 0
    assert drawdown("migrate", "--database", url, "--json").json() == {
        "database": str(path),
        "before": newest,
        "schema": newest,
        "newest": newest,
    }
    assert path.read_bytes() == before


def test_a_pending_migration_is_told_and_not_run_by_a_check(path: Path, url: str) -> None:
    """Exit 1, for scripts; the file stays as it was."""
    drawdown("init", "--database", url)
    before = path.read_bytes()
    with later_release() as number:
        checked = drawdown("migrate", "--check", "--database", url)
        assert checked.code == 1
        assert f"this release's is {number}: 1 migration pending" in checked.out
        asked = drawdown("migrate", "--check", "--database", url, "--json")
        assert asked.code == 1
        assert f'"schema": {number - 1}' in asked.out
        told = drawdown("init", "--database", url)
        assert "`drawdown migrate`" in told.out
    assert path.read_bytes() == before


def test_a_pending_migration_is_run_once(url: str) -> None:
    drawdown("init", "--database", url)
    with later_release() as number:
        ran = drawdown("migrate", "--database", url)
        assert ran.out == f"The schema was {number - 1} and is {number} now: 1 migration run.\n"
        assert "Nothing to do" in drawdown("migrate", "--database", url).out
        assert drawdown("verify", "--database", url).code == 0
    failure = drawdown("migrate", "--database", url).failure()
    assert f"schema {number}" in failure
    assert "newer release" in failure


def test_there_is_nothing_to_migrate_where_there_is_no_ledger(path: Path, url: str) -> None:
    failure = drawdown("migrate", "--database", url).failure()
    assert str(path) in failure
    assert "drawdown init" in failure
    assert not path.exists()
