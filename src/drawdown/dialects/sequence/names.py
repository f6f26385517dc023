"""By which names this dialect's documents are known, and what the vendor's ids lead to, for ``verify``."""

from __future__ import annotations

import msgspec

from drawdown.core.claims import NamesByKind
from drawdown.core.imported_ids import GrantKept, Kept, Lead, Leads
from drawdown.core.state import CUSTOMER_ALIAS
from drawdown.core.types import Document, Entitlement, Id
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.customers.wire import AliasRecord
from drawdown.dialects.sequence.usage.kept import METRICS, MOVED, UNMAPPED
from drawdown.dialects.sequence.usage.received import MOVE
from drawdown.dialects.sequence.usage.wire import EventRecord, MetricRecord, MovedRecord


def _of_metric(body: str) -> str | None:
    """Of one that is deleted another may have the name."""
    metric = msgspec.json.decode(body, type=MetricRecord)
    return metric.definition.name if metric.deleted_at is None else None


def _of_moved(body: str) -> str:
    """Each id is that under which the event was sent, and how often it has moved."""
    return msgspec.json.decode(body, type=MovedRecord).ids[-1].partition(MOVE)[0]


def _of_unmapped(body: str) -> str:
    return msgspec.json.decode(body, type=EventRecord).customer_event_id


def _of_alias(body: str) -> str:
    return msgspec.json.decode(body, type=AliasRecord).value


def _target(body: str) -> tuple[tuple[type[Kept], ...], Id]:
    return (GrantKept, Entitlement), imported.id_in(body)


def _known_as(found: Kept) -> str | None:
    if isinstance(found, Document):
        return None
    there = found.profiles.get(imported.PROFILE)
    return None if there is None else there["id"]


LEADS: Leads = {imported.PLACE: Lead(_target, _known_as)}
NAMES: NamesByKind = {
    CUSTOMER_ALIAS: _of_alias,
    METRICS.kind: _of_metric,
    MOVED.kind: _of_moved,
    UNMAPPED.kind: _of_unmapped,
}
