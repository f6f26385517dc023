"""Who knows what becomes of a kind of document, and what he must be told before he decides.

A document with an entitlement stands with the wallet of its customer: a subscription, a draft of an invoice.
Its *player* is asked at the document's instants, while the wallet is settled and in the order of everything
else that is due there, and between them by ``Act``. He is a rule like any other: what he does follows from
what he is given, so it does not matter which process asks him, or how late.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from drawdown.core.types import Document, Entry, Hold, Id, Instant
from drawdown.core.usage.spans import Span

if TYPE_CHECKING:
    from drawdown.core.standing.desk import Desk

Documents = Mapping[Id, Document | None]


#: By the kind of document, whose player he is.
Players = Mapping[str, "Player"]


class Wants(msgspec.Struct):
    """What a player must find loaded: usage, holds, grants, and documents that do not stand any more."""

    spans: set[Span] = set()
    holds: set[Id] = set()
    grants: set[Id] = set()
    documents: set[Id] = set()


class Kept(msgspec.Struct):
    """What is kept of a wallet: its open holds, and entries by their operation and ordinal.

    ``currency``: the code of its entitlement. Documents that stand nowhere come from all his wallets.
    """

    currency: str | None
    holds: Mapping[Id, Hold]
    entries: Mapping[tuple[Id, int], Entry]


class Player(Protocol):
    """What becomes of documents of one or several kinds. It has no state of its own.

    ``ending`` is the action that ends all of a wallet's, as its customer is closed.
    """

    ending: Any

    def wants(self, customer: Id, standing: Collection[Document], until: Instant) -> Wants:
        """What is needed for all that falls due by ``until``, also of what comes of it on the way."""

    def wants_to_act(
        self,
        customer: Id,
        standing: Collection[Document],
        action: Any,
        at: Instant,
        known: Documents,
    ) -> Wants:
        """What is needed for an action besides. ``known``: the documents wanted so far, as far as loaded."""

    def play(self, desk: Desk, document: Document) -> None:
        """Do what is due of a document. Afterwards it is due later, or not at all."""

    def act(self, desk: Desk, action: Any) -> None:
        """Do what is asked for. Raises ``LedgerError`` before anything is moved."""

    def reserved(self, document: Document) -> Collection[Id]:
        """The holds in which a document has set credit aside. Nobody else ends or uses them."""

    def anew(self, desk: Desk) -> AbstractContextManager[object]:
        """Let go of what documents have set aside; after the block, set aside from what is left."""

    def check(self, documents: Collection[Document], kept: Kept) -> None:
        """Raises ``Fault`` where documents of his kinds do not say what is kept of their wallet."""
