"""Webhook endpoints through the vendor's SDKs, and deliveries that both of them verify."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from dodopayments import DodoPayments, NotFoundError, UnprocessableEntityError

from tests.conftest import StartServer
from tests.dialects.dodo.sdk import Dodo
from tests.dialects.dodo.test_products import product
from tests.dialects.dodo.test_subscriptions import subscribe
from tests.support.receiver import Receiver, answering, receiver
from tests.support.server import Tenant
from tests.support.typescript import Sdk

URL = "https://hooks.example.com/dodo"


def make(dodo: Dodo, **more: Any) -> Any:
    return dodo(lambda client: client.webhooks.create(**({"url": URL} | more)))


def test_an_endpoint_is_made_read_changed_and_deleted(dodo: Dodo) -> None:
    made = make(
        dodo,
        description="Ours",
        filter_types=["credit.added", "payment.succeeded"],
        metadata={"team": "billing"},
        rate_limit=10,
        disabled=True,
    )
    assert made.id.startswith("whk_")
    assert (made.url, made.description, made.disabled) == (URL, "Ours", True)
    assert (made.filter_types, made.rate_limit) == (["credit.added", "payment.succeeded"], 10)
    assert made.metadata == {"team": "billing"}
    assert dodo(lambda client: client.webhooks.retrieve(made.id)) == made
    changed = dodo(
        lambda client: client.webhooks.update(
            made.id, url=URL + "/2", disabled=False, filter_types=["credit.deducted"]
        )
    )
    assert (changed.url, changed.disabled) == (URL + "/2", False)
    assert (changed.filter_types, changed.description) == (["credit.deducted"], "Ours")
    cleared = dodo(
        lambda client: client.webhooks.update(
            made.id, description=None, filter_types=None, rate_limit=None
        )
    )
    assert (cleared.description, cleared.filter_types, cleared.rate_limit) == ("", None, None)
    assert cleared.metadata == {"team": "billing"}
    assert dodo(lambda client: client.webhooks.delete(made.id)) is None
    refused = dodo.refused(lambda client: client.webhooks.retrieve(made.id))
    assert (refused.error, refused.code) == (NotFoundError, "NOT_FOUND")


def test_what_is_left_out_is_all_types_and_enabled(dodo: Dodo) -> None:
    made = make(dodo)
    assert (made.disabled, made.filter_types, made.rate_limit) == (False, None, None)
    assert (made.description, made.metadata) == ("", {})
    assert make(dodo, filter_types=[]).filter_types == []


def test_a_used_idempotency_key_answers_the_endpoint_that_it_made(dodo: Dodo) -> None:
    first = make(dodo, idempotency_key="one")
    assert make(dodo, idempotency_key="one") == first
    assert make(dodo, idempotency_key="two").id != first.id


def test_one_endpoint_is_made_for_a_key_that_is_used_at_once(tenant: Tenant) -> None:
    body = {"url": URL, "idempotency_key": "one"}
    with tenant.client(base="/dodo") as http, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: http.post("/webhooks", json=body), range(8)))
        assert {each.status_code for each in answers} == {200}
        assert len({each.json()["id"] for each in answers}) == 1
        assert len(http.get("/webhooks").json()["data"]) == 1


def test_endpoints_are_listed_newest_first_and_paged_to_the_end(dodo: Dodo) -> None:
    made = [make(dodo, url=f"{URL}/{number}").id for number in range(5)][::-1]
    page = dodo(lambda client: client.webhooks.list(limit=2))
    assert [each.id for each in page.data] == made[:2]
    assert (page.done, page.iterator is not None) == (False, True)
    assert [each.id for each in dodo.every(lambda client: client.webhooks.list(limit=2))] == made
    last = dodo(lambda client: client.webhooks.list(limit=5))
    assert (last.done, last.iterator) == (True, None)
    refused = dodo.refused(lambda client: client.webhooks.list(iterator="x"))
    assert (refused.status, refused.code) == (422, "INVALID_QUERY_PARAMS")


def test_headers_are_added_and_secret_ones_are_named_only(dodo: Dodo) -> None:
    made = make(dodo, headers={"X-Tenant": "7", "Authorization": "Bearer abc"})
    shown = dodo(lambda client: client.webhooks.headers.retrieve(made.id))
    assert (shown.headers, shown.sensitive) == ({"x-tenant": "7"}, ["authorization"])
    given = {"x-tenant": "8", "X-More": "1"}
    assert dodo(lambda client: client.webhooks.headers.update(made.id, headers=given)) is None
    shown = dodo(lambda client: client.webhooks.headers.retrieve(made.id))
    assert (shown.headers, shown.sensitive) == (
        {"x-tenant": "8", "x-more": "1"},
        ["authorization"],
    )


def test_a_header_with_an_empty_value_is_removed(dodo: Dodo) -> None:
    """The vendor's API says how to add and change headers, and nothing of removing one."""
    made = make(dodo, headers={"X-Tenant": "7", "Authorization": "Bearer abc", "X-Empty": ""})
    given = {"X-TENANT": "", "authorization": "", "x-never": "", "x-more": "1"}
    dodo(lambda client: client.webhooks.headers.update(made.id, headers=given))
    shown = dodo(lambda client: client.webhooks.headers.retrieve(made.id))
    assert (shown.headers, shown.sensitive) == ({"x-more": "1"}, [])


def test_a_secret_is_replaced_by_the_native_api(dodo: Dodo, native: Any) -> None:
    """No SDK of the vendor's does it. For a day both secrets sign (``tests/webhooks/test_dodo.py``)."""
    made = make(dodo)
    before = dodo(lambda client: client.webhooks.retrieve_secret(made.id)).secret
    answer = native.post(f"/webhook-endpoints/{made.id}/rotate-secret", json={})
    assert answer.status_code == 200, answer.text
    after = dodo(lambda client: client.webhooks.retrieve_secret(made.id)).secret
    assert after == answer.json()["secret"] != before
    assert len(base64.b64decode(after.removeprefix("whsec_"), validate=True)) >= 24


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"filter_types": ["credit.added", "credit.lost"]}, "filter_types[1]"),
        ({"headers": {"webhook-signature": "v1,x"}}, "headers.webhook-signature"),
        ({"headers": {"Host": "x"}}, "headers.host"),
        ({"headers": {"a b": "x"}}, "headers"),
        ({"headers": {"x-a": "one\ntwo"}}, "headers.x-a"),
        ({"headers": {f"x-{number}": "1" for number in range(21)}}, "headers"),
        ({"rate_limit": 0}, "rate_limit"),
        ({"metadata": {"x" * 41: "1"}}, "metadata"),
        ({"idempotency_key": ""}, "idempotency_key"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(
    dodo: Dodo, given: dict[str, Any], field: str
) -> None:
    refused = dodo.refused(lambda client: client.webhooks.create(**({"url": URL} | given)))
    assert (refused.error, refused.code) == (UnprocessableEntityError, "INVALID_REQUEST_BODY")
    assert field in refused.message
    assert dodo(lambda client: client.webhooks.list()).data == []


def test_headers_are_few_also_when_they_come_one_after_another(dodo: Dodo) -> None:
    made = make(dodo, headers={f"x-{number}": "1" for number in range(20)})
    update = {"x-20": "1"}
    refused = dodo.refused(lambda client: client.webhooks.headers.update(made.id, headers=update))
    assert (refused.status, "at most 20" in refused.message) == (422, True)


UNKNOWN: tuple[Callable[[Any, str], Any], ...] = (
    lambda client, found: client.webhooks.retrieve(found),
    lambda client, found: client.webhooks.update(found, url=URL),
    lambda client, found: client.webhooks.delete(found),
    lambda client, found: client.webhooks.retrieve_secret(found),
    lambda client, found: client.webhooks.headers.retrieve(found),
    lambda client, found: client.webhooks.headers.update(found, headers={}),
)


@pytest.mark.parametrize("ask", UNKNOWN)
def test_what_nobody_made_here_is_not_found(dodo: Dodo, native: Any, ask: Any) -> None:
    """Nor is an endpoint for the native API's events."""
    other = native.post("/webhook-endpoints", json={"url": URL}).json()["id"]
    for named in ("whk_unknown", "whk_0351Ozbaa3U2chrAzL5j2x", other):
        refused = dodo.refused(partial(ask, found=named))
        assert (refused.status, refused.code) == (404, "NOT_FOUND")


def test_a_viewer_reads_endpoints_and_changes_none(dodo: Dodo, tenant: Tenant) -> None:
    made = make(dodo)
    viewer = Dodo(tenant.url, tenant.test.viewer.secret, blocking=dodo.blocking)
    assert viewer(lambda client: client.webhooks.retrieve(made.id)) == made
    assert len(viewer(lambda client: client.webhooks.list()).data) == 1
    writes: tuple[Callable[[Any], Any], ...] = (
        lambda client: client.webhooks.create(url=URL),
        lambda client: client.webhooks.update(made.id, disabled=True),
        lambda client: client.webhooks.headers.update(made.id, headers={"x-a": "1"}),
        lambda client: client.webhooks.delete(made.id),
        lambda client: client.meters.archive("mtr_unknown"),
        lambda client: client.usage_events.ingest(events=[]),
    )
    for write in writes:
        assert viewer.refused(write).status == 403
    viewer.close()
    assert dodo(lambda client: client.webhooks.retrieve(made.id)) == made


# Delivered -------------------------------------------------------------------------------------------


@pytest.fixture
def delivering(database_url: str, serve: StartServer) -> Tenant:
    return serve(database=database_url, webhooks_allow_private="1").tenant()


@pytest.fixture
def listening() -> Iterator[tuple[Receiver, asyncio.Runner]]:
    """A receiver that runs while the runner does."""
    with asyncio.Runner() as runner:
        opened = receiver()
        made = runner.run(opened.__aenter__())
        yield made, runner
        runner.run(opened.__aexit__(None, None, None))


def test_both_sdks_verify_what_is_delivered(
    delivering: Tenant, listening: tuple[Receiver, asyncio.Runner]
) -> None:
    got, runner = listening
    dodo = Dodo(delivering.url, delivering.test.editor.secret, blocking=True)
    made = make(
        dodo,
        url=got.url,
        headers={"x-tenant": "7"},
        filter_types=["credit.added", "credit.deducted"],
    )
    secret = dodo(lambda client: client.webhooks.retrieve_secret(made.id)).secret
    customer, kind = dodo.customer(), dodo.entitlement().id
    entry = dodo.credit(customer, kind, "10.5", reason="welcome", metadata={"order": "7"})
    dodo.debit(customer, kind, "0.25")
    runner.run(got.wait(2))
    added, deducted = sorted(got.received, key=lambda each: str(each.event["type"]))
    assert {each.headers["x-tenant"] for each in (added, deducted)} == {"7"}
    sdk = DodoPayments(
        bearer_token="x", base_url="http://localhost", _strict_response_validation=True
    )
    read: Any = sdk.webhooks.unwrap(added.body.decode(), headers=added.headers, key=secret)
    assert (read.type, read.data.id, read.data.customer_id) == ("credit.added", entry.id, customer)
    assert (read.data.amount, read.data.balance_after) == ("10.5", "10.5")
    assert (read.data.description, read.data.metadata) == ("welcome", {"order": "7"})
    read = sdk.webhooks.unwrap(deducted.body.decode(), headers=deducted.headers, key=secret)
    assert (read.type, read.data.balance_after) == ("credit.deducted", "10.25")
    options = {"bearerToken": "x", "baseURL": delivering.url}
    with Sdk("dodopayments", **options) as typescript:
        for each in (added, deducted):
            given = {"headers": each.headers, "key": secret}
            assert typescript.call("webhooks.unwrap", each.body.decode(), given) == each.event
    sdk.close()
    dodo.close()


def test_what_failed_comes_again_under_its_id(
    delivering: Tenant, listening: tuple[Receiver, asyncio.Runner]
) -> None:
    """By itself, and soon: when, is said in `tests/webhooks`."""
    got, runner = listening
    dodo = Dodo(delivering.url, delivering.test.editor.secret, blocking=True)
    got.behaviour = answering(503)
    secret_of = make(dodo, url=got.url).id
    dodo.credit(dodo.customer(), dodo.entitlement().id, "1")
    runner.run(got.wait(1))
    got.behaviour = answering(204)
    runner.run(got.wait(2))
    first, second = got.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    secret = dodo(lambda client: client.webhooks.retrieve_secret(secret_of)).secret
    sdk = DodoPayments(bearer_token="x", base_url="http://localhost")
    assert (
        sdk.webhooks.unwrap(second.body.decode(), headers=second.headers, key=secret).type
        == "credit.added"
    )
    sdk.close()
    dodo.close()


def test_a_subscriptions_credit_is_told_of_until_it_is_low(
    delivering: Tenant, listening: tuple[Receiver, asyncio.Runner]
) -> None:
    """Each event names the subscription, and is read by both SDKs."""
    got, runner = listening
    dodo = Dodo(delivering.url, delivering.test.editor.secret, blocking=True)
    made = make(dodo, url=got.url, filter_types=["credit.added", "credit.balance_low"])
    secret = dodo(lambda client: client.webhooks.retrieve_secret(made.id)).secret
    customer, kind = dodo.customer(), dodo.entitlement()
    attached = {
        "credit_entitlement_id": kind.id,
        "credits_amount": "100",
        "low_balance_threshold_percent": 20,
    }
    sold = product(dodo, attached).product_id
    subscription = subscribe(dodo, customer, sold)
    runner.run(got.wait(1))
    dodo.debit(customer, kind.id, "79")
    dodo.debit(customer, kind.id, "1.5")
    runner.run(got.wait(2))
    sdk = DodoPayments(
        bearer_token="x", base_url="http://localhost", _strict_response_validation=True
    )
    added, low = (
        sdk.webhooks.unwrap(each.body.decode(), headers=each.headers, key=secret)
        for each in got.received
    )
    given: Any = added.data
    assert (added.type, given.reference_type, given.reference_id) == (
        "credit.added",
        "subscription",
        subscription,
    )
    assert low.type == "credit.balance_low"
    assert low.data.to_dict() | {"payload_type": None, "brand_id": None} == {
        "payload_type": None,
        "brand_id": None,
        "customer_id": customer,
        "subscription_id": subscription,
        "credit_entitlement_id": kind.id,
        "credit_entitlement_name": kind.name,
        "available_balance": "19.5",
        "subscription_credits_amount": "100",
        "threshold_percent": 20,
        "threshold_amount": "20",
    }
    with Sdk("dodopayments", bearerToken="x", baseURL=delivering.url) as typescript:
        last = got.received[-1]
        verify = {"headers": last.headers, "key": secret}
        read = typescript.call("webhooks.unwrap", last.body.decode(), verify)
        assert read["data"]["available_balance"] == "19.5"
    sdk.close()
    dodo.close()


# The TypeScript SDK ----------------------------------------------------------------------------------


def test_the_typescript_sdk_makes_lists_and_changes_endpoints(tenant: Tenant) -> None:
    options = {"bearerToken": tenant.test.editor.secret, "baseURL": f"{tenant.url}/dodo"}
    with Sdk("dodopayments", **options) as sdk:
        made = [sdk.call("webhooks.create", {"url": f"{URL}/{number}"}) for number in range(3)]
        listed = sdk.pages("webhooks.list", {"limit": 2})
        assert [each["id"] for each in listed] == [each["id"] for each in made[::-1]]
        one = made[0]["id"]
        assert sdk.call("webhooks.update", one, {"disabled": True})["disabled"] is True
        assert sdk.call("webhooks.retrieveSecret", one)["secret"].startswith("whsec_")
        sdk.call("webhooks.headers.update", one, {"headers": {"x-a": "1"}})
        assert sdk.call("webhooks.headers.retrieve", one)["headers"] == {"x-a": "1"}
        sdk.call("webhooks.delete", one)
        assert len(sdk.pages("webhooks.list", {})) == 2
