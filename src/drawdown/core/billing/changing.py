"""Other items in a running period: what was used until then, and licensed time that was charged ahead.

What a metered item counted until it was taken away or got another price is a line of the next invoice, and
one that is new counts from then on. Of licensed items what is left of the period is given back at the price
they had, and charged at the one they get: each a part of the whole amount by the second, rounded once, half
up. So taking back a change costs nothing, whatever is rounded.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drawdown.core.billing import periods
from drawdown.core.billing.actions import ItemChange
from drawdown.core.billing.records import ITEMS_MAX, PENDING_MAX, Item, Line, Subscription
from drawdown.core.errors import FieldInvalid
from drawdown.core.types import MICROSECONDS, Instant
from drawdown.core.usage import rating
from drawdown.core.usage.quantities import ONE, Quantity


def changed(
    before: Subscription, change: ItemChange, at: Instant, *, ends: bool = False
) -> Subscription:
    """As it is from the whole second on. In a trial nothing is charged, and nothing is given back.

    ``ends``: the period ends with that: the rest of it is given back of every item, and of none charged.
    """
    now = second_of(before, at)
    named = {item.id: item for item in change.changed}
    places = [
        (item, named.get(item.id, item))
        for item in before.items
        if item.id not in set(change.removed)
    ]
    kept = [_since(old, new, now) for old, new in places]
    items = (*kept, *(_since(None, item, now) for item in change.added))
    pending = before.pending
    if change.prorates and not periods.is_trial(before):
        pending = (*_lines(before, items, change, now, ends), *pending)
    return msgspec.structs.replace(before, items=items, pending=pending)


def second_of(subscription: Subscription, at: Instant) -> Instant:
    """The whole second of an instant; periods begin and items change at such."""
    return Instant(max(at - at % MICROSECONDS, subscription.period_start))


def check(before: Subscription, change: ItemChange, at: Instant) -> None:
    """Raises ``FieldInvalid`` for items that cannot be changed so."""
    known = [item.id for item in before.items]
    asked = [*(item.id for item in change.changed), *change.removed]
    if len({*asked}) < len(asked) or not {*asked} <= {*known}:
        raise FieldInvalid("items", "named by the ids of the subscription's items, each once")
    after = changed(before, change, at)
    if len({item.id for item in after.items}) < len(after.items):
        raise FieldInvalid("items", "with an id each")
    if not 1 <= len(after.items) <= ITEMS_MAX:
        raise FieldInvalid("items", f"1 to {ITEMS_MAX} prices")
    if len({item.name for item in after.items}) < len(after.items):
        raise FieldInvalid("items", "of different prices")
    for number, item in enumerate((*change.added, *change.changed)):
        rating.check(item.rate, f"items[{number}].rate")
    if len(after.pending) > PENDING_MAX:
        rule = f"changed less often: at most {PENDING_MAX} lines wait for the next invoice"
        raise FieldInvalid("items", rule)
    start, end = before.period_start, before.period_end
    if change.prorated_from is not None and not start <= change.prorated_from < end:
        raise FieldInvalid("prorated_from", "within the running period")


def _prorations(
    subscription: Subscription, items: tuple[Item, ...], at: Instant, sign: int
) -> Iterator[Line]:
    """What of licensed items is left of the running period: charged, or given back where ``sign`` is -1."""
    start, end = subscription.period_start, subscription.period_end
    for item in items:
        if item.metered is None:
            quantity = Quantity(item.quantity * ONE)
            numerator, denominator = rating.cost(item.rate, quantity)
            amount = periods.rounded(numerator * (end - at), denominator * (end - start))
            yield Line(
                id="",
                item=item,
                quantity=quantity,
                amount=sign * amount,
                start=at,
                end=end,
                proration=True,
            )


def _lines(
    before: Subscription, items: tuple[Item, ...], change: ItemChange, now: Instant, ends: bool
) -> Iterator[Line]:
    """What has another price, was taken away or came."""
    gone = tuple(each for each in before.items if not any(_is_as(each, other) for other in items))
    new = tuple(each for each in items if not any(_is_as(each, other) for other in before.items))
    at = change.prorated_from or now
    yield from _prorations(before, before.items if ends else gone, at, -1)
    yield from _prorations(before, () if ends else new, at, 1)
    for item in gone:
        start = periods.counts_from(item, before.period_start)
        if item.metered is not None and start < now:
            yield Line(id="", item=item, quantity=0, amount=0, start=start, end=now)


def _since(old: Item | None, new: Item, now: Instant) -> Item:
    """With the instant from which it counts."""
    if old is not None and _is_as(old, new):
        return msgspec.structs.replace(new, since=old.since)
    return msgspec.structs.replace(new, since=now)


def _is_as(one: Item, other: Item) -> bool:
    """Whether they are one item that is charged alike."""
    return (one.id, one.name, one.rate, one.metered, one.quantity) == (
        other.id,
        other.name,
        other.rate,
        other.metered,
        other.quantity,
    )
