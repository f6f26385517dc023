"""Everything of an account that is brought over, got page by page."""

from __future__ import annotations

from collections.abc import Callable

from drawdown.core.types import Instant
from drawdown.importing.fetching import Fetcher, few_at_once
from drawdown.importing.pages import Folder
from drawdown.importing.problems import Problems
from drawdown.importing.sequence import places, records
from drawdown.importing.sequence.account import Listed, read_grants, unlisted


async def fetch(
    fetcher: Fetcher, folder: Folder, base_url: str, now: Callable[[], Instant]
) -> None:
    """Get what is not there yet. Raises ``ImportRefused``.

    Grants come before what each customer has: what is asked for later holds.
    """
    source = folder.begin(places.VENDOR, base_url, now())
    if source.finished_at is not None:
        return
    for name, path in places.PATHS.items():
        await fetcher.get_list(name, path)
    problems = Problems()
    listed = read_grants(folder, problems)
    await _fetch_unlisted(fetcher, folder, listed, problems)
    problems.refuse()
    await few_at_once(
        [
            lambda name=name: fetcher.get_object(  # type: ignore[misc]
                places.balances(name), places.path_of_balances(name)
            )
            for name in dict.fromkeys(each.record.customer_id for each in listed)
        ]
    )
    folder.finish(source, now())


async def _fetch_unlisted(
    fetcher: Fetcher, folder: Folder, listed: list[Listed], problems: Problems
) -> None:
    found = folder.records(places.CUSTOMERS, records.Customer, lambda each: each.id, problems)
    await few_at_once(
        [
            lambda name=name: fetcher.get_object(  # type: ignore[misc]
                places.unlisted(name), f"{places.PATHS[places.CUSTOMERS]}/{name}"
            )
            for name in unlisted(listed, {each.id for _, each in found})
        ]
    )
