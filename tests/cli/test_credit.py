"""The commands about credit, against a real server: what they do, show and refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.answering import nobody
from tests.support.commands import Ran, drawdown
from tests.support.server import Tenant

Ask = Callable[..., Ran]
Made = Callable[..., Any]


@pytest.fixture
def ask(tenant: Tenant) -> Ask:
    """Runs a command with the editor's test key."""

    def run(*words: object) -> Ran:
        return drawdown(*words, url=tenant.url, api_key=tenant.test.editor.secret)

    return run


@pytest.fixture
def made(ask: Ask) -> Made:
    """What a command answers with ``--json``; it must have succeeded."""
    return lambda *words: ask(*words, "--json").json()


@pytest.fixture
def ada(made: Made) -> Made:
    """A customer with 20 usd that were paid for; answers as ``made``."""
    made("customers", "create", "ada")
    made("grants", "issue", "ada", "usd", "20", "--name", "Top-up")
    return made


def line(ran: Ran, name: str) -> str:
    """What a table of facts says under a name."""
    assert ran.code == 0, ran.err
    found = re.search(rf"^{re.escape(name)}  +(.*?) *$", ran.out, re.MULTILINE)
    assert found is not None, ran.out
    return found[1]


# Customers and entitlements ----------------------------------------------------------------------


def test_a_customer_is_made_listed_and_shown(ask: Ask, made: Made) -> None:
    words = ("customers", "create", "ada", "--name", "Ada", "--email", "ada@example.com")
    shown = ask(*words, "--metadata", "plan=pro", "--metadata", "note=a=b")
    assert line(shown, "Customer") == "ada"
    assert line(shown, "Metadata") == "plan=pro, note=a=b"
    found = made("customers", "show", "ada")
    assert (found["name"], found["email"]) == ("Ada", "ada@example.com")
    assert found["metadata"] == {"plan": "pro", "note": "a=b"}
    assert made("customers", "list") == [found | {"replayed": False}]
    assert "ada@example.com" in ask("customers", "list").out


def test_a_customer_is_changed_and_closed(ask: Ask, made: Made) -> None:
    """What is not given stays."""
    made("customers", "create", "ada", "--name", "Ada", "--metadata", "plan=pro")
    changed = made("customers", "amend", "ada", "--email", "ada@example.org")
    assert (changed["name"], changed["email"]) == ("Ada", "ada@example.org")
    assert changed["metadata"] == {"plan": "pro"}
    assert line(ask("customers", "close", "ada"), "Closed")
    assert "closed" in ask("grants", "issue", "ada", "usd", "1").failure()


def test_an_entitlement_is_changed_closed_and_reopened(ask: Ask, made: Made) -> None:
    """What is not given stays; a name is unique among the living."""
    made("entitlements", "create", "images", "--unit", "image", "--scale", 0, "--name", "Images")
    words = ("--unit", "picture", "--expires-after-days", 30)
    changed = made("entitlements", "amend", "images", *words)
    assert (changed["unit"], changed["expires_after_days"]) == ("picture", 30)
    assert changed["name"] == "Images"
    renamed = made("entitlements", "amend", "images", "--name", "Pictures")
    assert (renamed["name"], renamed["expires_after_days"]) == ("Pictures", 30)
    assert line(ask("entitlements", "close", "images"), "Closed")
    made("entitlements", "create", "more", "--unit", "image", "--scale", 0, "--name", "Pictures")
    assert "Pictures" in ask("entitlements", "reopen", "images").failure()
    made("entitlements", "amend", "more", "--name", "Others")
    assert made("entitlements", "reopen", "images")["closed_at"] is None


def test_a_customer_without_an_id_of_ones_own_gets_one(made: Made) -> None:
    assert made("customers", "create")["id"].startswith("cus_")


def test_what_goes_into_a_pipe_has_no_blanks_at_the_ends_of_its_lines(ask: Ask, ada: Made) -> None:
    """Tables of facts and of rows alike."""
    ada("customers", "create", "a-customer-with-a-longer-id")
    for shown in (ask("customers", "list"), ask("balance", "ada", "usd")):
        assert shown.out
        assert [row for row in shown.out.splitlines() if row != row.rstrip()] == []


def test_a_list_says_that_there_is_more(ask: Ask, made: Made) -> None:
    """On standard error, so that what is piped stays a list."""
    for number in range(3):
        made("customers", "create", f"c{number}")
    short = ask("customers", "list", "--limit", 2, "--json")
    assert [customer["id"] for customer in json.loads(short.out)] == ["c2", "c1"]
    assert "more than 2" in short.err
    for words in (["--limit", 3], ["--all"]):
        whole = ask("customers", "list", *words, "--json")
        assert (len(json.loads(whole.out)), whole.err) == (3, "")


def test_a_list_of_more_than_a_page_is_whole(tenant: Tenant, native: httpx.Client) -> None:
    """The server gives at most a hundred at once."""
    for number in range(103):
        native.post("/customers", json={"id": f"c{number}"})
    words = ("customers", "list", "--json")
    key = {"url": tenant.url, "api_key": tenant.test.editor.secret}
    assert len(drawdown(*words, "--all", **key).json()) == 103
    assert len(drawdown(*words, "--limit", 101, **key).json()) == 101


def test_an_empty_list_is_said_to_be_so(ask: Ask, made: Made) -> None:
    ran = ask("customers", "list")
    assert (ran.code, ran.out, ran.err) == (0, "", "None.\n")
    assert made("customers", "list") == []


def test_a_name_cannot_move_the_cursor(ask: Ask, native: httpx.Client) -> None:
    """Whatever customers call themselves is shown as text."""
    named = {"id": "eve", "metadata": {"a": "\u202e[red]x[/red] :smile:"}}
    assert native.post("/customers", json=named).status_code == 201
    shown = ask("customers", "show", "eve").out
    assert "\u202e" not in shown
    assert "[red]x[/red] :smile:" in shown


def test_an_entitlement_is_made_listed_and_shown(ask: Ask, made: Made) -> None:
    words = ("entitlements", "create", "images", "--unit", "image", "--scale", 0)
    more = ("--name", "Images", "--burn-order", "oldest_first", "--expires-after-days", 30)
    assert line(ask(*words, *more), "Grants expire") == "after 30 days"
    found = made("entitlements", "show", "images")
    assert (found["name"], found["scale"]) == ("Images", 0)
    assert (found["burn_order"], found["expires_after_days"]) == ("oldest_first", 30)
    assert [each["code"] for each in made("entitlements", "list")] == ["images"]
    assert "images" in ask("entitlements", "list").out
    assert line(ask("entitlements", "show", "usd"), "Decimal places") == "9"


# Grants ------------------------------------------------------------------------------------------


def test_a_grant_is_issued_with_all_that_can_be_said_of_it(ask: Ask, made: Made) -> None:
    made("customers", "create", "ada")
    words = ("grants", "issue", "ada", "usd", "20.5", "--expires-at", "2099-01-01")
    more = (
        *("--effective-at", "2026-01-01T12:00:00+02:00", "--priority", 7, "--name", "Welcome"),
        *("--category", "paid", "--cost-basis", "eur:1.25", "--metadata", "order=17"),
        *("--scope", "model=gpt-4o", "--scope", "model=o1", "--scope", "region=eu"),
    )
    grant = made(*words, *more)
    assert grant["expires_at"] == "2099-01-01T00:00:00Z"
    assert grant["effective_at"] == "2026-01-01T10:00:00Z"
    assert (grant["amount"], grant["priority"], grant["category"]) == ("20.5", 7, "paid")
    assert grant["cost_basis"] == {"amount": "1.25", "currency": "eur"}
    assert grant["scope"] == {"model": ["gpt-4o", "o1"], "region": ["eu"]}
    shown = ask("grants", "show", grant["id"])
    assert line(shown, "Pays for") == "model=gpt-4o or o1, region=eu"
    assert line(shown, "Amount") == "20.5 usd"
    assert line(shown, "Expires") == "2099-01-01 00:00:00"


def test_never_is_a_time_of_its_own(made: Made) -> None:
    """Where nothing is said, the entitlement's rule holds."""
    made("customers", "create", "ada")
    promotional = made("grants", "issue", "ada", "usd", 1, "--category", "promotional")
    assert promotional["category"] == "promotional"
    made("entitlements", "create", "t", "--unit", "t", "--scale", 0, "--expires-after-days", 1)
    assert made("grants", "issue", "ada", "t", 1, "--expires-at", "never")["expires_at"] is None
    assert made("grants", "issue", "ada", "t", 1)["expires_at"] is not None


def test_a_grant_is_given_with_what_is_carried_of_it(ask: Ask, ada: Made) -> None:
    words = ("grants", "issue", "ada", "usd", 5, "--expires-at", "2099-01-01", "--rollover", 75)
    bounds = ("--rollover-minimum", "1", "--rollover-maximum", "3", "--rollover-timeframe")
    grant = ada(*words, "--rollover-generations-max", 2, *bounds, "3:month")
    shown = line(ask("grants", "show", grant["id"]), "Carries")
    assert shown == "75%, at least 1, at most 3, 2 times at most, for 3 × month"
    refused = ask("grants", "issue", "ada", "usd", 5, "--rollover", 75).failure()
    assert "rollover" in refused


def test_grants_are_listed_by_whose_what_and_how_they_are(ask: Ask, ada: Made) -> None:
    ada("customers", "create", "bob")
    later = ada("grants", "issue", "bob", "usd", 5, "--effective-at", "2099-01-01")
    for words in (["--customer", "bob"], ["--state", "pending"], ["--entitlement", "usd"]):
        assert ada("grants", "list", *words)[0]["id"] == later["id"]
    shown = ask("grants", "list", "--customer", "ada").out
    assert "Top-up" in shown
    assert later["id"] not in shown


def test_a_grant_is_shown_as_it_was_and_as_it_will_be(ask: Ask, ada: Made) -> None:
    grant = ada("grants", "issue", "ada", "usd", 5, "--expires-at", "2030-01-01")
    for when, state in (("2029-12-31T23:59:59", "active"), ("2030-01-01", "expired")):
        assert line(ask("grants", "show", grant["id"], "--at", when), "State") == state
        words = ("grants", "list", "--customer", "ada", "--entitlement", "usd", "--at", when)
        states = {each["id"]: each["state"] for each in ada(*words)}
        assert states[grant["id"]] == state


def test_a_grant_is_ended_in_two_ways(ask: Ask, ada: Made) -> None:
    """Expiry writes off what remains; voiding takes it back."""
    one, two = (ada("grants", "issue", "ada", "usd", 5)["id"] for _ in range(2))
    assert line(ask("grants", "expire", one), "Expired") == "5"
    assert line(ask("grants", "void", two), "Voided") == "5"
    assert (
        "already" in ask("grants", "void", two).failure()
        or "void" in ask("grants", "void", two).failure()
    )


def test_a_grant_is_amended(ask: Ask, ada: Made) -> None:
    words = ("grants", "issue", "ada", "usd", 5, "--expires-at", "2030-01-01")
    grant = ada(*words, "--metadata", "a=1", "--metadata", "b=2")["id"]
    amended = ada(
        *("grants", "amend", grant, "--expires-at", "never"),
        *("--metadata", "c=3", "--remove-metadata", "a"),
    )
    assert amended["expires_at"] is None
    assert amended["metadata"] == {"b": "2", "c": "3"}
    assert line(ask("grants", "amend", grant, "--expires-at", "2031-01-01"), "Expires").startswith(
        "2031"
    )
    assert "nothing to change" in ask("grants", "amend", grant).failure()


def test_a_grant_is_adjusted_up_and_down(ask: Ask, ada: Made) -> None:
    [grant] = ada("grants", "list")
    down = ask("grants", "adjust", grant["id"], "down", "2.5", "--reason", "counted twice")
    assert line(down, "Moved") == "down by 2.5"
    assert line(down, "Available") == "17.5 usd"
    up = ada("grants", "adjust", grant["id"], "up", "0.5")
    assert (up["direction"], up["available"]) == ("up", "18")
    assert ask("grants", "adjust", grant["id"], "sideways", "1").code == 2


# Debits ------------------------------------------------------------------------------------------


def test_a_debit_says_what_it_drew_and_what_is_left(ask: Ask, ada: Made) -> None:
    welcome = ada("grants", "issue", "ada", "usd", 1, "--scope", "model=gpt-4o", "--priority", 1)
    words = ("debit", "create", "ada", "usd", "1.5", "--attribute", "model=gpt-4o")
    shown = ask(*words, "--occurred-at", "2026-01-31T12:00:00Z", "--metadata", "call=7")
    assert line(shown, "Amount") == "1.5 usd"
    assert line(shown, "For") == "model=gpt-4o"
    assert line(shown, "Available") == "19.5"
    assert line(shown, "Occurred") == "2026-01-31 12:00:00"
    assert re.search(rf"^{welcome['id']} +1 +1 +never +paid", shown.out, re.MULTILINE)
    assert "1.5 usd" in ask("debit", "show", line(shown, "Debit")).out


def test_the_json_is_what_the_api_answers(ada: Made, native: httpx.Client) -> None:
    """But for the form of times, and what is only said of a write."""
    debit = ada("debit", "create", "ada", "usd", "0.0042", "--attribute", "model=gpt-4o")
    answered = native.get(f"/debits/{debit['id']}").json()
    shown = ada("debit", "show", debit["id"])
    assert {name: value for name, value in shown.items() if name in answered} == answered
    assert {name for name, value in shown.items() if name not in answered and value} == set()


def test_an_amount_is_never_written_with_an_exponent(ask: Ask, ada: Made) -> None:
    """Not the smallest there is."""
    assert ada("debit", "create", "ada", "usd", "0.000000001")["amount"] == "0.000000001"
    assert line(ask("debit", "create", "ada", "usd", "0.000000001"), "Amount") == "0.000000001 usd"


def test_the_same_key_again_debits_nothing_and_says_so(ask: Ask, ada: Made) -> None:
    words = ("debit", "create", "ada", "usd", "5", "--idempotency-key", "call-1")
    first, second = ask(*words), ask(*words)
    assert (first.out, first.err) == (second.out, "")
    assert "nothing was done now" in second.err
    assert ada(*words)["replayed"] is True
    assert ada("balance", "ada", "usd")["available"] == "15"
    assert "--idempotency-key" in ask(*words[:4], "6", *words[5:]).failure()


def test_a_debit_is_reversed_in_parts_and_whole(ask: Ask, ada: Made) -> None:
    debit = ada("debit", "create", "ada", "usd", "5")["id"]
    assert line(ask("debit", "reverse", debit, "--amount", "2"), "Available") == "17"
    assert line(ask("debit", "show", debit), "Reversed of it") == "2"
    assert ada("debit", "reverse", debit)["amount"] == "3"
    assert "reverse" in ask("debit", "reverse", debit).failure()


def test_several_wallets_pay_in_the_order_given(ask: Ask, ada: Made) -> None:
    """Units first, then money; one part of it goes back, or all."""
    ada("entitlements", "create", "images", "--unit", "image", "--scale", 0)
    ada("grants", "issue", "ada", "images", 10)
    wallets = ("--wallet", "images:1", "--wallet", "usd:0.04")
    shown = ask("debit", "spend", "ada", 12, *wallets)
    assert re.search(r"^images +10 +10 +0\b", shown.out, re.MULTILINE)
    assert re.search(r"^usd +2 +0\.08 +19\.92\b", shown.out, re.MULTILINE)
    spend = line(shown, "Debit")
    assert re.search(r"^usd +2 +0\.08", ask("debit", "show", spend).out, re.MULTILINE)
    back = ask("debit", "reverse", spend, "--entitlement", "usd")
    assert line(back, "Amount") == "0.08 usd"
    whole = ask("debit", "reverse", spend)
    assert "images" in whole.out
    assert ada("balance", "ada", "images")["available"] == "10"


def test_a_spend_goes_as_far_as_it_can_only_when_asked_to(ask: Ask, ada: Made) -> None:
    words = ("debit", "spend", "ada", 30, "--wallet", "usd:1")
    assert "20" in ask(*words).failure()
    assert line(ask(*words, "--partial"), "Unpaid") == "10"


def test_a_wallet_may_have_colons_in_its_code(ada: Made) -> None:
    ada("entitlements", "create", "tokens:gpt-4o", "--unit", "token", "--scale", 0)
    ada("grants", "issue", "ada", "tokens:gpt-4o", 10)
    spend = ada("debit", "spend", "ada", 2, "--wallet", "tokens:gpt-4o:3")
    assert [part["amount"] for part in spend["parts"]] == ["6"]


# Holds -------------------------------------------------------------------------------------------


def test_a_hold_is_captured_in_parts_and_finally(ask: Ask, ada: Made) -> None:
    shown = ask("hold", "create", "ada", "usd", 2, "--attribute", "model=gpt-4o")
    hold = line(shown, "Hold")
    assert (line(shown, "State"), line(shown, "Available")) == ("open", "18")
    first = ask("hold", "capture", hold, "0.5")
    assert (line(first, "Still held"), line(first, "Captured from")) == ("1.5", hold)
    last = ada("hold", "capture", hold, "0.25", "--final")
    assert (last["hold"]["state"], last["available"]) == ("captured", "19.25")
    assert line(ask("hold", "show", hold), "Captured") == "0.75"
    assert "drawdown hold show" in ask("hold", "release", hold).failure()


def test_a_hold_is_released(ask: Ask, ada: Made) -> None:
    hold = ada("hold", "create", "ada", "usd", 2, "--idempotency-key", "h")["id"]
    assert ada("hold", "list", "--state", "open")[0]["id"] == hold
    assert line(ask("hold", "release", hold), "Available") == "20"
    assert ada("hold", "list", "--state", "open") == []
    [listed] = ada("hold", "list", "--customer", "ada", "--entitlement", "usd")
    assert (listed["id"], listed["state"]) == (hold, "released")
    assert "released" in ask("hold", "list").out


def test_more_than_is_held_is_drawn_besides_or_refused(ask: Ask, ada: Made) -> None:
    hold = ada("hold", "create", "ada", "usd", 2)["id"]
    words = ("hold", "capture", hold, 3)
    assert "2" in ask(*words, "--over-capture", "refuse").failure()
    assert ada(*words)["available"] == "17"


def test_a_hold_ends_when_it_was_told_to_and_can_be_extended(ask: Ask, ada: Made) -> None:
    def left(hold: dict[str, str]) -> timedelta:
        return datetime.fromisoformat(hold["expires_at"]) - datetime.now(UTC)

    hold = ada("hold", "create", "ada", "usd", 2, "--expires-in", 60)
    assert left(hold) <= timedelta(seconds=60)
    extended = ada("hold", "extend", hold["id"], "--expires-in", 3_600)
    assert timedelta(seconds=3_500) < left(extended) <= timedelta(seconds=3_600)
    at = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    assert left(ada("hold", "extend", hold["id"], "--expires-at", at)) > timedelta(hours=1)
    assert "Until when?" in ask("hold", "extend", hold["id"]).failure()
    assert "expires_in" in ask("hold", "extend", hold["id"], "--expires-in", 90_000).failure()


# Reading -----------------------------------------------------------------------------------------


def test_a_balance_now_and_at_other_times(ask: Ask, ada: Made) -> None:
    ada("grants", "issue", "ada", "usd", 5, "--expires-at", "2030-01-01")
    ada("hold", "create", "ada", "usd", 2)
    shown = ask("balance", "ada", "usd")
    assert (line(shown, "Available"), line(shown, "Held")) == ("23 usd", "2")
    assert line(ask("balance", "ada", "usd", "--at", "2030-06-01"), "Expired") == "5"
    assert ada("balance", "ada", "usd", "--at", "2020-01-01")["granted"] == "0"


def test_the_history_of_a_balance(ask: Ask, ada: Made) -> None:
    """Newest first; what changed in between is a segment's end and the next one's beginning."""
    ada("debit", "create", "ada", "usd", 5)
    segments = ada("balance", "ada", "usd", "--history")
    assert [segment["available"] for segment in segments[:2]] == ["15", "20"]
    assert segments[0]["from"] == segments[1]["to"]
    assert "From (UTC)" in ask("balance", "ada", "usd", "--history", "--all").out
    none = ask("balance", "ada", "usd", "--history", "--from", "2020-01-01", "--to", "2020-01-02")
    assert none.code == 0


@pytest.mark.parametrize(
    "words", [["--all"], ["--from", "2020-01-01"], ["--history", "--at", "2020-01-01"]]
)
def test_a_balance_and_its_history_are_asked_for_apart(ask: Ask, words: list[str]) -> None:
    failure = ask("balance", "ada", "usd", *words).failure()
    assert "--history" in failure or "--from" in failure


def test_entries_are_every_movement(ask: Ask, ada: Made) -> None:
    debit = ada("debit", "create", "ada", "usd", 5)["id"]
    kinds = [entry["kind"] for entry in ada("entries", "ada")]
    assert kinds == ["debited", "granted"]
    shown = ask("entries", "ada", "--entitlement", "usd", "--limit", 1)
    assert "debited" in shown.out
    assert "granted" not in shown.out
    assert debit.removeprefix("deb_") in shown.out
    assert "--all" in shown.err


def test_a_debit_is_explained_in_a_sentence_and_in_tables(ask: Ask, ada: Made) -> None:
    ada("grants", "issue", "ada", "usd", 1, "--name", "Soon", "--expires-at", "2030-01-01")
    ada("grants", "issue", "ada", "usd", 1, "--name", "Images only", "--scope", "kind=image")
    debit = ada("debit", "create", "ada", "usd", "0.5")["id"]
    found = ada("explain", debit)
    shown = ask("explain", debit).out
    assert shown.splitlines()[0] == found["sentence"]
    drawn, later, unfit = shown.split("\n\n")[1:]
    assert drawn.startswith("Drawn:")
    assert "Soon" in drawn
    assert found["draws"][0]["reason"] in drawn
    assert later.startswith("Not needed:")
    assert "Top-up" in later
    assert unfit.startswith("Could not pay:")
    assert "Images only" in unfit


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("customers", "show", "nobody"), "drawdown customers list"),
        (("grants", "show", "grant_0351GoWKDhLMshMOuqvkt9"), "drawdown grants list"),
        (("hold", "show", "hold_0351GoWKDhLMshMOuqvkt9"), "drawdown hold list"),
        (("debit", "show", "deb_0351GoWKDhLMshMOuqvkt9"), "drawdown entries"),
        (("explain", "deb_0351GoWKDhLMshMOuqvkt9"), "drawdown entries"),
        (("balance", "ada", "nothing"), "drawdown entitlements list"),
        (("debit", "create", "ada", "usd", "1000"), "drawdown grants issue"),
    ],
)
def test_a_refusal_is_one_line_with_the_way_out(
    ask: Ask, ada: Made, words: tuple[str, ...], way_out: str
) -> None:
    """In the server's words, for --json as well: a script looks at the exit code."""
    assert way_out in ask(*words).failure()
    assert way_out in ask(*words, "--json").failure()


@pytest.mark.parametrize("amount", ["0", "1e3", "0.0000000001", "1,5", "x"])
def test_an_amount_that_cannot_be_is_refused(ask: Ask, ada: Made, amount: str) -> None:
    assert "amount" in ask("debit", "create", "ada", "usd", amount).failure().lower()
    assert ada("balance", "ada", "usd")["used"] == "0"


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("debit", "create", "ada", "usd", "1", "--attribute", "model"), "--attribute"),
        (("debit", "create", "ada", "usd", "1", "--attribute", "=x"), "--attribute"),
        (("debit", "create", "ada", "usd", "1", "--metadata", "a=1", "--metadata", "a=2"), "twice"),
        (("debit", "spend", "ada", "1", "--wallet", "usd"), "--wallet"),
        (("debit", "spend", "ada", "1", "--wallet", "usd:"), "--wallet"),
        (("debit", "spend", "ada", "1"), "--wallet"),
        (("grants", "issue", "ada", "usd", "1", "--expires-at", "tomorrow"), "--expires-at"),
        (("grants", "issue", "ada", "usd", "1", "--scope", "x"), "--scope"),
        (("grants", "issue", "ada", "usd", "1", "--cost-basis", "15"), "--cost-basis"),
        (("balance", "ada", "usd", "--at", "32.12.2026"), "--at"),
        (("grants", "list", "--state", "gone"), "--state"),
        (("hold", "create", "ada", "usd", "1", "--expires-in", "10m"), "--expires-in"),
        (("customers", "list", "--limit", "0"), "--limit"),
    ],
)
def test_words_that_mean_nothing_are_wrong_usage(
    ask: Ask, ada: Made, words: tuple[str, ...], option: str
) -> None:
    """Told with the option, before anything is asked of the server."""
    ran = ask(*words)
    assert (ran.code, ran.out) == (2, "")
    assert option in ran.err
    assert ada("balance", "ada", "usd")["seq"] == 1


def test_without_a_key_nothing_is_asked() -> None:
    assert "DRAWDOWN_API_KEY" in drawdown("customers", "list").failure()


def test_a_viewers_key_reads_and_does_not_write(tenant: Tenant) -> None:
    key = {"url": tenant.url, "api_key": tenant.test.viewer.secret}
    assert drawdown("customers", "list", "--json", **key).json() == []
    assert "larger role" in drawdown("customers", "create", "ada", **key).failure()


def test_a_key_the_server_does_not_know_is_not_repeated(tenant: Tenant) -> None:
    words = ("customers", "list", "--key", "sk_test_unknown", "--url", tenant.url)
    failure = drawdown(*words).failure()
    assert "does not know this key" in failure
    assert "sk_test_unknown" not in failure


def test_the_two_books_are_apart(tenant: Tenant, ada: Made) -> None:
    """The key decides: one address for both."""
    live = {"url": tenant.url, "api_key": tenant.live.editor.secret}
    assert drawdown("customers", "list", "--json", **live).json() == []


def test_a_write_that_was_not_answered_tells_the_key_to_ask_again_with() -> None:
    """Since it may have been carried out."""
    words = ("debit", "create", "ada", "usd", "1")
    with nobody() as url:
        gone = {"url": url, "api_key": "sk_test_x"}
        failure = drawdown(*words, **gone).failure()
        keyed = drawdown(*words, "--idempotency-key", "call-1", **gone).failure()
        read = drawdown("customers", "list", **gone).failure()
    assert re.search(r"--idempotency-key [0-9a-f-]{36}: ", failure)
    assert "drawdown doctor" in failure
    assert "--idempotency-key call-1:" in keyed
    assert "--idempotency-key" not in read


# Overage -----------------------------------------------------------------------------------------


def test_a_rule_for_overage_is_given_shown_and_a_reset_ends_it(ask: Ask, made: Made) -> None:
    made("customers", "create", "ada")
    limit = ("--overage", "limited", "--overage-limit", "5", "--overage-price", "0.5:usd")
    words = ("entitlements", "create", "images", "--unit", "image", "--scale", "0")
    shown = ask(*words, *limit)
    assert line(shown, "Overage") == "up to 5, forgive at reset, at 0.5 usd each"
    made("debit", "create", "ada", "images", "3")
    assert line(ask("balance", "ada", "images"), "Overage") == "3"
    assert line(ask("reset-overage", "ada", "images"), "Overage ended") == "3 images"
    amended = ask("entitlements", "amend", "images", "--overage", "off")
    assert line(amended, "Overage") == "none"
    assert ask("debit", "create", "ada", "images", "1").code == 1


def test_a_rule_for_overage_begins_with_its_mode(ask: Ask) -> None:
    words = ("entitlements", "create", "images", "--unit", "image", "--scale", "0")
    refused = ask(*words, "--overage-limit", "5")
    assert refused.code == 2
    assert "off, limited or unlimited" in refused.err
