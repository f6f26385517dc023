"""What the feed says of everything that can happen, and how it is asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from drawdown.core.times import text_of
from drawdown.core.types import MICROSECONDS, Instant
from drawdown.dialects.native.events import FORMAT
from drawdown.engine.clocks import ManualClock
from tests.conftest import NewUrl
from tests.support.clocked_server import clocked_server
from tests.support.server import Tenant

START = Instant(1_767_225_600_000_000)  # 2026-01-01T00:00:00Z
#: The feed of a database that several may write to stops two seconds before now.
SEEN_SECONDS = 60


@pytest.fixture(scope="module")
def happened(new_url: NewUrl) -> Iterator[httpx.Client]:
    """A book in which about everything has happened that is asked for with credit alone."""
    with new_url() as url, clocked_server(url, START) as server, server.client() as client:
        fill(client, server.clock)
        server.clock.instant = Instant(server.clock.instant + 60 * MICROSECONDS)
        yield client


def fill(native: httpx.Client, clock: ManualClock) -> None:
    post(native, "/customers", id="ada", name="Ada")
    post(native, "/entitlements", code="images", unit="image", scale=1)
    wallet = {"customer": "ada", "entitlement": "images"}
    grant = post(native, "/grants", **wallet, amount="10", scope={"model": ["a"]}, priority=3)
    other = post(native, "/grants", **wallet, amount="5", expires_at="2090-01-01T00:00:00Z")
    spent = post(native, "/debits", **wallet, amount="2.5", idempotency_key="1")
    post(native, f"/debits/{spent['id']}/reverse", idempotency_key="2", amount="1")
    post(native, f"/grants/{other['id']}/adjust", direction="down", amount="1", idempotency_key="3")
    path = f"/grants/{other['id']}"
    assert native.patch(path, json={"metadata": {"a": 1}, "expires_at": None}).status_code == 200
    held = post(native, "/holds", **wallet, amount="1", idempotency_key="4")
    post(native, f"/holds/{held['id']}/extend", expires_in=7_200)
    post(native, f"/holds/{held['id']}/capture", amount="0.5", idempotency_key="5", final=True)
    released = post(native, "/holds", **wallet, amount="1", idempotency_key="6")
    post(native, f"/holds/{released['id']}/release")
    post(native, f"/grants/{other['id']}/expire")
    post(native, f"/grants/{grant['id']}/void")
    soon = Instant(clock.instant + 5 * MICROSECONDS)
    at = text_of(soon)
    post(native, "/grants", **wallet, amount="3", effective_at=at)
    post(native, "/grants", **wallet, amount="4", expires_at=at)
    post(native, "/holds", **wallet, amount="1", idempotency_key="7", expires_in=1)
    clock.instant = soon
    post(native, "/debits", **wallet, amount="3", idempotency_key="8")
    assert native.patch("/customers/ada", json={"name": "Ada Lovelace"}).status_code == 200
    post(native, "/customers/ada/close")


def post(client: httpx.Client, path: str, **body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code in (200, 201, 202), answer.text
    return answer.json()


def events(client: httpx.Client, **query: Any) -> list[Any]:
    """The whole feed, page by page."""
    found: list[Any] = []
    after: dict[str, str] = {}
    while True:
        page = client.get("/events-feed", params={**query, **after}).json()
        found += page["data"]
        after = {"after": page["next"]}
        if not page["has_more"]:
            return found


def settled(client: httpx.Client, last: str, **query: Any) -> list[Any]:
    """The feed once the last event of it can be seen."""
    found: list[Any] = []
    deadline = time.monotonic() + SEEN_SECONDS
    while time.monotonic() < deadline:
        found = events(client, **query)
        if found and found[-1]["type"] == last:
            return found
        time.sleep(0.1)
    raise AssertionError([each["type"] for each in found])


def test_everything_that_happens_is_told_with_the_balance_after_it(happened: httpx.Client) -> None:
    found = settled(happened, "customer.closed", limit=7)
    told = [each["type"] for each in found]
    families = {"customer.", "grant.", "debit.", "hold."}
    beside = {"entitlement.created"}
    known = {name for name in FORMAT.types if name.startswith(tuple(families))} | beside
    assert set(told) == known - {"grant.rolled_over", "grant.forfeited", "grant.restored"}
    assert told[:6] == [
        "customer.created",
        "entitlement.created",
        "grant.created",
        "grant.created",
        "debit.created",
        "debit.reversed",
    ]
    balances = {
        each["type"]: each["balances"][-1]["available"] for each in found if each["balances"]
    }
    assert balances["grant.depleted"] == "0"
    by_type = {each["type"]: each for each in found}
    assert by_type["debit.reversed"]["balances"] == [
        {
            "entitlement": "images",
            "posted": "13.5",
            "held": "0",
            "available": "13.5",
            "overage": "0",
            "seq": 4,
        }
    ]
    assert by_type["grant.amended"]["data"]["changed"] == {
        "expires_at": ["2090-01-01T00:00:00Z", None],
        "metadata": [{}, {"a": 1}],
    }
    assert by_type["grant.amended"]["balances"] == []
    assert by_type["hold.captured"]["data"]["released"] == "0.5"
    assert by_type["hold.expired"]["data"]["amount"] == "1"
    assert by_type["grant.expired"]["data"]["amount"] in {"3", "4"}
    created = next(each for each in found if each["type"] == "grant.created")
    assert created["data"]["scope"] == {"model": ["a"]}
    assert (created["data"]["amount"], created["data"]["priority"]) == ("10", 3)
    assert created["customer"] == "ada"


def test_ids_are_unique_and_pages_of_any_size_are_the_same(happened: httpx.Client) -> None:
    found = settled(happened, "customer.closed", limit=100)
    assert len({each["id"] for each in found}) == len(found)
    assert events(happened, limit=1) == found
    assert events(happened, limit=3) == found


def test_a_filter_finds_types_by_their_beginning_and_customers(happened: httpx.Client) -> None:
    whole = settled(happened, "customer.closed")
    holds = events(happened, type="hold.*")
    assert holds == [each for each in whole if each["type"].startswith("hold.")]
    assert events(happened, type="debit.created", limit=1) == [
        each for each in whole if each["type"] == "debit.created"
    ]
    assert events(happened, customer="ada") == [each for each in whole if each["customer"] == "ada"]
    assert events(happened, type="nothing") == []


def test_a_reader_goes_on_where_it_was(native: httpx.Client) -> None:
    post(native, "/customers", id="first")
    settled(native, "customer.created")
    page = native.get("/events-feed").json()
    while page["has_more"]:  # a page looks at so much of a busy ledger, and no further
        page = native.get("/events-feed", params={"after": page["next"]}).json()
    again = native.get("/events-feed", params={"after": page["next"]}).json()
    assert (again["data"], again["has_more"]) == ([], False)
    post(native, "/customers", id="second")
    found = settled(native, "customer.created", customer="second")
    further = native.get("/events-feed", params={"after": again["next"]}).json()
    assert further["data"] == found


def test_what_is_no_place_is_refused(native: httpx.Client) -> None:
    for query in ({"after": "x"}, {"limit": "0"}, {"limit": "101"}, {"kind": "a"}, {"type": ""}):
        answer = native.get("/events-feed", params=query)
        assert answer.status_code in {400, 422}, answer.text
        assert answer.json()["field"] == next(iter(query))
    assert native.get("/events-feed", params={"customer": "nobody"}).status_code == 404


def test_books_do_not_see_each_others_events(tenant: Tenant, native: httpx.Client) -> None:
    post(native, "/customers", id="ada")
    settled(native, "customer.created")
    with tenant.client(tenant.live.editor) as live:
        assert live.get("/events-feed").json()["data"] == []
