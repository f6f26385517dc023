"""`drawdown forecast` and `drawdown dry-run`, against a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Ran, drawdown
from tests.support.server import Tenant

Ask = Callable[..., Ran]
Made = Callable[..., Any]


@pytest.fixture
def ask(tenant: Tenant) -> Ask:
    """Runs a command with the viewer's test key, or another's."""

    def run(*words: object, role: str = "viewer") -> Ran:
        secret = getattr(tenant.test, role).secret
        return drawdown(*words, url=tenant.url, api_key=secret)

    return run


@pytest.fixture
def made(ask: Ask) -> Made:
    return lambda *words: ask(*words, "--json", role="editor").json()


@pytest.fixture
def used(made: Made) -> None:
    """Two customers who were given 100 each, and a promotion, and used 30."""
    made("entitlements", "create", "credits", "--unit", "credit", "--scale", "2")
    for customer in ("ada", "bob"):
        made("customers", "create", customer)
        made("grants", "issue", customer, "credits", "100", "--cost-basis", "usd:10")
        soon = (datetime.now(UTC) + timedelta(days=5)).isoformat()
        gift = ("--category", "promotional", "--expires-at", soon)
        made("grants", "issue", customer, "credits", "20", *gift)
        made("debit", "create", customer, "credits", "30")


@pytest.mark.usefixtures("used")
def test_a_forecast_says_when_credit_runs_out(ask: Ask) -> None:
    """Thirty a day: ninety are left."""
    found = ask("forecast", "ada", "credits", "--days", "10", "--json").json()
    assert found["usage"]["per_day"] == "30"
    as_of, runs_out = (datetime.fromisoformat(found[name]) for name in ("as_of", "depletes_at"))
    assert runs_out - as_of == timedelta(days=3)
    assert [point["available"] for point in found["points"][:4]] == ["90", "60", "30", "0"]
    shown = ask("forecast", "ada", "credits", "--days", "2")
    assert "Runs out  " in shown.out
    assert "not within these days" in shown.out
    assert "30 credits" in shown.out


@pytest.mark.usefixtures("used")
def test_a_forecast_names_what_expires_unused(ask: Ask, made: Made) -> None:
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    lost = made("grants", "issue", "ada", "credits", "500", "--expires-at", later)
    shown = ask("forecast", "ada", "credits")
    assert lost["id"] in shown.out
    assert "Expires unused" in shown.out


@pytest.mark.usefixtures("used")
def test_a_dry_run_adds_up_all_customers(ask: Ask) -> None:
    words = ("dry-run", "credits", "--from", "2020-01-01", "--burn-order", "oldest_first")
    found = ask(*words, "--json").json()
    assert (found["customers"], found["different"]) == (2, 2)
    assert (found["before"]["drawn"], found["after"]["drawn"]) == ("60", "60")
    categories = found["categories"]
    assert categories["before"]["promotional"]["drawn"] == "40"
    assert categories["after"] == {"paid": {"drawn": "60", "cost": {"usd": "6"}}}
    shown = ask(*words)
    assert "2 customers, 6 operations, of which 2 would have ended otherwise" in shown.out
    assert "Drawn, promotional" in shown.out
    assert "Another grant would have been drawn first" in shown.out


@pytest.mark.usefixtures("used")
def test_a_dry_run_of_one_customer_is_his_alone(ask: Ask) -> None:
    words = ("dry-run", "credits", "--from", "2020-01-01", "--customer", "bob", "--json")
    found = ask(*words).json()
    assert (found["customers"], found["operations"], found["different"]) == (1, 3, 0)
    assert found["before"] == found["after"]


@pytest.mark.usefixtures("used")
def test_rates_are_read_from_a_file(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "rates.json"
    price = {"model": "per_unit", "price": "0.1"}
    file.write_text(json.dumps([{"meter": "calls", "price": price}]), "utf-8")
    words = ("dry-run", "credits", "--from", "2020-01-01", "--rates", str(file))
    refused = ask(*words)
    assert refused.code == 1
    assert "calls" in refused.err
    file.write_text("[", "utf-8")
    assert "is no JSON" in ask(*words).err
    file.write_text("{}", "utf-8")
    assert "is no list of rates" in ask(*words).err


@pytest.mark.parametrize("option", ["--rollover", "--expires-after-days"])
def test_a_number_is_whole_or_none(ask: Ask, option: str) -> None:
    refused = ask("dry-run", "credits", "--from", "2020-01-01", option, "1.5")
    assert refused.code == 2
    assert option in refused.err


@pytest.mark.usefixtures("used")
def test_rules_may_be_taken_away(ask: Ask) -> None:
    words = ("dry-run", "credits", "--from", "2020-01-01", "--rollover", "none")
    found = ask(*words, "--expires-after-days", "none", "--overage", "unlimited", "--json").json()
    assert found["before"] == found["after"]
