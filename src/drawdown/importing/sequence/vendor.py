"""All of it, for the command."""

from __future__ import annotations

import base64

import msgspec

from drawdown.core.types import Id
from drawdown.dialects.sequence.dates import Days
from drawdown.dialects.sequence.dialect import VERSION, VERSION_HEADER
from drawdown.engine.ledger import Ledger
from drawdown.importing.fetching import Http, Transport
from drawdown.importing.moving import Vendor
from drawdown.importing.problems import ImportRefused
from drawdown.importing.report import Report
from drawdown.importing.sequence import places, proving
from drawdown.importing.sequence.account import Account
from drawdown.importing.sequence.fetch import fetch
from drawdown.importing.sequence.writing import Writer
from drawdown.importing.writing import Told


def connect(base_url: str, key: str) -> Transport:
    """``key`` is the client id and secret. Raises ``ImportRefused`` for one that is not both."""
    identifier, colon, secret = key.partition(":")
    if not (identifier and colon and secret):
        raise ImportRefused(
            "The key is no client id and secret.", "Give both, with a colon between them."
        )
    pair = base64.b64encode(key.encode()).decode("ascii")
    headers = {"authorization": f"Basic {pair}", VERSION_HEADER: VERSION}
    return Http(base_url, headers)


async def write(ledger: Ledger, book: Id, account: Account, told: Told) -> None:
    await Writer(ledger, book, await _in_its_zone(ledger, book, account), told).write()


async def prove(ledger: Ledger, book: Id, account: Account, checked: Report, told: Told) -> Report:
    return await proving.prove(
        ledger, book, await _in_its_zone(ledger, book, account), checked, told
    )


async def _in_its_zone(ledger: Ledger, book: Id, account: Account) -> Account:
    """The vendor's dates are days of the account that they are brought into."""
    owner = await ledger.accounts.of_book(book)
    return msgspec.structs.replace(account, days=Days(await ledger.accounts.zone_of(owner)))


SEQUENCE = Vendor(
    example="https://eu.sequencehq.com/api",
    pages=places.PAGES,
    connect=connect,
    fetch=fetch,
    check=proving.check,
    write=write,
    prove=prove,
)
