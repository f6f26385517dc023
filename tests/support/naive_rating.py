"""Naive prices that are obviously right: they count usage step by step, and each step by itself.

Exact fractions, no formulas, no code shared with the core. A price is what a table's line says: a model's
name, its numbers, and how much is free.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import msgspec


class NaiveTier(msgspec.Struct):
    """``up_to`` None: no end."""

    up_to: Fraction | None
    price: Fraction
    flat: Fraction


class NaivePrice(msgspec.Struct):
    model: str
    number: Fraction = Fraction(0)
    price: Fraction = Fraction(0)
    tiers: list[NaiveTier] = []
    free: Fraction = Fraction(0)
    rounding: str = "up"


def cost(price: NaivePrice, quantity: Fraction, step: Fraction) -> Fraction:
    """``step`` must divide the quantity, the free amount and the end of every tier."""
    steps = [position for position in _positions(quantity, step) if position > price.free]
    if price.model == "per_unit":
        return sum((step * price.price for _ in steps), Fraction(0))
    if price.model == "per_credit":
        return sum((step / price.number for _ in steps), Fraction(0))
    if price.model == "package":
        return _packages(price, len(steps) * step)
    positions = [position - price.free for position in steps]
    if price.model == "graduated":
        return _graduated(price.tiers, positions, step)
    return _volume(price.tiers, positions, step)


def _positions(quantity: Fraction, step: Fraction) -> Iterator[Fraction]:
    """Where each step of the quantity ends."""
    position = step
    while position <= quantity:
        yield position
        position += step


def _packages(price: NaivePrice, quantity: Fraction) -> Fraction:
    total = Fraction(0)
    while quantity >= price.number:
        quantity, total = quantity - price.number, total + price.price
    return total + price.price if quantity > 0 and price.rounding == "up" else total


def _graduated(tiers: list[NaiveTier], positions: list[Fraction], step: Fraction) -> Fraction:
    """Each step costs its tier's price, and the first step in a tier its flat fee as well."""
    total, entered = Fraction(0), set()
    for position in positions:
        number = _tier_at(tiers, position)
        if number not in entered:
            entered.add(number)
            total += tiers[number].flat
        total += step * tiers[number].price
    return total


def _volume(tiers: list[NaiveTier], positions: list[Fraction], step: Fraction) -> Fraction:
    if not positions:
        return Fraction(0)
    tier = tiers[_tier_at(tiers, positions[-1])]
    return sum((step * tier.price for _ in positions), tier.flat)


def _tier_at(tiers: list[NaiveTier], position: Fraction) -> int:
    reached = len(tiers) - 1
    for number in range(len(tiers) - 1, -1, -1):
        up_to = tiers[number].up_to
        if up_to is None or position <= up_to:
            reached = number
    return reached
