"""What a player works with: one operation at one instant, a wallet, and the documents that stand with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from drawdown.core import burn, posting
from drawdown.core.identity import dated, derive, number_of
from drawdown.core.posting import Posting
from drawdown.core.state import State, Wallet
from drawdown.core.types import (
    Attributes,
    Document,
    EntryKind,
    Grant,
    Hold,
    HoldState,
    Id,
    Instant,
)
from drawdown.core.usage.spans import Span, Use

#: Which grants give how many units.
Shares = Sequence[tuple[Grant, int]]


class Desk(msgspec.Struct):
    """``before`` has the bodies of what was changed, as they were; None: it is new.

    ``shown`` is the answer of an action that changes nothing.
    """

    started: Posting
    wallet: Wallet
    state: State
    book: Id
    at: Instant
    before: dict[Id, str | None] = {}
    touched: dict[Id, Document] = {}
    shown: list[Document] = []

    # Documents -----------------------------------------------------------------------------------

    def standing(self, kind: str) -> list[Document]:
        """Those of a kind, in the order in which they were made."""
        found = [each for each in self.wallet.documents.values() if each.kind == kind]
        return sorted(found, key=lambda each: (each.created_at, each.id))

    def new_id(self, label: str, after: Iterable[Id] = ()) -> Id:
        """The id that a document made here will have: of those made at one instant, the later sorts later.

        ``after``: ids of earlier ones that do not stand any more.
        """
        first = dated(self.started.operation.id, label, self.at)
        known = (*self.wallet.documents.values(), *self.touched.values())
        made = [*after, *(each.id for each in known if each.kind in self.state.players)]
        numbers = [number_of(each) for each in made if each[:8] == first[:8]]
        return dated(self.started.operation.id, label, self.at, max(numbers, default=-1) + 1)

    def make(
        self,
        document: Id,
        kind: str,
        body: str,
        *,
        due_at: Instant | None = None,
        stands: bool = True,
    ) -> Document:
        """A new document (``new_id``). One that does not stand is only kept."""
        made = Document(
            id=document,
            book=self.book,
            owner=self.wallet.customer,
            kind=kind,
            body=body,
            created_at=self.at,
            updated_at=self.at,
            entitlement=self.wallet.entitlement if stands else None,
            due_at=due_at if stands else None,
        )
        self.before[made.id] = None
        self.state.changes.new_documents[made.id] = made
        return self._keep(made)

    def change(
        self,
        document: Document,
        body: str,
        *,
        due_at: Instant | None = None,
        stands: bool = True,
        deleted: bool = False,
    ) -> Document:
        """A document as it is from now on: due at another time, or standing no more."""
        self.before.setdefault(document.id, document.body)
        stands = stands and not deleted
        after = msgspec.structs.replace(
            document,
            body=body,
            revision=document.revision + 1,
            updated_at=self.at,
            deleted_at=self.at if deleted else None,
            entitlement=self.wallet.entitlement if stands else None,
            due_at=due_at if stands else None,
        )
        changes = self.state.changes
        new = after.id in changes.new_documents
        (changes.new_documents if new else changes.documents)[after.id] = after
        return self._keep(after)

    def _keep(self, document: Document) -> Document:
        self.touched[document.id] = self.state.documents[document.id] = document
        if document.entitlement is None:
            self.wallet.documents.pop(document.id, None)
        else:
            self.wallet.documents[document.id] = document
            posting.note_due(self.state.changes, self.wallet, document)
        return document

    # Usage and credit ----------------------------------------------------------------------------

    def use(self, span: Span) -> Use:
        return self.state.spans[span]

    def let_go(self, holds: Iterable[Id]) -> Shares:
        """End holds; what they held is not written off yet where its grant has ended: that is returned.

        What of it is not used or held again before ``write_off`` is gone with its grant.
        """
        ended: dict[Id, tuple[Grant, int]] = {}
        for hold_id in holds:
            held = self.wallet.holds[hold_id]
            for part in held.slices:
                grant = self.wallet.grants[part.grant]
                posting.post(
                    self.started, self.wallet, grant, EntryKind.RELEASED, part.amount, self.at
                )
                if grant.expired_at is not None:
                    ended[grant.id] = (grant, ended.get(grant.id, (grant, 0))[1] + part.amount)
            held.slices, held.held = (), 0
            held.state, held.ended_at = HoldState.RELEASED, self.at
            self.wallet.open_holds -= 1
            self.state.changes.holds[held.id] = held
        return list(ended.values())

    def pool(self, ended: Shares = ()) -> list[Grant]:
        """The grants that may pay, in burn-down order; ``ended``: and those that were let go here."""
        order = self.wallet.burn_order
        found = [*self.wallet.queue, *(grant for grant, _ in ended)]
        return sorted(found, key=lambda grant: burn.order_of(grant, order))

    def draw(self, draws: Shares) -> None:
        posting.draw(self.started, self.wallet, list(draws), self.at)

    def hold(self, label: str, draws: Shares, attributes: Attributes) -> Hold:
        """Set draws aside until they are let go."""
        units = sum(amount for _, amount in draws)
        made = Hold(
            id=derive(self.started.operation.id, "hold:" + label),
            customer=self.wallet.customer,
            entitlement=self.wallet.entitlement,
            amount=units,
            held=units,
            slices=posting.hold(self.started, self.wallet, list(draws), self.at),
            created_at=self.at,
            recorded_at=self.started.operation.recorded_at,
            expires_at=None,
            attributes=attributes,
        )
        self.wallet.holds[made.id] = made
        self.wallet.open_holds += 1
        self.state.changes.new_holds[made.id] = made
        self.state.hold_wallets[made.id] = (self.wallet.customer, self.wallet.entitlement)
        return made

    def write_off(self, ended: Shares) -> None:
        """What is left free of grants that have ended goes the way of the rest of them."""
        for grant, _ in ended:
            if grant.free > 0:
                posting.write_off(self.started, self.wallet, grant, EntryKind.EXPIRED, self.at)

    def give_back(self, grant: Id, units: int) -> None:
        """Return what was drawn; a grant that has ended meanwhile loses it again at once."""
        found = self.wallet.grants[grant]
        posting.give_back(self.started, self.wallet, found, units, self.at)
