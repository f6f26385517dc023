"""What a customer ever used by a meter: kept as usage comes, where somebody watches it.

It begins with the first event that comes after somebody does. What was used before is counted then, once from
the events themselves; and once more when a process that had not heard of it must have, so that no event is
missed which was on its way meanwhile. From there on an event moves the total by what it is itself. Where that
does not say enough, the events are counted anew: those of one window for usage that comes late to it, and all
of them where an override takes from a window, or takes the very event that a last or a greatest value is of.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import Id, Instant
from drawdown.core.usage import meters
from drawdown.core.usage.meters import Aggregation, Contribution, Measure, Tally
from drawdown.core.usage.quantities import Quantity
from drawdown.core.usage.spans import Span, Use, later

Uses = Mapping[Span, Use]


class Total(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that was used so far. ``latest``: the last event that counts, for a measure with a window.

    ``sure``: nothing that it should count was on its way when it was counted.
    """

    tally: Tally = Tally()
    latest: Contribution | None = None
    sure: bool = False

    @property
    def quantity(self) -> Quantity:
        return self.tally.quantity


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What an event is to a customer's total by a measure: ``old``, before, and ``new``, from now on.

    ``measure`` is as of ``measure_of``. ``known``: the event's id, where it is there already.
    """

    customer: Id
    measure: Measure
    old: Contribution | None = None
    new: Contribution | None = None
    known: Id | None = None


def measure_of(measure: Measure) -> Measure:
    """As a total is counted by it: the last value of all is the last of its window."""
    if measure.aggregation is not Aggregation.LAST:
        return measure
    return msgspec.structs.replace(measure, window=None)


class Uncounted(Exception):
    """A total follows from what a span comes to, which is not at hand."""

    def __init__(self, span: Span) -> None:
        super().__init__()
        self.span = span


def after(total: Total | None, moved: Moved, uses: Uses, *, sure: bool) -> Total:
    """The total with an event; None before: it is not kept yet. ``sure``: as of ``Total``, by now.

    Raises ``Uncounted``, and ``FieldInvalid`` when a sum would leave the bounds of quantities.
    """
    if total is not None and not total.sure and (sure or moved.old is not None):
        total = None
    others = _others(total, moved, uses, sure=sure)
    if moved.new is None:
        return others
    if moved.measure.window is not None:
        return _in_window(others, moved, moved.new, uses)
    tally = meters.add(moved.measure, others.tally, moved.new)
    return msgspec.structs.replace(others, tally=tally)


def _others(total: Total | None, moved: Moved, uses: Uses, *, sure: bool) -> Total:
    """The total without the event."""
    if total is not None and moved.old is None:
        return total
    has_windows = moved.measure.window is not None
    if total is not None and moved.old is not None and not has_windows:
        tally = meters.remove(moved.measure, total.tally, moved.old)
        if tally is not None:
            return msgspec.structs.replace(total, tally=tally)
    use = _use(uses, moved, Instant(0), INSTANT_MAX)
    latest = use.latest if has_windows else None
    return Total(tally=use.tally, latest=latest, sure=sure)


def _in_window(others: Total, moved: Moved, new: Contribution, uses: Uses) -> Total:
    """The latest event of its window counts, and no other."""
    window, latest = moved.measure.window, others.latest
    assert window is not None
    place = new.time // window
    kept = latest
    if latest is None or latest.time // window < place:
        kept = None
    elif latest.time // window > place:
        start = place * window
        kept = _use(uses, moved, Instant(start), Instant(start + window)).latest
    tally: Tally | None = others.tally
    if kept is None:
        tally = meters.add(moved.measure, others.tally, new)
    elif later(kept, new) is new:
        tally = meters.replace(moved.measure, others.tally, kept, new)
    assert tally is not None, "counts and sums follow from what is kept of them"
    latest = new if latest is None else later(latest, new)
    return msgspec.structs.replace(others, tally=tally, latest=latest)


def _use(uses: Uses, moved: Moved, start: Instant, end: Instant) -> Use:
    span = Span(moved.customer, moved.measure, start, end, moved.known)
    if span not in uses:
        raise Uncounted(span)
    return uses[span]
