"""`drawdown alerts`, against a real server."""

from __future__ import annotations

import pytest

from tests.cli.test_credit import Ask, Made, ask, line, made

__all__ = ["ask", "made"]


@pytest.fixture
def pages(made: Made) -> str:
    made("customers", "create", "ada")
    made("entitlements", "create", "pages", "--unit", "page", "--scale", "0")
    return "pages"


def test_an_alert_is_made_listed_shown_and_closed(ask: Ask, made: Made, pages: str) -> None:
    words = ("alerts", "create", pages, "available_below", "--percent", 20)
    shown = ask(*words, "--name", "Low", "--metadata", "team=a")
    assert line(shown, "When") == "available below 20%"
    assert line(shown, "Customer") == "everybody"
    own = made("alerts", "create", pages, "days_to_expiry", "--days", 7, "--customer", "ada")
    assert (own["customer"], own["days"]) == ("ada", 7)
    assert [each["id"] for each in made("alerts", "list", "--customer", "ada")] == [own["id"]]
    listed = ask("alerts", "list", "--entitlement", pages)
    assert "days to expiry 7" in listed.out
    assert "available below 20%" in listed.out
    assert line(ask("alerts", "show", own["id"]), "State") == "active"
    assert line(ask("alerts", "close", own["id"]), "State") == "closed"
    assert len(made("alerts", "list", "--state", "closed")) == 1


def test_a_line_that_is_missing_is_named(ask: Ask, pages: str) -> None:
    failure = ask("alerts", "create", pages, "used_above").failure()
    assert "amount must be given with the kind used_above" in failure
