"""Every refusal that the dialect's table names, as the official SDKs raise it: class, status, code, message.

One that no call brings about fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drawdown.core import spending
from drawdown.core.schedules import changes as schedules
from drawdown.core.usage import catalog, counting
from drawdown.dialects.dodo.webhooks import routes as webhooks
from drawdown.webhooks import desk
from tests.conftest import NewUrl
from tests.dialects.dodo.conftest import NEW_YEAR
from tests.dialects.dodo.official import FORMS, Official, Refused, official
from tests.dialects.dodo.refusals import FULL, REFUSALS, TOLD, Refusal, Told
from tests.dialects.dodo.test_every_endpoint import ENDPOINTS, name_of
from tests.dialects.dodo.world import BALANCES, World
from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.server import Server

Named = tuple[str, type[Exception]]
NAMED = [(name_of(endpoint), error) for endpoint in ENDPOINTS for error in endpoint.errors]


@pytest.fixture(scope="module", params=FORMS)
def sdk(request: pytest.FixtureRequest, server: Server) -> Iterator[Official]:
    tenant = server.tenant()
    made = official(request.param, tenant.url, tenant.test.editor.secret)
    yield made
    made.close()


@pytest.fixture(scope="module")
def world(sdk: Official) -> World:
    return World(sdk)


def test_there_is_a_call_for_each_refusal_and_no_other() -> None:
    assert sorted([*REFUSALS, *FULL], key=str) == sorted(NAMED, key=str)


@pytest.mark.parametrize("named", REFUSALS, ids=lambda named: f"{named[0]} {named[1].__name__}")
def test_it_is_refused_once_and_in_these_words(named: Named, sdk: Official, world: World) -> None:
    check(REFUSALS[named], TOLD[named[1]], sdk, world)


def check(refusal: Refusal, expected: Told, sdk: Official, world: World) -> None:
    with pytest.raises(Refused) as caught:
        refusal.ask(sdk, world)
    told = caught.value
    assert (told.error, told.status, told.code) == expected[:3]
    message = refusal.message or expected.message
    assert message is not None
    assert re.fullmatch(message, told.message), told.message
    assert told.attempts == 1


# Where the book is full -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(new_url: NewUrl) -> Iterator[ClockedServer]:
    """A server on which there may be two of everything."""
    with pytest.MonkeyPatch.context() as patch, new_url() as url:
        patch.setattr(spending, "GRANTS_OPEN_MAX", 2)
        patch.setattr(schedules, "SCHEDULES_LIVE_MAX", 2)
        patch.setattr(catalog, "METERS_MAX", 2)
        patch.setattr(catalog, "RATES_MAX", 2)
        patch.setattr(counting, "GROUPS_MAX", 2)
        for module in (desk, webhooks):
            patch.setattr(module, "ENDPOINTS_MAX", 2)
        with clocked_server(url, NEW_YEAR) as running:
            fill(running)
            yield running


def fill(server: ClockedServer) -> None:
    """Two meters, each with its rate, by the native API: events are counted for each model apart."""
    with server.client() as http:
        http.post("/entitlements", json={"code": "t", "unit": "t", "scale": 0}).raise_for_status()
        for code in ("call", "other"):
            meter = {"code": code, "event_name": code, "aggregation": "count"}
            http.post("/meters", json=meter | {"group_by": ["model"]}).raise_for_status()
            price = {"model": "per_unit", "price": "0"}
            rate = {"meter": code, "entitlement": "t", "price": price}
            http.post("/rates", json=rate).raise_for_status()


@pytest.mark.parametrize("named", FULL, ids=lambda named: f"{named[0]} {named[1].__name__}")
def test_what_is_full_takes_no_more(named: Named, sdk: Official, small: ClockedServer) -> None:
    here = sdk.acting(small.secret, small.url)
    check(FULL[named], TOLD[named[1]], here, World(here))
    here.close()


# What the table does not name, since any endpoint may say it ----------------------------------------


def told(sdk: Official, name: str, /, *ids: str, **given: Any) -> tuple[str, int, str, str]:
    with pytest.raises(Refused) as caught:
        sdk(name, *ids, **given)
    found = caught.value
    assert found.attempts == 1
    return found.error, found.status, found.code, found.message


def test_metadata_has_fifty_pairs_at_most(sdk: Official, world: World) -> None:
    given = {"name": "Ada", "email": "ada@example.com"}
    refused = told(sdk, "customers.create", metadata={str(n): n for n in range(51)}, **given)
    assert refused[:3] == ("UnprocessableEntityError", 422, "MAXIMUM_KEYS_REACHED")
    assert "50" in refused[3]


def test_a_currency_is_one_of_the_vendors(sdk: Official, world: World) -> None:
    given = world.entitlement_of(overage_enabled=True, price_per_unit="1", currency="XXX")
    refused = told(sdk, "credit_entitlements.create", **given)
    assert refused[:3] == ("UnprocessableEntityError", 422, "UNSUPPORTED_CURRENCY")
    assert "currency" in refused[3]


def test_an_id_in_the_path_is_one_that_something_may_have(sdk: Official) -> None:
    refused = told(sdk, "customers.retrieve", "x" * 1_001)
    assert refused[:3] == ("UnprocessableEntityError", 422, "INVALID_REQUEST_PARAMETERS")
    assert "customer_id" in refused[3]


def test_who_never_had_credit_has_no_balance(sdk: Official, world: World) -> None:
    kind = world.entitlement()
    refused = told(sdk, f"{BALANCES}.retrieve", world.customer(), credit_entitlement_id=kind)
    assert refused == (
        "NotFoundError",
        404,
        "NOT_FOUND",
        "The customer has no balance of this credit entitlement yet: grant some first.",
    )


def test_what_is_deleted_is_not_found(sdk: Official, world: World) -> None:
    refused = told(sdk, "credit_entitlements.retrieve", world.deleted())
    assert refused[:3] == ("NotFoundError", 404, "NOT_FOUND")


def test_what_is_not_gone_cannot_be_brought_back(sdk: Official, world: World) -> None:
    """500, as at the vendor, and sent once."""
    fault = ("InternalServerError", 500, "INTERNAL_SERVER_ERROR")
    refused = told(sdk, "credit_entitlements.undelete", world.entitlement())
    assert refused == (*fault, "The credit entitlement is not deleted.")
    refused = told(sdk, "meters.unarchive", world.meter())
    assert refused == (*fault, "The meter is not archived.")


def test_a_body_has_an_end(sdk: Official, world: World) -> None:
    """4 MiB unless the operator says otherwise; both SDKs have no class of their own for 413."""
    customer = world.customer()
    events = [world.event(customer, metadata={"text": "x" * 6_000_000})]
    refused = told(sdk, "usage_events.ingest", events=events)
    assert refused[:3] == ("APIError", 413, "INVALID_REQUEST_BODY")


def test_what_the_sdk_offers_beyond_the_table_is_not_there(sdk: Official) -> None:
    refused = told(sdk, "payments.retrieve", "pay_unknown")
    assert refused[:3] == ("NotFoundError", 404, "NOT_FOUND")


@pytest.mark.parametrize("form", FORMS)
def test_who_asks_too_often_is_told_so(form: str, tmp_path: Path) -> None:
    """Left to itself each SDK waits and tries again; here it may not."""
    database = f"sqlite:///{tmp_path / 'ledger.db'}"
    with clocked_server(database, NEW_YEAR, rate_limit_per_second=1) as limited:
        here = official(form, limited.url, limited.secret, retries=0)
        here("customers.list")
        assert told(here, "customers.list") == (
            "RateLimitError",
            429,
            "TOO_MANY_REQUESTS",
            "Too many requests: the limit is 1 a second. Try again in 1 s.",
        )
        here.close()
