"""What Dodo's webhooks say of what happens to credit, field by field, on every kind of database."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from dodopayments import DodoPayments
from standardwebhooks import WebhookVerificationError

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AdjustGrant,
    AskedOverage,
    CreateAlert,
    CreateSchedule,
    Direction,
    KeepDocuments,
    ResetOverage,
    RolloverTerms,
    Settle,
)
from drawdown.core.identity import parse, reference
from drawdown.core.requests import Answer
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import MICROSECONDS, AlertKind, Id, Instant, OverageMode
from drawdown.dialects.dodo.credit.rows import Names, rows_of
from drawdown.dialects.dodo.selling import links, subscriptions
from drawdown.dialects.dodo.selling.countries import Country
from drawdown.dialects.dodo.selling.product_wire import TimeInterval
from drawdown.dialects.dodo.selling.subscription_wire import Billing, Plan, SubscriptionRecord
from drawdown.dialects.dodo.webhooks.events import FORMAT
from drawdown.engine.endpoints import Endpoint, Settings
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import BEGINNING
from drawdown.webhooks.events import Event
from drawdown.webhooks.sending import SECONDS_MAX
from tests.support.stores import Database
from tests.webhooks.stories import DAYS, PLAYS, Story
from tests.webhooks.world import world

pytestmark = pytest.mark.anyio
FLAT = {"overage_charged", "overage_reset"}


@pytest.fixture
async def here(database: Database) -> AsyncIterator[Story]:
    async with world(database) as made:
        yield Story(made.ledger, made.clock, made.book)


async def recorded(here: Story) -> list[Recorded]:
    """All operations of the book, in their order."""
    here.move(3)
    place, found, more = BEGINNING, [], True
    while more:
        page = await here.ledger.feed(place, books=frozenset({here.book.id}), limit=100)
        found += page.found
        place, more = page.end, page.more
    return list(found)


async def events(here: Story) -> list[Event]:
    return [
        event for each in await recorded(here) for event in await FORMAT.render(here.ledger, each)
    ]


async def told(here: Story) -> list[Any]:
    return [msgspec.json.decode(event.body) for event in await events(here)]


def sizes(told: list[Any]) -> list[tuple[str, str, str, str]]:
    """Type, amount, and the balance before and after."""
    return [
        (
            each["type"],
            each["data"]["amount"],
            each["data"]["balance_before"],
            each["data"]["balance_after"],
        )
        for each in told
    ]


# What holds of all of them ---------------------------------------------------------------------------


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.__name__)
async def test_every_row_goes_on_where_the_one_before_ended(play: Any, here: Story) -> None:
    """Balance and overage alike; the last row's are the wallet's. An amount says what its row moved."""
    await play(here)
    last: dict[tuple[Id, str], Any] = {}
    account = await here.ledger.accounts.of_book(here.book.id)
    for each in await recorded(here):
        if not each.entries:
            continue
        kinds = {
            entry.entitlement: await here.ledger.entitlement(here.book.id, entry.entitlement)
            for entry in each.entries
        }
        owner = await here.ledger.customer(here.book.id, each.operation.customer)
        for row in rows_of(each.operation, each.entries, Names(owner, account, kinds)):
            before = last.get((owner.id, row.credit_entitlement_id))
            if before is not None:
                assert row.balance_before == before.balance_after
                assert row.overage_before == before.overage_after
            change = Decimal(row.balance_after) - Decimal(row.balance_before)
            repaid = Decimal(row.overage_before) - Decimal(row.overage_after)
            if row.transaction_type in FLAT:
                assert change == 0
                assert abs(repaid) == Decimal(row.amount)
            elif row.is_credit:
                assert change + repaid == Decimal(row.amount)
            else:
                assert change == -Decimal(row.amount)
            last[(owner.id, row.credit_entitlement_id)] = row
    for (customer, entitlement), row in last.items():
        balance = await here.ledger.balance(here.book.id, customer, reference(entitlement))
        units = [
            int(Decimal(each).scaleb(balance.scale))
            for each in (row.balance_after, row.overage_after)
        ]
        assert units == [balance.posted, balance.overage]


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.__name__)
async def test_only_types_of_the_vendor_are_sent_each_under_an_id_of_its_own(
    play: Any, here: Story
) -> None:
    await play(here)
    found = await events(here)
    assert {each.type for each in found} <= set(FORMAT.types)
    assert len({each.id for each in found}) == len(found)
    rows = [each["data"].get("id") for each in map(msgspec.json.decode, (e.body for e in found))]
    assert len(set(rows)) == len(rows)
    assert [each.id for each in await events(here)] == [each.id for each in found]


async def test_the_sdk_reads_each_of_the_nine_types_strictly(here: Story) -> None:
    """Verified by its signature, and with all that was sent."""
    for play in PLAYS:
        await play(here)
    ada = await here.ada(overage=AskedOverage(mode=OverageMode.UNLIMITED))
    link = links.LowBalance(await subscribed(here, ada), credits="100", percent=20)
    below: dict[str, Any] = {"kind": AlertKind.AVAILABLE_BELOW, "amount": Amount(20)}
    await here.do(CreateAlert(**ada, **below, metadata=links.of_low_balance(link)))
    rollover = RolloverTerms(percentage=50, generations_max=1)
    every = Every(CalendarUnit.DAY, 10)
    await here.do(CreateSchedule(**ada, amount=Amount(100), every=every, rollover=rollover))
    for used in (10, 200, 10):
        await here.draw(ada, used)
        here.move(10 * DAYS)
        await here.do(Settle(**ada))
    await here.do(ResetOverage(**ada))
    secret = FORMAT.new_secret()
    sdk = DodoPayments(
        bearer_token="x", base_url="http://localhost", _strict_response_validation=True
    )
    seen = set()
    for each in await events(here):
        headers = dict(FORMAT.headers(endpoint(secret), each, now()))
        read: Any = sdk.webhooks.unwrap(each.body.decode(), headers=headers, key=secret)
        sent = msgspec.json.decode(each.body)
        assert type(read).__name__.removesuffix("WebhookEvent") == CLASSES[each.type]
        assert read.to_dict(mode="python")["data"].keys() == sent["data"].keys()
        assert read.to_dict()["data"] | TIMES == sent["data"] | TIMES
        seen.add(each.type)
    assert seen == set(FORMAT.types) == set(CLASSES)
    sdk.close()


TIMES = {"created_at": None}
CLASSES = {
    "credit.added": "CreditAdded",
    "credit.deducted": "CreditDeducted",
    "credit.expired": "CreditExpired",
    "credit.rolled_over": "CreditRolledOver",
    "credit.rollover_forfeited": "CreditRolloverForfeited",
    "credit.overage_charged": "CreditOverageCharged",
    "credit.overage_reset": "CreditOverageReset",
    "credit.manual_adjustment": "CreditManualAdjustment",
    "credit.balance_low": "CreditBalanceLow",
}


# Each of them, field by field ------------------------------------------------------------------------


async def test_credit_that_is_given_and_drawn(here: Story) -> None:
    ada = await here.ada()
    first = await here.give(ada, 10, metadata={"order": "7"}, reason="welcome")
    second = await here.give(ada, 5)
    await here.draw(ada, 4)
    await here.draw(ada, 8)
    added, _, drawn, both = await told(here)
    account = await here.ledger.accounts.of_book(here.book.id)
    assert added["business_id"].startswith("bus_")
    assert added["timestamp"] == added["data"]["created_at"]
    entitlement = await here.ledger.entitlement(here.book.id, ada["entitlement"])
    grant = added["data"]["grant_id"]
    assert added["data"] == {
        "payload_type": "CreditLedgerEntry",
        "id": added["data"]["id"],
        "business_id": added["business_id"],
        "brand_id": added["business_id"].replace("bus_", "brd_"),
        "customer_id": ada["customer"],
        "credit_entitlement_id": added["data"]["credit_entitlement_id"],
        "transaction_type": "credit_added",
        "amount": "10",
        "is_credit": True,
        "balance_before": "0",
        "balance_after": "10",
        "overage_before": "0",
        "overage_after": "0",
        "grant_id": grant,
        "description": "welcome",
        "reference_type": "api",
        "reference_id": None,
        "metadata": {"order": "7"},
        "created_at": added["timestamp"],
    }
    assert (parse(grant), parse(added["business_id"])) == (first, account)
    assert parse(added["data"]["credit_entitlement_id"]) == entitlement.id
    assert second != first
    assert (drawn["type"], drawn["data"]["is_credit"]) == ("credit.deducted", False)
    assert (drawn["data"]["grant_id"], both["data"]["grant_id"]) == (grant, None)
    assert sizes([drawn, both]) == [
        ("credit.deducted", "4", "15", "11"),
        ("credit.deducted", "8", "11", "3"),
    ]


async def test_credit_that_rolls_over_at_its_own_end_is_told_as_a_cycles_is(here: Story) -> None:
    """Of 200 three quarters are carried, once: then they are forfeited. No subscription is named."""
    ada = await here.ada()
    ends = Instant(here.clock.now() + 10 * DAYS)
    terms = RolloverTerms(percentage=75, generations_max=1, timeframe=Every(CalendarUnit.DAY, 10))
    given = await here.give(ada, 200, expires_at=ends, rollover=terms)
    for _ in range(2):
        here.move(10 * DAYS)
        await here.do(Settle(**ada))
    found = await told(here)
    assert sizes(found) == [
        ("credit.added", "200", "0", "200"),
        ("credit.rolled_over", "150", "50", "200"),
        ("credit.expired", "50", "200", "150"),
        ("credit.rollover_forfeited", "150", "150", "0"),
    ]
    rolled, lost = found[1]["data"], found[3]["data"]
    assert rolled["reference_type"] == "credit_grant"
    assert parse(rolled["reference_id"]) == given
    assert (lost["grant_id"], lost["reference_type"]) == (rolled["grant_id"], None)


async def test_what_is_carried_is_told_once_and_of_the_new_grant(here: Story) -> None:
    """100 are given and 10 used; half of the rest is carried, once: then it is forfeited."""
    ada = await here.ada()
    made = await here.do(
        CreateSchedule(
            **ada,
            amount=Amount(100),
            every=Every(CalendarUnit.DAY, 10),
            rollover=RolloverTerms(percentage=50, generations_max=1),
            metadata=links.of_subscription("sub_1"),
        )
    )
    assert made.schedule is not None
    await here.draw(ada, 10)
    for _ in range(2):
        here.move(10 * DAYS)
        await here.do(Settle(**ada))
    found = await told(here)
    assert sizes(found[:5]) == [
        ("credit.added", "100", "0", "100"),
        ("credit.deducted", "10", "100", "90"),
        ("credit.rolled_over", "45", "45", "90"),
        ("credit.expired", "45", "90", "45"),
        ("credit.added", "100", "45", "145"),
    ]
    assert sizes(found[5:]) == [
        ("credit.rollover_forfeited", "45", "145", "100"),
        ("credit.rolled_over", "50", "50", "100"),
        ("credit.expired", "50", "100", "50"),
        ("credit.added", "100", "50", "150"),
    ]
    rolled, given = found[2]["data"], found[0]["data"]
    assert (rolled["is_credit"], rolled["reference_type"]) == (True, "credit_grant")
    assert rolled["reference_id"] == given["grant_id"] != rolled["grant_id"]
    assert (given["reference_type"], given["reference_id"]) == ("subscription", "sub_1")
    forfeited = [each["data"] for each in found if each["type"] == "credit.rollover_forfeited"]
    assert [each["amount"] for each in forfeited] == ["45"]
    assert (forfeited[0]["grant_id"], forfeited[0]["is_credit"]) == (rolled["grant_id"], False)


async def test_overage_that_is_charged_and_reset_moves_no_balance(here: Story) -> None:
    ada = await here.ada(overage=AskedOverage(mode=OverageMode.UNLIMITED))
    await here.give(ada, 10)
    await here.draw(ada, 30)
    await here.do(ResetOverage(**ada))
    _, drawn, charged, reset = await told(here)
    assert sizes([drawn, charged, reset]) == [
        ("credit.deducted", "10", "10", "0"),
        ("credit.overage_charged", "20", "0", "0"),
        ("credit.overage_reset", "20", "0", "0"),
    ]
    overage = [
        (each["data"]["overage_before"], each["data"]["overage_after"], each["data"]["is_credit"])
        for each in (charged, reset)
    ]
    assert overage == [("0", "20", False), ("20", "0", False)]
    assert (charged["data"]["grant_id"], reset["data"]["grant_id"]) == (None, None)


async def test_what_expires_and_what_is_corrected_by_hand(here: Story) -> None:
    ada = await here.ada()
    grant = await here.give(ada, 10, expires_at=Instant(here.clock.now() + 60 * MICROSECONDS))
    await here.do(
        AdjustGrant(grant=grant, direction=Direction.DOWN, amount=Amount(1), reason="typo")
    )
    here.move(61)
    await here.do(Settle(**ada))
    _, adjusted, expired = await told(here)
    assert sizes([adjusted, expired]) == [
        ("credit.manual_adjustment", "1", "10", "9"),
        ("credit.expired", "9", "9", "0"),
    ]
    data = adjusted["data"]
    assert (data["description"], data["reference_type"], data["is_credit"]) == ("typo", None, False)
    assert expired["data"]["grant_id"] == data["grant_id"]


async def subscribed(here: Story, ada: dict[str, Any]) -> str:
    """The id of a subscription of the customer's, as it is kept."""
    owner = await here.ledger.customer(here.book.id, ada["customer"])
    plan = Plan(
        product_id="pdt_1",
        product_name="Plan",
        quantity=1,
        currency="USD",
        price=0,
        every=1,
        interval=TimeInterval.MONTH,
        lasts=1,
        lasts_interval=TimeInterval.YEAR,
    )
    record = SubscriptionRecord(
        plan=plan, billing=Billing(country=Country.DE), anchor=here.clock.now()
    )
    made = subscriptions.SUBSCRIPTIONS.new(here.ledger, owner.id, record)
    await here.ledger.submit(
        here.book.id,
        KeepDocuments(customer=ada["customer"]),
        lambda _: Answer(status=200, body=b""),
        documents=(made,),
    )
    return subscriptions.subscription_id(made.id)


async def test_a_low_balance_is_told_of_a_subscriptions_alert_alone(here: Story) -> None:
    ada = await here.ada()
    subscription = await subscribed(here, ada)
    below: dict[str, Any] = {"kind": AlertKind.AVAILABLE_BELOW, "amount": Amount(20)}
    for named in (subscription, "sub_1"):
        link = links.LowBalance(subscription=named, credits="100", percent=20)
        await here.do(CreateAlert(**ada, **below, metadata=links.of_low_balance(link)))
    await here.do(CreateAlert(**ada, **below))
    await here.give(ada, 100)
    await here.draw(ada, 85)
    await here.draw(ada, 1)
    lows = [each for each in await told(here) if each["type"] == "credit.balance_low"]
    [low] = lows
    kind = await here.ledger.entitlement(here.book.id, ada["entitlement"])
    assert low["data"] == {
        "payload_type": "CreditBalanceLow",
        "customer_id": ada["customer"],
        "subscription_id": subscription,
        "brand_id": low["business_id"].replace("bus_", "brd_"),
        "credit_entitlement_id": low["data"]["credit_entitlement_id"],
        "credit_entitlement_name": kind.name,
        "available_balance": "15",
        "subscription_credits_amount": "100",
        "threshold_percent": 20,
        "threshold_amount": "20",
    }


async def test_nothing_is_told_of_money(here: Story) -> None:
    """A currency is the customer's wallet: the vendor has no webhooks for those."""
    ada = await here.ada()
    await here.give({**ada, "entitlement": "usd"}, 10)
    await here.draw({**ada, "entitlement": "usd"}, 3)
    await here.give(ada, 5)
    assert sizes(await told(here)) == [("credit.added", "5", "0", "5")]


# Signatures ------------------------------------------------------------------------------------------


def now() -> Instant:
    return Instant(int(datetime.now(UTC).timestamp()) * MICROSECONDS)


def endpoint(secret: str, **more: Any) -> Endpoint:
    """One that is kept nowhere: what a delivery to it would carry."""
    made: dict[str, Any] = {"id": bytes(16), "book": bytes(16), "cursor": BEGINNING}
    at = Instant(0)
    settings = Settings(url="https://example.com", format="dodo", **more)
    return Endpoint(settings=settings, secret=secret, created_at=at, updated_at=at, **made)


async def test_the_sdk_accepts_the_signature_of_either_secret(here: Story) -> None:
    await here.give(await here.ada(), 10)
    [event] = await events(here)
    old, new = FORMAT.new_secret(), FORMAT.new_secret()
    to = endpoint(new)
    to.previous_secret, to.previous_until = old, Instant(now() + 60 * MICROSECONDS)
    headers = dict(FORMAT.headers(to, event, now()))
    sdk = DodoPayments(bearer_token="x", base_url="http://localhost")
    for key in (old, new):
        read: Any = sdk.webhooks.unwrap(event.body.decode(), headers=headers, key=key)
        assert (read.type, read.data.amount) == ("credit.added", "10")
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    with pytest.raises(WebhookVerificationError):
        sdk.webhooks.unwrap(event.body.decode(), headers=headers, key=other)
    with pytest.raises(WebhookVerificationError):
        sdk.webhooks.unwrap(event.body.decode().replace("10", "99"), headers=headers, key=new)


async def test_an_endpoints_own_headers_never_take_the_place_of_the_signature(here: Story) -> None:
    await here.give(await here.ada(), 10)
    [event] = await events(here)
    own = {"x-tenant": "7", "webhook-signature": "v1,forged"}
    headers = FORMAT.headers(endpoint(FORMAT.new_secret(), profile={"headers": own}), event, now())
    assert headers["x-tenant"] == "7"
    assert headers["webhook-id"] == event.id
    assert "forged" not in headers["webhook-signature"]


async def test_an_attempt_ends_after_15_seconds_and_the_first_retry_comes_within_20() -> None:
    """Each pause is lengthened by up to a quarter. The vendor tries eight times more."""
    assert SECONDS_MAX == 15
    assert FORMAT.schedule[0] * 1.25 <= 20
    assert len(FORMAT.schedule) == 8
    assert list(FORMAT.schedule) == sorted(FORMAT.schedule)
