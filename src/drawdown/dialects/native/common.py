"""What the native handlers share: answers, keys, pages, and names behind ids."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from drawdown.core import identity
from drawdown.core.errors import ClockNotFound
from drawdown.core.requests import Accepted, Answer, Claim, LedgerKey
from drawdown.core.types import Customer, Entitlement, Grant, Id, Instant, Reference
from drawdown.dialects.native import render, wire
from drawdown.engine.batcher import Render
from drawdown.web import fields
from drawdown.web.endpoints import Call
from drawdown.web.errors import BadRequest

CLAIM_SPACE = "native.http"

Record = TypeVar("Record")
_canonical = msgspec.json.Encoder(order="sorted").encode


def ok(record: Any) -> Answer:
    return Answer(status=200, body=wire.encode(record))


def created(shape: Callable[[Accepted], Any], request_id: str) -> Render:
    return answered(201, shape, request_id)


def answered(status: int, shape: Callable[[Accepted], Any], request_id: str) -> Render:
    """Renders what was accepted, once: its bytes are stored, sent and replayed."""

    def written(accepted: Accepted) -> Answer:
        return Answer(status=status, body=wire.encode(shape(accepted)), request_id=request_id)

    return written


def ledger_key(namespace: str, key: str | None) -> LedgerKey | None:
    return None if key is None else LedgerKey("native." + namespace, fields.key(key))


def claim(call: Call, key: str | None, about: str = "") -> Claim | None:
    """A claim on the key for writes that name no customer, with what must be equal to replay.

    ``about``: what the path names.
    """
    if key is None:
        return None
    record = msgspec.structs.replace(call.body, idempotency_key=None)
    what = f"{call.endpoint.method} {call.endpoint.path}\n{about}".encode() + _canonical(record)
    return Claim(CLAIM_SPACE, fields.key(key), hashlib.sha256(what).digest())


def path_claim(call: Call, key: str | None) -> Claim | None:
    """The same of a write to a path that names something: another path is another request."""
    if key is None:
        return None
    record = msgspec.structs.replace(call.body, idempotency_key=None)
    named = _canonical(dict(call.path))
    what = f"{call.endpoint.method} {call.endpoint.path}\n".encode() + named + _canonical(record)
    return Claim(CLAIM_SPACE, fields.key(key), hashlib.sha256(what).digest())


def check_amended(metadata: Mapping[str, fields.Value | None]) -> None:
    """Metadata to be laid over what there is; None deletes a key."""
    fields.metadata({name: "" if value is None else value for name, value in metadata.items()})


def optional_reference(value: str | None, field: str) -> Reference | None:
    return None if value is None else fields.reference(value, field)


def optional_instant(value: str | None, field: str) -> Instant | None:
    return None if value is None else fields.instant(value, field)


def clock_id(text: str) -> Id:
    """The id of a test clock. Raises ``ClockNotFound`` for what cannot be one."""
    found = identity.parse(text)
    if found is None:
        raise ClockNotFound(text)
    return found


def after(text: str | None) -> Id | None:
    """The id that a page begins after."""
    if text is None:
        return None
    found = identity.parse(text)
    if found is None:
        raise BadRequest("after", "the `next` of an earlier page")
    return found


def page(
    records: Sequence[Record], limit: int, shape: Callable[[Record], Any], prefix: str
) -> Answer:
    """A page of at most ``limit``; one record more than that says that there is a next page."""
    shown = records[:limit]
    more = len(records) > limit
    return ok(
        wire.Page(
            data=[shape(record) for record in shown],
            next=identity.spell(prefix, shown[-1].id) if more else None,  # type: ignore[attr-defined]
        )
    )


class Names:
    """The customers and entitlements behind the ids of some records; each is looked up once."""

    def __init__(self) -> None:
        self.customers: dict[Id, Customer] = {}
        self.entitlements: dict[Id, Entitlement] = {}

    async def find(self, call: Call, pairs: Iterable[tuple[Id, Id]]) -> Names:
        """Look up (customer, entitlement) ``pairs``."""
        for customer, entitlement in pairs:
            if customer not in self.customers:
                self.customers[customer] = await call.ledger.customer(call.book, customer)
            if entitlement not in self.entitlements:
                found = await call.ledger.entitlement(call.book, entitlement)
                self.entitlements[entitlement] = found
        return self


async def shown_grants(
    call: Call, grants: Sequence[Grant], at: Instant | None = None
) -> Callable[[Grant], wire.Grant]:
    """How ``grants`` are shown, now or at an instant."""
    names = await Names().find(call, ((grant.customer, grant.entitlement) for grant in grants))
    owners = names.customers.values()
    nows = {each.id: await call.ledger.now_of(each) if at is None else at for each in owners}

    def shape(grant: Grant) -> wire.Grant:
        owner, kind = names.customers[grant.customer], names.entitlements[grant.entitlement]
        return render.grant(grant, owner, kind, nows[grant.customer])

    return shape
