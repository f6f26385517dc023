"""One request for each endpoint, about something new, and what it is to be answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from tests.dialects.sequence import contract, contract_usage
from tests.dialects.sequence.support import CUSTOMER
from tests.dialects.sequence.world import POLICIES, Ask, World

DAYS = {"periodStart": "2026-01-01", "periodEnd": "2031-12-31"}
ADDRESS = {**CUSTOMER["address"], "line2": "Second floor", "state": "Greater London"}
#: A customer with everything that one can have.
WHOLE = CUSTOMER | {
    "address": ADDRESS,
    "label": "Acme",
    "url": "https://acme.example",
    "integrationIds": [{"service": "Xero", "id": "x-1"}],
}


def _get(path: str, record: type, **query: str) -> Ask:
    return Ask("GET", path, record, query=query)


def _create_customer(world: World) -> Ask:
    body = WHOLE | {"customerAliases": [world.new("acme")], "parentId": world.customer()}
    return Ask("POST", "/customers", contract.Customer, 201, body)


def _list_customers(world: World) -> Ask:
    world.customer()
    return _get("/customers", contract.Customers, limit="2")


def _update_customer(world: World) -> Ask:
    body = WHOLE | {"legalName": "Acme plc", "customerAliases": [world.new("acme")]}
    return Ask("PUT", f"/customers/{world.customer()}", contract.Customer, body=body)


def _list_aliases(world: World) -> Ask:
    world.alias()
    return _get("/customer-aliases", contract.Aliases, limit="2")


def _create_alias(world: World) -> Ask:
    body = {
        "customerId": world.customer(),
        "value": world.new("acme"),
        "label": "Their own id",
        "sequenceAccountId": world.account,
    }
    return Ask("POST", "/customer-aliases", contract.Alias, 201, body)


def _update_alias(world: World) -> Ask:
    made = world.alias()
    body = {"value": world.new("acme"), "customerId": made.customer_id, "label": "CRM ID"}
    return Ask("PUT", f"/customer-aliases/{made.id}", contract.Alias, body=body)


def _create_credit(world: World) -> Ask:
    body = world.credit_body(
        creditUnitType="METRIC",
        metricId=world.metric().id,
        amount=0.25,
        costOfCredit=25.5,
        effectiveDate="2030-01-01",
        expiryDate="2031-12-31",
        createInvoice=False,
        taxRateId="tax-20",
        sequenceAccountId=world.account,
    )
    return Ask("POST", "/credits", contract.Credit, 201, body)


def _list_credits(world: World) -> Ask:
    world.credit(expiryDate="2031-12-31", taxRateId="tax-20")
    return _get("/credits", contract.Grants, limit="2")


def _move_credit(world: World) -> Ask:
    body = world.transaction_body(reason="Refund", invoiceId="in-1", billingRunId="run-1")
    return Ask(
        "POST", "/credit-transactions", contract.Transaction, 201, body, headers=world.behalf
    )


def _balances(world: World) -> Ask:
    """In money and of a metric, used."""
    customer, metric = world.customer(), world.metric()
    world.credit(customerId=customer, amount=0.5)
    world.credit(customerId=customer, creditUnitType="METRIC", metricId=metric.id)
    properties = {"tokens": 0.25}
    world.event(customerAlias=customer, eventType=metric.event_type, eventProperties=properties)
    return _get(f"/credits/{customer}/balances", contract.Balances)


def _create_metric(world: World) -> Ask:
    body = world.metric_body(
        metricType="GROUPED",
        groupingProperty="region",
        unit="token",
        description="What calls took",
        propertyFilters={"region": ["eu", "us"], "beta": True},
        propertiesToNegate=["beta"],
        caseSensitive=False,
        deduction="ON_INVOICE",
        sequenceAccountId=world.account,
    )
    return Ask("POST", "/usage-metrics", contract_usage.Metric, 201, body)


def _list_metrics(world: World) -> Ask:
    world.metric()
    return _get("/usage-metrics", contract_usage.Metrics, limit="2")


def _calculate(world: World) -> Ask:
    metric, alias = world.metric(unit="token"), world.alias()
    for tokens in (0.1, 0.2):
        properties = {"tokens": tokens}
        world.event(
            customerAlias=alias.value, eventType=metric.event_type, eventProperties=properties
        )
    path = f"/usage-metrics/{metric.id}/calculate"
    return _get(path, contract_usage.Calculated, customerAliases=alias.value, **DAYS)


def _create_event(world: World) -> Ask:
    body = world.event_body(
        eventTimestamp="2026-01-31T12:00:00Z",
        eventProperties={"region": "eu", "tokens": 0.1, "beta": False},
        sequenceAccountId=world.account,
    )
    return Ask("POST", "/usage-events", contract_usage.Event, 201, body)


def _list_events(world: World) -> Ask:
    made = world.event()
    return _get("/usage-events", contract_usage.Events, customerAlias=made.customer_alias)


def _create_policy(world: World) -> Ask:
    body = world.policy_body(
        notificationTypes=["CUSTOMER_CREATED"],
        webhookSecret="0123456789abcdef",
        sequenceAccountId=world.account,
    )
    return Ask("POST", POLICIES, contract.Policy, 201, body)


def _list_policies(world: World) -> Ask:
    world.policy()
    return _get(POLICIES, contract.Policies, limit="2")


def _policy(world: World) -> str:
    """The path of one that can lose a type and a recipient."""
    made = world.policy(
        notificationTypes=["CUSTOMER_CREATED", "CUSTOMER_UPDATED"],
        recipients=["https://hooks.example.com/a?b=c", world.url()],
    )
    return f"{POLICIES}/{made.id}"


def _add_type(world: World) -> Ask:
    body = {"notificationTypes": ["CREDIT_GRANT_CREATED", "INVOICE_ISSUED"]}
    return Ask("POST", _policy(world) + "/notification-types", contract.Policy, body=body)


def _remove_type(world: World) -> Ask:
    path = f"{_policy(world)}/notification-types/CUSTOMER_CREATED"
    return Ask("DELETE", path, contract.Policy)


def _add_recipient(world: World) -> Ask:
    body = {"recipients": [world.url(), world.url()]}
    return Ask("POST", _policy(world) + "/recipients", contract.Policy, body=body)


def _remove_recipient(world: World) -> Ask:
    recipient = quote("https://hooks.example.com/a?b=c", safe="")
    return Ask("DELETE", f"{_policy(world)}/recipients/{recipient}", contract.Policy)


CALLS: Mapping[str, Callable[[World], Ask]] = {
    "POST /customers": _create_customer,
    "GET /customers": _list_customers,
    "GET /customers/{id}": lambda world: _get(
        f"/customers/{world.customer(**WHOLE)}", contract.Customer
    ),
    "GET /customers/by-alias/{alias}": lambda world: _get(
        f"/customers/by-alias/{world.alias().value}", contract.CustomerByAlias
    ),
    "PUT /customers/{id}": _update_customer,
    "POST /customers/{id}/archive": lambda world: Ask(
        "POST", f"/customers/{world.customer()}/archive", contract.Customer
    ),
    "GET /customers/{id}/aliases": lambda world: _get(
        f"/customers/{world.alias().customer_id}/aliases", contract.CustomersAliases
    ),
    "POST /customer-aliases": _create_alias,
    "GET /customer-aliases": _list_aliases,
    "PUT /customer-aliases/{id}": _update_alias,
    "DELETE /customer-aliases/{id}": lambda world: Ask(
        "DELETE", f"/customer-aliases/{world.alias().id}", contract.Alias
    ),
    "POST /credits": _create_credit,
    "GET /credits": _list_credits,
    "GET /credits/{id}": lambda world: _get(f"/credits/{world.credit().id}", contract.OneGrant),
    "GET /credits/{customerId}/grants": lambda world: _get(
        f"/credits/{world.credit().customer_id}/grants", contract.Items
    ),
    "GET /credits/{customerId}/balances": _balances,
    "POST /credit-transactions": _move_credit,
    "POST /usage-metrics": _create_metric,
    "GET /usage-metrics": _list_metrics,
    "GET /usage-metrics/{id}": lambda world: _get(
        f"/usage-metrics/{world.metric(unit='token').id}", contract_usage.Metric
    ),
    "PUT /usage-metrics/{id}": lambda world: Ask(
        "PUT",
        f"/usage-metrics/{world.metric().id}",
        contract_usage.Metric,
        body=world.metric_body(description="Anew"),
    ),
    "DELETE /usage-metrics/{id}": lambda world: Ask(
        "DELETE", f"/usage-metrics/{world.metric().id}", contract_usage.Metric
    ),
    "GET /usage-metrics/{id}/calculate": _calculate,
    "POST /usage-events": _create_event,
    "GET /usage-events": _list_events,
    "POST /notifications/policies": _create_policy,
    "GET /notifications/policies": _list_policies,
    "GET /notifications/policies/{id}": lambda world: _get(
        f"{POLICIES}/{world.policy().id}", contract.Policy
    ),
    "DELETE /notifications/policies/{id}": lambda world: Ask(
        "DELETE", f"{POLICIES}/{world.policy().id}", contract.Policy
    ),
    "POST /notifications/policies/{id}/notification-types": _add_type,
    "DELETE /notifications/policies/{id}/notification-types/{type}": _remove_type,
    "POST /notifications/policies/{id}/recipients": _add_recipient,
    "DELETE /notifications/policies/{id}/recipients/{recipient}": _remove_recipient,
}
