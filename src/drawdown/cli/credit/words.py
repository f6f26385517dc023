"""What is typed at a terminal, as what the client takes: arguments, options, times, pairs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from msgspec import UNSET, UnsetType

if TYPE_CHECKING:
    from drawdown.client import OverageRule

LIMIT = 20
NEVER = "never"

BurnOrder = Literal["soonest_expiry", "oldest_first"]
Category = Literal["paid", "promotional"]
Direction = Literal["up", "down"]
GrantState = Literal["pending", "active", "depleted", "expired", "voided"]
HoldState = Literal["open", "captured", "released", "expired"]
OverCapture = Literal["draw", "refuse"]

OverageMode = Literal["off", "limited", "unlimited"]
OverageBehavior = Literal[
    "forgive_at_reset", "invoice_at_billing", "carry_deficit", "carry_deficit_auto_repay"
]

Customer = Annotated[
    str,
    typer.Argument(metavar="CUSTOMER", help="Your own id of the customer, or the generated one."),
]
Entitlement = Annotated[
    str, typer.Argument(metavar="ENTITLEMENT", help="Its code, such as usd, or its id.")
]
Amount = Annotated[
    str,
    typer.Argument(
        metavar="AMOUNT", help="A decimal, with at most as many places as the entitlement keeps."
    ),
]
OfCustomer = Annotated[str | None, typer.Option("--customer", help="Only this customer's.")]
OfEntitlement = Annotated[
    str | None, typer.Option("--entitlement", help="Only of this entitlement.")
]
Attributes = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute",
        metavar="NAME=VALUE",
        help="What it is for, such as model=gpt-4o; repeatable.",
    ),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="NAME=VALUE", help="What you want to keep; repeatable."),
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(help="The same key again does nothing twice. By default a new one, used once."),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", help="As it was or will be then: RFC 3339; UTC without a zone."
    ),
]
OccurredAt = Annotated[
    str | None, typer.Option(metavar="TIME", help="When the usage was, if not now.")
]
OverageLimit = Annotated[
    str | None, typer.Option(help="How far past zero in all, with --overage limited.")
]
OverageBehaves = Annotated[
    OverageBehavior | None, typer.Option(help="What becomes of it; by default it is forgiven.")
]
OveragePrice = Annotated[
    str | None, typer.Option(metavar="PRICE:CURRENCY", help="What one of it costs: 0.02:usd.")
]
Priority = Annotated[int | None, typer.Option(help="0 to 100; 0 burns first, 50 by default.")]
OfCategory = Annotated[
    Category | None, typer.Option(help="Promotional burns before paid, which it is by default.")
]
Scope = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="NAME=VALUE",
        help="Pays only for usage with this attribute; repeatable, one name with any value.",
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="At most so many.")]
All = Annotated[bool, typer.Option("--all", help="All there are.")]


def instant(text: str | None, option: str) -> datetime | None:
    """RFC 3339. Without a zone it is in UTC; a day alone is its beginning."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time. Write 2026-12-31T23:59:59Z, or 2026-12-31 for the day's beginning "
            "in UTC.",
            param_hint=option,
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def expiry(text: str | None) -> datetime | UnsetType | None:
    """``UNSET`` where nothing is said, None for never."""
    if text is None:
        return UNSET
    return None if text == NEVER else instant(text, "--expires-at")


def pairs(texts: Sequence[str] | None, option: str) -> dict[str, str] | None:
    """``NAME=VALUE``, each name once; None where there are none."""
    found: dict[str, str] = {}
    for name, value in _split(texts, option, "="):
        if name in found:
            raise typer.BadParameter(f"{name} is given twice.", param_hint=option)
        found[name] = value
    return found or None


def scope(texts: Sequence[str] | None) -> dict[str, list[str]] | None:
    """``NAME=VALUE``; a name that is given again takes either value."""
    found: dict[str, list[str]] = {}
    for name, value in _split(texts, "--scope", "="):
        found.setdefault(name, []).append(value)
    return found or None


def cost_basis(text: str | None) -> tuple[str, str] | None:
    """``usd:15``, as an amount and its currency."""
    if text is None:
        return None
    [(currency, amount)] = prices([text], "--cost-basis")
    return amount, currency


def prices(texts: Sequence[str] | None, option: str) -> list[tuple[str, str]]:
    """``ENTITLEMENT:PRICE``, in the order given. A code may have colons; a price has none."""
    return [(name, value) for name, value in _split(texts, option, ":")]


def unit_price(text: str | None, option: str) -> tuple[str, str] | None:
    """``0.01:usd``, as an amount and its currency."""
    found = _split(None if text is None else [text], option, ":")
    return found[0] if found else None


def overage(
    mode: OverageMode | None,
    limit: str | None,
    behavior: OverageBehavior | None,
    price: str | None,
) -> OverageRule | None:
    """The rule for usage past zero; None where nothing is said of it."""
    from drawdown.client import OverageRule

    if mode is None:
        if limit is not None or behavior is not None or price is not None:
            raise typer.BadParameter(
                "say how far it may go: off, limited or unlimited.", param_hint="--overage"
            )
        return None
    cost = unit_price(price, "--overage-price")
    return OverageRule(mode=mode, limit=limit, behavior=behavior, price_per_unit=cost)


def _split(texts: Sequence[str] | None, option: str, separator: str) -> list[tuple[str, str]]:
    found = []
    for text in texts or ():
        name, between, value = (
            text.partition(separator) if separator == "=" else text.rpartition(separator)
        )
        if not (name and between and value):
            form = f"NAME{separator}VALUE"
            raise typer.BadParameter(f"{text!r} is not {form}.", param_hint=option)
        found.append((name, value))
    return found
