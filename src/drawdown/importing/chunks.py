"""Work in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in their order, ``size`` at a time; the last piece may be shorter."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
