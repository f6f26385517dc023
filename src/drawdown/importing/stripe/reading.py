"""Each customer's credit, read from the pages and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from drawdown.core import currencies
from drawdown.core.types import GRANTS_OPEN_MAX, UNITS_MAX, Instant
from drawdown.core.types import MICROSECONDS as SECOND
from drawdown.dialects.stripe.imported import GrantThere, TransactionThere
from drawdown.importing.pages import checked
from drawdown.importing.problems import Problem, Problems
from drawdown.importing.stripe import places, records
from drawdown.importing.stripe.account import Account, Listed, check_list, instant, metadata
from drawdown.importing.stripe.holdings import Balances, Given, Happened, Holding
from drawdown.importing.writing import Person
from drawdown.web.errors import BadRequest


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
    effective_at = record.created if record.effective_at is None else record.effective_at
    told = bool(rows) or effective_at <= record.created
    used, left = _used_and_left(record, amount, rows) if told else (0, amount)
    if used and effective_at * SECOND > now:
        raise BadRequest("effective_at", "in the past: some of it was used")
    voided = record.voided_at is not None
    left = 0 if voided else left
    return Given(
        there=GrantThere(
            id=record.id,
            created=record.created,
            updated=record.updated,
            left=left,
            told=told,
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


def _used_and_left(
    record: records.Grant, amount: int, rows: list[TransactionThere]
) -> tuple[int, int]:
    """What its transactions say of a grant. Raises ``BadRequest`` where they do not add up to it."""
    of = _sum_of(rows)
    if of("credits_granted") != amount:
        raise BadRequest("amount.monetary.value", "what its credits_granted transaction gave")
    used = of("credits_applied") - of("credits_application_invoice_voided")
    left = amount - used - of("credits_expired") - of("credits_voided")
    if used < 0 or left < 0:
        raise BadRequest("amount.monetary.value", "what its transactions add up to")
    voided = record.voided_at is not None
    if (voided and left) or bool(of("credits_voided")) > voided:
        rule = "given where its transactions have voided it, and only there"
        raise BadRequest("voided_at", rule)
    return used, left


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
