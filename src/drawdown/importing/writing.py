"""Bringing over by ordinary commands of the ledger, each under a key that follows from the vendor's id.

So it may be done again, whatever ended it: what is there is not made twice.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

import msgspec

from drawdown.core.commands import Command, CreateCustomer, DocumentChange, KeepDocuments
from drawdown.core.errors import AlreadyExists, KeyReused, LedgerError
from drawdown.core.requests import Accepted, Answer, LedgerKey
from drawdown.core.types import Customer, Entitlement, Id, Instant, Profiles
from drawdown.engine.ledger import Ledger
from drawdown.importing.chunks import chunks
from drawdown.importing.problems import ImportRefused

#: So many wallets or customers are written at once, so that their writes share transactions.
AT_ONCE = 64
Told = Callable[[str, int], None]


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A customer. ``command`` makes him; ``id`` is what he is to be called by, where it can be.

    ``deleted``: he was, there.
    """

    created_at: Instant
    there: str
    id: Id | None
    command: CreateCustomer
    deleted: bool = False


class Bringing:
    """One account of a vendor into one book.

    ``profile`` is the name under which a record keeps what it was there; ``origin`` is whose it was.
    """

    def __init__(
        self, ledger: Ledger, book: Id, vendor: str, account: str, profile: str, origin: str
    ) -> None:
        self.ledger, self.book = ledger, book
        self._vendor, self._account, self._profile = vendor, account, profile
        self._origin = origin

    def key(self, what: str, there: str) -> LedgerKey:
        return LedgerKey(f"import.{self._vendor}.{what}:{self._account}", there)

    async def submit(
        self, command: Command, key: LedgerKey | None, identifier: Id | None = None
    ) -> None:
        await self.ledger.submit(self.book, command, nothing, key=key, id=identifier)

    async def people(self, people: Sequence[Person], told: Told) -> dict[str, Customer]:
        """All of them, by their ids there. Raises ``ImportRefused`` for whom somebody stands in the way."""
        found: dict[str, Customer] = {}
        for some in chunks(people, AT_ONCE):
            made = await asyncio.gather(*map(self._person, some))
            found.update((each.there, one) for each, one in zip(some, made, strict=True))
            told("customers", len(some))
        return found

    async def _person(self, person: Person) -> Customer:
        try:
            await self.submit(person.command, self.key("customer", person.there), person.id)
        except AlreadyExists as error:
            if error.fields["field"] != "id" or person.id is not None:
                raise in_the_way("customer", person.there, error) from None
        found = await self.ledger.customer(self.book, person.id or person.there)
        self.check_brought(found, "customer", person.there, person.command.profiles)
        return found

    def check_brought(
        self, found: Customer | Entitlement, what: str, there: str, profiles: Profiles
    ) -> None:
        """Raises ``ImportRefused`` for one that has the vendor's id, and is another's."""
        if found.profiles.get(self._profile) != profiles[self._profile]:
            raise ImportRefused(
                f"The book has a {what} {there} that was not brought over from {self._origin}.",
                "Import into a book of its own.",
            )

    async def keep(self, owner: Id | None, what: str, changes: Sequence[DocumentChange]) -> None:
        """Documents of a customer's, or of the book's (None), whose ids follow from what they say."""
        digest = hashlib.sha256(b"".join(each.id for each in changes)).hexdigest()
        await self.ledger.submit(
            self.book,
            KeepDocuments(customer=owner),
            nothing,
            key=self.key(what, digest),
            documents=tuple(changes),
        )


def nothing(_: Accepted) -> Answer:
    return Answer(status=200, body=b"")


def in_the_way(what: str, there: str, error: AlreadyExists) -> ImportRefused:
    return ImportRefused(
        f"The {what} {there} cannot be made: {error}",
        "Import into a book of its own, or call the other one something else.",
    )


def told_of(error: BaseException, what: str) -> BaseException:
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
