"""What can be asked of the ledger: each command is about one customer, or makes one, or a kind of credit.

Commands carry no clock and no new ids: ``at``, ``recorded_at`` and the ids of what they may create
come beside them (``plan.Request``). References are generated ids or own ids and codes
(``identity.reference``). A field left at its default means "not given".
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from drawdown.core.amounts import Amount
from drawdown.core.schedules.calendar import Every
from drawdown.core.schedules.terms import CycleExpiry
from drawdown.core.types import (
    HOLD_MAX,
    AlertKind,
    Attributes,
    BurnOrder,
    Category,
    Id,
    Instant,
    Metadata,
    Mode,
    OverageBehavior,
    OverageMode,
    Profiles,
    Reference,
    Scope,
    Shortfall,
)
from drawdown.core.usage import rating
from drawdown.core.usage.meters import Measure
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.records import Customers, Debits, Period
from drawdown.core.watching.top_ups import (
    ANSWER_WITHIN_DEFAULT,
    ATTEMPTS_DEFAULT,
    COOL_DOWN_DEFAULT,
    CapPeriod,
)


class OverCapture(StrEnum):
    """What becomes of a capture of more than is held."""

    DRAW = "draw"
    REFUSE = "refuse"


class Direction(StrEnum):
    """Which way a grant is adjusted: up returns credit to it, down takes some."""

    UP = "up"
    DOWN = "down"


class ChangeTime(StrEnum):
    """From when on a changed amount is given."""

    NOW = "now"
    NEXT_CYCLE = "next_cycle"


class Money(msgspec.Struct, frozen=True):
    """An exact amount of a currency (lower-case ISO 4217 code)."""

    amount: Amount
    currency: str


class AskedOverage(msgspec.Struct, frozen=True, kw_only=True):
    """A rule for usage past zero (``types.Overage``), as it is asked for."""

    mode: OverageMode
    limit: Amount | None = None
    behavior: OverageBehavior = OverageBehavior.FORGIVE_AT_RESET
    price_per_unit: Money | None = None


class CreateCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """Refused with ``AlreadyExists`` when ``own_id`` is taken in the book.

    With ``test_clock`` that clock's time is the customer's, for life. ``created_at``: when he was made in the
    system that he comes from; None: now.
    """

    own_id: str | None = None
    name: str | None = None
    email: str | None = None
    metadata: Metadata = {}
    profiles: Profiles = {}
    test_clock: Id | None = None
    created_at: Instant | None = None


class CreateTestClock(msgspec.Struct, frozen=True, kw_only=True):
    """A clock that begins at any instant and stands still there. ``mode`` is that of the book: test.

    ``customer``: who is there already and lives by it from then on, for life.
    """

    frozen_at: Instant
    mode: Mode
    name: str | None = None
    customer: Reference | None = None


class AdvanceTestClock(msgspec.Struct, frozen=True, kw_only=True):
    """Begin to move a clock forward; where it is already, or is going already, changes nothing."""

    clock: Id
    to: Instant


class EndAdvance(msgspec.Struct, frozen=True, kw_only=True):
    """Say that a clock which has reached its ``target`` is ready: all that was due by then is played."""

    clock: Id
    target: Instant


class DeleteTestClock(msgspec.Struct, frozen=True, kw_only=True):
    """Stop a clock where it is, for good; its customers are closed with it. Nothing is erased."""

    clock: Id


class CreateEntitlement(msgspec.Struct, frozen=True, kw_only=True):
    """``name`` and ``code`` are unique among the living in the book; no code means: follows the id.

    ``created_at`` as of ``CreateCustomer``.
    """

    name: str | None = None
    code: str | None = None
    unit: str
    scale: int
    burn_order: BurnOrder = BurnOrder.SOONEST_EXPIRY
    expires_after_days: int | None = None
    overage: AskedOverage | None = None
    shortfall: Shortfall = Shortfall.REFUSE
    late_usage_grace: int = 0
    profiles: Profiles = {}
    created_at: Instant | None = None


class AmendEntitlement(msgspec.Struct, frozen=True, kw_only=True):
    """Change an entitlement, or a currency's rules. It holds for what comes after it: grants keep theirs.

    What is not given stays. ``expires_after_days`` None: never. ``profiles`` are merged as metadata is.
    """

    entitlement: Reference
    name: str | None = None
    unit: str | None = None
    expires_after_days: int | msgspec.UnsetType | None = msgspec.UNSET
    overage: AskedOverage | None = None
    shortfall: Shortfall | None = None
    late_usage_grace: int | None = None
    profiles: Profiles = {}


class CloseEntitlement(msgspec.Struct, frozen=True, kw_only=True):
    """Grant, debit, hold and meter nothing more of it. Its name is free; what there is stays and expires."""

    entitlement: Reference


class ReopenEntitlement(msgspec.Struct, frozen=True, kw_only=True):
    """Undo a closing. Refused with ``AlreadyExists`` when another has the name by now."""

    entitlement: Reference


class AmendCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """Change what is kept of a customer. None: nothing any more; UNSET: as it was.

    ``metadata`` is merged (a None value deletes its key), and so is each dialect's of ``profiles``.
    """

    customer: Reference
    name: str | msgspec.UnsetType | None = msgspec.UNSET
    email: str | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, str | int | float | bool | None] = {}
    clear_metadata: bool = False
    profiles: Profiles = {}


class CloseCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """Grant and use nothing more of his, for good. What there is stays, and expires."""

    customer: Reference


class IssueGrant(msgspec.Struct, frozen=True, kw_only=True):
    """``effective_at`` None: now. ``expires_at`` UNSET: by the entitlement's rule; None: never.

    ``unused_max`` refuses the grant when the customer has that many unused ones (any entitlement).
    ``late_max``, in microseconds, refuses one effective longer ago than that, and takes less as now.
    ``used_before``: the grant comes from another system, where so much of it was used. That is an entry of
    its own. Then it may have expired already: what is left is written off with it.
    ``rollover``: what is carried of it when it expires. It must expire, then.
    """

    customer: Reference
    entitlement: Reference
    amount: Amount
    priority: int | None = None
    category: Category | None = None
    effective_at: Instant | None = None
    expires_at: Instant | msgspec.UnsetType | None = msgspec.UNSET
    cost_basis: Money | None = None
    name: str | None = None
    scope: Scope = {}
    metadata: Metadata = {}
    profiles: Profiles = {}
    reason: str | None = None
    unused_max: int | None = None
    late_max: int | None = None
    used_before: Amount | None = None
    rollover: RolloverTerms | None = None


class Debit(msgspec.Struct, frozen=True, kw_only=True):
    """Draw ``amount`` in burn-down order, all or nothing.

    ``within_credit``: never past zero, whatever the rule for that. ``valid_at`` is the instant whose grants
    may pay (default: now). ``occurred_at`` is kept and shown. ``as_overage``: all of it past zero, whatever
    credit and rule there are, since it was used so in another system.
    """

    customer: Reference
    entitlement: Reference
    amount: Amount
    attributes: Attributes = {}
    occurred_at: Instant | None = None
    valid_at: Instant | None = None
    metadata: Metadata = {}
    reason: str | None = None
    within_credit: bool = False
    as_overage: bool = False


class Price(msgspec.Struct, frozen=True):
    """What one of a quantity costs in credit of one entitlement."""

    entitlement: Reference
    price: Amount


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """Pay a quantity from several wallets, each at its price, in the order given.

    All of it, or with ``partial`` as far as the wallets go. ``valid_at`` and ``occurred_at`` as of ``Debit``.
    """

    customer: Reference
    quantity: Amount
    wallets: tuple[Price, ...]
    partial: bool = False
    attributes: Attributes = {}
    occurred_at: Instant | None = None
    valid_at: Instant | None = None
    metadata: Metadata = {}
    reason: str | None = None


class ReverseDebit(msgspec.Struct, frozen=True, kw_only=True):
    """Return ``amount`` (None: all that is left) to the grants it came from, last drawn first.

    ``entitlement`` chooses one wallet of a debit over several; without it all of them are reversed whole.
    """

    debit: Id
    entitlement: Reference | None = None
    amount: Amount | None = None


class Authorize(msgspec.Struct, frozen=True, kw_only=True):
    """Set ``amount`` aside in burn-down order, all or nothing, until it is captured, released or expires.

    The end is ``expires_at`` (None: never, where ``hold_max`` allows it), or ``expires_in`` microseconds
    from now; by default 15 minutes. ``hold_max`` is the longest life in microseconds; None: no limit.
    """

    customer: Reference
    entitlement: Reference
    amount: Amount
    expires_at: Instant | msgspec.UnsetType | None = msgspec.UNSET
    expires_in: int | None = None
    attributes: Attributes = {}
    metadata: Metadata = {}
    hold_max: int | None = HOLD_MAX


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """Turn held credit into a debit. ``final`` releases what is left. ``over_capture`` decides on more."""

    hold: Id
    amount: Amount
    final: bool = False
    over_capture: OverCapture = OverCapture.DRAW


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """End a hold: what it still holds is available again."""

    hold: Id


class Extend(msgspec.Struct, frozen=True, kw_only=True):
    """Let a hold live longer: until ``expires_at``, or ``expires_in`` microseconds from now."""

    hold: Id
    expires_at: Instant | None = None
    expires_in: int | None = None
    hold_max: int | None = HOLD_MAX


class AdjustGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Correct one grant: down takes free credit from it, up returns some of what was used of it."""

    grant: Id
    direction: Direction
    amount: Amount
    reason: str | None = None
    metadata: Metadata = {}


class ExpireGrant(msgspec.Struct, frozen=True, kw_only=True):
    """End a grant now; what remains is written off. A depleted grant may be expired: nothing moves."""

    grant: Id


class VoidGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Undo a grant with nothing held; takes what remains. ``only_unused``: not one that was ever drawn."""

    grant: Id
    only_unused: bool = False


class AmendGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Change a living grant's expiry (None: never), and merge metadata (a None value deletes its key)."""

    grant: Id
    expires_at: Instant | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, str | int | float | bool | None] = {}
    clear_metadata: bool = False


class TrialTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A first cycle with an amount and an end of its own (``schedules.Trial``)."""

    amount: Amount
    ends_at: Instant
    expires: bool = True


class RolloverTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What of a cycle is carried into the next, or of a grant at its end (``schedules.Rollover``)."""

    percentage: int = 100
    generations_max: int | None = None
    timeframe: Every | None = None
    minimum: Amount | None = None
    maximum: Amount | None = None


class CreateSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """Grant ``amount`` at the beginning of every cycle, from ``starts_at`` (None: now) up to ``ends_at``.

    ``anchor`` None: the start, or the trial's end. A start in the past takes up the cycle that runs now: what
    is over is not made up for. Carried credit without a ``timeframe`` lives by the entitlement's days.
    ``overage`` stands in place of the entitlement's rule from the first cycle to the end of the schedule.
    ``paused``: no cycle begins but one that is due now.
    """

    customer: Reference
    entitlement: Reference
    amount: Amount
    every: Every
    anchor: Instant | None = None
    zone: str = "UTC"
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    trial: TrialTerms | None = None
    expires: CycleExpiry = CycleExpiry.CYCLE_END
    expires_after_days: int | None = None
    rollover: RolloverTerms | None = None
    overage: AskedOverage | None = None
    priority: int | None = None
    category: Category | None = None
    cost_basis: Money | None = None
    scope: Scope = {}
    name: str | None = None
    metadata: Metadata = {}
    paused: bool = False


class AmendSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """Give another ``amount`` from the next cycle on, or from now on; another rule for ``overage`` at once.

    Now: the difference is granted for the cycle that runs, or taken from what is free of it; ``prorate``:
    only for what is still to come of the cycle. ``overage`` UNSET: as it was; None: the entitlement's.
    ``ends_at`` UNSET: as it was; None: without end. What was given keeps the expiry that it has.
    """

    schedule: Id
    amount: Amount | None = None
    overage: AskedOverage | msgspec.UnsetType | None = msgspec.UNSET
    ends_at: Instant | msgspec.UnsetType | None = msgspec.UNSET
    when: ChangeTime = ChangeTime.NEXT_CYCLE
    prorate: bool = False


class PauseSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """Give nothing at the cycles to come. The one that runs goes on to its end; the calendar goes on."""

    schedule: Id


class ResumeSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """Go on at the next cycle that begins; ``at_once``: with the whole of the one that would run now."""

    schedule: Id
    at_once: bool = False


class CancelSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """End it now, or with ``at_cycle_end`` as the running cycle ends, with all that comes with that.

    ``expire_credit``: what is left of its grants and not held is written off now.
    """

    schedule: Id
    at_cycle_end: bool = False
    expire_credit: bool = False


class ResetOverage(msgspec.Struct, frozen=True, kw_only=True):
    """Forgive a wallet's overage or take it to an invoice, as the rule says; what is carried on stays."""

    customer: Reference
    entitlement: Reference


class CreateAlert(msgspec.Struct, frozen=True, kw_only=True):
    """Watch a customer's credit of an entitlement; without a customer, everybody's. An alert never changes.

    The kind says where the line is: ``available_below`` an amount, or a percentage of the credit that came
    last; ``used_above`` an amount; so many ``days`` to a grant's expiry, or to when credit runs out.
    """

    entitlement: Reference
    kind: AlertKind
    customer: Reference | None = None
    amount: Amount | None = None
    percent: int | None = None
    days: int | None = None
    name: str | None = None
    metadata: Metadata = {}


class CreateUsageAlert(msgspec.Struct, frozen=True, kw_only=True):
    """Watch what a customer ever used by a meter; without a customer, what everybody did, each for himself.

    It tells once of each, when usage comes that leaves the meter's number at ``amount`` or above.
    """

    meter: Reference
    amount: Amount
    customer: Reference | None = None
    name: str | None = None
    metadata: Metadata = {}


class CloseAlert(msgspec.Struct, frozen=True, kw_only=True):
    """Watch no more, for good."""

    alert: Id


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """Record what time has done to a wallet: cycles, ends of holds, expiries and activations that are due.

    ``at``: up to that instant of the customer's test clock, on its way to where it is being advanced.
    """

    customer: Reference
    entitlement: Reference
    at: Instant | None = None


class CapTerms(msgspec.Struct, frozen=True):
    """At most so much in each day, week or month (``top_ups.Cap``)."""

    amount: Amount
    per: CapPeriod


class CreateTopUp(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for credit whenever a wallet's falls to ``threshold``: ``amount``, or what lacks to ``target``.

    It takes the place of the rule that the wallet may have. ``cool_down`` and ``answer_within`` are in
    microseconds (``top_ups.TopUp``).
    """

    customer: Reference
    entitlement: Reference
    threshold: Amount
    amount: Amount | None = None
    target: Amount | None = None
    cap: CapTerms | None = None
    cool_down: int = COOL_DOWN_DEFAULT
    answer_within: int = ANSWER_WITHIN_DEFAULT
    attempts_max: int = ATTEMPTS_DEFAULT
    price_per_unit: Money | None = None
    priority: int | None = None
    expires_after_days: int | None = None
    name: str | None = None
    metadata: Metadata = {}


class CloseTopUp(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for nothing any more. A request in flight may still be answered."""

    top_up: Id


class ConfirmTopUp(msgspec.Struct, frozen=True, kw_only=True):
    """A payment was taken for a request: its credit is granted. ``reference`` is the payment's."""

    request: Id
    reference: str | None = None


class FailTopUp(msgspec.Struct, frozen=True, kw_only=True):
    """No payment was taken for a request. ``reason`` is kept and told."""

    request: Id
    reason: str | None = None


class CreateMeter(msgspec.Struct, frozen=True, kw_only=True):
    """Count usage events. ``code`` is unique in the book; what a meter counts never changes.

    ``replaces``: an open meter in whose place it is, and which is closed next: there is room for it.
    """

    code: str
    name: str | None = None
    measure: Measure
    debits: Debits = Debits.AT_ONCE
    profiles: Profiles = {}
    replaces: Id | None = None


class CreateRate(msgspec.Struct, frozen=True, kw_only=True):
    """Charge what a meter counts from credit of an entitlement. A rate never changes.

    ``rest_of``: another rate of the meter; only what nothing pays for by that is charged. ``replaces``: rates
    that are closed with it, so that no usage comes between.
    """

    meter: Reference
    entitlement: Reference
    price: rating.Price | rating.Table
    period: Period = Period()
    customers: Customers = Customers.ALL
    rest_of: Id | None = None
    replaces: tuple[Id, ...] = ()


class CloseMeter(msgspec.Struct, frozen=True, kw_only=True):
    """Count nothing more by a meter. One that is closed already stays as it is."""

    meter: Reference


class ReopenMeter(msgspec.Struct, frozen=True, kw_only=True):
    """Count by a closed meter again, from now on. One that is open stays as it is."""

    meter: Reference


class AmendMeter(msgspec.Struct, frozen=True, kw_only=True):
    """Change what a meter is called, and what dialects know of it: the ``profiles`` that are given."""

    meter: Reference
    name: str | None = None
    profiles: Profiles = {}


class CloseRate(msgspec.Struct, frozen=True, kw_only=True):
    """Charge nothing more by a rate. One that is closed already stays as it is."""

    rate: Id


class AttachRate(msgspec.Struct, frozen=True, kw_only=True):
    """Charge a customer by a rate that is for those it is attached to.

    For usage from ``starts_at`` to before ``ends_at``; None: without that bound. What was said under the same
    ``name`` before is replaced.
    """

    rate: Id
    customer: Reference
    name: str = ""
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class DetachRate(msgspec.Struct, frozen=True, kw_only=True):
    """Charge a customer by a rate no more, as far as ``name`` said so. What was charged stays."""

    rate: Id
    customer: Reference
    name: str = ""


class RecordUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Count one usage event and draw what it costs, once for its ``own_id`` in the book.

    ``time`` is when the usage was; None: now. With ``override`` it takes the place of an earlier event of
    the same id that says something else; None then: when that was. ``revision``: only if that has this one.
    """

    customer: Reference
    own_id: str
    name: str
    time: Instant | None = None
    properties: Properties = {}
    override: bool = False
    revision: int | None = None


class DocumentChange(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a document of a customer's, or of the book's (``owner``), beside a command.

    ``revision`` is the one that was read; 0: it is new, and one that is there already stays as it is.
    ``body`` None: it is deleted. ``takes`` is a name that it has from now on, alone among its book's
    documents of the kind; ``gives_back`` is one that it had.
    """

    id: Id
    owner: Id
    kind: str
    body: str | None
    revision: int = 0
    takes: str | None = None
    gives_back: str | None = None


class KeepDocuments(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing but the changes of documents that come beside it: a customer's, or the book's (None)."""

    customer: Reference | None = None


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the player of a kind of document for something, at the wallet that his documents stand with.

    ``action`` is one of the player's own records. ``begins``: something new comes of it, which a customer or
    an entitlement that is closed does not get.
    """

    customer: Reference
    entitlement: Reference
    kind: str
    action: Any
    begins: bool = False


class Together(msgspec.Struct, frozen=True, kw_only=True):
    """Several commands of one customer, all of them or none; none is a group in its turn."""

    customer: Reference
    commands: tuple[Command, ...]


Command = (
    CreateCustomer
    | CreateEntitlement
    | AmendEntitlement
    | CloseEntitlement
    | ReopenEntitlement
    | AmendCustomer
    | CloseCustomer
    | CreateTestClock
    | AdvanceTestClock
    | EndAdvance
    | DeleteTestClock
    | IssueGrant
    | Debit
    | Spend
    | Authorize
    | Capture
    | Release
    | Extend
    | ReverseDebit
    | AdjustGrant
    | ExpireGrant
    | VoidGrant
    | AmendGrant
    | CreateSchedule
    | AmendSchedule
    | PauseSchedule
    | ResumeSchedule
    | CancelSchedule
    | CreateAlert
    | CreateUsageAlert
    | CloseAlert
    | ResetOverage
    | CreateTopUp
    | CloseTopUp
    | ConfirmTopUp
    | FailTopUp
    | Settle
    | CreateMeter
    | CreateRate
    | CloseMeter
    | ReopenMeter
    | AmendMeter
    | CloseRate
    | AttachRate
    | DetachRate
    | RecordUsage
    | KeepDocuments
    | Act
    | Together
)
