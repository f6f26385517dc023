"""Subscriptions: how they begin, what the end of a period does, how they are changed and ended."""

from __future__ import annotations

import msgspec

from drawdown.core.billing import actions, changing, invoicing, notices, numbering, periods
from drawdown.core.billing.numbering import Numbering
from drawdown.core.billing.records import (
    ITEMS_MAX,
    SUBSCRIPTION,
    Reason,
    Subscription,
    SubscriptionStatus,
    body_of,
    hexed,
    subscription_of,
)
from drawdown.core.errors import DocumentChanged, DocumentNotFound, FieldInvalid, WrongStatus
from drawdown.core.identity import spell
from drawdown.core.schedules import calendar
from drawdown.core.standing.desk import Desk
from drawdown.core.types import MICROSECONDS, Document, Id, Instant
from drawdown.core.usage import rating

#: So many of a customer's may run in one currency.
SUBSCRIPTIONS_MAX = 500


def subscribe(desk: Desk, action: actions.Subscribe) -> None:
    """Begin now, at the whole second, with an invoice for what is due ahead."""
    _check(desk, action)
    _number(desk, action.numbering)
    start = Instant(desk.at - desk.at % MICROSECONDS)
    anchor = action.anchor or action.trial_end or start
    made = desk.new_id("subscription")
    subscription = Subscription(
        currency=action.currency,
        items=action.items,
        every=action.every,
        anchor=anchor,
        started_at=start,
        period_start=start,
        period_end=start,
        status=(
            SubscriptionStatus.ACTIVE if action.trial_end is None else SubscriptionStatus.TRIALING
        ),
        trial_end=action.trial_end,
        cancel_at_period_end=action.cancel_at_period_end,
        cancel_at=action.cancel_at,
        canceled_at=desk.at if action.cancel_at_period_end or action.cancel_at else None,
        due_days=action.due_days,
        profile=action.profile,
        invoice_profile=action.invoice_profile,
    )
    end = periods.end_of(subscription, start)
    upcoming_at = notices.upcoming_at(end, desk.at)
    subscription = msgspec.structs.replace(subscription, period_end=end, upcoming_at=upcoming_at)
    ahead = (
        []
        if action.trial_end is not None
        else [(item, start, end) for item in action.items if item.metered is None]
    )
    invoice = invoicing.first_invoice(desk, made, subscription, ahead)
    subscription = msgspec.structs.replace(subscription, invoice=hexed(invoice.id))
    due_at = notices.next_turn(subscription)
    desk.make(made, SUBSCRIPTION, body_of(subscription), due_at=due_at)


def _number(desk: Desk, asked: Numbering | None) -> None:
    """Begin to number the customer's invoices, where nobody has."""
    known = desk.state.documents[numbering.document_id(desk.wallet.customer)]
    if asked is not None and known is None:
        numbering.begin(desk, asked)


def _check(desk: Desk, action: actions.Subscribe) -> None:
    if len(desk.standing(SUBSCRIPTION)) >= SUBSCRIPTIONS_MAX:
        raise FieldInvalid("customer", f"one with less than {SUBSCRIPTIONS_MAX} subscriptions")
    if not 1 <= len(action.items) <= ITEMS_MAX:
        raise FieldInvalid("items", f"1 to {ITEMS_MAX} prices")
    calendar.check(calendar.Cadence(desk.at, periods.UTC, action.every))
    for number, item in enumerate(action.items):
        rating.check(item.rate, f"items[{number}].rate")
    for field, instant in (("trial_end", action.trial_end), ("cancel_at", action.cancel_at)):
        if instant is not None and instant <= desk.at:
            raise FieldInvalid(field, "later than now")
    if action.anchor is not None:
        _check_anchor(desk, action, action.anchor)


def _check_anchor(desk: Desk, action: actions.Subscribe, anchor: Instant) -> None:
    """Between now and the end of a whole period from now; nothing is charged for a part of one."""
    latest = periods.next_end(desk.at, action.every, desk.at)
    if not desk.at <= anchor <= latest:
        raise FieldInvalid("anchor", "from now to one period from now")
    if action.trial_end is not None:
        raise FieldInvalid("anchor", "left out where there is a trial: periods begin as it ends")
    if any(item.metered is None for item in action.items):
        raise FieldInvalid("anchor", "left out where an item is not metered")


def turn(desk: Desk, document: Document) -> None:
    """Collecting goes on; or what its next invoice would be is told; or its period has ended."""
    subscription = _collecting(subscription_of(document.body), desk.at)
    if desk.at >= subscription.period_end:
        _end_period(desk, document, subscription)
    elif subscription.upcoming_at is not None and desk.at >= subscription.upcoming_at:
        _announce(desk, document, subscription)
    else:
        desk.change(document, body_of(subscription), due_at=notices.next_turn(subscription))


def _collecting(before: Subscription, at: Instant) -> Subscription:
    """Without a pause that is over."""
    until = None if before.pause is None else before.pause.until
    return before if until is None or at < until else msgspec.structs.replace(before, pause=None)


def _announce(desk: Desk, document: Document, before: Subscription) -> None:
    if not (periods.ends_with(before) and periods.is_trial(before)):
        desk.shown.append(invoicing.upcoming(desk, document.id, before))
    after = msgspec.structs.replace(before, upcoming_at=None)
    desk.change(document, body_of(after), due_at=notices.next_turn(after))


def _end_period(desk: Desk, document: Document, before: Subscription) -> None:
    """Its invoice is drawn up, and the next begins, unless that was the last."""
    over = periods.ends_with(before)
    ahead = None if over else periods.end_of(before, desk.at)
    after = before
    if not (over and periods.is_trial(before)):
        after = invoicing.draw_up(desk, document.id, before, Reason.CYCLE, ahead)
    if ahead is None:
        end(desk, document, after)
        return
    trial = periods.is_trial(before)
    after = msgspec.structs.replace(
        after,
        status=SubscriptionStatus.ACTIVE if trial else before.status,
        period_start=desk.at,
        period_end=ahead,
        upcoming_at=notices.upcoming_at(ahead, desk.at),
    )
    desk.change(document, body_of(after), due_at=notices.next_turn(after))


def end(desk: Desk, document: Document, subscription: Subscription) -> None:
    """It is over, and charges nothing any more."""
    after = msgspec.structs.replace(
        subscription,
        status=SubscriptionStatus.CANCELED,
        ended_at=desk.at,
        canceled_at=subscription.canceled_at or desk.at,
        pending=(),
        upcoming_at=None,
        overdue=None,
    )
    desk.change(document, body_of(after), stands=False)


def cancel(desk: Desk, action: actions.CancelSubscription) -> None:
    """End it now; ``invoice_now``: with a draft of what was used since the last invoice."""
    document, before = find(desk, action.subscription, action.revision)
    after = before
    if action.profile is not None:
        after = msgspec.structs.replace(after, profile=action.profile)
    charges = desk.at > before.period_start and not periods.is_trial(before)
    if action.invoice_now and action.prorates:
        after = changing.changed(after, actions.ItemChange(), desk.at, ends=True)
    if action.invoice_now and (charges or after.pending):
        after = invoicing.draw_up(desk, document.id, after, Reason.CANCEL, None)
    end(desk, document, msgspec.structs.replace(after, canceled_at=desk.at))


def amend(desk: Desk, action: actions.AmendSubscription) -> None:
    document, before = find(desk, action.subscription, action.revision)
    after, change = _amended(desk, before, action), action.items or actions.ItemChange()
    now = changing.second_of(after, desk.at)
    trial = periods.is_trial(after)
    if action.begins_anew and trial:
        raise FieldInvalid("anchor", "left as it is in a trial, which may be ended instead")
    anew = action.begins_anew or (action.ends_trial and trial)
    if action.items is not None:
        changing.check(after, change, desk.at)
    after = changing.changed(after, change, desk.at, ends=anew)
    if anew:
        _begin_anew(desk, document, after, now)
    elif change.invoices_now and after.pending:
        invoicing.bill_now(desk, document, after, [], (after.period_start, now))
    else:
        desk.change(document, body_of(after), due_at=notices.next_turn(after))


def _begin_anew(desk: Desk, document: Document, before: Subscription, now: Instant) -> None:
    """A period begins now, and with it an invoice: over what there was, and what is charged ahead."""
    trial = periods.is_trial(before)
    after = msgspec.structs.replace(
        before,
        anchor=now,
        period_start=now,
        status=SubscriptionStatus.ACTIVE if trial else before.status,
        trial_end=now if trial else before.trial_end,
    )
    end = periods.end_of(after, now)
    upcoming_at = notices.upcoming_at(end, desk.at)
    after = msgspec.structs.replace(after, period_end=end, upcoming_at=upcoming_at)
    items = invoicing.due_items(before, now, end)
    invoicing.bill_now(desk, document, after, items, (before.period_start, now))


def _amended(desk: Desk, before: Subscription, action: actions.AmendSubscription) -> Subscription:
    """But for its items."""
    after = before
    if action.profile is not None:
        after = msgspec.structs.replace(after, profile=action.profile)
    if action.invoice_profile is not None:
        after = msgspec.structs.replace(after, invoice_profile=action.invoice_profile)
    if action.cancel_at_period_end is not None:
        after = msgspec.structs.replace(after, cancel_at_period_end=action.cancel_at_period_end)
    if not isinstance(action.cancel_at, msgspec.UnsetType):
        if action.cancel_at is not None and action.cancel_at <= desk.at:
            raise FieldInvalid("cancel_at", "later than now")
        after = msgspec.structs.replace(after, cancel_at=action.cancel_at)
        after = msgspec.structs.replace(after, period_end=_end_now(desk, after))
    if not isinstance(action.pause, msgspec.UnsetType):
        until = None if action.pause is None else action.pause.until
        if until is not None and until <= desk.at:
            raise FieldInvalid("pause.until", "later than now")
        after = msgspec.structs.replace(after, pause=action.pause)
    if not isinstance(action.due_days, msgspec.UnsetType):
        after = msgspec.structs.replace(after, due_days=action.due_days)
    upcoming_at = notices.upcoming_at(after.period_end, desk.at)
    after = msgspec.structs.replace(after, upcoming_at=upcoming_at)
    ends = after.cancel_at_period_end or after.cancel_at is not None
    asked = after.canceled_at if before.canceled_at is not None else desk.at
    return msgspec.structs.replace(after, canceled_at=asked if ends else None)


def _end_now(desk: Desk, subscription: Subscription) -> Instant:
    return max(periods.end_of(subscription, subscription.period_start), Instant(desk.at + 1))


def find(
    desk: Desk, subscription: Id, revision: int | None = None
) -> tuple[Document, Subscription]:
    """One that has not ended. Raises ``DocumentNotFound``, ``WrongStatus``, and ``DocumentChanged``."""
    found = desk.wallet.documents.get(subscription) or desk.state.documents.get(subscription)
    own = found is not None and found.owner == desk.wallet.customer and found.kind == SUBSCRIPTION
    if found is None or not own:
        raise DocumentNotFound(spell("", subscription))
    if found.entitlement is None:
        raise WrongStatus(kind="subscription", status="canceled", needed="active")
    if revision is not None and found.revision != revision:
        raise DocumentChanged
    return found, subscription_of(found.body)
