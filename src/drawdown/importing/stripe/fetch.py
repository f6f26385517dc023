"""Everything of an account that is brought over, got page by page."""

from __future__ import annotations

from collections.abc import Callable

from drawdown.core.types import Instant
from drawdown.importing.fetching import Fetcher, few_at_once
from drawdown.importing.pages import Folder
from drawdown.importing.problems import Problems
from drawdown.importing.stripe import places, records
from drawdown.importing.stripe.account import Account, read_account
from drawdown.importing.stripe.reading import read_holding


async def fetch(
    fetcher: Fetcher, folder: Folder, base_url: str, now: Callable[[], Instant]
) -> None:
    """Get what is not there yet. Raises ``ImportRefused``."""
    source = folder.begin(places.VENDOR, base_url, now())
    if source.finished_at is not None:
        return
    await fetcher.get_list(places.GRANTS, places.PATH_OF_GRANTS)
    await fetcher.get_list(places.CUSTOMERS, places.PATH_OF_CUSTOMERS)
    await _fetch_unlisted(fetcher, folder)
    problems = Problems()
    account = read_account(folder, problems, now())
    problems.refuse()
    await few_at_once(
        [
            lambda name=name: _fetch_credit(fetcher, account, name, now)  # type: ignore[misc]
            for name in account.grants
        ]
    )
    folder.finish(source, now())


async def _fetch_unlisted(fetcher: Fetcher, folder: Folder) -> None:
    """Who has grants and is not listed: he was deleted, and still answers to his id."""
    problems = Problems()
    listed = folder.records(places.CUSTOMERS, records.Customer, lambda each: each.id, problems)
    known = {each.id for _, each in listed}
    read = folder.records(places.GRANTS, records.Grant, lambda each: each.id, problems)
    problems.refuse()
    missing = {each.customer for _, each in read if each.test_clock is None} - known
    await few_at_once(
        [
            lambda name=name: fetcher.get_object(  # type: ignore[misc]
                places.unlisted(name), f"{places.PATH_OF_CUSTOMERS}/{name}"
            )
            for name in sorted(missing)
        ]
    )


async def _fetch_credit(
    fetcher: Fetcher, account: Account, customer: str, now: Callable[[], Instant]
) -> None:
    """The transactions come first: what is asked for next is what they leave of each grant."""
    if account.people[customer].deleted:  # whose balance is not answered
        for each in account.grants[customer]:
            name = places.transactions(each.record.id)
            await fetcher.get_list(name, places.PATH_OF_TRANSACTIONS, credit_grant=each.record.id)
        return
    name = places.transactions(customer)
    await fetcher.get_list(name, places.PATH_OF_TRANSACTIONS, customer=customer)
    by_scope = {
        "filter[type]": "applicability_scope",
        "filter[applicability_scope][price_type]": "metered",
    }
    await _fetch_balance(fetcher, customer, customer, by_scope)
    problems = Problems()
    holding = read_holding(account, customer, problems, now())
    problems.refuse()
    for given in [] if holding is None else holding.with_balance():
        by_grant = {"filter[type]": "credit_grant", "filter[credit_grant]": given.there.id}
        await _fetch_balance(fetcher, customer, given.there.id, by_grant)


async def _fetch_balance(fetcher: Fetcher, customer: str, of: str, asked: dict[str, str]) -> None:
    name = places.balance(of)
    await fetcher.get_object(name, places.PATH_OF_BALANCE, customer=customer, **asked)
