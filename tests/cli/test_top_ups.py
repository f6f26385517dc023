"""`drawdown top-ups`, against a real server."""

from __future__ import annotations

from tests.cli.test_credit import Ask, Made, ada, ask, line, made

__all__ = ["ada", "ask", "made"]


def test_a_payment_is_asked_for_failed_and_confirmed_after_all(ask: Ask, ada: Made) -> None:
    words = ("top-ups", "create", "ada", "usd", 25, "--target", 60, "--cap", 50, "--per", "week")
    shown = ask(*words, "--cool-down", 60, "--answer-within", 120, "--metadata", "plan=pro")
    assert line(shown, "Asks for") == "what lacks to 60"
    assert line(shown, "Cap") == "50 per week"
    assert line(shown, "Left of the cap") == "10"
    [rule] = ada("top-ups", "list", "--customer", "ada", "--state", "active")
    assert rule["metadata"] == {"plan": "pro"}
    [request] = ada("top-ups", "requests", "--state", "open")
    assert request["id"] == rule["request"]
    failed = ask("top-ups", "fail", request["id"], "--reason", "card declined")
    assert line(failed, "Reason") == "card declined"
    assert line(ask("top-ups", "show", rule["id"]), "Attempts left") == "2 of 3"
    paid = ask("top-ups", "confirm", request["id"], "--reference", "pay_1")
    assert line(paid, "State") == "confirmed"
    assert line(paid, "To be paid") == "40 usd"
    assert line(ask("top-ups", "close", rule["id"]), "State") == "closed"
    assert "confirmed" in ask("top-ups", "requests").out
    assert rule["id"] in ask("top-ups", "list").out


def test_a_price_is_an_amount_and_a_currency(ask: Ask, ada: Made) -> None:
    ada("entitlements", "create", "pages", "--unit", "page", "--scale", "0")
    words = ("top-ups", "create", "ada", "pages", 0, "--amount", 10, "--price-per-unit")
    assert line(ask(*words, "0.05:usd"), "Price of one") == "0.05 usd"
    assert "NAME:VALUE" in ask(*words, "0.05").err


def test_what_is_refused_is_one_line(ask: Ask, ada: Made) -> None:
    failure = ask("top-ups", "create", "ada", "usd", 5).failure()
    assert "target" in failure
    assert "top-up request" in ask("top-ups", "confirm", "nothing").failure()
