"""Native events: each operation in the words of this API. Their types and ordinals never change.

An operation's events stand in a fixed order; what a later release tells of beside them comes after them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drawdown.core.amounts import render as decimal
from drawdown.core.identity import spell
from drawdown.core.schedules import changes as recurring
from drawdown.core.times import text_of
from drawdown.core.types import (
    MICROSECONDS,
    Entitlement,
    Entry,
    EntryKind,
    Grant,
    Id,
    Instant,
    Operation,
)
from drawdown.core.watching.top_ups import TopUp
from drawdown.dialects.native import (
    render,
    telling_alerts,
    telling_credit,
    telling_holds,
    telling_invoices,
    telling_time,
    telling_top_ups,
    telling_usage,
    wire,
    wire_alerts,
    wire_events,
)
from drawdown.dialects.native.telling import Tell, Telling, Told
from drawdown.engine.endpoints import Endpoint
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import Position
from drawdown.webhooks import signing
from drawdown.webhooks.events import Event, spell_event
from drawdown.webhooks.formats import Format

MINUTE, HOUR = 60, 3_600
#: What each kind of operation tells.
TOLD: dict[str, Tell] = {
    **telling_credit.TOLD,
    **telling_holds.TOLD,
    **telling_time.TOLD,
    **telling_usage.TOLD,
    **telling_invoices.TOLD,
    **telling_alerts.TOLD,
    **telling_top_ups.TOLD,
}


class NativeFormat(Format):
    """Standard Webhooks; the pauses are those that its authors propose, and add up to three days."""

    name = "native"
    schedule = (
        5,
        5 * MINUTE,
        30 * MINUTE,
        2 * HOUR,
        5 * HOUR,
        10 * HOUR,
        14 * HOUR,
        20 * HOUR,
        24 * HOUR,
    )
    types = (
        "customer.created",
        "customer.amended",
        "customer.closed",
        "entitlement.created",
        "entitlement.amended",
        "entitlement.closed",
        "entitlement.reopened",
        "grant.created",
        "grant.activated",
        "grant.amended",
        "grant.adjusted",
        "grant.depleted",
        "grant.rolled_over",
        "grant.forfeited",
        "grant.expired",
        "grant.restored",
        "grant.voided",
        "debit.created",
        "debit.reversed",
        "invoice.drawn",
        "invoice.returned",
        "overage.repaid",
        "overage.forgiven",
        "overage.invoiced",
        "hold.created",
        "hold.captured",
        "hold.extended",
        "hold.released",
        "hold.expired",
        "schedule.created",
        "schedule.amended",
        "schedule.paused",
        "schedule.resumed",
        "schedule.cancelled",
        "schedule.cycle_started",
        "schedule.cycle_skipped",
        "schedule.ended",
        "usage.recorded",
        "usage.uncovered",
        "alert.created",
        "alert.triggered",
        "alert.closed",
        "top_up.created",
        "top_up.closed",
        "top_up.requested",
        "top_up.confirmed",
        "top_up.failed",
        "top_up.expired",
        "top_up.capped",
        "meter.created",
        "meter.amended",
        "meter.closed",
        "meter.reopened",
        "rate.created",
        "rate.closed",
        "rate.attached",
        "rate.detached",
        "test_clock.created",
        "test_clock.advancing",
        "test_clock.ready",
        "test_clock.deleted",
        "webhook.test",
    )

    async def render(self, ledger: Ledger, recorded: Recorded) -> list[Event]:
        tell = TOLD.get(recorded.operation.kind)
        if tell is None and not telling_alerts.notices_of(recorded.operation):
            return []
        telling = await _telling(ledger, recorded)
        told = [] if tell is None else list(tell(telling))
        told += telling_alerts.triggered(telling)
        return [_event(recorded, telling, ordinal, each) for ordinal, each in enumerate(told)]

    def test(self, operation: Id, now: Instant) -> Event:
        at = text_of(now)
        told = wire_events.Event(
            id=spell_event(operation, 0),
            type="webhook.test",
            created_at=at,
            recorded_at=at,
            operation=spell(render.OPERATION_PREFIX, operation),
            customer=None,
            data=wire_events.Tested(message="The endpoint can be reached."),
            balances=[],
        )
        return Event(
            position=Position(Instant(0), operation),
            ordinal=0,
            type=told.type,
            body=wire.encode(told),
            customer=None,
        )

    def new_secret(self) -> str:
        return signing.new_secret()

    def headers(self, endpoint: Endpoint, event: Event, now: Instant) -> Mapping[str, str]:
        seconds = now // MICROSECONDS
        return signing.standard_headers(event.id, seconds, event.body, endpoint.secrets(now))


FORMAT = NativeFormat()

#: What the subject of an operation of a book is, where its kind says so.
_OF_KINDS = frozenset(
    {"entitlement", "amend_entitlement", "close_entitlement", "reopen_entitlement"}
)
_OF_CATALOG = frozenset(
    {
        "meter",
        "rate",
        "amend_meter",
        "close_meter",
        "reopen_meter",
        "close_rate",
        "attach_rate",
        "detach_rate",
    }
)
_OF_SCHEDULES = frozenset(
    {
        "amend_schedule",
        "pause_schedule",
        "resume_schedule",
        "cancel_schedule",
        "cycle",
    }
)


async def _telling(ledger: Ledger, recorded: Recorded) -> Telling:
    """The operation with what its ids stand for."""
    operation, book = recorded.operation, recorded.book
    telling = Telling(operation, recorded.entries, None, {})
    if operation.customer != book:
        telling.owner = await ledger.customer(book, operation.customer)
    if operation.kind in _OF_CATALOG or telling_alerts.reached_by(operation):
        telling.catalog = await ledger.catalog(book)
    if operation.kind in _OF_SCHEDULES and operation.subject is not None:
        telling.schedule = await ledger.store.find_schedule(operation.subject)
    if operation.kind == "create_schedule":
        telling.schedule = await ledger.store.find_schedule(recurring.made_by(operation.id))
    if operation.kind in telling_alerts.TOLD and operation.subject is not None:
        telling.alert = await ledger.alert(book, operation.subject)
        if telling.alert.meter is not None:
            telling.catalog = await ledger.catalog(book)
    if operation.kind in telling_top_ups.OF_RULE:
        telling.top_up = await _top_up(ledger, operation)
    telling.kinds = {each: await ledger.entitlement(book, each) for each in _kinds_of(telling)}
    telling.granted = await _granted(ledger, recorded)
    return telling


async def _top_up(ledger: Ledger, operation: Operation) -> TopUp:
    """The rule that an operation is about, or whose request it is."""
    rule = telling_top_ups.rule_of(operation)
    found = await ledger.store.find_top_up(rule)
    assert found is not None, "a rule stays for good"
    return found[0]


def _kinds_of(telling: Telling) -> list[Id]:
    """The kinds of credit that an operation names, those of its entries first."""
    operation, catalog = telling.operation, telling.catalog
    found: list[Id | None] = [entry.entitlement for entry in telling.entries]
    found.append(operation.entitlement)
    if operation.kind in _OF_KINDS:
        found.append(operation.subject)
    if telling.alert is not None:
        found.append(telling.alert.entitlement)
    if catalog is not None and operation.subject in catalog.rates:
        found.append(catalog.rates[operation.subject].entitlement)
    if operation.kind == "usage":
        found += telling_usage.uncovered_of(operation.changed)
    return [each for each in dict.fromkeys(found) if each is not None]


async def _granted(ledger: Ledger, recorded: Recorded) -> dict[Id, Grant]:
    """The grants that came with something else than the wish for one, or of what another left."""
    found: dict[Id, Grant] = {}
    if recorded.operation.kind == "grant":
        return found
    for entry in recorded.entries:
        if entry.kind is EntryKind.GRANTED or entry.kind is EntryKind.ROLLED_IN:
            grant = await ledger.store.find_grant(entry.grant)
            assert grant is not None, "what was granted is kept"
            found[entry.grant] = grant
    return found


def _event(recorded: Recorded, telling: Telling, ordinal: int, told: Told) -> Event:
    name, data, entries = told
    operation, owner = telling.operation, telling.owner
    shown = wire_events.Event(
        id=spell_event(operation.id, ordinal),
        type=name,
        created_at=_told_at(telling, told),
        recorded_at=text_of(operation.recorded_at),
        operation=spell(render.OPERATION_PREFIX, operation.id),
        customer=None if owner is None else render.name_of(owner),
        data=data,
        balances=_balances(entries, telling),
    )
    return Event(
        position=recorded.position,
        ordinal=ordinal,
        type=name,
        body=wire.encode(shown),
        customer=None if owner is None else operation.customer,
    )


def _told_at(telling: Telling, told: Told) -> str:
    """When it took effect."""
    _, data, entries = told
    if isinstance(data, wire_alerts.AlertTriggered):
        return data.at
    return text_of(entries[-1].at if entries else telling.operation.at)


def _balances(entries: Sequence[Entry], telling: Telling) -> list[wire_events.BalanceAfter]:
    """Each wallet as the last of these entries left it."""
    last = {entry.entitlement: entry for entry in entries}
    return [_balance(entry, telling.kind_of(entry)) for entry in last.values()]


def _balance(entry: Entry, kind: Entitlement) -> wire_events.BalanceAfter:
    scale = kind.scale
    return wire_events.BalanceAfter(
        entitlement=kind.code,
        posted=decimal(entry.posted_after, scale),
        held=decimal(entry.held_after, scale),
        available=decimal(entry.posted_after - entry.held_after, scale),
        overage=decimal(entry.overage_after, scale),
        seq=entry.seq,
    )
