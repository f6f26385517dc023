"""A webhook asks for a payment, and the operator's code takes it: end to end, over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import CapTerms, ConfirmTopUp, CreateTopUp, FailTopUp
from drawdown.core.identity import parse
from drawdown.core.watching.top_ups import CapPeriod
from tests.support.books import CREDITS
from tests.support.receiver import Received, answering, receiver
from tests.support.stores import Database
from tests.webhooks.world import World, world

pytestmark = pytest.mark.anyio


class Payments:
    """The operator's code: a card that can be charged so often, and what was charged for which request."""

    def __init__(self, place: World, funds: int) -> None:
        self._place, self._funds = place, funds
        self.charged: dict[str, int] = {}

    async def handle(self, received: Received) -> None:
        """One delivery. What is delivered again is charged once, and answered again."""
        event = received.event
        if event["type"] != "top_up.requested":
            return
        request, units = event["data"]["request"], int(event["data"]["amount"])
        if request not in self.charged and sum(self.charged.values()) + units <= self._funds:
            self.charged[request] = units
        named = parse(request)
        assert named is not None
        command: ConfirmTopUp | FailTopUp = FailTopUp(request=named, reason="no funds")
        if request in self.charged:
            command = ConfirmTopUp(request=named, reference=f"payment-of-{request}")
        await self._place.ledger.apply(self._place.book.id, command)


async def test_a_customer_never_runs_out_while_payments_are_taken(database: Database) -> None:
    """Every event is delivered twice, as it may be; the ledger grants what was charged, and no more."""
    async with world(database) as place, receiver(answering(200)) as server:
        book, payments = place.book, Payments(place, funds=250)
        await place.endpoint(server.url + "/events", types=("top_up.*",))
        customer = await book.customer()
        await book.grant(customer, 40)
        command = CreateTopUp(
            customer=customer,
            entitlement=CREDITS,
            threshold=Amount(20),
            amount=Amount(100),
            cap=CapTerms(Amount(1_000), CapPeriod.MONTH),
            cool_down=60_000_000,
        )
        await place.ledger.apply(book.id, command)
        handled = 0
        for _ in range(6):  # 240 in all: what was there, and what was paid for
            await asyncio.gather(*(book.debit(customer, 1) for _ in range(40)))
            await place.round()
            for received in [each for each in server.received[handled:] for _ in range(2)]:
                await payments.handle(received)
            handled = len(server.received)
            place.move(90)
        await place.round()
        balance = await book.balance(customer)
        assert (balance.granted, balance.used, balance.available) == (240, 240, 0)
        assert list(payments.charged.values()) == [100, 100]
        found = await place.ledger.top_up_requests(book.id, limit=10)
        assert [each.state.value for each in found] == ["failed", "confirmed", "confirmed"]
        assert server.types == [
            "top_up.created",
            *["top_up.requested", "top_up.confirmed"] * 2,
            "top_up.requested",
            "top_up.failed",
        ]
