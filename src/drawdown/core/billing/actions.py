"""What can be asked about subscriptions and invoices (``commands.Act``)."""

from __future__ import annotations

import msgspec

from drawdown.core.billing.numbering import Numbering
from drawdown.core.billing.records import Item, Pause, Profile
from drawdown.core.schedules.calendar import Every
from drawdown.core.types import Id, Instant


class _Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Fields that are not given are as they were."""


class Subscribe(_Action, frozen=True):
    """Begin a subscription now. ``anchor`` None: now, or the end of the trial.

    ``numbering``: how invoices are numbered of a customer who has none yet.

    ``profile`` is the subscription's, ``invoice_profile`` that of each of its invoices, which are to be paid
    within ``due_days``.
    """

    currency: str
    items: tuple[Item, ...]
    every: Every
    anchor: Instant | None = None
    trial_end: Instant | None = None
    cancel_at_period_end: bool = False
    cancel_at: Instant | None = None
    due_days: int | None = None
    numbering: Numbering | None = None
    profile: Profile = {}
    invoice_profile: Profile = {}


class ItemChange(_Action, frozen=True):
    """Other items from now on: ``added`` behind the others, ``changed`` in place of those with their ids.

    ``prorates`` False: nothing that has to do with the running period is charged or given back, of metered
    items neither what they have counted so far. ``prorated_from``: as if it had been then. ``invoices_now``:
    what it comes to has an invoice of its own, which is final at once.
    """

    added: tuple[Item, ...] = ()
    changed: tuple[Item, ...] = ()
    removed: tuple[str, ...] = ()
    prorates: bool = True
    prorated_from: Instant | None = None
    invoices_now: bool = False


class AmendSubscription(_Action, frozen=True):
    """``cancel_at`` None: it has no end any more; ``pause`` None: it collects again.

    ``revision``: only if it is as it was read.
    ``begins_anew``: periods are counted from now, and what the running one has come to is charged with what
    is ahead; ``items`` says whether the rest of it is given back. ``ends_trial``: so it is with a trial,
    which costs nothing.
    """

    subscription: Id
    profile: Profile | None = None
    invoice_profile: Profile | None = None
    cancel_at_period_end: bool | None = None
    cancel_at: Instant | msgspec.UnsetType | None = msgspec.UNSET
    due_days: int | msgspec.UnsetType | None = msgspec.UNSET
    items: ItemChange | None = None
    pause: Pause | msgspec.UnsetType | None = msgspec.UNSET
    begins_anew: bool = False
    ends_trial: bool = False
    revision: int | None = None


class CancelSubscription(_Action, frozen=True):
    """End it now. ``invoice_now``: what was used since the last invoice is charged; else it never is.

    ``prorates``: with that, what was charged ahead of the rest of the period is given back.
    """

    subscription: Id
    invoice_now: bool = False
    prorates: bool = False
    profile: Profile | None = None
    revision: int | None = None


class FinalizeInvoice(_Action, frozen=True):
    """Draw its credit now, and ask for the rest: a draft becomes open, or paid where nothing is left."""

    invoice: Id


class DeleteDraft(_Action, frozen=True):
    """There was no such draft; what it had set aside is free again."""

    invoice: Id


class AmendInvoice(_Action, frozen=True):
    """``advances`` False: a draft becomes final only when somebody says so."""

    invoice: Id
    profile: Profile | None = None
    advances: bool | None = None


class PayInvoice(_Action, frozen=True):
    """It was paid, in a way that is not Drawdown's to know."""

    invoice: Id
    out_of_band: bool = True


class VoidInvoice(_Action, frozen=True):
    """It is not owed; the credit that it took goes back to the grants it came from."""

    invoice: Id


class MarkUncollectible(_Action, frozen=True):
    """Nobody will pay it. Its credit stays spent."""

    invoice: Id


class EndAll(_Action, frozen=True):
    """The customer is closed: his subscriptions end without an invoice, and drafts are deleted."""


class Preview(_Action, frozen=True):
    """What the next invoice of a subscription would be, as things stand. Nothing is kept of it.

    ``items``: with this change, and where that has an invoice of its own, that one.
    """

    subscription: Id
    items: ItemChange | None = None
