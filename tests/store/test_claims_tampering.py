"""`verify` finds names, and ids of elsewhere, that lead nowhere, to another, or could be given twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any, cast

import apsw
import asyncpg
import pytest
from msgspec import Raw, to_builtins

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendEntitlement,
    CloseEntitlement,
    CreateCustomer,
    CreateEntitlement,
    CreateMeter,
    Debit,
    DocumentChange,
    KeepDocuments,
    RecordUsage,
    ReopenEntitlement,
)
from drawdown.core.fold import Fault
from drawdown.core.identity import relocate, slot_of
from drawdown.core.requests import Accepted, Answer, Claim
from drawdown.core.state import Name
from drawdown.core.types import Id
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.dialects.sequence import imported as sequence
from drawdown.dialects.sequence.usage.kept import METRICS, MOVED, UNMAPPED
from drawdown.dialects.sequence.usage.received import MOVE
from drawdown.dialects.sequence.usage.wire import (
    AggregationType,
    Definition,
    EventRecord,
    MetricRecord,
    MetricType,
    MovedRecord,
)
from drawdown.dialects.stripe import imported as stripe
from drawdown.engine.claims_audit import ClaimsAudit
from drawdown.engine.clocks import ManualClock, TimeOrderedIds
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Audit
from drawdown.naming import NAMING
from drawdown.opening import is_postgres, sqlite_path
from drawdown.store.postgres.slots import claim_slot
from tests.support.books import CREDITS, START, Book, open_book, open_ledger_on, verified
from tests.support.stores import TOGETHER, Database, tamper

pytestmark = pytest.mark.anyio

#: What is done to the database, and what the fault must speak of.
TAMPERINGS = {
    # A claim that is not there.
    "DELETE FROM claim WHERE space = 'customer.own_id' AND key = 'ada'": "customer id 'ada'.* no claim",
    "DELETE FROM claim WHERE space LIKE 'document.%' AND key = 'ada'": "the alias 'ada'.* no claim",
    "DELETE FROM claim WHERE key = 'lovelace'": "customer.alias .*the alias 'lovelace'.* no claim",
    "DELETE FROM claim WHERE key = 'fuel'": "entitlement code 'fuel'.* no claim",
    "DELETE FROM claim WHERE key = 'Petrol'": "entitlement name 'Petrol'.* no claim",
    "DELETE FROM claim WHERE space = 'meter.code'": "meter .* has the meter code 'calls'.* no claim",
    "DELETE FROM claim WHERE space = 'usage.event' AND key = 'e2'": "usage event id 'e2'.* no claim",
    "DELETE FROM claim WHERE key = 'prod_own'": "name of a stripe.product 'prod_own'.* no claim",
    "DELETE FROM claim WHERE key = 'Tokens'": "name of a sequence.metric 'Tokens'.* no claim",
    "DELETE FROM claim WHERE key = 'waiting'": "sequence.unmapped_event 'waiting'.* no claim",
    "DELETE FROM claim WHERE key = 'moved'": "sequence.moved_event 'moved'.* no claim",
    # A claim on another name than its own.
    "UPDATE customer SET own_id = 'eve' WHERE own_id = 'ada'": "'ada'.* leads to customer .*not called so",
    "UPDATE entitlement SET code = 'coal' WHERE code = 'fuel'": "code 'fuel'.* leads to entitlement",
    "UPDATE entitlement SET name = 'Coal' WHERE code = 'fuel'": "name 'Petrol'.* leads to entitlement",
    "UPDATE entitlement SET closed_at = 1 WHERE code = 'fuel'": "name 'Petrol'.* leads to entitlement",
    "UPDATE meter SET code = 'hits'": "meter code 'calls'.* leads to meter",
    "UPDATE usage_event SET own_id = 'e9' WHERE own_id = 'e2'": "usage event id 'e[29]'",
    "UPDATE document SET body = replace(body, 'prod_own', 'prod_odd')": (
        "'prod_own'.* leads to stripe.product|stripe.product .*'prod_odd'.* no claim"
    ),
    "UPDATE document SET body = replace(body, 'lovelace', 'byron')": (
        "'lovelace'.* leads to customer.alias|customer.alias .*'byron'.* no claim"
    ),
    "UPDATE document SET kind = 'odd' WHERE kind = 'stripe.product'": "'prod_own'.* leads to odd",
    "UPDATE document SET body = '{' WHERE kind = 'stripe.product'": "stripe.product .* cannot be read",
    # A claim on what is not there.
    "DELETE FROM customer WHERE own_id = 'grace'": "'grace'.* leads to .*, which is not there",
    "DELETE FROM entitlement WHERE code = 'coupons'": "'coupons'.* leads to .*, which is not there",
    "DELETE FROM document WHERE kind = 'customer.alias'": "alias 'lovelace'.* which is not there",
    "DELETE FROM meter": "meter code 'calls'.* which is not there",
    "UPDATE claim SET target = NULL WHERE key = 'prod_own'": "'prod_own'.* leads to nothing",
    "UPDATE claim SET status = NULL, answer = NULL, fingerprint = NULL WHERE key = 'again'": (
        "idempotency key of test 'again'.* holds no answer and leads to nothing"
    ),
    "UPDATE claim SET space = 'entitlement.cod' WHERE space = 'entitlement.code' AND key = 'fuel'": (
        "'fuel'.* (holds no answer|not in the slot)"
    ),
    # An id of elsewhere.
    "DELETE FROM document WHERE kind = 'stripe.imported_transaction'": (
        "stripe.imported_id .* leads to .*, which is not there"
    ),
    "UPDATE document SET body = replace(body, 'cbtxn_1', 'cbtxn_2')": "stripe.imported_id .* another id",
    "UPDATE credit_grant SET profiles = replace(profiles, 'credgr_1', 'credgr_2')": (
        "stripe.imported_id .* another id"
    ),
    "UPDATE credit_grant SET profiles = replace(profiles, 'gr_1', 'gr_2')": (
        "sequence.imported_id .* another id"
    ),
    "UPDATE entitlement SET profiles = replace(profiles, 'met_1', 'met_2')": (
        "sequence.imported_id .* another id"
    ),
    "UPDATE document SET body = '{\"id\":\"019a\"}' WHERE kind = 'sequence.imported_id'": (
        "sequence.imported_id .* leads to .*, which is not there|sequence.imported_id .* cannot be read"
    ),
    "UPDATE document SET body = '{}' WHERE kind = 'stripe.imported_id'": (
        "stripe.imported_id .* cannot be read"
    ),
    # Two names that were exchanged.
    "UPDATE claim SET target = (SELECT c.target FROM claim c WHERE c.space = 'customer.own_id'"
    " AND c.key = 'grace') WHERE space = 'customer.own_id' AND key = 'ada'": (
        "'ada'.* leads to customer .*not called so"
    ),
}
TABLES = (
    "claim", "customer", "entitlement", "meter", "usage_event", "document", "credit_grant",
)  # fmt: skip
KEPT = "CREATE TABLE kept_{table} AS SELECT * FROM {table}"
ALIAS, PRODUCT = "customer.alias", "stripe.product"
DRAWN = TimeOrderedIds()
#: What a claim has while somebody is at it.
PENDING = "fingerprint = (SELECT c.fingerprint FROM claim c WHERE c.key = 'again')"


async def busy(database: Database) -> tuple[Ledger, Id]:
    """A ledger and its book, with everything that has names, some of which were changed or given back."""
    ledger = open_ledger_on(await database.open(), ManualClock(START))
    book = await open_book(ledger)
    ada = await made(ledger, book.id, CreateCustomer(own_id="ada"))
    await made(ledger, book.id, CreateCustomer(own_id="grace"))
    await made(ledger, book.id, CreateCustomer(name="Nobody in particular"))
    await kinds(ledger, book.id)
    measure = Measure(event_name="call", aggregation=Aggregation.COUNT)
    await ledger.apply(book.id, CreateMeter(code="calls", measure=measure))
    for number in range(3):
        event = RecordUsage(customer="ada", own_id=f"e{number}", name="call", properties={})
        await ledger.apply(book.id, event)
    await documents(ledger, book.id, ada)
    await answered(ledger, book)
    await brought_over(ledger, book, ada)
    return ledger, book.id


async def kinds(ledger: Ledger, book: Id) -> None:
    """Open and closed, renamed, without a name, without anything, and a currency."""
    for code, name in (("fuel", "Fuel"), ("coupons", None), ("old", "Old"), ("back", "Back")):
        await ledger.apply(book, CreateEntitlement(code=code, name=name, unit="u", scale=0))
    await ledger.apply(book, AmendEntitlement(entitlement="fuel", name="Petrol"))
    await ledger.apply(book, CloseEntitlement(entitlement="old"))
    await ledger.apply(book, CloseEntitlement(entitlement="back"))
    await ledger.apply(book, ReopenEntitlement(entitlement="back"))
    await ledger.apply(book, CreateEntitlement(name="Old", unit="u", scale=0))
    bare = await ledger.apply(book, CreateEntitlement(unit="u", scale=0))
    assert bare.entitlement is not None
    for command in (CloseEntitlement, ReopenEntitlement):
        await ledger.apply(book, command(entitlement=bare.entitlement.id))


async def documents(ledger: Ledger, book: Id, customer: Id) -> None:
    """Some with names, one without, one renamed, one deleted."""
    await keep(ledger, book, change(customer, ALIAS, '{"value":"lovelace"}', "lovelace"), customer)
    await keep(
        ledger, book, change(book, PRODUCT, '{"name":"Own","own_id":"prod_own"}', "prod_own")
    )
    await keep(ledger, book, change(book, PRODUCT, '{"name":"Any"}'))
    for new in (
        METRICS.new(drawn(book), book, metric("Tokens"), takes="Tokens"),
        METRICS.new(drawn(book), book, metric("Tokens", "2026-01-01T00:00:00Z")),
        UNMAPPED.new(drawn(book), book, UNHEARD, takes="waiting"),
        MOVED.new(drawn(book), book, MovedRecord(ids=["moved", f"moved{MOVE}1"]), takes="moved"),
    ):
        await keep(ledger, book, new)
    first = change(book, ALIAS, '{"value":"first"}', "first")
    await keep(ledger, book, first)
    await keep(ledger, book, later(first, 1, '{"value":"second"}', "second", "first"))
    await keep(ledger, book, later(first, 2, None, None, "second"))


UNHEARD = EventRecord(
    customer_alias="nobody",
    event_type="call",
    customer_event_id="waiting",
    event_timestamp="2026-01-01T00:00:00Z",
    event_properties=Raw(b"{}"),
)


def metric(name: str, deleted_at: str | None = None) -> MetricRecord:
    asked = Definition(
        name=name,
        metric_type=MetricType.SIMPLE,
        event_type="call",
        aggregation_type=AggregationType.COUNT,
    )
    return MetricRecord(asked, deleted_at=deleted_at)


async def made(ledger: Ledger, book: Id, command: CreateCustomer) -> Id:
    customer = (await ledger.apply(book, command)).customer
    assert customer is not None
    return customer.id


async def answered(ledger: Ledger, book: Book) -> None:
    """A request under an idempotency key."""
    await book.grant("ada", 5)
    spend = Debit(customer="ada", entitlement=CREDITS, amount=Amount(1))
    claim = Claim("test", "again", b"same")
    await ledger.submit(book.id, spend, rendered, claim=claim)


async def brought_over(ledger: Ledger, book: Book, customer: Id) -> None:
    """Two grants, a transaction and a metric that go by a vendor's ids."""
    there = stripe.GrantThere(id="credgr_1", created=1, updated=1, left=5)
    first = await book.grant("ada", 5, profiles={stripe.PROFILE: to_builtins(there)})
    given = sequence.GrantThere(id="gr_1", created_at=START)
    second = await book.grant("ada", 5, profiles={sequence.PROFILE: to_builtins(given)})
    metric = CreateEntitlement(unit="u", scale=0, profiles=sequence.profile("met_1"))
    kind = (await ledger.apply(book.id, metric)).entitlement
    assert kind is not None
    moved = stripe.TransactionThere(
        id="cbtxn_1",
        created=1,
        effective_at=1,
        kind="credits_granted",
        grant="credgr_1",
        currency="usd",
        value=5,
    )
    transaction = stripe.transaction_change(customer, 0, moved)
    await keep(ledger, book.id, transaction, customer)
    places = (
        stripe.place_of_grant(book.id, "credgr_1", first.id),
        stripe.place_of_transaction(book.id, "cbtxn_1", transaction.id),
        sequence.place_of(book.id, "gr_1", second.id),
        sequence.place_of(book.id, "met_1", kind.id),
    )
    await ledger.submit(book.id, KeepDocuments(), rendered, documents=places)


def change(owner: Id, kind: str, body: str, takes: str | None = None) -> DocumentChange:
    return DocumentChange(id=drawn(owner), owner=owner, kind=kind, body=body, takes=takes)


def drawn(owner: Id) -> Id:
    return relocate(DRAWN.new(), slot_of(owner))


def later(
    before: DocumentChange, revision: int, body: str | None, takes: str | None, gives_back: str
) -> DocumentChange:
    return DocumentChange(
        id=before.id,
        owner=before.owner,
        kind=before.kind,
        body=body,
        revision=revision,
        takes=takes,
        gives_back=gives_back,
    )


async def keep(
    ledger: Ledger, book: Id, changed: DocumentChange, customer: Id | None = None
) -> None:
    await ledger.submit(book, KeepDocuments(customer=customer), rendered, documents=(changed,))


async def run(url: str, statement: str) -> None:
    """Behind the ledger's back, whether or not it changes anything."""
    if is_postgres(url):
        connection = await asyncpg.connect(url)
        await connection.execute(statement)
        await connection.close()
    else:
        with closing(apsw.Connection(str(sqlite_path(url)))) as file:
            file.execute(statement)


async def insert(url: str, name: Name, target: str) -> None:
    """A claim, as the store would keep it."""
    book, space, text = name
    written, slot, column = f"x'{book.hex()}'", "", ""
    if is_postgres(url):
        written, slot, column = f"'{book.hex()}'::uuid", f"{claim_slot(*name)}, ", "slot, "
    values = f"{slot}{written}, '{space}', '{text}', 1, ({target})"
    await tamper(
        url, f"INSERT INTO claim ({column}book, space, key, created_at, target) SELECT {values}"
    )


def rendered(accepted: Accepted) -> Answer:
    return Answer(status=200, body=b"done")


async def test_names_that_nobody_touched_are_in_order(database: Database) -> None:
    ledger, _ = await busy(database)
    assert (await verified(ledger)).events == 3
    await ledger.close()


async def told(ledger: Ledger) -> str:
    """The fault that is found."""
    try:
        await verified(ledger)
    except Fault as fault:
        return str(fault)
    return "nothing is wrong"


async def test_any_change_behind_its_back_is_found(database: Database) -> None:
    """One after the other, each undone before the next."""
    ledger, _ = await busy(database)
    missed = []
    await run(database.url, ";".join(KEPT.format(table=each) for each in TABLES))
    for tampering, expected in TAMPERINGS.items():
        [table] = [
            each for each in TABLES if re.match(rf"(UPDATE|DELETE FROM) {each}\b", tampering)
        ]
        await tamper(database.url, tampering)
        found = await told(ledger)
        if not re.search(expected, found):
            missed.append((tampering, found))
        again = f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}"
        await tamper(database.url, again)
    assert missed == []
    assert (await verified(ledger)).events == 3
    await ledger.close()


#: A claim that nobody made: its space, its key, what it leads to by an SQL query, and what is told of it.
INSERTED = {
    "a second id of a customer": (
        "customer.own_id",
        "SELECT id FROM customer WHERE own_id = 'ada'",
        "customer id 'stray'.* leads to customer .*not called so",
    ),
    "an alias without a document": (
        "document.customer.alias",
        "SELECT id FROM customer WHERE own_id = 'ada'",
        "alias 'stray'.* leads to customer .*not called so",
    ),
    "a second name of a document": (
        "document.customer.alias",
        "SELECT id FROM document WHERE kind = 'stripe.product' LIMIT 1",
        "alias 'stray'.* leads to stripe.product",
    ),
    "the name of a closed kind of credit": (
        "entitlement.name",
        "SELECT id FROM entitlement WHERE code = 'old'",
        "entitlement name 'stray'.* leads to entitlement",
    ),
    "the id of no event": (
        "usage.event",
        "SELECT id FROM customer WHERE own_id = 'ada'",
        "usage event id 'stray'.* is not there",
    ),
    "a key without an answer": ("stripe", "NULL", "key of stripe 'stray'.* holds no answer"),
}


async def test_any_claim_that_nobody_made_is_found(database: Database) -> None:
    ledger, book = await busy(database)
    missed = []
    for what, (space, target, expected) in INSERTED.items():
        await insert(database.url, (book, space, "stray"), target)
        found = await told(ledger)
        if not re.search(expected, found):
            missed.append((what, found))
        await tamper(database.url, "DELETE FROM claim WHERE key = 'stray'")
    assert missed == []
    assert (await verified(ledger)).events == 3
    await ledger.close()


async def test_a_document_that_is_deleted_has_given_its_name_back(
    database: Database, request: pytest.FixtureRequest
) -> None:
    """Where claims are apart, it may be given back later: who wants the name has it then."""
    ledger, _ = await busy(database)
    await tamper(database.url, "UPDATE document SET deleted_at = 1 WHERE kind = 'stripe.product'")
    if request.node.callspec.params["database"] in TOGETHER:
        with pytest.raises(Fault, match=r"'prod_own'.* leads to deleted stripe.product"):
            await verified(ledger)
    else:
        assert (await verified(ledger)).events == 3
    await ledger.close()


class Meanwhile:
    """An audit of the store beside which something happens, once, before it is asked for something."""

    def __init__(self, audit: Audit, asked: str, happens: Callable[[], Awaitable[object]]) -> None:
        self._audit, self._asked, self._happens = audit, asked, happens
        self.happened = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._audit, name)
        if name != self._asked:
            return found

        async def ask(*given: Any) -> Any:
            if not self.happened:
                self.happened = True
                await self._happens()
            return await found(*given)

        return ask


@pytest.mark.parametrize("asked", ["find_bearers", "read_names"])
async def test_what_is_renamed_meanwhile_is_no_fault(database: Database, asked: str) -> None:
    """After its claim was read, and after it was read itself: not all shards are of one moment."""
    ledger, book = await busy(database)

    async def rename() -> None:
        await ledger.apply(book, AmendEntitlement(entitlement="fuel", name="Diesel"))

    async with ledger.store.audit() as audit:
        beside = Meanwhile(audit, asked, rename)
        await ClaimsAudit(cast(Audit, beside), NAMING).verify()
    assert beside.happened
    assert (await verified(ledger)).events == 3
    await ledger.close()


async def test_a_claim_whose_effect_is_not_there_yet_is_no_fault_where_they_are_apart(
    database: Database, request: pytest.FixtureRequest
) -> None:
    """A server died between the claim and what is done under it; who asks again goes on."""
    ledger, book = await busy(database)
    for space in ("usage.event", "document.stripe.product", "stripe"):
        name = (book, space, "begun")
        await insert(database.url, name, "SELECT id FROM customer WHERE own_id = 'ada'")
    await tamper(database.url, f"UPDATE claim SET {PENDING} WHERE key = 'begun'")
    if request.node.callspec.params["database"] in TOGETHER:
        with pytest.raises(Fault, match="'begun'"):
            await verified(ledger)
    else:
        assert (await verified(ledger)).events == 3
    await ledger.close()


async def test_claims_are_checked_some_at_a_time(database: Database) -> None:
    """Also those of the second thousand."""
    ledger, book = await busy(database)
    asked = [CreateCustomer(own_id=f"customer-{number}") for number in range(1_100)]
    await asyncio.gather(*(ledger.apply(book, each) for each in asked))
    assert (await verified(ledger)).events == 3
    await tamper(database.url, "UPDATE customer SET own_id = 'odd' WHERE own_id = 'customer-7'")
    with pytest.raises(Fault, match=r"'customer-7'.* leads to customer .*not called so"):
        await verified(ledger)
    await ledger.close()
