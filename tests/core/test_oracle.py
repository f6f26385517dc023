"""Random commands against a naive ledger, in any split into batches, in memory and on SQLite."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendGrant,
    Command,
    CreateCustomer,
    CreateEntitlement,
    Debit,
    ExpireGrant,
    IssueGrant,
    ReverseDebit,
    VoidGrant,
)
from drawdown.core.identity import derive, relocate, slot_of
from drawdown.core.needs import needs
from drawdown.core.plan import plan
from drawdown.core.requests import Accepted, Outcome, Refused, Request
from drawdown.core.types import BurnOrder, Category, Id, Instant
from drawdown.store.sqlite import transaction
from drawdown.store.sqlite.store import SqliteStore
from tests.support.memory import CoreLedger
from tests.support.oracle import NEVER, NaiveLedger
from tests.support.scenarios import START

HOUR = 3_600_000_000


class Draft(msgspec.Struct, frozen=True):
    """One random command, before it is known which grants and debits there are."""

    verb: str
    at: int
    pick: int
    amount: int
    priority: int
    paid: bool
    eff: int
    exp: int
    flag: bool


drafts = st.builds(
    Draft,
    verb=st.sampled_from(
        ["grant"] * 4 + ["debit"] * 6 + ["reverse"] * 2 + ["expire", "void", "amend"]
    ),
    at=st.integers(0, 60),
    pick=st.integers(0, 30),
    amount=st.integers(1, 40),
    priority=st.integers(1, 3),
    paid=st.booleans(),
    eff=st.one_of(st.just(0), st.integers(1, 70)),
    exp=st.one_of(st.just(0), st.integers(1, 80)),
    flag=st.booleans(),
)
#: A clock that mostly goes forward: each draft's ``at`` is added to, or now and then set back.
plays = st.lists(drafts, min_size=1, max_size=40)
splits = st.lists(st.integers(1, 7), min_size=1, max_size=40)


def moments(play: Sequence[Draft]) -> list[int]:
    """When each draft happens: hours that mostly rise, with steps back."""
    now, found = 0, []
    for draft in play:
        now = max(0, now - 5) if draft.at > 57 else now + draft.at // 12
        found.append(START + now * HOUR)
    return found


def instant(hours: int) -> int:
    return START + hours * HOUR


class Play:
    """The same drafts as commands and as calls of the oracle."""

    def __init__(self, play: Sequence[Draft], oldest_first: bool) -> None:
        self.core = CoreLedger()
        self.oracle = NaiveLedger(oldest_first)
        order = BurnOrder.OLDEST_FIRST if oldest_first else BurnOrder.SOONEST_EXPIRY
        self.opening = [
            self.core.request(CreateCustomer(own_id="c"), START),
            self.core.request(
                CreateEntitlement(code="e", unit="e", scale=0, burn_order=order), START
            ),
        ]
        self._slot = slot_of(self.opening[0].id)
        self._grants: list[Id] = []
        self._debits: list[Id] = []
        self.requests: list[Request] = []
        self.expected: list[str] = []
        for draft, at in zip(play, moments(play), strict=True):
            self._add(draft, at)

    def _add(self, draft: Draft, at: int) -> None:
        if draft.verb in ("expire", "void", "amend") and not self._grants:
            return
        command, result = getattr(self, f"_{draft.verb}")(draft, at)
        request = self.core.request(command, Instant(at))
        self.requests.append(request)
        self.expected.append(result)
        own = relocate(request.id, self._slot)
        if draft.verb == "grant" and result == "ok":
            self._grants.append(derive(own, "grant"))
        if draft.verb == "debit":
            self._debits.append(own)

    def _grant(self, draft: Draft, at: int) -> tuple[Command, str]:
        eff = instant(draft.eff) if draft.eff else 0
        exp = instant(draft.exp) if draft.exp else NEVER
        command = IssueGrant(
            customer="c",
            entitlement="e",
            amount=Amount(draft.amount),
            priority=draft.priority,
            category=Category.PAID if draft.paid else Category.PROMOTIONAL,
            effective_at=Instant(eff) if eff else None,
            expires_at=None if exp == NEVER else Instant(exp),
        )
        name = len(self.oracle.grants)
        made = self.oracle.grant(name, at, draft.amount, draft.priority, draft.paid, eff, exp)
        return command, made

    def _debit(self, draft: Draft, at: int) -> tuple[Command, str]:
        command = Debit(customer="c", entitlement="e", amount=Amount(draft.amount))
        return command, self.oracle.debit(len(self._debits), at, draft.amount)

    def _reverse(self, draft: Draft, at: int) -> tuple[Command, str]:
        name = draft.pick % (len(self._debits) + 1)
        debit = self._debits[name] if name < len(self._debits) else self.opening[0].id
        amount = draft.amount if draft.flag else None
        command = ReverseDebit(debit=debit, amount=None if amount is None else Amount(amount))
        return command, self.oracle.reverse(name, at, amount)

    def _expire(self, draft: Draft, at: int) -> tuple[Command, str]:
        name = draft.pick % len(self._grants)
        return ExpireGrant(grant=self._grants[name]), self.oracle.expire(name, at)

    def _void(self, draft: Draft, at: int) -> tuple[Command, str]:
        name = draft.pick % len(self._grants)
        command = VoidGrant(grant=self._grants[name], only_unused=draft.flag)
        return command, self.oracle.void(name, at, draft.flag)

    def _amend(self, draft: Draft, at: int) -> tuple[Command, str]:
        name = draft.pick % len(self._grants)
        exp = instant(draft.exp) if draft.exp else NEVER
        expires_at = None if exp == NEVER else Instant(exp)
        command = AmendGrant(grant=self._grants[name], expires_at=expires_at)
        return command, self.oracle.amend(name, at, exp)

    def numbers(self) -> list[tuple[int, int, int, int]]:
        """Each grant's remaining, used, expired and voided, as the core has them."""
        grants = [self.core.grant(grant) for grant in self._grants]
        return [(g.remaining, g.used, g.expired, g.voided) for g in grants]


def codes(outcomes: Sequence[Outcome]) -> list[str]:
    return [o.error.code if isinstance(o, Refused) else "ok" for o in outcomes]


def batches(requests: list[Request], sizes: list[int]) -> list[list[Request]]:
    """``requests`` cut into pieces of the given sizes, repeated as often as it takes."""
    pieces, turn = [], 0
    while requests:
        size = sizes[turn % len(sizes)]
        pieces.append(requests[:size])
        requests, turn = requests[size:], turn + 1
    return pieces


@given(play=plays, oldest_first=st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_core_decides_as_the_naive_ledger_does(play: list[Draft], oldest_first: bool) -> None:
    """Every outcome is equal, and so is every grant's every number at the end."""
    made = Play(play, oldest_first)
    made.core.run(made.opening)
    outcomes = [made.core.run([request])[0] for request in made.requests]
    assert codes(outcomes) == made.expected
    assert made.numbers() == [grant.numbers() for grant in made.oracle.grants]
    made.core.check()


@given(play=plays, sizes=splits, oldest_first=st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_split_into_batches_ends_the_same(
    play: list[Draft], sizes: list[int], oldest_first: bool
) -> None:
    made = Play(play, oldest_first)
    made.core.run(made.opening)
    outcomes = [o for batch in batches(made.requests, sizes) for o in made.core.run(batch)]
    assert codes(outcomes) == made.expected
    assert made.numbers() == [grant.numbers() for grant in made.oracle.grants]
    made.core.check()


@given(play=plays, sizes=splits, oldest_first=st.booleans())
@settings(max_examples=60, deadline=None)
def test_sqlite_ends_with_the_chain_heads_of_the_core(
    play: list[Draft], sizes: list[int], oldest_first: bool
) -> None:
    """Loading two grants at a time, in any split, every outcome and hash is the core's own."""
    made = Play(play, oldest_first)
    made.core.run(made.opening)
    for request in made.requests:
        made.core.run([request])
    heads = {(w.customer, w.entitlement): w.chain for w in made.core.wallets}
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(transaction, "FIRST_GRANTS", 2),
        patch.object(transaction, "MORE_GRANTS", 2),
    ):
        result = asyncio.run(_on_sqlite(Path(folder) / "ledger.db", made, sizes))
    assert result == (made.expected, heads)


async def _on_sqlite(
    path: Path, made: Play, sizes: list[int]
) -> tuple[list[str], dict[tuple[Id, Id], bytes]]:
    store = SqliteStore.open(path)
    outcomes: list[Outcome] = []
    for batch in [made.opening, *batches(made.requests, sizes)]:
        outcomes.extend(await _carry_out(store, batch))
    async with store.audit() as audit:
        heads = {(w.customer, w.entitlement): w.chain async for w in audit.walk()}
    await store.close()
    assert all(isinstance(outcome, Accepted) for outcome in outcomes[:2])
    return codes(outcomes[2:]), heads


async def _carry_out(store: SqliteStore, batch: list[Request]) -> list[Outcome]:
    async with store.transaction() as current:
        while wanted := needs(batch, current.state):
            await current.load(wanted)
        outcomes = [plan(request, current.state) for request in batch]
        await current.write()
    return outcomes
