"""`drawdown replay` against a real server: small files, every kind of outcome."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from drawdown.cli.replay import feeder
from drawdown.cli.replay.feeder import Debit, Plan
from drawdown.client import Client
from drawdown.core.types import MICROSECONDS, Instant
from tests.support.commands import Ran, drawdown
from tests.support.server import Tenant

#: One call costs 0.01 USD at gpt-4o prices: 4,000 tokens read, none written.
CALL = "2023-11-16 18:17:03,4000,0"
HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "usage.csv"


@pytest.fixture
def ada(native: httpx.Client) -> httpx.Client:
    """The native API of a book in which ada has 1 USD."""
    make_customer(native, "ada", "1")
    return native


def make_customer(native: httpx.Client, name: str, amount: str, entitlement: str = "usd") -> None:
    assert native.post("/customers", json={"id": name}).status_code in {201, 409}
    grant = {"customer": name, "entitlement": entitlement, "amount": amount}
    assert native.post("/grants", json=grant).status_code == 201


def write(path: Path, *rows: str) -> None:
    path.write_text("\n".join([HEADER, *rows]), "utf-8")


def replay(tenant: Tenant, path: Path, *options: object) -> Ran:
    """For ada, unless the options say whose usage it is."""
    whose = (
        []
        if any(str(option).startswith("--customer") for option in options)
        else ["--customer", "ada"]
    )
    return drawdown(
        *("replay", path, *whose, *options), url=tenant.url, api_key=tenant.test.editor.secret
    )


def counted(ran: Ran, line: str) -> int:
    """The number that the report has for ``line``; 0 when it does not mention it."""
    found = re.search(rf"^\s*{re.escape(line)}\s+([\d,]+)\s*$", ran.out, re.MULTILINE)
    return 0 if found is None else int(found[1].replace(",", ""))


def used(native: httpx.Client, customer: str = "ada", entitlement: str = "usd") -> Decimal:
    return Decimal(native.get(f"/balances/{customer}/{entitlement}").json()["used"])


def debits(native: httpx.Client) -> list[dict[str, Any]]:
    """Ada's debits, oldest first."""
    entries = native.get("/entries", params={"customer": "ada"}).json()["data"]
    drawn = [entry["operation"] for entry in reversed(entries) if entry["kind"] == "debited"]
    return [native.get(f"/debits/{operation}").json() for operation in drawn]


def test_each_row_becomes_a_debit(tenant: Tenant, ada: httpx.Client, path: Path) -> None:
    """Of its cost, at its time, in the order of the file."""
    write(path, "2023-11-16 18:17:03.9799600,4808,10", "2023-11-16T19:00:00+01:00,3180,8")
    ran = replay(tenant, path)
    assert ran.code == 0, ran.err
    assert counted(ran, "debited now") == 2
    first, second = debits(ada)
    assert (first["amount"], first["occurred_at"]) == ("0.01212", "2023-11-16T18:17:03.979960Z")
    assert (second["amount"], second["occurred_at"]) == ("0.00803", "2023-11-16T18:00:00Z")
    assert "0.02015" in ran.out


def test_the_report_for_programs(tenant: Tenant, ada: httpx.Client, path: Path) -> None:
    """Amounts as texts; what was not debited by its code, with the first rows."""
    write(path, CALL, CALL)
    assert replay(tenant, path, "--json").json() == {
        "rows": 2,
        "customers": 1,
        "entitlement": "usd",
        "amount": "0.02",
        "debited": 2,
        "replayed": 0,
        "carried": 0,
        "misses": {},
        "debited_amount": "0.02",
    }
    refused = replay(tenant, path, "--customer", "nobody", "--json")
    assert refused.code == 1
    misses = json.loads(refused.out)["misses"]["customer_not_found"]
    assert (misses["count"], misses["rows"]) == (2, [1, 2])


@pytest.mark.parametrize("pace", [["--batch-size", 1], [], ["--real-time", "--speed", 1_000_000]])
def test_replaying_again_debits_nothing(
    tenant: Tenant, ada: httpx.Client, path: Path, pace: list[object]
) -> None:
    """However it is fed, and whatever way it was fed before."""
    write(path, CALL, CALL, CALL)
    assert counted(replay(tenant, path), "debited now") == 3
    again = replay(tenant, path, *pace)
    assert (again.code, counted(again, "debited now")) == (0, 0)
    assert counted(again, "debited before") == 3
    assert used(ada) == Decimal("0.03")


def test_a_file_that_has_grown_debits_only_what_is_new(
    tenant: Tenant, ada: httpx.Client, path: Path
) -> None:
    """A log can be replayed every hour."""
    write(path, CALL, CALL)
    replay(tenant, path)
    write(path, CALL, CALL, CALL)
    ran = replay(tenant, path)
    assert (counted(ran, "debited now"), counted(ran, "debited before")) == (1, 2)
    assert used(ada) == Decimal("0.03")


def test_a_run_of_its_own_debits_again(tenant: Tenant, ada: httpx.Client, path: Path) -> None:
    """On purpose only; and that run is as safe to repeat."""
    write(path, CALL)
    for options in ([], ["--run", "second"], ["--run", "second"]):
        assert replay(tenant, path, *options).code == 0
    assert used(ada) == Decimal("0.02")


def test_rows_for_which_credit_is_missing_are_reported(
    tenant: Tenant, native: httpx.Client, path: Path
) -> None:
    """By number; the rows after them are fed; the exit status says so. Granting more heals it."""
    make_customer(native, "ada", "0.025")
    write(path, CALL, CALL, CALL, "2023-11-16 18:17:04,400,0")
    ran = replay(tenant, path)
    assert ran.code == 1
    assert counted(ran, "not debited: insufficient_credit") == 1
    assert "insufficient_credit: row 3. 0.01 is needed, 0.005 is available." in ran.out
    assert used(native) == Decimal("0.021")
    make_customer(native, "ada", "1")
    healed = replay(tenant, path)
    assert healed.code == 0
    assert (counted(healed, "debited now"), counted(healed, "debited before")) == (1, 3)
    assert used(native) == Decimal("0.031")


def test_only_the_first_few_rows_are_named(
    tenant: Tenant, native: httpx.Client, path: Path
) -> None:
    """All are counted."""
    make_customer(native, "ada", "0.001")
    write(path, *[CALL] * 9)
    ran = replay(tenant, path)
    assert counted(ran, "not debited: insufficient_credit") == 9
    assert "rows 1, 2, 3, 4, 5, …." in ran.out


@pytest.mark.parametrize("pace", [[], ["--real-time", "--speed", 1_000_000]])
def test_other_prices_for_rows_fed_before_are_refused(
    tenant: Tenant, ada: httpx.Client, path: Path, pace: list[object]
) -> None:
    """The same row cannot be debited at two prices unless somebody asks for it."""
    write(path, CALL)
    replay(tenant, path)
    ran = replay(tenant, path, "--model", "gpt-4o-mini", *pace)
    assert (ran.code, counted(ran, "not debited: key_reused")) == (1, 1)
    assert "--run" in ran.out
    assert used(ada) == Decimal("0.01")


def test_customers_are_not_made(tenant: Tenant, native: httpx.Client, path: Path) -> None:
    """A mistyped rule does not open accounts; what is missing is said."""
    write(path, CALL)
    ran = replay(tenant, path, "--customer", "nobody")
    assert (ran.code, counted(ran, "not debited: customer_not_found")) == (1, 1)
    assert "Create the customers first." in ran.out


def test_rows_are_dealt_to_customers_in_turn(
    tenant: Tenant, native: httpx.Client, path: Path
) -> None:
    for name in ("u1", "u2"):
        make_customer(native, name, "1")
    write(path, CALL, CALL, CALL)
    ran = replay(tenant, path, "--customers", 2, "--customer-format", "u{n}")
    assert ran.code == 0
    assert (used(native, "u1"), used(native, "u2")) == (Decimal("0.02"), Decimal("0.01"))


def test_a_column_can_name_the_customer_in_json_lines(
    tenant: Tenant, native: httpx.Client, path: Path
) -> None:
    """With columns of any name, times in any unit and prices of one's own."""
    for name in ("ada", "bob"):
        make_customer(native, name, "1")
    path.write_text(
        '{"t": 1700158623979, "who": "ada", "read": 3, "written": 1, "more": {"a": []}}\n'
        '{"t": 1700158624000, "who": "bob", "read": "7", "written": 0}\n'
    )
    own = path.with_name("prices.json")
    own.write_text('{"mine": {"input_cost_per_token": 1e-02, "output_cost_per_token": "0.5"}}')
    ran = replay(
        *(tenant, path, "--customer-column", "who", "--time-column", "t"),
        *("--time-unit", "milliseconds", "--input-column", "read", "--output-column", "written"),
        *("--prices", own, "--model", "mine"),
    )
    assert ran.code == 0, ran.err
    assert (used(native, "ada"), used(native, "bob")) == (Decimal("0.53"), Decimal("0.07"))
    assert debits(native)[0]["occurred_at"] == "2023-11-16T18:17:03.979000Z"


def test_what_is_finer_than_the_scale_is_carried(
    tenant: Tenant, native: httpx.Client, path: Path
) -> None:
    """In a credit of whole cents, calls of 0.4 cents are debited as they fill one; resumed alike."""
    kind = {"code": "cents", "unit": "USD", "scale": 2}
    assert native.post("/entitlements", json=kind).status_code == 201
    make_customer(native, "ada", "5", "cents")
    small = "2023-11-16 18:17:03,1600,0"
    write(path, *[small] * 5)
    first = replay(tenant, path, "--entitlement", "cents")
    assert (
        counted(first, "debited now"),
        counted(first, "too small by themselves, carried on"),
    ) == (2, 3)
    assert used(native, entitlement="cents") == Decimal("0.02")
    write(path, *[small] * 8)
    second = replay(tenant, path, "--entitlement", "cents")
    assert (counted(second, "debited now"), counted(second, "debited before")) == (1, 2)
    assert used(native, entitlement="cents") == Decimal("0.03")


def test_a_fault_anywhere_in_the_file_stops_before_the_first_debit(
    tenant: Tenant, ada: httpx.Client, path: Path
) -> None:
    """Nothing half done: the last row is wrong, the first is not fed."""
    write(path, *[CALL] * 20, "2023-11-16 18:17:04,many,0")
    failure = replay(tenant, path, "--batch-size", 1).failure()
    assert "row 21 (line 22): ContextTokens is 'many'" in failure
    assert used(ada) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--customers", "2", "--customer", "ada"], "Whose usage is it?"),
        (["--model", "gpt-17"], "no model 'gpt-17'"),
        (["--entitlement", "gold"], "no entitlement 'gold'"),
        (["--run", "a b"], "--run has up to 64 characters"),
        (["--customers", "0"], "--customers must be from 1"),
        (["--time-column", "when"], "no column 'when'"),
        (["--url", "localhost"], "is no URL of a server"),
        (["--key", "sk_test_wrong"], "does not know this key"),
    ],
)
def test_wrong_options_are_said_in_one_line(
    tenant: Tenant, ada: httpx.Client, path: Path, options: list[str], said: str
) -> None:
    """With nothing fed."""
    write(path, CALL)
    assert said in replay(tenant, path, *options).failure()
    assert used(ada) == 0


def test_a_replay_needs_a_key_and_a_customer(path: Path) -> None:
    write(path, CALL)
    assert "Whose usage is it?" in drawdown("replay", path, api_key="sk_test_x").failure()
    assert "DRAWDOWN_API_KEY" in drawdown("replay", path, "--customer", "ada").failure()


@pytest.mark.parametrize(
    "option",
    [("--batch-size", "0"), ("--batch-size", "1001"), ("--speed", "0"), ("--speed", "nan")],
)
def test_a_pace_out_of_bounds_is_wrong_usage(
    tenant: Tenant, ada: httpx.Client, path: Path, option: tuple[str, str]
) -> None:
    write(path, CALL)
    assert replay(tenant, path, "--real-time", *option).code == 2
    assert used(ada) == 0


def test_in_real_time_the_gaps_of_the_file_are_kept(tenant: Tenant, ada: httpx.Client) -> None:
    """Divided by the speed. A row whose time runs back is fed at once; later ones keep their time."""
    seconds, slept = [100, 110, 105, 130], []
    clock = [0.0]

    def sleep(pause: float) -> None:
        slept.append(pause)
        clock[0] += pause

    rows = [
        Debit(row, Instant(second * MICROSECONDS), "ada", 1_000, f"row {row}")
        for row, second in enumerate(seconds, start=1)
    ]
    with Client(tenant.url, tenant.test.editor.secret) as client:
        report = feeder.feed_in_time(
            *(client, Plan(entitlement="usd", scale=9), rows, lambda rows: None, 2.0),
            sleep=sleep,
            now=lambda: clock[0],
        )
    assert slept == [5.0, 10.0]
    assert (report.new, report.units) == (4, 4_000)
    assert used(ada) == Decimal("0.000004")
