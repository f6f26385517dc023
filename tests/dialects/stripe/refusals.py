"""Every refusal that the dialect's table names for an endpoint, brought about through an official SDK.

Each sends what its endpoint must refuse, and is told how it is refused. What every endpoint of a kind
refuses in one way (an id in its path, a cursor, a used key) is ``test_every_refusal``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from drawdown.core import errors
from tests.dialects.stripe.python_sdk import Calls
from tests.dialects.stripe.world import HOUR, METERED, MONTH, START, World, usd

Ask = Callable[[Calls, World], object]


class Refusal(NamedTuple):
    """``message``: the whole of what is said, as a pattern."""

    ask: Ask
    status: int
    code: str | None
    param: str | None
    message: str


#: By endpoint, as in the dialect's own table, and the error that it names; a number where there are several.
REFUSALS: dict[tuple[str, type[Exception], int], Refusal] = {}
_GONE = "No such customer: it has been deleted."


def refusal(
    endpoint: str,
    error: type[Exception],
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    status: int = 400,
) -> Callable[[Ask], Ask]:
    def kept(ask: Ask) -> Ask:
        number = sum(1 for key in REFUSALS if key[:2] == (endpoint, error))
        REFUSALS[endpoint, error, number] = Refusal(ask, status, code, param, message)
        return ask

    return kept


def missing(endpoint: str, error: type[Exception], noun: str, param: str) -> Callable[[Ask], Ask]:
    """Something that is named, and that nobody made."""
    message = f"No such {noun}: 'nobody'"
    return refusal(endpoint, error, message, param=param, code="resource_missing", status=404)


# Credit grants ---------------------------------------------------------------------------------------

_GRANTS = "/v1/billing/credit_grants"
_GRANT = f"{_GRANTS}/{{grant}}"
_TOO_SOON = "expires_at must be later than the time the grant becomes effective."
_EXPIRED = "This credit grant has already expired."
_VOIDED = "This credit grant has already been voided."


def _grant(sdk: Calls, customer: str, **more: Any) -> object:
    given = {"amount": usd(1), "applicability_config": METERED, "category": "paid"} | more
    return sdk("billing.credit_grants.create", customer=customer, **given)


@missing(f"POST {_GRANTS}", errors.CustomerNotFound, "customer", "customer")
def grant_to_nobody(sdk: Calls, world: World) -> object:
    return _grant(sdk, "nobody")


@refusal(f"POST {_GRANTS}", errors.CustomerClosed, _GONE, param="customer", code="resource_missing")
def grant_to_who_is_deleted(sdk: Calls, world: World) -> object:
    return _grant(sdk, world.deleted_customer())


@refusal(
    f"POST {_GRANTS}",
    errors.AmountTooLarge,
    r"amount\[monetary\]\[value\] must be at most 99999999999.",
    param="amount[monetary][value]",
    code="amount_too_large",
)
def grant_of_too_much(sdk: Calls, world: World) -> object:
    return _grant(sdk, world.customer(), amount=usd(100_000_000_000))


@refusal(
    f"POST {_GRANTS}",
    errors.ExpiryNotInFuture,
    "expires_at must be later than now.",
    param="expires_at",
)
def grant_that_is_over(sdk: Calls, world: World) -> object:
    return _grant(sdk, world.customer(), expires_at=1_000)


@refusal(f"POST {_GRANTS}", errors.ExpiryBeforeEffective, _TOO_SOON, param="expires_at")
def grant_that_is_over_before_it_begins(sdk: Calls, world: World) -> object:
    times = {"effective_at": 4_100_000_000, "expires_at": 4_000_000_000}
    return _grant(sdk, world.customer(), **times)


@refusal(
    f"POST {_GRANTS}",
    errors.TooManyGrants,
    "This customer has reached the maximum of 100 unused credit grants.",
)
def grant_too_many(sdk: Calls, world: World) -> object:
    customer = world.customer()
    for _ in range(100):
        world.grant(customer)
    return _grant(sdk, customer)


@missing(f"GET {_GRANTS}", errors.CustomerNotFound, "customer", "customer")
def grants_of_nobody(sdk: Calls, world: World) -> object:
    return sdk("billing.credit_grants.list", customer="nobody")


@refusal(
    f"POST {_GRANT}",
    errors.ExpiryNotInFuture,
    "expires_at must be later than now.",
    param="expires_at",
)
def expiry_that_has_passed(sdk: Calls, world: World) -> object:
    return sdk("billing.credit_grants.update", world.grant(), expires_at=1_000)


@refusal(f"POST {_GRANT}", errors.ExpiryBeforeEffective, _TOO_SOON, param="expires_at")
def expiry_before_it_begins(sdk: Calls, world: World) -> object:
    grant = world.grant(effective_at=4_100_000_000)
    return sdk("billing.credit_grants.update", grant, expires_at=4_000_000_000)


@refusal(f"POST {_GRANT}", errors.GrantExpired, _EXPIRED)
def expiry_of_what_is_expired(sdk: Calls, world: World) -> object:
    return sdk("billing.credit_grants.update", world.expired(), expires_at=4_000_000_000)


@refusal(f"POST {_GRANT}", errors.GrantVoided, _VOIDED)
def expiry_of_what_is_void(sdk: Calls, world: World) -> object:
    return sdk("billing.credit_grants.update", world.voided(), expires_at=4_000_000_000)


@refusal(f"POST {_GRANT}/expire", errors.GrantExpired, _EXPIRED)
def expired_twice(sdk: Calls, world: World) -> object:
    return sdk("billing.credit_grants.expire", world.expired())


@refusal(f"POST {_GRANT}/expire", errors.GrantVoided, _VOIDED)
def expired_once_void(sdk: Calls, world: World) -> object:
    return sdk("billing.credit_grants.expire", world.voided())


@refusal(f"POST {_GRANT}/void", errors.GrantExpired, _EXPIRED)
def void_once_expired(sdk: Calls, world: World) -> object:
    return sdk("billing.credit_grants.void_grant", world.expired())


@refusal(f"POST {_GRANT}/void", errors.GrantVoided, _VOIDED)
def voided_twice(sdk: Calls, world: World) -> object:
    return sdk("billing.credit_grants.void_grant", world.voided())


@refusal(
    f"POST {_GRANT}/void",
    errors.GrantUsed,
    "You cannot void this credit grant because it has been applied to an invoice. You can expire its "
    "remaining credits instead.",
)
def void_once_used(sdk: Calls, world: World) -> object:
    billed = world.billed()
    grant = world.grant(billed.customer, 1_000)
    world.open_invoice(billed)
    return sdk("billing.credit_grants.void_grant", grant)


_SUMMARY = "GET /v1/billing/credit_balance_summary"
_TRANSACTIONS = "GET /v1/billing/credit_balance_transactions"


@missing(_SUMMARY, errors.CustomerNotFound, "customer", "customer")
def summary_of_nobody(sdk: Calls, world: World) -> object:
    chosen = {"type": "applicability_scope", "applicability_scope": METERED["scope"]}
    asked = {"customer": "nobody", "filter": chosen}
    return sdk("billing.credit_balance_summary.retrieve", **asked)


@missing(_SUMMARY, errors.GrantNotFound, "billing credit grant", "filter[credit_grant]")
def summary_of_nothing(sdk: Calls, world: World) -> object:
    chosen = {"type": "credit_grant", "credit_grant": "nobody"}
    asked = {"customer": world.customer(), "filter": chosen}
    return sdk("billing.credit_balance_summary.retrieve", **asked)


@missing(_TRANSACTIONS, errors.CustomerNotFound, "customer", "customer")
def transactions_of_nobody(sdk: Calls, world: World) -> object:
    return sdk("billing.credit_balance_transactions.list", customer="nobody")


@missing(_TRANSACTIONS, errors.GrantNotFound, "billing credit grant", "credit_grant")
def transactions_of_nothing(sdk: Calls, world: World) -> object:
    asked = {"customer": world.customer(), "credit_grant": "nobody"}
    return sdk("billing.credit_balance_transactions.list", **asked)


# Customers, products and prices ----------------------------------------------------------------------


@refusal(
    "POST /v1/customers",
    errors.AlreadyExists,
    r"id 'own_\d+' is taken.",
    param="id",
    code="resource_already_exists",
)
def the_same_id_again(sdk: Calls, world: World) -> object:
    return sdk("customers.create", id=world.customer(id=world.name("own")))


@refusal(
    "POST /v1/products",
    errors.AlreadyExists,
    r"id 'own_\d+' is taken.",
    param="id",
    code="resource_already_exists",
)
def the_same_product_again(sdk: Calls, world: World) -> object:
    return sdk("products.create", name="Search", id=world.product(id=world.name("own")))


@refusal(
    "POST /v1/prices",
    errors.AlreadyExists,
    r"id 'own_\d+' is taken.",
    param="id",
    code="resource_already_exists",
)
def the_same_product_with_a_price(sdk: Calls, world: World) -> object:
    given = world.price_of(world.meter()[0])
    given["product_data"] = {"name": "Search", "id": world.product(id=world.name("own"))}
    return sdk("prices.create", **given)


@missing("POST /v1/customers", errors.ClockNotFound, "test clock", "test_clock")
def customer_on_no_clock(sdk: Calls, world: World) -> object:
    return sdk("customers.create", test_clock="nobody")


@missing("GET /v1/customers", errors.ClockNotFound, "test clock", "test_clock")
def customers_of_no_clock(sdk: Calls, world: World) -> object:
    return sdk("customers.list", test_clock="nobody")


@missing("POST /v1/prices", errors.DocumentNotFound, "product", "product")
def price_of_nothing(sdk: Calls, world: World) -> object:
    given = world.price_of(world.meter()[0], product="nobody")
    del given["product_data"]
    return sdk("prices.create", **given)


@missing("POST /v1/prices", errors.MeterNotFound, "billing meter", "recurring[meter]")
def price_by_no_meter(sdk: Calls, world: World) -> object:
    return sdk("prices.create", **world.price_of("nobody"))


# Meters and their events -----------------------------------------------------------------------------

_FULL = "The book has reached the maximum of 200 meters."


@refusal("POST /v1/billing/meters", errors.TooManyMeters, _FULL)
def meter_too_many(sdk: Calls, world: World) -> object:
    _fill(world)
    return sdk("billing.meters.create", **world.meter_of())


def _fill(world: World) -> None:
    """With as many active meters as a book has."""
    active = world.sdk.every("billing.meters.list", status="active", limit=100)
    for _ in range(200 - len(active)):
        world.meter()


@missing(
    "GET /v1/billing/meters/{meter}/event_summaries",
    errors.CustomerNotFound,
    "customer",
    "customer",
)
def summaries_of_nobody(sdk: Calls, world: World) -> object:
    span = {"start_time": START, "end_time": START + HOUR}
    meter, _ = world.meter()
    return sdk("billing.meters.event_summaries.list", meter, customer="nobody", **span)


_NOBODY = "No such customer: 'nobody'"


@refusal(
    "POST /v1/billing/meter_events",
    errors.CustomerNotFound,
    _NOBODY,
    param="payload[stripe_customer_id]",
    code="resource_missing",
    status=404,
)
def event_of_nobody(sdk: Calls, world: World) -> object:
    given = world.event_of("nobody", world.meter()[1])
    return sdk("billing.meter_events.create", **given)


@refusal(
    "POST /v2/billing/meter_events",
    errors.CustomerNotFound,
    _NOBODY,
    param="payload[stripe_customer_id]",
    code="resource_missing",
    status=404,
)
def event_of_nobody_in_version_2(sdk: Calls, world: World) -> object:
    given = world.event_of("nobody", world.meter()[1])
    return sdk("v2.billing.meter_events.create", **given)


@refusal(
    "POST /v2/billing/meter_event_stream",
    errors.CustomerNotFound,
    _NOBODY,
    param="events[0][payload][stripe_customer_id]",
    code="resource_missing",
    status=404,
)
def stream_of_nobody(sdk: Calls, world: World) -> object:
    events = [world.event_of("nobody", world.meter()[1])]
    return sdk("v2.billing.meter_event_stream.create", events=events)


_AGAIN = r"An event already exists with identifier event_\d+."


@refusal("POST /v1/billing/meter_events", errors.EventReused, _AGAIN)
def the_same_event_again(sdk: Calls, world: World) -> object:
    return sdk("billing.meter_events.create", **world.recorded(value="2"))


@refusal("POST /v2/billing/meter_events", errors.EventReused, _AGAIN)
def the_same_event_again_in_version_2(sdk: Calls, world: World) -> object:
    return sdk("v2.billing.meter_events.create", **world.recorded(value="2"))


@refusal("POST /v2/billing/meter_event_stream", errors.EventReused, _AGAIN)
def another_event_of_the_same_identifier(sdk: Calls, world: World) -> object:
    return sdk("v2.billing.meter_event_stream.create", events=[world.recorded(value="2")])


@missing(
    "POST /v1/billing/meter_event_adjustments",
    errors.EventNotFound,
    "meter event",
    "cancel[identifier]",
)
def nothing_to_cancel(sdk: Calls, world: World) -> object:
    asked = {"event_name": world.meter()[1], "cancel": {"identifier": "nobody"}}
    return sdk("billing.meter_event_adjustments.create", type="cancel", **asked)


@missing(
    "POST /v2/billing/meter_event_adjustments",
    errors.EventNotFound,
    "meter event",
    "cancel[identifier]",
)
def nothing_to_cancel_in_version_2(sdk: Calls, world: World) -> object:
    asked = {"event_name": world.meter()[1], "cancel": {"identifier": "nobody"}}
    return sdk("v2.billing.meter_event_adjustments.create", type="cancel", **asked)


@refusal("POST /v1/billing/meters/{meter}/reactivate", errors.TooManyMeters, _FULL)
def active_meter_too_many(sdk: Calls, world: World) -> object:
    meter = world.inactive_meter()
    _fill(world)
    return sdk("billing.meters.reactivate", meter)


# Subscriptions and invoices --------------------------------------------------------------------------

_ONE, _INVOICE = "/v1/subscriptions/{subscription}", "/v1/invoices/{invoice}"


def _subscribe(sdk: Calls, customer: str, price: str, **more: Any) -> object:
    return sdk("subscriptions.create", customer=customer, items=[{"price": price}], **more)


@missing("POST /v1/subscriptions", errors.CustomerNotFound, "customer", "customer")
def subscription_of_nobody(sdk: Calls, world: World) -> object:
    return _subscribe(sdk, "nobody", world.price())


@refusal(
    "POST /v1/subscriptions",
    errors.CustomerClosed,
    _GONE,
    param="customer",
    code="resource_missing",
)
def subscription_of_who_is_deleted(sdk: Calls, world: World) -> object:
    return _subscribe(sdk, world.deleted_customer(), world.price())


@missing("POST /v1/subscriptions", errors.DocumentNotFound, "price", "items[0][price]")
def subscription_to_nothing(sdk: Calls, world: World) -> object:
    return _subscribe(sdk, world.customer(), "nobody")


@refusal(
    "POST /v1/subscriptions",
    errors.FieldInvalid,
    "Invalid cancel_at: must be later than now.",
    param="cancel_at",
)
def subscription_that_is_over(sdk: Calls, world: World) -> object:
    return _subscribe(sdk, world.customer(), world.price(), cancel_at=1_000)


@refusal(
    "POST /v1/subscriptions",
    errors.FieldInvalid,
    "Invalid billing_cycle_anchor: must be from now to one period from now.",
    param="billing_cycle_anchor",
)
def subscription_that_begins_long_after(sdk: Calls, world: World) -> object:
    customer = world.customer(test_clock=world.clock())
    return _subscribe(sdk, customer, world.price(), billing_cycle_anchor=4_000_000_000)


@missing("GET /v1/subscriptions", errors.CustomerNotFound, "customer", "customer")
def subscriptions_of_nobody(sdk: Calls, world: World) -> object:
    return sdk("subscriptions.list", customer="nobody")


@refusal(
    f"POST {_ONE}",
    errors.FieldInvalid,
    "Invalid cancel_at: must be later than now.",
    param="cancel_at",
)
def end_that_has_passed(sdk: Calls, world: World) -> object:
    return sdk("subscriptions.update", world.billed().subscription, cancel_at=1_000)


_ENDED = "The subscription is canceled, not active."
_FINAL = "The invoice is open, not draft."
_DRAFT = "The invoice is draft, not open or uncollectible."
_NOT_SO = "status_transition_invalid"


@refusal(f"POST {_ONE}", errors.WrongStatus, _ENDED, code=_NOT_SO)
def change_of_what_has_ended(sdk: Calls, world: World) -> object:
    return sdk("subscriptions.update", world.ended(), cancel_at_period_end=True)


@refusal(f"DELETE {_ONE}", errors.WrongStatus, _ENDED, code=_NOT_SO)
def ended_twice(sdk: Calls, world: World) -> object:
    return sdk("subscriptions.cancel", world.ended())


_PREVIEW = "POST /v1/invoices/create_preview"


@missing(_PREVIEW, errors.CustomerNotFound, "customer", "customer")
def preview_of_nobody(sdk: Calls, world: World) -> object:
    return sdk("invoices.create_preview", customer="nobody")


@missing(_PREVIEW, errors.DocumentNotFound, "subscription", "subscription")
def preview_of_nothing(sdk: Calls, world: World) -> object:
    return sdk("invoices.create_preview", subscription="nobody")


@missing("GET /v1/invoices", errors.CustomerNotFound, "customer", "customer")
def invoices_of_nobody(sdk: Calls, world: World) -> object:
    return sdk("invoices.list", customer="nobody")


@refusal(f"POST {_INVOICE}", errors.WrongStatus, _FINAL, code=_NOT_SO)
def change_of_what_is_final(sdk: Calls, world: World) -> object:
    return sdk("invoices.update", world.open_invoice(), auto_advance=True)


@refusal(
    f"POST {_INVOICE}",
    errors.FieldInvalid,
    "Invalid auto_advance: must be false for at most 100 drafts of a customer.",
    param="auto_advance",
)
def draft_too_many_that_waits(sdk: Calls, world: World) -> object:
    clock = world.clock()
    customer, price = world.customer(test_clock=clock), world.price()
    for _ in range(101):
        world.sdk("subscriptions.create", **world.subscription_of(customer, price))
    world.advance(clock, MONTH)
    drafts = world.sdk.every("invoices.list", customer=customer, status="draft", limit=100)
    for each in drafts[:100]:
        sdk("invoices.update", each["id"], auto_advance=False)
    return sdk("invoices.update", drafts[100]["id"], auto_advance=False)


@refusal(f"POST {_INVOICE}/finalize", errors.WrongStatus, _FINAL, code=_NOT_SO)
def final_twice(sdk: Calls, world: World) -> object:
    return sdk("invoices.finalize_invoice", world.open_invoice())


@refusal(f"POST {_INVOICE}/pay", errors.WrongStatus, _DRAFT, code=_NOT_SO)
def draft_that_is_paid(sdk: Calls, world: World) -> object:
    return sdk("invoices.pay", world.draft(), paid_out_of_band=True)


@refusal(f"POST {_INVOICE}/void", errors.WrongStatus, _DRAFT, code=_NOT_SO)
def draft_that_is_voided(sdk: Calls, world: World) -> object:
    return sdk("invoices.void_invoice", world.draft())


@refusal(
    f"POST {_INVOICE}/mark_uncollectible",
    errors.WrongStatus,
    "The invoice is draft, not open.",
    code=_NOT_SO,
)
def draft_that_is_given_up(sdk: Calls, world: World) -> object:
    return sdk("invoices.mark_uncollectible", world.draft())


@refusal(f"DELETE {_INVOICE}", errors.WrongStatus, _FINAL, code=_NOT_SO)
def final_that_is_deleted(sdk: Calls, world: World) -> object:
    return sdk("invoices.delete", world.open_invoice())


# Test clocks and alerts ------------------------------------------------------------------------------

_CLOCKS = "/v1/test_helpers/test_clocks"


@refusal(
    f"POST {_CLOCKS}/{{clock}}/advance",
    errors.FieldInvalid,
    "Invalid frozen_time: must be not before the clock's own time, 2030-01-01T00:00:00Z.",
    param="frozen_time",
)
def a_clock_that_goes_back(sdk: Calls, world: World) -> object:
    return sdk("test_helpers.test_clocks.advance", world.clock(), frozen_time=START - 1)


@missing(f"POST {_CLOCKS}", errors.CustomerNotFound, "customer", "customer")
def a_clock_of_nobody(sdk: Calls, world: World) -> object:
    return sdk("test_helpers.test_clocks.create", frozen_time=START, customer="nobody")


_WATCHED_ENOUGH = (
    "There is the maximum of 25 alerts on this customer's credit already. Close one first."
)
_ALERTS = "/v1/billing/alerts"


def _alert(sdk: Calls, world: World, customer: str) -> object:
    return sdk("billing.alerts.create", **world.alert_of(customer))


_WATCHED = "credit_balance_threshold[filters][0][customer]"


@missing(f"POST {_ALERTS}", errors.CustomerNotFound, "customer", _WATCHED)
def alert_on_nobody(sdk: Calls, world: World) -> object:
    return _alert(sdk, world, "nobody")


@refusal(f"POST {_ALERTS}", errors.CustomerClosed, _GONE, param="customer", code="resource_missing")
def alert_on_who_is_deleted(sdk: Calls, world: World) -> object:
    return _alert(sdk, world, world.deleted_customer())


@refusal(f"POST {_ALERTS}", errors.TooManyAlerts, _WATCHED_ENOUGH)
def alert_too_many(sdk: Calls, world: World) -> object:
    customer = world.customer()
    for _ in range(25):
        _alert(world.sdk, world, customer)
    return _alert(sdk, world, customer)


_OF_USAGE = {"title": "Many", "alert_type": "usage_threshold"}


@missing(f"POST {_ALERTS}", errors.MeterNotFound, "billing meter", "usage_threshold[meter]")
def alert_on_no_meter(sdk: Calls, world: World) -> object:
    line = {"gte": 1, "meter": "nobody", "recurrence": "one_time"}
    return sdk("billing.alerts.create", **_OF_USAGE, usage_threshold=line)


@missing(f"GET {_ALERTS}", errors.MeterNotFound, "billing meter", "meter")
def alerts_on_no_meter(sdk: Calls, world: World) -> object:
    return sdk("billing.alerts.list", meter="nobody")


@refusal(
    f"POST {_ALERTS}/{{alert}}/activate",
    errors.FieldInvalid,
    "Invalid meter: must be one that is not closed.",
    param="meter",
)
def alert_again_on_an_inactive_meter(sdk: Calls, world: World) -> object:
    meter, _ = world.meter()
    line = {"gte": 1, "meter": meter, "recurrence": "one_time"}
    alert = world.sdk("billing.alerts.create", **_OF_USAGE, usage_threshold=line)["id"]
    world.sdk("billing.alerts.deactivate", alert)
    world.sdk("billing.meters.deactivate", meter)
    return sdk("billing.alerts.activate", alert)


@missing(f"GET {_ALERTS}", errors.CustomerNotFound, "customer", "customer")
def alerts_on_nobody(sdk: Calls, world: World) -> object:
    return sdk("billing.alerts.list", customer="nobody")


def _resting(world: World, customer: str) -> str:
    found = world.sdk("billing.alerts.create", **world.alert_of(customer))
    made: str = found["id"]
    world.sdk("billing.alerts.deactivate", made)
    return made


@refusal(f"POST {_ALERTS}/{{alert}}/activate", errors.TooManyAlerts, _WATCHED_ENOUGH)
def active_alert_too_many(sdk: Calls, world: World) -> object:
    customer = world.customer()
    alert = _resting(world, customer)
    for _ in range(25):
        _alert(world.sdk, world, customer)
    return sdk("billing.alerts.activate", alert)


@refusal(
    f"POST {_ALERTS}/{{alert}}/activate",
    errors.CustomerClosed,
    _GONE,
    param="customer",
    code="resource_missing",
)
def alert_again_on_who_is_deleted(sdk: Calls, world: World) -> object:
    customer = world.customer()
    alert = _resting(world, customer)
    world.sdk("customers.delete", customer)
    return sdk("billing.alerts.activate", alert)
