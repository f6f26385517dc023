"""Pages as Sequence answers them, made by its rules: credit was given, used, put back and lost."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

from drawdown.core.times import text_of
from drawdown.core.types import DAY, Instant

#: 2025-03-01T00:00:00Z.
BEGAN = Instant(1_740_787_200_000_000)
LATER = "2099-01-01"
PAGE_SIZE = 2
ACCOUNT = "5c2a3cd1-5e0b-4d6c-9d57-0ad05f2f1b10"
Object = dict[str, Any]


def vendor_id(*of: object, version: int = 4) -> str:
    """A UUID of version 4, as most of the vendor's are, or 7, as the newer ones are."""
    digest = bytearray(hashlib.sha256(repr(of).encode()).digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | version << 4, digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def at(day: float) -> str:
    return text_of(Instant(BEGAN + int(day * DAY)))


def date(day: float) -> str:
    return at(day)[:10]


class Grant:
    """One grant, and what happened to it, day by day. ``shown`` is the vendor's object."""

    def __init__(self, saved: Saved, customer: str, amount: str, day: float, **more: Any) -> None:
        self.left, self.saved = Decimal(amount), saved
        made: Object = {
            "id": vendor_id("grant", len(saved.grants)),
            "sequenceAccountId": ACCOUNT,
            "customerId": customer,
            "type": "CASH",
            "currency": "USD",
            "name": "Credits",
            "originalAmount": amount,
            "currentBalance": amount,
            "costOfCredit": "0",
            "createdAt": at(day),
            "effectiveDate": date(day),
        }
        if "metricId" in more:
            made["type"] = "USAGE"
        self.shown: Object = {**made, **more}
        self.rows: list[Object] = []
        saved.grants.append(self)

    @property
    def id(self) -> str:
        return str(self.shown["id"])

    @property
    def credit(self) -> str:
        return str(self.shown.get("metricId", self.shown["currency"]))

    def move(self, kind: str, amount: str, day: float, **more: Any) -> None:
        self.left += Decimal(amount) if kind == "CREDIT" else -Decimal(amount)
        self.shown["currentBalance"] = format(self.left.normalize(), "f") if self.left else "0"
        self.told(kind, amount, day, **more)

    def told(self, kind: str, amount: str, day: float, **more: Any) -> None:
        number = len(self.saved.rows)
        row = {
            "id": vendor_id("transaction", number, version=7),
            "grantId": self.id,
            "type": kind,
            "amount": amount,
            "date": date(day),
            "createdAt": at(day),
        }
        row |= more
        self.rows.append(row)
        self.saved.rows.append(row)


class Saved:
    """The account: what was made first comes first; pages have the newest first."""

    def __init__(self) -> None:
        self.customers: list[Object] = []
        self.unlisted: list[Object] = []
        self.aliases: list[Object] = []
        self.metrics: list[Object] = []
        self.grants: list[Grant] = []
        self.rows: list[Object] = []

    def customer(self, name: str, *aliases: str, listed: bool = True, **details: Any) -> str:
        number = len(self.customers) + len(self.unlisted)
        made: Object = {
            "id": vendor_id("customer", name),
            "createdAt": at(number / 1_000),
            "legalName": name,
            "address": {
                "line1": "1 High Street",
                "town": "London",
                "postcode": "E1 6AN",
                "country": "GB",
            },
            "taxStatus": "TAXED",
            "contacts": [
                {
                    "id": vendor_id("contact", name),
                    "name": name,
                    "email": f"{name.lower()}@example.com",
                    "billingPreference": "PRIMARY",
                }
            ],
            "integrationIds": [],
            "organizations": [],
        }
        made |= details
        (self.customers if listed else self.unlisted).append(made)
        for text in aliases:
            self.aliases.append(
                {
                    "id": vendor_id("alias", text),
                    "customerId": made["id"],
                    "sequenceAccountId": ACCOUNT,
                    "value": text,
                    "createdAt": at(1),
                    "label": f"as {name}",
                }
            )
        return str(made["id"])

    def metric(self, name: str, **details: Any) -> str:
        made: Object = {
            "id": vendor_id("metric", name, len(self.metrics)),
            "sequenceAccountId": ACCOUNT,
            "name": name,
            "metricType": "SIMPLE",
            "eventType": "calls",
            "aggregationType": "SUM",
            "aggregationProperty": "units",
            "propertyFilters": {"region": "eu"},
            "propertiesToNegate": [],
            "caseSensitive": True,
            "parameters": [],
            "createdAt": at(0.5),
        }
        self.metrics.append(made | details)
        return str(made["id"])

    def grant(self, customer: str, amount: str, day: float, **more: Any) -> Grant:
        return Grant(self, customer, amount, day, **more)

    def of(self, customer: str) -> list[Grant]:
        return [each for each in self.grants if each.shown["customerId"] == customer]

    def balances(self, customer: str) -> Object:
        """What is used up is not among the grants of a balance."""
        names = {each["id"]: each["name"] for each in self.metrics}
        found = []
        for credit in dict.fromkeys(each.credit for each in self.of(customer)):
            grants = [each for each in self.of(customer) if each.credit == credit]
            left = sum((each.left for each in grants), Decimal())
            rows = [row for row in self.rows if row in [one for g in grants for one in g.rows]]
            found.append(
                {
                    "id": credit,
                    "type": grants[0].shown["type"],
                    "name": names.get(credit, credit),
                    "balance": format(left.normalize(), "f") if left else "0",
                    "grants": [each.shown for each in grants if each.left],
                    "transactions": rows[::-1],
                }
            )
        return {"items": found}

    def save(self, folder: Path) -> Path:
        self.grants.sort(key=lambda each: str(each.shown["createdAt"]))
        for name, items in (
            ("customers", self.customers),
            ("aliases", self.aliases),
            ("metrics", self.metrics),
            ("grants", [each.shown for each in self.grants]),
        ):
            _save(folder / name, items)
        for each in self.unlisted:
            _write(folder / "unlisted-customers" / each["id"] / "0.json", each)
        for customer in dict.fromkeys(str(each.shown["customerId"]) for each in self.grants):
            _write(folder / "balances" / customer / "0.json", self.balances(customer))
        return folder


def _save(folder: Path, items: list[Object]) -> None:
    """The newest first. The last of a page comes again on the next: the account moved while it was read."""
    newest = items[::-1]
    pages = [newest[at : at + PAGE_SIZE] for at in range(0, len(newest), PAGE_SIZE - 1)] or [[]]
    for number, page in enumerate(pages):
        answer: Object = {"items": page, "pagination": {"totalResultSize": len(items)}}
        if number + 1 < len(pages):
            answer["pagination"]["after"] = base64.b64encode(str(number).encode()).decode()
        _write(folder / f"{number}.json", answer)


def _write(path: Path, document: Object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def an_account() -> Saved:
    """Five customers, one archived and not listed, with credit in two currencies and of three metrics."""
    saved = Saved()
    calls = saved.metric("Calls", unit="call")
    old = saved.metric("Calls", deletedAt=at(20), createdAt=at(0.25))
    score = saved.metric("Score", aggregationType="CUSTOM", aggregationProperty=None)
    ada = saved.customer("Ada", "acme", "acme.eu", label="Best", customerAliases=["acme", "a-1"])
    bob = saved.customer("Bob", "bob", "Bob & Sons")
    eve = saved.customer("Eve", id=vendor_id("customer", "Eve", version=7))
    saved.customer("Idle")
    gone = saved.customer("Gone", listed=False, archivedAt=at(30))
    saved.grant(gone, "5", 1).move("DEBIT", "2", 2)
    for number, customer in enumerate((ada, bob, eve), start=1):
        first = saved.grant(customer, f"{1_000 * number}.5", number, costOfCredit="900")
        first.move("DEBIT", "250.25", number + 1, invoiceId="inv_1", billingRunId="run_1")
        first.move("DEBIT", "0.05", number + 2)
        first.move("CREDIT", "100", number + 3, reason="Refund")
        units = saved.grant(customer, "500", number + 2, metricId=calls, expiryDate=LATER)
        units.move("DEBIT", "120.000001", number + 3)
        ended = saved.grant(customer, "70", 5 + number, metricId=calls, expiryDate=date(31))
        ended.move("DEBIT", "10", 6 + number)
    used = saved.grant(ada, "10", 12, currency="EUR")
    used.move("DEBIT", "10", 13)
    written_off = saved.grant(ada, "30", 14, expiryDate=date(20))
    written_off.told("CREDIT", "30", 14)
    written_off.move("DEBIT", "4", 15)
    written_off.move("DEBIT", "26", 21, reason="Expired")
    voided = saved.grant(bob, "40", 16, expiryDate=LATER, taxRateId="tax_1")
    voided.move("DEBIT", "40", 17, reason="Voided")
    saved.grant(bob, "80", 18, effectiveDate=LATER)
    saved.grant(eve, "15", 19, metricId=old).move("DEBIT", "3", 19.5)
    saved.grant(eve, "25", 19.25, metricId=score)
    untold = saved.grant(eve, "9", 22)
    untold.move("DEBIT", "4", 23)
    untold.rows.clear()
    return saved
