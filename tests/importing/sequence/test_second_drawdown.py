"""An account got over a socket, from a second Drawdown that speaks Sequence."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from tests.conftest import NewUrl
from tests.importing.front import in_front_of
from tests.importing.here import Here, a_book
from tests.importing.sequence.there import BASE, NEW_YEAR, There, fill
from tests.support.clocked_server import clocked_server

Ask = Callable[..., Any]
#: Who answers is another account, and a metric is a new one.
OURS = ("sequenceAccountId",)


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
    here = a_book(f"sqlite:///{folder / 'here.db'}", folder, "sequence")
    ran = here.bring(folder / "pages", "--from", there.url, "--dry-run", key=there.secret)
    assert ran.code == 0, (ran.out, ran.err)
    return folder / "pages"


def same(found: Any) -> Any:
    """Without what is ours."""
    if isinstance(found, dict):
        return {name: same(each) for name, each in found.items() if name not in OURS}
    return [same(each) for each in found] if isinstance(found, list) else found


def everything(ask: Ask) -> dict[str, Any]:
    """All that the vendor's API answers about credit, by what was asked."""
    found: dict[str, Any] = {
        "/customers": [_person(each) for each in ask("/customers", limit=100)["items"]],
        "/usage-metrics": ask("/usage-metrics", limit=100)["items"],
        "/credits": ask("/credits", limit=100)["items"],
    }
    deleted = [each["id"] for each in found["/usage-metrics"] if "deletedAt" in each]
    # What is of a metric that was deleted comes first, and so is the last of a list.
    found["/credits"].sort(key=lambda each: each.get("metricId") in deleted)
    for person in found["/customers"]:
        name = person["id"]
        for path in (f"/credits/{name}/grants", f"/credits/{name}/balances"):
            found[path] = ask(path)["items"]
        for balance in found[f"/credits/{name}/balances"]:
            balance["transactions"].sort(key=lambda each: each["id"])
        found[f"/credits/{name}/balances"].sort(key=lambda each: str(each["id"]))
        for text in person["customerAliases"]:
            assert ask(f"/customers/by-alias/{text}")["id"] == name
    for each in found["/credits"]:
        found[f"/credits/{each['id']}"] = ask(f"/credits/{each['id']}")
    for each in found["/usage-metrics"]:
        found[f"/usage-metrics/{each['id']}"] = ask(f"/usage-metrics/{each['id']}")
    return {path: same(each) for path, each in found.items()}


def _person(found: Any) -> Any:
    """Contacts have ids of their own; an own id of there is an alias like others."""
    contacts = [
        {name: each[name] for name in ("name", "email", "billingPreference")}
        for each in found["contacts"]
    ]
    aliases = sorted(found.get("customerAliases", []))
    archived = "archivedAt" in found
    rest = {name: each for name, each in found.items() if name != "archivedAt"}
    return {**rest, "contacts": contacts, "customerAliases": aliases, "archived": archived}


def test_all_that_is_answered_there_is_answered_here(new_url: NewUrl, tmp_path: Path) -> None:
    """Customers, metrics, grants and transactions, one by one and in lists: in one order, by the same ids."""
    with new_url() as source, new_url() as url, an_account(source) as there:
        here = a_book(url, tmp_path, "sequence")
        ran = here.bring(tmp_path / "pages", "--from", there.url, key=there.secret)
        assert ran.code == 0, (ran.out, ran.err)
        expected = everything(there.get)
        reasons = {row.get("reason") for row in _rows(expected)}
        assert {"Expired", "Voided", "Test"} <= reasons
        assert here.verified()["ok"]
        with here.serving() as http:

            def ask(path: str, **query: Any) -> Any:
                answer = http.get(BASE + path, params=query)
                assert answer.is_success, (path, answer.text)
                return answer.json()

            shown = everything(ask)
        assert shown.keys() == expected.keys()
        for path, answer in expected.items():
            assert shown[path] == answer, path


def _rows(found: dict[str, Any]) -> list[Any]:
    return [
        row
        for path, answer in found.items()
        if path.endswith("/balances")
        for balance in answer
        for row in balance["transactions"]
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


def test_it_waits_as_it_is_told_and_asks_again(file: Here, there: There, tmp_path: Path) -> None:
    """Too many requests, a fault and a broken connection cost time, and nothing else."""
    busy: dict[int, tuple[int, dict[str, str]]] = {
        2: (429, {"retry-after": "0"}),
        4: (503, {"retry-after": "0"}),
        6: (0, {}),
    }
    with in_front_of(there.http, BASE, busy=busy) as front:
        ran = file.bring(tmp_path / "pages", "--from", front.url, key=there.secret)
    assert ran.code == 0, (ran.out, ran.err)
    assert len(front.asked) == len(set(front.asked)) + len(busy)


def test_lists_are_followed_by_their_cursors(file: Here, there: There, tmp_path: Path) -> None:
    """Page by page, however small the vendor's are."""

    def two(query: httpx.QueryParams) -> httpx.QueryParams:
        return query.set("limit", "2") if "limit" in query else query

    with in_front_of(there.http, BASE, query=two) as front:
        ran = file.bring(tmp_path / "pages", "--from", front.url, key=there.secret)
    assert ran.code == 0, (ran.out, ran.err)
    assert len(list((tmp_path / "pages" / "grants").glob("*.json"))) > 5


def test_what_is_refused_while_fetching_is_told_in_a_line(
    file: Here, there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the middle of several lists, which end with it; and what was got is still good."""
    with in_front_of(there.http, BASE, busy={7: (400, {})}) as front:
        pages = tmp_path / "pages"
        refused = file.bring(pages, "--from", front.url, key=there.secret).failure()
        assert "answered status 400" in refused
        ran = file.bring(pages, "--from", front.url, key=there.secret)
        assert ran.code == 0, (ran.out, ran.err)
    url = "http://127.0.0.1:1/api"
    closed = file.bring(tmp_path / "closed", "--from", url, key="k:s").failure()
    assert "did not answer, 3 times over (ConnectError" in closed
    other = file.bring(tmp_path / "other", "--from", "eu.sequencehq.com", key="k:s").failure()
    assert "Give one such as https://eu.sequencehq.com/api." in other
    half = file.bring(tmp_path / "half", "--from", there.url, key="secret").failure()
    assert "The key is no client id and secret. Give both, with a colon between them." in half
    assert "secret." not in half.replace("client id and secret.", "")
    monkeypatch.setenv("SEQUENCE_CLIENT_ID", there.secret.partition(":")[0])
    monkeypatch.setenv("SEQUENCE_CLIENT_SECRET", "sk_test_wrong")
    refused = file.bring(tmp_path / "wrong", "--from", there.url).failure()
    assert "The account refuses the key (status 401)." in refused
    assert "sk_test_wrong" not in refused
    monkeypatch.delenv("SEQUENCE_CLIENT_SECRET")
    refused = file.bring(tmp_path / "none", "--from", there.url).failure()
    assert "There is no key to fetch with. Set SEQUENCE_CLIENT_SECRET" in refused


def test_the_secret_is_in_no_page(there: There, fetched: Path) -> None:
    secret = there.secret.partition(":")[2]
    pages = [path.read_text() for path in fetched.rglob("*") if path.is_file()]
    assert pages
    assert not any(secret in each for each in pages)


def test_whatever_was_got_before_a_kill_is_not_asked_for_again(
    file: Here, there: There, tmp_path: Path
) -> None:
    """Killed at once in the middle of fetching, and run again: each page is asked for once more at most."""
    pages, stopped = tmp_path / "pages", Event()
    with in_front_of(there.http, BASE, halt_at=7, stopped=stopped) as front:
        key = tmp_path / "vendors.key"
        key.write_text(there.secret)
        words = ["import", "sequence", "--from", front.url, "--pages", str(pages), "--mode", "test"]
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
        assert got >= 3  # at most as many are under way as are asked for at once
        assert file.is_empty()
        front.settle()
        before = len(front.asked)
        front.go_on()
        ran = file.bring(pages, "--from", front.url, key=there.secret)
    assert ran.code == 0, (ran.out, ran.err)
    again = front.asked[before:]
    assert len(again) == len(set(again))
    assert len(again) == len(list(pages.rglob("0*.json"))) - got
