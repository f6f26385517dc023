"""What alerts and top-ups need: the wallet, or the entitlement, that they watch."""

from __future__ import annotations

from collections.abc import Mapping

from drawdown.core.asking.asking import Asking
from drawdown.core.commands import (
    CloseAlert,
    CloseTopUp,
    ConfirmTopUp,
    CreateAlert,
    CreateTopUp,
    CreateUsageAlert,
    FailTopUp,
)
from drawdown.core.identity import in_book
from drawdown.core.requests import Request
from drawdown.core.state import METER_CODE, WalletKey
from drawdown.core.types import DAY, Alert, Id, Reference
from drawdown.core.usage.records import Meter
from drawdown.core.watching.crossings import lead_of
from drawdown.core.watching.usage_crossings import place_of


def create_top_up(asking: Asking, request: Request, command: CreateTopUp) -> None:
    """Whoever closes the customer meanwhile must find it."""
    key = asking.wallet_key(request, command.customer, command.entitlement)
    if key is not None:
        asking.lock_customer(key[0])
        asking.wallet(asking.now(request, key), key)


def top_up(asking: Asking, request: Request, command: CloseTopUp) -> None:
    named_top_up(asking, request, command.top_up, asking.state.top_ups, asking.wanted.top_ups)


def top_up_request(asking: Asking, request: Request, command: ConfirmTopUp | FailTopUp) -> None:
    """A request named by its id brings its wallet and its rule. What was paid for makes a grant."""
    known, wanted = asking.state.top_up_requests, asking.wanted.top_up_requests
    key = named_top_up(asking, request, command.request, known, wanted)
    found = known.get(command.request)
    if key is None or found is None:
        return
    if found.top_up not in asking.state.top_ups:
        asking.want(asking.wanted.top_ups, found.top_up)
    asking.demand.grown.add(key)


def named_top_up(
    asking: Asking, request: Request, thing: Id, known: Mapping[Id, object], wanted: set[Id]
) -> WalletKey | None:
    """The wallet of a rule or a request, which is read once nobody else can change it any more."""
    if thing not in asking.state.top_up_wallets:
        asking.want(wanted, thing)
        return None
    key = asking.state.top_up_wallets[thing]
    if key is not None and asking.owned(request, key) is not None and thing not in known:
        asking.want(wanted, thing)
    return key


def create_alert(asking: Asking, request: Request, command: CreateAlert) -> None:
    """The wallet, and all grants that an alert on expiry would tell of; or the entitlement."""
    if command.customer is None:
        asking.locked_entitlement(request, command.entitlement)
        if request.key is not None:
            made = in_book(request.id, request.book)
            if made not in asking.state.alerts:
                asking.want(asking.wanted.alerts, made)
        return
    key = asking.wallet_key(request, command.customer, command.entitlement)
    if key is not None:
        asking.lock_customer(key[0])
        kind = asking.state.entitlements[key[1]]
        own = asking.state.wallets.get(key)
        lead = lead_of(() if kind is None else kind.alerts, None if own is None else own.watch)
        asking.due(asking.now(request, key), key, max(lead, (command.days or 0) * DAY))


def create_usage_alert(asking: Asking, request: Request, command: CreateUsageAlert) -> None:
    """The meter, to be changed where that is watched by somebody new; and the customer's use of it."""
    meter = _meter(asking, request, command.meter)
    if command.customer is None:
        _locked_meter(asking, meter)
        made = in_book(request.id, request.book)
        if request.key is not None and made not in asking.state.alerts:
            asking.want(asking.wanted.alerts, made)
        return
    customer = asking.customer(request.book, command.customer)
    if customer is None:
        return
    asking.key(request, customer)
    asking.lock_customer(customer)
    if meter is not None:
        if meter.watch is None:
            _locked_meter(asking, meter)
        _watched(asking, customer, meter)


def _meter(asking: Asking, request: Request, reference: Reference) -> Meter | None:
    if isinstance(reference, str):
        asking.names(((request.book, METER_CODE, reference),))
    if not asking.catalog(request):
        return None
    known = (
        asking.state.names.get((request.book, METER_CODE, reference))
        if isinstance(reference, str)
        else reference
    )
    return None if known is None else asking.state.catalogs[request.book].meters.get(known)


def _locked_meter(asking: Asking, meter: Meter | None) -> None:
    """As it is, and not as it was a moment ago."""
    if meter is not None and meter.id not in asking.state.locked:
        asking.want(asking.wanted.meters_locked, meter.id)


def _watched(asking: Asking, customer: Id, meter: Meter) -> None:
    place = place_of(customer, meter.id)
    if place not in asking.state.documents:
        asking.want(asking.wanted.documents, place)


def close_alert(asking: Asking, request: Request, command: CloseAlert) -> None:
    if command.alert not in asking.state.alerts:
        asking.want(asking.wanted.alerts, command.alert)
        return
    alert = asking.state.alerts[command.alert]
    if alert is None or alert.book != request.book:
        return
    if alert.entitlement is None:
        close_usage_alert(asking, request, alert)
    elif alert.customer is None:
        asking.locked_entitlement(request, alert.entitlement)
    else:
        asking.owned(request, (alert.customer, alert.entitlement))


def close_usage_alert(asking: Asking, request: Request, alert: Alert) -> None:
    """The meter, or the customer's use of it."""
    assert alert.meter is not None
    meter = _meter(asking, request, alert.meter)
    if alert.customer is None:
        _locked_meter(asking, meter)
        return
    customer = asking.customer(request.book, alert.customer)
    if customer is not None and meter is not None:
        asking.key(request, customer)
        _watched(asking, customer, meter)
