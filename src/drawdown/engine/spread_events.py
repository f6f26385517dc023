"""Usage events in a store that is spread: an event is its customer's, and the claim on its id is elsewhere.

As with any claim (``spread``) it takes three transactions: the claim, which holds the id that the event has
from now on; the event under it, with all that it moves; and that the claim stands for ever. An event that
is refused leaves its id free. Each step does many at once, in one statement for each group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from drawdown.core.errors import LedgerError
from drawdown.core.identity import slot_of
from drawdown.core.requests import Answer, ClaimRecord
from drawdown.core.state import CUSTOMER_OWN_ID, USAGE_EVENT, EventName
from drawdown.core.types import Id, Reference
from drawdown.core.usage.records import Event
from drawdown.engine.ports import Clock, Ids, Placement, Store
from drawdown.engine.spread_claims import ClaimSteps


class EventClaim(msgspec.Struct, kw_only=True):
    """An event's id: the claim that was asked for, and what there is; ``event`` where that is elsewhere."""

    asked: ClaimRecord
    found: ClaimRecord
    event: Event | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the event is there."""
        return not self.found.fingerprint

    @property
    def is_ours(self) -> bool:
        """Whether the event is still to be recorded, for this customer."""
        return self.found.fingerprint == self.asked.fingerprint

    @property
    def is_new(self) -> bool:
        return self.is_ours and self.found.target == self.asked.target

    @property
    def target(self) -> Id:
        assert self.found.target is not None, "an event's id leads to it"
        return self.found.target


class EventIds:
    """Claims the ids of events, and says in the end what became of them."""

    def __init__(self, store: Store, placement: Placement, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._placement = placement
        self._clock = clock
        self._ids = ids
        self._steps = ClaimSteps(placement)

    def claim(self, name: EventName, owner: Reference) -> ClaimRecord:
        """The claim to ask for. Who is not there is taken to be made where his name is."""
        return ClaimRecord(
            book=name[0],
            space=USAGE_EVENT,
            key=name[1],
            created_at=self._clock.now(),
            fingerprint=owner.encode() if isinstance(owner, str) else owner,
            target=self.new_id(name[0], owner),
        )

    def new_id(self, book: Id, owner: Reference) -> Id:
        if isinstance(owner, str):
            return self._ids.new(self._placement.slot_of_name((book, CUSTOMER_OWN_ID, owner)))
        return self._ids.new(slot_of(owner))

    async def open(self, asked: Iterable[ClaimRecord]) -> dict[EventName, EventClaim]:
        """Claim ids, all different. An event that another customer has is read, since his group has it."""
        opened: dict[EventName, EventClaim] = {}
        for before, found in await self._steps.open(asked):
            opened[(before.book, before.key)] = EventClaim(asked=before, found=found)
        others = [each for each in opened.values() if each.is_kept and _is_elsewhere(each)]
        for each in others:
            each.event = await self._store.find_event(each.asked.book, each.asked.key)
        return opened

    async def end(
        self,
        opened: Mapping[EventName, EventClaim],
        outcomes: Mapping[EventName, list[Answer | Exception]],
    ) -> None:
        """Keep the claims under which an event was recorded, leave those of which all were refused.

        What became of the others nobody knows: who asks again goes on under the same id.
        """
        ours = {name: each.found for name, each in opened.items() if each.is_ours}
        kept, left = [], []
        for name, record in ours.items():
            if any(isinstance(outcome, Answer) for outcome in outcomes[name]):
                kept.append(record)
            elif all(isinstance(outcome, LedgerError) for outcome in outcomes[name]):
                left.append(record)
        await self._steps.keep(kept)
        await self._steps.leave(left)


def _is_elsewhere(claim: EventClaim) -> bool:
    assert claim.asked.target is not None
    return slot_of(claim.target) != slot_of(claim.asked.target)
