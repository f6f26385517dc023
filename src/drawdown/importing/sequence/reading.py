"""Each customer's credit, read from the pages and checked."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drawdown.core import amounts, currencies
from drawdown.core.amounts import Amount
from drawdown.core.types import GRANTS_OPEN_MAX, UNITS_MAX, Instant
from drawdown.dialects.sequence.credit.wire import CreditType, TransactionType
from drawdown.dialects.sequence.imported import GrantThere, TransactionThere
from drawdown.dialects.sequence.usage.standing import SCALE
from drawdown.importing.pages import checked
from drawdown.importing.problems import Problem, Problems
from drawdown.importing.sequence import places, records
from drawdown.importing.sequence.account import Account, Listed, instant
from drawdown.importing.sequence.holdings import Given, Happened, Holding
from drawdown.importing.writing import Person
from drawdown.web import fields
from drawdown.web.errors import BadRequest

#: Why a grant lost credit without its being used, as another Drawdown says it.
EXPIRED, VOIDED = "Expired", "Voided"


class _Part(msgspec.Struct):
    """What there is on the pages of one currency or metric."""

    told: str = "0"
    grants: dict[str, Listed] = {}
    rows: list[TransactionThere] = []


def read_holdings(account: Account, problems: Problems, now: Instant) -> Iterator[Holding]:
    """Of each customer with grants, the oldest customer first; what breaks a rule is noted, and left out."""
    for customer, person in account.people.items():
        if customer not in account.grants:
            continue
        name = places.balances(customer)
        pages = account.folder.numbers(name)
        if not pages:
            problems.add(Problem(name, "", "", "there is no page of it."))
            continue
        told = account.folder.object(name, records.Balances, problems)
        if told is None:
            continue
        page = f"{name}/{pages[-1].name}"
        for credit, part in _parts(account, customer, page, told, problems, now).items():
            holding = checked(
                problems, page, credit, _holding, account, person, page, credit, part, problems, now
            )
            if holding is not None:
                yield holding


def scale_of(credit: str) -> int:
    return currencies.scale_of(credit) if credit in currencies.MINOR_PLACES else SCALE


def _credit_of(record: records.Grant) -> str:
    if record.type is CreditType.CASH:
        if record.currency.lower() not in currencies.MINOR_PLACES:
            raise BadRequest("currency", "an ISO 4217 currency code")
        return record.currency.lower()
    if record.metric_id is None:
        raise BadRequest("metricId", "given where type is USAGE")
    return record.metric_id


def _parts(
    account: Account,
    customer: str,
    page: str,
    told: records.Balances,
    problems: Problems,
    now: Instant,
) -> dict[str, _Part]:
    """By currency or metric. A grant that is on two pages is as the one of balances has it."""
    found: dict[str, _Part] = {}
    listed = {each.record.id: each for each in account.grants[customer]}
    number = max(each.number for each in listed.values())
    for item in told.items:
        for each in item.grants:
            known = listed.get(each.id)
            number += known is None
            listed[each.id] = Listed(page, each, number if known is None else known.number)
    whose: dict[str, str] = {}
    for each_listed in listed.values():
        record = each_listed.record
        credit = checked(problems, each_listed.page, record.id, _credit_of, record)
        if record.customer_id != customer:
            rule = f"{customer}, whose page it is on."
            problems.add(Problem(each_listed.page, record.id, "customerId", rule))
        elif credit is not None:
            whose[record.id] = credit
            found.setdefault(credit, _Part()).grants[record.id] = each_listed
    for item in told.items:
        _add_item(page, item, whose, found, problems, now)
    return found


def _add_item(
    page: str,
    item: records.Balance,
    whose: dict[str, str],
    found: dict[str, _Part],
    problems: Problems,
    now: Instant,
) -> None:
    """A balance belongs to the credit of its grants; one without any is named by its id or name."""
    named = [whose[each.id] for each in item.grants if each.id in whose]
    named += [each for each in (item.id, item.id.lower(), item.name.lower()) if each in found]
    credit = next(iter(named), None)
    if credit is None:
        return  # what never had a grant
    if any(whose.get(each.id, credit) != credit for each in item.grants):
        problems.add(Problem(page, item.id, "grants", "those of one currency or metric."))
        return
    part = found[credit]
    part.told = item.balance
    for each in reversed(item.transactions):
        row = checked(problems, page, each.id or each.grant_id, _row, each, part, now)
        if row is not None:
            part.rows.append(row)
    part.rows.sort(key=lambda row: row.at)


def _row(record: records.Transaction, part: _Part, now: Instant) -> TransactionThere:
    if record.grant_id not in part.grants:
        raise BadRequest("grantId", "that of a grant of this balance")
    if record.created_at is not None:
        at = instant(record.created_at, "createdAt", now)
    elif record.date is not None:
        at = instant(f"{record.date}T00:00:00Z", "date", now)
    else:
        raise BadRequest("date", "given, or createdAt")
    fields.amount(record.amount, "amount")
    return TransactionThere(
        entitlement="",
        grant=record.grant_id,
        type=record.type,
        amount=record.amount,
        at=at,
        date=record.date or (record.created_at or "")[:10],
        id=record.id,
        reason=record.reason,
        invoice_id=record.invoice_id,
        billing_run_id=record.billing_run_id,
    )


def _holding(
    account: Account,
    person: Person,
    page: str,
    credit: str,
    part: _Part,
    problems: Problems,
    now: Instant,
) -> Holding:
    """Raises ``BadRequest`` for more than a wallet may have."""
    scale = scale_of(credit)
    told = _units(part.told, "balance", scale)
    by_grant: dict[str, list[TransactionThere]] = {name: [] for name in part.grants}
    for row in part.rows:
        by_grant[row.grant].append(row)
    grants: list[Given] = []
    rows: list[TransactionThere] = []
    for name, listed in part.grants.items():
        given = checked(
            problems, listed.page, name, _given, account, listed, by_grant[name], scale, now
        )
        if given is not None:
            grants.append(given)
            rows += _rows_of(given, by_grant[name])
    if sum(each.amount for each in grants) > UNITS_MAX:
        raise BadRequest("grants", f"within 64 bits together, of {credit}")
    if sum(each.left_at(now) > 0 for each in grants) > GRANTS_OPEN_MAX:
        raise BadRequest("grants", f"at most {GRANTS_OPEN_MAX:,} with something left")
    grants.sort(key=lambda each: (each.there.created_at, each.number))
    return Holding(
        person=person,
        page=page,
        credit=credit,
        scale=scale,
        told=told,
        grants=grants,
        rows=_ranked(rows, scale),
    )


def _ranked(rows: list[TransactionThere], scale: int) -> list[Happened]:
    rows.sort(key=lambda each: each.at)
    found: list[Happened] = []
    for there in rows:
        same = found and found[-1].there.at == there.at
        units = _units(there.amount, "amount", scale)
        found.append(Happened(there, units, found[-1].rank + 1 if same else 0))
    return found


# A grant -----------------------------------------------------------------------------------------


def _given(
    account: Account, listed: Listed, rows: list[TransactionThere], scale: int, now: Instant
) -> Given:
    record = listed.record
    amount = _units(record.original_amount, "originalAmount", scale)
    left = _units(record.current_balance, "currentBalance", scale)
    if amount == 0:
        raise BadRequest("originalAmount", "more than 0")
    if left > amount:
        raise BadRequest("currentBalance", "at most the original amount")
    told = _is_told(amount, left, rows, scale)
    expired, voided = _lost(rows, scale) if told and left == 0 else (0, 0)
    ends_at = _ends_at(account, record, rows if expired else [], now)
    if expired and (ends_at is None or ends_at > now):
        expired = 0  # nobody knows when
    is_void = voided > 0
    used = amount - left - expired - voided
    effective_at = _effective_at(account, record, now)
    if used and effective_at > now:
        raise BadRequest("effectiveDate", "in the past: some of it was used")
    if ends_at is not None and now < ends_at <= effective_at:
        raise BadRequest("expiryDate", "the day of effectiveDate or later")
    fields.text(record.name, "name")
    return Given(
        there=GrantThere(
            id=record.id,
            created_at=instant(record.created_at, "createdAt", now),
            is_spent=left == 0,
            told=told,
            expiry_date=record.expiry_date if is_void else None,
            is_void=is_void,
        ),
        record=record,
        number=listed.number,
        credit=_credit_of(record),
        amount=amount,
        used=used,
        left=left,
        cost=_cost(record),
        effective_at=effective_at,
        ends_at=None if is_void else ends_at,
    )


def _sum(rows: list[TransactionThere], scale: int) -> int:
    """What some transactions gave, less what they took."""
    found = 0
    for each in rows:
        units = _units(each.amount, "amount", scale)
        found += units if each.type is TransactionType.CREDIT else -units
    return found


def _is_told(amount: int, left: int, rows: list[TransactionThere], scale: int) -> bool:
    """Whether its transactions say all that became of a grant: with the one that it came with, or without."""
    return left in (_sum(rows, scale), amount + _sum(rows, scale))


def _lost(rows: list[TransactionThere], scale: int) -> tuple[int, int]:
    """What expired of a grant, and what was voided."""
    lost = {EXPIRED: 0, VOIDED: 0}
    for each in rows:
        if each.type is TransactionType.DEBIT and each.reason in lost:
            lost[each.reason] += _units(each.amount, "amount", scale)
    return lost[EXPIRED], lost[VOIDED]


def _rows_of(given: Given, rows: list[TransactionThere]) -> list[TransactionThere]:
    """What is brought over of a grant's transactions, beginning with that it was granted."""
    if not given.there.told:
        return []
    granted = [each for each in rows if each.type is TransactionType.CREDIT]
    took = [each for each in rows if each.type is TransactionType.DEBIT]
    scale = scale_of(given.credit)
    if _sum(granted, scale) + _sum(took, scale) == given.left:
        return rows
    record, at = given.record, given.there.created_at
    first = TransactionThere(
        entitlement="",
        grant=record.id,
        type=TransactionType.CREDIT,
        amount=record.original_amount,
        at=at,
        date=record.created_at[:10],
    )
    return [first, *rows]


def _effective_at(account: Account, record: records.Grant, now: Instant) -> Instant:
    if record.effective_date is not None:
        return account.days.first_instant(record.effective_date, "effectiveDate")
    return account.days.start_of_day(instant(record.created_at, "createdAt", now))


def _ends_at(
    account: Account, record: records.Grant, rows: list[TransactionThere], now: Instant
) -> Instant | None:
    """When it expires, or did: somebody may have ended it before its last day."""
    ended = [each.at for each in rows if each.reason == EXPIRED]
    ends = [max(ended)] if ended else []
    if record.expiry_date is not None:
        ends.append(account.days.end(record.expiry_date, "expiryDate"))
    return min(ends, default=None)


def _cost(record: records.Grant) -> Amount:
    cost = fields.amount(record.cost_of_credit, "costOfCredit")
    currency = record.currency.lower()
    if currency not in currencies.MINOR_PLACES:
        raise BadRequest("currency", "an ISO 4217 currency code")
    amounts.to_units(cost, currencies.scale_of(currency), "costOfCredit")
    return cost


def _units(text: str, field: str, scale: int) -> int:
    """Raises ``BadRequest``, and ``AmountTooFine``."""
    return amounts.to_units(fields.amount(text, field), scale, field)
