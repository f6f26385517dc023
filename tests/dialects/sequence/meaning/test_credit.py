"""What credit means where several rules meet: caps, moments, and what other dialects do to it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from drawdown.core.commands import (
    Authorize,
    CloseCustomer,
    Command,
    CreateSchedule,
    Debit,
    IssueGrant,
    Release,
    RolloverTerms,
)
from drawdown.core.identity import reference, spell_uuid
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import Balance, Id, Instant
from drawdown.dialects.sequence.credit import balances
from drawdown.engine.ledger import Ledger
from tests.dialects.sequence.meaning.world import DAY, World
from tests.dialects.sequence.support import credit_body
from tests.support.books import units

pytestmark = pytest.mark.anyio


async def granted(world: World, customer: str, amount: int, **more: Any) -> Any:
    return await world.made("/credits", credit_body(customer, **more) | {"amount": amount})


async def done(world: World, command: Command) -> Any:
    world.pass_time()
    return await world.ledger.apply(world.book, command)


async def drawn(world: World, customer: str, amount: str, kind: str = "usd") -> None:
    command = Debit(customer=reference(customer), entitlement=kind, amount=units(amount))
    await done(world, command)


async def balance(world: World, customer: str) -> Any:
    """The one that there is."""
    [found] = (await world.read(f"/credits/{customer}/balances"))["items"]
    return found


def total(item: Any) -> Fraction:
    signs = {"CREDIT": 1, "DEBIT": -1}
    moved = (signs[each["type"]] * Fraction(each["amount"]) for each in item["transactions"])
    return sum(moved, Fraction(0))


def left(item: Any) -> Fraction:
    return sum((Fraction(each["currentBalance"]) for each in item["grants"]), Fraction(0))


def told(item: Any) -> list[tuple[str, str, str | None]]:
    moved = item["transactions"]
    return [(each["type"], each["amount"], each.get("reason")) for each in moved]


async def test_balances_are_of_one_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is moved while they are read is in all of it, or in nothing."""
    customer = await world.new_customer()
    await granted(world, customer, 10)
    read, meanwhile = Ledger.balance, iter(["1", "2"])

    async def moved_meanwhile(self: Ledger, *asked: Any, **more: Any) -> Balance:
        found = await read(self, *asked, **more)
        if (amount := next(meanwhile, None)) is not None:
            await drawn(world, customer, amount)
        return found

    monkeypatch.setattr(Ledger, "balance", moved_meanwhile)
    item = await balance(world, customer)
    assert item["balance"] == "7"
    assert total(item) == left(item) == 7
    assert len(item["transactions"]) == 3


async def test_all_that_is_left_is_among_the_grants(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those with nothing left the newest are there, and of the transactions the newest."""
    monkeypatch.setattr(balances, "GRANTS_MAX", 3)
    monkeypatch.setattr(balances, "TRANSACTIONS_MAX", 4)
    customer = await world.new_customer()
    made = [(await granted(world, customer, 1))["id"] for _ in range(3)]
    made += [(await granted(world, customer, 5))["id"] for _ in range(3)]
    made += [(await granted(world, customer, 1, expiryDate="2026-01-31"))["id"] for _ in range(3)]
    await drawn(world, customer, "4")
    item = await balance(world, customer)
    assert [each["id"] for each in item["grants"]] == made[1:]
    assert item["balance"] == "17"
    assert left(item) == 17
    assert told(item) == [("DEBIT", "1", None)] * 4
    assert item["transactions"][-1]["grantId"] == made[6]


async def test_transactions_are_found_among_what_is_held_and_let_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look goes so far back and no further."""
    monkeypatch.setattr(balances, "_CHUNK", 4)
    customer = await world.new_customer()
    await granted(world, customer, 10)
    for _ in range(5):
        await held_and_let_go(world, customer)
    await drawn(world, customer, "1")
    assert told(await balance(world, customer)) == [("DEBIT", "1", None), ("CREDIT", "10", None)]
    monkeypatch.setattr(balances, "_CHUNKS_MAX", 2)
    assert told(await balance(world, customer)) == [("DEBIT", "1", None)]


async def held_and_let_go(world: World, customer: str) -> None:
    command = Authorize(customer=reference(customer), entitlement="usd", amount=units("1"))
    made = await done(world, command)
    await done(world, Release(hold=made.hold.id))


async def test_what_is_carried_over_at_a_grants_end_adds_up(world: World) -> None:
    """It leaves the one and comes into another; the rest expires."""
    customer = await world.new_customer()
    terms = RolloverTerms(percentage=50, timeframe=Every(CalendarUnit.DAY, 10))
    first = await done(
        world,
        IssueGrant(
            customer=reference(customer),
            entitlement="usd",
            amount=units("100"),
            expires_at=Instant(world.clock.instant + DAY),
            rollover=terms,
        ),
    )
    await drawn(world, customer, "20")
    world.pass_time(2 * DAY)
    item = await balance(world, customer)
    assert item["balance"] == "40"
    assert total(item) == left(item) == 40
    assert told(item) == [
        ("DEBIT", "40", "Expired"),
        ("CREDIT", "40", "Rolled over"),
        ("DEBIT", "40", "Rolled over"),
        ("DEBIT", "20", None),
        ("CREDIT", "100", None),
    ]
    old, new = item["grants"]
    assert old["id"] == spell_uuid(first.grant.id)
    [listed] = (await world.read(f"/credits/{customer}/grants"))["items"]
    assert (listed["id"], listed["balance"]) == (new["id"], 40)


async def test_the_cycles_of_a_schedule_add_up(world: World) -> None:
    customer = await world.new_customer()
    await done(
        world,
        CreateSchedule(
            customer=reference(customer),
            entitlement="usd",
            amount=units("10"),
            every=Every(CalendarUnit.DAY, 1),
            rollover=RolloverTerms(percentage=50),
        ),
    )
    for cycle in range(4):
        await drawn(world, customer, "1.5")
        item = await balance(world, customer)
        assert total(item) == left(item) == Fraction(item["balance"])
        assert len(item["grants"]) > cycle
        world.pass_time(DAY)


async def test_a_debit_takes_only_what_can_be_used(world: World) -> None:
    """Not what is held, nor what has not begun, nor anything of one who is archived; put back is to all."""
    customer = await world.new_customer()
    made = await granted(world, customer, 10)
    later = await granted(world, customer, 10, effectiveDate="2026-02-02")
    command = Authorize(customer=reference(customer), entitlement="usd", amount=units("7"))
    await done(world, command)
    account = {"On-Behalf-Of": made["sequenceAccountId"]}

    async def moved(grant: Any, kind: str, amount: str) -> tuple[int, str]:
        body = {"grantId": grant["id"], "type": kind, "amount": amount}
        answer = await world.client.post("/credit-transactions", json=body, headers=account)
        return answer.status_code, answer.json().get("error", {}).get("type", "")

    assert await moved(made, "DEBIT", "3.01") == (400, "InsufficientCredits")
    assert await moved(made, "DEBIT", "3") == (201, "")
    assert await moved(later, "DEBIT", "1") == (400, "InvalidState")
    await done(world, CloseCustomer(customer=reference(customer)))
    assert await moved(made, "CREDIT", "2") == (201, "")
    assert await moved(made, "DEBIT", "1") == (400, "InvalidState")
    item = await balance(world, customer)
    assert item["balance"] == "19"
    assert total(item) == left(item) == 19


async def test_a_debit_is_use_and_a_credit_takes_it_back(world: World) -> None:
    """In the ledger's accounts: what is used is what revenue is counted from."""
    customer = await world.new_customer()
    made = await granted(world, customer, 10, costOfCredit=5)
    account = {"On-Behalf-Of": made["sequenceAccountId"]}
    grant = reference(made["id"])
    assert isinstance(grant, bytes)
    used = []
    for kind, amount in (("DEBIT", "4"), ("CREDIT", "1"), ("DEBIT", "7"), ("CREDIT", "10")):
        body = {"grantId": made["id"], "type": kind, "amount": amount}
        answer = await world.client.post("/credit-transactions", json=body, headers=account)
        assert answer.status_code == 201
        found = await world.ledger.grant(world.book, Id(grant))
        used.append(found.used)
        assert found.amount == found.remaining + found.used
    assert used == [each * 10**9 for each in (4, 3, 10, 0)]
