"""A deleted entitlement rests, and comes back with all that hangs on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dialects.dodo.clocked import Clocked
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
