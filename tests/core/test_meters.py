"""Meters: the core against tables of exact numbers, and against a meter that counts all events anew."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawdown.core.errors import FieldInvalid
from drawdown.core.types import Instant
from drawdown.core.usage import filters, meters, quantities
from drawdown.core.usage.meters import Aggregation, Contribution, Measure, Seen, Tally
from drawdown.core.usage.properties import Group, exact, group_of, properties_of
from drawdown.core.usage.quantities import ONE, QUANTITY_MAX, Quantity
from tests.support.naive_meters import NaiveEvent, NaiveMeter
from tests.support.tables import Rule, rules

RULES = rules("meters")
decode = msgspec.json.Decoder(dict[str, Any], float_hook=exact).decode
_METER = re.compile(
    r"(\w+)(?: (?!by|where|any-case)(\w+))?(?: by (\S+))?( any-case)?(?: where (.*))?"
)
_EVENT = re.compile(r"(\w) (?:at=(\d+) (\{.*\})|gone)\s+(\S.*)")


class Kept(msgspec.Struct):
    """One event as whoever keeps events would: its group, and what it contributed."""

    group: Group
    contribution: Contribution


class Keeper:
    """Tallies by group, as an engine keeps them: stored as bytes after every step."""

    def __init__(self, measure: Measure) -> None:
        meters.check(measure)
        self.measure = measure
        self.events: dict[bytes, Kept] = {}
        self.tallies: dict[Group, bytes] = {}
        self.seen: dict[Group, dict[bytes, int]] = {}
        self.recounted = False

    def tally(self, group: Group) -> Tally:
        stored = self.tallies.get(group)
        return Tally() if stored is None else meters.from_bytes(stored)

    def put(self, event: bytes, time: int, document: dict[str, Any] | None) -> bool:
        """An event, or what replaces it, or with no ``document`` its end. Whether it counts."""
        new = None if document is None else self._kept(event, time, document)
        self.recounted = False
        old = self.events.pop(event, None)
        if new is not None:
            self.events[event] = new
        if old is not None and new is not None and old.group == new.group:
            self._change(old.group, old.contribution, new.contribution)
        else:
            if old is not None:
                self._change(old.group, old.contribution, None)
            if new is not None:
                self._change(new.group, None, new.contribution)
        return new is not None

    def _kept(self, event: bytes, time: int, document: dict[str, Any]) -> Kept | None:
        properties = properties_of(document)
        found = meters.contribution(self.measure, Instant(time), event, properties)
        return None if found is None else Kept(group_of(self.measure.group_by, properties), found)

    def _change(self, group: Group, old: Contribution | None, new: Contribution | None) -> None:
        """Only the rows of the values at hand are loaded, and those of nothing are not kept."""
        rows = self.seen.setdefault(group, {})
        seen = {each.value: rows.get(each.value, 0) for each in (old, new) if each is not None}
        tally = self._changed(self.tally(group), old, new, seen)
        self.recounted |= tally is None
        if tally is None:
            kept = [each for each in self.events.values() if each.group == group]
            tally = meters.recount(self.measure, (each.contribution for each in kept))
        self.tallies[group] = meters.to_bytes(tally)
        if self.measure.aggregation is Aggregation.UNIQUE:
            rows.update(meters.seen_after(seen, old, new))
            self.seen[group] = {value: count for value, count in rows.items() if count}

    def _changed(
        self,
        tally: Tally,
        old: Contribution | None,
        new: Contribution | None,
        seen: Seen,
    ) -> Tally | None:
        if old is None:
            assert new is not None
            return meters.add(self.measure, tally, new, seen)
        if new is None:
            return meters.remove(self.measure, tally, old, seen)
        return meters.replace(self.measure, tally, old, new, seen)

    def totals(self) -> list[str]:
        if not self.measure.group_by:
            return ["total=" + quantities.render(self.tally(()).quantity)]
        named = {"/".join(text or "-" for text in group): group for group in self.tallies}
        return [
            f"{name}={quantities.render(self.tally(group).quantity)}"
            for name, group in sorted(named.items())
        ]


def measure_of(line: str) -> Measure:
    """``sum tokens by model any-case where {...}``"""
    match = _METER.fullmatch(line)
    assert match is not None, line
    return Measure(
        event_name="call",
        aggregation=Aggregation(match[1]),
        property=match[2],
        group_by=tuple(match[3].split(",")) if match[3] else (),
        case_sensitive=match[4] is None,
        filter=filters.filter_of(decode(match[5])) if match[5] else None,
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.title)
def test_every_line_of_the_table_holds(rule: Rule) -> None:
    keeper = Keeper(measure_of(rule.lines[0]))
    for line in rule.lines[1:]:
        match = _EVENT.fullmatch(line)
        assert match is not None, line
        assert told(keeper, match[1].encode(), match[2], match[3]) == match[4].split(), line


def told(keeper: Keeper, event: bytes, time: str | None, text: str | None) -> list[str]:
    """What comes of a line, in the table's words."""
    replaces = event in keeper.events
    try:
        counted = keeper.put(event, int(time or 0), None if text is None else decode(text))
    except FieldInvalid as refused:
        return [refused.code]
    if not counted and not replaces:
        return ["not_counted"]
    return keeper.totals() + ["recounted"] * keeper.recounted


# Against the naive meter -------------------------------------------------------------------------

numbers = st.integers(-3, 8) | st.sampled_from(["0.1", "0.30", "5", "-2.5"])
texts = st.sampled_from(["a", "A", "b", "ab", "5", "0.3", "true", ""])
values = numbers | texts | st.booleans()
NAMES = st.sampled_from(["x", "y", "z"])
documents = st.dictionaries(NAMES, values | st.none(), max_size=3)


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    op = draw(st.sampled_from(list(filters.Operator)))
    needed: dict[str, st.SearchStrategy[Any]] = {
        "in": st.lists(values, min_size=1, max_size=3),
        "exists": st.booleans(),
        "contains": st.sampled_from(["a", "A", "b", "5"]),
        "not_contains": st.sampled_from(["a", "B", "t"]),
        **dict.fromkeys(("gt", "gte", "lt", "lte"), st.integers(-3, 8)),
    }
    return {"property": draw(NAMES), "op": op.value, "value": draw(needed.get(op, values))}


trees = st.recursive(
    conditions(),
    lambda below: st.builds(
        lambda name, parts: {name: parts},
        st.sampled_from(["and", "or"]),
        st.lists(below, min_size=1, max_size=3),
    ),
    max_leaves=6,
).filter(lambda tree: _depth(tree) <= filters.DEPTH_MAX)


def _depth(tree: dict[str, Any]) -> int:
    parts = tree.get("and") or tree.get("or") or []
    return 1 + max((_depth(part) for part in parts), default=0)


@settings(max_examples=400)
@given(trees, documents, st.booleans())
def test_a_filter_passes_what_the_naive_meter_passes(
    tree: dict[str, Any], document: dict[str, Any], any_case: bool
) -> None:
    naive = NaiveMeter("count", where=tree, any_case=any_case)
    read = filters.filter_of(tree)
    found = filters.matches(read, properties_of(document), case_sensitive=not any_case)
    assert found is naive.counts(document)


@given(trees)
def test_a_filter_is_written_as_it_was_read_and_stored_as_it_is(tree: dict[str, Any]) -> None:
    read = filters.filter_of(tree)
    assert filters.filter_of(filters.document_of(read)) == read
    assert msgspec.json.decode(msgspec.json.encode(read), type=filters.Filter) == read


Step = tuple[str, int, dict[str, Any] | None]
steps = st.lists(
    st.tuples(
        st.sampled_from("ABC"),
        st.integers(0, 3),
        st.one_of(
            st.fixed_dictionaries({"x": numbers}),
            st.fixed_dictionaries({"x": numbers, "y": texts}),
            st.fixed_dictionaries({"x": st.integers(0, 2)}),
            st.none(),
        ),
    ),
    min_size=4,
    max_size=25,
)
NOT_A = {"property": "y", "op": "ne", "value": "a"}


def measure_by(aggregation: Aggregation, where: dict[str, Any] | None) -> Measure:
    return Measure(
        event_name="call",
        aggregation=aggregation,
        property=None if aggregation is Aggregation.COUNT else "x",
        filter=None if where is None else filters.filter_of(where),
    )


@pytest.mark.parametrize("aggregation", Aggregation)
@settings(max_examples=200)
@given(st.none() | st.just(NOT_A), steps)
def test_a_tally_is_what_counting_all_events_anew_comes_to(
    aggregation: Aggregation, where: dict[str, Any] | None, steps: list[Step]
) -> None:
    """Events come, come again with other contents, and go, in any order of their times."""
    keeper = Keeper(measure_by(aggregation, where))
    naive = NaiveMeter(aggregation.value, "x", where, events={})
    for name, time, document in steps:
        keeper.put(name.encode(), time, document)
        naive.events.pop(name, None)
        if document is not None:
            naive.events[name] = NaiveEvent(name, time, document)
        tally = keeper.tally(())
        assert Fraction(tally.quantity, ONE) == naive.total()
        assert tally.events == sum(naive.counts(e.properties) for e in naive.events.values())
        assert all(count > 0 for count in keeper.seen.get((), {}).values())
        assert not keeper.recounted or aggregation in (Aggregation.MAX, Aggregation.LAST)


@pytest.mark.parametrize("aggregation", Aggregation)
@given(steps, st.randoms())
def test_the_order_in_which_events_arrive_changes_nothing(
    aggregation: Aggregation, steps: list[Step], random: Any
) -> None:
    """Nor whether they were counted as they came or all at once."""
    measure = measure_by(aggregation, NOT_A)
    events = {name: (name, time, document) for name, time, document in steps if document}
    shuffled = random.sample(list(events.values()), len(events))
    one, other = Keeper(measure), Keeper(measure)
    for name, time, document in events.values():
        one.put(name.encode(), time, document)
    for name, time, document in shuffled:
        other.put(name.encode(), time, document)
    assert one.tally(()) == other.tally(())
    contributions = [kept.contribution for kept in one.events.values()]
    assert meters.recount(measure, contributions) == one.tally(())


# Bounds and refusals -----------------------------------------------------------------------------


def test_a_sum_stays_within_the_bounds_of_quantities() -> None:
    measure = Measure(event_name="call", aggregation=Aggregation.SUM, property="x")
    full = Contribution(QUANTITY_MAX, Instant(0), b"A")
    tally = meters.add(measure, Tally(), full)
    with pytest.raises(FieldInvalid, match="small enough") as refused:
        meters.add(measure, tally, Contribution(Quantity(1), Instant(0), b"B"))
    assert refused.value.field == "properties.x"
    assert meters.replace(measure, tally, full, Contribution(Quantity(1), Instant(0), b"A")) == (
        Tally(Quantity(1), 1)
    )


def test_a_tally_has_a_largest_size() -> None:
    largest = Tally(Quantity(-QUANTITY_MAX), 2**63, 2**63, Instant(2**58), b"\xff" * 16)
    stored = meters.to_bytes(largest)
    assert len(stored) <= 130
    assert meters.from_bytes(stored) == largest


def test_what_unique_counts_is_kept_as_sixteen_bytes() -> None:
    measure = Measure(event_name="call", aggregation=Aggregation.UNIQUE, property="x")
    found = meters.contribution(measure, Instant(0), b"A", {"x": "\ud800" + "long" * 100})
    assert found is not None
    assert len(found.value) == 16


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_name": ""}, "meter.event_name"),
        ({"event_name": "a" * 101}, "meter.event_name"),
        ({"event_name": "a\nb"}, "meter.event_name"),
        ({"property": None}, "meter.property"),
        ({"property": ""}, "meter.property"),
        ({"aggregation": Aggregation.COUNT}, "meter.property"),
        ({"group_by": ("a", "b", "c", "d", "e", "f")}, "meter.group_by"),
        ({"group_by": ("a", "a")}, "meter.group_by"),
        ({"group_by": ("a", "")}, "meter.group_by[1]"),
    ],
)
def test_a_measure_that_cannot_be_is_refused_by_its_field(
    changes: dict[str, Any], field: str
) -> None:
    measure = Measure(event_name="call", aggregation=Aggregation.SUM, property="x")
    meters.check(measure)
    with pytest.raises(FieldInvalid) as refused:
        meters.check(msgspec.structs.replace(measure, **changes))
    assert refused.value.field == field


CONDITION = '{"property": "x", "op": "eq", "value": 1}'


def nested(levels: int) -> str:
    """A condition below so many levels of "and"."""
    return '{"and": [' * levels + CONDITION + "]}" * levels


@pytest.mark.parametrize(
    ("document", "field", "rule"),
    [
        ("[]", "filter", "an object like"),
        ("{}", "filter", "an object like"),
        ('{"property": "x"}', "filter", "an object like"),
        ('{"property": "x", "op": "eq", "value": 1, "more": 1}', "filter", "an object like"),
        (f'{{"and": [{CONDITION}], "or": [{CONDITION}]}}', "filter", "an object like"),
        ('{"and": []}', "filter.and", "a list of 1 to 100 filters"),
        (f'{{"or": {CONDITION}}}', "filter.or", "a list of 1 to 100 filters"),
        (f'{{"or": [{",".join([CONDITION] * 101)}]}}', "filter.or", "a list of 1 to 100"),
        (
            f'{{"or": [{",".join([nested(1)] * 50)}, {{"and": [{",".join([CONDITION] * 51)}]}}]}}',
            "filter",
            "a tree of at most 100 conditions",
        ),
        (f'{{"and": [{CONDITION}, {{"or": [7]}}]}}', "filter.and[1].or[0]", "an object like"),
        (nested(5), "filter.and[0].and[0].and[0].and[0].and", "nested at most 5 levels deep"),
        ('{"property": "", "op": "eq", "value": 1}', "filter.property", "1 to 100 printable"),
        ('{"property": 5, "op": "eq", "value": 1}', "filter.property", "1 to 100 printable"),
        ('{"property": "x", "op": "like", "value": 1}', "filter.op", "one of eq, ne, in, gt"),
        ('{"property": "x", "op": 1, "value": 1}', "filter.op", "one of eq"),
        ('{"property": "x", "op": "eq"}', "filter.value", "a string of at most 500"),
        ('{"property": "x", "op": "eq", "value": [1]}', "filter.value", "a string of at most"),
        ('{"property": "x", "op": "eq", "value": 1e30}', "filter.value", "19 digits before"),
        ('{"property": "x", "op": "in", "value": 1}', "filter.value", "a list of 1 to 100"),
        ('{"property": "x", "op": "in", "value": [1, null]}', "filter.value[1]", "a string of"),
        ('{"property": "x", "op": "gt", "value": "1"}', "filter.value", "a number"),
        ('{"property": "x", "op": "lte", "value": true}', "filter.value", "a number"),
        ('{"property": "x", "op": "contains", "value": ""}', "filter.value", "not empty"),
        ('{"property": "x", "op": "not_contains", "value": 1}', "filter.value", "not empty"),
        ('{"property": "x", "op": "exists", "value": "yes"}', "filter.value", "true or false"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_by_its_part(
    document: str, field: str, rule: str
) -> None:
    read = msgspec.json.Decoder(float_hook=exact).decode(document)
    with pytest.raises(FieldInvalid) as refused:
        filters.filter_of(read)
    assert refused.value.field == field
    assert rule in str(refused.value)


def test_a_filter_may_be_as_deep_and_as_large_as_the_bounds_say() -> None:
    filters.filter_of(decode(nested(4)))
    filters.filter_of(decode(f'{{"or": [{",".join([CONDITION] * 100)}]}}'))


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ('{"x": [1]}', "properties.x"),
        ('{"x": {"y": 1}}', "properties.x"),
        ('{"x": 10000000000000000000}', "properties.x"),
        ('{"x": 1e400}', "properties.x"),
        ('{"x": 0.1234567890123}', "properties.x"),
        ('{"x": "' + "a" * 501 + '"}', "properties.x"),
        ('{"": 1}', "properties"),
        ('{"' + "n" * 101 + '": 1}', "properties"),
        ("{" + ",".join(f'"p{n}": 1' for n in range(51)) + "}", "properties"),
    ],
)
def test_a_property_that_cannot_be_is_refused_by_its_name(document: str, field: str) -> None:
    with pytest.raises(FieldInvalid) as refused:
        properties_of(decode(document))
    assert refused.value.field == field


def test_a_number_that_was_read_as_a_float_is_refused() -> None:
    """Only a decoder that was not given ``exact`` would make one."""
    with pytest.raises(FieldInvalid):
        properties_of({"x": 0.1})
