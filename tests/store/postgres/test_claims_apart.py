"""Where the tables are spread, a claim is in another shard than what is done under it.

A server may die between any two of the three transactions: whoever repeats the request with its key ends
with one effect and one answer. So do any number of those who ask at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import httpx
import pytest

from drawdown.app import create_app
from drawdown.config import Config
from drawdown.core.types import Instant
from drawdown.engine.clocks import ManualClock, TimeOrderedIds
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import StoreUnavailable
from drawdown.engine.spread import SpreadWriter
from drawdown.opening import open_store
from drawdown.store.postgres.shard import ShardStore
from drawdown.web.metrics import Metrics
from tests.dialects.sequence.support import credit_body
from tests.dialects.stripe.test_idempotency import form
from tests.support.books import START, verified
from tests.support.transactions import Recorder

pytestmark = pytest.mark.anyio

Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
KEY = "key-1"


class Server:
    """One process of several, without a socket."""

    def __init__(self, ledger: Ledger, secret: str) -> None:
        self.ledger = ledger
        app = create_app(Config(access_log=False), ledger, Metrics())
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://server",
            headers={"authorization": f"Bearer {secret}"},
        )

    async def count(self, path: str) -> int:
        found = await self.client.get(path)
        return len(found.json()["data"])


@asynccontextmanager
async def servers(url: str, recorder: Recorder, count: int = 2) -> AsyncIterator[list[Server]]:
    """Processes on one database, with the customer ``ada``. At the end the books add up."""
    made: list[Server] = []
    secret = ""
    for _ in range(count):
        with recorder.listening():
            ledger = Ledger(await open_store(url), ManualClock(START), TimeOrderedIds())
        ledger.open(jobs=False)
        if not made:
            first = await ledger.accounts.first_start()
            assert first is not None
            secret = first[2]
        made.append(Server(ledger, secret))
    await made[0].client.post("/api/v1/customers", json={"id": "ada"})
    yield made
    await verified(made[0].ledger)
    for server in made:
        await server.client.aclose()
        await server.ledger.close()


def native_customer(name: str = "Grace") -> Ask:
    body = {"id": "grace", "name": name, "idempotency_key": KEY}
    return lambda client: client.post("/api/v1/customers", json=body)


def nameless_customer(name: str = "Grace") -> Ask:
    """It lives in a slot that was drawn."""
    body = {"name": name, "idempotency_key": KEY}
    return lambda client: client.post("/api/v1/customers", json=body)


def native_entitlement(unit: str = "token") -> Ask:
    body = {"code": "tokens", "unit": unit, "scale": 0, "idempotency_key": KEY}
    return lambda client: client.post("/api/v1/entitlements", json=body)


def native_meter(event_name: str = "call") -> Ask:
    body = {
        "code": "calls",
        "event_name": event_name,
        "aggregation": "count",
        "idempotency_key": KEY,
    }
    return lambda client: client.post("/api/v1/meters", json=body)


def native_rate(price: str = "1") -> Ask:
    """Of a meter and a kind of credit that are made on the way, where they are not there yet."""

    async def ask(client: httpx.AsyncClient) -> httpx.Response:
        meter = {"code": "c", "event_name": "call", "aggregation": "count", "idempotency_key": "m"}
        await client.post("/api/v1/meters", json=meter)
        priced = {"model": "per_unit", "price": price}
        body = {"meter": "c", "entitlement": "usd", "price": priced, "idempotency_key": KEY}
        return await client.post("/api/v1/rates", json=body)

    return ask


def later_rate(price: str) -> Ask:
    """Of a meter that is made later."""
    priced = {"model": "per_unit", "price": price}
    body = {"meter": "later", "entitlement": "usd", "price": priced, "idempotency_key": KEY}
    return lambda client: client.post("/api/v1/rates", json=body)


def stripe_grant(value: str = "1000", customer: str = "ada") -> Ask:
    data = form(customer, **{"amount[monetary][value]": value})
    headers = {"idempotency-key": KEY}
    return lambda client: client.post("/v1/billing/credit_grants", data=data, headers=headers)


def sequence_grant(amount: int = 1000, customer: str = "ada") -> Ask:
    body = credit_body(customer, amount=amount)
    headers = {"idempotency-key": KEY}
    return lambda client: client.post("/sequence/credits", json=body, headers=headers)


class Case(NamedTuple):
    """A request, the same with another body, where its effects are listed, and how many were there before."""

    ask: Ask
    other: Ask
    listed: str
    before: int


CASES = {
    "native customer": Case(native_customer(), native_customer("Ada"), "/api/v1/customers", 1),
    "native customer without an own id": Case(
        nameless_customer(), nameless_customer("Ada"), "/api/v1/customers", 1
    ),
    "native entitlement": Case(
        native_entitlement(), native_entitlement("call"), "/api/v1/entitlements", 0
    ),
    "native meter": Case(native_meter(), native_meter("other"), "/api/v1/meters", 0),
    "native rate": Case(native_rate(), native_rate("2"), "/api/v1/rates", 0),
    "Stripe grant": Case(stripe_grant(), stripe_grant("2000"), "/api/v1/grants", 0),
    "Sequence grant": Case(sequence_grant(), sequence_grant(2000), "/api/v1/grants", 0),
}


async def dies(*_: object) -> Any:
    raise StoreUnavailable("This process is no more.")


#: Where a process ends: what comes next is never begun.
DEATHS = {
    "after the claim": (SpreadWriter, "_act"),
    "after the effect": (ShardStore, "close_claim"),
}


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("case", CASES)
async def test_who_repeats_a_request_that_died_gets_its_one_effect_and_answer(
    spread_url: str, recorder: Recorder, case: str, death: str
) -> None:
    ask, other, listed, before = CASES[case]
    async with servers(spread_url, recorder) as (one, two):
        with patch.object(*DEATHS[death], dies):
            assert (await ask(one.client)).status_code == 503
        effects = await one.count(listed) - before
        assert effects == (0 if death == "after the claim" else 1)
        refused = await other(two.client)
        assert 400 <= refused.status_code < 500, refused.text
        again = await ask(two.client)
        assert again.status_code in (200, 201), again.text
        assert [(await ask(each.client)).content for each in (one, two, one)] == [again.content] * 3
        assert await two.count(listed) == before + 1


@pytest.mark.parametrize("case", CASES)
async def test_of_many_at_once_there_is_one_effect_and_one_answer(
    spread_url: str, recorder: Recorder, case: str
) -> None:
    ask, other, listed, before = CASES[case]
    async with servers(spread_url, recorder) as both:
        said = await asyncio.gather(*(ask(server.client) for server in both * 6))
        assert {answer.status_code for answer in said} <= {200, 201}
        assert len({answer.content for answer in said}) == 1
        assert await both[0].count(listed) == before + 1
        assert (await other(both[1].client)).status_code in (400, 409)


@pytest.mark.parametrize("case", CASES)
async def test_of_two_requests_with_one_key_one_is_carried_out(
    spread_url: str, recorder: Recorder, case: str
) -> None:
    ask, other, listed, before = CASES[case]
    async with servers(spread_url, recorder) as both:
        asks = [ask, other, ask, other]
        said = await asyncio.gather(
            *(each(server.client) for each, server in zip(asks, both * 2, strict=True))
        )
        done = {answer.content for answer in said if answer.status_code in (200, 201)}
        assert len(done) == 1
        assert await both[0].count(listed) == before + 1


@pytest.mark.parametrize("death", DEATHS)
async def test_a_refusal_that_is_kept_stays_whatever_comes_later(
    spread_url: str, recorder: Recorder, death: str
) -> None:
    """As in Stripe: nobody has that id, and the answer stays though somebody has it later."""
    ask = stripe_grant(customer="grace")
    async with servers(spread_url, recorder) as (one, two):
        with patch.object(*DEATHS[death], dies):
            assert (await ask(one.client)).status_code == 503
        refused = await ask(two.client)
        assert refused.status_code in (400, 404)
        await one.client.post("/api/v1/customers", json={"id": "grace"})
        again = await ask(one.client)
        assert (again.status_code, again.content) == (refused.status_code, refused.content)
        assert await one.count("/api/v1/grants") == 0


async def test_a_refusal_that_is_not_kept_leaves_the_key_to_whoever_comes(
    spread_url: str, recorder: Recorder
) -> None:
    """As in Sequence: to the same request, which may do better, or to another."""
    async with servers(spread_url, recorder) as (one, two):
        assert (await sequence_grant(customer="grace")(one.client)).status_code == 400
        other = await sequence_grant(5)(two.client)
        assert other.status_code == 201
        assert (await sequence_grant(5)(one.client)).content == other.content
        assert await one.count("/api/v1/grants") == 1


async def test_a_key_is_not_free_while_somebody_is_at_it(
    spread_url: str, recorder: Recorder
) -> None:
    """One of two who ask the same is refused; until the other has come to an end the key stays theirs."""
    async with servers(spread_url, recorder) as (one, two):
        act, claimed, refused = SpreadWriter._act, asyncio.Event(), asyncio.Event()

        async def late(*args: Any) -> Any:
            claimed.set()
            await refused.wait()
            return await act(*args)

        ask = later_rate("1")
        meter = {"code": "later", "event_name": "call", "aggregation": "count"}
        with patch.object(SpreadWriter, "_act", late):
            waiting = asyncio.ensure_future(ask(one.client))
            await claimed.wait()
        assert (await ask(two.client)).status_code == 404
        assert (await later_rate("2")(two.client)).status_code == 409
        await two.client.post("/api/v1/meters", json=meter)
        refused.set()
        assert (await waiting).status_code == 201
        assert (await ask(two.client)).content == (await waiting).content
        assert await one.count("/api/v1/rates") == 1


async def test_a_claim_that_nobody_finished_is_forgotten_like_all_others(
    spread_url: str, recorder: Recorder
) -> None:
    async with servers(spread_url, recorder) as (one, two):
        with patch.object(SpreadWriter, "_act", dies):
            await stripe_grant()(one.client)
        store = one.ledger._store
        assert await store.prune_claims(START, 10) == 0
        assert await store.prune_claims(Instant(START + 1), 10) == 1
        assert (await stripe_grant("2000")(two.client)).status_code == 200
