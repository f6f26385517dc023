"""An account got over a socket by the vendor's SDK, from a second Drawdown that speaks Stripe."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.conftest import NewUrl
from tests.importing.front import in_front_of
from tests.importing.here import Here, a_book
from tests.importing.stripe.there import BEGAN, GRANTS, NEW_YEAR, There, fill
from tests.support.clocked_server import clocked_server

TRANSACTIONS = "/v1/billing/credit_balance_transactions"
SUMMARY = "/v1/billing/credit_balance_summary"
Ask = Callable[..., Any]


def same(person: dict[str, Any]) -> dict[str, Any]:
    """A customer without the currency of his invoices, which are not brought over."""
    return {name: value for name, value in person.items() if name != "currency"}


@contextmanager
def an_account(database: str) -> Iterator[There]:
    with clocked_server(database, NEW_YEAR) as server:
        found = There(server)
        try:
            fill(found)
            yield found
        finally:
            found.http.close()


@pytest.fixture(scope="session")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    with an_account(f"sqlite:///{tmp_path_factory.mktemp('there') / 'there.db'}") as found:
        yield found


@pytest.fixture(scope="session")
def fetched(there: There, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its pages, got once by a dry run."""
    folder = tmp_path_factory.mktemp("fetched")
    here = a_book(f"sqlite:///{folder / 'here.db'}", folder, "stripe")
    ran = here.bring(folder / "pages", "--from", there.url, "--dry-run", key=there.secret)
    assert ran.code == 0, (ran.out, ran.err)
    return folder / "pages"


def everything(ask: Ask) -> dict[str, Any]:
    """All that the vendor's API answers about credit, by what was asked."""
    people = ask("/v1/customers", limit=100)["data"]  # the order of own ids is that of their import
    found: dict[str, Any] = {
        "customers": [same(each) for each in sorted(people, key=lambda each: str(each["id"]))]
    }
    grants = [each for each in ask(GRANTS, limit=100)["data"] if each["test_clock"] is None]
    found["grants"] = grants
    for name in dict.fromkeys(each["customer"] for each in grants):
        person = found[name] = same(ask(f"/v1/customers/{name}"))
        for path in (GRANTS, TRANSACTIONS):
            found[f"{path} {name}"] = ask(path, customer=name, limit=100)
        if "deleted" not in person:
            asked = {
                "filter[type]": "applicability_scope",
                "filter[applicability_scope][price_type]": "metered",
            }
            found[f"{SUMMARY} {name}"] = ask(SUMMARY, customer=name, **asked)
    for grant in grants:
        _of_grant(ask, grant, found)
    return found


def _of_grant(ask: Ask, grant: dict[str, Any], found: dict[str, Any]) -> None:
    name, customer = grant["id"], grant["customer"]
    found[f"{GRANTS}/{name}"] = ask(f"{GRANTS}/{name}")
    found[f"{GRANTS} after {name}"] = ask(GRANTS, customer=customer, starting_after=name, limit=2)
    listed = found[f"{TRANSACTIONS} {name}"] = ask(TRANSACTIONS, credit_grant=name, limit=100)
    for each in listed["data"]:
        found[each["id"]] = ask(f"{TRANSACTIONS}/{each['id']}", **{"expand[]": "credit_grant"})
    if "deleted" not in found[customer]:
        asked = {"filter[type]": "credit_grant", "filter[credit_grant]": name}
        found[f"{SUMMARY} {name}"] = ask(SUMMARY, customer=customer, **asked)


def test_all_that_is_answered_there_is_answered_here(new_url: NewUrl, tmp_path: Path) -> None:
    """Customers, grants and transactions, one by one and in lists: in the same order, by the same ids."""
    with new_url() as source, new_url() as url, an_account(source) as there:
        here = a_book(url, tmp_path, "stripe")
        ran = here.bring(tmp_path / "pages", "--from", there.url, key=there.secret)
        assert ran.code == 0, (ran.out, ran.err)
        expected = everything(there.get)
        kinds = {each["debit"]["type"] for each in _rows(expected) if each["debit"]}
        assert kinds == {"credits_applied", "credits_expired", "credits_voided"}
        assert len({each["customer"] for each in expected["grants"]}) == 4
        assert here.verified()["ok"]
        with here.serving() as http:

            def ask(path: str, **query: Any) -> Any:
                answer = http.get(path, params=query)
                assert answer.is_success, answer.text
                return answer.json()

            shown = everything(ask)
        assert shown.keys() == expected.keys()
        for path, answer in expected.items():
            assert shown[path] == answer, path


def _rows(found: dict[str, Any]) -> list[Any]:
    return [
        row
        for path, answer in found.items()
        if path.startswith(TRANSACTIONS)
        for row in answer["data"]
    ]


def test_a_dry_run_fetches_and_checks_and_writes_nothing(file: Here, fetched: Path) -> None:
    """It says what would be made, and is done on the ledger as it is."""
    path = Path(file.url.removeprefix("sqlite:///"))
    before = path.read_bytes()
    report = file.report(fetched, "--dry-run")
    assert (report["dry_run"], report["equal"]) == (True, True)
    assert report["customers_here"] == 5
    assert file.is_empty()
    assert path.read_bytes() == before


def test_what_a_draft_reserves_is_told(file: Here, tmp_path: Path) -> None:
    """A second Drawdown with a draft: nothing is written before it is final."""
    with an_account(f"sqlite:///{tmp_path / 'drafts.db'}") as there:
        ada = there.get("/v1/customers", email="ada@example.com")["data"][0]["id"]
        there.post(
            "/v1/billing/meter_events",
            event_name="calls",
            payload={"stripe_customer_id": ada, "value": "30"},
        )
        there.go_to(BEGAN + 90 * 86_400 + 600)  # ten minutes into April
        [draft] = there.get("/v1/invoices", customer=ada, status="draft")["data"]
        there.post(f"/v1/invoices/{draft['id']}", auto_advance="false")
        ran = file.bring(tmp_path / "drafts", "--from", there.url, key=there.secret)
        assert ran.code == 1
        assert "drafts of invoices reserve 0.3 USD of grant" in ran.out
        assert file.is_empty()
        there.post(f"/v1/invoices/{draft['id']}/finalize")
        ran = file.bring(tmp_path / "final", "--from", there.url, key=there.secret)
        assert ran.code == 0, (ran.out, ran.err)


def test_it_waits_as_it_is_told_and_asks_again(file: Here, there: There, tmp_path: Path) -> None:
    """Too many requests, a fault and a broken connection cost time, and nothing else."""
    busy: dict[int, tuple[int, dict[str, str]]] = {
        2: (429, {"retry-after-ms": "20"}),
        4: (503, {"retry-after": "0"}),
        6: (0, {}),
    }
    with in_front_of(there.http, busy=busy) as front:
        ran = file.bring(tmp_path / "pages", "--from", front.url, key=there.secret)
    assert ran.code == 0, (ran.out, ran.err)
    assert len(front.asked) == len(set(front.asked)) + len(busy)


def test_what_is_refused_while_fetching_is_told_in_a_line(
    file: Here, there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the middle of several lists, which end with it; and what was got is still good."""
    with in_front_of(there.http, busy={9: (400, {})}) as front:
        pages = tmp_path / "pages"
        refused = file.bring(pages, "--from", front.url, key=there.secret).failure()
        assert "answered status 400" in refused
        ran = file.bring(pages, "--from", front.url, key=there.secret)
        assert ran.code == 0, (ran.out, ran.err)
    closed = file.bring(tmp_path / "closed", "--from", "http://127.0.0.1:1", key="k").failure()
    assert "did not answer, 3 times over (ConnectError" in closed
    other = file.bring(tmp_path / "other", "--from", "api.stripe.com", key="k").failure()
    assert "api.stripe.com is no base URL. Give one such as https://api.stripe.com." in other
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_wrong")
    refused = file.bring(tmp_path / "wrong", "--from", there.url).failure()
    assert "The account refuses the key (status 401)." in refused
    monkeypatch.delenv("STRIPE_API_KEY")
    refused = file.bring(tmp_path / "none", "--from", there.url).failure()
    assert "There is no key to fetch with. Set STRIPE_API_KEY" in refused


def test_without_the_sdk_it_says_what_to_install(
    file: Here, fetched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved pages need none."""
    monkeypatch.setitem(sys.modules, "drawdown.importing.stripe.sdk", None)
    refused = file.bring(tmp_path / "pages", "--from", "http://127.0.0.1:1", key="k").failure()
    assert "Fetching needs Stripe's SDK, which is not installed. Install it" in refused
    assert file.bring(fetched, "--dry-run").code == 0


def test_whatever_was_got_before_a_kill_is_not_asked_for_again(
    file: Here, there: There, tmp_path: Path
) -> None:
    """Killed at once in the middle of fetching, and run again: each page is asked for once more at most."""
    pages, stopped = tmp_path / "pages", Event()
    with in_front_of(there.http, halt_at=12, stopped=stopped) as front:
        key = tmp_path / "vendors.key"
        key.write_text(there.secret)
        words = ["import", "stripe", "--from", front.url, "--pages", str(pages), "--mode", "test"]
        words += ["--key-file", str(key), "--database", file.url]
        process = subprocess.Popen(
            [sys.executable, "-m", "drawdown", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert stopped.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        got = len(list(pages.rglob("*.json"))) - 1  # one says where it is from
        assert got >= 8  # at most as many are under way as are asked for at once
        assert file.is_empty()
        front.settle()
        before = len(front.asked)
        front.go_on()
        ran = file.bring(pages, "--from", front.url, key=there.secret)
    assert ran.code == 0, (ran.out, ran.err)
    again = front.asked[before:]
    assert len(again) == len(set(again))
    assert len(again) == len(list(pages.rglob("0*.json"))) - got
