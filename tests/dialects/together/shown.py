"""A customer's credit as each dialect shows it, and that it is the same credit.

The native API shows all of it, so it is what the others are held against: each converted exactly, and where
a dialect shows less (whole cents, days, no name), by the rule that its page gives. Written from those pages,
not from the server's code.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from msgspec import UNSET

from drawdown.core.identity import parse, spell_uuid
from tests.dialects.sequence.contract import Balance, Balances, Items, read
from tests.dialects.together.four import METERED, Four, Json

#: Decimal places of minor units: what whole "cents" of a currency are.
MINOR = {"usd": 2, "eur": 2, "inr": 2, "jpy": 0, "kwd": 3, "bhd": 3}
#: What a grant of a subscription keeps of it, which Dodo shows as its source.
OF_DODO = "dodo_subscription"
#: Sequence shows the newest so many of a balance.
TRANSACTIONS_MAX = 1_000
#: Dodo's pager sees more than a page of so many only where pages are numbered from 1.
PAGE = 100
STATUSES = {"active": "active", "depleted": "depleted", "expired": "expired", "voided": "expired"}


@dataclass(frozen=True)
class Wallet:
    """What the native API says of a customer's credit of one kind: the whole truth. Oldest first."""

    kind: Json
    balance: Json
    grants: list[Json]
    entries: list[Json]

    @property
    def code(self) -> str:
        return str(self.kind["code"])

    def has(self, member: str) -> Decimal:
        return Decimal(self.balance[member])

    def moved(self, kind: str) -> Decimal:
        """By all entries of a kind."""
        return sum(
            (Decimal(each["amount"]) for each in self.entries if each["kind"] == kind), Decimal(0)
        )


def uuid_of(spelled: str) -> str:
    """Whichever dialect has spelled it."""
    found = parse(spelled)
    assert found is not None, spelled
    return spell_uuid(found)


def when(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def minor(amount: str | Decimal, code: str) -> int:
    """Whole cents, rounded down."""
    scaled = Decimal(amount).scaleb(MINOR[code])
    return int(scaled.to_integral_value(ROUND_FLOOR))


def agreed(four: Four, customer: str) -> dict[str, Wallet]:
    """The customer's wallets by their codes, of which every dialect must show the same."""
    grants = four.every("/grants", customer=customer)[::-1]
    wallets = {}
    for code in dict.fromkeys(each["entitlement"] for each in grants):
        kind = four.ask("GET", f"/entitlements/{code}")
        balance = four.ask("GET", f"/balances/{customer}/{code}")
        own = [each for each in grants if each["entitlement"] == code]
        entries = four.every("/entries", customer=customer, entitlement=code)[::-1]
        wallets[code] = Wallet(kind, balance, own, entries)
    for wallet in wallets.values():
        check_native(four, customer, wallet)
        check_dodo(four, customer, wallet)
    check_sequence(four, customer, wallets)
    check_stripe(four, customer, [each for each in wallets.values() if each.code in MINOR])
    return wallets


# The native API: its parts sum to the whole ---------------------------------------------------------


def check_native(four: Four, customer: str, wallet: Wallet) -> None:
    def total(member: str) -> Decimal:
        return sum((Decimal(each[member]) for each in wallet.grants), Decimal(0))

    for each in wallet.grants:
        parts = ("remaining", "used", "expired", "voided", "rolled_over")
        assert Decimal(each["amount"]) == sum(Decimal(each[part]) for part in parts), each
    assert total("remaining") == wallet.has("posted") + wallet.has("pending")
    assert total("held") == wallet.has("held")
    for member in ("used", "expired", "voided"):
        assert total(member) == wallet.has(member), member
    assert wallet.has("available") == wallet.has("posted") - wallet.has("held")
    assert Decimal(wallet.entries[-1]["posted_after"]) == wallet.has("posted")
    lost = wallet.moved("expired") + wallet.moved("forfeited") - wallet.moved("restored")
    assert lost == wallet.has("expired")
    assert wallet.moved("voided") == wallet.has("voided")


# Stripe: money, by grant, in whole minor units --------------------------------------------------------


def check_stripe(four: Four, customer: str, wallets: list[Wallet]) -> None:
    billing = four.stripe.v1.billing
    listed = billing.credit_grants.list({"customer": customer, "limit": 100})
    shown = {uuid_of(each.id): each for each in listed.auto_paging_iter()}
    moved: Counter[str] = Counter()
    asked: Any = {"customer": customer, "limit": 100}
    transactions: Iterator[Any] = iter(
        billing.credit_balance_transactions.list(asked).auto_paging_iter()
    )
    for each in transactions:
        part = each.credit or each.debit
        sign = 1 if each.type == "credit" else -1
        moved[uuid_of(each.credit_grant)] += sign * part.amount.monetary.value
    assert len(shown) == sum(len(wallet.grants) for wallet in wallets)
    for wallet in wallets:
        for kept in wallet.grants:
            _check_stripe_grant(shown[uuid_of(kept["id"])], kept, wallet)
            assert moved[uuid_of(kept["id"])] == minor(kept["remaining"], wallet.code), kept
    summary: Any = {"customer": customer, "filter": METERED}
    found: list[Any] = list(billing.credit_balance_summary.retrieve(summary).balances)
    balances = {
        each.ledger_balance.monetary.currency: (
            each.ledger_balance.monetary.value,
            each.available_balance.monetary.value,
        )
        for each in found
    }
    assert balances == {each.code: _cents(each) for each in wallets}


def _check_stripe_grant(shown: Any, kept: Json, wallet: Wallet) -> None:
    """One that Stripe itself gave no name has none there; elsewhere it goes by its currency's."""
    money = shown.amount.monetary
    assert (money.currency, money.value) == (wallet.code, minor(kept["amount"], wallet.code))
    assert kept["name"] == (shown.name or wallet.kind["name"])
    assert (shown.category, shown.priority) == (kept["category"], kept["priority"])
    assert (shown.voided_at is not None) is (kept["state"] == "voided")
    for name in ("effective_at", "expires_at", "voided_at"):
        instant = when(kept[name])
        whole = None if instant is None else int(instant.timestamp() // 1)
        assert getattr(shown, name) == whole, name
    texts = {name: _text(value) for name, value in kept["metadata"].items()}
    assert shown.metadata.to_dict() == texts


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cents(wallet: Wallet) -> tuple[int, int]:
    """Each grant's whole cents: a part of one that is left on each of two makes none."""
    ledger = available = 0
    for each in wallet.grants:
        if each["state"] != "pending":
            ledger += minor(each["remaining"], wallet.code)
            available += minor(Decimal(each["remaining"]) - Decimal(each["held"]), wallet.code)
    return ledger, available


# Dodo: every kind of credit, by balance, grants and ledger --------------------------------------------


def check_dodo(four: Four, customer: str, wallet: Wallet) -> None:
    """Grants that are not effective yet are not there, nor in the balance."""
    dodo, code = four.dodo, wallet.code
    by_status = {
        status: {
            uuid_of(each.id): each
            for each in dodo.all_grants(customer, code, status=status, page_size=PAGE)
        }
        for status in ("active", "depleted", "expired")
    }
    effective = [each for each in wallet.grants if each["state"] != "pending"]
    assert sum(map(len, by_status.values())) == len(effective)
    for kept in effective:
        shown = by_status[STATUSES[kept["state"]]][uuid_of(kept["id"])]
        amounts = Decimal(shown.initial_amount), Decimal(shown.remaining_amount)
        assert amounts == (Decimal(kept["amount"]), Decimal(kept["remaining"])), kept
        assert shown.is_expired is (STATUSES[kept["state"]] == "expired")
        assert shown.created_at == when(kept["created_at"])
        assert shown.expires_at == when(kept["expires_at"])
        assert shown.metadata == _without(kept["metadata"], OF_DODO)
        assert shown.source_id == kept["metadata"].get(OF_DODO, shown.source_id)
    assert Decimal(dodo.balance(customer, code).balance) == wallet.has("posted")
    _check_ledger(four, customer, wallet)
    if code in ("usd", "inr"):
        wallets = dodo(lambda client: client.customers.wallets.list(customer)).items
        [shown] = [each for each in wallets if each.currency == code.upper()]
        assert shown.balance == minor(wallet.balance["posted"], code)


def _without(metadata: Json, name: str) -> Json:
    return {each: value for each, value in metadata.items() if each != name}


def _check_ledger(four: Four, customer: str, wallet: Wallet) -> None:
    rows = four.dodo.every(
        lambda client: client.credit_entitlements.balances.list_ledger(
            customer, credit_entitlement_id=wallet.code, page_size=PAGE
        )
    )[::-1]
    balance = Decimal(0)
    expired = Decimal(0)
    for row in rows:
        assert Decimal(row.balance_before) == balance
        balance = Decimal(row.balance_after)
        rise = balance - Decimal(row.balance_before)
        rise += Decimal(row.overage_before) - Decimal(row.overage_after)
        assert rise == (Decimal(row.amount) if row.is_credit else -Decimal(row.amount))
        if row.transaction_type == "credit_expired":
            expired += Decimal(row.amount)
    assert balance == wallet.has("posted")
    moved = [each for each in wallet.entries if each["posted_before"] != each["posted_after"]]
    assert expired == sum(Decimal(each["amount"]) for each in moved if each["kind"] == "expired")


# Sequence: every kind of credit, in major units, by day ----------------------------------------------


def check_sequence(four: Four, customer: str, wallets: dict[str, Wallet]) -> None:
    answer = four.sequence.get(f"/credits/{customer}/balances")
    shown = {each.id: each for each in read(answer, 200, Balances).items}
    assert len(shown) == len(wallets)
    for wallet in wallets.values():
        name = wallet.code.upper() if wallet.code in MINOR else uuid_of(wallet.kind["id"])
        _check_balance(shown[name], wallet)
    answer = four.sequence.get(f"/credits/{customer}/grants")
    outstanding = {each.id: each for each in read(answer, 200, Items).items}
    left = {
        uuid_of(each["id"]): each
        for wallet in wallets.values()
        for each in wallet.grants
        if Decimal(each["remaining"])
    }
    assert set(outstanding) == set(left)
    for each, kept in left.items():
        found = outstanding[each]
        numbers = (
            Decimal(bytes(found.grant_amount).decode()),
            Decimal(bytes(found.balance).decode()),
        )
        assert numbers == (Decimal(kept["amount"]), Decimal(kept["remaining"]))
        assert (found.name, found.issue_date) == (kept["name"], kept["created_at"][:10])
        assert found.expiry_date == _last_day(kept)


def _check_balance(shown: Balance, wallet: Wallet) -> None:
    money = wallet.code in MINOR
    assert shown.type == ("CASH" if money else "USAGE")
    assert shown.name == (wallet.code.upper() if money else wallet.kind["name"])
    assert Decimal(shown.balance) == wallet.has("posted") + wallet.has("pending")
    known = {uuid_of(each["id"]): each for each in wallet.grants}
    assert len(shown.grants) == len(known)
    assert [each.created_at for each in shown.grants] == sorted(
        each["created_at"] for each in wallet.grants
    )
    left: dict[str, Decimal] = defaultdict(Decimal)
    why: dict[Any, Decimal] = defaultdict(Decimal)
    assert len(shown.transactions) < TRANSACTIONS_MAX
    for each in shown.transactions:
        left[each.grant_id] += Decimal(each.amount) * (1 if each.type == "CREDIT" else -1)
        why[each.reason] += Decimal(each.amount)
    for found in shown.grants:
        kept = known[found.id]
        assert Decimal(found.original_amount) == Decimal(kept["amount"])
        assert Decimal(found.current_balance) == Decimal(kept["remaining"]) == left[found.id]
        assert (found.name, found.created_at) == (kept["name"], kept["created_at"])
        assert found.effective_date == kept["effective_at"][:10]
        assert found.expiry_date == _last_day(kept)
    assert sum(left.values()) == Decimal(shown.balance)
    assert why["Expired"] + why["Forfeited"] - why["Restored"] == wallet.has("expired")
    assert why["Voided"] == wallet.has("voided")


def _last_day(grant: Json) -> Any:
    """The last day on which it can be used; not there where it never expires."""
    expires_at = when(grant["expires_at"])
    if expires_at is None:
        return UNSET
    return (expires_at - timedelta(microseconds=1)).astimezone(UTC).date().isoformat()
