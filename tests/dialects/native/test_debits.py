"""Debits over HTTP: exact, once, explained, reversible."""

from __future__ import annotations

import httpx

from tests.dialects.native.support import (
    balance,
    created,
    customer_with,
    debit,
    debit_body,
    grant,
    new_customer,
    problem,
)


def test_a_debit_names_its_draws_in_burn_down_order_and_why(native: httpx.Client) -> None:
    """Promotional credit burns before paid credit of the same priority and expiry."""
    customer = customer_with(native, [("20", "paid"), ("5", "promotional")])
    body = created(
        debit(native, customer, "7.000000001", attributes={"model": "m"}, metadata={"run": 3})
    )
    assert body["id"].startswith("deb_")
    assert (body["customer"], body["entitlement"], body["amount"]) == (
        customer,
        "usd",
        "7.000000001",
    )
    assert [draw["amount"] for draw in body["draws"]] == ["5", "2.000000001"]
    first, second = (draw["order_key"] for draw in body["draws"])
    assert (first["category"], second["category"]) == ("promotional", "paid")
    assert set(first) == {"priority", "expires_at", "category", "effective_at", "recorded_at"}
    assert (body["available"], body["overage"]) == ("17.999999999", "0")
    assert (body["attributes"], body["metadata"]) == ({"model": "m"}, {"run": 3})
    assert "occurred_at" not in body
    shown = balance(native, customer)
    assert (shown["posted"], shown["available"], shown["used"]) == (
        "17.999999999",
        "17.999999999",
        "7.000000001",
    )


def test_a_replay_answers_the_stored_bytes(native: httpx.Client) -> None:
    """Whatever has happened since, and it draws nothing."""
    customer = customer_with(native, [("20", "paid")])
    body = debit_body(customer, "3")
    first = native.post("/debits", json=body)
    assert "idempotent-replayed" not in first.headers
    created(debit(native, customer, "1"))
    second = native.post("/debits", json=body)
    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["request-id"] != first.headers["request-id"]
    assert balance(native, customer)["used"] == "4"


def test_bodies_are_compared_by_meaning(native: httpx.Client) -> None:
    """Another spelling of the same amount is the same debit."""
    customer = customer_with(native, [("20", "paid")])
    body = debit_body(customer, "3")
    first = native.post("/debits", json=body)
    assert native.post("/debits", json=body | {"amount": "3.00"}).content == first.content


def test_a_used_key_with_another_body_is_refused(native: httpx.Client) -> None:
    customer = customer_with(native, [("20", "paid")])
    body = debit_body(customer, "3")
    created(native.post("/debits", json=body))
    for change in (
        {"amount": "4"},
        {"attributes": {"a": "b"}},
        {"occurred_at": "2026-01-01T00:00:00Z"},
    ):
        refused = problem(native.post("/debits", json=body | change), 409, "key_reused")
        assert refused["key"] == body["idempotency_key"]
    assert balance(native, customer)["used"] == "3"


def test_a_key_is_one_customers(native: httpx.Client) -> None:
    """Two customers may use one key for debits of their own."""
    body = debit_body(customer_with(native, [("20", "paid")]), "3")
    other = body | {"customer": customer_with(native, [("20", "paid")])}
    assert (
        created(native.post("/debits", json=body))["id"]
        != (created(native.post("/debits", json=other))["id"])
    )


def test_too_little_credit_draws_nothing_and_leaves_the_key_free(native: httpx.Client) -> None:
    customer = customer_with(native, [("20", "paid")])
    body = debit_body(customer, "20.5")
    refused = problem(native.post("/debits", json=body), 402, "insufficient_credit")
    assert (refused["needed"], refused["available"]) == ("20.5", "20")
    assert balance(native, customer)["seq"] == 1
    grant(native, customer, "1")
    assert created(native.post("/debits", json=body))["available"] == "0.5"


def test_occurred_at_is_kept_and_shown_in_utc(native: httpx.Client) -> None:
    customer = customer_with(native, [("20", "paid")])
    body = created(debit(native, customer, "1", occurred_at="2026-01-01T01:00:00.123456+02:00"))
    assert body["occurred_at"] == "2025-12-31T23:00:00.123456Z"
    assert native.get(f"/debits/{body['id']}").json()["occurred_at"] == body["occurred_at"]


def test_a_debit_read_again_is_what_was_answered_and_what_was_reversed(
    native: httpx.Client,
) -> None:
    customer = customer_with(native, [("20", "paid"), ("5", "promotional")])
    made = created(debit(native, customer, "7", metadata={"run": "a"}))
    shown = native.get(f"/debits/{made['id']}").json()
    assert shown == made | {"reversed": "0"}


def test_a_reversal_returns_credit_to_the_grants_it_came_from_last_drawn_first(
    native: httpx.Client,
) -> None:
    customer = customer_with(native, [("20", "paid"), ("5", "promotional")])
    made = created(debit(native, customer, "7"))
    promotional, paid = (draw["grant"] for draw in made["draws"])
    path = f"/debits/{made['id']}/reverse"
    part = created(native.post(path, json={"amount": "3", "idempotency_key": "part"}))
    assert part["debit"] == made["id"]
    assert part["amount"] == "3"
    assert part["returns"] == [
        {"grant": paid, "amount": "2"},
        {"grant": promotional, "amount": "1"},
    ]
    assert part["available"] == "21"
    too_much = native.post(path, json={"amount": "4.5", "idempotency_key": "more"})
    assert problem(too_much, 409, "reversal_too_large")["reversible"] == "4"
    rest = created(native.post(path, json={"idempotency_key": "rest"}))
    assert (rest["amount"], rest["available"]) == ("4", "25")
    assert native.get(f"/debits/{made['id']}").json()["reversed"] == "7"
    assert balance(native, customer)["used"] == "0"


def test_a_reversal_is_done_once(native: httpx.Client) -> None:
    customer = customer_with(native, [("20", "paid")])
    made = created(debit(native, customer, "7"))
    body = {"amount": "3", "idempotency_key": "once"}
    first = native.post(f"/debits/{made['id']}/reverse", json=body)
    again = native.post(f"/debits/{made['id']}/reverse", json=body)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    other = native.post(f"/debits/{made['id']}/reverse", json=body | {"amount": "2"})
    problem(other, 409, "key_reused")
    assert balance(native, customer)["used"] == "4"


def test_a_batch_answers_each_debit_in_order_and_a_bad_one_affects_only_itself(
    native: httpx.Client,
) -> None:
    customer = customer_with(native, [("10", "paid")])
    good = debit_body(customer, "4")
    elements = [
        good,
        debit_body(customer, "4") | {"amount": 4},
        debit_body(customer, "7"),
        "not an object",
        debit_body("nobody", "1"),
        debit_body(customer, "1") | {"unknown": 1},
        debit_body(customer, "0.0000000001"),
        good,
        debit_body(customer, "6"),
    ]
    response = native.post("/debits/batch", json={"debits": elements})
    assert response.status_code == 200
    results = response.json()["results"]
    assert [result["status"] for result in results] == [
        201, 422, 402, 422, 404, 422, 422, 201, 201,
    ]  # fmt: skip
    assert results[0]["debit"]["available"] == "6"
    assert results[7] == results[0] | {"replayed": True}
    assert results[8]["debit"]["available"] == "0"
    assert results[1]["error"]["field"] == "amount"
    assert (results[2]["error"]["needed"], results[2]["error"]["available"]) == ("7", "6")
    assert [result["error"]["code"] for result in results if "error" in result] == [
        "field_invalid",
        "insufficient_credit",
        "field_invalid",
        "customer_not_found",
        "field_unknown",
        "amount_too_fine",
    ]
    assert balance(native, customer)["used"] == "10"


def test_a_batch_element_is_the_debit_that_a_single_request_makes(native: httpx.Client) -> None:
    """Sent again alone, it replays the same debit."""
    customer = customer_with(native, [("10", "paid")])
    element = debit_body(customer, "4")
    batch = native.post("/debits/batch", json={"debits": [element]}).json()
    alone = native.post("/debits", json=element)
    assert alone.headers["idempotent-replayed"] == "true"
    assert alone.json() == batch["results"][0]["debit"]


def test_a_batch_of_malformed_json_is_refused_whole(native: httpx.Client) -> None:
    customer = customer_with(native, [("10", "paid")])
    body = '{"debits":[{"customer":"%s","entitlement":"usd","amount":"1","idempotency_key":"x"},{]}'
    problem(native.post("/debits/batch", content=body % customer), 400, "malformed")
    invalid = b'{"debits":[{"customer":"\xff"},{}]}'
    problem(native.post("/debits/batch", content=invalid), 400, "malformed")
    assert balance(native, customer)["used"] == "0"


def test_a_batch_has_at_most_a_thousand_debits(native: httpx.Client) -> None:
    customer = customer_with(native, [("1000", "paid")])
    elements = [debit_body(customer, "1") for _ in range(1001)]
    refused = native.post("/debits/batch", json={"debits": elements})
    assert problem(refused, 422, "field_invalid")["field"] == "debits"
    results = native.post("/debits/batch", json={"debits": elements[:1000]}).json()["results"]
    assert {result["status"] for result in results} == {201}
    left = [result["debit"]["available"] for result in results]
    assert left == [str(999 - number) for number in range(1000)]


def test_an_empty_batch_is_answered(native: httpx.Client) -> None:
    assert native.post("/debits/batch", json={"debits": []}).json() == {"results": []}


def test_a_debit_on_a_customer_without_credit_is_refused(native: httpx.Client) -> None:
    refused = problem(debit(native, new_customer(native), "1"), 402, "insufficient_credit")
    assert (refused["needed"], refused["available"]) == ("1", "0")
