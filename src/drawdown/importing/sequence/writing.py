"""Bringing an account over, by ordinary commands of the ledger.

A metric that is deleted at the vendor is so here as soon as its credit is there, since only then another may
have its name. All other grants come in the order in which they were made, whosever they are, so that lists
have them in that order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import msgspec

from drawdown.core import amounts, currencies
from drawdown.core.commands import (
    CloseCustomer,
    CloseEntitlement,
    Command,
    CreateEntitlement,
    DocumentChange,
    IssueGrant,
    Money,
    VoidGrant,
)
from drawdown.core.documents import DOCUMENTS_MAX
from drawdown.core.errors import AlreadyExists, LedgerError
from drawdown.core.identity import dated
from drawdown.core.requests import Accepted, Answer
from drawdown.core.times import text_of
from drawdown.core.types import Category, Customer, Id, Shortfall
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.answering import PROFILE
from drawdown.dialects.sequence.customers import known
from drawdown.dialects.sequence.usage import kept, standing, unmapped
from drawdown.dialects.sequence.usage.kept import METRICS, Kept
from drawdown.dialects.sequence.usage.wire import MetricRecord, MetricThere
from drawdown.engine.ledger import Ledger
from drawdown.importing.chunks import chunks
from drawdown.importing.problems import Problems
from drawdown.importing.sequence.account import Account, Kind
from drawdown.importing.sequence.holdings import Given, Holding
from drawdown.importing.sequence.places import TITLE, VENDOR
from drawdown.importing.sequence.reading import read_holdings, scale_of
from drawdown.importing.writing import AT_ONCE, Bringing, Told, in_the_way, told_of


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
        for some in chunks(people, AT_ONCE):
            await asyncio.gather(*(self._bring_aliases(each.there) for each in some))
        kinds = list(self._account.kinds.values())
        grants = self._grants()
        for kind in kinds:
            if kind.deleted_at is not None:
                await self._bring_kind(kind)
                theirs = [each for each in grants if each.credit == kind.there]
                await self._bring_all_grants(theirs)
                await self._delete(kind)
        for kind in kinds:
            if kind.deleted_at is None:
                await self._bring_kind(kind)
        gone = {each.there for each in kinds if each.deleted_at is not None}
        await self._bring_all_grants([each for each in grants if each.credit not in gone])
        await self._bring_all_transactions()
        for person in people:
            if person.deleted and self._people[person.there].closed_at is None:
                over = CloseCustomer(customer=self._people[person.there].id)
                await self._bringing.submit(over, self._bringing.key("archived", person.there))
        await self._map_aliases()

    def _grants(self) -> list[Given]:
        """The oldest first."""
        unread = Problems()
        read = read_holdings(self._account, unread, self._ledger.clock.now())
        found = [each for holding in read for each in holding.grants]
        unread.refuse()
        return sorted(found, key=lambda each: (each.there.created_at, each.number))

    # Aliases -------------------------------------------------------------------------------------

    async def _bring_aliases(self, there: str) -> None:
        owner = self._people[there].id
        changes = [
            known.brought(owner, each.text, each.label, each.created_at, rank)
            for rank, each in enumerate(self._account.aliases.get(there, ()))
        ]
        for some in chunks(changes, known.AT_ONCE):
            try:
                await self._bringing.keep(owner, "aliases", some)
            except AlreadyExists as error:
                raise in_the_way("alias", str(error.fields["value"]), error) from None

    async def _map_aliases(self) -> None:
        """What waits for one of them counts from now on."""
        waiting = await kept.waiting(self._ledger, self._book)
        if waiting is not None and waiting.body.events:
            found = [each.text for some in self._account.aliases.values() for each in some]
            await unmapped.map_aliases(self._ledger, self._book, found)

    # Metrics -------------------------------------------------------------------------------------

    async def _bring_kind(self, kind: Kind) -> None:
        identifier = kind_id(self._book, kind)
        try:
            if kind.definition is None:
                await self._bring_credit(kind, identifier)
            else:
                await self._bring_metric(kind, identifier)
        except AlreadyExists as error:
            raise in_the_way("metric", kind.there, error) from None
        except LedgerError as error:
            raise told_of(error, f"metric {kind.there}") from None
        await self._keep_places([imported.place_of(self._book, kind.there, identifier)])
        self._told("metrics", 1)

    async def _bring_credit(self, kind: Kind, identifier: Id) -> None:
        command = CreateEntitlement(
            name=kind.name,
            unit=standing.UNIT,
            scale=standing.SCALE,
            shortfall=Shortfall.CAP,
            profiles=imported.profile(kind.there),
            created_at=kind.created_at,
        )
        await self._bringing.submit(command, self._bringing.key("metric", kind.there), identifier)

    async def _bring_metric(self, kind: Kind, identifier: Id) -> None:
        """In the steps of the dialect, which are gone on with wherever they ended."""
        assert kind.definition is not None
        metric = await METRICS.find(self._ledger, self._book, identifier)
        if metric is None:
            there = MetricThere(id=kind.there, created_at=text_of(kind.created_at))
            record = MetricRecord(kind.definition, there=there)
            change = METRICS.new(identifier, self._book, record, takes=kind.definition.name)
            begin = partial(standing.with_metric, identifier)
            made = await kept.wait(self._ledger, self._book, begin, change)
            metric = METRICS.read(made[0])
        await self._carry_out(metric)

    async def _carry_out(self, metric: Kept[MetricRecord]) -> None:
        if metric.body.deleted_at is not None:
            return await standing.finish(self._ledger, self._book)
        try:
            await standing.carry_out(self._ledger, self._book, metric)
        except AlreadyExists:
            await standing.undo(self._ledger, self._book, metric)
            raise

    async def _delete(self, kind: Kind) -> None:
        identifier = kind_id(self._book, kind)
        metric = await METRICS.find(self._ledger, self._book, identifier)
        if metric is None:  # nothing but credit
            await self._bringing.submit(CloseEntitlement(entitlement=identifier), None)
        elif metric.body.deleted_at is None:
            record = msgspec.structs.replace(metric.body, deleted_at=kind.deleted_at)
            name = metric.body.definition.name
            change = METRICS.changed(metric, record, gives_back=name)
            begin = partial(standing.with_metric, identifier)
            made = await kept.wait(self._ledger, self._book, begin, change)
            await standing.carry_out(self._ledger, self._book, METRICS.read(made[0]))

    # Grants --------------------------------------------------------------------------------------

    async def _bring_all_grants(self, grants: Sequence[Given]) -> None:
        for some in chunks(grants, AT_ONCE):
            await self._bring_grants(some)
            self._told("grants", len(some))

    async def _bring_grants(self, some: Sequence[Given]) -> None:
        made = await self._do("grant", [(each, self._grant(each)) for each in some])
        ids = [Id(each.body) for each in made]
        pairs = list(zip(some, ids, strict=True))
        voided: list[tuple[Given, Command]] = [
            (given, VoidGrant(grant=id)) for given, id in pairs if given.there.is_void
        ]
        await self._do("void", voided)
        found = [imported.place_of(self._book, given.there.id, id) for given, id in pairs]
        await self._keep_places(found)

    async def _do(self, what: str, asked: Sequence[tuple[Given, Command]]) -> list[Answer]:
        """Each under its own key. Raises ``ImportRefused`` for the first that is refused."""
        if not asked:
            return []
        key = self._bringing.key
        answers = await self._ledger.submit_many(
            self._book,
            [(command, _grant_id, key(what, given.there.id)) for given, command in asked],
        )
        done: list[Answer] = []
        for (given, _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, BaseException):
                raise told_of(answer, f"grant {given.there.id}")
            done.append(answer)
        return done

    def _grant(self, given: Given) -> IssueGrant:
        record = given.record
        currency = record.currency.lower()
        scale = scale_of(given.credit)
        profiles = {imported.PROFILE: msgspec.to_builtins(given.there)}
        if record.tax_rate_id is not None:
            profiles[PROFILE] = {"taxRateId": record.tax_rate_id}
        return IssueGrant(
            customer=self._people[record.customer_id].id,
            entitlement=entitlement_of(self._account, self._book, given.credit),
            amount=amounts.normalised(given.amount, scale),
            used_before=amounts.normalised(given.used, scale),
            category=Category.PAID if given.cost.digits else Category.PROMOTIONAL,
            effective_at=given.effective_at,
            expires_at=given.ends_at,
            cost_basis=Money(given.cost, currency),
            name=record.name,
            profiles=profiles,
            reason=imported.REASON,
        )

    # Transactions --------------------------------------------------------------------------------

    async def _bring_all_transactions(self) -> None:
        unread = Problems()
        read = read_holdings(self._account, unread, self._ledger.clock.now())
        for these in chunks(read, AT_ONCE):
            await asyncio.gather(*map(self._bring_transactions, these))
            self._told("transactions", sum(len(each.rows) for each in these))
        unread.refuse()

    async def _bring_transactions(self, holding: Holding) -> None:
        owner = self._people[holding.person.there].id
        entitlement = entitlement_of(self._account, self._book, holding.credit).hex()
        found = [
            imported.change_of(
                owner, each.rank, msgspec.structs.replace(each.there, entitlement=entitlement)
            )
            for each in holding.rows
        ]
        for some in chunks(found, DOCUMENTS_MAX):
            await self._bringing.keep(owner, "transactions", some)

    async def _keep_places(self, found: Sequence[DocumentChange]) -> None:
        keep = self._bringing.keep
        await asyncio.gather(*(keep(None, "places", some) for some in chunks(found, DOCUMENTS_MAX)))


def kind_id(book: Id, kind: Kind) -> Id:
    """Which always follows from the vendor's, and sorts by when it was made there."""
    return dated(book, f"sequence.import:{kind.there}", kind.created_at, kind.rank)


def entitlement_of(account: Account, book: Id, credit: str) -> Id:
    if credit in account.kinds:
        return kind_id(book, account.kinds[credit])
    return currencies.entitlement_id(book, credit)


def _grant_id(accepted: Accepted) -> Answer:
    assert accepted.grant is not None, "each of these is about a grant"
    return Answer(status=200, body=accepted.grant.id)
