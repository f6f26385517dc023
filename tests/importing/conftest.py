"""An account to move from, filled once, and empty books to move into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.importing.here import Here, a_book
from tests.importing.saved import an_account
from tests.importing.there import NEW_YEAR, There, fill
from tests.support.clocked_server import clocked_server


@pytest.fixture(scope="session")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    """A second Drawdown, which speaks Dodo over a socket."""
    folder = tmp_path_factory.mktemp("there")
    with clocked_server(f"sqlite:///{folder / 'there.db'}", NEW_YEAR) as server:
        found = There(server)
        fill(found)
        yield found
        found.http.close()


@pytest.fixture(scope="session")
def fetched(there: There, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its pages, got once by a dry run."""
    folder = tmp_path_factory.mktemp("fetched")
    here = a_book(f"sqlite:///{folder / 'here.db'}", folder)
    ran = here.bring(folder / "pages", "--from", there.url, "--dry-run", key=there.secret)
    assert ran.code == 0, (ran.out, ran.err)
    return folder / "pages"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Pages that somebody saved."""
    return an_account().save(tmp_path / "saved")


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Here:
    """An empty book on each kind of database."""
    return a_book(database_url, tmp_path)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Here:
    """A book that stays empty, for what is refused."""
    folder = tmp_path_factory.mktemp("empty")
    return a_book(f"sqlite:///{folder / 'here.db'}", folder)


@pytest.fixture
def file(tmp_path: Path) -> Here:
    """An empty book in a file, for what is the same on every store."""
    return a_book(f"sqlite:///{tmp_path / 'here.db'}", tmp_path)
