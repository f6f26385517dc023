"""Grants over HTTP: what is made, shown, listed, expired and voided."""

from __future__ import annotations

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

FUTURE = "2090-01-01T00:00:00Z"
LATER = "2091-01-01T00:00:00Z"


@pytest.fixture
def ada(native: httpx.Client) -> str:
    return new_customer(native)


def test_a_grant_made_of_the_least_is_paid_active_and_never_expires(
    native: httpx.Client, ada: str
) -> None:
    """Its name is its entitlement's, and what was paid for it its face value."""
    made = grant(native, ada, "12.50")
    assert made["id"].startswith("grant_")
    expected = {
        "customer": ada,
        "entitlement": "usd",
        "name": "USD",
        "state": "active",
        "amount": "12.5",
        "remaining": "12.5",
        "used": "0",
        "expired": "0",
        "voided": "0",
        "priority": 50,
        "category": "paid",
        "expires_at": None,
        "cost_basis": {"amount": "12.5", "currency": "usd"},
        "metadata": {},
        "voided_at": None,
    }
    assert expected.items() <= made.items()
    assert made["effective_at"] == made["created_at"] == made["updated_at"]
    assert native.get(f"/grants/{made['id']}").json() == made


TERMS: Json = {
    "percentage": 75,
    "generations_max": 2,
    "timeframe": {"unit": "month", "count": 3},
    "minimum": "1",
    "maximum": "50.5",
}


def test_a_grant_shows_what_is_carried_of_it(native: httpx.Client, ada: str) -> None:
    made = grant(native, ada, "100", expires_at=FUTURE, rollover=TERMS)
    assert made["rollover"] == TERMS
    assert native.get(f"/grants/{made['id']}").json() == made
    assert grant(native, ada, "1")["rollover"] is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"rollover": TERMS}, "rollover"),
        ({"rollover": TERMS, "expires_at": None}, "rollover"),
        ({"rollover": TERMS | {"minimum": "51"}, "expires_at": FUTURE}, "rollover.minimum"),
        ({"rollover": TERMS | {"maximum": "0.001"}, "expires_at": FUTURE}, "rollover.maximum"),
        ({"rollover": TERMS | {"percentage": 0}, "expires_at": FUTURE}, "rollover.percentage"),
    ],
)
def test_terms_that_cannot_be_are_refused_and_nothing_is_granted(
    native: httpx.Client, ada: str, given: Json, field: str
) -> None:
    body = {"customer": ada, "entitlement": "usd", "amount": "9"} | given
    refused = native.post("/grants", json=body)
    assert refused.status_code in (400, 422)
    assert field in refused.text
    assert native.get("/grants", params={"customer": ada}).json()["data"] == []


def test_a_grant_shows_what_it_was_made_of(native: httpx.Client, ada: str) -> None:
    given: Json = {
        "priority": 3,
        "category": "promotional",
        "effective_at": "2090-01-01T02:00:00+02:00",
        "expires_at": LATER,
        "name": "Welcome",
        "metadata": {"campaign": "spring", "n": 2, "flag": True},
    }
    made = grant(native, ada, "5", **given)
    assert made["effective_at"] == FUTURE
    assert {key: made[key] for key in given if key != "effective_at"} == {
        key: value for key, value in given.items() if key != "effective_at"
    }
    assert made["cost_basis"] == {"amount": "0", "currency": "usd"}
    assert made["state"] == "pending"
    assert balance(native, ada)["pending"] == "5"
    assert balance(native, ada)["available"] == "0"


def test_what_was_paid_for_a_unit_grant_is_as_given_or_unknown(
    native: httpx.Client, ada: str
) -> None:
    kind = {"code": "tokens", "name": "Tokens", "unit": "token", "scale": 0}
    created(native.post("/entitlements", json=kind))
    unknown = grant(native, ada, "1000", entitlement="tokens")
    assert (unknown["cost_basis"], unknown["name"]) == (None, "Tokens")
    basis = {"amount": "9.99", "currency": "eur"}
    assert grant(native, ada, "1000", entitlement="tokens", cost_basis=basis)["cost_basis"] == basis


def test_an_expired_grant_keeps_its_history_and_nothing_else(
    native: httpx.Client, ada: str
) -> None:
    made = grant(native, ada, "10")
    created(debit(native, ada, "4"))
    response = native.post(f"/grants/{made['id']}/expire")
    assert response.status_code == 200
    ended = response.json()
    assert (ended["state"], ended["remaining"], ended["used"], ended["expired"]) == (
        "expired",
        "0",
        "4",
        "6",
    )
    assert native.get(f"/grants/{made['id']}").json() == ended
    assert balance(native, ada)["available"] == "0"
    problem(native.post(f"/grants/{made['id']}/expire"), 409, "grant_expired")
    problem(native.post(f"/grants/{made['id']}/void"), 409, "grant_expired")


def test_a_voided_grant_is_taken_back(native: httpx.Client, ada: str) -> None:
    """A pending one too."""
    for more in ({}, {"effective_at": FUTURE, "expires_at": LATER}):
        made = grant(native, ada, "10", **more)
        ended = native.post(f"/grants/{made['id']}/void", json={}).json()
        assert (ended["state"], ended["remaining"], ended["voided"]) == ("voided", "0", "10")
        assert ended["voided_at"] is not None
        problem(native.post(f"/grants/{made['id']}/void"), 409, "grant_voided")
        problem(native.post(f"/grants/{made['id']}/expire"), 409, "grant_voided")
    shown = balance(native, ada)
    assert (shown["posted"], shown["pending"], shown["voided"]) == ("0", "0", "20")


def test_a_pending_grant_can_be_expired(native: httpx.Client, ada: str) -> None:
    made = grant(native, ada, "10", effective_at=FUTURE)
    ended = native.post(f"/grants/{made['id']}/expire").json()
    assert (ended["state"], ended["expired"]) == ("expired", "10")


@pytest.mark.parametrize("ending", ["expire", "void"])
def test_ending_a_grant_under_a_key_is_done_once(
    native: httpx.Client, ada: str, ending: str
) -> None:
    """Asking again with the key replays; without it the grant has already ended."""
    made = grant(native, ada, "10")
    path, body = f"/grants/{made['id']}/{ending}", {"idempotency_key": "end"}
    first = native.post(path, json=body)
    again = native.post(path, json=body)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert native.post(path).status_code == 409


def test_issuing_a_grant_under_a_key_is_done_once(native: httpx.Client, ada: str) -> None:
    body = {"customer": ada, "entitlement": "usd", "amount": "5", "idempotency_key": "g"}
    first = native.post("/grants", json=body)
    again = native.post("/grants", json=body)
    assert (again.status_code, again.content) == (201, first.content)
    problem(native.post("/grants", json=body | {"amount": "6"}), 409, "key_reused")
    problem(native.post("/grants", json=body | {"priority": 1}), 409, "key_reused")
    assert balance(native, ada)["granted"] == "5"


def test_grants_are_listed_by_customer_entitlement_and_state(
    native: httpx.Client, ada: str
) -> None:
    created(native.post("/entitlements", json={"code": "tokens", "unit": "token", "scale": 0}))
    bob = new_customer(native)
    made = {
        "active": grant(native, ada, "10")["id"],
        "pending": grant(native, ada, "10", effective_at=FUTURE)["id"],
        "tokens": grant(native, ada, "10", entitlement="tokens")["id"],
        "bob": grant(native, bob, "10")["id"],
        "voided": grant(native, ada, "10")["id"],
    }
    native.post(f"/grants/{made['voided']}/void")

    def listed(**query: str) -> list[str]:
        response = native.get("/grants", params=query)
        assert response.status_code == 200, response.text
        names = {identifier: name for name, identifier in made.items()}
        return [names[item["id"]] for item in response.json()["data"]]

    assert listed() == ["voided", "bob", "tokens", "pending", "active"]
    assert listed(customer=ada) == ["voided", "tokens", "pending", "active"]
    assert listed(entitlement="usd") == ["voided", "bob", "pending", "active"]
    assert listed(customer=ada, entitlement="usd", state="pending") == ["pending"]
    assert listed(state="voided") == ["voided"]
    assert listed(customer=ada, state="active") == ["tokens", "active"]
    assert listed(state="depleted") == []


def test_every_state_is_shown(native: httpx.Client, ada: str) -> None:
    made = grant(native, ada, "10")
    assert native.get(f"/grants/{made['id']}").json()["state"] == "active"
    created(debit(native, ada, "10"))
    shown = native.get(f"/grants/{made['id']}").json()
    assert (shown["state"], shown["used"]) == ("depleted", "10")
    told = problem(native.post(f"/grants/{made['id']}/void"), 409, "grant_used")
    assert "nothing left" in told["detail"]
