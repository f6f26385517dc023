"""One customer's credit of one entitlement, as the pages have it: read, checked, and added up."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drawdown.core.types import GRANTS_OPEN_MAX, UNITS_MAX, Instant, Metadata
from drawdown.dialects.dodo import reading
from drawdown.dialects.dodo.credit.imported import GrantThere
from drawdown.dialects.dodo.credit.row_wire import TransactionType
from drawdown.dialects.dodo.wire import GrantStatus
from drawdown.importing.dodo import places, records
from drawdown.importing.dodo.account import Account, Kind, instant, units
from drawdown.importing.pages import checked
from drawdown.importing.problems import Problem, Problems
from drawdown.importing.report import Sums
from drawdown.web import fields
from drawdown.web.errors import BadRequest

#: What takes credit out of a grant without its being used, in rows that are no credit.
_LOST = frozenset(
    {
        TransactionType.CREDIT_EXPIRED,
        TransactionType.ROLLOVER_FORFEITED,
        TransactionType.CREDIT_ROLLED_OVER,
        TransactionType.MANUAL_ADJUSTMENT,
    }
)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A grant. ``expires_at``: also when one ended that was to live longer. Amounts are units."""

    there: GrantThere
    amount: int
    used: int
    remaining: int
    is_expired: bool
    created_at: Instant
    expires_at: Instant | None
    metadata: Metadata

    def is_over(self, now: Instant) -> bool:
        return self.is_expired or (self.expires_at is not None and self.expires_at <= now)

    def left(self, now: Instant) -> int:
        """What of it can be used."""
        return 0 if self.is_over(now) else self.remaining

    def status(self, now: Instant) -> GrantStatus:
        if self.is_expired or (self.remaining and self.is_over(now)):
            return GrantStatus.EXPIRED
        return GrantStatus.ACTIVE if self.remaining else GrantStatus.DEPLETED

    def planned(self, now: Instant) -> tuple[GrantStatus, int]:
        """What it will be here, by what is written of it; and what of it can be used."""
        unused = self.amount - self.used
        if unused == 0:
            return GrantStatus.DEPLETED, 0
        over = self.expires_at is not None and self.expires_at <= now
        return (GrantStatus.EXPIRED, 0) if over else (GrantStatus.ACTIVE, unused)


class Happened(msgspec.Struct, frozen=True):
    """A row of the ledger. ``rank`` counts those of one instant, the oldest first."""

    row: records.Row
    at: Instant
    rank: int


class Holding(msgspec.Struct, kw_only=True):
    """A wallet: grants and rows, the oldest first. ``page`` is where its balance stands."""

    customer: str
    page: str
    balance: int
    overage: int
    grants: list[Given]
    rows: list[Happened]

    def remaining(self) -> int:
        """What the vendor can have counted as the balance when it was asked."""
        return sum(each.remaining for each in self.grants if not each.is_expired)

    def expired_since(self, now: Instant) -> int:
        """What of that has expired by now."""
        live = [each for each in self.grants if not each.is_expired]
        return sum(each.remaining - each.left(now) for each in live)

    def adds_up(self, now: Instant) -> bool:
        """Whether the balance is what remains of the grants, counted as of either moment."""
        remaining = self.remaining()
        return self.balance in (remaining, remaining - self.expired_since(now))

    def balance_now(self, now: Instant) -> int:
        """The vendor's balance, less what has expired since the page was made."""
        gone = self.expired_since(now) if self.balance == self.remaining() else 0
        return self.balance - gone

    def sums(self, now: Instant) -> Sums:
        """What there is to compare, in the vendor's numbers."""
        totals = Totals()
        totals.balance(self.balance_now(now), self.overage)
        for each in self.grants:
            totals.grant(each.status(now), each.amount, each.left(now))
        for happened in self.rows:
            totals.row(happened.row.transaction_type)
        return totals.sums

    def planned(self, now: Instant) -> Sums:
        """What will be here once the grants are: they decide, whatever the balance was said to be."""
        totals = Totals()
        planned = [(each.amount, *each.planned(now)) for each in self.grants]
        totals.balance(sum(left for _, _, left in planned), self.overage)
        for amount, status, left in planned:
            totals.grant(status, amount, left)
        for happened in self.rows:
            totals.row(happened.row.transaction_type)
        return totals.sums

    def problem(self, record: str, field: str, rule: str) -> Problem:
        return Problem(self.page, record, field, rule)


class Totals:
    """What is compared, by the names that it is told under."""

    ORDER = (
        _HOLDERS := "customers with a balance",
        _BALANCE := "balance",
        _OVERAGE := "overage",
        *(
            f"{status.value} grants{what}"
            for status in GrantStatus
            for what in ("", ", initial", ", remaining")
        ),
        *(f"{each.value} rows" for each in TransactionType),
    )

    def __init__(self) -> None:
        self.sums = Sums()

    def balance(self, posted: int, overage: int) -> None:
        self.sums.count(self._HOLDERS)
        self.sums.amount(self._BALANCE, posted)
        self.sums.amount(self._OVERAGE, overage)

    def grant(self, status: GrantStatus, amount: int, remaining: int) -> None:
        self.sums.count(f"{status.value} grants")
        self.sums.amount(f"{status.value} grants, initial", amount)
        if status is GrantStatus.ACTIVE:
            self.sums.amount(f"{status.value} grants, remaining", remaining)

    def row(self, transaction_type: TransactionType) -> None:
        self.sums.count(f"{transaction_type.value} rows")


def read_wallets(
    account: Account, kind: Kind, problems: Problems, now: Instant
) -> Iterator[Holding]:
    """Those of an entitlement, the oldest first; what breaks a rule is noted, and left out."""
    name = places.balances(kind.there)
    found = account.folder.records(name, records.Balance, lambda each: each.customer_id, problems)
    timed: list[tuple[Instant, str, records.Balance]] = []
    for page, record in reversed(found):
        at = checked(problems, page, record.id, instant, record.created_at, "created_at", now)
        if at is not None:
            timed.append((at, page, record))
    for _, page, record in sorted(timed, key=lambda each: each[0]):
        holding = checked(
            problems, page, record.customer_id, _holding, account, kind, page, record, problems, now
        )
        if holding is not None:
            yield holding


def _holding(
    account: Account,
    kind: Kind,
    page: str,
    record: records.Balance,
    problems: Problems,
    now: Instant,
) -> Holding:
    _check_belongs(account, kind, record)
    rows = _rows(account, kind, record.customer_id, problems, now)
    grants = _grants(account, kind, record.customer_id, rows, problems, now)
    if sum(each.amount for each in grants) > UNITS_MAX:
        raise BadRequest("grants", "within 64 bits together")
    if sum(each.left(now) > 0 for each in grants) > GRANTS_OPEN_MAX:
        raise BadRequest("grants", f"at most {GRANTS_OPEN_MAX:,} with something left")
    return Holding(
        customer=record.customer_id,
        page=page,
        balance=units(record.balance, "balance", kind.scale),
        overage=units(record.overage, "overage", kind.scale),
        grants=grants,
        rows=rows,
    )


def _check_belongs(
    account: Account, kind: Kind, record: records.Balance | records.Grant | records.Row
) -> None:
    """Raises ``BadRequest`` for what is of another entitlement, or of a customer nobody knows."""
    if record.credit_entitlement_id != kind.there:
        raise BadRequest("credit_entitlement_id", f"{kind.there}, whose folder it is in")
    if record.customer_id not in account.people:
        raise BadRequest("customer_id", "that of a customer on the pages of customers")


def _grants(
    account: Account,
    kind: Kind,
    customer: str,
    rows: list[Happened],
    problems: Problems,
    now: Instant,
) -> list[Given]:
    name = places.grants(kind.there, customer)
    read = account.folder.records(name, records.Grant, lambda each: each.id, problems)
    lost = _lost(rows, kind)
    found: list[Given] = []
    for page, record in reversed(read):
        checked(problems, page, record.id, _check_whose, account, kind, customer, record)
        already = lost.get(record.id, 0)
        grant = checked(problems, page, record.id, _given, record, kind, already, now)
        if grant is not None:
            found.append(grant)
    found.sort(key=lambda each: each.created_at)
    return found


def _check_whose(
    account: Account, kind: Kind, customer: str, record: records.Grant | records.Row
) -> None:
    _check_belongs(account, kind, record)
    if record.customer_id != customer:
        raise BadRequest("customer_id", f"{customer}, whose folder it is in")


def _given(record: records.Grant, kind: Kind, lost: int, now: Instant) -> Given:
    amount = units(record.initial_amount, "initial_amount", kind.scale)
    remaining = units(record.remaining_amount, "remaining_amount", kind.scale)
    if amount == 0:
        raise BadRequest("initial_amount", "more than 0")
    if remaining > amount:
        raise BadRequest("remaining_amount", "at most the initial amount")
    created_at = instant(record.created_at, "created_at", now)
    expires_at = None
    if record.expires_at is not None:
        expires_at = fields.instant(record.expires_at, "expires_at", assume_utc=True)
    used = amount - remaining
    if record.is_expired:
        # What an expired grant had left may be gone from its page; then the rows say how much it was.
        used = used if remaining else max(amount - lost, 0) if lost else 0
        if expires_at is None or expires_at > now:  # somebody ended it before its time
            expires_at = instant(record.updated_at, "updated_at", now)
    there = GrantThere(
        id=record.id,
        source_type=record.source_type,
        source_id=record.source_id,
        rollover_count=record.rollover_count,
        is_rolled_over=record.is_rolled_over,
        parent_grant_id=record.parent_grant_id,
        expires_at=record.expires_at,
    )
    return Given(
        there=there,
        amount=amount,
        used=used,
        remaining=remaining,
        is_expired=record.is_expired,
        created_at=created_at,
        expires_at=expires_at,
        metadata=reading.metadata(record.metadata),
    )


def _lost(rows: list[Happened], kind: Kind) -> dict[str, int]:
    """How much each grant lost to something else than use."""
    found: dict[str, int] = {}
    for each in rows:
        row = each.row
        if row.grant_id is not None and not row.is_credit and row.transaction_type in _LOST:
            lost = units(row.amount, "amount", kind.scale)
            found[row.grant_id] = found.get(row.grant_id, 0) + lost
    return found


def _rows(
    account: Account, kind: Kind, customer: str, problems: Problems, now: Instant
) -> list[Happened]:
    name = places.ledger(kind.there, customer)
    read = account.folder.records(name, records.Row, lambda each: each.id, problems)
    timed: list[tuple[Instant, records.Row]] = []
    for page, record in reversed(read):
        checked(problems, page, record.id, _check_whose, account, kind, customer, record)
        when = checked(problems, page, record.id, _row_at, record, kind, now)
        if when is not None:
            timed.append((when, record))
    timed.sort(key=lambda each: each[0])
    found: list[Happened] = []
    for when, record in timed:
        rank = found[-1].rank + 1 if found and found[-1].at == when else 0
        found.append(Happened(record, when, rank))
    return found


def _row_at(record: records.Row, kind: Kind, now: Instant) -> Instant:
    """When it happened, once all of it is in order. Raises ``BadRequest``."""
    for field in _AMOUNTS:
        units(getattr(record, field), field, kind.scale)
    reading.metadata(record.metadata)
    return instant(record.created_at, "created_at", now)


_AMOUNTS = ("amount", "balance_before", "balance_after", "overage_before", "overage_after")


def check_folder(account: Account, kind: Kind, problems: Problems) -> None:
    """Note a list that was not got at all: where there is nothing to list, its folder has an empty page."""
    _check_there(account, places.balances(kind.there), problems)


def check_folders(account: Account, kind: Kind, holding: Holding, problems: Problems) -> None:
    """As ``check_folder``, of what belongs to one balance."""
    _check_there(account, places.grants(kind.there, holding.customer), problems)
    _check_there(account, places.ledger(kind.there, holding.customer), problems)


def _check_there(account: Account, name: str, problems: Problems) -> None:
    if not account.folder.numbers(name):
        problems.add(Problem(name, "", "", "there is no page of it."))
