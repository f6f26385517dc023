"""An account got over a socket, from a second Drawdown that speaks Dodo."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from drawdown.core.times import text_of
from drawdown.engine.clocks import SystemClock
from tests.importing.front import in_front_of
from tests.importing.here import Here
from tests.importing.there import There

#: Of these, what is answered here is as it was there; who answers, and when it was changed, is not.
OURS = {"business_id", "brand_id", "updated_at", "last_transaction_at", "translations"}


def same(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: each[name] for name in each if name not in OURS} for each in found]


def everything(ask: Callable[..., list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """All that the vendor's API answers about credit, by what was asked."""
    people = ask("/customers")  # whose order is that of their ids, which own ids have anew
    found = {
        "/customers": sorted(people, key=lambda each: str(each["customer_id"])),
        "/credit-entitlements": ask("/credit-entitlements"),
        "deleted": ask("/credit-entitlements", deleted="true"),
    }
    for kind in [each["id"] for each in found["/credit-entitlements"] + found["deleted"]]:
        path = f"/credit-entitlements/{kind}/balances"
        balances = found[path] = ask(path)
        for each in balances:
            each.pop("created_at")  # of the row: it is made as the balance comes here
            each.pop("id")
        for customer in [each["customer_id"] for each in balances]:
            wallet = f"{path}/{customer}"
            found[f"{wallet}/ledger"] = ask(f"{wallet}/ledger")
            for status in ("active", "expired", "depleted"):
                grants = ask(f"{wallet}/grants", status=status)
                found[f"{wallet} {status}"] = sorted(grants, key=lambda each: str(each["id"]))
    return {path: same(items) for path, items in found.items()}


def by_now(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Time stands still there: what has expired by now is taken from what it answers."""
    now = text_of(SystemClock().now())
    for path in [each for each in found if each.endswith(" active")]:
        wallet = path.removesuffix(" active")
        over = [each for each in found[path] if (each["expires_at"] or "9") <= now]
        found[path] = [each for each in found[path] if each not in over]
        ended = [{**each, "is_expired": True, "remaining_amount": "0"} for each in over]
        expired = f"{wallet} expired"
        found[expired] = sorted([*found[expired], *ended], key=lambda each: str(each["id"]))
        balances, _, customer = wallet.rpartition("/")
        for each in found[balances]:
            if each["customer_id"] == customer:
                lost = sum(Decimal(one["remaining_amount"]) for one in over)
                each["balance"] = str(Decimal(each["balance"]) - lost)
    return found


def test_all_that_is_answered_there_is_answered_here(
    here: Here, there: There, fetched: Path
) -> None:
    """Entitlement by entitlement, grant by grant and row by row, in the same order, by the same ids."""
    report = here.report(fetched)
    assert report["equal"], report
    assert report["source"] == there.url
    assert here.verified()["wallets"] == 7
    with here.served() as (_, http):

        def ask(path: str, **query: Any) -> list[dict[str, Any]]:
            answer = http.get(f"/dodo{path}", params={**query, "page_size": 100})
            assert answer.is_success, answer.text
            items: list[dict[str, Any]] = answer.json()["items"]
            return items

        shown, expected = everything(ask), by_now(everything(there.list))
        assert shown.keys() == expected.keys()
        for path, items in expected.items():
            assert shown[path] == items, path


def test_a_dry_run_fetches_and_checks_and_writes_nothing(file: Here, fetched: Path) -> None:
    """It says what would be made, and is done on the ledger as it is."""
    before = Path(file.url.removeprefix("sqlite:///")).read_bytes()
    report = file.report(fetched, "--dry-run")
    assert (report["dry_run"], report["equal"]) == (True, True)
    assert report["customers_here"] == 4
    assert file.is_empty()
    assert file.verified()["wallets"] == 0
    assert Path(file.url.removeprefix("sqlite:///")).read_bytes() == before


def test_a_server_that_counts_pages_from_one_is_read_as_well(
    file: Here, there: There, fetched: Path, tmp_path: Path
) -> None:
    """Its first page comes twice: pages 0 and 1 are the same."""

    def from_one(query: httpx.QueryParams) -> httpx.QueryParams:
        number = int(query["page_number"])
        return query.set("page_number", str(max(number - 1, 0)))

    with in_front_of(there.http, "/dodo", query=from_one) as front:
        ran = file.bring(tmp_path / "pages", "--from", front.url, key=there.secret)
    assert ran.code == 0, (ran.out, ran.err)
    found = [file.report(each, "--dry-run") for each in (tmp_path / "pages", fetched)]
    assert found[0]["customers_there"] == found[1]["customers_there"] == 4
    assert found[0]["entitlements"] == found[1]["entitlements"]


def test_it_waits_as_it_is_told_and_asks_again(file: Here, there: There, tmp_path: Path) -> None:
    """Too many requests, a fault and a broken connection cost time, and nothing else."""
    busy: dict[int, tuple[int, dict[str, str]]] = {
        2: (429, {"retry-after-ms": "20"}),
        4: (429, {"x-ratelimit-reset": str(int(time.time()) + 1)}),
        6: (503, {"retry-after": "0"}),
        9: (0, {}),
    }
    with in_front_of(there.http, "/dodo", busy=busy) as front:
        ran = file.bring(tmp_path / "pages", "--from", front.url, key=there.secret)
    assert ran.code == 0, (ran.out, ran.err)
    assert len(front.asked) == len(set(front.asked)) + len(busy)


def test_a_key_that_opens_nothing_is_told(
    file: Here, there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DODO_PAYMENTS_API_KEY", "sk_test_wrong")
    refused = file.bring(tmp_path / "pages", "--from", there.url).failure()
    assert "The account refuses the key (status 401)." in refused


def test_what_is_refused_while_fetching_is_told_in_a_line(
    file: Here, there: There, tmp_path: Path
) -> None:
    """Also in the middle of several lists, which end with it; and what was got is still good."""
    with in_front_of(there.http, "/dodo", busy={11: (400, {})}) as front:
        refused = file.bring(tmp_path / "pages", "--from", front.url, key=there.secret).failure()
        assert "answered status 400" in refused
        ran = file.bring(tmp_path / "pages", "--from", front.url, key=there.secret)
        assert ran.code == 0, (ran.out, ran.err)
    root = there.url.removesuffix("/dodo")
    refused = file.bring(tmp_path / "none", "--from", root, key=there.secret).failure()
    assert "The account has no /credit-entitlements (status 404)." in refused
    closed = file.bring(tmp_path / "closed", "--from", "http://127.0.0.1:1", key="k").failure()
    assert "did not answer, 3 times over (ConnectError" in closed


def test_a_folder_is_of_one_account(file: Here, there: There, fetched: Path) -> None:
    """Pages of another server are not mixed in; and a folder of other files is left alone."""
    other = "http://127.0.0.1:1/dodo"
    refused = file.bring(fetched, "--from", other, key=there.secret).failure()
    assert f"has pages of {there.url}, not of {other}" in refused
    refused = file.bring(file.folder, "--from", there.url, key=there.secret).failure()
    assert "has files that were not fetched" in refused


@pytest.mark.parametrize("url", ["live.dodopayments.com", "ftp://x", "https://a@b", "https://"])
def test_a_base_url_is_one(file: Here, tmp_path: Path, url: str) -> None:
    refused = file.bring(tmp_path / "pages", "--from", url, key="k").failure()
    assert f"{url} is no base URL." in refused


def test_without_a_key_nothing_is_fetched(
    file: Here, there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes from a file, the variable, or whoever sits there; it is no argument."""
    monkeypatch.delenv("DODO_PAYMENTS_API_KEY", raising=False)
    refused = file.bring(tmp_path / "pages", "--from", there.url).failure()
    assert "There is no key to fetch with. Set DODO_PAYMENTS_API_KEY" in refused
    refused = file.bring(
        tmp_path / "pages", "--from", there.url, "--key-file", tmp_path / "none"
    ).failure()
    assert "The key cannot be read from" in refused


def test_whatever_was_got_before_a_kill_is_not_asked_for_again(
    file: Here, there: There, tmp_path: Path
) -> None:
    """Killed at once in the middle of fetching, and run again: each page is asked for once more at most."""
    pages, stopped = tmp_path / "pages", Event()
    with in_front_of(there.http, "/dodo", halt_at=12, stopped=stopped) as front:
        key = tmp_path / "vendors.key"
        key.write_text(there.secret)
        words = ["import", "dodo", "--from", front.url, "--pages", str(pages), "--mode", "test"]
        words += ["--key-file", str(key), "--database", file.url]
        process = subprocess.Popen(
            [sys.executable, "-m", "drawdown", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert stopped.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        got = len(list(pages.rglob("*.json")))
        assert got >= 8  # at most as many are under way as are asked for at once
        assert file.is_empty()
        front.settle()
        before = len(front.asked)
        front.go_on()
        ran = file.bring(pages, "--from", front.url, key=there.secret)
    assert ran.code == 0, (ran.out, ran.err)
    again = front.asked[before:]
    assert len(again) == len(set(again))
    assert len(again) == len(list(pages.rglob("0*.json"))) - (got - 1)  # one says where it is from
