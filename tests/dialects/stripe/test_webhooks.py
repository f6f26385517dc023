"""Events and webhook endpoints through the vendor's SDKs, and deliveries that both of them verify."""

from __future__ import annotations

import socket
import time
from typing import Any, get_args

import pytest
import stripe
from stripe.params import WebhookEndpointCreateParams

from drawdown.dialects.stripe.webhooks.events import FORMAT
from drawdown.dialects.stripe.webhooks.types import EVENT_TYPES
from tests.conftest import StartServer
from tests.dialects.stripe.conftest import SDK_VERSION, asked, sdk, usd
from tests.dialects.stripe.test_billing import HOUR, START, Stage
from tests.dialects.stripe.test_catalog import make_meter, make_price, refused
from tests.support.receiver import Received, listening
from tests.support.server import Tenant
from tests.support.typescript import Sdk

Client = stripe.StripeClient
URL = "https://hooks.example.com/stripe"


def make(client: Client, **more: Any) -> stripe.WebhookEndpoint:
    given: Any = {"url": URL, "enabled_events": ["*"], **more}
    return client.v1.webhook_endpoints.create(given)


class Told:
    """An event as it was written."""

    def __init__(self, event: stripe.Event) -> None:
        self.whole = event.to_dict()
        self.id, self.type, self.created = event.id, event.type, event.created
        self.object: dict[str, Any] = self.whole["data"]["object"]
        self.previous: dict[str, Any] | None = self.whole["data"].get("previous_attributes")


def events(client: Client, count: int, **filters: Any) -> list[Told]:
    """Oldest first, once there are so many."""
    until = time.monotonic() + 60
    while True:
        found = client.v1.events.list({"limit": 100, **filters})  # type: ignore[arg-type]
        if len(found.data) >= count or time.monotonic() > until:
            assert len(found.data) == count, [each.type for each in found.data]
            return [Told(each) for each in reversed(found.data)]
        time.sleep(0.1)


def test_an_endpoint_is_made_read_changed_and_deleted(client: Client) -> None:
    made = make(
        client,
        enabled_events=["invoice.paid", "charge.succeeded"],
        description="Ours",
        metadata={"team": "billing"},
        api_version=SDK_VERSION,
    )
    assert made.id.startswith("we_")
    assert made.secret is not None
    assert made.secret.startswith("whsec_")
    assert (made.status, made.livemode, made.url) == ("enabled", False, URL)
    assert made.enabled_events == ["invoice.paid", "charge.succeeded"]
    found = client.v1.webhook_endpoints.retrieve(made.id)
    assert "secret" not in found
    assert found.to_dict() == {
        key: value for key, value in made.to_dict().items() if key != "secret"
    }
    changed = client.v1.webhook_endpoints.update(
        made.id,
        {
            "disabled": True,
            "url": URL + "/2",
            "metadata": {"team": "", "b": "2"},
            "description": "",
        },
    )
    assert (changed.status, changed.url, changed.description) == ("disabled", URL + "/2", None)
    assert changed.metadata.to_dict() == {"b": "2"}
    again = client.v1.webhook_endpoints.update(
        made.id, {"disabled": False, "enabled_events": ["*"]}
    )
    assert (again.status, again.enabled_events) == ("enabled", ["*"])
    other = make(client)
    listed = client.v1.webhook_endpoints.list({"limit": 1})
    assert [each.id for each in listed.auto_paging_iter()] == [other.id, made.id]
    gone = client.v1.webhook_endpoints.delete(made.id)
    assert (gone.id, gone.deleted) == (made.id, True)
    refused(
        lambda: client.v1.webhook_endpoints.retrieve(made.id), param="id", code="resource_missing"
    )


def test_a_used_key_answers_the_endpoint_that_it_made(client: Client) -> None:
    given: Any = {"url": URL, "enabled_events": ["*"]}
    first = client.v1.webhook_endpoints.create(given, {"idempotency_key": "one"})
    again = client.v1.webhook_endpoints.create(given, {"idempotency_key": "one"})
    assert again.to_dict() == first.to_dict()
    assert again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    given["description"] = "another"
    with pytest.raises(stripe.IdempotencyError):
        client.v1.webhook_endpoints.create(given, {"idempotency_key": "one"})


def test_there_are_at_most_16_endpoints(client: Client) -> None:
    for _ in range(16):
        make(client)
    assert "16" in refused(lambda: make(client), param=None)


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"url": "https://127.0.0.1/"}, "url", "url_invalid"),
        ({"url": "ftp://example.com"}, "url", "url_invalid"),
        ({"enabled_events": ["invoice.lost"]}, "enabled_events[0]", None),
        ({"enabled_events": []}, "enabled_events", "parameter_missing"),
        ({"api_version": "newest"}, "api_version", None),
        ({"connect": True}, "connect", None),
        ({"nonsense": "1"}, "nonsense", "parameter_unknown"),
    ],
)
def test_what_cannot_be_is_refused_by_its_parameter(
    client: Client, given: dict[str, Any], param: str, code: str | None
) -> None:
    refused(lambda: make(client, **given), param=param, code=code)
    assert client.v1.webhook_endpoints.list().data == []


def test_the_types_are_the_vendors() -> None:
    named = get_args(get_args(WebhookEndpointCreateParams.__annotations__["enabled_events"])[0])
    assert set(named) == EVENT_TYPES | {"*"}
    assert set(FORMAT.types) <= EVENT_TYPES


# Events ----------------------------------------------------------------------------------------------


def test_what_is_changed_is_told_with_what_it_was(client: Client, customer: Any) -> None:
    product = client.v1.products.create({"name": "Search"})
    client.v1.products.update(product.id, {"name": "Find", "metadata": {"a": "1"}})
    client.v1.products.delete(product.id)
    client.v1.customers.update(customer.id, {"name": "Ann"})
    client.v1.customers.delete(customer.id)
    told = events(client, 6)
    assert [each.type for each in told] == [
        "customer.created",
        "product.created",
        "product.updated",
        "product.deleted",
        "customer.updated",
        "customer.deleted",
    ]
    assert told[0].object["id"] == customer.id
    assert told[1].object == product.to_dict()
    assert told[1].previous is None
    assert told[2].previous == {"metadata": {"a": None}, "name": "Search"}
    assert told[2].object["name"] == "Find"
    assert told[4].previous == {"name": "Jenny Rosen"}
    for each in told:
        assert (each.whole["object"], each.whole["livemode"]) == ("event", False)
        assert each.whole["api_version"] == SDK_VERSION
        assert client.v1.events.retrieve(each.id).to_dict() == each.whole


def test_prices_and_meters_are_told(client: Client) -> None:
    meter = make_meter(client)
    client.v1.billing.meters.update(meter.id, {"display_name": "Finds"})
    client.v1.billing.meters.deactivate(meter.id)
    client.v1.billing.meters.reactivate(meter.id)
    price = make_price(client, meter.id)
    client.v1.prices.update(price.id, {"nickname": "n"})
    told = {each.type: each for each in events(client, 7)}
    assert told["billing.meter.created"].object == meter.to_dict()
    renamed = told["billing.meter.updated"]
    assert renamed.previous == {"display_name": "Searches"}
    assert told["billing.meter.deactivated"].object["status"] == "inactive"
    assert told["billing.meter.reactivated"].object["status"] == "active"
    assert told["price.created"].object == price.to_dict()
    assert told["price.updated"].previous == {"nickname": None}
    assert "product.created" in told


def test_a_grant_is_told_as_it_was_then(client: Client, customer: Any, make_grant: Any) -> None:
    end = int(time.time()) + 86_400
    grant = make_grant(metadata={"a": "1"}, expires_at=end)
    client.v1.billing.credit_grants.update(grant.id, {"expires_at": end + 60})
    client.v1.billing.credit_grants.expire(grant.id)
    other = make_grant()
    client.v1.billing.credit_grants.void_grant(other.id)
    told = events(client, 9, type="billing.*")
    kinds = [each.type.removeprefix("billing.") for each in told]
    assert kinds == [
        "credit_grant.created",
        "credit_balance_transaction.created",
        "credit_grant.updated",
        "credit_grant.updated",
        "credit_balance_transaction.created",
        "credit_grant.created",
        "credit_balance_transaction.created",
        "credit_grant.updated",
        "credit_balance_transaction.created",
    ]
    assert told[0].object == grant.to_dict()
    assert told[2].previous == {"expires_at": end}
    assert told[2].object["expires_at"] == end + 60
    assert told[3].previous == {"expires_at": end + 60}
    assert told[7].previous == {"voided_at": None}
    shown = client.v1.billing.credit_balance_transactions.list({"customer": customer.id})
    sent = [each.object for each in told if "transaction" in each.type]
    assert sorted(each["id"] for each in sent) == sorted(each.id for each in shown.data)
    by_id = {each.id: each.to_dict() for each in shown.data}
    assert [each for each in sent if each != by_id[each["id"]]] == []


def test_a_customer_is_told_as_he_was_then_whatever_was_changed_later(client: Client) -> None:
    made = client.v1.customers.create({"name": "Ann", "metadata": {"a": "1"}, "phone": "1"})
    first = client.v1.customers.update(made.id, {"metadata": {"b": "2"}})
    second = client.v1.customers.update(made.id, {"name": "Bea", "metadata": {"a": ""}})
    third = client.v1.customers.update(made.id, {"phone": "2", "email": "bea@example.com"})
    client.v1.customers.delete(made.id)
    told = events(client, 5)
    assert [each.object for each in told[:4]] == [
        each.to_dict() for each in (made, first, second, third)
    ]
    assert [each.previous for each in told[1:4]] == [
        {"metadata": {"b": None}},
        {"metadata": {"a": "1"}, "name": "Ann"},
        {"email": None, "phone": "1"},
    ]
    assert (told[4].object["name"], told[4].object["phone"]) == ("Bea", "2")


def test_a_grant_is_told_as_it_was_then_whatever_was_changed_later(client: Client) -> None:
    """All at one instant of a test clock, too."""
    grants = client.v1.billing.credit_grants
    for clock in (None, client.v1.test_helpers.test_clocks.create({"frozen_time": START}).id):
        given: Any = {"name": "Ann"} | ({} if clock is None else {"test_clock": clock})
        customer = client.v1.customers.create(given)
        end = START + 86_400
        more: Any = {"metadata": {"a": "1"}, "expires_at": end}
        shown = [grants.create(asked(customer.id, **more))]
        for change in (
            {"metadata": {"b": "2"}},
            {"expires_at": end + 60},
            {"expires_at": "", "metadata": {"a": ""}},
        ):
            shown.append(grants.update(shown[0].id, change))  # type: ignore[arg-type]
        until = time.monotonic() + 60
        told: list[Told] = []
        while len(told) < 4 and time.monotonic() < until:
            every = client.v1.events.list({"type": "billing.credit_grant.*", "limit": 100})
            told = [each for each in map(Told, every.data) if each.object["id"] == shown[0].id]
        assert [each.object for each in told[::-1]] == [each.to_dict() for each in shown]
        assert [each.previous for each in told[::-1]][1:] == [
            {"metadata": {"b": None}},
            {"expires_at": end},
            {"expires_at": end + 60, "metadata": {"a": "1"}},
        ]


def request_of(event: Told) -> tuple[str | None, str | None]:
    said = event.whole["request"]
    return said["id"], said["idempotency_key"]


def test_an_event_names_the_request_that_did_it(client: Client) -> None:
    """Each of an operation's; of what was asked for without a key its id alone."""
    customer = client.v1.customers.create({"name": "Ann"}, {"idempotency_key": "first"})
    again = client.v1.customers.create({"name": "Ann"}, {"idempotency_key": "first"})
    assert (again.id, customer.last_response is None) == (customer.id, False)
    grant = client.v1.billing.credit_grants.create(asked(customer.id), {"idempotency_key": "g"})
    product = client.v1.products.create({"name": "Search"}, {"idempotency_key": "p"})
    client.v1.products.delete(product.id)
    gone = client.v1.customers.delete(customer.id)
    told = events(client, 6)
    made, given, sold = (
        (each.last_response.request_id, key)
        for each, key in ((customer, "first"), (grant, "g"), (product, "p"))
        if each.last_response is not None
    )
    assert [request_of(each) for each in told[:4]] == [made, given, given, sold]
    assert [each.type for each in told[4:]] == ["product.deleted", "customer.deleted"]
    assert [key for _, key in map(request_of, told[4:])] == [None, None]
    assert gone.last_response is not None
    assert request_of(told[5])[0] == gone.last_response.request_id


def test_what_no_request_did_names_none(client: Client, tenant: Tenant) -> None:
    """Time does it, or another dialect; what comes of a deleted customer's subscription is the deletion's."""
    stage = Stage(client)
    stage.grant(10)
    stage.subscribe()
    stage.use(1)
    stage.advance(START + 31 * 86_400 + HOUR)
    with tenant.client() as native:
        made = native.post("/customers", json={"name": "Bob"})
        assert made.status_code == 201, made.text
    client.v1.customers.delete(stage.customer.id)
    events(client, 1, type="customer.subscription.deleted")
    told = [Told(each) for each in client.v1.events.list({"limit": 100}).data]
    by_time = [each for each in told if each.created > START + 86_400 and "clock" not in each.type]
    played = [each for each in by_time if each.type.startswith(("invoice.", "billing."))]
    assert len(played) >= 4
    assert {request_of(each) for each in played} == {(None, None)}
    [bob] = [each for each in told if each.object.get("name") == "Bob"]
    assert request_of(bob) == (None, None)
    [ended] = [each for each in told if each.type == "customer.subscription.deleted"]
    [deleted] = [each for each in told if each.type == "customer.deleted"]
    assert request_of(ended) == request_of(deleted)
    assert request_of(ended)[0] is not None


def test_events_are_filtered_and_paged_both_ways(client: Client, customer: Any) -> None:
    for number in range(7):
        client.v1.customers.update(customer.id, {"name": f"N{number}"})
    every = events(client, 8)[::-1]
    names = [each.id for each in every]
    assert [each.id for each in client.v1.events.list({"limit": 3}).auto_paging_iter()] == names
    back = client.v1.events.list({"limit": 3, "ending_before": names[-1]})
    assert [each.id for each in back.data] == names[4:7]
    assert [each.id for each in back.auto_paging_iter()] == names[:7][::-1]
    one = client.v1.events.list({"types": ["customer.created", "customer.deleted"]})
    assert [each.type for each in one.data] == ["customer.created"]
    assert len(client.v1.events.list({"type": "customer.*", "limit": 100}).data) == 8
    assert client.v1.events.list({"type": "product.*"}).data == []
    twenty = ["customer.updated", *(f"customer.n{number}" for number in range(19))]
    assert len(client.v1.events.list({"types": twenty, "limit": 100}).data) == 7
    first, last = every[-1].created, every[0].created
    for bounds, count in (
        ({"gte": first, "lte": last}, 8),
        ({"gt": last}, 0),
        ({"lt": first}, 0),
        ({"gt": first - 1, "lt": last + 1}, 8),
    ):
        within: Any = {"created": bounds, "limit": 100}
        assert len(client.v1.events.list(within).data) == count
    later = int(time.time()) + 60
    assert client.v1.events.list({"created": {"gte": later}}).data == []
    assert len(client.v1.events.list({"created": {"lt": later}, "limit": 100}).data) == 8
    assert len(client.v1.events.list({"delivery_success": True, "limit": 100}).data) == 8
    assert client.v1.events.list({"delivery_success": False}).data == []


def test_by_a_type_is_found_what_of_it_there_is(client: Client) -> None:
    """Operations that cannot have an event of it are passed over, and no others."""
    stage = Stage(client)
    stage.grant(150)
    subscription = stage.subscribe(collection_method="send_invoice", days_until_due=5)
    client.v1.billing.meters.update(stage.meter.id, {"display_name": "Finds"})
    client.v1.customers.update(stage.customer.id, {"name": "Ann"})
    stage.use(40)
    stage.advance(START + 45 * 86_400)
    client.v1.subscriptions.cancel(subscription.id)
    last = client.v1.products.create({"name": "Last"}).id
    events(client, 2, type="product.created")
    whole = client.v1.events.list({"limit": 100}).data
    assert Told(whole[0]).object["id"] == last
    kinds = {each.type for each in whole}
    assert len(kinds) > 16
    for kind in (*kinds, "invoice.*", "customer.*", "billing.*"):
        begins = kind.removesuffix("*")
        of_it = [each.id for each in whole if each.type.startswith(begins)]
        found = client.v1.events.list({"type": kind, "limit": 100})
        assert [each.id for each in found.data] == of_it


def test_hundreds_of_events_of_one_moment_are_paged_each_once(
    client: Client, customer: Any, make_grant: Any, tenant: Tenant
) -> None:
    """More than are read at a time, forwards and backwards."""
    make_grant()
    debits = [
        {
            "customer": customer.id,
            "entitlement": "usd",
            "amount": "0.01",
            "idempotency_key": f"d{number}",
        }
        for number in range(450)
    ]
    with tenant.client() as native:
        answer = native.post("/debits/batch", json={"debits": debits})
        assert answer.status_code == 200, answer.text
    client.v1.products.create({"name": "Last"})
    [last] = events(client, 1, type="product.created")
    every: Any = {"limit": 100}
    names = [each.id for each in client.v1.events.list(every).auto_paging_iter()]
    assert len(names) == len(set(names)) == 454
    assert names[0] == last.id
    back = client.v1.events.list({"limit": 100, "ending_before": names[-1]}).auto_paging_iter()
    assert [each.id for each in back] == names[-2::-1]
    [first] = client.v1.events.list({"type": "customer.created"}).data
    assert first.id == names[-1]


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"starting_after": "evt_unknown"}, "starting_after", "resource_missing"),
        ({"type": "customer.*", "types": ["invoice.paid"]}, "type", "parameters_exclusive"),
        ({"type": "cust*.created"}, "type", None),
        ({"types": ["a.b"] * 21}, "types", None),
        ({"created": {"after": 1}}, "created[after]", "parameter_unknown"),
        ({"limit": 101}, "limit", "parameter_invalid_integer"),
        ({"limit": 0}, "limit", "parameter_invalid_integer"),
        ({"expand": ["data.customer"]}, "expand[0]", None),
        ({"created": {"gt": "soon"}}, "created[gt]", "parameter_invalid_integer"),
    ],
)
def test_what_cannot_be_listed_is_refused(
    client: Client, given: Any, param: str, code: str | None
) -> None:
    refused(lambda: client.v1.events.list(given), param=param, code=code)


def test_an_event_of_another_book_is_not_found(
    client: Client, customer: Any, tenant: Tenant
) -> None:
    [event] = events(client, 1)
    live = sdk(tenant.url, tenant.live.editor)
    for name in (event.id, "evt_1"):
        refused(
            lambda name=name: live.v1.events.retrieve(name), param="id", code="resource_missing"
        )


def test_a_subscription_is_told_from_its_beginning_to_its_end(client: Client) -> None:
    stage = Stage(client)
    stage.grant(150)
    subscription = stage.subscribe()
    stage.use(40)
    month = START + 31 * 86_400
    stage.advance(month)
    stage.advance(month + HOUR)
    cycle = stage.invoices()[-1]
    client.v1.invoices.void_invoice(str(cycle.id))
    client.v1.subscriptions.cancel(subscription.id)
    events(client, 1, type="customer.subscription.deleted")
    told = [Told(each) for each in client.v1.events.list({"limit": 100}).auto_paging_iter()][::-1]
    kinds = [each.type for each in told]
    assert kinds.count("invoice.created") == 2
    assert [each for each in kinds if each.startswith("test_helpers")] == [
        "test_helpers.test_clock.created",
        *("test_helpers.test_clock.advancing", "test_helpers.test_clock.ready") * 2,
    ]
    final = next(
        each for each in told if each.type == "invoice.finalized" and each.object["id"] == cycle.id
    )
    assert final.created == month + HOUR
    assert (final.object["status"], final.object["total"]) == ("open", 50)
    [applied] = [
        each.object
        for each in told
        if each.type.endswith("transaction.created")
        and (each.object["debit"] or {}).get("type") == "credits_applied"
    ]
    assert applied["debit"]["credits_applied"]["invoice"] == cycle.id
    [back] = [
        each.object
        for each in told
        if each.type.endswith("transaction.created")
        and (each.object["credit"] or {}).get("type") == "credits_application_invoice_voided"
    ]
    place = back["credit"]["credits_application_invoice_voided"]
    assert (place["invoice"], back["credit"]["amount"]["monetary"]["value"]) == (cycle.id, 150)
    assert "invoice.voided" in kinds
    [ended] = [each for each in told if each.type == "customer.subscription.deleted"]
    assert ended.previous is not None
    assert ended.previous["status"] == "active"
    assert ended.object["status"] == "canceled"
    assert set(kinds) <= set(FORMAT.types)
    assert len({each.id for each in told}) == len(told)


# Delivered -------------------------------------------------------------------------------------------


@pytest.fixture
def delivering(database_url: str, serve: StartServer) -> Tenant:
    return serve(database=database_url, webhooks_allow_private="1").tenant()


def verified(secret: str, got: Received) -> stripe.Event:
    signature = got.headers["stripe-signature"]
    event: stripe.Event = stripe.Webhook.construct_event(got.body, signature, secret)
    return event


def test_both_sdks_verify_what_is_delivered(delivering: Tenant) -> None:
    client = sdk(delivering.url, delivering.test.editor)
    with listening() as there:
        made = make(client, url=there.url, enabled_events=["billing.credit_grant.created"])
        secret = made.secret
        assert secret is not None
        customer = client.v1.customers.create({"name": "Jenny"})
        grant = client.v1.billing.credit_grants.create(asked(customer.id, amount=usd(5)))
        [got] = there.wait(1)
    event = Told(verified(secret, got))
    assert (event.type, event.object) == ("billing.credit_grant.created", grant.to_dict())
    [kept] = events(client, 1, type="billing.credit_grant.created")
    assert kept.id == event.id
    with pytest.raises(stripe.SignatureVerificationError):
        verified(make(client).secret or "", got)
    with Sdk("stripe", key="sk_test_x") as node:
        body, signature = got.body.decode(), got.headers["stripe-signature"]
        for method in ("constructEvent", "constructEventAsync"):
            read = node.call(f"webhooks.{method}", body, signature, secret)
            assert (read["id"], read["data"]["object"]["id"]) == (event.id, grant.id)


def test_what_did_not_arrive_is_pending_and_listed_so(delivering: Tenant) -> None:
    """By each endpoint that asked for it; what nobody asked for is delivered to all of them."""
    client = sdk(delivering.url, delivering.test.editor)
    with listening() as there:
        make(client, url=there.url, enabled_events=["customer.created"])
        port = int(there.url.split(":")[2].split("/")[0])
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            nowhere = there.url.replace(str(port), str(closed.getsockname()[1]))
            failing = make(client, url=nowhere, enabled_events=["customer.created"])
            customer = client.v1.customers.create({"name": "Jenny"})
            client.v1.customers.update(customer.id, {"name": "Ann"})
            there.wait(1)
            told = {each.type: each for each in events(client, 2)}
            until = time.monotonic() + 60
            while time.monotonic() < until and pending(client, told["customer.created"]) != 1:
                time.sleep(0.1)
            assert pending(client, told["customer.created"]) == 1
            assert pending(client, told["customer.updated"]) == 0
    [missing] = client.v1.events.list({"delivery_success": False}).data
    [arrived] = client.v1.events.list({"delivery_success": True}).data
    assert (missing.type, arrived.type) == ("customer.created", "customer.updated")
    client.v1.webhook_endpoints.delete(failing.id)
    assert client.v1.events.list({"delivery_success": False}).data == []


def pending(client: Client, event: Told) -> int:
    return client.v1.events.retrieve(event.id).pending_webhooks


def test_while_a_secret_is_replaced_both_sign(delivering: Tenant) -> None:
    """The vendor's API has no way to do it; the native one has."""
    client = sdk(delivering.url, delivering.test.editor)
    with listening() as there:
        made = make(client, url=there.url, enabled_events=["customer.created"])
        with delivering.client() as native:
            rotated = native.post(f"/webhook-endpoints/{made.id}/rotate-secret", json={})
        assert rotated.status_code == 200, rotated.text
        client.v1.customers.create({"name": "Jenny"})
        count = 1  # what is sent before the server sees the change, within a second, comes again
        while (got := there.wait(count)[-1]).headers["stripe-signature"].count("v1=") != 2:
            count += 1
    secrets = (str(made.secret), rotated.json()["secret"])
    first, second = (verified(each, got) for each in secrets)
    assert first.id == second.id
    with Sdk("stripe", key="sk_test_x") as node:
        body, signature = got.body.decode(), got.headers["stripe-signature"]
        for secret in secrets:
            read = node.call("webhooks.constructEventAsync", body, signature, secret)
            assert read["id"] == first.id
