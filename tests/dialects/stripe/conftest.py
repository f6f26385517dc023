"""Stripe's own SDK, pointed at the shared server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import stripe

from tests.support.server import Key, Server, Tenant, start_server

MakeGrant = Callable[..., stripe.billing.CreditGrant]

METERED = {"scope": {"price_type": "metered"}}
SDK_VERSION = "2026-10-28.endive"


def sdk(url: str, key: Key | str) -> stripe.StripeClient:
    """The official client as an operator would make it, except that it never tries again by itself."""
    secret = key if isinstance(key, str) else key.secret
    return stripe.StripeClient(secret, base_addresses={"api": url}, max_network_retries=0)


def usd(value: int) -> dict[str, Any]:
    return {"type": "monetary", "monetary": {"currency": "usd", "value": value}}


def asked(customer: str, /, **parameters: Any) -> Any:
    """The parameters of a grant of 10.00 USD, but for what is given."""
    return {
        "customer": customer,
        "amount": usd(1000),
        "applicability_config": METERED,
        **parameters,
    }


@pytest.fixture
def client(tenant: Tenant) -> stripe.StripeClient:
    """The official client with the editor key of a fresh account's test book."""
    return sdk(tenant.url, tenant.test.editor)


@pytest.fixture
def customer(client: stripe.StripeClient) -> stripe.Customer:
    return client.v1.customers.create({"name": "Jenny Rosen", "email": "jenny@example.com"})


@pytest.fixture
def make_grant(client: stripe.StripeClient, customer: stripe.Customer) -> MakeGrant:
    """Makes a grant of 10.00 USD for the customer, but for what is given."""

    def make(**parameters: Any) -> stripe.billing.CreditGrant:
        return client.v1.billing.credit_grants.create(asked(customer.id, **parameters))

    return make


@pytest.fixture
def raw(tenant: Tenant) -> Iterator[httpx.Client]:
    """A plain HTTP client with the same key."""
    with tenant.client(base="") as opened:
        yield opened


@pytest.fixture(scope="session")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on SQLite, for what does not depend on the store: there one will do."""
    running = start_server(tmp_path_factory.mktemp("stripe"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def alone(one: Server) -> Tenant:
    """An account on it for the tests of one file."""
    return one.tenant()
