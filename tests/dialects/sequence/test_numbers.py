"""Amounts as JSON numbers, to and from raw text, as pure functions."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drawdown.core.amounts import SCALE_MAX, to_units
from drawdown.core.types import UNITS_MAX
from drawdown.dialects.sequence import numbers
from drawdown.web.errors import BadRequest

UNITS = st.integers(0, UNITS_MAX)
SCALES = st.integers(0, SCALE_MAX)


@given(UNITS, SCALES)
@example(UNITS_MAX, SCALE_MAX)
@example(0, SCALE_MAX)
def test_what_is_written_is_read_as_the_same_amount(units: int, scale: int) -> None:
    raw = numbers.write(units, scale)
    assert to_units(numbers.read(raw, "amount"), scale) == units


@given(UNITS, SCALES)
def test_what_is_written_is_plain_json(units: int, scale: int) -> None:
    """No exponent, no trailing zeros, and any parser reads the exact value."""
    text = bytes(numbers.write(units, scale)).decode("ascii")
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == Decimal(units).scaleb(-scale)
    assert set(text) <= set("0123456789.")
    if "." in text:
        assert text[-1] not in "0."


@given(st.integers(0, 10**19 - 1), st.integers(0, 12), st.integers(-9, 9))
def test_an_exponent_moves_the_point_exactly(digits: int, places: int, exponent: int) -> None:
    """Whatever is read is equal to what was written; what cannot be kept is refused."""
    mantissa = str(Decimal(digits).scaleb(-places))
    text = f"{mantissa}e{exponent}" if "E" not in mantissa else mantissa
    exact = Decimal(text)
    try:
        found = numbers.read(msgspec.Raw(text.encode()), "amount")
    except BadRequest:
        plain = format(exact.normalize(), "f")
        whole, _, fraction = plain.partition(".")
        assert len(whole) > 19 or len(fraction) > 12
    else:
        assert Decimal(found.digits).scaleb(-found.places) == exact


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "-0",
        "1e999",
        "1e-999",
        "1e31",
        "1e99999999999999999999",
        "0.0000000000001",
        "1e-13",
        "10000000000000000000",
        "1" * 101,
        '"1"',
        "null",
        "true",
        "{}",
        "[1]",
        "NaN",
        "Infinity",
        "１",
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    """Negative, too long, too fine, or no number at all; in no time, however large the exponent."""
    with pytest.raises(BadRequest, match="costOfCredit must be a number"):
        numbers.read(msgspec.Raw(text.encode()), "costOfCredit")


@given(st.text(alphabet="0123456789.eE+-", max_size=40))
@example("1e+0000000030")
def test_no_text_breaks_the_reader(text: str) -> None:
    """It is read exactly, or refused; nothing else."""
    try:
        found = numbers.read(msgspec.Raw(text.encode()), "amount")
    except BadRequest:
        return
    assert Decimal(found.digits).scaleb(-found.places) == Decimal(text)


def test_left_out_and_null_are_the_same() -> None:
    assert numbers.read_optional(msgspec.UNSET, "costOfCredit") is None
    assert numbers.read_optional(msgspec.Raw(b"null"), "costOfCredit") is None
    assert numbers.read_optional(msgspec.Raw(b"0"), "costOfCredit") is not None
