"""Adding up: what the pages say, what would be made of them, and what there is in the ledger afterwards."""

from __future__ import annotations

from drawdown.core import amounts
from drawdown.core.errors import CustomerNotFound, EntitlementNotFound
from drawdown.core.types import Customer, Entitlement, Grant, Id, Instant
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.customers import known
from drawdown.engine.ledger import Ledger
from drawdown.importing.pages import Folder
from drawdown.importing.problems import Problem, Problems
from drawdown.importing.report import Adding, Compared, Report, Sums
from drawdown.importing.sequence import places
from drawdown.importing.sequence.account import Account, read_account
from drawdown.importing.sequence.holdings import Holding, Totals
from drawdown.importing.sequence.reading import read_holdings, scale_of
from drawdown.importing.sequence.writing import entitlement_of
from drawdown.importing.writing import Told

_CHUNK = 1_000
#: Whatever the account has, this is not among it.
NEVER = (
    "usage events: what they used is in the grants, and they count here from the first that is sent here",
    "notification policies: nobody can read their secrets",
)


def check(folder: Folder, now: Instant, told: Told) -> tuple[Account, Report]:
    """Read all pages, without a ledger: what would be made of them. Raises ``ImportRefused``.

    A finding is what the vendor's own numbers do not add up to: it is told, and stands in the way until it is
    accepted. Dates are taken as days in UTC here, in the account's zone once they are brought over.
    """
    problems = Problems()
    account = read_account(folder, problems, now)
    kinds = _Kinds(account)
    seen: set[str] = set()
    findings: list[str] = []
    untold = 0
    for holding in read_holdings(account, problems, now):
        _check_once(holding, seen, problems)
        name = holding.person.there
        findings += [f"customer {name}: {each}." for each in holding.findings(now)]
        kinds.of(holding.credit).add(name, holding.sums(now), holding.planned(now))
        untold += sum(not each.there.told for each in holding.grants)
        told("balances", 1)
    problems.refuse()
    if untold:
        what = f"transactions of grants that they do not add up to: those of {untold:,} grants"
        account.left_out = [*account.left_out, what]
    report = _report(account, dry_run=True)
    report.customers_here = len(account.people)
    report.entitlements = kinds.compared()
    for each in findings:
        report.find(each)
    return account, report


async def prove(ledger: Ledger, book: Id, account: Account, checked: Report, told: Told) -> Report:
    """The pages against what is in the ledger now; of ``checked``, the findings."""
    report = _report(account, dry_run=False)
    report.findings, report.findings_count = checked.findings, checked.findings_count
    kinds = _Kinds(account)
    for person in account.people.values():
        if await _has_all_names(ledger, book, account, person.there, person.id or person.there):
            report.customers_here += 1
    for holding in read_holdings(account, Problems(), ledger.clock.now()):
        owner = await _person(ledger, book, holding.person.id or holding.person.there)
        kind = await _kind(ledger, book, account, holding.credit)
        there, here = await _both(ledger, holding, owner, kind)
        kinds.of(holding.credit).add(holding.person.there, there, here)
        told("balances", 1)
    report.entitlements = kinds.compared()
    return report


class _Kinds:
    """The totals of each currency and metric, as they are come to."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._found: dict[str, Adding] = {}

    def of(self, credit: str) -> Adding:
        if credit not in self._found:
            kind = self._account.kinds.get(credit)
            name = credit.upper() if kind is None else kind.name
            self._found[credit] = Adding(credit, name, scale_of(credit), Totals.ORDER)
        return self._found[credit]

    def compared(self) -> list[Compared]:
        return [each.compared() for _, each in sorted(self._found.items())]


def _report(account: Account, *, dry_run: bool) -> Report:
    source = account.folder.source()
    return Report(
        vendor=places.TITLE,
        business=account.business,
        source=str(account.folder.root) if source is None else source.base_url,
        fetched_at=None if source is None else source.finished_at,
        dry_run=dry_run,
        customers_there=len(account.people),
        left_out=[*account.left_out, *NEVER],
    )


def _check_once(holding: Holding, seen: set[str], problems: Problems) -> None:
    """An id is one grant's, or one transaction's, in the whole account."""
    for what, names in (
        ("grant", [each.there.id for each in holding.grants]),
        ("transaction", [each.there.id for each in holding.rows if each.there.id is not None]),
    ):
        for name in names:
            if f"{what} {name}" in seen:
                problems.add(Problem(holding.page, name, "id", f"that of no other {what}."))
            seen.add(f"{what} {name}")


# What is here ------------------------------------------------------------------------------------


async def _person(ledger: Ledger, book: Id, reference: Id | str) -> Customer | None:
    try:
        return await ledger.customer(book, reference)
    except CustomerNotFound:
        return None


async def _has_all_names(
    ledger: Ledger, book: Id, account: Account, there: str, reference: Id | str
) -> bool:
    """Whether he is here, and found by all of his aliases."""
    owner = await _person(ledger, book, reference)
    if owner is None:
        return False
    texts = await known.texts_of(ledger, owner)
    return {each.text for each in account.aliases.get(there, ())} <= set(texts)


async def _kind(ledger: Ledger, book: Id, account: Account, credit: str) -> Entitlement | None:
    try:
        return await ledger.entitlement(book, entitlement_of(account, book, credit))
    except EntitlementNotFound:
        return None


async def _both(
    ledger: Ledger, holding: Holding, owner: Customer | None, kind: Entitlement | None
) -> tuple[Sums, Sums]:
    """As of one moment; where a grant expired while it was read, as of the next."""
    if owner is None or kind is None:
        return holding.sums(ledger.clock.now()), Sums()
    there, here = await _as_of_now(ledger, holding, owner, kind)
    if there.differences(here):
        there, here = await _as_of_now(ledger, holding, owner, kind)
    return there, here


async def _as_of_now(
    ledger: Ledger, holding: Holding, owner: Customer, kind: Entitlement
) -> tuple[Sums, Sums]:
    now = ledger.clock.now()
    totals = Totals()
    balance = await ledger.balance(owner.book, owner.id, kind.id)
    totals.balance(balance.posted + balance.pending)
    for each in await _grants(ledger, owner, kind):
        totals.grant(imported.grant_id(each), each.amount, _left(each, now))
    for row in await imported.transactions_there(ledger, owner, kind.id, imported.KEPT_MAX):
        totals.row(row.type, amounts.to_units(_amount(row.amount), kind.scale, "amount"))
    return holding.sums(now), totals.sums


def _amount(text: str) -> amounts.Amount:
    found = amounts.parse(text)
    assert found is not None, "it was read before it was kept"
    return found


def _left(grant: Grant, now: Instant) -> int:
    over = grant.expires_at is not None and grant.expires_at <= now
    return 0 if over or grant.voided_at is not None else grant.remaining


async def _grants(ledger: Ledger, owner: Customer, kind: Entitlement) -> list[Grant]:
    found: list[Grant] = []
    while True:
        after = found[-1].id if found else None
        some = await ledger.grants(
            owner.book, customer=owner.id, entitlement=kind.id, after=after, limit=_CHUNK
        )
        found += some
        if len(some) < _CHUNK:
            return found
