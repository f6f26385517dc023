"""What a change of plan costs now, and what is shown of it before: pure."""

from __future__ import annotations

import msgspec

from drawdown.core import identity
from drawdown.core.schedules import calendar
from drawdown.core.times import text_of
from drawdown.core.types import Id, Instant
from drawdown.dialects.dodo.selling import subscriptions
from drawdown.dialects.dodo.selling.subscription_wire import (
    ImmediateCharge,
    Plan,
    PreviewLine,
    PreviewSummary,
    ProrationMode,
    SubscriptionRecord,
)

_PRORATED = (ProrationMode.PRORATED, ProrationMode.KEEP_CYCLE)


class Cost(msgspec.Struct, frozen=True):
    """``price`` for ``part`` of a cycle of the new plan, less ``part_back`` of what the old one cost."""

    price: int
    part: tuple[int, int]
    back: int
    part_back: tuple[int, int]

    @property
    def amount(self) -> int:
        """What is to be paid now. What is left over of a dearer plan is paid back to nobody here."""
        charged = calendar.prorated(self.price, self.part)
        return max(charged - calendar.prorated(self.back, self.part_back), 0)


def is_anew(record: SubscriptionRecord, plan: Plan, mode: ProrationMode) -> bool:
    """Whether a cycle of the new plan begins with the change."""
    return mode is ProrationMode.FULL or subscriptions.other_cycles(record.plan, plan)


def cost_of(record: SubscriptionRecord, plan: Plan, mode: ProrationMode, at: Instant) -> Cost:
    """What a change at ``at`` costs, whole smallest units truncated. In a trial nothing was paid yet."""
    whole, nothing = (1, 1), (0, 1)
    left = subscriptions.cycle_of(record, at).remaining(at)
    anew, trial = is_anew(record, plan, mode), subscriptions.in_trial(record, at)
    part, back = (whole if anew else left), (nothing if trial else left)
    if mode is ProrationMode.DO_NOT_BILL or (trial and not anew):
        part = back = nothing
    elif mode is ProrationMode.FULL:
        back = nothing
    elif mode is ProrationMode.DIFFERENCE:
        part, back = whole, (nothing if trial else whole)
    return Cost(plan.amount, part, record.plan.amount, back)


def whole(plan: Plan) -> Cost:
    """What a cycle costs."""
    return Cost(plan.amount, (1, 1), 0, (0, 1))


def charge(
    record: SubscriptionRecord, plan: Plan, cost: Cost, subscription: Id, at: Instant
) -> ImmediateCharge:
    """What is charged at ``at``, line by line."""
    lines = [_line(plan, plan.price, cost.part, subscription, "new")]
    if cost.back and cost.part_back[0]:
        lines.append(_line(record.plan, -record.plan.price, cost.part_back, subscription, "old"))
    return ImmediateCharge(
        effective_at=text_of(at),
        line_items=lines,
        summary=PreviewSummary(
            currency=plan.currency,
            total_amount=cost.amount,
            settlement_amount=cost.amount,
            settlement_currency=plan.currency,
            customer_credits_currency=plan.currency,
        ),
    )


def _line(
    plan: Plan, unit_price: int, part: tuple[int, int], subscription: Id, which: str
) -> PreviewLine:
    return PreviewLine(
        id=identity.spell("sub_", identity.derive(subscription, f"line:{which}")),
        product_id=plan.product_id,
        name=plan.product_name,
        quantity=plan.quantity,
        unit_price=unit_price,
        proration_factor=part[0] / part[1],
        currency=plan.currency,
        tax_inclusive=plan.tax_inclusive,
    )
