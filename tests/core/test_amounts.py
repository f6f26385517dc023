"""Amounts are exact, from the wire to the ledger and back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawdown.core import amounts
from drawdown.core.errors import AmountTooFine, AmountTooLarge
from drawdown.core.types import UNITS_MAX


@given(st.integers(0, UNITS_MAX), st.integers(0, 10))
def test_what_is_rendered_parses_to_the_same_units(units: int, scale: int) -> None:
    parsed = amounts.parse(amounts.render(units, scale))
    assert parsed is not None
    assert amounts.to_units(parsed, scale) == units


@given(st.from_regex(r"\A[0-9]{1,19}(\.[0-9]{1,12})?\Z"))
def test_every_amount_of_the_rule_parses_to_its_exact_value(text: str) -> None:
    parsed = amounts.parse(text)
    assert parsed is not None
    assert Decimal(str(parsed)) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-1", "+1", "1e3", "1.", ".5", "NaN", "Infinity", "1,5", " 1", "1 ", "0x10", "1_000"),
        *("12345678901234567890", "1.1234567890123", "\u0661", "1\n", "1.\u0665"),
    ],
)
def test_anything_else_is_no_amount(text: str) -> None:
    assert amounts.parse(text) is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("1000", "1000"), ("25.50", "25.5"), ("1e3", "1000"), ("25E-2", "0.25"), ("0.0", "0")],
)
def test_a_json_number_is_read_from_its_text(raw: str, expected: str) -> None:
    assert str(amounts.parse_number(raw)) == expected


@pytest.mark.parametrize(
    "raw", ["-1", "1e31", "1e-31", "1e999999", "NaN", "1e19", "1e-13", "12345678901234567890", ""]
)
def test_a_json_number_outside_the_rule_is_no_amount(raw: str) -> None:
    assert amounts.parse_number(raw) is None


def test_an_amount_finer_than_the_scale_is_refused() -> None:
    with pytest.raises(AmountTooFine, match="at most 2 decimal places"):
        amounts.to_units(amounts.Amount(1, 3), 2)


def test_an_amount_past_64_bits_is_refused_with_the_largest_one() -> None:
    with pytest.raises(AmountTooLarge, match=r"92233720368547758\.07"):
        amounts.to_units(amounts.Amount(UNITS_MAX + 1, 2), 2)
