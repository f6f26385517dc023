"""Pages as Stripe answers them, made by its rules: credit was given, applied, given back and lost."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

#: 2025-03-01T00:00:00Z, and a day, in seconds.
BEGAN, DAY = 1_740_787_200, 86_400
LATER = 4_070_908_800  # 2099-01-01T00:00:00Z
PAGE_SIZE = 2
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
Object = dict[str, Any]


def vendor_id(prefix: str, length: int, *of: object) -> str:
    """As the vendor's look: a prefix and so many characters, which are no id of ours."""
    digest = hashlib.sha512(repr(of).encode()).digest()
    return prefix + "".join(_ALPHABET[byte % 62] for byte in digest[:length])


def money(value: int, currency: str) -> Object:
    return {"type": "monetary", "monetary": {"currency": currency, "value": value}}


class Grant:
    """One grant, and what happened to it, day by day. ``shown`` is the vendor's object."""

    def __init__(self, saved: Saved, customer: str, amount: int, day: float, **more: Any) -> None:
        number = len(saved.grants)
        self._saved, self.currency = saved, more.pop("currency", "usd")
        self.left = amount
        at = BEGAN + int(day * DAY)
        made: Object = {
            "id": vendor_id("credgr_test_", 32, "grant", number),
            "object": "billing.credit_grant",
            "amount": money(amount, self.currency),
            "applicability_config": {"scope": {"price_type": "metered"}},
            "category": "paid",
            "created": at,
            "customer": customer,
            "customer_account": None,
            "effective_at": at,
            "expires_at": None,
            "livemode": False,
            "metadata": {},
            "name": None,
            "priority": 50,
            "test_clock": None,
            "updated": at,
            "voided_at": None,
        }
        self.shown: Object = {**made, **more}
        saved.grants.append(self)
        starts = self.shown["effective_at"]
        self._row(day, "credit", "credits_granted", amount, effective_at=starts)

    @property
    def id(self) -> str:
        return str(self.shown["id"])

    def apply(self, value: int, day: float, invoice: str = "in_1", line: str = "il_1") -> None:
        place = {"invoice": invoice, "invoice_line_item": line}
        self.left -= value
        self._row(day, "debit", "credits_applied", value, place)

    def give_back(self, value: int, day: float, invoice: str = "in_1") -> None:
        place = {"invoice": invoice, "invoice_line_item": "il_1"}
        self.left += value
        self._row(day, "credit", "credits_application_invoice_voided", value, place)

    def expire(self, day: float) -> None:
        """By itself or by hand."""
        at = BEGAN + int(day * DAY)
        self.shown["expires_at"] = at
        value, self.left = self.left, 0
        self._row(day, "debit", "credits_expired", value)

    def void(self, day: float) -> None:
        at = BEGAN + int(day * DAY)
        self.shown["voided_at"] = self.shown["updated"] = at
        value, self.left = self.left, 0
        self._row(day, "debit", "credits_voided", value)

    def _row(
        self,
        day: float,
        way: str,
        kind: str,
        value: int,
        place: Object | None = None,
        effective_at: int | None = None,
    ) -> None:
        at = BEGAN + int(day * DAY)
        named = "credits_application_invoice_voided" if way == "credit" else "credits_applied"
        detail: Object = {"amount": money(value, self.currency), "type": kind, named: place}
        rows = self._saved.rows
        rows.append(
            {
                "id": vendor_id("cbtxn_test_", 32, "row", len(rows)),
                "object": "billing.credit_balance_transaction",
                "created": at,
                "credit": detail if way == "credit" else None,
                "credit_grant": self.id,
                "debit": detail if way == "debit" else None,
                "effective_at": at if effective_at is None else effective_at,
                "livemode": False,
                "test_clock": None,
                "type": way,
            }
        )


class Saved:
    """The account: what was made first comes first; pages have the newest first."""

    def __init__(self) -> None:
        self.customers: list[Object] = []
        self.deleted: list[str] = []
        self.grants: list[Grant] = []
        self.rows: list[Object] = []
        #: What drafts have reserved, by grant.
        self.reserved: dict[str, int] = {}

    def customer(self, name: str, **details: Any) -> str:
        number = len(self.customers)
        made: Object = {
            "id": vendor_id("cus_", 14, "customer", number),
            "object": "customer",
            "created": BEGAN + number,
            "livemode": False,
            "name": name,
            "email": f"{name.lower()}@example.com",
            "metadata": {},
            "default_source": None,
            "balance": 0,
            "test_clock": None,
        }
        self.customers.append(made | details)
        return str(made["id"])

    def deleted_customer(self) -> str:
        self.deleted.append(vendor_id("cus_", 14, "deleted", len(self.deleted)))
        return self.deleted[-1]

    def grant(self, customer: str, amount: int, day: float, **more: Any) -> Grant:
        return Grant(self, customer, amount, day, **more)

    def of(self, customer: str) -> list[Grant]:
        return [each for each in self.grants if each.shown["customer"] == customer]

    def rows_of(self, *grants: Grant) -> list[Object]:
        ids = {each.id for each in grants}
        return [each for each in self.rows if each["credit_grant"] in ids]

    def balance(self, *grants: Grant) -> dict[str, tuple[int, int]]:
        """By currency; what has not begun counts for nothing."""
        found: dict[str, tuple[int, int]] = {}
        for each in grants:
            ledger, available = found.get(each.currency, (0, 0))
            left = 0 if each.shown["effective_at"] >= LATER else each.left
            free = left - self.reserved.get(each.id, 0)
            found[each.currency] = (ledger + left, available + free)
        return found

    def save(self, folder: Path) -> Path:
        self.grants.sort(key=lambda each: each.shown["created"])
        self.rows.sort(key=lambda each: each["created"])
        _save(folder / "customers", "/v1/customers", self.customers)
        grants = [each.shown for each in self.grants]
        _save(folder / "grants", "/v1/billing/credit_grants", grants)
        url = "/v1/billing/credit_balance_transactions"
        for name in self.deleted:
            stub = {"id": name, "object": "customer", "deleted": True}
            _write(folder / "unlisted-customers" / name / "0.json", stub)
            for each in self.of(name):
                _save(folder / "transactions" / each.id, url, self.rows_of(each))
        for name in [each["id"] for each in self.customers]:
            theirs = self.of(name)
            if not theirs or theirs[0].shown["test_clock"] is not None:
                continue
            _save(folder / "transactions" / name, url, self.rows_of(*theirs))
            self._save_balance(folder, name, name, *theirs)
            for each in theirs:
                if each.left:
                    self._save_balance(folder, name, each.id, each)
        return folder

    def _save_balance(self, folder: Path, customer: str, of: str, *grants: Grant) -> None:
        balances = [
            {"available_balance": money(free, code), "ledger_balance": money(left, code)}
            for code, (left, free) in self.balance(*grants).items()
        ]
        summary = {
            "object": "billing.credit_balance_summary",
            "balances": balances,
            "customer": customer,
            "customer_account": None,
            "livemode": False,
        }
        _write(folder / "balances" / of / "0.json", summary)


def _save(folder: Path, url: str, items: list[Object]) -> None:
    """The newest first. The last of a page comes again on the next: the account moved while it was read."""
    newest = items[::-1]
    pages = [newest[at : at + PAGE_SIZE] for at in range(0, len(newest), PAGE_SIZE - 1)] or [[]]
    for number, page in enumerate(pages):
        more = number + 1 < len(pages)
        answer = {"object": "list", "data": page, "has_more": more, "url": url}
        _write(folder / f"{number}.json", answer)


def _write(path: Path, document: Object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def an_account() -> Saved:
    """Five customers, one of whom is on a test clock, one who was deleted, and credit in two currencies."""
    saved = Saved()
    clocked = saved.customer("Clocked", test_clock="clock_1")
    ada = saved.customer(
        "Ada",
        phone="+49301234",
        metadata={"plan": "pro"},
        address={"city": "Bonn", "country": "DE", "line2": None},
        invoice_prefix="ADA1",
        preferred_locales=["de"],
        invoice_settings={"custom_fields": None, "default_payment_method": "pm_1", "footer": "Hi"},
        shipping={"name": "A. L.", "phone": None, "address": {"city": "Köln"}, "carrier": "x"},
    )
    bob, eve = saved.customer("Bob"), saved.customer("Eve", email=None)
    saved.customer("Idle")
    gone = saved.deleted_customer()
    saved.grant(gone, 500, 0).apply(200, 1)
    for number, customer in enumerate((ada, bob, eve), start=1):
        first = saved.grant(customer, 1_000 * number, number, metadata={"order": f"A-{number}"})
        first.apply(250, number + 1)
        second = saved.grant(customer, 500, number + 2, name="Welcome", category="promotional")
        second.shown["applicability_config"] = {"scope": {"prices": [{"id": "price_1"}]}}
        second.shown["priority"] = 10
        second.apply(120, number + 3, "in_2", "il_2")
        first.apply(250, number + 3, "in_2", "il_3")
        second.give_back(120, number + 4, "in_2")
        second.expire(31)
        saved.grant(customer, 300, 32, expires_at=LATER, effective_at=BEGAN + 33 * DAY)
    saved.grant(ada, 700, 40).void(41)
    pending = saved.grant(ada, 900, 42, effective_at=LATER, expires_at=LATER + DAY)
    pending.shown["updated"] += 5
    saved.grant(bob, 800, 43, effective_at=LATER, expires_at=LATER + DAY).expire(44)
    yen = saved.grant(bob, 90_000, 45, currency="jpy")
    yen.apply(90_000, 46)
    saved.grant(clocked, 100, 47, test_clock="clock_1")
    saved.grant(eve, 600, 48, expires_at=BEGAN + 60 * DAY)  # its end is not recorded yet
    return saved
