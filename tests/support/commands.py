"""The command `drawdown` as a person runs it: words in, exit code and both outputs out."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from drawdown.cli.main import main

SECONDS_MAX = 180


@dataclass(frozen=True)
class Ran:
    """What a command left: ``code`` is its exit status."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one document it printed; it must have done what it was asked."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    def failure(self) -> str:
        """What it said was wrong: it must be one line, and no result beside it."""
        assert self.code == 1, (self.code, self.out, self.err)
        assert self.out == ""
        [line] = self.err.splitlines()
        assert line.startswith("Error: ")
        return line


def drawdown(*words: object, **variables: str) -> Ran:
    """Run the command in this process, with no ``DRAWDOWN_`` variable set but ``variables``."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["drawdown", *map(str, words)]),
        mock.patch.dict(os.environ, _environment(variables), clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Ran(code, out.getvalue(), err.getvalue())


def process(*words: object, **variables: str) -> Ran:
    """As ``drawdown``, in a process of its own: for what changes the process it runs in."""
    ran = subprocess.run(
        [sys.executable, "-m", "drawdown", *map(str, words)],
        env=_environment(variables),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def sqlite_url(path: Path) -> str:
    """The absolute form, which the fourth slash makes."""
    return f"sqlite:///{path}"


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "DRAWDOWN_" not in name}
    given = {f"DRAWDOWN_{name.upper()}": value for name, value in variables.items()}
    return {**kept, "COLUMNS": "200", **given}
