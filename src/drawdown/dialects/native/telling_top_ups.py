"""Events of top-ups: rules made and closed, and what becomes of their requests."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drawdown.core.amounts import render as decimal
from drawdown.core.identity import spell
from drawdown.core.times import text_of
from drawdown.core.types import CostBasis, Id, Instant, Operation
from drawdown.core.watching import top_up_changes as topping_up
from drawdown.core.watching.top_ups import CapPeriod, RequestState, Standing, TopUp
from drawdown.dialects.native import render, wire_top_ups
from drawdown.dialects.native import top_ups as shapes
from drawdown.dialects.native.telling import Tell, Telling, Told, grant_name, moves
from drawdown.dialects.native.top_ups import REQUEST_PREFIX, TOP_UP_PREFIX


class RequestedFacts(msgspec.Struct):
    amount: int
    available: int
    expires_at: Instant
    top_up: str
    cost_basis: CostFacts | None = None


class CostFacts(msgspec.Struct, array_like=True):
    amount: int
    currency: str | None


class AnsweredFacts(msgspec.Struct):
    amount: int
    top_up: str
    reference: str | None = None
    reason: str | None = None
    attempts_left: int = 0


class CappedFacts(msgspec.Struct):
    available: int
    cap: int
    per: CapPeriod
    until: Instant | None = None


class Answered(msgspec.Struct):
    """What an answer changed: as it was, and as it is."""

    state: tuple[RequestState, RequestState]
    expires_at: tuple[None, Instant | None] = (None, None)
    attempts_left: tuple[None, int] = (None, 0)


def _created(telling: Telling) -> Iterator[Told]:
    """As it was made: it may have been closed since, and what it asks for at once is told after it."""
    rule = msgspec.structs.replace(_rule(telling), closed_at=None)
    yield "top_up.created", _shown(telling, rule), ()


def _closed(telling: Telling) -> Iterator[Told]:
    rule = msgspec.structs.replace(_rule(telling), closed_at=telling.operation.at)
    yield "top_up.closed", _shown(telling, rule), ()


def _rule(telling: Telling) -> TopUp:
    assert telling.top_up is not None
    return telling.top_up


def _shown(telling: Telling, rule: TopUp) -> wire_top_ups.TopUp:
    assert telling.owner is not None
    at = telling.operation.at
    return shapes.rule_of(rule, Standing(rule=rule), telling.owner, telling.kind, at)


def _requested(telling: Telling) -> Iterator[Told]:
    facts = msgspec.json.decode(telling.operation.facts, type=RequestedFacts)
    cost, scale = facts.cost_basis, telling.kind.scale
    told = wire_top_ups.Requested(
        request=telling.subject(REQUEST_PREFIX),
        top_up=_named(facts.top_up),
        entitlement=telling.kind.code,
        amount=decimal(facts.amount, scale),
        available=decimal(facts.available, scale),
        cost_basis=render.cost_basis(
            None if cost is None else CostBasis(cost.amount, cost.currency)
        ),
        expires_at=text_of(facts.expires_at),
    )
    yield "top_up.requested", told, ()


def _confirmed(telling: Telling) -> Iterator[Told]:
    """And the grant with it, as it was given."""
    operation, [entry, *_] = telling.operation, telling.entries
    facts = msgspec.json.decode(operation.facts, type=AnsweredFacts)
    changed = msgspec.json.decode(operation.changed, type=Answered)
    told = wire_top_ups.Confirmed(
        request=telling.subject(REQUEST_PREFIX),
        top_up=_named(facts.top_up),
        entitlement=telling.kind.code,
        amount=decimal(facts.amount, telling.kind.scale),
        grant=grant_name(entry),
        reference=facts.reference,
        late=changed.state[0] is not RequestState.OPEN,
    )
    yield "top_up.confirmed", told, telling.entries
    grant = telling.granted[entry.grant]  # which may have been amended since
    telling.granted[entry.grant] = msgspec.structs.replace(
        grant, expires_at=changed.expires_at[1], metadata=_rule(telling).metadata
    )
    yield from moves(telling)


def _failed(telling: Telling) -> Iterator[Told]:
    changed = msgspec.json.decode(telling.operation.changed, type=Answered)
    yield "top_up.failed", _unpaid(telling, changed.attempts_left[1]), ()


def _expired(telling: Telling) -> Iterator[Told]:
    yield "top_up.expired", _unpaid(telling), ()


def _unpaid(telling: Telling, attempts_left: int | None = None) -> wire_top_ups.Unpaid:
    facts = msgspec.json.decode(telling.operation.facts, type=AnsweredFacts)
    return wire_top_ups.Unpaid(
        request=telling.subject(REQUEST_PREFIX),
        top_up=_named(facts.top_up),
        entitlement=telling.kind.code,
        amount=decimal(facts.amount, telling.kind.scale),
        reason=facts.reason,
        attempts_left=facts.attempts_left if attempts_left is None else attempts_left,
    )


def _capped(telling: Telling) -> Iterator[Told]:
    facts = msgspec.json.decode(telling.operation.facts, type=CappedFacts)
    scale = telling.kind.scale
    told = wire_top_ups.Capped(
        top_up=telling.subject(TOP_UP_PREFIX),
        entitlement=telling.kind.code,
        available=decimal(facts.available, scale),
        cap=wire_top_ups.Cap(amount=decimal(facts.cap, scale), per=facts.per),
        until=render.optional_time(facts.until),
    )
    yield "top_up.capped", told, ()


def _named(rule: str) -> str:
    return spell(TOP_UP_PREFIX, Id(bytes.fromhex(rule)))


#: The kinds of operation of which the rule is told, or what it says of the grants.
OF_RULE = frozenset({"create_top_up", "close_top_up", "confirm_top_up"})


def rule_of(operation: Operation) -> Id:
    """The id of the rule that an operation of those kinds is about."""
    if operation.kind == "create_top_up":
        return topping_up.made_by(operation.id)
    if operation.kind == "close_top_up":
        assert operation.subject is not None
        return operation.subject
    facts = msgspec.json.decode(operation.facts, type=AnsweredFacts)
    return Id(bytes.fromhex(facts.top_up))


TOLD: dict[str, Tell] = {
    "create_top_up": _created,
    "close_top_up": _closed,
    "request_top_up": _requested,
    "confirm_top_up": _confirmed,
    "fail_top_up": _failed,
    "expire_top_up": _expired,
    "cap_top_up": _capped,
}
