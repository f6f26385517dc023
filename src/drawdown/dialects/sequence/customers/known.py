"""The aliases that there are: documents of their customers, named by what they say."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from drawdown.core import types
from drawdown.core.commands import DocumentChange
from drawdown.core.errors import AlreadyExists, CustomerNotFound, DocumentChanged, DocumentNotFound
from drawdown.core.identity import dated, parse, relocate, slot_of
from drawdown.core.requests import Answer
from drawdown.core.state import CUSTOMER_ALIAS
from drawdown.core.types import Document, Id, Instant
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.customers.wire import AliasRecord
from drawdown.dialects.sequence.errors import AliasNotFound, NotAllowed
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter
from drawdown.web.endpoints import Call, Handler
from drawdown.web.errors import BadRequest

#: Of one customer, beside his own id.
ALIASES_MAX = 100
_CHUNK = ALIASES_MAX + 1
#: How many may be given and taken back at once.
AT_ONCE = 30
#: How often one who comes upon another's change reads again and decides anew.
ATTEMPTS = 50

_decode = msgspec.json.Decoder(AliasRecord).decode
_encode = msgspec.json.Encoder().encode


def record_of(document: Document) -> AliasRecord:
    return _decode(document.body)


def text_of(document: Document) -> str:
    return record_of(document).value


async def documents_of(ledger: Ledger, book: Id, customer: Id) -> list[Document]:
    """Newest first: all, also where several at once have given him more than there is room for."""
    found: list[Document] = []
    asked = DocumentFilter(book=book, kind=CUSTOMER_ALIAS, owner=customer, limit=_CHUNK)
    while some := await ledger.documents(asked):
        found += some
        if len(some) < _CHUNK:
            break
        asked = msgspec.structs.replace(asked, after=some[-1].id)
    return found


async def texts_of(ledger: Ledger, customer: types.Customer) -> list[str]:
    """All names of a customer, his own id first, then as they were given."""
    found = await documents_of(ledger, customer.book, customer.id)
    return own_texts(customer) + [text_of(each) for each in reversed(found)]


def own_texts(customer: types.Customer) -> list[str]:
    """The own id, unless it is what the vendor calls him."""
    if customer.own_id is None or customer.own_id == imported.customer_id(customer):
        return []
    return [customer.own_id]


async def find(ledger: Ledger, book: Id, text: str) -> Document:
    """By its id. Raises ``AliasNotFound``, and ``NotAllowed`` for one that cannot be changed."""
    found = parse(text)
    if found is None:
        raise AliasNotFound
    try:
        return await ledger.document(book, found, CUSTOMER_ALIAS)
    except DocumentNotFound:
        await _check_own(ledger, book, found)
        raise AliasNotFound from None


async def _check_own(ledger: Ledger, book: Id, alias: Id) -> None:
    """Raises ``NotAllowed`` for one that is an own id: it has its customer's id."""
    with contextlib.suppress(CustomerNotFound):
        if own_texts(await ledger.customer(book, alias)):
            raise NotAllowed("This alias is the id that the customer was made with: it stays.")


def given(
    ledger: Ledger, customer: Id, texts: Iterable[str], label: str | None = None
) -> tuple[DocumentChange, ...]:
    """New aliases of a customer."""
    return tuple(
        DocumentChange(
            id=relocate(ledger.ids.new(), slot_of(customer)),
            owner=customer,
            kind=CUSTOMER_ALIAS,
            body=_body(text, label),
            takes=text,
        )
        for text in texts
    )


def brought(
    customer: Id, text: str, label: str | None, created_at: Instant, rank: int
) -> DocumentChange:
    """An alias that he had at the vendor: its id follows from it, and sorts by when it was made there.

    ``rank`` counts those of one customer, the oldest first.
    """
    return DocumentChange(
        id=dated(customer, f"sequence.alias:{text}", created_at, rank),
        owner=customer,
        kind=CUSTOMER_ALIAS,
        body=_body(text, label),
        takes=text,
    )


def taken_back(documents: Iterable[Document]) -> tuple[DocumentChange, ...]:
    return tuple(_change(each, None, gives_back=text_of(each)) for each in documents)


def changed(document: Document, text: str, label: str | None) -> DocumentChange:
    before = text_of(document)
    if text == before:
        return _change(document, _body(text, label))
    return _change(document, _body(text, label), takes=text, gives_back=before)


def check_room(count: int, field: str) -> None:
    """Raises ``BadRequest`` where a customer would have more than there is room for."""
    if count > ALIASES_MAX:
        raise BadRequest(field, f"at most {ALIASES_MAX} aliases of a customer")


def decided_anew(handler: Callable[[Call], Awaitable[Answer]]) -> Handler:
    """Where another was faster, what there is is read again, and decided on anew."""

    async def handle(call: Call) -> Answer:
        for attempt in range(ATTEMPTS):
            try:
                return await handler(call)
            except AlreadyExists:
                if attempt > 0:  # the first time it may be his own by now
                    raise
            except (DocumentChanged, DocumentNotFound):
                continue
        return await handler(call)

    return handle


def _body(text: str, label: str | None) -> str:
    return _encode(AliasRecord(value=text, label=label)).decode()


def _change(
    document: Document, body: str | None, *, takes: str | None = None, gives_back: str | None = None
) -> DocumentChange:
    return DocumentChange(
        id=document.id,
        owner=document.owner,
        kind=CUSTOMER_ALIAS,
        body=body,
        revision=document.revision,
        takes=takes,
        gives_back=gives_back,
    )
