"""The audit finds every change that was made to what was recorded."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendEntitlement,
    AskedOverage,
    CreateCustomer,
    Debit,
    IssueGrant,
    ResetOverage,
    ReverseDebit,
)
from drawdown.core.fold import Fault, fold
from drawdown.core.invariants import check_wallet
from drawdown.core.requests import Accepted
from drawdown.core.types import Entry, EntryKind, Id, OverageBehavior, OverageMode
from tests.support.memory import CoreLedger
from tests.support.scenarios import START


def a_history() -> tuple[CoreLedger, list[Entry]]:
    """Two grants, a debit over both, and half of it back."""
    core = CoreLedger()
    core.one(CreateCustomer(own_id="c"), START)
    for units in (5, 9):
        core.one(IssueGrant(customer="c", entitlement="usd", amount=Amount(units)), START)
    spent = core.one(Debit(customer="c", entitlement="usd", amount=Amount(8)), START)
    assert isinstance(spent, Accepted)
    assert spent.operation is not None
    core.one(ReverseDebit(debit=spent.operation.id, amount=Amount(4)), START)
    return core, core.entries_of(core.wallets[0])


def past_zero(behavior: OverageBehavior) -> AmendEntitlement:
    rule = AskedOverage(mode=OverageMode.UNLIMITED, behavior=behavior)
    return AmendEntitlement(entitlement="usd", overage=rule)


def a_history_past_zero() -> list[Entry]:
    """Ten used and nothing granted, three undone, four repaid by a grant, the rest forgiven."""
    core = CoreLedger()
    core.one(CreateCustomer(own_id="c"), START)
    core.one(past_zero(OverageBehavior.CARRY_DEFICIT_AUTO_REPAY), START)
    spent = core.one(Debit(customer="c", entitlement="usd", amount=Amount(10)), START)
    assert isinstance(spent, Accepted)
    assert spent.operation is not None
    core.one(ReverseDebit(debit=spent.operation.id, amount=Amount(3)), START)
    core.one(IssueGrant(customer="c", entitlement="usd", amount=Amount(4)), START)
    core.one(past_zero(OverageBehavior.FORGIVE_AT_RESET), START)
    core.one(ResetOverage(customer="c", entitlement="usd"), START)
    return core.entries_of(core.wallets[0])


def test_overage_moves_against_what_is_unfunded() -> None:
    """Repaid or forgiven it is gone from both; what repaid it was used."""
    entries = a_history_past_zero()
    assert [entry.kind for entry in entries] == [
        EntryKind.OVERAGE_CHARGED,
        EntryKind.OVERAGE_REVERSED,
        EntryKind.GRANTED,
        EntryKind.OVERAGE_REPAID,
        EntryKind.OVERAGE_FORGIVEN,
    ]
    owed = [(found.overage, found.unfunded) for found in map(fold, prefixes(entries))]
    dollar = 10**9
    assert owed == [(units * dollar, units * dollar) for units in (10, 7, 7, 3, 0)]
    assert (fold(entries).used, fold(entries).posted) == (4 * dollar, 0)


def prefixes(entries: list[Entry]) -> list[list[Entry]]:
    return [entries[: length + 1] for length in range(len(entries))]


@given(place=st.integers(0, 4), field=st.sampled_from(Entry.__struct_fields__))
def test_any_field_of_any_entry_past_zero_that_was_changed_is_found(place: int, field: str) -> None:
    entries = a_history_past_zero()
    if field == "order_key":
        return  # it is beside the chain
    changed = {field: other(getattr(entries[place], field))}
    entries[place] = msgspec.structs.replace(entries[place], **changed)
    with pytest.raises(Fault):
        fold(entries)


def test_an_untouched_history_is_right() -> None:
    core, entries = a_history()
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert fold(entries).posted == core.wallets[0].posted == 10 * 10**9


def other(value: Any) -> Any:
    """Something of the same type that differs."""
    if isinstance(value, EntryKind):
        return EntryKind.VOIDED if value is not EntryKind.VOIDED else EntryKind.DEBITED
    return value[:-1] + bytes([value[-1] ^ 1]) if isinstance(value, bytes) else value + 1


@given(place=st.integers(0, 5), field=st.sampled_from(Entry.__struct_fields__))
def test_any_field_of_any_entry_that_was_changed_is_found(place: int, field: str) -> None:
    _, entries = a_history()
    if field == "order_key":
        return  # why a grant was chosen is told beside the chain, which holds what was moved
    changed = {field: other(getattr(entries[place], field))}
    entries[place] = msgspec.structs.replace(entries[place], **changed)
    with pytest.raises(Fault):
        fold(entries)


@pytest.mark.parametrize("place", range(5))
def test_an_entry_that_is_missing_is_found(place: int) -> None:
    _, entries = a_history()
    del entries[place]
    with pytest.raises(Fault):
        fold(entries)


def test_two_entries_that_changed_places_are_found() -> None:
    _, entries = a_history()
    entries[2], entries[3] = entries[3], entries[2]
    with pytest.raises(Fault, match="follows"):
        fold(entries)


def test_a_history_that_ends_early_is_found_in_the_wallet() -> None:
    core, entries = a_history()
    grants = core.state.changes.new_grants.values()
    with pytest.raises(Fault, match="posted is kept as"):
        check_wallet(fold(entries[:-1]), core.wallets[0], grants, ())


@pytest.mark.parametrize("field", ["posted", "pending", "used", "granted", "seq", "chain"])
def test_a_wallet_that_was_changed_is_found(field: str) -> None:
    core, entries = a_history()
    wallet = core.wallets[0]
    setattr(wallet, field, other(getattr(wallet, field)))
    with pytest.raises(Fault, match=field):
        check_wallet(fold(entries), wallet, core.state.changes.new_grants.values(), ())


@pytest.mark.parametrize("field", ["amount", "remaining", "used", "expired", "voided"])
def test_a_grant_that_was_changed_is_found(field: str) -> None:
    core, entries = a_history()
    grants = list(core.state.changes.new_grants.values())
    setattr(grants[1], field, getattr(grants[1], field) + 1)
    with pytest.raises(Fault, match=grants[1].id.hex()):
        check_wallet(fold(entries), core.wallets[0], grants, ())


def test_a_grant_without_entries_is_found() -> None:
    core, entries = a_history()
    grants = list(core.state.changes.new_grants.values())
    stranger = msgspec.structs.replace(grants[0], id=Id(bytes(16)))
    with pytest.raises(Fault, match="no entries"):
        check_wallet(fold(entries), core.wallets[0], [*grants, stranger], ())
