"""Balances: what a customer has in each currency and of each metric, and how it came to that."""

from __future__ import annotations

from collections.abc import Iterable

from drawdown.core import amounts, identity
from drawdown.core.errors import CustomerNotFound
from drawdown.core.requests import Answer
from drawdown.core.types import Customer, Entitlement, Entry, Grant, Id
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.answering import answer, days_of
from drawdown.dialects.sequence.credit import rendering, transactions, wire
from drawdown.dialects.sequence.dates import Days
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Call, Endpoint

#: The newest are shown; what came before them is in the grants' balances.
TRANSACTIONS_MAX = 1_000
#: Beside those of which something is left, so many of the newest are shown.
GRANTS_MAX = 1_000
_CHUNK = 500
#: So many times is looked for transactions among what also holds credit and lets it go.
_CHUNKS_MAX = 20
#: How often it is read again because credit was moved meanwhile.
_ATTEMPTS = 5


async def list_balances(call: Call) -> Answer:
    """Of everything that the customer ever had, used up or not; all of it as of one moment."""
    owner = await call.ledger.customer(call.book, identity.reference(call.path["customerId"]))
    seqs = await _seqs(call, owner.id)
    items = await _balances(call, owner, seqs)
    for _ in range(_ATTEMPTS):
        before, seqs = seqs, await _seqs(call, owner.id)
        if seqs == before:
            break
        items = await _balances(call, owner, seqs)
    return answer(call, 200, wire.Balances(items=items))


async def _seqs(call: Call, owner: Id) -> dict[Id, int]:
    """How much was moved of each kind of credit by now, what time has done included."""
    await call.ledger.settle_due(call.book, owner)
    return (await call.ledger.seqs([owner])).get(owner, {})


async def _balances(call: Call, owner: Customer, kinds: Iterable[Id]) -> list[wire.Balance]:
    """Of what he is only watched for, or has used without any credit, there is no balance."""
    left: dict[Id, list[Grant]] = {}
    for each in await call.ledger.outstanding(call.book, owner.id):
        left.setdefault(each.entitlement, []).append(each)
    found = []
    for kind in [await call.ledger.entitlement(call.book, each) for each in kinds]:
        newest = await call.ledger.grants(
            call.book, customer=owner.id, entitlement=kind.id, limit=GRANTS_MAX
        )
        if newest:
            found.append((kind, _as_made(left.get(kind.id, []), newest)))
    found.sort(key=lambda each: (each[0].currency is not None, each[0].code))
    return [await _balance(call, owner, *each) for each in found]


def _as_made(*lists: list[Grant]) -> list[Grant]:
    """Not by their ids alone: what was carried over has one that follows from another grant's."""
    grants = {each.id: each for some in lists for each in some}
    return sorted(grants.values(), key=lambda each: (imported.made_at(each), each.id))


async def _balance(
    call: Call, owner: Customer, kind: Entitlement, grants: list[Grant]
) -> wire.Balance:
    account, days = call.principal.account, await days_of(call)
    balance = await call.ledger.balance(call.book, owner.id, kind.id)
    return wire.Balance(
        id=_id(kind),
        type=rendering.type_of(kind),
        name=kind.name if kind.currency is None else kind.currency.upper(),
        balance=amounts.render(balance.posted + balance.pending, kind.scale),
        grants=[
            rendering.grant(each, kind, account, imported.customer_id(owner), days)
            for each in grants
        ],
        transactions=await _transactions(call, owner, kind, grants, days),
    )


def _id(kind: Entitlement) -> str:
    return imported.metric_id(kind) if kind.currency is None else kind.currency.upper()


async def _transactions(
    call: Call, owner: Customer, kind: Entitlement, grants: list[Grant], days: Days
) -> list[wire.Transaction]:
    """Newest first: those of here, then those of before at the vendor."""
    found: list[Entry] = []
    after: str | None = None
    for _ in range(_CHUNKS_MAX):
        some, after = await call.ledger.entries(
            call.book, owner.id, kind.id, after=after, limit=_CHUNK
        )
        found += [each for each in some if each.kind in transactions.MOVES]
        if after is None or len(found) >= TRANSACTIONS_MAX:
            break
    newest = found[:TRANSACTIONS_MAX]
    known = await call.ledger.store.find_operations({each.operation for each in newest})
    theirs = {each.id: each for each in grants}
    theirs = await imported.grants_of(call.ledger, owner, newest, theirs)
    shown = transactions.transactions(newest, known, kind, theirs, days)
    room = TRANSACTIONS_MAX - len(shown)
    return shown + await imported.transactions_there(call.ledger, owner, kind.id, room)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/credits/{customerId}/balances",
        handler=list_balances,
        summary="List a customer's credit balances, with grants and transactions",
        role=Role.VIEWER,
        answer=wire.Balances,
        errors=(CustomerNotFound,),
    ),
)
