"""What a client of the vendor's would check first, one test for each; other files go further.

Credit is moved by all of the ways there are: usage events, credit transactions, and the native API.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from drawdown.core.times import instant_of
from drawdown.core.types import Instant
from drawdown.dialects.sequence.dialect import SequenceDialect
from drawdown.web.headers import Credentials, Headers
from tests.conftest import NewUrl
from tests.dialects.sequence.contract import (
    VERSION,
    Balances,
    OneGrant,
    Transaction,
    read,
    refusal,
)
from tests.dialects.sequence.contract_usage import counting, new_metric, send, units
from tests.dialects.sequence.support import (
    BASE,
    client,
    debit,
    drawn,
    new_credit,
    new_customer,
    outstanding,
    post_credit,
)
from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.server import Tenant


def at(text: str) -> Instant:
    return instant_of(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.fixture(scope="module")
def clocked(new_url: NewUrl) -> Iterator[ClockedServer]:
    with new_url() as url, clocked_server(url, at("2026-01-15T15:30:00")) as running:
        yield running


@pytest.fixture
def here(clocked: ClockedServer) -> Tenant:
    clocked.clock.instant = at("2026-01-15T15:30:00")
    return clocked.tenant()


@pytest.fixture
def sequence(here: Tenant) -> Iterator[httpx.Client]:
    with client(here) as opened:
        yield opened


@pytest.fixture
def native(here: Tenant) -> Iterator[httpx.Client]:
    with here.client() as opened:
        yield opened


def moved(sequence: httpx.Client, account: str, grant: str, kind: str, amount: str) -> Transaction:
    body = {"grantId": grant, "type": kind, "amount": amount}
    headers = {"On-Behalf-Of": account}
    return read(sequence.post("/credit-transactions", json=body, headers=headers), 201, Transaction)


def one(sequence: httpx.Client, grant: str) -> OneGrant:
    return read(sequence.get(f"/credits/{grant}"), 200, OneGrant)


def test_1_the_documented_example_comes_back_as_it_is_documented(
    sequence: httpx.Client, customer: str
) -> None:
    """1000 granted and 676 used: numbers, and days."""
    made = new_credit(sequence, customer, expiryDate="2026-12-31")
    moved(sequence, made.sequence_account_id, made.id, "DEBIT", "676")
    [left] = outstanding(sequence, customer)
    assert (bytes(left.grant_amount), bytes(left.balance)) == (b"1000", b"324")
    assert (left.issue_date, left.expiry_date) == ("2026-01-15", "2026-12-31")


def test_2_what_is_used_up_is_outstanding_no_more_and_0_elsewhere(
    sequence: httpx.Client, customer: str
) -> None:
    made = new_credit(sequence, customer)
    moved(sequence, made.sequence_account_id, made.id, "DEBIT", "1000")
    assert outstanding(sequence, customer) == []
    assert one(sequence, made.id).current_balance == "0"
    [balance] = read(sequence.get(f"/credits/{customer}/balances"), 200, Balances).items
    assert (balance.balance, balance.grants[0].current_balance) == ("0", "0")


def test_3_a_tenth_less_ten_hundredths_is_nothing(sequence: httpx.Client, customer: str) -> None:
    """In money by hand, and in units by usage."""
    made = new_credit(sequence, customer, amount="0.1")
    metric = new_metric(sequence)
    assert post_credit(sequence, units(customer, metric.id, "0.1")).status_code == 201
    for _ in range(10):
        moved(sequence, made.sequence_account_id, made.id, "DEBIT", "0.01")
        send(sequence, customer, "0.01")
    assert outstanding(sequence, customer) == []


def test_4_the_last_day_ends_with_its_last_microsecond(
    clocked: ClockedServer, sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """For a debit, a transaction and a usage event alike."""
    made = new_credit(sequence, customer, amount="10", expiryDate="2026-01-31")
    metric = counting(sequence)
    more = {"expiryDate": "2026-01-31"}
    assert post_credit(sequence, units(customer, metric.id, "10", **more)).status_code == 201
    clocked.clock.instant = at("2026-01-31T23:59:59.999999")
    drawn(native, customer, "1")
    moved(sequence, made.sequence_account_id, made.id, "DEBIT", "1")
    send(sequence, customer)
    left = [bytes(each.balance) for each in outstanding(sequence, customer)]
    assert sorted(left) == [b"8", b"9"]
    clocked.clock.instant = at("2026-02-01T00:00:00")
    assert debit(native, customer, "1").status_code == 402
    headers = {"On-Behalf-Of": made.sequence_account_id}
    body = {"grantId": made.id, "type": "DEBIT", "amount": "1"}
    answer = sequence.post("/credit-transactions", json=body, headers=headers)
    refusal(answer, 400, "InvalidState", "expired")
    event = send(sequence, customer)
    charged = native.get(f"/events/{event.customer_event_id}").json()["charges"]
    assert [each["uncovered"] for each in charged] == ["1"]
    assert outstanding(sequence, customer) == []


def test_5_no_key_a_wrong_one_and_one_that_cannot_be_read_are_401(here: Tenant) -> None:
    """And a secret may have a colon: the pair is split at the first. The vector is the vendor's own."""
    key = here.test.viewer
    for value in (None, f"{key.id}:wrong", f"wrong:{key.secret}", "no colon", ":"):
        pair = "" if value is None else base64.b64encode(value.encode()).decode()
        headers = {} if value is None else {"Authorization": f"Basic {pair}"}
        refusal(httpx.get(f"{here.url}{BASE}/credits", headers=headers), 401, "Unauthorized")
    for header in ("Basic", "Basic !", "Basic a", "Basic Og"):
        answer = httpx.get(f"{here.url}{BASE}/credits", headers={"Authorization": header})
        refusal(answer, 401, "Unauthorized")
    with client(here, key) as opened:
        assert opened.get("/credits").status_code == 200
    dialect = SequenceDialect(allow_private=False)
    vector = base64.b64encode(b"key:se:cret").decode()
    for sent, secret in (("a2V5OnNlY3JldA==", "secret"), (vector, "se:cret")):
        headers_of = Headers([(b"authorization", f"Basic {sent}".encode())])
        assert dialect.credentials(headers_of) == Credentials(secret, "key")


def test_6_the_version_may_be_absent_or_named_and_is_always_answered(
    sequence: httpx.Client, customer: str
) -> None:
    for headers in ({}, {"Sequence-Version": "2024-07-30"}):
        answer = sequence.get(f"/credits/{customer}/grants", headers=headers)
        assert (answer.status_code, answer.headers["sequence-version"]) == (200, VERSION)
    old = sequence.get("/credits", headers={"Sequence-Version": "2017-01-01"})
    message = refusal(old, 400, "UnrecognisedApiVersion", "2017-01-01")
    assert old.json() == {"error": {"type": "UnrecognisedApiVersion", "message": message}}
    for answer in (
        sequence.get("/nothing"),
        sequence.patch("/credits"),
        sequence.post("/credits", content=b"{"),
        sequence.post("/credits", content=b" " * (5 << 20)),
        sequence.get("/credits", auth=("no", "body")),
        sequence.get("/openapi.json"),
    ):
        assert answer.headers["sequence-version"] == VERSION, answer.status_code


def test_7_one_grant_is_the_same_in_every_dialect(
    sequence: httpx.Client, native: httpx.Client, here: Tenant, customer: str
) -> None:
    """Its strings here are its numbers here; Stripe's are minor units."""
    made = new_credit(sequence, customer, amount="25.50")
    drawn(native, customer, "0.25")
    found, [left] = one(sequence, made.id), outstanding(sequence, customer)
    assert (found.original_amount, found.current_balance) == ("25.5", "25.25")
    assert (bytes(left.grant_amount), bytes(left.balance)) == (b"25.5", b"25.25")
    shown = native.get(f"/grants/{made.id}").json()
    assert (shown["amount"], shown["remaining"]) == ("25.5", "25.25")
    headers = {"authorization": f"Bearer {here.test.viewer.secret}"}
    stripe = httpx.get(f"{here.url}/v1/billing/credit_grants/{made.id}", headers=headers).json()
    assert stripe["amount"]["monetary"] == {"currency": "usd", "value": 2550}


def test_8_a_balance_is_the_sum_of_its_transactions(
    clocked: ClockedServer, sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """What was granted among them: used, put back, expired, and voided."""
    used = new_credit(sequence, customer, amount="100.5")
    short = new_credit(sequence, customer, amount="20", expiryDate="2026-01-20")
    gone = new_credit(sequence, customer, amount="7")
    moved(sequence, used.sequence_account_id, used.id, "DEBIT", "40.25")
    moved(sequence, used.sequence_account_id, used.id, "CREDIT", "0.25")
    drawn(native, customer, "5")
    assert native.post(f"/grants/{gone.id}/void").status_code == 200
    clocked.clock.instant = at("2026-01-21T00:00:00")
    [balance] = read(sequence.get(f"/credits/{customer}/balances"), 200, Balances).items
    signs = {"CREDIT": 1, "DEBIT": -1}
    total = sum(signs[each.type] * Decimal(each.amount) for each in balance.transactions)
    assert (balance.balance, total) == ("60.5", Decimal("60.5"))
    reasons = {(each.grant_id, each.reason) for each in balance.transactions}
    assert {(short.id, "Expired"), (gone.id, "Voided")} <= reasons
    for grant in balance.grants:
        own = [each for each in balance.transactions if each.grant_id == grant.id]
        left = sum(signs[each.type] * Decimal(each.amount) for each in own)
        assert Decimal(grant.current_balance) == left


@pytest.fixture
def customer(sequence: httpx.Client) -> str:
    return new_customer(sequence).id
