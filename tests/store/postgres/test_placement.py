"""Where the tables are spread, no transaction is about two shards, whatever is asked of the ledger.

On plain PostgreSQL with a map of four shards: whatever a server would ask of Citus is written down.
"""

from __future__ import annotations

import msgspec
import pytest

from drawdown.core.chain import GENESIS
from drawdown.core.commands import CloseAlert, Command, CreateCustomer, CreateEntitlement
from drawdown.core.errors import LedgerError
from drawdown.core.identity import slot_of
from drawdown.core.types import DAY, AlertKind, Id, Instant, Mode
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Ids, Store
from drawdown.opening import open_store
from drawdown.store.postgres.citus import CitusStore
from tests.simulation.servers import RisingIds
from tests.store.test_alerts import alert
from tests.support.books import CREDITS, START, open_book, open_ledger_on, verified
from tests.support.postgres import VERSIONS, Clusters
from tests.support.random_play import RandomPlay, Seen
from tests.support.spread import SHARDS
from tests.support.transactions import Recorder, Transaction, note

pytestmark = pytest.mark.anyio


class TwinIds(RisingIds):
    """The n-th id is the same in two runs, in the slot that the first of them asked for."""

    def __init__(self, asked: dict[int, int] | None = None) -> None:
        super().__init__()
        self.asked: dict[int, int] = {} if asked is None else asked
        self._count = 0

    def new(self, slot: int | None = None) -> Id:
        self._count += 1
        if slot is not None:
            self.asked[self._count] = slot
        return super().new(self.asked.get(self._count))


def test_a_transaction_about_two_shards_is_told() -> None:
    """The recorder sees what it must see."""
    two, whole, fine = Transaction(), Transaction(), Transaction()
    note(two, "SELECT 1 FROM wallet w WHERE w.slot = ANY ($2::int[])", ((), (4, 5)))
    note(fine, "SELECT 1 FROM wallet w WHERE w.slot = $1", (4,))
    note(fine, "INSERT INTO lease (slot, name) VALUES ($1, $2)", (8, ""))
    note(whole, "SELECT 1 FROM wallet WHERE book = $1", (b"",))
    note(whole, "SELECT 1 FROM entitlement", ())
    recorder = Recorder()
    recorder.transactions = [two, whole, fine]
    assert recorder.faults() == [two, whole]
    assert fine.shards == {0}


class Played:
    """A ledger on which plays are repeated one command after the other."""

    def __init__(self, store: Store, clock: ManualClock, ids: Ids) -> None:
        self.ledger = Ledger(store, clock, ids)
        self.ledger.open(jobs=False)
        self.seen = Seen()
        self._store, self._clock = store, clock
        self._customers = [f"customer-{number}" for number in range(6)]

    async def begin(self) -> None:
        account = await self.ledger.accounts.create_account("played")
        self.book = await self.ledger.accounts.book(account.id, Mode.TEST)
        for code in "ef":
            await self.ledger.apply(self.book, CreateEntitlement(code=code, unit=code, scale=0))
        for customer in self._customers:
            await self.ledger.apply(self.book, CreateCustomer(own_id=customer))

    async def play(self, seed: int, commands: int) -> list[object]:
        """What came of each command; every customer has a play of its own."""
        said: list[object] = []
        for number, customer in enumerate(self._customers):
            self._clock.instant = START
            play = RandomPlay(seed * 100 + number, START)
            for _ in range(commands):
                command, self._clock.instant = play.next()
                if hasattr(command, "customer"):
                    command = msgspec.structs.replace(command, customer=customer)
                said.append(await self._one(play, command))
        return said

    async def _one(self, play: RandomPlay, command: Command) -> object:
        try:
            accepted = await self.ledger.apply(self.book, command)
        except LedgerError as error:
            return type(error).__name__, str(error)
        play.tell(accepted)
        self.seen.note(accepted)
        return accepted.operation, accepted.entries, accepted.balance, accepted.grant, accepted.hold

    async def homes(self) -> set[int]:
        """The shards that customers are in."""
        found = [await self.ledger.customer(self.book, one) for one in self._customers]
        return {slot_of(customer.id) % SHARDS for customer in found}

    async def heads(self) -> dict[tuple[str, str], bytes]:
        """The head of every wallet's chain."""
        found = {}
        for customer in self._customers:
            owner = await self.ledger.customer(self.book, customer)
            for code in "ef":
                kind = await self.ledger.entitlement(self.book, code)
                wallet = await self._store.find_wallet(owner.id, kind.id, START)
                found[(customer, code)] = GENESIS if wallet is None else wallet.chain
        return found


async def test_a_play_ends_the_same_on_four_shards_and_on_one(
    spread_url: str, recorder: Recorder, clusters: Clusters
) -> None:
    """Every outcome, every entry and the head of every chain, of six customers in four shards."""
    ids = TwinIds()
    with recorder.listening():
        store = await open_store(spread_url)
    assert isinstance(store, CitusStore)
    spread = Played(store, ManualClock(START), ids)
    await spread.begin()
    said = await spread.play(seed=7, commands=60)
    heads = await spread.heads()
    homes = await spread.homes()
    await verified(spread.ledger)
    await spread.ledger.close()
    with clusters.of(VERSIONS[0]).database() as whole_url:
        whole = Played(await open_store(whole_url), ManualClock(START), TwinIds(ids.asked))
        await whole.begin()
        assert await whole.play(seed=7, commands=60) == said
        assert await whole.heads() == heads
        await whole.ledger.close()
    assert len(homes) > 2, "a play that stays in one shard proves nothing"
    assert len(set(heads.values())) == 12
    assert spread.seen.kinds.keys() >= {"grant", "debit", "hold", "capture", "reverse", "expire"}
    assert {shard for each in recorder.transactions for shard in each.shards} == set(range(SHARDS))


async def test_alerts_are_made_fire_and_are_closed_within_one_shard(
    spread_url: str, recorder: Recorder
) -> None:
    """Of everybody's, the row and the operation are where the book is, the rule is everywhere."""
    clock = ManualClock(START)
    with recorder.listening():
        ledger = open_ledger_on(await open_store(spread_url), clock)
    book = await open_book(ledger)
    customers = [await book.customer() for _ in range(12)]
    for_all = await alert(book, AlertKind.AVAILABLE_BELOW, amount=5)
    near = await alert(book, AlertKind.DAYS_TO_EXPIRY, days=3)
    own = [await alert(book, AlertKind.USED_ABOVE, each, amount=1) for each in customers]
    for customer in customers:
        await book.grant(customer, 10, expires_at=Instant(START + DAY))
        await book.debit(customer, 5)
    made = (for_all, near, *own)
    kind = await ledger.entitlement(book.id, CREDITS)
    for customer, mine in zip(customers, own, strict=True):
        owner = await ledger.customer(book.id, customer)
        wallet = await ledger.store.find_wallet(owner.id, kind.id, START)
        assert wallet is not None
        assert wallet.watch is not None
        assert set(wallet.watch.fired) == {for_all.id, mine.id}
        assert wallet.watch.counted == (near.id,)
    assert len({slot_of(each.id) % SHARDS for each in own}) > 1
    for each in made:
        await ledger.apply(book.id, CloseAlert(alert=each.id))
    assert await ledger.alerts(book.id, live=True, limit=10) == []
    await verified(ledger)
    await ledger.close()
