"""Every refusal of the dialect's table, through the Python SDK: the class it raises, and what that says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from drawdown.core import errors
from drawdown.core.types import MICROSECONDS, Instant
from drawdown.store.sqlite import store
from drawdown.web.endpoints import Endpoint
from tests.dialects.stripe.python_sdk import FORMS, Calls, PythonSdk, Refused, pattern
from tests.dialects.stripe.refusals import REFUSALS
from tests.dialects.stripe.test_every_endpoint import ENDPOINTS, name_of
from tests.dialects.stripe.world import HOUR, START, World
from tests.support.clocked_server import clocked_server
from tests.support.locking import locked
from tests.support.server import Server, Tenant

Named = tuple[str, type[Exception], int]
#: What a parameter of a path names, in the words of a refusal, and the error that the table has for it.
NOUNS: dict[str, tuple[str, type[Exception]]] = {
    "grant": ("billing credit grant", errors.GrantNotFound),
    "customer": ("customer", errors.CustomerNotFound),
    "product": ("product", errors.DocumentNotFound),
    "price": ("price", errors.DocumentNotFound),
    "meter": ("billing meter", errors.MeterNotFound),
    "subscription": ("subscription", errors.DocumentNotFound),
    "invoice": ("invoice", errors.DocumentNotFound),
    "clock": ("test clock", errors.ClockNotFound),
    "transaction": ("billing credit balance transaction", errors.DocumentNotFound),
    "alert": ("alert", errors.DocumentNotFound),
    "endpoint": ("webhook endpoint", errors.DocumentNotFound),
    "event": ("event", errors.DocumentNotFound),
    "item": ("subscription item", errors.DocumentNotFound),
}
#: Each list's own, by its path.
LISTED = {
    "/v1/billing/credit_grants": "grant",
    "/v1/billing/credit_balance_transactions": "transaction",
    "/v1/customers": "customer",
    "/v1/products": "product",
    "/v1/prices": "price",
    "/v1/billing/meters": "meter",
    "/v1/billing/alerts": "alert",
    "/v1/subscriptions": "subscription",
    "/v1/invoices": "invoice",
    "/v1/test_helpers/test_clocks": "clock",
    "/v1/webhook_endpoints": "endpoint",
    "/v1/events": "event",
}
#: What else must be there for an id to be looked for.
GIVEN: dict[str, dict[str, Any]] = {
    "/v1/billing/meters/{meter}/event_summaries": {
        "customer": "nobody",
        "start_time": START,
        "end_time": START + HOUR,
    },
    "/v1/test_helpers/test_clocks/{clock}/advance": {"frozen_time": START},
}
#: Only where two write at the same moment; and a clock that is still advancing, which another file waits for.
BETWEEN_TWO = {errors.DocumentChanged, errors.AlertNotFound, errors.ClockAdvancing}


class Told(NamedTuple):
    error: str
    status: int
    kind: str
    code: str | None
    param: str | None


NOTHING = Told("InvalidRequestError", 404, "invalid_request_error", "resource_missing", "id")


@pytest.fixture(scope="module", params=["blocking", "of 2025"])
def sdk(request: pytest.FixtureRequest, one: Server) -> Iterator[PythonSdk]:
    here = one.tenant()
    with PythonSdk(request.param, here.url, here.test.editor.secret) as made:
        yield made


@pytest.fixture(scope="module")
def names(sdk: PythonSdk) -> dict[tuple[str, str], str]:
    return sdk.calls()


@pytest.fixture(scope="module")
def world(sdk: PythonSdk) -> World:
    return World(sdk)


def told(ask: Any, *ids: str, **given: Any) -> tuple[Told, str]:
    """How it is refused, once, and the message."""
    with pytest.raises(Refused) as caught:
        ask(*ids, **given)
    found = caught.value
    assert found.attempts == 1
    return Told(found.error, found.status, found.kind, found.code, found.param), found.message


def covered() -> set[tuple[str, type[Exception]]]:
    found = {(endpoint, error) for endpoint, error, _ in REFUSALS}
    for row in ENDPOINTS:
        [*named] = re.findall(r"{(\w+)}", row.path)
        named += [LISTED[row.path]] if row.method == "GET" and row.path in LISTED else []
        found |= {(name_of(row), NOUNS[each][1]) for each in named}
        found.add((name_of(row), errors.KeyReused))
    return found


def test_every_refusal_of_the_table_is_brought_about() -> None:
    listed = {(name_of(row), error) for row in ENDPOINTS for error in row.errors}
    in_live_mode = {("POST /v1/test_helpers/test_clocks", errors.OnlyInTestMode)}
    here = {pair for pair in listed - in_live_mode if pair[1] not in BETWEEN_TWO}
    assert here - covered() == set()
    told_here = {(endpoint, error) for endpoint, error, _ in REFUSALS}
    assert told_here <= listed


@pytest.mark.parametrize("named", REFUSALS, ids=lambda named: f"{named[0]} {named[1].__name__}")
def test_it_is_refused(named: Named, sdk: PythonSdk, one: Server) -> None:
    """On an account of its own: some fill it."""
    here = sdk.acting(one.tenant().test.editor.secret)
    expected = REFUSALS[named]
    found, message = told(expected.ask, here, World(here))  # type: ignore[arg-type]
    assert found == NOTHING._replace(
        status=expected.status, code=expected.code, param=expected.param
    )
    assert re.fullmatch(expected.message, message), message


@pytest.mark.parametrize("row", [row for row in ENDPOINTS if "{" in row.path], ids=name_of)
def test_an_id_of_nothing_is_refused(
    row: Endpoint, sdk: PythonSdk, names: dict[tuple[str, str], str]
) -> None:
    """In each place of a path, as the parameter ``id``."""
    ids = ["nobody" for _ in re.findall(r"{\w+}", row.path)]
    [first, *_] = re.findall(r"{(\w+)}", row.path)
    found, message = told(_ask(sdk, row, names), *ids, **GIVEN.get(row.path, {}))
    assert (found, message) == (NOTHING, f"No such {NOUNS[first][0]}: 'nobody'")


def _ask(sdk: Calls, row: Endpoint, names: dict[tuple[str, str], str]) -> Any:
    name = names[row.method, pattern(row.path)].removeprefix("v1.")
    return lambda *ids, **given: sdk(name, *ids, **given)


@pytest.mark.parametrize("cursor", ["starting_after", "ending_before"])
@pytest.mark.parametrize("path", LISTED)
def test_a_page_after_nothing_is_refused(
    path: str, cursor: str, sdk: PythonSdk, names: dict[tuple[str, str], str]
) -> None:
    [row] = [row for row in ENDPOINTS if (row.method, row.path) == ("GET", path)]
    found, message = told(_ask(sdk, row, names), **{cursor: "nobody"})
    assert found == NOTHING._replace(param=cursor)
    assert message == f"No such {NOUNS[LISTED[path]][0]}: 'nobody'"


def test_every_list_has_its_noun() -> None:
    lists = {row.path for row in ENDPOINTS if row.method == "GET" and "{" not in row.path}
    others = {"/v1/customers/search", "/v1/billing/credit_balance_summary"}
    assert lists - others == LISTED.keys()


@pytest.mark.parametrize(
    "row", [row for row in ENDPOINTS if errors.KeyReused in row.errors], ids=name_of
)
def test_a_key_of_another_request_is_refused(row: Endpoint, alone: Tenant) -> None:
    """Whatever is asked, before anything else that may be wrong with it."""
    with alone.client(base="") as http:
        used = {"idempotency-key": "used"}
        assert http.post("/v1/customers", headers=used).status_code == 200
        named = dict.fromkeys(re.findall(r"{(\w+)}", row.path), "nobody")
        form = {"metadata[a]": "1"} if not row.path.startswith("/v2") else {}
        answer = http.post(row.path.format(**named), headers=used, data=form)
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (400, "idempotency_error")
        assert error["message"].startswith("Keys for idempotent requests can only be used with")


# What the table does not name, since any endpoint may say it -----------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_each_status_is_its_class_of_the_sdk(form: str, alone: Tenant) -> None:
    with PythonSdk(form, alone.url, alone.test.editor.secret) as client:
        wrong = NOTHING._replace(status=400)
        found, _ = told(client, "customers.create", email=["x"])
        assert found == wrong._replace(code=None, param="email")
        found, _ = told(client, "products.create")
        assert found == wrong._replace(code="parameter_missing", param="name")
        found, message = told(client, "products.create", name="x", colour="blue")
        assert found == wrong._replace(code="parameter_unknown", param="colour")
        assert message == "Received unknown parameter: colour"
        found, _ = told(client, "customers.retrieve", "nobody")
        assert found == NOTHING
        found, _ = told(client, "payment_intents.retrieve", "pi_1")
        assert found == NOTHING._replace(code=None, param=None)
        used = {"idempotency_key": f"used by {form}"}
        client("customers.create", name="Ada", options=used)
        found, _ = told(client, "customers.create", name="Bo", options=used)
        kind = "idempotency_error"
        assert found == Told("IdempotencyError", 400, kind, None, None)
        other = {"stripe_account": "acct_other"}
        found, _ = told(client, "customers.list", options=other)
        assert found[:4] == ("PermissionError", 403, "invalid_request_error", "account_invalid")
        found, _ = told(client, "customers.create", description="x" * 5_000_000)
        assert found == Told("APIError", 413, "invalid_request_error", None, None)


@pytest.mark.parametrize("form", FORMS)
def test_who_asks_too_often_is_told_so(form: str, tmp_path: Path) -> None:
    """Left to itself the SDK waits and tries again; here it may not."""
    now = Instant(START * MICROSECONDS)
    database = f"sqlite:///{tmp_path / 'ledger.db'}"
    with (
        clocked_server(database, now, rate_limit_per_minute=1) as limited,
        PythonSdk(form, limited.url, limited.secret, retries=0) as client,
    ):
        client("customers.list")
        found, message = told(client, "customers.list")
        kind = "invalid_request_error"
        assert found == Told("RateLimitError", 429, kind, "rate_limit", None)
        assert "the limit is 1 a minute" in message


@pytest.mark.parametrize("form", FORMS)
def test_where_the_database_is_away_the_sdk_may_try_again(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does by itself, with the same key; nothing has been done."""
    monkeypatch.setattr(store, "BEGIN_TRIES", 2)
    path, now = tmp_path / "ledger.db", Instant(START * MICROSECONDS)
    with (
        clocked_server(f"sqlite:///{path}", now) as server,
        PythonSdk(form, server.url, server.secret, retries=1) as client,
    ):
        with locked(path), pytest.raises(Refused) as caught:
            client("customers.create", name="Ada")
        away = caught.value
        assert (away.error, away.status, away.kind) == ("APIError", 503, "api_error")
        assert away.attempts == 2
        assert client("customers.list")["data"] == []
        client("customers.create", name="Ada")
        assert [each["name"] for each in client("customers.list")["data"]] == ["Ada"]
