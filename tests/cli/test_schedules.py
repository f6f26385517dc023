"""`drawdown schedules` against a real server: what it does, shows and refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.commands import Ran, drawdown
from tests.support.server import Tenant

Ask = Callable[..., Ran]
Made = Callable[..., Any]
FIRST = "2031-01-31T00:00:00Z"


@pytest.fixture
def ask(tenant: Tenant) -> Ask:
    """Runs a command with the editor's test key."""

    def run(*words: object) -> Ran:
        return drawdown(*words, url=tenant.url, api_key=tenant.test.editor.secret)

    return run


@pytest.fixture
def made(ask: Ask) -> Made:
    """What a command answers with ``--json``; it must have succeeded. There is ``ada``, on a clock."""
    clock = ask("test-clocks", "create", FIRST, "--json").json()["id"]
    assert ask("customers", "create", "ada", "--test-clock", clock).code == 0
    assert ask("entitlements", "create", "calls", "--unit", "call", "--scale", "0").code == 0

    def answer(*words: object) -> Any:
        if words[0] == "advance":
            return ask("test-clocks", "advance", clock, *words[1:], "--json").json()
        return ask(*words, "--json").json()

    return answer


def test_a_schedule_is_made_with_all_it_can_say(made: Made) -> None:
    schedule = made(
        *("schedules", "create", "ada", "calls", 100, "2:week", "--zone", "Europe/Berlin"),
        *("--trial-amount", 10, "--trial-ends-at", "2031-02-14", "--keep-trial-credit"),
        *("--expires", "after_days", "--expires-after-days", 60, "--rollover", 50),
        *("--rollover-generations-max", 2, "--rollover-timeframe", "3:month"),
        *("--rollover-minimum", 5, "--rollover-maximum", 40, "--overage", "limited"),
        *("--overage-limit", 7, "--overage-behavior", "carry_deficit", "--priority", 3),
        *("--category", "paid", "--scope", "model=a", "--scope", "model=b"),
        *("--cost-basis", "usd:15", "--name", "Pro", "--metadata", "plan=pro"),
        *("--ends-at", "2032-01-01", "--anchor", "2031-02-14"),
    )
    assert schedule["every"] == {"unit": "week", "count": 2}
    assert schedule["trial"] == {
        "amount": "10",
        "ends_at": "2031-02-14T00:00:00Z",
        "expires": False,
    }
    assert (schedule["expires"], schedule["expires_after_days"]) == ("after_days", 60)
    assert schedule["rollover"] == {
        "percentage": 50,
        "generations_max": 2,
        "timeframe": {"unit": "month", "count": 3},
        "minimum": "5",
        "maximum": "40",
    }
    assert (schedule["overage"]["limit"], schedule["overage"]["behavior"]) == ("7", "carry_deficit")
    assert (schedule["priority"], schedule["scope"]) == (3, {"model": ["a", "b"]})
    assert schedule["cost_basis"] == {"amount": "15", "currency": "usd"}
    assert (schedule["name"], schedule["metadata"]) == ("Pro", {"plan": "pro"})
    assert (schedule["zone"], schedule["ends_at"]) == ("Europe/Berlin", "2032-01-01T00:00:00Z")
    assert schedule["available"] == "10"


def test_a_schedule_lives_its_life(ask: Ask, made: Made) -> None:
    schedule = made("schedules", "create", "ada", "calls", 100, "month")["id"]
    assert made("schedules", "amend", schedule, "--amount", 300)["next_amount"] == "300"
    assert made("schedules", "amend", schedule, "--amount", 200, "--now")["available"] == "200"
    made("advance", "2031-02-28")
    assert made("schedules", "show", schedule)["next_at"] == "2031-03-31T00:00:00Z"
    assert made("schedules", "pause", schedule)["state"] == "paused"
    assert made("schedules", "resume", schedule)["state"] == "active"
    ended = made("schedules", "cancel", schedule, "--at-cycle-end")
    assert (ended["state"], ended["ends_at"]) == ("active", "2031-03-31T00:00:00Z")
    assert made("schedules", "cancel", schedule, "--expire-credit")["available"] == "0"
    assert "ScheduleOver" not in ask("schedules", "pause", schedule).err
    assert ask("schedules", "pause", schedule).code == 1


def test_its_rule_for_overage_is_changed_and_given_up(ask: Ask, made: Made) -> None:
    schedule = made("schedules", "create", "ada", "calls", 10, "day")["id"]
    amended = made("schedules", "amend", schedule, "--overage", "unlimited")
    assert amended["overage"]["mode"] == "unlimited"
    assert made("debit", "create", "ada", "calls", 15)["overage_charged"] == "5"
    assert made("schedules", "amend", schedule, "--overage", "entitlement")["overage"] is None
    assert ask("debit", "create", "ada", "calls", 1).code == 1


def test_a_grant_says_which_schedule_gave_it(ask: Ask, made: Made) -> None:
    schedule = made("schedules", "create", "ada", "calls", 100, "month", "--rollover", 50)["id"]
    made("advance", "2031-03-01")
    carried, given = sorted(
        made("grants", "list", "--customer", "ada", "--state", "active"),
        key=lambda grant: -grant["generation"],
    )
    assert (carried["generation"], given["generation"]) == (1, 0)
    shown = ask("grants", "show", carried["id"]).out
    assert schedule in shown
    assert carried["parent"] in shown


def test_schedules_are_listed_and_shown_to_people(ask: Ask, made: Made) -> None:
    words = ("schedules", "create", "ada", "calls", 100, "year", "--rollover", 50)
    schedule = made(*words, "--rollover-maximum", 40, "--overage", "limited", "--overage-limit", 5)
    listed = ask("schedules", "list", "--customer", "ada", "--state", "active").out
    assert schedule["id"] in listed
    assert "2032-01-31" in listed
    assert "None." in ask("schedules", "list", "--state", "ended").err
    shown = ask("schedules", "show", schedule["id"]).out
    for fact in ("100 calls", "50%, at most 40", "up to 5, forgive at reset", "its cycle's end"):
        assert fact in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "ada", "calls", 1, "fortnight"), "is no cycle"),
        (("create", "ada", "calls", 1, "day", "--trial-amount", 1), "--trial-ends-at"),
        (("create", "ada", "calls", 1, "day", "--keep-trial-credit"), "which trial"),
        (("create", "ada", "calls", 1, "day", "--zone", "Mars"), "zone"),
        (("create", "ada", "calls", 1, "day", "--overage-limit", 1), "unlimited"),
        (("amend", "sched_1"), "There is nothing to change."),
        (("amend", "sched_1", "--overage", "entitlement", "--overage-limit", 1), "Whose rule"),
        (("show", "sched_1"), "sched_1"),
    ],
)
def test_what_cannot_be_is_refused(
    ask: Ask, made: Made, words: tuple[object, ...], said: str
) -> None:
    ran = ask("schedules", *words)
    assert ran.code in (1, 2)
    assert said in ran.err
