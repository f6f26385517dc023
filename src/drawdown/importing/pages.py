"""A folder of pages: what another system answered, kept as it was, one JSON file a page.

A list is a folder of its own, with its pages in the order of their numbers: ``00000.json``, ``00001.json`` …
Whoever has no key for the program may put pages there that were got in any other way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from drawdown.core.errors import LedgerError
from drawdown.core.times import text_of
from drawdown.core.types import Instant
from drawdown.importing.problems import ImportRefused, Problem, Problems
from drawdown.web.errors import BadRequest

#: A page of 100 records, each with all the metadata that it may have, is far below.
PAGE_BYTES_MAX = 16 * 1024 * 1024
PAGES_MAX = 100_000
SOURCE = "source.json"
#: An id names a folder, too.
ID_RULE = "1 to 64 characters of A-Z a-z 0-9 . _ : @ -, and not . or .."
_ID = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._:@-]{1,64}")

Record = TypeVar("Record")


class Source(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where the pages of a folder are from. ``finished_at``: since when they are all there."""

    vendor: str
    base_url: str
    begun_at: str
    finished_at: str | None = None


class Page(msgspec.Struct):
    """What is on a page of a list, and whether the list ends with it. ``cursor`` leads to the next."""

    items: list[msgspec.Raw]
    is_last: bool
    cursor: str = ""


class Pages(Protocol):
    """How a vendor writes the pages of its lists, and how the next one is asked for."""

    #: What a page looks like, for whoever has none.
    example: str

    def read(self, body: bytes) -> Page:
        """Raises ``msgspec.DecodeError``."""

    def query(self, number: int, before: Page | None) -> dict[str, str]:
        """What asks for the page of that number, from 0, which comes after ``before``."""


class Folder:
    """The pages of one account, in a vendor's manner."""

    def __init__(self, root: Path, pages: Pages) -> None:
        self.root, self.pages = root, pages

    # Where they are from -------------------------------------------------------------------------

    def source(self) -> Source | None:
        """None for pages that were put there by hand. Raises ``ImportRefused``."""
        path = self.root / SOURCE
        if not path.exists():
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=Source)
        except msgspec.DecodeError as error:
            raise ImportRefused(f"{path} cannot be read: {error}.") from None

    def begin(self, vendor: str, base_url: str, now: Instant) -> Source:
        """Say where pages are got from, or go on. Raises ``ImportRefused`` for another's folder."""
        found = self.source()
        if found is None:
            if self.root.exists() and any(each.suffix != ".part" for each in self.root.iterdir()):
                raise ImportRefused(
                    f"{self.root} has files that were not fetched.", "Name an empty folder."
                )
            found = Source(vendor=vendor, base_url=base_url, begun_at=text_of(now))
            self._write(SOURCE, msgspec.json.encode(found))
        if (found.vendor, found.base_url) != (vendor, base_url):
            raise ImportRefused(
                f"{self.root} has pages of {found.base_url}, not of {base_url}.",
                "Name another folder.",
            )
        return found

    def finish(self, source: Source, now: Instant) -> None:
        source.finished_at = text_of(now)
        self._write(SOURCE, msgspec.json.encode(source))

    # Pages ---------------------------------------------------------------------------------------

    def numbers(self, name: str) -> list[Path]:
        """The pages of a list, in their order."""
        found = (self.root / name).glob("*.json")
        return sorted(found, key=lambda path: (not path.stem.isdigit(), len(path.stem), path.stem))

    def has(self, name: str) -> bool:
        return (self.root / name).is_dir()

    def keep(self, name: str, number: int, body: bytes) -> None:
        self._write(f"{name}/{number:05}.json", body)

    def last(self, name: str) -> Page | None:
        """The last page of a list that was got."""
        pages = self.numbers(name)
        return self._page(pages[-1]) if pages else None

    def _write(self, name: str, body: bytes) -> None:
        """Whole or not at all: a page that is there is not asked for again."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    # Records -------------------------------------------------------------------------------------

    def records(
        self, name: str, kind: type[Record], id_of: Callable[[Record], str], problems: Problems
    ) -> list[tuple[str, Record]]:
        """What is on the pages of a list, each with its page, in their order and each once.

        An account that changes meanwhile shows a record on two pages; what was read later holds.
        """
        found: dict[str, tuple[str, Record]] = {}
        for page, raw in self._raw(name):
            try:
                record = msgspec.json.decode(raw, type=kind)
            except msgspec.ValidationError as error:
                problems.add(Problem(page, _name_of(raw), "", f"{error}."))
                continue
            if _ID.fullmatch(id_of(record)) is None:
                problems.add(Problem(page, _name_of(raw), "id", f"{ID_RULE}."))
            else:
                found[id_of(record)] = (page, record)
        return list(found.values())

    def _raw(self, name: str) -> Iterator[tuple[str, msgspec.Raw]]:
        pages = self.numbers(name)
        if len(pages) > PAGES_MAX:
            raise ImportRefused(f"{self.root / name} has more than {PAGES_MAX:,} pages.")
        for path in pages:
            page = path.relative_to(self.root).as_posix()
            for raw in self._page(path).items:
                yield page, raw

    def object(self, name: str, kind: type[Record], problems: Problems) -> Record | None:
        """What is no list, and has a page of its own: None where it is not there, or breaks a rule."""
        pages = self.numbers(name)
        if not pages:
            return None
        page = pages[-1].relative_to(self.root).as_posix()
        try:
            return msgspec.json.decode(_bytes(pages[-1]), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problems.add(Problem(page, "", "", f"{error}."))
            return None

    def _page(self, path: Path) -> Page:
        """Raises ``ImportRefused``."""
        body = _bytes(path)
        try:
            return self.pages.read(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ImportRefused(
                f"{path} is not a page, which is {self.pages.example}: {error}.",
                "Delete it, and fetch it again.",
            ) from None


def _bytes(path: Path) -> bytes:
    """Raises ``ImportRefused``."""
    if path.stat().st_size > PAGE_BYTES_MAX:
        raise ImportRefused(f"{path} is larger than {PAGE_BYTES_MAX:,} bytes.")
    return path.read_bytes()


def _name_of(raw: msgspec.Raw) -> str:
    """By what a record that cannot be read is known."""
    try:
        found = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return "a record"
    ids = [found.get(name) for name in ("id", "customer_id")] if isinstance(found, dict) else []
    return next((each for each in ids if isinstance(each, str)), "a record without an id")


def checked(
    problems: Problems, page: str, record: str, read: Callable[..., Record], *given: Any
) -> Record | None:
    """What ``read`` makes of what it is given; None where the record breaks a rule, which is noted."""
    try:
        return read(*given)
    except BadRequest as error:
        problems.add(Problem(page, record, error.field, f"{error.rule}."))
    except LedgerError as error:
        problems.add(Problem(page, record, "", str(error)))
    return None
