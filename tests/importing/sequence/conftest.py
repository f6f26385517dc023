"""An account to move from, filled once, and empty books to move into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.importing.here import Here, a_book
from tests.importing.sequence.saved import an_account


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Pages that somebody saved."""
    return an_account().save(tmp_path / "saved")


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Here:
    """An empty book on each kind of database."""
    return a_book(database_url, tmp_path, "sequence")


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Here:
    """A book that stays empty, for what is refused."""
    folder = tmp_path_factory.mktemp("empty")
    return a_book(f"sqlite:///{folder / 'here.db'}", folder, "sequence")


@pytest.fixture
def file(tmp_path: Path) -> Here:
    """An empty book in a file, for what is the same on every store."""
    return a_book(f"sqlite:///{tmp_path / 'here.db'}", tmp_path, "sequence")
