"""A play on the real engine and the real store: batches, caches, part of the grants loaded, and faults."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from drawdown.core import currencies
from drawdown.core.commands import AdvanceTestClock, CreateCustomer, CreateTestClock
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Accepted, Answer, Claim, LedgerKey
from drawdown.core.types import Instant, Mode
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import StoreUnavailable
from drawdown.naming import NAMING
from tests.simulation import compare, faults
from tests.simulation.core_play import is_known, told
from tests.simulation.looking import EVERYTHING, Looking
from tests.simulation.metering import create_entitlement, create_meters
from tests.simulation.planned import Planned
from tests.simulation.plays import BEGIN, Ask, Difference, Play, Turn
from tests.simulation.powered import Heard, Site
from tests.simulation.requests import command, customer_name, made
from tests.simulation.servers import CommitFailed, RisingIds, Server
from tests.simulation.world import Expected, World
from tests.support.naive import looked_at

#: More than any advance takes.
PLAY_SECONDS = 60.0


class EnginePlay:
    """Two servers on one database, driven turn by turn."""

    def __init__(self, play: Play, world: World, site: Site) -> None:
        self._play, self._world = play, world
        self._site, self._book = site, site.book
        self._clock = ManualClock(Instant(BEGIN))
        self._ids = RisingIds()
        self._names = world.ids
        self._answers: dict[tuple[str, str, str], bytes] = {}
        self._servers: dict[int, Server] = {}
        self._looking = Looking(self._book, self._names, world.counts)
        self._planned = Planned()

    async def open(self) -> None:
        self._planned.begin()
        ledger = (await self._server(0)).ledger
        for unit, rules in self._play.units.items():
            if unit in currencies.MINOR_PLACES:
                continue
            await ledger.apply(self._book, create_entitlement(unit, rules))
        begin = CreateTestClock(frozen_at=Instant(BEGIN), mode=Mode.TEST)
        clock = (await ledger.apply(self._book, begin)).clock
        assert clock is not None
        self._test_clock = clock.id
        for name, clocked in self._play.customer_names:
            on = clock.id if clocked else None
            await ledger.apply(self._book, CreateCustomer(own_id=name, test_clock=on))
        for wanted in create_meters(self._play):
            await ledger.apply(self._book, wanted)

    async def _server(self, number: int) -> Server:
        """The server of that number; it starts when it is first wanted, and again after it died."""
        if number not in self._servers:
            store = await self._site.store()
            self._servers[number] = Server(store, self._clock, self._ids, self._world.counts)
        return self._servers[number]

    async def close(self) -> None:
        self._planned.end()
        for server in self._servers.values():
            await server.ledger.close()
        await self._site.close()

    async def finish(self) -> None:
        """Everything computed again: from all the entries, and on the core from all that was kept."""
        await self._verify()
        store = (await self._server(0)).store
        await self._planned.check(store, await self._site.recorded())

    async def _verify(self) -> None:
        async for _ in (await self._server(0)).ledger.verify(NAMING):
            pass

    # One turn ------------------------------------------------------------------------------------

    async def turn(self, turn: Turn) -> None:
        """Raises ``Difference`` or ``Fault``."""
        self._clock.instant = Instant(turn.now)
        if turn.asks and turn.asks[0].verb == "advance":
            await self._advance(turn)
            return
        done = faults.done(turn)
        if turn.fault in faults.UNFORESEEN:
            heard, kept = await self._site.fail(self._servers, turn, self._carry_out)
            done = [kept] * len(turn.asks)
        else:
            heard = await self._carry_out(turn)
        if turn.fault:
            self._world.counts[f"fault: {turn.fault}"] += 1
        self._world.counts["two servers at once"] += turn.both
        expected = self._world.happen(turn, done)
        for ask, answer, wanted, listening in zip(
            turn.asks, heard, expected, faults.heard(turn), strict=True
        ):
            if not is_found_again(turn, ask, answer):
                self._check(ask, answer, wanted, listening)
        if turn.jobs:
            await (await self._server(turn.server)).jobs.tick()
        if turn.fault in (*faults.DEATHS, *faults.UNFORESEEN):
            await self._verify()
        ledger = (await self._server(0 if turn.now % 4 else 1)).ledger
        for customer in {ask.customer for ask in turn.asks}:
            await self._check_customer(ledger, customer, self._world.time_of(customer, turn.now))

    async def _advance(self, turn: Turn) -> None:
        """Move the test clock. What goes wrong befalls one of the transactions that play it; others go on."""
        [ask] = turn.asks
        server = await self._server(turn.server)
        wanted = AdvanceTestClock(clock=self._test_clock, to=Instant(ask.asked["to"]))
        code = "ok"
        try:
            await server.ledger.apply(self._book, wanted)
        except LedgerError as error:
            code = error.code
        if code == "ok":
            await self._play_clock(server, turn)
        [expected] = self._world.happen(turn, [True])
        assert expected is not None
        compare.check_answer(expected, code, {})
        ledger = (await self._server(0)).ledger
        for customer in range(self._play.clocked):
            await self._check_customer(ledger, customer, self._world.frozen)

    async def _play_clock(self, server: Server, turn: Turn) -> None:
        clocks = server.ledger.test_clocks
        if (await clocks.find(self._book, self._test_clock)).target is not None and turn.fault:
            self._world.counts[f"an advance meets: {turn.fault}"] += 1
            await self._site.prepare(server.store, turn)
        playing = asyncio.create_task(clocks.play(self._book, self._test_clock, PLAY_SECONDS))
        died = asyncio.create_task(server.store.died.wait())
        either: set[asyncio.Task[Any]] = {playing, died}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        is_dead = died.done()
        for task in either:
            task.cancel()
        await asyncio.gather(*either, return_exceptions=True)
        if is_dead:
            await server.die()
            del self._servers[turn.server]
        server.store.fault = ""
        for fault in server.failures.unexpected:
            raise fault
        clocks = (await self._server(1 - turn.server)).ledger.test_clocks
        while (await clocks.find(self._book, self._test_clock)).target is not None:
            await clocks.tick()

    async def _carry_out(self, turn: Turn) -> list[Heard | None]:
        """Ask everything; what each client heard. None for those that heard nothing."""
        server = await self._server(turn.server)
        other = await self._server(1 - turn.server) if turn.both else server
        await self._site.prepare(server.store, turn)
        clients: list[asyncio.Task[Heard]] = []

        def arrive(asks: Sequence[Ask]) -> None:
            for ask in asks:
                asked = other if ask.customer % 2 else server
                clients.append(asyncio.create_task(self._client(asked, ask)))

        if turn.asks[turn.first :]:
            server.store.on_commit = lambda: arrive(turn.asks[turn.first :])
        arrive(turn.asks[: turn.first])
        if turn.fault in faults.DEATHS:
            await self._until_death(server, clients)
            del self._servers[turn.server]
            return [None] * len(turn.asks)
        waited = 0
        while waited < len(clients):  # the second wave joins while the first is waited for
            await asyncio.wait({clients[waited]})
            waited += 1
        server.store.fault, server.store.on_commit = "", None
        unexpected = server.failures.unexpected + other.failures.unexpected
        for fault in [client.exception() for client in clients] + unexpected:
            if fault is not None:
                raise fault
        return [client.result() for client in clients]

    async def _until_death(self, server: Server, clients: list[asyncio.Task[Heard]]) -> None:
        """The clients of a process that died never hear of it again."""
        died = asyncio.create_task(server.store.died.wait())
        answered = asyncio.gather(*clients, return_exceptions=True)
        either: set[asyncio.Future[Any]] = {died, answered}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not died.done():
            died.cancel()
            raise Difference(f"no transaction came to its commit: {answered.result()}")
        await server.die()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _client(self, server: Server, ask: Ask) -> Heard:
        heard: dict[str, object] = {}
        known = False

        def render(accepted: Accepted) -> Answer:
            nonlocal known
            known = is_known(accepted)
            identifier = made(ask, accepted)
            if "name" in ask.asked and identifier is not None:
                self._names[ask.asked["name"]] = identifier
            heard.update(told(ask, accepted))
            return Answer(status=200, body=body_of(accepted))

        refusal = ""

        def refuse(error: LedgerError) -> Answer:
            nonlocal refusal
            refusal = error.code
            heard.update(error.fields)
            return Answer(status=400, body=error.code.encode())

        wanted = command(ask, self._names)
        key, claim = keys_of(ask)
        try:
            answer = await server.ledger.submit(
                self._book, wanted, render, key=key, claim=claim, refuse=refuse
            )
        except LedgerError as error:
            return error.code, error.fields, b""
        except StoreUnavailable:
            return "unavailable", {}, b""
        except CommitFailed:
            return "failed", {}, b""
        code = "replayed" if answer.replayed or known else refusal or "ok"
        return code, heard, answer.body

    def _check(
        self, ask: Ask, heard: Heard | None, expected: Expected | None, listening: bool
    ) -> None:
        try:
            if heard is None:
                assert not listening
            elif heard[0] == "unavailable" and not listening:
                pass  # it may have happened or not: what is there is compared
            elif expected is None:
                if heard[0] not in ("unavailable", "failed"):
                    raise Difference(f"answered {heard[0]}, though its transaction failed")
            else:
                compare.check_answer(expected, heard[0], heard[1])
                if listening:
                    self._check_bytes(ask, heard)
        except Difference as difference:
            difference.add_note(repr(ask))
            raise

    def _check_bytes(self, ask: Ask, heard: Heard) -> None:
        """A replay repeats the first answer byte for byte, where somebody heard that."""
        if ask.key is None or not heard[2]:
            return
        key = ("", "", ask.key) if ask.claims else (customer_name(ask.customer), ask.verb, ask.key)
        if heard[0] == "replayed" and key not in self._answers:
            self._world.counts["a lost answer is asked for again and was done"] += 1
        first = self._answers.setdefault(key, heard[2])
        if first != heard[2]:
            raise Difference(f"replayed {heard[2]!r}, first answered {first!r}")

    # Looking at it -------------------------------------------------------------------------------

    async def _check_customer(self, ledger: Ledger, customer: int, now: int) -> None:
        """Balances, grants and holds as the reads show them."""
        name = customer_name(customer)
        grants = {
            grant.id: grant
            for grant in await ledger.grants(self._book, customer=name, limit=EVERYTHING)
        }
        holds = {
            hold.id: hold
            for hold in await ledger.holds(self._book, customer=name, limit=EVERYTHING)
        }
        schedules = {
            schedule.id: await ledger.schedule(self._book, schedule.id)
            for schedule in await ledger.schedules(self._book, customer=name, limit=EVERYTHING)
        }
        for unit, wallet in self._world.ledgers[customer].wallets.items():
            seen, at = looked_at(wallet, now)
            self._looking.remember(customer, unit, wallet, now)
            try:
                await self._looking.look(ledger, customer, unit, wallet, now)
                compare.check_sums(await ledger.balance(self._book, name, unit), seen, at)
                for grant in seen.grants:
                    # One that time has made may be recorded later: it is listed from then on.
                    made = grant.schedule is None and not grant.generation
                    if made or self._names[grant.name] in grants:
                        compare.check_grant(grants[self._names[grant.name]], grant, at)
                for hold in seen.holds:
                    compare.check_hold(holds[self._names[hold.name]], hold)
                for schedule in seen.schedules:
                    compare.check_schedule(schedules[self._names[schedule.name]], schedule)
            except Difference as difference:
                difference.add_note(f"customer {customer}, {unit}, as read at {now}")
                raise


def is_found_again(turn: Turn, ask: Ask, heard: Heard | None) -> bool:
    """Whether the engine took its own kept refusal for another's.

    It does where the commit's answer got lost: nothing else tells a batch of refusals apart.
    """
    found = turn.fault == faults.CUT_AFTER and ask.claims
    return found and heard is not None and heard[0] == "replayed"


def keys_of(ask: Ask) -> tuple[LedgerKey | None, Claim | None]:
    """What makes the ask happen once: for its customer, or in the whole book."""
    if ask.key is None:
        return None, None
    if not ask.claims:
        return LedgerKey(ask.verb, ask.key, ask.replays), None
    return None, Claim(
        "simulated", ask.key, msgspec.json.encode((ask.verb, ask.customer, ask.asked))
    )


def body_of(accepted: Accepted) -> bytes:
    """An answer that differs whenever what was done differs."""
    if accepted.operation is None:
        return b""
    moved = [(entry.seq, entry.kind, entry.amount) for entry in accepted.entries]
    return msgspec.json.encode((accepted.operation.id.hex(), moved))
