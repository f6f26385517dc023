"""Every endpoint through stripe-node over a socket, and how that SDK tells refusals and repeats what is lost.

The dialect's own table says what there is to drive, so that an endpoint which no call drives fails. Every
answer is held to the SDK's own declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from drawdown.core.types import MICROSECONDS, Instant
from drawdown.dialects.stripe import errors
from drawdown.dialects.stripe.dialect import StripeDialect
from drawdown.web.endpoints import Endpoint
from drawdown.web.errors import Unavailable
from tests.dialects.stripe.conftest import METERED, usd
from tests.dialects.stripe.node import START, Node, World
from tests.dialects.stripe.node_calls import CALLS
from tests.support.clocked_server import clocked_server
from tests.support.losing import Losing, losing
from tests.support.receiver import answering, listening
from tests.support.server import Tenant
from tests.support.typescript import FOLDER, SdkError

ENDPOINTS = StripeDialect().endpoints


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


@pytest.fixture(scope="module")
def here(alone: Tenant) -> Tenant:
    """What the SDK makes of the answers does not depend on the store."""
    return alone


@pytest.fixture(scope="module")
def node(here: Tenant) -> Iterator[Node]:
    with Node(here.url, here.test.editor.secret) as made:
        yield made


@pytest.fixture(scope="module")
def world(node: Node) -> World:
    return World(node)


def test_there_is_a_call_for_each_endpoint_and_no_other() -> None:
    assert set(CALLS) == {name_of(each) for each in ENDPOINTS}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_it_does_what_it_is_for(endpoint: Endpoint, node: Node, world: World) -> None:
    """And the request that the SDK sent for it is this endpoint's."""
    before = len(node.sent)
    CALLS[name_of(endpoint)](node, world)
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(endpoint.path))
    paths = [
        url.partition("?")[0] for method, url in node.sent[before:] if method == endpoint.method
    ]
    assert any(re.fullmatch(pattern, each) for each in paths)


def test_whatever_has_happened_is_told_as_the_sdk_declares_it(node: Node, world: World) -> None:
    """Each event of all that the other tests did; of a grant at least."""
    grant = world.grant(world.customer())
    world.wait_for_event("billing.credit_grant.created", grant["id"])
    kinds = {each["type"] for each in node.all("events.list", {"limit": 100})}
    assert {"customer.created", "billing.credit_balance_transaction.created"} <= kinds
    declared = (FOLDER / "node_modules/stripe/esm/resources/Events.d.ts").read_text("utf-8")
    assert [each for each in kinds if f"type: '{each}';" not in declared] == []


# What is refused ------------------------------------------------------------------------------------


class Told(NamedTuple):
    """``kind`` is the SDK's own word for the class."""

    kind: str
    status: int
    code: str | None = None
    param: str | None = None


GRANTS = "billing.creditGrants"
MISSING = "credgr_test_" + "1" * 22
REFUSALS: dict[str, tuple[Told, str, list[Any]]] = {
    "a parameter that is missing": (
        Told("StripeInvalidRequestError", 400, "parameter_missing", "amount"),
        f"{GRANTS}.create",
        [{"customer": "cus_nobody"}],
    ),
    "a parameter that is unknown": (
        Told("StripeInvalidRequestError", 400, "parameter_unknown", "status"),
        f"{GRANTS}.list",
        [{"status": "active"}],
    ),
    "what is not there": (
        Told("StripeInvalidRequestError", 404, "resource_missing", "id"),
        f"{GRANTS}.retrieve",
        [MISSING],
    ),
    "a page that cannot be": (
        Told("StripeInvalidRequestError", 400, "parameter_invalid_integer", "limit"),
        "customers.list",
        [{"limit": 101}],
    ),
    "an address that is not here": (
        Told("StripeInvalidRequestError", 404),
        "paymentIntents.list",
        [],
    ),
    "a key that nobody has": (
        Told("StripeAuthenticationError", 401),
        "customers.list",
        [{}, {"apiKey": "sk_test_" + "1" * 40}],
    ),
    "a publishable key": (
        Told("StripeAuthenticationError", 401, "secret_key_required"),
        "customers.list",
        [{}, {"apiKey": "pk_test_1"}],
    ),
    "another account": (
        Told("StripePermissionError", 403, "account_invalid"),
        "customers.list",
        [{}, {"stripeAccount": "acct_" + "1" * 22}],
    ),
    "a key that cannot be kept": (
        Told("StripeIdempotencyError", 400),
        "customers.create",
        [{}, {"idempotencyKey": "k" * 256}],
    ),
}


def refused(node: Node, name: str, *arguments: Any) -> SdkError:
    with pytest.raises(SdkError) as caught:
        node(name, *arguments)
    return caught.value


def told(error: SdkError) -> Told:
    kind, param = error.told["type"], error.told.get("param")
    assert error.name == kind
    return Told(kind, error.status or 0, error.code, param)


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refusal_is_of_its_class(node: Node, what: str) -> None:
    """With the request's id in it, and told once: it is not tried again."""
    expected, name, arguments = REFUSALS[what]
    before = len(node.sent)
    error = refused(node, name, *arguments)
    assert told(error) == expected
    assert error.told["requestId"].startswith("req_")
    assert len(node.sent) == before + 1


def test_a_viewer_is_not_permitted_to_write(here: Tenant, node: Node) -> None:
    error = refused(node, "customers.create", {}, {"apiKey": here.test.viewer.secret})
    assert told(error) == Told("StripePermissionError", 403)


def test_a_used_key_is_refused_to_anything_else(node: Node, world: World) -> None:
    """Other parameters, and another endpoint; the same again is answered the same."""
    customer, key = world.customer(), {"idempotencyKey": world.name("order")}
    asked = {"customer": customer, "amount": usd(5), "applicability_config": METERED}
    made = node(f"{GRANTS}.create", asked, key)
    expected = Told("StripeIdempotencyError", 400)
    assert told(refused(node, f"{GRANTS}.create", asked | {"name": "x"}, key)) == expected
    assert told(refused(node, "customers.create", asked, key)) == expected
    assert told(refused(node, f"{GRANTS}.voidGrant", made["id"], {}, key)) == expected
    assert node(f"{GRANTS}.create", asked, key) == made
    assert [each["id"] for each in node.all(f"{GRANTS}.list", {"customer": customer})] == [
        made["id"]
    ]


def test_one_request_too_many_is_told_as_such(tmp_path: Path) -> None:
    database, now = f"sqlite:///{tmp_path / 'ledger.db'}", Instant(START * MICROSECONDS)
    with (
        clocked_server(database, now, rate_limit_per_second=1) as limited,
        Node(limited.url, limited.secret) as node,
    ):
        assert node("customers.list")["data"] == []
        error = refused(node, "customers.list")
    assert told(error) == Told("StripeRateLimitError", 429, "rate_limit")


def test_a_session_that_is_over_is_told_by_a_class_of_its_own(tmp_path: Path) -> None:
    """A quarter of an hour after it was opened, to the second."""
    database, now = f"sqlite:///{tmp_path / 'ledger.db'}", Instant(START * MICROSECONDS)
    with clocked_server(database, now) as clocked, Node(clocked.url, clocked.secret) as node:
        session = node("v2.billing.meterEventSession.create")
        assert session["expires_at"] == "2030-01-01T00:15:00.000Z"
        stream: tuple[str, Any] = ("v2.billing.meterEventStream.create", {"events": []})
        options = {"apiKey": session["authentication_token"]}
        clocked.clock.instant = Instant((START + 15 * 60 - 1) * MICROSECONDS)
        assert told(refused(node, *stream, options)).kind == "StripeInvalidRequestError"
        clocked.clock.instant = Instant((START + 15 * 60) * MICROSECONDS)
        assert told(refused(node, *stream, options)) == Told("TemporarySessionExpiredError", 401)


# What is lost ---------------------------------------------------------------------------------------


def test_a_fault_of_the_server_is_an_api_error() -> None:
    """Tried again as often as is allowed, since that is what the answer says."""
    answer = errors.answer(Unavailable(), "req_1")
    headers = ("content-type: application/json", "stripe-should-retry: true")
    with listening(answering(answer.status, answer.body, *headers)) as there:
        with Node(there.url, "sk_test_x", maxNetworkRetries=1) as node:
            error = refused(node, "customers.create", {"name": "Ann"})
        assert told(error) == Told("StripeAPIError", 503)
        first, second = there.wait(2)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.fixture(scope="module")
def lossy(here: Tenant) -> Iterator[Losing]:
    with losing(here.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def insisting(here: Tenant, lossy: Losing) -> Iterator[Node]:
    """An SDK that tries again, twice at the most, and whose answers may be lost."""
    with Node(lossy.url, here.test.editor.secret, maxNetworkRetries=2) as made:
        yield made


def test_what_lost_its_answer_is_repeated_and_done_once(
    insisting: Node, lossy: Losing, node: Node, world: World
) -> None:
    """With the same key, twice lost and once arrived."""
    customer = world.customer()
    asked = {"customer": customer, "amount": usd(5), "applicability_config": METERED}
    lossy.lose(2)
    made = insisting(f"{GRANTS}.create", asked)
    assert [each.status for each in lossy.asked] == [200, 200, 200]
    [key] = {each.key for each in lossy.asked}
    assert key is not None
    found = node.all(f"{GRANTS}.list", {"customer": customer})
    assert found == [made]


def test_usage_that_lost_its_answer_counts_once(
    insisting: Node, lossy: Losing, node: Node, world: World
) -> None:
    """In the first version and in the second; its SDK makes no identifier for it."""
    customer, meter = world.customer(), world.meter()
    payload = {"stripe_customer_id": customer, "value": "3"}
    for name in ("billing.meterEvents.create", "v2.billing.meterEvents.create"):
        lossy.lose(1)
        insisting(name, {"event_name": meter["event_name"], "payload": payload})
        assert [each.status for each in lossy.asked] == [200, 200]
    asked = {"customer": customer, "start_time": 1_700_000_040, "end_time": 4_000_000_020}
    [counted] = node("billing.meters.listEventSummaries", meter["id"], asked)["data"]
    assert counted["aggregated_value"] == 6


def test_whatever_is_made_is_made_once(
    insisting: Node, lossy: Losing, node: Node, world: World
) -> None:
    """Also what is no credit: a subscription with its first invoice, and a webhook endpoint."""
    customer, price = world.customer(), world.price()
    before = len(node.all("webhookEndpoints.list"))
    asked = {"customer": customer, "items": [{"price": price["id"]}]}
    endpoint = {"url": "https://hooks.example.com/lost", "enabled_events": ["*"]}
    for name, given in (("subscriptions.create", asked), ("webhookEndpoints.create", endpoint)):
        lossy.lose(1)
        insisting(name, given)
        assert [each.status for each in lossy.asked] == [200, 200]
    assert len(node.all("subscriptions.list", {"customer": customer})) == 1
    assert len(node.all("invoices.list", {"customer": customer})) == 1
    assert len(node.all("webhookEndpoints.list")) == before + 1


def test_what_is_read_or_deleted_again_is_answered_again(
    insisting: Node, lossy: Losing, node: Node, world: World
) -> None:
    """A deletion has no key. Of a customer it is answered alike; a product is gone by then."""
    customer, product = world.customer(), world.product()["id"]
    lossy.lose(1)
    assert insisting("customers.retrieve", customer)["id"] == customer
    lossy.lose(1)
    assert insisting("customers.del", customer)["deleted"] is True
    assert {each.key for each in lossy.asked} == {None}
    lossy.lose(1)
    error = refused(insisting, "products.del", product)
    assert told(error) == Told("StripeInvalidRequestError", 404, "resource_missing", "id")
    assert [each.status for each in lossy.asked] == [200, 404]
