"""The real thing: 8,819 calls of a production service, to the last digit, in every dialect."""

from __future__ import annotations

import csv
import gzip
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import stripe
from dodopayments import DodoPayments

from drawdown.cli.demo import cast
from drawdown.client import Client
from drawdown.core.types import Instant
from tests.conftest import NewUrl
from tests.replay.test_replay import counted
from tests.support.commands import Ran, drawdown
from tests.support.server import Server, Tenant, start_server

USED = Decimal("47.6088950")
ROWS = 8_819
TRACE = Path(str(files("drawdown") / "data" / "azure_llm_2023_code.csv.gz"))
NAMES = [f"customer-{number:02}" for number in range(1, 51)]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory, new_url: NewUrl) -> Iterator[Server]:
    """A server of its own, so that `drawdown verify` sees this book alone."""
    with new_url() as url:
        running = start_server(tmp_path_factory.mktemp("azure"), database=url)
        yield running
        running.stop()


@pytest.fixture(scope="module")
def book(own_server: Server) -> Tenant:
    """50 customers, each with paid and promotional grants of differing priority and expiry."""
    return stocked(own_server)


@pytest.fixture(scope="module")
def replayed(book: Tenant) -> Ran:
    """The trace, replayed once."""
    return replay(book)


@pytest.fixture
def api(book: Tenant, replayed: Ran) -> Iterator[httpx.Client]:
    with book.client(base="") as client:
        yield client


def stocked(server: Server) -> Tenant:
    tenant = server.tenant()
    with Client(tenant.url, tenant.test.editor.secret) as client:
        cast.enter(client, Instant(time.time_ns() // 1_000), lambda done: None)
    return tenant


def replay(tenant: Tenant, *options: object) -> Ran:
    secret = tenant.test.editor.secret
    return drawdown("replay", TRACE, "--customers", 50, *options, url=tenant.url, api_key=secret)


def pages(client: httpx.Client, path: str, **query: str) -> Iterator[dict[str, Any]]:
    after: dict[str, str] = {}
    while True:
        answer = client.get(path, params={**query, **after, "limit": "100"})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        yield from page["data"]
        if page["next"] is None:
            return
        after = {"after": page["next"]}


def balances(client: httpx.Client, member: str) -> dict[str, Decimal]:
    found = {name: client.get(f"/api/v1/balances/{name}/usd").json() for name in NAMES}
    return {name: Decimal(balance[member]) for name, balance in found.items()}


def total(amounts: dict[str, Decimal]) -> Decimal:
    return sum(amounts.values(), Decimal(0))


def test_every_call_is_debited_once(replayed: Ran) -> None:
    """No row is missed, none is refused, and the report has the exact sum."""
    assert replayed.code == 0, replayed.err
    assert counted(replayed, "debited now") == ROWS
    assert counted(replayed, "debited before") == 0
    assert "47.608895 usd" in replayed.out


def test_the_entries_sum_to_the_cost(api: httpx.Client) -> None:
    """Every draw of every debit, page after page."""
    drawn = [
        Decimal(entry["amount"])
        for name in NAMES
        for entry in pages(api, "/api/v1/entries", customer=name)
        if entry["kind"] == "debited"
    ]
    assert sum(drawn) == USED
    assert len(drawn) > ROWS, "some debits are paid by more than one grant"


def test_each_customer_has_used_what_its_own_calls_cost(api: httpx.Client) -> None:
    """The oracle is the file itself, read here with nothing of Drawdown's."""
    cost = dict.fromkeys(NAMES, Decimal(0))
    with gzip.open(TRACE, "rt", encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            spent = int(row["ContextTokens"]) * Decimal("0.0000025")
            spent += int(row["GeneratedTokens"]) * Decimal("0.00001")
            cost[NAMES[number % 50]] += spent
    assert balances(api, "used") == cost
    assert total(cost) == USED


def test_the_balances_add_up(api: httpx.Client) -> None:
    """What was granted is used or still there, for every customer."""
    granted, used, posted = (balances(api, member) for member in ("granted", "used", "posted"))
    assert total(used) == USED
    assert {name: used[name] + posted[name] for name in NAMES} == granted


def test_the_grants_add_up(api: httpx.Client) -> None:
    """What is used of each grant sums to the same; and its amount is all somewhere."""
    grants = [grant for name in NAMES for grant in pages(api, "/api/v1/grants", customer=name)]
    assert len(grants) == 200
    assert {grant["category"] for grant in grants} == {"paid", "promotional"}
    assert sum(Decimal(grant["used"]) for grant in grants) == USED
    for grant in grants:
        assert Decimal(grant["amount"]) == Decimal(grant["used"]) + Decimal(grant["remaining"])


def test_double_entry_has_the_same_sum(own_server: Server, replayed: Ran) -> None:
    """Computed from the entries in the file, while the server runs."""
    verified = drawdown("verify", "--database", own_server.database, "--json").json()
    totals = {name: Decimal(amount) for name, amount in verified["totals"]["usd"].items()}
    assert verified["wallets"] == 50
    assert totals["used"] == USED
    assert totals["granted"] == totals["posted"] + USED
    assert totals["pending"] == totals["expired"] == totals["voided"] == 0


def test_dodo_shows_the_same_sum(book: Tenant, api: httpx.Client) -> None:
    """Through Dodo's own SDK: balances, and what remains of the grants it lists."""
    granted = total(balances(api, "granted"))
    with DodoPayments(
        bearer_token=book.test.viewer.secret, base_url=f"{book.url}/dodo", max_retries=0
    ) as sdk:
        left = remaining = Decimal(0)
        for name in NAMES:
            balance = sdk.credit_entitlements.balances.retrieve(name, credit_entitlement_id="usd")
            left += Decimal(balance.balance)
            grants = sdk.credit_entitlements.balances.list_grants(name, credit_entitlement_id="usd")
            remaining += sum((Decimal(grant.remaining_amount) for grant in grants), Decimal(0))
    assert granted - left == USED
    assert granted - remaining == USED


def test_sequence_shows_the_same_sum(book: Tenant, api: httpx.Client) -> None:
    """Its numbers, read from their text: what is not outstanding of what was granted was used."""
    granted = total(balances(api, "granted"))
    decode = msgspec.json.Decoder(float_hook=Decimal).decode
    key = book.test.viewer
    left = Decimal(0)
    for name in NAMES:
        answer = api.get(f"/sequence/credits/{name}/grants", auth=(key.id, key.secret))
        items = decode(answer.content)["items"]
        assert items, "every customer has credit left"
        left += sum((Decimal(item["balance"]) for item in items), Decimal(0))
    assert granted - left == USED


def test_stripe_shows_every_grant_in_whole_cents(book: Tenant, api: httpx.Client) -> None:
    """Through Stripe's own SDK: the floor of what is kept, and so never more than there is."""
    kept = {
        (grant["customer"], grant["name"]): Decimal(grant["amount"])
        for name in NAMES
        for grant in pages(api, "/api/v1/grants", customer=name)
    }
    sdk = stripe.StripeClient(
        book.test.viewer.secret, base_addresses={"api": book.url}, max_network_retries=0
    )
    listed = sdk.v1.billing.credit_grants.list({"limit": 100})
    shown = {
        (grant.customer, grant.name): grant.amount.monetary.value
        for grant in listed.auto_paging_iter()
        if grant.amount.monetary is not None
    }
    assert shown == {which: int(amount * 100) for which, amount in kept.items()}
    assert sum(shown.values()) < sum(kept.values()) * 100, "some grants are finer than a cent"


def test_replaying_it_again_changes_nothing(book: Tenant, api: httpx.Client) -> None:
    """Every row is recognised; no wallet has one more entry."""
    before = balances(api, "seq")
    again = replay(book)
    assert again.code == 0
    assert counted(again, "debited before") == ROWS
    assert counted(again, "debited now") == 0
    assert balances(api, "seq") == before
    assert total(balances(api, "used")) == USED


def test_a_replay_that_was_killed_is_resumed(own_server: Server) -> None:
    """Killed between two batches or within one: the rest is debited, nothing twice."""
    tenant = stocked(own_server)
    command = [sys.executable, "-m", "drawdown", "replay", str(TRACE), "--customers", "50"]
    options = ["--batch-size", "7", "--url", tenant.url, "--key", tenant.test.editor.secret]
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL) as feeding:
        with closing(tenant.client()) as client:
            while Decimal(client.get("/balances/customer-01/usd").json()["used"]) < Decimal("0.2"):
                assert feeding.poll() is None, "it ended before it could be killed"
        feeding.kill()
    assert feeding.returncode == -signal.SIGKILL
    resumed = replay(tenant)
    assert resumed.code == 0, resumed.err
    before, now = counted(resumed, "debited before"), counted(resumed, "debited now")
    assert before > 0
    assert now > 0
    assert before + now == ROWS
    with closing(tenant.client(base="")) as client:
        assert total(balances(client, "used")) == USED
    assert drawdown("verify", "--database", own_server.database).code == 0
