"""A hold is always settled: when its block ends, when the body raises, when the network dies."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from drawdown.client import (
    AsyncClient,
    CaptureTooLarge,
    Client,
    HoldEnded,
    HoldNotFound,
    InsufficientCredit,
    Invalid,
    NoAnswer,
    Unavailable,
)
from tests.client.driven import Connect
from tests.client.unreliable import Answers, Unreliable
from tests.support.server import Tenant


def held(client: Client) -> Decimal:
    return client.balance("ada", "tokens").held


def test_leaving_the_block_releases_what_is_still_held(ada: Client) -> None:
    with ada.hold("ada", "tokens", 30) as hold:
        assert (hold.state, hold.held) == ("open", Decimal(30))
        assert held(ada) == 30
        hold.capture("12.5")
    assert (hold.state, hold.captured, hold.held) == ("released", Decimal("12.5"), Decimal(0))
    found = ada.balance("ada", "tokens")
    assert (found.held, found.available) == (Decimal(0), Decimal("87.5"))


def test_a_stream_captures_as_it_goes(ada: Client) -> None:
    """Each capture is a debit of its own, and the hold tells what is left of it."""
    with ada.hold("ada", "tokens", 10, attributes={"model": "gpt-4o"}) as hold:
        made = [hold.capture(part) for part in (1, 2, 3)]
        assert [capture.amount for capture in made] == [1, 2, 3]
        assert made[-1].attributes == {"model": "gpt-4o"}
        assert made[-1].hold.held == hold.held == 4
    assert ada.get_debit(made[0].id).amount == 1
    assert ada.balance("ada", "tokens").used == 6


@pytest.mark.parametrize("problem", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_a_body_that_raises_settles_its_hold(ada: Client, problem: BaseException) -> None:
    """And what it raised is what is raised."""

    def stream() -> None:
        with ada.hold("ada", "tokens", 30) as hold:
            hold.capture(1)
            raise problem

    with pytest.raises(type(problem)) as caught:
        stream()
    assert caught.value is problem
    assert [hold.state for hold in ada.holds(customer="ada")] == ["released"]
    assert ada.balance("ada", "tokens").available == 99


def test_a_final_capture_settles_by_itself(ada: Client) -> None:
    with ada.hold("ada", "tokens", 30) as hold:
        hold.capture(10, final=True)
        assert (hold.state, hold.held) == ("captured", Decimal(0))
        with pytest.raises(HoldEnded) as caught:
            hold.capture(1)
    assert caught.value.state == "captured"
    assert ada.balance("ada", "tokens").available == 90


def test_a_hold_that_somebody_else_has_ended_is_left_in_peace(ada: Client) -> None:
    with ada.hold("ada", "tokens", 30) as hold:
        ada.release(hold.id)
    assert hold.state == "open"
    assert hold.refresh().state == hold.state == "released"


def test_a_hold_that_has_expired_is_left_in_peace(ada: Client) -> None:
    """Its credit came back by itself; a capture comes too late."""
    began = datetime(2031, 1, 31, tzinfo=UTC)
    clock = ada.create_test_clock(began)
    ada.create_customer("clocked", test_clock=clock.id)
    ada.grant("clocked", "tokens", 100)
    end = began + timedelta(seconds=3)
    with ada.hold("clocked", "tokens", 30, expires_at=end) as hold:
        clock = ada.advance_test_clock(clock.id, end)
        while clock.status == "advancing":
            clock = ada.get_test_clock(clock.id)
        with pytest.raises(HoldEnded) as caught:
            hold.capture(1)
    assert caught.value.state == "expired"
    assert ada.balance("clocked", "tokens").available == 100


def test_without_a_block_it_is_the_callers_to_settle(ada: Client) -> None:
    hold = ada.hold("ada", "tokens", 30, expires_in=timedelta(minutes=5))
    assert held(ada) == 30
    assert hold.release().available == 100
    assert hold.state == "released"
    assert "released" in repr(hold)


def test_a_hold_is_extended(ada: Client) -> None:
    with ada.hold("ada", "tokens", 30, expires_in=60) as hold:
        before = hold.expires_at
        after = hold.extend(expires_in=600).expires_at
        assert before is not None
        assert after is not None
        assert timedelta(seconds=539) < after - before < timedelta(seconds=600)
        with pytest.raises(Invalid) as caught:
            hold.extend(expires_in=30)
        assert caught.value.field == "expires_in"


def test_more_than_is_held_is_drawn_or_refused(ada: Client) -> None:
    with ada.hold("ada", "tokens", 10) as hold:
        with pytest.raises(CaptureTooLarge) as caught:
            hold.capture(11, over_capture="refuse")
        assert caught.value.held == 10
        assert hold.capture(11).amount == 11
        with pytest.raises(InsufficientCredit):
            hold.capture(1000)
    assert ada.balance("ada", "tokens").available == 89


def test_more_than_there_is_cannot_be_held(ada: Client) -> None:
    with pytest.raises(InsufficientCredit), ada.hold("ada", "tokens", 101):
        raise AssertionError("there is no hold to enter")
    assert held(ada) == 0


def test_holds_are_read_by_anyone(ada: Client) -> None:
    made = [ada.hold("ada", "tokens", amount) for amount in (1, 2, 3)]
    ada.release(made[0].id)
    assert [hold.id for hold in ada.holds(customer="ada", page_size=2)] == [
        hold.id for hold in made[::-1]
    ]
    assert [hold.amount for hold in ada.holds(entitlement="tokens", state="open")] == [3, 2]
    found = ada.get_hold(made[1].id)
    assert [part.amount for part in found.slices] == [2]
    assert found.available is None
    with pytest.raises(HoldNotFound):
        ada.get_hold("hold_x")


def test_a_hold_is_captured_from_elsewhere(ada: Client) -> None:
    """By its id alone, in another process for example."""
    hold = ada.hold("ada", "tokens", 10)
    assert ada.capture(hold.id, 4).hold.held == 6
    ada.extend(hold.id, expires_in=3600)
    assert ada.release(hold.id).captured == 4


@pytest.fixture
def shaky(connect: Connect, between: Unreliable, tenant: Tenant, ada: Client) -> Client:
    """Over the unreliable network; ``ada`` has her 100 tokens."""
    return connect(between.url, tenant.test.editor.secret, attempts_max=2)


def test_replies_that_are_lost_change_nothing(
    shaky: Client, between: Unreliable, ada: Client
) -> None:
    """One hold, one capture, one release, whatever was asked twice."""
    between.faults = ["reply lost"]
    with shaky.hold("ada", "tokens", 30) as hold:
        between.faults = ["reply lost"]
        hold.capture(10)
        between.faults = ["reply lost"]
    assert len(between.seen) == 6
    assert len(set(between.keys())) == 3
    assert len(list(ada.holds(customer="ada"))) == 1
    found = ada.balance("ada", "tokens")
    assert (found.held, found.used, found.available) == (Decimal(0), Decimal(10), Decimal(90))


def test_a_release_that_fails_never_hides_what_the_body_raised(
    shaky: Client, between: Unreliable, ada: Client
) -> None:
    """It is noted on it; the hold ends by itself."""

    def stream() -> None:
        with shaky.hold("ada", "tokens", 30):
            between.dead = True
            raise ValueError("the body's own")

    with pytest.raises(ValueError, match="the body's own") as caught:
        stream()
    [note] = caught.value.__notes__
    [hold] = ada.holds(customer="ada")
    assert hold.id in note
    assert "could not be released" in note
    assert str(hold.expires_at) in note
    assert held(ada) == 30


def test_a_connection_that_dies_in_the_body_is_what_is_raised(
    shaky: Client, between: Unreliable, ada: Client
) -> None:
    """The capture's error, with the release's noted on it; nothing was captured."""

    def stream() -> None:
        with shaky.hold("ada", "tokens", 30) as hold:
            between.dead = True
            hold.capture(1)

    with pytest.raises(NoAnswer) as caught:
        stream()
    assert caught.value.idempotency_key == between.keys()[1]
    assert len(caught.value.__notes__) == 1
    [hold] = ada.holds(customer="ada")
    assert (hold.state, hold.captured) == ("open", Decimal(0))


def test_a_release_that_fails_after_a_body_that_did_not_is_raised(
    shaky: Client, between: Unreliable
) -> None:
    """Who wants to know that the credit is back learns that it may not be."""
    with pytest.raises(Unavailable), shaky.hold("ada", "tokens", 30):
        between.faults = [Answers(503), Answers(503)]


def test_entering_an_async_hold_authorizes_it(ada: Client, tenant: Tenant) -> None:
    """``async with client.hold(…)`` and ``await client.hold(…)`` are both natural."""

    async def stream() -> tuple[str, str]:
        async with AsyncClient(tenant.url, tenant.test.editor.secret) as client:
            async with client.hold("ada", "tokens", 30) as entered:
                await entered.capture(5)
            awaited = await client.hold("ada", "tokens", 30)
            async with awaited:
                await awaited.capture(5, final=True)
        return entered.state, awaited.state

    assert asyncio.run(stream()) == ("released", "captured")
    found = ada.balance("ada", "tokens")
    assert (found.held, found.available) == (Decimal(0), Decimal(90))


def test_a_task_that_is_cancelled_settles_its_hold(ada: Client, tenant: Tenant) -> None:
    """A caller who hangs up in the middle of a stream keeps nothing held."""

    async def stream(client: AsyncClient, captured: asyncio.Event) -> None:
        async with client.hold("ada", "tokens", 30) as hold:
            await hold.capture(5)
            captured.set()
            await asyncio.sleep(3600)

    async def hang_up() -> None:
        async with AsyncClient(tenant.url, tenant.test.editor.secret) as client:
            captured = asyncio.Event()
            task = asyncio.create_task(stream(client, captured))
            await captured.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(hang_up())
    found = ada.balance("ada", "tokens")
    assert (found.held, found.available) == (Decimal(0), Decimal(95))


def test_awaiting_twice_is_one_hold(ada: Client, tenant: Tenant) -> None:
    """It has one key."""

    async def twice() -> tuple[str, str]:
        async with AsyncClient(tenant.url, tenant.test.editor.secret) as client:
            authorizing = client.hold("ada", "tokens", 30)
            return (await authorizing).id, (await authorizing).id

    first, second = asyncio.run(twice())
    assert first == second
    assert held(ada) == 30
