"""Rating: the core against tables of exact numbers, and against prices that count step by step."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawdown.core import amounts
from drawdown.core.amounts import Amount
from drawdown.core.errors import AmountTooLarge, FieldInvalid
from drawdown.core.usage import quantities, rating
from drawdown.core.usage.quantities import QUANTITY_MAX, Quantity
from drawdown.core.usage.rating import (
    Charge,
    Graduated,
    Package,
    PerCredit,
    PerUnit,
    Price,
    Rounding,
    Table,
    Tier,
    Volume,
)
from tests.support.naive_rating import NaivePrice, NaiveTier
from tests.support.naive_rating import cost as naive_cost
from tests.support.tables import Rule, rules

RULES = rules("rating")
ONE, TWO = Amount(1), Amount(2)


def decimal(text: str) -> Amount:
    found = amounts.parse(text)
    assert found is not None, text
    return found


def quantity(text: str) -> Quantity:
    found = quantities.parse(text)
    assert found is not None, text
    return found


def price_of(line: str) -> tuple[Price, int]:
    """``graduated 10@1+5 rest@2 free=5  scale=0``"""
    model, *words = line.split()
    options = dict(word.split("=") for word in words if "=" in word)
    numbers = [word for word in words if "=" not in word]
    read: dict[str, Callable[[Amount], Price]] = {
        "per_credit": lambda free: PerCredit(units_per_credit=decimal(numbers[0]), free=free),
        "per_unit": lambda free: PerUnit(price=decimal(numbers[0]), free=free),
        "graduated": lambda free: Graduated(tiers=tuple(map(tier_of, numbers)), free=free),
        "volume": lambda free: Volume(tiers=tuple(map(tier_of, numbers)), free=free),
        "package": lambda free: Package(
            size=decimal(numbers[0].split("@")[0]),
            price=decimal(numbers[0].split("@")[1]),
            rounding=Rounding(options.get("round", "up")),
            free=free,
        ),
    }
    return read[model](decimal(options.get("free", "0"))), int(options["scale"])


def tier_of(word: str) -> Tier:
    """``100@0.08+5``: up to 100, 0.08 each, and 5 flat; ``rest``: without an end."""
    up_to, _, prices = word.partition("@")
    price, _, flat = prices.partition("+")
    end = None if up_to == "rest" else decimal(up_to)
    return Tier(up_to=end, price=decimal(price), flat=decimal(flat or "0"))


class Usage:
    """What a rule plays on: a total and what was charged, for each value that the price tells apart."""

    def __init__(self, rule: Rule) -> None:
        first, *lines = rule.lines
        self.price: Price | Table
        self.steps = [line for line in lines if not line.startswith("price ")]
        if first.startswith("table "):
            self.price = table_of(first, [line for line in lines if line.startswith("price ")])
            self.scale = int(first.rpartition("=")[2])
        else:
            self.price, self.scale = price_of(first)
        rating.check(self.price)
        self.totals: dict[str, tuple[Quantity, int]] = {}

    def play(self, verb: str, number: Quantity, value: str) -> dict[str, str]:
        """One line; every fact that may be told of it."""
        price = rating.price_for(self.price, {"model": value})
        before, charged = self.totals.get(value, (Quantity(0), 0))
        total = number if verb == "correct" else Quantity(before + number)
        decide = rating.correct if verb == "correct" else rating.charge
        found = decide(price, total, self.scale, charged)
        self.totals[value] = total, found.charged
        assert found.debit == 0 or found.reversal == 0
        return {
            "cost": plain(Fraction(*rating.cost(price, total))),
            "debit": amounts.render(found.debit, self.scale),
            "reversed": amounts.render(found.reversal, self.scale),
            "charged": amounts.render(found.charged, self.scale),
            "surplus": amounts.render(found.surplus, self.scale),
        }


def table_of(first: str, lines: list[str]) -> Table:
    """``table model``, and ``price small  per_unit 0.5`` for each value."""
    prices = {
        line.split()[1]: price_of(f"{' '.join(line.split()[2:])} scale=0")[0] for line in lines
    }
    default = prices.pop("default", None)
    return Table(attribute=first.split()[1], prices=prices, default=default)


def plain(exact: Fraction) -> str:
    """A decimal where it has an end, else a fraction."""
    steps = exact * 10**24
    return amounts.render(steps.numerator, 24) if steps.denominator == 1 else str(exact)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.title)
def test_every_line_of_the_table_holds(rule: Rule) -> None:
    usage = Usage(rule)
    for line in usage.steps:
        words = line.split()
        value = words[words.index("of") + 1] if "of" in words else ""
        expected = dict(word.split("=") for word in words if "=" in word)
        if not expected:
            with pytest.raises((AmountTooLarge, FieldInvalid)) as refused:
                usage.play(words[0], quantity(words[1]), value)
            assert refused.value.code == words[-1], line
            continue
        found = usage.play(words[0], quantity(words[1]), value)
        assert {name: found[name] for name in expected} == expected, line


# Against the naive prices: quantities, free amounts and tiers in tenths, prices in thousandths.

tenths = st.integers(0, 400)
thousandths = st.integers(0, 3_000).map(lambda digits: amounts.normalised(digits, 3))
frees = st.integers(0, 100).map(lambda digits: amounts.normalised(digits, 1))
sizes = st.integers(1, 200).map(lambda digits: amounts.normalised(digits, 1))
scales = st.integers(0, 10)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    ends = sorted(draw(st.sets(st.integers(1, 350), max_size=4)))
    bounds = [amounts.normalised(end, 1) for end in ends]
    return tuple(
        Tier(up_to=up_to, price=draw(thousandths), flat=draw(thousandths))
        for up_to in [*bounds, None]
    )


monotone: st.SearchStrategy[Price] = st.one_of(
    st.builds(PerCredit, units_per_credit=sizes, free=frees),
    st.builds(PerUnit, price=thousandths, free=frees),
    st.builds(Graduated, tiers=tiers(), free=frees),
    st.builds(
        Package, size=sizes, price=thousandths, rounding=st.sampled_from(Rounding), free=frees
    ),
)
volumes: st.SearchStrategy[Price] = st.builds(Volume, tiers=tiers(), free=frees)
prices = monotone | volumes


def naive_of(price: Price) -> NaivePrice:
    """The same price in fractions."""
    naive = NaivePrice(str(type(price).__struct_config__.tag), free=Fraction(str(price.free)))
    if isinstance(price, PerCredit):
        naive.number = Fraction(str(price.units_per_credit))
    elif isinstance(price, PerUnit):
        naive.price = Fraction(str(price.price))
    elif isinstance(price, Package):
        naive.number, naive.price = Fraction(str(price.size)), Fraction(str(price.price))
        naive.rounding = price.rounding
    else:
        naive.tiers = [
            NaiveTier(
                None if tier.up_to is None else Fraction(str(tier.up_to)),
                Fraction(str(tier.price)),
                Fraction(str(tier.flat)),
            )
            for tier in price.tiers
        ]
    return naive


def of_tenths(number: int) -> Quantity:
    return Quantity(number * quantities.ONE // 10)


@settings(max_examples=300, deadline=None)
@given(prices, tenths)
def test_a_cost_is_what_counting_step_by_step_comes_to(price: Price, tenths: int) -> None:
    rating.check(price)
    expected = naive_cost(naive_of(price), Fraction(tenths, 10), Fraction(1, 10))
    assert Fraction(*rating.cost(price, of_tenths(tenths))) == expected


def play(price: Price, parts: list[int], scale: int) -> list[Charge]:
    """One charge for each part of the quantity, in tenths."""
    found: list[Charge] = []
    total = 0
    for part in parts:
        total += part
        charged = found[-1].charged if found else 0
        found.append(rating.charge(price, of_tenths(total), scale, charged))
    return found


parts_of_usage = st.lists(st.integers(0, 60), min_size=1, max_size=12)


@given(monotone, parts_of_usage, scales)
def test_any_split_of_a_quantity_costs_what_the_whole_does(
    price: Price, parts: list[int], scale: int
) -> None:
    """And the debits are their increases: never negative, nothing lost, nothing twice."""
    found = play(price, parts, scale)
    [whole] = play(price, [sum(parts)], scale)
    assert sum(charge.debit for charge in found) == whole.debit == found[-1].charged
    assert all(charge.debit >= 0 == charge.surplus for charge in found)


@given(monotone, parts_of_usage, scales)
def test_what_was_charged_is_never_a_whole_unit_from_the_cost(
    price: Price, parts: list[int], scale: int
) -> None:
    found = play(price, parts, scale)
    for number, charge in enumerate(found):
        total = of_tenths(sum(parts[: number + 1]))
        exact = Fraction(*rating.cost(price, total)) * 10**scale
        assert 0 <= exact - charge.charged < 1


@given(monotone, st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_never_costs_less_but_by_volume(price: Price, one: int, other: int) -> None:
    less, more = sorted((of_tenths(one), of_tenths(other)))
    assert Fraction(*rating.cost(price, less)) <= Fraction(*rating.cost(price, more))


@given(volumes, parts_of_usage, scales)
def test_by_volume_what_was_charged_is_the_most_that_the_usage_ever_cost(
    price: Price, parts: list[int], scale: int
) -> None:
    found = play(price, parts, scale)
    costs = [rating.units(price, of_tenths(sum(parts[: n + 1])), scale) for n in range(len(parts))]
    for number, charge in enumerate(found):
        assert charge.charged == max(costs[: number + 1])
        assert charge.surplus == charge.charged - costs[number]


@given(prices, parts_of_usage, tenths, scales)
def test_after_a_correction_the_cost_is_what_was_charged(
    price: Price, parts: list[int], total: int, scale: int
) -> None:
    charged = play(price, parts, scale)[-1].charged
    found = rating.correct(price, of_tenths(total), scale, charged)
    assert charged + found.debit - found.reversal == found.charged
    assert found.charged == rating.units(price, of_tenths(total), scale)
    assert found.surplus == 0 == min(found.debit, found.reversal)


@given(monotone, tenths, tenths, scales)
def test_correcting_there_and_back_changes_nothing(
    price: Price, one: int, other: int, scale: int
) -> None:
    [first] = play(price, [one], scale)
    there = rating.correct(price, of_tenths(other), scale, first.charged)
    back = rating.correct(price, of_tenths(one), scale, there.charged)
    assert back.charged == first.charged
    assert there.debit - there.reversal == back.reversal - back.debit


@given(prices)
def test_nothing_costs_nothing_and_less_than_nothing_too(price: Price) -> None:
    assert rating.cost(price, Quantity(0)) == (0, 1)
    assert rating.cost(price, Quantity(-1)) == (0, 1)


LARGEST = decimal("9" * 19 + "." + "9" * 12)


@pytest.mark.parametrize(
    "price",
    [
        PerUnit(price=LARGEST),
        PerCredit(units_per_credit=Amount(1, 12)),
        Graduated(tiers=(*(Tier(up_to=Amount(n + 1), flat=LARGEST) for n in range(99)), Tier())),
        Volume(tiers=(Tier(price=LARGEST, flat=LARGEST),)),
        Package(size=Amount(1, 12), price=LARGEST),
    ],
)
def test_the_largest_quantity_at_the_largest_price_is_refused_with_the_maximum(
    price: Price,
) -> None:
    rating.check(price)
    with pytest.raises(AmountTooLarge, match=r"922337203\.6854775807"):
        rating.charge(price, QUANTITY_MAX, 10, 0)


# Tables ------------------------------------------------------------------------------------------

TABLE = Table(
    attribute="model",
    prices={"small": PerUnit(price=ONE), "large": PerUnit(price=TWO)},
    default=PerUnit(price=Amount(5)),
)


def test_a_table_has_a_price_for_each_value_and_a_default_for_all_others() -> None:
    assert rating.price_for(TABLE, {"model": "large"}) == PerUnit(price=TWO)
    assert rating.price_for(TABLE, {"model": "huge"}) == PerUnit(price=Amount(5))
    assert rating.price_for(TABLE, {"model": "Large"}) == PerUnit(price=Amount(5))
    assert rating.price_for(TABLE, {}) == PerUnit(price=Amount(5))


def test_a_plain_price_is_the_price_of_everything() -> None:
    assert rating.price_for(PerUnit(price=ONE), {"model": "large"}) == PerUnit(price=ONE)


@pytest.mark.parametrize("attributes", [{"model": "huge"}, {"model": ""}, {}, {"size": "large"}])
def test_usage_that_a_table_has_no_price_for_is_refused(attributes: dict[str, str]) -> None:
    table = msgspec.structs.replace(TABLE, default=None)
    with pytest.raises(FieldInvalid, match="a price for: large, small") as refused:
        rating.price_for(table, attributes)
    assert refused.value.field == "properties.model"


def test_a_refusal_names_ten_prices_of_many() -> None:
    table = Table(attribute="m", prices={f"m{n:03}": PerUnit(price=ONE) for n in range(1_000)})
    rating.check(table)
    with pytest.raises(FieldInvalid, match=r"m008, m009 and 990 more\.$"):
        rating.price_for(table, {})


@given(prices | st.just(TABLE))
def test_a_price_is_stored_as_json_and_read_as_the_same(price: Price | Table) -> None:
    assert msgspec.json.decode(msgspec.json.encode(price), type=Price | Table) == price


# What is refused ---------------------------------------------------------------------------------

WRONG: list[tuple[Price | Table, str, str]] = [
    (PerUnit(price=Amount(-1)), "price.price", "a plain decimal"),
    (PerUnit(price=Amount(1, 13)), "price.price", "12 after it"),
    (PerUnit(price=Amount(10**19)), "price.price", "19 digits before"),
    (PerUnit(price=ONE, free=Amount(-1)), "price.free", "a plain decimal"),
    (PerCredit(units_per_credit=Amount(0)), "price.units_per_credit", "more than 0"),
    (Package(size=Amount(0), price=ONE), "price.size", "more than 0"),
    (Package(size=ONE, price=Amount(-1)), "price.price", "a plain decimal"),
    (Graduated(tiers=()), "price.tiers", "1 to 100 tiers"),
    (Volume(tiers=(Tier(),) * 101), "price.tiers", "1 to 100 tiers"),
    (Graduated(tiers=(Tier(up_to=ONE),)), r"price.tiers[0].up_to", "left out of the last tier"),
    (Volume(tiers=(Tier(), Tier())), "price.tiers[0].up_to", "given in every tier but the last"),
    (Volume(tiers=(Tier(up_to=Amount(0)), Tier())), "price.tiers[0].up_to", "more than 0, where"),
    (
        Graduated(tiers=(Tier(up_to=TWO), Tier(up_to=TWO), Tier())),
        "price.tiers[1].up_to",
        "more than 2, where the tier begins",
    ),
    (Graduated(tiers=(Tier(price=Amount(-1)),)), "price.tiers[0].price", "a plain decimal"),
    (Graduated(tiers=(Tier(flat=Amount(-1)),)), "price.tiers[0].flat", "a plain decimal"),
    (Table(attribute="", prices=TABLE.prices), "price.attribute", "1 to 100 characters"),
    (Table(attribute="model", prices={}), "price.prices", "1 to 1000 prices"),
    (
        Table(attribute="m", prices={str(n): PerUnit(price=ONE) for n in range(1_001)}),
        "price.prices",
        "1 to 1000 prices",
    ),
    (Table(attribute="m", prices={"": PerUnit(price=ONE)}), "price.prices", "keyed by 1 to 255"),
    (
        Table(attribute="m", prices={"a": PerUnit(price=Amount(-1))}),
        "price.prices.a.price",
        "a plain decimal",
    ),
    (
        Table(attribute="m", prices=TABLE.prices, default=Graduated(tiers=())),
        "price.default.tiers",
        "1 to 100 tiers",
    ),
]


@pytest.mark.parametrize(("price", "field", "rule"), WRONG)
def test_a_price_that_cannot_be_is_refused_by_its_field(
    price: Price | Table, field: str, rule: str
) -> None:
    with pytest.raises(FieldInvalid) as refused:
        rating.check(price)
    assert refused.value.field == field
    assert rule in str(refused.value)


def test_no_two_neighbouring_tiers_may_be_turned_around() -> None:
    ends = [Amount(digits, 1) for digits in (1, 5, 25, 30)]
    tiers = [Tier(up_to=end) for end in ends]
    rating.check(Volume(tiers=(*tiers, Tier())))
    for first, second in pairwise(range(len(tiers))):
        turned = [*tiers]
        turned[first], turned[second] = turned[second], turned[first]
        with pytest.raises(FieldInvalid, match="where the tier begins"):
            rating.check(Volume(tiers=(*turned, Tier())))
