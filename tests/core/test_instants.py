"""Any instant, on the core alone: what it says of the past and the future is what was and what comes."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawdown.core import instants, lifecycle
from drawdown.core.commands import Settle
from drawdown.core.errors import FieldInvalid
from drawdown.core.instants import FORESIGHT_MAX, History, Segment
from drawdown.core.state import Wallet
from drawdown.core.types import Grant, Id, Instant
from tests.support.random_play import CUSTOMER, HOUR
from tests.support.recorded_play import Recorded
from tests.support.scenarios import START

seeds = st.integers(0, 2**32 - 1)
ACCOUNTS = ("posted", "held", "pending", "overage", "granted", "used", "expired", "voided")
NUMBERS = ("amount", "remaining", "used", "expired", "voided", "held", "pending")
ENDS = ("expired_at", "voided_at")


def grant_seen(grant: Grant, at: Instant) -> dict[str, object]:
    facts = {name: getattr(grant, name) for name in NUMBERS + ENDS}
    return facts | {"state": lifecycle.state_of(grant, at)}


def seen(wallet: Wallet, at: Instant) -> tuple[dict[str, int], dict[Id, dict[str, object]]]:
    """Everything that is answered about a wallet at an instant."""
    accounts = {name: getattr(wallet, name) for name in ACCOUNTS}
    return accounts, {grant.id: grant_seen(grant, at) for grant in wallet.grants.values()}


@given(seed=seeds)
@settings(max_examples=120, deadline=None)
def test_the_past_is_what_it_was(seed: int) -> None:
    """Every number of the wallet and of each grant, at every instant and between."""
    recorded = Recorded(seed)
    for at in recorded.moments():
        then = recorded.naive(at)
        if then is None:
            assert not any(seen(recorded.asked(at), at)[0].values())
            assert not recorded.asked(at).grants
        else:
            assert seen(recorded.asked(at), at) == seen(then, at)


def test_the_plays_reach_every_kind_of_command() -> None:
    total: dict[str, int] = {}
    for seed in range(40):
        for kind, count in Recorded(seed).seen.kinds.items():
            total[kind] = total.get(kind, 0) + count
    kinds = "grant debit spend capture hold release extend adjust reverse expire void amend"
    assert all(total.get(kind, 0) >= 5 for kind in kinds.split()), total


@given(seed=seeds, hours=st.lists(st.integers(0, 30), min_size=1, max_size=6))
@settings(max_examples=120, deadline=None)
def test_the_future_comes_as_it_was_foreseen(seed: int, hours: list[int]) -> None:
    """Whenever time is looked at in between, nothing else being done."""
    recorded = Recorded(seed)
    wallet = recorded.wallet()
    if wallet is None:
        return
    steps = sorted({Instant(wallet.last_at + hour * HOUR) for hour in hours})
    foreseen = {at: seen(recorded.asked(at), at) for at in steps}
    for at in steps:
        recorded.core.one(Settle(customer=CUSTOMER, entitlement="e"), at)
        assert seen(wallet, at) == foreseen[at]


def history(recorded: Recorded, since: Instant, until: Instant, limit: int) -> list[Segment]:
    """All pages of a history."""
    found: list[Segment] = []
    following: Instant | None = until
    while following is not None:
        wallet = copy.deepcopy(recorded.wallet())
        assert wallet is not None
        walk = History(wallet, since, following)
        coming = instants.foreseen(wallet, following)
        if not walk.walk(reversed(coming), limit):
            walk.walk(reversed(recorded.entries()), limit)
        page, following = walk.page(limit)
        assert following is None or len(page) == limit
        found += page
    return found


@given(seed=seeds, begin=st.integers(-5, 60), length=st.integers(1, 120), limit=st.integers(1, 9))
@settings(max_examples=120, deadline=None)
def test_a_history_is_the_balance_at_every_instant(
    seed: int, begin: int, length: int, limit: int
) -> None:
    """Its segments cover the time asked for without a gap, neighbours differ, and pages change nothing."""
    recorded = Recorded(seed)
    if recorded.wallet() is None:
        return
    since = Instant(START + begin * HOUR)
    until = Instant(since + length * HOUR)
    segments = history(recorded, since, until, 1_000)
    assert history(recorded, since, until, limit) == segments
    assert (segments[0].end, segments[-1].start) == (until, since)
    for newer, older in pairwise(segments):
        assert older.end == newer.start
        assert older.values != newer.values
    for segment in segments:
        middle = Instant((segment.start + segment.end) // 2)
        for at in (segment.start, middle, Instant(segment.end - 1)):
            wallet = recorded.asked(at)
            values = (wallet.posted, wallet.held, wallet.pending, wallet.overage)
            assert segment.values == values
            assert segment.available == wallet.available


@given(seed=seeds, more=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_a_page_stays_where_it_was_while_entries_arrive(seed: int, more: int) -> None:
    """What was recorded since the first page lies behind the place where the second begins."""
    recorded = Recorded(seed)
    wallet = recorded.wallet()
    if wallet is None:
        return
    until = Instant(wallet.last_at)
    before = history(recorded, START, until, 1_000) if until > START else []
    if len(before) < 2:
        return
    cursor = before[0].start
    for _ in range(more):
        recorded.step()
    assert history(recorded, START, cursor, 1_000) == before[1:]


@pytest.mark.parametrize("ahead", [0, FORESIGHT_MAX])
def test_ten_years_are_foreseen(ahead: int) -> None:
    instants.check_foresight(Instant(START + ahead), START)


def test_no_more_than_ten_years_are_foreseen() -> None:
    with pytest.raises(FieldInvalid, match="at must be at most 10 years from now"):
        instants.check_foresight(Instant(START + FORESIGHT_MAX + 1), START)
