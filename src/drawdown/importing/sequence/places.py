"""Where each list of an account is kept, where the vendor answers it, and how its pages look."""

from __future__ import annotations

import msgspec

from drawdown.importing.pages import Page

VENDOR, TITLE = "sequence", "Sequence"
CUSTOMERS, ALIASES, METRICS, GRANTS = "customers", "aliases", "metrics", "grants"
PATHS = {
    CUSTOMERS: "/customers",
    ALIASES: "/customer-aliases",
    METRICS: "/usage-metrics",
    GRANTS: "/credits",
}


def unlisted(customer: str) -> str:
    """One whom the list of customers has not, though he has grants: he may be archived."""
    return f"unlisted-customers/{customer}"


def balances(customer: str) -> str:
    return f"balances/{customer}"


def path_of_balances(customer: str) -> str:
    return f"/credits/{customer}/balances"


class _Pagination(msgspec.Struct):
    after: str | None = None


class _Answer(msgspec.Struct):
    """What a list answers; whatever else is in it is of no concern."""

    items: list[msgspec.Raw]
    pagination: _Pagination | None = None


_read = msgspec.json.Decoder(_Answer).decode


class CursorPages:
    """A page has a cursor to the next, unless it is the last."""

    example = '{"items": [...], "pagination": {"after": "..."}}'

    def read(self, body: bytes) -> Page:
        answer = _read(body)
        after = "" if answer.pagination is None else answer.pagination.after or ""
        if after and not answer.items:
            raise msgspec.ValidationError("it has nothing, and says that there is more")
        return Page(answer.items, is_last=not after, cursor=after)

    def query(self, number: int, before: Page | None) -> dict[str, str]:
        after = {} if before is None else {"after": before.cursor}
        return {"limit": "100", **after}


PAGES = CursorPages()
