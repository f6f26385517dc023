"""Notification policies: who is told of what, in the vendor's envelope and with its signature."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from msgspec import UNSET

from drawdown.dialects.sequence.notifications.events import TYPES, signature
from tests.conftest import StartServer
from tests.dialects.sequence.contract import Customer, Grant, Policies, Policy, read, refusal
from tests.dialects.sequence.support import CUSTOMER, client, drawn, new_credit, new_customer
from tests.support.receiver import listening
from tests.support.server import Tenant

URL = "https://hooks.example.com/sequence"
PATH = "/notifications/policies"
NOBODY = "019b7e4c-5d2a-7c41-8f0e-3a5b6c7d8e9f"


def body(**more: Any) -> dict[str, Any]:
    return {"name": "Ours", "channel": "WEBHOOK", "recipients": [URL]} | more


def new_policy(sequence: httpx.Client, **more: Any) -> Policy:
    return read(sequence.post(PATH, json=body(**more)), 201, Policy)


def found(sequence: httpx.Client, policy: str) -> Policy:
    return read(sequence.get(f"{PATH}/{policy}"), 200, Policy)


def test_a_policy_is_made_read_and_deleted(sequence: httpx.Client) -> None:
    """Its secret is told once."""
    types = ["CUSTOMER_CREATED", "INVOICE_ISSUED", "CREDIT_GRANT_CREATED"]
    urls = [URL, URL + "/2"]
    made = new_policy(sequence, recipients=urls, notificationTypes=types)
    assert (made.name, made.channel, made.recipients) == ("Ours", "WEBHOOK", urls)
    assert made.notification_types == types
    assert isinstance(made.webhook_secret, str)
    again = found(sequence, made.id)
    assert again.webhook_secret is UNSET
    gone = msgspec.structs.replace(again)
    again.webhook_secret = made.webhook_secret
    assert again == made
    assert read(sequence.delete(f"{PATH}/{made.id}"), 200, Policy) == gone
    for answer in (
        sequence.get(f"{PATH}/{made.id}"),
        sequence.delete(f"{PATH}/{made.id}"),
        sequence.get(f"{PATH}/nothing"),
    ):
        refusal(answer, 404, "NotFound", "notification policy")


def test_a_secret_of_ones_own_is_kept(sequence: httpx.Client) -> None:
    made = new_policy(sequence, webhookSecret="0123456789abcdef")
    assert (made.webhook_secret, made.notification_types) == ("0123456789abcdef", UNSET)


def test_types_are_added_and_removed_but_the_last(sequence: httpx.Client) -> None:
    made = new_policy(sequence, notificationTypes=["CUSTOMER_CREATED"])
    path = f"{PATH}/{made.id}/notification-types"
    answer = sequence.post(path, json={"notificationTypes": ["CREDIT_BALANCE_LOW"]})
    both = ["CUSTOMER_CREATED", "CREDIT_BALANCE_LOW"]
    assert read(answer, 200, Policy).notification_types == both
    left = read(sequence.delete(f"{path}/CUSTOMER_CREATED"), 200, Policy)
    assert left.notification_types == ["CREDIT_BALANCE_LOW"]
    refusal(sequence.delete(f"{path}/CREDIT_BALANCE_LOW"), 400, "InvalidState", "delete it")
    refusal(sequence.delete(f"{path}/CUSTOMER_CREATED"), 404, "NotFound")
    wrong = sequence.post(path, json={"notificationTypes": ["WEATHER"]})
    refusal(wrong, 400, "ValidationError", "notificationTypes[0] must", "CUSTOMER_CREATED")
    assert found(sequence, made.id) == left


def test_several_are_added_in_one_request_or_none_is(sequence: httpx.Client) -> None:
    """Types and recipients are lists, as the vendor has them; what is there already stays as it was."""
    made = new_policy(sequence, notificationTypes=["CUSTOMER_CREATED"])
    types, recipients = (
        f"{PATH}/{made.id}/{what}" for what in ("notification-types", "recipients")
    )
    more = ["CUSTOMER_CREATED", "CREDIT_BALANCE_LOW", "INVOICE_ISSUED"]
    answer = sequence.post(types, json={"notificationTypes": more})
    assert read(answer, 200, Policy).notification_types == more
    urls = [f"{URL}/{number}" for number in range(9)]
    answer = sequence.post(recipients, json={"recipients": [URL, *urls[:8]]})
    assert read(answer, 200, Policy).recipients == [URL, *urls[:8]]
    for path, asked, parts in (
        (types, {"notificationTypes": ["CUSTOMER_UPDATED", "WEATHER"]}, ("notificationTypes[1]",)),
        (types, {"notificationTypes": []}, ("notificationTypes",)),
        (recipients, {"recipients": [urls[8], "ftp://example.com"]}, ("recipients[1]",)),
        (recipients, {"recipients": [urls[8], urls[8]]}, ("recipients", "different")),
    ):
        refusal(sequence.post(path, json=asked), 400, "ValidationError", *parts)
    full = sequence.post(recipients, json={"recipients": [urls[8], URL + "/x"]})
    refusal(full, 400, "InvalidState", "at most 10")
    left = found(sequence, made.id)
    assert (left.notification_types, left.recipients) == (more, [URL, *urls[:8]])


def test_types_that_are_added_at_once_are_all_there(sequence: httpx.Client) -> None:
    made = new_policy(sequence, notificationTypes=["CUSTOMER_CREATED"])
    path = f"{PATH}/{made.id}/notification-types"
    types = ["CUSTOMER_UPDATED", "CUSTOMER_ARCHIVED", "CREDIT_BALANCE_LOW"]
    with ThreadPoolExecutor(3) as pool:
        answers = list(
            pool.map(lambda each: sequence.post(path, json={"notificationTypes": [each]}), types)
        )
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    told = found(sequence, made.id).notification_types
    assert isinstance(told, list)
    assert sorted(told) == sorted(["CUSTOMER_CREATED", *types])


def test_recipients_are_added_and_removed_but_the_last(sequence: httpx.Client) -> None:
    made = new_policy(sequence)
    path = f"{PATH}/{made.id}/recipients"
    other = URL + "/2?a=b"
    for _ in range(2):  # once
        answer = sequence.post(path, json={"recipients": [other]})
        assert read(answer, 200, Policy).recipients == [URL, other]
    left = read(sequence.delete(f"{path}/{quote(URL, safe='')}"), 200, Policy)
    assert left.recipients == [other]
    refusal(sequence.delete(f"{path}/{quote(other, safe='')}"), 400, "InvalidState", "delete it")
    refusal(sequence.delete(f"{path}/{quote(URL, safe='')}"), 404, "NotFound")
    for number in range(9):
        sequence.post(path, json={"recipients": [f"{URL}/more/{number}"]})
    refusal(sequence.post(path, json={"recipients": [URL]}), 400, "InvalidState", "at most 10")


def test_policies_are_listed_newest_first_by_pages(sequence: httpx.Client) -> None:
    made = [new_policy(sequence, name=f"{n}", recipients=[f"{URL}/{n}"]).id for n in range(5)]
    listed = read(sequence.get(PATH), 200, Policies)
    assert [each.id for each in listed.items] == made[::-1]
    first = read(sequence.get(PATH, params={"limit": "2"}), 200, Policies)
    after = {"limit": "2", "after": str(first.pagination.after)}
    second = read(sequence.get(PATH, params=after), 200, Policies)
    assert [each.id for each in second.items] == made[::-1][2:4]
    before = {"limit": "2", "before": str(second.pagination.before)}
    assert read(sequence.get(PATH, params=before), 200, Policies).items == first.items


def test_policies_are_listed_by_what_they_are_told_of(sequence: httpx.Client) -> None:
    """One that has not said what it wants is told of what the vendor tells."""
    everything = new_policy(sequence).id
    credit = new_policy(sequence, notificationTypes=["CREDIT_BALANCE_LOW", "INVOICE_ISSUED"]).id
    for told, expected in (
        ("CUSTOMER_CREATED", [everything]),
        ("INVOICE_ISSUED", [credit]),
        ("CREDIT_BALANCE_LOW", [credit]),
        ("CREDIT_GRANT_VOIDED", []),
    ):
        listed = read(sequence.get(PATH, params={"notificationType": told}), 200, Policies)
        assert [each.id for each in listed.items] == expected
    wrong = sequence.get(PATH, params={"notificationType": "WEATHER"})
    refusal(wrong, 400, "ValidationError", "notificationType", "CUSTOMER_CREATED")


BAD: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"channel": "EMAIL", "recipients": ["ada@acme.example"]}, ("channel", "WEBHOOK")),
    ({"channel": "PIGEON"}, ("channel",)),
    ({"recipients": []}, ("recipients",)),
    ({"recipients": [URL, URL]}, ("recipients", "different")),
    ({"recipients": [f"{URL}/{n}" for n in range(11)]}, ("recipients", "10")),
    ({"recipients": ["ftp://example.com"]}, ("recipients[0]",)),
    ({"recipients": ["http://127.0.0.1/"]}, ("recipients[0]",)),
    ({"notificationTypes": ["WEATHER"]}, ("notificationTypes[0]", "CUSTOMER_CREATED")),
    ({"notificationTypes": []}, ("notificationTypes", "at least one")),
    ({"webhookSecret": "short"}, ("webhookSecret", "16")),
    ({"name": ""}, ("name",)),
    ({"sequenceAccountId": NOBODY}, ("sequenceAccountId",)),
    ({"colour": "red"}, ("colour", "leave it out")),
]


@pytest.mark.parametrize(("change", "parts"), BAD)
def test_a_policy_that_cannot_be_is_refused(
    sequence: httpx.Client, change: dict[str, Any], parts: tuple[str, ...]
) -> None:
    refusal(sequence.post(PATH, json=body() | change), 400, "ValidationError", *parts)
    assert read(sequence.get(PATH), 200, Policies).items == []


def test_a_policy_is_made_once_for_its_key(sequence: httpx.Client) -> None:
    """With all of its recipients, and its secret again."""
    headers = {"Idempotency-Key": "key"}
    urls = [URL, URL + "/2"]
    first, again = (
        read(sequence.post(PATH, json=body(recipients=urls), headers=headers), 201, Policy)
        for _ in range(2)
    )
    assert again == first
    assert [each.id for each in read(sequence.get(PATH), 200, Policies).items] == [first.id]
    for other in (
        {"name": "Other"},
        {"recipients": urls[:1]},
        {"recipients": [*urls, URL + "/3"]},
        {"webhookSecret": "0123456789abcdef"},
        {"notificationTypes": ["CUSTOMER_CREATED"]},
    ):
        asked = body(recipients=urls) | other
        refusal(sequence.post(PATH, json=asked, headers=headers), 409, "IdempotencyKeyReused")
    assert found(sequence, first.id).recipients == urls


def test_what_is_added_to_a_policy_is_added_once_for_its_key(sequence: httpx.Client) -> None:
    made = new_policy(sequence, notificationTypes=["CUSTOMER_CREATED"])
    for path, field, values in (
        ("notification-types", "notificationTypes", ("CUSTOMER_UPDATED", "CUSTOMER_ARCHIVED")),
        ("recipients", "recipients", (URL + "/2", URL + "/3")),
    ):
        headers = {"Idempotency-Key": f"key-{path}"}
        first, again, other = (
            sequence.post(f"{PATH}/{made.id}/{path}", json={field: [value]}, headers=headers)
            for value in (values[0], *values)
        )
        assert (first.status_code, again.status_code) == (200, 200)
        refusal(other, 409, "IdempotencyKeyReused")
    left = found(sequence, made.id)
    assert left.notification_types == ["CUSTOMER_CREATED", "CUSTOMER_UPDATED"]
    assert left.recipients == [URL, URL + "/2"]


def test_a_recipient_that_is_asked_no_more_is_asked_again_when_it_is_added_again(
    sequence: httpx.Client, native: httpx.Client
) -> None:
    """It may have failed for days, which this API does not show."""
    made = new_policy(sequence)
    [endpoint] = native.get("/webhook-endpoints").json()["data"]
    path = f"/webhook-endpoints/{endpoint['id']}"
    assert native.patch(path, json={"enabled": False}).json()["enabled"] is False
    answer = sequence.post(f"{PATH}/{made.id}/recipients", json={"recipients": [URL]})
    assert read(answer, 200, Policy).recipients == [URL]
    assert native.get(path).json()["enabled"] is True


def test_a_recipient_may_be_as_long_as_an_address_is(sequence: httpx.Client) -> None:
    """2,048 characters, of which no two are alike enough to be stored as one."""
    longest = f"{URL}/{secrets.token_hex(1_024)}"[:2_048]
    made = new_policy(sequence, recipients=[longest])
    other = f"{URL}/{secrets.token_hex(1_024)}"[:2_048]
    answer = sequence.post(f"{PATH}/{made.id}/recipients", json={"recipients": [other]})
    assert read(answer, 200, Policy).recipients == [longest, other]
    answer = sequence.post(f"{PATH}/{made.id}/recipients", json={"recipients": [other + "x"]})
    refusal(answer, 400, "ValidationError", "recipient", "2,048")


def test_a_recipient_is_added_once_however_many_ask(sequence: httpx.Client) -> None:
    made = new_policy(sequence)
    path = f"{PATH}/{made.id}/recipients"
    with ThreadPoolExecutor(8) as threads:
        asked = [
            threads.submit(sequence.post, path, json={"recipients": [URL + "/2"]})
            for _ in "12345678"
        ]
        assert {each.result().status_code for each in asked} == {200}
    assert found(sequence, made.id).recipients == [URL, URL + "/2"]


def test_what_was_made_elsewhere_to_be_told_in_this_dialect_is_a_policy(
    sequence: httpx.Client, native: httpx.Client
) -> None:
    """With one recipient; the beginning of names is all types that begin so. Others' are none of ours."""
    for form, types in (("sequence", ["CUSTOMER_*"]), ("sequence", ["*"]), ("native", ["*"])):
        asked = {"url": f"{URL}/{len(types[0])}", "format": form, "types": types}
        assert native.post("/webhook-endpoints", json=asked).status_code == 201
    everything, customers = read(sequence.get(PATH), 200, Policies).items
    assert everything.recipients == [URL + "/1"]
    assert everything.notification_types == list(TYPES)
    assert customers.notification_types == [
        f"CUSTOMER_{what}" for what in ("CREATED", "UPDATED", "ARCHIVED")
    ]
    path = f"{PATH}/{customers.id}"
    answer = sequence.delete(f"{path}/notification-types/CUSTOMER_UPDATED")
    left = ["CUSTOMER_CREATED", "CUSTOMER_ARCHIVED"]
    assert read(answer, 200, Policy).notification_types == left
    more = sequence.post(f"{path}/recipients", json={"recipients": [URL]})
    assert sorted(read(more, 200, Policy).recipients) == [URL, URL + "/10"]
    assert found(sequence, customers.id).recipients == read(more, 200, Policy).recipients
    assert sequence.delete(path).status_code == 200
    assert len(native.get("/webhook-endpoints").json()["data"]) == 2


def test_a_secret_is_shown_by_no_list(sequence: httpx.Client, native: httpx.Client) -> None:
    made = new_policy(sequence, webhookSecret="a-secret-of-mine")
    path = f"{PATH}/{made.id}"
    for answer in (
        sequence.get(PATH),
        sequence.get(path),
        sequence.post(f"{path}/recipients", json={"recipients": [URL + "/2"]}),
        sequence.post(f"{path}/notification-types", json={"notificationTypes": ["INVOICE_ISSUED"]}),
        native.get("/webhook-endpoints"),
    ):
        assert answer.status_code == 200
        assert "a-secret-of-mine" not in answer.text


def test_a_policy_of_another_account_is_not_there(
    sequence: httpx.Client, other: httpx.Client
) -> None:
    made = new_policy(sequence)
    for answer in (
        other.get(f"{PATH}/{made.id}"),
        other.delete(f"{PATH}/{made.id}"),
        other.post(f"{PATH}/{made.id}/recipients", json={"recipients": [URL + "/x"]}),
    ):
        refusal(answer, 404, "NotFound")
    assert read(other.get(PATH), 200, Policies).items == []


# Told -----------------------------------------------------------------------------------------------


@pytest.fixture
def telling(database_url: str, serve: StartServer) -> Tenant:
    """A server that may tell those beside it."""
    return serve(database=database_url, webhooks_allow_private="1").tenant()


def is_signed(header: str, secret: str, content: bytes) -> bool:
    """As a receiver checks it: ``t`` in milliseconds, ``s`` over ``t.body``."""
    parts = dict(part.split("=", 1) for part in header.split(","))
    assert set(parts) == {"t", "s"}
    assert len(parts["t"]) == 13
    signed = f"{parts['t']}.".encode() + content
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() == parts["s"]


def test_the_signature_is_what_openssl_computes() -> None:
    """``printf %s '1767225600123.{"a":"é"}' | openssl dgst -sha256 -hmac 'a-secret-of-mine'``"""
    signed = "d03037e15c37ab8e46739c374162bdc17ec395d280d0a8ec671eb6f026728c40"
    body = '{"a":"é"}'.encode()
    assert signature("a-secret-of-mine", 1_767_225_600_123, body) == f"t=1767225600123,s={signed}"


def test_what_happens_is_told_and_signed(telling: Tenant) -> None:
    """Of customers to everybody, of credit to who asks for that by name."""
    with listening() as got, listening() as more, client(telling) as sequence:
        plain = new_policy(sequence, recipients=[got.url])
        types = [
            *("CREDIT_GRANT_CREATED", "CREDIT_GRANT_VOIDED", "CREDIT_GRANT_EXPIRED"),
            "CREDIT_BALANCE_LOW",
        ]
        credit = new_policy(sequence, recipients=[more.url], notificationTypes=types)
        customer = new_customer(sequence).id
        changed = CUSTOMER | {"legalName": "Acme plc"}
        assert sequence.put(f"/customers/{customer}", json=changed).status_code == 200
        first, second = (new_credit(sequence, customer, amount="10").id for _ in range(2))
        with telling.client() as native:
            alert = {"customer": customer, "entitlement": "usd", "kind": "available_below"}
            assert native.post("/alerts", json=alert | {"amount": "9"}).status_code == 201
            drawn(native, customer, "10")
            drawn(native, customer, "2.5")
            native.post(f"/grants/{second}/expire")
        sequence.post(f"/customers/{customer}/archive")
        plainly, of_credit = got.wait(3), more.wait(4)
    account = plain.sequence_account_id
    told = [json.loads(each.body) for each in plainly]
    assert sorted(each["notificationType"] for each in told) == [
        "CUSTOMER_ARCHIVED",
        "CUSTOMER_CREATED",
        "CUSTOMER_UPDATED",
    ]
    for each in told:
        assert (each["sequenceAccountId"], each["resourceType"]) == (account, "CUSTOMER")
        resource = msgspec.convert(each["resource"], Customer)
        assert each["resourceId"] == resource.id == customer
        if each["notificationType"] != "CUSTOMER_CREATED":
            assert resource.legal_name == "Acme plc"
        if each["notificationType"] == "CUSTOMER_ARCHIVED":
            assert isinstance(resource.archived_at, str)
    kinds: dict[str, list[Any]] = {}
    for each in of_credit:
        said = json.loads(each.body)
        kinds.setdefault(said["notificationType"], []).append(said)
    made = {each["resourceId"] for each in kinds["CREDIT_GRANT_CREATED"]}
    assert made == {first, second}
    [expired] = kinds["CREDIT_GRANT_EXPIRED"]
    grant = msgspec.convert(expired["resource"], Grant)
    assert (expired["resourceId"], expired["resourceType"]) == (second, "CREDIT_GRANT")
    assert (grant.id, grant.customer_id, grant.type) == (second, customer, "CASH")
    assert (grant.original_amount, grant.current_balance) == ("10", "0")
    [low] = kinds["CREDIT_BALANCE_LOW"]
    assert low["resourceId"] == customer
    assert low["resource"] == {"id": "USD", "balance": "7.5", "threshold": "9"}
    for policy, received in ((plain, plainly), (credit, of_credit)):
        assert isinstance(policy.webhook_secret, str)
        for each in received:
            header = each.headers["sequence-signature"]
            assert is_signed(header, policy.webhook_secret, each.body)
            assert not is_signed(header, policy.webhook_secret + "x", each.body)
