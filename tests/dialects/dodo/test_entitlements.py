"""Credit entitlements through the vendor's SDK: every setting is checked, kept and answered."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from dodopayments import ConflictError, NotFoundError, UnprocessableEntityError

from tests.dialects.dodo.sdk import Ask, Dodo
from tests.support.server import Tenant

EVERYTHING: dict[str, Any] = {
    "name": "Tokens",
    "unit": "token",
    "precision": 10,
    "description": "AI tokens",
    "expires_after_days": 30,
    "rollover_enabled": True,
    "rollover_percentage": 75,
    "rollover_timeframe_count": 1,
    "rollover_timeframe_interval": "Month",
    "max_rollover_count": 2,
    "overage_enabled": True,
    "overage_limit": 2**63 - 1,
    "overage_behavior": "carry_deficit_auto_repay",
    "price_per_unit": "0.0020",
    "currency": "USD",
}


def test_every_setting_is_answered_as_it_was_given(dodo: Dodo) -> None:
    """Field by field, when it is made and when it is looked up; a price keeps its spelling."""
    created = dodo.entitlement(**EVERYTHING)
    assert {name: getattr(created, name) for name in EVERYTHING} == EVERYTHING
    assert created.id.startswith("cde_")
    assert created.business_id.startswith("bus_")
    assert created.created_at == created.updated_at
    assert dodo(lambda client: client.credit_entitlements.retrieve(created.id)) == created


def test_what_is_not_given_is_null_or_false(dodo: Dodo) -> None:
    """The default of overage_behavior is the vendor's; null and absent are the same."""
    plain = dodo.entitlement(name="Plain")
    nulls = dodo.entitlement(
        name="Nulls",
        description=None,
        expires_after_days=None,
        rollover_percentage=None,
        rollover_timeframe_count=None,
        rollover_timeframe_interval=None,
        max_rollover_count=None,
        overage_limit=None,
        overage_behavior=None,
        price_per_unit=None,
        currency=None,
    )
    assert plain.overage_behavior == "forgive_at_reset"
    assert (plain.rollover_enabled, plain.overage_enabled) == (False, False)
    own = {"id", "name", "created_at", "updated_at"}
    assert plain.model_dump(exclude=own) == nulls.model_dump(exclude=own)


def test_a_name_is_given_once(dodo: Dodo) -> None:
    """A taken name is a conflict, sent once because the answer says that trying again is no use."""
    dodo.entitlement(name="Credits")
    dodo.sent.clear()
    refusal = dodo.refused(
        lambda client: client.credit_entitlements.create(
            name="Credits", unit="x", precision=0, rollover_enabled=False, overage_enabled=False
        )
    )
    assert refusal.error is ConflictError
    assert refusal.code == "CREDIT_ENTITLEMENT_NAME_ALREADY_EXISTS"
    assert refusal.should_retry == "false"
    assert len(dodo.sent) == 1


RULES: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "INVALID_REQUEST_BODY", "name"),
    ({"name": "n" * 256}, "INVALID_REQUEST_BODY", "name"),
    ({"name": "a\x00b"}, "INVALID_REQUEST_BODY", "name"),
    ({"unit": ""}, "INVALID_REQUEST_BODY", "unit"),
    ({"unit": "u" * 51}, "INVALID_REQUEST_BODY", "unit"),
    ({"description": "d" * 1001}, "INVALID_REQUEST_BODY", "description"),
    ({"precision": -1}, "INVALID_REQUEST_BODY", "precision"),
    ({"precision": 11}, "INVALID_REQUEST_BODY", "precision"),
    ({"precision": 1.5}, "INVALID_REQUEST_BODY", "precision"),
    ({"precision": "2"}, "INVALID_REQUEST_BODY", "precision"),
    ({"expires_after_days": 0}, "INVALID_REQUEST_BODY", "expires_after_days"),
    ({"expires_after_days": 36_501}, "INVALID_REQUEST_BODY", "expires_after_days"),
    ({"rollover_percentage": -1}, "INVALID_REQUEST_BODY", "rollover_percentage"),
    ({"rollover_percentage": 101}, "INVALID_REQUEST_BODY", "rollover_percentage"),
    ({"rollover_timeframe_count": 1}, "INVALID_REQUEST_BODY", "rollover_timeframe_interval"),
    ({"rollover_timeframe_interval": "Day"}, "INVALID_REQUEST_BODY", "rollover_timeframe_count"),
    (
        {"rollover_timeframe_count": 0, "rollover_timeframe_interval": "Day"},
        "INVALID_REQUEST_BODY",
        "rollover_timeframe_count",
    ),
    (
        {"rollover_timeframe_count": 1, "rollover_timeframe_interval": "Fortnight"},
        "INVALID_REQUEST_BODY",
        "rollover_timeframe_interval",
    ),
    ({"max_rollover_count": -1}, "INVALID_REQUEST_BODY", "max_rollover_count"),
    ({"overage_limit": -1}, "INVALID_REQUEST_BODY", "overage_limit"),
    ({"overage_limit": 2**63}, "INVALID_REQUEST_BODY", "overage_limit"),
    ({"overage_behavior": "forget"}, "INVALID_REQUEST_BODY", "overage_behavior"),
    ({"overage_enabled": True}, "INVALID_REQUEST_BODY", "price_per_unit"),
    ({"price_per_unit": "1"}, "INVALID_REQUEST_BODY", "currency"),
    ({"price_per_unit": "-1", "currency": "USD"}, "INVALID_REQUEST_BODY", "price_per_unit"),
    ({"price_per_unit": "1e3", "currency": "USD"}, "INVALID_REQUEST_BODY", "price_per_unit"),
    ({"price_per_unit": "1", "currency": "usd"}, "UNSUPPORTED_CURRENCY", "currency"),
    ({"currency": "XTS"}, "UNSUPPORTED_CURRENCY", "currency"),
    ({"extra_body": {"colour": "red"}}, "INVALID_REQUEST_BODY", "colour"),
]


@pytest.mark.parametrize(("change", "code", "field"), RULES)
def test_a_setting_that_breaks_its_rule_is_refused(
    dodo: Dodo, change: dict[str, Any], code: str, field: str
) -> None:
    """422 naming the field; the name stays free."""
    given = {
        "name": "Tokens",
        "unit": "token",
        "precision": 2,
        "rollover_enabled": False,
        "overage_enabled": False,
    } | change
    refusal = dodo.refused(lambda client: client.credit_entitlements.create(**given))
    assert refusal.error is UnprocessableEntityError
    assert refusal.code == code
    assert refusal.message.startswith(field)
    assert len(dodo.sent) == 1
    assert dodo.entitlement().name == "Tokens"


def test_an_interval_may_be_written_in_any_case(dodo: Dodo) -> None:
    """The vendor's prose has lower case, its enum capitals; answered is the enum."""
    created = dodo.entitlement(rollover_timeframe_count=3, rollover_timeframe_interval="wEEK")
    assert created.rollover_timeframe_interval == "Week"


def test_an_unknown_entitlement_is_not_found(dodo: Dodo, tenant: Tenant) -> None:
    """So is one of another mode, and the id of something else."""
    created = dodo.entitlement()
    live = Dodo(tenant.url, tenant.live.editor.secret, blocking=True)
    for client, identifier in (
        (dodo, "cde_ztxm5XJsKxWucRWA3rjdM"),
        (dodo, dodo.customer()),
        (live, created.id),
    ):
        client.sent.clear()
        refusal = client.refused(retrieve(identifier))
        assert refusal.error is NotFoundError
        assert refusal.code == "NOT_FOUND"
        assert len(client.sent) == 1
    live.close()


def test_a_locale_changes_nothing(dodo: Dodo) -> None:
    """There are no translations: the text is answered as it was given."""
    created = dodo.entitlement()
    asked = dodo(lambda client: client.credit_entitlements.retrieve(created.id, locale="fr"))
    assert asked == created


def test_an_entitlement_made_elsewhere_shows_with_sensible_values(
    dodo: Dodo, native: httpx.Client
) -> None:
    """Its precision is the ledger's scale; it neither rolls over nor goes into overage."""
    native.post(
        "/entitlements",
        json={"code": "minutes", "name": "Minutes", "unit": "minute", "scale": 3},
    ).raise_for_status()
    found = dodo(lambda client: client.credit_entitlements.retrieve("minutes"))
    assert (found.name, found.unit, found.precision) == ("Minutes", "minute", 3)
    assert (found.rollover_enabled, found.overage_enabled) == (False, False)
    assert found.overage_behavior == "forgive_at_reset"
    assert found.id.startswith("cde_")
    assert dodo(lambda client: client.credit_entitlements.retrieve(found.id)) == found


def test_a_currency_is_an_entitlement(dodo: Dodo) -> None:
    """It exists by itself, at the scale the ledger keeps it; nobody set a price for it."""
    found = dodo(lambda client: client.credit_entitlements.retrieve("usd"))
    assert (found.name, found.unit, found.precision, found.currency) == ("USD", "USD", 9, None)


def test_an_entitlement_made_here_draws_the_oldest_grant_first(
    dodo: Dodo, native: httpx.Client
) -> None:
    """The vendor documents it for debits; it holds for debits of every dialect."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    old = dodo.credit(customer, tokens.id, "5")
    soon = dodo.credit(customer, tokens.id, "5", expires_at="2099-01-01T00:00:00Z")
    drawn = native.post(
        "/debits",
        json={
            "customer": customer,
            "entitlement": tokens.id,
            "amount": "2",
            "idempotency_key": "d1",
        },
    )
    assert drawn.status_code == 201, drawn.text
    remaining = {grant.id: grant.remaining_amount for grant in dodo.grants(customer, tokens.id)}
    assert remaining == {old.grant_id: "3", soon.grant_id: "5"}


def retrieve(entitlement: str) -> Ask:
    return lambda client: client.credit_entitlements.retrieve(entitlement)
