"""What can go wrong, as one tree. A class for each code that the server has.

DrawdownError
├── Unavailable (429, 502, 503, 504: still so after every attempt)
│   └── NoAnswer (no connection, or no answer in time)
├── ServerFault (500 and the like)
├── UnexpectedAnswer (something answers that is no Drawdown server)
├── Unauthorized, Forbidden
└── Refused
    ├── InsufficientCredit
    ├── NotFound
    │   ├── CustomerNotFound, EntitlementNotFound, GrantNotFound
    │   ├── DebitNotFound, HoldNotFound, KeyNotFound
    │   ├── EndpointNotFound, EventNotFound
    │   ├── AlertNotFound, ClockNotFound, TopUpNotFound, TopUpRequestNotFound
    │   └── MeterNotFound, RateNotFound, UsageEventNotFound
    ├── Conflict
    │   ├── KeyReused, AlreadyExists, CustomerClosed, EntitlementClosed
    │   ├── GrantExpired, GrantVoided, GrantUsed, GrantHeld, GrantPending, TooManyGrants
    │   ├── HoldEnded, CaptureTooLarge, TooManyHolds, TooManyEndpoints
    │   ├── ReversalTooLarge, AdjustmentTooLarge
    │   ├── ClockAdvancing, TopUpPaid
    │   └── EventReused, TooManyEvents, TooManyMeters, TooManyCounts
    └── Invalid
        ├── AmountNotPositive, AmountTooFine, AmountTooLarge
        └── ExpiryNotInFuture, ExpiryBeforeEffective

A code that this client does not know becomes the class of its status.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any


class DrawdownError(Exception):
    """``code`` is stable, ``detail`` for people; ``status`` is None when nothing answered.

    ``fields`` has what else the server says. ``idempotency_key`` is the key of the write that
    failed: after an ``Unavailable`` or ``ServerFault`` ask again with it.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str = "",
        status: int | None = None,
        request_id: str | None = None,
        idempotency_key: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.status = status
        self.request_id = request_id
        self.idempotency_key = idempotency_key
        self.fields = dict(fields or {})

    def _decimal(self, name: str) -> Decimal:
        return Decimal(str(self.fields[name]))


class Unavailable(DrawdownError):
    """The server cannot answer now. Whether the write was carried out is not known."""


class NoAnswer(Unavailable):
    """The server cannot be reached, or did not answer in time."""


class ServerFault(DrawdownError):
    """A fault of the server; its log tells more under ``request_id``."""


class UnexpectedAnswer(DrawdownError):
    """What answers is no Drawdown server, or one that speaks otherwise than this client knows."""


class Unauthorized(DrawdownError):
    """No key, or one that is unknown or revoked."""


class Forbidden(DrawdownError):
    """The key's role is too small."""


class Refused(DrawdownError):
    """The server has decided: nothing was done, and as things stand nothing would be."""


class InsufficientCredit(Refused):
    """There is less than what was asked for. Of a spend, the numbers are quantities."""

    @property
    def needed(self) -> Decimal:
        return self._decimal("needed")

    @property
    def available(self) -> Decimal:
        """What this debit could have drawn."""
        return self._decimal("available")

    @property
    def available_total(self) -> Decimal:
        """What is there in all, scoped credit that is for something else included."""
        return self._decimal("available_total")

    @property
    def overage_available(self) -> Decimal | None:
        """How far it could have gone past zero; None where the entitlement sets no limit."""
        return self._decimal("overage_available") if "overage_available" in self.fields else None


class NotFound(Refused):
    """There is no such thing for this key."""


class CustomerNotFound(NotFound):
    pass


class EntitlementNotFound(NotFound):
    pass


class GrantNotFound(NotFound):
    pass


class DebitNotFound(NotFound):
    pass


class ScheduleNotFound(NotFound):
    """There is no schedule of that id in this book."""


class TopUpNotFound(NotFound):
    """There is no top-up of that id in this book."""


class TopUpRequestNotFound(NotFound):
    """There is no request of that id in this book."""


class HoldNotFound(NotFound):
    pass


class MeterNotFound(NotFound):
    pass


class RateNotFound(NotFound):
    """No such rate, or it is in another book."""


class UsageEventNotFound(NotFound):
    pass


class KeyNotFound(NotFound):
    pass


class EndpointNotFound(NotFound):
    pass


class AlertNotFound(NotFound):
    pass


class ClockNotFound(NotFound):
    pass


class EventNotFound(NotFound):
    pass


class Conflict(Refused):
    """It cannot be done as things stand."""


class KeyReused(Conflict):
    """The idempotency key belongs to another request."""


class AlreadyExists(Conflict):
    """The id, code or name is taken."""


class CustomerClosed(Conflict):
    pass


class ClockAdvancing(Conflict):
    pass


class EntitlementClosed(Conflict):
    pass


class GrantExpired(Conflict):
    pass


class GrantVoided(Conflict):
    pass


class GrantUsed(Conflict):
    """Nothing is left of the grant."""


class GrantHeld(Conflict):
    """A hold sets credit of the grant aside."""


class GrantPending(Conflict):
    """The grant is not effective yet."""


class TooManyGrants(Conflict):
    pass


class TopUpPaid(Conflict):
    """Credit was given for the request already: for the payment ``fields["reference"]``."""


class ScheduleOver(Conflict):
    """The schedule is not in the state that this takes."""


class TooManyAlerts(Conflict):
    pass


class TooManySchedules(Conflict):
    """The customer has as many schedules of this entitlement as it may have."""


class HoldEnded(Conflict):
    """The hold was captured, released, or has expired; ``state`` says which."""

    @property
    def state(self) -> str:
        return str(self.fields["state"])


class CaptureTooLarge(Conflict):
    """More than is held, and ``over_capture="refuse"``."""

    @property
    def held(self) -> Decimal:
        return self._decimal("held")


class TooManyHolds(Conflict):
    pass


class TooManyEndpoints(Conflict):
    """Of webhooks; or too many events wait for one of them."""


class EventReused(Conflict):
    """The event's id was taken before, with another body."""


class TooManyEvents(Conflict):
    """The event cannot be overridden: what it changes follows from more events than are looked at."""


class TooManyMeters(Conflict):
    """The book has all the meters or rates that it may have."""


class TooManyCounts(Conflict):
    """The customer's usage is counted apart for as many groups as it may be."""


class ReversalTooLarge(Conflict):
    """More than what is left of the debit."""

    @property
    def reversible(self) -> Decimal:
        return self._decimal("reversible")


class AdjustmentTooLarge(Conflict):
    """More than the grant can be moved in that direction."""

    @property
    def maximum(self) -> Decimal:
        return self._decimal("maximum")


class Invalid(Refused):
    """The request breaks a rule. ``field`` names which part of it, where it was one."""

    @property
    def field(self) -> str | None:
        return self.fields.get("field")

    @property
    def rule(self) -> str | None:
        return self.fields.get("rule")


class AmountNotPositive(Invalid):
    pass


class AmountTooFine(Invalid):
    """More decimal places than the entitlement's scale has; nothing is ever rounded."""


class AmountTooLarge(Invalid):
    pass


class ExpiryNotInFuture(Invalid):
    pass


class ExpiryBeforeEffective(Invalid):
    pass


BY_CODE: dict[str, type[DrawdownError]] = {
    "malformed": Invalid,
    "unauthorized": Unauthorized,
    "insufficient_credit": InsufficientCredit,
    "forbidden": Forbidden,
    "customer_not_found": CustomerNotFound,
    "entitlement_not_found": EntitlementNotFound,
    "grant_not_found": GrantNotFound,
    "debit_not_found": DebitNotFound,
    "hold_not_found": HoldNotFound,
    "schedule_not_found": ScheduleNotFound,
    "key_not_found": KeyNotFound,
    "endpoint_not_found": EndpointNotFound,
    "alert_not_found": AlertNotFound,
    "test_clock_not_found": ClockNotFound,
    "test_clock_advancing": ClockAdvancing,
    "test_mode_only": Forbidden,
    "event_not_found": EventNotFound,
    "too_many_endpoints": TooManyEndpoints,
    "too_many_streams": Unavailable,
    "unknown_url": NotFound,
    "method_not_allowed": Invalid,
    "key_reused": KeyReused,
    "already_exists": AlreadyExists,
    "customer_closed": CustomerClosed,
    "entitlement_closed": EntitlementClosed,
    "grant_expired": GrantExpired,
    "grant_voided": GrantVoided,
    "grant_used": GrantUsed,
    "grant_held": GrantHeld,
    "grant_pending": GrantPending,
    "too_many_grants": TooManyGrants,
    "hold_ended": HoldEnded,
    "schedule_over": ScheduleOver,
    "top_up_not_found": TopUpNotFound,
    "top_up_request_not_found": TopUpRequestNotFound,
    "top_up_paid": TopUpPaid,
    "too_many_alerts": TooManyAlerts,
    "too_many_schedules": TooManySchedules,
    "capture_too_large": CaptureTooLarge,
    "too_many_holds": TooManyHolds,
    "meter_not_found": MeterNotFound,
    "rate_not_found": RateNotFound,
    "usage_event_not_found": UsageEventNotFound,
    "event_reused": EventReused,
    "too_many_meters": TooManyMeters,
    "too_many_counts": TooManyCounts,
    "too_many_events": TooManyEvents,
    "reversal_too_large": ReversalTooLarge,
    "adjustment_too_large": AdjustmentTooLarge,
    "body_too_large": Invalid,
    "too_many_requests": Unavailable,
    "field_invalid": Invalid,
    "field_unknown": Invalid,
    "field_missing": Invalid,
    "amount_not_positive": AmountNotPositive,
    "amount_too_fine": AmountTooFine,
    "amount_too_large": AmountTooLarge,
    "expiry_not_in_future": ExpiryNotInFuture,
    "expiry_before_effective": ExpiryBeforeEffective,
    "internal_error": ServerFault,
    "unavailable": Unavailable,
}

BY_STATUS: dict[int, type[DrawdownError]] = {
    401: Unauthorized,
    402: InsufficientCredit,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def class_of(status: int, code: str) -> type[DrawdownError]:
    """By the code; by the status where the code is new."""
    by_status = BY_STATUS.get(status, ServerFault if status >= 500 else Invalid)
    return BY_CODE.get(code, by_status)


def of_problem(
    problem: Mapping[str, Any], status: int, idempotency_key: str | None = None
) -> DrawdownError:
    """The error that problem details (RFC 9457) describe, or another dialect's refusal."""
    code = str(problem.get("code", ""))
    return class_of(status, code)(
        _said(problem) or f"The server answered {status}.",
        code=code,
        status=status,
        request_id=problem.get("request_id"),
        idempotency_key=idempotency_key,
        fields=problem,
    )


def _said(problem: Mapping[str, Any]) -> str:
    """What is written for people: ``detail``, or a vendor's ``message``, which some put under ``error``."""
    within = problem.get("error")
    found = [problem.get("detail"), problem.get("title"), problem.get("message")]
    found.append(within.get("message") if isinstance(within, Mapping) else None)
    return next((str(text) for text in found if text), "")
