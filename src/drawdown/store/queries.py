"""Reads named statements from a ``.sql`` file: ``-- name: lock_wallets`` and what follows up to the next."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def load_queries(package: str, resource: str = "queries.sql") -> dict[str, str]:
    """Every statement of ``package``'s file by its name. A name that comes twice is our mistake."""
    text = files(package).joinpath(resource).read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    names, bodies = parts[::2], parts[1::2]
    assert len(set(names)) == len(names), f"a statement's name comes twice in {resource}"
    return dict(zip(names, (body.strip() for body in bodies), strict=True))
