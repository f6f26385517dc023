"""What every endpoint refuses before it asks the ledger: a wrong key, a role, a field that it has not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Endpoint
from tests.dialects.dodo.calls import CALLS
from tests.dialects.dodo.official import FORMS, Official, Refused, official
from tests.dialects.dodo.test_every_endpoint import each_endpoint, name_of
from tests.dialects.dodo.world import World
from tests.support.server import Server, Tenant, start_server


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start_server(tmp_path_factory.mktemp("keys"))
    yield running
    running.stop()


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def here(one: Server, form: str) -> Tenant:
    return one.tenant()


@pytest.fixture(scope="module")
def sdk(form: str, here: Tenant) -> Iterator[Official]:
    made = official(form, here.url, here.test.editor.secret)
    yield made
    made.close()


@pytest.fixture(scope="module")
def world(sdk: Official) -> World:
    return World(sdk)


@pytest.fixture(scope="module")
def viewer(sdk: Official, here: Tenant) -> Iterator[Official]:
    made = sdk.acting(here.test.viewer.secret)
    yield made
    made.close()


@pytest.fixture(scope="module")
def stranger(sdk: Official) -> Iterator[Official]:
    """With the key of the vendor's own test suite."""
    made = sdk.acting("My Bearer Token")
    yield made
    made.close()


@each_endpoint
def test_a_viewer_reads_and_does_not_write(
    endpoint: Endpoint, viewer: Official, world: World
) -> None:
    if endpoint.role is Role.VIEWER:
        CALLS[name_of(endpoint)](viewer, world)
        return
    with pytest.raises(Refused) as caught:
        CALLS[name_of(endpoint)](viewer, world)
    told = caught.value
    assert (told.error, told.status, told.code) == ("PermissionDeniedError", 403, "UNAUTHORIZED")
    assert (told.message, told.attempts) == (
        "This takes a key with the role editor or more, not viewer.",
        1,
    )


@each_endpoint
def test_a_stranger_is_refused(endpoint: Endpoint, stranger: Official, world: World) -> None:
    with pytest.raises(Refused) as caught:
        CALLS[name_of(endpoint)](stranger, world)
    told = caught.value
    assert (told.error, told.status, told.code) == ("AuthenticationError", 401, "UNAUTHORIZED")
    assert (told.message, told.attempts) == ("The API key is unknown.", 1)


@each_endpoint
def test_a_field_that_it_does_not_have_is_refused_by_its_name(
    endpoint: Endpoint, sdk: Official, world: World
) -> None:
    """Where it reads any: a misspelt one would do harm in silence."""
    if endpoint.body is None and endpoint.query is None:
        return
    with pytest.raises(Refused) as caught:
        CALLS[name_of(endpoint)](partial(sdk, extra={"surprise": 1}), world)
    told = caught.value
    code = "INVALID_REQUEST_BODY" if endpoint.body else "INVALID_QUERY_PARAMS"
    assert (told.error, told.status, told.code) == ("UnprocessableEntityError", 422, code)
    assert "surprise" in told.message
    assert told.attempts == 1
