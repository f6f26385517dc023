"""Metrics as the ledger has them: an entitlement, a meter of what is used, and a rate of one unit for one.

A metric's document says how it is to be; ``carry_out`` brings the ledger there in steps, each of which may be
repeated: what a step makes has an id that follows from the metric's. A server may stop between any two.
The book's ``sequence.waiting`` names the metric until all is done, for whoever comes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import msgspec

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    CloseEntitlement,
    CloseMeter,
    CloseRate,
    Command,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
)
from drawdown.core.errors import (
    AlreadyExists,
    DocumentNotFound,
    EntitlementNotFound,
    TooManyMeters,
)
from drawdown.core.identity import derive, parse, spell_uuid
from drawdown.core.requests import Answer
from drawdown.core.types import Id, Shortfall
from drawdown.core.usage.catalog import check_rates
from drawdown.core.usage.rating import PerCredit
from drawdown.core.usage.records import Catalog, Debits, Meter
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.usage import kept
from drawdown.dialects.sequence.usage.kept import METRICS, Kept
from drawdown.dialects.sequence.usage.measures import measure_of
from drawdown.dialects.sequence.usage.wire import Deduction, MetricRecord, WaitingRecord
from drawdown.engine.ledger import Ledger

#: Decimal places of a metric's units.
SCALE = 6
UNIT = "unit"
_ONE_EACH = PerCredit(units_per_credit=Amount(1))


async def carry_out(ledger: Ledger, book: Id, metric: Kept[MetricRecord]) -> None:
    """Raises ``AlreadyExists`` for a name that other credit has, and ``TooManyMeters``."""
    if metric.body.deleted_at is None:
        await _make(ledger, book, metric)
    else:
        await _close(ledger, book, metric)
    await done(ledger, book, metric.document.id)


async def undo(ledger: Ledger, book: Id, metric: Kept[MetricRecord]) -> None:
    """Of one that was refused when it was half made nothing is left but what is closed.

    Whoever else has come upon it may have done so by now.
    """
    await _close(ledger, book, metric)
    name = metric.body.definition.name
    with suppress(DocumentNotFound):
        await kept.wait(
            ledger,
            book,
            partial(without_metric, metric.document.id),
            METRICS.changed(metric, None, gives_back=name),
        )


async def done(ledger: Ledger, book: Id, metric: Id) -> None:
    await kept.wait(ledger, book, partial(without_metric, metric))


def without_metric(metric: Id, body: WaitingRecord) -> WaitingRecord:
    left = tuple(each for each in body.metrics if each != spell_uuid(metric))
    return msgspec.structs.replace(body, metrics=left)


def with_metric(metric: Id, body: WaitingRecord) -> WaitingRecord:
    name = spell_uuid(metric)
    if name in body.metrics:
        return body
    return msgspec.structs.replace(body, metrics=(*body.metrics, name))


async def finish(ledger: Ledger, book: Id) -> None:
    """What others began and did not end."""
    found = await kept.waiting(ledger, book)
    for name in () if found is None else found.body.metrics:
        identifier = parse(name)
        assert identifier is not None, "it was spelled here"
        metric = await METRICS.find(ledger, book, identifier)
        if metric is None:
            await done(ledger, book, identifier)
        else:
            await _end(ledger, book, metric)


async def _end(ledger: Ledger, book: Id, metric: Kept[MetricRecord]) -> None:
    """What cannot be, whoever began it has not been told; nobody else is refused for it.

    A new metric goes, and another definition waits until there is room: the old one counts as long.
    """
    try:
        await carry_out(ledger, book, metric)
    except (AlreadyExists, TooManyMeters):
        if metric.body.generation == 1 and metric.body.deleted_at is None:
            await undo(ledger, book, metric)


async def _make(ledger: Ledger, book: Id, metric: Kept[MetricRecord]) -> None:
    """No event comes between the new rate and the end of the old; that goes on where something is refused."""
    identifier, generation = metric.document.id, metric.body.generation
    meter_id = meter_of(identifier, generation)
    rate_id = derive(meter_id, "sequence.rate")
    await _entitle(ledger, book, _credit(metric.body), identifier)
    catalog = await ledger.catalog(book)
    old = _meters(catalog, identifier, before=generation)
    if old and rate_id not in catalog.rates:
        check_rates(catalog)
    await _do(ledger, book, _counter(metric, old), meter_id)
    catalog = await ledger.catalog(book)
    if catalog.meters[meter_id].closed_at is not None:
        return  # somebody has come further by now
    old = _meters(catalog, identifier, before=generation)
    rate = CreateRate(
        meter=meter_id,
        entitlement=identifier,
        price=_ONE_EACH,
        replaces=tuple(_rates(catalog, old)),
    )
    await _do(ledger, book, rate, rate_id)
    for each in old:
        await _do(ledger, book, CloseMeter(meter=each.id))


def _credit(body: MetricRecord) -> CreateEntitlement:
    return CreateEntitlement(
        name=body.definition.name,
        unit=body.definition.unit or UNIT,
        scale=SCALE,
        shortfall=Shortfall.CAP,
        profiles={} if body.there is None else imported.profile(body.there.id),
    )


def _counter(metric: Kept[MetricRecord], old: Sequence[Meter]) -> CreateMeter:
    definition = metric.body.definition
    return CreateMeter(
        code=_code(metric.document.id, metric.body.generation),
        name=definition.name,
        measure=measure_of(definition),
        debits=_DEBITS[definition.deduction],
        replaces=old[-1].id if old else None,
    )


async def _entitle(ledger: Ledger, book: Id, asked: CreateEntitlement, metric: Id) -> None:
    """Unless it is there, also by somebody who does the same at this moment."""
    if await _is_there(ledger, book, metric):
        return
    try:
        await _do(ledger, book, asked, metric)
    except AlreadyExists:
        if not await _is_there(ledger, book, metric):
            raise


async def _is_there(ledger: Ledger, book: Id, metric: Id) -> bool:
    try:
        await ledger.entitlement(book, metric)
    except EntitlementNotFound:
        return False
    return True


async def _close(ledger: Ledger, book: Id, metric: Kept[MetricRecord]) -> None:
    catalog = await ledger.catalog(book)
    meters = _meters(catalog, metric.document.id)
    for rate in _rates(catalog, meters):
        await _do(ledger, book, CloseRate(rate=rate))
    for meter in meters:
        await _do(ledger, book, CloseMeter(meter=meter.id))
    with suppress(EntitlementNotFound):
        await _do(ledger, book, CloseEntitlement(entitlement=metric.document.id))


_DEBITS = {Deduction.AT_ONCE: Debits.AT_ONCE, Deduction.ON_INVOICE: Debits.ON_INVOICE}


def meter_of(metric: Id, generation: int) -> Id:
    return derive(metric, f"sequence.meter:{generation}")


def _code(metric: Id, generation: int) -> str:
    return f"sequence-{metric.hex()}-{generation}"


def _meters(catalog: Catalog, metric: Id, before: int | None = None) -> list[Meter]:
    """The open meters of a metric: all, or those of the generations before one."""
    begins = f"sequence-{metric.hex()}-"
    found = [
        each
        for each in catalog.meters.values()
        if each.closed_at is None and each.code.startswith(begins)
    ]
    if before is None:
        return found
    return [each for each in found if int(each.code.removeprefix(begins)) < before]


def _rates(catalog: Catalog, meters: list[Meter]) -> list[Id]:
    """All open rates of some meters, those of the rest among them."""
    gone = {each.id for each in meters}
    rates = catalog.rates.values()
    return [each.id for each in rates if each.meter in gone and each.closed_at is None]


async def _do(ledger: Ledger, book: Id, command: Command, identifier: Id | None = None) -> None:
    await ledger.submit(book, command, lambda _: Answer(status=200, body=b""), id=identifier)
