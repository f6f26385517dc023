"""Another rule for past usage: as it is asked for, as it is, and how it takes hold of what is there."""

from __future__ import annotations

import msgspec

from drawdown.core import burn, overage
from drawdown.core.commands import AskedOverage, RolloverTerms
from drawdown.core.context import written
from drawdown.core.errors import FieldInvalid, MeterNotFound
from drawdown.core.hindsight.replaying import Replay
from drawdown.core.identity import derive
from drawdown.core.schedules import calendar
from drawdown.core.schedules.rollover import rollover_of
from drawdown.core.schedules.terms import check_rollover
from drawdown.core.types import BurnOrder, Entitlement, Instant, Overage, Reference
from drawdown.core.usage import rating
from drawdown.core.usage.properties import Group
from drawdown.core.usage.records import Catalog, Customers, Meter, Period, Rate

RATES_MAX = 50


class AskedRate(msgspec.Struct, frozen=True, kw_only=True):
    """``period`` None: that of the rate in whose place it stands, or calendar months."""

    meter: Reference
    price: rating.Price | rating.Table
    period: Period | None = None


class AskedChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change as it is asked for (``Change``)."""

    burn_order: BurnOrder | None = None
    rates: tuple[AskedRate, ...] | None = None
    rollover: RolloverTerms | msgspec.UnsetType | None = msgspec.UNSET
    expires_after_days: int | msgspec.UnsetType | None = msgspec.UNSET
    overage: AskedOverage | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be otherwise; a field left at its default stays as it was.

    ``rates`` stand in the place of all rates of the entitlement. ``rollover`` and ``expires_after_days``
    None: nothing rolls over, nothing expires by the entitlement's rule.
    """

    burn_order: BurnOrder | None = None
    rates: tuple[Rate, ...] | None = None
    rollover: RolloverTerms | msgspec.UnsetType | None = msgspec.UNSET
    expires_after_days: int | msgspec.UnsetType | None = msgspec.UNSET
    overage: Overage | None = None


def change_of(asked: AskedChange, kind: Entitlement, catalog: Catalog) -> Change:
    """Raises ``FieldInvalid``, ``AmountTooFine``, ``AmountTooLarge`` and ``MeterNotFound``."""
    try:
        return _change(asked, kind, catalog)
    except FieldInvalid as error:
        field, rule = (str(error.fields[name]) for name in ("field", "rule"))
        raise FieldInvalid(f"change.{field}", rule) from None


def _change(asked: AskedChange, kind: Entitlement, catalog: Catalog) -> Change:
    rule = None if asked.overage is None else overage.rule_of(asked.overage, kind.scale)
    if isinstance(asked.rollover, RolloverTerms):
        terms = rollover_of(asked.rollover, kind)
        assert terms is not None
        check_rollover(terms)
    return Change(
        burn_order=asked.burn_order,
        rates=None if asked.rates is None else _rates(asked.rates, kind, catalog),
        rollover=asked.rollover,
        expires_after_days=asked.expires_after_days,
        overage=rule,
    )


def _rates(asked: tuple[AskedRate, ...], kind: Entitlement, catalog: Catalog) -> tuple[Rate, ...]:
    found: dict[bytes, Rate] = {}
    for number, each in enumerate(asked):
        field = f"rates[{number}]"
        meter = _meter(each.meter, catalog)
        if meter.id in found:
            raise FieldInvalid(f"{field}.meter", "one that no other of the rates is for")
        rating.check(each.price, f"{field}.price")
        if each.period is not None and each.period.unit is not None:
            calendar.zone_of(each.period.zone, f"{field}.period.zone")
        found[meter.id] = _rate(each, meter, kind, catalog)
    return tuple(found.values())


def _meter(reference: Reference, catalog: Catalog) -> Meter:
    for meter in catalog.meters.values():
        if reference in (meter.id, meter.code):
            return meter
    raise MeterNotFound(written(reference))


def _rate(asked: AskedRate, meter: Meter, kind: Entitlement, catalog: Catalog) -> Rate:
    """It goes on where the last rate of the meter for this kind of credit would have."""
    of_meter = [
        rate
        for rate in catalog.rates.values()
        if rate.meter == meter.id and rate.entitlement == kind.id
    ]
    before = of_meter[-1] if of_meter else None
    period = Period() if before is None else before.period
    return Rate(
        id=derive(meter.id, "dry-run:" + kind.id.hex()) if before is None else before.id,
        book=meter.book,
        meter=meter.id,
        entitlement=kind.id,
        price=asked.price,
        period=period if asked.period is None else asked.period,
        customers=Customers.ALL if before is None else before.customers,
        created_at=Instant(0),
    )


def apply(replay: Replay, kind: Entitlement, change: Change) -> None:
    """Let a change hold from now on: for all that is there, and for all that comes."""
    before = replay.kind(kind.id)
    fields: dict[str, object] = {}
    if change.burn_order is not None:
        fields["burn_order"] = change.burn_order
    if not isinstance(change.expires_after_days, msgspec.UnsetType):
        fields["expires_after_days"] = change.expires_after_days
    if change.overage is not None:
        fields["overage"] = change.overage
    after = msgspec.structs.replace(before, **fields)
    replay.change_kind(after, overage_stays=change.overage is not None)
    _reorder(replay, after)
    if not isinstance(change.rollover, msgspec.UnsetType):
        _roll_otherwise(replay, after, change.rollover)
    if change.rates is not None:
        _charge_otherwise(replay, after, change.rates)


def _reorder(replay: Replay, kind: Entitlement) -> None:
    wallet = replay.wallet(kind.id)
    if wallet is not None:
        wallet.burn_order = kind.burn_order
        wallet.queue.sort(key=lambda grant: burn.order_of(grant, kind.burn_order))


def _roll_otherwise(replay: Replay, kind: Entitlement, terms: RolloverTerms | None) -> None:
    wallet, replay.rollover = replay.wallet(kind.id), terms
    for schedule in () if wallet is None else wallet.schedules.values():
        if schedule.is_live:
            schedule.rollover = rollover_of(terms, kind)


def _charge_otherwise(replay: Replay, kind: Entitlement, rates: tuple[Rate, ...]) -> None:
    """What was counted by a rate is counted on by the one in its place, as if that had always charged it."""
    replay.rates = list(rates)
    prices = {rate.id: rate for rate in rates}
    for key, count in replay.state.counts.items():
        rate = prices.get(key[1])
        if rate is None or count is None:
            continue
        attributes = _priced_by(rate, count.group)
        try:
            price = rating.price_for(rate.price, attributes)
            charged = rating.units(price, count.tally.quantity, kind.scale)
        except FieldInvalid:
            continue  # it has no price for this group: its events are refused
        replay.state.counts[key] = msgspec.structs.replace(count, charged=charged)


def _priced_by(rate: Rate, group: Group) -> dict[str, str]:
    """The attribute that a table's prices differ by: a group has it last (``Rate.group``)."""
    if not isinstance(rate.price, rating.Table) or not group or group[-1] is None:
        return {}
    return {rate.price.attribute: group[-1]}
