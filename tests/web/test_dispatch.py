"""What happens to a request whatever the dialect: an ASGI app over a real ledger on a real file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from drawdown.core.commands import CreateCustomer
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Answer
from drawdown.engine.accounts import Principal, Role
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import CustomerFilter, StoreUnavailable
from drawdown.opening import open_ledger
from drawdown.web.dispatch import DialectApp, ignore
from drawdown.web.endpoints import Call, Context, Dialect, Endpoint, Limits
from drawdown.web.errors import BadRequest, Header, WebError

SECRET_TEXT = "the password is swordfish"
LIMIT = 100


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class Query(msgspec.Struct, forbid_unknown_fields=True):
    page: int = 0


async def echo(call: Call) -> Answer:
    shown = {"path": call.path, "query": call.query, "body": call.body, "mode": call.principal.mode}
    return Answer(status=200, body=msgspec.json.encode(shown))


async def fail(call: Call) -> Answer:
    raise RuntimeError(SECRET_TEXT)


async def be_unavailable(call: Call) -> Answer:
    raise StoreUnavailable("the disk is away")


async def make(call: Call) -> Answer:
    def render(accepted: object) -> Answer:
        raise RuntimeError(SECRET_TEXT)

    return await call.ledger.submit(call.book, CreateCustomer(own_id="ada"), render)


class Example(Dialect):
    name, title, bases = "example", "Example", ("/example",)
    error_content_type = b"application/x-error"
    endpoints = (
        Endpoint(
            method="POST", path="/things/{thing}", handler=echo, summary="Echo", role=Role.EDITOR,
            body=Thing, query=Query,
        ),
        Endpoint(method="GET", path="/things", handler=echo, summary="Echo", role=Role.VIEWER),
        Endpoint(method="GET", path="/fail", handler=fail, summary="Fail", role=Role.VIEWER),
        Endpoint(
            method="GET", path="/away", handler=be_unavailable, summary="Be away", role=Role.VIEWER
        ),
        Endpoint(method="POST", path="/make", handler=make, summary="Make", role=Role.EDITOR),
    )  # fmt: skip

    def admit(self, call: Call) -> None:
        if call.headers.get("x-version") == "9":
            raise BadRequest("x-version", "at most 8")

    def error(self, error: LedgerError | WebError, context: Context) -> Answer:
        status = error.status if isinstance(error, WebError) else 409
        return Answer(
            status=status, body=msgspec.json.encode({"code": error.code, "said": str(error)})
        )

    def response_headers(self, context: Context, answer: Answer) -> tuple[Header, ...]:
        return ((b"x-method", context.method.encode()),)


Play = Callable[[httpx.AsyncClient, Ledger, DialectApp], Awaitable[None]]


def play(folder: Path, steps: Play) -> list[tuple[str, Context, int, float]]:
    """Run ``steps`` against the app; what it told its observer."""
    observed: list[tuple[str, Context, int, float]] = []

    async def run() -> None:
        async with open_ledger(f"sqlite:///{folder / 'ledger.db'}", jobs=False) as ledger:
            first = await ledger.accounts.first_start()
            assert first is not None
            limits = Limits(body_bytes_max=LIMIT)
            app = DialectApp(Example(), ledger, limits, lambda *told: observed.append(told))
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=True),
                base_url="http://test/example",
                headers={"authorization": f"Bearer {first[2]}"},
            ) as client:
                await steps(client, ledger, app)

    asyncio.run(run())
    return observed


def test_a_handler_gets_path_query_and_body(tmp_path: Path) -> None:
    async def steps(client: httpx.AsyncClient, ledger: Ledger, app: DialectApp) -> None:
        response = await client.post("/things/a%2Fb?page=2", json={"name": "x"})
        assert response.json() == {
            "path": {"thing": "a/b"},
            "query": {"page": 2},
            "body": {"name": "x"},
            "mode": "test",
        }
        assert response.headers["content-type"] == "application/json"
        assert response.headers["content-length"] == str(len(response.content))
        assert response.headers["request-id"].startswith("req_")
        assert response.headers["x-method"] == "POST"
        plain = await client.get("/things?anything=goes", headers={"request-id": "req_mine"})
        assert plain.json() == {"path": {}, "query": None, "body": None, "mode": "test"}
        assert plain.headers["request-id"] not in {"req_mine", response.headers["request-id"]}

    observed = play(tmp_path, steps)
    assert [(name, status) for name, _, status, _ in observed] == [("example", 200)] * 2
    endpoint = observed[0][1].endpoint
    assert endpoint is not None
    assert endpoint.path == "/things/{thing}"


def test_what_went_wrong_on_our_side_is_logged_and_not_told(tmp_path: Path) -> None:
    """The asker gets a request id; the log has the traceback under it."""

    async def steps(client: httpx.AsyncClient, ledger: Ledger, app: DialectApp) -> None:
        with capture_logs() as logged:
            response = await client.get("/fail")
        assert response.status_code == 500
        assert response.headers["content-type"] == "application/x-error"
        assert response.json()["code"] == "internal_error"
        assert SECRET_TEXT not in response.text
        request_id = response.headers["request-id"]
        assert request_id in response.text
        assert [(line["request_id"], line["exc_info"]) for line in logged] == [(request_id, True)]

    play(tmp_path, steps)


def test_a_fault_while_an_answer_is_written_changes_nothing(tmp_path: Path) -> None:
    async def steps(client: httpx.AsyncClient, ledger: Ledger, app: DialectApp) -> None:
        with capture_logs():
            response = await client.post("/make")
        assert response.status_code == 500
        account = (await ledger.accounts.accounts())[0]
        book = (await ledger.accounts.keys(account.id))[0].book
        assert await ledger.customers(CustomerFilter(book=book, limit=10)) == []

    play(tmp_path, steps)


def test_a_store_that_is_away_is_503_and_worth_another_try(tmp_path: Path) -> None:
    async def steps(client: httpx.AsyncClient, ledger: Ledger, app: DialectApp) -> None:
        response = await client.get("/away")
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert response.headers["retry-after"] == "1"
        assert "disk" not in response.text

    play(tmp_path, steps)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("POST", "/nowhere", {"json": {}}, 404, "unknown_url"),
        ("DELETE", "/things", {}, 405, "method_not_allowed"),
        ("GET", "/things", {"headers": {"authorization": "Basic x"}}, 401, "unauthorized"),
        ("GET", "/things", {"headers": {"x-version": "9"}}, 422, "field_invalid"),
        (
            "POST", "/things/a",
            {"headers": {"x-version": "9"}, "content": b"{"}, 422, "field_invalid",
        ),
        ("POST", "/things/a?page=x", {"content": b"{"}, 422, "field_invalid"),
        ("POST", "/things/a", {"content": b"{"}, 400, "malformed"),
        ("POST", "/things/a", {"json": {"name": "x" * LIMIT}}, 413, "body_too_large"),
    ],
)  # fmt: skip
def test_a_request_is_judged_in_order(
    tmp_path: Path, method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    """URL, key, role, headers, query, body: the first fault is the one that is told."""

    async def steps(client: httpx.AsyncClient, ledger: Ledger, app: DialectApp) -> None:
        response = await client.request(method, path, **options)
        assert (response.status_code, response.json()["code"]) == (status, code)

    play(tmp_path, steps)


def test_the_openapi_document_is_open_to_everybody(tmp_path: Path) -> None:
    async def steps(client: httpx.AsyncClient, ledger: Ledger, app: DialectApp) -> None:
        response = await client.get("/openapi.json", headers={"authorization": ""})
        assert response.status_code == 200
        assert set(response.json()["paths"]) == {
            "/things/{thing}",
            "/things",
            "/fail",
            "/away",
            "/make",
        }

    play(tmp_path, steps)


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_the_openapi_document_is_only_read(tmp_path: Path, method: str) -> None:
    async def steps(client: httpx.AsyncClient, ledger: Ledger, app: DialectApp) -> None:
        assert (await client.head("/openapi.json")).status_code == 200
        response = await client.request(method, "/openapi.json")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")

    play(tmp_path, steps)


def test_a_client_that_hangs_up_before_its_body_is_whole_gets_nothing(tmp_path: Path) -> None:
    """Nothing is answered, logged as an error or counted."""
    parts = [
        {"type": "http.request", "body": b'{"na', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def steps(client: httpx.AsyncClient, ledger: Ledger, app: DialectApp) -> None:
        sent: list[Any] = []

        async def receive() -> Any:
            return parts.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        authorization = client.headers["authorization"].encode()
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/example/things/a",
            "raw_path": b"/example/things/a",
            "query_string": b"",
            "headers": [(b"authorization", authorization)],
        }
        with capture_logs() as logged:
            await app(scope, receive, send)
        assert (sent, logged) == ([], [])

    assert play(tmp_path, steps) == []


@pytest.mark.parametrize(
    ("pieces", "announced", "taken"),
    [(3, True, 3), (3, False, 3), (100, True, 4), (100, False, 6)],
)
def test_a_body_that_is_too_large_is_taken_for_a_while(
    tmp_path: Path, pieces: int, announced: bool, taken: int
) -> None:
    """Who sends all of it before reading gets the answer; nobody can send for ever.

    Four times the limit are thrown away, after what was read before it was known to be too large.
    """
    sent: list[int] = []

    async def content() -> AsyncIterator[bytes]:
        for number in range(pieces):
            sent.append(number)
            yield b"x" * LIMIT

    async def steps(client: httpx.AsyncClient, ledger: Ledger, app: DialectApp) -> None:
        headers = {"content-length": str(pieces * LIMIT)} if announced else {}
        answer = await client.post("/things/a", content=content(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    play(tmp_path, steps)
    assert len(sent) == taken


def test_who_asks_is_looked_up_once_a_turn_of_the_loop_and_again_in_the_next(
    tmp_path: Path,
) -> None:
    """What is asked in one turn had all arrived before; a key that was revoked since opens nothing."""
    asked: list[str] = []

    async def run() -> None:
        async with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", jobs=False) as ledger:
            first = await ledger.accounts.first_start()
            assert first is not None
            _, key, secret = first

            async def authenticate(secret: str, key_id: str | None) -> Principal | None:
                asked.append(secret)
                return await ledger.authenticate(secret, key_id)

            app = DialectApp(Example(), ledger, Limits(), ignore, authenticate)

            async def turn() -> list[int]:
                return await asyncio.gather(
                    *(status_of(app, given) for given in (secret, secret, "sk_test_wrong", secret))
                )

            assert await turn() == [200, 200, 401, 200]
            assert asked == [secret, "sk_test_wrong"]
            assert await turn() == [200, 200, 401, 200]
            assert asked == [secret, "sk_test_wrong"] * 2
            await ledger.accounts.revoke_key(key.id)
            assert await turn() == [401] * 4

    asyncio.run(run())


async def status_of(app: DialectApp, secret: str) -> int:
    """Of one request under a key, made without a client in between that would wait for anything."""
    statuses: list[int] = []

    async def receive() -> Any:
        raise AssertionError("there is no body")

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": "GET",
        "raw_path": b"/example/things",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer " + secret.encode())],
    }
    await app(scope, receive, send)
    [status] = statuses
    return status
