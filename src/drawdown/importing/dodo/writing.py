"""Bringing an account over, by ordinary commands of the ledger.

Each is under a key that follows from the vendor's id, so it may be done again, whatever ended it: what is
there is not made twice. An entitlement that is deleted at the vendor is closed as soon as all of it is there,
since only then another may have its name.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

import msgspec

from drawdown.core import amounts
from drawdown.core.commands import (
    CloseEntitlement,
    Command,
    Debit,
    DocumentChange,
    IssueGrant,
    KeepDocuments,
    ResetOverage,
)
from drawdown.core.documents import DOCUMENTS_MAX
from drawdown.core.errors import AlreadyExists, KeyReused, LedgerError
from drawdown.core.requests import Accepted, Answer, LedgerKey
from drawdown.core.types import Customer, Entitlement, Id
from drawdown.dialects.dodo.credit import imported
from drawdown.dialects.dodo.credit.imported import EntryThere, row_place
from drawdown.engine.ledger import Ledger
from drawdown.importing.chunks import chunks
from drawdown.importing.dodo.account import Account, Kind, Person
from drawdown.importing.dodo.wallets import Given, Happened, Holding, read_wallets
from drawdown.importing.problems import ImportRefused, Problems

#: So many wallets are written at once, so that their writes share transactions.
AT_ONCE = 64
Told = Callable[[str, int], None]

_encode = msgspec.json.Encoder().encode


class Writer:
    """One account into one book. ``told`` hears of what, and how many, were written."""

    def __init__(self, ledger: Ledger, book: Id, account: Account, told: Told) -> None:
        self._ledger, self._book, self._account, self._told = ledger, book, account, told
        self._people: dict[str, Id] = {}

    async def write(self) -> None:
        """Raises ``ImportRefused`` where something else stands in the way."""
        for some in chunks(self._account.people.values(), AT_ONCE):
            made = await asyncio.gather(*map(self._bring_person, some))
            self._people.update((each.there, one) for each, one in zip(some, made, strict=True))
            self._told("customers", len(some))
        for kind in self._account.kinds:
            await self._bring_kind(kind)

    # Who and what --------------------------------------------------------------------------------

    async def _bring_person(self, person: Person) -> Id:
        try:
            await self._submit(person.command, self._key("customer", person.there), person.id)
        except AlreadyExists as error:
            if error.fields["field"] != "id" or person.id is not None:
                raise _in_the_way("customer", person.there, error) from None
        found = await self._ledger.customer(self._book, person.id or person.there)
        self._check_brought(found, "customer", person.there)
        return found.id

    async def _bring_kind(self, kind: Kind) -> None:
        try:
            await self._submit(kind.command, self._key("entitlement", kind.there), kind.id)
        except AlreadyExists as error:
            if error.fields["field"] != "code":
                raise _in_the_way("credit entitlement", kind.there, error) from None
        found = await self._ledger.entitlement(self._book, kind.id or kind.there)
        self._check_brought(found, "credit entitlement", kind.there)
        now, unread = self._ledger.clock.now(), Problems()
        for some in chunks(read_wallets(self._account, kind, unread, now), AT_ONCE):
            await asyncio.gather(*(self._bring_wallet(found, each) for each in some))
            self._told("balances", len(some))
        unread.refuse()
        if kind.deleted and found.closed_at is None:
            await self._submit(CloseEntitlement(entitlement=found.id), None)

    def _check_brought(self, found: Customer | Entitlement, what: str, there: str) -> None:
        """Raises ``ImportRefused`` for one that has the vendor's id, and is another's."""
        mark = found.profiles.get(imported.PROFILE)
        if mark != {"business": self._account.business, "id": there}:
            raise ImportRefused(
                f"The book has a {what} {there} that was not brought over from "
                f"{self._account.business}.",
                "Import into a book of its own.",
            )

    # A wallet ------------------------------------------------------------------------------------

    async def _bring_wallet(self, kind: Entitlement, holding: Holding) -> None:
        """Grants, the oldest first, then overage, which no grant of these repays, then the history."""
        owner = self._people[holding.customer]
        grants = [self._grant(owner, kind, each) for each in holding.grants]
        answers = await self._ledger.submit_many(self._book, grants) if grants else []
        for given, answer in zip(holding.grants, answers, strict=True):
            if isinstance(answer, BaseException):
                raise _told_of(answer, f"grant {given.there.id}")
        if holding.overage:
            await self._bring_overage(owner, kind, holding)
        elif not grants:  # there is a balance, though nothing is left of what moved it
            key = self._key("balance", kind.id.hex())
            await self._submit(ResetOverage(customer=owner, entitlement=kind.id), key)
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
        return command, _nothing, self._key("grant", given.there.id)

    async def _bring_overage(self, owner: Id, kind: Entitlement, holding: Holding) -> None:
        command = Debit(
            customer=owner,
            entitlement=kind.id,
            amount=amounts.normalised(holding.overage, kind.scale),
            as_overage=True,
            reason=imported.REASON,
        )
        try:
            await self._submit(command, self._key("overage", kind.id.hex()))
        except LedgerError as error:
            raise _told_of(error, f"overage of customer {holding.customer}") from None

    async def _keep(self, owner: Id, kind: Entitlement, rows: Sequence[Happened]) -> None:
        """Rows of the ledger, in one document each, whose ids follow from what they say."""
        changes = tuple(_document(owner, kind, each) for each in rows)
        digest = hashlib.sha256(b"".join(each.id for each in changes)).hexdigest()
        await self._ledger.submit(
            self._book,
            KeepDocuments(customer=owner),
            _nothing,
            key=self._key("rows", digest),
            documents=changes,
        )

    # Asking --------------------------------------------------------------------------------------

    def _key(self, what: str, there: str) -> LedgerKey:
        return LedgerKey(f"import.dodo.{what}:{self._account.business}", there)

    async def _submit(
        self, command: Command, key: LedgerKey | None, identifier: Id | None = None
    ) -> None:
        await self._ledger.submit(self._book, command, _nothing, key=key, id=identifier)


def _nothing(_: Accepted) -> Answer:
    return Answer(status=200, body=b"")


def _document(owner: Id, kind: Entitlement, happened: Happened) -> DocumentChange:
    row = happened.row
    said = {name: getattr(row, name) for name in _SAID}
    body = EntryThere(
        entitlement=kind.id.hex(), at=happened.at, metadata=row.metadata or {}, **said
    )
    place = row_place(owner, happened.at, happened.rank, f"{kind.id.hex()}:{row.id}")
    return DocumentChange(id=place, owner=owner, kind=imported.ENTRY, body=_encode(body).decode())


_SAID = sorted(set(EntryThere.__struct_fields__) - {"entitlement", "at", "metadata"})


def _in_the_way(what: str, there: str, error: AlreadyExists) -> ImportRefused:
    return ImportRefused(
        f"The {what} {there} cannot be made: {error}",
        "Import into a book of its own, or call the other one something else.",
    )


def _told_of(error: BaseException, what: str) -> BaseException:
    """What a refusal is told as; what is no refusal stays as it is."""
    if isinstance(error, KeyReused):
        return ImportRefused(
            f"The {what} was brought over before, and the pages say something else of it now.",
            "Go on with the pages of then, or import into an empty book.",
        )
    return (
        ImportRefused(f"The {what} is refused: {error}")
        if isinstance(error, LedgerError)
        else error
    )
