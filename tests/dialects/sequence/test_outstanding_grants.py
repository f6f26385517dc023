"""GET /credits/{customerId}/grants: what a customer has left, as JSON numbers, in burn-down order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from drawdown.core import identity
from tests.dialects.sequence.contract import refusal
from tests.dialects.sequence.support import (
    client,
    drawn,
    new_credit,
    new_customer,
    new_metric,
    outstanding,
)
from tests.support.server import Tenant


def today(days: int = 0) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


def ids(sequence: httpx.Client, customer: str) -> list[str]:
    return [grant.id for grant in outstanding(sequence, customer)]


def test_the_example_of_the_documentation_round_trips(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """1000 granted, 676 drawn: 1000 and 324, as numbers, in exactly the documented shape."""
    made = new_credit(sequence, customer, name="Prepaid credits", expiryDate="2031-12-31")
    drawn(native, customer, "676")
    answer = sequence.get(f"/credits/{customer}/grants")
    assert answer.content.decode() == (
        f'{{"items":[{{"id":"{made.id}","name":"Prepaid credits","grantAmount":1000,'
        f'"balance":324,"issueDate":"{made.created_at[:10]}","expiryDate":"2031-12-31"}}]}}'
    )


def test_a_grant_that_never_expires_has_no_expiry_date(
    sequence: httpx.Client, customer: str
) -> None:
    """What has no value is left out, not null."""
    new_credit(sequence, customer)
    assert "expiryDate" not in sequence.get(f"/credits/{customer}/grants").text


def test_a_grant_drawn_to_nothing_is_not_listed(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    new_credit(sequence, customer)
    drawn(native, customer, "999.999999999")
    [left] = outstanding(sequence, customer)
    assert bytes(left.balance) == b"0.000000001"
    drawn(native, customer, "0.000000001")
    assert sequence.get(f"/credits/{customer}/grants").content == b'{"items":[]}'


def test_a_tenth_drawn_in_ten_hundredths_ends_on_nothing(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """No binary float is involved: each balance on the way is exact."""
    new_credit(sequence, customer, amount="0.1")
    for left in (b"0.09", b"0.08", b"0.07", b"0.06", b"0.05", b"0.04", b"0.03", b"0.02", b"0.01"):
        drawn(native, customer, "0.01")
        [grant] = outstanding(sequence, customer)
        assert (bytes(grant.grant_amount), bytes(grant.balance)) == (b"0.1", left)
    drawn(native, customer, "0.01")
    assert outstanding(sequence, customer) == []


def test_a_grant_that_is_not_effective_yet_is_listed(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """It has a balance. Its issue date is the day it was made, not the day it becomes usable."""
    made = new_credit(sequence, customer, effectiveDate=today(30))
    [grant] = outstanding(sequence, customer)
    assert (grant.id, bytes(grant.balance)) == (made.id, b"1000")
    assert grant.issue_date == made.created_at[:10] != today(30)
    assert native.get(f"/balances/{customer}/usd").json()["available"] == "0"


@pytest.mark.parametrize("end", ["expire", "void"])
def test_a_grant_that_was_ended_is_not_listed(
    sequence: httpx.Client, native: httpx.Client, customer: str, end: str
) -> None:
    gone, kept = new_credit(sequence, customer), new_credit(sequence, customer)
    assert native.post(f"/grants/{gone.id}/{end}", json={}).status_code == 200
    assert ids(sequence, customer) == [kept.id]


def test_units_come_before_money_and_then_what_expires_soonest(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """Across metrics and currencies; what never expires comes last of its kind, ties by age."""
    first, second = new_metric(native), new_metric(native)
    plan = [
        ("USD", None, 10, 4),
        (None, first, 30, 2),
        ("EUR", None, 5, 3),
        (None, second, 20, 1),
        (None, first, 15, 0),
        ("USD", None, None, 5),
        ("EUR", None, None, 6),
    ]
    made: dict[int, str] = {}
    for currency, metric, days, place in plan:
        more = {"creditUnitType": "METRIC", "metricId": metric} if metric else {}
        expiry = {} if days is None else {"expiryDate": today(days)}
        credit = new_credit(sequence, customer, currency=currency or "USD", **more, **expiry)
        made[place] = credit.id
    assert ids(sequence, customer) == [made[place] for place in range(len(plan))]


def test_within_a_wallet_the_order_is_that_of_the_draws(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """An entitlement that burns its oldest grant first is listed that way, too."""
    code = "oldest-first"
    body = {"code": code, "unit": "token", "scale": 0, "burn_order": "oldest_first"}
    assert native.post("/entitlements", json=body).status_code == 201
    metric = {"creditUnitType": "METRIC", "metricId": code, "amount": "10"}
    made = [
        new_credit(sequence, customer, expiryDate=today(days), **metric).id for days in (30, 20, 10)
    ]
    assert ids(sequence, customer) == made
    drawn(native, customer, "15", code)
    assert ids(sequence, customer) == made[1:]


def test_what_other_dialects_grant_is_listed(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """Its name is its entitlement's when it was given none; its last day is the day it ends in."""
    body = {
        "customer": customer,
        "entitlement": "eur",
        "amount": "12.3400",
        "expires_at": "2031-05-01T00:00:00Z",
    }
    assert native.post("/grants", json=body).status_code == 201
    body |= {"amount": "0.5", "expires_at": "2031-05-01T12:00:00Z", "name": "Half"}
    assert native.post("/grants", json=body).status_code == 201
    first, second = outstanding(sequence, customer)
    assert (first.name, bytes(first.balance), first.expiry_date) == ("EUR", b"12.34", "2031-04-30")
    assert (second.name, bytes(second.balance), second.expiry_date) == (
        "Half",
        b"0.5",
        "2031-05-01",
    )


def test_a_grant_made_here_is_seen_by_the_others(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """The decimal string there equals the number here."""
    made = new_credit(sequence, customer, amount="0.250000000", expiryDate="2031-12-31")
    shown = native.get(f"/grants/{made.id}").json()
    assert (shown["amount"], bytes(made.amount)) == ("0.25", b"0.25")
    assert shown["name"] == "Launch credit"
    assert shown["expires_at"] == "2032-01-01T00:00:00Z"
    assert identity.parse(shown["id"]) == identity.parse(made.id)


def test_a_customer_is_found_by_every_spelling_of_its_id(
    sequence: httpx.Client, native: httpx.Client, tenant: Tenant
) -> None:
    made = new_customer(sequence, customerAliases=["acme:1"])
    credit = new_credit(sequence, "acme:1")
    assert credit.customer_id == made.id
    found = identity.parse(made.id)
    assert found is not None
    for name in (made.id, made.id.upper(), identity.spell("cus_", found), "acme:1", "acme%3A1"):
        assert ids(sequence, name) == [credit.id]


def test_a_customer_without_grants_has_none(sequence: httpx.Client, customer: str) -> None:
    assert sequence.get(f"/credits/{customer}/grants").content == b'{"items":[]}'


def test_a_customer_of_another_book_is_not_there(
    sequence: httpx.Client, tenant: Tenant, server: object
) -> None:
    """Neither live, nor another account's, nor one never made; and nothing tells them apart."""
    with client(tenant, tenant.live.editor) as live:
        foreign = new_customer(live).id
        new_credit(live, foreign)
        assert len(outstanding(live, foreign)) == 1
    names = (foreign, "nobody", "01920000-0000-7000-8000-000000000000", "x" * 3000, "%00", "a%20b")
    messages = {
        refusal(sequence.get(f"/credits/{name}/grants"), 404, "NotFound", "customer")
        for name in names
    }
    assert len(messages) == 1


def test_the_dialect_stands_under_api_too(tenant: Tenant, sequence: httpx.Client) -> None:
    """The vendor's hosts have /api in their path."""
    with client(tenant, base="/sequence/api") as other:
        made = new_customer(other)
        credit = new_credit(other, made.id)
        assert ids(other, made.id) == ids(sequence, made.id) == [credit.id]


def test_what_is_held_is_outstanding_until_it_is_captured(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    new_credit(sequence, customer)
    body = {"customer": customer, "entitlement": "usd", "amount": "300", "idempotency_key": "h"}
    held = native.post("/holds", json=body)
    assert held.status_code == 201, held.text
    [left] = outstanding(sequence, customer)
    assert bytes(left.balance) == b"1000"
    capture = {"amount": "100", "final": True, "idempotency_key": "c"}
    taken = native.post(f"/holds/{held.json()['id']}/capture", json=capture)
    assert taken.status_code == 201, taken.text
    [left] = outstanding(sequence, customer)
    assert bytes(left.balance) == b"900"
