"""Why a debit drew on the grants it drew on."""

from __future__ import annotations

import msgspec

from drawdown.core import burn
from drawdown.core.amounts import render as decimal
from drawdown.core.errors import DebitNotFound
from drawdown.core.hindsight.explain import Drawn, Excluded, Explanation, Later
from drawdown.core.hindsight.wording import Words
from drawdown.core.requests import Answer
from drawdown.core.types import Entitlement, Grant, Id
from drawdown.dialects.native import common, render, render_debits, wire
from drawdown.dialects.native.debits import named_debit
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Call, Endpoint


async def explain_debit(call: Call) -> Answer:
    explanation = await call.ledger.explain(call.book, named_debit(call))
    return common.ok(shown(explanation))


def shown(explanation: Explanation) -> wire.Explanation:
    words = Words(explanation, _spelled)
    parts = explanation.parts
    return wire.Explanation(
        debit=render.spelled(render_debits.DEBIT_PREFIX, explanation.operation.id),
        sentence=words.sentence(),
        draws=[
            _draw(draw, part.entitlement, words, alone=len(part.draws) == 1)
            for part in parts
            for draw in part.draws
        ],
        later=[_later(each, part.entitlement, words) for part in parts for each in part.later],
        ineligible=[
            _excluded(each, part.entitlement, words) for part in parts for each in part.excluded
        ],
        overage=[
            wire.ExplainedOverage(
                entitlement=part.entitlement.code,
                amount=decimal(part.overage, part.entitlement.scale),
                reason=words.why_beyond(part),
            )
            for part in parts
            if part.overage
        ],
    )


def _spelled(grant: Id) -> str:
    return render.spelled(render.GRANT_PREFIX, grant)


def _draw(draw: Drawn, kind: Entitlement, words: Words, *, alone: bool) -> wire.ExplainedDraw:
    return wire.ExplainedDraw(
        grant=_spelled(draw.grant.id),
        name=words.name(draw.grant),
        entitlement=kind.code,
        amount=decimal(draw.amount, kind.scale),
        order_key=msgspec.Raw(draw.order_key.encode()),
        reason=words.why_drawn(draw, alone),
    )


def _later(later: Later, kind: Entitlement, words: Words) -> wire.LaterGrant:
    return wire.LaterGrant(
        grant=_spelled(later.grant.id),
        name=words.name(later.grant),
        entitlement=kind.code,
        available=decimal(later.available, kind.scale),
        order_key=msgspec.Raw(burn.order_key(later.grant).encode()),
        decided_by=later.decided_by,
        drawn_key=_key(later.drawn, later.decided_by),
        own_key=_key(later.grant, later.decided_by),
        reason=words.why_later(later),
    )


def _key(grant: Grant, name: str) -> str | int | None:
    """The part of a grant's place that decided, as its order key has it; or its id."""
    if name == "id":
        return _spelled(grant.id)
    found: str | int | None = msgspec.json.decode(burn.order_key(grant))[name]
    return found


def _excluded(excluded: Excluded, kind: Entitlement, words: Words) -> wire.IneligibleGrant:
    return wire.IneligibleGrant(
        grant=_spelled(excluded.grant.id),
        name=words.name(excluded.grant),
        entitlement=kind.code,
        reason=excluded.reason,
        detail=words.why_excluded(excluded),
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/debits/{debit}/explain",
        handler=explain_debit,
        summary="Explain a debit: why these grants, and why not the others",
        role=Role.VIEWER,
        answer=wire.Explanation,
        errors=(DebitNotFound,),
    ),
)
