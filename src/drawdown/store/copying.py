"""What `drawdown copy` moves: the tables of a ledger, and how far it has come."""

from __future__ import annotations

from typing import Any

import msgspec

Row = tuple[Any, ...]


#: The columns of keys that are no ids.
TEXTS = frozenset({"space", "key", "name"})
NUMBERS = frozenset({"period", "seq"})


class Table(msgspec.Struct, frozen=True):
    """One table. ``key`` tells its rows apart, in the order in which a full pass goes over them."""

    name: str
    key: tuple[str, ...] = ("id",)

    def write_key(self, key: Row) -> tuple[str, ...]:
        """A key as text: ids in hexadecimal."""
        return tuple(part.hex() if isinstance(part, bytes) else str(part) for part in key)

    def read_key(self, texts: tuple[str, ...]) -> Row:
        pairs = zip(self.key, texts, strict=True)
        return tuple(_read(name, text) for name, text in pairs)


def _read(name: str, text: str) -> object:
    if name in NUMBERS:
        return int(text)
    return text if name in TEXTS else bytes.fromhex(text)


#: The same for all: replaced whole in every pass.
SMALL = (
    Table("test_clock"),
    *map(Table, ("account", "book", "api_key", "entitlement", "meter", "rate", "webhook_endpoint")),
    Table("webhook_retry", ("endpoint", "recorded_at", "operation", "ordinal")),
    Table("webhook_attempt", ("endpoint", "id")),
)
CUSTOMER = Table("customer")
CLAIM = Table("claim", ("book", "space", "key"))
WALLET = Table("wallet", ("customer", "entitlement"))
REPAYMENT = Table("repayment", ("customer", "entitlement", "seq"))
REVERSAL = Table("reversal", ("debit", "entitlement"))
COUNT_KEY = ("customer", "rate", "period", "grouping")
USAGE = (
    Table("usage_event"),
    Table("usage_count", COUNT_KEY),
    Table("usage_value", (*COUNT_KEY, "value")),
    Table("rate_customer", ("customer", "rate", "name")),
)
TOP_UPS = (Table("top_up"), Table("top_up_request"))
#: What an operation of a customer may change.
STATE = (
    CUSTOMER,
    WALLET,
    Table("credit_grant"),
    Table("hold"),
    Table("schedule"),
    Table("alert"),
    Table("document"),
    REPAYMENT,
    *TOP_UPS,
    *USAGE,
)
#: Gone over once, in this order, before what was recorded is followed.
BULK = (CLAIM, *STATE, REVERSAL)
#: Append only: followed in the order in which they were recorded.
OPERATION = Table("operation")
ENTRY = Table("entry", ("customer", "entitlement", "seq"))
OPERATION_COLUMNS = tuple(
    "id slot customer entitlement kind at recorded_at subject facts changed namespace key status answer "
    "spans".split()
)
ENTRY_COLUMNS = tuple(
    "slot customer entitlement seq operation ordinal grant_id kind amount posted_before posted_after "
    "held_before held_after overage_before overage_after grant_before grant_after at recorded_at hash "
    "order_key".split()
)
TABLES = (*SMALL, *BULK, OPERATION, ENTRY)


class Progress(msgspec.Struct, kw_only=True):
    """How far a copy has come, as the target keeps it in the transaction of each chunk.

    ``account``: the first of the source's, which tells ledgers apart. ``bulk``: the table gone over now, and
    the last key of it. ``log``: the last operation copied, by its number and id; ``state``: up to which
    operation everything that operations changed has been copied since. ``since``: what was made without an
    operation has been copied up to then, in microseconds.
    """

    account: bytes
    since: int
    state: int
    log: int = 0
    log_id: bytes = b""
    bulk: int = 0
    after: tuple[str, ...] | None = None
    finished_at: int | None = None


class CopyRefused(Exception):
    """The copy cannot be made, or not gone on with. ``fix`` says what to do."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix
