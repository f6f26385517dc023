"""Balances and grants at other instants: as they were, against what was seen then; and as they will be."""

from __future__ import annotations

from collections import Counter, OrderedDict

import msgspec

from drawdown.core.types import Id, Instant
from drawdown.engine.ledger import Ledger
from tests.simulation import compare
from tests.simulation.plays import DAY, HOUR, Difference
from tests.simulation.requests import Names, customer_name
from tests.support.naive import NaiveWallet, looked_at

#: One look in so many turns, and so many instants of a wallet that are remembered.
EVERY, REMEMBERED = 4, 6
EVERYTHING = 100_000

Place = tuple[int, str]


class Seen(msgspec.Struct):
    """A wallet at an instant: its sums, and each grant's numbers by its id."""

    sums: tuple[int, ...]
    grants: dict[Id, tuple[int, ...]]


class Looking:
    """Remembers wallets as they were, and looks at them again later."""

    def __init__(self, book: Id, names: Names, counts: Counter[str]) -> None:
        self._book, self._names, self._counts = book, names, counts
        self._seen: dict[Place, OrderedDict[int, Seen]] = {}
        self._latest: dict[Place, int] = {}
        self._turns = 0

    def remember(self, customer: int, unit: str, wallet: NaiveWallet, now: int) -> None:
        """As it is after all that was done at its latest instant; anything later comes after that.

        Where the clock stood still or stepped back, more may have been done at the instant before.
        """
        self._turns += 1
        seen = self._seen.setdefault((customer, unit), OrderedDict())
        at, before = wallet.last_at, self._latest.get((customer, unit), 0)
        if now <= before < at:
            seen.pop(before, None)
        self._latest[(customer, unit)] = at
        if at in seen or (at and self._turns % EVERY == 0):
            grants = {
                self._names[grant.name]: compare.naive_numbers(grant) for grant in wallet.grants
            }
            seen[at] = Seen(wallet.sums(at), grants)
        while len(seen) > REMEMBERED:
            seen.popitem(last=False)

    async def look(
        self, ledger: Ledger, customer: int, unit: str, wallet: NaiveWallet, now: int
    ) -> None:
        """Now and then, at one instant before and one to come."""
        if self._turns % EVERY == 1:
            await self._ahead(ledger, customer, unit, wallet, now)
        if self._turns % EVERY == 2:
            await self._back(ledger, customer, unit)

    async def _ahead(
        self, ledger: Ledger, customer: int, unit: str, wallet: NaiveWallet, now: int
    ) -> None:
        """What time alone will do: at the next instant at which it does something, or later."""
        coming = sorted(at for at in instants_of(wallet) if now < at < now + 300 * DAY)
        later = now + (HOUR, DAY, 40 * DAY)[self._turns % 3]
        at = Instant(coming[0] if coming and self._turns % 2 else later)
        if at < wallet.last_at:
            return  # the clock has stepped back: that is no future for the wallet
        seen, then = looked_at(wallet, at)
        try:
            found = await ledger.balance(self._book, customer_name(customer), unit, at=at)
            compare.check_sums(found, seen, then)
        except Difference as difference:
            difference.add_note(f"foreseen for {at}")
            raise
        self._counts["a balance is foreseen"] += 1

    async def _back(self, ledger: Ledger, customer: int, unit: str) -> None:
        seen = self._seen.get((customer, unit))
        if not seen:
            return
        at = list(seen)[self._turns % len(seen)]
        name = customer_name(customer)
        balance = await ledger.balance(self._book, name, unit, at=Instant(at))
        sums = compare.sums_of(balance)
        grants = await ledger.grants(
            self._book, customer=name, entitlement=unit, at=Instant(at), limit=EVERYTHING
        )
        found = {grant.id: compare.numbers_of(grant) for grant in grants}
        if sums != seen[at].sums:
            raise Difference(f"at {at} the sums were {seen[at].sums}, and are told as {sums}")
        if found != seen[at].grants:
            raise Difference(f"at {at} grants were {seen[at].grants}, and are told as {found}")
        self._counts["a balance is looked back at"] += 1


def instants_of(wallet: NaiveWallet) -> list[int]:
    found = [hold.expires_at for hold in wallet.holds if hold.state == "open"]
    for grant in wallet.grants:
        if grant.remaining:
            found += [grant.effective_at, grant.expires_at]
    return found + [schedule.next()[0] for schedule in wallet.schedules]
