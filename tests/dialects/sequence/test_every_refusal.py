"""Every refusal that the dialect's table names, by status, type and message; and that nothing was done.

One that no call brings about fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from drawdown.core import errors, spending
from drawdown.core.types import MICROSECONDS, Instant
from drawdown.core.usage import catalog, counting, recounts
from drawdown.dialects.sequence.customers import rendering
from drawdown.dialects.sequence.errors import ROWS, NotAllowed
from drawdown.dialects.sequence.usage import unmapped
from drawdown.store.sqlite import store
from drawdown.store.sqlite import usage as sqlite_usage
from drawdown.web.endpoints import Endpoint
from drawdown.webhooks import desk
from tests.dialects.sequence.calls import CALLS
from tests.dialects.sequence.contract import refusal
from tests.dialects.sequence.refusals import FULL, NOUNS, REFUSALS, Named, Refusal, nothing
from tests.dialects.sequence.support import BASE, CUSTOMER, client
from tests.dialects.sequence.test_every_endpoint import ENDPOINTS, name_of
from tests.dialects.sequence.test_every_key import shown
from tests.dialects.sequence.world import POLICIES, World
from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.locking import locked
from tests.support.openapi import Described, document_at
from tests.support.server import Server, Tenant

NOW = Instant(1_767_225_600 * MICROSECONDS)


@pytest.fixture(scope="module")
def shared(one: Server) -> Tenant:
    return one.tenant()


@pytest.fixture(scope="module")
def opened(shared: Tenant) -> Iterator[httpx.Client]:
    with client(shared) as found:
        yield found


def told_elsewhere() -> set[Named]:
    """What is named in a path; and keys, of which ``test_idempotency.py`` tells."""
    found: set[Named] = set()
    for row in ENDPOINTS:
        found |= {(name_of(row), each) for each in row.errors if "{" in row.path and each in NOUNS}
        found |= {(name_of(row), errors.KeyReused) for _ in (1,) if row.method == "POST"}
    return found


def test_every_refusal_of_the_table_is_brought_about() -> None:
    listed = {(name_of(row), error) for row in ENDPOINTS for error in row.errors}
    assert listed == {*REFUSALS, *FULL} | told_elsewhere()


def test_every_type_of_error_is_brought_about() -> None:
    """Those of the table here, the others by the tests below."""
    named = {each.type for each in (*REFUSALS.values(), *FULL.values())}
    below = {"UnrecognisedApiVersion", "Unauthorized", "Forbidden", "NotFound", "MethodNotAllowed"}
    below |= {"IdempotencyKeyReused", "PayloadTooLarge", "TooManyRequests"}
    below |= {"InternalServerError", "ServiceUnavailable"}
    assert named | below == {row.type for row in ROWS.values()}


@pytest.fixture(scope="module")
def described(one: Server) -> Described:
    return Described(document_at(f"{one.url}{BASE}/openapi.json"), BASE)


def check(asked: Refusal, world: World, described: Described) -> None:
    """Held to the OpenAPI document, too."""
    ask = asked.ask(world)
    before = shown(world.client)
    answer = ask.send(world.client)
    message = refusal(answer, asked.status, asked.type)
    target = answer.request.url.raw_path.decode()
    described.check(ask.method, target, answer.status_code, answer.content)
    assert re.fullmatch(asked.message, message), message
    assert shown(world.client) == before


@pytest.mark.parametrize("named", REFUSALS, ids=lambda named: f"{named[0]} {named[1].__name__}")
def test_it_is_refused_in_these_words_and_nothing_is_done(
    named: Named, opened: httpx.Client, shared: Tenant, described: Described
) -> None:
    check(REFUSALS[named], World(opened, shared), described)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClockedServer]:
    """A server on which there may be two of everything."""
    monkeypatch.setattr(spending, "GRANTS_OPEN_MAX", 2)
    monkeypatch.setattr(catalog, "METERS_MAX", 2)
    monkeypatch.setattr(counting, "GROUPS_MAX", 2)
    monkeypatch.setattr(unmapped, "UNMAPPED_MAX", 2)
    monkeypatch.setattr(desk, "ENDPOINTS_MAX", 2)
    for module in (sqlite_usage, recounts):
        monkeypatch.setattr(module, "LATEST_MAX", 2)
    with clocked_server(f"sqlite:///{tmp_path / 'ledger.db'}", NOW) as running:
        yield running


@pytest.mark.parametrize("named", FULL, ids=lambda named: f"{named[0]} {named[1].__name__}")
def test_what_is_full_takes_no_more(
    named: Named, small: ClockedServer, described: Described
) -> None:
    tenant = small.tenant()
    with client(tenant) as opened:
        check(FULL[named], World(opened, tenant), described)


NAMED = [row for row in ENDPOINTS if "{" in row.path]
#: What no id is; in a path each is one segment.
NO_IDS = [
    "nothing",
    "%00",
    "%FF",
    "%2F",
    "..%2f..",
    "x" * 2_000,
    "%F0%9F%92%B8",
    "null",
    "-1",
    "%20",
]


@pytest.mark.parametrize("row", NAMED, ids=name_of)
def test_an_id_of_nothing_is_refused(row: Endpoint, opened: httpx.Client, shared: Tenant) -> None:
    """In the words for its noun, whatever was written in its place."""
    [noun] = [each for each in row.errors if each in NOUNS]
    ask = CALLS[name_of(row)](World(opened, shared))
    for text in (None, *NO_IDS):
        path = nothing(row.path) if text is None else re.sub(r"{\w+}", text, row.path)
        answer = opened.request(
            row.method, path, json=ask.body, params=ask.query or None, headers=ask.headers
        )
        refusal(answer, 404, "NotFound")
        if text is None:
            assert answer.json()["error"]["message"] == NOUNS[noun]


# What the table does not name, since any endpoint may say it ----------------------------------------


@pytest.mark.parametrize("row", ENDPOINTS, ids=name_of)
def test_another_method_is_refused(row: Endpoint, opened: httpx.Client) -> None:
    there = {each.method for each in ENDPOINTS if each.path == row.path}
    path = nothing(row.path)
    for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - there):
        answer = opened.request(method, path)
        if any(fits(each, method, path) for each in ENDPOINTS):
            continue  # by-alias is a customer's id, too
        refusal(answer, 405, "MethodNotAllowed", method)
        allowed = set(answer.headers["allow"].split(", "))
        assert allowed == there | ({"HEAD"} if "GET" in there else set())


def fits(row: Endpoint, method: str, path: str) -> bool:
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(row.path))
    return row.method == method and re.fullmatch(pattern, path) is not None


def test_an_address_that_there_is_not_is_refused(opened: httpx.Client) -> None:
    """What else the vendor has, among them."""
    for path in ("/", "/invoices", "/credits/x/nothing", "/billing-schedules", "/x" * 500):
        for method in ("GET", "POST", "PUT", "DELETE"):
            refusal(opened.request(method, path), 404, "NotFound", f"There is no {method} ")


@pytest.mark.parametrize("row", [row for row in ENDPOINTS if row.body], ids=name_of)
def test_a_body_has_an_end(row: Endpoint, opened: httpx.Client) -> None:
    """4 MiB unless the operator says otherwise."""
    large = b'{"name": "' + b"x" * (4 << 20) + b'"}'
    answer = opened.request(row.method, nothing(row.path), content=large)
    refusal(answer, 413, "PayloadTooLarge", "at most 4194304 bytes")


def test_who_asks_too_often_is_told_so(tmp_path: Path) -> None:
    """With the version and the seconds to wait; of usage by its own limit."""
    database = f"sqlite:///{tmp_path / 'ledger.db'}"
    limits = {"rate_limit_per_minute": 1, "rate_limit_usage_per_minute": 2}
    with clocked_server(database, NOW, **limits) as limited:
        headers = {"authorization": f"Bearer {limited.secret}"}
        with httpx.Client(base_url=limited.url + BASE, headers=headers) as http:
            events = [http.post("/usage-events", json={}) for _ in range(3)]
            others = [http.get("/customers") for _ in range(2)]
    assert [each.status_code for each in (*events, *others)] == [400, 400, 429, 200, 429]
    for each, words in ((events[-1], "2 a minute"), (others[-1], "1 a minute")):
        refusal(each, 429, "TooManyRequests", words)
        assert each.headers["retry-after"] == "60"


def test_where_the_database_is_away_it_may_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BEGIN_TRIES", 2)
    path = tmp_path / "ledger.db"
    with clocked_server(f"sqlite:///{path}", NOW) as server:
        headers = {"authorization": f"Bearer {server.secret}", "Idempotency-Key": "k"}
        with httpx.Client(base_url=server.url + BASE, headers=headers, timeout=60) as http:
            with locked(path):
                away = http.post("/customers", json=CUSTOMER)
            refusal(away, 503, "ServiceUnavailable", "Try again")
            assert away.headers["retry-after"] == "1"
            assert http.post("/customers", json=CUSTOMER).status_code == 201
            assert len(http.get("/customers").json()["items"]) == 1


def test_a_mistake_of_ours_is_told_without_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a detail of ours")

    monkeypatch.setattr(rendering, "customer", fail)
    with clocked_server(f"sqlite:///{tmp_path / 'ledger.db'}", NOW) as server:
        headers = {"authorization": f"Bearer {server.secret}"}
        with httpx.Client(base_url=server.url + BASE, headers=headers) as http:
            answer = http.post("/customers", json=CUSTOMER)
    said = refusal(answer, 500, "InternalServerError", answer.headers["request-id"])
    assert "detail" not in said


def test_recipients_of_a_policy_that_do_not_fit_are_all_taken_back(
    small: ClockedServer, described: Described
) -> None:
    """As if none had been added; those that fit can be."""
    tenant = small.tenant()
    with client(tenant) as opened:
        world = World(opened, tenant)
        check(FULL["POST /notifications/policies", NotAllowed], world, described)
        assert opened.get(POLICIES).json()["items"] == []
        world.policy(recipients=[world.url(), world.url()])
