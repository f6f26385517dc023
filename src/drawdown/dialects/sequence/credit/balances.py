"""Balances: what a customer has in each currency and of each metric, and how it came to that."""

from __future__ import annotations

from drawdown.core import amounts, identity
from drawdown.core.errors import CustomerNotFound
from drawdown.core.requests import Answer
from drawdown.core.types import Customer, Entitlement, Entry, Grant
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.answering import answer
from drawdown.dialects.sequence.credit import rendering, transactions, wire
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Call, Endpoint

#: The newest are shown; what came before them is in the grants' balances.
TRANSACTIONS_MAX = 1_000
GRANTS_MAX = 1_000
_CHUNK = 500


async def list_balances(call: Call) -> Answer:
    """Of everything that the customer ever had, used up or not."""
    owner = await call.ledger.customer(call.book, identity.reference(call.path["customerId"]))
    await call.ledger.settle_due(call.book, owner.id)
    kinds = [
        await call.ledger.entitlement(call.book, each)
        for each in (await call.ledger.seqs([owner.id])).get(owner.id, {})
    ]
    kinds.sort(key=lambda each: (each.currency is not None, each.code))
    return answer(
        call, 200, wire.Balances(items=[await _balance(call, owner, kind) for kind in kinds])
    )


async def _balance(call: Call, owner: Customer, kind: Entitlement) -> wire.Balance:
    account = call.principal.account
    grants = await call.ledger.grants(
        call.book, customer=owner.id, entitlement=kind.id, limit=GRANTS_MAX
    )
    balance = await call.ledger.balance(call.book, owner.id, kind.id)
    return wire.Balance(
        id=_id(kind),
        type=rendering.type_of(kind),
        name=kind.name if kind.currency is None else kind.currency.upper(),
        balance=amounts.render(balance.posted + balance.pending, kind.scale),
        grants=[
            rendering.grant(each, kind, account, imported.customer_id(owner))
            for each in _in_order(grants)
        ],
        transactions=await _transactions(call, owner, kind, grants),
    )


def _id(kind: Entitlement) -> str:
    return imported.metric_id(kind) if kind.currency is None else kind.currency.upper()


def _in_order(grants: list[Grant]) -> list[Grant]:
    """As they were made."""
    return grants[::-1]


async def _transactions(
    call: Call, owner: Customer, kind: Entitlement, grants: list[Grant]
) -> list[wire.Transaction]:
    """Newest first: those of here, then those of before at the vendor."""
    found: list[Entry] = []
    after: str | None = None
    while len(found) < TRANSACTIONS_MAX:
        some, after = await call.ledger.entries(
            call.book, owner.id, kind.id, after=after, limit=_CHUNK
        )
        found += [each for each in some if each.kind in transactions.MOVES]
        if after is None:
            break
    newest = found[:TRANSACTIONS_MAX]
    known = await call.ledger.store.find_operations({each.operation for each in newest})
    theirs = {each.id: each for each in grants}
    theirs = await imported.grants_of(call.ledger, owner, newest, theirs)
    shown = transactions.transactions(newest, known, kind, theirs)
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
