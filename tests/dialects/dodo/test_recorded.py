"""What the vendor's SDK was seen to send, sent again byte for byte, and read back.

The samples' customer and entitlement are an operator's own ids here, so that their paths stand. What gets an
id of the server's own (a meter, a webhook, a product, a subscription) has it put in place of the sample's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drawdown.core.types import MICROSECONDS, Instant
from tests.conftest import NewUrl
from tests.dialects.dodo.raw import Raw, exchange, message
from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.openapi import Described, document_at
from tests.support.server import Tenant

RECORDED = json.loads((Path(__file__).parent / "recorded_requests.json").read_text("utf-8"))
CALLS = {request["call"]: request for request in RECORDED["requests"]}
CUSTOMER = "cus_8VbC6JDZzPEqfBPUdpj0K"
ENTITLEMENT = "cde_ztxm5XJsKxWucRWA3rjdM"
#: 2026-01-02T03:00:00Z: the samples' time, 03:04:05.678901, is ahead by less than an event's may be.
BEGAN = 1_767_322_800
SAMPLED = Instant((BEGAN + 245) * MICROSECONDS + 678_901)
SAMPLED_TEXT = "2026-01-02T03:04:05.678901Z"
#: A meter of calls, each of which costs an image.
METERED = {
    "type": "usage_based_price",
    "currency": "USD",
    "fixed_price": 0,
    "meters": [
        {"meter_id": "mtr_1", "credit_entitlement_id": "images", "meter_units_per_credit": "1"}
    ],
    "payment_frequency_count": 1,
    "payment_frequency_interval": "Month",
    "subscription_period_count": 1,
    "subscription_period_interval": "Year",
}


class Place:
    """An account with something of each kind in it, and the ids that stand for the samples'."""

    def __init__(self, server: ClockedServer, described: Described) -> None:
        self.clock, self._described = server.clock, described
        self._tenant: Tenant = server.tenant()
        self._secret = self._tenant.test.editor.secret
        self._furnish()
        self.ids: dict[str, str] = {}
        self.ids["mtr_1"] = self._made("/meters", METER)["id"]
        hook = self._made("/webhooks", {"url": "https://example.com/first"})
        product = self._made("/products", PRODUCT)
        self.ids |= {"ep_1": hook["id"], "pdt_1": product["product_id"]}
        asked = {"billing": {"country": "US"}, "product_id": self.ids["pdt_1"], "quantity": 1}
        made = self._made("/subscriptions", asked | {"customer": {"customer_id": CUSTOMER}})
        self.ids["sub_7EeHq2ewQuadropD2ra"] = made["subscription_id"]

    def _furnish(self) -> None:
        with self._tenant.client() as native:
            for path, body in (
                ("/customers", {"id": CUSTOMER, "name": "Ada", "email": "a@example.com"}),
                (
                    "/entitlements",
                    {"code": ENTITLEMENT, "name": "Kept", "unit": "token", "scale": 2},
                ),
                (
                    "/entitlements",
                    {"code": "images", "name": "Images", "unit": "image", "scale": 0},
                ),
                ("/grants", {"customer": CUSTOMER, "entitlement": ENTITLEMENT, "amount": "50"}),
            ):
                native.post(path, json=body).raise_for_status()

    def _made(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.ask("POST", path, body)
        assert answer.status in (200, 201), answer.body
        return answer.json

    def ask(self, method: str, path: str, body: Any = None) -> Raw:
        """A request that is not a sample."""
        given = {"authorization": f"Bearer {self._secret}", "content-type": "application/json"}
        return self._exchanged(method, f"/dodo{path}", given, body)

    def got(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.body
        return answer.json

    def send(self, call: str) -> Raw:
        """The sample, under this account's key."""
        recorded = CALLS[call]
        query = f"?{recorded['query']}" if recorded["query"] else ""
        headers = RECORDED["headers"] | recorded["headers"]
        headers["authorization"] = f"Bearer {self._secret}"
        target = f"/dodo{recorded['path']}{query}"
        return self._exchanged(recorded["method"], target, headers, recorded["body"])

    def _exchanged(self, method: str, target: str, headers: dict[str, str], body: Any) -> Raw:
        """Every answer is as the OpenAPI document has it."""
        sent = "" if body is None else compact(body)
        for sample, own in self.ids.items():
            target, sent = target.replace(sample, own), sent.replace(f'"{sample}"', f'"{own}"')
        answer = exchange(self._tenant.url, message(method, target, headers, sent.encode()))
        self._described.check(method, target, answer.status, answer.body)
        return answer


METER = {
    "name": "T",
    "event_name": "api.call",
    "aggregation": {"type": "count"},
    "measurement_unit": "calls",
    "description": "d",
}
PRODUCT = {
    "name": "Basic",
    "price": METERED,
    "tax_category": "saas",
    "credit_entitlements": [{"credit_entitlement_id": "images", "credits_amount": "500"}],
}


def compact(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


@pytest.fixture(scope="module")
def running(new_url: NewUrl) -> Iterator[ClockedServer]:
    with new_url() as url, clocked_server(url, Instant(BEGAN * MICROSECONDS)) as server:
        yield server


@pytest.fixture(scope="module")
def described(running: ClockedServer) -> Described:
    return Described(document_at(f"{running.url}/dodo/openapi.json"), "/dodo")


@pytest.fixture
def place(running: ClockedServer, described: Described) -> Place:
    running.clock.instant = Instant(BEGAN * MICROSECONDS)
    return Place(running, described)


# What a request says, and what is answered and kept ------------------------------------------------

Check = Callable[[Place, Raw], None]
CHECKS: dict[str, tuple[int, Check]] = {}


def answered(call: str, status: int = 200) -> Callable[[Check], Check]:
    """What follows checks the answer to ``call``, whose status is this."""

    def add(check: Check) -> Check:
        assert call not in CHECKS
        CHECKS[call] = status, check
        return check

    return add


def fields(found: Any, **expected: Any) -> None:
    assert {name: found[name] for name in expected} == expected


def items(answer: Raw) -> list[Any]:
    """The envelope is ``items`` alone."""
    assert set(answer.json) == {"items"}
    found: list[Any] = answer.json["items"]
    return found


CREATE = "credit_entitlements.create"


@answered(f"{CREATE} (minimal)", 201)
def _(place: Place, answer: Raw) -> None:
    fields(
        answer.json,
        name="Tokens",
        unit="Tokens",
        precision=2,
        description=None,
        expires_after_days=None,
    )
    fields(
        answer.json,
        overage_enabled=False,
        rollover_enabled=False,
        overage_behavior="forgive_at_reset",
    )
    assert place.got(f"/credit-entitlements/{answer.json['id']}") == answer.json


@answered(f"{CREATE} (all params)", 201)
def _(place: Place, answer: Raw) -> None:
    sent = CALLS[f"{CREATE} (all params)"]["body"]
    assert len(sent) == 15
    fields(answer.json, **sent)
    assert place.got(f"/credit-entitlements/{answer.json['id']}") == answer.json


@answered(f"{CREATE} (explicit nulls)", 201)
def _(place: Place, answer: Raw) -> None:
    fields(answer.json, precision=0, currency=None, description=None, expires_after_days=None)
    fields(answer.json, overage_behavior="forgive_at_reset")


@answered("credit_entitlements.retrieve")
def _(place: Place, answer: Raw) -> None:
    fields(answer.json, name="Kept", unit="token", precision=2)


@answered("credit_entitlements.retrieve (locale)")
def _(place: Place, answer: Raw) -> None:
    """There are no translations."""
    fields(answer.json, name="Kept", unit="token", precision=2)


@answered("credit_entitlements.update")
def _(place: Place, answer: Raw) -> None:
    """The SDK expects nothing in return."""
    assert answer.body == b""
    sent = CALLS["credit_entitlements.update"]["body"]
    fields(place.got(f"/credit-entitlements/{ENTITLEMENT}"), **sent)


@answered("credit_entitlements.list (no params)")
def _(place: Place, answer: Raw) -> None:
    """Newest first."""
    assert [each["name"] for each in items(answer)] == ["Images", "Kept"]


@answered("credit_entitlements.list (all params)")
def _(place: Place, answer: Raw) -> None:
    """The deleted ones alone."""
    assert items(answer) == []
    assert place.ask("DELETE", f"/credit-entitlements/{ENTITLEMENT}").status == 200
    again = place.send("credit_entitlements.list (all params)")
    assert [each["name"] for each in items(again)] == ["Kept"]


@answered("credit_entitlements.list (deleted=False)")
def _(place: Place, answer: Raw) -> None:
    """Page 3 of 25 begins with the 76th."""
    assert items(answer) == []
    for number in range(74):
        place.ask("POST", "/credit-entitlements", entitlement_called(f"Number {number}"))
    again = place.send("credit_entitlements.list (deleted=False)")
    assert [each["name"] for each in items(again)] == ["Kept"]


def entitlement_called(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "unit": "u",
        "precision": 0,
        "rollover_enabled": False,
        "overage_enabled": False,
    }


@answered("credit_entitlements.delete")
def _(place: Place, answer: Raw) -> None:
    """A content type without a body is nothing to read."""
    assert answer.body == b""
    assert place.ask("GET", f"/credit-entitlements/{ENTITLEMENT}").status == 404
    again = place.send("credit_entitlements.delete")
    assert (again.status, again.json["code"]) == (410, "CREDIT_ENTITLEMENT_IS_DELETED")


@answered("credit_entitlements.undelete", 500)
def _(place: Place, answer: Raw) -> None:
    """The vendor's 500 for what is not deleted, once; 200 for what is."""
    fields(answer.headers, **{"x-should-retry": "false"})
    assert place.send("credit_entitlements.delete").status == 200
    assert place.send("credit_entitlements.undelete").status == 200
    assert place.got(f"/credit-entitlements/{ENTITLEMENT}")["name"] == "Kept"


BALANCES = "credit_entitlements.balances"
WALLET = f"/credit-entitlements/{ENTITLEMENT}/balances/{CUSTOMER}"


@answered(f"{BALANCES}.retrieve")
def _(place: Place, answer: Raw) -> None:
    fields(answer.json, customer_id=CUSTOMER, balance="50", overage="0")


@answered(f"{BALANCES}.list")
def _(place: Place, answer: Raw) -> None:
    """The customer has one balance of it, and page 1 is the second."""
    assert items(answer) == []
    [first] = place.got(f"/credit-entitlements/{ENTITLEMENT}/balances?customer_id={CUSTOMER}")[
        "items"
    ]
    fields(first, customer_id=CUSTOMER, balance="50")


@answered(f"{BALANCES}.list_grants")
def _(place: Place, answer: Raw) -> None:
    [grant] = items(answer)
    fields(grant, initial_amount="50", customer_id=CUSTOMER)
    place.ask("POST", f"{WALLET}/ledger-entries", {"entry_type": "debit", "amount": "50"})
    assert items(place.send(f"{BALANCES}.list_grants")) == []


@answered(f"{BALANCES}.list_grants (no params)")
def _(place: Place, answer: Raw) -> None:
    place.ask("POST", f"{WALLET}/ledger-entries", {"entry_type": "debit", "amount": "50"})
    [grant] = items(place.send(f"{BALANCES}.list_grants (no params)"))
    fields(grant, initial_amount="50", remaining_amount="0")


@answered(f"{BALANCES}.list_ledger")
def _(place: Place, answer: Raw) -> None:
    """Page 2 of 5 of what was added from the instant that is named: the 11th and 12th of twelve."""
    assert items(answer) == []
    for instant, number in ((SAMPLED - 1, 100), *((SAMPLED, each) for each in range(12))):
        place.clock.instant = Instant(instant)
        for entry_type in ("credit", "debit"):
            entry = {"entry_type": entry_type, "amount": "1", "reason": f"{entry_type} {number}"}
            assert place.ask("POST", f"{WALLET}/ledger-entries", entry).status == 201
    found = items(place.send(f"{BALANCES}.list_ledger"))
    assert [each["description"] for each in found] == ["credit 1", "credit 0"]
    assert {each["created_at"] for each in found} == {SAMPLED_TEXT}


ENTRIES = f"{BALANCES}.create_ledger_entry"


@answered(f"{ENTRIES} (credit, all params)", 201)
def _(place: Place, answer: Raw) -> None:
    """The second time is refused, and grants nothing."""
    fields(
        answer.json,
        entry_type="credit",
        amount="100.25",
        balance_before="50",
        balance_after="150.25",
    )
    fields(
        answer.json, reason="Promo", metadata={"campaign": "launch", "n": 1, "f": 0.5, "b": True}
    )
    assert place.got(f"{WALLET}/grants")["items"][0]["expires_at"] == SAMPLED_TEXT
    again = place.send(f"{ENTRIES} (credit, all params)")
    assert (again.status, again.headers["x-should-retry"]) == (409, "false")
    assert again.json["code"] == "IDEMPOTENCY_KEY_ALREADY_EXISTS"
    assert place.got(WALLET)["balance"] == "150.25"


@answered(f"{ENTRIES} (debit, minimal)", 201)
def _(place: Place, answer: Raw) -> None:
    fields(answer.json, entry_type="debit", amount="5", balance_before="50", balance_after="45")
    fields(answer.json, reason=None, metadata={})


@answered(f"{ENTRIES} (naive datetime, nulls)", 201)
def _(place: Place, answer: Raw) -> None:
    """A time without a zone is UTC; there is no key, so that it may be sent twice."""
    fields(answer.json, amount="5", balance_after="55", reason=None, metadata={})
    assert place.got(f"{WALLET}/grants")["items"][0]["expires_at"] == "2026-05-06T07:08:09Z"
    assert place.send(f"{ENTRIES} (naive datetime, nulls)").json["balance_after"] == "60"


@answered("usage_events.ingest")
def _(place: Place, answer: Raw) -> None:
    """The second time both are known."""
    assert answer.json == {"ingested_count": 2}
    assert place.send("usage_events.ingest").json == {"ingested_count": 0}
    first, second = place.got("/events/evt_1"), place.got("/events/evt_2")
    fields(first, customer_id=CUSTOMER, event_name="api.call", timestamp="2026-01-02T03:00:00Z")
    fields(second, timestamp=SAMPLED_TEXT)
    fields(second, metadata={"tokens": 150, "model": "m", "cached": False, "cost": 0.25})


@answered("usage_events.list")
def _(place: Place, answer: Raw) -> None:
    """From an instant up to the same instant there is nothing; from it on there is one of two events."""
    place.send("usage_events.ingest")
    assert items(place.send("usage_events.list")) == []
    query: str = CALLS["usage_events.list"]["query"].replace("mtr_1", place.ids["mtr_1"])
    later = query.replace("end=2026-01-02T03%3A04%3A05", "end=2026-01-02T03%3A04%3A06")
    assert later != query
    [event] = place.got(f"/events?{later}")["items"]
    assert event["event_id"] == "evt_2"


@answered("usage_events.retrieve", 404)
def _(place: Place, answer: Raw) -> None:
    assert answer.json["code"] == "NOT_FOUND"
    place.send("usage_events.ingest")
    fields(place.send("usage_events.retrieve").json, event_id="evt_1", customer_id=CUSTOMER)


@answered("customers.create")
def _(place: Place, answer: Raw) -> None:
    sent = CALLS["customers.create"]["body"]
    fields(answer.json, **sent)
    fields(place.got(f"/customers/{answer.json['customer_id']}"), **sent)


@answered("customers.retrieve")
def _(place: Place, answer: Raw) -> None:
    fields(answer.json, customer_id=CUSTOMER, name="Ada", email="a@example.com")


@answered("customers.update")
def _(place: Place, answer: Raw) -> None:
    """What is left out stays."""
    fields(answer.json, name="Ada L", metadata={"tier": "max"}, email="a@example.com")
    assert place.got(f"/customers/{CUSTOMER}") == answer.json


@answered("customers.list")
def _(place: Place, answer: Raw) -> None:
    """Of three whose name and address fit, those made from the instant on that is named."""
    assert items(answer) == []
    for instant, name in ((SAMPLED - 1, "Ada B"), (SAMPLED, "Countess ADA"), (SAMPLED, "Bo")):
        place.clock.instant = Instant(instant)
        place.ask("POST", "/customers", {"name": name, "email": "a@example.com"})
    place.ask("POST", "/customers", {"name": "Ada", "email": "other@example.com"})
    assert [each["name"] for each in items(place.send("customers.list"))] == ["Countess ADA"]


@answered("customers.list_credit_entitlements")
def _(place: Place, answer: Raw) -> None:
    found = {each["name"]: each["balance"] for each in items(answer)}
    assert found == {"Kept": "50", "Images": "500"}


@answered("customers.wallets.list")
def _(place: Place, answer: Raw) -> None:
    assert answer.json == {"items": [], "total_balance_usd": 0}


MONEY = "customers.wallets.ledger_entries"


@answered(f"{MONEY}.create")
def _(place: Place, answer: Raw) -> None:
    """The second time the first answer, and no more money."""
    fields(answer.json, customer_id=CUSTOMER, currency="USD", balance=500)
    assert place.send(f"{MONEY}.create").json == answer.json
    assert place.send("customers.wallets.list").json["total_balance_usd"] == 500


@answered(f"{MONEY}.list")
def _(place: Place, answer: Raw) -> None:
    assert items(answer) == []
    place.send(f"{MONEY}.create")
    place.ask("POST", f"/customers/{CUSTOMER}/wallets/ledger-entries", RUPEES)
    [entry] = items(place.send(f"{MONEY}.list"))
    fields(entry, currency="USD", amount=500, is_credit=True, reason="Goodwill", after_balance=500)


RUPEES = {"amount": 7, "currency": "INR", "entry_type": "credit"}


@answered("meters.create", 201)
def _(place: Place, answer: Raw) -> None:
    sent = CALLS["meters.create"]["body"]
    fields(answer.json, **sent)
    assert place.got(f"/meters/{answer.json['id']}") == answer.json


@answered("meters.create (count, nested filter)", 201)
def _(place: Place, answer: Raw) -> None:
    sent = CALLS["meters.create (count, nested filter)"]["body"]
    fields(answer.json, **{name: sent[name] for name in sent if name != "aggregation"})
    assert answer.json["aggregation"]["type"] == "count"


@answered("meters.retrieve")
def _(place: Place, answer: Raw) -> None:
    fields(
        answer.json, id=place.ids["mtr_1"], **{each: METER[each] for each in ("name", "event_name")}
    )


@answered("meters.update")
def _(place: Place, answer: Raw) -> None:
    """null takes the description away; what is left out stays."""
    fields(answer.json, name="T2", description=None, measurement_unit="calls")
    assert place.got(f"/meters/{place.ids['mtr_1']}") == answer.json


@answered("meters.list")
def _(place: Place, answer: Raw) -> None:
    assert [each["id"] for each in items(answer)] == [place.ids["mtr_1"]]
    place.send("meters.archive")
    assert items(place.send("meters.list")) == []


@answered("meters.archive", 204)
def _(place: Place, answer: Raw) -> None:
    assert answer.body == b""
    [archived] = place.got("/meters?archived=true")["items"]
    assert archived["id"] == place.ids["mtr_1"]


@answered("meters.unarchive", 500)
def _(place: Place, answer: Raw) -> None:
    """The vendor's 500 for what is not archived, once; 200 for what is."""
    fields(answer.headers, **{"x-should-retry": "false"})
    place.send("meters.archive")
    assert place.send("meters.unarchive").status == 200
    assert place.got("/meters")["items"] != []


@answered("webhooks.create")
def _(place: Place, answer: Raw) -> None:
    """A used key answers the same endpoint. A name of a header tells nothing, so it is shown."""
    sent = CALLS["webhooks.create"]["body"]
    shown = ("url", "description", "disabled", "filter_types", "metadata", "rate_limit")
    fields(answer.json, **{name: sent[name] for name in shown})
    assert place.send("webhooks.create").json["id"] == answer.json["id"]
    headers = place.got(f"/webhooks/{answer.json['id']}/headers")
    assert headers == {"headers": {"x-a": "b"}, "sensitive": []}


@answered("webhooks.retrieve")
def _(place: Place, answer: Raw) -> None:
    fields(
        answer.json,
        id=place.ids["ep_1"],
        url="https://example.com/first",
        description="",
        metadata={},
    )


@answered("webhooks.update")
def _(place: Place, answer: Raw) -> None:
    fields(
        answer.json,
        disabled=True,
        filter_types=["credit.deducted"],
        url="https://example.com/first",
    )
    assert place.got(f"/webhooks/{place.ids['ep_1']}")["disabled"] is True


@answered("webhooks.list")
def _(place: Place, answer: Raw) -> None:
    fields(answer.json, done=True, iterator=None)
    assert [each["id"] for each in answer.json["data"]] == [place.ids["ep_1"]]
    for number in range(5):
        place.ask("POST", "/webhooks", {"url": f"https://example.com/{number}"})
    again = place.send("webhooks.list").json
    assert (len(again["data"]), again["done"]) == (5, False)


@answered("webhooks.retrieve_secret")
def _(place: Place, answer: Raw) -> None:
    assert answer.json["secret"].startswith("whsec_")


@answered("webhooks.headers.retrieve")
def _(place: Place, answer: Raw) -> None:
    assert answer.json == {"headers": {}, "sensitive": []}


@answered("webhooks.headers.update")
def _(place: Place, answer: Raw) -> None:
    assert answer.body == b""
    assert place.send("webhooks.headers.retrieve").json == {
        "headers": {"x-a": "c"},
        "sensitive": [],
    }


@answered("webhooks.delete")
def _(place: Place, answer: Raw) -> None:
    assert answer.body == b""
    assert place.send("webhooks.retrieve").status == 404


@answered("subscriptions.retrieve_credit_usage")
def _(place: Place, answer: Raw) -> None:
    assert answer.json["subscription_id"] == place.ids["sub_7EeHq2ewQuadropD2ra"]
    [usage] = answer.json["items"]
    fields(usage, credit_entitlement_name="Images", balance="500", overage="0", limit_reached=False)


@answered("subscriptions.retrieve")
def _(place: Place, answer: Raw) -> None:
    fields(answer.json, status="active", product_id=place.ids["pdt_1"], quantity=1)
    assert answer.json["customer"]["customer_id"] == CUSTOMER


@answered("subscriptions.retrieve_usage_history")
def _(place: Place, answer: Raw) -> None:
    """The period in which that instant is, with the one meter that is named."""
    [period] = items(answer)
    [meter] = period["meters"]
    fields(meter, id=place.ids["mtr_1"], consumed_units="0")
    place.send("usage_events.ingest")
    [after] = items(place.send("subscriptions.retrieve_usage_history"))
    fields(after["meters"][0], consumed_units="2", chargeable_units="2", total_price=0)


@answered("subscriptions.create")
def _(place: Place, answer: Raw) -> None:
    """Nothing is to be paid, so that its credit is there at once."""
    fields(answer.json["customer"], customer_id=CUSTOMER, name="Ada")
    made = place.got(f"/subscriptions/{answer.json['subscription_id']}")
    fields(made, status="active", product_id=place.ids["pdt_1"], quantity=1)
    assert made["billing"]["country"] == "US"
    assert place.send("customers.list_credit_entitlements").json["items"] != []
    assert place.got(f"/credit-entitlements/images/balances/{CUSTOMER}")["balance"] == "1000"


@answered("products.create (subscription with credits and a credit-linked meter)")
def _(place: Place, answer: Raw) -> None:
    """Each link and each attached credit as it was asked for."""
    sent = CALLS["products.create (subscription with credits and a credit-linked meter)"]["body"]
    fields(answer.json, name="Pro", tax_category="saas")
    [link], [asked] = answer.json["price"]["meters"], sent["price"]["meters"]
    fields(link, **asked | {"meter_id": place.ids["mtr_1"]})
    [attached], [wanted] = answer.json["credit_entitlements"], sent["credit_entitlements"]
    shown_as = place.got(f"/credit-entitlements/{ENTITLEMENT}")["id"]
    fields(attached, **wanted | {"credit_entitlement_id": shown_as})
    assert place.got(f"/products/{answer.json['product_id']}") == answer.json


def test_every_recorded_call_is_sent_again() -> None:
    assert set(CALLS) == set(CHECKS)
    assert len(CALLS) == len(RECORDED["requests"]) == 50


@pytest.mark.parametrize("call", CHECKS)
def test_a_recorded_request_is_understood(place: Place, call: str) -> None:
    """With the status that the vendor documents, and with what was said in it kept."""
    status, check = CHECKS[call]
    answer = place.send(call)
    assert answer.status == status, answer.body
    if answer.body:
        assert answer.headers["content-type"] == "application/json"
    check(place, answer)
