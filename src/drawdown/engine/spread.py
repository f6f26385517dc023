"""Writing to a store that is spread over groups, each with transactions of its own (``ports.Placement``).

Every request goes to the batcher of its customer's group. What it names is looked up before that, since
names are elsewhere: a name that was given once leads to the same thing forever.

A claim is in a group of its own, too. What it allows happens in three transactions: the claim without an
answer, which holds the id that the request has from now on; the request under that id, which also is its
ledger key; the answer. Whoever repeats an unfinished claim goes on under the same id, and finds done what
has been done: any of the three may be the last before a crash, and any number may repeat it at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence

import msgspec

from drawdown.core import currencies
from drawdown.core.commands import (
    AdjustGrant,
    AdvanceTestClock,
    AmendEntitlement,
    AmendGrant,
    AmendSchedule,
    CancelSchedule,
    Capture,
    Command,
    CreateCustomer,
    CreateEntitlement,
    CreateTestClock,
    DeleteTestClock,
    EndAdvance,
    ExpireGrant,
    Extend,
    PauseSchedule,
    Release,
    ResumeSchedule,
    ReverseDebit,
    Spend,
    VoidGrant,
)
from drawdown.core.errors import KeyReused, LedgerError
from drawdown.core.needs import entitlement_names
from drawdown.core.requests import Answer, Claim, ClaimRecord, LedgerKey, Request
from drawdown.core.state import CUSTOMER_OWN_ID, ENTITLEMENT_CODE, Name, State
from drawdown.core.types import Id, Instant, Reference
from drawdown.engine.batcher import (
    WAITING_MAX,
    Batcher,
    BatchObserver,
    Submission,
    Waiter,
    Writer,
)
from drawdown.engine.ports import (
    ClaimingPart,
    Clock,
    Group,
    Ids,
    Placement,
    Store,
    StoreUnavailable,
)

#: What is of a book and no customer's: it has an id of its own before it is decided.
_OF_BOOK = (CreateCustomer, CreateEntitlement, CreateTestClock, AmendEntitlement)
#: The namespace of ledger keys that stand for a claim; the key is the claim's id.
CLAIMED = "claim"

Names = dict[Name, Id | None]

_SUBJECTS: dict[type, str] = {
    AdvanceTestClock: "clock",
    DeleteTestClock: "clock",
    EndAdvance: "clock",
    AdjustGrant: "grant",
    AmendGrant: "grant",
    ExpireGrant: "grant",
    VoidGrant: "grant",
    Capture: "hold",
    Release: "hold",
    Extend: "hold",
    AmendSchedule: "schedule",
    CancelSchedule: "schedule",
    PauseSchedule: "schedule",
    ResumeSchedule: "schedule",
    ReverseDebit: "debit",
}


def open_writer(store: Store, clock: Clock, ids: Ids, observer: BatchObserver) -> Writer:
    """One batcher where everything is kept together, else one for each group."""
    if store.placement is None:
        return Batcher(store, clock, ids, observer)
    return SpreadWriter(store, store.placement, clock, ids, observer)


class Routed(Submission, kw_only=True):
    """A request on its way to its group, with what was looked up for it; ``id`` where it has one already."""

    origin: Submission
    names: Names
    id: Id | None

    def end(self, outcome: Answer | Exception) -> None:
        self.origin.end(outcome)


class GroupBatcher(Batcher):
    """The batcher of one group: nothing that it loads or writes is in another."""

    def __init__(
        self, placement: Placement, group: Group, clock: Clock, ids: Ids, observer: BatchObserver
    ) -> None:
        super().__init__(placement.part(group), clock, ids, observer)
        self._placement, self._group = placement, group

    async def _attempt(
        self, batch: list[Submission], requests: list[Request]
    ) -> list[Answer | LedgerError]:
        """Where the group is now: it may have been moved since the last time."""
        self._store = self._placement.part(self._group)
        return await super()._attempt(batch, requests)

    def _begin(self, batch: Sequence[Submission], state: State) -> None:
        for submission in batch:
            assert isinstance(submission, Routed)
            state.names |= submission.names

    def _request(
        self, submission: Submission, now: Instant, identifier: Id | None = None
    ) -> Request:
        assert isinstance(submission, Routed)
        return super()._request(submission, now, submission.id)


class SpreadWriter(Writer):
    """Finds the group of each request, and takes it through its claim where it has one."""

    def __init__(
        self, store: Store, placement: Placement, clock: Clock, ids: Ids, observer: BatchObserver
    ) -> None:
        self._store = store
        self._placement = placement
        self._clock = clock
        self._ids = ids
        self._observer = observer
        self._batchers: dict[Group, GroupBatcher] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def start(self) -> None:
        """A group's batcher starts with its first request."""

    async def close(self) -> None:
        self._closing = True
        while self._tasks:
            await asyncio.wait(self._tasks)
        for batcher in self._batchers.values():
            await batcher.close()

    def enqueue(self, submissions: Sequence[Submission]) -> None:
        if self._closing or len(self._tasks) >= WAITING_MAX:
            raise StoreUnavailable("The server is closing or has too much to do; try again.")
        task = asyncio.create_task(self._carry_out(submissions))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, submissions: Sequence[Submission]) -> None:
        try:
            await self._route([each for each in submissions if each.claim is None])
            for each in submissions:
                if each.claim is not None:
                    each.end(await self._claimed(each, each.claim))
        except Exception as error:  # whatever failed, nobody is left waiting
            for each in submissions:
                if each.outcome is None:
                    each.end(error)

    # To its group --------------------------------------------------------------------------------

    async def _route(self, submissions: Sequence[Submission], identifier: Id | None = None) -> None:
        """Hand requests on to their groups, in their order; ``identifier``: the id of a claimed one."""
        wanted = {name for each in submissions for name in _names(each.book, each.command)}
        names = await self._look_up(wanted)
        by_group: dict[Group, list[Submission]] = {}
        for each in submissions:
            routed = self._routed(each, identifier, names)
            by_group.setdefault(self._group(routed), []).append(routed)
        for group, some in by_group.items():
            try:
                self._batcher(group).enqueue(some)
            except StoreUnavailable as error:
                for each in some:
                    each.end(error)

    async def _look_up(self, names: Collection[Name]) -> Names:
        found = await asyncio.gather(*(self._store.find_name(*name) for name in names))
        return dict(zip(names, found, strict=True))

    def _routed(self, submission: Submission, identifier: Id | None, names: Names) -> Routed:
        command = submission.command
        return Routed(
            book=submission.book,
            command=command,
            render=submission.render,
            key=submission.key,
            waiter=submission.waiter,
            origin=submission,
            names={name: names[name] for name in _names(submission.book, command)},
            id=identifier or self._new_id(submission.book, command),
        )

    def _new_id(self, book: Id, command: Command) -> Id | None:
        """The id of what is made. A customer with an own id lives where that name is: one transaction."""
        if isinstance(command, CreateCustomer) and command.own_id is not None:
            name = (book, CUSTOMER_OWN_ID, command.own_id)
            return self._ids.new(self._placement.slot_of_name(name))
        return self._ids.new() if isinstance(command, _OF_BOOK) else None

    def _group(self, routed: Routed) -> Group:
        """Where the request is decided; of what it names, that is looked up again which may change there."""
        group = self._home(routed)
        for name in [name for name, target in routed.names.items() if target is None]:
            if self._placement.of_name(name) == group:
                del routed.names[name]
        return group

    def _home(self, routed: Routed) -> Group:
        """That of the customer; of one who is not there, and of a kind of credit, that of the name."""
        book, command = routed.book, routed.command
        if isinstance(command, CreateEntitlement):
            for name in entitlement_names(book, command):
                if name[2] is not None:
                    return self._placement.of_name((book, name[1], name[2]))
        if routed.id is not None and isinstance(command, _OF_BOOK):
            return self._placement.of(routed.id)
        subject: Reference = getattr(command, _SUBJECTS.get(type(command), "customer"))
        if isinstance(subject, str):
            name_of_it = (book, CUSTOMER_OWN_ID, subject)
            found = routed.names[name_of_it]
            if found is None:
                return self._placement.of_name(name_of_it)
            subject = found
        return self._placement.of(subject)

    def _batcher(self, group: Group) -> GroupBatcher:
        batcher = self._batchers.get(group)
        if batcher is None:
            batcher = self._batchers[group] = GroupBatcher(
                self._placement, group, self._clock, self._ids, self._observer
            )
            batcher.start()
        return batcher

    # Under a claim -------------------------------------------------------------------------------

    async def _claimed(self, submission: Submission, claim: Claim) -> Answer | LedgerError:
        name = (submission.book, claim.space, claim.key)
        part = self._placement.part(self._placement.of_name(name))
        if not claim.fingerprint:
            return await self._unclaimed(submission, name, part)
        opened = await part.open_claim(self._claim(submission, claim))
        if opened.fingerprint != claim.fingerprint:
            return KeyReused(key=claim.key)
        if opened.answer is not None:
            return _again(opened.answer)
        assert opened.target is not None, "what is claimed without an answer has an id"
        return await self._finish(submission, opened, opened.target, part)

    async def _unclaimed(
        self, submission: Submission, name: Name, part: ClaimingPart
    ) -> Answer | LedgerError:
        """A claim without a fingerprint only asks whether the key is used."""
        if await part.find_claim(name) is not None:
            return KeyReused(key=name[2])
        return await self._act(submission, None)

    def _claim(self, submission: Submission, claim: Claim) -> ClaimRecord:
        return ClaimRecord(
            book=submission.book,
            space=claim.space,
            key=claim.key,
            created_at=self._clock.now(),
            fingerprint=claim.fingerprint,
            target=self._new_id(submission.book, submission.command) or self._ids.new(),
        )

    async def _finish(
        self, submission: Submission, opened: ClaimRecord, identifier: Id, part: ClaimingPart
    ) -> Answer | LedgerError:
        """Do what was claimed, and keep the answer; a refusal that is not kept leaves the key free."""
        outcome = await self._act(submission, identifier)
        if isinstance(outcome, LedgerError):
            if submission.refuse is None:
                await part.leave_claim(opened)
                return outcome
            outcome = submission.refuse(outcome)
        answer = msgspec.structs.replace(outcome, replayed=False)
        kept = await part.close_claim(msgspec.structs.replace(opened, answer=answer))
        assert kept.answer is not None
        return answer if kept.answer == answer else _again(kept.answer)

    async def _act(self, submission: Submission, identifier: Id | None) -> Answer | LedgerError:
        """The command itself. Raises what is no answer and no refusal."""
        acting = Submission(
            book=submission.book,
            command=submission.command,
            render=submission.render,
            key=None if identifier is None else LedgerKey(CLAIMED, identifier.hex()),
            waiter=Waiter(1),
        )
        await self._route([acting], identifier)
        await acting.waiter.woken
        if isinstance(acting.outcome, Answer | LedgerError):
            return acting.outcome
        assert acting.outcome is not None
        raise acting.outcome


def _again(answer: Answer) -> Answer:
    return msgspec.structs.replace(answer, replayed=True)


def _names(book: Id, command: Command) -> Iterable[Name]:
    """By which names a command speaks of what is there; those it gives are not among them."""
    if isinstance(command, CreateCustomer | CreateEntitlement):
        return
    customer = getattr(command, "customer", None)
    if isinstance(customer, str):
        yield book, CUSTOMER_OWN_ID, customer
    for kind in _kinds(command):
        if isinstance(kind, str) and kind not in currencies.MINOR_PLACES:
            yield book, ENTITLEMENT_CODE, kind


def _kinds(command: Command) -> list[Reference | None]:
    if isinstance(command, Spend):
        return [price.entitlement for price in command.wallets]
    return [getattr(command, "entitlement", None)]
