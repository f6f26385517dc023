"""Top-ups as rows: rules, and the requests that they made."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from drawdown.core.identity import slot_of
from drawdown.core.types import CostBasis, Id
from drawdown.core.watching.top_ups import RequestState, Standing, TopUp, TopUpRequest
from drawdown.core.watching.watch import Watch
from drawdown.engine.ports import TopUpFilter, TopUpRequestFilter
from drawdown.store.rows import Row

#: What of a rule has a column of its own; the rest are its terms.
_COLUMNS = ("id", "customer", "entitlement", "closed_at")
_decode_watch = msgspec.json.Decoder(Watch).decode


def top_up_of(row: Row) -> TopUp:
    """The rule of a row of ``find_top_up``."""
    columns = dict(zip(_COLUMNS, row[:4], strict=True))
    terms = msgspec.json.decode(row[4])
    return msgspec.convert({**terms, **columns}, TopUp, builtin_types=(bytes,))


def standing_of(row: Row) -> tuple[TopUp, Standing]:
    """The same, with where its wallet's top-up stands."""
    return top_up_of(row), standing_in(row[5]) or Standing()


def standing_in(watch: str | None) -> Standing | None:
    """What a wallet's watch says of its top-up."""
    return None if watch is None else _decode_watch(watch).top_up


def top_up_row(rule: TopUp, book: Id) -> Row:
    terms = {k: v for k, v in msgspec.to_builtins(rule).items() if k not in _COLUMNS}
    return (
        slot_of(rule.id),
        rule.customer,
        rule.entitlement,
        rule.id,
        book,
        rule.closed_at,
        msgspec.json.encode(terms).decode(),
    )


def request_of(row: Row) -> TopUpRequest:
    return TopUpRequest(
        id=row[0],
        customer=row[1],
        entitlement=row[2],
        top_up=row[3],
        amount=row[4],
        available=row[5],
        cost_basis=None if row[6] is None else CostBasis(row[6], row[7]),
        requested_at=row[8],
        recorded_at=row[9],
        expires_at=row[10],
        state=RequestState(row[11]),
        ended_at=row[12],
        reference=row[13],
        reason=row[14],
        grant=row[15],
    )


def request_row(made: TopUpRequest, book: Id) -> Row:
    cost = made.cost_basis
    return (
        slot_of(made.id),
        made.customer,
        made.entitlement,
        made.id,
        book,
        made.top_up,
        made.amount,
        made.available,
        None if cost is None else cost.amount,
        None if cost is None else cost.currency,
        made.requested_at,
        made.recorded_at,
        made.expires_at,
        *ended_row(made),
    )


def ended_row(made: TopUpRequest) -> Row:
    """What of a request changes."""
    return made.state.value, made.ended_at, made.reference, made.reason, made.grant


def top_up_list(
    select: str, asked: TopUpFilter, mark: Callable[[int], str]
) -> tuple[str, list[object]]:
    """The statement of a filter; ``mark`` writes the n-th parameter."""
    live = None if asked.live is None else f"t.closed_at IS {'' if asked.live else 'NOT '}NULL"
    return _list(select, "t", asked, mark, live)


def request_list(
    select: str, asked: TopUpRequestFilter, mark: Callable[[int], str]
) -> tuple[str, list[object]]:
    """As ``top_up_list``, of requests."""
    state = None if asked.state is None else f"r.state = '{asked.state.value}'"
    return _list(select, "r", asked, mark, state)


def _list(
    select: str,
    alias: str,
    asked: TopUpFilter | TopUpRequestFilter,
    mark: Callable[[int], str],
    further: str | None,
) -> tuple[str, list[object]]:
    bindings: list[object] = []

    def bound(value: object) -> str:
        bindings.append(value)
        return mark(len(bindings))

    conditions = [f"{alias}.book = {bound(asked.book)}"]
    if asked.customer is not None:
        conditions.append(f"{alias}.slot = {bound(slot_of(asked.customer))}")
        conditions.append(f"{alias}.customer = {bound(asked.customer)}")
    if asked.entitlement is not None:
        conditions.append(f"{alias}.entitlement = {bound(asked.entitlement)}")
    if further is not None:
        conditions.append(further)
    if asked.after is not None:
        conditions.append(f"{alias}.id < {bound(asked.after)}")
    where = " AND ".join(conditions)
    return f"{select} WHERE {where} ORDER BY {alias}.id DESC LIMIT {bound(asked.limit)}", bindings
