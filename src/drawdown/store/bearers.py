"""What has names, as ``verify`` looks it up: by which statement, and how a row of it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from drawdown.core.claims import Claimed, EventNamed
from drawdown.core.imported_ids import GrantKept
from drawdown.core.types import Customer, Document, Entitlement
from drawdown.core.usage.records import Meter
from drawdown.store import document_rows, rows, usage_rows
from drawdown.store.rows import Row

#: So many claims are read at once.
CLAIMS_AT_ONCE = 1_000


def event_named_of(row: Row) -> EventNamed:
    return EventNamed(*row)


def grant_kept_of(row: Row) -> GrantKept:
    return GrantKept(row[0], row[1], msgspec.json.decode(row[2]))


BEARERS: Mapping[type[Any], tuple[str, Callable[[Row], Any]]] = {
    Customer: ("find_customer", rows.customer_of),
    Entitlement: ("find_entitlement", rows.entitlement_of),
    Meter: ("find_meter", usage_rows.meter_of),
    Document: ("find_document", document_rows.document_of),
    EventNamed: ("find_event_name", event_named_of),
    GrantKept: ("find_grant_profiles", grant_kept_of),
}


def claimed_of(row: Row) -> Claimed:
    book, space, key, target, answered, pending = row
    return Claimed(
        name=(book, space, key), target=target, answered=bool(answered), pending=bool(pending)
    )
