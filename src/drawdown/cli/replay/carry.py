"""From tokens to units, so that nothing is lost to rounding.

A row may cost less than one unit at the entitlement's scale. What is finer is carried per customer:
a row's debit is the increase of the customer's truncated cumulative cost, so after every row the
debits of a customer sum to its exact cost so far, cut off at the scale. Integers all the way.
"""

from __future__ import annotations

from drawdown.cli.replay.prices import Price


class Carry:
    """The cumulative cost of each customer, in units of the finest place that prices or scale need.

    It depends on the rows alone, never on what became of their debits: fed from the start of the
    file it gives the same debits again, which is what makes a resumed replay safe.
    """

    def __init__(self, price: Price, scale: int) -> None:
        places = max(price.input.places, price.output.places, scale)
        self._input: int = price.input.digits * 10 ** (places - price.input.places)
        self._output: int = price.output.digits * 10 ** (places - price.output.places)
        self._fine_per_unit: int = 10 ** (places - scale)
        self._costs: dict[str, int] = {}

    def debit(self, customer: str, input_tokens: int, output_tokens: int) -> int:
        """The units to debit; 0 while the customer's cost has not reached the next whole unit."""
        before = self._costs.get(customer, 0)
        after = before + input_tokens * self._input + output_tokens * self._output
        self._costs[customer] = after
        return after // self._fine_per_unit - before // self._fine_per_unit
