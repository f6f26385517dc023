"""Nothing is lost to rounding, whatever the prices and the rows."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from drawdown.cli.replay.carry import Carry
from drawdown.cli.replay.prices import Price
from drawdown.core import amounts
from drawdown.core.amounts import Amount

PRICE = st.builds(amounts.normalised, st.integers(0, 10**9), st.integers(0, 12))
TOKENS = st.integers(0, 10**15 - 1) | st.integers(0, 3)
ROWS = st.lists(st.tuples(st.sampled_from(["ada", "bob", "eve"]), TOKENS, TOKENS), max_size=30)
SCALE = st.integers(0, 10)


def exact(amount: Amount) -> Fraction:
    return Fraction(amount.digits, 10**amount.places)


@given(price=st.builds(Price, PRICE, PRICE), rows=ROWS, scale=SCALE)
def test_after_every_row_the_debits_sum_to_the_truncated_cumulative_cost(
    price: Price, rows: list[tuple[str, int, int]], scale: int
) -> None:
    """Per customer, at any scale. The oracle is arithmetic with fractions, which never rounds."""
    carry = Carry(price, scale)
    cost: dict[str, Fraction] = {}
    debited: dict[str, int] = {}
    for customer, read, written in rows:
        spent = read * exact(price.input) + written * exact(price.output)
        cost[customer] = cost.get(customer, Fraction(0)) + spent
        debit = carry.debit(customer, read, written)
        assert debit >= 0
        debited[customer] = debited.get(customer, 0) + debit
        assert debited[customer] == cost[customer] * 10**scale // 1


@given(price=st.builds(Price, PRICE, PRICE), rows=ROWS, scale=SCALE)
def test_customers_do_not_carry_for_each_other(
    price: Price, rows: list[tuple[str, int, int]], scale: int
) -> None:
    """A customer's debits are the same among others and alone."""
    together = Carry(price, scale)
    among = [(who, together.debit(who, read, written)) for who, read, written in rows]
    for name in {who for who, _, _ in rows}:
        alone = Carry(price, scale)
        own = [alone.debit(name, read, written) for who, read, written in rows if who == name]
        assert [debit for who, debit in among if who == name] == own


def test_a_cost_finer_than_the_scale_is_debited_when_it_adds_up() -> None:
    """Four calls of a quarter of a unit are one unit, on the fourth."""
    carry = Carry(Price(input=Amount(25, 2), output=Amount(0)), scale=0)
    assert [carry.debit("ada", 1, 0) for _ in range(8)] == [0, 0, 0, 1, 0, 0, 0, 1]
