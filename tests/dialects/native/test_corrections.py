"""Grants over HTTP that are put right: amended, adjusted; and what their scope lets them pay for."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.dialects.native.support import (
    Json,
    balance,
    created,
    debit,
    debit_body,
    grant,
    hold,
    new_customer,
    ok,
    problem,
)
from tests.support.server import Tenant

FUTURE = "2090-01-01T00:00:00Z"
LATER = "2091-01-01T00:00:00Z"


@pytest.fixture
def ada(native: httpx.Client) -> str:
    return new_customer(native)


def amend(client: httpx.Client, given: Json, **change: Any) -> httpx.Response:
    return client.patch(f"/grants/{given['id']}", json=change)


def adjust(
    client: httpx.Client, given: Json, direction: str, amount: str, **more: Any
) -> httpx.Response:
    body = {"direction": direction, "amount": amount, "idempotency_key": uuid.uuid4().hex}
    return client.post(f"/grants/{given['id']}/adjust", json=body | more)


def test_a_grants_expiry_is_moved_and_taken_away(native: httpx.Client, ada: str) -> None:
    made = grant(native, ada, "10", expires_at=FUTURE)
    moved = ok(amend(native, made, expires_at=LATER))
    assert moved == made | {"expires_at": LATER, "updated_at": moved["updated_at"]}
    assert moved["updated_at"] > made["updated_at"]
    assert ok(amend(native, made, expires_at=None))["expires_at"] is None
    assert ok(native.get(f"/grants/{made['id']}"))["expires_at"] is None


def test_a_moved_expiry_moves_the_grant_in_the_burn_down_order(
    native: httpx.Client, ada: str
) -> None:
    first = grant(native, ada, "10", expires_at=FUTURE)
    second = grant(native, ada, "10", expires_at=LATER)
    ok(amend(native, first, expires_at=None))
    [draw] = created(debit(native, ada, "1"))["draws"]
    assert (draw["grant"], draw["order_key"]["expires_at"]) == (second["id"], LATER)


def test_metadata_is_laid_over_what_is_there_and_null_deletes_a_key(
    native: httpx.Client, ada: str
) -> None:
    made = grant(native, ada, "10", metadata={"keep": "k", "change": 1, "drop": True})
    changed = ok(amend(native, made, metadata={"change": 2, "drop": None, "new": 0.5}))
    assert changed["metadata"] == {"keep": "k", "change": 2, "new": 0.5}
    assert ok(amend(native, made, metadata={"absent": None}))["metadata"] == changed["metadata"]
    assert ok(native.get(f"/grants/{made['id']}"))["metadata"] == changed["metadata"]


def test_an_amendment_of_nothing_changes_nothing(native: httpx.Client, ada: str) -> None:
    made = grant(native, ada, "10", metadata={"a": 1}, expires_at=FUTURE)
    shown = ok(amend(native, made))
    assert shown == made | {"updated_at": shown["updated_at"]}


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expiry_not_in_future", "expires_at"),
        ({"expires_at": "2089-01-01T00:00:00Z"}, "expiry_before_effective", "expires_at"),
        ({"expires_at": "soon"}, "field_invalid", "expires_at"),
        ({"expires_at": 5}, "field_invalid", "expires_at"),
        ({"metadata": {"a": []}}, "field_invalid", "metadata"),
        ({"metadata": {"a": "x" * 501}}, "field_invalid", "metadata.a"),
        ({"metadata": {"k" * 41: None}}, "field_invalid", "metadata"),
        ({"metadata": {str(n): n for n in range(50)}}, "field_invalid", "metadata"),
        ({"metadata": {str(n): None for n in range(51)}}, "field_invalid", "metadata"),
        ({"metadata": None}, "field_invalid", "metadata"),
        ({"amount": "5"}, "field_unknown", "amount"),
        ({"idempotency_key": ""}, "field_invalid", "idempotency_key"),
    ],
)
def test_an_amendment_that_breaks_a_rule_changes_nothing(
    native: httpx.Client, ada: str, change: Json, code: str, field: str
) -> None:
    """Fifty keys more than the one that is there are one too many."""
    made = grant(native, ada, "10", effective_at=FUTURE, metadata={"there": 1})
    assert problem(amend(native, made, **change), 422, code)["field"] == field
    assert ok(native.get(f"/grants/{made['id']}")) == made


def test_a_grant_that_has_ended_keeps_its_expiry_and_may_change_its_metadata(
    native: httpx.Client, ada: str
) -> None:
    for ending in ("expire", "void"):
        made = grant(native, ada, "10")
        ok(native.post(f"/grants/{made['id']}/{ending}"))
        code = "grant_expired" if ending == "expire" else "grant_voided"
        problem(amend(native, made, expires_at=LATER), 409, code)
        assert ok(amend(native, made, metadata={"a": 1}))["metadata"] == {"a": 1}


def test_an_amendment_under_a_key_is_done_once(native: httpx.Client, ada: str) -> None:
    made = grant(native, ada, "10")
    first = amend(native, made, expires_at=FUTURE, idempotency_key="a")
    ok(amend(native, made, expires_at=LATER))
    again = amend(native, made, expires_at=FUTURE, idempotency_key="a")
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    refused = amend(native, made, expires_at=None, idempotency_key="a")
    assert problem(refused, 409, "key_reused")["key"] == "a"
    assert ok(native.get(f"/grants/{made['id']}"))["expires_at"] == LATER


def test_a_grant_is_adjusted_down_and_up(native: httpx.Client, ada: str) -> None:
    """Down takes of this grant, whatever the burn-down order; up returns what was used of it."""
    grant(native, ada, "5", priority=1)
    made = grant(native, ada, "10")
    down = created(adjust(native, made, "down", "4.5", reason="Granted by mistake."))
    shown = ok(native.get(f"/grants/{made['id']}"))
    assert down == {
        "id": down["id"],
        "grant": shown,
        "direction": "down",
        "amount": "4.5",
        "available": "10.5",
    }
    assert down["id"].startswith("adj_")
    assert (shown["remaining"], shown["used"]) == ("5.5", "4.5")
    assert shown["updated_at"] > made["updated_at"]
    up = created(adjust(native, made, "up", "1.5"))
    assert (up["direction"], up["amount"], up["available"]) == ("up", "1.5", "12")
    assert (up["grant"]["remaining"], up["grant"]["used"]) == ("7", "3")
    kinds = [
        entry["kind"] for entry in ok(native.get("/entries", params={"customer": ada}))["data"]
    ]
    assert kinds == ["reversed", "debited", "granted", "granted"]


def test_an_adjustment_stops_at_what_is_free_and_at_what_was_used(
    native: httpx.Client, ada: str
) -> None:
    made = grant(native, ada, "10")
    created(debit(native, ada, "2"))
    hold(native, ada, "3")
    refused = problem(adjust(native, made, "down", "5.1"), 409, "adjustment_too_large")
    assert (refused["amount"], refused["maximum"]) == ("5.1", "5")
    refused = problem(adjust(native, made, "up", "2.1"), 409, "adjustment_too_large")
    assert (refused["amount"], refused["maximum"]) == ("2.1", "2")
    assert created(adjust(native, made, "down", "5"))["available"] == "0"
    assert created(adjust(native, made, "up", "7"))["available"] == "7"


def test_an_adjustment_is_no_debit(native: httpx.Client, ada: str) -> None:
    """It is undone by one the other way."""
    made = grant(native, ada, "10")
    down = created(adjust(native, made, "down", "4"))
    name = down["id"].replace("adj_", "deb_")
    problem(native.get(f"/debits/{name}"), 404, "debit_not_found")
    body = {"idempotency_key": "k"}
    problem(native.post(f"/debits/{name}/reverse", json=body), 404, "debit_not_found")


def test_a_debit_cannot_return_what_an_adjustment_has_returned(
    native: httpx.Client, ada: str
) -> None:
    made = grant(native, ada, "10")
    drawn = created(debit(native, ada, "6"))
    created(adjust(native, made, "up", "4"))
    path = f"/debits/{drawn['id']}/reverse"
    refused = native.post(path, json={"amount": "3", "idempotency_key": "k"})
    assert problem(refused, 409, "reversal_too_large")["reversible"] == "2"
    assert created(native.post(path, json={"idempotency_key": "k"}))["amount"] == "2"


def test_what_has_not_begun_or_has_ended_is_not_adjusted_down(
    native: httpx.Client, ada: str
) -> None:
    pending = grant(native, ada, "10", effective_at=FUTURE)
    problem(adjust(native, pending, "down", "1"), 409, "grant_pending")
    for ending, code in (("expire", "grant_expired"), ("void", "grant_voided")):
        made = grant(native, ada, "10")
        ok(native.post(f"/grants/{made['id']}/{ending}"))
        problem(adjust(native, made, "down", "1"), 409, code)


def test_what_is_returned_to_a_grant_that_has_ended_is_written_off_at_once(
    native: httpx.Client, ada: str
) -> None:
    made = grant(native, ada, "10")
    created(debit(native, ada, "6"))
    ok(native.post(f"/grants/{made['id']}/expire"))
    up = created(adjust(native, made, "up", "4"))
    shown = up["grant"]
    assert (shown["state"], shown["remaining"], shown["used"], shown["expired"]) == (
        "expired",
        "0",
        "2",
        "8",
    )
    assert up["available"] == "0"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"direction": "left"}, "field_invalid", "direction"),
        ({"amount": "0"}, "amount_not_positive", "amount"),
        ({"amount": "-1"}, "field_invalid", "amount"),
        ({"amount": 1}, "field_invalid", "amount"),
        ({"amount": "0.0000000001"}, "amount_too_fine", "amount"),
        ({"reason": ""}, "field_invalid", "reason"),
        ({"reason": "x" * 501}, "field_invalid", "reason"),
        ({"reason": "a\u0000b"}, "field_invalid", "reason"),
        ({"grant": "x"}, "field_unknown", "grant"),
    ],
)
def test_an_adjustment_that_breaks_a_rule_is_told_which(
    native: httpx.Client, ada: str, change: Json, code: str, field: str
) -> None:
    made = grant(native, ada, "10")
    body = {"direction": "down", "amount": "1", "idempotency_key": "k"} | change
    refused = problem(native.post(f"/grants/{made['id']}/adjust", json=body), 422, code)
    assert refused["field"] == field
    assert balance(native, ada)["seq"] == 1


@pytest.mark.parametrize("name", ["direction", "amount", "idempotency_key"])
def test_what_an_adjustment_needs_is_named_when_it_is_missing(
    native: httpx.Client, ada: str, name: str
) -> None:
    made = grant(native, ada, "10")
    body = {"direction": "down", "amount": "1", "idempotency_key": "k"}
    del body[name]
    answer = native.post(f"/grants/{made['id']}/adjust", json=body)
    assert problem(answer, 422, "field_missing")["field"] == name


def test_an_adjustment_is_done_once_also_when_sent_at_once(tenant: Tenant) -> None:
    with tenant.client() as client:
        customer = new_customer(client)
        made = grant(client, customer, "10")

        def once(_: int) -> httpx.Response:
            return adjust(client, made, "down", "2", idempotency_key="once")

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(once, range(16)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert balance(client, customer)["available"] == "8"
        for change in ({"amount": "3"}, {"direction": "up"}, {"reason": "another"}):
            body = {"direction": "down", "amount": "2", "idempotency_key": "once"} | change
            refused = client.post(f"/grants/{made['id']}/adjust", json=body)
            problem(refused, 409, "key_reused")


def test_a_scope_is_shown_and_decides_which_debits_a_grant_pays(
    native: httpx.Client, ada: str
) -> None:
    """All of its attributes, with any of their values; a debit without one does not match."""
    scope = {"model": ["gpt-4o", "o3"], "feature": ["chat"]}
    made = grant(native, ada, "10", scope=scope)
    other = grant(native, ada, "3")
    assert made["scope"] == scope
    assert ok(native.get(f"/grants/{made['id']}"))["scope"] == scope
    assert other["scope"] == {}
    for attributes in (
        {},
        {"model": "gpt-4o"},
        {"model": "o1", "feature": "chat"},
        {"feature": "chat"},
    ):
        body = debit_body(ada, "3.5", attributes=attributes)
        refused = problem(native.post("/debits", json=body), 402, "insufficient_credit")
        assert (refused["needed"], refused["available"], refused["available_total"]) == (
            "3.5",
            "3",
            "13",
        )
    matching = {"model": "o3", "feature": "chat", "beside": "this"}
    drawn = created(debit(native, ada, "11", attributes=matching))
    assert [(draw["grant"], draw["amount"]) for draw in drawn["draws"]] == [
        (made["id"], "10"),
        (other["id"], "1"),
    ]


def test_the_largest_scope_is_taken(native: httpx.Client, ada: str) -> None:
    scope = {f"{n:040}": [f"{n:04}" + "é" * 251 for n in range(100)] for n in range(20)}
    assert grant(native, ada, "1", scope=scope)["scope"] == scope


@pytest.mark.parametrize(
    ("scope", "field"),
    [
        ([], "scope"),
        (None, "scope"),
        ({"model": "gpt-4o"}, "scope"),
        ({"model": []}, "scope.model"),
        ({"model": [1]}, "scope[0]"),
        ({"model": [""]}, "scope.model"),
        ({"model": ["x" * 256]}, "scope.model"),
        ({"model": ["a\u0000b"]}, "scope.model"),
        ({"model": ["x"] * 101}, "scope.model"),
        ({"": ["x"]}, "scope"),
        ({"k" * 41: ["x"]}, "scope"),
        ({"a\u0000b": ["x"]}, "scope"),
        ({str(n): ["x"] for n in range(21)}, "scope"),
    ],
)
def test_a_scope_that_breaks_a_rule_is_told_which(
    native: httpx.Client, ada: str, scope: Any, field: str
) -> None:
    body = {"customer": ada, "entitlement": "usd", "amount": "1", "scope": scope}
    refused = problem(native.post("/grants", json=body), 422, "field_invalid")
    assert refused["field"] == field
    assert refused["rule"] in refused["detail"]
    assert balance(native, ada)["seq"] == 0


def test_another_books_grants_are_neither_amended_nor_adjusted(
    tenant: Tenant, native: httpx.Client, ada: str
) -> None:
    made = grant(native, ada, "10")
    with tenant.client(tenant.live.admin) as live:
        problem(amend(live, made, metadata={"a": 1}), 404, "grant_not_found")
        problem(adjust(live, made, "down", "1"), 404, "grant_not_found")
    assert ok(native.get(f"/grants/{made['id']}")) == made
