"""All of it, for the command."""

from __future__ import annotations

from drawdown.core.types import Id
from drawdown.engine.ledger import Ledger
from drawdown.importing.fetching import Transport
from drawdown.importing.moving import Vendor
from drawdown.importing.problems import ImportRefused
from drawdown.importing.stripe import places
from drawdown.importing.stripe.account import Account
from drawdown.importing.stripe.fetch import fetch
from drawdown.importing.stripe.proving import check, prove
from drawdown.importing.stripe.writing import Writer
from drawdown.importing.writing import Told


def connect(base_url: str, key: str) -> Transport:
    """Raises ``ImportRefused`` where the SDK is not installed: only who fetches has a use for it."""
    try:
        from drawdown.importing.stripe.sdk import Sdk
    except ImportError:
        raise ImportRefused(
            "Fetching needs Stripe's SDK, which is not installed.",
            "Install it (`pip install stripe`), or save the pages and leave out --from.",
        ) from None
    return Sdk(base_url, key)


async def write(ledger: Ledger, book: Id, account: Account, told: Told) -> None:
    await Writer(ledger, book, account, told).write()


STRIPE = Vendor(
    example="https://api.stripe.com",
    pages=places.PAGES,
    connect=connect,
    fetch=fetch,
    check=check,
    write=write,
    prove=prove,
)
