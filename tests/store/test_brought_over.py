"""Credit that was given and used elsewhere comes here as it stood there: the same on every store."""

from __future__ import annotations

from typing import Any

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AskedOverage,
    CreateCustomer,
    CreateEntitlement,
    Debit,
    IssueGrant,
    ReverseDebit,
    VoidGrant,
)
from drawdown.core.errors import AlreadyExists, FieldInvalid
from drawdown.core.hindsight.changing import AskedChange
from drawdown.core.lifecycle import state_of
from drawdown.core.requests import Accepted, Answer, LedgerKey
from drawdown.core.types import (
    DAY,
    BurnOrder,
    EntryKind,
    Grant,
    GrantState,
    Id,
    Instant,
    OverageBehavior,
    OverageMode,
)
from drawdown.engine.ledger import Ledger
from tests.support.books import CREDITS, START, Book, open_book, verified

pytestmark = pytest.mark.anyio
REPAID = AskedOverage(mode=OverageMode.UNLIMITED, behavior=OverageBehavior.CARRY_DEFICIT_AUTO_REPAY)


def brought(customer: str, amount: int, used: int, days: int = -10, **more: Any) -> IssueGrant:
    """A grant of some days ago."""
    return IssueGrant(
        customer=customer,
        entitlement=CREDITS,
        amount=Amount(amount),
        used_before=Amount(used),
        effective_at=Instant(START + days * DAY),
        **more,
    )


async def bring(book: Book, command: IssueGrant) -> Grant:
    found = (await book.ledger.apply(book.id, command)).grant
    assert found is not None
    return found


async def kinds_of(book: Book, customer: str) -> list[tuple[EntryKind, int]]:
    """Its entries, the oldest first."""
    found, _ = await book.ledger.entries(book.id, customer, limit=100)
    return [(each.kind, each.amount) for each in reversed(found)]


async def test_what_was_used_is_an_entry_and_the_rest_can_be(ledger: Ledger) -> None:
    """It is drawn in its turn: that of the day on which it was given there."""
    book = await open_book(ledger, burn_order=BurnOrder.OLDEST_FIRST)
    ada = await book.customer()
    young = await bring(book, brought(ada, 10, 0, days=-1))
    old = await bring(book, brought(ada, 10, 4, expires_at=Instant(START + DAY)))
    assert (old.used, old.remaining, old.drawn) == (4, 6, True)
    await book.debit(ada, 8)
    assert (await ledger.grant(book.id, old.id)).remaining == 0
    assert (await ledger.grant(book.id, young.id)).remaining == 8
    assert await kinds_of(book, ada) == [
        (EntryKind.GRANTED, 10),
        (EntryKind.GRANTED, 10),
        (EntryKind.DEBITED, 4),
        (EntryKind.DEBITED, 6),
        (EntryKind.DEBITED, 2),
    ]
    assert (await book.balance(ada)).posted == 8
    await verified(ledger)


async def test_what_has_expired_is_written_off_as_it_comes(ledger: Ledger) -> None:
    """Nothing waits for it, however many come at once; one that was used up before is depleted."""
    book = await open_book(ledger)
    ada, past = await book.customer(), Instant(START - DAY)
    commands = [brought(ada, 10, used, expires_at=past) for used in (3, 10, 0)]
    answers = await ledger.submit_many(
        book.id, [(each, nothing, LedgerKey("t", str(n))) for n, each in enumerate(commands)]
    )
    assert all(isinstance(each, Answer) for each in answers)
    found = await ledger.grants(book.id, customer=ada, entitlement=CREDITS, limit=10)
    states = [state_of(each, START) for each in reversed(found)]
    assert states == [GrantState.EXPIRED, GrantState.DEPLETED, GrantState.EXPIRED]
    assert [each.expires_at for each in found] == [past] * 3
    assert (await book.balance(ada)).posted == 0
    assert await ledger.store.due_wallets(Instant(START + DAY), 10) == []
    again = await ledger.submit_many(book.id, [(commands[0], nothing, LedgerKey("t", "0"))])
    assert isinstance(again[0], Answer)
    assert again[0].replayed
    assert (await verified(ledger)).entries == 3 + 2 + 2


def nothing(_: Accepted) -> Answer:
    return Answer(status=200, body=b"")


async def test_overage_comes_whatever_the_rule_and_is_repaid_by_new_credit_alone(
    ledger: Ledger,
) -> None:
    """What stood beside it there stands beside it here; a debit of it can be reversed."""
    book = await open_book(ledger)
    ada, bob = await book.customer(), await book.customer()
    await bring(book, brought(ada, 10, 0))
    debt = Debit(customer=ada, entitlement=CREDITS, amount=Amount(7), as_overage=True)
    made = await ledger.apply(book.id, debt)
    assert [each.kind for each in made.entries] == [EntryKind.OVERAGE_CHARGED]
    balance = await book.balance(ada)
    assert (balance.posted, balance.overage) == (10, 7)
    assert made.operation is not None
    await ledger.apply(book.id, ReverseDebit(debit=made.operation.id))
    assert (await book.balance(ada)).overage == 0

    kind = CreateEntitlement(code="repaid", unit="credit", scale=0, overage=REPAID)
    await ledger.apply(book.id, kind)
    for command in (
        Debit(customer=bob, entitlement="repaid", amount=Amount(5), as_overage=True),
        IssueGrant(customer=bob, entitlement="repaid", amount=Amount(9), used_before=Amount(0)),
    ):
        await ledger.apply(book.id, command)
    balance = await book.balance(bob, "repaid")
    assert (balance.posted, balance.overage) == (9, 5)
    await book.grant(bob, 3, "repaid")
    balance = await book.balance(bob, "repaid")
    assert (balance.posted, balance.overage) == (9, 2)
    await verified(ledger)


async def test_what_had_not_begun_begins_here(ledger: Ledger) -> None:
    """Of one that was ended before it began, nothing is left; one that was undone is undone here."""
    book = await open_book(ledger)
    ada = await book.customer()
    later = await bring(book, brought(ada, 10, 0, days=2))
    ended = await bring(book, brought(ada, 7, 0, days=2, expires_at=Instant(START - DAY)))
    undone = await bring(book, brought(ada, 5, 0, days=2))
    await ledger.apply(book.id, VoidGrant(grant=undone.id))
    found = {each.id: each for each in await ledger.grants(book.id, customer=ada, limit=10)}
    assert [state_of(found[each.id], START) for each in (later, ended, undone)] == [
        GrantState.PENDING,
        GrantState.EXPIRED,
        GrantState.VOIDED,
    ]
    assert [kind for kind, _ in await kinds_of(book, ada)] == [
        EntryKind.GRANTED,
        EntryKind.GRANTED,
        EntryKind.EXPIRED,
        EntryKind.GRANTED,
        EntryKind.VOIDED,
    ]
    assert await ledger.store.due_wallets(Instant(START + DAY), 10) == []
    assert len(await ledger.store.due_wallets(Instant(START + 2 * DAY), 10)) == 1
    assert (await book.balance(ada)).posted == 0
    await verified(ledger)


async def test_what_cannot_have_been_is_refused(ledger: Ledger) -> None:
    book = await open_book(ledger)
    ada = await book.customer()
    with pytest.raises(FieldInvalid, match="used_before must be at most the amount"):
        await bring(book, brought(ada, 10, 11))
    with pytest.raises(FieldInvalid, match="effective_at must be not in the future"):
        await bring(book, brought(ada, 10, 1, days=1))
    assert (await verified(ledger)).entries == 0


async def test_who_comes_is_as_old_as_he_was_and_keeps_his_id(ledger: Ledger) -> None:
    """An id is one book's: another that brings it along is told that it is taken."""
    book, other = await open_book(ledger), await open_book(ledger)
    then, identifier = Instant(START - 100 * DAY), ledger.ids.new()

    async def come(into: Id) -> None:
        command = CreateCustomer(name="Ada", created_at=then)
        key = LedgerKey("t", "ada")
        await ledger.submit(into, command, nothing, key=key, id=identifier)

    await come(book.id)
    await come(book.id)
    found = await ledger.customer(book.id, identifier)
    assert (found.id, found.name, found.created_at) == (identifier, "Ada", then)
    with pytest.raises(AlreadyExists):
        await come(other.id)
    late = CreateCustomer(own_id="late", created_at=Instant(START + DAY))
    await ledger.apply(book.id, late)
    assert (await ledger.customer(book.id, "late")).created_at == START
    kind = CreateEntitlement(code="old", unit="credit", scale=0, created_at=then)
    await ledger.apply(book.id, kind)
    shown = await ledger.entitlement(book.id, "old")
    assert (shown.created_at, shown.updated_at) == (then, START)


async def test_a_dry_run_knows_what_was_brought_over(ledger: Ledger) -> None:
    """Decided again, it comes to what was recorded: so a change of the rules can be asked about."""
    book = await open_book(ledger)
    ada = await book.customer()
    await bring(book, brought(ada, 10, 4, expires_at=Instant(START + DAY)))
    await bring(book, brought(ada, 10, 3, expires_at=Instant(START - DAY)))
    await book.grant(ada, 5)
    await ledger.apply(
        book.id, Debit(customer=ada, entitlement=CREDITS, amount=Amount(2), as_overage=True)
    )
    await book.debit(ada, 7)
    change = AskedChange(burn_order=BurnOrder.OLDEST_FIRST)
    page = await ledger.dry_run(book.id, CREDITS, change, since=Instant(0), limit=10)
    assert page.skipped == []
    [result] = page.results
    assert (page.before.overage, page.before.available) == (2, 4)
    assert result.after.available == 4
    before = await ledger.balance(book.id, ada, CREDITS, at=Instant(START - 1))
    assert before.posted == 0
