"""What usage means where several rules meet: overrides, moves, aliases and metrics that change between."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from drawdown.core.amounts import Amount
from drawdown.core.commands import CreateCustomer, CreateRate
from drawdown.core.identity import derive, spell_uuid
from drawdown.core.usage.rating import PerUnit
from drawdown.dialects.sequence.usage import kept, listing, unmapped, wire
from tests.dialects.sequence.contract_usage import event_body, metric_body, units
from tests.dialects.sequence.meaning.world import SECOND, World
from tests.dialects.sequence.support import credit_body

pytestmark = pytest.mark.anyio


async def send(world: World, alias: str, own_id: str, tokens: Any = None, **more: Any) -> Any:
    said = {} if tokens is None else {"tokens": tokens}
    body = event_body(alias, customerEventId=own_id, eventProperties=said) | more
    return await world.ask("POST", "/usage-events", body)


async def taken(world: World, *sent: Any, **more: Any) -> Any:
    response = await send(world, *sent, **more)
    assert response.status_code == 201, response.text
    return response.json()


async def left(world: World, customer: str) -> str:
    found = await world.read(f"/credits/{customer}/grants")
    return "+".join(str(each["balance"]) for each in found["items"])


async def value(world: World, metric: str, alias: str) -> str:
    found = await world.read(
        f"/usage-metrics/{metric}/calculate",
        customerAliases=alias,
        periodStart="2025-01-01",
        periodEnd="2031-12-31",
    )
    return str(found["value"])


async def metered(world: World, *aliases: str, **more: Any) -> str:
    """A metric of whose units each alias has 100; the customers are made."""
    metric: str = (await world.made("/usage-metrics", metric_body(**more)))["id"]
    for alias in aliases:
        await world.new_customer(alias)
        await world.made("/credits", units(alias, metric, "100") | {"amount": 100})
    return metric


async def test_an_override_is_counted_by_the_definition_of_its_event(world: World) -> None:
    """Once: not by that which the metric was given since as well."""
    metric = await metered(world, "ada")
    await taken(world, "ada", "e-1", 10)
    other = metric_body(description="The same, of fewer", propertyFilters={"n": [1, 2]})
    assert (await world.ask("PUT", f"/usage-metrics/{metric}", other)).status_code == 200
    body = event_body("ada", customerEventId="e-1", eventProperties={"tokens": 12, "n": 1})
    assert (await world.ask("POST", "/usage-events", body)).status_code == 201
    assert await left(world, "ada") == "88"


async def shown(world: World, own_id: str) -> list[tuple[str, str]]:
    """Whose event counts under an id, or waits, and of how many tokens."""
    found = await world.read("/usage-events", eventId=own_id)
    return [
        (each["customerAlias"], str(each["eventProperties"]["tokens"])) for each in found["items"]
    ]


@pytest.mark.parametrize("why", ["what it lacks", "who is archived", "the time"])
async def test_an_event_that_is_refused_leaves_the_earlier_one_counted(
    world: World, why: str
) -> None:
    """Whatever it is refused for, where it would have gone to another customer."""
    await metered(world, "ada")
    ada = (await world.read("/customers/ada"))["id"]
    bob = await world.new_customer("bob")
    await taken(world, "ada", "e-1", 10)
    if why == "who is archived":
        await world.ask("POST", f"/customers/{bob}/archive")
        response = await send(world, "bob", "e-1", 5)
    elif why == "the time":
        response = await send(world, "bob", "e-1", 5, eventTimestamp="2999-01-01T00:00:00Z")
    else:
        response = await send(world, "bob", "e-1")
    assert response.status_code == 400
    assert await left(world, "ada") == "90"
    assert await shown(world, "e-1") == [(ada, "10")]


async def test_an_event_for_which_there_is_no_room_leaves_the_earlier_one_counted(
    world: World,
) -> None:
    await metered(world, "ada")
    await taken(world, "ada", "e-1", 10)
    full = partial(replace, events=unmapped.UNMAPPED_MAX)
    await kept.wait(world.ledger, world.book, full)
    response = await send(world, "later", "e-1", 5)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "InvalidState")
    assert await left(world, "ada") == "90"


async def test_a_time_that_is_left_out_is_that_of_the_event_before(world: World) -> None:
    """Whether it goes to another customer, waits, or has waited."""
    await metered(world, "ada", "bob")
    then = "2026-01-15T00:00:00Z"
    for number, aliases in enumerate((["bob"], ["later"], ["VOID", "ada"], ["later", "bob"])):
        own_id = f"e-{number}"
        await taken(world, "ada", own_id, 1, eventTimestamp=then)
        for size, alias in enumerate(aliases):
            answered = await taken(world, alias, own_id, size)
            assert answered["eventTimestamp"] == then, (number, alias)


async def test_an_event_that_waited_is_found_by_the_id_that_it_was_answered_with(
    world: World,
) -> None:
    """Once it counts it has another one."""
    await metered(world, "ada")
    waits = await taken(world, "later", "e-1", 1)
    later = await world.new_customer("later")
    for text in ("e-1", waits["id"]):
        assert await shown(world, text) == [(later, "1")]


async def test_what_is_cancelled_counts_for_nobody_whatever_he_is_called(world: World) -> None:
    """Natively a customer may be called by the alias that nobody has here."""
    await metered(world, "ada")
    await taken(world, "ada", "e-1", 10)
    await world.ledger.apply(world.book, CreateCustomer(own_id="VOID"))
    await taken(world, "VOID", "e-1", 10)
    found = await world.read("/usage-events", unmappedAliasesOnly="true")
    assert [each["customerAlias"] for each in found["items"]] == ["VOID"]
    assert await left(world, "ada") == "100"


async def test_no_page_of_what_waits_has_what_is_somebodys(world: World) -> None:
    """Who got the alias in another dialect gets his events with the page on which they are."""
    await world.made("/usage-metrics", metric_body())
    for number, alias in enumerate(("ada", *["later"] * 101)):
        await taken(world, alias, f"e-{number}", 1)
    ada = (await world.ledger.apply(world.book, CreateCustomer(own_id="ada"))).customer
    assert ada is not None
    query = {"unmappedAliasesOnly": "true", "limit": 100}
    first = await world.read("/usage-events", **query)
    last = await world.read("/usage-events", **query, after=first["pagination"]["after"])
    assert {each["customerAlias"] for each in (*first["items"], *last["items"])} == {"later"}
    assert await shown(world, "e-0") == [(spell_uuid(ada.id), "1")]


async def test_of_what_waits_a_list_has_what_was_asked_for(world: World) -> None:
    """Also of an alias that somebody has: what his metrics cannot count waits."""
    await metered(world, "ada")
    for alias in ("later", "never"):
        await taken(world, alias, f"e-{alias}")
    await world.made("/customer-aliases", {"customerId": "ada", "value": "later"})
    for alias, expected in (("later", ["e-later"]), ("ada", [])):
        query = {"unmappedAliasesOnly": "true", "customerAlias": alias}
        found = await world.read("/usage-events", **query)
        assert [each["customerEventId"] for each in found["items"]] == expected, alias


async def test_a_page_is_looked_for_no_further_than_it_reaches(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside many events that were replaced, or that wait, and are not asked for."""
    monkeypatch.setattr(listing, "LOOKED_AT_MAX", 100)
    await metered(world, "ada")
    for number in range(210):
        await taken(world, "ada", "e-1", number)
    then = [(await taken(world, "ada", f"new-{n}", 1, eventType="image"))["id"] for n in range(3)]
    found = await world.read("/usage-events", eventType="image", limit=2)
    assert [each["id"] for each in found["items"]] == then[:0:-1]
    await taken(world, "later", "e-2", 1)
    found = await world.read("/usage-events", customerAlias="later")
    assert [each["customerEventId"] for each in found["items"]] == ["e-2"]


async def test_a_repeated_request_is_answered_with_what_it_said(world: World) -> None:
    """Whatever has been sent under its event's id since."""
    await metered(world, "ada")
    headers = {"Idempotency-Key": "once"}
    body = event_body("ada", customerEventId="e-1", eventProperties={"tokens": 1})
    sent = []
    for _ in range(2):
        sent.append(await world.client.post("/usage-events", json=body, headers=headers))
        await taken(world, "ada", "e-1", 2)
    assert sent[0].content == sent[1].content
    assert await left(world, "ada") == "98"


async def test_a_mapping_that_stopped_is_gone_on_with_after_a_minute(world: World) -> None:
    """By whoever sends an event then; until then it is left to who began it."""
    await metered(world, "ada")
    await taken(world, "later", "e-1", 10)
    await world.ledger.apply(world.book, CreateCustomer(own_id="later"))
    begun = partial(replace, aliases=("later",))
    await kept.wait(world.ledger, world.book, begun)
    for seconds, expected in ((0, "later"), (61, None)):
        world.pass_time(seconds * SECOND)
        await taken(world, "ada", f"e-{seconds}-after", 1)
        waits = await kept.UNMAPPED.named(world.ledger, world.book, "e-1")
        assert (None if waits is None else waits.body.customer_alias) == expected
    [(_, tokens)] = await shown(world, "e-1")
    assert tokens == "10"


async def test_a_customer_with_thousands_of_replaced_events_is_served_like_any_other(
    world: World,
) -> None:
    """What an event said before stands with no wallet: there may be any number of it."""
    metric = await metered(world, "ada")
    customer = (await world.ledger.customer(world.book, "ada")).id
    for number in range(40):
        body = wire.EventRecord(
            customer_alias=spell_uuid(customer),
            event_type="call",
            customer_event_id="e-1",
            event_timestamp="2026-01-15T00:00:00Z",
            event_properties=msgspec.Raw(b'{"tokens":1}'),
        )
        some = [
            kept.SUPERSEDED.new(derive(customer, f"{number}:{each}"), customer, body)
            for each in range(30)
        ]
        await kept.keep(world.ledger, world.book, *some, customer=customer)
    await taken(world, "ada", "e-1", 10)
    await taken(world, "ada", "e-1", 20)
    assert (await left(world, "ada"), await value(world, metric, "ada")) == ("80", "20")
    found = await world.read("/usage-events", customerAlias="ada", limit=100)
    assert len(found["items"]) == 100


#: What may become of a metric, in the order in which it does.
BECOMES = ("PUT", "DELETE", "PUT DELETE", "DELETE POST", "PUT DELETE POST")


async def priced(world: World) -> tuple[str, str]:
    """A metric with a price of a dollar for what units leave; and a customer with 5 units and 100 dollars."""
    customer = await world.new_customer("ada")
    metric: str = (await world.made("/usage-metrics", metric_body()))["id"]
    await world.made("/credits", units(customer, metric, "5") | {"amount": 5})
    await world.made("/credits", credit_body(customer) | {"amount": 100})
    (rate,) = (await world.ledger.catalog(world.book)).rates.values()
    price = PerUnit(price=Amount(1))
    rest = CreateRate(meter=rate.meter, entitlement="usd", price=price, rest_of=rate.id)
    await world.ledger.apply(world.book, rest)
    return metric, customer


async def become(world: World, metric: str, what: str) -> None:
    """Changed, it counts other events; made anew, it is called and counts as the first did."""
    path = f"/usage-metrics/{metric}"
    for method in what.split():
        body = None if method == "DELETE" else metric_body()
        if method == "PUT":
            body = metric_body(eventType="image")
        where = "/usage-metrics" if method == "POST" else path
        assert (await world.ask(method, where, body)).status_code in (200, 201)


@pytest.mark.parametrize("what", BECOMES)
async def test_an_event_that_is_sent_again_is_counted_by_the_metric_that_counted_it(
    world: World, what: str
) -> None:
    """Whatever has become of that since: its units pay first, then money, as when the event came."""
    metric, customer = await priced(world)
    await taken(world, "ada", "call-1", 4)
    await become(world, metric, what)
    for tokens, unit, cash in ((7, "0", "98"), (3, "2", "100"), (9, "0", "96")):
        await taken(world, "ada", "call-1", tokens)
        assert await balances(world, customer) == {"USAGE": unit, "CASH": cash}
    await taken(world, "VOID", "call-1", 9)
    assert await balances(world, customer) == {"USAGE": "5", "CASH": "100"}
    await taken(world, "ada", "call-1", 6)
    assert await balances(world, customer) == {"USAGE": "0", "CASH": "99"}


async def test_an_event_that_comes_when_its_metric_is_deleted_draws_nothing_however_often_it_is_sent(
    world: World,
) -> None:
    metric, customer = await priced(world)
    await become(world, metric, "DELETE")
    for tokens in (4, 7, 3):
        await taken(world, "ada", "call-1", tokens)
    assert await balances(world, customer) == {"USAGE": "5", "CASH": "100"}


async def test_an_event_that_goes_to_another_customer_is_counted_by_the_metrics_of_now(
    world: World,
) -> None:
    """It is one of its own: what the first drew is returned, and the deleted metric draws nothing for it."""
    metric, customer = await priced(world)
    bob = await world.new_customer("bob")
    await world.made("/credits", units(bob, metric, "5") | {"amount": 5})
    await taken(world, "ada", "call-1", 7)
    await become(world, metric, "DELETE POST")
    await taken(world, "bob", "call-1", 4)
    assert await balances(world, customer) == {"USAGE": "5", "CASH": "100"}
    assert await balances(world, bob) == {"USAGE": "5"}


async def balances(world: World, customer: str) -> dict[str, str]:
    found = await world.read(f"/credits/{customer}/balances")
    return {each["type"]: each["balance"] for each in found["items"]}
