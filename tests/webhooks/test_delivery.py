"""What becomes of events on their way: at least once, in order where asked, and never at others' cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from standardwebhooks import Webhook

from drawdown.core.types import DAY
from drawdown.dialects.native.events import FORMAT
from drawdown.engine.endpoints import Settings
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import since
from drawdown.webhooks import deliver, outlet
from drawdown.webhooks import desk as desks
from drawdown.webhooks.deliver import DISABLED_AFTER
from drawdown.webhooks.desk import Desk
from drawdown.webhooks.events import Event
from tests.support.books import SECOND, open_book
from tests.support.receiver import (
    Received,
    Receiver,
    answering,
    babbling,
    dripping,
    endless,
    receiver,
    redirecting,
    resetting,
    silent,
)
from tests.support.stores import Database
from tests.webhooks.world import World, world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def here(database: Database) -> AsyncIterator[World]:
    async with world(database) as made:
        yield made


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


async def test_everything_that_happens_arrives_once_and_in_its_order(
    here: World, server: Receiver
) -> None:
    await here.endpoint(server.url, ordered=True)
    ada = await here.book.customer("ada")
    await here.book.grant(ada, 10)
    for number in range(5):
        await here.book.debit(ada, 2, f"key-{number}")
    await here.round()
    expected = ["customer.created", "grant.created", *["debit.created"] * 5, "grant.depleted"]
    assert server.types == expected
    assert len(set(server.ids)) == 8
    last = server.received[-2].event
    assert (last["customer"], last["balances"][0]["available"]) == ("ada", "0")
    await here.round()
    assert len(server.received) == 8


async def test_a_delivery_is_signed_and_verifies(here: World, server: Receiver) -> None:
    """By the library that receivers use; its clock is real, so the attempt's time is looked at apart."""
    made = await here.endpoint(server.url)
    await here.book.customer()
    await here.round()
    [got] = server.received
    now = str(int(time.time()))
    event = FORMAT.test(here.ledger.ids.new(), here.clock.now())
    again = FORMAT.headers(made, event, int(now) * SECOND)  # type: ignore[arg-type]
    assert Webhook(made.secret).verify(event.body, dict(again))
    assert got.headers["webhook-timestamp"] == str(here.clock.now() // SECOND)
    assert got.headers["webhook-id"] == got.event["id"]


async def test_what_happened_before_the_endpoint_was_made_is_not_sent(
    here: World, server: Receiver
) -> None:
    await here.book.customer("before")
    await here.round()
    await here.endpoint(server.url)
    await here.book.customer("after")
    await here.round()
    assert [each.event["customer"] for each in server.received] == ["after"]


async def test_an_endpoint_is_sent_the_types_and_the_customer_that_it_asked_for(
    here: World, server: Receiver
) -> None:
    ada, bob = await here.book.customer("ada"), await here.book.customer("bob")
    owner = await here.ledger.customer(here.book.id, ada)
    await here.endpoint(server.url + "/types", types=("grant.*", "debit.reversed"))
    await here.endpoint(server.url + "/ada", customer=owner.id)
    for customer in (ada, bob):
        await here.book.grant(customer, 5)
        await here.book.debit(customer, 5, "key")
    await here.round()
    by_path: dict[str, list[tuple[str, str]]] = {}
    for each in server.received:
        told = (each.event["customer"], each.event["type"])
        by_path.setdefault(each.path, []).append(told)
    assert sorted(by_path["/hooks/types"]) == sorted(
        (name, kind) for name in (ada, bob) for kind in ("grant.created", "grant.depleted")
    )
    kinds = ("grant.created", "debit.created", "grant.depleted")
    assert sorted(by_path["/hooks/ada"]) == sorted((ada, kind) for kind in kinds)


async def test_books_do_not_hear_of_each_other(here: World, server: Receiver) -> None:
    other = await open_book(here.ledger)
    await here.endpoint(server.url)
    await other.customer("theirs")
    await here.book.customer("ours")
    await here.round()
    assert [each.event["customer"] for each in server.received] == ["ours"]


async def test_what_fails_is_tried_again_under_the_same_id_until_it_arrives(
    here: World, server: Receiver
) -> None:
    await here.endpoint(server.url)
    server.behaviour = answering(500, b"not now")
    await here.book.customer()
    await here.round()
    assert here.seen.outcomes == ["failed"]
    await here.round()
    assert len(server.received) == 1  # its pause is not over
    for pause in FORMAT.schedule[:3]:
        here.move(pause * (1 + outlet.JITTER))
        await here.round()
    server.behaviour = answering(200)
    here.move(FORMAT.schedule[3] * (1 + outlet.JITTER))
    await here.round()
    assert here.seen.outcomes == ["failed"] * 4 + ["delivered"]
    assert len(set(server.ids)) == 1
    assert len({each.headers["webhook-timestamp"] for each in server.received}) == 5


async def test_an_event_that_never_arrives_is_dead_and_can_be_sent_again(
    here: World, server: Receiver
) -> None:
    made = await here.endpoint(server.url)
    server.behaviour = answering(404)
    await here.book.customer()
    await here.round()
    await _until_dead(here)
    [dead] = await here.desk.dead(made.id, None, 10)
    assert await here.desk.dead(made.id, dead.key, 10) == []
    tried = len(FORMAT.schedule) + 1
    assert (dead.attempts, dead.type, len(server.received)) == (tried, "customer.created", tried)
    assert here.seen.outcomes == ["failed"] * (tried - 1) + ["dead"]
    await here.desk.redeliver(made.id, server.ids[0], FORMAT)
    await here.round()
    [again] = await here.ledger.store.list_retries(made.id, False, 10)
    assert (again.type, again.attempts) == ("customer.created", 1)
    server.behaviour = answering(200)
    here.move(FORMAT.schedule[0] * (1 + outlet.JITTER))
    await here.round()
    assert await here.desk.dead(made.id, None, 10) == []
    assert here.seen.outcomes[-1] == "delivered"
    assert set(server.ids) == {server.ids[0]}


async def _until_dead(here: World) -> None:
    for pause in FORMAT.schedule:
        here.move(pause * (1 + outlet.JITTER))
        await here.round()


async def test_where_order_is_kept_a_customer_waits_for_his_event_and_others_do_not(
    here: World, server: Receiver
) -> None:
    await here.endpoint(server.url, ordered=True)
    ada, bob = await here.book.customer("ada"), await here.book.customer("bob")
    await here.round()
    server.received.clear()

    def failing_for_ada(received: Received) -> int:
        return 500 if received.event["customer"] == "ada" else 200

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        await answering(failing_for_ada(received))(received, writer)

    server.behaviour = behave
    for amount in (1, 2, 3):
        await here.book.grant(ada, amount)
        await here.book.grant(bob, amount)
    await here.round()
    got = [(each.event["customer"], each.event["data"]["amount"]) for each in server.received]
    assert sorted(got) == [("ada", "1"), ("bob", "1"), ("bob", "2"), ("bob", "3")]
    assert [amount for name, amount in got if name == "bob"] == ["1", "2", "3"]
    server.behaviour = answering(200)
    here.move(10)
    await here.round()
    amounts = [
        each.event["data"]["amount"] for each in server.received if each.event["customer"] == ada
    ]
    assert amounts == ["1", "1", "2", "3"]


async def test_after_a_dead_event_its_customer_goes_on(here: World, server: Receiver) -> None:
    await here.endpoint(server.url, ordered=True)
    ada = await here.book.customer("ada")
    await here.round()

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        bad = received.event["data"].get("amount") == "1"
        await answering(500 if bad else 200)(received, writer)

    server.behaviour = behave
    await here.book.grant(ada, 1)
    await here.book.grant(ada, 2)
    await here.round()
    await _until_dead(here)
    await here.round()
    assert server.received[-1].event["data"]["amount"] == "2"


async def test_endpoints_that_hang_slow_nobody_else(here: World, server: Receiver) -> None:
    """However many: they have few deliveries under way between them, and one each once that is known."""
    async with AsyncExitStack() as opened:
        hostile = []
        for behaviour in (silent, endless, dripping, resetting, babbling, redirecting) * 8:
            made = await opened.enter_async_context(receiver(behaviour))
            await here.endpoint(made.url)
            hostile.append(made)
        await here.endpoint(server.url)
        for _ in range(20):
            await here.book.customer()
        here.move(3)
        began = time.monotonic()
        here.deliverer._look_at = 0
        while len(set(server.ids)) < 20:
            await here.deliverer.tick()
            await asyncio.sleep(0.01)
            here.move(0.1)
            assert time.monotonic() - began < 60
        outlets = here.deliverer._outlets.values()
        waiting = sum(each.in_flight for each in outlets if not each.trusted)
        assert waiting <= deliver.DOUBTFUL_MAX
        assert sum(len(each.received) for each in hostile) > 10


async def test_what_cannot_be_told_keeps_back_its_own_endpoint_and_no_other(
    here: World, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left out: it goes on where it stood as soon as it can."""
    other = await open_book(here.ledger)
    here.move(1)
    render, broken = FORMAT.render, other.id

    async def breaking(ledger: Ledger, recorded: Recorded) -> list[Event]:
        if recorded.book == broken:
            raise RuntimeError("cannot be told")
        return await render(ledger, recorded)

    monkeypatch.setattr(FORMAT, "render", breaking)
    settings = Settings(url=server.url + "/theirs", format="native")
    await Desk(here.ledger, other.id).create(settings, FORMAT.new_secret())
    await here.endpoint(server.url)
    await other.customer("theirs")
    await here.book.customer("ours")
    await here.round()
    assert [each.event["customer"] for each in server.received] == ["ours"]
    assert {str(error) for error in here.seen.errors} == {"cannot be told"}
    here.seen.errors.clear()
    broken = here.ledger.ids.new()
    await here.round()
    assert [each.event["customer"] for each in server.received] == ["ours", "theirs"]


async def test_who_waits_for_what_is_rare_does_not_fall_behind_the_rest(
    here: World, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not want is passed over without a pause."""
    monkeypatch.setattr(deliver, "READ_AT_ONCE", 2)
    monkeypatch.setattr(deliver, "TICK_SECONDS", 30.0)
    await here.endpoint(server.url, types=("grant.*",))
    ada = await here.book.customer("ada")
    for _ in range(20):
        await here.book.customer()
    await here.book.grant(ada, 1)
    here.move(3)
    here.deliverer.start()
    await server.wait(1)
    assert server.types == ["grant.created"]


async def test_whoever_comes_next_goes_on_and_leaves_nothing_out(
    here: World, server: Receiver
) -> None:
    """The process that delivered was gone before it had kept anything of what it did."""
    await here.endpoint(server.url, ordered=True)
    ada = await here.book.customer("ada")
    for amount in range(1, 6):
        await here.book.grant(ada, amount)
    here.move(3)
    here.deliverer._look_at = 0
    await here.deliverer.tick()
    await server.wait(1)
    for flight in here.deliverer._flights:
        flight.cancel()
    here.deliverer._outlets.clear()
    await here.deliverer.close()
    here.move(30)
    here.deliverer = here.another()
    await here.round()
    amounts = [each.event["data"].get("amount") for each in server.received]
    assert list(dict.fromkeys(amounts)) == [None, "1", "2", "3", "4", "5"]


async def test_one_process_delivers_and_another_takes_over_when_its_lease_ran_out(
    here: World, server: Receiver, database: Database
) -> None:
    await here.endpoint(server.url)
    await here.book.customer()
    second = here.another()
    await here.round()
    here.seen.stood = (1, 1, 1.0)
    await here.round(second)
    if not database.url.startswith("sqlite"):
        assert not second._has_lease
        assert here.seen.stood == (0, 0, 0.0)  # it has nothing to tell, whatever it told before
    assert len(server.received) == 1
    here.deliverer._lease_until = 0.0  # as if it stood still
    here.move(60)
    await here.book.customer()
    await here.round(second)
    assert second._has_lease
    assert len(server.received) == 2
    await second.close()


async def test_a_replay_sends_everything_since_a_time_again(here: World, server: Receiver) -> None:
    made = await here.endpoint(server.url, ordered=True)
    first = await here.book.customer("first")
    here.move(100)
    between = here.clock.now()
    await here.book.customer("second")
    await here.round()
    ids = server.ids
    assert len(ids) == 2
    await here.desk.replay(made.id, between)
    await here.round()
    assert server.ids == [*ids, ids[1]]
    await here.desk.replay(made.id, made.created_at)
    await here.round()
    assert server.ids == [*ids, ids[1], *ids]
    assert first


async def test_an_endpoint_that_fails_for_days_is_disabled_and_can_go_on(
    here: World, server: Receiver
) -> None:
    made = await here.endpoint(server.url)
    server.behaviour = answering(500)
    await here.book.customer("waiting")
    await here.round()
    here.move(DISABLED_AFTER / SECOND - DAY / SECOND)
    await here.round()
    assert (await here.desk.get(made.id)).enabled
    here.move(2 * DAY / SECOND)
    await here.round()
    found = await here.desk.get(made.id)
    assert (found.enabled, found.disabled_for, here.seen.disabled_count) == (False, "failing", 1)
    server.behaviour = answering(200)
    await here.book.customer("meanwhile")
    count = len(server.received)
    await here.round()
    assert len(server.received) == count
    await here.desk.enable(made.id, True)
    here.move(2 * DAY / SECOND)
    await here.round()
    assert {each.event["customer"] for each in server.received[count:]} == {"waiting", "meanwhile"}


async def test_an_endpoint_that_says_it_is_gone_is_believed(here: World, server: Receiver) -> None:
    made = await here.endpoint(server.url)
    server.behaviour = answering(410)
    await here.book.customer()
    await here.round()
    found = await here.desk.get(made.id)
    assert (found.enabled, found.disabled_for) == (False, "gone")


async def test_the_old_secret_signs_too_for_a_day_and_no_longer(
    here: World, server: Receiver
) -> None:
    made = await here.endpoint(server.url)
    rotated = await here.desk.rotate(made.id, FORMAT.new_secret())
    assert rotated.secrets(here.clock.now()) == (rotated.secret, made.secret)
    await here.book.customer()
    await here.round()
    here.move(DAY / SECOND)
    await here.book.customer()
    await here.round()
    both, one = (each.headers["webhook-signature"].split(" ") for each in server.received)
    assert (len(both), len(one)) == (2, 1)


async def test_a_deleted_endpoint_is_sent_nothing_and_leaves_nothing(
    here: World, server: Receiver
) -> None:
    made = await here.endpoint(server.url)
    server.behaviour = answering(500)
    await here.book.customer()
    await here.round()
    await here.desk.delete(made.id)
    here.move(1_000)
    await here.round()
    assert len(server.received) == 1
    assert await here.ledger.store.list_retries(made.id, False, 10) == []
    assert await here.ledger.store.list_attempts(made.id, None, 10) == []
    with pytest.raises(desks.EndpointNotFound):
        await here.desk.get(made.id)


async def test_attempts_are_kept_with_what_came_of_them(here: World, server: Receiver) -> None:
    made = await here.endpoint(server.url)
    server.behaviour = answering(500, b"<h1>not\0now</h1>" + b"x" * 5_000)
    await here.book.customer()
    await here.round()
    here.move(FORMAT.schedule[0] * 2)
    server.behaviour = answering(200, b"thanks")
    await here.round()
    second, first = await here.desk.attempts(made.id, None, 10)
    assert (first.attempt, first.outcome, first.status) == (1, "failed", 500)
    assert first.answer is not None
    assert first.answer.startswith("<h1>not")
    assert len(first.answer) == 1_024
    assert (second.attempt, second.outcome, second.answer) == (2, "delivered", "thanks")
    assert await here.desk.attempts(made.id, second.id, 10) == [first]


async def test_only_the_newest_attempts_and_dead_events_are_kept_and_none_for_ever(
    here: World, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of an endpoint that is disabled. What was given up can be sent again all the same."""
    monkeypatch.setattr(deliver, "ATTEMPTS_KEPT", 3)
    monkeypatch.setattr(deliver, "DEAD_KEPT", 2)
    made = await here.endpoint(server.url)
    server.behaviour = answering(500)
    for _ in range(4):
        await here.book.customer()
        here.move(0.001)
    await here.round()
    await _until_dead(here)
    dead = await here.desk.dead(made.id, None, 10)
    assert len(dead) == 4
    assert await here.desk.dead(made.id, dead[0].key, 2) == dead[1:3]
    here.deliverer._tidy_at = 0
    await here.round()
    assert await here.desk.dead(made.id, None, 10) == dead[2:]
    assert len(await here.desk.attempts(made.id, None, 10)) == 3
    await here.desk.enable(made.id, False)
    here.move(deliver.KEPT_FOR / SECOND)
    here.deliverer._tidy_at = 0
    await here.round()
    assert await here.desk.dead(made.id, None, 10) == []
    assert await here.desk.attempts(made.id, None, 10) == []
    await here.desk.enable(made.id, True)
    server.behaviour = answering(200)
    await here.desk.redeliver(made.id, server.ids[0], FORMAT)
    await here.round()
    assert server.ids[-1] == server.ids[0]


async def test_an_endpoint_that_asks_to_be_left_alone_is_for_an_hour_at_most(
    here: World, server: Receiver
) -> None:
    """For all its events, those that come meanwhile too; other endpoints go on."""
    async with receiver() as other:
        await here.endpoint(server.url)
        await here.endpoint(other.url)
        server.behaviour = answering(429, b"", "retry-after: 600")
        await here.book.customer("first")
        await here.round()
        await here.book.customer("second")
        here.move(590)
        await here.round()
        assert (len(server.received), len(other.received)) == (1, 2)
        server.behaviour = answering(503, b"", "retry-after: 999999999")
        here.move(10)
        await here.round()
        before = len(server.received)
        assert before > 1
        server.behaviour = answering(200)
        here.move(outlet.QUIET_MAX - 10)
        await here.round()
        assert len(server.received) == before
        here.move(10)
        await here.round()
        assert {each.event["customer"] for each in server.received[before:]} == {"first", "second"}


async def test_a_test_event_arrives_and_says_only_that(here: World, server: Receiver) -> None:
    made = await here.endpoint(server.url, types=("debit.created",))
    operation = await here.desk.test(made.id)
    await here.round()
    [got] = server.received
    assert got.event["type"] == "webhook.test"
    assert got.headers["webhook-id"].startswith("evt_")
    assert here.ledger.ids.new() != operation


async def test_an_event_that_is_none_of_the_books_cannot_be_sent(
    here: World, server: Receiver
) -> None:
    made = await here.endpoint(server.url)
    other = await open_book(here.ledger)
    await other.customer("theirs")
    here.move(5)
    page = await here.ledger.feed(since(made.created_at), books=frozenset({other.id}), limit=10)
    theirs = FORMAT.test(page.found[-1].operation.id, here.clock.now()).id
    for unknown in (theirs, "evt_1", "evt_0351Ozbaa3U2chrAzL5j2x_0", ""):
        with pytest.raises(desks.EventNotFound):
            await here.desk.redeliver(made.id, unknown, FORMAT)


async def test_while_too_many_events_wait_nothing_more_is_read(
    here: World, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept beside the ledger stays small; the rest waits in the ledger and is not lost."""
    monkeypatch.setattr(outlet, "RETRYING_MAX", 3)
    monkeypatch.setattr("drawdown.webhooks.deliver.READ_AT_ONCE", 2)
    made = await here.endpoint(server.url)
    server.behaviour = answering(500)
    for _ in range(10):
        await here.book.customer()
        here.move(0.001)
    for _ in range(5):
        await here.round()
    waiting = await here.ledger.store.list_retries(made.id, False, 100)
    assert 3 <= len(waiting) <= 5
    server.behaviour = answering(200)
    for _ in range(6):
        here.move(FORMAT.schedule[1] * 2)
        await here.round()
    assert len(set(server.ids)) == 10
    assert here.seen.stood[:2] == (0, 0)
