"""Dodo's meters: those of the ledger, with a unit and a description that only Dodo knows of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from drawdown.core import commands, identity
from drawdown.core.errors import LedgerError, MeterNotFound, TooManyMeters
from drawdown.core.requests import Accepted, Answer
from drawdown.core.times import text_of
from drawdown.core.types import Id, Reference
from drawdown.core.usage import meters as core
from drawdown.core.usage import properties
from drawdown.core.usage import records as usage_records
from drawdown.core.usage.meters import Measure
from drawdown.dialects.dodo import reading
from drawdown.dialects.dodo.answering import answer
from drawdown.dialects.dodo.errors import NotRestored, message_of
from drawdown.dialects.dodo.reading import DESCRIPTION_MAX, NAME_MAX, PROFILE, UNIT_MAX
from drawdown.dialects.dodo.rendering import business_id
from drawdown.dialects.dodo.usage import meter_filters, wire
from drawdown.engine.accounts import Role
from drawdown.engine.batcher import Render
from drawdown.web import fields
from drawdown.web.decoding import malformed
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest

METER_PREFIX = "mtr_"
_AGGREGATIONS = frozenset(each.value for each in wire.Aggregation)
_decode_exact = msgspec.json.Decoder(float_hook=properties.exact).decode


async def create(call: Call) -> Answer:
    """Names are not unique, so its code is one that nobody chose."""
    body: wire.CreateMeterRequest = call.body
    profile = wire.MeterProfile(
        description=_description(body.description), measurement_unit=_unit(body.measurement_unit)
    )
    command = commands.CreateMeter(
        code=f"dodo-{call.ledger.ids.new().hex()}",
        name=_name(body.name),
        measure=_measure(body),
        profiles={PROFILE: msgspec.to_builtins(profile)},
    )

    return await call.ledger.submit(call.book, command, _shown(call, 201))


def _measure(body: wire.CreateMeterRequest) -> Measure:
    counts = body.aggregation.type is wire.Aggregation.COUNT
    key = None if counts else body.aggregation.key
    if not counts and key is None:
        raise BadRequest("aggregation.key", "given, unless the type is count")
    for field, name in (("event_name", body.event_name), ("aggregation.key", key)):
        if name is not None and not properties.is_name(name):
            raise BadRequest(field, properties.NAME_RULE)
    tree = exact_object(body.filter, "filter")
    return Measure(
        event_name=body.event_name,
        aggregation=core.Aggregation(body.aggregation.type.value),
        property=key,
        filter=None if tree is None else meter_filters.filter_of(tree),
    )


async def retrieve(call: Call) -> Answer:
    found = await call.ledger.meter(call.book, named(call))
    if not is_shown(found):
        raise MeterNotFound(call.path["meter_id"])
    return answer(call, shown(found, call.principal.account))


async def list_all(call: Call, *, page_base: int) -> Answer:
    """Newest first."""
    query: wire.ListMetersQuery = call.query
    catalog = await call.ledger.catalog(call.book)
    found = [
        each
        for each in reversed(catalog.meters.values())
        if is_shown(each) and (each.closed_at is not None) is query.archived
    ]
    first = query.offset(page_base)
    page = found[first : first + query.page_size]
    items = [shown(each, call.principal.account) for each in page]
    return answer(call, wire.MeterPage(items))


async def update(call: Call) -> Answer:
    """What it counts stays as it was made."""
    body: wire.UpdateMeterRequest = call.body
    found = await call.ledger.meter(call.book, named(call))
    given: dict[str, Any] = {}
    if not isinstance(body.description, msgspec.UnsetType):
        given["description"] = _description(body.description)
    if body.measurement_unit is not None:
        given["measurement_unit"] = _unit(body.measurement_unit)
    profile = msgspec.to_builtins(msgspec.structs.replace(_profile(found), **given))
    command = commands.AmendMeter(
        meter=found.id,
        name=None if body.name is None else _name(body.name),
        profiles={PROFILE: profile} if given else {},
    )
    return await call.ledger.submit(call.book, command, _shown(call, 200))


async def archive(call: Call) -> Answer:
    """One that is archived already stays so."""
    command = commands.CloseMeter(meter=named(call))
    return await call.ledger.submit(call.book, command, _nothing(call, 204))


async def unarchive(call: Call) -> Answer:
    """The vendor answers 500 for whatever stands in the way."""
    try:
        found = await call.ledger.meter(call.book, named(call))
        if found.closed_at is None:
            raise NotRestored("The meter is not archived.")
        command = commands.ReopenMeter(meter=found.id)
        return await call.ledger.submit(call.book, command, _nothing(call, 200))
    except (MeterNotFound, TooManyMeters) as error:
        raise NotRestored(message_of(error)) from None


# What they share -----------------------------------------------------------------------------------


def named(call: Call) -> Reference:
    return reading.path_reference(call.path["meter_id"], "meter_id")


def is_shown(found: usage_records.Meter) -> bool:
    """Whether the vendor has a word for how it counts: its SDKs know no other."""
    return found.measure.aggregation.value in _AGGREGATIONS


def shown(found: usage_records.Meter, account: Id) -> wire.Meter:
    profile, measure = _profile(found), found.measure
    tree = measure.filter
    return wire.Meter(
        id=identity.spell(METER_PREFIX, found.id),
        business_id=business_id(account),
        name=found.name,
        event_name=measure.event_name,
        description=profile.description,
        measurement_unit=profile.measurement_unit,
        aggregation=wire.MeterAggregation(type=measure.aggregation.value, key=measure.property),
        filter=None if tree is None else meter_filters.shown_of(tree),
        created_at=text_of(found.created_at),
        updated_at=text_of(found.updated_at),
    )


def exact_object(raw: msgspec.Raw, field: str) -> Mapping[str, Any] | None:
    """A JSON object whose numbers are exact; None for null."""
    try:
        found = _decode_exact(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from None
    if found is not None and not isinstance(found, dict):
        raise BadRequest(field, "an object")
    return found


def _shown(call: Call, status: int) -> Render:
    def render(accepted: Accepted) -> Answer:
        assert accepted.meter is not None
        return answer(call, shown(accepted.meter, call.principal.account), status)

    return render


def _nothing(call: Call, status: int) -> Render:
    def render(accepted: Accepted) -> Answer:
        return answer(call, None, status)

    return render


def _profile(found: usage_records.Meter) -> wire.MeterProfile:
    return msgspec.convert(found.profiles.get(PROFILE, {}), wire.MeterProfile)


def _name(text: str) -> str:
    return fields.text(text, "name", longest=NAME_MAX)


def _unit(text: str) -> str:
    return fields.text(text, "measurement_unit", longest=UNIT_MAX)


def _description(text: str | None) -> str | None:
    if text is None:
        return None
    return fields.text(text, "description", longest=DESCRIPTION_MAX, shortest=0, lines=True)


_NO_METER: tuple[type[LedgerError], ...] = (MeterNotFound,)


def endpoints(page_base: int) -> tuple[Endpoint, ...]:
    """The table. ``page_base`` is the number of the first page: 0 as documented, or 1."""
    return (
        Endpoint(
            method="GET",
            path="/meters",
            handler=partial(list_all, page_base=page_base),
            summary="List meters, newest first",
            role=Role.VIEWER,
            query=wire.ListMetersQuery,
            answer=wire.MeterPage,
        ),
        *_FIXED,
    )


_FIXED = (
    Endpoint(
        method="POST",
        path="/meters",
        handler=create,
        summary="Create a meter",
        role=Role.EDITOR,
        body=wire.CreateMeterRequest,
        answer=wire.Meter,
        status=201,
        errors=(TooManyMeters,),
    ),
    Endpoint(
        method="GET",
        path="/meters/{meter_id}",
        handler=retrieve,
        summary="Retrieve a meter",
        role=Role.VIEWER,
        query=wire.RetrieveMeterQuery,
        answer=wire.Meter,
        errors=_NO_METER,
    ),
    Endpoint(
        method="PATCH",
        path="/meters/{meter_id}",
        handler=update,
        summary="Change what a meter is called",
        role=Role.EDITOR,
        body=wire.UpdateMeterRequest,
        answer=wire.Meter,
        errors=_NO_METER,
    ),
    Endpoint(
        method="DELETE",
        path="/meters/{meter_id}",
        handler=archive,
        summary="Archive a meter: it counts nothing more",
        role=Role.EDITOR,
        status=204,
        errors=_NO_METER,
    ),
    Endpoint(
        method="POST",
        path="/meters/{meter_id}/unarchive",
        handler=unarchive,
        summary="Count by an archived meter again",
        role=Role.EDITOR,
        errors=(NotRestored,),
    ),
)
