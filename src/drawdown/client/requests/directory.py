"""Customers, entitlements and API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from drawdown.client.calls import API, Call, Listing, get, given, reader, write
from drawdown.client.calls import PAGE_SIZE as PAGE
from drawdown.client.records import Customer, Entitlement, Key, NewKey, Page
from drawdown.client.values import Amount, amount_text, in_path


class OverageRule(msgspec.Struct, frozen=True, kw_only=True):
    """How far usage may go past zero, and what becomes of it.

    ``limit`` comes with the mode ``limited``; ``price_per_unit`` is an amount and a currency.
    """

    mode: Literal["off", "limited", "unlimited"]
    limit: Amount | None = None
    behavior: (
        Literal[
            "forgive_at_reset",
            "invoice_at_billing",
            "carry_deficit",
            "carry_deficit_auto_repay",
        ]
        | None
    ) = None
    price_per_unit: tuple[Amount, str] | None = None

    def body(self) -> dict[str, Any]:
        price = None
        if self.price_per_unit is not None:
            amount, currency = self.price_per_unit
            price = {"amount": amount_text(amount, "price_per_unit"), "currency": currency}
        return given(
            {
                "mode": self.mode,
                "limit": None if self.limit is None else amount_text(self.limit, "limit"),
                "behavior": self.behavior,
                "price_per_unit": price,
            }
        )


def create_customer(
    id: str | None = None,
    *,
    name: str | None = None,
    email: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    test_clock: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Customer]:
    """Make a customer, by your own id or, without one, a generated one.

    With ``test_clock`` the time of that clock is the customer's, for good.
    """
    fields = {"id": id, "name": name, "email": email, "metadata": metadata}
    body = given({**fields, "test_clock": test_clock})
    return write("/customers", Customer, body, idempotency_key)


def amend_customer(
    customer: str,
    *,
    name: str | UnsetType | None = UNSET,
    email: str | UnsetType | None = UNSET,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[Customer]:
    """Change what is kept of a customer. None: nothing any more; a None in ``metadata`` deletes its key."""
    body = {"name": name, "email": email, **given({"metadata": metadata})}
    path = f"/customers/{in_path(customer, 'customer')}"
    return write(path, Customer, body, idempotency_key, "PATCH")


def close_customer(customer: str, *, idempotency_key: str | None = None) -> Call[Customer]:
    """Grant and use nothing more of a customer's, for good; his schedules, top-ups and alerts end.

    Again changes nothing.
    """
    path = f"/customers/{in_path(customer, 'customer')}/close"
    return write(path, Customer, {}, idempotency_key)


def get_customer(customer: str) -> Call[Customer]:
    """A customer, by any of its ids."""
    return get(f"/customers/{in_path(customer, 'customer')}", Customer)


def customers(*, page_size: int = PAGE) -> Listing[Customer]:
    """Every customer, newest first."""
    return Listing(path="/customers", query={}, page=Page[Customer], page_size=page_size)


def create_entitlement(
    code: str,
    *,
    unit: str,
    scale: int,
    name: str | None = None,
    burn_order: Literal["soonest_expiry", "oldest_first"] | None = None,
    expires_after_days: int | None = None,
    shortfall: Literal["refuse", "cap", "overage"] | None = None,
    late_usage_grace: int | None = None,
    overage: OverageRule | None = None,
    idempotency_key: str | None = None,
) -> Call[Entitlement]:
    """Make an entitlement: what credit is counted in. Currencies are there by themselves.

    ``shortfall``: what becomes of metered usage that credit does not cover.
    """
    optional = {
        "name": name,
        "burn_order": burn_order,
        "expires_after_days": expires_after_days,
        "shortfall": shortfall,
        "late_usage_grace": late_usage_grace,
        "overage": None if overage is None else overage.body(),
    }
    body = {"code": code, "unit": unit, "scale": scale, **given(optional)}
    return write("/entitlements", Entitlement, body, idempotency_key)


def amend_entitlement(
    entitlement: str,
    *,
    name: str | None = None,
    unit: str | None = None,
    expires_after_days: int | UnsetType | None = UNSET,
    shortfall: Literal["refuse", "cap", "overage"] | None = None,
    late_usage_grace: int | None = None,
    overage: OverageRule | None = None,
    idempotency_key: str | None = None,
) -> Call[Entitlement]:
    """Change an entitlement, from now on: what is not given stays, and grants keep what they have.

    ``expires_after_days`` None: never. A currency keeps its name and unit.
    """
    optional = {
        "name": name,
        "unit": unit,
        "shortfall": shortfall,
        "late_usage_grace": late_usage_grace,
        "overage": None if overage is None else overage.body(),
    }
    body = {"expires_after_days": expires_after_days, **given(optional)}
    path = f"/entitlements/{in_path(entitlement, 'entitlement')}"
    return write(path, Entitlement, body, idempotency_key, "PATCH")


def close_entitlement(entitlement: str, *, idempotency_key: str | None = None) -> Call[Entitlement]:
    """Grant and use nothing more of an entitlement; its name is free. Again changes nothing."""
    path = f"/entitlements/{in_path(entitlement, 'entitlement')}/close"
    return write(path, Entitlement, {}, idempotency_key)


def reopen_entitlement(
    entitlement: str, *, idempotency_key: str | None = None
) -> Call[Entitlement]:
    """Undo the closing of an entitlement, unless another has its name by now."""
    path = f"/entitlements/{in_path(entitlement, 'entitlement')}/reopen"
    return write(path, Entitlement, {}, idempotency_key)


def get_entitlement(entitlement: str) -> Call[Entitlement]:
    """An entitlement, by its code or id."""
    return get(f"/entitlements/{in_path(entitlement, 'entitlement')}", Entitlement)


def entitlements(*, page_size: int = PAGE) -> Listing[Entitlement]:
    """Every entitlement, newest first; a currency from its first grant on."""
    return Listing(path="/entitlements", query={}, page=Page[Entitlement], page_size=page_size)


def create_api_key(
    role: Literal["viewer", "editor", "admin"],
    *,
    mode: Literal["test", "live"] | None = None,
    name: str | None = None,
) -> Call[NewKey]:
    """Make an API key; its secret is answered this once.

    It takes no idempotency key, so it is sent once: if the answer is lost, look at ``api_keys`` and
    revoke the one that you cannot use.
    """
    body = {"role": role, **given({"mode": mode, "name": name})}
    return Call(
        method="POST",
        path=API + "/keys",
        read=reader(NewKey),
        body=msgspec.json.encode(body),
        repeatable=False,
    )


def api_keys() -> Listing[Key]:
    """The account's API keys, newest first; of a test key, test keys only."""
    return Listing(path="/keys", query={}, page=Page[Key], page_size=None)


def revoke_api_key(key: str) -> Call[Key]:
    """The key opens nothing any more. Again changes nothing."""
    path = f"{API}/keys/{in_path(key, 'key')}/revoke"
    return Call(method="POST", path=path, read=reader(Key), body=b"{}")
