"""Bringing an account over, by ordinary commands of the ledger.

Grants come in the order in which they were made, whosever they are, so that lists have them in that order.
What was voided is voided here, and who was deleted is so once all that he had is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from drawdown.core import amounts, currencies
from drawdown.core.billing.records import PRICE
from drawdown.core.commands import CloseCustomer, Command, DocumentChange, IssueGrant, VoidGrant
from drawdown.core.documents import DOCUMENTS_MAX
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import MICROSECONDS, Customer, Id, Instant
from drawdown.dialects.stripe import imported, wire
from drawdown.engine.ledger import Ledger
from drawdown.importing.chunks import chunks
from drawdown.importing.problems import Problems
from drawdown.importing.stripe.account import Account
from drawdown.importing.stripe.holdings import Given, Holding
from drawdown.importing.stripe.places import TITLE, VENDOR
from drawdown.importing.stripe.reading import read_holdings
from drawdown.importing.writing import AT_ONCE, Bringing, Told, told_of


class Writer:
    """One account into one book. ``told`` hears of what, and how many, were written."""

    def __init__(self, ledger: Ledger, book: Id, account: Account, told: Told) -> None:
        self._ledger, self._book, self._account, self._told = ledger, book, account, told
        # The vendor's ids are nobody else's, so that no name of the account is needed beside them.
        self._bringing = Bringing(ledger, book, VENDOR, "", imported.PROFILE, TITLE)
        self._people: dict[str, Customer] = {}

    async def write(self) -> None:
        """Raises ``ImportRefused`` where something else stands in the way."""
        people = list(self._account.people.values())
        self._people = await self._bringing.people(people, self._told)
        now, unread = self._ledger.clock.now(), Problems()
        grants = [
            each for holding in read_holdings(self._account, unread, now) for each in holding.grants
        ]
        unread.refuse()
        grants.sort(key=lambda each: (each.record.created, each.number))
        for some in chunks(grants, AT_ONCE):
            await self._bring_grants(some)
            self._told("grants", len(some))
        for these in chunks(read_holdings(self._account, unread, now), AT_ONCE):
            await asyncio.gather(*map(self._bring_transactions, these))
            self._told("transactions", sum(len(each.rows) for each in these))
        unread.refuse()
        for person in people:
            if person.deleted and self._people[person.there].closed_at is None:
                gone = CloseCustomer(customer=self._people[person.there].id)
                await self._bringing.submit(gone, self._bringing.key("deleted", person.there))

    # Grants --------------------------------------------------------------------------------------

    async def _bring_grants(self, some: Sequence[Given]) -> None:
        made = await self._do("grant", [(each, self._grant(each)) for each in some])
        ids = [Id(each.body) for each in made]
        voided = [(given, id) for given, id in zip(some, ids, strict=True) if given.is_void]
        await self._do("void", [(given, VoidGrant(grant=id)) for given, id in voided])
        found = [
            imported.place_of_grant(self._book, given.there.id, id)
            for given, id in zip(some, ids, strict=True)
        ]
        await self._keep_places(found)

    async def _do(self, what: str, asked: Sequence[tuple[Given, Command]]) -> list[Answer]:
        """Each under its own key. Raises ``ImportRefused`` for the first that is refused."""
        if not asked:
            return []
        answers = await self._ledger.submit_many(
            self._book,
            [
                (command, _grant_id, self._bringing.key(what, given.there.id))
                for given, command in asked
            ],
        )
        done: list[Answer] = []
        for (given, _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, BaseException):
                raise told_of(answer, f"grant {given.there.id}")
            done.append(answer)
        return done

    def _grant(self, given: Given) -> IssueGrant:
        """One that was voided has no end here: it could not be voided after that."""
        record, places = given.record, currencies.MINOR_PLACES[given.currency]
        scope = record.applicability_config.scope.prices
        ends_at = None if given.is_void else given.ends_at
        mark = {imported.PROFILE: msgspec.to_builtins(given.there)}
        return IssueGrant(
            customer=self._people[record.customer].id,
            entitlement=given.currency,
            amount=amounts.normalised(given.amount, places),
            used_before=amounts.normalised(given.used, places),
            priority=record.priority,
            category=record.category,
            effective_at=_instant(given.effective_at),
            expires_at=None if ends_at is None else _instant(ends_at),
            name=record.name,
            scope={PRICE: tuple(each.id for each in scope)} if scope else {},
            metadata=given.metadata,
            profiles={**mark, **(wire.NAMELESS if record.name is None else {})},
            reason=imported.REASON,
        )

    # Transactions --------------------------------------------------------------------------------

    async def _bring_transactions(self, holding: Holding) -> None:
        owner = self._people[holding.person.there].id
        found = [imported.transaction_change(owner, each.rank, each.there) for each in holding.rows]
        for some in chunks(found, DOCUMENTS_MAX):
            await self._bringing.keep(owner, "transactions", some)
        await self._keep_places(
            [
                imported.place_of_transaction(self._book, each.there.id, document.id)
                for each, document in zip(holding.rows, found, strict=True)
            ]
        )

    async def _keep_places(self, found: Sequence[DocumentChange]) -> None:
        keep = self._bringing.keep
        await asyncio.gather(*(keep(None, "places", some) for some in chunks(found, DOCUMENTS_MAX)))


def _grant_id(accepted: Accepted) -> Answer:
    assert accepted.grant is not None, "each of these is about a grant"
    return Answer(status=200, body=accepted.grant.id)


def _instant(seconds: int) -> Instant:
    return Instant(seconds * MICROSECONDS)
