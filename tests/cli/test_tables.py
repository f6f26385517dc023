"""Tables on a terminal: whatever its width, an id can be copied."""

from __future__ import annotations

import io
import sys

import pytest

from drawdown.cli.credit.present import table
from drawdown.cli.output import show_table

ID = "grant_0351KbSbG7Ncp7zTZA3Mul"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [30, 50, 80, 200])
def test_an_id_is_never_broken(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """The words around it make room; where that is not enough, the line is longer than the screen."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    reason = "because it never expires, and this one does"
    show_table(table(("Grant", "Why"), [(ID, reason), (ID, reason)]))
    shown = terminal.getvalue()
    assert shown.count(ID) == 2
    assert all(word in shown for word in reason.split())
