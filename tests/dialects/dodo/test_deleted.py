"""A deleted entitlement rests, and comes back with all that hangs on it; a closed customer's credit ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from tests.dialects.dodo.clocked import BEGAN, Clocked
from tests.dialects.dodo.sdk import Dodo, enter
from tests.dialects.dodo.test_products import product
from tests.dialects.dodo.test_subscriptions import attach, found, subscribe
from tests.support.server import Tenant


@pytest.fixture
def ada(tenant: Tenant) -> Iterator[Clocked]:
    found = Clocked(tenant)
    yield found
    found.http.close()


def test_undelete_brings_back_subscriptions_and_meters(dodo: Dodo, ada: Clocked) -> None:
    """Meanwhile nothing is drawn, nothing can be entered, and cycles turn."""
    kind = dodo.entitlement(precision=0).id
    price = {"units_per_credit": "1", "model": "per_credit"}
    ada.ask("POST", "/rates", {"meter": ada.meter(), "entitlement": kind, "price": price})
    made = subscribe(dodo, ada.customer, product(dodo, attach(kind)).product_id)
    dodo(lambda client: client.credit_entitlements.delete(kind))
    ada.use(30)
    refused = dodo.refused(enter("debit", ada.customer, kind, "1"))
    assert (refused.status, refused.code) == (410, "CREDIT_ENTITLEMENT_IS_DELETED")
    ada.advance("2031-03-01T00:00:00Z")
    assert found(dodo, made).status == "active"
    dodo(lambda client: client.credit_entitlements.undelete(kind))
    assert dodo.balance(ada.customer, kind).balance == "200"
    ada.use(30)
    assert dodo.balance(ada.customer, kind).balance == "170"
    ada.advance("2031-03-31T00:00:00Z")
    assert dodo.balance(ada.customer, kind).balance == "270"


def test_with_its_customer_a_subscription_is_cancelled(dodo: Dodo, ada: Clocked) -> None:
    """Nobody is deleted here; the native API closes who has gone."""
    kind = dodo.entitlement(expires_after_days=90).id
    sold = product(dodo, attach(kind, low_balance_threshold_percent=50)).product_id
    made, other = subscribe(dodo, ada.customer, sold), subscribe(dodo, "", sold)
    ada.ask("POST", f"/customers/{ada.customer}/close", {})
    ada.advance("2031-04-01T00:00:00Z")
    shown = found(dodo, made)
    assert (shown.status, shown.cancelled_at) == ("cancelled", datetime.fromisoformat(BEGAN))
    assert dodo.balance(ada.customer, kind).balance == "100"
    for status, expected in (("cancelled", made), ("active", other)):
        [listed] = dodo(partial(list_by, status=status)).items
        assert (listed.subscription_id, listed.status) == (expected, status)
    refused = dodo.refused(enter("credit", ada.customer, kind, "1"))
    assert (refused.status, refused.code) == (400, "UNSUPPORTED_ACTION")


def list_by(client: Any, status: str) -> Any:
    return client.subscriptions.list(status=status)
