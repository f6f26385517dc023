"""Customers and their aliases where many ask at once, also where a store is spread."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from drawdown.core.commands import CreateCustomer
from drawdown.core.errors import AlreadyExists
from tests.dialects.sequence.meaning.world import World
from tests.dialects.sequence.support import CUSTOMER
from tests.support.stores import SPREAD, SQLITE, TOGETHER

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database", [SQLITE, SPREAD, TOGETHER[-1]], indirect=True),
]


def body(*aliases: str, **more: Any) -> dict[str, Any]:
    return CUSTOMER | {"customerAliases": list(aliases)} | more


async def all_of(world: World, *asked: tuple[str, str, Any]) -> list[httpx.Response]:
    return list(await asyncio.gather(*(world.ask(*each) for each in asked)))


async def has(world: World, customer: str) -> list[str]:
    found = await world.read(f"/customers/{customer}")
    return sorted(found.get("customerAliases", []))


async def test_an_alias_names_one_customer_however_many_ask(world: World) -> None:
    """In every way, and it is no other's own id. Who was refused keeps what he had."""
    ours = [await world.new_customer(f"old-{n}") for n in range(6)]
    one_by_one = [{"customerId": each, "value": "acme"} for each in ours[:3]]

    async def own_id() -> bool:
        try:
            await world.ledger.apply(world.book, CreateCustomer(own_id="acme"))
        except AlreadyExists:
            return False
        return True

    is_own_id, answers = await asyncio.gather(
        own_id(),
        all_of(
            world,
            *(("POST", "/customer-aliases", each) for each in one_by_one),
            *(("PUT", f"/customers/{each}", body("acme", "other")) for each in ours[3:]),
            *[("POST", "/customers", body("acme"))] * 3,
        ),
    )
    assert [is_own_id, *(each.is_success for each in answers)].count(True) == 1
    assert {each.status_code for each in answers if not each.is_success} == {400}
    named = (await world.read("/customers/by-alias/acme"))["id"]
    everybody = (await world.read("/customers", limit=100))["items"]
    owners = [each["id"] for each in everybody if "acme" in each.get("customerAliases", [])]
    assert owners == [named]
    for n, each in enumerate(ours[3:], 3):
        assert await has(world, each) == (["acme", "other"] if each == named else [f"old-{n}"])


async def test_two_may_exchange_their_aliases_one_after_the_other(world: World) -> None:
    """Each first gives his back; none of both is lost or has two owners, whatever comes first."""
    one, two = await world.new_customer("a"), await world.new_customer("b")
    for _ in range(5):
        answers = await all_of(
            world,
            ("PUT", f"/customers/{one}", body("b")),
            ("PUT", f"/customers/{two}", body("a")),
            ("PUT", f"/customers/{one}", body("a")),
            ("PUT", f"/customers/{two}", body("b")),
        )
        assert {each.status_code for each in answers} <= {200, 400}
        owned = await has(world, one) + await has(world, two)
        assert len(set(owned)) == len(owned)
        for text in ("a", "b"):
            answer = await world.ask("GET", f"/customers/by-alias/{text}")
            assert (answer.status_code == 200) is (text in owned)
            if text in owned:
                mine = await has(world, answer.json()["id"])
                assert text in mine


async def test_what_is_taken_back_is_free_at_once(world: World) -> None:
    """However often an alias goes from one to another, while others look for it."""
    ours = [await world.new_customer() for _ in range(2)]
    for turn in range(6):
        asked = {"customerId": ours[turn % 2], "value": "acme"}
        made = (await world.made("/customer-aliases", asked))["id"]
        looks, gone = (
            ("GET", "/customers/acme", None),
            ("DELETE", f"/customer-aliases/{made}", None),
        )
        answers = await all_of(world, looks, gone, looks, looks)
        assert answers[1].status_code == 200
        assert {each.status_code for each in answers} <= {200, 404}
        assert (await world.ask("GET", "/customers/acme")).status_code == 404


async def test_updates_at_once_are_each_whole(world: World) -> None:
    """None is refused because another was faster."""
    customer = await world.new_customer("one", "two")
    asked = [body(f"a{n}", "two", f"b{n}", label=f"a{n}") for n in range(5)]
    answers = await all_of(world, *(("PUT", f"/customers/{customer}", each) for each in asked))
    assert {each.status_code for each in answers} == {200}
    found = await world.read(f"/customers/{customer}")
    assert sorted(found["customerAliases"]) in [sorted(each["customerAliases"]) for each in asked]
    assert found["label"] in found["customerAliases"]
