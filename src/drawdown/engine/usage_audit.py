"""``verify`` of usage: every customer's counts are computed again from his events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from drawdown.core.context import written
from drawdown.core.fold import Fault
from drawdown.core.types import Id
from drawdown.core.usage.fold import RatesByText, UsageFold, rates_by_text
from drawdown.core.usage.records import Catalog, Event
from drawdown.core.watching.usage_fold import TotalsFold
from drawdown.engine.claims_audit import ClaimsAudit
from drawdown.engine.ports import Audit


async def verify_usage(audit: Audit, claims: ClaimsAudit) -> AsyncIterator[int]:
    """Yields how many events were seen, after each customer. Raises ``Fault`` at the first that is wrong."""
    seen, of_book = 0, dict[Id, tuple[Catalog, RatesByText]]()
    last: Event | None = None
    fold, watched = UsageFold({}), TotalsFold(Id(b""), Catalog())
    async for event in audit.walk_events():
        if event is None:
            assert last is not None, "nobody's usage has an end without a beginning"
            await _check(audit, last.customer, fold, watched)
            last = None
            yield seen
            continue
        if event.book not in of_book:
            catalog = await audit.find_catalog(event.book)
            of_book[event.book] = catalog, rates_by_text(catalog)
        if last is None:
            catalog, rates = of_book[event.book]
            fold, watched = UsageFold(rates), TotalsFold(event.customer, catalog)
        _add(fold, event)
        watched.add(event)
        await claims.add(event)
        last = event
        seen += 1
    await claims.end()


def _add(fold: UsageFold, event: Event) -> None:
    try:
        fold.add(event)
    except Fault as fault:
        raise Fault(f"customer {written(event.customer)}: {fault}") from None


async def _check(audit: Audit, customer: Id, fold: UsageFold, watched: TotalsFold) -> None:
    try:
        fold.check(*await audit.usage_of(customer))
        if watched.watches:
            watched.check(await audit.watched_of(customer))
    except Fault as fault:
        raise Fault(f"customer {written(customer)}: {fault}") from None
