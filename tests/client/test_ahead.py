"""Forecasts and dry runs through both clients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from drawdown.client import Client, Invalid, OverageRule

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def used(client: Client) -> Client:
    client.create_customer("ada")
    client.create_entitlement("credits", unit="credit", scale=1)
    client.grant("ada", "credits", 100, cost_basis=(Decimal(5), "usd"))
    client.debit("ada", "credits", 20)
    return client


def test_a_forecast_is_typed(used: Client) -> None:
    found = used.forecast("ada", "credits", days=5)
    assert found.usage.per_day == 20
    assert found.depletes_at == found.as_of + timedelta(days=4)
    assert found.reason is None
    assert [point.available for point in found.points] == [80, 60, 40, 20, 0, 0]
    assert (found.shortfall, found.expires_unused) == (Decimal(20), Decimal(0))
    assert not found.expiring


def test_a_dry_run_is_typed(used: Client) -> None:
    found = used.dry_run(
        "credits",
        start=LONG_AGO,
        customer="ada",
        burn_order="oldest_first",
        rates=[],
        rollover=None,
        expires_after_days=30,
        overage=OverageRule(mode="limited", limit=5),
    )
    assert found.before == found.after
    assert (found.start, found.end, found.next) == (LONG_AGO, None, None)
    [one] = found.data
    assert (one.customer, one.operations, one.different) == ("ada", 2, 0)
    [drawn] = one.before.categories
    assert (drawn.category, drawn.drawn) == ("paid", Decimal(20))
    assert [(paid.amount, paid.currency) for paid in drawn.cost] == [(Decimal(1), "usd")]


def test_a_range_that_is_none_is_refused(used: Client) -> None:
    with pytest.raises(Invalid) as refused:
        used.dry_run("credits", start=LONG_AGO, end=LONG_AGO)
    assert refused.value.code == "field_invalid"
