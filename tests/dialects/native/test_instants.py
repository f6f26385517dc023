"""Any instant over HTTP: balances and grants as they were and will be, and a balance's history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from drawdown.core.times import text_of
from drawdown.core.types import DAY, Instant
from tests.conftest import NewUrl
from tests.dialects.native.support import Json, balance, created, debit, grant, problem
from tests.support.clocked_server import ClockedServer, clocked_server

START = Instant(1_767_225_600_000_000)  # 2026-01-01T00:00:00Z


@pytest.fixture(scope="module")
def server(new_url: NewUrl) -> Iterator[ClockedServer]:
    with new_url() as url, clocked_server(url, START) as started:
        yield started


@pytest.fixture
def client(server: ClockedServer) -> Iterator[httpx.Client]:
    with server.client() as opened:
        yield opened


def day(number: float) -> str:
    return text_of(Instant(round(START + number * DAY)))


def get(client: httpx.Client, path: str, **query: Any) -> Json:
    response = client.get(path, params=query)
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


@pytest.fixture(scope="module")
def story(server: ClockedServer) -> Json:
    """Grants on days 0 and 2, a debit on day 3, a hold on day 4, an expiry on day 10; now is day 5."""
    with server.client() as client:
        created(client.post("/customers", json={"id": "ada"}))
        first = grant(client, "ada", "100", expires_at=day(10), name="First")
        server.clock.instant = Instant(START + 2 * DAY)
        second = grant(client, "ada", "50", effective_at=day(20), name="Second")
        server.clock.instant = Instant(START + 3 * DAY)
        created(debit(client, "ada", "30"))
        server.clock.instant = Instant(START + 4 * DAY)
        held = {"customer": "ada", "entitlement": "usd", "amount": "20", "idempotency_key": "h"}
        created(client.post("/holds", json=held | {"expires_at": day(4.5)}))
        server.clock.instant = Instant(START + 5 * DAY)
    return {"first": first["id"], "second": second["id"]}


@pytest.mark.parametrize(
    ("at", "posted", "held", "pending", "expired"),
    [
        (-1, "0", "0", "0", "0"),
        (0, "100", "0", "0", "0"),
        (1.5, "100", "0", "0", "0"),
        (2, "100", "0", "50", "0"),
        (3, "70", "0", "50", "0"),
        (4, "70", "20", "50", "0"),
        (4.5, "70", "0", "50", "0"),
        (9.99, "70", "0", "50", "0"),
        (10, "0", "0", "50", "70"),
        (20, "50", "0", "0", "70"),
        (3650, "50", "0", "0", "70"),
    ],
)
def test_a_balance_at_an_instant(
    client: httpx.Client,
    story: Json,
    at: float,
    posted: str,
    held: str,
    pending: str,
    expired: str,
) -> None:
    """At the very instant of a change it is what the change made of it."""
    found = get(client, "/balances/ada/usd", at=day(at))
    names = ("posted", "held", "pending", "expired", "as_of")
    assert [found[name] for name in names] == [posted, held, pending, expired, day(at)]


def test_no_balance_is_known_more_than_ten_years_ahead(client: httpx.Client, story: Json) -> None:
    late = {"at": "2036-01-20T00:00:00Z"}
    for path in ("/balances/ada/usd", f"/grants/{story['first']}"):
        found = problem(client.get(path, params=late), 422, "field_invalid")
        assert (found["field"], found["rule"]) == ("at", "at most 10 years from now")
    found = problem(
        client.get("/balances/ada/usd/history", params={"to": late["at"]}), 422, "field_invalid"
    )
    assert found["field"] == "to"


def test_a_balance_never_used_was_always_zero(client: httpx.Client, story: Json) -> None:
    for at in (day(1), day(99)):
        assert get(client, "/balances/ada/eur", at=at)["posted"] == "0"


@pytest.mark.parametrize(
    ("at", "state", "remaining", "used", "held", "expired"),
    [
        (0, "active", "100", "0", "0", "0"),
        (3, "active", "70", "30", "0", "0"),
        (4.2, "active", "70", "30", "20", "0"),
        (5, "active", "70", "30", "0", "0"),
        (10, "expired", "0", "30", "0", "70"),
    ],
)
def test_a_grant_at_an_instant(
    client: httpx.Client,
    story: Json,
    at: float,
    state: str,
    remaining: str,
    used: str,
    held: str,
    expired: str,
) -> None:
    found = get(client, f"/grants/{story['first']}", at=day(at))
    names = ("state", "remaining", "used", "held", "expired")
    assert [found[name] for name in names] == [state, remaining, used, held, expired]


def test_a_grant_is_not_there_before_it_is_made(client: httpx.Client, story: Json) -> None:
    path = f"/grants/{story['second']}"
    problem(client.get(path, params={"at": day(1.9)}), 404, "grant_not_found")
    assert get(client, path, at=day(2))["state"] == "pending"


def test_a_wallets_grants_at_an_instant(client: httpx.Client, story: Json) -> None:
    """Newest first, in pages, each with its state then."""
    wallet = {"customer": "ada", "entitlement": "usd"}
    assert [each["name"] for each in get(client, "/grants", **wallet, at=day(1))["data"]] == [
        "First"
    ]
    first = get(client, "/grants", **wallet, at=day(30), limit=1)
    second = get(client, "/grants", **wallet, at=day(30), limit=1, after=first["next"])
    shown = [(each["name"], each["state"]) for each in first["data"] + second["data"]]
    assert shown == [("Second", "active"), ("First", "expired")]
    assert second["next"] is None
    assert get(client, "/grants", **wallet, at=day(-1))["data"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"entitlement": "usd"}, "customer"),
        ({"customer": "ada"}, "entitlement"),
        ({"customer": "ada", "entitlement": "usd", "state": "active"}, "state"),
    ],
)
def test_grants_at_an_instant_are_those_of_one_wallet_in_any_state(
    client: httpx.Client, story: Json, query: dict[str, str], field: str
) -> None:
    refused = client.get("/grants", params=query | {"at": day(1)})
    assert problem(refused, 422, "field_invalid")["field"] == field


@pytest.mark.parametrize("text", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", ""])
def test_an_instant_must_be_one(client: httpx.Client, story: Json, text: str) -> None:
    for path, name in (
        ("/balances/ada/usd", "at"),
        (f"/grants/{story['first']}", "at"),
        ("/grants", "at"),
        ("/balances/ada/usd/history", "from"),
        ("/balances/ada/usd/history", "to"),
        ("/balances/ada/usd/history", "after"),
    ):
        refused = problem(client.get(path, params={name: text}), 422, "field_invalid")
        assert refused["field"] == name


def segments(found: Json) -> list[tuple[str, ...]]:
    names = ("from", "to", "posted", "held", "available", "pending", "overage")
    return [tuple(each[name] for name in names) for each in found["data"]]


def test_the_history_of_a_balance(client: httpx.Client, story: Json) -> None:
    """From its beginning until now: each stretch of time in which nothing changed, newest first."""
    found = get(client, "/balances/ada/usd/history")
    assert found["next"] is None
    assert segments(found) == [
        (day(4.5), day(5), "70", "0", "70", "50", "0"),
        (day(4), day(4.5), "70", "20", "50", "50", "0"),
        (day(3), day(4), "70", "0", "70", "50", "0"),
        (day(2), day(3), "100", "0", "100", "50", "0"),
        (day(0), day(2), "100", "0", "100", "0", "0"),
    ]


def test_a_history_reaches_from_the_past_into_the_future(client: httpx.Client, story: Json) -> None:
    query = {"from": day(-3), "to": day(30)}
    found = segments(get(client, "/balances/ada/usd/history", **query))
    assert found[:2] == [
        (day(20), day(30), "50", "0", "50", "0", "0"),
        (day(10), day(20), "0", "0", "0", "50", "0"),
    ]
    assert found[-1] == (day(-3), day(0), "0", "0", "0", "0", "0")
    pages: list[tuple[str, ...]] = []
    after: dict[str, str] = {}
    while True:
        page = get(client, "/balances/ada/usd/history", **query, limit=2, **after)
        pages += segments(page)
        if page["next"] is None:
            break
        assert len(page["data"]) == 2
        after = {"after": page["next"]}
    assert pages == found


def test_the_history_of_nothing(client: httpx.Client, story: Json) -> None:
    """It begins nowhere; asked from an instant on, it was zero."""
    assert get(client, "/balances/ada/eur/history") == {"data": [], "next": None}
    found = get(client, "/balances/ada/eur/history", **{"from": day(0), "to": day(1)})
    assert segments(found) == [(day(0), day(1), "0", "0", "0", "0", "0")]


def test_a_history_begins_before_it_ends(client: httpx.Client, story: Json) -> None:
    for query in ({"from": day(6)}, {"from": day(2), "to": day(2)}):
        refused = client.get("/balances/ada/usd/history", params=query)
        assert problem(refused, 422, "field_invalid")["field"] == "from"


@pytest.mark.parametrize("limit", ["0", "1001", "many"])
def test_a_history_has_at_most_1000_segments_a_page(
    client: httpx.Client, story: Json, limit: str
) -> None:
    refused = client.get("/balances/ada/usd/history", params={"limit": limit})
    assert problem(refused, 422, "field_invalid")["field"] == "limit"


def test_another_books_wallet_has_no_history(client: httpx.Client, story: Json) -> None:
    problem(client.get("/balances/nobody/usd/history"), 404, "customer_not_found")
    problem(client.get("/balances/ada/nothing/history"), 404, "entitlement_not_found")


def test_a_long_history_is_read_in_pieces(database_url: str) -> None:
    """More entries than are read at once: every page, and the balance at every step, is exact."""
    with clocked_server(database_url, START) as server, server.client() as client:
        created(client.post("/customers", json={"id": "ada"}))
        grant(client, "ada", "2000")
        for start in range(0, 1200, 400):
            server.clock.instant = Instant(START + (start + 1) * DAY)
            debits = [
                {
                    "customer": "ada",
                    "entitlement": "usd",
                    "amount": "1",
                    "idempotency_key": f"{start}-{number}",
                }
                for number in range(400)
            ]
            assert client.post("/debits/batch", json={"debits": debits}).status_code == 200
        assert balance(client, "ada")["available"] == "800"
        found = segments(get(client, "/balances/ada/usd/history"))
        assert [each[4] for each in found] == ["1200", "1600", "2000"]
        assert get(client, "/balances/ada/usd", at=day(0.5))["seq"] == 1
