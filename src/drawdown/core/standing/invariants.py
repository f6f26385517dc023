"""What must hold of a wallet's documents. Each raises ``Fault`` at the first breach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from drawdown.core.fold import Fault
from drawdown.core.standing.players import Kept, Player, Players
from drawdown.core.types import Document, Entry, Hold, Instant


class KeptWallet(Protocol):
    """What a store keeps of a wallet that follows from its documents, or that they follow from."""

    @property
    def code(self) -> str | None: ...
    @property
    def next_due_at(self) -> Instant | None: ...
    @property
    def holds(self) -> Sequence[Hold]: ...
    @property
    def entries(self) -> Sequence[Entry]: ...
    @property
    def documents(self) -> Sequence[Document]: ...


def check_documents(kept: KeptWallet, players: Players) -> None:
    """``documents``: all that stand with the wallet, and those of its customer that stand nowhere."""
    told: dict[int, tuple[Player, list[Document]]] = {}
    for each in kept.documents:
        if each.entitlement is not None:
            _check_due(each, kept)
        if each.kind in players:
            player = players[each.kind]
            told.setdefault(id(player), (player, []))[1].append(each)
    if told:
        entries = {(entry.operation, entry.ordinal): entry for entry in kept.entries}
        found = Kept(kept.code, {hold.id: hold for hold in kept.holds}, entries)
        for player, documents in told.values():
            player.check(documents, found)


def _check_due(document: Document, kept: KeptWallet) -> None:
    at = document.due_at
    if at is not None and (kept.next_due_at is None or kept.next_due_at > at):
        raise Fault(f"document {document.id.hex()} is due at {at}, the wallet is due later")
    if document.deleted_at is not None:
        raise Fault(f"document {document.id.hex()} was deleted, and stands with a wallet")
