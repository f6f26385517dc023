"""A file of records, CSV or JSON lines, plain or gzipped, read as a stream within limits.

Which of the two it is shows in the first character: JSON lines begin with a brace. Blank lines are
nothing. Every record comes with the digest of the file up to and including it, so that a record
keeps its digest when the file grows at its end, is compressed, or changes its line ends.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from drawdown.cli.failures import Failure

LINE_BYTES_MAX = 1 << 20
RECORD_BYTES_MAX = 1 << 20
DIGEST_LENGTH = 32

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Record(msgspec.Struct, frozen=True):
    """``number`` counts from 1, ``line`` is where the record ends, ``digest`` is of all so far."""

    number: int
    line: int
    fields: dict[str, str]
    digest: str


def read(path: Path) -> Iterator[Record]:
    """The records of ``path`` in their order. Raises ``Failure`` naming the line at fault."""
    with _opened(path) as file:
        source = _Source(file, path)
        objects = source.first.startswith("{")
        fields = _json_fields(source) if objects else _csv_fields(source)
        for number, record in enumerate(fields, start=1):
            yield Record(number, source.line, record, source.digest())


class _Source:
    """The file's lines as text; counts and hashes what it hands out."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self.path = path
        self.line = 0
        self._file = file
        self._hash = hashlib.sha256()
        self._record_bytes = 0
        self._first: str | None = self._next()
        if self._first is None:
            raise Failure(f"{path} is empty.", "A usage file has a header and rows, or JSON lines.")
        self.first = self._first

    def __iter__(self) -> Iterator[str]:
        line, self._first = self._first, None
        while line is not None:
            yield line
            line = self._next()

    def digest(self) -> str:
        """Call once after each record: a record's own length is counted from here."""
        self._record_bytes = 0
        return self._hash.hexdigest()[:DIGEST_LENGTH]

    def failure(self, message: str, fix: str = "") -> Failure:
        return Failure(f"{self.path}, line {self.line}: {message}.", fix)

    def _next(self) -> str | None:
        """The next line that is not blank, without its end; None at the end of the file."""
        while raw := self._file.readline(LINE_BYTES_MAX + 1):
            self.line += 1
            self._record_bytes += len(raw)
            if len(raw) > LINE_BYTES_MAX or self._record_bytes > RECORD_BYTES_MAX:
                raise self.failure(
                    f"a record is longer than {RECORD_BYTES_MAX >> 20} MiB, the limit"
                )
            content = raw.removeprefix(_BOM) if self.line == 1 else raw
            content = content.rstrip(b"\r\n")
            if content.strip():
                self._hash.update(content + b"\n")
                return self._text(content) + "\n"
        return None

    def _text(self, content: bytes) -> str:
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise self.failure("this is not UTF-8", "Convert the file to UTF-8.") from None


def _csv_fields(source: _Source) -> Iterator[dict[str, str]]:
    """Rows under the names of the header; a row must be as long as it."""
    reader = csv.reader(source, strict=True)
    try:
        header = next(reader)
        for row in reader:
            if len(row) != len(header):
                raise source.failure(f"{len(row)} fields under a header of {len(header)}")
            yield dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise source.failure(f"this is no CSV: {error}") from None


def _json_fields(source: _Source) -> Iterator[dict[str, str]]:
    """Objects one a line. A string stands for its text, a number for its digits as written."""
    for line in source:
        try:
            yield {name: _json_text(raw) for name, raw in _decode_object(line).items()}
        except (msgspec.DecodeError, RecursionError) as error:
            raise source.failure(f"this is no JSON object: {error}") from None


def _json_text(raw: msgspec.Raw) -> str:
    text = bytes(raw).decode()
    return msgspec.json.decode(text, type=str) if text.startswith('"') else text


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked when they are gzipped."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == _GZIP
            file.seek(0)
            if zipped:
                with gzip.GzipFile(fileobj=file) as unzipped:
                    yield unzipped  # type: ignore[misc]
            else:
                yield file
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise Failure(f"{path} is a damaged gzip file.", "Copy it again from its origin.") from None
    except OSError as error:
        raise Failure(f"Cannot read {path}: {error.strerror or error}.") from None
