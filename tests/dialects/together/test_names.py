"""Names, kinds of credit and usage events of one dialect in the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import dodopayments
import pytest
import stripe

from tests.dialects.dodo.sdk import Dodo
from tests.dialects.sequence.contract import Credit, Customer, read, refusal
from tests.dialects.sequence.contract_usage import (
    Metric,
    counting,
    listed,
    metric_body,
    new_metric,
    send,
    value,
)
from tests.dialects.sequence.support import CUSTOMER, credit_body, new_credit, post_credit
from tests.dialects.together.four import Four, Json
from tests.dialects.together.shown import agreed, uuid_of

NAME, EMAIL = "Ada Lovelace", "ada@example.com"


def by_native(four: Four) -> str:
    asked = {"id": "ada", "name": NAME, "email": EMAIL}
    made: str = four.ask("POST", "/customers", asked)["id"]
    return made


def by_stripe(four: Four) -> str:
    return four.stripe.v1.customers.create({"name": NAME, "email": EMAIL}).id


def by_dodo(four: Four) -> str:
    return four.dodo.customer(name=NAME, email=EMAIL)


def by_sequence(four: Four) -> str:
    contact = {"name": "Ada", "email": EMAIL, "billingPreference": "PRIMARY"}
    asked = CUSTOMER | {"legalName": NAME, "contacts": [contact]}
    return read(four.sequence.post("/customers", json=asked), 201, Customer).id


Make = Callable[[Four], str]
MAKERS = (by_native, by_stripe, by_dodo, by_sequence)


def known(four: Four, reference: str) -> dict[str, tuple[str, str]]:
    """Name and address of a customer, as each dialect has them."""
    native = four.ask("GET", f"/customers/{reference}")
    stripes = four.stripe.v1.customers.retrieve(reference)
    dodos = four.dodo(lambda client: client.customers.retrieve(reference))
    sequences = read(four.sequence.get(f"/customers/{reference}"), 200, Customer)
    assert native["id"] == stripes.id == dodos.customer_id
    [contact] = sequences.contacts
    return {
        "native": (native["name"], native["email"]),
        "stripe": (str(stripes.name), str(stripes.email)),
        "dodo": (dodos.name, dodos.email),
        "sequence": (sequences.legal_name, contact.email),
    }


@pytest.mark.parametrize("make", MAKERS)
def test_a_customer_has_one_name_and_address(four: Four, make: Make) -> None:
    """Whichever dialect made or changed it, under each of its names."""
    made = make(four)
    alias = {"customerId": made, "value": "her"}
    assert four.sequence.post("/customer-aliases", json=alias).status_code == 201
    for reference in (made, "her", four.sequence.get("/customers/her").json()["id"]):
        assert set(known(four, reference).values()) == {(NAME, EMAIL)}
    four.stripe.v1.customers.update("her", {"name": "By Stripe", "email": "stripe@example.com"})
    assert set(known(four, made).values()) == {("By Stripe", "stripe@example.com")}
    four.dodo(lambda client: client.customers.update("her", name="By Dodo"))
    assert set(known(four, made).values()) == {("By Dodo", "stripe@example.com")}
    four.ask("PATCH", "/customers/her", {"email": "native@example.com"})
    assert set(known(four, made).values()) == {("By Dodo", "native@example.com")}
    four.sequence.put("/customers/her", json=CUSTOMER | {"legalName": "By Sequence"})
    assert set(known(four, made).values()) == {("By Sequence", "ada@acme.example")}


@pytest.mark.parametrize("make", MAKERS)
def test_all_credit_is_given_and_drawn_under_an_alias_of_sequence(four: Four, make: Make) -> None:
    made = make(four)
    alias = {"customerId": made, "value": "her"}
    assert four.sequence.post("/customer-aliases", json=alias).status_code == 201
    grant: Any = {
        "customer": "her",
        "amount": {"type": "monetary", "monetary": {"currency": "usd", "value": 2550}},
        "applicability_config": {"scope": {"price_type": "metered"}},
    }
    assert four.stripe.v1.billing.credit_grants.create(grant).customer != "her", "his id is shown"
    four.dodo.credit("her", "usd", "1.25")
    new_credit(four.sequence, "her", amount="3")
    four.native.grant("her", "usd", "4")
    four.dodo.debit("her", "usd", "2")
    with four.native.hold("her", "usd", "5") as hold:
        hold.capture(Decimal("1.5"))
    assert agreed(four, "her")["usd"].has("posted") == Decimal("30.25")
    assert agreed(four, made)["usd"].has("used") == Decimal("3.5")


def test_a_name_is_one_customers_in_all_dialects(four: Four) -> None:
    """Whether it is an own id or an alias."""
    by_native(four)
    alias = {"customerId": "ada", "value": "her"}
    assert four.sequence.post("/customer-aliases", json=alias).status_code == 201
    four.ask("POST", "/customers", {"id": "bob"})
    assert four.http.post("/customers", json={"id": "her"}).json()["code"] == "already_exists"
    asked: Any = {"id": "her"}
    with pytest.raises(stripe.InvalidRequestError, match="'her' is taken"):
        four.stripe.v1.customers.create(asked)
    for taken in ("ada", "her"):
        body = {"customerId": "bob", "value": taken}
        refusal(four.sequence.post("/customer-aliases", json=body), 400, "ValidationError", "taken")


ENDS: dict[str, Callable[[Four], object]] = {
    "native": lambda four: four.ask("POST", "/customers/ada/close", {}),
    "stripe": lambda four: four.stripe.v1.customers.delete("ada"),
    "sequence": lambda four: four.sequence.post("/customers/ada/archive").raise_for_status(),
}


@pytest.mark.parametrize("way", list(ENDS))
def test_who_is_closed_in_one_dialect_is_so_in_all(four: Four, way: str) -> None:
    """Native calls it closed, Stripe deleted, Sequence archived; Dodo has no word, and refuses credit."""
    by_native(four)
    ENDS[way](four)
    closed_at = four.ask("GET", "/customers/ada")["closed_at"]
    assert read(four.sequence.get("/customers/ada"), 200, Customer).archived_at == closed_at
    assert four.stripe.v1.customers.retrieve("ada").deleted
    assert four.dodo(lambda client: client.customers.retrieve("ada")).name == NAME
    with pytest.raises(dodopayments.BadRequestError):
        four.dodo.credit("ada", "usd", "1")
    answer = post_credit(four.sequence, credit_body("ada"))
    refusal(answer, 400, "InvalidState", "archived")


# Kinds of credit ------------------------------------------------------------------------------------


def test_a_metric_is_the_same_credit_in_all_dialects(four: Four) -> None:
    """By any spelling of its id."""
    by_native(four)
    metric = new_metric(four.sequence, unit="token")
    native = four.ask("GET", f"/entitlements/{metric.id}")
    dodos = four.dodo(lambda client: client.credit_entitlements.retrieve(metric.id))
    assert uuid_of(native["id"]) == uuid_of(dodos.id) == metric.id
    assert (native["name"], native["unit"], native["scale"]) == ("Tokens", "token", 6)
    assert (dodos.name, dodos.unit, dodos.precision) == ("Tokens", "token", 6)
    for spelled in (metric.id, native["id"], native["code"], dodos.id):
        four.native.grant("ada", spelled, "1")
        four.dodo.credit("ada", spelled, "1")
        more = {"creditUnitType": "METRIC", "metricId": spelled, "amount": "1"}
        made = read(post_credit(four.sequence, credit_body("ada", **more)), 201, Credit)
        assert made.metric_id == metric.id
    [wallet] = agreed(four, "ada").values()
    assert wallet.has("posted") == 12


def test_a_kind_of_credit_of_another_dialect_is_granted_by_sequence(four: Four) -> None:
    """It is no metric there: nothing counts it but what its own dialect made."""
    by_native(four)
    tokens = four.dodo.entitlement(name="Dodo's tokens")
    four.ask("POST", "/entitlements", {"code": "images", "unit": "image", "scale": 0})
    for name in (tokens.id, "images"):
        more = {"creditUnitType": "METRIC", "metricId": name, "amount": "7"}
        read(post_credit(four.sequence, credit_body("ada", **more)), 201, Credit)
    assert {each.has("posted") for each in agreed(four, "ada").values()} == {Decimal(7)}
    assert four.sequence.get("/usage-metrics").json()["items"] == []
    refusal(four.sequence.get(f"/usage-metrics/{uuid_of(tokens.id)}"), 404, "NotFound")


def metric_of(four: Four, metric: str) -> Metric:
    return read(four.sequence.get(f"/usage-metrics/{metric}"), 200, Metric)


def test_a_metric_is_called_as_another_dialect_has_renamed_it(four: Four) -> None:
    """Its grants and balances are; and Sequence may name it anew, for all."""
    by_native(four)
    metric = new_metric(four.sequence)
    new_credit(four.sequence, "ada", **_units(metric.id))
    four.dodo(lambda client: client.credit_entitlements.update(metric.id, name="Words"))
    four.ask("PATCH", f"/entitlements/{metric.id}", {"unit": "word"})
    found = metric_of(four, metric.id)
    assert (found.name, found.unit) == ("Words", "word")
    assert [each["name"] for each in four.sequence.get("/usage-metrics").json()["items"]] == [
        "Words"
    ]
    send(four.sequence, "ada", 3)
    days = {"periodStart": "2026-01-01", "periodEnd": "2099-12-31", "customerAliases": "ada"}
    counted = four.sequence.get(f"/usage-metrics/{metric.id}/calculate", params=days).json()
    assert (counted["name"], counted["unit"], counted["value"]) == ("Words", "word", 3)
    agreed(four, "ada")
    for name in ("Tokens", "Pages"):
        answer = four.sequence.put(f"/usage-metrics/{metric.id}", json=metric_body(name=name))
        assert read(answer, 200, Metric).name == metric_of(four, metric.id).name == name
        dodos = four.dodo(lambda client: client.credit_entitlements.retrieve(metric.id))
        assert (dodos.name, four.ask("GET", f"/entitlements/{metric.id}")["name"]) == (name, name)
        agreed(four, "ada")


def _units(metric: str) -> Json:
    return {"creditUnitType": "METRIC", "metricId": metric, "amount": "100", "name": "Units"}


def test_a_metric_that_another_dialect_has_deleted_is_deleted(four: Four) -> None:
    """Its credit stays; nothing draws on it until it is brought back."""
    by_native(four)
    metric = new_metric(four.sequence)
    new_credit(four.sequence, "ada", **_units(metric.id))
    four.dodo(lambda client: client.credit_entitlements.delete(metric.id))
    closed_at = four.ask("GET", f"/entitlements/{metric.id}")["closed_at"]
    assert metric_of(four, metric.id).deleted_at == closed_at
    answer = four.sequence.put(f"/usage-metrics/{metric.id}", json=metric_body())
    refusal(answer, 400, "InvalidState")
    refusal(
        post_credit(four.sequence, credit_body("ada", **_units(metric.id))), 400, "InvalidState"
    )
    send(four.sequence, "ada", 3)
    assert left(four, metric.id) == "100"
    four.dodo(lambda client: client.credit_entitlements.undelete(metric.id))
    assert metric_of(four, metric.id) == metric
    send(four.sequence, "ada", 4)
    assert left(four, metric.id) == "96"


def left(four: Four, metric: str) -> str:
    [item] = four.sequence.get("/credits/ada/balances").json()["items"]
    assert item["id"] == metric
    found: str = item["balance"]
    return found


# Usage -----------------------------------------------------------------------------------------------


def by_each(four: Four) -> list[Json]:
    """An event of each dialect, of ten tokens in all; as the native API lists them, newest first."""
    payload = {"stripe_customer_id": "ada", "tokens": "2.5"}
    told: Any = {"event_name": "call", "identifier": "of-stripe", "payload": payload}
    four.stripe.v1.billing.meter_events.create(told)
    event = {"event_id": "of-dodo", "customer_id": "ada", "event_name": "call"}
    ingested = event | {"metadata": {"tokens": 3, "stream": True}}
    four.dodo(lambda client: client.usage_events.ingest(events=[ingested]))
    four.native.record_event("of-native", "ada", "call", properties={"tokens": "0.25"})
    send(four.sequence, "ada", "4.25", customerEventId="of-sequence")
    return four.every("/events", customer="ada")


def test_an_event_of_any_dialect_is_in_the_lists_of_all_that_have_one(four: Four) -> None:
    """With its id, name, time and properties. Stripe has no list of them."""
    by_native(four)
    metric = new_metric(four.sequence)
    new_credit(four.sequence, "ada", **_units(metric.id))
    events = by_each(four)
    assert [each["id"] for each in events] == ["of-sequence", "of-native", "of-dodo", "of-stripe"]
    dodos = four.dodo(lambda client: client.usage_events.list(customer_id="ada")).items
    sequences = four.sequence.get("/usage-events", params={"customerAlias": "ada"}).json()["items"]
    for event, dodo, sequence in zip(events, dodos, sequences, strict=True):
        assert (dodo.event_id, dodo.event_name, dodo.metadata) == (
            event["id"],
            event["name"],
            event["properties"],
        )
        assert sequence["customerEventId"] == event["id"]
        assert sequence["eventType"] == event["name"]
        assert sequence["eventTimestamp"] == event["time"]
        assert sequence["eventProperties"] == event["properties"]
    [wallet] = agreed(four, "ada").values()
    assert wallet.has("used") == 10
    assert value(four.sequence, metric.id, "ada") == "10"


def dodos_meter(dodo: Dodo) -> str:
    """A meter of Dodo's own; what it costs is a rate."""
    made: str = dodo(
        lambda client: client.meters.create(
            name="Tokens",
            event_name="call",
            measurement_unit="token",
            aggregation={"type": "sum", "key": "tokens"},
        )
    ).id
    return made


def test_a_meter_of_another_dialect_counts_the_events_of_all(four: Four) -> None:
    """Dodo's, with a rate to credit that Sequence gave; Stripe's, which waits for an invoice."""
    by_native(four)
    kind = four.dodo.entitlement(name="Tokens of Dodo")
    meter = dodos_meter(four.dodo)
    price = {"model": "per_credit", "units_per_credit": "1"}
    four.ask("POST", "/rates", {"meter": meter, "entitlement": kind.id, "price": price})
    new_credit(four.sequence, "ada", **_units(kind.id))
    by_each(four)
    [wallet] = agreed(four, "ada").values()
    assert (wallet.balance["used"], wallet.balance["posted"]) == ("10", "90")
    found = four.dodo(lambda client: client.usage_events.list(meter_id=meter)).items
    assert len(found) == 4


def test_a_metric_is_a_meter_of_the_dialects_that_have_words_for_it(four: Four) -> None:
    """Stripe has none for a filter; its list leaves that one out, and its events are not taken for it."""
    plain = new_metric(four.sequence)
    filtered = new_metric(
        four.sequence, name="Large", eventType="reply", propertyFilters={"model": "large"}
    )
    dodos = four.dodo(lambda client: client.meters.list()).items
    assert [each.name for each in dodos] == ["Large", "Tokens"]
    assert {each["name"] for each in four.every("/meters")} == {"Large", "Tokens"}
    [shown] = four.stripe.v1.billing.meters.list().data
    assert (shown.display_name, shown.event_name) == ("Tokens", "call")
    assert shown.value_settings.event_payload_key == "tokens"
    by_native(four)
    payload = {"stripe_customer_id": "ada", "tokens": "1", "model": "large"}
    with pytest.raises(stripe.InvalidRequestError, match="No active meter"):
        four.stripe.v1.billing.meter_events.create({"event_name": "reply", "payload": payload})
    four.native.record_event("one", "ada", "reply", properties={"tokens": 8, "model": "large"})
    assert value(four.sequence, filtered.id, "ada") == "8"
    assert value(four.sequence, plain.id, "ada") == "0"


def test_meters_of_several_dialects_count_the_same_event_each_in_its_way(four: Four) -> None:
    """What a meter event must say is what Stripe's own meter, which was there first, says."""
    by_native(four)
    meter: Any = {
        "display_name": "Tokens",
        "event_name": "call",
        "default_aggregation": {"formula": "sum"},
        "customer_mapping": {"type": "by_id", "event_payload_key": "who"},
        "value_settings": {"event_payload_key": "tokens"},
    }
    stripes = four.stripe.v1.billing.meters.create(meter).id
    metric = counting(four.sequence, name="Calls")
    dodos_meter(four.dodo)
    new_credit(four.sequence, "ada", **_units(metric.id))
    events = four.stripe.v1.billing.meter_events
    for payload in ({"who": "ada"}, {"tokens": "3"}, {"who": "ada", "tokens": "many"}):
        with pytest.raises(stripe.InvalidRequestError, match=r"payload|Invalid value"):
            events.create({"event_name": "call", "payload": payload})
    events.create({"event_name": "call", "payload": {"who": "ada", "tokens": "3"}})
    send(four.sequence, "ada", 4)
    assert agreed(four, "ada").popitem()[1].has("used") == 2
    assert value(four.sequence, metric.id, "ada") == "2"
    since = int(time.time()) // 60 * 60 - 3_600
    window: Any = {"customer": "ada", "start_time": since, "end_time": since + 7_200}
    [summary] = four.stripe.v1.billing.meters.event_summaries.list(stripes, window).data
    assert summary.aggregated_value == 7
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        four.stripe.v1.billing.meters.create(meter)


def test_what_one_dialect_cancels_counts_in_none(four: Four) -> None:
    """The event stays in the lists, under a name that no meter counts."""
    by_native(four)
    metric = new_metric(four.sequence)
    new_credit(four.sequence, "ada", **_units(metric.id))
    by_each(four)
    cancel: Any = {"event_name": "call", "type": "cancel", "cancel": {"identifier": "of-dodo"}}
    four.stripe.v1.billing.meter_event_adjustments.create(cancel)
    assert agreed(four, "ada").popitem()[1].has("used") == 7
    send(four.sequence, "VOID", 1, customerEventId="of-stripe")
    assert agreed(four, "ada").popitem()[1].has("used") == Decimal("4.5")
    assert value(four.sequence, metric.id, "ada") == "4.5"
    found = four.dodo(lambda client: client.usage_events.list(customer_id="ada")).items
    names = {each.event_id: each.event_name for each in found}
    assert (names["of-dodo"], names["of-stripe"]) == ("stripe.canceled", "drawdown.replaced")
    assert {each["id"]: each["name"] for each in four.every("/events")} == names
    [event] = listed(four.sequence, eventId="of-dodo")
    assert event.event_type == "stripe.canceled"


def test_an_event_of_nobody_is_sequences_alone_until_somebody_has_its_alias(four: Four) -> None:
    """Also a customer whom another dialect gives that id."""
    metric = new_metric(four.sequence)
    send(four.sequence, "ada", 3, customerEventId="early")
    assert four.every("/events") == []
    assert four.dodo(lambda client: client.usage_events.list()).items == []
    by_native(four)
    new_credit(four.sequence, "ada", **_units(metric.id))
    assert listed(four.sequence, unmappedAliasesOnly="true") == []
    [event] = four.every("/events")
    assert (event["id"], event["customer"]) == ("early", "ada")
    assert agreed(four, "ada").popitem()[1].has("used") == 3


def test_an_override_of_one_dialect_is_seen_in_all(four: Four) -> None:
    by_native(four)
    metric = new_metric(four.sequence)
    new_credit(four.sequence, "ada", **_units(metric.id))
    by_each(four)
    send(four.sequence, "ada", 1, customerEventId="of-dodo")
    four.native.record_event("of-sequence", "ada", "call", properties={"tokens": 2}, override=True)
    assert agreed(four, "ada").popitem()[1].has("used") == Decimal("5.75")
    found = four.dodo(lambda client: client.usage_events.retrieve("of-dodo"))
    assert found.metadata == {"tokens": 1}
    [event] = listed(four.sequence, eventId="of-sequence")
    assert bytes(event.event_properties) == b'{"tokens":2}'
    assert value(four.sequence, metric.id, "ada") == "5.75"
