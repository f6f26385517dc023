"""An account whose pages somebody saved: brought over with the vendor's ids, to the last unit."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from drawdown.core.commands import CreateCustomer, CreateEntitlement
from tests.importing.here import Here
from tests.importing.sequence.saved import ACCOUNT as ACCOUNT_ID
from tests.importing.sequence.saved import (
    LATER,
    Grant,
    Object,
    Saved,
    an_account,
    at,
    date,
    vendor_id,
)
from tests.support.commands import drawdown

ACCOUNT = an_account()
ADA, BOB, EVE, IDLE = [each["id"] for each in ACCOUNT.customers]
GONE = ACCOUNT.unlisted[0]["id"]
CALLS, OLD, SCORE = [each["id"] for each in ACCOUNT.metrics]
LAST = next(each for each in ACCOUNT.of(EVE) if not each.rows and each.left == 5)
BASE = "/sequence"


def get(http: httpx.Client, path: str, **query: Any) -> Any:
    answer = http.get(BASE + path, params=query)
    assert answer.is_success, (path, answer.text)
    return answer.json()


def listed(http: httpx.Client, path: str) -> list[Any]:
    """All of a list, page by page, as the vendor's clients go on."""
    found: list[Any] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = get(http, path, **query)
        found += page["items"]
        if "after" not in page["pagination"]:
            return found
        query["after"] = page["pagination"]["after"]


def kept(shown: Object, record: Object) -> Object:
    """What of an object was on the pages, too."""
    return {name: shown.get(name) for name in record if name != "sequenceAccountId"}


def same(shown: Object, record: Object) -> None:
    assert kept(shown, record) == {
        name: each for name, each in record.items() if name != "sequenceAccountId"
    }


def test_all_of_it_is_there_by_the_vendors_ids(here: Here, saved: Path) -> None:
    """The same objects, by the same ids, as at the vendor; and the books add up."""
    report = here.report(saved)
    assert report["equal"], report
    assert (report["customers_there"], report["customers_here"]) == (5, 5)
    assert report["business"] == ACCOUNT_ID
    assert sorted(each["id"] for each in report["entitlements"]) == sorted(
        [CALLS, OLD, SCORE, "eur", "usd"]
    )
    assert here.verified()["ok"]
    with here.serving() as http:
        _check_people(http)
        _check_metrics(http)
        _check_grants(http)
        _check_balances(http)


def _check_people(http: httpx.Client) -> None:
    people = {each["id"]: each for each in listed(http, "/customers")}
    assert people.keys() == {ADA, BOB, EVE, IDLE, GONE}
    for record in ACCOUNT.customers:
        shown = get(http, f"/customers/{record['id']}")
        assert shown == people[record["id"]]
        bare = {
            name: each
            for name, each in record.items()
            if name not in ("contacts", "customerAliases")
        }
        same(shown, bare)
        assert [each["email"] for each in shown["contacts"]] == [
            each["email"] for each in record["contacts"]
        ]
    assert people[ADA]["customerAliases"] == ["a-1", "acme", "acme.eu"]
    assert people[BOB]["customerAliases"] == ["bob"]
    assert "customerAliases" not in people[EVE]
    assert "archivedAt" in people[GONE]
    assert get(http, "/customers/by-alias/a-1")["id"] == ADA
    aliases = listed(http, "/customer-aliases")
    assert {(each["customerId"], each.get("label")) for each in aliases} == {
        (ADA, "as Ada"),
        (ADA, None),  # the one that only his own record has
        (BOB, "as Bob"),
    }
    assert http.get(f"/api/v1/customers/{ADA}").is_success


def _check_metrics(http: httpx.Client) -> None:
    shown = {each["id"]: each for each in listed(http, "/usage-metrics")}
    assert shown.keys() == {CALLS, OLD}  # what a CUSTOM metric computes nobody knows
    for record in ACCOUNT.metrics[:2]:
        same(shown[record["id"]], record)
        assert get(http, f"/usage-metrics/{record['id']}") == shown[record["id"]]


def _check_grants(http: httpx.Client) -> None:
    """What has expired since it was asked is so here, and no other number is another."""
    shown = {each["id"]: each for each in listed(http, "/credits")}
    assert shown.keys() == {each.id for each in ACCOUNT.grants}
    for each in ACCOUNT.grants:
        record = dict(each.shown)
        if record.get("expiryDate", LATER) < LATER:
            record |= {"currentBalance": "0"}
        same(shown[each.id], record)
        one = get(http, f"/credits/{each.id}")
        assert kept(one, shown[each.id]) == kept(shown[each.id], shown[each.id])
    outstanding = get(http, f"/credits/{ADA}/grants")["items"]
    assert {each["id"]: Decimal(str(each["balance"])) for each in outstanding} == {
        each.id: each.left
        for each in ACCOUNT.of(ADA)
        if each.left and each.shown.get("expiryDate", LATER) == LATER
    }
    assert outstanding[0]["issueDate"] == ACCOUNT.of(ADA)[1].shown["createdAt"][:10]


def _check_balances(http: httpx.Client) -> None:
    """Transactions are the vendor's; with that a grant was made, they add up to the balance."""
    for customer in (ADA, BOB, EVE, GONE):
        for balance in get(http, f"/credits/{customer}/balances")["items"]:
            total = sum(
                (Decimal(row["amount"]) * (1 if row["type"] == "CREDIT" else -1))
                for row in balance["transactions"]
            )
            assert total == Decimal(balance["balance"]), balance
            theirs = [each for each in ACCOUNT.of(customer) if each.credit == balance["id"]]
            assert len(balance["grants"]) == len(theirs)
            expected = [row for each in theirs for row in each.rows]
            shown = {row["id"]: row for row in balance["transactions"]}
            for row in expected:
                assert shown[row["id"]] == row
            ended = [row for row in balance["transactions"] if row["id"] not in _ids(expected)]
            assert {row.get("reason") for row in ended} <= {
                None,
                "Expired",
                "Brought over from Sequence",
            }


def _ids(rows: list[Object]) -> set[str]:
    return {row["id"] for row in rows}


def test_what_is_left_out_is_told(file: Here, saved: Path) -> None:
    report = file.report(saved, "--dry-run")
    told = "\n".join(report["left_out"])
    assert f"aliases that nobody can have here: 1: 'Bob & Sons' of {BOB}" in told
    assert f"Score ({SCORE}): aggregationType must be COUNT, SUM or UNIQUE" in told
    assert "those of 1 grants" in told
    assert "usage events: " in told
    assert "notification policies: nobody can read their secrets" in told


def test_it_goes_on_where_it_was(here: Here, saved: Path) -> None:
    """What is used from now on draws on the vendor's grants, by its aliases, metrics and ids."""
    assert here.bring(saved).code == 0
    first, units, _ = ACCOUNT.of(ADA)[:3]
    with here.serving() as http:
        event = {
            "customerAlias": "acme",
            "eventType": "calls",
            "customerEventId": "e-1",
            "eventProperties": {"units": 80, "region": "eu"},
        }
        assert http.post(f"{BASE}/usage-events", json=event).status_code == 201
        assert get(http, f"/credits/{units.id}")["currentBalance"] == "299.999999"
        [used] = get(http, "/usage-events")["items"]
        assert (used["customerAlias"], used["customerEventId"]) == (ADA, "e-1")
        bob = ACCOUNT.customers[1]
        child = {name: bob[name] for name in ("legalName", "address", "taxStatus")}
        child |= {"parentId": ADA, "contacts": []}
        assert http.post(f"{BASE}/customers", json=child).json()["parentId"] == ADA
        old = get(http, f"/credits/{first.id}")
        moved = http.post(
            f"{BASE}/credit-transactions",
            headers={"On-Behalf-Of": old["sequenceAccountId"]},
            json={"grantId": first.id, "type": "CREDIT", "amount": "100", "reason": "Refund"},
        )
        assert moved.status_code == 201, moved.text
        assert moved.json()["grantId"] == first.id
        [usd] = [
            each for each in get(http, f"/credits/{ADA}/balances")["items"] if each["id"] == "USD"
        ]
        assert usd["transactions"][0] == moved.json()
        assert usd["transactions"][1]["id"] not in (moved.json()["id"], None)
        more = {
            "customerId": ADA,
            "name": "More",
            "creditUnitType": "METRIC",
            "metricId": CALLS,
            "currency": "USD",
            "amount": 5,
        }
        made = http.post(f"{BASE}/credits", json=more)
        assert made.status_code == 201, made.text
        assert (made.json()["customerId"], made.json()["metricId"]) == (ADA, CALLS)
        counted = get(
            http,
            f"/usage-metrics/{CALLS}/calculate",
            customerAliases=ADA,
            periodStart="2025-01-01",
            periodEnd="2098-01-01",
        )
        assert (counted["value"], counted["eventCount"]) == (80, 1)
        archived = http.post(f"{BASE}/credits", json=more | {"customerId": GONE})
        assert archived.json()["error"]["type"] == "InvalidState"
        deleted = http.post(f"{BASE}/credits", json=more | {"metricId": OLD})
        assert deleted.json()["error"]["type"] == "InvalidState"


def test_days_are_those_of_the_account(file: Here, tmp_path: Path) -> None:
    """A grant's last day ends where the account's zone has midnight."""
    saved = Saved()
    grant = saved.grant(saved.customer("Ada"), "5", 1, expiryDate="2098-07-01")
    drawdown("accounts", "set", "default", "--zone", "America/New_York", "--database", file.url)
    assert file.report(saved.save(tmp_path / "zone"))["equal"]
    with file.serving() as http:
        assert get(http, f"/credits/{grant.id}")["expiryDate"] == "2098-07-01"
        [found] = http.get("/api/v1/grants").json()["data"]
        assert found["expires_at"] == "2098-07-02T04:00:00Z"


def test_again_is_once(here: Here, saved: Path) -> None:
    """Everything is under a key of the vendor's id."""
    assert here.bring(saved).code == 0
    before = here.verified()
    assert here.report(saved)["equal"]
    assert here.verified() == before


def test_what_was_used_since_is_told_and_not_undone(file: Here, saved: Path) -> None:
    """Whoever imports again afterwards is shown what is otherwise, by customer and grant."""
    grant = ACCOUNT.of(BOB)[0]
    with file.serving() as http:
        assert file.bring(saved).code == 0
        body = {"customer": BOB, "entitlement": "usd", "amount": "1", "idempotency_key": "a"}
        assert http.post("/api/v1/debits", json=body).is_success
    ran = file.bring(saved)
    assert ran.code == 1
    [line] = [each for each in ran.out.splitlines() if each.startswith("Not the same")]
    assert line == (
        f"Not the same in USD: customer {BOB}: balance, balance of {grant.id}, "
        "outstanding grants, balance"
    )


def test_pages_that_say_something_else_now_are_refused(file: Here, saved: Path) -> None:
    """A grant is brought over once: of what was used of it there since, nothing is made here."""
    assert file.bring(saved).code == 0
    account = an_account()
    grant = account.of(BOB)[0]
    grant.move("DEBIT", "100", 50)
    refused = file.bring(account.save(file.folder / "later")).failure()
    assert f"The grant {grant.id} was brought over before" in refused


def test_what_is_in_the_way_is_named(file: Here, saved: Path) -> None:
    """Another customer of the book with the vendor's id is not taken for him."""
    file.apply(CreateCustomer(own_id=ADA))
    refused = file.bring(saved).failure()
    assert f"The book has a customer {ADA} that was not brought over from Sequence." in refused


def test_an_alias_that_another_has_is_named(file: Here, saved: Path) -> None:
    file.apply(CreateCustomer(own_id="acme"))
    assert "The alias acme cannot be made" in file.bring(saved).failure()


def test_an_alias_that_was_taken_back_is_not_brought_over(file: Here, tmp_path: Path) -> None:
    """Another may have been given it since."""
    account = Saved()
    account.customer("Ada", "acme")
    bob = account.customer("Bob", "gone", "acme")
    account.aliases[0]["deletedAt"] = account.aliases[1]["deletedAt"] = at(2)
    account.aliases[2]["id"] = vendor_id("alias", "acme", 1)
    assert file.report(account.save(tmp_path / "back"))["equal"]
    with file.serving() as http:
        assert [each["value"] for each in listed(http, "/customer-aliases")] == ["acme"]
        assert get(http, "/customers/by-alias/acme")["id"] == bob


def test_a_name_that_other_credit_has_is_named(file: Here, saved: Path) -> None:
    file.apply(CreateEntitlement(name="Calls", unit="call", scale=0))
    refused = file.bring(saved).failure()
    assert f"The metric {OLD} cannot be made" in refused


def test_a_balance_that_the_grants_do_not_explain_is_told_first(file: Here, saved: Path) -> None:
    """Nothing is written; with --accept-differences the grants decide, and the customer is named."""
    path = saved / "balances" / EVE / "0.json"
    page = json.loads(path.read_text())
    [usd] = [each for each in page["items"] if each["id"] == "USD"]
    usd["balance"] = "7"
    path.write_text(json.dumps(page))
    ran = file.bring(saved)
    assert ran.code == 1
    told = f"Does not add up there: customer {EVE}: usd: the balance is 7, and 2855.2 remains"
    assert told in ran.out
    assert file.is_empty()
    report = file.report(saved, "--accept-differences")
    assert not report["equal"]
    [usd] = [each for each in report["entitlements"] if each["id"] == "usd"]
    assert usd["customers"] == [f"{EVE}: balance"]
    assert file.verified()["ok"]


def test_a_balance_is_found_by_its_grants_whatever_its_id(file: Here, saved: Path) -> None:
    """The vendor's schema calls it by its currency, and its example by some id."""
    path = saved / "balances" / EVE / "0.json"
    page = json.loads(path.read_text())
    for each in page["items"]:
        each["id"] = "5a4bd5e3-0000-4000-8000-000000000000"
    path.write_text(json.dumps(page))
    assert file.report(saved)["equal"]


def test_what_was_asked_later_holds(file: Here, tmp_path: Path) -> None:
    """A grant was used, and another made, between the list of grants and the balances."""
    account = Saved()
    ada = account.customer("Ada")
    grant = account.grant(ada, "10", 1)
    pages = account.save(tmp_path / "moved")
    before = (pages / "grants" / "0.json").read_text()
    grant.move("DEBIT", "4", 2)
    later = account.grant(ada, "3", 3)
    account.save(pages)
    for path in (pages / "grants").glob("*.json"):
        path.unlink()
    (pages / "grants" / "0.json").write_text(before)
    assert file.report(pages)["equal"]
    with file.serving() as http:
        assert get(http, f"/credits/{grant.id}")["currentBalance"] == "6"
        assert get(http, f"/credits/{later.id}")["currentBalance"] == "3"


def test_what_cannot_be_said_of_a_grant_is_its_opening_entry(file: Here, saved: Path) -> None:
    """Where the vendor's transactions are not all, those of here stand in their place."""
    assert file.bring(saved).code == 0
    with file.serving() as http:
        [usd] = [
            each for each in get(http, f"/credits/{EVE}/balances")["items"] if each["id"] == "USD"
        ]
    rows = [row for row in usd["transactions"] if row["grantId"] == LAST.id]
    assert [(row["type"], row["amount"]) for row in rows] == [("DEBIT", "4"), ("CREDIT", "9")]


# Pages that cannot be brought over ---------------------------------------------------------------


def change_record(folder: Path, identifier: str, change: Callable[[Object], None]) -> None:
    """Of one record, on whichever pages of its list it is; or of what is no list."""
    for path in folder.glob("*.json"):
        page = json.loads(path.read_text())
        found = [each for each in page["items"] if each["id"] == identifier]
        for each in found:
            change(each)
        path.write_text(json.dumps(page))


def put(**values: Any) -> Callable[[Object], None]:
    return lambda record: record.update(values)


def drop(*names: str) -> Callable[[Object], None]:
    def change(record: Object) -> None:
        for each in names:
            del record[each]

    return change


USED: Grant = ACCOUNT.of(GONE)[0]
OF_GONE = f"balances/{GONE}"
WRONG: list[tuple[str, str, Callable[[Object], None], str]] = [
    ("customers", ADA, put(legalName=5), "Expected `str`, got `int` - at `$.legalName`"),
    ("customers", ADA, put(createdAt=f"{LATER}T00:00:00Z"), "createdAt must be in the past"),
    ("customers", ADA, put(createdAt="soon"), "createdAt must be"),
    ("customers", ADA, put(taxStatus="FREE"), "Invalid enum value 'FREE' - at `$.taxStatus`"),
    ("customers", ADA, put(id="../../x"), "id must be 1 to 64 characters of"),
    ("customers", ADA, put(customerAliases=["bob"]), "must be those of one customer; bob is of"),
    ("aliases", ACCOUNT.aliases[0]["id"], put(customerId=CALLS), "customerId must be that of a"),
    ("aliases", ACCOUNT.aliases[0]["id"], put(value="bob"), "must be that of one customer; bob"),
    ("metrics", CALLS, put(aggregationType="MAX"), "Invalid enum value 'MAX'"),
    ("metrics", CALLS, put(sequenceAccountId="another"), "has pages of 2 accounts"),
    ("metrics", OLD, drop("deletedAt"), "name must be not that of"),
    ("grants", USED.id, put(customerId=CALLS), "customerId must be that of a customer on the"),
    ("grants", USED.id, put(type="GIFT"), "Invalid enum value 'GIFT' - at `$.type`"),
    (OF_GONE, "USD", put(balance="-1"), "balance must be"),
    (OF_GONE, "USD", put(balance="3.00000000001"), "balance"),
]


@pytest.mark.parametrize(("name", "record", "change", "told"), WRONG)
def test_a_tampered_page_is_refused_before_anything_is_written(
    empty: Here, saved: Path, name: str, record: str, change: Callable[[Object], None], told: str
) -> None:
    """The refusal names the page, the record and the field."""
    change_record(saved / name, record, change)
    refused = empty.bring(saved).failure()
    assert told in refused
    assert empty.is_empty()


#: Nothing of it was used, and it is to end before it begins.
UNBEGUN = put(originalAmount="3", effectiveDate=LATER, expiryDate="2098-12-30")
OF_GRANT: list[tuple[Callable[[Object], None], str]] = [
    (put(customerId=BOB), f"customerId must be {GONE}, whose page it is on"),
    (put(currency="XXX"), "currency must be an ISO 4217 currency code"),
    (put(type="USAGE"), "metricId must be given where type is USAGE"),
    (put(originalAmount="0", currentBalance="0"), "originalAmount must be more than 0"),
    (put(originalAmount="1e3"), "originalAmount must be"),
    (put(currentBalance="6"), "currentBalance must be at most the original amount"),
    (put(costOfCredit="0.00000000001"), "costOfCredit"),
    (put(expiryDate="2026-02-30"), "expiryDate must be a calendar date"),
    (put(effectiveDate=LATER), "effectiveDate must be in the past: some of it was used"),
    (UNBEGUN, "expiryDate must be the day of effectiveDate or later"),
    (put(createdAt=f"{LATER}T00:00:00Z"), "createdAt must be in the past"),
    (put(name="a\u0000b"), "name must be without control characters"),
    (put(name=""), "at `$.items[0].grants[0].name`"),
]


@pytest.mark.parametrize(("change", "told"), OF_GRANT)
def test_a_tampered_grant_is_refused_before_anything_is_written(
    empty: Here, saved: Path, change: Callable[[Object], None], told: str
) -> None:
    change_record(saved / OF_GONE, "USD", lambda balance: change(balance["grants"][0]))
    refused = empty.bring(saved).failure()
    assert f"{OF_GONE}/0.json" in refused
    assert told in refused
    assert empty.is_empty()


OF_ROW: list[tuple[Callable[[Object], None], str]] = [
    (put(grantId=CALLS), "grantId must be that of a grant of this balance"),
    (put(type="MOVE"), "Invalid enum value 'MOVE'"),
    (put(amount="many"), "amount must be"),
    (put(createdAt=f"{LATER}T00:00:00Z"), "createdAt must be in the past"),
    (drop("date", "createdAt"), "date must be given, or createdAt"),
    (put(id=ACCOUNT.of(ADA)[0].rows[0]["id"]), "id must be that of no other transaction"),
]


@pytest.mark.parametrize(("change", "told"), OF_ROW)
def test_a_tampered_transaction_is_refused_before_anything_is_written(
    empty: Here, saved: Path, change: Callable[[Object], None], told: str
) -> None:
    change_record(saved / OF_GONE, "USD", lambda balance: change(balance["transactions"][0]))
    refused = empty.bring(saved).failure()
    assert f"{OF_GONE}/0.json" in refused or OF_GONE in refused
    assert told in refused
    assert empty.is_empty()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not a page"),
        ('{"items": {}}', "is not a page"),
        ('{"data": []}', "is not a page"),
        ('{"items": [], "pagination": {"after": "eA=="}}', "says that there is more"),
        ("\udcff", "is not a page"),
    ],
)
def test_a_page_that_is_none_is_named(empty: Here, saved: Path, text: str, told: str) -> None:
    path = saved / "grants" / "0.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    refused = empty.bring(saved).failure()
    assert str(path) in refused
    assert told in refused


@pytest.mark.parametrize("name", ["customers", "aliases", "metrics", "grants", OF_GONE])
def test_a_list_without_pages_is_missed(empty: Here, saved: Path, name: str) -> None:
    """What was not got is not taken for empty: an empty list has a page without items."""
    for path in (saved / name).glob("*.json"):
        path.unlink()
    assert name in empty.bring(saved).failure()


@pytest.mark.parametrize("name", ["customers", "aliases", "metrics", "grants"])
def test_a_list_without_its_end_is_missed(empty: Here, saved: Path, name: str) -> None:
    """The last page has no cursor to a next one."""
    last = max((saved / name).glob("*.json"), key=lambda path: int(path.stem))
    last.unlink()
    assert f"{name}: its last page says that there are more." in empty.bring(saved).failure()


def test_more_metrics_than_there_is_room_for_are_refused(empty: Here, tmp_path: Path) -> None:
    """Of those that count here; each is one meter of the book."""
    account = Saved()
    for number in range(201):
        account.metric(f"Calls {number}")
    refused = empty.bring(account.save(tmp_path / "many")).failure()
    assert "metrics: there must be at most 200, and 2,000 with those that are deleted" in refused
    assert empty.is_empty()


def test_an_account_without_anybody_is_none(file: Here, tmp_path: Path) -> None:
    """Empty lists are an account, too; a folder without them is not."""
    assert file.report(Saved().save(tmp_path / "nobody"))["equal"]
    refused = file.bring(tmp_path / "nothing").failure()
    assert "has no folder customers and no folder aliases" in refused


def test_a_grant_whose_end_has_come_since_it_was_asked_adds_up(file: Here, tmp_path: Path) -> None:
    """It is counted as of now, on both sides."""
    account = Saved()
    ada = account.customer("Ada")
    account.grant(ada, "5", 1, expiryDate=date(10))
    account.grant(ada, "7", 2)
    report = file.report(account.save(tmp_path / "due"))
    assert report["equal"]
    [usd] = report["entitlements"]
    assert {"name": "balance", "there": "7", "here": "7", "difference": "0"} in usd["totals"]
    assert at(1) < at(10)
