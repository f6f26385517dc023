"""How a balance came to be what it is, and what time will make of it: its constant stretches."""

from __future__ import annotations

from drawdown.core import identity
from drawdown.core.amounts import render as decimal
from drawdown.core.errors import FieldInvalid
from drawdown.core.instants import Segment
from drawdown.core.requests import Answer
from drawdown.core.times import text_of
from drawdown.dialects.native import asked, common, errors, wire
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Call, Endpoint


async def get_history(call: Call) -> Answer:
    """A page goes on where the one before ended in time, so that new entries do not move it."""
    query: asked.HistoryQuery = call.query
    kind = await call.ledger.entitlement(call.book, identity.reference(call.path["entitlement"]))
    segments, following = await call.ledger.balance_history(
        call.book,
        identity.reference(call.path["customer"]),
        kind.id,
        since=common.optional_instant(query.since, "from"),
        until=common.optional_instant(query.until, "to"),
        after=common.optional_instant(query.after, "after"),
        limit=query.limit,
    )
    return common.ok(
        wire.Page(
            data=[_segment(segment, kind.scale) for segment in segments],
            next=None if following is None else text_of(following),
        )
    )


def _segment(record: Segment, scale: int) -> wire.Segment:
    return wire.Segment(
        start=text_of(record.start),
        end=text_of(record.end),
        posted=decimal(record.posted, scale),
        held=decimal(record.held, scale),
        available=decimal(record.available, scale),
        pending=decimal(record.pending, scale),
        overage=decimal(record.overage, scale),
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/balances/{customer}/{entitlement}/history",
        handler=get_history,
        summary="List the stretches of time in which a balance is constant, newest first",
        role=Role.VIEWER,
        query=asked.HistoryQuery,
        answer=wire.Page[wire.Segment],
        errors=(*errors.NAMED, FieldInvalid),
    ),
)
