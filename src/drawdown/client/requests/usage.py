"""Usage: meters, rates, and the events that they count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from drawdown.client import errors
from drawdown.client.calls import API, Call, Listing, get, given, reader, write
from drawdown.client.calls import PAGE_SIZE as PAGE
from drawdown.client.records import Meter, Page, Rate, RateAttachment, UsageEvent
from drawdown.client.values import in_path, time_text


class NewEvent(Struct, frozen=True):
    """One event of ``record_events``, as ``record_event`` takes it."""

    id: str
    customer: str
    name: str
    time: datetime | None = None
    properties: Mapping[str, Any] | None = None
    override: bool = False


class _Result(Struct):
    status: int
    replayed: bool = False
    event: UsageEvent | None = None
    error: dict[str, Any] | None = None


class _Results(Struct):
    results: list[_Result]


_decode_results = msgspec.json.Decoder(_Results).decode


def create_meter(
    code: str,
    *,
    event_name: str,
    aggregation: Literal["count", "sum", "max", "last", "unique"],
    property: str | None = None,
    filter: Mapping[str, Any] | None = None,
    group_by: Sequence[str] = (),
    case_sensitive: bool = True,
    debits: Literal["at_once", "on_invoice"] | None = None,
    name: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Meter]:
    """Count usage events of a name: how many, or the sum, maximum, last or different values of a property."""
    body = given(
        {
            "code": code,
            "event_name": event_name,
            "aggregation": aggregation,
            "property": property,
            "filter": filter,
            "group_by": list(group_by),
            "case_sensitive": case_sensitive,
            "debits": debits,
            "name": name,
        }
    )
    return write("/meters", Meter, body, idempotency_key)


def get_meter(meter: str) -> Call[Meter]:
    """A meter, by its code or id."""
    return get(f"/meters/{in_path(meter, 'meter')}", Meter)


def meters() -> Listing[Meter]:
    """Every meter, newest first."""
    return Listing(path="/meters", query={}, page=Page[Meter], page_size=None)


def amend_meter(
    meter: str, *, name: str | None = None, idempotency_key: str | None = None
) -> Call[Meter]:
    """Call a meter otherwise; what it counts never changes."""
    path = f"/meters/{in_path(meter, 'meter')}"
    return write(path, Meter, given({"name": name}), idempotency_key, "PATCH")


def close_meter(meter: str) -> Call[Meter]:
    """Close a meter: it counts nothing more, and neither do its rates. Again changes nothing."""
    return Call(method="DELETE", path=f"{API}/meters/{in_path(meter, 'meter')}", read=reader(Meter))


def reopen_meter(meter: str, *, idempotency_key: str | None = None) -> Call[Meter]:
    """Undo the closing of a meter, from now on: what was used meanwhile stays uncounted."""
    return write(f"/meters/{in_path(meter, 'meter')}/reopen", Meter, {}, idempotency_key)


def create_rate(
    meter: str,
    entitlement: str,
    *,
    price: Mapping[str, Any],
    period: Mapping[str, Any] | None = None,
    customers: Literal["all", "attached"] | None = None,
    idempotency_key: str | None = None,
) -> Call[Rate]:
    """Charge what a meter counts: ``price`` as ``{"model": "per_unit", "price": "0.003"}``."""
    asked = {
        "meter": meter,
        "entitlement": entitlement,
        "price": price,
        "period": period,
        "customers": customers,
    }
    return write("/rates", Rate, given(asked), idempotency_key)


def get_rate(rate: str) -> Call[Rate]:
    """A rate, by its id."""
    return get(f"/rates/{in_path(rate, 'rate')}", Rate)


def close_rate(rate: str) -> Call[Rate]:
    """Close a rate: it charges nothing more."""
    return Call(method="DELETE", path=f"{API}/rates/{in_path(rate, 'rate')}", read=reader(Rate))


def attach_rate(rate: str, customer: str) -> Call[RateAttachment]:
    """Charge a customer by a rate that is for attached ones, from now on."""
    body = {"customer": customer}
    return _act(f"{API}/rates/{in_path(rate, 'rate')}/attach", RateAttachment, body)


def detach_rate(rate: str, customer: str) -> Call[RateAttachment]:
    """Charge a customer by a rate no more. What was charged stays."""
    body = {"customer": customer}
    return _act(f"{API}/rates/{in_path(rate, 'rate')}/detach", RateAttachment, body)


def _act(path: str, answer: type[RateAttachment], body: Mapping[str, Any]) -> Call[RateAttachment]:
    """What may be asked again without a key: then it changes nothing more."""
    return Call(method="POST", path=path, read=reader(answer), body=msgspec.json.encode(body))


def rates(*, customer: str | None = None) -> Listing[Rate]:
    """Every rate, newest first; or the open ones that charge a customer."""
    query = given({"customer": customer})
    return Listing(path="/rates", query=query, page=Page[Rate], page_size=None)


def record_event(
    id: str,
    customer: str,
    name: str,
    *,
    time: datetime | None = None,
    properties: Mapping[str, Any] | None = None,
    override: bool = False,
) -> Call[UsageEvent]:
    """Record usage, once for its ``id``, and draw what it costs. ``time``: of the use, by default now.

    ``override``: put it in the place of an earlier event of that id.
    """
    return Call(
        method="POST",
        path=API + "/events",
        read=reader(UsageEvent),
        body=msgspec.json.encode(_body(NewEvent(id, customer, name, time, properties, override))),
    )


def record_events(
    events: Iterable[NewEvent],
) -> Call[list[UsageEvent | errors.DrawdownError]]:
    """Up to 1,000 events in one request, each recorded or refused by itself, in their order.

    A refusal is returned, not raised.
    """
    bodies = [_body(event) for event in events]

    def read(body: bytes, replayed: bool) -> list[UsageEvent | errors.DrawdownError]:
        results = zip(_decode_results(body).results, bodies, strict=True)
        return [_outcome(result, asked["id"]) for result, asked in results]

    return Call(
        method="POST",
        path=API + "/events",
        read=read,
        body=msgspec.json.encode({"events": bodies}),
    )


def get_usage_event(event: str) -> Call[UsageEvent]:
    """A usage event, by its own id."""
    return get(f"/events/{in_path(event, 'event')}", UsageEvent)


def usage_events(
    *,
    customer: str | None = None,
    name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    uncovered: bool = False,
    page_size: int = PAGE,
) -> Listing[UsageEvent]:
    """Usage events, the last recorded first; ``uncovered``: those that credit could not pay for."""
    query = given(
        {
            "customer": customer,
            "name": name,
            "since": None if since is None else time_text(since, "since"),
            "until": None if until is None else time_text(until, "until"),
            "uncovered": "true" if uncovered else None,
        }
    )
    return Listing(path="/events", query=query, page=Page[UsageEvent], page_size=page_size)


def _body(event: NewEvent) -> dict[str, Any]:
    return given(
        {
            "id": event.id,
            "customer": event.customer,
            "name": event.name,
            "time": None if event.time is None else time_text(event.time, "time"),
            "properties": event.properties,
            "override": event.override or None,
        }
    )


def _outcome(result: _Result, event: str) -> UsageEvent | errors.DrawdownError:
    if result.event is None:
        return errors.of_problem(result.error or {}, result.status, event)
    msgspec.structs.force_setattr(result.event, "replayed", result.replayed)
    return result.event
