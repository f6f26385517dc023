"""Tables of exact numbers under named rules, which a product person can read (``tests/tables``).

== The rule, in one sentence.
what it is about
a case, and what comes of it
"""

from __future__ import annotations

from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent.parent / "tables"


class Rule(msgspec.Struct, frozen=True):
    """One rule and the lines below it, without blank ones and comments."""

    title: str
    lines: tuple[str, ...]


def rules(name: str) -> list[Rule]:
    """Every rule of the table ``name``; no two have one title."""
    parts = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("\n== ")[1:]
    found = [_rule(part) for part in parts]
    assert len({rule.title for rule in found}) == len(found), "two rules have one title"
    return found


def _rule(text: str) -> Rule:
    title, _, body = text.partition("\n")
    lines = [line for line in body.splitlines() if line.strip() and not line.startswith("#")]
    return Rule(title, tuple(lines))
