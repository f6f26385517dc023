"""Every recorded example: what is asked in it is taken, and what is answered has its fields and its values.

The server's clock stands where the sample's did. Ids are those of a world that is prepared for each, but a
customer has the sample's own. What is answered beyond a sample, or otherwise than in it, is told in a table.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from drawdown.core.types import MICROSECONDS, Instant
from tests.support.clocked_server import ClockedServer, clocked_server

EXAMPLES: dict[str, Any] = {
    each["name"]: each
    for each in json.loads(Path(__file__).with_name("examples.json").read_text("utf-8"))["examples"]
}
GRANTS = "/v1/billing/credit_grants"
TRANSACTIONS = "/v1/billing/credit_balance_transactions"
PURCHASER, OTHER, SEARCHER = "cus_QrvQguzkIK8zTj", "cus_QsEHa3GKweMwih", "cus_NciAYcXfLnqBoz"
HOOK = "https://example.com/my/webhook/endpoint"
HOUR = 3_600

#: What is answered beyond the samples, or otherwise: by the kind of object and the field.
EXPLAINED = {
    "billing.credit_grant.customer_account": "newer than the samples",
    "billing.credit_balance_summary.customer_account": "newer than the samples",
    "customer.customer_account": "newer than the samples",
    "billing.credit_balance_transaction.credit.credits_application_invoice_voided": (
        "null in the SDKs' types, and left out of the sample"
    ),
    "answer.error.request_log_url": "there is no dashboard to see a log in",
    "billing.alert.usage_threshold.filters": "in the SDKs' types, and left out of the sample",
    "line_item.description": "it has a multiplication sign, not an x",
    "billing.meter_event_adjustment.status": "what is canceled is so at once, not later",
}
#: Of what is another each time only that it is there.
_TIMES = {"created", "effective_at", "expires_at", "updated", "voided_at", "deactivated_at"}
_OWN = {"authentication_token", "deletes_after", "invoice_prefix", "secret"}
_ID = re.compile(
    r"\b(credgr|cbtxn|mtrusg|mtr|mes|alrt|cus|prod|price|sub|si|in|il|clock|we|evt|req)_(test_)?\w+"
)


# What differs ---------------------------------------------------------------------------------------


def faults(found: Any, wanted: Any, where: str) -> list[str]:
    """Where an answer has not the sample's fields and values; as ``kind.field: what is wrong``."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        where = wanted.get("object", where) if isinstance(wanted.get("object"), str) else where
        told = [f"{where}.{name}: is missing" for name in wanted.keys() - found.keys()]
        told += [f"{where}.{name}: is beyond the sample" for name in found.keys() - wanted.keys()]
        for name in wanted.keys() & found.keys():
            told += _field(name, found[name], wanted[name], f"{where}.{name}")
        return sorted(told)
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = zip(found, wanted, strict=True)
        return [each for one, other in pairs for each in faults(one, other, f"{where}[]")]
    same = type(found) is type(wanted) and _plain(found) == _plain(wanted)
    return [] if same else [f"{where}: {found!r} is not {wanted!r}"]


def _field(name: str, found: Any, wanted: Any, where: str) -> list[str]:
    if name in _OWN or (name in _TIMES and wanted is not None):
        return [] if type(found) is type(wanted) else [f"{where}: {found!r} is not like {wanted!r}"]
    return faults(found, wanted, where)


def _plain(value: Any) -> Any:
    """Of ids their kind alone."""
    return _ID.sub(r"\1_", value) if isinstance(value, str) else value


# What there must be before --------------------------------------------------------------------------


class Place:
    """An account of a sample's own, and the ids that stand for the sample's."""

    def __init__(self, server: ClockedServer, name: str) -> None:
        self.clock, self.example = server.clock, EXAMPLES[name]
        self.tenant = server.tenant()
        self.live = self.example["response"].get("livemode") is True
        self.ids: dict[str, str] = {}
        self.headers: dict[str, str] = dict(self.example.get("headers", {}))

    def at(self, second: int) -> None:
        """Never back."""
        assert second * MICROSECONDS >= self.clock.instant
        self.clock.instant = Instant(second * MICROSECONDS)

    def wait(self, seconds: int) -> None:
        self.clock.instant = Instant(self.clock.instant + seconds * MICROSECONDS)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        keys = self.tenant.live if self.live else self.tenant.test
        with self.tenant.client(keys.editor, base="") as client:
            return client.request(method, path, **options)

    def make(self, path: str, **form: Any) -> Any:
        """Of keys as ``amount__type``, which stands for ``amount[type]``."""
        data = {re.sub(r"__(\w+?)(?=__|$)", r"[\1]", name): value for name, value in form.items()}
        answer = self.ask("POST", path, data=data)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def got(self, path: str, **query: str) -> Any:
        answer = self.ask("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self) -> httpx.Response:
        """The sample's request, with the ids of what is here."""
        asked = self.example
        path, sent = self._here(asked["path"]), {}
        if "json" in asked:
            sent["json"] = json.loads(self._here(json.dumps(asked["json"])))
        elif asked["method"] == "POST":
            sent["data"] = {name: self._here(value) for name, value in asked["form"].items()}
        else:
            sent["params"] = {name: self._here(value) for name, value in asked["form"].items()}
        return self.ask(asked["method"], path, headers=self.headers, **sent)

    def _here(self, text: str) -> str:
        for sample, own in self.ids.items():
            text = text.replace(sample, own)
        return text

    # Things that samples are about

    def customer(self, name: str, **form: Any) -> None:
        self.make("/v1/customers", id=name, **form)

    def meter(self, name: str = "mtr_test_61Q8nQMqIFK9fRQmr41CMAXJrFdZ5MnA") -> str:
        made = self.make(
            "/v1/billing/meters",
            display_name="Search API Calls",
            event_name="ai_search_api",
            default_aggregation__formula="sum",
        )
        self.ids[name] = made["id"]
        found: str = made["id"]
        return found

    def price(self, name: str = "price_1PgafmB7WZ01zgkW6dKueIc5") -> str:
        meter = self.ids.get("mtr_test_61Q8nQMqIFK9fRQmr41CMAXJrFdZ5MnA") or self.meter()
        made = self.make(
            "/v1/prices",
            currency="usd",
            unit_amount_decimal="0.05",
            product_data__name="Search API Calls",
            recurring__interval="month",
            recurring__usage_type="metered",
            recurring__meter=meter,
        )
        self.ids[name] = made["id"]
        found: str = made["id"]
        return found

    def grant(self, name: str, customer: str, **form: Any) -> str:
        made = self.make(
            GRANTS,
            customer=customer,
            amount__type="monetary",
            amount__monetary__currency="usd",
            amount__monetary__value="1000",
            applicability_config__scope__price_type="metered",
            name="Purchased Credits",
            **form,
        )
        self.ids[name] = made["id"]
        found: str = made["id"]
        return found

    def use(self, customer: str, value: str, **form: Any) -> None:
        self.make(
            "/v1/billing/meter_events",
            event_name="ai_search_api",
            payload__stripe_customer_id=customer,
            payload__value=value,
            **form,
        )

    def clocked(self, frozen_time: int) -> str:
        made = self.make("/v1/test_helpers/test_clocks", frozen_time=str(frozen_time))
        found: str = made["id"]
        return found

    def advance(self, clock: str, to: int) -> None:
        path = f"/v1/test_helpers/test_clocks/{clock}"
        self.make(f"{path}/advance", frozen_time=str(to))
        until = time.monotonic() + 60
        while self.got(path)["status"] != "ready":
            assert time.monotonic() < until

    def used(self, **form: Any) -> tuple[str, str]:
        """A subscription of a month in which 15.00 was used, and a grant of 10.00: their ids."""
        self.customer(PURCHASER, **form)
        grant = self.grant("credgr_test_61R9ZkIkIzLSp0xze41L6nFOS1ekDTPE", PURCHASER)
        asked = {"customer": PURCHASER, "items[0][price]": self.price()}
        made = self.ask("POST", "/v1/subscriptions", data=asked)
        assert made.status_code == 200, made.text
        self.use(PURCHASER, "30000")
        return made.json()["id"], grant

    def finalized(self) -> None:
        """The month's invoice, made final as it ended on a clock."""
        clock = self.clocked(1_726_619_351)
        _, grant = self.used(test_clock=clock)
        self.advance(clock, 1_729_211_351)
        invoice = self.got("/v1/invoices", customer=PURCHASER, limit="1")["data"][0]["id"]
        self.make(f"/v1/invoices/{invoice}/finalize")
        self.ids["in_1Q0BoLL6nFOS1ekDbwBM5ER1"] = invoice
        self.name_newest("cbtxn_test_61R9ZljjaFmdidb6e41L6nFOS1ekD9Ue", grant)

    def name_newest(self, name: str, grant: str) -> None:
        self.ids[name] = self.got(TRANSACTIONS, credit_grant=grant)["data"][0]["id"]

    def ended(self, name: str, how: str) -> None:
        """A transaction by which a grant ended."""
        self.customer(PURCHASER)
        grant = self.grant("credgr_test_61R9a6NUWsRmOW3RM41L6nFOS1ekDGHo", PURCHASER)
        self.make(f"{GRANTS}/{grant}/{how}")
        self.name_newest(name, grant)


Prepare = Callable[[Place], None]
#: When each is asked, in order, and what there must be.
PREPARED: dict[str, tuple[int, Prepare]] = {}


def before(*names: str, at: int = 1_726_620_803) -> Callable[[Prepare], Prepare]:
    def kept(prepare: Prepare) -> Prepare:
        for name in names:
            assert name not in PREPARED, name
            PREPARED[name] = at, prepare
        return prepare

    return kept


@before("meter_event.create", at=1_680_210_639)
def _(place: Place) -> None:
    place.customer(SEARCHER)
    place.meter()


@before("meter.create", "test_clock.create", at=1_704_824_589)
@before("customer.create", "webhook_endpoint.create", "v2.meter_event_session.create")
@before("meter_event.create no meter", "credit_grant.retrieve missing")
def _(place: Place) -> None:
    """Nothing."""


@before("meter.retrieve", at=1_704_824_589)
def _(place: Place) -> None:
    place.meter("mtr_123")


@before("meter.deactivate", "meter.list", at=1_704_824_589)
def _(place: Place) -> None:
    place.meter()


@before("meter.event_summaries", at=1_711_659_600)
def _(place: Place) -> None:
    place.customer(SEARCHER)
    place.meter()
    for second, value in ((1_711_655_999, 7), (1_711_656_000, 4), (1_711_659_599, 6)):
        place.use(SEARCHER, str(value), timestamp=str(second))


@before("v2.meter_event.object", at=1_717_243_800)
@before("v2.meter_event_stream.create")
def _(place: Place) -> None:
    place.customer("cus_12345678")
    place.meter()
    if place.example["path"].endswith("stream"):
        session = place.ask("POST", "/v2/billing/meter_event_session", json={}).json()
        place.headers["authorization"] = f"Bearer {session['authentication_token']}"


@before("credit_grant.create", "credit_grant.create missing amount")
@before("alert.create credit balance, preview")
def _(place: Place) -> None:
    place.customer(PURCHASER)


@before("credit_grant.create price scope")
def _(place: Place) -> None:
    place.customer(PURCHASER)
    place.price()
    place.price("price_1PgafmB7WZ01zgkW6dKueIc6")


@before("credit_grant.list", "credit_grant.list, beside retrieve", "credit_grant.retrieve")
def _(place: Place) -> None:
    place.customer(PURCHASER)
    place.grant("credgr_test_61R9a6NUWsRmOW3RM41L6nFOS1ekDGHo", PURCHASER)


@before("credit_grant.expire", "credit_grant.expire, beside retrieve", "credit_grant.update")
@before("credit_grant.void", "credit_balance_summary by grant", "credit_balance_summary by scope")
def _(place: Place) -> None:
    place.customer(OTHER)
    found = [place.example["path"].split("/")[-1], *place.example["path"].split("/")[-2:-1]]
    found.append(place.example["form"].get("filter[credit_grant]", "credgr_test_none"))
    place.grant(next(each for each in found if each.startswith("credgr_")), OTHER)


@before("credit_grant.update unset expiry")
def _(place: Place) -> None:
    place.customer(OTHER)
    name = "credgr_test_61R9rpFu8SZkXPTkU41L6nFOS1ekDKoa"
    place.grant(name, OTHER, expires_at="1759302000", metadata__cost_basis="0.9")


@before("credit_balance_transaction.list", "credit_balance_transaction.retrieve")
@before("invoice.line with credit")
def _(place: Place) -> None:
    place.finalized()


@before("credit_balance_transaction.retrieve reinstated")
def _(place: Place) -> None:
    """Without a clock, by the invoice with which a subscription ends."""
    subscription, grant = place.used()
    place.wait(60)
    path = f"/v1/subscriptions/{subscription}"
    ended = place.ask("DELETE", path, params={"invoice_now": "true"}).json()
    for step in ("finalize", "void"):
        place.make(f"/v1/invoices/{ended['latest_invoice']}/{step}")
    place.name_newest("cbtxn_test_61R9REINSTATED00000000000000001", grant)


@before("credit_balance_transaction.retrieve expired")
def _(place: Place) -> None:
    place.ended("cbtxn_test_61R9EXPIRED0000000000000000001", "expire")


@before("credit_balance_transaction.retrieve voided")
def _(place: Place) -> None:
    place.ended("cbtxn_test_61R9VOIDED00000000000000000001", "void")


@before("meter_event.create duplicate identifier", "meter_event_adjustment.create")
def _(place: Place) -> None:
    place.customer(SEARCHER)
    place.meter()
    place.use(SEARCHER, "25", identifier="identifier_123")


@before("alert.create")
def _(place: Place) -> None:
    place.meter("mtr_12345")


@before("price.create metered")
def _(place: Place) -> None:
    place.meter()
    product = place.make("/v1/products", name="Search API Calls")
    place.ids["prod_QXg1hqf4jFNsqG"] = product["id"]


@before("customer.delete")
def _(place: Place) -> None:
    place.customer("cus_QXg1o8vcGmoR32")


@before("test_clock.advance")
def _(place: Place) -> None:
    place.ids["clock_1Mr3I22eZvKYlo2Ck0rgMqd7"] = place.clocked(1_577_836_800)


@before("event.retrieve credit grant created")
def _(place: Place) -> None:
    """It has an endpoint to go to, and does not go."""
    place.customer(PURCHASER)
    kinds = {"url": HOOK, "enabled_events[0]": "billing.credit_grant.created"}
    assert place.ask("POST", "/v1/webhook_endpoints", data=kinds).status_code == 200
    asked = EXAMPLES["credit_grant.create"]
    headers = {"idempotency-key": place.example["response"]["request"]["idempotency_key"]}
    made = place.ask("POST", asked["path"], data=asked["form"], headers=headers)
    assert made.status_code == 200
    place.wait(10)
    [told] = place.got("/v1/events", type="billing.credit_grant.created")["data"]
    place.ids["evt_1Pgc76B7WZ01zgkWwyRHS12y"] = told["id"]


@before("idempotency mismatch")
def _(place: Place) -> None:
    assert place.ask("POST", "/v1/customers", headers=place.headers).status_code == 200


IN_ORDER = [name for name, _ in sorted(PREPARED.items(), key=lambda each: each[1][0])]


# The examples ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClockedServer]:
    """What an object looks like does not depend on the store: one will do."""
    database = f"sqlite:///{tmp_path_factory.mktemp('examples') / 'ledger.db'}"
    began = min(at for at, _ in PREPARED.values())
    with clocked_server(database, Instant(began * MICROSECONDS)) as running:
        yield running


def test_every_example_is_sent() -> None:
    assert PREPARED.keys() == EXAMPLES.keys()
    assert len(EXAMPLES) == 42


@pytest.mark.parametrize("name", IN_ORDER)
def test_an_example_is_taken_and_answered_as_it_is_recorded(
    served: ClockedServer, name: str
) -> None:
    place = Place(served, name)
    at, prepare = PREPARED[name]
    place.at(max(at, served.clock.instant // MICROSECONDS))
    prepare(place)
    answer = place.send()
    assert answer.status_code == place.example["status"], answer.text
    found = faults(answer.json(), place.example["response"], "answer")
    assert [each for each in found if each.partition(":")[0] not in EXPLAINED] == []
