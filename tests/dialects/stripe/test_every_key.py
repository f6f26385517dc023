"""Every endpoint with every kind of key: what each may do, and what it learns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest

from drawdown.core import identity
from drawdown.engine.accounts import Role
from drawdown.opening import open_ledger
from drawdown.web.endpoints import Endpoint
from tests.dialects.stripe.calls import CALLS
from tests.dialects.stripe.python_sdk import FORMS, Calls, PythonSdk, Refused, pattern
from tests.dialects.stripe.test_every_endpoint import ENDPOINTS, each_endpoint, name_of
from tests.dialects.stripe.world import World
from tests.support.server import Server, Tenant


class Told(NamedTuple):
    """``error``: the SDK's class."""

    error: str
    status: int
    kind: str
    code: str | None
    message: str


NO_KEY = {
    "unknown": Told(
        "AuthenticationError", 401, "invalid_request_error", None, "The API key is unknown."
    ),
    "publishable": Told(
        "AuthenticationError",
        401,
        "invalid_request_error",
        "secret_key_required",
        "This request needs a secret API key, and a publishable one was given.",
    ),
    "revoked": Told(
        "AuthenticationError",
        401,
        "invalid_request_error",
        "api_key_expired",
        "The API key has been revoked.",
    ),
}
VIEWER = Told(
    "PermissionError",
    403,
    "invalid_request_error",
    None,
    "The provided key does not have the required permissions for this endpoint: it has the role "
    "viewer, and this takes editor or more.",
)


@pytest.fixture(scope="module")
def sdk(alone: Tenant) -> Iterator[PythonSdk]:
    with PythonSdk("blocking", alone.url, alone.test.editor.secret) as made:
        yield made


@pytest.fixture(scope="module")
def names(sdk: PythonSdk) -> dict[tuple[str, str], str]:
    return sdk.calls()


@pytest.fixture(scope="module")
def worlds(sdk: PythonSdk) -> dict[str, tuple[Tenant, World]]:
    return {}


@pytest.fixture
def here(
    request: pytest.FixtureRequest,
    one: Server,
    sdk: PythonSdk,
    worlds: dict[str, tuple[Tenant, World]],
) -> tuple[Tenant, World]:
    """An account for each test and kind of key: a book has room for 200 meters and 16 webhook endpoints."""
    kinds = [str(each) for each in request.node.callspec.params.values() if isinstance(each, str)]
    called = " ".join([request.node.originalname, *kinds])
    if called not in worlds:
        made = one.tenant()
        worlds[called] = made, World(sdk.acting(made.test.editor.secret))
    return worlds[called]


@pytest.fixture
def account(here: tuple[Tenant, World]) -> Tenant:
    return here[0]


@pytest.fixture
def world(here: tuple[Tenant, World]) -> World:
    return here[1]


@pytest.fixture(scope="module")
def secrets(one: Server) -> dict[str, str]:
    """Those that open nothing."""
    gone = one.tenant().test.editor
    asyncio.run(revoke(one.database, gone.id))
    return {"unknown": "sk_test_wrong", "publishable": "pk_test_abc", "revoked": gone.secret}


async def revoke(database: str, key: str) -> None:
    found = identity.parse(key)
    assert found is not None
    async with open_ledger(database, jobs=False) as ledger:
        assert await ledger.accounts.revoke_key(found)


def told(ask: Callable[[], object]) -> Told:
    """How a client is refused; it sends what it is refused for once."""
    with pytest.raises(Refused) as caught:
        ask()
    found = caught.value
    assert (found.attempts, found.request_id[:4]) == (1, "req_")
    return Told(found.error, found.status, found.kind, found.code, found.message)


def asking(endpoint: Endpoint, client: Calls, names: dict[tuple[str, str], str]) -> Told:
    """Of nobody, for nothing: a key is looked at before all else."""
    name = names[endpoint.method, pattern(endpoint.path)].removeprefix("v1.")
    ids = ["nobody" for _ in range(endpoint.path.count("{"))]
    return told(lambda: client(name, *ids))


@pytest.mark.parametrize("kind", NO_KEY)
@each_endpoint
def test_without_a_secret_key_nothing_is_open(
    endpoint: Endpoint,
    kind: str,
    sdk: PythonSdk,
    names: dict[tuple[str, str], str],
    secrets: dict[str, str],
) -> None:
    assert asking(endpoint, sdk.acting(secrets[kind]), names) == NO_KEY[kind]


@each_endpoint
def test_a_viewer_reads_and_does_not_write(
    endpoint: Endpoint,
    sdk: PythonSdk,
    names: dict[tuple[str, str], str],
    world: World,
    account: Tenant,
) -> None:
    viewer = sdk.acting(account.test.viewer.secret)
    if endpoint.role is Role.VIEWER:
        CALLS[name_of(endpoint)](viewer, world)
    else:
        assert asking(endpoint, viewer, names) == VIEWER


@each_endpoint
def test_an_admin_does_all(
    endpoint: Endpoint, sdk: PythonSdk, world: World, account: Tenant
) -> None:
    CALLS[name_of(endpoint)](sdk.acting(account.test.admin.secret), world)


def test_only_reading_is_for_viewers() -> None:
    assert {row.method for row in ENDPOINTS if row.role is Role.VIEWER} == {"GET"}
    assert {row.role for row in ENDPOINTS if row.method != "GET"} == {Role.EDITOR}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_the_sdk_raises_its_own_class(
    form: str, alone: Tenant, secrets: dict[str, str]
) -> None:
    with PythonSdk(form, alone.url, alone.test.editor.secret) as client:
        for kind, expected in NO_KEY.items():
            wrong = client.acting(secrets[kind])
            assert told(partial(wrong, "products.create", name="Search")) == expected
        viewer = client.acting(alone.test.viewer.secret)
        assert told(partial(viewer, "products.create", name="Search")) == VIEWER


# Other books -----------------------------------------------------------------------------------------

#: A list that names nothing of the world's, and shows what is the asker's.
UNNAMED = [
    row
    for row in ENDPOINTS
    if row.method == "GET"
    and "{" not in row.path
    and row.path not in ("/v1/billing/credit_balance_summary", "/v1/customers/search")
]


@pytest.fixture(scope="module")
def empty(one: Server) -> Tenant:
    """An account that nothing was ever made in."""
    return one.tenant()


@pytest.fixture(scope="module")
def stocked(sdk: PythonSdk, names: dict[tuple[str, str], str]) -> dict[str, list[dict[str, Any]]]:
    """What each list shows of an account that has something of each kind."""
    world = World(sdk)
    world.grant(world.billed().customer)
    world.customer()
    world.alert()
    world.webhook()
    listed = [names[row.method, pattern(row.path)].removeprefix("v1.") for row in UNNAMED]
    return {name: sdk(name)["data"] for name in listed}


@pytest.mark.parametrize("mode", ["test", "live"])
@pytest.mark.parametrize("endpoint", UNNAMED, ids=name_of)
def test_what_is_anothers_is_not_listed(
    endpoint: Endpoint,
    mode: str,
    sdk: PythonSdk,
    names: dict[tuple[str, str], str],
    stocked: dict[str, list[dict[str, Any]]],
    empty: Tenant,
) -> None:
    """Of another account, and of another mode."""
    name = names[endpoint.method, pattern(endpoint.path)].removeprefix("v1.")
    assert stocked[name]
    page = sdk.acting(getattr(empty, mode).editor.secret)(name)
    assert (page["data"], page["has_more"]) == ([], False)


def test_what_is_anothers_is_not_found_in_a_search(sdk: PythonSdk, empty: Tenant) -> None:
    World(sdk).customer()
    query = 'name~"customer"'
    assert sdk("customers.search", query=query)["data"]
    for keys in (empty.test, empty.live):
        found = sdk.acting(keys.editor.secret)("customers.search", query=query)
        assert found["data"] == []


@pytest.fixture(scope="module")
def other(one: Server) -> Tenant:
    return one.tenant()


@pytest.mark.parametrize("mode", ["test", "live"])
@pytest.mark.parametrize(
    "endpoint",
    [row for row in ENDPOINTS if row not in UNNAMED and row.path != "/v1/customers/search"],
    ids=name_of,
)
def test_what_is_anothers_is_not_there(
    endpoint: Endpoint, mode: str, sdk: PythonSdk, world: World, account: Tenant, other: Tenant
) -> None:
    """Of another account, and of this account's other mode: as if there were nothing.

    What names nothing is made in the asker's own book, where the world does not find it.
    """
    keys = other.test if mode == "test" else account.live
    stranger = sdk.acting(keys.editor.secret)
    found = told(partial(CALLS[name_of(endpoint)], stranger, world))
    if "{" in endpoint.path or found.code is not None:
        assert (found.error, found.status) == ("InvalidRequestError", 404)
        assert found.code == "resource_missing"
        assert found.message.startswith("No such ")
    else:
        assert found.status == 400
        assert found.message.startswith(("No active meter found", "A test clock is made in test"))
