"""Events of customers, meters and test clocks."""

from __future__ import annotations

from typing import Any

import msgspec

from drawdown.core.types import ClockStatus, Customer, Instant, TestClock
from drawdown.core.usage.records import Meter
from drawdown.dialects.stripe import expansion, imported, meters, test_clocks, wire
from drawdown.dialects.stripe.webhooks.telling import Tell, Telling, Told, changed, since

# Customers -----------------------------------------------------------------------------------------

_FIELDS = frozenset({"name", "email", "metadata", "profiles"})


def _shown(telling: Telling, customer: Customer) -> wire.CustomerObject:
    return wire.customer_object(customer, telling.mode, expansion.NOTHING)


async def _then(telling: Telling) -> Customer:
    """As the operation left him."""
    return _with(telling.customer, await since(telling, telling.customer.id, _FIELDS))


async def _customer(telling: Telling) -> list[Told]:
    """The vendor told of one who was brought over from it."""
    if imported.PROFILE in telling.customer.profiles:
        return []
    return [Told("customer.created", _shown(telling, await _then(telling)))]


async def _amended(telling: Telling) -> list[Told]:
    said = msgspec.json.decode(telling.operation.changed or b"{}", type=dict[str, Any])
    pairs = {name: pair for name, pair in said.items() if name in _FIELDS}
    after = _with(await _then(telling), {name: pair[1] for name, pair in pairs.items()})
    before = _with(after, {name: pair[0] for name, pair in pairs.items()})
    return changed("customer.updated", _shown(telling, before), _shown(telling, after))


def _with(customer: Customer, given: dict[str, Any]) -> Customer:
    return msgspec.structs.replace(customer, **given)


async def _closed(telling: Telling) -> list[Told]:
    said = msgspec.json.decode(telling.operation.changed or b"{}", type=dict[str, Any])
    if "closed_at" not in said:  # he was closed already
        return []
    if imported.was_deleted(telling.customer):
        return []
    return [Told("customer.deleted", _shown(telling, await _then(telling)))]


# Meters --------------------------------------------------------------------------------------------


class _Named(msgspec.Struct):
    name: tuple[str | None, str] | None = None


async def _meter(telling: Telling) -> Meter | None:
    """As it was then; None for one that this dialect has no words for."""
    catalog = await telling.ledger.catalog(telling.book)
    meter = catalog.meters[telling.subject]
    if not meters.is_shown(meter):
        return None
    said = msgspec.json.decode(telling.operation.changed or b"{}", type=_Named)
    name = meter.name if said.name is None else said.name[1]
    at = telling.operation.at
    return msgspec.structs.replace(meter, name=name, closed_at=None, updated_at=at)


async def _made(telling: Telling) -> list[Told]:
    meter = await _meter(telling)
    if meter is None:
        return []
    return [Told("billing.meter.created", meters.shown(meter, telling.mode))]


async def _renamed(telling: Telling) -> list[Told]:
    said = msgspec.json.decode(telling.operation.changed or b"{}", type=_Named)
    meter = await _meter(telling)
    if meter is None or said.name is None:
        return []
    before = meters.shown(msgspec.structs.replace(meter, name=said.name[0]), telling.mode)
    return changed("billing.meter.updated", before, meters.shown(meter, telling.mode))


async def _deactivated(telling: Telling) -> list[Told]:
    meter = await _meter(telling)
    if meter is None:
        return []
    after = msgspec.structs.replace(meter, closed_at=telling.operation.at)
    shown = meters.shown(meter, telling.mode)
    return changed("billing.meter.deactivated", shown, meters.shown(after, telling.mode))


async def _reactivated(telling: Telling) -> list[Told]:
    meter = await _meter(telling)
    if meter is None:
        return []
    return [Told("billing.meter.reactivated", meters.shown(meter, telling.mode))]


# Test clocks ---------------------------------------------------------------------------------------


class _ClockFacts(msgspec.Struct):
    name: str | None
    frozen_at: Instant
    target: Instant | None


def _clock(name: str) -> Tell:
    async def tell(telling: Telling) -> list[Told]:
        kept = await telling.ledger.store.find_clock(telling.subject)
        assert kept is not None, "a clock stays for good"
        facts = msgspec.json.decode(telling.operation.facts, type=_ClockFacts)
        then: TestClock = msgspec.structs.replace(
            kept, name=facts.name, frozen_at=facts.frozen_at, target=facts.target, deleted_at=None
        )
        after = test_clocks.shown(then, telling.mode)
        previous = {"status": ClockStatus.READY.value} if facts.target is not None else None
        if name == "ready":
            previous = {"status": ClockStatus.ADVANCING.value}
        return [Told(f"test_helpers.test_clock.{name}", after, previous)]

    return tell


TOLD: dict[str, Tell] = {
    "customer": _customer,
    "amend_customer": _amended,
    "close_customer": _closed,
    "meter": _made,
    "amend_meter": _renamed,
    "close_meter": _deactivated,
    "reopen_meter": _reactivated,
    "test_clock": _clock("created"),
    "test_clock_for": _clock("created"),
    "advance_test_clock": _clock("advancing"),
    "end_advance": _clock("ready"),
    "delete_test_clock": _clock("deleted"),
}
