"""A player of toy documents: every so often credit is set aside, and later drawn.

A *cadence* draws up a *slip* at each of its instants, for what was used since the last, with credit held for
it; a slip is paid so long later: all of the wallet's slips let go of what they hold, this one draws, the
others hold again. That is all that a player may do, on terms that are simple enough to foresee.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from drawdown.core import burn
from drawdown.core.standing.desk import Desk
from drawdown.core.standing.players import Documents, Kept, Players, Wants
from drawdown.core.types import Document, Id, Instant
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.quantities import ONE
from drawdown.core.usage.spans import Span

CADENCE, SLIP = "toy.cadence", "toy.slip"
MEASURE = Measure(event_name="work", aggregation=Aggregation.SUM, property="units")


class Cadence(msgspec.Struct, kw_only=True):
    every: int
    last: int
    wait: int
    base: int


class Slip(msgspec.Struct, kw_only=True):
    units: int
    valid_at: int
    hold: str | None = None
    held: int = 0
    drawn: list[tuple[str, int]] = []
    paid: bool = False


class Begin(msgspec.Struct, frozen=True, kw_only=True):
    """``base`` units every so many microseconds beside what is used; a slip is paid ``wait`` later."""

    every: int
    wait: int
    base: int = 0


class End(msgspec.Struct, frozen=True):
    """No more slips; those that wait are paid."""

    cadence: Id


class Undo(msgspec.Struct, frozen=True):
    """Give back what a paid slip drew."""

    slip: Id


def text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def cadence_of(document: Document) -> Cadence:
    return msgspec.json.decode(document.body, type=Cadence)


def slip_of(document: Document) -> Slip:
    return msgspec.json.decode(document.body, type=Slip)


class EndAll(msgspec.Struct, frozen=True):
    """No cadence goes on, and no slip is paid."""


class ToyPlayer:
    ending = EndAll()

    def wants(self, customer: Id, standing: Collection[Document], until: Instant) -> Wants:
        found = Wants()
        for document in standing:
            if document.kind == CADENCE:
                cadence = cadence_of(document)
                last, end = cadence.last, cadence.last + cadence.every
                while end <= until:
                    found.spans.add(Span(customer, MEASURE, Instant(last), Instant(end)))
                    last, end = end, end + cadence.every
            elif (slip := slip_of(document)).hold is not None:
                found.holds.add(Id(bytes.fromhex(slip.hold)))
        return found

    def wants_to_act(
        self,
        customer: Id,
        standing: Collection[Document],
        action: Any,
        at: Instant,
        known: Documents,
    ) -> Wants:
        if not isinstance(action, Undo):
            return Wants()
        slip = known.get(action.slip)
        drawn = [] if slip is None else slip_of(slip).drawn
        grants = {Id(bytes.fromhex(grant)) for grant, _ in drawn}
        return Wants(documents={action.slip}, grants=grants)

    def play(self, desk: Desk, document: Document) -> None:
        if document.kind == CADENCE:
            self._draw_up(desk, document)
        else:
            self._pay(desk, document)

    def _draw_up(self, desk: Desk, document: Document) -> None:
        cadence = cadence_of(document)
        span = Span(desk.wallet.customer, MEASURE, Instant(cadence.last), desk.at)
        units = cadence.base + desk.use(span).quantity // ONE
        cadence.last = desk.at
        due_at = Instant(desk.at + cadence.every)
        desk.change(document, text(cadence), due_at=due_at)
        slip = Slip(units=units, valid_at=desk.at)
        made = desk.make(
            desk.new_id("slip"), SLIP, text(slip), due_at=Instant(desk.at + cadence.wait)
        )
        self._hold(desk, made, [])

    def reserved(self, document: Document) -> Collection[Id]:
        hold = slip_of(document).hold if document.kind == SLIP else None
        return () if hold is None else (Id(bytes.fromhex(hold)),)

    @contextmanager
    def anew(self, desk: Desk) -> Iterator[Any]:
        slips = desk.standing(SLIP)
        ended = desk.let_go(hold for slip in slips for hold in self.reserved(slip))
        yield ended
        for slip in desk.standing(SLIP):
            self._hold(desk, slip, ended)
        desk.write_off(ended)

    def _pay(self, desk: Desk, document: Document) -> None:
        with self.anew(desk) as ended:
            slip = slip_of(document)
            draws, _ = burn.split(desk.pool(ended), slip.units, Instant(slip.valid_at), {})
            desk.draw(draws)
            slip.drawn = [(grant.id.hex(), units) for grant, units in draws]
            slip.hold, slip.held, slip.paid = None, 0, True
            desk.change(document, text(slip), stands=False)

    def _hold(self, desk: Desk, document: Document, ended: Any) -> None:
        slip = slip_of(document)
        draws, _ = burn.split(desk.pool(ended), slip.units, Instant(slip.valid_at), {})
        slip.hold, slip.held = None, sum(units for _, units in draws)
        if draws:
            slip.hold = desk.hold(document.id.hex(), draws, {}).id.hex()
        desk.change(document, text(slip), due_at=document.due_at)

    def act(self, desk: Desk, action: Any) -> None:
        match action:
            case Begin():
                cadence = Cadence(
                    every=action.every, last=desk.at, wait=action.wait, base=action.base
                )
                due_at = Instant(desk.at + action.every)
                desk.make(desk.new_id("cadence"), CADENCE, text(cadence), due_at=due_at)
            case End():
                found = desk.wallet.documents.get(action.cadence)
                if found is not None:
                    desk.change(found, found.body, stands=False)
            case EndAll():
                for kind in (CADENCE, SLIP):
                    for each in desk.standing(kind):
                        if kind == SLIP and (hold := slip_of(each).hold) is not None:
                            desk.write_off(desk.let_go([Id(bytes.fromhex(hold))]))
                        desk.change(each, each.body, deleted=True)
            case Undo():
                found = desk.state.documents[action.slip]
                assert found is not None
                slip = slip_of(found)
                for grant, units in slip.drawn:
                    desk.give_back(Id(bytes.fromhex(grant)), units)
                slip.drawn = []
                desk.change(found, text(slip), stands=False)

    def check(self, documents: Collection[Document], kept: Kept) -> None:
        for document in documents:
            if document.kind == SLIP and document.entitlement is not None:
                slip = slip_of(document)
                held = 0 if slip.hold is None else kept.holds[Id(bytes.fromhex(slip.hold))].held
                assert held == slip.held


PLAYERS: Players = dict.fromkeys((CADENCE, SLIP), ToyPlayer())
