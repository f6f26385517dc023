"""Transactions: what moved grants, and the call that moves one by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from drawdown.core import amounts, errors, identity
from drawdown.core.commands import AdjustGrant, Direction
from drawdown.core.errors import GrantNotFound
from drawdown.core.requests import Accepted, Answer
from drawdown.core.times import text_of
from drawdown.core.types import Entitlement, Entry, EntryKind, Grant, Id, Operation
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.answering import account_rule, answer, days_of, optional_text
from drawdown.dialects.sequence.claims import answered, claim
from drawdown.dialects.sequence.credit import wire
from drawdown.dialects.sequence.credit.wire import Transaction, TransactionType
from drawdown.dialects.sequence.dates import Days
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest

ON_BEHALF_OF = "On-Behalf-Of"
PATH = "/credit-transactions"
_GRANT_RULE = "the id of a credit grant; there is none with this id"
#: What only this dialect knows of a movement is kept as its metadata.
_INVOICE, _RUN = "invoiceId", "billingRunId"

#: Which movements of a grant are transactions, what they do to its balance, and why.
_MOVES: Mapping[EntryKind, tuple[TransactionType, str | None]] = {
    EntryKind.GRANTED: (TransactionType.CREDIT, None),
    EntryKind.ROLLED_IN: (TransactionType.CREDIT, "Rolled over"),
    EntryKind.REVERSED: (TransactionType.CREDIT, "Reversed"),
    EntryKind.RESTORED: (TransactionType.CREDIT, "Restored"),
    EntryKind.DEBITED: (TransactionType.DEBIT, None),
    EntryKind.CAPTURED: (TransactionType.DEBIT, None),
    EntryKind.OVERAGE_REPAID: (TransactionType.DEBIT, "Overage repaid"),
    EntryKind.EXPIRED: (TransactionType.DEBIT, "Expired"),
    EntryKind.VOIDED: (TransactionType.DEBIT, "Voided"),
    EntryKind.FORFEITED: (TransactionType.DEBIT, "Forfeited"),
    EntryKind.ROLLED_OUT: (TransactionType.DEBIT, "Rolled over"),
}
MOVES = frozenset(_MOVES)
#: What is done because somebody asks for it, who may say why.
_ASKED = frozenset({EntryKind.GRANTED, EntryKind.DEBITED, EntryKind.CAPTURED, EntryKind.REVERSED})


class Facts(msgspec.Struct):
    """Of what an operation keeps, what a transaction tells."""

    reason: str | None = None
    metadata: dict[str, str | int | float | bool] = {}


_facts = msgspec.json.Decoder(Facts).decode


def transactions(
    entries: Sequence[Entry],
    operations: Mapping[Id, Operation],
    kind: Entitlement,
    grants: Mapping[Id, Grant],
    days: Days,
) -> list[Transaction]:
    """Those of some entries, in their order. ``grants`` has at least those that were brought over."""
    found = [(each, grants.get(each.grant)) for each in entries if each.kind in _MOVES]
    return [
        _transaction(each, operations[each.operation], kind, grant, days)
        for each, grant in found
        if grant is None or not imported.is_of_import(each, grant)
    ]


def _transaction(
    entry: Entry, operation: Operation, kind: Entitlement, grant: Grant | None, days: Days
) -> Transaction:
    """What somebody says of what he moves is not said of what followed from it: that it expired at once."""
    which, why = _MOVES[entry.kind]
    facts = Facts()
    if entry.kind in _ASKED:
        facts = _facts(operation.facts)
        why = facts.reason if operation.kind == "adjust" else facts.reason or why
    return Transaction(
        id=identity.spell_uuid(identity.derive(operation.id, f"entry:{entry.ordinal}")),
        grant_id=identity.spell_uuid(entry.grant) if grant is None else imported.grant_id(grant),
        type=which,
        amount=amounts.render(entry.amount, kind.scale),
        date=days.day_of(entry.at),
        created_at=text_of(entry.at),
        reason=why,
        invoice_id=_text(facts, _INVOICE),
        billing_run_id=_text(facts, _RUN),
    )


def _text(facts: Facts, name: str) -> str | None:
    found = facts.metadata.get(name)
    return None if found is None else str(found)


async def create(call: Call) -> Answer:
    """A DEBIT takes from this one grant, a CREDIT puts back what was taken from it.

    Put back into one that has expired, it expires at once.
    """
    body: wire.CreateTransactionRequest = call.body
    _check_behalf(call)
    command = _movement(body, await _named(call, body.grant_id))
    once = claim(call, command)
    if (before := await answered(call, once)) is not None:
        return before
    await _check_grant(call, command)
    days = await days_of(call)

    def render(accepted: Accepted) -> Answer:
        assert accepted.operation is not None
        assert accepted.entitlement is not None
        known = {accepted.operation.id: accepted.operation}
        assert accepted.grant is not None
        grants = {accepted.grant.id: accepted.grant}
        made = transactions(accepted.entries, known, accepted.entitlement, grants, days)
        return answer(call, 201, made[0])

    try:
        return await call.ledger.submit(call.book, command, render, claim=once)
    except errors.AdjustmentTooLarge as error:
        if body.type is TransactionType.CREDIT:
            raise
        left = str(error.fields["maximum"])
        raise errors.InsufficientCredit(
            needed=str(error.fields["amount"]), available=left, available_total=left
        ) from None


_DIRECTIONS = {TransactionType.DEBIT: Direction.DOWN, TransactionType.CREDIT: Direction.UP}


def _check_behalf(call: Call) -> None:
    """Unlike an account in a body it may not be left out."""
    given, account = call.headers.get(ON_BEHALF_OF.lower()), call.principal.account
    if given is None or identity.parse(given) != account:
        raise BadRequest(ON_BEHALF_OF, f"given as a header: {account_rule(account)}")


async def _named(call: Call, text: str) -> Id:
    """By its id, or by what the vendor called it."""
    found = await imported.find(call.ledger, call.book, text) or identity.parse(text)
    if found is None:
        raise BadRequest("grantId", _GRANT_RULE)
    return found


def _movement(body: wire.CreateTransactionRequest, grant: Id) -> AdjustGrant:
    tied = {_INVOICE: body.invoice_id, _RUN: body.billing_run_id}
    return AdjustGrant(
        grant=grant,
        direction=_DIRECTIONS[body.type],
        amount=fields.amount(body.amount),
        reason=optional_text(body.reason, "reason"),
        metadata={name: fields.text(text, name) for name, text in tied.items() if text is not None},
    )


async def _check_grant(call: Call, movement: AdjustGrant) -> None:
    """What is put back into one that was voided would be lost at once; one who is archived uses nothing."""
    try:
        found = await call.ledger.grant(call.book, movement.grant)
    except GrantNotFound:
        raise BadRequest("grantId", _GRANT_RULE) from None
    if found.voided_at is not None:
        raise errors.GrantVoided()
    owner = await call.ledger.customer(call.book, found.customer)
    if movement.direction is Direction.DOWN and owner.closed_at is not None:
        raise errors.CustomerClosed()


ENDPOINTS = (
    Endpoint(
        method="POST",
        path=PATH,
        handler=create,
        summary="Take from a credit grant, or put back",
        role=Role.EDITOR,
        body=wire.CreateTransactionRequest,
        answer=Transaction,
        status=201,
        errors=(
            errors.InsufficientCredit,
            errors.AmountTooFine,
            errors.AmountTooLarge,
            errors.AmountNotPositive,
            errors.AdjustmentTooLarge,
            errors.GrantExpired,
            errors.GrantVoided,
            errors.GrantPending,
            errors.CustomerClosed,
            errors.KeyReused,
        ),
    ),
)
