"""Alerts over HTTP: what is answered, what is told in the feed, and what is refused."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx
import pytest

from tests.dialects.native.support import Json, created, grant, new_customer, ok, problem
from tests.dialects.native.test_events import events

#: The feed of a database that several may write to stops two seconds before now.
PATIENCE_SECONDS = 60

NOWHERE = "alert_0351PpVUVnfk2FZtEeVVRs"


@pytest.fixture
def ada(native: httpx.Client) -> str:
    return new_customer(native)


@pytest.fixture
def kind(native: httpx.Client) -> str:
    code = f"unit-{uuid.uuid4().hex[:12]}"
    body = {"code": code, "unit": "image", "scale": 1}
    return str(created(native.post("/entitlements", json=body))["code"])


def ask(client: httpx.Client, entitlement: str, **more: Any) -> httpx.Response:
    return client.post("/alerts", json={"entitlement": entitlement, **more})


def draw(client: httpx.Client, customer: str, entitlement: str, amount: str) -> None:
    body = {"customer": customer, "entitlement": entitlement, "amount": amount}
    created(client.post("/debits", json=body | {"idempotency_key": uuid.uuid4().hex}))


def triggered(client: httpx.Client, customer: str) -> list[Json]:
    """What the feed tells of a customer's alerts, once it tells of what is done now."""
    marker = new_customer(client)
    until = time.monotonic() + PATIENCE_SECONDS
    while not events(client, customer=marker):
        assert time.monotonic() < until, "the feed stands still"
        time.sleep(0.1)
    return events(client, customer=customer, type="alert.triggered")


def test_an_alert_is_answered_as_it_was_asked_for(
    native: httpx.Client, ada: str, kind: str
) -> None:
    made = created(
        ask(
            native,
            kind,
            kind="available_below",
            customer=ada,
            amount="2.5",
            name="Low",
            metadata={"team": "a"},
        )
    )
    assert made | {"id": None, "created_at": None} == {
        "id": None,
        "customer": ada,
        "entitlement": kind,
        "meter": None,
        "kind": "available_below",
        "amount": "2.5",
        "percent": None,
        "days": None,
        "name": "Low",
        "metadata": {"team": "a"},
        "state": "active",
        "created_at": None,
        "closed_at": None,
    }
    assert ok(native.get(f"/alerts/{made['id']}")) == made
    everybody = created(ask(native, kind, kind="days_to_expiry", days=7))
    assert everybody["customer"] is None
    listed = ok(native.get("/alerts", params={"entitlement": kind}))["data"]
    assert {each["id"] for each in listed} == {made["id"], everybody["id"]}
    assert ok(native.get("/alerts", params={"customer": ada}))["data"] == [made]
    closed = ok(native.delete(f"/alerts/{made['id']}"))
    assert (closed["state"], closed["closed_at"] is None) == ("closed", False)
    assert ok(native.delete(f"/alerts/{made['id']}")) == closed
    page = ok(native.get("/alerts", params={"entitlement": kind, "state": "active"}))
    assert page["data"] == [everybody]


def test_alerts_come_in_pages(native: httpx.Client, ada: str, kind: str) -> None:
    made = [
        created(ask(native, kind, kind="used_above", amount="1", customer=ada))["id"]
        for _ in range(3)
    ]
    first = ok(native.get("/alerts", params={"customer": ada, "limit": 2}))
    query = {"customer": ada, "limit": 2, "after": first["next"]}
    second = ok(native.get("/alerts", params=query))
    assert [each["id"] for each in first["data"] + second["data"]] == made[::-1]
    assert second["next"] is None


@pytest.mark.parametrize("own", [True, False])
def test_a_key_makes_one_alert(native: httpx.Client, ada: str, kind: str, own: bool) -> None:
    key = uuid.uuid4().hex
    asked: Json = {"kind": "available_below", "percent": 20, "idempotency_key": key}
    asked |= {"customer": ada} if own else {}
    first = created(ask(native, kind, **asked))
    again = ask(native, kind, **asked)
    assert created(again) == first
    assert again.headers["idempotent-replayed"] == "true"
    problem(ask(native, kind, **asked | {"percent": 30}), 409, "key_reused")
    assert len(ok(native.get("/alerts", params={"entitlement": kind}))["data"]) == 1


def test_a_crossing_is_told_in_the_feed_with_the_balance_right_after_it(
    native: httpx.Client, ada: str, kind: str
) -> None:
    made = created(ask(native, kind, kind="available_below", amount="2.5", customer=ada))
    grant(native, ada, "10", entitlement=kind)
    draw(native, ada, kind, "7.4")
    draw(native, ada, kind, "0.1")
    draw(native, ada, kind, "0.1")
    [event] = triggered(native, ada)
    told = event["data"]
    assert (told["alert"], told["threshold"], told["available"]) == (made["id"], "2.5", "2.5")
    assert (told["used"], told["overage"], told["grant"]) == ("7.5", "0", None)
    assert [each["available"] for each in event["balances"]] == ["2.5"]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ({"kind": "available_below"}, "amount"),
        ({"kind": "available_below", "percent": 101}, "percent"),
        ({"kind": "available_below", "percent": 1.5}, "percent"),
        ({"kind": "available_below", "amount": "-1"}, "amount"),
        ({"kind": "available_below", "amount": "0.05"}, "amount"),
        ({"kind": "used_above", "amount": "0"}, "amount"),
        ({"kind": "used_above", "percent": 5}, "percent"),
        ({"kind": "days_to_expiry", "days": 0}, "days"),
        ({"kind": "depletes_within", "days": 400}, "days"),
        ({"kind": "sometimes", "days": 4}, "kind"),
        ({"kind": "used_above", "amount": "1", "often": True}, "often"),
    ],
)
def test_what_is_no_line_is_refused_by_its_name(
    native: httpx.Client, kind: str, line: Json, field: str
) -> None:
    refused = ask(native, kind, **line)
    assert refused.status_code == 422, refused.text
    assert refused.json()["field"] == field
    assert ok(native.get("/alerts", params={"entitlement": kind}))["data"] == []


def test_what_is_not_there_cannot_be_watched(native: httpx.Client, kind: str) -> None:
    line = {"kind": "available_below", "percent": 20}
    problem(ask(native, "nothing-of-the-kind", **line), 404, "entitlement_not_found")
    problem(ask(native, kind, customer="nobody", **line), 404, "customer_not_found")
    for method in ("GET", "DELETE"):
        for name in (NOWHERE, "nonsense"):
            problem(native.request(method, f"/alerts/{name}"), 404, "alert_not_found")


# On use by a meter ----------------------------------------------------------------------------------


@pytest.fixture
def meter(native: httpx.Client) -> str:
    code = f"meter-{uuid.uuid4().hex[:12]}"
    body = {"code": code, "event_name": code, "aggregation": "sum", "property": "n"}
    return str(created(native.post("/meters", json=body))["code"])


def use(client: httpx.Client, customer: str, meter: str, size: str) -> None:
    body = {
        "id": uuid.uuid4().hex,
        "customer": customer,
        "name": meter,
        "properties": {"n": size},
    }
    created(client.post("/events", json=body))


def test_an_alert_on_use_by_a_meter_tells_once_of_a_customer(
    native: httpx.Client, ada: str, meter: str
) -> None:
    asked = {"meter": meter, "kind": "metered_above", "amount": "2.5", "customer": ada}
    made = created(native.post("/alerts", json=asked | {"name": "Much"}))
    assert {name: made[name] for name in ("entitlement", "meter", "kind", "amount", "percent")} == {
        "entitlement": None,
        "meter": meter,
        "kind": "metered_above",
        "amount": "2.5",
        "percent": None,
    }
    everybody = created(native.post("/alerts", json=asked | {"customer": None, "amount": "100"}))
    listed = ok(native.get("/alerts", params={"meter": meter}))["data"]
    assert listed == [everybody, made]
    assert ok(native.get(f"/alerts/{made['id']}")) == made
    for size in ("1.5", "1.25", "3"):
        use(native, ada, meter, size)
    [event] = triggered(native, ada)
    assert event["balances"] == []
    assert event["data"] == {
        "alert": made["id"],
        "kind": "metered_above",
        "name": "Much",
        "entitlement": None,
        "meter": meter,
        "at": event["created_at"],
        "available": None,
        "overage": None,
        "used": "2.75",
        "threshold": "2.5",
        "percent": None,
        "days": None,
        "grant": None,
        "remaining": None,
        "expires_at": None,
    }
    for each in (made, everybody):
        assert ok(native.delete(f"/alerts/{each['id']}"))["state"] == "closed"


@pytest.mark.parametrize(
    ("asked", "status", "code", "field"),
    [
        ({"kind": "metered_above"}, 422, "field_invalid", "amount"),
        ({"kind": "metered_above", "amount": "0"}, 422, "amount_not_positive", "amount"),
        ({"kind": "metered_above", "amount": "1", "days": 3}, 422, "field_invalid", "days"),
        ({"kind": "metered_above", "amount": "1", "meter": None}, 422, "field_invalid", "meter"),
        ({"kind": "used_above", "amount": "1"}, 422, "field_invalid", "meter"),
        ({"kind": "used_above", "amount": "1", "meter": None}, 422, "field_invalid", "entitlement"),
        ({"kind": "metered_above", "amount": "1", "meter": "none"}, 404, "meter_not_found", None),
    ],
)
def test_an_alert_on_use_that_cannot_be_is_refused_by_its_field(
    native: httpx.Client, meter: str, asked: Json, status: int, code: str, field: str | None
) -> None:
    answer = native.post("/alerts", json={"meter": meter} | asked)
    found = problem(answer, status, code)
    assert field is None or field in found["detail"]
