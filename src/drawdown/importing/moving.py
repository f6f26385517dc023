"""The whole way, the same for every vendor: fetch, check, write, compare."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from drawdown.core.types import Id, Instant
from drawdown.engine.ledger import Ledger
from drawdown.importing.fetching import Fetcher, Told, Transport, check_url
from drawdown.importing.pages import Folder, Pages
from drawdown.importing.report import Report

Account = TypeVar("Account")


@dataclass(frozen=True, kw_only=True)
class Vendor(Generic[Account]):
    """What is a vendor's own. ``example`` is a base URL, ``Account`` what its pages say, once checked."""

    example: str
    pages: Pages
    connect: Callable[[str, str], Transport]
    fetch: Callable[[Fetcher, Folder, str, Callable[[], Instant]], Awaitable[None]]
    check: Callable[[Folder, Instant, Told], tuple[Account, Report]]
    write: Callable[[Ledger, Id, Account, Told], Awaitable[None]]
    prove: Callable[[Ledger, Id, Account, Report, Told], Awaitable[Report]]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How an account is to be moved. ``source``: its base URL and key; None: the pages are all there is."""

    source: tuple[str, str] | None
    dry_run: bool
    accept_differences: bool


async def move(
    vendor: Vendor[Account],
    ledger: Ledger,
    book: Id,
    folder: Folder,
    wanted: Wanted,
    told: Callable[[str], Told],
) -> Report:
    """``told`` says who is to hear of a step. Raises ``ImportRefused``; whatever ends it, run it again."""
    if wanted.source is not None:
        await _fetch(vendor, ledger, folder, wanted.source, told("Fetching"))
    account, checked = vendor.check(folder, ledger.clock.now(), told("Checking"))
    if wanted.dry_run or (checked.findings and not wanted.accept_differences):
        return checked
    await vendor.write(ledger, book, account, told("Writing"))
    return await vendor.prove(ledger, book, account, checked, told("Comparing"))


async def _fetch(
    vendor: Vendor[Account], ledger: Ledger, folder: Folder, source: tuple[str, str], told: Told
) -> None:
    base_url, key = source
    check_url(base_url, vendor.example)
    async with Fetcher(vendor.connect(base_url, key), folder, told) as fetcher:
        await vendor.fetch(fetcher, folder, base_url.rstrip("/"), ledger.clock.now)
