"""What the operator may choose: the order in which credit is drawn, and what is free for a meter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import NewUrl
from tests.dialects.dodo.clocked import Clocked
from tests.dialects.dodo.official import official
from tests.dialects.dodo.world import BALANCES, World, attached, metered
from tests.support.server import Tenant, start_server


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory, new_url: NewUrl) -> Iterator[Tenant]:
    """An account on a server with both settings."""
    with new_url() as url:
        settings = {"dodo_burn_order": "soonest_expiry", "dodo_free_threshold": "true"}
        running = start_server(tmp_path_factory.mktemp("chosen"), database=url, **settings)
        yield running.tenant()
        running.stop()


def world(tenant: Tenant) -> World:
    return World(official("blocking", tenant.url, tenant.test.editor.secret))


def test_the_oldest_grant_is_drawn_first_or_what_expires_soonest(
    tenant: Tenant, chosen: Tenant
) -> None:
    for place, remaining in ((tenant, ["10", "7"]), (chosen, ["7", "10"])):
        made = world(place)
        customer, kind = made.customer(), made.entitlement()
        made.enter(customer, kind, "credit", "10")
        soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        made.enter(customer, kind, "credit", "10", expires_at=soon)
        made.enter(customer, kind, "debit", "3")
        grants = made.sdk(f"{BALANCES}.list_grants", customer, credit_entitlement_id=kind)
        assert [grant["remaining_amount"] for grant in grants["items"]] == remaining
        made.sdk.close()


def test_a_free_threshold_counts_for_credit_where_it_is_set_so(
    tenant: Tenant, chosen: Tenant
) -> None:
    """Once in each billing cycle, however its usage is split."""
    for place, paid in ((tenant, 2500), (chosen, 1500)):
        made, ada = world(place), Clocked(place)
        kind = made.entitlement()
        meter = made.meter(event_name="call", aggregation={"type": "sum", "key": "n"})
        price = metered(meter, kind, units="1")
        price["meters"][0]["free_threshold"] = 1000
        sold = made.product(attached(kind, "5000"), price=price)
        subscription = made.subscription(sold, ada.customer)
        for cycle in (1, 2):
            events = [
                made.event(ada.customer, metadata={"n": number}) for number in (700, 900, 900)
            ]
            made.sdk("usage_events.ingest", events=events)
            assert made.balance(ada.customer, kind) == str(cycle * (5000 - paid))
            [period, *_] = made.sdk("subscriptions.retrieve_usage_history", subscription)["items"]
            [counted] = period["meters"]
            assert (counted["consumed_units"], counted["chargeable_units"]) == ("2500", str(paid))
            assert counted["free_threshold"] == 2500 - paid
            ada.advance("2031-03-01T00:00:00Z")
        ada.http.close()
        made.sdk.close()
