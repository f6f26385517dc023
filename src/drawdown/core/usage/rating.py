"""Rating: what a quantity of usage costs, in credits, exactly.

Every price is a function of the *cumulative* quantity of a period. What is debited is the increase of the
cumulative cost, truncated to whole units: so nothing is lost to rounding, however usage is split into
events, and at no moment is a whole unit owed or taken too early.

    cost    an exact ratio, of credits or money
    units   the cost at the entitlement's scale, truncated
    charge  what is still to debit, given what has been charged

Nothing used costs nothing, in every model, and so does less than nothing. Where the cost of a larger
quantity may be lower (volume tiers), or the quantity itself falls, what was charged stands: nothing is
debited until the cost exceeds it, and ``surplus`` says by how much it stands above. A correction of
earlier usage is different: it makes what was charged equal to the cost as it is now.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from drawdown.core.amounts import AMOUNT_RULE, Amount, render
from drawdown.core.errors import AmountTooLarge, FieldInvalid
from drawdown.core.types import UNITS_MAX
from drawdown.core.usage import quantities
from drawdown.core.usage.quantities import ONE, Quantity, of_amount

TIERS_MAX = 100
TABLE_MAX = 1_000
ATTRIBUTE_MAX = 100
VALUE_MAX = 255
ZERO = Amount(0)

#: A numerator and a denominator, which is positive; not in lowest terms.
Ratio = tuple[int, int]
#: Prices and quantities are both kept in steps of 10**-12: so is their product, twice.
_SQUARE = ONE * ONE


class Rounding(StrEnum):
    """What a package that was begun counts: ``up`` as a whole one, ``down`` as nothing yet."""

    UP = "up"
    DOWN = "down"


class _Price(msgspec.Struct, frozen=True, kw_only=True, tag_field="model"):
    """``free``: how much of each period's quantity costs nothing, before anything else is counted."""

    free: Amount = ZERO


class PerCredit(_Price, frozen=True, tag="per_credit"):
    """One credit buys ``units_per_credit`` of the quantity."""

    units_per_credit: Amount


class PerUnit(_Price, frozen=True, tag="per_unit"):
    """Each unit of the quantity costs ``price``: 0.000003 a token."""

    price: Amount


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """The quantities above the tier before, up to ``up_to`` itself; None: all that is above.

    ``price`` is for each unit. ``flat`` is due once, as soon as anything lies in the tier.
    """

    up_to: Amount | None = None
    price: Amount = ZERO
    flat: Amount = ZERO


class Graduated(_Price, frozen=True, tag="graduated"):
    """Each part of the quantity is priced by the tier in which it lies."""

    tiers: tuple[Tier, ...]


class Volume(_Price, frozen=True, tag="volume"):
    """The whole quantity is priced by the tier that it reaches: more may cost less."""

    tiers: tuple[Tier, ...]


class Package(_Price, frozen=True, tag="package"):
    """Each ``size`` of the quantity costs ``price``."""

    size: Amount
    price: Amount
    rounding: Rounding = Rounding.UP


Price = PerCredit | PerUnit | Graduated | Volume | Package


class Table(msgspec.Struct, frozen=True, kw_only=True, tag="table", tag_field="model"):
    """A price for each value of an ``attribute``, such as ``model``; ``default`` for any other or none.

    Usage is counted for each value by itself (``price_for``).
    """

    attribute: str
    prices: dict[str, Price]
    default: Price | None = None


class Charge(msgspec.Struct, frozen=True):
    """What a change of the quantity means, in whole units. ``charged`` is to be kept for the next one.

    At most one of ``debit`` and ``reversal`` is positive. ``surplus`` is how far ``charged`` stands above
    the cost as it is now.
    """

    debit: int
    reversal: int
    charged: int
    surplus: int


def price_for(price: Price | Table, attributes: Mapping[str, str]) -> Price:
    """The price of usage with these attributes. Raises ``FieldInvalid`` where a table has none for it."""
    if not isinstance(price, Table):
        return price
    found = price.prices.get(attributes.get(price.attribute, ""), price.default)
    if found is None:
        known = ", ".join(sorted(price.prices)[:10])
        more = len(price.prices) - 10
        rule = f"one that the rate has a price for: {known}{f' and {more} more' * (more > 0)}"
        raise FieldInvalid(f"properties.{price.attribute}", rule)
    return found


def cost(price: Price, quantity: Quantity) -> Ratio:
    """What ``quantity``, the whole of a period so far, costs: exactly."""
    paid = quantity - of_amount(price.free)
    if paid <= 0:
        return 0, 1
    match price:
        case PerUnit():
            return paid * of_amount(price.price), _SQUARE
        case PerCredit():
            return paid, of_amount(price.units_per_credit)
        case Graduated():
            return _graduated(price.tiers, paid), _SQUARE
        case Volume():
            return _volume(price.tiers, paid), _SQUARE
        case Package():
            return _packages(price, paid) * of_amount(price.price), ONE


def units(price: Price, quantity: Quantity, scale: int) -> int:
    """The cost in whole units at ``scale``, truncated. Raises ``AmountTooLarge``."""
    numerator, denominator = cost(price, quantity)
    found: int = numerator * 10**scale // denominator
    if found > UNITS_MAX:
        raise AmountTooLarge(field="The cost of the usage", maximum=render(UNITS_MAX, scale))
    return found


def check_parts(price: Price, quantity: Quantity, scale: int) -> None:
    """That no part of a quantity costs too much either: more may cost less. Raises ``AmountTooLarge``."""
    for tier in price.tiers if isinstance(price, Volume) else ():
        if tier.up_to is not None:
            end = Quantity(of_amount(price.free) + of_amount(tier.up_to))
            if end < quantity:
                units(price, end, scale)


def charge(price: Price, quantity: Quantity, scale: int, charged: int) -> Charge:
    """What new usage debits, when it makes the period's ``quantity`` what it is; never negative."""
    due = units(price, quantity, scale)
    debit = max(due - charged, 0)
    return Charge(debit, 0, charged + debit, charged + debit - due)


def correct(price: Price, quantity: Quantity, scale: int, charged: int) -> Charge:
    """What a correction of earlier usage debits or gives back: afterwards the cost is what was charged."""
    due = units(price, quantity, scale)
    return Charge(max(due - charged, 0), max(charged - due, 0), due, 0)


def check(price: Price | Table, field: str = "price") -> None:
    """Raises ``FieldInvalid``, naming the field below ``field``, for a price that cannot be."""
    if isinstance(price, Table):
        return _check_table(price, field)
    _check_amount(price.free, f"{field}.free")
    match price:
        case PerUnit():
            _check_amount(price.price, f"{field}.price")
        case PerCredit():
            _check_amount(price.units_per_credit, f"{field}.units_per_credit", positive=True)
        case Package():
            _check_amount(price.size, f"{field}.size", positive=True)
            _check_amount(price.price, f"{field}.price")
        case Graduated() | Volume():
            _check_tiers(price.tiers, f"{field}.tiers")


def _graduated(tiers: tuple[Tier, ...], quantity: int) -> int:
    total, start = 0, 0
    for tier in tiers:
        end = _end(tier, quantity)
        total += (end - start) * of_amount(tier.price) + of_amount(tier.flat) * ONE
        if end == quantity:
            break
        start = end
    return total


def _volume(tiers: tuple[Tier, ...], quantity: int) -> int:
    tier = next(tier for tier in tiers if _end(tier, quantity) == quantity)
    return quantity * of_amount(tier.price) + of_amount(tier.flat) * ONE


def _end(tier: Tier, quantity: int) -> int:
    """How far into the tier the quantity goes, counted from zero."""
    return quantity if tier.up_to is None else min(quantity, of_amount(tier.up_to))


def _packages(price: Package, quantity: int) -> int:
    size = of_amount(price.size)
    return quantity // size if price.rounding is Rounding.DOWN else -(-quantity // size)


def _check_table(table: Table, field: str) -> None:
    if not 1 <= len(table.attribute) <= ATTRIBUTE_MAX:
        raise FieldInvalid(f"{field}.attribute", f"1 to {ATTRIBUTE_MAX} characters long")
    if not 1 <= len(table.prices) <= TABLE_MAX:
        raise FieldInvalid(f"{field}.prices", f"1 to {TABLE_MAX} prices")
    for value, price in table.prices.items():
        if not 1 <= len(value) <= VALUE_MAX:
            raise FieldInvalid(f"{field}.prices", f"keyed by 1 to {VALUE_MAX} characters")
        check(price, f"{field}.prices.{value}")
    if table.default is not None:
        check(table.default, f"{field}.default")


def _check_tiers(tiers: tuple[Tier, ...], field: str) -> None:
    if not 1 <= len(tiers) <= TIERS_MAX:
        raise FieldInvalid(field, f"1 to {TIERS_MAX} tiers")
    reached = Quantity(0)
    for number, tier in enumerate(tiers):
        here, last = f"{field}[{number}]", number == len(tiers) - 1
        _check_amount(tier.price, f"{here}.price")
        _check_amount(tier.flat, f"{here}.flat")
        if (tier.up_to is None) is not last:
            rule = "left out of the last tier, so that every quantity has a price"
            raise FieldInvalid(
                f"{here}.up_to", rule if last else "given in every tier but the last"
            )
        if tier.up_to is not None:
            _check_amount(tier.up_to, f"{here}.up_to")
            if of_amount(tier.up_to) <= reached:
                more = f"more than {quantities.render(reached)}, where the tier begins"
                raise FieldInvalid(f"{here}.up_to", more)
            reached = of_amount(tier.up_to)


def _check_amount(amount: Amount, field: str, *, positive: bool = False) -> None:
    if (
        not 0 <= amount.places <= quantities.PLACES
        or not 0 <= of_amount(amount) <= quantities.QUANTITY_MAX
    ):
        raise FieldInvalid(field, AMOUNT_RULE)
    if positive and amount.digits == 0:
        raise FieldInvalid(field, "more than 0")
