"""Top-ups by the client, on the real server."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from drawdown.client import (
    Cap,
    Client,
    CostBasis,
    CustomerNotFound,
    Invalid,
    TopUpNotFound,
    TopUpPaid,
    TopUpRequestNotFound,
)


def test_a_payment_is_asked_for_and_confirmed(ada: Client) -> None:
    rule = ada.create_top_up(
        "ada",
        "tokens",
        threshold=Decimal("10.5"),
        target=50,
        cap=(60, "month"),
        cool_down=timedelta(minutes=2),
        answer_within=3_600,
        attempts_max=5,
        price_per_unit=("0.02", "usd"),
        priority=7,
        expires_after_days=90,
        name="Auto",
        metadata={"plan": "pro"},
    )
    assert rule.state == "active"
    assert rule.cap == Cap(amount=Decimal(60), per="month")
    assert (rule.cap_left, rule.target) == (Decimal(60), Decimal(50))
    assert (rule.cool_down_seconds, rule.answer_within_seconds) == (120, 3_600)
    assert (rule.amount, rule.request) == (None, None)
    ada.debit("ada", "tokens", "89.5")
    now = ada.get_top_up(rule.id)
    assert now.request is not None
    request = ada.get_top_up_request(now.request)
    assert (request.state, request.amount, request.available) == (
        "open",
        Decimal("39.5"),
        Decimal("10.5"),
    )
    assert request.cost_basis == CostBasis(amount=Decimal("0.79"), currency="usd")
    paid = ada.confirm_top_up(request.id, reference="pay_1")
    assert paid.grant is not None
    grant = ada.get_grant(paid.grant)
    assert (grant.amount, grant.priority, grant.name) == (Decimal("39.5"), 7, "Auto")
    assert ada.balance("ada", "tokens").available == 50
    with pytest.raises(TopUpPaid) as refused:
        ada.fail_top_up(request.id, reason="too late")
    assert refused.value.fields["reference"] == "pay_1"
    assert [each.id for each in ada.top_up_requests(customer="ada", state="confirmed")] == [paid.id]
    assert ada.close_top_up(rule.id).state == "closed"
    assert [each.state for each in ada.top_ups(customer="ada", state="closed")] == ["closed"]


def test_a_payment_that_failed_is_told(ada: Client) -> None:
    rule = ada.create_top_up("ada", "tokens", threshold=200, amount=10)
    [request] = ada.top_up_requests(entitlement="tokens")
    assert ada.fail_top_up(request.id, reason="card declined").reason == "card declined"
    assert ada.get_top_up(rule.id).attempts_left == 2


def test_what_cannot_be_is_refused(ada: Client) -> None:
    with pytest.raises(Invalid):
        ada.create_top_up("ada", "tokens", threshold=20, target=20)
    with pytest.raises(TypeError, match="threshold is a float"):
        ada.create_top_up("ada", "tokens", threshold=0.1, amount=1)  # type: ignore[arg-type]
    with pytest.raises(CustomerNotFound):
        ada.create_top_up("nobody", "tokens", threshold=20, amount=1)
    with pytest.raises(TopUpNotFound):
        ada.get_top_up("nothing")
    with pytest.raises(TopUpRequestNotFound):
        ada.confirm_top_up("nothing")
