"""``application/x-www-form-urlencoded``, in bodies and query strings; with brackets for nesting.

``a[b][c]=1`` is ``{"a": {"b": {"c": "1"}}}``; ``a[]=1&a[]=2`` is ``{"a": ["1", "2"]}``. An index
stays a key (``a[0]=x`` is ``{"a": {"0": "x"}}``), since only the receiver knows whether it wants a
list or a dictionary with such a key; ``as_list`` makes a list of either. Every scalar is text, and
empty text stays.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise
from typing import Any
from urllib.parse import unquote_to_bytes

from drawdown.web.errors import BadRequest, Malformed

PAIRS_MAX = 1000
DEPTH_MAX = 8
NAME_MAX = 500
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")

Tree = dict[str, Any]


def pairs(raw: bytes, part: str = "The query") -> list[tuple[str, str]]:
    """The decoded pairs in their order; at most 1,000. ``part`` names ``raw`` in an error."""
    pieces = [piece for piece in raw.split(b"&", PAIRS_MAX) if piece]
    if len(pieces) > PAIRS_MAX:
        raise Malformed(part, f"at most {PAIRS_MAX} parameters")
    found = []
    for piece in pieces:
        name, _, value = piece.partition(b"=")
        found.append((_text(name, part), _text(value, part)))
    return found


def flat(raw: bytes, part: str = "The query", *, lists: Collection[str] = ()) -> dict[str, Any]:
    """Pairs without nesting; what holds a NUL is refused, which not every database keeps.

    So is a name that comes twice, but for those of ``lists``: all their values are one list, as are those
    that commas part.
    """
    found: dict[str, Any] = {}
    for name, value in pairs(raw, part):
        if "\0" in value:
            raise BadRequest(name, "without NUL characters")
        if name in lists:
            found.setdefault(name, []).extend(value.split(","))
            continue
        if name in found:
            raise BadRequest(name, "given once")
        found[name] = value
    return found


def nested(raw: bytes, part: str = "The body") -> Tree:
    """Pairs nested by their brackets, at most 8 deep. A scalar given twice: the last one stands."""
    tree: Tree = {}
    for name, value in pairs(raw, part):
        if len(name) > NAME_MAX:
            raise BadRequest(name, f"a name of at most {NAME_MAX} characters")
        match = _KEY.fullmatch(name)
        if match is None:
            raise BadRequest(name, "a name with brackets in pairs: a[b][c]")
        path = [match[1], *_PART.findall(match[2])]
        if len(path) > DEPTH_MAX:
            raise BadRequest(match[1], f"nested at most {DEPTH_MAX} deep")
        _put(tree, path, value, name)
    return tree


def as_list(value: Any, field: str) -> list[Any]:
    """A list from ``a[]=`` or, in the order of the indexes, from ``a[0]=``."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and all(re.fullmatch(r"[0-9]{1,6}", key) for key in value):
        return [value[key] for key in sorted(value, key=int)]
    raise BadRequest(field, "a list")


def _text(raw: bytes, part: str) -> str:
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(part, "valid UTF-8") from None


def _put(tree: Tree, path: list[str], value: str, name: str) -> None:
    """Set ``value`` at ``path``. A part "" appends to a list."""
    here: Any = tree
    for part, following in pairwise(path):
        here = _below(here, part, [] if following == "" else {}, path[-1] if part == "" else None)
        if not isinstance(here, list if following == "" else dict):
            raise BadRequest(name, "either a value, a list or an object, not two of them")
    last = path[-1]
    if last == "":
        here.append(value)
    elif isinstance(here.get(last), dict | list):
        raise BadRequest(name, "either a value, a list or an object, not two of them")
    else:
        here[last] = value


def _below(here: Any, part: str, fresh: Any, leaf: str | None) -> Any:
    """The container at ``part``. In ``a[][b]``, a ``b`` that is there begins the next item."""
    if part != "":
        return here.setdefault(part, fresh)
    if (
        not here
        or type(here[-1]) is not type(fresh)
        or (isinstance(fresh, dict) and leaf in here[-1])
    ):
        here.append(fresh)
    return here[-1]
