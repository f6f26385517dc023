"""Documents have their turn, at their instants, while their wallet is settled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from drawdown.core.identity import nth
from drawdown.core.posting import Posting
from drawdown.core.standing.desk import Desk
from drawdown.core.standing.players import Player, Wants
from drawdown.core.state import State, Wallet
from drawdown.core.types import Document, Id, Instant, Operation
from drawdown.core.usage.counting import Unforeseen


def due(wallet: Wallet, at: Instant, state: State) -> Iterator[tuple[Instant, Document]]:
    """The documents that have their turn by ``at``, each with its instant."""
    for document in wallet.documents.values():
        if document.due_at is not None and document.due_at <= at and document.kind in state.players:
            yield document.due_at, document


def wants(wallet: Wallet, at: Instant, state: State) -> Wants | None:
    """What must be loaded before the wallet is settled up to ``at``; None where no document is due."""
    kinds = {document.kind for _, document in due(wallet, at, state)}
    if not kinds:
        return None
    asked: dict[int, Player] = {id(state.players[kind]): state.players[kind] for kind in kinds}
    found = Wants()
    for player in asked.values():
        more = player.wants(wallet.customer, wallet.documents.values(), at)
        found = Wants(
            found.spans | more.spans,
            found.holds | more.holds,
            found.grants | more.grants,
            found.documents | more.documents,
        )
    return found


def players_of(wallet: Wallet, state: State) -> list[tuple[str, Player]]:
    """Who plays the documents that stand there, each once, with one of his kinds."""
    found: dict[int, tuple[str, Player]] = {}
    for kind in sorted({document.kind for document in wallet.documents.values()}):
        if kind in state.players:
            player = state.players[kind]
            found.setdefault(id(player), (kind, player))
    return list(found.values())


def check_known(wallet: Wallet, at: Instant, state: State) -> None:
    """Raises ``Unforeseen`` where more was used in the same batch since the usage was loaded."""
    found = wants(wallet, at, state)
    if found is not None and not found.spans <= state.spans.keys():
        raise Unforeseen


def operation_id(document: Document) -> Id:
    """The id of the operation of a document's next turn: the same in any process, at any time."""
    return nth(document.id, document.revision)


def play(
    wallet: Wallet, document: Document, at: Instant, recorded_at: Instant, state: State
) -> None:
    """Let the document's player do what is due, as one operation. Nothing to do is one as well."""
    operation = Operation(
        id=operation_id(document),
        customer=wallet.customer,
        entitlement=wallet.entitlement,
        kind="play",
        at=at,
        recorded_at=recorded_at,
        facts=b"{}",
        subject=document.id,
    )
    desk = Desk(Posting(operation, state.changes), wallet, state, document.book, at)
    state.players[document.kind].play(desk, document)
    after = wallet.documents.get(document.id)
    assert after is None or after.due_at is None or after.due_at > at, "a turn comes to an end"
    state.changes.wallets[(wallet.customer, wallet.entitlement)] = wallet
    note(desk)
    desk.started.commit()


def reserved(wallet: Wallet, state: State) -> set[Id]:
    """The holds in which documents have set credit aside."""
    return {
        hold
        for document in wallet.documents.values()
        if document.kind in state.players
        for hold in state.players[document.kind].reserved(document)
    }


@contextlib.contextmanager
def anew(desk: Desk) -> Iterator[None]:
    """Free what documents have set aside for what is done in the block; then they set aside what is left."""
    with contextlib.ExitStack() as stack:
        for _, player in players_of(desk.wallet, desk.state):
            stack.enter_context(player.anew(desk))
        yield
    note(desk)


def note(desk: Desk) -> None:
    """Keep which documents were changed, of which kinds they are, and what they said before and after."""
    told: list[object] = [
        (
            each.hex(),
            document.kind,
            desk.before[each],
            None if document.deleted_at is not None else document.body,
        )
        for each, document in desk.touched.items()
    ]
    shown: list[object] = [(each.id.hex(), each.kind, each.body) for each in desk.shown]
    said = {"documents": told, "shown": shown}
    if told or shown:
        desk.started.note_changes({name: each for name, each in said.items() if each})
