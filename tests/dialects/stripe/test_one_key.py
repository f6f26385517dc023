"""One idempotency key sent many times, at once or since answers were lost: what is asked is done once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import pytest
import stripe

from tests.dialects.stripe.conftest import METERED, sdk, usd
from tests.dialects.stripe.node import Node
from tests.dialects.stripe.official import FORMS
from tests.support.losing import losing
from tests.support.server import Server, Tenant
from tests.support.typescript import SdkError

TIMES = 20
IDEMPOTENCY = ("IdempotencyError", 400)


class Client(Protocol):
    """``asked`` are parameters of a grant. A refusal is told by the SDK's class and the status."""

    def create(self, asked: Any, key: str) -> Any: ...

    def void(self, grant: str, key: str) -> Any: ...

    def at_once(self, asked: Any, key: str) -> list[Any]:
        """What became of each of so many."""


class Python:
    def __init__(self, tenant: Tenant) -> None:
        self._grants = sdk(tenant.url, tenant.test.editor).v1.billing.credit_grants

    def create(self, asked: Any, key: str) -> Any:
        return self._told(lambda: self._grants.create(asked, {"idempotency_key": key}))

    def void(self, grant: str, key: str) -> Any:
        return self._told(lambda: self._grants.void_grant(grant, {}, {"idempotency_key": key}))

    def at_once(self, asked: Any, key: str) -> list[Any]:
        with ThreadPoolExecutor(TIMES) as pool:
            return list(pool.map(lambda _: self.create(asked, key), range(TIMES)))

    @staticmethod
    def _told(ask: Callable[[], stripe.billing.CreditGrant]) -> Any:
        try:
            return ask().to_dict()
        except stripe.StripeError as error:
            return type(error).__name__, error.http_status


class TypeScript:
    def __init__(self, node: Node) -> None:
        self._node = node

    def create(self, asked: Any, key: str) -> Any:
        return self._told("billing.creditGrants.create", asked, {"idempotencyKey": key})

    def void(self, grant: str, key: str) -> Any:
        return self._told("billing.creditGrants.voidGrant", grant, {}, {"idempotencyKey": key})

    def at_once(self, asked: Any, key: str) -> list[Any]:
        arguments = asked, {"idempotencyKey": key}
        return self._node.sdk.at_once("billing.creditGrants.create", *arguments, times=TIMES)

    def _told(self, name: str, *arguments: Any) -> Any:
        try:
            return self._node(name, *arguments)
        except SdkError as error:
            return error.name.removeprefix("Stripe"), error.status


@pytest.fixture(scope="module")
def here(server: Server) -> Tenant:
    return server.tenant()


@pytest.fixture(scope="module")
def node(here: Tenant) -> Iterator[Node]:
    with Node(here.url, here.test.editor.secret) as made:
        yield made


@pytest.fixture(params=FORMS)
def client(request: pytest.FixtureRequest, here: Tenant, node: Node) -> Client:
    return Python(here) if request.param == "python" else TypeScript(node)


@pytest.fixture
def customer(node: Node) -> str:
    made: str = node("customers.create", {"name": "Jenny"})["id"]
    return made


def granting(customer: str, **more: Any) -> Any:
    return {"customer": customer, "amount": usd(500), "applicability_config": METERED, **more}


def grants(node: Node, customer: str) -> list[Any]:
    return node.all("billing.creditGrants.list", {"customer": customer})


def test_so_many_at_once_grant_once(client: Client, node: Node, customer: str) -> None:
    """Each is answered with the same grant, and so is whoever comes later."""
    asked = granting(customer)
    answers = client.at_once(asked, customer)
    [made] = grants(node, customer)
    assert answers == [made] * TIMES
    assert client.create(asked, customer) == made


def test_a_key_of_so_many_is_of_what_they_asked(client: Client, node: Node, customer: str) -> None:
    """Refused are other parameters and another endpoint, and nothing is done."""
    made = client.at_once(granting(customer), customer)[0]
    assert client.create(granting(customer, name="other"), customer) == IDEMPOTENCY
    assert client.void(made["id"], customer) == IDEMPOTENCY
    assert grants(node, customer) == [made]


def test_of_different_requests_with_one_key_the_first_is_done(
    here: Tenant, node: Node, customer: str
) -> None:
    """At the same moment: one is, and every other is refused."""
    python = Python(here)
    asked = [granting(customer, name=f"grant {number}") for number in range(TIMES)]
    with ThreadPoolExecutor(TIMES) as pool:
        answers = list(pool.map(lambda each: python.create(each, customer), asked))
    [made] = [each for each in answers if each != IDEMPOTENCY]
    assert grants(node, customer) == [made]


def test_what_lost_its_answer_is_repeated_under_its_key(
    here: Tenant, node: Node, customer: str
) -> None:
    """By Python's SDK, which makes the key itself: twice lost, once arrived, done once."""
    with losing(here.url) as proxy:
        client = stripe.StripeClient(
            here.test.editor.secret, base_addresses={"api": proxy.url}, max_network_retries=2
        )
        proxy.lose(2)
        made = client.v1.billing.credit_grants.create(granting(customer)).to_dict()
    assert [each.status for each in proxy.asked] == [200, 200, 200]
    [key] = {each.key for each in proxy.asked}
    assert key is not None
    assert grants(node, customer) == [made]


def test_different_keys_are_different_requests(client: Client, node: Node, customer: str) -> None:
    made = [client.create(granting(customer), f"{customer}-{number}") for number in range(3)]
    assert grants(node, customer) == made[::-1]
