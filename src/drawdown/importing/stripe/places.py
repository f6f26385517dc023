"""Where each list of an account is kept, where the vendor answers it, and how its pages look."""

from __future__ import annotations

from typing import Literal

import msgspec

from drawdown.importing.pages import Page

VENDOR, TITLE = "stripe", "Stripe"
CUSTOMERS, GRANTS = "customers", "grants"
PATH_OF_CUSTOMERS, PATH_OF_GRANTS = "/v1/customers", "/v1/billing/credit_grants"
PATH_OF_TRANSACTIONS = "/v1/billing/credit_balance_transactions"
PATH_OF_BALANCE = "/v1/billing/credit_balance_summary"


def unlisted(customer: str) -> str:
    """One whom the list of customers has not, though he has grants: he was deleted."""
    return f"unlisted-customers/{customer}"


def transactions(owner: str) -> str:
    """Those of a customer; of one who was deleted, those of each of his grants."""
    return f"transactions/{owner}"


def balance(of: str) -> str:
    """Of a customer, or of a grant."""
    return f"balances/{of}"


class _Answer(msgspec.Struct):
    """What a list answers; whatever else is in it is of no concern."""

    object: Literal["list"]
    data: list[msgspec.Raw]
    has_more: bool


class _Named(msgspec.Struct):
    id: str


_read, _named = msgspec.json.Decoder(_Answer).decode, msgspec.json.Decoder(_Named).decode


class CursorPages:
    """A page says whether there are more; the next is asked for by the last id on it."""

    example = '{"object": "list", "data": [...], "has_more": false}'

    def read(self, body: bytes) -> Page:
        answer = _read(body)
        if answer.has_more:
            if not answer.data:
                raise msgspec.ValidationError("it has nothing, and says that there is more")
            _named(answer.data[-1])
        return Page(answer.data, is_last=not answer.has_more)

    def query(self, number: int, before: Page | None) -> dict[str, str]:
        after = {} if before is None else {"starting_after": _named(before.items[-1]).id}
        return {"limit": "100", **after}


PAGES = CursorPages()
