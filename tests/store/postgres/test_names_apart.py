"""Where the tables are spread, a document is in its owner's shard and its name in another.

A server may die between any two of the three transactions: the name leads to the document that is made in
the end, or is free again.
"""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from drawdown.core.commands import DocumentChange, KeepDocuments
from drawdown.core.errors import AlreadyExists, DocumentNotFound
from drawdown.core.identity import relocate, slot_of
from drawdown.core.requests import Accepted, Answer, Claim
from drawdown.core.types import Document, Id, Instant
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import StoreUnavailable
from drawdown.engine.spread_claims import ClaimSteps
from drawdown.engine.spread_names import PATIENCE, DocumentNames
from tests.store.postgres.test_claims_apart import dies, servers
from tests.support.books import open_book
from tests.support.transactions import Recorder

pytestmark = pytest.mark.anyio

KIND = "test.product"


async def keep(
    ledger: Ledger, book: Id, body: str, name: str, claim: Claim | None = None
) -> Document:
    made: list[Accepted] = []

    def render(accepted: Accepted) -> Answer:
        made.append(accepted)
        return Answer(status=200, body=b"")

    new = relocate(ledger.ids.new(), slot_of(book))
    change = DocumentChange(id=new, owner=book, kind=KIND, body=body, takes=name)
    await ledger.submit(book, KeepDocuments(), render, claim=claim, documents=(change,))
    return made[-1].documents[0]


async def change(ledger: Ledger, document: Document, body: str | None, **names: str | None) -> None:
    changed = DocumentChange(
        id=document.id,
        owner=document.owner,
        kind=KIND,
        body=body,
        revision=document.revision,
        **names,
    )
    answer = Answer(status=200, body=b"")
    await ledger.submit(document.book, KeepDocuments(), lambda _: answer, documents=(changed,))


def pass_time(ledger: Ledger) -> None:
    assert isinstance(ledger.clock, ManualClock)
    ledger.clock.instant = Instant(ledger.clock.instant + PATIENCE)


async def opens_and_dies(*args: Any) -> Any:
    await real_open(*args)
    await dies()


real_open = DocumentNames.open


async def test_a_name_without_a_document_is_free_again_after_a_minute(
    spread_url: str, recorder: Recorder
) -> None:
    async with servers(spread_url, recorder) as (one, two):
        book = (await open_book(one.ledger)).id
        with patch.object(DocumentNames, "open", opens_and_dies), pytest.raises(StoreUnavailable):
            await keep(one.ledger, book, "1", "pro")
        with pytest.raises(DocumentNotFound):
            await two.ledger.document_named(book, "pro", KIND)
        with pytest.raises(AlreadyExists):
            await keep(two.ledger, book, "2", "pro")
        pass_time(two.ledger)
        made = await keep(two.ledger, book, "3", "pro")
        assert await one.ledger.document_named(book, "pro", KIND) == made


async def test_a_document_that_nobody_came_back_to_tell_of_keeps_its_name(
    spread_url: str, recorder: Recorder
) -> None:
    async with servers(spread_url, recorder) as (one, two):
        book = (await open_book(one.ledger)).id
        with patch.object(DocumentNames, "end", dies), pytest.raises(StoreUnavailable):
            await keep(one.ledger, book, "1", "pro")
        pass_time(two.ledger)
        with pytest.raises(AlreadyExists):
            await keep(two.ledger, book, "2", "pro")
        assert (await two.ledger.document_named(book, "pro", KIND)).body == "1"


async def test_a_name_of_a_document_that_is_deleted_is_free_whoever_said_so(
    spread_url: str, recorder: Recorder
) -> None:
    """Also the name that it had before that one."""
    async with servers(spread_url, recorder) as (one, two):
        book = (await open_book(one.ledger)).id
        made = await keep(one.ledger, book, "1", "pro")
        with patch.object(ClaimSteps, "release", dies), pytest.raises(StoreUnavailable):
            await change(one.ledger, made, "2", takes="max", gives_back="pro")
        changed = await two.ledger.document(book, made.id, KIND)
        with patch.object(ClaimSteps, "release", dies), pytest.raises(StoreUnavailable):
            await change(one.ledger, changed, None, gives_back="max")
        for name in ("pro", "max"):
            with pytest.raises(DocumentNotFound):
                await one.ledger.document_named(book, name, KIND)
            again = await keep(two.ledger, book, "4", name)
            assert await one.ledger.document_named(book, name, KIND) == again


async def test_a_request_that_is_repeated_goes_on_under_the_same_document(
    spread_url: str, recorder: Recorder
) -> None:
    async with servers(spread_url, recorder) as (one, two):
        book = (await open_book(one.ledger)).id
        claim = Claim("test", "key", b"fingerprint")
        with patch.object(DocumentNames, "open", opens_and_dies), pytest.raises(StoreUnavailable):
            await keep(one.ledger, book, "1", "pro", claim)
        made = await keep(two.ledger, book, "1", "pro", claim)
        assert await one.ledger.document_named(book, "pro", KIND) == made
