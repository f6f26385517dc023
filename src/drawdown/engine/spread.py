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
    AmendMeter,
    AmendSchedule,
    CancelSchedule,
    Capture,
    CloseAlert,
    CloseEntitlement,
    CloseMeter,
    CloseRate,
    CloseTopUp,
    Command,
    ConfirmTopUp,
    CreateAlert,
    CreateCustomer,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
    CreateTestClock,
    CreateUsageAlert,
    DeleteTestClock,
    DocumentChange,
    EndAdvance,
    ExpireGrant,
    Extend,
    FailTopUp,
    KeepDocuments,
    PauseSchedule,
    RecordUsage,
    Release,
    ReopenEntitlement,
    ReopenMeter,
    ResumeSchedule,
    ReverseDebit,
    Spend,
    Together,
    VoidGrant,
)
from drawdown.core.errors import EventReused, KeyReused, LedgerError
from drawdown.core.identity import relocate, slot_of
from drawdown.core.requests import Answer, Claim, ClaimRecord, LedgerKey, Request
from drawdown.core.standing.players import Players
from drawdown.core.state import (
    CUSTOMER_ALIAS,
    CUSTOMER_OWN_ID,
    ENTITLEMENT_CODE,
    METER_CODE,
    EventName,
    Name,
    State,
    document_name,
)
from drawdown.core.types import Id, Reference
from drawdown.core.usage.records import Event, is_event_id
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
from drawdown.engine.spread_events import EventClaim, EventIds
from drawdown.engine.spread_names import DocumentNames, has_names, names_of

#: Of these no name is looked up before: they are decided where the names of their book's catalogue are.
_OF_CATALOGUE = (
    CreateEntitlement,
    AmendEntitlement,
    CloseEntitlement,
    ReopenEntitlement,
    CreateMeter,
    CreateRate,
    AmendMeter,
    CloseMeter,
    ReopenMeter,
    CloseRate,
)
#: What is of a book's where it names no customer: decided where all is that is the book's own.
_OF_BOOK = (
    CreateTestClock,
    AdvanceTestClock,
    EndAdvance,
    DeleteTestClock,
    CreateAlert,
    CreateUsageAlert,
    KeepDocuments,
    *_OF_CATALOGUE,
)
#: The namespace of ledger keys that stand for a claim; the key is the claim's id.
CLAIMED = "claim"

Names = dict[Name, Id | None]

_SUBJECTS: dict[type, str] = {
    CloseAlert: "alert",
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
    CloseTopUp: "top_up",
    ConfirmTopUp: "request",
    FailTopUp: "request",
}


def open_writer(
    store: Store, clock: Clock, ids: Ids, observer: BatchObserver, players: Players
) -> Writer:
    """One batcher where everything is kept together, else one for each group."""
    if store.placement is None:
        return Batcher(store, clock, ids, observer, players)
    return SpreadWriter(store, store.placement, clock, ids, observer, players)


class Routed(Submission, kw_only=True):
    """A request on its way to its group, with what was looked up for it."""

    origin: Submission
    names: Names
    event_ids: dict[EventName, Id | None] = msgspec.field(default_factory=dict)
    events: dict[Id, Event | None] = msgspec.field(default_factory=dict)

    def end(self, outcome: Answer | Exception) -> None:
        self.origin.end(outcome)


class GroupBatcher(Batcher):
    """The batcher of one group: nothing that it loads or writes is in another."""

    def __init__(
        self,
        placement: Placement,
        group: Group,
        clock: Clock,
        ids: Ids,
        observer: BatchObserver,
        players: Players,
    ) -> None:
        super().__init__(placement.part(group), clock, ids, observer, players)
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
            state.event_ids |= submission.event_ids
            state.events |= submission.events


class SpreadWriter(Writer):
    """Finds the group of each request, and takes it through its claim where it has one."""

    def __init__(
        self,
        store: Store,
        placement: Placement,
        clock: Clock,
        ids: Ids,
        observer: BatchObserver,
        players: Players,
    ) -> None:
        self._store = store
        self._placement = placement
        self._clock = clock
        self._ids = ids
        self._observer = observer
        self._players = players
        self._batchers: dict[Group, GroupBatcher] = {}
        self._events = EventIds(store, placement, clock, ids)
        self._documents = DocumentNames(store, placement, clock)
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
            plain = [
                each for each in submissions if each.claim is None and not has_names(each.documents)
            ]
            usage = [each for each in plain if isinstance(each.command, RecordUsage)]
            await self._route([each for each in plain if not isinstance(each.command, RecordUsage)])
            await self._record(usage)
            for each in submissions:
                if each.claim is not None:
                    each.end(await self._claimed(each, each.claim))
                elif has_names(each.documents):
                    each.end(await self._act(each, None))
        except Exception as error:  # whatever failed, nobody is left waiting
            for each in submissions:
                if each.outcome is None:
                    each.end(error)

    # To its group --------------------------------------------------------------------------------

    async def _route(
        self,
        submissions: Sequence[Submission],
        identifier: Id | None = None,
        known: Names | None = None,
    ) -> None:
        """Hand requests on to their groups, in their order; ``identifier``: the id of a claimed one.

        ``known``: names of documents, as they are to be taken for.
        """
        names = await self._look_up(_names_of(submissions)) | (known or {})
        self._hand_on([self._routed(each, identifier, names) for each in submissions])

    def _hand_on(self, routed: Iterable[Routed]) -> None:
        by_group: dict[Group, list[Submission]] = {}
        for each in routed:
            by_group.setdefault(self._group(each), []).append(each)
        for group, some in by_group.items():
            try:
                self._batcher(group).enqueue(some)
            except StoreUnavailable as error:
                for one in some:
                    one.end(error)

    async def _look_up(self, names: Collection[Name]) -> Names:
        found = await asyncio.gather(*(self._find(name) for name in names))
        return dict(zip(names, found, strict=True))

    async def _find(self, name: Name) -> Id | None:
        """What a name leads to. An alias leads to whose it is, as his own id would."""
        book, space, text = name
        found = await self._store.find_name(*name)
        if found is not None or space != CUSTOMER_OWN_ID:
            return found
        alias = await self._store.find_name(*document_name(book, CUSTOMER_ALIAS, text))
        document = None if alias is None else await self._store.find_document(alias)
        return None if document is None or document.deleted_at is not None else document.owner

    def _routed(self, submission: Submission, identifier: Id | None, names: Names) -> Routed:
        command = submission.command
        return Routed(
            book=submission.book,
            command=command,
            render=submission.render,
            key=submission.key,
            asked_by=submission.asked_by,
            documents=submission.documents,
            waiter=submission.waiter,
            origin=submission,
            names={
                name: names[name]
                for name in (*_names(submission), *names_of(submission.book, submission.documents))
            },
            id=identifier or submission.id or self._new_id(submission.book, command),
        )

    def _new_id(self, book: Id, command: Command) -> Id | None:
        """The id of what is made. A customer with an own id lives where that name is: one transaction."""
        if isinstance(command, CreateCustomer) and command.own_id is not None:
            name = (book, CUSTOMER_OWN_ID, command.own_id)
            return self._ids.new(self._placement.slot_of_name(name))
        new = (CreateCustomer, CreateTestClock, *_OF_CATALOGUE)
        return self._ids.new() if isinstance(command, new) else None

    def _group(self, routed: Routed) -> Group:
        """Where the request is decided; of what it names, that is looked up again which may change there."""
        group = self._home(routed)
        aliases: Names = {  # they were looked for with the own ids
            document_name(book, CUSTOMER_ALIAS, text): None
            for book, space, text in routed.names
            if space == CUSTOMER_OWN_ID
        }
        for name in [name for name, target in routed.names.items() if target is None]:
            if self._placement.of_name(name) == group:
                del routed.names[name]
        routed.names = aliases | routed.names
        return group

    def _home(self, routed: Routed) -> Group:
        """That of the customer; of one who is not there, and of a kind of credit, that of the name."""
        book, command = routed.book, routed.command
        if isinstance(command, CreateCustomer):
            assert routed.id is not None, "who is made has an id before that"
            return self._placement.of(routed.id)
        if isinstance(command, _OF_BOOK) and getattr(command, "customer", None) is None:
            return self._placement.of(book)
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
                self._placement, group, self._clock, self._ids, self._observer, self._players
            )
            batcher.start()
        return batcher

    # Usage ---------------------------------------------------------------------------------------

    async def _record(self, submissions: list[Submission], known: Names | None = None) -> None:
        """Record events under the claims on their ids, all at once; of one id for two customers one later.

        ``known`` as of ``_route``.
        """
        while submissions:
            names = await self._look_up(_names_of(submissions)) | (known or {})
            asked: dict[EventName, ClaimRecord] = {}
            now: list[Submission] = []
            later: list[Submission] = []
            for each in submissions:
                name = _event_name(each)
                claim = self._events.claim(name, _owner(each, names))
                first = asked.setdefault(name, claim) if is_event_id(name[1]) else claim
                (now if first.fingerprint == claim.fingerprint else later).append(each)
            await self._record_once(now, names, await self._events.open(asked.values()))
            submissions = later

    async def _record_once(
        self, submissions: list[Submission], names: Names, opened: dict[EventName, EventClaim]
    ) -> None:
        waiter = Waiter(len(submissions))
        acting = [
            Submission(
                book=each.book,
                command=each.command,
                render=each.render,
                asked_by=each.asked_by,
                documents=each.documents,
                waiter=waiter,
            )
            for each in submissions
        ]
        self._hand_on(self._routed_events(acting, names, opened))
        await waiter.woken
        outcomes: dict[EventName, list[Answer | Exception]] = {}
        for each in acting:
            outcomes.setdefault(_event_name(each), []).append(each.result())
        await self._events.end(opened, outcomes)
        for each, acted in zip(submissions, acting, strict=True):
            each.end(acted.result())

    def _routed_events(
        self, submissions: Iterable[Submission], names: Names, opened: dict[EventName, EventClaim]
    ) -> list[Routed]:
        """The first to ask for a new event makes it, under its id; all others are requests of their own."""
        routed, made = [], set()
        for each in submissions:
            name = _event_name(each)
            claim = opened.get(name)
            if claim is not None and not (claim.is_kept or claim.is_ours):
                each.end(EventReused(event=name[1]))
                continue
            one = self._routed(each, None, names)
            one.event_ids[name] = None if claim is None else claim.target
            if claim is not None:
                is_first = claim.is_new and name not in made
                one.id = (
                    claim.target if is_first else self._events.new_id(name[0], _owner(each, names))
                )
                made.add(name)
                if claim.event is not None:
                    one.events[claim.target] = claim.event
            routed.append(one)
        return routed

    # Under a claim -------------------------------------------------------------------------------

    async def _claimed(self, submission: Submission, claim: Claim) -> Answer | LedgerError:
        name = (submission.book, claim.space, claim.key)
        part = self._placement.part(self._placement.of_name(name))
        if not claim.fingerprint:
            return await self._unclaimed(submission, name, part)
        [opened] = await part.open_claims([self._claim(submission, claim)])
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
            target=submission.id
            or self._new_id(submission.book, submission.command)
            or self._ids.new(),
        )

    async def _finish(
        self, submission: Submission, opened: ClaimRecord, identifier: Id, part: ClaimingPart
    ) -> Answer | LedgerError:
        """Do what was claimed, and keep the answer; a refusal that is not kept leaves the key free."""
        outcome = await self._act(submission, identifier)
        if isinstance(outcome, LedgerError):
            if submission.refuse is None:
                await part.leave_claims([opened])
                return outcome
            outcome = submission.refuse(outcome)
        answer = msgspec.structs.replace(outcome, replayed=False)
        kept = await part.close_claim(msgspec.structs.replace(opened, answer=answer))
        assert kept.answer is not None
        return answer if kept.answer == answer else _again(kept.answer)

    async def _act(self, submission: Submission, identifier: Id | None) -> Answer | LedgerError:
        """The command itself. Raises what is no answer and no refusal."""
        documents = _moved(submission, identifier)
        if not has_names(documents):
            return _told(await self._attempt(submission, identifier, documents, {}))
        try:
            named = await self._documents.open(submission.book, documents, identifier)
        except LedgerError as error:
            return error
        outcome = await self._attempt(submission, identifier, named.documents, named.names)
        await self._documents.end(named, outcome)
        return _told(outcome)

    async def _attempt(
        self,
        submission: Submission,
        identifier: Id | None,
        documents: tuple[DocumentChange, ...],
        names: Names,
    ) -> Answer | Exception:
        key = submission.key if identifier is None else LedgerKey(CLAIMED, identifier.hex())
        acting = Submission(
            book=submission.book,
            command=submission.command,
            render=submission.render,
            id=submission.id,
            key=key,
            asked_by=submission.asked_by,
            documents=documents,
            waiter=Waiter(1),
        )
        if isinstance(acting.command, RecordUsage):  # its own id is a claim, too
            await self._record([acting], names)
        else:
            await self._route([acting], identifier, names)
        await acting.waiter.woken
        return acting.result()


def _usage(submission: Submission) -> RecordUsage:
    assert isinstance(submission.command, RecordUsage)
    return submission.command


def _event_name(submission: Submission) -> EventName:
    return submission.book, _usage(submission).own_id


def _owner(submission: Submission, names: Names) -> Reference:
    """Whose usage it is: his id, or a name by which nobody is known."""
    reference = _usage(submission).customer
    if isinstance(reference, str):
        return names[(submission.book, CUSTOMER_OWN_ID, reference)] or reference
    return reference


def _moved(submission: Submission, identifier: Id | None) -> tuple[DocumentChange, ...]:
    """Documents of a customer who is made with them go with him where he was made the first time."""
    if identifier is None or submission.id in (None, identifier):
        return submission.documents
    return tuple(
        msgspec.structs.replace(each, id=relocate(each.id, slot_of(identifier)), owner=identifier)
        if each.owner == submission.id
        else each
        for each in submission.documents
    )


def _told(outcome: Answer | Exception) -> Answer | LedgerError:
    """Raises what is no answer and no refusal."""
    if isinstance(outcome, Answer | LedgerError):
        return outcome
    raise outcome


def _again(answer: Answer) -> Answer:
    return msgspec.structs.replace(answer, replayed=True)


def _names_of(submissions: Iterable[Submission]) -> set[Name]:
    return {name for each in submissions for name in _names(each)}


def _names(submission: Submission) -> Iterable[Name]:
    """By which names a request speaks of what may be elsewhere; those it gives are not among them."""
    book, command = submission.book, submission.command
    if isinstance(command, (CreateCustomer, *_OF_CATALOGUE)):
        return
    customer = getattr(command, "customer", None)
    if isinstance(customer, str):
        yield book, CUSTOMER_OWN_ID, customer
    for meter in _meters(command):
        if isinstance(meter, str):
            yield book, METER_CODE, meter
    for kind in _kinds(command):
        if isinstance(kind, str) and kind not in currencies.MINOR_PLACES:
            yield book, ENTITLEMENT_CODE, kind


def _meters(command: Command) -> list[Reference]:
    if isinstance(command, Together):
        return [meter for each in command.commands for meter in _meters(each)]
    return [command.meter] if isinstance(command, CreateUsageAlert) else []


def _kinds(command: Command) -> list[Reference | None]:
    if isinstance(command, Spend):
        return [price.entitlement for price in command.wallets]
    if isinstance(command, Together):
        return [kind for each in command.commands for kind in _kinds(each)]
    return [getattr(command, "entitlement", None)]
