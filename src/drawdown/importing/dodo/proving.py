"""Adding up: what the pages say, what would be made of them, and what there is in the ledger afterwards."""

from __future__ import annotations

from collections.abc import Callable

from drawdown.core.errors import CustomerNotFound, EntitlementNotFound
from drawdown.core.lifecycle import state_of
from drawdown.core.types import Customer, Entitlement, Id, Instant
from drawdown.dialects.dodo import rendering
from drawdown.dialects.dodo.credit import imported
from drawdown.engine.ledger import Ledger
from drawdown.importing.dodo import places
from drawdown.importing.dodo.account import Account, Kind, read_account
from drawdown.importing.dodo.wallets import (
    Holding,
    Totals,
    check_folder,
    check_folders,
    read_wallets,
)
from drawdown.importing.pages import Folder
from drawdown.importing.problems import Problems
from drawdown.importing.report import Adding, Report, Sums

_CHUNK = 1_000
_STATUS = {state: status for status, states in rendering.STATES.items() for state in states}
Told = Callable[[str, int], None]


def check(folder: Folder, now: Instant, told: Told) -> tuple[Account, Report]:
    """Read all pages, without a ledger: what would be made of them. Raises ``ImportRefused``.

    A finding is what the vendor's own numbers do not add up to: it is told, and stands in the way of nothing.
    """
    problems = Problems()
    account = read_account(folder, problems, now)
    report = _report(folder, account, dry_run=True)
    grants: set[str] = set()
    for kind in account.kinds:
        adding = _adding(kind)
        check_folder(account, kind, problems)
        for holding in read_wallets(account, kind, problems, now):
            check_folders(account, kind, holding, problems)
            _check_once(holding, grants, problems)
            if not holding.adds_up(now):
                _find(report, kind, holding)
            adding.add(holding.customer, holding.sums(now), holding.planned(now))
            told("balances", 1)
        report.entitlements.append(adding.compared())
    report.customers_here = len(account.people)
    problems.refuse()
    return account, report


async def prove(ledger: Ledger, book: Id, account: Account, checked: Report, told: Told) -> Report:
    """The pages against what is in the ledger now; of ``checked``, the findings."""
    report = _report(account.folder, account, dry_run=False)
    report.findings, report.findings_count = checked.findings, checked.findings_count
    people: dict[str, Customer] = {}
    for person in account.people.values():
        found = await _person(ledger, book, person.id or person.there)
        if found is not None:
            people[person.there] = found
    report.customers_here = len(people)
    for kind in account.kinds:
        adding, here = _adding(kind), await _kind(ledger, book, kind)
        for holding in read_wallets(account, kind, Problems(), ledger.clock.now()):
            there, found_here = await _both(ledger, holding, here, people.get(holding.customer))
            adding.add(holding.customer, there, found_here)
            told("balances", 1)
        report.entitlements.append(adding.compared())
    return report


def _adding(kind: Kind) -> Adding:
    return Adding(kind.there, kind.name, kind.scale, Totals.ORDER)


def _report(folder: Folder, account: Account, *, dry_run: bool) -> Report:
    source = folder.source()
    return Report(
        vendor=places.TITLE,
        business=account.business,
        source=str(folder.root) if source is None else source.base_url,
        fetched_at=None if source is None else source.finished_at,
        dry_run=dry_run,
        customers_there=len(account.people),
    )


def _check_once(holding: Holding, seen: set[str], problems: Problems) -> None:
    """An id is one grant's, in the whole account."""
    for each in holding.grants:
        if each.there.id in seen:
            problems.add(holding.problem(each.there.id, "id", "that of no other grant."))
        seen.add(each.there.id)


def _find(report: Report, kind: Kind, holding: Holding) -> None:
    balance, remaining = kind.decimal(holding.balance), kind.decimal(holding.remaining())
    report.find(
        f"{kind.there}, customer {holding.customer}: the balance is {balance}, "
        f"but {remaining} remains of the grants."
    )


# What is here ------------------------------------------------------------------------------------


async def _person(ledger: Ledger, book: Id, reference: Id | str) -> Customer | None:
    try:
        return await ledger.customer(book, reference)
    except CustomerNotFound:
        return None


async def _kind(ledger: Ledger, book: Id, kind: Kind) -> Entitlement | None:
    try:
        return await ledger.entitlement(book, kind.id or kind.there)
    except EntitlementNotFound:
        return None


async def _both(
    ledger: Ledger, holding: Holding, kind: Entitlement | None, owner: Customer | None
) -> tuple[Sums, Sums]:
    """As of one moment; where a grant expired while it was read, as of the next."""
    if kind is None or owner is None:
        return holding.sums(ledger.clock.now()), Sums()
    now = ledger.clock.now()
    there, here = holding.sums(now), await _here(ledger, kind, owner, now)
    if there.differences(here):
        now = ledger.clock.now()
        there, here = holding.sums(now), await _here(ledger, kind, owner, now)
    return there, here


async def _here(ledger: Ledger, kind: Entitlement, owner: Customer, now: Instant) -> Sums:
    totals = Totals()
    balance = await ledger.balance(owner.book, owner.id, kind.id)
    if balance.created_at is not None:
        totals.balance(balance.posted, balance.overage)
    after: Id | None = None
    while True:
        found = await ledger.grants(
            owner.book,
            customer=owner.id,
            entitlement=kind.id,
            states=rendering.SHOWN,
            after=after,
            limit=_CHUNK,
        )
        for grant in found:
            totals.grant(_STATUS[state_of(grant, now)], grant.amount, grant.remaining)
        if len(found) < _CHUNK:
            break
        after = found[-1].id
    async for row in imported.rows_there(ledger, owner, kind):
        totals.row(row.transaction_type)
    return totals.sums
