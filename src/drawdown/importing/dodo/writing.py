"""Bringing an account over, by ordinary commands of the ledger.

Each is under a key that follows from the vendor's id, so it may be done again, whatever ended it: what is
there is not made twice. An entitlement that is deleted at the vendor is closed as soon as all of it is there,
since only then another may have its name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from drawdown.core import amounts
from drawdown.core.commands import (
    CloseEntitlement,
    Command,
    Debit,
    DocumentChange,
    IssueGrant,
    ResetOverage,
)
from drawdown.core.documents import DOCUMENTS_MAX
from drawdown.core.errors import AlreadyExists, LedgerError
from drawdown.core.identity import placed
from drawdown.core.requests import Accepted, Answer, LedgerKey
from drawdown.core.types import Customer, Entitlement, Id
from drawdown.dialects.dodo.credit import imported
from drawdown.dialects.dodo.credit.imported import EntryThere
from drawdown.engine.ledger import Ledger
from drawdown.importing.chunks import chunks
from drawdown.importing.dodo.account import Account, Kind
from drawdown.importing.dodo.places import VENDOR
from drawdown.importing.dodo.wallets import Given, Happened, Holding, read_wallets
from drawdown.importing.problems import Problems
from drawdown.importing.writing import AT_ONCE, Bringing, Told, in_the_way, nothing, told_of

_encode = msgspec.json.Encoder().encode


class Writer:
    """One account into one book. ``told`` hears of what, and how many, were written."""

    def __init__(self, ledger: Ledger, book: Id, account: Account, told: Told) -> None:
        self._ledger, self._book, self._account, self._told = ledger, book, account, told
        self._bringing = Bringing(
            ledger, book, VENDOR, account.business, imported.PROFILE, account.business
        )
        self._people: dict[str, Customer] = {}

    async def write(self) -> None:
        """Raises ``ImportRefused`` where something else stands in the way."""
        people = list(self._account.people.values())
        self._people = await self._bringing.people(people, self._told)
        for kind in self._account.kinds:
            await self._bring_kind(kind)

    async def _bring_kind(self, kind: Kind) -> None:
        try:
            await self._bringing.submit(
                kind.command, self._bringing.key("entitlement", kind.there), kind.id
            )
        except AlreadyExists as error:
            if error.fields["field"] != "code":
                raise in_the_way("credit entitlement", kind.there, error) from None
        found = await self._ledger.entitlement(self._book, kind.id or kind.there)
        self._bringing.check_brought(found, "credit entitlement", kind.there, kind.command.profiles)
        now, unread = self._ledger.clock.now(), Problems()
        for some in chunks(read_wallets(self._account, kind, unread, now), AT_ONCE):
            await asyncio.gather(*(self._bring_wallet(found, each) for each in some))
            self._told("balances", len(some))
        unread.refuse()
        if kind.deleted and found.closed_at is None:
            await self._bringing.submit(CloseEntitlement(entitlement=found.id), None)

    # A wallet ------------------------------------------------------------------------------------

    async def _bring_wallet(self, kind: Entitlement, holding: Holding) -> None:
        """Grants, the oldest first, then overage, which no grant of these repays, then the history."""
        owner = self._people[holding.customer].id
        grants = [self._grant(owner, kind, each) for each in holding.grants]
        answers = await self._ledger.submit_many(self._book, grants) if grants else []
        for given, answer in zip(holding.grants, answers, strict=True):
            if isinstance(answer, BaseException):
                raise told_of(answer, f"grant {given.there.id}")
        if holding.overage:
            await self._bring_overage(owner, kind, holding)
        elif not grants:  # there is a balance, though nothing is left of what moved it
            key = self._bringing.key("balance", kind.id.hex())
            await self._bringing.submit(ResetOverage(customer=owner, entitlement=kind.id), key)
        for some in chunks(holding.rows, DOCUMENTS_MAX):
            await self._keep(owner, kind, some)

    def _grant(
        self, owner: Id, kind: Entitlement, given: Given
    ) -> tuple[Command, Callable[[Accepted], Answer], LedgerKey]:
        command = IssueGrant(
            customer=owner,
            entitlement=kind.id,
            amount=amounts.normalised(given.amount, kind.scale),
            used_before=amounts.normalised(given.used, kind.scale),
            effective_at=given.created_at,
            expires_at=given.expires_at,
            metadata=given.metadata,
            profiles={imported.PROFILE: msgspec.to_builtins(given.there)},
            reason=imported.REASON,
        )
        return command, nothing, self._bringing.key("grant", given.there.id)

    async def _bring_overage(self, owner: Id, kind: Entitlement, holding: Holding) -> None:
        command = Debit(
            customer=owner,
            entitlement=kind.id,
            amount=amounts.normalised(holding.overage, kind.scale),
            as_overage=True,
            reason=imported.REASON,
        )
        try:
            await self._bringing.submit(command, self._bringing.key("overage", kind.id.hex()))
        except LedgerError as error:
            raise told_of(error, f"overage of customer {holding.customer}") from None

    async def _keep(self, owner: Id, kind: Entitlement, rows: Sequence[Happened]) -> None:
        """Rows of the ledger, in one document each, whose ids follow from what they say."""
        changes = tuple(_document(owner, kind, each) for each in rows)
        await self._bringing.keep(owner, "rows", changes)


def _document(owner: Id, kind: Entitlement, happened: Happened) -> DocumentChange:
    row = happened.row
    said = {name: getattr(row, name) for name in _SAID}
    body = EntryThere(
        entitlement=kind.id.hex(), at=happened.at, metadata=row.metadata or {}, **said
    )
    place = placed(owner, happened.at, happened.rank, f"{kind.id.hex()}:{row.id}")
    return DocumentChange(id=place, owner=owner, kind=imported.ENTRY, body=_encode(body).decode())


_SAID = sorted(set(EntryThere.__struct_fields__) - {"entitlement", "at", "metadata"})
