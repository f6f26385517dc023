"""A year of a subscription on a test clock, through both official SDKs: every number of it.

All of it at once: a trial, renewals, rollover up to a maximum count, the four behaviours of overage, expiry
and low balances (``year.py``). What came of it is told by webhooks, which both SDKs verify, and ``drawdown
verify`` finds nothing.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from dodopayments import DodoPayments

from drawdown.dialects.dodo.webhooks.events import DodoFormat
from tests.conftest import NewUrl
from tests.dialects.dodo.clocked import Clocked
from tests.dialects.dodo.official import FORMS, Official, official
from tests.dialects.dodo.test_products import MONTHLY
from tests.dialects.dodo.world import BALANCES, World, attached
from tests.dialects.dodo.year import (
    BEGINS,
    EACH,
    ENDS,
    EXPIRED,
    EXPIRING,
    FIRST,
    INVOICED,
    KINDS,
    LOW,
    ROLLING,
    TRIAL,
    TRIAL_USED,
    Kind,
    Month,
)
from tests.support.commands import drawdown
from tests.support.receiver import Listening, Received, listening
from tests.support.server import Server, Tenant, start_server
from tests.support.typescript import Sdk

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def delivering(tmp_path_factory: pytest.TempPathFactory, new_url: NewUrl) -> Iterator[Server]:
    with new_url() as url:
        folder = tmp_path_factory.mktemp("year")
        running = start_server(folder, database=url, webhooks_allow_private="1")
        yield running
        running.stop()


@pytest.fixture
def tenant(delivering: Server) -> Tenant:
    return delivering.tenant()


@pytest.fixture(params=FORMS)
def sdk(request: pytest.FixtureRequest, tenant: Tenant) -> Iterator[Official]:
    made = official(request.param, tenant.url, tenant.test.editor.secret)
    yield made
    made.close()


@pytest.fixture
def ada(tenant: Tenant) -> Iterator[Clocked]:
    made = Clocked(tenant, BEGINS)
    yield made
    made.http.close()


class Year:
    """Ada's subscription, and how she uses it."""

    def __init__(self, sdk: Official, ada: Clocked) -> None:
        self.sdk, self.ada = sdk, ada
        world = World(sdk)
        self.kinds = {each.name: world.entitlement(**_settings(each)) for each in KINDS}
        links = [
            {
                "meter_id": world.meter(
                    name=name, event_name=name, aggregation={"type": "sum", "key": "n"}
                ),
                "credit_entitlement_id": kind,
                "meter_units_per_credit": "1000",
            }
            for name, kind in self.kinds.items()
        ]
        price = {key: value for key, value in MONTHLY.items() if key != "price"}
        price |= {"type": "usage_based_price", "fixed_price": 0, "meters": links}
        given = [attached(self.kinds[each.name], str(EACH), **each.attached) for each in KINDS]
        product = world.product(*given, price=price)
        self.subscription = world.subscription(product, ada.customer, trial_period_days=14)

    def use(self, when: str, **credits: str) -> None:
        """In two events of each meter, and all of them told twice: the second time they are known."""
        events = [
            {
                "event_id": f"{when}-{name}-{half}",
                "customer_id": self.ada.customer,
                "event_name": name,
                "metadata": {"n": units // 2 + half * (units % 2)},
            }
            for name, used in credits.items()
            for half in range(2)
            if (units := int(Decimal(used) * 1_000))
        ]
        told = [self.sdk("usage_events.ingest", events=events) for _ in range(2)]
        assert [each["ingested_count"] for each in told] == [len(events), 0]

    def shown(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Of each kind what is left and what is owed; three ways to ask say the same."""
        usage = self.sdk("subscriptions.retrieve_credit_usage", self.subscription)["items"]
        cart = self.sdk("subscriptions.retrieve", self.subscription)["credit_entitlement_cart"]
        held = self.sdk("customers.list_credit_entitlements", self.ada.customer)["items"]
        found = {each["credit_entitlement_name"]: _pair(each) for each in usage}
        assert found == {
            each["credit_entitlement_name"]: _pair(each, "remaining_balance", "overage_balance")
            for each in cart
        }
        assert all(_pair(each) == found[each["name"]] for each in held)
        return found

    def live(self, kind: str) -> Decimal:
        """What remains of the grants that are active."""
        asked = {"credit_entitlement_id": kind, "status": "active", "page_size": 100}
        grants = self.sdk(f"{BALANCES}.list_grants", self.ada.customer, **asked)["items"]
        return sum((Decimal(each["remaining_amount"]) for each in grants), Decimal(0))

    def pages(self, method: str, kind: str) -> list[dict[str, Any]]:
        """All of a kind's, the oldest first, page by page."""
        found: list[dict[str, Any]] = []
        for number in itertools.count():
            asked = {"credit_entitlement_id": kind, "page_size": 25, "page_number": number}
            page = self.sdk(f"{BALANCES}.{method}", self.ada.customer, **asked)["items"]
            if not page:
                break
            found += page
        return found[::-1]

    def limits(self) -> dict[str, tuple[str | None, str | None, bool]]:
        usage = self.sdk("subscriptions.retrieve_credit_usage", self.subscription)["items"]
        return {
            each["credit_entitlement_name"]: (
                each["overage_limit"],
                each["remaining_headroom"],
                each["limit_reached"],
            )
            for each in usage
        }


def _settings(kind: Kind) -> dict[str, Any]:
    return {"name": kind.name, "overage_enabled": False} | kind.settings


def _pair(
    item: dict[str, Any], left: str = "balance", owed: str = "overage"
) -> tuple[Decimal, Decimal]:
    return Decimal(item[left]), Decimal(item[owed])


def test_every_number_of_a_year(
    sdk: Official, ada: Clocked, tenant: Tenant, delivering: Server
) -> None:
    with listening() as heard:
        made = sdk("webhooks.create", url=heard.url)
        secret = sdk("webhooks.retrieve_secret", made["id"])["secret"]
        year = Year(sdk, ada)
        play_trial(year)
        for number, ends in enumerate(ENDS):
            play_month(year, number, ends)
        check_month(year, len(ENDS))
        rows = {each.name: year.pages("list_ledger", year.kinds[each.name]) for each in KINDS}
        for each in KINDS:
            check_ledger(each, rows[each.name])
        check_expiry(rows[EXPIRING.name])
        check_grants(year)
        rows[INVOICED.name].append(correct(year))
        check_told(year, heard, secret, rows)
    check_after(year)
    assert drawdown("verify", "--database", delivering.database, "--json").json()["ok"]


def play_trial(year: Year) -> None:
    """Only the kind with credit for it has any; what it leaves is gone as the trial ends."""
    shown = year.sdk("subscriptions.retrieve", year.subscription)
    assert (shown["status"], shown["trial_period_days"]) == ("active", 14)
    assert shown["next_billing_date"] == FIRST
    nothing = {each.name: (Decimal(0), Decimal(0)) for each in KINDS}
    assert year.shown() == nothing | {EXPIRING.name: (TRIAL, Decimal(0))}
    year.use("trial", **{EXPIRING.name: str(TRIAL_USED)})
    assert year.shown() == nothing | {EXPIRING.name: (TRIAL - TRIAL_USED, Decimal(0))}
    year.ada.advance(FIRST)


def check_month(year: Year, number: int) -> dict[str, Month]:
    """As it opens."""
    months = {each.name: each.months[number] for each in KINDS}
    assert year.shown() == {
        name: (Decimal(month.opened), Decimal(month.owes)) for name, month in months.items()
    }
    for name, month in months.items():
        assert year.live(year.kinds[name]) == Decimal(month.opened)
    return months


def play_month(year: Year, number: int, ends: str) -> None:
    months = check_month(year, number)
    year.use(ends, **{name: month.used for name, month in months.items()})
    assert year.shown() == {
        name: (Decimal(month.left), Decimal(month.owed)) for name, month in months.items()
    }
    assert year.limits() == {each.name: _limits(each, each.months[number]) for each in KINDS}
    shown = year.sdk("subscriptions.retrieve", year.subscription)
    assert (shown["status"], shown["next_billing_date"]) == ("active", f"{ends}T00:00:00Z")
    year.ada.advance(f"{ends}T00:00:00Z")


def _limits(kind: Kind, month: Month) -> tuple[str | None, str | None, bool]:
    if kind.limit is None:
        return None, None, False
    headroom = Decimal(kind.limit) - Decimal(month.owed)
    return kind.limit, str(headroom), not headroom


# What was recorded ----------------------------------------------------------------------------------


def check_ledger(kind: Kind, rows: list[dict[str, Any]]) -> None:
    """Each row goes on where the one before it stopped and adds up, and all of them do."""
    sums: dict[tuple[str, bool], Decimal] = defaultdict(Decimal)
    for before, after in itertools.pairwise(rows):
        assert after["created_at"] >= before["created_at"]
        for field in ("balance", "overage"):
            assert after[f"{field}_before"] == before[f"{field}_after"]
    for row in rows:
        check_row(row)
        sums[row["transaction_type"], row["is_credit"]] += Decimal(row["amount"])
    last = kind.months[-1]
    assert (rows[0]["balance_before"], rows[0]["overage_before"]) == ("0", "0")
    assert (rows[-1]["balance_after"], rows[-1]["overage_after"]) == (last.opened, last.owes)
    assert sums == {name: Decimal(amount) for name, amount in kind.at_end.items()}
    assert len({row["id"] for row in rows}) == len(rows)


def check_row(row: dict[str, Any]) -> None:
    """What a credit repays at once is the part of it that does not come into the balance."""
    amount, zero = Decimal(row["amount"]), Decimal(0)
    assert amount > 0
    balance = Decimal(row["balance_after"]) - Decimal(row["balance_before"])
    overage = Decimal(row["overage_after"]) - Decimal(row["overage_before"])
    assert min(Decimal(row["balance_after"]), Decimal(row["overage_after"])) >= 0
    match row["transaction_type"]:
        case "overage_charged":
            assert (balance, overage) == (zero, amount)
        case "overage_reset":
            assert (balance, overage, row["overage_after"]) == (zero, -amount, "0")
        case "credit_added":
            assert (balance - overage, row["is_credit"]) == (amount, True)
            assert row["reference_type"] == "subscription"
        case _:
            assert (balance, overage) == (amount if row["is_credit"] else -amount, zero)


def check_expiry(rows: list[dict[str, Any]]) -> None:
    """At the instant, whenever it was noticed."""
    expired = [row for row in rows if row["transaction_type"] == "credit_expired"]
    assert tuple((row["created_at"], row["amount"]) for row in expired) == EXPIRED


def check_grants(year: Year) -> None:
    """One of each month, and beside them only what was carried on, each from a grant of before."""
    for kind in KINDS:
        grants = year.pages("list_grants", year.kinds[kind.name])
        assert {each["source_id"] for each in grants} == {year.subscription}
        whole = [each for each in grants if each["rollover_count"] == 0]
        trial = [TRIAL] if kind is EXPIRING else []
        assert [Decimal(each["initial_amount"]) for each in whole] == [*trial, *[EACH] * 13]
        assert {each["source_type"] for each in whole} == {"subscription"}
        carried = [each for each in grants if each["rollover_count"]]
        opened = [Decimal(month.opened) - EACH for month in ROLLING.months]
        expected = [each for each in opened if each] if kind is ROLLING else []
        assert [Decimal(each["initial_amount"]) for each in carried] == expected
        assert {(each["source_type"], each["rollover_count"]) for each in carried} <= {
            ("rollover", 1)
        }
        parents = {each["id"] for each in whole if each["is_rolled_over"]}
        assert {each["parent_grant_id"] for each in carried} == parents


def correct(year: Year) -> dict[str, Any]:
    """The operator takes 1 of the newest grant back, by the native API. Returns the row of it."""
    kind = year.kinds[INVOICED.name]
    grant = year.pages("list_grants", kind)[-1]["id"]
    asked = {"direction": "down", "amount": "1", "idempotency_key": "year"}
    year.ada.ask("POST", f"/grants/{grant}/adjust", asked)
    row = year.pages("list_ledger", kind)[-1]
    assert (row["transaction_type"], row["grant_id"]) == ("manual_adjustment", grant)
    assert (row["balance_before"], row["balance_after"], row["is_credit"]) == ("110", "109", False)
    return row


# What was told --------------------------------------------------------------------------------------


def check_told(year: Year, heard: Listening, secret: str, rows: Rows) -> None:
    """Every row is an event, but for what a grant loses to the one after it; so is every low balance."""
    written = [
        row
        for each in rows.values()
        for row in each
        if row["is_credit"] or row["transaction_type"] != "credit_rolled_over"
    ]
    received = heard.wait(len(written) + len(LOW))
    verify(received, secret)
    events = [each.event for each in received]
    assert len({each.headers["webhook-id"] for each in received}) == len(written) + len(LOW)
    low = [each["data"] for each in events if each["type"] == "credit.balance_low"]
    told = [each["data"] for each in events if each["type"] != "credit.balance_low"]
    assert sorted(each["id"] for each in told) == sorted(each["id"] for each in written)
    by_id = {each["id"]: each for each in written}
    for each in told:
        assert each == by_id[each["id"]] | {"payload_type": "CreditLedgerEntry"}
    for each in events:
        if each["type"] != "credit.balance_low":
            row = each["data"]["transaction_type"]
            assert each["type"] == f"credit.{row.removeprefix('credit_')}"
            assert each["timestamp"] == each["data"]["created_at"]
    assert {each["type"] for each in events} == set(DodoFormat.types)
    assert sorted(each["available_balance"] for each in low) == sorted(LOW)
    for each in low:
        assert each["subscription_id"] == year.subscription
        assert (each["threshold_percent"], each["threshold_amount"]) == (20, "20")
        assert (each["subscription_credits_amount"], each["credit_entitlement_name"]) == (
            str(EACH),
            EXPIRING.name,
        )


def verify(received: list[Received], secret: str) -> None:
    """By both SDKs, which read what was sent."""
    python = DodoPayments(bearer_token="x", base_url="http://x", _strict_response_validation=True)
    with python, Sdk("dodopayments", bearerToken="x", baseURL="http://x") as typescript:
        for each in received:
            body = each.body.decode()
            read: Any = python.webhooks.unwrap(body, headers=each.headers, key=secret)
            assert read.type == each.event["type"]
            given = {"headers": each.headers, "key": secret}
            assert typescript.call("webhooks.unwrap", body, given) == json.loads(body)


def check_after(year: Year) -> None:
    """Cancelled, it gives and charges nothing more, and what is left of the year expires or stays."""
    ended = year.sdk("subscriptions.update", year.subscription, status="cancelled")
    assert ended["status"] == "cancelled"
    year.ada.advance("2032-03-31T00:00:00Z")
    held = year.sdk("customers.list_credit_entitlements", year.ada.customer)["items"]
    left = {each["name"]: each["balance"] for each in held}
    assert (left["Invoiced"], left["Deficit"], left["Repaid"]) == ("109", "100", "100.01")
    assert left["Expiring"] == "0"
    for kind in year.kinds.values():
        balance = year.sdk(f"{BALANCES}.retrieve", year.ada.customer, credit_entitlement_id=kind)
        assert Decimal(balance["balance"]) == year.live(kind)
