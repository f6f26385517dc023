"""How each refusal of the dialect's table is brought about, and in which words it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import quote

from drawdown.core import errors as core
from drawdown.dialects.sequence.errors import (
    AliasNotFound,
    NotAllowed,
    PolicyNotFound,
    TooManyUnmapped,
)
from drawdown.web.errors import BadRequest
from tests.dialects.sequence.calls import CALLS
from tests.dialects.sequence.world import NOTHING, POLICIES, Ask, World

Named = tuple[str, type[Exception]]


class Refusal(NamedTuple):
    """``message``: all of it, as a pattern. ``ask`` is given an account of its own."""

    ask: Callable[[World], Ask]
    type: str
    message: str
    status: int = 400


def _with(name: str, **change: Any) -> Callable[[World], Ask]:
    """The usual call, with something else in its body."""

    def asked(world: World) -> Ask:
        ask = CALLS[name](world)
        return replace(ask, body=(ask.body or {}) | change)

    return asked


def _archived(world: World) -> str:
    customer = world.customer()
    assert world.client.post(f"/customers/{customer}/archive").status_code == 200
    return customer


def _of_archived(name: str, field: str = "") -> Callable[[World], Ask]:
    """About one who is archived: in the body's field, or in the path."""

    def asked(world: World) -> Ask:
        customer = _archived(world)
        if not field:
            return replace(CALLS[name](world), path=f"/customers/{customer}")
        return _with(name, **{field: customer})(world)

    return asked


def _alias_of_archived(world: World) -> Ask:
    """To exchange it, naming him."""
    made = world.alias()
    world.client.post(f"/customers/{made.customer_id}/archive")
    body = {"value": world.new("other"), "customerId": made.customer_id}
    return Ask("PUT", f"/customer-aliases/{made.id}", None, body=body)


def _taken(name: str) -> Callable[[World], Ask]:
    return lambda world: _with(name, customerAliases=[world.alias().value])(world)


def _taken_value(name: str) -> Callable[[World], Ask]:
    return lambda world: _with(name, value=world.alias().value)(world)


def _of_deleted_metric(world: World) -> Ask:
    metric = world.metric().id
    world.client.delete(f"/usage-metrics/{metric}")
    return _with("POST /credits", metricId=metric)(world)


def _change_deleted_metric(world: World) -> Ask:
    metric = world.metric().id
    world.client.delete(f"/usage-metrics/{metric}")
    return Ask("PUT", f"/usage-metrics/{metric}", None, body=world.metric_body())


def _too_large(world: World) -> Ask:
    customer = world.customer()
    world.credit(customerId=customer, amount=9223372036)
    body = world.credit_body(customerId=customer, amount=1)
    return Ask("POST", "/credits", None, body=body)


def _moved(**more: Any) -> Callable[[World], Ask]:
    return _with("POST /credit-transactions", **more)


def _moved_of_archived(world: World) -> Ask:
    made = world.credit()
    world.client.post(f"/customers/{made.customer_id}/archive")
    return _moved(grantId=made.id)(world)


def _of_grant(status: str, **more: Any) -> Callable[[World], Ask]:
    """Of a grant that has come to its end, or has not begun."""

    def asked(world: World) -> Ask:
        if status == "pending":
            grant = world.credit(effectiveDate="2090-01-01").id
        else:
            grant = world.credit().id
            world.natively(f"/grants/{grant}/{status}")
        return _moved(grantId=grant, **more)(world)

    return asked


def _last(path: str, **more: Any) -> Callable[[World], Ask]:
    """To take the last of a policy from it."""

    def asked(world: World) -> Ask:
        made = world.policy(**more)
        [recipient] = made.recipients
        rest = path.format(recipient=quote(recipient, safe=""))
        return Ask("DELETE", f"{POLICIES}/{made.id}/{rest}", None)

    return asked


def _eleventh(world: World) -> Ask:
    made = world.policy(recipients=[world.url() for _ in range(10)])
    body = {"recipients": [world.url()]}
    return Ask("POST", f"{POLICIES}/{made.id}/recipients", None, body=body)


def _own_alias(method: str) -> Callable[[World], Ask]:
    """The id that a customer was made with elsewhere."""

    def asked(world: World) -> Ask:
        name = world.new("ada")
        world.natively("/customers", id=name)
        [own] = world.client.get(f"/customers/{name}/aliases").json()["items"]
        body = None if method == "DELETE" else {"value": world.new("other")}
        return Ask(method, f"/customer-aliases/{own['id']}", None, body=body)

    return asked


_INVALID, _STATE = "ValidationError", "InvalidState"
_ARCHIVED = "The customer is archived: it takes no credit grants and no usage."
_DELETED = "The metric is deleted: it takes no credit grants, and cannot be changed."
_OWN = "This alias is the id that the customer was made with: it stays."
_TAKEN = r"The alias '\S+' is taken: it names a customer."

#: What is named in a path and is not there: the error of each noun, and its words.
NOUNS: Mapping[type[Exception], str] = {
    core.CustomerNotFound: "There is no customer with this id or alias.",
    core.GrantNotFound: "There is no credit grant with this id.",
    core.EntitlementNotFound: "There is no metric with this id.",
    AliasNotFound: "There is no alias with this id.",
    PolicyNotFound: "There is no notification policy with this id, type or recipient.",
}

REFUSALS: Mapping[Named, Refusal] = {
    ("POST /customers", core.AlreadyExists): Refusal(_taken("POST /customers"), _INVALID, _TAKEN),
    ("PUT /customers/{id}", core.AlreadyExists): Refusal(
        _taken("PUT /customers/{id}"), _INVALID, _TAKEN
    ),
    ("PUT /customers/{id}", core.CustomerClosed): Refusal(
        _of_archived("PUT /customers/{id}"), _STATE, _ARCHIVED
    ),
    ("POST /customers/{id}/archive", BadRequest): Refusal(
        lambda world: replace(
            CALLS["POST /customers/{id}/archive"](world), headers={"Idempotency-Key": "x" * 256}
        ),
        _INVALID,
        "Idempotency-Key must be 1 to 255 printable characters.",
    ),
    ("POST /customer-aliases", core.AlreadyExists): Refusal(
        _taken_value("POST /customer-aliases"), _INVALID, _TAKEN
    ),
    ("POST /customer-aliases", core.CustomerClosed): Refusal(
        _of_archived("POST /customer-aliases", "customerId"), _STATE, _ARCHIVED
    ),
    ("PUT /customer-aliases/{id}", core.AlreadyExists): Refusal(
        _taken_value("PUT /customer-aliases/{id}"), _INVALID, _TAKEN
    ),
    ("PUT /customer-aliases/{id}", core.CustomerClosed): Refusal(
        _alias_of_archived, _STATE, _ARCHIVED
    ),
    ("PUT /customer-aliases/{id}", NotAllowed): Refusal(_own_alias("PUT"), _STATE, _OWN),
    ("DELETE /customer-aliases/{id}", NotAllowed): Refusal(_own_alias("DELETE"), _STATE, _OWN),
    ("POST /credits", core.AmountTooFine): Refusal(
        _with("POST /credits", amount=0.0000001),
        _INVALID,
        "amount must have at most 6 decimal places, as many as are kept of this credit.",
    ),
    ("POST /credits", core.AmountTooLarge): Refusal(
        _too_large,
        _INVALID,
        "amount would exceed the largest amount this entitlement can hold, 9223372036.854775807.",
    ),
    ("POST /credits", core.AmountNotPositive): Refusal(
        _with("POST /credits", amount=0), _INVALID, "amount must be greater than 0."
    ),
    ("POST /credits", core.ExpiryNotInFuture): Refusal(
        _with("POST /credits", effectiveDate=None, expiryDate="2020-01-01"),
        _INVALID,
        r"expiryDate must be today or later: .*",
    ),
    ("POST /credits", core.ExpiryBeforeEffective): Refusal(
        _with("POST /credits", effectiveDate="2031-02-01", expiryDate="2031-01-31"),
        _INVALID,
        "expiryDate must be the day of effectiveDate or later.",
    ),
    ("POST /credits", core.CustomerClosed): Refusal(
        _of_archived("POST /credits", "customerId"), _STATE, _ARCHIVED
    ),
    ("POST /credits", core.EntitlementClosed): Refusal(_of_deleted_metric, _STATE, _DELETED),
    ("POST /credit-transactions", core.InsufficientCredit): Refusal(
        _moved(amount="1000.5"), "InsufficientCredits", "1000.5 is needed, 1000 is available."
    ),
    ("POST /credit-transactions", core.AmountTooFine): Refusal(
        _moved(amount="0.0000000001"),
        _INVALID,
        "amount must have at most 9 decimal places, as many as are kept of this credit.",
    ),
    ("POST /credit-transactions", core.AmountTooLarge): Refusal(
        _moved(amount="9223372037"),
        _INVALID,
        "amount would exceed the largest amount this entitlement can hold, 9223372036.854775807.",
    ),
    ("POST /credit-transactions", core.AmountNotPositive): Refusal(
        _moved(amount="0"), _INVALID, "amount must be greater than 0."
    ),
    ("POST /credit-transactions", core.AdjustmentTooLarge): Refusal(
        _moved(type="CREDIT", amount="1"),
        _INVALID,
        "1 is more than was taken from this grant and can be put back, 0.",
    ),
    ("POST /credit-transactions", core.GrantExpired): Refusal(
        _of_grant("expire"), _STATE, "The grant has already expired."
    ),
    ("POST /credit-transactions", core.GrantVoided): Refusal(
        _of_grant("void", type="CREDIT"), _STATE, "The grant has already been voided."
    ),
    ("POST /credit-transactions", core.GrantPending): Refusal(
        _of_grant("pending"), _STATE, "The grant is not effective yet."
    ),
    ("POST /credit-transactions", core.CustomerClosed): Refusal(
        _moved_of_archived, _STATE, _ARCHIVED
    ),
    ("PUT /usage-metrics/{id}", core.EntitlementClosed): Refusal(
        _change_deleted_metric, _STATE, _DELETED
    ),
    ("POST /usage-events", core.CustomerClosed): Refusal(
        _of_archived("POST /usage-events", "customerAlias"), _STATE, _ARCHIVED
    ),
    ("POST /notifications/policies/{id}/recipients", NotAllowed): Refusal(
        _eleventh, _STATE, "A policy has at most 10 recipients."
    ),
    ("DELETE /notifications/policies/{id}/notification-types/{type}", NotAllowed): Refusal(
        _last("notification-types/CUSTOMER_CREATED", notificationTypes=["CUSTOMER_CREATED"]),
        _STATE,
        "A policy is told of something: delete it instead.",
    ),
    ("DELETE /notifications/policies/{id}/recipients/{recipient}", NotAllowed): Refusal(
        _last("recipients/{recipient}"),
        _STATE,
        "A policy has a recipient: delete it instead.",
    ),
}


# Where there is no more room: two of each ------------------------------------------------------------


def _third_metric(world: World) -> Ask:
    for _ in range(2):
        world.metric()
    return CALLS["POST /usage-metrics"](world)


def _last_definition(world: World) -> Ask:
    """Of two there may be twenty definitions ever."""
    world.metric()
    ask = Ask("PUT", f"/usage-metrics/{world.metric().id}", None)
    for _ in range(18):
        assert replace(ask, body=world.metric_body()).send(world.client).status_code == 200
    return replace(ask, body=world.metric_body())


def _third_grant(world: World) -> Ask:
    customer = world.customer()
    for _ in range(2):
        world.credit(customerId=customer)
    return Ask("POST", "/credits", None, body=world.credit_body(customerId=customer))


def _used(world: World, tokens: list[int], **more: Any) -> tuple[str, str]:
    """Who used so much in events of a metric, and the type of these."""
    customer, metric = world.customer(), world.metric(**more)
    for place, number in enumerate(tokens):
        world.event(
            customerAlias=customer,
            eventType=metric.event_type,
            customerEventId=f"e-{place}",
            eventProperties={"tokens": number, "region": f"r-{place}"},
        )
    return customer, metric.event_type


def _third_group(world: World) -> Ask:
    customer, kind = _used(world, [1, 1], metricType="GROUPED", groupingProperty="region")
    properties = {"tokens": 1, "region": "other"}
    body = {"customerAlias": customer, "eventType": kind, "eventProperties": properties}
    return Ask("POST", "/usage-events", None, body=body)


def _long_ago(world: World) -> Ask:
    """What was put back meanwhile makes it matter what was used before."""
    customer, kind = _used(world, [5, -1, 1, 1])
    body = {
        "customerAlias": customer,
        "eventType": kind,
        "customerEventId": "e-0",
        "eventProperties": {"tokens": 3},
    }
    return Ask("POST", "/usage-events", None, body=body)


def _third_waiting(world: World) -> Ask:
    for _ in range(2):
        world.event(customerAlias="nobody")
    return Ask("POST", "/usage-events", None, body=world.event_body(customerAlias="nobody"))


def _third_recipient(world: World) -> Ask:
    return Ask("POST", POLICIES, None, body=world.policy_body(recipients=_urls(world, 3)))


def _urls(world: World, count: int) -> list[str]:
    return [world.url() for _ in range(count)]


FULL: Mapping[Named, Refusal] = {
    ("POST /usage-metrics", core.TooManyMeters): Refusal(
        _third_metric, _STATE, "The book has reached the maximum of 2 meters."
    ),
    ("PUT /usage-metrics/{id}", core.TooManyMeters): Refusal(
        _last_definition, _STATE, "The book has reached the maximum of 20 meters, with closed ones."
    ),
    ("POST /credits", core.TooManyGrants): Refusal(
        _third_grant, _STATE, "The customer has reached the maximum of 2 open grants."
    ),
    ("POST /usage-events", core.TooManyCounts): Refusal(
        _third_group, _STATE, "The customer's usage is counted by 2 different groups already: .*"
    ),
    ("POST /usage-events", core.TooManyEvents): Refusal(
        _long_ago, _STATE, "The event 'e-0' cannot be overridden: .* the latest 2 events .*"
    ),
    ("POST /usage-events", TooManyUnmapped): Refusal(
        _third_waiting, _STATE, "2 events wait for aliases that no customer has: the maximum. .*"
    ),
    ("POST /notifications/policies", NotAllowed): Refusal(
        _third_recipient, _STATE, "There are at most .* recipients in all: remove one."
    ),
}


def nothing(path: str) -> str:
    """The path with ids that nothing has."""
    found = path.replace("{type}", "CUSTOMER_CREATED").replace("{recipient}", "x")
    for name in ("{id}", "{customerId}", "{alias}"):
        found = found.replace(name, NOTHING)
    return found
