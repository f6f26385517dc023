"""Gathers waiting requests into one transaction.

While one transaction commits, arriving requests gather into the next: nothing to tune, at most
``BATCH_MAX`` at a time so that one large batch cannot stall single debits. Where a transaction costs much
however few requests are in it, callers that were just answered get a moment to ask again. If a transaction
fails, its requests run one by one, and only the culprit errs. A caller that goes away undoes nothing.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from random import SystemRandom

import msgspec

from drawdown.core.commands import Command, DocumentChange
from drawdown.core.demand import stands_alone
from drawdown.core.errors import KeyReused, LedgerError
from drawdown.core.needs import needs
from drawdown.core.plan import keep_answer, plan
from drawdown.core.requests import (
    Accepted,
    Answer,
    Claim,
    LedgerKey,
    Origin,
    Replayed,
    Request,
)
from drawdown.core.standing.players import Players
from drawdown.core.state import State
from drawdown.core.together import Undone
from drawdown.core.types import Id, Instant
from drawdown.core.usage.counting import Unforeseen
from drawdown.engine.ports import BatchConflict, Clock, Ids, Part, StoreUnavailable, Transaction

BATCH_MAX = 256
WAITING_MAX = 20_000
ATTEMPTS_MAX = 10
#: Of so many, each one's share of what a transaction costs by itself is small beside its own cost.
ENOUGH = 64
#: The longest that fewer wait for those of callers who were just answered.
GATHER_SECONDS_MAX = 0.005
#: The first pause before another attempt is up to so long, each further one up to twice the last.
PAUSE_SECONDS = 0.002

Render = Callable[[Accepted], Answer]
Refuse = Callable[[LedgerError], Answer]

_random = SystemRandom()


class Waiter:
    """One caller, who waits for one or more submissions and may have gone away before they are done."""

    def __init__(self, missing: int) -> None:
        self.missing = missing
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Submission(msgspec.Struct, kw_only=True):
    """One command on its way: how its answer is written, who waits for it, and what came of it.

    ``id``: that of the request, where it has one already.
    """

    book: Id
    command: Command
    render: Render
    id: Id | None = None
    key: LedgerKey | None = None
    claim: Claim | None = None
    refuse: Refuse | None = None
    asked_by: Origin | None = None
    documents: tuple[DocumentChange, ...] = ()
    waiter: Waiter
    outcome: Answer | Exception | None = None

    def end(self, outcome: Answer | Exception) -> None:
        """Say what came of it. Whoever waits is woken by the last of those they wait for."""
        self.outcome = outcome
        waiter = self.waiter
        waiter.missing -= 1
        if waiter.missing == 0 and not waiter.woken.done():
            waiter.woken.set_result(None)

    def result(self) -> Answer | Exception:
        """What came of it, once whoever waits has been woken."""
        assert self.outcome is not None, "who waits is woken when all of it has come to an end"
        return self.outcome


class BatchObserver:
    """Is told of every batch, soon after it: a fault of its own can undo or repeat nothing.

    The metrics override what they count.
    """

    def committed(self, size: int, seconds: float) -> None:
        """``size`` requests were stored in one transaction, which took ``seconds``."""

    def decided(self, decisions: Sequence[tuple[Command, Answer | LedgerError]]) -> None:
        """What came of each request of a batch that was stored."""

    def conflicted(self, conflict: BaseException) -> None:
        """Another process came in between; the batch is tried again."""

    def failed(self, error: BaseException) -> None:
        """A transaction failed; its requests are tried one by one."""


class Writer(ABC):
    """Takes commands, and carries each of them out once ``start`` was called."""

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    async def close(self) -> None:
        """Finish everything that was accepted, then stop."""

    @abstractmethod
    def enqueue(self, submissions: Sequence[Submission]) -> None:
        """Take commands; their waiters are told. Raises ``StoreUnavailable`` for more than can wait."""

    async def submit(self, submission: Submission) -> Answer:
        """Wait for one command's answer. Raises ``LedgerError`` when it is refused.

        A refusal that is raised here keeps this frame in its traceback. The frame lets go of what was
        asked, or the two would keep each other, and whole requests, in memory until the next collection.
        """
        self.enqueue((submission,))
        await submission.waiter.woken
        outcome = submission.result()
        del submission
        if isinstance(outcome, Answer):
            return outcome
        try:
            raise outcome
        finally:
            del outcome


class Batcher(Writer):
    """The writer of one part of a store, in one transaction at a time."""

    def __init__(
        self, store: Part, clock: Clock, ids: Ids, observer: BatchObserver, players: Players
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._observer = observer
        self._players = players
        self._waiting: deque[Submission] = deque()
        self._arrived = asyncio.Event()
        #: How many must wait for ``_arrived`` to be set.
        self._wanted = 1
        #: How many may be waiting soon, and how long those that are wait for them.
        self._expected, self._patience = 1, 0.0
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="drawdown-batcher")

    async def close(self) -> None:
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task

    def enqueue(self, submissions: Sequence[Submission]) -> None:
        if self._closing or len(self._waiting) + len(submissions) > WAITING_MAX:
            raise StoreUnavailable("The server is closing or has too much to do; try again.")
        self._waiting.extend(submissions)
        if len(self._waiting) >= self._wanted:
            self._arrived.set()

    async def _run(self) -> None:
        while await self._gather():
            size = self._size()
            started = time.perf_counter()
            await self._carry_out([self._waiting.popleft() for _ in range(size)])
            seconds = time.perf_counter() - started
            self._expected = min(size + len(self._waiting), ENOUGH)
            self._patience = min(seconds * self._store.worth_waiting, GATHER_SECONDS_MAX)

    def _size(self) -> int:
        """How many of those that wait make the next batch: up to one that must be decided by itself."""
        for size, submission in enumerate(islice(self._waiting, BATCH_MAX)):
            if stands_alone(submission.command):
                return max(size, 1)
        return min(len(self._waiting), BATCH_MAX)

    async def _gather(self) -> bool:
        """Wait for the next batch; False: there will be none.

        Everybody who was just answered may ask again at once. Each of them that comes in time makes this
        batch dearer by less than it would cost alone.
        """
        if not self._waiting and not self._closing:
            await self._arrival(1)
        if self._patience and len(self._waiting) < self._expected and not self._closing:
            await self._arrival(self._expected, self._patience)
        return bool(self._waiting)

    async def _arrival(self, count: int, seconds: float | None = None) -> None:
        """Until so many wait, so much time has passed, or the batcher is to close."""
        self._wanted = count
        self._arrived.clear()
        timer = None
        if seconds is not None:
            timer = asyncio.get_running_loop().call_later(seconds, self._arrived.set)
        await self._arrived.wait()
        if timer is not None:
            timer.cancel()

    async def _carry_out(self, batch: list[Submission]) -> None:
        loop = asyncio.get_running_loop()
        started = time.perf_counter()  # the loop's own clock may stand still within one turn
        try:
            answers = await self._transact(batch)
        except StoreUnavailable as error:  # no request is to blame: trying each would not help
            loop.call_soon(self._observer.failed, error)
            for submission in batch:
                submission.end(error)
            return
        except Undone as undone:  # it was alone
            batch[0].end(undone.error)
            return
        except Exception as error:  # whatever failed, each of the others still gets its chance
            if len(batch) == 1 or not isinstance(error, Unforeseen):
                loop.call_soon(self._observer.failed, error)
            if len(batch) == 1:
                batch[0].end(error)
                return
            for submission in batch:
                await self._carry_out([submission])
            return
        loop.call_soon(self._observer.committed, len(batch), time.perf_counter() - started)
        decisions = [(each.command, answer) for each, answer in zip(batch, answers, strict=True)]
        loop.call_soon(self._observer.decided, decisions)
        for submission, answer in zip(batch, answers, strict=True):
            submission.end(answer)

    async def _transact(self, batch: list[Submission]) -> list[Answer | LedgerError]:
        """One batch in one transaction, tried again while other processes come in between.

        The requests stay the same, and with them every id: what was stored once cannot be stored twice.
        """
        now = self._clock.now()
        requests = [self._request(submission, now) for submission in batch]
        # The feed puts what has one time in the order of its ids, so it is done in that order, too.
        pairs = sorted(zip(batch, requests, strict=True), key=lambda pair: pair[1].id)
        batch[:] = [submission for submission, _ in pairs]
        requests = [request for _, request in pairs]
        problem: BatchConflict | None = None
        for attempt in range(ATTEMPTS_MAX):
            try:
                return await self._attempt(batch, requests)
            except BatchConflict as conflict:
                self._observer.conflicted(conflict)
                problem = conflict
            await asyncio.sleep(_random.uniform(0, PAUSE_SECONDS * 2**attempt))
        raise StoreUnavailable(f"Tried {ATTEMPTS_MAX} times in vain: {problem}") from problem

    async def _attempt(
        self, batch: list[Submission], requests: list[Request]
    ) -> list[Answer | LedgerError]:
        async with self._store.transaction() as transaction:
            self._stamp(requests)
            state = transaction.state
            state.players = self._players
            self._begin(batch, state)
            while await _load(requests, transaction):
                self._stamp(requests)
            answers = [
                _decide(submission, request, state)
                for submission, request in zip(batch, requests, strict=True)
            ]
            await transaction.write()
        return answers

    def _stamp(self, requests: Sequence[Request]) -> None:
        """One moment for all: nothing granted here falls due in between.

        It is told once the transaction has begun: what is recorded is never older than the transaction
        that records it, which is what the feed counts on (``Store.recorded_until``). Where a wallet had to
        be waited for it is told again: what another process did to the wallet meanwhile came before.
        """
        now = self._clock.now()
        for request in requests:
            request.at = request.recorded_at = now

    def _begin(self, batch: Sequence[Submission], state: State) -> None:
        """What is known of a batch before anything is loaded: nothing, where everything can be."""

    def _request(self, submission: Submission, now: Instant) -> Request:
        return Request(
            book=submission.book,
            command=submission.command,
            id=submission.id or self._ids.new(),
            at=now,
            recorded_at=now,
            key=submission.key,
            claim=submission.claim,
            asked_by=submission.asked_by,
            documents=submission.documents,
        )


async def _load(requests: Sequence[Request], transaction: Transaction) -> bool:
    """Load what the requests need; True: only a part, since time has passed with waiting for others."""
    for wanted in needs(requests, transaction.state):
        if await transaction.load(wanted):
            return True
    return False


def _decide(submission: Submission, request: Request, state: State) -> Answer | LedgerError:
    """Decide one request and write its answer, while the records are as the decision left them."""
    outcome = plan(request, state)
    if isinstance(outcome, Replayed):
        return outcome.answer
    if isinstance(outcome, Accepted):
        answer = submission.render(outcome)
    elif submission.refuse is None or isinstance(outcome.error, KeyReused):
        return outcome.error
    else:
        answer = submission.refuse(outcome.error)
    keep_answer(request, outcome, answer, state)
    return answer
