"""What the feed says of each kind of operation, field by field, and that none is passed over."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import drawdown.core
from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendEntitlement,
    AmendGrant,
    AskedOverage,
    CreateSchedule,
    Money,
    RolloverTerms,
    Settle,
)
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.times import text_of
from drawdown.core.types import (
    DAY,
    Instant,
    OverageBehavior,
    OverageMode,
)
from drawdown.dialects.native.asked_webhooks import FeedQuery
from drawdown.dialects.native.events import FORMAT, TOLD
from drawdown.dialects.native.feed import read_page
from drawdown.dialects.native.render import spelled
from tests.support.stores import Database
from tests.webhooks.stories import (
    DAYS,
    PLAYS,
    Story,
    alerts,
    alerts_on_use,
    catalogue,
    changed_directory,
    changed_schedules,
    clocks,
    corrections,
    cycles,
    invoices,
    overage,
    top_ups,
    usage,
)
from tests.webhooks.world import world

pytestmark = pytest.mark.anyio
#: What is told as it is when it is read.
AS_THEY_ARE = ("customer.created", "entitlement.created")


#: Kinds of operations that tell nothing, and why.
SILENT = {
    "forecast": "it is worked out, and recorded nowhere",
    "together": "each of what was done together is told by itself",
}


@pytest.fixture
async def here(database: Database) -> AsyncIterator[Story]:
    async with world(database) as made:
        yield Story(made.ledger, made.clock, made.book)


def types(events: list[Any]) -> list[str]:
    return [event["type"] for event in events]


def data(events: list[Any], name: str) -> Any:
    """What the one event of a type tells."""
    [found] = [event["data"] for event in events if event["type"] == name]
    return found


def available(events: list[Any]) -> list[str | None]:
    return [event["balances"][0]["available"] if event["balances"] else None for event in events]


async def test_a_schedule_is_told_as_it_was_made_and_then_its_first_cycle(here: Story) -> None:
    found = await cycles(here)
    name, began, ada = found["names"]
    made, granted, started = found["first"]
    assert types(found["first"]) == ["schedule.created", "grant.created", "schedule.cycle_started"]
    ends = text_of(Instant(began + 1_000 + 10 * DAY))
    shown = made["data"]
    assert (shown["id"], shown["customer"], shown["state"]) == (name, ada["customer"], "active")
    assert (shown["amount"], shown["cycle"], shown["every"]) == (
        "100",
        None,
        {"unit": "day", "count": 10},
    )
    assert made["balances"] == []
    grant = granted["data"]
    assert granted["customer"] == ada["customer"]
    assert grant | {"grant": None, "effective_at": None} == {
        "grant": None,
        "entitlement": ada["entitlement"],
        "amount": "100",
        "priority": 7,
        "category": "paid",
        "name": "Plan",
        "scope": {},
        "effective_at": None,
        "expires_at": ends,
        "cost_basis": None,
        "metadata": {"plan": "pro"},
        "schedule": name,
        "cycle": 1,
    }
    assert started["data"] == {
        "schedule": name,
        "entitlement": ada["entitlement"],
        "cycle": 1,
        "amount": "100",
        "ends_at": ends,
    }


async def test_a_cycles_end_tells_what_was_carried_what_was_lost_and_what_is_new(
    here: Story,
) -> None:
    found = await cycles(here)
    name, began, ada = found["names"]
    second = found["second"]
    assert types(second) == [
        "grant.rolled_over",
        "grant.expired",
        "grant.created",
        "schedule.cycle_started",
    ]
    assert available(second) == ["90", "45", "145", "145"]
    old = data(found["first"], "grant.created")["grant"]
    carried = second[0]["data"]
    assert carried | {"grant": None} == {
        "grant": None,
        "parent": old,
        "entitlement": ada["entitlement"],
        "amount": "45",
        "expires_at": None,
        "schedule": name,
    }
    assert second[1]["data"] == {"grant": old, "entitlement": ada["entitlement"], "amount": "45"}
    assert data(second, "grant.created")["cycle"] == 2
    at = text_of(Instant(began + 1_000 + 10 * DAY))
    assert {event["created_at"] for event in second} == {at}
    third = found["third"]
    assert data(third, "grant.forfeited") == {
        "grant": carried["grant"],
        "entitlement": ada["entitlement"],
        "amount": "45",
    }


async def test_a_grants_own_rollover_is_told_with_no_schedule(here: Story) -> None:
    """When the new grant expires is as it was carried, whatever was amended since."""
    ada = await here.ada()
    ends = Instant(here.clock.now() + 10 * DAY)
    terms = RolloverTerms(percentage=75, timeframe=Every(CalendarUnit.DAY, 10))
    given = await here.give(ada, 200, expires_at=ends, rollover=terms)
    await here.heard()
    here.move(10 * DAYS)
    await here.do(Settle(**ada))
    [carried] = [
        each
        for each in await here.ledger.grants(here.book.id, customer=ada["customer"], limit=9)
        if each.generation
    ]
    await here.do(AmendGrant(grant=carried.id, expires_at=None))
    rolled, expired, amended = await here.heard()
    assert types([rolled, expired, amended]) == [
        "grant.rolled_over",
        "grant.expired",
        "grant.amended",
    ]
    parent = spelled("grant_", given)
    assert rolled["data"] == {
        "grant": spelled("grant_", carried.id),
        "parent": parent,
        "entitlement": ada["entitlement"],
        "amount": "150",
        "expires_at": text_of(Instant(ends + 10 * DAY)),
        "schedule": None,
    }
    assert expired["data"] == {"grant": parent, "entitlement": ada["entitlement"], "amount": "50"}
    assert available([rolled, expired]) == ["200", "150"]


async def test_each_change_of_a_schedule_is_told_with_the_credit_that_it_moved(here: Story) -> None:
    found = await changed_schedules(here)
    base = {"schedule": found["name"], "entitlement": found["ada"]["entitlement"]}
    assert types(found["later"]) == ["schedule.amended"]
    assert found["later"][0]["data"] == base | {"changed": {"next_amount": ["100", "70"]}}
    assert types(found["more"]) == ["schedule.amended", "grant.created"]
    assert found["more"][0]["data"] == base | {"changed": {"amount": ["100", "120"]}}
    extra = found["more"][1]["data"]
    assert (extra["amount"], extra["schedule"], extra["cycle"]) == ("20", found["name"], 1)
    assert types(found["less"]) == ["schedule.amended", "grant.voided", "grant.voided"]
    assert [event["data"]["amount"] for event in found["less"][1:]] == ["20", "10"]
    rule = data(found["rule"], "schedule.amended")["changed"]["overage"]
    assert (rule[0], rule[1]["mode"], rule[1]["limit"]) == (None, "limited", "5")
    assert [event["data"] for event in found["paused"]] == [base]
    assert types(found["skipped"]) == ["grant.expired", "schedule.cycle_skipped"]
    skipped = found["skipped"][1]["data"]
    assert (skipped["cycle"], skipped["amount"]) == (2, "0")
    assert types(found["resumed"]) == ["schedule.resumed"]
    assert types(found["third"]) == ["grant.created", "schedule.cycle_started"]
    third = data(found["third"], "schedule.cycle_started")
    assert (third["cycle"], third["amount"]) == (3, "90")
    assert found["ending"][0]["data"] == base | {"ends_at": third["ends_at"]}
    assert types(found["ended"]) == ["grant.expired", "schedule.ended"]
    assert found["ended"][1]["data"] == base | {"cycle": 3}
    assert types(found["cancelled"]) == ["schedule.cancelled", "grant.expired"]
    cancelled = found["cancelled"][0]
    assert cancelled["data"]["ends_at"] == cancelled["created_at"]


async def test_use_past_zero_is_told_with_its_debit_and_so_is_what_becomes_of_it(
    here: Story,
) -> None:
    found = await overage(here)
    entitlement = found["ada"]["entitlement"]
    assert types(found["drawn"]) == ["debit.created", "grant.depleted"]
    shown = found["drawn"][0]
    assert (shown["data"]["amount"], shown["data"]["overage_charged"]) == ("30", "20")
    assert shown["balances"][0]["overage"] == "20"
    undone = data(found["reversed"], "debit.reversed")
    assert (undone["returns"], undone["overage_reversed"]) == (
        [],
        [{"entitlement": entitlement, "amount": "4"}],
    )
    assert types(found["repaid"]) == ["grant.created", "overage.repaid", "grant.depleted"]
    repaid = found["repaid"][1]
    grant = data(found["repaid"], "grant.created")["grant"]
    assert repaid["data"] == {"grant": grant, "entitlement": entitlement, "amount": "6"}
    assert (repaid["balances"][0]["overage"], found["repaid"][0]["balances"][0]["overage"]) == (
        "10",
        "16",
    )
    invoiced = data(found["invoiced"], "overage.invoiced")
    price = {"amount": "0.05", "currency": "usd"}
    assert invoiced == {"entitlement": entitlement, "amount": "10", "price_per_unit": price}
    assert data(found["forgiven"], "overage.forgiven")["amount"] == "3"


async def test_another_rule_for_overage_is_told_with_the_one_before(here: Story) -> None:
    found = await overage(here)
    amended = data(found["invoiced rule"], "entitlement.amended")
    assert amended["entitlement"] == found["ada"]["entitlement"]
    before, after = amended["changed"]["overage"]
    assert before["behavior"] == "carry_deficit_auto_repay"
    assert after == before | {"behavior": "invoice_at_billing"}


async def test_what_is_changed_and_closed_is_told(here: Story) -> None:
    """By field, what was and what is; another dialect's own is not told here."""
    found = await changed_directory(here)
    customer, kind = found["ada"]["customer"], found["ada"]["entitlement"]
    assert [(event["type"], event["data"]) for event in found["told"]] == [
        (
            "customer.amended",
            {"customer": customer, "changed": {"email": [None, "ada@example.org"]}},
        ),
        (
            "entitlement.amended",
            {
                "entitlement": kind,
                "changed": {"name": [kind, f"New {kind}"], "expires_after_days": [None, 3]},
            },
        ),
        ("entitlement.closed", {"entitlement": kind}),
        ("entitlement.reopened", {"entitlement": kind}),
        ("customer.closed", {"customer": customer}),
    ]


async def test_a_cycles_end_tells_of_overage_with_the_price_it_had(here: Story) -> None:
    rule = AskedOverage(
        mode=OverageMode.UNLIMITED,
        behavior=OverageBehavior.INVOICE_AT_BILLING,
        price_per_unit=Money(Amount(5, 2), "usd"),
    )
    ada = await here.ada(overage=rule)
    every = Every(CalendarUnit.DAY, 1)
    await here.do(CreateSchedule(**ada, amount=Amount(1), every=every))
    await here.draw(ada, 4)
    await here.heard()
    here.move(DAYS)
    await here.do(Settle(**ada))
    off = AskedOverage(mode=OverageMode.OFF)
    await here.do(AmendEntitlement(entitlement=ada["entitlement"], overage=off))
    found = await here.heard()
    assert data(found, "overage.invoiced") == {
        "entitlement": ada["entitlement"],
        "amount": "3",
        "price_per_unit": {"amount": "0.05", "currency": "usd"},
    }


async def test_it_is_told_whom_a_rate_charges_and_what_counts_no_more(here: Story) -> None:
    told = (await catalogue(here))["told"]
    found = [event for event in told if event["type"][:5] in ("rate.", "meter")]
    assert types(found) == [
        "meter.created",
        "rate.created",
        "rate.attached",
        "rate.detached",
        "rate.closed",
        "meter.amended",
        "meter.closed",
        "meter.reopened",
    ]
    code = found[0]["data"]["code"]
    assert found[0]["data"]["name"] == code
    assert found[5]["data"]["changed"] == {"name": [code, "Calls"]}
    assert found[2]["data"] == found[4]["data"]
    assert (found[2]["customer"] is None, found[4]["customer"]) == (False, None)


async def test_usage_is_told_with_what_it_drew_and_what_nothing_paid_for(here: Story) -> None:
    found = await usage(here)
    code, entitlement = found["code"], found["ada"]["entitlement"]
    assert types(found["made"]) == ["meter.created", "rate.created"]
    assert data(found["made"], "meter.created")["code"] == code
    rate = data(found["made"], "rate.created")
    assert (rate["meter"], rate["entitlement"]) == (code, entitlement)
    grant = spelled("grant_", found["grant"])
    [first] = found["1"]
    assert first["data"] == {
        "event": f"{code}-1",
        "name": code,
        "time": first["recorded_at"],
        "debit": "deb_" + first["operation"].removeprefix("op_"),
        "charges": [{"entitlement": entitlement, "drawn": "3", "overage": "0", "uncovered": "0"}],
        "draws": [{"grant": grant, "amount": "3"}],
    }
    assert types(found["2"]) == ["usage.recorded", "usage.uncovered", "grant.depleted"]
    assert data(found["2"], "usage.uncovered") == {
        "event": f"{code}-2",
        "name": code,
        "entitlement": entitlement,
        "uncovered": "1",
    }
    [charge] = data(found["2"], "usage.recorded")["charges"]
    assert (charge["drawn"], charge["uncovered"]) == ("2", "1")


async def test_late_usage_tells_of_the_credit_that_came_back_for_it(here: Story) -> None:
    found = await usage(here)
    assert types(found["late"]) == ["usage.recorded", "grant.restored"]
    recorded, restored = found["late"]
    assert recorded["data"]["time"] == found["time"]
    assert restored["data"]["amount"] == "3"


async def test_a_test_clock_is_told_from_its_making_to_its_end(here: Story) -> None:
    found = await clocks(here)
    told, at, to = found["clock"], found["at"], found["to"]
    assert [(event["type"], event["data"]) for event in found["all"]] == [
        ("test_clock.created", told | {"frozen_at": at, "target": None}),
        ("test_clock.advancing", told | {"frozen_at": at, "target": to}),
        ("test_clock.ready", told | {"frozen_at": to, "target": None}),
        ("test_clock.deleted", told | {"frozen_at": to, "target": None}),
    ]
    assert {event["customer"] for event in found["all"]} == {None}


async def test_what_a_hold_kept_of_an_expired_grant_is_told_when_it_goes(here: Story) -> None:
    found = await corrections(here)
    assert types(found["expired while held"]) == ["grant.expired"]
    assert data(found["expired while held"], "grant.expired")["amount"] == "5"
    assert types(found["captured"]) == ["hold.captured", "debit.created"]
    assert types(found["released"]) == ["hold.released", "grant.expired"]
    assert data(found["released"], "grant.expired")["amount"] == "3"
    assert data(found["released"], "hold.released")["amount"] == "3"


async def test_an_alert_is_told_with_what_it_is_about_right_after_what_set_it_off(
    here: Story,
) -> None:
    found = await alerts(here)
    low, near = found["ids"]
    made, everybody = found["made"]
    assert types(found["made"]) == ["alert.created", "alert.created"]
    assert (made["customer"], everybody["customer"]) == (found["ada"]["customer"], None)
    assert (made["data"]["id"], everybody["data"]["id"]) == (low, near)
    assert (made["data"]["percent"], everybody["data"]["days"]) == (20, 2)
    assert types(found["above"]) == ["grant.created", "debit.created"]
    assert types(found["low"]) == ["debit.created", "alert.triggered"]
    told = found["low"][1]
    assert told["created_at"] == told["data"]["at"] == found["low"][0]["created_at"]
    assert available(found["low"]) == ["20", "20"]
    assert told["data"] | {"at": None} == {
        "alert": low,
        "kind": "available_below",
        "name": "Low",
        "entitlement": found["ada"]["entitlement"],
        "meter": None,
        "at": None,
        "available": "20",
        "overage": "0",
        "used": "80",
        "threshold": "20",
        "percent": 20,
        "days": None,
        "grant": None,
        "remaining": None,
        "expires_at": None,
    }
    assert types(found["closed"]) == ["alert.closed", "alert.closed"]
    assert {event["data"]["state"] for event in found["closed"]} == {"closed"}


async def test_an_alert_on_use_is_told_with_the_number_after_what_the_usage_itself_tells(
    here: Story,
) -> None:
    found = await alerts_on_use(here)
    assert types(found["made"]) == ["meter.created", "alert.created", "alert.created"]
    own, everybody = (event["data"] for event in found["made"][1:])
    assert (own["meter"], own["entitlement"], own["amount"]) == ("renders", None, "2.5")
    assert (everybody["customer"], everybody["amount"]) == (None, "5")
    assert types(found["below"]) == ["usage.recorded"]
    assert types(found["reached"]) == ["usage.recorded", "alert.triggered"]
    told = found["reached"][1]["data"]
    assert (told["alert"], told["meter"], told["entitlement"]) == (own["id"], "renders", None)
    assert (told["used"], told["threshold"], told["available"]) == ("3", "2.5", None)
    assert types(found["lowered"]) == ["usage.recorded"]
    assert types(found["closed"]) == ["alert.closed", "alert.closed"]


async def test_a_grant_near_its_end_is_told_of_at_the_instant_at_which_it_comes_near(
    here: Story,
) -> None:
    found = await alerts(here)
    assert types(found["near"]) == ["alert.triggered"]
    [told] = found["near"]
    at = text_of(Instant(found["ends"] - 2 * DAY))
    assert told["created_at"] == told["data"]["at"] == at
    assert (told["data"]["alert"], told["data"]["grant"]) == (found["ids"][1], found["grant"])
    assert (told["data"]["remaining"], told["data"]["days"]) == ("20", 2)
    assert told["data"]["expires_at"] == text_of(found["ends"])


#: What these plays cannot make happen.
ELSEWHERE = {"webhook.test"}


async def test_a_top_up_is_told_from_what_is_asked_for_to_what_came_of_it(here: Story) -> None:
    found = await top_ups(here)
    assert types(found["made"]) == ["grant.created", "top_up.created"]
    assert types(found["asked"]) == ["debit.created", "top_up.requested"]
    asked = found["asked"][1]["data"]
    assert (asked["top_up"], asked["amount"], asked["available"]) == (
        found["made"][1]["data"]["id"],
        "20",
        "9",
    )
    assert types(found["confirmed"]) == ["top_up.confirmed", "grant.created"]
    confirmed, granted = (event["data"] for event in found["confirmed"])
    assert (confirmed["reference"], confirmed["grant"]) == ("pay_1", granted["grant"])
    assert (granted["amount"], granted["metadata"]) == ("20", {"plan": "pro"})
    assert data(found["the rest"], "top_up.requested")["amount"] == "10"
    assert data(found["failed"], "top_up.failed")["reason"] == "card_declined"
    assert types(found["expired"])[0] == "top_up.expired"
    assert types(found["again"]) == ["top_up.requested", "debit.created"]
    assert types(found["capped"]) == ["top_up.capped", "debit.created"]
    assert data(found["capped"], "top_up.capped")["cap"] == {"amount": "30", "per": "day"}
    assert types(found["closed"]) == ["top_up.closed"]


async def test_what_an_invoice_drew_is_told_by_grant_and_so_is_what_went_back(here: Story) -> None:
    found = await invoices(here)
    moved = {"entitlement": "usd", "amount": "0.3"}
    by_grant = [{"grant": found["grant"], "amount": "0.3"}]
    assert types(found["final"]) == ["invoice.drawn", "grant.depleted"]
    drawn = data(found["final"], "invoice.drawn")
    assert drawn == {**moved, "invoice": drawn["invoice"], "grants": by_grant}
    assert available(found["final"]) == ["0", "0"]
    assert types(found["void"]) == ["invoice.returned"]
    assert data(found["void"], "invoice.returned") == drawn
    assert available(found["void"]) == ["0.3"]


async def test_every_type_is_told_and_is_the_same_whenever_it_is_read(here: Story) -> None:
    """But for what a customer or a kind of credit is called: that is as it is when it is read."""
    before = len(await here.everything())
    step_by_step: list[Any] = []
    hear = here.heard

    async def remembered() -> list[Any]:
        found = await hear()
        step_by_step.extend(found)
        return found

    here.heard = remembered  # type: ignore[method-assign]
    for play in PLAYS:
        await play(here)
    again = await here.everything()
    assert set(types(again)) == set(FORMAT.types) - ELSEWHERE
    assert len(again) >= before + 60

    def fixed(events: list[Any]) -> list[Any]:
        return [event for event in events if event["type"] not in AS_THEY_ARE]

    assert fixed(again) == fixed(step_by_step)


def test_every_kind_of_operation_that_the_core_can_make_is_told_or_is_silent_for_a_reason() -> None:
    kinds = kinds_of_operations()
    assert len(kinds) > 25
    assert set(TOLD) | set(SILENT) == kinds
    assert not set(TOLD) & set(SILENT)
    assert all(SILENT.values())


def kinds_of_operations() -> set[str]:
    """The names under which the core's code begins or records an operation."""
    found: set[str] = set()
    for file in Path(drawdown.core.__path__[0]).rglob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        named = constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                found |= {
                    text
                    for each in _kinds_in(node)
                    if (text := named.get(each.id) if isinstance(each, ast.Name) else _text(each))
                }
    return found


def constants(tree: ast.Module) -> dict[str, str]:
    """What a module calls its texts."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            [target] = node.targets
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for name, value in pairs:
                if isinstance(name, ast.Name) and (text := _text(value)) is not None:
                    found[name.id] = text
    return found


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _kinds_in(call: ast.Call) -> list[ast.expr]:
    """Where a call says a kind: as an argument of what begins or records, or as a field's value."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in {"begin", "record", "_record"}:
        return call.args
    if name == "Operation":
        return [keyword.value for keyword in call.keywords if keyword.arg == "kind"]
    return []


async def test_a_page_of_the_feed_that_takes_long_ends_where_it_is(here: Story) -> None:
    """However little time there is, a reader comes to the same events, one operation at a time."""
    await corrections(here)
    whole = await read_page(here.ledger, here.book.id, FeedQuery(limit=100), None, 60)
    assert len(whole.data) > 2
    found: list[Any] = []
    after: str | None = None
    while len(found) < len(whole.data):
        page = await read_page(here.ledger, here.book.id, FeedQuery(after=after), None, 0)
        found += page.data
        assert page.next != after, "every page looks at something"
        after = page.next
    assert found == whole.data
