"""Many at once, over HTTP: never overdrawn, whoever asks and from wherever."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import Debit
from drawdown.core.errors import InsufficientCredit
from drawdown.core.requests import Answer
from drawdown.core.types import Id
from drawdown.engine.clocks import SystemClock
from drawdown.opening import is_postgres, open_ledger
from drawdown.store.postgres.store import KEY_SECONDS
from tests.conftest import StartServer
from tests.dialects.native.support import balance, customer_with, debit, debit_body, grant, problem
from tests.support.books import Book, render
from tests.support.server import Server, Tenant

ASKED = 200
CREDIT = 50


@asynccontextmanager
async def connections(tenant: Tenant, count: int) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients of the native API, each with one connection of its own."""
    secret = tenant.test.editor.secret
    clients = [
        httpx.AsyncClient(
            base_url=tenant.url + "/api/v1",
            headers={"authorization": f"Bearer {secret}"},
            limits=httpx.Limits(max_connections=1),
            timeout=60,
            verify=False,
        )
        for _ in range(count)
    ]
    yield clients
    for client in clients:
        await client.aclose()


async def at_once(
    tenant: Tenant, path: str, bodies: Sequence[object], count: int
) -> list[httpx.Response]:
    """All of ``bodies`` at once, spread over so many connections."""
    async with connections(tenant, count) as clients:
        return await asyncio.gather(
            *(clients[number % count].post(path, json=body) for number, body in enumerate(bodies))
        )


def check_fifty(native: httpx.Client, customer: str, statuses: list[int]) -> None:
    """Exactly the credit there was has been spent, and everybody else was refused."""
    assert Counter(statuses) == {201: CREDIT, 402: ASKED - CREDIT}
    shown = balance(native, customer)
    assert (shown["available"], shown["used"], shown["overage"]) == ("0", str(CREDIT), "0")


@pytest.mark.parametrize("count", [2, 50, 200])
def test_two_hundred_debits_of_1_on_50_succeed_fifty_times(
    tenant: Tenant, native: httpx.Client, count: int
) -> None:
    """Over two connections and over two hundred; drawn from two grants."""
    customer = customer_with(native, [("20", "paid"), ("30", "promotional")])
    bodies: list[object] = [debit_body(customer, "1") for _ in range(ASKED)]
    answers = asyncio.run(at_once(tenant, "/debits", bodies, count))
    check_fifty(native, customer, [answer.status_code for answer in answers])
    refused = next(answer for answer in answers if answer.status_code == 402)
    assert problem(refused, 402, "insufficient_credit")["needed"] == "1"


def test_batches_at_once_succeed_fifty_times(tenant: Tenant, native: httpx.Client) -> None:
    """Four batches of fifty on four connections."""
    customer = customer_with(native, [("50", "paid")])
    batches: list[object] = [
        {"debits": [debit_body(customer, "1") for _ in range(CREDIT)]} for _ in range(4)
    ]
    answers = asyncio.run(at_once(tenant, "/debits/batch", batches, 4))
    assert {answer.status_code for answer in answers} == {200}
    results = [result for answer in answers for result in answer.json()["results"]]
    check_fifty(native, customer, [result["status"] for result in results])


def test_one_key_asked_for_at_once_is_one_debit(tenant: Tenant, native: httpx.Client) -> None:
    """All get the same bytes; all but one as a replay."""
    customer = customer_with(native, [("50", "paid")])
    answers = asyncio.run(at_once(tenant, "/debits", [debit_body(customer, "1")] * 40, 40))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    replayed = [answer.headers.get("idempotent-replayed") == "true" for answer in answers]
    assert Counter(replayed) == {True: 39, False: 1}
    assert balance(native, customer)["used"] == "1"


def test_one_own_id_asked_for_at_once_is_one_customer(tenant: Tenant) -> None:
    answers = asyncio.run(at_once(tenant, "/customers", [{"id": "the-one"}] * 30, 30))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 29}


def test_reversals_at_once_never_return_more_than_the_debit(
    tenant: Tenant, native: httpx.Client
) -> None:
    customer = customer_with(native, [("50", "paid")])
    made = debit(native, customer, "10").json()["id"]
    bodies: list[object] = [{"amount": "1", "idempotency_key": f"r{n}"} for n in range(30)]
    answers = asyncio.run(at_once(tenant, f"/debits/{made}/reverse", bodies, 30))
    assert Counter(answer.status_code for answer in answers)[201] == 10
    shown = balance(native, customer)
    assert (shown["available"], shown["used"]) == ("50", "0")


# Two processes on one file ---------------------------------------------------------------------------


def test_two_processes_never_overdraw(server: Server, tenant: Tenant, native: httpx.Client) -> None:
    """This process and the server draw on the same wallet, at once, each through its own cache."""
    customer = customer_with(native, [("50", "paid")])
    book = book_of(server, tenant)
    here: list[int] = []
    thread = threading.Thread(
        target=lambda: here.extend(asyncio.run(spend(server, book, customer)))
    )
    thread.start()
    bodies: list[object] = [debit_body(customer, "1") for _ in range(ASKED // 2)]
    answers = asyncio.run(at_once(tenant, "/debits", bodies, 10))
    thread.join()
    check_fifty(native, customer, here + [answer.status_code for answer in answers])
    verify(server)


def book_of(server: Server, tenant: Tenant) -> Id:
    async def found() -> Id:
        async with open_ledger(server.database, jobs=False) as ledger:
            principal = await ledger.authenticate(tenant.test.editor.secret)
            assert principal is not None
            return principal.book

    return asyncio.run(found())


async def spend(server: Server, book: Id, customer: str) -> list[int]:
    """Half of the debits, one after the other, on the file itself."""
    statuses = []
    async with open_ledger(server.database, clock=SystemClock(), jobs=False) as ledger:
        for _ in range(ASKED // 2):
            command = Debit(customer=customer, entitlement="usd", amount=Amount(1))
            try:
                answer: Answer = await ledger.submit(book, command, render)
                statuses.append(answer.status)
            except InsufficientCredit:
                statuses.append(402)
    return statuses


def test_a_server_sees_at_once_what_another_process_did(
    server: Server, tenant: Tenant, native: httpx.Client
) -> None:
    """Though it has the wallet in its cache: credit granted elsewhere pays, and is drawn in order."""
    customer = customer_with(native, [("5", "paid")])
    assert debit(native, customer, "1").status_code == 201
    book = book_of(server, tenant)

    async def elsewhere() -> None:

        async with open_ledger(server.database, jobs=False) as ledger:
            await Book(ledger, book).grant(customer, 3, "usd", priority=0)

    drawn = []
    for spent in ("2", "3", "8"):
        asyncio.run(elsewhere())
        answer = debit(native, customer, spent)
        assert answer.status_code == 201, answer.text
        drawn.append([draw["amount"] for draw in answer.json()["draws"]])
    assert drawn == [["2"], ["1", "2"], ["1", "3", "4"]]
    assert balance(native, customer)["available"] == "0"


def test_a_key_made_or_revoked_on_the_command_line_counts_at_once(
    server: Server, tenant: Tenant
) -> None:
    """While the server runs, without telling it; on PostgreSQL a revocation counts within a second."""
    options = ["--account", tenant.account, "--mode", "test", "--role", "editor", "--json"]
    made = drawdown(server, "keys", "create", *options).stdout
    key = httpx.Response(200, text=made).json()
    with httpx.Client(
        base_url=tenant.url + "/api/v1",
        headers={"authorization": f"Bearer {key['secret']}"},
        verify=False,
    ) as client:
        assert client.get("/customers").status_code == 200
        drawdown(server, "keys", "revoke", key["id"])
        time.sleep(KEY_SECONDS if is_postgres(server.database) else 0)
        assert client.get("/customers").status_code == 401
        assert client.post("/customers", json={"id": "nobody"}).status_code == 401


def drawdown(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, on the server's file; it must succeed."""
    command = [sys.executable, "-m", "drawdown", *arguments, "--database", server.database]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)


def verify(server: Server) -> None:
    assert "all in order" in drawdown(server, "verify").stdout


def test_verify_is_right_while_the_server_works(
    server: Server, tenant: Tenant, native: httpx.Client
) -> None:
    """It looks at one moment, whatever comes in meanwhile."""
    customer = customer_with(native, [("1000000", "paid")])
    stop = threading.Event()

    def work() -> None:
        with tenant.client() as client:
            while not stop.is_set():
                assert debit(client, customer, "1").status_code == 201

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(3):
            verify(server)
    finally:
        stop.set()
        thread.join()


# Stopping --------------------------------------------------------------------------------------------


def test_a_server_that_is_stopped_finishes_what_it_accepted(serve: StartServer) -> None:
    """It ends well under load, and what it answered is there after a restart."""
    server = serve()
    tenant = server.tenant()
    with tenant.client() as client:
        customer = customer_with(client, [("1000000", "paid")])
    answered = asyncio.run(load_until_gone(server, tenant, customer))
    assert server.process.wait(60) == 0
    assert len(answered) > 20
    again = serve(database=server.database)
    with httpx.Client(
        base_url=again.url + "/api/v1",
        headers={"authorization": f"Bearer {tenant.test.editor.secret}"},
        verify=False,
    ) as client:
        for body, content in answered[-50:]:
            replay = client.post("/debits", json=body)
            assert (replay.status_code, replay.content) == (201, content)
            assert replay.headers["idempotent-replayed"] == "true"
        used = int(balance(client, customer)["used"])
        assert used >= len(answered)
        grant(client, customer, "1")
    again.stop()


async def load_until_gone(
    server: Server, tenant: Tenant, customer: str
) -> list[tuple[object, bytes]]:
    """Debits over ten connections; a signal to stop once some are made. What was answered with 201."""
    answered: list[tuple[object, bytes]] = []

    async def work(client: httpx.AsyncClient) -> None:
        while True:
            body = debit_body(customer, "1")
            try:
                response = await client.post("/debits", json=body)
            except httpx.TransportError:
                return
            assert response.status_code in (201, 503), response.text
            if response.status_code == 201:
                answered.append((body, response.content))

    async with connections(tenant, 10) as clients:
        workers = [asyncio.create_task(work(client)) for client in clients]
        async with asyncio.timeout(60):
            while len(answered) <= 20:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        server.process.terminate()
        await asyncio.gather(*workers)
    return answered
