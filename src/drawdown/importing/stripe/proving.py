"""Adding up: what the pages say, what would be made of them, and what there is in the ledger afterwards."""

from __future__ import annotations

from drawdown.core import currencies
from drawdown.core.errors import CustomerNotFound
from drawdown.core.identity import spell
from drawdown.core.types import MICROSECONDS, Customer, Grant, Id, Instant
from drawdown.dialects.stripe import imported
from drawdown.engine.ledger import Ledger
from drawdown.importing.pages import Folder
from drawdown.importing.problems import Problem, Problems
from drawdown.importing.report import Adding, Compared, Report, Sums
from drawdown.importing.stripe import places
from drawdown.importing.stripe.account import Account, read_account
from drawdown.importing.stripe.holdings import (
    Holding,
    Totals,
    state_of,
)
from drawdown.importing.stripe.reading import read_holdings
from drawdown.importing.writing import Told

_CHUNK = 1_000


def check(folder: Folder, now: Instant, told: Told) -> tuple[Account, Report]:
    """Read all pages, without a ledger: what would be made of them. Raises ``ImportRefused``.

    A finding is what the vendor's own numbers do not add up to: it is told, and stands in the way until it is
    accepted.
    """
    problems = Problems()
    account = read_account(folder, problems, now)
    report = _report(account, dry_run=True)
    report.customers_here = len(account.people)
    currencies_, seconds = _Currencies(), now // MICROSECONDS
    seen: set[str] = set()
    for holding in read_holdings(account, problems, now):
        _check_once(holding, seen, problems)
        for finding in holding.findings(seconds):
            report.find(f"customer {holding.person.there}: {finding}.")
        for currency in holding.currencies():
            there, here = holding.sums(currency, seconds), holding.planned(currency, seconds)
            currencies_.of(currency).add(holding.person.there, there, here)
        told("balances", 1)
    problems.refuse()
    report.entitlements = currencies_.compared()
    return account, report


async def prove(ledger: Ledger, book: Id, account: Account, checked: Report, told: Told) -> Report:
    """The pages against what is in the ledger now; of ``checked``, the findings."""
    report = _report(account, dry_run=False)
    report.findings, report.findings_count = checked.findings, checked.findings_count
    currencies_ = _Currencies()
    for person in account.people.values():
        if await _person(ledger, book, person.id or person.there) is not None:
            report.customers_here += 1
    for holding in read_holdings(account, Problems(), ledger.clock.now()):
        owner = await _person(ledger, book, holding.person.id or holding.person.there)
        for currency, there, here in await _both(ledger, holding, owner):
            currencies_.of(currency).add(holding.person.there, there, here)
        told("balances", 1)
    report.entitlements = currencies_.compared()
    return report


class _Currencies:
    """The totals of each, as they are come to."""

    def __init__(self) -> None:
        self._found: dict[str, Adding] = {}

    def of(self, currency: str) -> Adding:
        if currency not in self._found:
            scale = currencies.MINOR_PLACES[currency]
            self._found[currency] = Adding(currency, currency.upper(), scale, Totals.ORDER)
        return self._found[currency]

    def compared(self) -> list[Compared]:
        return [each.compared() for _, each in sorted(self._found.items())]


def _report(account: Account, *, dry_run: bool) -> Report:
    source = account.folder.source()
    return Report(
        vendor=places.TITLE,
        business="",
        source=str(account.folder.root) if source is None else source.base_url,
        fetched_at=None if source is None else source.finished_at,
        dry_run=dry_run,
        customers_there=len(account.people),
        left_out=account.left_out,
    )


def _check_once(holding: Holding, seen: set[str], problems: Problems) -> None:
    """An id is one transaction's, in the whole account."""
    for each in holding.rows:
        if each.there.id in seen:
            problems.add(
                Problem(holding.page, each.there.id, "id", "that of no other transaction.")
            )
        seen.add(each.there.id)


# What is here ------------------------------------------------------------------------------------


async def _person(ledger: Ledger, book: Id, reference: Id | str) -> Customer | None:
    try:
        return await ledger.customer(book, reference)
    except CustomerNotFound:
        return None


async def _both(
    ledger: Ledger, holding: Holding, owner: Customer | None
) -> list[tuple[str, Sums, Sums]]:
    """As of one moment; where a grant expired while it was read, as of the next."""
    found = await _as_of_now(ledger, holding, owner)
    if any(there.differences(here) for _, there, here in found):
        found = await _as_of_now(ledger, holding, owner)
    return found


async def _as_of_now(
    ledger: Ledger, holding: Holding, owner: Customer | None
) -> list[tuple[str, Sums, Sums]]:
    now = ledger.clock.now() // MICROSECONDS
    here: dict[str, Sums] = {}
    if owner is not None:
        rows = await imported.transactions_there(ledger, owner)
        here = _here(owner, await _grants(ledger, owner), rows, now)
    return [
        (currency, holding.sums(currency, now), here.get(currency, Sums()))
        for currency in dict.fromkeys((*holding.currencies(), *here))
    ]


async def _grants(ledger: Ledger, owner: Customer) -> list[Grant]:
    found: list[Grant] = []
    while True:
        after = found[-1].id if found else None
        some = await ledger.grants(
            owner.book, customer=owner.id, monetary=True, after=after, limit=_CHUNK
        )
        found += some
        if len(some) < _CHUNK:
            return found


def _here(
    owner: Customer, grants: list[Grant], rows: list[imported.TransactionThere], now: int
) -> dict[str, Sums]:
    """By currency."""
    codes = currencies.codes_by_id(owner.book)
    found = {code: Totals() for code in dict.fromkeys(codes[each.entitlement] for each in grants)}
    for code, totals in found.items():
        of = [each for each in grants if codes[each.entitlement] == code]
        balances = [_balance(each, code, now) for each in of]
        totals.balance(sum(each[0] for each in balances), sum(each[1] for each in balances))
        for grant, balance in zip(of, balances, strict=True):
            totals.grant(_state(grant, code, now), currencies.minor_floor(grant.amount, code))
            totals.grant_balance(_name(grant), *balance)
    for row in rows:
        found[row.currency].row(row)
    return {code: totals.sums for code, totals in found.items()}


def _name(grant: Grant) -> str:
    there = imported.grant_there(grant)
    return spell("", grant.id) if there is None else there.id


def _ends_at(grant: Grant) -> int | None:
    return None if grant.expires_at is None else grant.expires_at // MICROSECONDS


def _state(grant: Grant, code: str, now: int) -> str:
    remaining = currencies.minor_floor(grant.remaining, code)
    starts = grant.effective_at // MICROSECONDS
    return state_of(grant.voided_at is not None, _ends_at(grant), starts, remaining, now)


def _balance(grant: Grant, code: str, now: int) -> tuple[int, int]:
    """What counts of a grant, and what of it is free, as this dialect shows it."""
    if _state(grant, code, now) != "granted":
        return 0, 0
    return (
        currencies.minor_floor(grant.remaining, code),
        currencies.minor_floor(grant.free, code),
    )
