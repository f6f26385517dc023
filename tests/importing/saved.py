"""Pages as the vendor answers them, made by its rules: credit was given, used and lost."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from drawdown.core.times import text_of
from drawdown.core.types import DAY, Instant

#: 2025-03-01T00:00:00Z.
BEGAN = Instant(1_740_787_200_000_000)
BUSINESS = "bus_P3SXLcppjXgagmHS5qbFz"
PAGE_SIZE = 2
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def vendor_id(prefix: str, *of: object) -> str:
    """As the vendor's look: a prefix and 21 characters, which are no id of ours."""
    digest = hashlib.sha256(repr(of).encode()).digest()
    return prefix + "".join(_ALPHABET[byte % 62] for byte in digest[:21])


def decimal(hundredths: int) -> str:
    """With all of the places that the vendor keeps."""
    return f"{hundredths // 100}.{hundredths % 100:02}" + "0" * 26


class Wallet:
    """One customer's credit of one entitlement. Amounts are hundredths."""

    def __init__(self, kind: str, customer: str) -> None:
        self.kind, self.customer = kind, customer
        self.balance = self.overage = 0
        self.grants: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self._left: dict[str, int] = {}

    def credit(self, amount: int, day: float, **more: Any) -> None:
        at = text_of(Instant(BEGAN + int(day * DAY)))
        grant: dict[str, Any] = {
            "id": vendor_id("cgr_", self.kind, self.customer, len(self.grants)),
            "customer_id": self.customer,
            "credit_entitlement_id": self.kind,
            "source_type": "api",
            "source_id": None,
            "initial_amount": decimal(amount),
            "remaining_amount": decimal(amount),
            "rollover_count": 0,
            "is_expired": False,
            "is_rolled_over": False,
            "parent_grant_id": None,
            "expires_at": None,
            "metadata": {},
            "created_at": at,
            "updated_at": at,
        }
        self.grants.append(grant | more)
        self._left[grant["id"]] = amount
        self._row("credit_added", amount, day, amount, grant_id=grant["id"])

    def debit(self, amount: int, day: float) -> None:
        """The oldest first."""
        rest = amount
        for grant in self.grants:
            taken = min(rest, self._left[grant["id"]])
            self._take(grant, taken)
            rest -= taken
        assert rest == 0, "it has less"
        self._row("credit_deducted", amount, day, -amount, reference_type="api")

    def expire(self, number: int, day: float) -> None:
        grant = self.grants[number]
        lost = self._left[grant["id"]]
        self._take(grant, lost)
        grant["is_expired"] = True
        self._row("credit_expired", lost, day, -lost, grant_id=grant["id"])

    def charge(self, amount: int, day: float) -> None:
        self._row("overage_charged", amount, day, 0, amount)

    def _take(self, grant: dict[str, Any], amount: int) -> None:
        self._left[grant["id"]] -= amount
        grant["remaining_amount"] = decimal(self._left[grant["id"]])

    def _row(
        self, kind: str, amount: int, day: float, moved: int, charged: int = 0, **more: Any
    ) -> None:
        before, overage = self.balance, self.overage
        self.balance, self.overage = before + moved, overage + charged
        row = {
            "id": vendor_id("cle_", self.kind, self.customer, len(self.rows)),
            "business_id": BUSINESS,
            "brand_id": "brd_1",
            "customer_id": self.customer,
            "credit_entitlement_id": self.kind,
            "transaction_type": kind,
            "amount": decimal(amount),
            "is_credit": moved > 0,
            "balance_before": decimal(before),
            "balance_after": decimal(self.balance),
            "overage_before": decimal(overage),
            "overage_after": decimal(self.overage),
            "grant_id": None,
            "description": None,
            "reference_type": None,
            "reference_id": None,
            "metadata": {},
            "created_at": text_of(Instant(BEGAN + int(day * DAY))),
        }
        self.rows.append(row | more)


class Saved:
    """The account: what was made first comes first; pages have the newest first."""

    def __init__(self) -> None:
        self.kinds: list[dict[str, Any]] = []
        self.deleted: list[dict[str, Any]] = []
        self.customers: list[dict[str, Any]] = []
        self.wallets: list[Wallet] = []

    def kind(self, name: str, *, deleted: bool = False, **settings: Any) -> str:
        number = len(self.kinds) + len(self.deleted)
        made: dict[str, Any] = {
            "id": vendor_id("cde_", number),
            "business_id": BUSINESS,
            "name": name,
            "unit": "token",
            "precision": 2,
            "rollover_enabled": False,
            "overage_enabled": False,
            "overage_behavior": "forgive_at_reset",
            "created_at": text_of(Instant(BEGAN + number)),
            "updated_at": text_of(Instant(BEGAN + number)),
        }
        (self.deleted if deleted else self.kinds).append(made | settings)
        return str(made["id"])

    def customer(self, name: str, **details: Any) -> str:
        number = len(self.customers)
        made = {
            "customer_id": vendor_id("cus_", number),
            "business_id": BUSINESS,
            "name": name,
            "email": f"{name.lower()}@example.com",
            "created_at": text_of(Instant(BEGAN + number)),
        }
        self.customers.append(made | details)
        return str(made["customer_id"])

    def wallet(self, kind: str, customer: str) -> Wallet:
        self.wallets.append(Wallet(kind, customer))
        return self.wallets[-1]

    def save(self, folder: Path) -> Path:
        _save(folder / "entitlements", self.kinds)
        _save(folder / "deleted-entitlements", self.deleted)
        _save(folder / "customers", self.customers)
        for kind in (*self.kinds, *self.deleted):
            of_it = [each for each in self.wallets if each.kind == kind["id"]]
            credit = folder / "credit" / kind["id"]
            _save(credit / "balances", [_balance(each) for each in of_it])
            for each in of_it:
                _save(credit / each.customer / "grants", each.grants)
                _save(credit / each.customer / "ledger", each.rows)
        return folder


def _balance(wallet: Wallet) -> dict[str, Any]:
    first, last = wallet.rows[0]["created_at"], wallet.rows[-1]["created_at"]
    return {
        "id": vendor_id("ccb_", wallet.kind, wallet.customer),
        "customer_id": wallet.customer,
        "credit_entitlement_id": wallet.kind,
        "balance": decimal(wallet.balance),
        "overage": decimal(wallet.overage),
        "created_at": first,
        "updated_at": last,
        "last_transaction_at": last,
    }


def _save(folder: Path, items: list[dict[str, Any]]) -> None:
    """The newest first. The last of a page comes again on the next: the account moved while it was read."""
    folder.mkdir(parents=True)
    newest = items[::-1]
    pages = [newest[at : at + PAGE_SIZE] for at in range(0, len(newest), PAGE_SIZE - 1)] or [[]]
    for number, page in enumerate(pages):
        (folder / f"{number}.json").write_text(json.dumps({"items": page}))


def an_account() -> Saved:
    """Four customers, and three kinds of credit: one was deleted, and its name is another's now."""
    saved = Saved()
    old = saved.kind("Tokens", deleted=True)
    tokens = saved.kind("Tokens", description="What it runs on", expires_after_days=30)
    calls = saved.kind(
        "Calls",
        overage_enabled=True,
        overage_behavior="carry_deficit_auto_repay",
        price_per_unit="0.500",
        currency="USD",
    )
    ada = saved.customer("Ada", phone_number="+49301234", metadata={"plan": "pro", "seats": 3})
    bob = saved.customer("Bob", preferred_locale="de")
    eve = saved.customer("Eve")
    saved.customer("Idle")
    saved.wallet(old, ada).credit(1_250, 0)
    for number, customer in enumerate((ada, bob, eve), start=1):
        wallet = saved.wallet(tokens, customer)
        wallet.credit(1_000 * number, number, metadata={"order": f"A-{number}"})
        wallet.debit(250, number + 1)
        wallet.credit(500, number + 2, expires_at="2025-04-01T00:00:00Z")
        wallet.credit(700, number + 3, source_type="subscription", source_id="sub_1")
        wallet.debit(1_000 * number - 250 + 100, number + 4)
        wallet.expire(1, 31)
        wallet.credit(300, 32, expires_at="2099-01-01T00:00:00Z")
    past = saved.wallet(calls, ada)
    past.credit(400, 1)
    past.debit(400, 2)
    past.charge(275, 3)
    both = saved.wallet(calls, bob)
    both.charge(50, 1)
    both.credit(90, 2)
    return saved
