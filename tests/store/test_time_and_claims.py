"""What jobs ask of a store: wallets that are due, and claims that are old."""

from __future__ import annotations

import pytest

from drawdown.core.commands import CreateCustomer
from drawdown.core.errors import AlreadyExists, KeyReused
from drawdown.core.requests import Answer, Claim
from drawdown.core.types import DAY, Instant
from drawdown.engine.access import Accounts
from drawdown.engine.clocks import ManualClock, TimeOrderedIds
from drawdown.engine.jobs import PRUNE_EVERY, Jobs
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import CustomerFilter, Store
from tests.support.books import (
    CREDITS,
    HOUR,
    START,
    Book,
    Observed,
    open_book,
    verified,
    worked_off,
)

pytestmark = pytest.mark.anyio


def jobs_of(store: Store, ledger: Ledger, clock: ManualClock, observed: Observed) -> Jobs:
    """The jobs of ``ledger``, to be run by hand."""
    accounts = Accounts(store, clock, TimeOrderedIds())
    return Jobs(store, clock, accounts, ledger.apply, observed, claims_kept_days=30)


async def test_due_wallets_come_the_longest_due_first(
    ledger: Ledger, store: Store, clock: ManualClock
) -> None:
    """Due at the instant itself, not a microsecond before; no more than asked for."""
    book = await open_book(ledger)
    owners = []
    for hours in (3, 1, 2):
        customer = await book.customer()
        grant = await book.grant(customer, 5, expires_at=Instant(START + hours * HOUR))
        owners.append((book.id, grant.customer, grant.entitlement))
    await book.grant(await book.customer(), 5)
    assert await store.due_wallets(Instant(START + HOUR - 1), 10) == []
    assert await store.due_wallets(Instant(START + HOUR), 10) == [owners[1]]
    later = Instant(START + 9 * HOUR)
    assert await store.due_wallets(later, 10) == [owners[1], owners[2], owners[0]]
    assert await store.due_wallets(later, 2) == [owners[1], owners[2]]
    assert await store.due_entitlements(owners[0][1], later) == [owners[0][2]]
    assert await store.due_entitlements(owners[0][1], Instant(START)) == []


async def test_a_job_records_what_time_has_done(
    ledger: Ledger, store: Store, clock: ManualClock, observed: Observed
) -> None:
    """Once: the next tick finds nothing to do, and no balance has changed by it."""
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 5, expires_at=Instant(START + HOUR))
    await book.grant(customer, 7, effective_at=Instant(START + HOUR))
    clock.instant = Instant(START + HOUR)
    before = await book.balance(customer)
    jobs = jobs_of(store, ledger, clock, observed)
    await worked_off(jobs)
    after = await book.balance(customer)
    assert (after.posted, after.pending, after.expired) == (7, 0, 5)
    assert (before.posted, before.pending, before.expired) == (7, 0, 5)
    assert (before.seq, after.seq) == (2, 4)
    assert await store.due_wallets(clock.instant, 10) == []
    await jobs.tick()
    assert (await book.balance(customer)).seq == 4
    await verified(ledger)


async def test_a_wallet_whose_time_was_moved_is_visited_and_left_alone(
    ledger: Ledger, store: Store, clock: ManualClock, observed: Observed
) -> None:
    """Its grant was used up before it expired: nothing is due, and it is not asked for again."""
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 5, expires_at=Instant(START + HOUR))
    await book.debit(customer, 5)
    clock.instant = Instant(START + HOUR)
    await worked_off(jobs_of(store, ledger, clock, observed))
    assert await store.due_wallets(Instant(START + 9 * HOUR), 10) == []
    assert (await book.balance(customer)).seq == 2


async def claim(book: Book, key: str, own_id: str | None = None) -> Answer:
    """A customer made under an HTTP idempotency key."""
    return await book.ledger.submit(
        book.id,
        CreateCustomer(own_id=own_id),
        lambda accepted: Answer(
            status=200, body=accepted.customer.id if accepted.customer else b""
        ),
        claim=Claim("test", key, b"f" * 32),
        refuse=lambda error: Answer(status=400, body=b"refused"),
    )


async def test_answers_are_pruned_by_age_and_names_never(
    ledger: Ledger, store: Store, clock: ManualClock
) -> None:
    """Older than the instant, the given number at most; a pruned key is free again."""
    book = await open_book(ledger)
    first = await claim(book, "old", "name")
    await claim(book, "older", None)
    clock.instant = Instant(START + DAY)
    young = await claim(book, "young", None)
    assert await store.prune_claims(START, 10) == 0
    assert await store.prune_claims(Instant(START + 1), 1) == 1
    assert await store.prune_claims(Instant(START + 1), 10) == 1
    assert await store.prune_claims(Instant(START + 1), 10) == 0
    assert (await claim(book, "young", None)).body == young.body
    assert (await claim(book, "old", None)).body != first.body
    with pytest.raises(AlreadyExists):
        await book.customer("name")


async def test_a_job_prunes_what_is_older_than_it_is_kept(
    ledger: Ledger, store: Store, clock: ManualClock, observed: Observed
) -> None:
    book = await open_book(ledger)
    first = await claim(book, "key", None)
    jobs = jobs_of(store, ledger, clock, observed)
    clock.instant = Instant(START + 30 * DAY)
    await jobs.tick()
    assert (await claim(book, "key", None)).replayed
    clock.instant = Instant(START + 30 * DAY + PRUNE_EVERY)
    await jobs.tick()
    again = await claim(book, "key", None)
    assert (again.replayed, again.body != first.body) == (False, True)


async def test_a_claim_of_another_request_is_refused(ledger: Ledger) -> None:
    """And is not answered by ``refuse``: the first answer stays the key's only one."""
    book = await open_book(ledger)
    await claim(book, "key", None)
    with pytest.raises(KeyReused):
        await ledger.submit(
            book.id,
            CreateCustomer(),
            lambda _: Answer(status=200, body=b""),
            claim=Claim("test", "key", b"g" * 32),
            refuse=lambda _: Answer(status=400, body=b""),
        )
    assert len(await ledger.customers(CustomerFilter(book=book.id, limit=10))) == 1


async def test_time_of_a_wallet_never_runs_back(ledger: Ledger, clock: ManualClock) -> None:
    """A clock set back decides at the wallet's own last time."""
    book = await open_book(ledger)
    customer = await book.customer()
    clock.instant = Instant(START + 2 * HOUR)
    await book.grant(customer, 5, expires_at=Instant(START + 3 * HOUR))
    clock.instant = START
    await book.debit(customer, 1)
    entries, _ = await ledger.entries(book.id, customer, CREDITS, limit=1)
    assert (entries[0].at, entries[0].recorded_at) == (START + 2 * HOUR, START)
    await verified(ledger)
