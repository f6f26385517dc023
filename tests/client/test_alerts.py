"""Alerts by the client, on the real server."""

from __future__ import annotations

from decimal import Decimal

import pytest

from drawdown.client import AlertNotFound, Client, Invalid


def test_an_alert_lives_its_life(client: Client) -> None:
    client.create_customer("watched")
    client.create_entitlement("pages", unit="page", scale=1)
    made = client.create_alert(
        "pages", "available_below", customer="watched", amount="2.5", name="Low"
    )
    assert (made.customer, made.kind, made.amount, made.state) == (
        "watched",
        "available_below",
        Decimal("2.5"),
        "active",
    )
    everybody = client.create_alert("pages", "days_to_expiry", days=7)
    assert (everybody.customer, everybody.days, everybody.amount) == (None, 7, None)
    assert client.get_alert(made.id) == made
    assert {each.id for each in client.alerts(entitlement="pages")} == {everybody.id, made.id}
    assert list(client.alerts(customer="watched")) == [made]
    closed = client.close_alert(made.id)
    assert closed.state == "closed"
    assert client.close_alert(made.id) == closed
    assert list(client.alerts(entitlement="pages", state="active")) == [everybody]
    with pytest.raises(AlertNotFound):
        client.get_alert("alert_0351PpVUVnfk2FZtEeVVRs")


def test_a_line_that_the_kind_does_not_have_is_refused_by_its_name(client: Client) -> None:
    client.create_entitlement("chapters", unit="chapter", scale=0)
    with pytest.raises(Invalid) as refused:
        client.create_alert("chapters", "used_above", days=3)
    assert "days" in str(refused.value)
