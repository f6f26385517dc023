"""Every endpoint with every kind of key: what each may do, and what it learns."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest

from drawdown.core import identity
from drawdown.engine.accounts import Role
from drawdown.opening import open_ledger
from drawdown.web.endpoints import Endpoint
from tests.dialects.sequence.calls import CALLS
from tests.dialects.sequence.contract import refusal
from tests.dialects.sequence.support import BASE, client
from tests.dialects.sequence.test_every_endpoint import ENDPOINTS, each_endpoint, name_of
from tests.dialects.sequence.world import Ask, World
from tests.support.server import Key, Server, Tenant

#: Lists of all that a book has, and what is answered to who has nothing.
LISTS = [row for row in ENDPOINTS if row.method == "GET" and "{" not in row.path]
#: What is made from nothing that is there: in the asker's own book.
MADE_OF_NOTHING = (
    "POST /usage-metrics",
    "POST /usage-events",
    "POST /notifications/policies",
)
#: What names something in its body, and the field that does.
NAMED_IN_BODY = {
    "POST /customers": "parentId",
    "POST /customer-aliases": "customerId",
    "POST /credits": "customerId",
    "POST /credit-transactions": "grantId",
}


# Keys that open nothing ------------------------------------------------------------------------------


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


async def revoke(database: str, key: str) -> None:
    found = identity.parse(key)
    assert found is not None
    async with open_ledger(database, jobs=False) as ledger:
        assert await ledger.accounts.revoke_key(found)


@pytest.fixture(scope="module")
def revoked(one: Server) -> Key:
    gone = one.tenant().test.editor
    asyncio.run(revoke(one.database, gone.id))
    return gone


IN_PART, UNKNOWN = "No API key was given in full", "The API key is unknown."
REVOKED = "The API key has been revoked."
#: From a key and a revoked one: what is sent, and how it is refused.
WRONG: tuple[Callable[[Key, Key], tuple[str | None, str]], ...] = (
    lambda key, gone: (None, IN_PART),
    lambda key, gone: ("Basic !!!!", IN_PART),
    lambda key, gone: (basic(key.secret), IN_PART),
    lambda key, gone: (basic(f":{key.secret}"), UNKNOWN),
    lambda key, gone: (basic(f"{gone.id}:{key.secret}"), UNKNOWN),
    lambda key, gone: (basic(f"{key.id}:{key.secret}:"), UNKNOWN),
    lambda key, gone: ("Bearer sk_test_wrong", UNKNOWN),
    lambda key, gone: (basic(f"{gone.id}:{gone.secret}"), REVOKED),
    lambda key, gone: (f"Bearer {gone.secret}", REVOKED),
)


@pytest.fixture(scope="module")
def nobody(here: Tenant) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=here.url + BASE, timeout=30, verify=False) as opened:
        yield opened


@each_endpoint
def test_without_a_key_nothing_is_open(
    endpoint: Endpoint, nobody: httpx.Client, here: Tenant, revoked: Key
) -> None:
    """It is looked at before all else: before the body, and whether what is named is there."""
    path = endpoint.path.replace("{", "").replace("}", "")
    for wrong in WRONG:
        value, message = wrong(here.test.admin, revoked)
        headers = {} if value is None else {"authorization": value}
        answer = nobody.request(endpoint.method, path, headers=headers, content=b"{")
        refusal(answer, 401, "Unauthorized", message)
        assert answer.headers["www-authenticate"].count("Basic realm=") == 1


# Roles -----------------------------------------------------------------------------------------------


def as_bearer(tenant: Tenant, key: Key) -> httpx.Client:
    return tenant.client(key, base=BASE)


@each_endpoint
def test_a_viewer_reads_and_does_not_write(endpoint: Endpoint, world: World, here: Tenant) -> None:
    ask = CALLS[name_of(endpoint)](world)
    for opened in (client(here, here.test.viewer), as_bearer(here, here.test.viewer)):
        with opened as viewer:
            if endpoint.role is Role.VIEWER:
                ask.granted(viewer)
            else:
                refusal(ask.send(viewer), 403, "Forbidden", "role editor or more, not viewer")


def test_what_a_viewer_was_refused_is_not_done(world: World, here: Tenant) -> None:
    asks = [CALLS[name_of(row)](world) for row in ENDPOINTS if row.role is not Role.VIEWER]
    before = shown(world.client)
    with client(here, here.test.viewer) as viewer:
        for ask in asks:
            assert ask.send(viewer).status_code == 403
    assert shown(world.client) == before


@each_endpoint
def test_an_admin_does_all(endpoint: Endpoint, world: World, here: Tenant) -> None:
    for opened in (client(here, here.test.admin), as_bearer(here, here.test.admin)):
        with opened as admin:
            CALLS[name_of(endpoint)](world).granted(admin)


def test_only_reading_is_for_viewers() -> None:
    assert {row.method for row in ENDPOINTS if row.role is Role.VIEWER} == {"GET"}
    assert {row.role for row in ENDPOINTS if row.method != "GET"} == {Role.EDITOR}


# Other books -----------------------------------------------------------------------------------------


def shown(http: httpx.Client) -> list[bytes]:
    """The first page of each list, as it is answered."""
    return [http.get(row.path, params={"limit": 100}).content for row in LISTS]


@pytest.fixture(scope="module", params=["another account", "live mode"])
def stranger(request: pytest.FixtureRequest, one: Server, here: Tenant) -> Iterator[World]:
    """Who has a key, and nothing in the book that it opens."""
    if request.param == "live mode":
        with client(here, here.live.editor) as opened:
            yield World(opened, here)
    else:
        tenant = one.tenant()
        with client(tenant) as opened:
            yield World(opened, tenant)


def asked_by(stranger: World, ask: Ask) -> Ask:
    """The same, with the account as the stranger has it."""
    headers = stranger.behalf if ask.headers else {}
    if ask.body is None or "sequenceAccountId" not in ask.body:
        return replace(ask, headers=headers)
    body = ask.body | {"sequenceAccountId": stranger.account}
    return replace(ask, headers=headers, body=body)


@pytest.mark.parametrize("endpoint", [row for row in ENDPOINTS if "{" in row.path], ids=name_of)
def test_what_is_anothers_is_not_there(endpoint: Endpoint, world: World, stranger: World) -> None:
    """In the words for what never was; and nothing of it is changed."""
    ask = CALLS[name_of(endpoint)](world)
    before = shown(world.client)
    refusal(asked_by(stranger, ask).send(stranger.client), 404, "NotFound", "There is no ")
    assert shown(world.client) == before


@pytest.mark.parametrize("name", NAMED_IN_BODY)
def test_what_is_anothers_cannot_be_named(name: str, world: World, stranger: World) -> None:
    ask = CALLS[name](world)
    before = shown(world.client), shown(stranger.client)
    answer = asked_by(stranger, ask).send(stranger.client)
    refusal(answer, 400, "ValidationError", NAMED_IN_BODY[name])
    assert (shown(world.client), shown(stranger.client)) == before


def test_anothers_metric_cannot_be_granted(world: World, stranger: World) -> None:
    body = stranger.credit_body(creditUnitType="METRIC", metricId=world.metric().id)
    answer = stranger.client.post("/credits", json=body)
    refusal(answer, 400, "ValidationError", "metricId")


def test_anothers_customer_cannot_be_a_parent(world: World, stranger: World) -> None:
    ask = CALLS["PUT /customers/{id}"](stranger)
    body = (ask.body or {}) | {"parentId": world.customer()}
    refusal(replace(ask, body=body).send(stranger.client), 400, "ValidationError", "parentId")


def test_anothers_account_cannot_be_named(world: World, one: Server) -> None:
    """In a body or on behalf; a stranger's is as good as none."""
    other = World(world.client, one.tenant())
    for name in CALLS:
        ask = CALLS[name](world)
        if not ask.headers and "sequenceAccountId" not in (ask.body or {}):
            continue
        field = "On-Behalf-Of" if ask.headers else "sequenceAccountId"
        before = shown(world.client)
        answer = asked_by(other, ask).send(world.client)
        refusal(answer, 400, "ValidationError", field, world.account)
        assert shown(world.client) == before


@pytest.mark.parametrize("name", MADE_OF_NOTHING)
def test_what_names_nothing_is_made_in_the_askers_book(
    name: str, world: World, stranger: World
) -> None:
    """An event for an alias that another has is one for nobody's here, and waits."""
    ask = CALLS[name](world)
    before = shown(world.client)
    asked_by(stranger, ask).granted(stranger.client)
    assert shown(world.client) == before


@pytest.mark.parametrize("endpoint", LISTS, ids=name_of)
def test_what_is_anothers_is_not_listed(
    endpoint: Endpoint, world: World, one: Server, here: Tenant
) -> None:
    """Of another account, and of another mode; also where a list is asked for what is another's."""
    ask = CALLS[name_of(endpoint)](world)
    assert ask.granted(world.client).items
    fresh = one.tenant()
    for key in (fresh.test.editor, fresh.live.editor):
        with client(fresh, key) as opened:
            answer = ask.granted(opened)
            assert (answer.items, opened.get(endpoint.path).json()["items"]) == ([], [])


def test_every_endpoint_is_asked_by_a_stranger() -> None:
    by_path = {name_of(row) for row in ENDPOINTS if "{" in row.path}
    lists = {name_of(row) for row in LISTS}
    named = {*NAMED_IN_BODY, *MADE_OF_NOTHING}
    assert by_path | lists | named == {name_of(row) for row in ENDPOINTS}
