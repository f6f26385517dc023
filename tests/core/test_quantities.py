"""Quantities of usage are exact, with a sign, and within bounds."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawdown.core import amounts
from drawdown.core.usage import quantities
from drawdown.core.usage.quantities import QUANTITY_MAX, Quantity


@given(st.from_regex(r"\A-?[0-9]{1,19}(\.[0-9]{1,12})?\Z"))
def test_every_decimal_of_the_rule_is_read_exactly(text: str) -> None:
    found = quantities.parse(text)
    assert found is not None
    assert Decimal(quantities.render(found)) == Decimal(text)
    assert quantities.within_bounds(found)
    assert quantities.parse_number(text) == found


@given(st.integers(-QUANTITY_MAX, QUANTITY_MAX))
def test_what_is_rendered_is_read_as_the_same_quantity(steps: int) -> None:
    assert quantities.parse(quantities.render(Quantity(steps))) == steps


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("-1.5e2", "-150"), ("25E-2", "0.25"), ("-0", "0"), ("1e18", "1" + "0" * 18)],
)
def test_a_json_number_may_have_an_exponent(raw: str, expected: str) -> None:
    found = quantities.parse_number(raw)
    assert found is not None
    assert quantities.render(found) == expected


@pytest.mark.parametrize(
    "text", ["", "-", "--1", "+1", "1.", ".5", "1e2", "NaN", "1,5", " 1", "1" * 20, "0." + "1" * 13]
)
def test_anything_else_is_no_quantity(text: str) -> None:
    assert quantities.parse(text) is None


@pytest.mark.parametrize("raw", ["--1", "1e19", "-1e19", "1e-13", "1e999999999", "Infinity", ""])
def test_a_json_number_outside_the_rule_is_no_quantity(raw: str) -> None:
    assert quantities.parse_number(raw) is None


def test_an_amount_is_a_quantity() -> None:
    assert quantities.of_amount(amounts.Amount(15, 1)) == 1_500_000_000_000


def test_the_bounds_hold_on_both_sides() -> None:
    assert quantities.within_bounds(-QUANTITY_MAX)
    assert not quantities.within_bounds(QUANTITY_MAX + 1)
    assert not quantities.within_bounds(-QUANTITY_MAX - 1)
