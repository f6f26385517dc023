"""Which database a command opens, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tests.support.commands import drawdown, sqlite_url

KEY_ID = "key_0351GoXAZ3cV5phVEEw5et"
MAKERS = [("accounts", "create", "north"), ("keys", "create", "--mode", "test", "--role", "viewer")]
USERS = [
    ("keys", "list"),
    ("keys", "revoke", KEY_ID),
    ("accounts", "list"),
    ("accounts", "set", "north", "--zone", "UTC"),
    ("verify",),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test stands in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_word_the_database_is_a_file_in_the_working_folder(folder: Path) -> None:
    """The default that the documentation names."""
    assert drawdown("accounts", "create", "north").code == 0
    assert (folder / "drawdown.db").is_file()


def test_three_slashes_are_relative_and_four_absolute(folder: Path) -> None:
    """As everywhere with SQLite URLs."""
    assert drawdown("accounts", "create", "n", "--database", "sqlite:///near.db").code == 0
    (folder / "sub").mkdir()
    absolute = folder / "sub" / "far.db"
    assert drawdown("accounts", "create", "f", "--database", f"sqlite:///{absolute}").code == 0
    assert (folder / "near.db").is_file()
    assert absolute.is_file()


def test_the_option_goes_before_the_variable(folder: Path) -> None:
    """The variable names the database where no option does."""
    drawdown("accounts", "create", "by variable", database="sqlite:///variable.db")
    option = ("--database", "sqlite:///option.db")
    drawdown("accounts", "create", "by option", *option, database="sqlite:///variable.db")
    listed = drawdown("accounts", "list", "--json", database="sqlite:///variable.db").json()
    assert [account["name"] for account in listed] == ["by variable"]
    listed = drawdown("accounts", "list", *option, "--json").json()
    assert [account["name"] for account in listed] == ["by option"]


@pytest.mark.parametrize("words", MAKERS, ids=" ".join)
def test_a_new_ledger_is_told_of_beside_the_result(folder: Path, words: tuple[str, ...]) -> None:
    """Once, with its whole path: whoever stands in the wrong folder sees it."""
    url = sqlite_url(folder / "ledger.db")
    made = drawdown(*words, "--json", "--database", url)
    assert made.json()["id"]
    assert made.err == f"A new ledger at {folder / 'ledger.db'}\n"
    assert drawdown("keys", "create", *MAKERS[1][2:], "--database", url).err == ""


@pytest.mark.parametrize("words", USERS, ids=" ".join)
def test_what_uses_a_ledger_makes_none(folder: Path, words: tuple[str, ...]) -> None:
    """A mistyped URL is refused, not answered with an empty ledger."""
    failure = drawdown(*words, "--database", "sqlite:///typo.db").failure()
    assert "sqlite:///typo.db" in failure
    assert str(folder / "typo.db") in failure
    assert "--database" in failure
    assert "DRAWDOWN_DATABASE" in failure
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["drawdown.db", "sqlite://drawdown.db", "sqlite:///", "mysql://localhost/x", ""]
)
def test_an_url_of_another_kind_is_refused(folder: Path, url: str) -> None:
    """The refusal shows the forms that work."""
    failure = drawdown("accounts", "create", "north", "--database", url).failure()
    assert "sqlite:///drawdown.db" in failure
    assert "sqlite:////" in failure
    assert "postgresql://" in failure
    assert list(folder.iterdir()) == []


def test_a_file_of_something_else_is_left_alone(folder: Path) -> None:
    """Neither text nor another program's database is taken for a ledger."""
    (folder / "text.db").write_text("not a database at all, " * 100)
    other = apsw.Connection(str(folder / "other.db"))
    other.execute("CREATE TABLE theirs (id INTEGER)")
    other.close()
    for name in ("text.db", "other.db"):
        before = (folder / name).read_bytes()
        url = sqlite_url(folder / name)
        assert url in drawdown("accounts", "create", "north", "--database", url).failure()
        assert (folder / name).read_bytes() == before


@pytest.mark.parametrize("command", ["accounts create north", "init", "serve"])
def test_a_folder_that_is_not_there_is_told(folder: Path, command: str) -> None:
    """It is not made: a mistyped one would be, too."""
    url = sqlite_url(folder / "missing" / "ledger.db")
    failure = drawdown(*command.split(), "--database", url).failure()
    assert f"There is no folder {folder / 'missing'} ({url})." in failure
    assert list(folder.iterdir()) == []
