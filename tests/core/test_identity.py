"""Ids are UUIDv7s that carry their slot, however they are spelled."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawdown.core import currencies, identity
from drawdown.core.types import Id

slots = st.integers(0, identity.SLOTS - 1)
ids = st.builds(
    identity.compose,
    st.integers(0, 2**48 - 1),
    st.integers(0, 2**12 - 1),
    st.integers(0, 2**48 - 1),
    slots,
)


@given(ids)
def test_an_id_is_a_valid_uuid_of_version_7(identifier: Id) -> None:
    found = uuid.UUID(bytes=identifier)
    assert (found.version, found.variant) == (7, uuid.RFC_4122)


@given(ids, st.sampled_from(["", "cus_", "credgr_test_", "grant_"]))
def test_every_spelling_parses_to_the_id(identifier: Id, prefix: str) -> None:
    assert identity.parse(identity.spell(prefix, identifier)) == identifier
    assert identity.parse(identity.spell_uuid(identifier)) == identifier
    assert identity.parse(identity.spell_uuid(identifier).upper()) == identifier


@given(ids, slots)
def test_an_operation_moves_to_its_customers_slot_and_stays_an_id(
    identifier: Id, slot: int
) -> None:
    moved = identity.relocate(identifier, slot)
    assert identity.slot_of(moved) == slot
    assert identity.is_generated(moved)
    assert moved[:14] == identifier[:14]


@given(ids)
def test_what_is_derived_keeps_time_and_slot_and_differs_by_its_label(identifier: Id) -> None:
    one, other = identity.derive(identifier, "a"), identity.derive(identifier, "b")
    assert one == identity.derive(identifier, "a") != other
    assert identity.is_generated(one)
    assert one[:8] == identifier[:8]
    assert identity.slot_of(one) == identity.slot_of(identifier)


@pytest.mark.parametrize("text", ["acme", "a", "x" * 64, "user@example.com", "org:1.2-3_4"])
def test_an_own_id_is_any_short_plain_text(text: str) -> None:
    assert identity.is_own_id(text)
    assert identity.reference(text) == text


@pytest.mark.parametrize("text", ["", ".", "..", "x" * 65, "a b", "a/b", "é", "a\n", "a\0"])
def test_other_text_is_no_own_id(text: str) -> None:
    assert not identity.is_own_id(text)


@given(ids)
def test_a_generated_spelling_is_no_own_id(identifier: Id) -> None:
    assert not identity.is_own_id(identity.spell("cus_", identifier))
    assert not identity.is_own_id(identity.spell_uuid(identifier))


def test_a_currency_has_one_entitlement_a_book_and_keeps_what_a_call_costs() -> None:
    book, other = (identity.compose(1, 0, number, 0) for number in (1, 2))
    usd = currencies.entitlement_id(book, "usd")
    assert usd == currencies.entitlement_id(book, "usd")
    assert usd != currencies.entitlement_id(other, "usd")
    assert currencies.codes_by_id(book)[usd] == "usd"
    assert (currencies.scale_of("usd"), currencies.scale_of("jpy")) == (9, 7)
    assert currencies.scale_of("bhd") == 10


def test_whole_cents_are_rounded_down() -> None:
    cent = 10**7
    assert [
        currencies.minor_floor(units, "usd") for units in (0, cent - 1, cent, 3 * cent - 1)
    ] == [*(0, 0, 1, 2)]


@given(ids)
def test_what_comes_later_sorts_after_its_origin_and_so_does_all_that_follows_from_it(
    identifier: Id,
) -> None:
    """But for the last moment that an id can say."""
    later = identity.later(identifier, "schedule")
    assert uuid.UUID(bytes=later).version == 7
    assert identity.slot_of(later) == identity.slot_of(identifier)
    if identifier[:6] != b"\xff" * 6:
        assert identifier < identity.nth(later, 0) < identity.nth(later, 1)


def test_parts_of_one_sort_in_their_order_however_many_there_are() -> None:
    for count in (0, 1, 2, 80, 10_000):
        origin = identity.compose(1_000, 5, 2**48 - 2**30, 7)
        found = identity.parts(origin, count)
        assert found == sorted(set(found))
        assert len(found) == count
        assert all(origin < each and identity.slot_of(each) == 7 for each in found)
