"""What a request leaves behind in memory: nothing."""

from __future__ import annotations

import gc
from unittest.mock import patch

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import Debit
from drawdown.core.errors import InsufficientCredit, LedgerError
from drawdown.core.requests import Answer
from drawdown.engine import batcher, ledger
from drawdown.engine.ports import StoreUnavailable
from tests.support.books import CREDITS, Book, render

pytestmark = pytest.mark.anyio


def debit(customer: str, amount: int = 1) -> Debit:
    return Debit(customer=customer, entitlement=CREDITS, amount=Amount(amount))


async def test_a_refusal_is_let_go_of_without_a_collection(book: Book) -> None:
    """Neither its frames nor what was asked stay, or large requests would add up."""
    customer = await book.customer()
    refused = 0
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            try:
                await book.ledger.submit(book.id, debit(customer, 9), render)
            except InsufficientCredit:
                refused += 1
        assert refused == 20
        left = [thing for thing in gc.get_objects() if isinstance(thing, LedgerError)]
        assert len(left) <= 1, "only the last may still be in the event loop's hands"
    finally:
        gc.enable()


async def test_a_queue_that_fills_up_refuses_only_what_it_did_not_take(book: Book) -> None:
    customer = await book.customer()
    await book.grant(customer, 100)
    asked = [(debit(customer), render, None)] * 6
    with patch.object(ledger, "BATCH_MAX", 2):
        taken = book.ledger._batcher.enqueue
        pieces = 0

        def enqueue(submissions: list[batcher.Submission]) -> None:
            nonlocal pieces
            pieces += 1
            if pieces == 3:
                raise StoreUnavailable("full")
            taken(submissions)

        with patch.object(book.ledger._batcher, "enqueue", enqueue):
            answers = await book.ledger.submit_many(book.id, asked)
    assert [type(answer) for answer in answers] == [Answer] * 4 + [StoreUnavailable] * 2
    assert (await book.balance(customer)).used == 4
