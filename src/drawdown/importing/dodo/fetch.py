"""Everything of an account that is brought over, got page by page."""

from __future__ import annotations

from collections.abc import Callable

from drawdown.core.types import Instant
from drawdown.importing.dodo import places
from drawdown.importing.dodo.records import Balance, Entitlement
from drawdown.importing.fetching import Fetcher, NotThere, few_at_once
from drawdown.importing.pages import Folder
from drawdown.importing.problems import Problems


async def fetch(
    fetcher: Fetcher, folder: Folder, base_url: str, now: Callable[[], Instant]
) -> None:
    """Get what is not there yet. Raises ``ImportRefused``."""
    source = folder.begin(places.VENDOR, base_url, now())
    if source.finished_at is not None:
        return
    await fetcher.get_list(places.ENTITLEMENTS, "/credit-entitlements")
    await fetcher.get_list(places.DELETED, "/credit-entitlements", deleted="true")
    await fetcher.get_list(places.CUSTOMERS, "/customers")
    problems = Problems()
    for name in (places.ENTITLEMENTS, places.DELETED):
        for _, kind in folder.records(name, Entitlement, lambda each: each.id, problems):
            await _fetch_credit(fetcher, folder, kind.id, problems, deleted=name == places.DELETED)
    problems.refuse()
    folder.finish(source, now())


async def _fetch_credit(
    fetcher: Fetcher, folder: Folder, kind: str, problems: Problems, *, deleted: bool
) -> None:
    """Of an entitlement that is deleted the vendor need not answer what there was."""
    name = places.balances(kind)
    try:
        await fetcher.get_list(name, places.path_of_balances(kind))
    except NotThere:
        if not deleted:
            raise
        folder.keep(name, 0, b'{"items":[]}')
    found = folder.records(name, Balance, lambda each: each.customer_id, problems)
    await few_at_once(
        [
            lambda customer=each.customer_id: _fetch_wallet(fetcher, kind, customer)  # type: ignore[misc]
            for _, each in found
        ]
    )


async def _fetch_wallet(fetcher: Fetcher, kind: str, customer: str) -> None:
    """The ledger comes first: who lists it has what is due recorded, in the grants too."""
    grants, ledger = places.grants(kind, customer), places.ledger(kind, customer)
    await fetcher.get_list(ledger, places.path_of_ledger(kind, customer))
    await fetcher.get_list(grants, places.path_of_grants(kind, customer))
