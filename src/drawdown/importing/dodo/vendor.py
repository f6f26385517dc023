"""All of it, for the command."""

from __future__ import annotations

from drawdown.core.types import Id
from drawdown.engine.ledger import Ledger
from drawdown.importing.dodo import places
from drawdown.importing.dodo.account import Account
from drawdown.importing.dodo.fetch import fetch
from drawdown.importing.dodo.proving import check, prove
from drawdown.importing.dodo.writing import Writer
from drawdown.importing.fetching import Http, Transport
from drawdown.importing.moving import Vendor
from drawdown.importing.writing import Told


def connect(base_url: str, key: str) -> Transport:
    return Http(base_url, {"authorization": f"Bearer {key}"})


async def write(ledger: Ledger, book: Id, account: Account, told: Told) -> None:
    await Writer(ledger, book, account, told).write()


DODO = Vendor(
    example="https://live.dodopayments.com",
    pages=places.PAGES,
    connect=connect,
    fetch=fetch,
    check=check,
    write=write,
    prove=prove,
)
