"""Reversing a debit: part or all of it goes back to where it came from, overage first.

Of overage no more is undone than the wallet still has. What credit has repaid since goes back to the grants
that did, the oldest repayment first: nobody has been used for a debit that is undone. What was forgiven or
invoiced is no longer owed, and there is no grant to return it to: it is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from drawdown.core import amounts, posting
from drawdown.core.commands import ReverseDebit
from drawdown.core.context import (
    Context,
    begin,
    commit,
    encode_facts,
    find_entitlement,
    settled_context,
    written,
)
from drawdown.core.errors import DebitNotFound, FieldInvalid, ReversalTooLarge
from drawdown.core.posting import Posting
from drawdown.core.requests import Accepted, Part, Request
from drawdown.core.spending import positive_units
from drawdown.core.state import DebitRecord, Repayment, State
from drawdown.core.types import (
    NOTHING,
    Customer,
    Entry,
    EntryKind,
    Grant,
    Id,
    Instant,
    Operation,
)


class Piece(msgspec.Struct):
    """A part of a draw: ``open`` units of it are not reversed, of which ``returnable`` can go back.

    To the grant; to the wallet's overage where there is none. ``repaid`` is what paid for overage meanwhile.
    """

    grant: Grant | None
    open: int
    returnable: int
    repaid: Repayment | None = None


class Return(msgspec.Struct):
    """What goes back to a wallet, how much of each piece, and how much of the debit is settled by it.

    More is settled than goes back where an adjustment had returned something of a draw before.
    """

    context: Context
    pieces: list[tuple[Piece, int]]
    settled: int


def reverse_debit(request: Request, command: ReverseDebit, state: State) -> Accepted:
    """Return part or all of a debit to the grants it came from, last drawn first.

    Never more than the debit, nor more than what is still used of a grant: an adjustment may have
    returned some already.
    """
    record = state.debits[command.debit]
    if record is None or not record.draws:  # usage that nothing paid for
        raise DebitNotFound(written(command.debit))
    customer = state.customers[record.operation.customer]
    if customer is None or customer.book != request.book:
        raise DebitNotFound(written(command.debit))
    contexts = _debit_contexts(request, command, customer, record, state)
    one = contexts[0] if len(contexts) == 1 else None
    units = _units_to_reverse(command, one)
    facts = {"amount": units, "entitlement": None if one is None else one.entitlement.id.hex()}
    started = begin(
        request,
        state,
        Operation(
            id=contexts[0].operation_id,
            customer=customer.id,
            entitlement=None if one is None else one.entitlement.id,
            kind="reverse",
            at=contexts[0].at,
            recorded_at=request.recorded_at,
            facts=encode_facts(facts),
            subject=command.debit,
        ),
    )
    returns = [to_return(record, context, units) for context in contexts]
    if not any(one.pieces for one in returns):
        drawn = sum(d.amount for d in record.draws if d.entitlement == contexts[0].entitlement.id)
        whole = amounts.render(drawn, contexts[0].entitlement.scale)
        raise ReversalTooLarge(amount=whole, reversible="0")
    for each in reversed(returns):
        give_back(started, record, each)
    state.changes.debits[command.debit] = record
    commit(state, started)
    return _reversed(started, customer, returns)


def _debit_contexts(
    request: Request, command: ReverseDebit, customer: Customer, record: DebitRecord, state: State
) -> list[Context]:
    """The settled wallets to be reversed, in the order they were drawn: all of the debit's, or the one."""
    drawn = list(dict.fromkeys(draw.entitlement for draw in record.draws))
    if command.entitlement is not None:
        chosen = find_entitlement(request, command.entitlement, state)
        if chosen.id not in drawn:
            raise FieldInvalid("entitlement", "one that the debit drew on")
        drawn = [chosen.id]
    wallets = [state.wallets[(customer.id, entitlement)] for entitlement in drawn]
    now = state.now_of(customer.id, request.at)
    at = max(now, *(wallet.last_at for wallet in wallets if wallet is not None), Instant(0))
    return [
        settled_context(request, customer, find_entitlement(request, entitlement, state), state, at)
        for entitlement in drawn
    ]


def _units_to_reverse(command: ReverseDebit, one: Context | None) -> int | None:
    """The units asked for; None: all that is left. An amount needs one wallet to be an amount of."""
    if command.amount is None:
        return None
    if one is None:
        rule = "left out, or come with the entitlement of one of the debit's wallets"
        raise FieldInvalid("amount", rule)
    return positive_units(command.amount, one.entitlement)


def to_return(
    record: DebitRecord, context: Context, units: int | None, *, at_most: bool = False
) -> Return:
    """Which grants of a wallet get back how much: all that is left, or ``units`` of it.

    Raises ``ReversalTooLarge`` where less than that is left; ``at_most``: then what is left.
    """
    entitlement = context.entitlement
    draws = [draw for draw in record.draws if draw.entitlement == entitlement.id]
    pieces = _pieces(context, _open_draws(draws, record.reversed.get(entitlement.id, 0)))
    reversible = sum(piece.returnable for piece in pieces)
    wanted = reversible if units is None else units
    wanted = min(wanted, reversible) if at_most else wanted
    if wanted > reversible:
        raise ReversalTooLarge(
            amount=amounts.render(wanted, entitlement.scale),
            reversible=amounts.render(reversible, entitlement.scale),
        )
    return _first_units(context, pieces, wanted)


def _pieces(context: Context, draws: Iterable[tuple[Entry, int]]) -> list[Piece]:
    """What each draw's open units go back to. A grant gives no more back than is used of it in all."""
    wallet, owed = context.wallet, context.wallet.overage
    used: dict[Id, int] = {}
    found = []
    for draw, open_units in draws:
        if draw.grant == NOTHING:
            piece = Piece(None, min(open_units, owed), min(open_units, owed))
            owed -= piece.open
            repaid = _repaid(context, draw, open_units - piece.open, used)
            rest = open_units - piece.open - sum(each.open for each in repaid)
            found += [piece, *repaid, Piece(None, rest, 0)]
        else:
            grant = wallet.grants[draw.grant]
            returnable = min(open_units, used.setdefault(grant.id, grant.used))
            used[grant.id] -= returnable
            found.append(Piece(grant, open_units, returnable))
    return found


def _repaid(context: Context, draw: Entry, units: int, used: dict[Id, int]) -> list[Piece]:
    """Which grants have repaid ``units`` that were charged as overage, as far as any have."""
    found = []
    for repayment in context.state.repayments_after(context.key, draw.seq):
        if units == 0:
            break
        grant = context.wallet.grants[repayment.grant]
        returnable = min(units, repayment.open, used.setdefault(grant.id, grant.used))
        if returnable:
            used[grant.id] -= returnable
            units -= returnable
            found.append(Piece(grant, returnable, returnable, repayment))
    return found


def _open_draws(draws: Sequence[Entry], settled: int) -> list[tuple[Entry, int]]:
    """What of each draw is still open, the last drawn first, when ``settled`` units of all are not."""
    found = []
    for draw in reversed(draws):
        open_units = max(draw.amount - settled, 0)
        settled = max(settled - draw.amount, 0)
        if open_units:
            found.append((draw, open_units))
    return found


def _first_units(context: Context, pieces: list[Piece], units: int) -> Return:
    """The first ``units`` that can be returned; what an adjustment returned before them is passed over."""
    cut = Return(context, [], 0)
    passed = 0
    for piece in pieces:
        taken = min(piece.returnable, units)
        if taken:
            cut.pieces.append((piece, taken))
            cut.settled = passed + taken
        units -= taken
        passed += piece.open
    return cut


def give_back(started: Posting, record: DebitRecord, each: Return) -> None:
    """Do it, last drawn first."""
    context = each.context
    for piece, units in each.pieces:
        if piece.grant is None:
            kind = EntryKind.OVERAGE_REVERSED
            posting.post_overage(started, context.wallet, kind, units, context.at)
            continue
        if piece.repaid is not None:
            piece.repaid.returned += units
            place = (*context.key, piece.repaid.seq)
            context.state.changes.repayments[place] = piece.repaid
        posting.give_back(started, context.wallet, piece.grant, units, context.at)
    if each.settled:
        so_far = record.reversed.get(context.entitlement.id, 0)
        record.reversed[context.entitlement.id] = so_far + each.settled
    context.reach()


def _reversed(started: Posting, customer: Customer, returns: list[Return]) -> Accepted:
    """What came of a reversal: of one wallet with its balance, of several as parts."""
    parts = tuple(
        Part(
            entitlement=each.context.entitlement,
            amount=sum(units for _, units in each.pieces),
            balance=each.context.wallet.balance(each.context.entitlement.scale, each.context.at),
        )
        for each in returns
    )
    accepted = Accepted(
        operation=started.operation, entries=tuple(started.entries), customer=customer
    )
    if len(parts) > 1:
        accepted.parts = parts
    else:
        [part] = parts
        accepted.entitlement, accepted.balance = part.entitlement, part.balance
        accepted.amount = part.amount
    return accepted
