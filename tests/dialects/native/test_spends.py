"""Spends over HTTP: units first, then cash; all or nothing or as far as it goes; read and reversed."""

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
    customer_with,
    debit,
    grant,
    hold,
    ok,
    problem,
)
from tests.support.server import Tenant


@pytest.fixture
def ada(native: httpx.Client) -> str:
    """30 images and 20 dollars."""
    created(native.post("/entitlements", json={"code": "images", "unit": "image", "scale": 0}))
    customer = customer_with(native, [("20", "paid")])
    grant(native, customer, "30", entitlement="images")
    return customer


def spend_body(customer: str, quantity: str, **more: Any) -> Json:
    """Images at one each, then dollars at 0.04."""
    return {
        "customer": customer,
        "quantity": quantity,
        "wallets": [
            {"entitlement": "images", "price": "1"},
            {"entitlement": "usd", "price": "0.04"},
        ],
        "idempotency_key": uuid.uuid4().hex,
        **more,
    }


def spend(client: httpx.Client, customer: str, quantity: str, **more: Any) -> Json:
    return created(client.post("/spends", json=spend_body(customer, quantity, **more)))


def test_a_spend_takes_from_each_wallet_in_its_order_at_its_price(
    native: httpx.Client, ada: str
) -> None:
    made = spend(
        native,
        ada,
        "100",
        attributes={"model": "m"},
        metadata={"run": 3},
        occurred_at="2026-01-01T01:00:00+02:00",
    )
    dollars, images = (item["id"] for item in grants_of(native, ada))
    units, cash = made["parts"]
    assert made == {
        "id": made["id"],
        "customer": ada,
        "quantity": "100",
        "spent": "100",
        "unpaid": "0",
        "parts": [
            {
                "entitlement": "images",
                "quantity": "30",
                "amount": "30",
                "draws": [
                    {"grant": images, "amount": "30", "order_key": units["draws"][0]["order_key"]}
                ],
                "available": "0",
            },
            {
                "entitlement": "usd",
                "quantity": "70",
                "amount": "2.8",
                "draws": [
                    {"grant": dollars, "amount": "2.8", "order_key": cash["draws"][0]["order_key"]}
                ],
                "available": "17.2",
            },
        ],
        "at": made["at"],
        "attributes": {"model": "m"},
        "metadata": {"run": 3},
        "occurred_at": "2025-12-31T23:00:00Z",
    }
    assert made["id"].startswith("deb_")
    assert set(units["draws"][0]["order_key"]) == {
        "priority",
        "expires_at",
        "category",
        "effective_at",
        "recorded_at",
    }
    assert balance(native, ada, "images")["used"] == "30"
    assert balance(native, ada, "usd")["used"] == "2.8"


def grants_of(client: httpx.Client, customer: str) -> list[Json]:
    """Oldest first."""
    found: list[Json] = ok(client.get("/grants", params={"customer": customer}))["data"]
    return found[::-1]


def test_a_wallet_that_is_not_needed_has_no_part(native: httpx.Client, ada: str) -> None:
    made = spend(native, ada, "20")
    assert [(part["entitlement"], part["quantity"]) for part in made["parts"]] == [("images", "20")]
    assert "occurred_at" not in made
    assert balance(native, ada, "usd")["used"] == "0"


def test_all_of_a_quantity_or_nothing(native: httpx.Client, ada: str) -> None:
    """30 images and 20 dollars at 0.04 go as far as 530. The refusal counts in the quantity."""
    body = spend_body(ada, "531")
    refused = problem(native.post("/spends", json=body), 402, "insufficient_credit")
    assert (refused["needed"], refused["available"], refused["available_total"]) == (
        "531",
        "530",
        "530",
    )
    assert [balance(native, ada, code)["used"] for code in ("images", "usd")] == ["0", "0"]
    grant(native, ada, "1", entitlement="images")
    assert created(native.post("/spends", json=body))["spent"] == "531"


def test_as_far_as_it_goes_where_asked(native: httpx.Client, ada: str) -> None:
    """Nothing at all is refused all the same."""
    made = spend(native, ada, "600", partial=True)
    assert (made["quantity"], made["spent"], made["unpaid"]) == ("600", "530", "70")
    assert [part["available"] for part in made["parts"]] == ["0", "0"]
    refused = native.post("/spends", json=spend_body(ada, "1", partial=True))
    assert problem(refused, 402, "insufficient_credit")["available"] == "0"


def test_what_is_held_or_out_of_scope_pays_for_nothing(native: httpx.Client, ada: str) -> None:
    """The refusal's total says how far all of the credit would go."""
    grant(native, ada, "40", entitlement="images", scope={"model": ["gpt-image-1"]})
    hold(native, ada, "25", entitlement="images")
    body = spend_body(ada, "506")
    refused = problem(native.post("/spends", json=body), 402, "insufficient_credit")
    assert (refused["needed"], refused["available"], refused["available_total"]) == (
        "506",
        "505",
        "545",
    )
    made = spend(native, ada, "45", attributes={"model": "gpt-image-1"})
    assert [part["amount"] for part in made["parts"]] == ["45"]


def test_a_part_is_no_finer_than_its_wallet_and_the_rest_goes_to_the_next(
    native: httpx.Client, ada: str
) -> None:
    """Two and a half images are two, and half a one in dollars: nothing is rounded."""
    made = spend(native, ada, "2.5")
    shown = [(part["quantity"], part["amount"]) for part in made["parts"]]
    assert shown == [("2", "2"), ("0.5", "0.02")]
    only = [{"entitlement": "images", "price": "1"}]
    refused = native.post("/spends", json=spend_body(ada, "2.5", wallets=only))
    told = problem(refused, 422, "amount_too_fine")
    assert told["field"] == "quantity"
    assert " × " in told["detail"], "it is the cost that does not come out"


def test_a_spend_read_again_says_what_of_each_part_was_reversed(
    native: httpx.Client, ada: str
) -> None:
    made = spend(native, ada, "100", occurred_at="2026-01-01T00:00:00Z")
    shown = ok(native.get(f"/spends/{made['id']}"))
    parts = [part | {"reversed": "0"} for part in made["parts"]]
    assert shown == made | {"parts": parts}


def test_a_spend_read_as_a_debit_has_its_parts_and_null_for_what_is_counted_in_one(
    native: httpx.Client, ada: str
) -> None:
    made = spend(native, ada, "100", metadata={"run": 3})
    shown = ok(native.get(f"/debits/{made['id']}"))
    parts = ok(native.get(f"/spends/{made['id']}"))["parts"]
    assert shown == {
        "id": made["id"],
        "customer": ada,
        "entitlement": None,
        "amount": None,
        "draws": [draw for part in made["parts"] for draw in part["draws"]],
        "available": None,
        "overage": None,
        "at": made["at"],
        "attributes": {},
        "metadata": {"run": 3},
        "parts": parts,
    }


def test_what_is_no_spend_is_none(native: httpx.Client, ada: str) -> None:
    made = created(debit(native, ada, "1"))
    for name in (made["id"], "deb_0351FHoYKH7jQmOSMytF8b", "x"):
        problem(native.get(f"/spends/{name}"), 404, "debit_not_found")


def test_a_spend_is_reversed_whole(native: httpx.Client, ada: str) -> None:
    made = spend(native, ada, "100")
    dollars, images = (item["id"] for item in grants_of(native, ada))
    path = f"/debits/{made['id']}/reverse"
    back = created(native.post(path, json={"idempotency_key": "all"}))
    of_images = [{"grant": images, "amount": "30"}]
    of_dollars = [{"grant": dollars, "amount": "2.8"}]
    assert back == {
        "id": back["id"],
        "debit": made["id"],
        "entitlement": None,
        "amount": None,
        "returns": of_dollars + of_images,
        "available": None,
        "parts": [
            {"entitlement": "images", "amount": "30", "returns": of_images, "available": "30"},
            {"entitlement": "usd", "amount": "2.8", "returns": of_dollars, "available": "20"},
        ],
    }
    assert back["id"].startswith("rev_")
    shown = ok(native.get(f"/spends/{made['id']}"))["parts"]
    assert [part["reversed"] for part in shown] == ["30", "2.8"]
    refused = native.post(path, json={"idempotency_key": "again"})
    assert problem(refused, 409, "reversal_too_large")["reversible"] == "0"


def test_one_wallets_part_of_a_spend_is_reversed_by_itself(native: httpx.Client, ada: str) -> None:
    made = spend(native, ada, "100")
    path = f"/debits/{made['id']}/reverse"
    cash = {"entitlement": "usd", "amount": "0.8", "idempotency_key": "some"}
    back = created(native.post(path, json=cash))
    assert (back["entitlement"], back["amount"], back["available"]) == ("usd", "0.8", "18")
    assert "parts" not in back
    too_much = native.post(path, json=cash | {"amount": "2.1", "idempotency_key": "more"})
    assert problem(too_much, 409, "reversal_too_large")["reversible"] == "2"
    rest = created(native.post(path, json={"idempotency_key": "rest"}))
    assert [(part["entitlement"], part["amount"]) for part in rest["parts"]] == [
        ("images", "30"),
        ("usd", "2"),
    ]


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"amount": "1"}, 422, "field_invalid", "amount"),
        ({"entitlement": "eur"}, 422, "field_invalid", "entitlement"),
        ({"entitlement": ""}, 422, "field_invalid", "entitlement"),
        ({"entitlement": "nothing"}, 404, "entitlement_not_found", None),
        ({"entitlement": "images", "amount": "0.5"}, 422, "amount_too_fine", "amount"),
        ({"entitlement": "images", "amount": "0"}, 422, "amount_not_positive", "amount"),
    ],
)
def test_a_reversal_of_a_spend_that_breaks_a_rule_is_told_which(
    native: httpx.Client, ada: str, change: Json, status: int, code: str, field: str | None
) -> None:
    made = spend(native, ada, "100")
    body = {"idempotency_key": "k"} | change
    refused = problem(native.post(f"/debits/{made['id']}/reverse", json=body), status, code)
    assert refused.get("field") == field
    assert balance(native, ada)["used"] == "2.8"


def test_an_entitlement_may_be_named_for_a_plain_debit_too(native: httpx.Client, ada: str) -> None:
    made = created(debit(native, ada, "5"))
    body = {"entitlement": "usd", "amount": "2", "idempotency_key": "k"}
    back = created(native.post(f"/debits/{made['id']}/reverse", json=body))
    assert (back["entitlement"], back["amount"]) == ("usd", "2")


def test_a_spend_is_done_once(native: httpx.Client, ada: str) -> None:
    """Another spelling of the same numbers is the same spend."""
    body = spend_body(ada, "40")
    first = native.post("/spends", json=body)
    again = native.post("/spends", json=body | {"quantity": "40.0"})
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    for change in (
        {"quantity": "41"},
        {"partial": True},
        {"wallets": body["wallets"][::-1]},
        {"wallets": [{"entitlement": "images", "price": "2"}, body["wallets"][1]]},
    ):
        refused = native.post("/spends", json=body | change)
        assert problem(refused, 409, "key_reused")["key"] == body["idempotency_key"]
    assert balance(native, ada)["used"] == "0.4"


def test_spends_at_once_never_use_more_than_there_is(tenant: Tenant) -> None:
    """Of twenty for 50 each, ten find credit: 530 in all, and the last 30 are not enough for one."""
    with tenant.client() as client:
        kind = {"code": "images", "unit": "image", "scale": 0}
        created(client.post("/entitlements", json=kind))
        customer = customer_with(client, [("20", "paid")])
        grant(client, customer, "30", entitlement="images")
        bodies = [spend_body(customer, "50") for _ in range(20)]
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda body: client.post("/spends", json=body), bodies))
        assert [answer.status_code for answer in answers].count(201) == 10
        assert {answer.status_code for answer in answers} == {201, 402}
        assert balance(client, customer, "images")["available"] == "0"
        assert balance(client, customer)["available"] == "1.2"


def test_another_books_spends_are_not_there(tenant: Tenant, native: httpx.Client, ada: str) -> None:
    made = spend(native, ada, "1")
    with tenant.client(tenant.live.admin) as live:
        problem(live.get(f"/spends/{made['id']}"), 404, "debit_not_found")
        problem(live.post("/spends", json=spend_body(ada, "1")), 404, "customer_not_found")


WALLET = {"entitlement": "usd", "price": "1"}


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"quantity": "0"}, "amount_not_positive", "quantity"),
        ({"quantity": 5}, "field_invalid", "quantity"),
        ({"quantity": "-5"}, "field_invalid", "quantity"),
        ({"quantity": "1e3"}, "field_invalid", "quantity"),
        ({"wallets": []}, "field_invalid", "wallets"),
        ({"wallets": [WALLET] * 11}, "field_invalid", "wallets"),
        ({"wallets": [WALLET, WALLET]}, "field_invalid", "wallets"),
        ({"wallets": {}}, "field_invalid", "wallets"),
        ({"wallets": [{"entitlement": "usd"}]}, "field_missing", "wallets[0].price"),
        ({"wallets": [WALLET | {"price": "0"}]}, "amount_not_positive", "wallets[0].price"),
        ({"wallets": [WALLET | {"price": "x"}]}, "field_invalid", "wallets[0].price"),
        ({"wallets": [WALLET | {"price": 1}]}, "field_invalid", "wallets[0].price"),
        ({"wallets": [WALLET | {"entitlement": ""}]}, "field_invalid", "wallets[0].entitlement"),
        ({"wallets": [WALLET | {"unit": "x"}]}, "field_unknown", "wallets[0].unit"),
        ({"partial": "yes"}, "field_invalid", "partial"),
        ({"attributes": {"k" * 41: "x"}}, "field_invalid", "attributes"),
        ({"metadata": {"a": "x" * 501}}, "field_invalid", "metadata.a"),
        ({"occurred_at": "yesterday"}, "field_invalid", "occurred_at"),
        ({"idempotency_key": ""}, "field_invalid", "idempotency_key"),
        ({"amount": "1"}, "field_unknown", "amount"),
    ],
)
def test_a_spend_that_breaks_a_rule_is_told_which(
    native: httpx.Client, ada: str, change: Json, code: str, field: str
) -> None:
    refused = problem(native.post("/spends", json=spend_body(ada, "1") | change), 422, code)
    assert refused["field"] == field
    assert balance(native, ada)["seq"] == balance(native, ada, "images")["seq"] == 1


@pytest.mark.parametrize("name", ["customer", "quantity", "wallets", "idempotency_key"])
def test_what_a_spend_needs_is_named_when_it_is_missing(
    native: httpx.Client, ada: str, name: str
) -> None:
    body = spend_body(ada, "1")
    del body[name]
    assert problem(native.post("/spends", json=body), 422, "field_missing")["field"] == name
