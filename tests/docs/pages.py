"""The project's pages, and the examples in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced example. ``words`` stand after its language; ``shown``: what it is said to print."""

    line: int
    language: str
    words: str
    text: str
    shown: str | None = None
    shown_as: str = ""

    @property
    def is_run(self) -> bool:
        """``make`` sets up, serves and tests: what its targets are is looked up, not run.

        What is typed on a machine with a database is run beside one (``test_recovery``).
        """
        runs = self.language in {"sh", "python", "js"} and "not run" not in self.words
        runs = runs and not self.words.startswith("on ")
        return runs and not self.text.startswith(("make ", "export DRAWDOWN_API_KEY="))


def pages() -> list[Path]:
    """Every page of the project, in a stable order."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/drawdown/**/*.md")]
    return sorted(found)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The page's examples, each with the output that follows it directly, if any does."""
    text = page.read_text("utf-8")
    matches = list(_FENCE.finditer(text))
    found = []
    for number, match in enumerate(matches):
        language, words, body = match.groups()
        shown, shown_as = None, ""
        for following in matches[number + 1 : number + 2]:
            is_next = not text[match.end() : following.start()].strip()
            if is_next and following[1] in {"json", "text"}:
                shown, shown_as = following[3], following[1]
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(line, language, words.strip(), body, shown, shown_as))
    return found


def prose(page: Path) -> str:
    """The page without its fenced examples."""
    return _FENCE.sub("", page.read_text("utf-8"))
