"""Entitlements and customers are listed, changed, deleted and brought back."""

from __future__ import annotations

from typing import Any

import dodopayments
import pytest

from tests.dialects.dodo.sdk import Ask, Dodo, enter


def kinds(dodo: Dodo, **query: Any) -> list[Any]:
    return dodo.every(lambda client: client.credit_entitlements.list(page_size=100, **query))


def update(entitlement: str, **fields: Any) -> Ask:
    return lambda client: client.credit_entitlements.update(entitlement, **fields)


def retrieve(entitlement: str) -> Ask:
    return lambda client: client.credit_entitlements.retrieve(entitlement)


def delete(entitlement: str) -> Ask:
    return lambda client: client.credit_entitlements.delete(entitlement)


def undelete(entitlement: str) -> Ask:
    return lambda client: client.credit_entitlements.undelete(entitlement)


def test_entitlements_are_listed_newest_first(dodo: Dodo) -> None:
    """Page by page; those that are deleted are a list of their own."""
    made = [dodo.entitlement(name=f"Number {n}").id for n in range(5)][::-1]
    assert [kind.id for kind in kinds(dodo)] == made
    dodo(delete(made[1]))
    assert [kind.id for kind in kinds(dodo)] == [made[0], *made[2:]]
    assert [kind.id for kind in kinds(dodo, deleted=True)] == [made[1]]
    page = dodo(lambda client: client.credit_entitlements.list(page_size=2, page_number=1))
    assert [kind.id for kind in page.items] == made[3:]
    assert dodo(lambda client: client.credit_entitlements.list(page_number=9)).items == []


def test_what_is_left_out_of_an_update_stays_and_null_clears(dodo: Dodo) -> None:
    tokens = dodo.entitlement(
        description="For models",
        expires_after_days=30,
        rollover_enabled=True,
        rollover_percentage=50,
        overage_enabled=True,
        price_per_unit="1",
        currency="USD",
    )
    dodo(update(tokens.id, unit="piece", overage_limit=20))
    after = dodo(retrieve(tokens.id))
    expected = {"unit": "piece", "overage_limit": 20, "updated_at": after.updated_at}
    assert after.to_dict() == tokens.to_dict() | after.to_dict() | expected
    assert (after.description, after.expires_after_days, after.name) == ("For models", 30, "Tokens")
    dodo(update(tokens.id, description=None, expires_after_days=None, name=None))
    after = dodo(retrieve(tokens.id))
    assert (after.description, after.expires_after_days, after.name) == (None, None, "Tokens")
    assert after.updated_at > tokens.updated_at


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"price_per_unit": None}, "price_per_unit"),
        ({"currency": None}, "currency"),
        ({"rollover_timeframe_count": 2}, "rollover_timeframe_interval"),
        ({"name": ""}, "name"),
        ({"extra_body": {"precision": 3}}, "precision"),
    ],
)
def test_the_whole_is_judged_after_an_update(
    dodo: Dodo, fields: dict[str, Any], named: str
) -> None:
    """And nothing of it is kept when it breaks a rule."""
    tokens = dodo.entitlement(overage_enabled=True, price_per_unit="1", currency="USD")
    refused = dodo.refused(update(tokens.id, unit="piece", **fields))
    assert (refused.status, refused.code) == (422, "INVALID_REQUEST_BODY")
    assert named in refused.message
    assert dodo(retrieve(tokens.id)) == tokens


def test_a_grant_keeps_the_expiry_that_it_was_given(dodo: Dodo) -> None:
    ada, tokens = dodo.customer(), dodo.entitlement()
    dodo.credit(ada, tokens.id, "1")
    dodo(update(tokens.id, expires_after_days=7))
    dodo.credit(ada, tokens.id, "1")
    week, forever = dodo.grants(ada, tokens.id)
    assert (week.expires_at - week.created_at).days == 7
    assert forever.expires_at is None


def test_a_deleted_entitlement_is_there_to_be_read_and_takes_no_credit(dodo: Dodo) -> None:
    ada, tokens = dodo.customer(), dodo.entitlement()
    dodo.credit(ada, tokens.id, "5")
    dodo(delete(tokens.id))
    for ask in (retrieve(tokens.id), update(tokens.id, unit="piece")):
        assert dodo.refused(ask).error is dodopayments.NotFoundError
    for ask in (delete(tokens.id), enter("credit", ada, tokens.id, "1")):
        refused = dodo.refused(ask)
        assert (refused.status, refused.code) == (410, "CREDIT_ENTITLEMENT_IS_DELETED")
    assert dodo.balance(ada, tokens.id).balance == "5"
    assert len(dodo.grants(ada, tokens.id)) == 1
    assert dodo(lambda c: c.customers.list_credit_entitlements(ada)).items == []
    dodo(undelete(tokens.id))
    assert dodo.debit(ada, tokens.id, "2").balance_after == "3"
    assert dodo(retrieve(tokens.id)).id == tokens.id


def test_bringing_back_what_is_not_deleted_is_the_vendors_500(dodo: Dodo) -> None:
    """Asked once: the SDK is told not to try again. A name that is taken is a conflict."""
    tokens = dodo.entitlement()
    for unknown in (tokens.id, "cde_unknown"):
        before = len(dodo.sent)
        refused = dodo.refused(undelete(unknown))
        assert (refused.status, refused.code) == (500, "INTERNAL_SERVER_ERROR")
        assert (refused.should_retry, len(dodo.sent) - before) == ("false", 1)
    dodo(delete(tokens.id))
    other = dodo.entitlement()
    refused = dodo.refused(undelete(tokens.id))
    assert (refused.status, refused.code) == (409, "CREDIT_ENTITLEMENT_NAME_ALREADY_EXISTS")
    dodo(update(other.id, name="Others"))
    dodo(undelete(tokens.id))
    refused = dodo.refused(update(other.id, name="Tokens"))
    assert (refused.status, refused.code) == (409, "CREDIT_ENTITLEMENT_NAME_ALREADY_EXISTS")


def test_a_debit_of_the_api_stays_within_credit(dodo: Dodo) -> None:
    """Also of an entitlement with overage: only metered usage goes past zero."""
    ada = dodo.customer()
    tokens = dodo.entitlement(overage_enabled=True, price_per_unit="1", currency="USD")
    dodo.credit(ada, tokens.id, "5")
    refused = dodo.refused(enter("debit", ada, tokens.id, "5.01"))
    assert (refused.status, refused.code) == (400, "INSUFFICIENT_CREDIT_BALANCE")
    assert dodo.debit(ada, tokens.id, "5").overage_after == "0"


def test_a_customer_is_changed(dodo: Dodo) -> None:
    """Null leaves name and e-mail, and clears the rest."""
    ada = dodo.customer(phone_number="+1", preferred_locale="de", metadata={"a": "b"})
    changed = dodo(
        lambda c: c.customers.update(ada, name="Ada L.", email=None, metadata={"c": "d"})
    )
    assert (changed.name, changed.email, changed.metadata) == (
        "Ada L.",
        "ada@example.com",
        {"c": "d"},
    )
    assert (changed.phone_number, changed.preferred_locale) == ("+1", "de")
    cleared = dodo(lambda c: c.customers.update(ada, phone_number=None))
    assert (cleared.phone_number, cleared.preferred_locale) == (None, "de")
    assert dodo(lambda c: c.customers.retrieve(ada)) == cleared
    refused = dodo.refused(lambda c: c.customers.update("cus_unknown", name="Eve"))
    assert refused.error is dodopayments.NotFoundError


def test_customers_are_found_by_email_name_and_time(dodo: Dodo) -> None:
    """The e-mail is all of it, the name a part in any case; both ends of a time are included."""
    ada = dodo.customer(name="Ada Lovelace", email="ada@example.com")
    bob = dodo.customer(name="Bob_100%", email="bob@example.com")

    def found(**query: Any) -> list[str]:
        customers = dodo.every(lambda c: c.customers.list(page_size=100, **query))
        return [each.customer_id for each in customers]

    assert found() == [bob, ada]
    assert found(email="ada@example.com") == [ada]
    assert found(email="ada@example") == []
    assert (found(name="LOVE"), found(name="o"), found(name="_100%")) == ([ada], [bob, ada], [bob])
    assert found(name="a%a") == []
    made = dodo(lambda c: c.customers.retrieve(bob)).created_at
    assert found(created_at_gte=made) == [bob]
    assert found(created_at_lte=made) == [bob, ada]
    assert found(created_at_gte=made, name="ada") == []
    page = dodo(lambda c: c.customers.list(page_size=1, page_number=1))
    assert [each.customer_id for each in page.items] == [ada]
    refused = dodo.refused(lambda c: c.customers.list(created_at_gte="yesterday"))
    assert (refused.status, refused.code) == (422, "INVALID_QUERY_PARAMS")


def test_a_customers_credit_is_listed_with_its_balance(dodo: Dodo) -> None:
    ada, tokens = dodo.customer(), dodo.entitlement(description="For models")
    dodo.entitlement(name="Never granted")
    assert dodo(lambda c: c.customers.list_credit_entitlements(ada)).items == []
    dodo.credit(ada, tokens.id, "5.50")
    [held] = dodo(lambda c: c.customers.list_credit_entitlements(ada)).items
    assert held.to_dict() == {
        "credit_entitlement_id": tokens.id,
        "name": "Tokens",
        "unit": "token",
        "description": "For models",
        "balance": "5.5",
        "overage": "0",
    }
    refused = dodo.refused(lambda c: c.customers.list_credit_entitlements("cus_unknown"))
    assert refused.error is dodopayments.NotFoundError
