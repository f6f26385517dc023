"""Everything the ledger refuses, as one hierarchy. Fields rather than prose; no HTTP in here.

    LedgerError
    ├── NotFound
    │   ├── CustomerNotFound, EntitlementNotFound, GrantNotFound, DebitNotFound, HoldNotFound,
    │       ScheduleNotFound, AlertNotFound, ClockNotFound, TopUpNotFound, TopUpRequestNotFound
    │   └── MeterNotFound, EventNotFound, DocumentNotFound
    ├── Invalid                       what was asked can never be right
    │   ├── FieldInvalid
    │   ├── AmountTooFine, AmountTooLarge, AmountNotPositive
    │   └── ExpiryNotInFuture, ExpiryBeforeEffective
    └── Refused                       what was asked cannot be done as things stand
        ├── InsufficientCredit
        ├── KeyReused, KeyInUse
        ├── AlreadyExists
        ├── CustomerClosed, EntitlementClosed
        ├── OnlyInTestMode, ClockAdvancing
        ├── GrantExpired, GrantVoided, GrantUsed, GrantHeld, GrantPending
        ├── HoldEnded, CaptureTooLarge, ScheduleOver
        ├── ReversalTooLarge, AdjustmentTooLarge
        ├── TooManyGrants, TooManyHolds
        ├── TopUpPaid, WrongStatus
        └── EventReused, TooManyEvents, TooManyMeters, TooManyCounts

Each class has a stable ``code``; each dialect has one table from class to its own status and words.
"""

from __future__ import annotations

from typing import ClassVar

from drawdown.core import currencies


class LedgerError(Exception):
    """A refusal. ``code`` is stable; the keyword arguments are its fields, also as attributes."""

    code: ClassVar[str] = "ledger_error"
    template: ClassVar[str] = "The ledger refused this."

    def __init__(self, **fields: object) -> None:
        self.fields = fields
        super().__init__(self.template.format(**fields))

    def __getattr__(self, name: str) -> object:
        try:
            return self.__dict__["fields"][name]
        except KeyError:
            raise AttributeError(name) from None


class NotFound(LedgerError):
    """Nothing of that name in this book."""

    noun: ClassVar[str] = "object"
    template = "There is no {kind} {reference!r} in this book."

    def __init__(self, reference: str) -> None:
        super().__init__(kind=self.noun, reference=reference)


class CustomerNotFound(NotFound):
    code = "customer_not_found"
    noun = "customer"


class EntitlementNotFound(NotFound):
    code = "entitlement_not_found"
    noun = "entitlement"

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        code = reference.lower()
        if code != reference and code in currencies.MINOR_PLACES:
            self.args = (f"{self} Currencies are lower case: {code}.",)


class GrantNotFound(NotFound):
    code = "grant_not_found"
    noun = "grant"


class DebitNotFound(NotFound):
    code = "debit_not_found"
    noun = "debit"


class HoldNotFound(NotFound):
    code = "hold_not_found"
    noun = "hold"


class MeterNotFound(NotFound):
    code = "meter_not_found"
    noun = "meter"


class EventNotFound(NotFound):
    code = "usage_event_not_found"
    noun = "usage event"


class ScheduleNotFound(NotFound):
    code = "schedule_not_found"
    noun = "schedule"


class TopUpNotFound(NotFound):
    code = "top_up_not_found"
    noun = "top-up"


class TopUpRequestNotFound(NotFound):
    code = "top_up_request_not_found"
    noun = "top-up request"


class AlertNotFound(NotFound):
    code = "alert_not_found"
    noun = "alert"


class DocumentNotFound(NotFound):
    code = "document_not_found"
    noun = "object"


class RateNotFound(NotFound):
    code = "rate_not_found"
    noun = "rate"


class ClockNotFound(NotFound):
    code = "test_clock_not_found"
    noun = "test clock"


class Invalid(LedgerError):
    """Wrong whatever the state of the ledger. Every subclass has a ``field``."""

    code = "invalid"


class FieldInvalid(Invalid):
    code = "field_invalid"
    template = "{field} must be {rule}."

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(field=field, rule=rule)


class AmountTooFine(Invalid):
    code = "amount_too_fine"
    template = (
        "{field} {amount} is finer than the entitlement's scale: at most {scale} decimal places."
    )


class AmountTooLarge(Invalid):
    code = "amount_too_large"
    template = "{field} would exceed the largest amount this entitlement can hold, {maximum}."


class AmountNotPositive(Invalid):
    code = "amount_not_positive"
    template = "{field} must be greater than 0."


class ExpiryNotInFuture(Invalid):
    code = "expiry_not_in_future"
    template = "{field} must be later than now."


class ExpiryBeforeEffective(Invalid):
    code = "expiry_before_effective"
    template = "{field} must be later than the time the grant becomes effective."


class Refused(LedgerError):
    """Cannot be done as things stand; it may be possible at another time."""

    code = "refused"


class InsufficientCredit(Refused):
    """``available`` is what this debit could draw; ``available_total`` what the wallet has for any.

    ``overage_available`` is how far it may go past zero, where that has a limit.
    """

    code = "insufficient_credit"
    template = "{needed} is needed, {available} is available."

    def __init__(self, **fields: str) -> None:
        super().__init__(**fields)
        if "overage_available" in fields:
            self.args = (
                "{needed} is needed, {available} is available, and {overage_available} of overage"
                " beyond it.".format(**fields),
            )


class KeyReused(Refused):
    code = "key_reused"
    template = "The idempotency key {key!r} was used before with another request."


class KeyInUse(Refused):
    """Raised for a dialect that answers a used key with a conflict instead of a replay."""

    code = "key_in_use"
    template = "The idempotency key {key!r} has been used."


class AlreadyExists(Refused):
    code = "already_exists"
    template = "{field} {value!r} is taken."


class WrongStatus(Refused):
    """A subscription or an invoice is not where it would have to be. ``needed``: where, in words."""

    code = "wrong_status"
    template = "The {kind} is {status}, not {needed}."


class DocumentChanged(Refused):
    code = "document_changed"
    template = "Somebody else has changed it meanwhile. Read it again."


class OnlyInTestMode(Refused):
    code = "test_mode_only"
    template = "{what} is made in test mode only; this key is a live one. Use a test key."


class ClockAdvancing(Refused):
    code = "test_clock_advancing"
    template = "The test clock is being advanced to {target}. Wait until its status is ready."


class CustomerClosed(Refused):
    code = "customer_closed"
    template = "The customer is closed: it takes no grants or debits."


class EntitlementClosed(Refused):
    code = "entitlement_closed"
    template = "The entitlement is closed: it takes no grants or debits."


class GrantExpired(Refused):
    code = "grant_expired"
    template = "The grant has already expired."


class GrantVoided(Refused):
    code = "grant_voided"
    template = "The grant has already been voided."


class GrantUsed(Refused):
    code = "grant_used"
    template = "The grant has been drawn on; it can be expired, not voided."

    def __init__(self, *, left: bool) -> None:
        super().__init__()
        if not left:
            self.args = ("The grant has been used up: there is nothing left of it to void.",)


class GrantHeld(Refused):
    code = "grant_held"
    template = "{held} of the grant is held; capture or release the holds first."


class GrantPending(Refused):
    code = "grant_pending"
    template = "The grant is not effective yet."


class HoldEnded(Refused):
    code = "hold_ended"
    template = "The hold has ended: it is {state}."


class ScheduleOver(Refused):
    code = "schedule_over"
    template = "The schedule is {state}: it cannot be {verb}."


class TopUpPaid(Refused):
    """Credit is given once for a request. Whatever else was paid for it is the operator's to give back."""

    code = "top_up_paid"
    template = "The request has been confirmed already, with the reference {reference!r}."


class CaptureTooLarge(Refused):
    code = "capture_too_large"
    template = "{amount} is more than what is held, {held}."


class ReversalTooLarge(Refused):
    code = "reversal_too_large"
    template = "{amount} is more than what is left to reverse of this debit, {reversible}."


class AdjustmentTooLarge(Refused):
    code = "adjustment_too_large"
    template = "{amount} is more than this grant can be adjusted by, {maximum}."


class TooManyGrants(Refused):
    code = "too_many_grants"
    template = "The customer has reached the maximum of {maximum} {kind} grants."


class TooManyHolds(Refused):
    code = "too_many_holds"
    template = "The customer has reached the maximum of {maximum} open holds of this entitlement."


class EventReused(Refused):
    """Usage is taken once for its id. ``override`` is how an earlier event is corrected."""

    code = "event_reused"
    template = (
        "The event {event!r} was taken before with another body; only an override replaces it."
    )


class TooManyEvents(Refused):
    code = "too_many_events"
    template = (
        "The event {event!r} cannot be overridden: what it changes follows from more than the latest "
        "{maximum} events of the customer."
    )


class TooManyMeters(Refused):
    code = "too_many_meters"
    template = "The book has reached the maximum of {maximum} {kind}."


class TooManyCounts(Refused):
    code = "too_many_counts"
    template = (
        "The customer's usage is counted by {maximum} different groups already: the maximum for one rate "
        "and period."
    )


class TooManyAlerts(Refused):
    code = "too_many_alerts"
    template = "There is the maximum of {maximum} alerts {kind} already. Close one first."


class TooManySchedules(Refused):
    code = "too_many_schedules"
    template = "The customer has reached the maximum of {maximum} schedules of this entitlement."


def every_error(root: type[LedgerError] = LedgerError) -> list[type[LedgerError]]:
    """Every class that is raised as itself, for the tests of the dialects' tables."""
    below = root.__subclasses__()
    return [found for child in below for found in every_error(child)] if below else [root]
