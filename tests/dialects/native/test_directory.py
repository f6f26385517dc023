"""Customers, entitlements and what pages over them promise."""

from __future__ import annotations

from itertools import pairwise

import httpx
import pytest

from tests.dialects.native.support import (
    Json,
    balance,
    created,
    debit,
    grant,
    new_customer,
    problem,
)


def test_a_customer_keeps_the_operators_id(native: httpx.Client) -> None:
    given = {"id": "user@example.com", "name": "Ada", "email": "ada@example.com"}
    made = created(native.post("/customers", json=given | {"metadata": {"plan": "pro"}}))
    assert given.items() <= made.items()
    assert made["metadata"] == {"plan": "pro"}
    assert native.get("/customers/user@example.com").json() == made
    assert native.get("/customers/user%40example.com").json() == made
    refused = problem(native.post("/customers", json={"id": given["id"]}), 409, "already_exists")
    assert (refused["field"], refused["value"]) == ("id", given["id"])


def test_a_customer_without_an_id_is_given_one(native: httpx.Client) -> None:
    made = created(native.post("/customers", json={}))
    assert made["id"].startswith("cus_")
    assert native.get(f"/customers/{made['id']}").json() == made
    grant(native, made["id"], "5")
    body = created(debit(native, made["id"], "2"))
    assert body["customer"] == made["id"]
    assert balance(native, made["id"])["available"] == "3"


def test_an_entitlement_is_known_by_code_and_id(native: httpx.Client) -> None:
    given: Json = {
        "code": "gpu-hours",
        "name": "GPU hours",
        "unit": "hour",
        "scale": 3,
        "burn_order": "oldest_first",
        "expires_after_days": 30,
    }
    made = created(native.post("/entitlements", json=given))
    assert given.items() <= made.items()
    assert made["currency"] is None
    for name in ("gpu-hours", made["id"]):
        assert native.get(f"/entitlements/{name}").json() == made
    customer = new_customer(native)
    by_id = grant(native, customer, "1.5", entitlement=made["id"])
    assert by_id["entitlement"] == "gpu-hours"
    assert by_id["expires_at"] is not None
    assert balance(native, customer, made["id"]) | {"as_of": ""} == (
        balance(native, customer, "gpu-hours") | {"as_of": ""}
    )
    assert (
        problem(native.post("/entitlements", json=given), 409, "already_exists")["field"] == "code"
    )


def test_currencies_exist_by_themselves_and_are_listed_once_granted(native: httpx.Client) -> None:
    shown = native.get("/entitlements/jpy").json()
    assert (shown["code"], shown["unit"], shown["scale"], shown["currency"]) == (
        "jpy",
        "JPY",
        7,
        "jpy",
    )
    assert native.get("/entitlements").json() == {"data": [], "next": None}
    grant(native, new_customer(native), "5", entitlement="jpy")
    assert [item["code"] for item in native.get("/entitlements").json()["data"]] == ["jpy"]


@pytest.mark.parametrize(
    ("path", "body", "change"),
    [
        ("/customers", {"name": "Ada"}, {"name": "Bob"}),
        ("/entitlements", {"code": "c", "unit": "u", "scale": 1}, {"scale": 2}),
    ],
)
def test_making_under_a_key_is_done_once(
    native: httpx.Client, path: str, body: Json, change: Json
) -> None:
    """Fields in another order are the same request; the key of one path is not another's."""
    keyed = body | {"idempotency_key": "k"}
    first = native.post(path, json=keyed)
    again = native.post(path, json=dict(reversed(keyed.items())))
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    problem(native.post(path, json=keyed | change), 409, "key_reused")
    other = "/entitlements" if path == "/customers" else "/customers"
    bodies: dict[str, Json] = {
        "/customers": {"name": "Zoe"},
        "/entitlements": {"code": "z", "unit": "z", "scale": 0},
    }
    problem(native.post(other, json=bodies[other] | {"idempotency_key": "k"}), 409, "key_reused")
    assert len(native.get(path).json()["data"]) == 1


def test_pages_are_keyset_newest_first_and_end(native: httpx.Client) -> None:
    made = [created(native.post("/customers", json={}))["id"] for _ in range(5)]
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    sizes = []
    while True:
        page = native.get("/customers", params=query).json()
        seen += [item["id"] for item in page["data"]]
        sizes.append(len(page["data"]))
        if page["next"] is None:
            break
        created(native.post("/customers", json={}))  # what is new does not shift what follows
        query["after"] = page["next"]
    assert seen == list(reversed(made))
    assert sizes == [2, 2, 1]


@pytest.mark.parametrize(("count", "limit"), [(4, 2), (3, 3), (0, 1), (21, None)])
def test_the_last_page_says_so(native: httpx.Client, count: int, limit: int | None) -> None:
    """Also when it is full. Without a limit a page holds 20."""
    customer = new_customer(native)
    for _ in range(count):
        grant(native, customer, "1")
    query: dict[str, str | int] = {"customer": customer} | ({"limit": limit} if limit else {})
    left = count
    while True:
        page = native.get("/grants", params=query).json()
        assert len(page["data"]) == min(left, limit or 20)
        left -= len(page["data"])
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert left == 0


def test_entries_tell_every_movement_newest_first_in_pages(native: httpx.Client) -> None:
    customer = new_customer(native)
    first = grant(native, customer, "10", category="promotional")
    second = grant(native, customer, "5")
    spent = created(debit(native, customer, "12"))
    native.post(f"/debits/{spent['id']}/reverse", json={"idempotency_key": "r", "amount": "1"})
    native.post(f"/grants/{second['id']}/void")
    query: dict[str, str] = {"customer": customer, "entitlement": "usd", "limit": "2"}
    entries: list[Json] = []
    while True:
        page = native.get("/entries", params=query).json()
        entries += page["data"]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    entries.reverse()
    assert [(entry["seq"], entry["kind"], entry["amount"]) for entry in entries] == [
        (1, "granted", "10"),
        (2, "granted", "5"),
        (3, "debited", "10"),
        (4, "debited", "2"),
        (5, "reversed", "1"),
        (6, "voided", "4"),
    ]
    assert [entry["grant"] for entry in entries] == [
        first["id"],
        second["id"],
        first["id"],
        second["id"],
        second["id"],
        second["id"],
    ]
    for before, after in pairwise(entries):
        assert before["posted_after"] == after["posted_before"]
        assert before["hash"] != after["hash"]
    assert entries[-1]["posted_after"] == balance(native, customer)["posted"] == "0"
    assert {entry["customer"] for entry in entries} == {customer}
    assert entries[2]["operation"] == entries[3]["operation"]
    assert entries[2]["operation"].removeprefix("op_") == spent["id"].removeprefix("deb_")


def test_entries_of_all_wallets_come_wallet_by_wallet(native: httpx.Client) -> None:
    customer = new_customer(native)
    for entitlement in ("usd", "eur", "usd", "eur"):
        grant(native, customer, "1", entitlement=entitlement)
    found = native.get("/entries", params={"customer": customer}).json()["data"]
    assert sorted((entry["entitlement"], entry["seq"]) for entry in found) == [
        ("eur", 1),
        ("eur", 2),
        ("usd", 1),
        ("usd", 2),
    ]
    for code in ("eur", "usd"):
        seqs = [entry["seq"] for entry in found if entry["entitlement"] == code]
        assert seqs == [2, 1]


def test_a_wallet_never_used_has_zeros(native: httpx.Client) -> None:
    shown = balance(native, new_customer(native), "eur")
    amounts = ("posted", "held", "available", "pending", "overage", "granted", "used")
    assert {shown[name] for name in amounts} == {"0"}
    assert (shown["seq"], shown["entitlement"], shown["scale"]) == (0, "eur", 9)
    assert shown["as_of"].endswith("Z")


def test_a_customer_is_changed_and_closed(native: httpx.Client) -> None:
    """What is left out stays, null clears; a closed one is granted nothing more."""
    made = created(native.post("/customers", json={"name": "Ada", "email": "ada@example.com"}))
    path = f"/customers/{made['id']}"
    body = {"name": "Ada L.", "metadata": {"plan": "pro"}, "idempotency_key": "rename"}
    changed = native.patch(path, json=body)
    assert changed.json() == made | {"name": "Ada L.", "metadata": {"plan": "pro"}}
    assert native.patch(path, json=body).content == changed.content
    problem(native.patch(path, json=body | {"name": "Eve"}), 409, "key_reused")
    cleared = native.patch(path, json={"email": None, "metadata": {"plan": None}}).json()
    assert (cleared["name"], cleared["email"], cleared["metadata"]) == ("Ada L.", None, {})
    closed = native.post(f"{path}/close", json={}).json()
    assert closed["closed_at"] is not None
    assert native.post(f"{path}/close", json={}).json() == native.get(path).json() == closed
    asked = {"customer": made["id"], "entitlement": "usd", "amount": "1"}
    problem(native.post("/grants", json=asked), 409, "customer_closed")
    problem(native.patch("/customers/nobody", json={}), 404, "customer_not_found")


def test_an_entitlement_is_changed_closed_and_reopened(native: httpx.Client) -> None:
    """A name is unique among the living."""
    given: Json = {"code": "one", "name": "First", "unit": "token", "scale": 0}
    made = created(native.post("/entitlements", json=given))
    change: Json = {"unit": "piece", "expires_after_days": 7, "late_usage_grace": 60}
    changed = native.patch("/entitlements/one", json=change).json()
    assert change.items() <= changed.items()
    assert changed | change == made | change | {"updated_at": changed["updated_at"]}
    forever = native.patch("/entitlements/one", json={"expires_after_days": None}).json()
    assert forever["expires_after_days"] is None
    closed = native.post("/entitlements/one/close", json={}).json()
    assert closed["closed_at"] is not None
    problem(native.patch("/entitlements/one", json=change), 409, "entitlement_closed")
    created(native.post("/entitlements", json=given | {"code": "two"}))
    problem(native.post("/entitlements/one/reopen", json={}), 409, "already_exists")
    native.patch("/entitlements/two", json={"name": "Second"}).raise_for_status()
    assert native.post("/entitlements/one/reopen", json={}).json()["closed_at"] is None
    problem(native.post("/entitlements/usd/close", json={}), 422, "field_invalid")
