"""One customer's credit, as the pages have it: read, checked, and added up.

Times are whole seconds, as the vendor has them, and amounts whole minor units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from drawdown.core import amounts, currencies
from drawdown.core.types import GRANTS_OPEN_MAX, UNITS_MAX, Instant, Metadata
from drawdown.core.types import MICROSECONDS as SECOND
from drawdown.dialects.stripe.imported import CREDITS, DEBITS, GrantThere, TransactionThere
from drawdown.importing.pages import checked
from drawdown.importing.problems import Problem, Problems
from drawdown.importing.report import Sums
from drawdown.importing.stripe import places, records
from drawdown.importing.stripe.account import Account, Listed, check_list, instant, metadata
from drawdown.importing.writing import Person
from drawdown.web.errors import BadRequest


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A grant. ``left`` was neither used nor lost; ``ends_at``: also when it ended before its expiry."""

    there: GrantThere
    record: records.Grant
    number: int
    currency: str
    amount: int
    used: int
    left: int
    effective_at: int
    ends_at: int | None
    metadata: Metadata

    @property
    def is_void(self) -> bool:
        return self.there.voided_at is not None

    def ledger(self, moment: int) -> int:
        """What of it counts then."""
        over = self.is_void or (self.ends_at is not None and self.ends_at <= moment)
        return 0 if over or self.effective_at > moment else self.left

    def turns(self) -> Iterator[int]:
        """When time alone changes what of it counts."""
        if self.left and not self.is_void:
            yield self.effective_at
            if self.ends_at is not None:
                yield self.ends_at

    def state(self, moment: int) -> str:
        return state_of(self.is_void, self.ends_at, self.effective_at, self.left, moment)


class Happened(msgspec.Struct, frozen=True):
    """A transaction. ``rank`` counts those of one second, the oldest first."""

    there: TransactionThere
    rank: int


#: Of each currency the ledger balance and the available one.
Balances = dict[str, tuple[int, int]]


class Holding(msgspec.Struct, kw_only=True):
    """Grants and transactions of one customer, the oldest first; balances by what they are of."""

    person: Person
    page: str
    grants: list[Given]
    rows: list[Happened]
    balances: dict[str, Balances] = {}

    def with_balance(self) -> list[Given]:
        """The grants whose own balance is asked for: those with something left."""
        return [each for each in self.grants if each.left and not each.is_void]

    def currencies(self) -> list[str]:
        return list(dict.fromkeys(each.currency for each in self.grants))

    def of(self, currency: str) -> list[Given]:
        return [each for each in self.grants if each.currency == currency]

    def told(self, of: str, given: list[Given], currency: str, now: int) -> tuple[int, int]:
        """The vendor's ledger balance and available one, less what has come due since it was asked."""
        ledger = sum(each.ledger(now) for each in given)
        if of not in self.balances:
            return ledger, ledger
        said, available = self.balances[of].get(currency, (0, 0))
        if not self.adds_up(given, said, now):
            return said, available
        return ledger, max(ledger - (said - available), 0)

    def adds_up(self, given: list[Given], said: int, now: int) -> bool:
        """Whether a balance is what the transactions leave: now, or when the pages can have been made."""
        known = max(
            *(each.record.updated for each in self.grants),
            *(each.there.created for each in self.rows),
        )
        moments = {now, *(turn for each in given for turn in each.turns() if known < turn <= now)}
        return any(
            sum(each.ledger(moment) for each in given) == said
            for moment in (min(known, now), *moments)
        )

    def findings(self, now: int) -> Iterator[str]:
        """What of the vendor's balances is not what its transactions say."""
        for currency in self.currencies():
            given = self.of(currency)
            reserved = 0
            for each in given:
                said = self.balances.get(each.there.id)
                if said is not None:
                    reserved += _reserved(said, currency)
                    yield from self._finding(each.there.id, [each], currency, now)
            total = self.balances.get(self.person.there)
            if total is not None and _reserved(total, currency) != reserved:
                yield f"drafts reserve {_money(_reserved(total, currency), currency)} of all he has"
            if total is not None and not self.adds_up(given, total.get(currency, (0, 0))[0], now):
                left = _money(sum(each.ledger(now) for each in given), currency)
                yield (
                    f"the ledger balance is {_money(total.get(currency, (0, 0))[0], currency)}, "
                    f"and the transactions leave {left}"
                )

    def _finding(self, of: str, given: list[Given], currency: str, now: int) -> Iterator[str]:
        said, available = self.balances[of].get(currency, (0, 0))
        if not self.adds_up(given, said, now):
            left = _money(sum(each.ledger(now) for each in given), currency)
            yield (
                f"the ledger balance of grant {of} is {_money(said, currency)}, and its transactions "
                f"leave {left}"
            )
        if available < said:
            yield (
                f"drafts of invoices reserve {_money(said - available, currency)} of grant {of}: make "
                "them final there, or delete them, before you fetch"
            )

    def sums(self, currency: str, now: int) -> Sums:
        """What there is to compare, in the vendor's numbers."""
        totals = Totals()
        given = self.of(currency)
        totals.balance(*self.told(self.person.there, given, currency, now))
        for each in given:
            totals.grant(each.state(now), each.amount)
            totals.grant_balance(each.there.id, *self.told(each.there.id, [each], currency, now))
        self._count_rows(totals, currency)
        return totals.sums

    def planned(self, currency: str, now: int) -> Sums:
        """What will be here once the grants are: transactions decide, whatever the balance was said to be."""
        totals = Totals()
        given = self.of(currency)
        ledger = sum(each.ledger(now) for each in given)
        totals.balance(ledger, ledger)
        for each in given:
            totals.grant(each.state(now), each.amount)
            totals.grant_balance(each.there.id, each.ledger(now), each.ledger(now))
        self._count_rows(totals, currency)
        return totals.sums

    def _count_rows(self, totals: Totals, currency: str) -> None:
        for each in self.rows:
            if each.there.currency == currency:
                totals.row(each.there)


def state_of(is_void: bool, ends_at: int | None, effective_at: int, left: int, moment: int) -> str:
    """The vendor's words for where a grant is; the first that holds."""
    if is_void:
        return "voided"
    if ends_at is not None and ends_at <= moment:
        return "expired"
    if effective_at > moment:
        return "pending"
    return "granted" if left else "depleted"


class Totals:
    """What is compared, by the names that it is told under."""

    ORDER = (
        _HOLDERS := "customers with grants",
        _LEDGER := "ledger balance",
        _AVAILABLE := "available balance",
        *(
            f"{state} grants{what}"
            for state in ("pending", "granted", "depleted", "expired", "voided")
            for what in ("", ", amount")
        ),
        *(f"{kind}{what}" for kind in (*CREDITS, *DEBITS) for what in ("", ", amount")),
    )

    def __init__(self) -> None:
        self.sums = Sums()

    def balance(self, ledger: int, available: int) -> None:
        self.sums.count(self._HOLDERS)
        self.sums.amount(self._LEDGER, ledger)
        self.sums.amount(self._AVAILABLE, available)

    def grant(self, state: str, amount: int) -> None:
        self.sums.count(f"{state} grants")
        self.sums.amount(f"{state} grants, amount", amount)

    def grant_balance(self, grant: str, ledger: int, available: int) -> None:
        """Compared one by one, and not added up."""
        self.sums.amount(f"ledger balance of {grant}", ledger)
        self.sums.amount(f"available balance of {grant}", available)

    def row(self, there: TransactionThere) -> None:
        self.sums.count(there.kind)
        self.sums.amount(f"{there.kind}, amount", there.value)


def _reserved(said: Balances, currency: str) -> int:
    ledger, available = said.get(currency, (0, 0))
    return ledger - available


def _money(value: int, currency: str) -> str:
    return f"{amounts.render(value, currencies.MINOR_PLACES[currency])} {currency.upper()}"


# Reading -----------------------------------------------------------------------------------------


def read_holdings(account: Account, problems: Problems, now: Instant) -> Iterator[Holding]:
    """Of each customer with grants, in the order of the customers; what breaks a rule is noted, and left out.

    With the balances that the vendor told.
    """
    for customer in account.people:
        if customer not in account.grants:
            continue
        holding = read_holding(account, customer, problems, now)
        if holding is not None:
            _read_balances(account, holding, problems)
            yield holding


def read_holding(
    account: Account, customer: str, problems: Problems, now: Instant
) -> Holding | None:
    """Grants and transactions of one. None where they break a rule, which is noted."""
    listed = account.grants[customer]
    person = account.people[customer]
    owners = [each.record.id for each in listed] if person.deleted else [customer]
    by_grant: dict[str, list[TransactionThere]] = {each.record.id: [] for each in listed}
    rows = _rows(account, owners, by_grant.keys(), problems, now)
    for row in rows:
        by_grant[row.there.grant].append(row.there)
    found = []
    for each in listed:
        of, name = by_grant[each.record.id], each.record.id
        given = checked(problems, each.page, name, _given, each, of, now)
        if given is not None:
            found.append(given)
    if len(found) < len(listed):
        return None
    page = listed[0].page
    return checked(problems, page, customer, _holding, person, page, found, rows)


def _holding(person: Person, page: str, grants: list[Given], rows: list[Happened]) -> Holding:
    """Raises ``BadRequest`` for more than a wallet may have."""
    for currency in dict.fromkeys(each.currency for each in grants):
        of = [each for each in grants if each.currency == currency]
        unit = 10 ** (currencies.scale_of(currency) - currencies.MINOR_PLACES[currency])
        if sum(each.amount for each in of) * unit > UNITS_MAX:
            raise BadRequest("grants", f"within 64 bits together, in {currency}")
        if sum(each.left > 0 for each in of) > GRANTS_OPEN_MAX:
            raise BadRequest("grants", f"at most {GRANTS_OPEN_MAX:,} with something left")
    return Holding(person=person, page=page, grants=grants, rows=rows)


def _money_of(given: records.Amount, field: str) -> tuple[str, int]:
    currency = given.monetary.currency
    if currency not in currencies.MINOR_PLACES:
        raise BadRequest(f"{field}.monetary.currency", "a lower-case ISO 4217 currency code")
    return currency, given.monetary.value


def _given(listed: Listed, rows: list[TransactionThere], now: Instant) -> Given:
    record = listed.record
    currency, amount = _money_of(record.amount, "amount")
    if amount == 0:
        raise BadRequest("amount.monetary.value", "more than 0")
    for field in ("created", "updated"):
        instant(getattr(record, field), field, now)
    _check_scope(record.applicability_config.scope)
    if any(each.currency != currency for each in rows):
        raise BadRequest("amount.monetary.currency", "that of its transactions")
    of = _sum_of(rows)
    if of("credits_granted") != amount:
        raise BadRequest("amount.monetary.value", "what its credits_granted transaction gave")
    used = of("credits_applied") - of("credits_application_invoice_voided")
    left = amount - used - of("credits_expired") - of("credits_voided")
    if used < 0 or left < 0:
        raise BadRequest("amount.monetary.value", "what its transactions add up to")
    voided = record.voided_at is not None
    if (voided and left) or bool(of("credits_voided")) > voided:
        raise BadRequest("voided_at", "given where its transactions have voided it, and only there")
    effective_at = record.created if record.effective_at is None else record.effective_at
    if used and effective_at * SECOND > now:
        raise BadRequest("effective_at", "in the past: some of it was used")
    return Given(
        there=GrantThere(
            id=record.id,
            created=record.created,
            updated=record.updated,
            left=left,
            expires_at=record.expires_at if voided else None,
            voided_at=record.voided_at,
        ),
        record=record,
        number=listed.number,
        currency=currency,
        amount=amount,
        used=used,
        left=left,
        effective_at=effective_at,
        ends_at=_ends_at(record, rows),
        metadata=metadata(record.metadata),
    )


def _check_scope(scope: records.Scope) -> None:
    if (scope.price_type is None) == (not scope.prices):
        raise BadRequest(
            "applicability_config.scope", "of metered prices, or of 1 to 20 that are named"
        )


def _sum_of(rows: list[TransactionThere]) -> Callable[[str], int]:
    return lambda kind: sum(each.value for each in rows if each.kind == kind)


def _ends_at(record: records.Grant, rows: Iterable[TransactionThere]) -> int | None:
    """When it expires, or did: what has expired does not come back, whatever its expiry says."""
    expired = [each.effective_at for each in rows if each.kind == "credits_expired"]
    ends = [each for each in (record.expires_at, max(expired, default=None)) if each is not None]
    return min(ends, default=None)


def _rows(
    account: Account,
    owners: list[str],
    grants: Iterable[str],
    problems: Problems,
    now: Instant,
) -> list[Happened]:
    timed: list[TransactionThere] = []
    for owner in owners:
        name = places.transactions(owner)
        check_list(account.folder, name, problems)
        read = account.folder.records(name, records.Transaction, lambda each: each.id, problems)
        for page, record in reversed(read):
            row = checked(problems, page, record.id, _row, record, frozenset(grants), now)
            if row is not None:
                timed.append(row)
    timed.sort(key=lambda each: each.created)
    found: list[Happened] = []
    for there in timed:
        same = found and found[-1].there.created == there.created
        found.append(Happened(there, found[-1].rank + 1 if same else 0))
    return found


def _row(record: records.Transaction, grants: frozenset[str], now: Instant) -> TransactionThere:
    moved = record.credit if record.type == "credit" else record.debit
    other = record.debit if record.type == "credit" else record.credit
    if moved is None or other is not None:
        raise BadRequest("type", "that of the one, credit or debit, that it has")
    if record.credit_grant not in grants:
        raise BadRequest(
            "credit_grant", "that of a grant of this customer's, on the pages of grants"
        )
    instant(record.created, "created", now)
    currency, value = _money_of(moved.amount, f"{record.type}.amount")
    if isinstance(moved, records.Credit):
        place = moved.credits_application_invoice_voided
    else:
        place = moved.credits_applied
        instant(record.effective_at, "effective_at", now)
    return TransactionThere(
        id=record.id,
        created=record.created,
        effective_at=record.effective_at,
        kind=moved.type,
        grant=record.credit_grant,
        currency=currency,
        value=value,
        invoice=None if place is None else place.invoice,
        line=None if place is None else place.invoice_line_item,
    )


def _read_balances(account: Account, holding: Holding, problems: Problems) -> None:
    """Of one who was deleted none are told."""
    if holding.person.deleted:
        return
    customer = holding.person.there
    for of in (customer, *(each.there.id for each in holding.with_balance())):
        name = places.balance(of)
        if not account.folder.numbers(name):
            problems.add(Problem(name, "", "", "there is no page of it."))
            continue
        summary = account.folder.object(name, records.Summary, problems)
        if summary is not None:
            found = checked(problems, name, "", _balances, summary, customer)
            if found is not None:
                holding.balances = {**holding.balances, of: found}


def _balances(summary: records.Summary, customer: str) -> Balances:
    if summary.customer != customer:
        raise BadRequest("customer", f"{customer}, whose grants these are")
    found: Balances = {}
    for each in summary.balances:
        currency, ledger = _money_of(each.ledger_balance, "ledger_balance")
        other, available = _money_of(each.available_balance, "available_balance")
        if other != currency or available > ledger:
            raise BadRequest("available_balance", "at most the ledger balance, in its currency")
        if currency in found:
            raise BadRequest("balances", f"one of each currency, not two of {currency}")
        found[currency] = (ledger, available)
    return found
