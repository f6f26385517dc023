"""Low credit is told while a subscription lives, by the terms that stand then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.dialects.dodo.clocked import Clocked
from tests.dialects.dodo.sdk import Dodo
from tests.dialects.dodo.test_products import MONTHLY, product
from tests.dialects.dodo.test_subscriptions import attach, found, subscribe, update
from tests.support.receiver import Receiver, receiver


@pytest.fixture
def ada(database_url: str, serve: StartServer) -> Iterator[tuple[Clocked, Dodo]]:
    tenant = serve(database=database_url, webhooks_allow_private="1").tenant()
    clocked, sdk = Clocked(tenant), Dodo(tenant.url, tenant.test.editor.secret, blocking=True)
    yield clocked, sdk
    clocked.http.close()
    sdk.close()


@pytest.fixture
def listening() -> Iterator[tuple[Receiver, asyncio.Runner]]:
    """A receiver that runs while the runner does."""
    with asyncio.Runner() as runner:
        opened = receiver()
        made = runner.run(opened.__aenter__())
        yield made, runner
        runner.run(opened.__aexit__(None, None, None))


def told(got: Receiver, runner: asyncio.Runner, count: int) -> list[tuple[Any, ...]]:
    """The first ``count`` events, in the order of what they tell of: they arrive as they do."""
    runner.run(got.wait(count))
    by_id = sorted(got.received, key=lambda each: each.headers["webhook-id"])
    events = sorted((each.event for each in by_id), key=lambda each: each["timestamp"])
    return [
        (
            event["data"]["available_balance"],
            event["data"]["threshold_amount"],
            event["data"]["subscription_credits_amount"],
        )
        if event["type"] == "credit.balance_low"
        else (event["type"], event["data"]["amount"])
        for event in events
    ]


def test_low_credit_is_told_by_the_plan_that_runs_and_no_more_when_it_is_over(
    ada: tuple[Clocked, Dodo], listening: tuple[Receiver, asyncio.Runner]
) -> None:
    """The debit that ends the test is told of; that credit was low by then is not."""
    (clocked, sdk), (got, runner) = ada, listening
    types = ["credit.balance_low", "credit.manual_adjustment", "credit.deducted"]
    kind = sdk.entitlement(expires_after_days=28).id
    term = {"subscription_period_count": 2, "subscription_period_interval": "Month"}
    low = {"low_balance_threshold_percent": 50}
    plan = product(sdk, attach(kind, "100", **low), price=MONTHLY | term)
    larger = product(sdk, attach(kind, "400", **low), price=MONTHLY | term, name="Max")
    made = subscribe(sdk, clocked.customer, plan.product_id)
    sdk(
        lambda client: client.subscriptions.change_plan(
            made,
            product_id=larger.product_id,
            proration_billing_mode="do_not_bill",
            quantity=1,
            effective_at="next_billing_date",
        )
    )
    sdk(lambda client: client.webhooks.create(url=got.url, filter_types=types))
    sdk.debit(clocked.customer, kind, "40")  # 60: low for the plan to come, not for this one
    sdk.debit(clocked.customer, kind, "15")
    assert told(got, runner, 3) == [
        ("credit.deducted", "40"),
        ("credit.deducted", "15"),
        ("45", "50", "100"),
    ]
    clocked.advance("2031-02-28T00:00:00Z")
    sdk.debit(clocked.customer, kind, "250")
    assert told(got, runner, 5)[3:] == [("credit.deducted", "250"), ("150", "200", "400")]
    clocked.advance("2031-03-28T00:00:00Z")
    clocked.advance("2031-03-31T00:00:00Z")
    assert found(sdk, made).status == "expired"
    sdk.credit(clocked.customer, kind, "1000")
    sdk.debit(clocked.customer, kind, "900")
    sdk.debit(clocked.customer, kind, "1")
    assert told(got, runner, 7)[5:] == [("credit.deducted", "900"), ("credit.deducted", "1")]


def test_nothing_is_low_while_a_subscription_is_paused(
    ada: tuple[Clocked, Dodo], listening: tuple[Receiver, asyncio.Runner]
) -> None:
    (clocked, sdk), (got, runner) = ada, listening
    kind = sdk.entitlement().id
    plan = product(sdk, attach(kind, "100", low_balance_threshold_percent=50))
    made = subscribe(sdk, clocked.customer, plan.product_id)
    sdk(
        lambda client: client.webhooks.create(
            url=got.url, filter_types=["credit.balance_low", "credit.deducted"]
        )
    )
    update(sdk, made, status="paused")
    sdk.debit(clocked.customer, kind, "60")
    update(sdk, made, status="active")
    sdk.credit(clocked.customer, kind, "60")
    sdk.debit(clocked.customer, kind, "70")
    assert told(got, runner, 3) == [
        ("credit.deducted", "60"),
        ("credit.deducted", "70"),
        ("30", "50", "100"),
    ]
