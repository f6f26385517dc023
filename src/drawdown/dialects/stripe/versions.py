"""Versions of the vendor's API: which one is spoken here, and how any is written."""

from __future__ import annotations

import re

#: The version whose shapes are answered, whatever version is asked for.
VERSION = "2026-10-28.endive"
_VERSION = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(\.[a-z]+)?(;\s*[a-z0-9_]+=v\d+)*", re.ASCII
)


def is_version(text: str) -> bool:
    return _VERSION.fullmatch(text) is not None
