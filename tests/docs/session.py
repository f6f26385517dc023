"""Runs a page's examples as a reader would: in one shell, in a clone, beside a running server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.docs.pages import ROOT, Block
from tests.support.server import Key

ADDRESS = "http://127.0.0.1:8080"
#: A page may start fifty processes, on a machine that is busy with other tests.
SECONDS = 240
_MARK = "@@ example at line"
_CURL = Path(__file__).parent / "curl.py"
#: What differs from run to run: generated ids, times, days, hashes, and what a request is called.
_VARYING = re.compile(
    r"(?<=_)[0-9A-Za-z]{22,}(?![0-9A-Za-z])"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?Z?)?)?"
    r"|\b\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d UTC"
    r"|\b[0-9a-f]{64}\b"
)


@dataclass(frozen=True)
class Ran:
    """What came of a page: everything printed by each example, by the line it begins on."""

    status: int
    errors: str
    printed: dict[int, str]


def run(examples: Sequence[Block], folder: Path, url: str, key: Key) -> Ran:
    """Run ``examples`` one after the other; the first that fails ends it."""
    _make_clone(folder)
    script = "set -e\n" + "\n".join(_step(block, folder, url, key) for block in examples)
    done = subprocess.run(
        ["sh", "-c", script],
        check=False,
        cwd=folder,
        env=_environment(folder, url, key),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    parts = re.split(rf"^{_MARK} (\d+)\n", done.stdout, flags=re.MULTILINE)
    printed = {int(line): text for line, text in zip(parts[1::2], parts[2::2], strict=True)}
    return Ran(done.returncode, done.stderr, printed)


def _make_clone(folder: Path) -> None:
    """The folder looks like a clone after ``make setup``, as far as examples name files."""
    places = {
        ".venv": Path(sys.prefix),
        "src": ROOT / "src",
        "node_modules": ROOT / "tests/typescript/node_modules",
    }
    for name, target in places.items():
        if not (folder / name).exists():
            (folder / name).symlink_to(target)
    commands = folder / "commands"
    commands.mkdir(exist_ok=True)
    curl = commands / "curl"
    curl.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{_CURL}" "$@"\n')
    curl.chmod(0o755)
    (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")


def _environment(folder: Path, url: str, key: Key) -> dict[str, str]:
    """The reader's shell. A machine without curl gets a small stand-in, found last."""
    kept = {name: value for name, value in os.environ.items() if "DRAWDOWN" not in name}
    return kept | {
        "PATH": f"{kept.get('PATH', os.defpath)}{os.pathsep}{folder / 'commands'}",
        "CURL_HOME": str(folder),
        "DRAWDOWN_API_KEY": key.secret,
        "DRAWDOWN_KEY_ID": key.id,
        "DRAWDOWN_URL": url,
    }


def _step(block: Block, folder: Path, url: str, key: Key) -> str:
    text = block.text.replace(ADDRESS, url).replace("sk_test_...", key.secret)
    if block.language == "python":
        source = folder / f"example_{block.line}.py"
        source.write_text(text, "utf-8")
        text = f".venv/bin/python -W error {source.name}\n"
    if block.language == "js":
        source = folder / f"example_{block.line}.mjs"
        source.write_text(text, "utf-8")
        text = f".venv/bin/node {source.name}\n"
    if "refused" in block.words:
        text = f"if {{ {text.strip()}\n}}; then echo 'this was not refused' >&2; exit 1; fi\n"
    return f"printf '\\n{_MARK} {block.line}\\n'\n{text}"


def difference(block: Block, printed: str) -> str | None:
    """How what was printed differs from what the page shows; None when it does not.

    JSON must be equal but for what varies. Of other text every line shown must be printed, in order.
    """
    assert block.shown is not None
    if block.shown_as == "json":
        expected, found = last_json(block.shown), last_json(printed)
        return None if _fixed(expected) == _fixed(found) else f"{expected}\nis not\n{found}"
    lines = iter([_plain(line) for line in printed.splitlines()])
    for line in block.shown.splitlines():
        if _plain(line) not in lines:  # consumes the lines before it
            return f"{line!r} is not printed (or not here):\n{printed}"
    return None


def last_json(printed: str) -> Any:
    """The last JSON document in what was printed."""
    decoder, place, found = json.JSONDecoder(parse_float=Decimal), 0, None
    while (start := re.compile(r"[\[{]").search(printed, place)) is not None:
        found, place = decoder.raw_decode(printed, start.start())
    return found


def _plain(line: str) -> str:
    return " ".join(_VARYING.sub("…", line).split())


def _fixed(value: Any) -> Any:
    """The value with what varies made equal; texts stay texts, and numbers numbers."""
    if isinstance(value, dict):
        return {name: _fixed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_fixed(item) for item in value]
    return _VARYING.sub("…", value) if isinstance(value, str) else value
