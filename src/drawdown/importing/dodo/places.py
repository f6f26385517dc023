"""Where each list of an account is kept, where the vendor answers it, and how its pages look."""

from __future__ import annotations

import msgspec

from drawdown.importing.pages import Page

VENDOR, TITLE = "dodo", "Dodo"
ENTITLEMENTS = "entitlements"
DELETED = "deleted-entitlements"
CUSTOMERS = "customers"


def balances(entitlement: str) -> str:
    return f"credit/{entitlement}/balances"


def grants(entitlement: str, customer: str) -> str:
    return f"credit/{entitlement}/{customer}/grants"


def ledger(entitlement: str, customer: str) -> str:
    return f"credit/{entitlement}/{customer}/ledger"


def path_of_balances(entitlement: str) -> str:
    return f"/credit-entitlements/{entitlement}/balances"


def path_of_grants(entitlement: str, customer: str) -> str:
    return f"/credit-entitlements/{entitlement}/balances/{customer}/grants"


def path_of_ledger(entitlement: str, customer: str) -> str:
    return f"/credit-entitlements/{entitlement}/balances/{customer}/ledger"


class _Answer(msgspec.Struct):
    """What a list answers; whatever else is in it is of no concern."""

    items: list[msgspec.Raw]


_read = msgspec.json.Decoder(_Answer).decode


class NumberedPages:
    """Pages are numbered from zero and one past the end is empty, which is where a list is done.

    Where a server counts from one, its first page comes twice, and its records count once.
    """

    example = '{"items": [...]}'

    def read(self, body: bytes) -> Page:
        items = _read(body).items
        return Page(items, is_last=not items)

    def query(self, number: int, before: Page | None) -> dict[str, str]:
        return {"page_size": "100", "page_number": str(number)}


PAGES = NumberedPages()
