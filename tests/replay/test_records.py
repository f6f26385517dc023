"""Reading a file as records: formats, limits, faults, and digests that stay."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawdown.cli.failures import Failure
from drawdown.cli.replay import records
from drawdown.cli.replay.records import LINE_BYTES_MAX, Record

ROWS = [{"when": "1", "tokens": "10"}, {"when": "2", "tokens": "20"}, {"when": "3", "tokens": "0"}]
CSV = b"when,tokens\n1,10\n2,20\n3,0\n"
JSON_LINES = b'{"when":1,"tokens":10}\n{"when":"2","tokens":20}\n{"when":3,"tokens":"0"}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "usage"


def read(path: Path, content: bytes) -> list[Record]:
    path.write_bytes(content)
    return list(records.read(path))


def fault(path: Path, content: bytes) -> str:
    with pytest.raises(Failure) as caught:
        read(path, content)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", [CSV, JSON_LINES], ids=["CSV", "JSON lines"])
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzipped"])
def test_both_formats_are_read_plain_and_gzipped(path: Path, content: bytes, zipped: bool) -> None:
    """What a file is shows in its content, whatever its name."""
    found = read(path, gzip.compress(content) if zipped else content)
    assert [record.fields for record in found] == ROWS
    assert [record.number for record in found] == [1, 2, 3]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content.removesuffix(b"\n"),
        lambda content: content.replace(b"\n", b"\n\n"),
        lambda content: content + b"\n\n \n",
        lambda content: b"\xef\xbb\xbf" + content,
        gzip.compress,
    ],
    ids=["CRLF", "no last line end", "blank lines", "blank end", "byte order mark", "gzip"],
)
@pytest.mark.parametrize("content", [CSV, JSON_LINES], ids=["CSV", "JSON lines"])
def test_how_a_file_is_written_does_not_change_its_digests(
    path: Path, content: bytes, change: object
) -> None:
    """The rows are the same, so are their digests: nothing would be debited twice."""
    assert callable(change)
    before = [(record.fields, record.digest) for record in read(path, content)]
    after = [(record.fields, record.digest) for record in read(path, change(content))]
    assert after == before


@pytest.mark.parametrize("content", [CSV, JSON_LINES], ids=["CSV", "JSON lines"])
def test_a_file_that_grows_keeps_the_digests_it_had(path: Path, content: bytes) -> None:
    """And the new row has one of its own, even when it looks like an old one."""
    before = [record.digest for record in read(path, content)]
    last = content.splitlines(keepends=True)[-1]
    after = [record.digest for record in read(path, content + last)]
    assert after[:-1] == before
    assert len(set(after)) == 4


def test_a_row_that_changes_changes_the_digests_from_there_on(path: Path) -> None:
    """Those before it stay: what was fed before the change stays fed."""
    before = [record.digest for record in read(path, CSV)]
    after = [record.digest for record in read(path, CSV.replace(b"2,20", b"2,21"))]
    assert after[0] == before[0]
    assert not set(after[1:]) & set(before)


TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r\n\x0b\x0c\x1c\x1d\x1e\x85"), max_size=20
)


@given(rows=st.lists(st.tuples(TEXT, TEXT), max_size=8))
def test_what_a_csv_writer_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    """Commas, quotes and any character of Unicode come through."""
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b"), *rows])
    path = tmp_path_factory.mktemp("csv") / "usage"
    found = read(path, written.getvalue().encode())
    assert [tuple(record.fields.values()) for record in found] == rows


def test_a_quoted_field_may_run_over_lines(path: Path) -> None:
    """The line of a record is where it ends, so that an editor finds it."""
    found = read(path, b'when,note,tokens\n1,"two\nlines",10\n2,one,20\n')
    assert [record.fields["note"] for record in found] == ["two\nlines", "one"]
    assert [record.line for record in found] == [3, 4]


def test_a_json_number_keeps_its_digits(path: Path) -> None:
    """It never becomes a float: beyond 2**53 every digit counts."""
    [record] = read(path, b'{"tokens":9007199254740993,"other":[1,{"a":2}],"none":null}\n')
    assert record.fields["tokens"] == "9007199254740993"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"when,tokens\n1,10,5\n", "line 2: 3 fields under a header of 2"),
        (b"when,tokens\n1\n", "line 2: 1 fields under a header of 2"),
        (b'when,tokens\n1,"10\n', "line 2: this is no CSV"),
        (b'when,tokens\n1,"10"x\n', "line 2: this is no CSV"),
        (b"when,tokens\n1,\xff\n", "line 2: this is not UTF-8"),
        (b'{"when":1}\n{"when":\n', "line 2: this is no JSON object"),
        (b'{"when":1}\n[1]\n', "line 2: this is no JSON object"),
        (b'{"when":1}\n1\n', "line 2: this is no JSON object"),
        (b'{"a":"\\ud800"}\n', "line 1: this is no JSON object"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "line 1: this is no JSON object"),
        (
            b"when,tokens\n1," + b"1" * LINE_BYTES_MAX + b"\n",
            "line 2: a record is longer than 1 MiB",
        ),
        (b"{" + b" " * LINE_BYTES_MAX + b"}\n", "line 1: a record is longer than 1 MiB"),
        (b"when,tokens\n" + b'1,"' + b"x\n" * LINE_BYTES_MAX, "this is no CSV"),
        (b"a\n" + b'"x",\n' * 3, "2 fields under a header of 1"),
        (gzip.compress(CSV, mtime=0)[:-9], "damaged gzip"),
        (gzip.compress(CSV * 99, mtime=0)[:60] + b"\0" * 60, "damaged gzip"),
    ],
)
def test_a_faulty_file_is_refused_with_the_line(path: Path, content: bytes, said: str) -> None:
    """The first fault is named, with where it is; nothing of it reaches a server."""
    assert said in fault(path, content)


def test_a_record_of_many_lines_is_limited_as_a_whole(path: Path) -> None:
    """Fields that each stay small cannot add up to a record without end."""
    field = b'"' + b"x" * 60_000 + b'\n",'
    assert "longer than 1 MiB" in fault(path, b"a\n" + b"1," + field * 30 + b"1\n")


@pytest.mark.parametrize("what", ["missing", "folder"])
def test_a_file_that_cannot_be_opened_is_said(tmp_path: Path, what: str) -> None:
    path = tmp_path if what == "folder" else tmp_path / "missing.csv"
    with pytest.raises(Failure, match="Cannot read"):
        list(records.read(path))


def test_reading_takes_no_more_memory_than_a_record(path: Path) -> None:
    """A file is streamed: its first record is there before its last has been looked at."""
    path.write_bytes(JSON_LINES + b"this is no JSON")
    reader = records.read(path)
    assert json.loads(next(reader).fields["tokens"]) == 10
    reader.close()  # type: ignore[attr-defined]
