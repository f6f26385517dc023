"""A debit explained, on the core alone: by what it found, whatever has happened since."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from drawdown.core import burn, instants, lifecycle
from drawdown.core.hindsight import explain
from drawdown.core.hindsight.explain import Explanation, Ineligible, WalletPart
from drawdown.core.hindsight.wording import Words
from drawdown.core.identity import spell
from drawdown.core.state import Wallet
from drawdown.core.types import (
    DRAWS,
    BurnOrder,
    Entry,
    EntryKind,
    Grant,
    GrantState,
    Id,
    Operation,
)
from tests.support.recorded_play import Recorded

seeds = st.integers(0, 2**32 - 1)


def debits(recorded: Recorded) -> list[tuple[Operation, list[Entry]]]:
    """Every debit of the wallet with its entries there."""
    kind = recorded.entitlement.id
    found = []
    for operation, entries in recorded.core.state.changes.operations:
        here = [entry for entry in entries if entry.entitlement == kind]
        if operation.kind in ("debit", "spend", "capture") and here:
            found.append((operation, here))
    return found


def before(recorded: Recorded, operation: Operation, first: Entry) -> Wallet:
    """The wallet as it is now, taken back to just before an entry."""
    wallet = copy.deepcopy(recorded.wallet())
    assert wallet is not None
    for entry in reversed(recorded.entries()):
        if entry.seq >= first.seq:
            instants.undo(wallet, entry)
    instants.forget_ends(wallet.grants.values(), operation.at)
    done = [found for found, _ in recorded.core.state.changes.operations]
    changes = [one for one in done if one.kind in ("amend", "expire")]
    for grant in wallet.grants.values():
        of_it = [change for change in changes if change.subject == grant.id]
        explain.undo_changes(grant, reversed(of_it), first.seq)
    return wallet


def explained(recorded: Recorded, operation: Operation, entries: list[Entry]) -> Explanation:
    hold = None
    if operation.kind == "capture":
        assert operation.subject is not None
        hold = recorded.core.state.changes.new_holds[operation.subject]
    explanation = explain.explain(operation, hold)
    wallet = before(recorded, operation, entries[0])
    explain.add_part(explanation, recorded.entitlement, wallet, entries, 0)
    return explanation


def facts(grant: Grant) -> dict[str, Any]:
    """What of a grant an explanation rests on; its ``drawn`` and times of change it does not."""
    skipped = ("drawn", "updated_at", "metadata")
    return {name: getattr(grant, name) for name in Grant.__struct_fields__ if name not in skipped}


@given(seed=seeds, oldest_first=st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_debit_is_explained_by_what_it_found(seed: int, oldest_first: bool) -> None:
    """Each grant as it was just before, also one amended, expired or voided since."""
    recorded = Recorded(seed, oldest_first=oldest_first)
    for operation, entries in debits(recorded):
        found = recorded.befores[operation.id]
        then = before(recorded, operation, entries[0])
        assert {grant: facts(each) for grant, each in then.grants.items()} == {
            grant: facts(each) for grant, each in found.grants.items()
        }


@given(seed=seeds, oldest_first=st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_others_came_later_or_could_not_pay(seed: int, oldest_first: bool) -> None:
    """Draws follow the order, each other eligible grant's place is greater, and none is left out."""
    recorded = Recorded(seed, oldest_first=oldest_first)
    order = BurnOrder.OLDEST_FIRST if oldest_first else BurnOrder.SOONEST_EXPIRY
    for operation, entries in debits(recorded):
        explanation = explained(recorded, operation, entries)
        [part] = explanation.parts
        found = recorded.befores[operation.id]
        draws = [entry for entry in entries if entry.kind in DRAWS]
        assert [(d.grant.id, d.amount, d.order_key) for d in part.draws] == [
            (entry.grant, entry.amount, entry.order_key) for entry in draws
        ]
        chosen = [entry.grant for entry in draws if entry.kind is EntryKind.DEBITED]
        places = [burn.order_of(found.grants[grant], order) for grant in chosen]
        assert places == sorted(places)
        eligible = {
            grant.id
            for grant in found.queue
            if grant.free and burn.is_eligible(grant, explanation.valid_at, explanation.attributes)
        }
        others = eligible - {entry.grant for entry in draws}
        assert part.later_count == (len(others) if chosen else 0)
        for later in part.later:
            assert later.grant.id in others
            assert burn.order_of(later.grant, order) > places[-1]
            _check_decided(later.drawn, later.grant, later.decided_by, order)
        for draw in part.draws:
            if draw.before is not None:
                _check_decided(draw.grant, draw.before, draw.decided_by, order)
        for excluded in part.excluded:
            assert excluded.grant.id not in eligible
        _check_reasons(part, explanation)
        _check_words(explanation)


def _check_decided(first: Grant, later: Grant, name: str, order: BurnOrder) -> None:
    """Equal in all that comes before ``name``, and less in it."""
    names = burn.ORDER_NAMES[order]
    one, other = burn.order_of(first, order), burn.order_of(later, order)
    place = names.index(name)
    assert one[:place] == other[:place]
    assert one[place] < other[place]  # type: ignore[operator]


def _check_reasons(part: WalletPart, explanation: Explanation) -> None:
    """Each reason alone would do."""
    valid_at, attributes = explanation.valid_at, explanation.attributes
    for excluded in part.excluded:
        grant = excluded.grant
        assert {
            Ineligible.NOT_EFFECTIVE: grant.pending or grant.effective_at > valid_at,
            Ineligible.EXPIRED: lifecycle.state_of(grant, valid_at) is GrantState.EXPIRED,
            Ineligible.VOIDED: grant.voided > 0,
            Ineligible.USED_UP: grant.remaining == 0,
            Ineligible.HELD: grant.remaining == grant.held > 0,
            Ineligible.OUT_OF_SCOPE: not burn.in_scope(grant, attributes),
        }[excluded.reason]
        if excluded.attribute is not None:
            assert attributes.get(excluded.attribute) not in grant.scope[excluded.attribute]


def _check_words(explanation: Explanation) -> None:
    """Whatever was found can be said, with every amount in it."""
    [part] = explanation.parts
    words = Words(explanation, _spelled)
    for excluded in part.excluded:
        assert words.why_excluded(excluded)
    sentence = words.sentence()
    assert f"{part.amount} credit" in sentence
    assert sentence.endswith(".")
    for draw in part.draws[:5]:
        paid = f"{draw.amount} from " if len(part.draws) > 1 else "from "
        assert f"{paid}{_spelled(draw.grant.id)} (priority" in sentence
        assert words.why_drawn(draw)
        assert json.loads(draw.order_key)["priority"] == draw.grant.priority


def _spelled(grant: Id) -> str:
    return spell("grant_", grant)
