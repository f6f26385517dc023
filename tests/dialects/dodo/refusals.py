"""Every refusal that the dialect's table names for an endpoint, brought about through an official SDK.

Each sends what its endpoint must refuse; ``TOLD`` says how.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from drawdown.core import errors as core
from drawdown.dialects.dodo import errors
from tests.dialects.dodo.official import Official
from tests.dialects.dodo.test_products import MONTHLY
from tests.dialects.dodo.world import (
    BALANCES,
    HOOK,
    MONEY,
    World,
    attached,
    metered,
    other_plan,
)

Ask = Callable[[Official, World], object]
_KIND = "/credit-entitlements/{credit_entitlement_id}"
_WALLET = f"{_KIND}/balances/{{customer_id}}"
_ONE = "/subscriptions/{subscription_id}"
_NO_CUSTOMER, _NO_KIND = core.CustomerNotFound, core.EntitlementNotFound
_NO_RECORD, _NOT_NOW = errors.RecordNotFound, errors.NotAllowedNow
_DELETED, _NO_METER = core.EntitlementClosed, core.MeterNotFound


class Refusal(NamedTuple):
    """``message``: the whole of what is said, as a pattern; None: as ``TOLD`` has it."""

    ask: Ask
    message: str | None = None


class Told(NamedTuple):
    """``error`` is the name of the SDK's class; ``message`` as in ``Refusal``."""

    error: str
    status: int
    code: str
    message: str | None = None


#: By endpoint, as in the dialect's own table, and the error that it names.
REFUSALS: dict[tuple[str, type[Exception]], Refusal] = {}
#: The same, of a server on which there may be two of everything: two meters and rates are there already.
FULL: dict[tuple[str, type[Exception]], Refusal] = {}


def _not_found(message: str) -> Told:
    return Told("NotFoundError", 404, "NOT_FOUND", message)


TOLD: dict[type[Exception], Told] = {
    _NO_CUSTOMER: _not_found("There is no customer with this id."),
    _NO_KIND: _not_found("There is no credit entitlement with this id."),
    _NO_RECORD: _not_found("There is no (product|subscription|webhook) with this id."),
    _NO_METER: _not_found("There is no meter with this id."),
    core.EventNotFound: _not_found("There is no usage event with this id."),
    _DELETED: Told(
        "APIError",
        410,
        "CREDIT_ENTITLEMENT_IS_DELETED",
        "The credit entitlement has already been deleted.",
    ),
    errors.MeterArchived: Told(
        "APIError", 410, "METER_IS_DELETED", "The meter is archived: unarchive it first."
    ),
    core.AlreadyExists: Told(
        "ConflictError",
        409,
        "CREDIT_ENTITLEMENT_NAME_ALREADY_EXISTS",
        r"A credit entitlement with this name already exists: Tokens \d+.",
    ),
    core.InsufficientCredit: Told(
        "BadRequestError",
        400,
        "INSUFFICIENT_CREDIT_BALANCE",
        "The debit takes 10.01, 10 is available.",
    ),
    core.KeyInUse: Told(
        "ConflictError",
        409,
        "IDEMPOTENCY_KEY_ALREADY_EXISTS",
        "Idempotency key already exists: once.",
    ),
    core.KeyReused: Told(
        "ConflictError",
        409,
        "IDEMPOTENCY_KEY_ALREADY_EXISTS",
        "The idempotency key 'once' was used before with another request.",
    ),
    core.FieldInvalid: Told("UnprocessableEntityError", 422, "INVALID_REQUEST_BODY"),
    errors.NotRestored: Told("InternalServerError", 500, "INTERNAL_SERVER_ERROR"),
    errors.InsufficientWalletFunds: Told(
        "BadRequestError",
        400,
        "INSUFFICIENT_WALLET_FUNDS",
        "The wallet has not enough money for that: put some in first.",
    ),
    _NOT_NOW: Told("BadRequestError", 400, "UNSUPPORTED_ACTION"),
    core.TooManyGrants: Told("BadRequestError", 400, "UNSUPPORTED_ACTION"),
    core.TooManySchedules: Told("BadRequestError", 400, "UNSUPPORTED_ACTION"),
    core.TooManyMeters: Told("BadRequestError", 400, "UNSUPPORTED_ACTION"),
    core.TooManyCounts: Told("BadRequestError", 400, "UNSUPPORTED_ACTION"),
    errors.EventRefused: Told("BadRequestError", 400, "INVALID_REQUEST_BODY"),
    errors.QueryConflict: Told("BadRequestError", 400, "INVALID_QUERY_PARAMS"),
    errors.QueryInvalid: Told("UnprocessableEntityError", 422, "INVALID_QUERY_PARAMS"),
    errors.ChangeWaits: Told(
        "ConflictError",
        409,
        "UNSUPPORTED_ACTION",
        "A change of plan is scheduled: cancel_scheduled_change_plan.",
    ),
}


def refusal(
    endpoint: str, error: type[Exception], message: str | None = None, *, full: bool = False
) -> Callable[[Ask], Ask]:
    def kept(ask: Ask) -> Ask:
        if full:
            FULL[endpoint, error] = Refusal(ask, message)
        else:
            _keep(endpoint, error, ask, message)
        return ask

    return kept


def _keep(endpoint: str, error: type[Exception], ask: Ask, message: str | None = None) -> None:
    assert (endpoint, error) not in REFUSALS, endpoint
    REFUSALS[endpoint, error] = Refusal(ask, message)


def _unknown(
    endpoint: str, error: type[Exception], name: str, nobody: str, /, **given: Any
) -> None:
    """A call that names one whom nobody made."""
    kind = re.search(r"[{](\w+?)(_id)?[}]", endpoint)
    assert kind is not None
    said = None
    if error is errors.NotRestored:
        said = f"There is no {kind[1].replace('_', ' ')} with this id."
    _keep(endpoint, error, lambda sdk, _: sdk(name, nobody, **given), said)


# Named in the path, and not there -------------------------------------------------------------------

_unknown("GET /customers/{customer_id}", _NO_CUSTOMER, "customers.retrieve", "cus_unknown")
_unknown(
    "PATCH /customers/{customer_id}", _NO_CUSTOMER, "customers.update", "cus_unknown", name="x"
)
_unknown(
    "GET /customers/{customer_id}/credit-entitlements",
    _NO_CUSTOMER,
    "customers.list_credit_entitlements",
    "cus_unknown",
)
_unknown(
    "GET /customers/{customer_id}/wallets", _NO_CUSTOMER, "customers.wallets.list", "cus_unknown"
)
_unknown(
    "GET /customers/{customer_id}/wallets/ledger-entries",
    _NO_CUSTOMER,
    f"{MONEY}.list",
    "cus_unknown",
)
_unknown(
    "POST /customers/{customer_id}/wallets/ledger-entries",
    _NO_CUSTOMER,
    f"{MONEY}.create",
    "cus_unknown",
    amount=1,
    currency="USD",
    entry_type="credit",
)
_unknown(f"GET {_KIND}", _NO_KIND, "credit_entitlements.retrieve", "cde_unknown")
_unknown(f"PATCH {_KIND}", _NO_KIND, "credit_entitlements.update", "cde_unknown", unit="x")
_unknown(f"DELETE {_KIND}", _NO_KIND, "credit_entitlements.delete", "cde_unknown")
_unknown(
    f"POST {_KIND}/undelete", errors.NotRestored, "credit_entitlements.undelete", "cde_unknown"
)
_unknown(f"GET {_KIND}/balances", _NO_KIND, f"{BALANCES}.list", "cde_unknown")
_unknown("GET /meters/{meter_id}", _NO_METER, "meters.retrieve", "mtr_unknown")
_unknown("PATCH /meters/{meter_id}", _NO_METER, "meters.update", "mtr_unknown", name="x")
_unknown("DELETE /meters/{meter_id}", _NO_METER, "meters.archive", "mtr_unknown")
_unknown("POST /meters/{meter_id}/unarchive", errors.NotRestored, "meters.unarchive", "mtr_unknown")
_unknown("GET /events/{event_id}", core.EventNotFound, "usage_events.retrieve", "unknown")
_unknown("GET /products/{id}", _NO_RECORD, "products.retrieve", "pdt_unknown")
_unknown("PATCH /products/{id}", _NO_RECORD, "products.update", "pdt_unknown", name="x")
_unknown("DELETE /products/{id}", _NO_RECORD, "products.archive", "pdt_unknown")
_unknown("POST /products/{id}/unarchive", _NO_RECORD, "products.unarchive", "pdt_unknown")
_unknown(f"GET {_ONE}", _NO_RECORD, "subscriptions.retrieve", "sub_unknown")
_unknown(
    f"GET {_ONE}/credit-usage", _NO_RECORD, "subscriptions.retrieve_credit_usage", "sub_unknown"
)
_unknown(
    f"GET {_ONE}/usage-history",
    _NO_RECORD,
    "subscriptions.retrieve_usage_history",
    "sub_unknown",
)
_unknown(f"PATCH {_ONE}", _NO_RECORD, "subscriptions.update", "sub_unknown", status="cancelled")
_unknown(
    f"DELETE {_ONE}/change-plan/scheduled",
    _NO_RECORD,
    "subscriptions.cancel_change_plan",
    "sub_unknown",
)
_unknown(
    f"POST {_ONE}/confirm-payment",
    _NO_RECORD,
    "post",
    "/subscriptions/sub_unknown/confirm-payment",
)
_unknown("GET /webhooks/{webhook_id}", _NO_RECORD, "webhooks.retrieve", "whk_unknown")
_unknown("PATCH /webhooks/{webhook_id}", _NO_RECORD, "webhooks.update", "whk_unknown", url=HOOK)
_unknown("DELETE /webhooks/{webhook_id}", _NO_RECORD, "webhooks.delete", "whk_unknown")
_unknown("GET /webhooks/{webhook_id}/secret", _NO_RECORD, "webhooks.retrieve_secret", "whk_unknown")
_unknown(
    "GET /webhooks/{webhook_id}/headers", _NO_RECORD, "webhooks.headers.retrieve", "whk_unknown"
)
_unknown(
    "PATCH /webhooks/{webhook_id}/headers",
    _NO_RECORD,
    "webhooks.headers.update",
    "whk_unknown",
    headers={},
)


def _no_customer(sdk: Official, world: World, name: str, **given: Any) -> object:
    return sdk(name, "cus_unknown", credit_entitlement_id=world.entitlement(), **given)


def _no_kind(sdk: Official, world: World, name: str, **given: Any) -> object:
    return sdk(name, world.customer(), credit_entitlement_id="cde_unknown", **given)


_IN_A_WALLET: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("retrieve", f"GET {_WALLET}", {}),
    ("list_grants", f"GET {_WALLET}/grants", {}),
    ("list_ledger", f"GET {_WALLET}/ledger", {}),
    (
        "create_ledger_entry",
        f"POST {_WALLET}/ledger-entries",
        {"entry_type": "credit", "amount": "1"},
    ),
)
for _method, _path, _given in _IN_A_WALLET:
    _name = f"{BALANCES}.{_method}"
    _keep(_path, _NO_KIND, partial(_no_kind, name=_name, **_given))
    if _method != "list_grants":  # of one whom nobody knows there are none
        _keep(_path, _NO_CUSTOMER, partial(_no_customer, name=_name, **_given))


# Credit entitlements --------------------------------------------------------------------------------


@refusal("POST /credit-entitlements", core.AlreadyExists)
def same_name(sdk: Official, world: World) -> object:
    given = world.entitlement_of()
    world.sdk("credit_entitlements.create", **given)
    return sdk("credit_entitlements.create", **given)


@refusal(f"PATCH {_KIND}", core.AlreadyExists)
def changed_to_anothers_name(sdk: Official, world: World) -> object:
    given = world.entitlement_of()
    world.sdk("credit_entitlements.create", **given)
    return sdk("credit_entitlements.update", world.entitlement(), name=given["name"])


@refusal(
    f"PATCH {_KIND}",
    core.FieldInvalid,
    "name must be left out: a currency is called what it is called.",
)
def change_of_a_currency(sdk: Official, world: World) -> object:
    return sdk("credit_entitlements.update", "usd", name="Dollars")


@refusal(f"DELETE {_KIND}", _DELETED)
def deleted_twice(sdk: Official, world: World) -> object:
    return sdk("credit_entitlements.delete", world.deleted())


@refusal(
    f"DELETE {_KIND}", core.FieldInvalid, "entitlement must be no currency: those are always there."
)
def a_currency_is_deleted(sdk: Official, world: World) -> object:
    return sdk("credit_entitlements.delete", "usd")


@refusal(f"POST {_KIND}/undelete", core.AlreadyExists)
def back_under_a_name_that_is_taken(sdk: Official, world: World) -> object:
    given = world.entitlement_of()
    first = world.sdk("credit_entitlements.create", **given)["id"]
    world.sdk("credit_entitlements.delete", first)
    world.sdk("credit_entitlements.create", **given)
    return sdk("credit_entitlements.undelete", first)


# Credit ---------------------------------------------------------------------------------------------


def _enter(sdk: Official, customer: str, kind: str, **given: Any) -> object:
    return sdk(f"{BALANCES}.create_ledger_entry", customer, credit_entitlement_id=kind, **given)


@refusal(f"POST {_WALLET}/ledger-entries", core.InsufficientCredit)
def more_than_there_is(sdk: Official, world: World) -> object:
    customer, kind = world.credited("10")
    return _enter(sdk, customer, kind, entry_type="debit", amount="10.01")


@refusal(f"POST {_WALLET}/ledger-entries", core.KeyInUse)
def the_same_key_again(sdk: Official, world: World) -> object:
    customer, kind = world.credited("10")
    given = {"entry_type": "debit", "amount": "1", "idempotency_key": "once"}
    _enter(sdk, customer, kind, **given)
    return _enter(sdk, customer, kind, **given)


@refusal(f"POST {_WALLET}/ledger-entries", _DELETED)
def credit_of_what_is_deleted(sdk: Official, world: World) -> object:
    customer, kind = world.credited("10")
    world.sdk("credit_entitlements.delete", kind)
    return _enter(sdk, customer, kind, entry_type="debit", amount="1")


@refusal("POST /customers/{customer_id}/wallets/ledger-entries", errors.InsufficientWalletFunds)
def more_money_than_there_is(sdk: Official, world: World) -> object:
    asked = {"amount": 1, "currency": "INR", "entry_type": "debit"}
    return sdk(f"{MONEY}.create", world.customer(), **asked)


@refusal("POST /customers/{customer_id}/wallets/ledger-entries", core.KeyReused)
def the_same_key_for_other_money(sdk: Official, world: World) -> object:
    customer = world.customer()
    asked = {"currency": "USD", "entry_type": "credit", "idempotency_key": "once"}
    sdk(f"{MONEY}.create", customer, amount=1, **asked)
    return sdk(f"{MONEY}.create", customer, amount=2, **asked)


# Meters and events ----------------------------------------------------------------------------------


@refusal(
    "POST /events/ingest",
    errors.EventRefused,
    r"events\[1\].event_id must be used once in a request.",
)
def the_same_event_twice_at_once(sdk: Official, world: World) -> object:
    event = world.event(world.customer())
    return sdk("usage_events.ingest", events=[event, event])


@refusal("GET /events", _NO_METER)
def events_of_a_meter_that_nobody_made(sdk: Official, world: World) -> object:
    return sdk("usage_events.list", meter_id="mtr_unknown")


@refusal(
    "GET /events",
    errors.QueryConflict,
    r"event_name must be left out, or the meter's own, 'call \d+'.",
)
def events_of_a_meter_that_counts_others(sdk: Official, world: World) -> object:
    return sdk("usage_events.list", meter_id=world.meter(), event_name="other")


# Products and subscriptions -------------------------------------------------------------------------


def _sell(sdk: Official, world: World, *, anew: bool, **given: Any) -> object:
    if anew:
        return sdk("products.create", **world.product_of(**given))
    return sdk("products.update", world.product(), **given)


def _sell_unknown(sdk: Official, world: World, *, anew: bool) -> object:
    return _sell(sdk, world, anew=anew, credit_entitlements=[attached("cde_unknown")])


def _sell_deleted(sdk: Official, world: World, *, anew: bool) -> object:
    return _sell(sdk, world, anew=anew, credit_entitlements=[attached(world.deleted())])


def _sell_by_no_meter(sdk: Official, world: World, *, anew: bool) -> object:
    price = metered("mtr_unknown", world.entitlement())
    return _sell(sdk, world, anew=anew, price=price)


def _sell_by_an_archived_meter(sdk: Official, world: World, *, anew: bool) -> object:
    meter = world.meter()
    world.sdk("meters.archive", meter)
    return _sell(sdk, world, anew=anew, price=metered(meter, world.entitlement()))


for _path, _anew in (("POST /products", True), ("PATCH /products/{id}", False)):
    _keep(_path, _NO_KIND, partial(_sell_unknown, anew=_anew))
    _keep(_path, _DELETED, partial(_sell_deleted, anew=_anew))
    _keep(_path, _NO_METER, partial(_sell_by_no_meter, anew=_anew))
    _keep(_path, errors.MeterArchived, partial(_sell_by_an_archived_meter, anew=_anew))


@refusal("GET /subscriptions", _NO_CUSTOMER)
def subscriptions_of_nobody(sdk: Official, world: World) -> object:
    return sdk("subscriptions.list", customer_id="cus_unknown")


def _subscribe(sdk: Official, world: World, product: str, **more: Any) -> object:
    return sdk("subscriptions.create", **world.subscription_of(product, **more))


@refusal("POST /subscriptions", _NO_RECORD)
def a_subscription_to_nothing(sdk: Official, world: World) -> object:
    return _subscribe(sdk, world, "pdt_unknown")


@refusal(
    "POST /subscriptions", _NOT_NOW, "The product is archived: POST /products/{id}/unarchive first."
)
def a_subscription_to_what_is_archived(sdk: Official, world: World) -> object:
    product = world.product()
    world.sdk("products.archive", product)
    return _subscribe(sdk, world, product)


@refusal("POST /subscriptions", _NO_CUSTOMER)
def a_subscription_of_nobody(sdk: Official, world: World) -> object:
    return _subscribe(sdk, world, world.product(), customer="cus_unknown")


@refusal("POST /subscriptions", _DELETED)
def a_subscription_to_what_is_deleted(sdk: Official, world: World) -> object:
    kind, product = world.plan()
    world.sdk("credit_entitlements.delete", kind)
    return _subscribe(sdk, world, product)


@refusal(f"PATCH {_ONE}", _NOT_NOW, "The subscription is cancelled: make a new one.")
def cancelled_twice(sdk: Official, world: World) -> object:
    return sdk("subscriptions.update", world.cancelled(), status="cancelled")


def _another_plan(sdk: Official, world: World, method: str, made: str) -> object:
    return sdk(f"subscriptions.{method}", made, **other_plan(world.product()))


def _for_nobody(sdk: Official, world: World, method: str) -> object:
    return _another_plan(sdk, world, method, "sub_unknown")


def _for_what_is_over(sdk: Official, world: World, method: str) -> object:
    return _another_plan(sdk, world, method, world.cancelled())


def _for_one_that_has_a_change_to_come(sdk: Official, world: World, method: str) -> object:
    made = world.subscription(world.plan()[1])
    later = other_plan(world.product(), effective_at="next_billing_date")
    world.sdk("subscriptions.change_plan", made, **later)
    return _another_plan(sdk, world, method, made)


for _path, _method in (("", "change_plan"), ("/preview", "preview_change_plan")):
    _path = f"POST {_ONE}/change-plan{_path}"
    _keep(_path, _NO_RECORD, partial(_for_nobody, method=_method))
    _keep(
        _path,
        _NOT_NOW,
        partial(_for_what_is_over, method=_method),
        "Only an active subscription's plan can be changed.",
    )
    _keep(_path, errors.ChangeWaits, partial(_for_one_that_has_a_change_to_come, method=_method))


@refusal(
    f"POST {_ONE}/charge",
    _NOT_NOW,
    "Nothing is charged on demand here: confirm-payment tells of what was paid.",
)
def charged_on_demand(sdk: Official, world: World) -> object:
    return sdk("subscriptions.charge", world.subscription(world.product()), product_price=100)


@refusal(
    f"POST {_ONE}/update-payment-method",
    _NOT_NOW,
    "No payment is taken here, so that there is no payment method.",
)
def another_payment_method(sdk: Official, world: World) -> object:
    made = world.subscription(world.product())
    return sdk("subscriptions.update_payment_method", made, payment_method={"type": "new"})


@refusal(f"GET {_ONE}/usage-history", _NO_METER)
def usage_by_a_meter_that_nobody_made(sdk: Official, world: World) -> object:
    made = world.subscription(world.product())
    return sdk("subscriptions.retrieve_usage_history", made, meter_id="mtr_unknown")


@refusal(f"GET {_ONE}/usage-history", errors.QueryInvalid, "start_date must be .*")
def usage_since_no_time(sdk: Official, world: World) -> object:
    made = world.subscription(world.product(price=metered(world.meter(), world.entitlement())))
    return sdk("subscriptions.retrieve_usage_history", made, start_date="yesterday")


@refusal(f"DELETE {_ONE}/change-plan/scheduled", _NOT_NOW, "No change of the plan is scheduled.")
def no_change_is_scheduled(sdk: Official, world: World) -> object:
    return sdk("subscriptions.cancel_change_plan", world.subscription(world.plan()[1]))


@refusal(
    f"POST {_ONE}/confirm-payment", _NOT_NOW, "There is nothing to pay: the subscription is active."
)
def paid_twice(sdk: Official, world: World) -> object:
    made = world.subscription(world.product(price=MONTHLY | {"price": 900}))
    world.sdk("post", f"/subscriptions/{made}/confirm-payment")
    return sdk("post", f"/subscriptions/{made}/confirm-payment")


# One more than there may be -------------------------------------------------------------------------


@refusal(
    f"POST {_WALLET}/ledger-entries",
    core.TooManyGrants,
    "The customer has reached the maximum of 2 open grants.",
    full=True,
)
def too_many_grants(sdk: Official, world: World) -> object:
    customer, kind = world.customer(), _new_kind(world)
    return [_enter(sdk, customer, kind, entry_type="credit", amount="1") for _ in range(3)]


@refusal(
    "POST /subscriptions",
    core.TooManySchedules,
    "The customer has reached the maximum of 2 schedules of this entitlement.",
    full=True,
)
def too_many_schedules(sdk: Official, world: World) -> object:
    customer, product = world.customer(), world.product(attached(_new_kind(world)))
    return [_subscribe(sdk, world, product, customer=customer) for _ in range(3)]


@refusal("POST /meters", core.TooManyMeters, "There are at most 2 meters: archive one.", full=True)
def too_many_meters(sdk: Official, world: World) -> object:
    return sdk("meters.create", **world.meter_of())


_RATES = "There are at most 2 rates.*"


@refusal("POST /products", core.TooManyMeters, _RATES, full=True)
def too_many_rates(sdk: Official, world: World) -> object:
    return _sell(sdk, world, anew=True, price=_by_a_meter(world))


@refusal("PATCH /products/{id}", core.TooManyMeters, _RATES, full=True)
def too_many_rates_after_a_change(sdk: Official, world: World) -> object:
    return _sell(sdk, world, anew=False, price=_by_a_meter(world))


def _by_a_meter(world: World) -> dict[str, Any]:
    meter = world.sdk("meters.list")["items"][0]["id"]
    return metered(meter, _new_kind(world))


def _new_kind(world: World) -> str:
    """Of a name that no other call on this server gave."""
    return world.entitlement(name=f"Tokens {uuid.uuid4()}")


@refusal(
    "POST /events/ingest",
    core.TooManyCounts,
    "The customer's usage is counted by 2 .*",
    full=True,
)
def too_many_counts(sdk: Official, world: World) -> object:
    """The meter that is there counts each model apart, as one of the native API may."""
    customer, run = world.customer(), uuid.uuid4().hex
    events = [
        world.event(customer, event_id=f"{run}-{number}", metadata={"model": str(number)})
        for number in range(3)
    ]
    return sdk("usage_events.ingest", events=events)


@refusal("POST /webhooks", _NOT_NOW, "There are at most 2 webhooks: delete one.", full=True)
def too_many_webhooks(sdk: Official, world: World) -> object:
    return [sdk("webhooks.create", url=HOOK) for _ in range(3)]
