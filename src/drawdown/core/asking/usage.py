"""What usage needs: what counts an event, its counts, and the wallets that pay."""

from __future__ import annotations

from collections.abc import Sequence

from drawdown.core.asking.asking import Asking
from drawdown.core.asking.credit import debit
from drawdown.core.commands import (
    AmendMeter,
    AttachRate,
    CloseMeter,
    CloseRate,
    CreateMeter,
    CreateRate,
    DetachRate,
    RecordUsage,
    ReopenMeter,
)
from drawdown.core.demand import scale_of
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Request
from drawdown.core.state import METER_CODE, Wallet, WalletKey
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import UNITS_MAX, Id, Instant
from drawdown.core.usage.counting import (
    Counted,
    Unforeseen,
    attributes_of,
    counted_by,
    most_due,
    new_event_id,
)
from drawdown.core.usage.meters import Contribution
from drawdown.core.usage.overrides import returned_debits
from drawdown.core.usage.records import CountKey, Customers, Event
from drawdown.core.usage.recounts import as_asked, touched_by
from drawdown.core.watching import usage_crossings


def create_meter(asking: Asking, request: Request, command: CreateMeter) -> None:
    asking.names(((request.book, METER_CODE, command.code),))
    asking.catalog(request)


def create_rate(asking: Asking, request: Request, command: CreateRate) -> None:
    if isinstance(command.meter, str):
        asking.names(((request.book, METER_CODE, command.meter),))
    asking.entitlement(request.book, command.entitlement)
    asking.catalog(request)


def change_meter(
    asking: Asking, request: Request, command: CloseMeter | ReopenMeter | AmendMeter
) -> None:
    if isinstance(command.meter, str):
        asking.names(((request.book, METER_CODE, command.meter),))
    asking.catalog(request)


def close_rate(
    asking: Asking, request: Request, command: CloseRate | AttachRate | DetachRate
) -> None:
    if asking.catalog(request):
        rate = asking.state.catalogs[request.book].rates.get(command.rate)
        if rate is not None:
            asking.entitlement(request.book, rate.entitlement)


def usage(asking: Asking, request: Request, command: RecordUsage) -> None:
    """Who is meant, whether the event is known, and what counts it; then its counts and wallets."""
    known = event(asking, request, command)
    customer = asking.customer(request.book, command.customer)
    if not asking.catalog(request) or customer is None:
        return
    if known and command.override:
        override(asking, request, command, customer)
    if known:
        return
    watched(asking, request, command, customer)
    if not chargeable(asking, request, command, customer):
        return
    found = counting(asking, request, command, customer)
    for counted in found:
        count(asking, counted.key, counted.contribution)
        most = _at_most(asking, request, command, counted, found)
        pays_usage(asking, request, command, (customer, counted.rate.entitlement), most)


def _at_most(
    asking: Asking, request: Request, command: RecordUsage, counted: Counted, found: list[Counted]
) -> Counted:
    """What is counted; of the rest of another rate, as if nothing paid by that."""
    for first in found:
        if first.rate.id == counted.rate.rest_of:
            scale = scale_of(first.rate.entitlement, asking.state, request.book)
            return counted.rest(most_due(first, attributes_of(command.properties), scale), scale)
    return counted


def attached(asking: Asking, customer: Id) -> bool:
    """Whether the rates are loaded that the customer is attached to."""
    if customer in asking.state.attached:
        return True
    asking.want(asking.wanted.attached, customer)
    return False


def attach_rate(asking: Asking, request: Request, command: AttachRate | DetachRate) -> None:
    close_rate(asking, request, command)
    customer = asking.customer(request.book, command.customer)
    if customer is not None:
        attached(asking, customer)


def chargeable(asking: Asking, request: Request, command: RecordUsage, customer: Id) -> bool:
    """Whether it is loaded which rates charge the customer, and in whose cycles usage is counted."""
    rates = [rate for _, rate in asking.state.catalogs[request.book].charges_of(command.name)]
    some = any(rate.customers is Customers.ATTACHED for rate in rates)
    if some and not attached(asking, customer):
        return False
    kinds = [rate.entitlement for rate in rates if rate.period.cycle]
    found = True
    for kind in kinds:
        key = (customer, kind)
        loaded = asking.entitlement(request.book, kind) is not None
        if loaded and asking.due(asking.now(request, key), key) is None:
            found = found and asking.state.wallets.get(key, key) is None
    return found


def count(asking: Asking, key: CountKey, *contributions: Contribution | None) -> None:
    """A count, and how many events have the values that are counted in it."""
    if key not in asking.state.counts:
        asking.want(asking.wanted.counts, key)
    for each in contributions:
        if each is not None and each.value and (key, each.value) not in asking.state.values:
            asking.want(asking.wanted.values, (key, each.value))


def watched(
    asking: Asking,
    request: Request,
    command: RecordUsage,
    customer: Id,
    before: Event | None = None,
) -> None:
    """What the customer used so far by each meter that is watched, where an event may be of it."""
    found = usage_crossings.meters_of(command, request.book, asking.state, before)
    places = {usage_crossings.place_of(customer, meter.id) for meter in found}
    missing = places - asking.state.documents.keys()
    if missing:
        asking.wanted.documents |= missing
        asking.waits = True
    elif found:
        event = before.id if before else new_event_id(request, command, customer, asking.state)
        spans = usage_crossings.uncounted(request, command, customer, event, asking.state, before)
        asking.wanted.spans |= spans
        asking.waits = asking.waits or bool(spans)


def override(asking: Asking, request: Request, command: RecordUsage, customer: Id) -> None:
    """The counts that an event is in, and will be in; then what has been drawn for them."""
    found = asking.state.event_ids[(request.book, command.own_id)]
    event = None if found is None else asking.state.events.get(found)
    if event is None or customer != event.customer:
        return
    watched(asking, request, as_asked(command, event), customer, event)
    if not chargeable(asking, request, command, customer):
        return
    try:
        touched = touched_by(request, command, event, asking.state)
    except LedgerError:
        return
    for each in touched:
        key = (customer, each.rate.entitlement)
        count(asking, each.key, each.old, each.new)
        pays_usage(asking, request, command, key, since=event.time)
        asking.demand.changed.add(key)
    if not asking.waits:
        returned(asking, request, command, event)


def returned(asking: Asking, request: Request, command: RecordUsage, event: Event) -> None:
    try:
        debits = returned_debits(request, command, event, asking.state)
    except LedgerError:
        return
    except Unforeseen:
        if event.customer in asking.state.latest_events:
            raise
        asking.want(asking.wanted.latest_events, event.customer)
        return
    for each in debits:
        debit(asking, request, each)


def event(asking: Asking, request: Request, command: RecordUsage) -> bool:
    """Whether the event is there, which is then loaded. Its id may be claimed before it is there."""
    name = (request.book, command.own_id)
    if name not in asking.state.event_ids:
        asking.want(asking.wanted.event_ids, name)
        return False
    found = asking.state.event_ids[name]
    if found is None:
        return False
    if found not in asking.state.events:
        asking.want(asking.wanted.events, found)
        return True
    return asking.state.events[found] is not None


def counting(asking: Asking, request: Request, command: RecordUsage, customer: Id) -> list[Counted]:
    """What will be counted; nothing where ``plan`` will refuse the event. It is found once."""
    found = asking.usages.get(id(request))
    if found is None:
        event = new_event_id(request, command, customer, asking.state)
        try:
            found = counted_by(request, command, customer, event, asking.state)
        except LedgerError:
            found = []
        asking.usages[id(request)] = found
    return found


def pays_usage(
    asking: Asking,
    request: Request,
    command: RecordUsage,
    key: WalletKey,
    counted: Counted | None = None,
    since: Instant | None = None,
) -> None:
    """What an event costs follows from those before it in the batch: as much as it may be is loaded.

    ``since``: when the event was that it overrides.
    """
    if asking.entitlement(request.book, key[1]) is None:
        return
    now = asking.now(request, key)
    wallet = asking.wallet(now, key)
    if wallet is not None:
        if not wallet.whole:
            attributes, units = attributes_of(command.properties), UNITS_MAX
            if counted is not None:
                scale = scale_of(key[1], asking.state, request.book)
                units = most_due(counted, attributes, scale)
            asking.demand.draw(wallet, units, now, attributes)
        late_usage(asking, wallet, now, [command.time, since])


def late_usage(
    asking: Asking, wallet: Wallet, now: Instant, times: Sequence[Instant | None]
) -> None:
    """Usage that comes late may be paid by what has expired since it was.

    Where no time is given it was now, which is late for a wallet that has come further.
    """
    key = (wallet.customer, wallet.entitlement)
    kind, given = asking.state.entitlements[key[1]], [time for time in times if time is not None]
    time = min(given, default=now)
    if kind is None or not kind.late_usage_grace:
        return
    if not given and asking.demand.time_of(wallet, now) <= now:
        return
    if asking.state.late_from.get(key, INSTANT_MAX) > time:
        late = asking.wanted.wallets_late
        late[key] = min(time, late.get(key, time))
        asking.waits = True
