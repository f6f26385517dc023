"""Something of each kind to ask about, made when a test wants it; and how a request is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from drawdown.core import identity
from tests.dialects.sequence import contract, contract_usage
from tests.dialects.sequence.contract import read
from tests.dialects.sequence.support import CUSTOMER
from tests.support.server import Tenant

POLICIES = "/notifications/policies"
_NUMBERS = count()
NOTHING = "019b7e4c-5d2a-7c41-8f0e-3a5b6c7d8e9f"


@dataclass(frozen=True)
class Ask:
    """A request and what it is to be answered: a record of the contract, or None where nothing is said."""

    method: str
    path: str
    record: type[Any] | None
    status: int = 200
    body: dict[str, Any] | None = None
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, client: httpx.Client, **headers: str) -> httpx.Response:
        return client.request(
            self.method,
            self.path,
            json=self.body,
            params=self.query or None,
            headers=self.headers | {name.replace("_", "-"): headers[name] for name in headers},
        )

    def granted(self, client: httpx.Client) -> Any:
        """The answer, held to the contract."""
        answer = self.send(client)
        if self.record is not None:
            return read(answer, self.status, self.record)
        assert (answer.status_code, answer.content) == (self.status, b""), answer.text
        assert answer.headers["sequence-version"] == contract.VERSION
        return None


class World:
    """What a client makes, each by a name of its own."""

    def __init__(self, client: httpx.Client, tenant: Tenant) -> None:
        self.client = client
        self._tenant = tenant
        account = identity.parse(tenant.account)
        assert account is not None
        self.account = identity.spell_uuid(account)

    def natively(self, path: str, **body: Any) -> None:
        """Done by the native API, for what this dialect has no call for."""
        with self._tenant.client() as native:
            assert native.post(path, json=body).status_code in (200, 201)

    def new(self, what: str) -> str:
        return f"{what}-{next(_NUMBERS)}"

    def url(self) -> str:
        return f"https://hooks.example.com/{self.new('to')}"

    def made(self, path: str, record: type[Any], body: dict[str, Any]) -> Any:
        return Ask("POST", path, record, 201, body).granted(self.client)

    def customer(self, **more: Any) -> str:
        made: contract.Customer = self.made("/customers", contract.Customer, CUSTOMER | more)
        return made.id

    def alias(self, customer: str | None = None) -> contract.Alias:
        body = {"customerId": customer or self.customer(), "value": self.new("alias")}
        made: contract.Alias = self.made("/customer-aliases", contract.Alias, body)
        return made

    def credit_body(self, **more: Any) -> dict[str, Any]:
        body = {"name": "Launch", "creditUnitType": "CURRENCY", "currency": "USD", "amount": 1000}
        return (
            body | more if "customerId" in more else body | {"customerId": self.customer()} | more
        )

    def credit(self, **more: Any) -> contract.Credit:
        made: contract.Credit = self.made("/credits", contract.Credit, self.credit_body(**more))
        return made

    def transaction_body(self, **more: Any) -> dict[str, Any]:
        body = {"type": "DEBIT", "amount": "10"} | more
        return body if "grantId" in body else {"grantId": self.credit().id} | body

    @property
    def behalf(self) -> dict[str, str]:
        return {"On-Behalf-Of": self.account}

    def metric_body(self, **more: Any) -> dict[str, Any]:
        return (
            contract_usage.metric_body(name=self.new("metric"), eventType=self.new("call")) | more
        )

    def metric(self, **more: Any) -> contract_usage.Metric:
        body = self.metric_body(**more)
        made: contract_usage.Metric = self.made("/usage-metrics", contract_usage.Metric, body)
        return made

    def event_body(self, **more: Any) -> dict[str, Any]:
        body = {"eventType": "call", "customerEventId": self.new("event")} | more
        return body if "customerAlias" in body else {"customerAlias": self.customer()} | body

    def event(self, **more: Any) -> contract_usage.Event:
        body = self.event_body(**more)
        made: contract_usage.Event = self.made("/usage-events", contract_usage.Event, body)
        return made

    def policy_body(self, **more: Any) -> dict[str, Any]:
        return {"name": "Ours", "channel": "WEBHOOK", "recipients": [self.url()]} | more

    def policy(self, **more: Any) -> contract.Policy:
        made: contract.Policy = self.made(POLICIES, contract.Policy, self.policy_body(**more))
        return made
