"""`drawdown meters`, `rates` and `events`, against a real server."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import StartServer
from tests.support.commands import Ran, drawdown
from tests.support.server import Tenant


def ask(tenant: Tenant, *words: object) -> Ran:
    return drawdown(*words, url=tenant.url, api_key=tenant.test.editor.secret)


def metered(tenant: Tenant) -> None:
    """A credit buys two tokens; the first ten of a month are free. Ada has 100 credits."""
    ask(tenant, "entitlements", "create", "credits", "--unit", "credit", "--scale", "0")
    ask(tenant, "customers", "create", "ada")
    ask(tenant, "grants", "issue", "ada", "credits", "100")
    meter = ask(tenant, "meters", "create", "tokens", "llm.call", "--count-by", "sum",
                "--property", "tokens", "--filter", FILTER)  # fmt: skip
    rate = ask(tenant, "rates", "create", "tokens", "credits", "--per-credit", "2", "--free", "10")
    assert (meter.code, rate.code) == (0, 0), meter.err + rate.err


FILTER = '{"property": "kind", "op": "ne", "value": "test"}'


def line(number: int, tokens: str, customer: str = "ada", **more: object) -> str:
    """Numbers are written as they are, whatever a float would make of them."""
    document = {"id": f"e{number}", "customer": customer, "name": "llm.call", **more}
    text = json.dumps(document | {"properties": {"tokens": "TOKENS", "kind": "chat"}})
    return text.replace('"TOKENS"', tokens)


def test_a_file_of_usage_is_recorded_once_however_often_it_is_sent(
    serve: StartServer, tmp_path: Path
) -> None:
    tenant = serve().tenant()
    metered(tenant)
    file = tmp_path / "usage.jsonl"
    lines = [line(n, "0.1000000001") for n in range(2_500)]
    file.write_text("\n".join([*lines[:7], "", *lines[7:]]) + "\n", encoding="utf-8")
    sent = ask(tenant, "events", "send", file, "--json")
    assert (sent.code, sent.json()) == (
        0,
        {"recorded": 2_500, "replayed": 0, "uncovered": 20, "refused": 0, "why": []},
    )
    again = ask(tenant, "events", "send", file)
    assert (again.code, "2,500 events had been recorded before" in again.out) == (0, True)
    assert ask(tenant, "balance", "ada", "credits", "--json").json()["used"] == "100"
    [shown] = ask(tenant, "events", "list", "--uncovered", "--limit", "1", "--json").json()
    assert (shown["id"], shown["properties"]["tokens"]) == ("e2499", 0.1000000001)
    assert "llm.call" in ask(tenant, "events", "show", "e2499").out


def test_lines_that_are_refused_are_named_and_the_others_recorded(
    serve: StartServer, tmp_path: Path
) -> None:
    tenant = serve().tenant()
    metered(tenant)
    file = tmp_path / "usage.jsonl"
    file.write_text(
        "\n".join([line(1, "12"), line(2, "12", "bob"), line(3, "4")]), encoding="utf-8"
    )
    sent = ask(tenant, "events", "send", file)
    assert (sent.code, "2 events recorded." in sent.out) == (1, True)
    assert "Line 2, event e2" in sent.err
    assert "bob" in sent.err
    file.write_text(line(3, "6"), encoding="utf-8")
    assert "Line 1, event e3" in ask(tenant, "events", "send", file).err
    assert ask(tenant, "events", "send", file, "--override").code == 0
    assert ask(tenant, "balance", "ada", "credits", "--json").json()["used"] == "4"


def test_a_line_that_is_no_event_ends_it_and_says_where(serve: StartServer, tmp_path: Path) -> None:
    tenant = serve().tenant()
    metered(tenant)
    file = tmp_path / "usage.jsonl"
    file.write_text(line(1, "12") + '\n{"id": "e2"}\n', encoding="utf-8")
    ended = ask(tenant, "events", "send", file)
    assert (ended.code, "Line 2 of" in ended.err, "customer" in ended.err) == (1, True, True)
    assert ask(tenant, "events", "send", tmp_path / "none.jsonl").code == 1


def test_meters_and_rates_are_shown_as_they_were_made(serve: StartServer) -> None:
    tenant = serve().tenant()
    metered(tenant)
    assert "sum of tokens" in ask(tenant, "meters", "show", "tokens").out
    [meter] = ask(tenant, "meters", "list", "--json").json()
    assert meter["filter"] == {"property": "kind", "op": "ne", "value": "test"}
    price = '{"model": "package", "size": "1000", "price": "2"}'
    made = ask(tenant, "rates", "create", "tokens", "usd", "--price", price, "--period", "forever")
    assert "package" in made.out
    listed = ask(tenant, "rates", "list", "--json").json()
    assert [each["price"]["model"] for each in listed] == ["package", "per_credit"]
    assert listed[0]["period"]["unit"] is None
    assert ask(tenant, "rates", "create", "tokens", "usd").code == 2
    assert ask(tenant, "rates", "create", "tokens", "usd", "--price", "[1]").code == 2


def test_what_is_closed_counts_and_charges_nothing_more(serve: StartServer, tmp_path: Path) -> None:
    tenant = serve().tenant()
    metered(tenant)
    ask(tenant, "meters", "create", "calls", "llm.call")
    ask(tenant, "rates", "create", "calls", "credits", "--per-unit", "1", "--period", "cycle")
    newest, older = ask(tenant, "rates", "list", "--json").json()
    assert newest["period"]["cycle"] is True
    file = tmp_path / "usage.jsonl"
    file.write_text(line(1, "14"), encoding="utf-8")
    ask(tenant, "events", "send", file)
    assert "Closed" in ask(tenant, "rates", "close", newest["id"]).out
    assert ask(tenant, "meters", "close", "tokens").code == 0
    file.write_text(line(2, "100"), encoding="utf-8")
    assert ask(tenant, "events", "send", file).code == 0
    assert ask(tenant, "balance", "ada", "credits", "--json").json()["used"] == "3"
    assert ask(tenant, "events", "show", "e2", "--json").json()["charges"] == []
    closed = ask(tenant, "meters", "list", "--json").json()
    assert [each["closed_at"] is None for each in closed] == [True, False]
    assert ask(tenant, "meters", "reopen", "tokens", "--json").json()["closed_at"] is None
    assert "All tokens" in ask(tenant, "meters", "amend", "tokens", "--name", "All tokens").out
    assert ask(tenant, "rates", "close", older["id"]).code == 0


def test_a_rate_for_attached_customers_charges_them_alone(
    serve: StartServer, tmp_path: Path
) -> None:
    tenant = serve().tenant()
    metered(tenant)
    ask(tenant, "meters", "create", "calls", "llm.call")
    made = ask(
        tenant, "rates", "create", "calls", "credits", "--per-unit", "5", "--attached", "--json"
    )
    rate = made.json()["id"]
    file = tmp_path / "usage.jsonl"

    def used_after(number: int) -> str:
        file.write_text(line(number, "0"), encoding="utf-8")
        assert ask(tenant, "events", "send", file).code == 0
        used: str = ask(tenant, "balance", "ada", "credits", "--json").json()["used"]
        return used

    assert used_after(1) == "0"
    assert "yes" in ask(tenant, "rates", "attach", rate, "ada").out
    assert used_after(2) == "5"
    listed = ask(tenant, "rates", "list", "--customer", "ada", "--json").json()
    assert (listed[0]["id"], len(listed)) == (rate, 2)
    assert "no" in ask(tenant, "rates", "detach", rate, "ada").out
    assert used_after(3) == "5"
    assert len(ask(tenant, "rates", "list", "--customer", "ada", "--json").json()) == 1
    assert "attached" in ask(tenant, "rates", "show", rate).out
