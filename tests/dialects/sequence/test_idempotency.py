"""``Idempotency-Key`` on every POST: once, answered to the byte, and refused for anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest

from drawdown.web.endpoints import Endpoint
from tests.conftest import StartServer
from tests.dialects.sequence.calls import CALLS, WHOLE
from tests.dialects.sequence.contract import VERSION, refusal
from tests.dialects.sequence.support import CUSTOMER, client
from tests.dialects.sequence.test_every_endpoint import ENDPOINTS, name_of
from tests.dialects.sequence.test_every_key import shown
from tests.dialects.sequence.world import Ask, World
from tests.support.server import Server, Tenant
from tests.support.stores import SQLITE

POSTS = [row for row in ENDPOINTS if row.method == "POST"]
each_post = pytest.mark.parametrize("endpoint", POSTS, ids=name_of)


@pytest.fixture(scope="module")
def here(server: Server) -> Tenant:
    return server.tenant()


@pytest.fixture(scope="module")
def world(here: Tenant) -> Iterator[World]:
    with client(here) as opened:
        yield World(opened, here)


def other_than(ask: Ask, world: World) -> Ask:
    """The same call, asking for something else, which alone would be granted."""
    if ask.body is None:
        return replace(ask, path=f"/customers/{world.customer()}/archive")
    for name, value in (
        ("customerAliases", [world.new("other")]),
        ("value", world.new("other")),
        ("name", world.new("other")),
        ("eventType", world.new("other")),
        ("amount", "1"),
        ("notificationTypes", ["CREDIT_BALANCE_LOW"]),
        ("recipients", [world.url()]),
    ):
        if name in ask.body:
            return replace(ask, body=ask.body | {name: value})
    raise AssertionError(ask.body)


@each_post
def test_a_repeated_request_is_carried_out_once(endpoint: Endpoint, world: World) -> None:
    """Its answer is repeated to the byte, and says that it is."""
    ask, key = CALLS[name_of(endpoint)](world), world.new("key")
    first = ask.send(world.client, idempotency_key=key)
    assert first.status_code == endpoint.status
    assert "idempotent-replayed" not in first.headers
    before = shown(world.client)
    for _ in range(2):
        again = ask.send(world.client, idempotency_key=key)
        assert (again.status_code, again.content) == (endpoint.status, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["sequence-version"] == VERSION
    assert shown(world.client) == before


@each_post
def test_a_key_of_another_request_is_refused(endpoint: Endpoint, world: World) -> None:
    """Of the same endpoint and of another one; then nothing is done. Another key does it."""
    ask, key = CALLS[name_of(endpoint)](world), world.new("key")
    assert ask.send(world.client, idempotency_key=key).status_code == endpoint.status
    changed = other_than(ask, world)
    other = "POST /credits" if name_of(endpoint) == "POST /customers" else "POST /customers"
    elsewhere = CALLS[other](world)
    before = shown(world.client)
    for each in (changed, elsewhere):
        refused = each.send(world.client, idempotency_key=key)
        refusal(refused, 409, "IdempotencyKeyReused", key)
    assert shown(world.client) == before
    assert changed.send(world.client, idempotency_key=world.new("key")).status_code < 300


@each_post
def test_a_key_that_cannot_be_kept_is_refused(endpoint: Endpoint, world: World) -> None:
    ask = CALLS[name_of(endpoint)](world)
    before = shown(world.client)
    for key in ("", "x" * 256):
        answer = ask.send(world.client, idempotency_key=key)
        refusal(answer, 400, "ValidationError", "Idempotency-Key", "1 to 255")
    assert shown(world.client) == before


@each_post
def test_however_many_ask_at_once_with_one_key_it_is_done_once(
    endpoint: Endpoint, world: World, here: Tenant
) -> None:
    ask, key = CALLS[name_of(endpoint)](world), world.new("key")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask.send(world.client, idempotency_key=key), range(8)))
    found = {(answer.status_code, answer.content) for answer in answers}
    assert found == {(endpoint.status, answers[0].content)}


def voided(world: World) -> tuple[Ask, Callable[[httpx.Client], Any]]:
    grant = world.credit().id
    body = world.transaction_body(grantId=grant)
    ask = replace(CALLS["POST /credit-transactions"](world), body=body)
    return ask, lambda native: native.post(f"/grants/{grant}/void")


def archived(name: str) -> Callable[[World], tuple[Ask, Callable[[httpx.Client], Any]]]:
    def made(world: World) -> tuple[Ask, Callable[[httpx.Client], Any]]:
        ask, customer = CALLS[name](world), world.customer()
        ask = replace(ask, body=(ask.body or {}) | {"customerId": customer})
        return ask, lambda _: world.client.post(f"/customers/{customer}/archive")

    return made


def taken_back(world: World) -> tuple[Ask, Callable[[httpx.Client], Any]]:
    ask = CALLS["POST /customers"](world)
    body = ask.body or {}
    return ask, lambda _: world.client.put(
        f"/customers/{body['customerAliases'][0]}", json=body | {"customerAliases": []}
    )


@pytest.mark.parametrize(
    "prepare",
    [voided, archived("POST /credits"), archived("POST /customer-aliases"), taken_back],
    ids=["the grant is voided", "he is archived", "his aliases", "the alias is taken back"],
)
def test_a_repetition_is_answered_the_same_whatever_has_come_of_it(
    prepare: Callable[[World], tuple[Ask, Callable[[httpx.Client], Any]]],
    world: World,
    here: Tenant,
) -> None:
    """Also where the request could not be carried out any more."""
    ask, change = prepare(world)
    key = world.new("key")
    first = ask.send(world.client, idempotency_key=key)
    assert first.status_code == 201
    with here.client() as native:
        assert change(native).status_code in (200, 201)
    again = ask.send(world.client, idempotency_key=key)
    assert (again.status_code, again.content) == (201, first.content)


def test_the_last_alias_that_there_is_room_for_may_be_repeated(world: World) -> None:
    customer = world.customer(customerAliases=[world.new("alias") for _ in range(30)])
    headers = {"Idempotency-Key": world.new("key")}
    for _ in range(69):
        world.alias(customer)
    body = {"customerId": customer, "value": world.new("last")}
    first, again = (
        world.client.post("/customer-aliases", json=body, headers=headers) for _ in range(2)
    )
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    more = {"customerId": customer, "value": world.new("more")}
    refusal(
        world.client.post("/customer-aliases", json=more), 400, "ValidationError", "at most 100"
    )


def test_a_key_is_known_to_every_process(
    database_url: str, serve: StartServer, database_kind: str
) -> None:
    """To each worker of a server on PostgreSQL; on SQLite, which has one, after a restart."""
    several = () if database_kind == SQLITE else ("--workers", "2")
    running = serve(*several, database=database_url)
    tenant = running.tenant()
    with client(tenant) as opened:
        first = opened.post("/customers", json=CUSTOMER, headers={"Idempotency-Key": "k"})
    running.stop()
    url = serve(*several, database=database_url).url
    for _ in range(6):
        with client(replace(tenant, url=url)) as opened:
            again = opened.post("/customers", json=CUSTOMER, headers={"Idempotency-Key": "k"})
            other = opened.post("/customers", json=WHOLE, headers={"Idempotency-Key": "k"})
        assert (again.status_code, again.content) == (201, first.content)
        refusal(other, 409, "IdempotencyKeyReused", "'k'")
