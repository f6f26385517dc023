"""Usage metrics: made, changed, deleted, and read."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import msgspec

from drawdown.core import errors
from drawdown.core.commands import AmendEntitlement, AmendMeter
from drawdown.core.errors import AlreadyExists, EntitlementNotFound, LedgerError
from drawdown.core.identity import derive, parse, spell_uuid
from drawdown.core.requests import Answer
from drawdown.core.times import text_of
from drawdown.core.types import Entitlement, Id
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.answering import answer, check_account
from drawdown.dialects.sequence.paging import only, page
from drawdown.dialects.sequence.usage import calculating, kept, standing, wire
from drawdown.dialects.sequence.usage.choosing import Choice
from drawdown.dialects.sequence.usage.kept import METRICS, Kept
from drawdown.dialects.sequence.usage.measures import definition_of, is_same
from drawdown.dialects.sequence.usage.reserving import reserve
from drawdown.dialects.sequence.usage.wire import Definition, MetricRecord
from drawdown.engine.accounts import Role
from drawdown.engine.ports import DocumentFilter
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest

NAME_RULE = "a name that no other metric has, and no other kind of credit"


async def create(call: Call) -> Answer:
    """In steps; one that others began and did not end is completed, where it is the same."""
    body: wire.MetricRequest = call.body
    check_account(body.sequence_account_id, call.principal.account)
    asked = definition_of(body)
    new = spell_uuid(kept.new_id(call.ledger, call.book))
    name, repeated = await reserve(call, asked, new)
    identifier = parse(name)
    assert identifier is not None, "it was spelled here"
    found = None
    if repeated:
        identifier, found = await _made_before(call, identifier)
    if found is not None:
        await standing.finish(call.ledger, call.book)
        given = await _answer(call, 201, found)
        return msgspec.structs.replace(given, replayed=True)
    return await _answer(call, 201, await _made(call, identifier, asked))


async def _made_before(call: Call, identifier: Id) -> tuple[Id, Kept[MetricRecord] | None]:
    """What the same request has made; or None, and under which id it is to be made.

    That is another one each time that it was refused: what was half made under the one before is gone.
    """
    while True:
        document = await call.ledger.store.find_document(identifier)
        if document is None:
            return identifier, None
        if document.deleted_at is None:
            return identifier, METRICS.read(document)
        identifier = derive(identifier, "sequence.again")


async def _made(call: Call, identifier: Id, asked: Definition) -> Kept[MetricRecord]:
    change = METRICS.new(identifier, call.book, MetricRecord(asked), takes=asked.name)
    begin = partial(standing.with_metric, identifier)
    try:
        documents = await kept.wait(call.ledger, call.book, begin, change)
    except AlreadyExists:
        return await _begun_by_others(call, asked)
    metric = METRICS.read(documents[0])
    try:
        await standing.carry_out(call.ledger, call.book, metric)
    except LedgerError as error:
        await standing.undo(call.ledger, call.book, metric)
        raise _refused(error) from None
    return metric


async def _begun_by_others(call: Call, asked: Definition) -> Kept[MetricRecord]:
    """Raises ``BadRequest`` for a name that is another's."""
    found = await METRICS.named(call.ledger, call.book, asked.name)
    waiting = await kept.waiting(call.ledger, call.book)
    if found is None or waiting is None or found.body.definition != asked:
        raise BadRequest("name", NAME_RULE)
    if spell_uuid(found.document.id) not in waiting.body.metrics:
        raise BadRequest("name", NAME_RULE)
    await standing.finish(call.ledger, call.book)
    return found


def _refused(error: LedgerError) -> Exception:
    return BadRequest("name", NAME_RULE) if isinstance(error, AlreadyExists) else error


async def retrieve(call: Call) -> Answer:
    return await _answer(call, 200, await _found(call))


async def _found(call: Call) -> Kept[MetricRecord]:
    """With all that is under way done. Raises ``EntitlementNotFound``."""
    await standing.finish(call.ledger, call.book)
    text = call.path["id"]
    named = parse(text), await imported.find(call.ledger, call.book, text)
    for identifier in named:
        if identifier is not None:
            found = await METRICS.find(call.ledger, call.book, identifier)
            if found is not None:
                return found
    raise EntitlementNotFound(text)


async def list_all(call: Call) -> Answer:
    """Newest first, those that are deleted among them."""
    query: wire.MetricsQuery = call.query
    choice = Choice(query)
    await standing.finish(call.ledger, call.book)

    async def chunk(after: Id | None, before: Id | None, limit: int) -> list[_Listed]:
        found = await call.ledger.documents(
            DocumentFilter(
                book=call.book, kind=METRICS.kind, after=after, before=before, limit=limit
            )
        )
        return [_Listed(each.id, await _shown(call, METRICS.read(each))) for each in found]

    chosen = only(chunk, _id, lambda each: choice.admits(each.metric), "name")
    found, pagination = await page(call, query, chosen if choice.is_one else chunk, _id)
    items = [each.metric for each in found]
    return answer(call, 200, wire.MetricPage(items=items, pagination=pagination))


class _Listed(NamedTuple):
    id: Id
    metric: wire.Metric


def _id(listed: _Listed) -> Id:
    return listed.id


async def update(call: Call) -> Answer:
    """All of it in the place of what there was. What counts otherwise counts from now on."""
    body: wire.MetricRequest = call.body
    check_account(body.sequence_account_id, call.principal.account)
    asked = definition_of(body)
    before = await _living(call)
    definition = before.body.definition
    same = is_same(definition, asked)
    generation = before.body.generation + (not same)
    record = msgspec.structs.replace(before.body, definition=asked, generation=generation)
    change = METRICS.changed(
        before,
        record,
        takes=None if asked.name == definition.name else asked.name,
        gives_back=None if asked.name == definition.name else definition.name,
    )
    begin = partial(standing.with_metric, before.document.id)
    document = (await kept.wait(call.ledger, call.book, begin, change))[0]
    after = METRICS.read(document)
    try:
        await _rename(call, document.id, asked)
        if same:
            await _rename_meter(call, after)
        else:
            await standing.carry_out(call.ledger, call.book, after)
    except (LedgerError, BadRequest):
        await _as_before(call, after, before)
        raise
    return await _answer(call, 200, after)


async def _rename_meter(call: Call, metric: Kept[MetricRecord]) -> None:
    meter = standing.meter_of(metric.document.id, metric.body.generation)
    name = metric.body.definition.name
    await call.ledger.apply(call.book, AmendMeter(meter=meter, name=name))
    await standing.done(call.ledger, call.book, metric.document.id)


async def _living(call: Call) -> Kept[MetricRecord]:
    """Raises ``EntitlementClosed``, too, also where somebody has deleted its credit."""
    found = await _found(call)
    credit = await _credit(call, found.document.id)
    if found.body.deleted_at is not None or (credit is not None and credit.closed_at is not None):
        raise errors.EntitlementClosed()
    return found


async def _credit(call: Call, metric: Id) -> Entitlement | None:
    """None for a metric that was refused when it was half made."""
    try:
        return await call.ledger.entitlement(call.book, metric)
    except EntitlementNotFound:
        return None


async def _rename(call: Call, metric: Id, asked: Definition) -> None:
    """Its credit is called as it is. Raises ``BadRequest`` for a name that is another's."""
    before, unit = await call.ledger.entitlement(call.book, metric), asked.unit or standing.UNIT
    if (before.name, before.unit) == (asked.name, unit):
        return
    command = AmendEntitlement(
        entitlement=metric, name=None if asked.name == before.name else asked.name, unit=unit
    )
    try:
        await call.ledger.apply(call.book, command)
    except AlreadyExists:
        raise BadRequest("name", NAME_RULE) from None


async def _as_before(call: Call, after: Kept[MetricRecord], before: Kept[MetricRecord]) -> None:
    """Where there is no room for another meter, the old one goes on."""
    now, was = after.body.definition.name, before.body.definition
    await _rename(call, after.document.id, was)
    change = METRICS.changed(
        after,
        before.body,
        takes=None if now == was.name else was.name,
        gives_back=None if now == was.name else now,
    )
    done = partial(standing.without_metric, after.document.id)
    await kept.wait(call.ledger, call.book, done, change)


async def delete(call: Call) -> Answer:
    """It counts nothing more; its credit stays, and expires. One that is deleted already stays so."""
    before = await _found(call)
    if before.body.deleted_at is not None:
        return await _answer(call, 200, before)
    record = msgspec.structs.replace(before.body, deleted_at=text_of(call.now))
    change = METRICS.changed(before, record, gives_back=before.body.definition.name)
    begin = partial(standing.with_metric, before.document.id)
    documents = await kept.wait(call.ledger, call.book, begin, change)
    after = METRICS.read(documents[0])
    await standing.carry_out(call.ledger, call.book, after)
    return await _answer(call, 200, after)


async def calculate(call: Call) -> Answer:
    metric = await _found(call)
    definition = _as_called(metric, await _credit(call, metric.document.id))
    return answer(call, 200, await calculating.calculate(call, definition, call.query))


async def _answer(call: Call, status: int, metric: Kept[MetricRecord]) -> Answer:
    return answer(call, status, await _shown(call, metric))


def _as_called(metric: Kept[MetricRecord], credit: Entitlement | None) -> Definition:
    """Another dialect may have renamed its credit, or the unit of it."""
    definition = metric.body.definition
    if credit is None:
        return definition
    unit = None if definition.unit is None and credit.unit == standing.UNIT else credit.unit
    return msgspec.structs.replace(definition, name=credit.name, unit=unit)


async def _shown(call: Call, metric: Kept[MetricRecord]) -> wire.Metric:
    """One whose credit another dialect has deleted is deleted."""
    credit = await _credit(call, metric.document.id)
    definition, there = _as_called(metric, credit), metric.body.there
    deleted_at = metric.body.deleted_at
    if deleted_at is None and credit is not None and credit.closed_at is not None:
        deleted_at = text_of(credit.closed_at)
    return wire.Metric(
        id=spell_uuid(metric.document.id) if there is None else there.id,
        sequence_account_id=spell_uuid(call.principal.account),
        name=definition.name,
        metric_type=definition.metric_type,
        event_type=definition.event_type,
        aggregation_type=definition.aggregation_type,
        property_filters=definition.property_filters,
        properties_to_negate=list(definition.properties_to_negate),
        case_sensitive=definition.case_sensitive,
        parameters=[],
        deduction=definition.deduction,
        created_at=text_of(metric.document.created_at) if there is None else there.created_at,
        aggregation_property=definition.aggregation_property,
        grouping_property=definition.grouping_property,
        unit=definition.unit,
        description=definition.description,
        deleted_at=deleted_at,
    )


_NO_METRIC = (errors.EntitlementNotFound,)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/usage-metrics",
        handler=create,
        summary="Create a usage metric",
        role=Role.EDITOR,
        body=wire.MetricRequest,
        answer=wire.Metric,
        status=201,
        errors=(errors.TooManyMeters, errors.KeyReused),
    ),
    Endpoint(
        method="GET",
        path="/usage-metrics",
        handler=list_all,
        summary="List usage metrics, newest first",
        role=Role.VIEWER,
        query=wire.MetricsQuery,
        answer=wire.MetricPage,
    ),
    Endpoint(
        method="GET",
        path="/usage-metrics/{id}",
        handler=retrieve,
        summary="Get a usage metric",
        role=Role.VIEWER,
        answer=wire.Metric,
        errors=_NO_METRIC,
    ),
    Endpoint(
        method="PUT",
        path="/usage-metrics/{id}",
        handler=update,
        summary="Change a usage metric",
        role=Role.EDITOR,
        body=wire.MetricRequest,
        answer=wire.Metric,
        errors=(*_NO_METRIC, errors.EntitlementClosed, errors.TooManyMeters),
    ),
    Endpoint(
        method="DELETE",
        path="/usage-metrics/{id}",
        handler=delete,
        summary="Delete a usage metric",
        role=Role.EDITOR,
        answer=wire.Metric,
        errors=_NO_METRIC,
    ),
    Endpoint(
        method="GET",
        path="/usage-metrics/{id}/calculate",
        handler=calculate,
        summary="What some customers used in some days, by a metric",
        role=Role.VIEWER,
        query=wire.CalculateQuery,
        answer=wire.Calculated,
        errors=_NO_METRIC,
    ),
)
