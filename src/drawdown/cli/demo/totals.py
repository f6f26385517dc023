"""What was used, asked in every way the server can be asked. Sums are exact decimals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from drawdown.cli.database import with_ledger
from drawdown.cli.verify import walk
from drawdown.client import Balance, Client, Entry
from drawdown.core.amounts import render

PAGE = 100
DODO, SEQUENCE, STRIPE = "/dodo", "/sequence", "/v1"


class Total(msgspec.Struct, frozen=True):
    """How much was used, where that was read, and from how many things."""

    where: str
    how: str
    amount: Decimal


def every(client: Client, database: str, names: Sequence[str]) -> Iterator[Total]:
    """The same question to each who can answer it exactly: all must agree to the last digit."""
    granted = _sum(balance(client, name).granted for name in names)
    yield entries(client, names)
    used = _sum(balance(client, name).used for name in names)
    yield Total("Native API", f"{len(names)} balances, used", used)
    yield double_entry(database)
    yield dodo(client, names, granted)
    yield sequence(client, names, granted)


def balance(client: Client, name: str) -> Balance:
    return client.balance(name, "usd")


def entries(client: Client, names: Sequence[str]) -> Total:
    """Every entry that drew on a grant, page after page."""
    drawn = [entry.amount for name in names for entry in draws(client, name)]
    return Total("Entries", f"{len(drawn):,} draws, summed up", _sum(drawn))


def draws(client: Client, name: str) -> Iterator[Entry]:
    """A customer's entries that drew on a grant, newest first."""
    found = client.entries(name, entitlement="usd")
    return (entry for entry in found if entry.kind == "debited")


def double_entry(database: str) -> Total:
    """Straight from the file, as `drawdown verify` reads it, while the server runs."""
    verified = with_ledger(database, walk)
    totals = verified.totals["usd"]
    how = f"{verified.entries:,} entries recomputed, account used"
    return Total("Double entry", how, Decimal(render(totals.used, totals.scale)))


def dodo(client: Client, names: Sequence[str], granted: Decimal) -> Total:
    path = f"{DODO}/credit-entitlements/usd/balances"
    left = _sum(client.request("GET", f"{path}/{name}")["balance"] for name in names)
    return Total("Dodo Payments", "granted − balances", granted - left)


def sequence(client: Client, names: Sequence[str], granted: Decimal) -> Total:
    """Grants used up are not outstanding any more, so what is missing was used."""
    grants = (
        grant
        for name in names
        for grant in client.request("GET", f"{SEQUENCE}/credits/{name}/grants")["items"]
    )
    left = _sum(grant["balance"] for grant in grants)
    return Total("Sequence", "granted − outstanding grants", granted - left)


def stripe_grants(client: Client, **query: str) -> Iterator[Any]:
    """Stripe's pages: the last id shown is the cursor."""
    path, asked = f"{STRIPE}/billing/credit_grants", {"limit": str(PAGE), **query}
    while True:
        page = client.request("GET", path, query=asked)
        yield from page["data"]
        if not page["has_more"]:
            return
        asked["starting_after"] = page["data"][-1]["id"]


def _sum(amounts: Iterable[Decimal | str | int]) -> Decimal:
    """Decimals of at most 19 digits each: far within the 28 that are exact."""
    return sum((Decimal(amount) for amount in amounts), Decimal(0))
