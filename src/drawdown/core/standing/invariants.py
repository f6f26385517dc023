"""What must hold of the documents that stand with a wallet. Each raises ``Fault`` at the first breach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from drawdown.core.fold import Fault
from drawdown.core.standing.players import Players
from drawdown.core.types import Document, Hold, Instant


class KeptWallet(Protocol):
    """What a store keeps of a wallet that follows from its documents."""

    @property
    def next_due_at(self) -> Instant | None: ...


def check_documents(
    kept: KeptWallet, documents: Sequence[Document], holds: Sequence[Hold], players: Players
) -> None:
    """``documents``: all that stand with the wallet; ``holds``: all of its open ones."""
    for each in documents:
        at = each.due_at
        if at is not None and (kept.next_due_at is None or kept.next_due_at > at):
            raise Fault(f"document {each.id.hex()} is due at {at}, the wallet is due later")
        if each.deleted_at is not None:
            raise Fault(f"document {each.id.hex()} was deleted, and stands with a wallet")
        if each.kind in players:
            players[each.kind].check(each, {hold.id: hold for hold in holds})
