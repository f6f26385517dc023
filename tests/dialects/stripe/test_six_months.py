"""Six months of a metered subscription on a test clock, through both official SDKs, to the cent.

Everything at once: paid and promotional grants, priorities, credit for one price alone; credit that is not
there yet, that expires in a month, and that expires while its draft is open; a draft that is deleted;
invoices that are void, uncollectible and paid by credit (``six_months.py`` has the numbers). After each step
the balances and all transactions are what they must be; in the end so are the events, and ``drawdown verify``
finds nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dialects.stripe import six_months
from tests.dialects.stripe.official import FORMS, Official, Refused, official
from tests.dialects.stripe.six_months import (
    APRIL,
    DAY,
    FEBRUARY,
    GRANTS,
    HOUR,
    JANUARY,
    JULY,
    JUNE,
    MARCH,
    MAY,
    MINUTE,
    PRICES,
    Bill,
    Given,
    Line,
)
from tests.support.commands import drawdown
from tests.support.server import Server, Tenant

#: What a step moved: the kind of transaction, how much, of which grant, and for which line of which invoice.
Moved = tuple[str, int, str] | tuple[str, int, str, str, str]
APPLIED, VOIDED = "credits_applied", "credits_application_invoice_voided"
GRANTED, EXPIRED = "credits_granted", "credits_expired"


@pytest.fixture(params=FORMS)
def sdk(request: pytest.FixtureRequest, tenant: Tenant) -> Iterator[Official]:
    made = official(request.param, tenant.url, tenant.test.editor.secret)
    yield made
    made.close()


class Story:
    """Ann, what she is sold, and what is known of it by name."""

    def __init__(self, sdk: Official) -> None:
        self.sdk = sdk
        self.clock = sdk("test_helpers.test_clocks.create", frozen_time=JANUARY)["id"]
        self.ann = sdk("customers.create", name="Ann", test_clock=self.clock)["id"]
        self.prices = {name: self._price(name, given) for name, given in PRICES.items()}
        self.grants: dict[str, str] = {}
        self.invoices: dict[str, str] = {}
        self.subscriptions: dict[str, str] = {}
        self._moved: list[tuple[Any, ...]] = []
        self._lines: dict[tuple[str, str], tuple[str, str]] = {}

    def _price(self, name: str, given: dict[str, Any]) -> str:
        meter = self.sdk(
            "billing.meters.create",
            display_name=name,
            event_name=name,
            default_aggregation={"formula": "sum"},
        )
        recurring = {"interval": "month", "usage_type": "metered", "meter": meter["id"]}
        made = self.sdk(
            "prices.create",
            currency="usd",
            recurring=recurring,
            product_data={"name": name},
            **given,
        )
        return str(made["id"])

    def grant(self, name: str, given: Given) -> None:
        scope = {"price_type": "metered"}
        if given.price is not None:
            scope = {"prices": [{"id": self.prices[given.price]}]}  # type: ignore[dict-item]
        said = {
            "priority": given.priority,
            "effective_at": given.effective_at,
            "expires_at": given.expires_at,
        }
        made = self.sdk(
            "billing.credit_grants.create",
            customer=self.ann,
            name=name,
            category=given.category,
            amount={"type": "monetary", "monetary": {"currency": "usd", "value": given.cents}},
            applicability_config={"scope": scope},
            **{key: value for key, value in said.items() if value is not None},
        )
        self.grants[name] = made["id"]

    def subscribe(self, name: str, *prices: str, **more: Any) -> None:
        items = [{"price": self.prices[each]} for each in prices]
        made = self.sdk("subscriptions.create", customer=self.ann, items=items, **more)
        assert made["status"] == "active"
        self.subscriptions[name] = made["id"]

    def cancel(self, name: str) -> None:
        ended = self.sdk("subscriptions.cancel", self.subscriptions[name])
        assert ended["status"] == "canceled"

    def use(self, meter: str, quantity: int, **more: Any) -> None:
        payload = {"stripe_customer_id": self.ann, "value": str(quantity)}
        self.sdk("billing.meter_events.create", event_name=meter, payload=payload, **more)

    def advance(self, to: int) -> None:
        self.sdk("test_helpers.test_clocks.advance", self.clock, frozen_time=to)
        until = time.monotonic() + 60
        while self.sdk("test_helpers.test_clocks.retrieve", self.clock)["status"] != "ready":
            assert time.monotonic() < until
            time.sleep(0.02)

    # What must be ---------------------------------------------------------------------------------

    def balance(self, **chosen: Any) -> tuple[int, int]:
        """Ledger and available, of all that may pay for what is metered, or of what is chosen."""
        chosen = chosen or {
            "type": "applicability_scope",
            "applicability_scope": {"price_type": "metered"},
        }
        found = self.sdk(
            "billing.credit_balance_summary.retrieve", customer=self.ann, filter=chosen
        )
        [only] = found["balances"]
        ledger, available = only["ledger_balance"], only["available_balance"]
        return ledger["monetary"]["value"], available["monetary"]["value"]

    def of_grants(self, **expected: tuple[int, int]) -> None:
        """Of each grant ledger and available; of those that are not named, nothing."""
        found = {
            name: self.balance(type="credit_grant", credit_grant=each)
            for name, each in self.grants.items()
        }
        nothing = dict.fromkeys(self.grants, (0, 0))
        named = {name.replace("_", "-"): pair for name, pair in expected.items()}
        assert found == nothing | named

    def of_price(self, price: str) -> tuple[int, int]:
        scope = {"prices": [{"id": self.prices[price]}]}
        return self.balance(type="applicability_scope", applicability_scope=scope)

    def has(self, ledger: int, available: int, at: int, *moved: Moved) -> None:
        """The balance, and that since the last time just these transactions came, in this order, then."""
        assert self.balance() == (ledger, available)
        self._moved += [(*each, _effective(each, at)) for each in moved]
        name = "billing.credit_balance_transactions.list"
        listed = self.sdk(name, customer=self.ann, limit=100)["data"]
        assert [self._transaction(each) for each in reversed(listed)] == self._moved

    def _transaction(self, shown: dict[str, Any]) -> tuple[Any, ...]:
        moved = shown[shown["type"]]
        assert shown["credit" if shown["type"] == "debit" else "debit"] is None
        assert shown["test_clock"] == self.clock
        names = {each: name for name, each in self.grants.items()}
        place = moved.get(moved["type"])
        return (
            moved["type"],
            moved["amount"]["monetary"]["value"],
            names[shown["credit_grant"]],
            *(() if place is None else self._line(place)),
            shown["effective_at"],
        )

    def _line(self, place: dict[str, str]) -> tuple[str, str]:
        """The invoice's name and the line's price; an invoice has its lines for good."""
        invoice, line = place["invoice"], place["invoice_line_item"]
        if (invoice, line) not in self._lines:
            name = next(name for name, each in self.invoices.items() if each == invoice)
            prices = {each: price for price, each in self.prices.items()}
            for each in self.sdk("invoices.line_items.list", invoice)["data"]:
                price = prices[each["pricing"]["price_details"]["price"]]
                self._lines[invoice, each["id"]] = (name, price)
        return self._lines[invoice, line]

    def newest(self, name: str, expected: Bill) -> dict[str, Any]:
        """The newest invoice, as it must be; from now on it goes by its name."""
        found = self.sdk("invoices.list", customer=self.ann, limit=1)["data"][0]
        self.invoices[name] = found["id"]
        self.shows(found, expected)
        return dict(found)

    def invoice(self, name: str, expected: Bill) -> dict[str, Any]:
        found = self.sdk("invoices.retrieve", self.invoices[name])
        self.shows(found, expected)
        return dict(found)

    def shows(self, found: dict[str, Any], expected: Bill) -> None:
        """One invoice, all of its amounts, and of each line which grants pay it."""
        assert (found["status"], found["billing_reason"]) == (expected.status, expected.reason)
        assert (found["period_start"], found["period_end"]) == (expected.start, expected.end)
        assert found["subtotal"] == expected.subtotal
        assert (found["total"], found["amount_due"]) == (expected.due, expected.due)
        assert found["amount_paid"] == 0
        lines = found["lines"]["data"]
        for line, wanted in zip(lines, expected.lines, strict=True):
            self._shows_line(line, wanted, expected)
        totals = found["total_pretax_credit_amounts"]
        every = [each for line in lines for each in line["pretax_credit_amounts"]]
        assert totals == every
        assert sum(each["amount"] for each in totals) == expected.credit

    def _shows_line(self, line: dict[str, Any], wanted: Line, bill: Bill) -> None:
        details = line["pricing"]["price_details"]
        assert details["price"] == self.prices[wanted.price]
        assert (line["quantity_decimal"], line["quantity"]) == (
            wanted.quantity,
            int(wanted.quantity),
        )
        assert (line["amount"], line["subtotal"]) == (wanted.cents, wanted.cents)
        assert (line["period"]["start"], line["period"]["end"]) == (bill.start, bill.end)
        credits = line["pretax_credit_amounts"]
        assert {each["type"] for each in credits} <= {"credit_balance_transaction"}
        assert [each["amount"] for each in credits] == list(wanted.paid.values())
        if bill.status != "draft":
            booked = [self._booked(each["credit_balance_transaction"]) for each in credits]
            assert booked == list(wanted.paid.items())

    def _booked(self, name: str) -> tuple[str, int]:
        found = self.sdk("billing.credit_balance_transactions.retrieve", name)
        kind, cents, grant, *_ = self._transaction(found)
        assert kind == APPLIED
        return grant, cents

    def refuses(self, name: str, *ids: str, **given: Any) -> None:
        with pytest.raises(Refused) as error:
            self.sdk(name, *ids, **given)
        assert error.value.status == 400


def _effective(moved: Moved, at: int) -> int:
    """What is granted for later is listed at once, as it will be."""
    given = GRANTS.get(moved[2])
    later = moved[0] == GRANTED and given is not None and given.effective_at
    return later or at


def test_every_cent_of_six_months(sdk: Official, server: Server) -> None:
    story = Story(sdk)
    begin(story)
    play_january(story)
    play_february(story)
    play_march(story)
    play_april(story)
    play_may(story)
    play_june(story)
    check_events(story)
    checked = drawdown("verify", "--database", server.database, "--json").json()
    assert checked["ok"]


def begin(story: Story) -> None:
    """Credit that is not there yet is in no balance; that of one price is asked for by it."""
    for name, given in GRANTS.items():
        story.grant(name, given)
    story.sdk("billing.credit_grants.void_grant", story.grants["mistake"])
    story.has(
        2_810,
        2_810,
        JANUARY,
        (GRANTED, 1_500, "paid"),
        (GRANTED, 500, "welcome"),
        (GRANTED, 120, "tokens"),
        (GRANTED, 600, "search"),
        (GRANTED, 250, "soon"),
        (GRANTED, 90, "brief"),
        (GRANTED, 77, "mistake"),
        ("credits_voided", 77, "mistake"),
    )
    assert story.of_price("search") == (2_690, 2_690)
    assert story.of_price("tokens") == (2_210, 2_210)
    assert story.of_price("exports") == (2_090, 2_090)


def play_january(story: Story) -> None:
    """The first invoice is over nothing; a preview sets nothing aside; a draft does, and draws nothing."""
    story.subscribe("main", "search", "tokens")
    story.newest("first", six_months.FIRST)
    story.advance(JANUARY + 9 * DAY)
    story.use("search", 30)
    story.use("search", 7)
    story.use("tokens", 1_234)
    preview = story.sdk("invoices.create_preview", subscription=story.subscriptions["main"])
    story.shows(preview, six_months.OF_JANUARY._replace(status="draft", reason="upcoming"))
    assert preview["id"].startswith("upcoming_in_")
    story.has(2_810, 2_810, JANUARY)
    story.advance(FEBRUARY)
    story.has(2_720, 2_236, JANUARY + 19 * DAY, (EXPIRED, 90, "brief"))
    drawn_up = story.newest("January", six_months.OF_JANUARY._replace(status="draft"))
    assert drawn_up["automatically_finalizes_at"] == FEBRUARY + HOUR
    story.of_grants(paid=(1_500, 1_500), welcome=(500, 136), tokens=(120, 0), search=(600, 600))
    story.advance(FEBRUARY + HOUR)
    story.has(
        2_236,
        2_236,
        FEBRUARY + HOUR,
        (APPLIED, 185, "welcome", "January", "search"),
        (APPLIED, 120, "tokens", "January", "tokens"),
        (APPLIED, 179, "welcome", "January", "tokens"),
    )
    story.invoice("January", six_months.OF_JANUARY)


def play_february(story: Story) -> None:
    """What a draft has set aside of credit that expires lives until it is final, and no longer."""
    story.advance(FEBRUARY + 9 * DAY)
    story.use("search", 10)
    story.use("tokens", 100)
    story.advance(MARCH - 30 * MINUTE)
    story.use("tokens", 80, identifier="taken-back")
    story.advance(MARCH)
    story.newest("February", six_months.DRAFT_OF_FEBRUARY)
    story.has(2_236, 2_141, MARCH)
    story.advance(MARCH + 30 * MINUTE)
    story.has(2_195, 2_100, MARCH + 30 * MINUTE, (EXPIRED, 41, "welcome"))
    story.of_grants(paid=(1_500, 1_500), welcome=(95, 0), search=(600, 600))
    cancel = {"identifier": "taken-back"}
    story.sdk(
        "billing.meter_event_adjustments.create", event_name="tokens", type="cancel", cancel=cancel
    )
    story.advance(MARCH + HOUR)
    story.has(
        2_100,
        2_100,
        MARCH + HOUR,
        (APPLIED, 50, "welcome", "February", "search"),
        (APPLIED, 25, "welcome", "February", "tokens"),
        (EXPIRED, 20, "welcome"),
    )
    story.invoice("February", six_months.OF_FEBRUARY)
    story.of_grants(paid=(1_500, 1_500), search=(600, 600))


def play_march(story: Story) -> None:
    """A void invoice gives back what it took, also what has expired, which expires again at once."""
    story.advance(MARCH + 14 * DAY)
    story.use("search", 60)
    story.use("tokens", 20_000)
    story.has(2_100, 2_100, MARCH)
    story.advance(APRIL)
    story.has(2_350, 300, APRIL)
    story.newest("March", six_months.OF_MARCH._replace(status="draft"))
    story.advance(APRIL + HOUR)
    story.has(
        300,
        300,
        APRIL + HOUR,
        (APPLIED, 300, "search", "March", "search"),
        (APPLIED, 1_500, "paid", "March", "tokens"),
        (APPLIED, 250, "soon", "March", "tokens"),
    )
    story.invoice("March", six_months.OF_MARCH)
    story.advance(APRIL + 15 * DAY)
    story.has(0, 0, APRIL + 14 * DAY, (EXPIRED, 300, "search"))
    story.sdk("invoices.void_invoice", story.invoices["March"])
    story.invoice("March", six_months.OF_MARCH._replace(status="void"))
    story.has(
        1_750,
        1_750,
        APRIL + 15 * DAY,
        (VOIDED, 250, "soon", "March", "tokens"),
        (VOIDED, 1_500, "paid", "March", "tokens"),
        (VOIDED, 300, "search", "March", "search"),
        (EXPIRED, 300, "search"),
    )
    story.of_grants(paid=(1_500, 1_500), soon=(250, 250))
    story.refuses("billing.credit_grants.void_grant", story.grants["paid"])
    story.refuses("billing.credit_grants.expire", story.grants["search"])


def play_april(story: Story) -> None:
    """What nobody will pay has spent its credit."""
    story.advance(APRIL + 19 * DAY)
    story.use("search", 100)
    story.use("tokens", 50_000)
    preview = story.sdk("invoices.create_preview", subscription=story.subscriptions["main"])
    story.shows(preview, six_months.OF_APRIL._replace(status="draft", reason="upcoming"))
    story.has(1_750, 1_750, APRIL)
    story.advance(MAY)
    story.has(1_750, 0, MAY)
    story.newest("April", six_months.OF_APRIL._replace(status="draft"))
    story.advance(MAY + HOUR)
    applied: tuple[Moved, ...] = (
        (APPLIED, 500, "paid", "April", "search"),
        (APPLIED, 1_000, "paid", "April", "tokens"),
        (APPLIED, 250, "soon", "April", "tokens"),
    )
    story.has(0, 0, MAY + HOUR, *applied)
    story.invoice("April", six_months.OF_APRIL)
    story.sdk("invoices.mark_uncollectible", story.invoices["April"])
    story.invoice("April", six_months.OF_APRIL._replace(status="uncollectible"))
    story.has(0, 0, MAY)


def play_may(story: Story) -> None:
    """Of two drafts the first that is final takes first; one that is deleted lets go of what it had."""
    story.advance(MAY + 9 * DAY)
    story.grant("top-up", six_months.TOP_UP)
    story.has(900, 900, MAY + 9 * DAY, (GRANTED, 900, "top-up"))
    story.subscribe("extra", "exports", billing_cycle_anchor=JUNE)
    story.newest("second", six_months.SECOND_FIRST)
    story.use("search", 80)
    story.use("tokens", 2_000)
    story.use("exports", 450)
    story.advance(JUNE)
    newest, other = story.sdk("invoices.list", customer=story.ann, limit=2)["data"]
    story.invoices |= {"exports": newest["id"], "May": other["id"]}
    story.shows(newest, six_months.DRAFT_OF_EXPORTS)
    story.shows(other, six_months.DRAFT_OF_MAY)
    story.has(900, 0, JUNE)
    story.sdk("invoices.finalize_invoice", newest["id"])
    story.invoice("exports", six_months.OF_EXPORTS)
    story.has(750, 0, JUNE, (APPLIED, 150, "top-up", "exports", "exports"))
    story.invoice("May", six_months.DRAFT_OF_MAY_AFTER)
    story.sdk("invoices.delete", other["id"])
    story.has(750, 750, JUNE)
    story.advance(JUNE + DAY)
    story.cancel("extra")
    story.has(750, 750, JUNE)


def play_june(story: Story) -> None:
    """What is expired keeps what a draft has set aside; a subscription that ends charges nothing more."""
    story.advance(JUNE + 19 * DAY)
    story.use("search", 30)
    story.use("tokens", 1_004)
    story.advance(JULY)
    story.newest("June", six_months.OF_JUNE._replace(status="draft"))
    story.has(750, 329, JULY)
    story.advance(JULY + 10 * MINUTE)
    story.sdk("billing.credit_grants.expire", story.grants["top-up"])
    story.has(421, 0, JULY + 10 * MINUTE, (EXPIRED, 329, "top-up"))
    story.advance(JULY + HOUR)
    story.has(
        0,
        0,
        JULY + HOUR,
        (APPLIED, 150, "top-up", "June", "search"),
        (APPLIED, 271, "top-up", "June", "tokens"),
    )
    story.invoice("June", six_months.OF_JUNE)
    story.of_grants()
    story.use("search", 1_000)
    story.cancel("main")
    story.advance(JULY + 40 * DAY)
    names = {each: name for name, each in story.invoices.items()}
    name = "billing.credit_balance_transactions.list"
    moved = story.sdk.every(name, customer=story.ann, limit=7)
    assert moved == story.sdk(name, customer=story.ann, limit=100)["data"]
    every = story.sdk.every("invoices.list", customer=story.ann, limit=3)
    assert [(names[each["id"]], each["status"]) for each in reversed(every)] == [
        ("first", "paid"),
        ("January", "paid"),
        ("February", "paid"),
        ("March", "void"),
        ("April", "uncollectible"),
        ("second", "paid"),
        ("exports", "paid"),
        ("June", "paid"),
    ]


def check_events(story: Story) -> None:
    """All that was told, in the order in which it happened."""
    wait_for_the_last(story)
    expected = [
        (kind, name)
        for name, kinds in (line.split(":") for line in six_months.EVENTS.split("\n") if line)
        for kind in kinds.split()
    ]
    every = story.sdk.every("events.list", limit=100)
    told = [each for each in reversed(every) if each["type"] in dict(expected)]
    assert [(each["type"], _name(story, each)) for each in told] == expected
    instants = [each["created"] for each in told]
    assert instants == sorted(instants)
    assert instants[0] == JANUARY


def wait_for_the_last(story: Story) -> None:
    """That the clock has come to where it is."""
    until = time.monotonic() + 60
    while True:
        newest = story.sdk("events.list", limit=1)["data"]
        for each in newest:
            ready = each["type"] == "test_helpers.test_clock.ready"
            if ready and each["data"]["object"]["frozen_time"] == JULY + 40 * DAY:
                return
        assert time.monotonic() < until, newest
        time.sleep(0.2)


def _name(story: Story, event: dict[str, Any]) -> str:
    shown = event["data"]["object"]
    names = story.grants | story.invoices | story.subscriptions
    found = shown.get("credit_grant", shown["id"])
    return next(name for name, each in names.items() if each == found)
