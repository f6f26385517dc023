"""Credentials, versions, errors and idempotency keys: the same on every endpoint."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from drawdown.core.errors import every_error
from drawdown.dialects.sequence.dialect import SequenceDialect
from drawdown.dialects.sequence.errors import ROWS
from drawdown.web.errors import WebError
from drawdown.web.headers import Credentials, Headers
from tests.dialects.sequence.contract import VERSION, Credit, read, refusal
from tests.dialects.sequence.support import (
    CUSTOMER,
    client,
    credit_body,
    new_credit,
    new_customer,
    outstanding,
    post_credit,
)
from tests.support.server import Tenant

ANYWHERE = "/credits/nobody/grants"


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


# Credentials ---------------------------------------------------------------------------------------


def test_a_key_opens_by_basic_and_by_bearer(tenant: Tenant) -> None:
    """The key's id as user name and its secret as password; or the secret as bearer token."""
    key = tenant.test.viewer
    for value in (basic(f"{key.id}:{key.secret}"), f"Bearer {key.secret}"):
        answer = httpx.get(f"{tenant.url}/sequence{ANYWHERE}", headers={"Authorization": value})
        refusal(answer, 404, "NotFound")


def test_no_other_credentials_open(tenant: Tenant) -> None:
    """None, malformed ones, a wrong secret, a wrong id, a secret of another key."""
    key, other = tenant.test.editor, tenant.test.viewer
    values = [
        None,
        "",
        "Basic",
        "Basic !!!!",
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        basic("no colon"),
        basic(":"),
        basic(f":{key.secret}"),
        basic(f"{key.id}:"),
        basic(f"{key.id}:{key.secret}x"),
        basic(f"{key.id}:{other.secret}"),
        basic(f"{other.id}:{key.secret}"),
        basic(f"{key.secret}:"),
        f"Bearer {key.id}",
        "Bearer sk_test_" + "0" * 54,
        f"Token {key.secret}",
    ]
    for value in values:
        headers = {} if value is None else {"Authorization": value}
        answer = httpx.get(f"{tenant.url}/sequence{ANYWHERE}", headers=headers)
        refusal(answer, 401, "Unauthorized", "key")
        assert "Basic" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("form", ["{secret}", "{secret}:", "{secret}:{id}"])
def test_a_secret_without_its_id_is_told_what_to_send(tenant: Tenant, form: str) -> None:
    """Alone in Basic, or as the user name, where other vendors take it."""
    key = tenant.test.editor
    headers = {"Authorization": basic(form.format(secret=key.secret, id=key.id))}
    answer = httpx.get(f"{tenant.url}/sequence{ANYWHERE}", headers=headers)
    assert "Basic with base64 of key id:secret" in answer.json()["error"]["message"]
    assert answer.json()["error"]["type"] == "Unauthorized"
    assert key.secret not in answer.text


def test_a_secret_may_hold_colons() -> None:
    """The pair is split at the first one. The first vector is the vendor's own."""
    dialect = SequenceDialect(allow_private=False)
    for value, found in (
        ("Basic a2V5OnNlY3JldA==", Credentials("secret", "key")),
        (basic("key:se:cr:et"), Credentials("se:cr:et", "key")),
        (basic("key::"), Credentials(":", "key")),
    ):
        assert dialect.credentials(Headers([(b"authorization", value.encode())])) == found


def test_a_viewer_reads_and_does_not_write(tenant: Tenant, sequence: httpx.Client) -> None:
    customer = new_customer(sequence).id
    new_credit(sequence, customer)
    with client(tenant, tenant.test.viewer) as viewer:
        assert len(outstanding(viewer, customer)) == 1
        refusal(viewer.post("/customers", json=CUSTOMER), 403, "Forbidden", "editor")
        refusal(post_credit(viewer, credit_body(customer)), 403, "Forbidden", "editor")
    assert len(outstanding(sequence, customer)) == 1


# Versions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers", [{}, {"Sequence-Version": VERSION}, {"sequence-version": VERSION}]
)
def test_the_version_may_be_named_or_left_out(
    sequence: httpx.Client, customer: str, headers: dict[str, str]
) -> None:
    answer = sequence.get(f"/credits/{customer}/grants", headers=headers)
    assert (answer.status_code, answer.headers["sequence-version"]) == (200, VERSION)


@pytest.mark.parametrize(
    "given", ["2017-01-01", "2024-05-09", "2024-01-01", "latest", "", "2024-07-3"]
)
def test_another_version_is_refused_and_nothing_is_done(
    sequence: httpx.Client, customer: str, given: str
) -> None:
    """The earlier ones have other shapes. The message names the one that is spoken."""
    headers = {"Sequence-Version": given}
    answers = (
        sequence.get(f"/credits/{customer}/grants", headers=headers),
        sequence.post("/customers", json=CUSTOMER, headers=headers),
        post_credit(sequence, credit_body(customer), headers),
    )
    for answer in answers:
        refusal(answer, 400, "UnrecognisedApiVersion", VERSION)
    assert outstanding(sequence, customer) == []


# Errors --------------------------------------------------------------------------------------------


def web_errors(root: type[WebError] = WebError) -> list[type[WebError]]:
    """Every class of what can be wrong with a request here."""
    found = []
    for child in root.__subclasses__():
        if ".dialects." not in child.__module__ or ".sequence." in child.__module__:
            found += [child, *web_errors(child)]
    return found


def test_every_refusal_has_a_row() -> None:
    """And 409 means that an idempotency key was used for something else, nothing more."""
    assert set(ROWS) == {*every_error(), *web_errors()}
    clashes = {row.type for row in ROWS.values() if row.status == 409}
    assert clashes == {"IdempotencyKeyReused"}
    statuses = {400, 401, 403, 404, 405, 409, 413, 429, 500, 503}
    assert {row.status for row in ROWS.values()} == statuses


def test_what_is_not_served_is_refused_in_the_same_shape(sequence: httpx.Client) -> None:
    refusal(sequence.get("/credits/x/nothing"), 404, "NotFound", "/sequence/credits/x/nothing")
    answer = sequence.delete("/credits/x/grants")
    refusal(answer, 405, "MethodNotAllowed", "GET")
    assert answer.headers["allow"] == "GET, HEAD"


# Idempotency keys ----------------------------------------------------------------------------------


def test_the_same_request_with_the_same_key_is_carried_out_once(
    sequence: httpx.Client, customer: str
) -> None:
    """Its answer is repeated to the byte, whatever the spelling of what is asked."""
    headers = {"Idempotency-Key": "order 1"}
    first = post_credit(sequence, credit_body(customer, costOfCredit="900"), headers)
    assert "idempotent-replayed" not in first.headers
    same = credit_body(customer.upper(), amount="1e3", costOfCredit="900.00", taxRateId=None)
    second = post_credit(sequence, same, headers)
    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["sequence-version"] == VERSION
    assert len(outstanding(sequence, customer)) == 1


def test_the_same_key_with_another_request_is_refused(
    sequence: httpx.Client, customer: str
) -> None:
    """Another body, or another endpoint."""
    headers = {"Idempotency-Key": "order 2"}
    made = read(post_credit(sequence, credit_body(customer), headers), 201, Credit)
    for change in ({"amount": "1001"}, {"name": "x"}, {"taxRateId": "t"}, {"currency": "EUR"}):
        answer = post_credit(sequence, credit_body(customer, **change), headers)
        refusal(answer, 409, "IdempotencyKeyReused", "order 2")
    answer = sequence.post("/customers", json=CUSTOMER, headers=headers)
    refusal(answer, 409, "IdempotencyKeyReused")
    assert [grant.id for grant in outstanding(sequence, customer)] == [made.id]


def test_a_customer_is_made_once_per_key(sequence: httpx.Client) -> None:
    headers = {"Idempotency-Key": "signup"}
    body = CUSTOMER | {"customerAliases": ["acme"]}
    first = sequence.post("/customers", json=body, headers=headers)
    second = sequence.post("/customers", json=body, headers=headers)
    assert (second.status_code, second.content) == (201, first.content)


def test_a_refused_request_leaves_its_key_free(sequence: httpx.Client, customer: str) -> None:
    headers = {"Idempotency-Key": "order 3"}
    answer = post_credit(sequence, credit_body(customer, expiryDate="2020-01-01"), headers)
    refusal(answer, 400, "ValidationError")
    read(post_credit(sequence, credit_body(customer), headers), 201, Credit)
    assert len(outstanding(sequence, customer)) == 1


def test_keys_are_the_books_own(sequence: httpx.Client, tenant: Tenant, customer: str) -> None:
    """The same key in the live book is another key."""
    headers = {"Idempotency-Key": "order 4"}
    read(post_credit(sequence, credit_body(customer), headers), 201, Credit)
    with client(tenant, tenant.live.editor) as live:
        other = new_customer(live).id
        read(post_credit(live, credit_body(other, amount="5"), headers), 201, Credit)


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00ad"])
def test_a_key_that_cannot_be_kept_is_refused(
    sequence: httpx.Client, customer: str, key: str
) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = sequence.post("/customers", json=CUSTOMER, headers=headers)  # type: ignore[arg-type]
    refusal(answer, 400, "ValidationError", "Idempotency-Key", "1 to 255")


def test_requests_with_one_key_at_the_same_time_are_carried_out_once(
    sequence: httpx.Client, customer: str
) -> None:
    headers = {"Idempotency-Key": "race"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: post_credit(sequence, credit_body(customer), headers), range(24))
        )
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert len(outstanding(sequence, customer)) == 1
