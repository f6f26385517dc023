"""Each method does what it says, on the real server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from drawdown.client import (
    AsyncClient,
    Client,
    Debit,
    GrantNotFound,
    InsufficientCredit,
    NewDebit,
    Unauthorized,
)
from tests.client.driven import Connect
from tests.support.server import Tenant

LATER = datetime(2090, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_a_customer_is_made_and_found(client: Client) -> None:
    made = client.create_customer("ada", name="Ada", email="ada@example.com", metadata={"n": 1})
    assert (made.id, made.name, made.email, made.metadata) == (
        "ada",
        "Ada",
        "ada@example.com",
        {"n": 1},
    )
    assert client.get_customer("ada") == made
    assert timedelta(0) <= datetime.now(UTC) - made.created_at < timedelta(minutes=1)
    assert client.create_customer().id.startswith("cus_")


def test_an_entitlement_is_made_and_found(client: Client) -> None:
    made = client.create_entitlement(
        "tokens",
        unit="token",
        scale=3,
        name="Tokens",
        burn_order="oldest_first",
        expires_after_days=30,
    )
    assert (made.code, made.scale, made.burn_order, made.currency) == (
        "tokens",
        3,
        "oldest_first",
        None,
    )
    assert client.get_entitlement("tokens") == made
    assert client.get_entitlement("eur").currency == "eur"


def test_a_grant_is_given_with_everything_it_can_have(ada: Client) -> None:
    made = ada.grant(
        "ada",
        "tokens",
        Decimal("12.5"),
        expires_at=LATER,
        effective_at=datetime(2020, 1, 1, tzinfo=UTC),
        priority=7,
        cost_basis=("1.25", "eur"),
        name="Welcome",
        metadata={"campaign": "spring"},
    )
    assert made.expires_at == LATER
    assert made.amount == made.remaining == Decimal("12.5")
    assert (made.state, made.priority) == ("active", 7)
    assert made.cost_basis is not None
    assert (made.cost_basis.amount, made.cost_basis.currency) == (Decimal("1.25"), "eur")
    assert ada.get_grant(made.id) == made


def test_an_expiry_left_out_is_the_entitlements_and_none_is_never(client: Client) -> None:
    client.create_customer("ada")
    client.create_entitlement("tokens", unit="token", scale=0, expires_after_days=30)
    by_rule = client.grant("ada", "tokens", 1)
    assert by_rule.expires_at == by_rule.effective_at + timedelta(days=30)
    assert client.grant("ada", "tokens", 1, expires_at=None).expires_at is None


def test_a_grant_is_expired_or_voided(ada: Client) -> None:
    for end, state in ((ada.expire_grant, "expired"), (ada.void_grant, "voided")):
        ended = end(ada.grant("ada", "tokens", 5).id)
        assert (ended.state, ended.remaining) == (state, Decimal(0))
    assert ada.balance("ada", "tokens").available == 100


def test_a_debit_is_made_read_and_reversed(ada: Client) -> None:
    made = ada.debit(
        "ada",
        "tokens",
        "40.25",
        attributes={"model": "gpt-4o"},
        occurred_at=LATER,
        metadata={"call": 1},
    )
    assert (made.amount, made.available, made.attributes) == (
        Decimal("40.25"),
        Decimal("59.75"),
        {"model": "gpt-4o"},
    )
    assert made.occurred_at == LATER
    [draw] = made.draws
    assert (draw.amount, draw.order_key.priority) == (Decimal("40.25"), 50)
    part = ada.reverse(made.id, amount=10)
    assert (part.amount, part.available) == (Decimal(10), Decimal("69.75"))
    assert part.returns[0].grant == draw.grant
    assert ada.get_debit(made.id).reversed == 10
    assert ada.reverse(made.id).amount == Decimal("30.25")


def test_many_debits_are_carried_out_or_refused_each_by_itself(ada: Client) -> None:
    """In their order; a refusal is an error that is returned."""
    first, second, third = ada.debit_many(
        [
            NewDebit("ada", "tokens", 60, attributes={"model": "a"}, idempotency_key="one"),
            NewDebit("ada", "tokens", 60),
            NewDebit("ada", "tokens", 40),
        ]
    )
    assert isinstance(first, Debit)
    assert (first.amount, first.attributes, first.replayed) == (Decimal(60), {"model": "a"}, False)
    assert isinstance(second, InsufficientCredit)
    assert (second.needed, second.available) == (Decimal(60), Decimal(40))
    assert second.idempotency_key
    assert isinstance(third, Debit)
    assert third.available == 0
    [again] = ada.debit_many([NewDebit("ada", "tokens", 60, {"model": "a"}, idempotency_key="one")])
    assert isinstance(again, Debit)
    assert again.replayed
    assert again.id == first.id


def test_a_balance_adds_up(ada: Client) -> None:
    ada.grant("ada", "tokens", 50, effective_at=LATER, expires_at=None)
    ada.debit("ada", "tokens", "0.25")
    found = ada.balance("ada", "tokens")
    assert (found.posted, found.available, found.pending, found.used, found.seq) == (
        Decimal("99.75"),
        Decimal("99.75"),
        Decimal(50),
        Decimal("0.25"),
        3,
    )
    assert ada.balance("ada", "usd").granted == 0


def test_writes_with_one_key_are_one_write(ada: Client) -> None:
    first = ada.debit("ada", "tokens", 1, idempotency_key="call-1")
    again = ada.debit("ada", "tokens", "1.00", idempotency_key="call-1")
    assert (first.replayed, again.replayed) == (False, True)
    assert first.id == again.id
    assert ada.balance("ada", "tokens").available == 99


def test_writes_without_a_key_are_writes_of_their_own(ada: Client) -> None:
    assert ada.debit("ada", "tokens", 1).id != ada.debit("ada", "tokens", 1).id
    assert ada.balance("ada", "tokens").available == 98


def test_an_api_key_is_made_listed_and_revoked(connect: Connect, tenant: Tenant) -> None:
    """Its secret is in no text made of it."""
    admin = connect(tenant.url, tenant.test.admin.secret)
    made = admin.create_api_key("editor", mode="test", name="worker")
    assert made.secret.startswith("sk_test_")
    assert made.secret not in f"{made!r} {made}"
    connect(tenant.url, made.secret).create_customer("ada")
    assert (made.id, "worker") in [(key.id, key.name) for key in admin.api_keys()]
    assert admin.revoke_api_key(made.id).revoked_at is not None
    with pytest.raises(Unauthorized):
        connect(tenant.url, made.secret).get_customer("ada")


def test_what_has_no_method_can_be_asked_for(ada: Client) -> None:
    """Another dialect, for example; numbers keep every digit."""
    path = "/dodo/credit-entitlements/tokens/balances/ada"
    assert Decimal(ada.request("GET", path)["balance"]) == 100
    answer = ada.request("GET", "/api/v1/grants", query={"customer": "ada"})
    assert [grant["amount"] for grant in answer["data"]] == ["100"]


def test_a_name_with_a_slash_names_nothing_else(ada: Client) -> None:
    with pytest.raises(GrantNotFound):
        ada.get_grant("../customers/ada")


def test_an_http_client_of_ones_own_is_used_and_stays_open(tenant: Tenant) -> None:
    """With its proxies, certificates and limits; whoever made it closes it."""
    asked: list[str] = []
    hooks = {"request": [lambda request: asked.append(str(request.url))]}
    with httpx.Client(event_hooks=hooks) as http:
        with Client(tenant.url, tenant.test.editor.secret, http=http) as client:
            client.create_customer("ada")
        assert not http.is_closed
    assert asked == [f"{tenant.url}/api/v1/customers"]


def test_a_client_closes_the_connections_that_are_its_own(tenant: Tenant) -> None:
    with Client(tenant.url, tenant.test.editor.secret) as client:
        client.create_customer("ada")
    with pytest.raises(RuntimeError, match="closed"):
        client.get_customer("ada")


def test_an_async_http_client_of_ones_own_stays_open(tenant: Tenant) -> None:
    async def ask() -> tuple[bool, bool]:
        async with httpx.AsyncClient() as http:
            async with AsyncClient(tenant.url, tenant.test.editor.secret, http=http) as client:
                await client.create_customer("ada")
            open_after = not http.is_closed
        async with AsyncClient(tenant.url, tenant.test.editor.secret) as client:
            await client.get_customer("ada")
        with pytest.raises(RuntimeError, match="closed"):
            await client.get_customer("ada")
        return open_after, http.is_closed

    assert asyncio.run(ask()) == (True, True)
