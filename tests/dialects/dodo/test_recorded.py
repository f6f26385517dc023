"""What the vendor's SDK was once seen to send, sent again byte for byte.

The sample ids in it are an operator's own id and an entitlement's code here, so that its paths stand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.dialects.dodo.raw import Raw, exchange, message
from tests.support.clocked_server import ClockedServer

RECORDED = json.loads((Path(__file__).parent / "recorded_requests.json").read_text("utf-8"))
CALLS = {request["call"]: request for request in RECORDED["requests"]}
CUSTOMER = "cus_8VbC6JDZzPEqfBPUdpj0K"
ENTITLEMENT = "cde_ztxm5XJsKxWucRWA3rjdM"

ENTRIES = "credit_entitlements.balances.create_ledger_entry"
GRANTS = "credit_entitlements.balances.list_grants"
#: What must be there before, what is answered, and what of it matters.
EXPECTED: dict[str, tuple[int, dict[str, Any]]] = {
    "customers.create": (
        200,
        {"name": "Ada", "email": "a@example.com", "phone_number": "+15550100"}
        | {"metadata": {"tier": "pro"}},
    ),
    "customers.retrieve": (200, {"customer_id": CUSTOMER, "name": "Ada"}),
    "credit_entitlements.create (minimal)": (
        201,
        {"name": "Tokens", "unit": "Tokens", "precision": 2, "description": None},
    ),
    "credit_entitlements.create (all params)": (
        201,
        {
            "currency": "USD",
            "description": "AI tokens",
            "expires_after_days": 30,
            "max_rollover_count": 2,
            "overage_behavior": "invoice_at_billing",
            "overage_enabled": True,
            "overage_limit": 500,
            "price_per_unit": "0.002",
            "rollover_enabled": True,
            "rollover_percentage": 75,
            "rollover_timeframe_count": 1,
            "rollover_timeframe_interval": "Month",
        },
    ),
    "credit_entitlements.create (explicit nulls)": (
        201,
        {"precision": 0, "currency": None, "overage_behavior": "forgive_at_reset"},
    ),
    "credit_entitlements.retrieve": (200, {"name": "Kept", "unit": "token", "precision": 2}),
    "credit_entitlements.retrieve (locale)": (200, {"name": "Kept", "unit": "token"}),
    "credit_entitlements.balances.retrieve": (
        200,
        {"customer_id": CUSTOMER, "balance": "50", "overage": "0"},
    ),
    GRANTS: (200, {}),
    f"{GRANTS} (no params)": (200, {}),
    f"{ENTRIES} (credit, all params)": (
        201,
        {
            "entry_type": "credit",
            "amount": "100.25",
            "balance_before": "50",
            "balance_after": "150.25",
            "reason": "Promo",
            "metadata": {"campaign": "launch", "n": 1, "f": 0.5, "b": True},
        },
    ),
    f"{ENTRIES} (debit, minimal)": (
        201,
        {"entry_type": "debit", "amount": "5", "balance_before": "50", "balance_after": "45"},
    ),
    f"{ENTRIES} (naive datetime, nulls)": (
        201,
        {"amount": "5", "balance_after": "55", "reason": None, "metadata": {}},
    ),
}


def send(clocked: ClockedServer, call: str) -> Raw:
    recorded = CALLS[call]
    query = f"?{recorded['query']}" if recorded["query"] else ""
    headers = RECORDED["headers"] | recorded["headers"]
    headers["authorization"] = f"Bearer {clocked.secret}"
    body = b""
    if recorded["body"] is not None:
        body = json.dumps(recorded["body"], separators=(",", ":"), ensure_ascii=False).encode()
    target = f"/dodo{recorded['path']}{query}"
    return exchange(clocked.url, message(recorded["method"], target, headers, body))


@pytest.fixture
def furnished(clocked: ClockedServer) -> ClockedServer:
    """A server with the customer and the entitlement of the samples, and 50 to begin with."""
    with clocked.client() as native:
        for path, body in (
            ("/customers", {"id": CUSTOMER, "name": "Ada", "email": "a@example.com"}),
            ("/entitlements", {"code": ENTITLEMENT, "name": "Kept", "unit": "token", "scale": 2}),
            ("/grants", {"customer": CUSTOMER, "entitlement": ENTITLEMENT, "amount": "50"}),
        ):
            native.post(path, json=body).raise_for_status()
    return clocked


def test_every_recorded_call_has_its_answer() -> None:
    assert set(CALLS) == set(EXPECTED)


@pytest.mark.parametrize("call", EXPECTED)
def test_a_recorded_request_is_answered(furnished: ClockedServer, call: str) -> None:
    """With the status the vendor documents and what was asked for in it."""
    status, expected = EXPECTED[call]
    answer = send(furnished, call)
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert {name: answer.json[name] for name in expected} == expected


def test_recorded_lists_hold_what_was_granted(furnished: ClockedServer) -> None:
    """The envelope is ``items`` alone."""
    for call in (GRANTS, f"{GRANTS} (no params)"):
        answer = send(furnished, call).json
        assert set(answer) == {"items"}
        [grant] = answer["items"]
        assert (grant["initial_amount"], grant["customer_id"]) == ("50", CUSTOMER)


@pytest.mark.parametrize(
    ("call", "expires_at"),
    [
        (f"{ENTRIES} (credit, all params)", "2026-01-02T03:04:05.678901Z"),
        (f"{ENTRIES} (naive datetime, nulls)", "2026-05-06T07:08:09Z"),
    ],
)
def test_recorded_times_are_understood(
    furnished: ClockedServer, call: str, expires_at: str
) -> None:
    """An offset of zero, and none at all, which is read as UTC."""
    send(furnished, call)
    newest = send(furnished, f"{GRANTS} (no params)").json["items"][0]
    assert newest["expires_at"] == expires_at


def test_a_recorded_request_sent_twice_is_refused_where_it_has_a_key(
    furnished: ClockedServer,
) -> None:
    """The SDK's own repetition of a request whose answer was lost grants nothing twice."""
    call = f"{ENTRIES} (credit, all params)"
    assert send(furnished, call).status == 201
    again = send(furnished, call)
    assert (again.status, again.headers["x-should-retry"]) == (409, "false")
    assert again.json["code"] == "IDEMPOTENCY_KEY_ALREADY_EXISTS"
    assert send(furnished, "credit_entitlements.balances.retrieve").json["balance"] == "150.25"
