"""Holds over HTTP: set aside, captured bit by bit, extended, released, over by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from drawdown.core.times import text_of
from drawdown.core.types import MICROSECONDS, Instant
from drawdown.web import fields
from tests.conftest import NewUrl
from tests.dialects.native.support import (
    Json,
    balance,
    capture,
    created,
    customer_with,
    debit,
    grant,
    hold,
    hold_body,
    new_customer,
    ok,
    problem,
)
from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.scenarios import START
from tests.support.server import Tenant

MINUTE = 60 * MICROSECONDS


def later(text: str, minutes: int) -> str:
    """The time so many minutes after one that was answered."""
    return text_of(Instant(fields.instant(text, "text") + minutes * MINUTE))


@pytest.fixture
def ada(native: httpx.Client) -> str:
    return customer_with(native, [("20", "paid")])


@pytest.fixture(scope="module")
def clocked(new_url: NewUrl) -> Iterator[ClockedServer]:
    with new_url() as url, clocked_server(url, START) as server:
        yield server


@pytest.fixture
def timed(clocked: ClockedServer) -> Iterator[httpx.Client]:
    """A client of a server whose clock the test sets."""
    clocked.clock.instant = START
    with clocked.client() as client:
        yield client


def test_a_hold_sets_credit_aside_in_burn_down_order_for_fifteen_minutes(
    native: httpx.Client,
) -> None:
    customer = customer_with(native, [("20", "paid"), ("5", "promotional")])
    made = hold(native, customer, "7.5", attributes={"model": "m"}, metadata={"run": 3})
    paid, promotional = (one["id"] for one in granted(native, customer))
    assert made == {
        "id": made["id"],
        "customer": customer,
        "entitlement": "usd",
        "state": "open",
        "amount": "7.5",
        "held": "7.5",
        "captured": "0",
        "slices": [{"grant": promotional, "amount": "5"}, {"grant": paid, "amount": "2.5"}],
        "attributes": {"model": "m"},
        "metadata": {"run": 3},
        "created_at": made["created_at"],
        "expires_at": later(made["created_at"], 15),
        "ended_at": None,
        "available": "17.5",
    }
    assert made["id"].startswith("hold_")
    shown = balance(native, customer)
    assert (shown["posted"], shown["held"], shown["available"], shown["used"]) == (
        "25",
        "7.5",
        "17.5",
        "0",
    )
    assert [(one["remaining"], one["held"]) for one in granted(native, customer)] == [
        ("20", "2.5"),
        ("5", "5"),
    ]


def granted(client: httpx.Client, customer: str) -> list[Json]:
    """The customer's grants, oldest first."""
    found: list[Json] = ok(client.get("/grants", params={"customer": customer}))["data"]
    return found[::-1]


def test_a_hold_that_is_read_says_nothing_of_the_wallet(native: httpx.Client, ada: str) -> None:
    made = hold(native, ada, "5")
    shown = ok(native.get(f"/holds/{made['id']}"))
    assert shown == {name: value for name, value in made.items() if name != "available"}


@pytest.mark.parametrize("path", ["/debits", "/holds"])
def test_what_is_held_cannot_be_used_otherwise(native: httpx.Client, ada: str, path: str) -> None:
    """The refusal says what is available, and leaves the key free."""
    made = hold(native, ada, "15")
    body = hold_body(ada, "5.1")
    refused = problem(native.post(path, json=body), 402, "insufficient_credit")
    assert (refused["needed"], refused["available"], refused["available_total"]) == (
        "5.1",
        "5",
        "5",
    )
    ok(native.post(f"/holds/{made['id']}/release"))
    assert created(native.post(path, json=body))["available"] == "14.9"


def test_a_hold_of_more_than_there_is_holds_nothing(native: httpx.Client, ada: str) -> None:
    body = hold_body(ada, "20.5")
    problem(native.post("/holds", json=body), 402, "insufficient_credit")
    assert balance(native, ada)["held"] == "0"
    grant(native, ada, "1")
    assert created(native.post("/holds", json=body))["available"] == "0.5"


@pytest.mark.parametrize("seconds", [1, 90, 86_400])
def test_a_hold_ends_as_many_seconds_from_now_as_asked(timed: httpx.Client, seconds: int) -> None:
    customer = customer_with(timed, [("20", "paid")])
    made = hold(timed, customer, "5", expires_in=seconds)
    assert made["expires_at"] == text_of(Instant(START + seconds * MICROSECONDS))


def test_a_hold_ends_when_asked_up_to_24_hours_from_now(timed: httpx.Client) -> None:
    customer = customer_with(timed, [("20", "paid")])
    last = START + 24 * 60 * MINUTE
    assert hold(timed, customer, "5", expires_at=text_of(Instant(last)))["expires_at"] == text_of(
        Instant(last)
    )
    too_late = hold_body(customer, "5", expires_at=text_of(Instant(last + 1)))
    refused = problem(timed.post("/holds", json=too_late), 422, "field_invalid")
    assert (refused["field"], refused["rule"]) == (
        "expires_at",
        "at most 24 hours after the hold was made",
    )
    passed = hold_body(customer, "5", expires_at=text_of(START))
    assert problem(timed.post("/holds", json=passed), 422, "expiry_not_in_future")["field"] == (
        "expires_at"
    )
    assert balance(timed, customer)["held"] == "5"


def test_a_capture_is_a_debit_of_what_is_held_and_shows_the_hold(
    native: httpx.Client,
) -> None:
    """The first slice first; what it was for is the hold's to say."""
    customer = customer_with(native, [("20", "paid"), ("5", "promotional")])
    made = hold(native, customer, "7", attributes={"model": "m"}, metadata={"run": 3})
    promotional, paid = (part["grant"] for part in made["slices"])
    taken = created(capture(native, made["id"], "6"))
    left = {
        "held": "1",
        "captured": "6",
        "slices": [{"grant": paid, "amount": "1"}],
        "available": "18",
    }
    assert taken == {
        "id": taken["id"],
        "customer": customer,
        "entitlement": "usd",
        "amount": "6",
        "draws": [
            {"grant": promotional, "amount": "5", "order_key": taken["draws"][0]["order_key"]},
            {"grant": paid, "amount": "1", "order_key": taken["draws"][1]["order_key"]},
        ],
        "available": "18",
        "overage": "0",
        "at": taken["at"],
        "attributes": {"model": "m"},
        "metadata": {"run": 3},
        "hold": made | left,
    }
    assert taken["id"].startswith("deb_")
    assert [draw["order_key"]["category"] for draw in taken["draws"]] == ["promotional", "paid"]
    shown = balance(native, customer)
    assert (shown["posted"], shown["held"], shown["available"], shown["used"]) == (
        "19",
        "1",
        "18",
        "6",
    )


def test_a_capture_read_as_a_debit_shows_the_hold_as_it_is_now(
    native: httpx.Client, ada: str
) -> None:
    made = hold(native, ada, "7", attributes={"model": "m"})
    taken = created(capture(native, made["id"], "3"))
    created(capture(native, made["id"], "2", final=True))
    held = ok(native.get(f"/holds/{made['id']}"))
    assert (held["state"], held["captured"], held["slices"]) == ("captured", "5", [])
    assert ok(native.get(f"/debits/{taken['id']}")) == taken | {"hold": held, "reversed": "0"}


def test_a_capture_is_reversed_like_any_debit(native: httpx.Client, ada: str) -> None:
    """The hold stays as it is."""
    made = hold(native, ada, "7")
    taken = created(capture(native, made["id"], "3"))
    path = f"/debits/{taken['id']}/reverse"
    back = created(native.post(path, json={"amount": "2", "idempotency_key": "b"}))
    assert (back["amount"], back["entitlement"], back["available"]) == ("2", "usd", "15")
    assert ok(native.get(f"/debits/{taken['id']}"))["reversed"] == "2"
    held = ok(native.get(f"/holds/{made['id']}"))
    assert (held["held"], held["captured"]) == ("4", "3")


def test_a_stream_captures_as_it_goes_and_releases_the_rest_with_the_last(
    native: httpx.Client, ada: str
) -> None:
    made = hold(native, ada, "10")
    chunks = [created(capture(native, made["id"], "1.5", final=n == 3)) for n in range(4)]
    assert [
        (taken["hold"]["state"], taken["hold"]["held"], taken["available"]) for taken in chunks
    ] == [
        ("open", "8.5", "10"),
        ("open", "7", "10"),
        ("open", "5.5", "10"),
        ("captured", "0", "14"),
    ]
    last = chunks[-1]
    ended = last["hold"]
    assert (ended["captured"], ended["slices"], ended["ended_at"]) == ("6", [], last["at"])


def test_more_than_is_held_is_drawn_besides(native: httpx.Client, ada: str) -> None:
    made = hold(native, ada, "5")
    taken = created(capture(native, made["id"], "8"))
    assert [draw["amount"] for draw in taken["draws"]] == ["5", "3"]
    assert (taken["amount"], taken["available"]) == ("8", "12")
    assert (taken["hold"]["state"], taken["hold"]["held"], taken["hold"]["captured"]) == (
        "open",
        "0",
        "8",
    )


def test_more_than_there_is_captures_nothing_and_the_hold_stays(
    native: httpx.Client, ada: str
) -> None:
    made = hold(native, ada, "5")
    refused = problem(capture(native, made["id"], "20.5"), 402, "insufficient_credit")
    assert (refused["needed"], refused["available"], refused["available_total"]) == (
        "15.5",
        "15",
        "15",
    )
    held = ok(native.get(f"/holds/{made['id']}"))
    assert (held["state"], held["held"], held["captured"]) == ("open", "5", "0")


def test_more_than_is_held_is_refused_where_asked(native: httpx.Client, ada: str) -> None:
    made = hold(native, ada, "5")
    answer = capture(native, made["id"], "5.1", over_capture="refuse")
    refused = problem(answer, 409, "capture_too_large")
    assert (refused["amount"], refused["held"]) == ("5.1", "5")
    taken = created(capture(native, made["id"], "5", over_capture="refuse", final=True))
    assert (taken["hold"]["state"], taken["available"]) == ("captured", "15")


def test_a_release_gives_back_what_is_still_held(native: httpx.Client, ada: str) -> None:
    """The body may be empty."""
    made = hold(native, ada, "5")
    created(capture(native, made["id"], "2"))
    ended = ok(native.post(f"/holds/{made['id']}/release"))
    assert ended == made | {
        "state": "released",
        "held": "0",
        "captured": "2",
        "slices": [],
        "ended_at": ended["ended_at"],
        "available": "18",
    }
    assert ended["ended_at"] >= made["created_at"]
    assert balance(native, ada)["held"] == "0"


def test_a_hold_that_has_ended_is_neither_captured_released_nor_extended(
    native: httpx.Client, ada: str
) -> None:
    captured, released = (hold(native, ada, "5")["id"] for _ in range(2))
    created(capture(native, captured, "1", final=True))
    ok(native.post(f"/holds/{released}/release"))
    for name, state in ((captured, "captured"), (released, "released")):
        for answer in (
            capture(native, name, "1"),
            native.post(f"/holds/{name}/release"),
            native.post(f"/holds/{name}/extend", json={"expires_in": 3600}),
        ):
            refused = problem(answer, 409, "hold_ended")
            assert refused["state"] == state
            assert state in refused["detail"]


def test_a_hold_is_extended_from_now_or_to_a_time(timed: httpx.Client) -> None:
    customer = customer_with(timed, [("20", "paid")])
    made = hold(timed, customer, "5")
    path = f"/holds/{made['id']}/extend"
    longer = ok(timed.post(path, json={"expires_in": 3600}))
    assert longer == made | {"expires_at": later(made["created_at"], 60)}
    longest = later(made["created_at"], 24 * 60)
    assert ok(timed.post(path, json={"expires_at": longest}))["expires_at"] == longest
    assert ok(timed.get(f"/holds/{made['id']}"))["expires_at"] == longest


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({}, "expires_in", "given, or expires_at in its place"),
        (
            {"expires_in": 3600, "expires_at": text_of(Instant(START + 60 * MINUTE))},
            "expires_in",
            "given instead of expires_at, not beside it",
        ),
        ({"expires_in": 60}, "expires_in", "no earlier than the hold's present end"),
        (
            {"expires_at": text_of(Instant(START + 24 * 60 * MINUTE + 1))},
            "expires_at",
            "at most 24 hours after the hold was made",
        ),
    ],
)
def test_an_extension_that_breaks_a_rule_leaves_the_hold(
    timed: httpx.Client, body: Json, field: str, rule: str
) -> None:
    made = hold(timed, customer_with(timed, [("20", "paid")]), "5")
    refused = problem(timed.post(f"/holds/{made['id']}/extend", json=body), 422, "field_invalid")
    assert (refused["field"], refused["rule"]) == (field, rule)
    assert ok(timed.get(f"/holds/{made['id']}"))["expires_at"] == made["expires_at"]


def test_a_hold_that_nobody_ends_is_over_at_its_instant(
    clocked: ClockedServer, timed: httpx.Client
) -> None:
    """Nothing is left behind by a client that died, and no job need have run."""
    customer = customer_with(timed, [("20", "paid")])
    made = hold(timed, customer, "5")
    clocked.clock.instant = Instant(START + 15 * MINUTE - 1)
    assert balance(timed, customer)["available"] == "15"
    clocked.clock.instant = Instant(START + 15 * MINUTE)
    assert balance(timed, customer)["available"] == "20"
    ended = ok(timed.get(f"/holds/{made['id']}"))
    assert (ended["state"], ended["held"], ended["slices"], ended["ended_at"]) == (
        "expired",
        "0",
        [],
        made["expires_at"],
    )
    assert problem(capture(timed, made["id"], "1"), 409, "hold_ended")["state"] == "expired"
    kinds = [
        (entry["kind"], entry["amount"], entry["held_before"], entry["held_after"], entry["at"])
        for entry in ok(timed.get("/entries", params={"customer": customer}))["data"]
    ]
    assert kinds[:2] == [
        ("released", "5", "5", "0", made["expires_at"]),
        ("held", "5", "0", "5", made["created_at"]),
    ]


def test_credit_held_when_its_grant_expires_may_still_be_captured(
    clocked: ClockedServer, timed: httpx.Client
) -> None:
    """What is not captured is written off when the hold ends."""
    customer = new_customer(timed)
    given = grant(timed, customer, "20", expires_at=text_of(Instant(START + 5 * MINUTE)))
    made = hold(timed, customer, "8")
    clocked.clock.instant = Instant(START + 6 * MINUTE)
    shown = ok(timed.get(f"/grants/{given['id']}"))
    assert (shown["state"], shown["remaining"], shown["held"], shown["expired"]) == (
        "expired",
        "8",
        "8",
        "12",
    )
    taken = created(capture(timed, made["id"], "3", final=True))
    assert (taken["amount"], taken["available"], taken["hold"]["held"]) == ("3", "0", "0")
    shown = ok(timed.get(f"/grants/{given['id']}"))
    assert (shown["remaining"], shown["held"], shown["used"], shown["expired"]) == (
        "0",
        "0",
        "3",
        "17",
    )


def test_a_grant_of_which_some_is_held_cannot_be_voided(native: httpx.Client, ada: str) -> None:
    made = hold(native, ada, "5")
    [part] = made["slices"]
    refused = problem(native.post(f"/grants/{part['grant']}/void"), 409, "grant_held")
    assert refused["held"] == "5"
    ok(native.post(f"/holds/{made['id']}/release"))
    assert ok(native.post(f"/grants/{part['grant']}/void"))["voided"] == "20"


def test_every_write_of_a_hold_is_done_once(native: httpx.Client, ada: str) -> None:
    """The same key and content gets the first answer to the byte, also when the hold has ended since."""
    bodies = [
        ("/holds", hold_body(ada, "5", expires_in=600), 201),
        ("/holds/{}/extend", {"expires_in": 900, "idempotency_key": "e"}, 200),
        ("/holds/{}/capture", {"amount": "1.5", "idempotency_key": "c"}, 201),
        ("/holds/{}/capture", {"amount": "1", "final": True, "idempotency_key": "f"}, 201),
    ]
    name = ""
    first = []
    for path, body, status in bodies:
        answer = native.post(path.format(name), json=body)
        assert answer.status_code == status, answer.text
        assert "idempotent-replayed" not in answer.headers
        name = name or answer.json()["id"]
        first.append(answer.content)
    for (path, body, status), content in zip(bodies, first, strict=True):
        again = native.post(path.format(name), json=body)
        assert (again.status_code, again.content) == (status, content)
        assert again.headers["idempotent-replayed"] == "true"
    shown = balance(native, ada)
    assert (shown["used"], shown["held"], shown["seq"]) == ("2.5", "0", 5)


def test_a_release_under_a_key_is_done_once(native: httpx.Client, ada: str) -> None:
    """Without a key, asking again is refused: the hold has ended."""
    path = f"/holds/{hold(native, ada, '5')['id']}/release"
    first = native.post(path, json={"idempotency_key": "r"})
    again = native.post(path, json={"idempotency_key": "r"})
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    problem(native.post(path), 409, "hold_ended")


@pytest.mark.parametrize(
    ("path", "body", "change"),
    [
        ("/holds", {}, {"amount": "6"}),
        ("/holds", {}, {"expires_in": 60}),
        ("/holds", {}, {"attributes": {"a": "b"}}),
        ("/holds/{}/capture", {"amount": "1"}, {"amount": "2"}),
        ("/holds/{}/capture", {"amount": "1"}, {"final": True}),
        ("/holds/{}/capture", {"amount": "1"}, {"over_capture": "refuse"}),
        ("/holds/{}/extend", {"expires_in": 3600}, {"expires_in": 7200}),
    ],
)
def test_a_used_key_with_another_request_is_refused(
    native: httpx.Client, ada: str, path: str, body: Json, change: Json
) -> None:
    made = hold(native, ada, "5")
    sent = (hold_body(ada, "5") if path == "/holds" else {}) | body | {"idempotency_key": "k"}
    address = path.format(made["id"])
    assert native.post(address, json=sent).is_success
    before = balance(native, ada)
    refused = problem(native.post(address, json=sent | change), 409, "key_reused")
    assert refused["key"] == "k"
    assert balance(native, ada)["seq"] == before["seq"]


def test_a_key_used_for_one_hold_is_not_free_for_another_of_the_customer(
    native: httpx.Client, ada: str
) -> None:
    one, other = (hold(native, ada, "5")["id"] for _ in range(2))
    created(capture(native, one, "1", idempotency_key="same"))
    problem(capture(native, other, "1", idempotency_key="same"), 409, "key_reused")
    assert ok(native.get(f"/holds/{other}"))["captured"] == "0"


def test_one_capture_sent_many_times_at_once_is_one_capture(tenant: Tenant) -> None:
    with tenant.client() as client:
        customer = customer_with(client, [("20", "paid")])
        name = hold(client, customer, "5")["id"]
        with ThreadPoolExecutor(8) as threads:
            answers = list(
                threads.map(lambda _: capture(client, name, "2", idempotency_key="once"), range(16))
            )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        replayed = [answer.headers.get("idempotent-replayed") for answer in answers]
        assert sorted(replayed, key=str) == [None] + ["true"] * 15
        assert ok(client.get(f"/holds/{name}"))["captured"] == "2"
        assert balance(client, customer)["used"] == "2"


def test_captures_at_once_never_use_more_than_there_is(tenant: Tenant) -> None:
    """Of twenty for 2 each, ten find credit: the hold's 5, and the 15 beside it."""
    with tenant.client() as client:
        customer = customer_with(client, [("20", "paid")])
        name = hold(client, customer, "5")["id"]
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: capture(client, name, "2"), range(20)))
        statuses = [answer.status_code for answer in answers]
        assert sorted(set(statuses)) == [201, 402]
        assert statuses.count(201) == 10
        shown = balance(client, customer)
        assert (shown["used"], shown["held"], shown["available"]) == ("20", "0", "0")


def test_final_captures_at_once_end_the_hold_once(tenant: Tenant) -> None:
    with tenant.client() as client:
        customer = customer_with(client, [("20", "paid")])
        name = hold(client, customer, "5")["id"]
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: capture(client, name, "2", final=True), range(16)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
        for answer in answers:
            if answer.status_code == 409:
                problem(answer, 409, "hold_ended")
        shown = balance(client, customer)
        assert (shown["used"], shown["held"], shown["available"]) == ("2", "0", "18")


def test_holds_are_listed_by_customer_entitlement_and_state(
    clocked: ClockedServer, timed: httpx.Client
) -> None:
    code = f"tokens-{new_customer(timed)[-6:]}"
    created(timed.post("/entitlements", json={"code": code, "unit": "token", "scale": 0}))
    bob, ada = (customer_with(timed, [("50", "paid")]) for _ in range(2))
    grant(timed, ada, "50", entitlement=code)
    made = {
        "expired": hold(timed, ada, "1", expires_in=60)["id"],
        "released": hold(timed, ada, "1")["id"],
        "captured": hold(timed, ada, "1")["id"],
        "tokens": hold(timed, ada, "1", entitlement=code)["id"],
        "bob": hold(timed, bob, "1")["id"],
        "open": hold(timed, ada, "1")["id"],
    }
    ok(timed.post(f"/holds/{made['released']}/release"))
    created(capture(timed, made["captured"], "1", final=True))
    clocked.clock.instant = Instant(START + 2 * MINUTE)

    def listed(**query: str) -> list[str]:
        names = {identifier: name for name, identifier in made.items()}
        found = ok(timed.get("/holds", params=query | {"limit": "100"}))["data"]
        assert all("available" not in item for item in found)
        return [names[item["id"]] for item in found if item["id"] in names]

    assert listed() == ["open", "bob", "tokens", "captured", "released", "expired"]
    assert listed(customer=ada) == ["open", "tokens", "captured", "released", "expired"]
    assert listed(customer=ada, entitlement="usd", state="open") == ["open"]
    assert listed(entitlement=code) == ["tokens"]
    assert listed(state="open") == ["open", "bob", "tokens"]
    for state in ("captured", "released", "expired"):
        assert listed(customer=ada, state=state) == [state]
    assert ok(timed.get("/holds", params={"customer": bob}))["data"] == [
        ok(timed.get(f"/holds/{made['bob']}"))
    ]


def test_pages_of_holds_are_newest_first_and_end(native: httpx.Client, ada: str) -> None:
    made = [hold(native, ada, "1")["id"] for _ in range(5)][::-1]
    seen: list[str] = []
    sizes, query = [], {"customer": ada, "limit": "2"}
    while query.get("after", "first"):
        page = ok(native.get("/holds", params=query))
        sizes.append(len(page["data"]))
        seen += [item["id"] for item in page["data"]]
        query["after"] = page["next"]
    assert (sizes, seen) == ([2, 2, 1], made)


def test_another_books_holds_are_not_there(tenant: Tenant, native: httpx.Client, ada: str) -> None:
    made = hold(native, ada, "5")
    path = f"/holds/{made['id']}"
    with tenant.client(tenant.live.admin) as live:
        problem(live.get(path), 404, "hold_not_found")
        problem(capture(live, made["id"], "1"), 404, "hold_not_found")
        problem(live.post(f"{path}/release"), 404, "hold_not_found")
        problem(live.post(f"{path}/extend", json={"expires_in": 3600}), 404, "hold_not_found")
        problem(live.post("/holds", json=hold_body(ada, "1")), 404, "customer_not_found")
        assert ok(live.get("/holds"))["data"] == []
    assert ok(native.get(path))["held"] == "5"


def test_scope_decides_what_a_hold_may_set_aside(native: httpx.Client) -> None:
    customer = new_customer(native)
    grant(native, customer, "10", scope={"model": ["gpt-4o", "o3"]})
    grant(native, customer, "4")
    refused = problem(
        native.post("/holds", json=hold_body(customer, "5", attributes={"model": "o1"})),
        402,
        "insufficient_credit",
    )
    assert (refused["available"], refused["available_total"]) == ("4", "14")
    made = hold(native, customer, "12", attributes={"model": "o3"})
    assert [part["amount"] for part in made["slices"]] == ["10", "2"]
    assert problem(debit(native, customer, "3"), 402, "insufficient_credit")["available"] == "2"


def test_a_wallet_has_so_many_open_holds_and_no_more(
    timed: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three here, so that the test need not make ten thousand. One that ends makes room."""
    monkeypatch.setattr("drawdown.core.holds.HOLDS_OPEN_MAX", 3)
    customer = customer_with(timed, [("20", "paid")])
    first, *_ = (hold(timed, customer, "1")["id"] for _ in range(3))
    body = hold_body(customer, "1")
    refused = problem(timed.post("/holds", json=body), 409, "too_many_holds")
    assert refused["maximum"] == 3
    assert balance(timed, customer)["held"] == "3"
    ok(timed.post(f"/holds/{first}/release"))
    created(timed.post("/holds", json=body))
