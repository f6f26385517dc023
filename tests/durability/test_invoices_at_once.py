"""Invoices made final while others debit, hold and grant, all at once: no credit is drawn twice.

One customer on a test clock has eight drafts of 3.00 USD each; his grants are of 1.00 each. Everybody has a
connection of his own. Whatever comes first, the sums are right to the cent, and the ledger verifies.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.dialects.native.support import debit_body
from tests.support.commands import drawdown
from tests.support.postgres import VERSIONS, Clusters
from tests.support.server import Server, Tenant

JANUARY, FEBRUARY, MARCH = 1_893_456_000, 1_896_134_400, 1_898_553_600
HOUR = 3_600
SUBSCRIPTIONS, GRANTS, CENTS = 8, 20, 300
CONNECTIONS = 24
PATIENCE_SECONDS = 120
Json = dict[str, Any]
Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@pytest.fixture
def group(clusters: Clusters, serve: StartServer) -> Iterator[Server]:
    """Two workers on one PostgreSQL."""
    with clusters.of(VERSIONS[-1]).database() as url:
        running = serve("--workers", "2", database=url)
        yield running
        running.stop()


def test_no_credit_is_drawn_twice(server: Server) -> None:
    play(server)


def test_no_credit_is_drawn_twice_by_two_workers(group: Server) -> None:
    play(group)


def play(server: Server) -> None:
    with httpx.Client(timeout=60, verify=False) as client:
        ann = Ann(server.tenant(), client)
        asyncio.run(ann.rush(ann.finalizing()))
        ann.check()
        asyncio.run(ann.rush(ann.voiding()))
        ann.check()
        assert set(ann.done.values()) == {1}
        ann.use()
        ann.advance(MARCH)
        ann.given += sum(ann.grant() for _ in range(GRANTS))
        asyncio.run(ann.rush([*ann.finalizing(), ann.passing(MARCH + HOUR)]))
        ann.wait_until_ready()
        ann.check()
        assert set(ann.done.values()) <= {0, 1}  # the clock may have been the first
    assert drawdown("verify", "--database", server.database, "--json").json()["ok"]


class Ann:
    """The customer and what was done to her; all sums are in cents."""

    def __init__(self, tenant: Tenant, client: httpx.Client) -> None:
        self._tenant, self._client = tenant, client
        self._headers = {"authorization": f"Bearer {tenant.test.editor.secret}"}
        self._chance = random.Random(7)
        self.clock = self.ask("/v1/test_helpers/test_clocks", frozen_time=JANUARY)["id"]
        self.name = self.ask("/v1/customers", test_clock=self.clock)["id"]
        meter = {
            "display_name": "Calls",
            "event_name": "call",
            "default_aggregation[formula]": "sum",
        }
        recurring = {
            "recurring[interval]": "month",
            "recurring[usage_type]": "metered",
            "recurring[meter]": self.ask("/v1/billing/meters", **meter)["id"],
        }
        price = {"currency": "usd", "unit_amount": 5, "product_data[name]": "Calls", **recurring}
        item = {"items[0][price]": self.ask("/v1/prices", **price)["id"]}
        for _ in range(SUBSCRIPTIONS):
            self.ask("/v1/subscriptions", customer=self.name, **item)
        self.given = sum(self.grant() for _ in range(GRANTS))
        self.spent = 0
        #: How often an invoice was made final, or void, because somebody asked for it.
        self.done = Counter[tuple[str, str]]()
        self.use()
        self.advance(FEBRUARY)

    def ask(self, path: str, **form: Any) -> Json:
        """What a POST is answered, or a GET where there is nothing to say."""
        url, headers = self._tenant.url + path, self._headers
        answer = (
            self._client.post(url, headers=headers, data=form)
            if form
            else self._client.get(url, headers=headers)
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def grant(self) -> int:
        number = self._chance.randrange(5)
        ends = {"expires_at": MARCH + number * 86_400} if number > 2 else {}
        self.ask("/v1/billing/credit_grants", **self._grant(number), **ends)
        return 100

    def _grant(self, priority: int) -> Json:
        return {
            "customer": self.name,
            "priority": priority,
            "amount[type]": "monetary",
            "amount[monetary][currency]": "usd",
            "amount[monetary][value]": 100,
            "applicability_config[scope][price_type]": "metered",
        }

    def use(self) -> None:
        """What each subscription charges 3.00 for."""
        payload = {"payload[stripe_customer_id]": self.name, "payload[value]": CENTS // 5}
        self.ask("/v1/billing/meter_events", event_name="call", **payload)

    def advance(self, to: int) -> None:
        self.ask(f"/v1/test_helpers/test_clocks/{self.clock}/advance", frozen_time=to)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while self.ask(f"/v1/test_helpers/test_clocks/{self.clock}")["status"] != "ready":
            assert time.monotonic() < until
            time.sleep(0.05)

    def invoices(self, status: str) -> list[Json]:
        path = f"/v1/invoices?customer={self.name}&status={status}&limit=100"
        return list(self.ask(path)["data"])

    # All at once ------------------------------------------------------------------------------------

    async def rush(self, asked: Sequence[Ask]) -> None:
        """These, and debits, holds and grants beside them, in an order that nobody knows."""
        every = [*asked, *(self._debit for _ in range(30)), *(self._work for _ in range(8))]
        every += [self._topped_up for _ in range(4)]
        self._chance.shuffle(every)
        async with self._connections() as clients:
            await asyncio.gather(
                *(ask(clients[number % CONNECTIONS]) for number, ask in enumerate(every))
            )

    @asynccontextmanager
    async def _connections(self) -> AsyncIterator[list[httpx.AsyncClient]]:
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(
                    httpx.AsyncClient(
                        base_url=self._tenant.url,
                        headers=self._headers,
                        limits=httpx.Limits(max_connections=1),
                        timeout=PATIENCE_SECONDS,
                        verify=False,
                    )
                )
                for _ in range(CONNECTIONS)
            ]

    def finalizing(self) -> list[Ask]:
        """Each draft twice."""
        drafts = self.invoices("draft")
        assert len(drafts) == SUBSCRIPTIONS
        return [self._once(each["id"], "finalize") for each in drafts for _ in range(2)]

    def voiding(self) -> list[Ask]:
        return [self._once(each["id"], "void") for each in self.invoices("open") for _ in range(2)]

    def passing(self, to: int) -> Ask:
        async def ask(client: httpx.AsyncClient) -> httpx.Response:
            path = f"/v1/test_helpers/test_clocks/{self.clock}/advance"
            return taken(await client.post(path, data={"frozen_time": to}), 200)

        return ask

    def _once(self, invoice: str, verb: str) -> Ask:
        async def ask(client: httpx.AsyncClient) -> httpx.Response:
            answer = taken(await client.post(f"/v1/invoices/{invoice}/{verb}"), 200, 400)
            if answer.status_code == 400:
                assert answer.json()["error"]["code"] == "status_transition_invalid"
            self.done[verb, invoice] += answer.status_code == 200
            return answer

        return ask

    async def _debit(self, client: httpx.AsyncClient) -> httpx.Response:
        body = debit_body(self.name, "0.25")
        answer = taken(await client.post("/api/v1/debits", json=body), 201, 402)
        self.spent += 25 * (answer.status_code == 201)
        return answer

    async def _work(self, client: httpx.AsyncClient) -> httpx.Response:
        """Holds 0.50, and takes 0.35 of it."""
        body = debit_body(self.name, "0.5")
        answer = taken(await client.post("/api/v1/holds", json=body), 201, 402)
        if answer.status_code == 201:
            captured = {
                "amount": "0.35",
                "final": True,
                "idempotency_key": "c" + answer.json()["id"],
            }
            path = f"/api/v1/holds/{answer.json()['id']}/capture"
            answer = taken(await client.post(path, json=captured), 201)
            self.spent += 35
        return answer

    async def _topped_up(self, client: httpx.AsyncClient) -> httpx.Response:
        form = self._grant(self._chance.randrange(5))
        answer = taken(await client.post("/v1/billing/credit_grants", data=form), 200)
        self.given += 100
        return answer

    # What must be -----------------------------------------------------------------------------------

    def check(self) -> None:
        """What was given is there, or was drawn by one invoice's line or one debit, once."""
        assert self.invoices("draft") == []
        ledger, available = self._balance()
        invoices = [each for status in ("open", "paid") for each in self.invoices(status)]
        assert ledger == available
        assert ledger == self.given - self.spent - sum(credit_of(each) for each in invoices)
        for each in invoices:
            assert each["subtotal"] == each["total"] + credit_of(each)
        moved = Counter[str]()
        for sign, kind, place, cents in self._transactions():
            if place is not None:
                moved[place] -= sign * cents
            assert kind != "credits_expired"
        applied = {each["id"]: credit_of(each) for each in invoices if credit_of(each)}
        assert {name: cents for name, cents in moved.items() if cents} == applied

    def _balance(self) -> tuple[int, int]:
        path = f"/v1/billing/credit_balance_summary?customer={self.name}"
        scope = "&filter[type]=applicability_scope&filter[applicability_scope][price_type]=metered"
        [only] = self.ask(path + scope)["balances"]
        return tuple(
            only[f"{each}_balance"]["monetary"]["value"] for each in ("ledger", "available")
        )

    def _transactions(self) -> Iterator[tuple[int, str, str | None, int]]:
        path = f"/v1/billing/credit_balance_transactions?customer={self.name}&limit=100"
        after = ""
        while True:
            page = self.ask(path + after)
            for each in page["data"]:
                moved = each[each["type"]]
                place = moved.get(moved["type"])
                yield (
                    1 if each["type"] == "credit" else -1,
                    moved["type"],
                    None if place is None else place["invoice"],
                    moved["amount"]["monetary"]["value"],
                )
            if not page["has_more"]:
                return
            after = f"&starting_after={page['data'][-1]['id']}"


def credit_of(invoice: Json) -> int:
    return sum(each["amount"] for each in invoice["total_pretax_credit_amounts"])


def taken(answer: httpx.Response, *statuses: int) -> httpx.Response:
    assert answer.status_code in statuses, answer.text
    return answer
