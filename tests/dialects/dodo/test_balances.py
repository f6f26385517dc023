"""A customer's balance and grants through the vendor's SDK."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from dodopayments import NotFoundError, UnprocessableEntityError

from drawdown.core.types import DAY, Instant
from tests.dialects.dodo.conftest import NEW_YEAR
from tests.dialects.dodo.sdk import Ask, Dodo
from tests.support.clocked_server import ClockedServer
from tests.support.server import Tenant


def test_a_balance_begins_with_the_first_grant(dodo: Dodo) -> None:
    """404 before it, whether customer and entitlement exist or not; then 200, whatever is left."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    for owner, entitlement in (
        (customer, tokens.id),
        ("nobody", tokens.id),
        (customer, "nothing"),
    ):
        dodo.sent.clear()
        refusal = dodo.refused(balance_of(owner, entitlement))
        assert (refusal.error, refusal.code) == (NotFoundError, "NOT_FOUND")
        assert len(dodo.sent) == 1
    credited = dodo.credit(customer, tokens.id, "5.00")
    found = dodo.balance(customer, tokens.id)
    assert (found.customer_id, found.credit_entitlement_id) == (customer, tokens.id)
    assert (found.balance, found.overage) == ("5", "0")
    assert found.created_at == found.last_transaction_at == credited.created_at
    debited = dodo.debit(customer, tokens.id, "5")
    spent = dodo.balance(customer, tokens.id)
    assert (spent.balance, spent.id) == ("0", found.id)
    assert spent.updated_at == spent.last_transaction_at == debited.created_at


def test_a_balance_row_has_an_id_of_its_own(dodo: Dodo) -> None:
    """Always the same for one customer and entitlement, and no other's."""
    ada, bo = dodo.customer(), dodo.customer(name="Bo")
    tokens, minutes = dodo.entitlement(), dodo.entitlement(name="Minutes")
    identifiers = []
    for customer, entitlement in ((ada, tokens), (ada, minutes), (bo, tokens)):
        dodo.credit(customer, entitlement.id, "1")
        identifiers.append(dodo.balance(customer, entitlement.id).id)
    assert len(set(identifiers)) == 3
    assert all(identifier.startswith("ccb_") for identifier in identifiers)
    assert dodo.balance(ada, tokens.id).id == identifiers[0]


def test_a_balance_of_another_mode_is_not_there(dodo: Dodo, tenant: Tenant) -> None:
    customer, tokens = dodo.customer(), dodo.entitlement()
    dodo.credit(customer, tokens.id, "1")
    live = Dodo(tenant.url, tenant.live.editor.secret, blocking=True)
    assert live.refused(balance_of(customer, tokens.id)).error is NotFoundError
    assert live.refused(grants_of(customer, tokens.id)).error is NotFoundError
    live.close()


def test_a_grant_made_elsewhere_shows(dodo: Dodo, native: httpx.Client) -> None:
    """In its full precision, under the operator's own id for the customer."""
    native.post("/customers", json={"id": "ada"}).raise_for_status()
    issued = native.post(
        "/grants",
        json={
            "customer": "ada",
            "entitlement": "usd",
            "amount": "47.6088950",
            "metadata": {"order": "o-1"},
        },
    )
    assert issued.status_code == 201, issued.text
    [grant] = dodo.grants("ada", "usd")
    assert grant.customer_id == "ada"
    assert (grant.initial_amount, grant.remaining_amount) == ("47.608895", "47.608895")
    assert (grant.source_type, grant.source_id) == ("api", None)
    assert (grant.rollover_count, grant.is_rolled_over) == (0, False)
    assert (grant.parent_grant_id, grant.expires_at) == (None, None)
    assert grant.metadata == {"order": "o-1"}
    assert dodo.balance("ada", "usd").balance == "47.608895"
    assert dodo.debit("ada", "usd", "0.000000001").balance_after == "47.608894999"


def test_grants_are_listed_newest_first(dodo: Dodo) -> None:
    customer, tokens = dodo.customer(), dodo.entitlement()
    issued = [dodo.credit(customer, tokens.id, str(amount)).grant_id for amount in (1, 2, 3)]
    listed = dodo.grants(customer, tokens.id)
    assert [grant.id for grant in listed] == issued[::-1]
    assert listed[0].created_at >= listed[1].created_at >= listed[2].created_at


def test_every_grant_shown_is_in_exactly_one_status(dodo: Dodo, native: httpx.Client) -> None:
    """Voided ones are with the expired; pending ones are not shown at all."""
    native.post("/customers", json={"id": "ada"}).raise_for_status()

    def issue(**more: Any) -> str:
        grant = {"customer": "ada", "entitlement": "usd", "amount": "1"} | more
        answer = native.post("/grants", json=grant)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"]).partition("_")[2]

    spent = issue()
    dodo.debit("ada", "usd", "1")
    ended, voided, active = issue(), issue(), issue()
    issue(effective_at="2099-01-01T00:00:00Z")
    native.post(f"/grants/grant_{ended}/expire", json={}).raise_for_status()
    native.post(f"/grants/grant_{voided}/void", json={}).raise_for_status()
    expected = {"active": {active}, "depleted": {spent}, "expired": {ended, voided}}
    listed = {
        status: {grant.id.partition("_")[2] for grant in dodo.grants("ada", "usd", status=status)}
        for status in expected
    }
    assert listed == expected
    everything = dodo.grants("ada", "usd")
    assert {grant.id.partition("_")[2] for grant in everything} == set().union(*expected.values())
    for grant in everything:
        identifier = grant.id.partition("_")[2]
        assert grant.is_expired == (identifier in expected["expired"])
        assert grant.remaining_amount == ("1" if identifier == active else "0")
    assert dodo.balance("ada", "usd").balance == "1"


def test_credit_is_gone_the_instant_it_expires(clocked: ClockedServer, timed: Dodo) -> None:
    """No job has run: time alone takes it out of the balance and into another status."""
    customer, tokens = timed.customer(), timed.entitlement()
    timed.credit(customer, tokens.id, "10", expires_at="2026-01-02T00:00:00Z")
    lasting = timed.credit(customer, tokens.id, "5")
    clocked.clock.instant = Instant(NEW_YEAR + DAY - 1)
    assert timed.balance(customer, tokens.id).balance == "15"
    assert timed.grants(customer, tokens.id, status="expired") == []
    clocked.clock.instant = Instant(NEW_YEAR + DAY)
    assert timed.balance(customer, tokens.id).balance == "5"
    [expired] = timed.grants(customer, tokens.id, status="expired")
    assert (expired.is_expired, expired.remaining_amount) == (True, "0")
    assert expired.expires_at - expired.created_at == timedelta(days=1)
    debit = timed.debit(customer, tokens.id, "5")
    assert (debit.grant_id, debit.balance_before) == (lasting.grant_id, "5")


def test_a_grant_used_up_before_it_expires_stays_depleted(
    clocked: ClockedServer, timed: Dodo
) -> None:
    """It lost nothing to time."""
    customer, tokens = timed.customer(), timed.entitlement()
    timed.credit(customer, tokens.id, "10", expires_at="2026-01-02T00:00:00Z")
    timed.debit(customer, tokens.id, "10")
    clocked.clock.instant = Instant(NEW_YEAR + 2 * DAY)
    [grant] = timed.grants(customer, tokens.id, status="depleted")
    assert grant.is_expired is False


def test_nobody_has_no_grants(dodo: Dodo) -> None:
    """An unknown customer has an empty list; only an unknown entitlement is a 404."""
    tokens = dodo.entitlement()
    assert dodo.grants("cus_8VbC6JDZzPEqfBPUdpj0K", tokens.id) == []
    dodo.sent.clear()
    refusal = dodo.refused(grants_of(dodo.customer(), "cde_ztxm5XJsKxWucRWA3rjdM"))
    assert (refusal.error, refusal.code) == (NotFoundError, "NOT_FOUND")
    assert len(dodo.sent) == 2


QUERIES = [
    ({"page_size": 101}, "page_size must be a whole number of at most 100."),
    ({"page_size": -1}, "page_size must be a whole number of at least 0."),
    ({"page_number": -1}, "page_number must be a whole number of at least 0."),
    ({"page_number": 2**31}, "page_number must be a whole number of at most 2147483647."),
    ({"status": "voided"}, "status must be one of active, expired, depleted."),
    ({"extra_query": {"state": "active"}}, "state is not a field of this endpoint; leave it out."),
]


@pytest.mark.parametrize(("query", "message"), QUERIES)
def test_a_query_that_breaks_a_rule_is_refused(
    dodo: Dodo, query: dict[str, Any], message: str
) -> None:
    """422 naming the parameter, sent once."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    dodo.sent.clear()
    refusal = dodo.refused(grants_of(customer, tokens.id, **query))
    assert refusal.error is UnprocessableEntityError
    assert (refusal.code, refusal.message) == ("INVALID_QUERY_PARAMS", message)
    assert len(dodo.sent) == 1


def balance_of(customer: str, entitlement: str) -> Ask:
    return lambda client: client.credit_entitlements.balances.retrieve(
        customer, credit_entitlement_id=entitlement
    )


def grants_of(customer: str, entitlement: str, **query: Any) -> Ask:
    return lambda client: client.credit_entitlements.balances.list_grants(
        customer, credit_entitlement_id=entitlement, **query
    )
