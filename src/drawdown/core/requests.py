"""A command with what comes beside it: whose book, when, under which key; and what comes of it."""

from __future__ import annotations

import msgspec

from drawdown.core.amounts import Amount
from drawdown.core.commands import Command, DocumentChange
from drawdown.core.errors import LedgerError
from drawdown.core.schedules.terms import Schedule
from drawdown.core.types import (
    Alert,
    Balance,
    Customer,
    Document,
    Entitlement,
    Entry,
    Grant,
    Hold,
    Id,
    Instant,
    Operation,
    TestClock,
)
from drawdown.core.usage.records import Event, Meter, Rate
from drawdown.core.watching.top_ups import Standing, TopUp, TopUpRequest

KEY_MAX = 255


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What an asker got: an HTTP-like ``status`` and the exact bytes. ``replayed``: for the second time."""

    status: int
    body: bytes
    request_id: str = ""
    replayed: bool = False


class LedgerKey(msgspec.Struct, frozen=True):
    """Makes a command of one customer happen once: unique per book, customer, namespace and key, forever.

    The namespace is the dialect and kind of command. A used key replays the stored answer when the
    command is the same and is refused with ``KeyReused`` when not; with ``replays`` False it is always
    refused, with ``KeyInUse``.
    """

    namespace: str
    key: str
    replays: bool = True


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """Which request a command came by, where its dialect tells that of events."""

    request_id: str
    key: str | None = None


class Claim(msgspec.Struct, frozen=True):
    """Makes a request happen once in a whole book. ``fingerprint`` is of the decoded request."""

    space: str
    key: str
    fingerprint: bytes


class ClaimRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A claim as it is kept: on an object (``target``), or on an answer already given."""

    book: Id
    space: str
    key: str
    created_at: Instant
    fingerprint: bytes = b""
    target: Id | None = None
    answer: Answer | None = None


class Request(msgspec.Struct, kw_only=True):
    """One command as it enters ``plan``. ``id`` is fresh; what is made takes its ids from it.

    ``at`` is the wall clock's time, which is the customer's unless he is on a test clock
    (``State.now_of``); ``recorded_at`` is the wall clock's in any case. ``documents``, all of one owner, are
    changed if the command is accepted.
    """

    book: Id
    command: Command
    id: Id
    at: Instant
    recorded_at: Instant
    key: LedgerKey | None = None
    claim: Claim | None = None
    asked_by: Origin | None = None
    documents: tuple[DocumentChange, ...] = ()


def note_origin(operation: Operation, origin: Origin) -> None:
    """Keep which request it came by, beside what it changes: a repeated command is judged by neither."""
    changed = msgspec.json.decode(operation.changed or b"{}", type=dict[str, msgspec.Raw])
    operation.changed = msgspec.json.encode({**changed, "request": [None, origin]})


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One wallet's part of an operation over several: ``amount`` in its units; what of a quantity it paid."""

    entitlement: Entitlement
    amount: int
    balance: Balance
    quantity: Amount | None = None


class Accepted(msgspec.Struct, kw_only=True):
    """A command that was carried out. ``balance`` is the wallet's after it, ``amount`` the units moved.

    ``operation`` is None when there was nothing to record. ``grant`` is what it is about; of a debit, the one
    that it drew on, where there is but one. ``parts`` are of an operation over several
    wallets, in their order; it has no ``balance``. ``group`` has what came of each of several commands, and
    ``documents`` those that were changed. ``standing`` is where the wallet's ``top_up`` stands.
    """

    operation: Operation | None = None
    entries: tuple[Entry, ...] = ()
    customer: Customer | None = None
    entitlement: Entitlement | None = None
    clock: TestClock | None = None
    balance: Balance | None = None
    grant: Grant | None = None
    hold: Hold | None = None
    schedule: Schedule | None = None
    alert: Alert | None = None
    top_up: TopUp | None = None
    standing: Standing | None = None
    top_up_request: TopUpRequest | None = None
    parts: tuple[Part, ...] = ()
    meter: Meter | None = None
    rate: Rate | None = None
    event: Event | None = None
    documents: tuple[Document, ...] = ()
    group: tuple[Accepted, ...] = ()
    amount: int = 0


class Replayed(msgspec.Struct, frozen=True):
    """The command had been carried out before; ``answer`` is what was answered then."""

    answer: Answer


class Refused(msgspec.Struct, frozen=True):
    """The command was not carried out; nothing of it is kept."""

    error: LedgerError


Outcome = Accepted | Replayed | Refused
