"""Customers, entitlements and API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from drawdown.client.calls import API, Call, Listing, get, given, reader, write
from drawdown.client.calls import PAGE_SIZE as PAGE
from drawdown.client.records import Customer, Entitlement, Key, NewKey, Page
from drawdown.client.values import in_path


def create_customer(
    id: str | None = None,
    *,
    name: str | None = None,
    email: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[Customer]:
    """Make a customer, by your own id or, without one, a generated one."""
    body = given({"id": id, "name": name, "email": email, "metadata": metadata})
    return write("/customers", Customer, body, idempotency_key)


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
    idempotency_key: str | None = None,
) -> Call[Entitlement]:
    """Make an entitlement: what credit is counted in. Currencies are there by themselves."""
    optional = {"name": name, "burn_order": burn_order, "expires_after_days": expires_after_days}
    body = {"code": code, "unit": unit, "scale": scale, **given(optional)}
    return write("/entitlements", Entitlement, body, idempotency_key)


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
