"""Version 2 of meter events through Stripe's own SDK: one by one, in a session's stream, and canceled."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import stripe

from tests.dialects.stripe.conftest import sdk
from tests.dialects.stripe.test_catalog import make_meter
from tests.support.server import Tenant

Client = stripe.StripeClient


@pytest.fixture
def meter(client: Client) -> stripe.billing.Meter:
    return make_meter(client)


def streaming(tenant: Tenant, token: str) -> Client:
    addresses: Any = {"api": tenant.url, "meter_events": tenant.url}
    return Client(token, base_addresses=addresses, max_network_retries=0)


def open_session(client: Client) -> Any:
    return client.v2.billing.meter_event_session.create()


def used(customer: str, value: str, **more: str) -> Any:
    payload = {"stripe_customer_id": customer, "value": value}
    return {"event_name": "search", "payload": payload, **more}


def total(client: Client, meter: Any, customer: str) -> float:
    asked: Any = {"customer": customer, "start_time": 1_700_000_040, "end_time": 4_000_000_020}
    [found] = client.v1.billing.meters.event_summaries.list(meter.id, asked).data
    return float(found.aggregated_value)


def test_an_event_is_recorded_and_canceled(client: Client, customer: Any, meter: Any) -> None:
    made = client.v2.billing.meter_events.create(used(customer.id, "2.5", identifier="one"))
    assert (made.object, made.identifier) == ("v2.billing.meter_event", "one")
    assert (made.livemode, made.event_name) == (False, "search")
    assert made.timestamp.endswith("Z")
    with pytest.raises(stripe.InvalidRequestError, match="identifier one"):
        client.v2.billing.meter_events.create(used(customer.id, "2", identifier="one"))
    assert total(client, meter, customer.id) == 2.5
    canceled = client.v2.billing.meter_event_adjustments.create(
        {"event_name": "search", "type": "cancel", "cancel": {"identifier": "one"}}
    )
    assert (canceled.status, canceled.cancel.identifier) == ("complete", "one")
    assert canceled.object == "v2.billing.meter_event_adjustment"
    assert total(client, meter, customer.id) == 0


def test_a_stream_records_many_and_can_be_sent_again(
    client: Client, tenant: Tenant, customer: Any, meter: Any
) -> None:
    session = open_session(client)
    assert session.object == "v2.billing.meter_event_session"
    assert session.expires_at > session.created
    stream = streaming(tenant, session.authentication_token).v2.billing.meter_event_stream
    events = [used(customer.id, "1", identifier=f"e{number}") for number in range(99)]
    for _ in range(2):
        stream.create({"events": [*events, used(customer.id, "0.5")]}, {"idempotency_key": "k"})
    assert total(client, meter, customer.id) == 99.5


def test_nothing_of_a_stream_is_recorded_where_one_event_is_wrong(
    client: Client, tenant: Tenant, customer: Any, meter: Any
) -> None:
    stream = streaming(tenant, open_session(client).authentication_token).v2.billing
    for wrong, param in (
        (used(customer.id, "much"), "events[1][payload][value]"),
        (used("cus_unknown", "1"), "events[1][payload][stripe_customer_id]"),
        (used(customer.id, "1", timestamp="today"), "events[1][timestamp]"),
        (used(customer.id, "1", timestamp="2001-01-01T00:00:00Z"), "events[1][timestamp]"),
        (used(customer.id, "1", nonsense="1"), "events[1][nonsense]"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as error:
            stream.meter_event_stream.create({"events": [used(customer.id, "1"), wrong]})
        assert error.value.param == param
    too_many: Any = {"events": [used(customer.id, "1")] * 101}
    with pytest.raises(stripe.InvalidRequestError, match="100"):
        stream.meter_event_stream.create(too_many)
    with pytest.raises(stripe.InvalidRequestError, match="events"):
        stream.meter_event_stream.create({"events": []})
    assert total(client, meter, customer.id) == 0


def test_a_token_is_for_streams_alone(client: Client, tenant: Tenant) -> None:
    token = open_session(client).authentication_token
    with pytest.raises(stripe.PermissionError):
        sdk(tenant.url, token).v1.customers.list()
    with pytest.raises(stripe.AuthenticationError):
        sdk(tenant.url, token[:-1] + ("0" if token[-1] != "0" else "1")).v1.customers.list()
    answer = httpx.get(
        f"{tenant.url}/api/v1/customers", headers={"authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 401
    viewer = sdk(tenant.url, tenant.test.viewer)
    with pytest.raises(stripe.PermissionError):
        open_session(viewer)


def test_a_token_lasts_15_minutes_and_ends_with_its_key(client: Client, tenant: Tenant) -> None:
    session = open_session(client)
    created, until = (
        datetime.fromisoformat(each) for each in (session.created, session.expires_at)
    )
    assert until - created == timedelta(minutes=15)
    stream = streaming(tenant, session.authentication_token).v2.billing.meter_event_stream
    with pytest.raises(stripe.InvalidRequestError):
        stream.create({"events": []})
    with tenant.client(tenant.test.admin) as native:
        gone = native.post(f"/keys/{tenant.test.editor.id}/revoke", json={})
        assert gone.is_success, gone.text
    with pytest.raises(stripe.AuthenticationError):
        until_refused(lambda: stream.create({"events": []}))


def until_refused(ask: Callable[[], object]) -> None:
    """A process may know a key for a few seconds after another has revoked it."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(stripe.InvalidRequestError):
            ask()
        time.sleep(0.1)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'{"events": 1}',
        b'{"events": [{"event_name": 1}]}',
        b'{"events": ' + b"[" * 400 + b"]" * 400 + b"}",
        b'{"events": "\xff"}',
    ],
)
@pytest.mark.parametrize("path", ["meter_events", "meter_event_stream", "meter_event_session"])
def test_a_body_that_is_none_is_refused(raw: httpx.Client, body: bytes, path: str) -> None:
    headers = {"content-type": "application/json"}
    answer = raw.post(f"/v2/billing/{path}", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"
