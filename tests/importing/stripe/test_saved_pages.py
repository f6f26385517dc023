"""An account whose pages somebody saved: brought over with the vendor's ids, to the last cent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from drawdown.core.commands import CreateCustomer
from tests.dialects.stripe.conftest import sdk
from tests.importing.here import Here
from tests.importing.stripe.saved import BEGAN, DAY, LATER, Grant, Object, Saved, an_account

ACCOUNT = an_account()
CLOCKED, ADA, BOB, EVE, IDLE = [each["id"] for each in ACCOUNT.customers]
[GONE] = ACCOUNT.deleted
GRANTS, TRANSACTIONS = "/v1/billing/credit_grants", "/v1/billing/credit_balance_transactions"
BROUGHT = sorted(
    (each for each in ACCOUNT.grants if each.shown["test_clock"] is None),
    key=lambda each: int(each.shown["created"]),
)[::-1]


def rows(*grants: Grant) -> list[Object]:
    """Newest first."""
    return sorted(ACCOUNT.rows_of(*grants), key=lambda each: int(each["created"]))[::-1]


def paged(client: stripe.StripeClient, url: str, **query: Any) -> list[Any]:
    """As the SDK goes on from page to page."""
    service = {
        GRANTS: client.v1.billing.credit_grants,
        TRANSACTIONS: client.v1.billing.credit_balance_transactions,
        "/v1/customers": client.v1.customers,
    }[url]
    found = service.list({"limit": 2, **query})  # type: ignore[attr-defined]
    return [each.to_dict() for each in found.auto_paging_iter()]


def test_all_of_it_is_there_by_the_vendors_ids(here: Here, saved: Path) -> None:
    """The vendor's SDK reads the same objects, by the same ids and in the same lists, as at the vendor."""
    report = here.report(saved)
    assert report["equal"]
    assert (report["customers_there"], report["customers_here"]) == (5, 5)
    assert [each["id"] for each in report["entitlements"]] == ["jpy", "usd"]
    assert report["left_out"] == ["grants of customers on test clocks: 1, of 1 customers"]
    assert here.verified()["wallets"] == 5
    with here.serving() as http:
        client = sdk(str(http.base_url).rstrip("/"), here.secret)
        people = paged(client, "/v1/customers")
        assert [each["id"] for each in people] == [IDLE, EVE, BOB, ADA]
        _check_grants(client)
        _check_transactions(client)
        _check_balances(client)
        _check_people(http)


def _check_grants(client: stripe.StripeClient) -> None:
    service = client.v1.billing.credit_grants
    assert paged(client, GRANTS) == [each.shown for each in BROUGHT]
    for each in BROUGHT:
        assert service.retrieve(each.id).to_dict() == each.shown
    theirs = [each.shown for each in BROUGHT if each.shown["customer"] == BOB]
    assert paged(client, GRANTS, customer=BOB) == theirs
    before = service.list({"customer": BOB, "ending_before": theirs[3]["id"]})
    assert [each.id for each in before.data] == [each["id"] for each in theirs[:3]]


def _check_transactions(client: stripe.StripeClient) -> None:
    """Of the one grant whose end nobody had recorded there, that is the only one of here."""
    service = client.v1.billing.credit_balance_transactions
    late = next(each for each in BROUGHT if each.shown["expires_at"] == BEGAN + 60 * DAY)
    [ended, granted] = paged(client, TRANSACTIONS, credit_grant=late.id)
    assert [granted] == rows(late)
    assert (ended["debit"]["type"], ended["debit"]["amount"]["monetary"]["value"]) == (
        "credits_expired",
        600,
    )
    for each in rows(*BROUGHT):
        assert service.retrieve(each["id"]).to_dict() == each
    for name in (ADA, BOB, GONE):
        assert paged(client, TRANSACTIONS, customer=name) == rows(*ACCOUNT.of(name))
    for grant in BROUGHT[1:]:
        assert paged(client, TRANSACTIONS, credit_grant=grant.id) == rows(grant)
    _check_all_transactions(client, ended)


def _check_all_transactions(client: stripe.StripeClient, ended: Object) -> None:
    """Of all customers, forwards and back."""
    service = client.v1.billing.credit_balance_transactions
    listed = [each["id"] for each in paged(client, TRANSACTIONS)]
    assert listed[0] == ended["id"]
    assert sorted(listed[1:]) == sorted(each["id"] for each in rows(*BROUGHT))
    for place in (1, 3, len(listed) - 1):
        back = service.list({"limit": 3, "ending_before": listed[place]})
        assert [each.id for each in back.data] == listed[max(place - 3, 0) : place]
        assert back.has_more == (place > 3)


def _check_balances(client: stripe.StripeClient) -> None:
    summary = client.v1.billing.credit_balance_summary
    for name in (ADA, BOB):
        scope: Any = {
            "type": "applicability_scope",
            "applicability_scope": {"price_type": "metered"},
        }
        shown = summary.retrieve({"customer": name, "filter": scope}).balances
        found = {
            each.ledger_balance.monetary.currency: (  # type: ignore[union-attr]
                each.ledger_balance.monetary.value,  # type: ignore[union-attr]
                each.available_balance.monetary.value,  # type: ignore[union-attr]
            )
            for each in shown
        }
        assert found == ACCOUNT.balance(*ACCOUNT.of(name))


def _check_people(http: httpx.Client) -> None:
    ada = http.get(f"/v1/customers/{ADA}").json()
    assert (ada["name"], ada["email"], ada["phone"]) == ("Ada", "ada@example.com", "+49301234")
    assert (ada["created"], ada["metadata"], ada["invoice_prefix"]) == (
        BEGAN + 1,
        {"plan": "pro"},
        "ADA1",
    )
    assert (ada["address"]["city"], ada["shipping"]["name"]) == ("Bonn", "A. L.")
    assert (ada["invoice_settings"]["footer"], ada["preferred_locales"]) == ("Hi", ["de"])
    assert http.get(f"/v1/customers/{GONE}").json() == {
        "id": GONE,
        "object": "customer",
        "deleted": True,
    }
    assert http.get(f"/v1/customers/{CLOCKED}").status_code == 404
    assert http.get(f"/api/v1/customers/{ADA}").is_success


def test_it_goes_on_where_it_was(here: Here, saved: Path) -> None:
    """What is done from now on is done to the vendor's grants, and stands before what was done there."""
    assert here.bring(saved).code == 0
    with here.serving() as http:
        client = sdk(str(http.base_url).rstrip("/"), here.secret)
        first, welcome, third = ACCOUNT.of(ADA)[:3]
        debit = {"customer": ADA, "entitlement": "usd", "amount": "6", "idempotency_key": "a"}
        assert http.post("/api/v1/debits", json=debit).is_success
        [newest, second, *before] = paged(client, TRANSACTIONS, customer=ADA)
        assert before == rows(*ACCOUNT.of(ADA))
        moved = {each["credit_grant"]: each["debit"]["amount"] for each in (newest, second)}
        assert {name: each["monetary"]["value"] for name, each in moved.items()} == {
            third.id: 300,  # it expires, and so comes first
            first.id: 300,
        }
        service = client.v1.billing.credit_grants
        changed = service.update(first.id, {"metadata": {"order": "A-9"}, "expires_at": LATER})
        assert (changed.id, changed.created) == (first.id, first.shown["created"])
        assert changed.updated > LATER - 100 * 365 * DAY
        assert service.retrieve(first.id).expires_at == LATER
        with pytest.raises(stripe.InvalidRequestError, match="has already expired"):
            service.expire(welcome.id)
        pending = next(each for each in BROUGHT if each.shown["updated"] % DAY == 5)
        assert service.void_grant(pending.id).voided_at is not None


def test_a_price_limited_grant_keeps_its_prices_as_names(file: Here, saved: Path) -> None:
    """They are not brought over; a native debit for one of them may draw on it."""
    grant = next(each for each in ACCOUNT.of(EVE) if each.shown["priority"] == 10)
    assert file.bring(saved).code == 0
    with file.serving() as http:
        shown = http.get(f"{GRANTS}/{grant.id}").json()
    assert shown["applicability_config"] == {"scope": {"prices": [{"id": "price_1"}]}}


def test_again_is_once(here: Here, saved: Path) -> None:
    """Everything is under a key of the vendor's id."""
    assert here.bring(saved).code == 0
    before = here.verified()
    assert here.report(saved)["equal"]
    assert here.verified() == before


def test_what_was_used_since_is_told_and_not_undone(file: Here, saved: Path) -> None:
    """Whoever imports again afterwards is shown what is otherwise, by customer, grant and number."""
    grant = ACCOUNT.of(BOB)[2]
    with file.serving() as http:
        assert file.bring(saved).code == 0
        body = {"customer": BOB, "entitlement": "usd", "amount": "1", "idempotency_key": "a"}
        assert http.post("/api/v1/debits", json=body).is_success
    ran = file.bring(saved)
    assert ran.code == 1
    [line] = [each for each in ran.out.splitlines() if each.startswith("Not the same")]
    assert line == (
        f"Not the same in USD: customer {BOB}: ledger balance, available balance, "
        f"ledger balance of {grant.id}, available balance of {grant.id}"
    )


def test_pages_that_say_something_else_now_are_refused(file: Here, saved: Path) -> None:
    """A grant is brought over once: of what was used of it there since, nothing is made here."""
    assert file.bring(saved).code == 0
    account = an_account()
    grant = account.of(BOB)[2]
    grant.apply(100, 50)
    refused = file.bring(account.save(file.folder / "later")).failure()
    assert f"The grant {grant.id} was brought over before" in refused


def test_what_is_in_the_way_is_named(file: Here, saved: Path) -> None:
    """Another customer of the book with the vendor's id is not taken for him."""
    file.apply(CreateCustomer(own_id=ADA))
    refused = file.bring(saved).failure()
    assert f"The book has a customer {ADA} that was not brought over from Stripe." in refused


def test_what_a_draft_reserves_there_is_told_first(file: Here, tmp_path: Path) -> None:
    """Its invoice is not brought over, and would draw there what is free here: nothing is written."""
    account = an_account()
    grant = account.of(EVE)[2]
    account.reserved[grant.id] = 120
    pages = account.save(tmp_path / "drafts")
    ran = file.bring(pages)
    assert ran.code == 1
    told = f"drafts of invoices reserve 1.2 USD of grant {grant.id}: make them final there"
    assert told in ran.out
    assert file.is_empty()
    report = file.report(pages, "--accept-differences")
    assert not report["equal"]
    [usd] = [each for each in report["entitlements"] if each["id"] == "usd"]
    assert usd["customers"] == [
        f"{EVE}: available balance, available balance of {grant.id}",
    ]
    assert {
        "name": "available balance",
        "there": "55.8",
        "here": "57",
        "difference": "1.2",
    } in usd["totals"]


@pytest.mark.parametrize("of", ["customer", "grant"])
def test_a_balance_that_the_transactions_do_not_explain_is_told_first(
    empty: Here, saved: Path, of: str
) -> None:
    name = EVE if of == "customer" else ACCOUNT.of(EVE)[2].id
    path = saved / "balances" / name / "0.json"
    summary = json.loads(path.read_text())
    for each in ("ledger_balance", "available_balance"):
        summary["balances"][0][each]["monetary"]["value"] += 5
    path.write_text(json.dumps(summary))
    ran = empty.bring(saved)
    assert ran.code == 1
    assert f"Does not add up there: customer {EVE}: the ledger balance" in ran.out
    assert empty.is_empty()


def test_what_has_come_due_since_it_was_asked_adds_up(file: Here, tmp_path: Path) -> None:
    """A grant that ended, or began, after the pages were made is counted as of now, on both sides."""
    account = Saved()
    ada = account.customer("Ada")
    account.grant(ada, 500, 1, expires_at=BEGAN + 10 * DAY)
    later = account.grant(ada, 70, 1.5, effective_at=BEGAN + 9 * DAY)
    assert account.balance(*account.of(ada)) == {"usd": (570, 570)}
    later.left = 0  # as the balance has it, before it begins
    pages = account.save(tmp_path / "due")
    later.left = 70
    account._save_balance(pages, ada, later.id, later)
    _change(pages / "balances" / later.id, _worth(0))
    report = file.report(pages)
    assert report["equal"], report
    [usd] = report["entitlements"]
    assert {"name": "ledger balance", "there": "0.7", "here": "0.7", "difference": "0"} in usd[
        "totals"
    ]


def _worth(value: int) -> Callable[[Object], None]:
    def change(summary: Object) -> None:
        for each in ("ledger_balance", "available_balance"):
            summary["balances"][0][each]["monetary"]["value"] = value

    return change


def test_a_grant_that_had_not_begun_may_have_no_transactions(file: Here, tmp_path: Path) -> None:
    """The vendor does not say when it lists the first one: then those of here are shown."""
    account = Saved()
    ada = account.customer("Ada")
    pending = account.grant(ada, 500, 1, effective_at=LATER)
    undone = account.grant(ada, 70, 2, effective_at=LATER)
    undone.void(3)
    account.rows.clear()
    account.grant(account.customer("Bob"), 30, 4, effective_at=LATER)
    account.rows.clear()
    account.grant(ada, 30, 4)
    assert file.report(account.save(tmp_path / "pending"))["equal"]
    with file.serving() as http:
        kinds = {
            each.id: [
                (row["credit"] or row["debit"])["type"]
                for row in http.get(TRANSACTIONS, params={"credit_grant": each.id}).json()["data"]
            ]
            for each in (pending, undone)
        }
        assert kinds == {
            pending.id: ["credits_granted"],
            undone.id: ["credits_voided", "credits_granted"],
        }
        shown = http.get(f"{GRANTS}/{undone.id}").json()
        assert shown["voided_at"] == undone.shown["voided_at"]


def test_what_has_expired_stays_so_whatever_its_expiry_says(file: Here, tmp_path: Path) -> None:
    """Somebody moved the expiry of a grant that had ended: it ended when its transaction says so."""
    account = Saved()
    grant = account.grant(account.customer("Ada"), 500, 1)
    grant.expire(5)
    grant.shown["expires_at"] = LATER
    assert file.report(account.save(tmp_path / "odd"))["equal"]
    with file.serving() as http:
        assert http.get(f"{GRANTS}/{grant.id}").json()["expires_at"] == BEGAN + 5 * DAY


# Pages that cannot be brought over ---------------------------------------------------------------


def _change(folder: Path, change: Callable[[Object], None]) -> None:
    """Of the newest record of a list, on whichever of its pages it is; or of what is no list."""
    first = json.loads((folder / "0.json").read_text())
    if "data" not in first:
        change(first)
        (folder / "0.json").write_text(json.dumps(first))
        return
    name = first["data"][0]["id"]
    for path in folder.glob("*.json"):
        page = json.loads(path.read_text())
        for each in page["data"]:
            if each["id"] == name:
                change(each)
        path.write_text(json.dumps(page))


def put(**values: Any) -> Callable[[Object], None]:
    return lambda record: record.update(values)


def amount(value: int, currency: str = "usd") -> Object:
    return {"type": "monetary", "monetary": {"currency": currency, "value": value}}


def applied(value: int, currency: str = "usd") -> Callable[[Object], None]:
    return put(
        type="debit",
        credit=None,
        debit={"type": "credits_applied", "amount": amount(value, currency)},
    )


NEWEST = ACCOUNT.of(EVE)[-1].id
OF_EVE, OF_ADA = f"transactions/{EVE}", f"transactions/{ADA}"
WRONG: list[tuple[str, Callable[[Object], None], str]] = [
    ("customers", put(email=5), "Expected `str | null`, got `int` - at `$.email`"),
    ("customers", put(created=LATER), "created must be in the past"),
    ("customers", put(created=None, test_clock=None), "created must be given"),
    ("customers", put(metadata={"a": 1}), "got `int` - at `$.metadata[...]`"),
    ("customers", put(id="../../x", test_clock=None), "id must be 1 to 64 characters of"),
    ("customers", put(object="product"), "Invalid enum value 'product' - at `$.object`"),
    ("grants", put(livemode=True), "pages of both modes"),
    ("grants", put(customer="cus_2"), "customer must be that of a customer on the pages"),
    ("grants", put(customer="../../x"), "at `$.customer`"),
    ("grants", put(amount=amount(0)), "amount.monetary.value must be more than 0"),
    ("grants", put(amount=amount(599)), "must be what its credits_granted transaction gave"),
    ("grants", put(amount=amount(600, "xxx")), "currency must be a lower-case ISO 4217"),
    ("grants", put(amount=amount(600, "eur")), "currency must be that of its transactions"),
    ("grants", put(amount={"type": "custom_pricing_unit"}), "Invalid enum value"),
    ("grants", put(category="gift"), "Invalid enum value 'gift' - at `$.category`"),
    ("grants", put(priority=101), "Expected `int` <= 100 - at `$.priority`"),
    ("grants", put(updated=LATER), "updated must be in the past"),
    ("grants", put(voided_at=BEGAN), "voided_at must be given where its transactions have"),
    ("grants", put(applicability_config={"scope": {}}), "scope must be of metered prices, or"),
    ("grants", put(metadata={str(n): "" for n in range(51)}), "metadata must be at most 50"),
    (OF_EVE, put(type="debit"), "type must be that of the one, credit or debit, that it has"),
    (OF_EVE, put(credit_grant="credgr_1"), "credit_grant must be that of a grant of this"),
    (OF_EVE, put(created=LATER), "created must be in the past"),
    (OF_EVE, applied(5), "must be what its credits_granted transaction gave"),
    (OF_ADA, applied(900), "effective_at must be in the past"),
    (OF_EVE, put(id="cbtxn/1"), "id must be 1 to 64 characters of"),
    (f"balances/{EVE}", put(customer=BOB), f"customer must be {EVE}, whose grants these are"),
    (f"balances/{EVE}", put(object="list"), "Invalid enum value 'list'"),
    (
        f"balances/{EVE}",
        lambda summary: summary["balances"].append(summary["balances"][0]),
        "balances must be one of each currency",
    ),
    (
        f"balances/{EVE}",
        lambda summary: summary["balances"][0].update(available_balance=amount(999_999)),
        "available_balance must be at most the ledger balance",
    ),
    (f"unlisted-customers/{GONE}", put(id=BOB), f"id must be {GONE}, whose folder it is in"),
]


@pytest.mark.parametrize(("name", "change", "told"), WRONG)
def test_a_tampered_page_is_refused_before_anything_is_written(
    empty: Here, saved: Path, name: str, change: Callable[[Object], None], told: str
) -> None:
    """The refusal names the page, the record and the field."""
    _change(saved / name, change)
    refused = empty.bring(saved).failure()
    assert told in refused
    assert empty.is_empty()


def test_more_was_used_than_there_was(empty: Here, tmp_path: Path) -> None:
    account = an_account()
    account.of(BOB)[2].apply(301, 50)
    refused = empty.bring(account.save(tmp_path / "more")).failure()
    assert "amount.monetary.value must be what its transactions add up to" in refused
    assert empty.is_empty()


def test_several_faults_are_told_at_once(empty: Here, saved: Path) -> None:
    for name in (OF_ADA, OF_EVE):
        _change(saved / name, put(created=LATER))
    assert empty.bring(saved).failure().count("created must be in the past") == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not a page"),
        ('{"object": "list", "data": {}, "has_more": false}', "is not a page"),
        ('{"items": []}', "is not a page"),
        ('{"object": "list", "data": [], "has_more": true}', "says that there is more"),
        ("\udcff", "is not a page"),
    ],
)
def test_a_page_that_is_none_is_named(empty: Here, saved: Path, text: str, told: str) -> None:
    path = saved / "grants" / "0.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    refused = empty.bring(saved).failure()
    assert str(path) in refused
    assert told in refused


@pytest.mark.parametrize(
    "name", ["customers", "grants", OF_EVE, f"balances/{EVE}", f"balances/{BROUGHT[0].id}"]
)
def test_a_list_without_pages_is_missed(empty: Here, saved: Path, name: str) -> None:
    """What was not got is not taken for empty: an empty list has a page without records."""
    for path in (saved / name).glob("*.json"):
        path.unlink()
    assert name in empty.bring(saved).failure()


@pytest.mark.parametrize("name", ["customers", "grants", OF_EVE])
def test_a_list_without_its_end_is_missed(empty: Here, saved: Path, name: str) -> None:
    """The last page says that there is no more."""
    last = max((saved / name).glob("*.json"), key=lambda path: int(path.stem))
    last.unlink()
    assert f"{name}: its last page says that there are more." in empty.bring(saved).failure()
