"""Records as usage: times, tokens, customers, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.cli.failures import Failure
from drawdown.cli.replay import customers, usage
from drawdown.cli.replay.customers import Rule
from drawdown.cli.replay.usage import Columns, TimeUnit, Usage
from drawdown.core.times import text_of

COLUMNS = Columns(time="at", input="in", output="out")
ADA = customers.one("ada")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "usage.csv"


def read(
    path: Path, *rows: str, columns: Columns = COLUMNS, rule: Rule = ADA, header: str = "at,in,out"
) -> list[Usage]:
    path.write_text("\n".join([header, *rows]), "utf-8")
    return list(usage.read(path, columns, rule))


def fault(path: Path, *rows: str, columns: Columns = COLUMNS, rule: Rule = ADA) -> str:
    with pytest.raises(Failure) as caught:
        read(path, *rows, columns=columns, rule=rule)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "unit", "meant"),
    [
        ("2023-11-16 18:17:03.9799600", TimeUnit.SECONDS, "2023-11-16T18:17:03.979960Z"),
        ("2023-11-16T18:17:03Z", TimeUnit.SECONDS, "2023-11-16T18:17:03Z"),
        ("2023-11-16T18:17:03.123456789+02:00", TimeUnit.SECONDS, "2023-11-16T16:17:03.123456Z"),
        ("1700158623", TimeUnit.SECONDS, "2023-11-16T18:17:03Z"),
        ("1700158623.9799609", TimeUnit.SECONDS, "2023-11-16T18:17:03.979960Z"),
        ("1700158623979", TimeUnit.MILLISECONDS, "2023-11-16T18:17:03.979000Z"),
        ("1700158623979.96", TimeUnit.MILLISECONDS, "2023-11-16T18:17:03.979960Z"),
        ("1700158623979960.9", TimeUnit.MICROSECONDS, "2023-11-16T18:17:03.979960Z"),
        ("0", TimeUnit.MILLISECONDS, "1970-01-01T00:00:00Z"),
        ("253402300799", TimeUnit.SECONDS, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_read_to_the_microsecond(
    path: Path, text: str, unit: TimeUnit, meant: str
) -> None:
    """UTC where it names no zone; what is finer is cut off, never rounded."""
    columns = Columns(time="at", input="in", output="out", time_unit=unit)
    [row] = read(path, f"{text},1,2", columns=columns)
    assert text_of(row.at) == meant


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2023-13-01 00:00:00", "2023-11-16", "-1", "1e9", "NaN", "253402300800",
     "1700158623,5", "٣"],
)  # fmt: skip
def test_a_time_that_is_none_is_refused(path: Path, text: str) -> None:
    """With the column, the value and the rule."""
    said = fault(path, f'"{text}",1,2')
    assert f"row 1 (line 2): at is {text!r}; it must be a time" in said


@pytest.mark.parametrize("text", ["", "-1", "1.0", "1e3", "1_000", " 1", "٣", "9" * 16, "null"])
@pytest.mark.parametrize("column", ["in", "out"])
def test_tokens_are_whole_numbers(path: Path, text: str, column: str) -> None:
    """Nothing is guessed from a float, a sign or an empty field."""
    row = f"1,{text},2" if column == "in" else f"1,2,{text}"
    said = fault(path, "1,1,1", row)
    assert f"row 2 (line 3): {column} is {text!r}; it must be a whole number" in said


def test_the_largest_token_counts_are_read(path: Path) -> None:
    [row] = read(path, f"1,{'9' * 15},0")
    assert (row.input_tokens, row.output_tokens) == (10**15 - 1, 0)


@pytest.mark.parametrize(
    ("columns", "option"),
    [
        (Columns(time="when", input="in", output="out"), "--time-column"),
        (Columns(time="at", input="prompt", output="out"), "--input-column"),
        (Columns(time="at", input="in", output="completion"), "--output-column"),
        (Columns(time="at", input="in", output="out", customer="who"), "--customer-column"),
    ],
)
def test_a_column_that_is_not_there_is_named_with_its_option(
    path: Path, columns: Columns, option: str
) -> None:
    """And the columns that are there are listed."""
    rule = customers.column("who") if columns.customer else ADA
    said = fault(path, "1,2,3", columns=columns, rule=rule)
    assert "it has at, in, out" in said
    assert option in said


def test_a_column_names_the_customer(path: Path) -> None:
    columns = Columns(time="at", input="in", output="out", customer="who")
    rule, header = customers.column("who"), "at,in,out,who"
    found = read(
        path, "1,2,3,ada", "1,2,3,user@example.com", columns=columns, rule=rule, header=header
    )
    assert [row.customer for row in found] == ["ada", "user@example.com"]


def test_a_customer_that_is_no_id_is_refused(path: Path) -> None:
    """Before anything is fed, with the rule for ids."""
    columns = Columns(time="at", input="in", output="out", customer="in")
    said = fault(path, "1,a b,3", columns=columns, rule=customers.column("in"))
    assert "in is 'a b'" in said
    assert "A-Z a-z 0-9" in said


def test_rows_are_dealt_round(path: Path) -> None:
    """Row r is number (r - 1) mod N + 1's: always the same for the same file."""
    found = read(path, *["1,2,3"] * 5, rule=customers.dealt(2))
    assert [row.customer for row in found] == [f"customer-0{n}" for n in (1, 2, 1, 2, 1)]


@pytest.mark.parametrize(
    ("count", "template", "row", "expected"),
    [
        (50, "customer-{n:02}", 50, "customer-50"),
        (1000, "u{n:04}", 1001, "u0001"),
        (1, "x", 9, "x"),
    ],
)
def test_a_customer_is_spelled_by_the_format(
    count: int, template: str, row: int, expected: str
) -> None:
    assert customers.dealt(count, template)(row, {}) == expected


@pytest.mark.parametrize(
    ("count", "template", "said"),
    [
        (0, "c{n}", "--customers must be from 1"),
        (-1, "c{n}", "--customers must be from 1"),
        (1_000_001, "c{n}", "--customers must be from 1"),
        (2, "same", "same for every customer"),
        (2, "a b{n}", "makes no id"),
        (2, "{}", "makes no id"),
        (2, "{n", "makes no id"),
        (2, "{n.real.x}", "makes no id"),
        (2, "{n[0]}", "makes no id"),
        (2, "{n:x<99}", "makes no id"),
        (2, "", "makes no id"),
    ],
)
def test_a_rule_that_makes_no_customers_is_refused(count: int, template: str, said: str) -> None:
    with pytest.raises(Failure, match=said):
        customers.dealt(count, template)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "ada\n"])
def test_one_customer_must_be_an_id(name: str) -> None:
    with pytest.raises(Failure, match="is no id"):
        customers.one(name)


def test_a_generated_id_names_a_customer() -> None:
    """In any spelling: the server knows them all."""
    generated = "0199b0e4-7c1a-7b3a-9a51-3f0d7e8a1b2c"
    assert customers.one(generated)(1, {}) == generated
