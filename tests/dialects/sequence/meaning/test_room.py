"""Where there is no more room: what is there can be changed, and what was refused is done once there is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from drawdown.core import spending
from drawdown.core.commands import CloseEntitlement, CreateEntitlement
from drawdown.core.usage import catalog, counting
from drawdown.dialects.sequence.usage import kept, standing, unmapped
from drawdown.dialects.sequence.usage.kept import METRICS
from drawdown.webhooks import desk
from tests.dialects.sequence.contract_usage import event_body, metric_body, units
from tests.dialects.sequence.meaning.world import World
from tests.dialects.sequence.support import credit_body

pytestmark = pytest.mark.anyio

POLICIES = "/notifications/policies"


def numbered(number: int, **more: Any) -> dict[str, Any]:
    """Each of events of its own."""
    return metric_body(name=f"Metric {number}", eventType=f"type-{number}", **more)


async def metered(world: World, count: int) -> list[str]:
    """So many metrics, of whose units ada has 100 each."""
    await world.new_customer("ada")
    made = []
    for number in range(count):
        metric = (await world.made("/usage-metrics", numbered(number)))["id"]
        await world.made("/credits", units("ada", metric, "100") | {"amount": 100})
        made.append(metric)
    return made


async def redefined(world: World, metric: str, number: int) -> httpx.Response:
    """It counts words from now on."""
    body = numbered(number, aggregationProperty="words")
    return await world.ask("PUT", f"/usage-metrics/{metric}", body)


async def left(world: World) -> dict[str, str]:
    """Of each metric, after one event of each in which there are 7 words, and 3 tokens."""
    for number in range(3):
        said = {"words": 7, "tokens": 3}
        body = event_body("ada", eventType=f"type-{number}", eventProperties=said)
        await world.made("/usage-events", body)
    found = await world.read("/credits/ada/balances")
    return {each["id"]: each["balance"] for each in found["items"]}


async def opened(world: World) -> tuple[int, int]:
    """How many meters and rates count."""
    found = await world.ledger.catalog(world.book)
    meters = sum(each.closed_at is None for each in found.meters.values())
    return meters, sum(each.closed_at is None for each in found.rates.values())


def refused(response: httpx.Response, *parts: str) -> None:
    error = response.json()["error"]
    assert response.status_code == 400, response.text
    assert all(part in error["message"] for part in parts), error


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "all at once"])
async def test_of_as_many_metrics_as_there_may_be_each_can_be_redefined(
    world: World, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """There are no more of them by that."""
    monkeypatch.setattr(catalog, "METERS_MAX", 3)
    monkeypatch.setattr(catalog, "RATES_MAX", 3)
    metrics = await metered(world, 3)
    asked = [redefined(world, metric, number) for number, metric in enumerate(metrics)]
    answers = await asyncio.gather(*asked) if at_once else [await each for each in asked]
    assert [each.status_code for each in answers] == [200] * 3, [each.text for each in answers]
    assert await opened(world) == (3, 3)
    refused(await world.ask("POST", "/usage-metrics", numbered(4)), "maximum of 3 meters")
    assert await left(world) == dict.fromkeys(metrics, "93")


@pytest.mark.parametrize("what", ["meters", "rates"])
async def test_when_as_many_definitions_were_made_as_may_ever_be_the_last_ones_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Another one is refused, and what it would have replaced counts and draws as before."""
    metrics = await metered(world, 3)
    monkeypatch.setattr(catalog, f"{what.upper()}_MAX", 3)
    monkeypatch.setattr(catalog, "CLOSED_FACTOR", 1)
    refused(await redefined(world, metrics[0], 0), f"maximum of 3 {what}, with closed ones")
    shown = await world.read(f"/usage-metrics/{metrics[0]}")
    assert shown["aggregationProperty"] == "tokens"
    assert await opened(world) == (3, 3)
    assert await left(world) == dict.fromkeys(metrics, "97")


Room = Callable[[], Awaitable[object]]
#: What is asked for, and how there comes to be room for it, in a world that has none.
Full = tuple[str, dict[str, Any], Room]


async def full_of_metrics(world: World, monkeypatch: pytest.MonkeyPatch) -> Full:
    [metric] = await metered(world, 1)
    monkeypatch.setattr(catalog, "METERS_MAX", 1)

    async def room() -> None:
        assert (await world.ask("DELETE", f"/usage-metrics/{metric}")).status_code == 200

    return "/usage-metrics", numbered(4), room


async def a_name_is_taken(world: World, _: pytest.MonkeyPatch) -> Full:
    """By credit that is no metric's: that is found out when the metric is half made."""
    other = CreateEntitlement(code="other", name="Metric 4", unit="token", scale=0)
    await world.ledger.apply(world.book, other)

    async def room() -> None:
        await world.ledger.apply(world.book, CloseEntitlement(entitlement="other"))

    return "/usage-metrics", numbered(4), room


async def full_of_grants(world: World, monkeypatch: pytest.MonkeyPatch) -> Full:
    await world.new_customer("ada")
    monkeypatch.setattr(spending, "GRANTS_OPEN_MAX", 0)

    async def room() -> None:
        monkeypatch.undo()

    return "/credits", credit_body("ada") | {"amount": 5}, room


async def full_of_groups(world: World, monkeypatch: pytest.MonkeyPatch) -> Full:
    await metered(world, 1)
    monkeypatch.setattr(counting, "GROUPS_MAX", 0)

    async def room() -> None:
        monkeypatch.undo()

    said = {"tokens": 1}
    return "/usage-events", event_body("ada", eventType="type-0", eventProperties=said), room


async def full_of_what_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> Full:
    monkeypatch.setattr(unmapped, "UNMAPPED_MAX", 0)

    async def room() -> None:
        monkeypatch.undo()

    return "/usage-events", event_body("nobody"), room


async def full_of_recipients(world: World, monkeypatch: pytest.MonkeyPatch) -> Full:
    """The second of the two is refused, when the first is there."""
    monkeypatch.setattr(desk, "ENDPOINTS_MAX", 1)

    async def room() -> None:
        monkeypatch.undo()

    urls = ["https://example.com/1", "https://example.com/2"]
    return POLICIES, {"name": "Ours", "channel": "WEBHOOK", "recipients": urls}, room


FULL = (
    full_of_metrics,
    a_name_is_taken,
    full_of_grants,
    full_of_groups,
    full_of_what_waits,
    full_of_recipients,
)


@pytest.mark.parametrize("fill", FULL, ids=lambda each: each.__name__)
async def test_what_was_refused_under_a_key_is_done_under_it_once_there_is_room(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    fill: Callable[[World, pytest.MonkeyPatch], Awaitable[Full]],
) -> None:
    """Once. Before that it is refused as often as it is asked: a refusal leaves nothing behind."""
    path, body, room = await fill(world, monkeypatch)

    async def ask() -> httpx.Response:
        world.pass_time()
        headers = {"Idempotency-Key": "one"}
        return await world.client.post(path, json=body, headers=headers)

    refusals = [await ask() for _ in range(3)]
    refused(refusals[0])
    assert {each.content for each in refusals} == {refusals[0].content}
    await room()
    done, again = await ask(), await ask()
    assert (done.status_code, again.status_code) == (201, 201), done.text
    assert done.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    if path == "/usage-metrics":
        shown = await world.read(f"{path}/{done.json()['id']}")
        assert shown == done.json()
        assert "deletedAt" not in shown
        assert len(await living(world)) == 1
        assert await opened(world) == (1, 1)


async def living(world: World) -> list[str]:
    found = await world.read("/usage-metrics")
    return [each["id"] for each in found["items"] if "deletedAt" not in each]


async def test_who_finds_a_refused_metric_gone_already_leaves_it_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else came upon it, for whom there was no room either."""
    [metric] = await metered(world, 1)
    monkeypatch.setattr(catalog, "METERS_MAX", 1)
    carry_out = standing.carry_out

    async def others_first(ledger: Any, book: Any, half_made: Any) -> None:
        monkeypatch.setattr(standing, "carry_out", carry_out)
        await standing.finish(ledger, book)
        assert await METRICS.find(ledger, book, half_made.document.id) is None
        await carry_out(ledger, book, half_made)

    monkeypatch.setattr(standing, "carry_out", others_first)
    refused(await world.ask("POST", "/usage-metrics", numbered(4)), "maximum of 1 meters")
    assert await living(world) == [metric]
    waiting = await kept.waiting(world.ledger, world.book)
    assert waiting is not None
    assert waiting.body.metrics == ()
