"""An account whose pages somebody saved: brought over with the vendor's ids, to the last unit."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from drawdown.core.commands import CreateCustomer, CreateEntitlement
from drawdown.opening import open_ledger
from tests.dialects.dodo.sdk import Dodo
from tests.importing.here import Here
from tests.importing.saved import Saved, an_account

ACCOUNT = an_account()
OLD, (TOKENS, CALLS) = ACCOUNT.deleted[0]["id"], [each["id"] for each in ACCOUNT.kinds]
ADA, BOB, EVE, IDLE = [each["customer_id"] for each in ACCOUNT.customers]


def ledger(sdk: Dodo, kind: str, customer: str, **query: Any) -> list[Any]:
    return sdk.every(
        lambda client: client.credit_entitlements.balances.list_ledger(
            customer, credit_entitlement_id=kind, page_size=100, page_number=0, **query
        )
    )


def test_all_of_it_is_there_by_the_vendors_ids(here: Here, saved: Path) -> None:
    """The vendor's SDK reads the same numbers, by the same ids, as it did at the vendor."""
    report = here.report(saved)
    assert report["equal"]
    assert (report["customers_there"], report["customers_here"]) == (4, 4)
    assert [each["id"] for each in report["entitlements"]] == [OLD, TOKENS, CALLS]
    assert here.verified()["wallets"] == 6
    with here.served() as (sdk, _):
        listed = sdk(lambda client: client.credit_entitlements.list(page_size=100)).items
        assert [each.id for each in listed] == [CALLS, TOKENS]
        assert sdk(lambda client: client.credit_entitlements.list(deleted=True)).items[0].id == OLD
        people = sdk(lambda client: client.customers.list(page_size=100)).items
        assert [each.customer_id for each in people] == [IDLE, EVE, BOB, ADA]
        _check_what_is_said(sdk)
        for wallet in ACCOUNT.wallets:
            _check_wallet(sdk, wallet)


def _check_wallet(sdk: Dodo, wallet: Any) -> None:
    balance = sdk.balance(wallet.customer, wallet.kind)
    assert (balance.customer_id, balance.credit_entitlement_id) == (wallet.customer, wallet.kind)
    assert Decimal(balance.balance) * 100 == wallet.balance
    assert Decimal(balance.overage) * 100 == wallet.overage
    grants = sdk.grants(wallet.customer, wallet.kind, page_size=100)
    assert [each.id for each in grants] == [each["id"] for each in reversed(wallet.grants)]
    for shown, given in zip(grants, reversed(wallet.grants), strict=True):
        assert Decimal(shown.initial_amount) == Decimal(given["initial_amount"])
        assert Decimal(shown.remaining_amount) == Decimal(given["remaining_amount"])
        assert (shown.is_expired, shown.source_type) == (given["is_expired"], given["source_type"])
        assert (shown.source_id, shown.metadata) == (given["source_id"], given["metadata"])
        for name in ("created_at", "expires_at"):
            at = getattr(shown, name)
            assert (at and at.isoformat()) == (given[name] and given[name].replace("Z", "+00:00"))
    rows = ledger(sdk, wallet.kind, wallet.customer)
    assert [each.id for each in rows] == [each["id"] for each in reversed(wallet.rows)]
    for row, given in zip(rows, reversed(wallet.rows), strict=True):
        for name in ("transaction_type", "amount", "is_credit", "balance_after", "grant_id"):
            assert getattr(row, name) == given[name]


def _check_what_is_said(sdk: Dodo) -> None:
    """Of customers and entitlements: as much as the vendor said."""
    ada = sdk(lambda client: client.customers.retrieve(ADA))
    given = ACCOUNT.customers[0]
    assert (ada.name, ada.email, ada.phone_number) == ("Ada", "ada@example.com", "+49301234")
    assert ada.metadata == {"plan": "pro", "seats": 3}
    assert ada.created_at.isoformat() == given["created_at"].replace("Z", "+00:00")
    first = sdk(lambda client: client.customers.list(created_at_lte=given["created_at"])).items
    assert [each.customer_id for each in first] == [ADA]
    calls = sdk(lambda client: client.credit_entitlements.retrieve(CALLS))
    assert (calls.overage_enabled, calls.price_per_unit, calls.currency) == (True, "0.5", "USD")
    assert calls.overage_behavior == "carry_deficit_auto_repay"
    tokens = sdk(lambda client: client.credit_entitlements.retrieve(TOKENS))
    assert (tokens.expires_after_days, tokens.description) == (30, "What it runs on")
    held = sdk(lambda client: client.customers.list_credit_entitlements(ADA)).items
    assert {each.credit_entitlement_id for each in held} == {TOKENS, CALLS}


def test_it_goes_on_where_it_was(here: Here, saved: Path) -> None:
    """What is used from now on comes of the oldest grant there, and the ledger goes on without a seam."""
    assert here.bring(saved).code == 0
    with here.served() as (sdk, _):
        before = ledger(sdk, TOKENS, BOB)
        oldest = ACCOUNT.wallets[2].grants[2]
        entry = sdk.debit(BOB, TOKENS, "0.5", idempotency_key="after")
        assert entry.grant_id == oldest["id"]
        assert (entry.customer_id, entry.credit_entitlement_id) == (BOB, TOKENS)
        added = sdk.credit(BOB, TOKENS, "1")
        rows = ledger(sdk, TOKENS, BOB)
        assert rows[2:] == before
        assert [each.grant_id for each in rows[:2]] == [added.grant_id, oldest["id"]]
        assert Decimal(rows[1].balance_before) == Decimal(before[0].balance_after)
        deducted = ledger(sdk, TOKENS, BOB, transaction_type="credit_deducted")
        assert [each.id for each in deducted] == [rows[1].id] + [
            each.id for each in before if each.transaction_type == "credit_deducted"
        ]
        until = before[-2].created_at.isoformat()
        assert ledger(sdk, TOKENS, BOB, end_date=until) == before[-2:]
        assert ledger(sdk, TOKENS, BOB, start_date=until)[-1] == before[-2]
        _check_what_is_changed_keeps_its_id(sdk)
        paged = sdk(
            lambda client: client.credit_entitlements.balances.list_ledger(
                BOB, credit_entitlement_id=TOKENS, page_size=3, page_number=1
            )
        ).items
        assert paged == rows[3:6]
        _check_overage_goes_on(sdk)


def _check_what_is_changed_keeps_its_id(sdk: Dodo) -> None:
    sdk(lambda client: client.credit_entitlements.update(TOKENS, unit="piece"))
    changed = sdk(lambda client: client.credit_entitlements.retrieve(TOKENS))
    assert (changed.id, changed.unit) == (TOKENS, "piece")
    bob = sdk(lambda client: client.customers.update(BOB, name="Robert"))
    assert (bob.customer_id, bob.name) == (BOB, "Robert")


def _check_overage_goes_on(sdk: Dodo) -> None:
    """No grant that was brought over has repaid it; credit that comes now does, as the rule says."""
    both = sdk.balance(BOB, CALLS)
    assert (both.balance, both.overage) == ("0.9", "0.5")
    sdk.credit(BOB, CALLS, "2")
    after = sdk.balance(BOB, CALLS)
    assert (after.balance, after.overage) == ("2.4", "0")


def test_a_product_may_give_an_entitlement_by_the_vendors_id(here: Here, saved: Path) -> None:
    """Wherever an id is taken the vendor's is, in bodies and filters too."""
    assert here.bring(saved).code == 0
    with here.served() as (sdk, http):
        product = http.post(
            "/dodo/products",
            json={
                "name": "Pro",
                "tax_category": "saas",
                "price": {
                    "type": "recurring_price",
                    "currency": "USD",
                    "price": 0,
                    "discount": 0,
                    "purchasing_power_parity": False,
                    "payment_frequency_count": 1,
                    "payment_frequency_interval": "Month",
                    "subscription_period_count": 1,
                    "subscription_period_interval": "Year",
                },
                "credit_entitlements": [{"credit_entitlement_id": TOKENS, "credits_amount": "5"}],
            },
        ).json()
        assert product["credit_entitlements"][0]["credit_entitlement_id"] == TOKENS
        begun = http.post(
            "/dodo/subscriptions",
            json={
                "product_id": product["product_id"],
                "quantity": 1,
                "customer": {"customer_id": IDLE},
                "billing": {"country": "DE"},
            },
        )
        assert begun.is_success, begun.text
        assert begun.json()["customer"]["customer_id"] == IDLE
        assert sdk.balance(IDLE, TOKENS).balance == "5"
        chosen = sdk(
            lambda client: client.credit_entitlements.balances.list(TOKENS, customer_id=IDLE)
        ).items
        assert [each.customer_id for each in chosen] == [IDLE]
        native = http.get(f"/api/v1/customers/{ADA}")
        assert native.is_success, native.text


def test_again_is_once(here: Here, saved: Path) -> None:
    """Everything is under a key of the vendor's id."""
    assert here.bring(saved).code == 0
    before = here.verified()
    assert here.report(saved)["equal"]
    assert here.verified() == before


def test_what_was_used_since_is_told_and_not_undone(file: Here, saved: Path) -> None:
    """Whoever imports again afterwards is shown what is otherwise, by customer and number.

    A server may be at work meanwhile: it has at once what was brought over.
    """
    with file.served() as (sdk, _):
        assert file.bring(saved).code == 0
        sdk.debit(EVE, TOKENS, "1")
    ran = file.bring(saved)
    assert ran.code == 1
    [line] = [each for each in ran.out.splitlines() if each.startswith("Not the same")]
    assert line == (f"Not the same in Tokens: customer {EVE}: balance, active grants, remaining")
    tokens = file.report(saved)["entitlements"][1]
    assert {"name": "balance", "there": "30", "here": "29", "difference": "-1"} in tokens["totals"]
    assert tokens["differing"] == 1


def test_pages_that_say_something_else_now_are_refused(file: Here, saved: Path) -> None:
    """A grant is brought over once: of what was used of it there since, nothing is made here."""
    assert file.bring(saved).code == 0
    account = an_account()
    wallet = account.wallets[1]
    wallet.debit(100, 40)
    refused = file.bring(account.save(file.folder / "later")).failure()
    assert f"The grant {wallet.grants[2]['id']} was brought over before" in refused


@pytest.mark.parametrize("name", ["id", "name"])
def test_what_is_in_the_way_is_named(file: Here, saved: Path, name: str) -> None:
    """Something else of the book with the vendor's id, or an entitlement's name, is not taken for it."""
    file.apply(
        CreateCustomer(own_id=ADA)
        if name == "id"
        else CreateEntitlement(code="calls", name="Calls", unit="call", scale=0)
    )
    refused = file.bring(saved).failure()
    if name == "id":
        assert f"The book has a customer {ADA} that was not brought over from bus_" in refused
    else:
        assert f"The credit entitlement {CALLS} cannot be made" in refused


def test_a_balance_that_the_grants_do_not_explain_is_told_first(file: Here, tmp_path: Path) -> None:
    """Nothing is written then, unless it is asked for: the grants decide, and it stays told."""
    account = an_account()
    account.wallets[3].balance += 5
    pages = account.save(tmp_path / "odd")
    ran = file.bring(pages)
    assert ran.code == 1
    odd = f"{TOKENS}, customer {EVE}: the balance is 10.05, but 10 remains of the grants."
    assert odd in ran.out
    assert file.is_empty()
    report = file.report(pages, "--accept-differences")
    assert not report["equal"]
    assert report["findings"] == [odd]
    assert report["entitlements"][1]["customers"] == [f"{EVE}: balance"]
    assert file.verified()["wallets"] == 6


def test_a_balance_of_which_nothing_is_left_is_there(file: Here, tmp_path: Path) -> None:
    """Overage that was charged and reset leaves a balance without a grant."""
    account = Saved()
    kind, customer = account.kind("Calls"), account.customer("Ada")
    wallet = account.wallet(kind, customer)
    wallet.charge(50, 1)
    wallet.overage = 0
    assert file.report(account.save(tmp_path / "empty"))["equal"]


# Pages that cannot be brought over ---------------------------------------------------------------


def _change(folder: Path, values: dict[str, Any]) -> None:
    """Of the first record of a list, on whichever of its pages it is."""
    first = json.loads((folder / "0.json").read_text())["items"][0]
    for path in folder.glob("*.json"):
        items = json.loads(path.read_text())["items"]
        changed = [each | values if each == first else each for each in items]
        path.write_text(json.dumps({"items": changed}))


WALLET = f"credit/{TOKENS}/{ADA}"
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("customers", {"business_id": "bus_2"}, "pages of 2 businesses"),
    ("customers", {"email": 5}, "Expected `str`, got `int` - at `$.email`"),
    ("customers", {"created_at": "2999-01-01T00:00:00Z"}, "created_at must be in the past"),
    ("customers", {"metadata": {"a": [1]}}, "got `array` - at `$.metadata[...]`"),
    ("entitlements", {"precision": 11}, "Expected `int` <= 10 - at `$.precision`"),
    ("entitlements", {"currency": "XXX"}, "currency must be an upper-case ISO 4217 code"),
    ("entitlements", {"name": "Tokens"}, "name must be not that of"),
    (
        f"credit/{TOKENS}/balances",
        {"customer_id": "cus_2"},
        "customer_id must be that of a customer",
    ),
    (f"credit/{TOKENS}/balances", {"balance": "-1"}, "balance must be a plain decimal"),
    (f"{WALLET}/grants", {"credit_entitlement_id": CALLS}, "credit_entitlement_id must be cde_"),
    (f"{WALLET}/grants", {"customer_id": BOB}, f"customer_id must be {ADA}, whose folder it is in"),
    (
        f"{WALLET}/grants",
        {"remaining_amount": "99"},
        "remaining_amount must be at most the initial",
    ),
    (f"{WALLET}/grants", {"initial_amount": "0.001"}, "initial_amount"),
    (f"{WALLET}/grants", {"initial_amount": "0", "remaining_amount": "0"}, "must be more than 0"),
    (
        f"{WALLET}/grants",
        {"metadata": {str(n): n for n in range(51)}},
        "metadata must be at most 50",
    ),
    (f"{WALLET}/ledger", {"transaction_type": "gift"}, "Invalid enum value 'gift'"),
    (f"{WALLET}/ledger", {"amount": "1e3"}, "amount must be a plain decimal"),
    (f"{WALLET}/ledger", {"id": "../../x"}, "id must be 1 to 64 characters of"),
]


@pytest.mark.parametrize(("name", "values", "told"), WRONG)
def test_a_tampered_page_is_refused_before_anything_is_written(
    empty: Here, saved: Path, name: str, values: dict[str, Any], told: str
) -> None:
    """The refusal names the page, the record and the field."""
    _change(saved / name, values)
    refused = empty.bring(saved).failure()
    assert told in refused
    assert name in refused or "businesses" in refused
    assert empty.is_empty()


def test_several_faults_are_told_at_once(empty: Here, saved: Path) -> None:
    for name in ("grants", "ledger"):
        _change(saved / WALLET / name, {"customer_id": BOB})
    refused = empty.bring(saved).failure()
    assert refused.count(f"customer_id must be {ADA}") == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not a page"),
        ('{"items": {}}', "is not a page"),
        ('{"data": []}', "is not a page"),
        ("\udcff", "is not a page"),
    ],
)
def test_a_page_that_is_none_is_named(empty: Here, saved: Path, text: str, told: str) -> None:
    path = saved / "customers" / "0.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    refused = empty.bring(saved).failure()
    assert f"{path} {told}" in refused


@pytest.mark.parametrize("name", ["customers", f"credit/{TOKENS}/balances", f"{WALLET}/ledger"])
def test_a_list_without_pages_is_missed(empty: Here, saved: Path, name: str) -> None:
    """What was not got is not taken for empty: an empty list has a page without records."""
    for path in (saved / name).glob("*.json"):
        path.unlink()
    assert name in empty.bring(saved).failure()


def test_a_page_has_a_size_that_is_read(empty: Here, saved: Path) -> None:
    path = saved / "customers" / "7.json"
    with path.open("wb") as page:
        page.truncate(16 * 1024 * 1024 + 1)
    assert "is larger than 16,777,216 bytes" in empty.bring(saved).failure()


def test_no_ledger_and_no_account_is_made_by_the_way(saved: Path, tmp_path: Path) -> None:
    """An import is into what there is."""
    nowhere = Here(f"sqlite:///{tmp_path / 'nothing.db'}", "", tmp_path)
    assert "There is no ledger" in nowhere.bring(saved).failure()
    asyncio.run(_schema_alone(nowhere.url))
    assert "There is no account yet." in nowhere.bring(saved).failure()


async def _schema_alone(url: str) -> None:
    async with open_ledger(url, jobs=False):
        pass
