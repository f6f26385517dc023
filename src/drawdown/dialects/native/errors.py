"""Refusals as problem details (RFC 9457): one row for every class of error."""

from __future__ import annotations

from typing import Any

from drawdown.core import errors as ledger
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Answer
from drawdown.dialects.native.wire import encode
from drawdown.web import errors as web
from drawdown.web.errors import WebError

URN = "urn:drawdown:problem:"


class KeyNotFound(WebError):
    """The caller's account has no key of this id, or none that the caller may manage."""

    status = 404
    code = "key_not_found"

    def __init__(self, reference: str) -> None:
        super().__init__(f"There is no key {web.echoed(reference)!r} in this account.")


class EndpointNotFound(WebError):
    """The book has no webhook endpoint of this id."""

    status = 404
    code = "endpoint_not_found"

    def __init__(self, reference: str) -> None:
        super().__init__(f"There is no webhook endpoint {web.echoed(reference)!r}.")


class EventNotFound(WebError):
    """The book has no event of this id."""

    status = 404
    code = "event_not_found"

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"There is no event {web.echoed(reference)!r}. Ids of events look like evt_…_0."
        )


class TooManyEndpoints(WebError):
    """The book has all the endpoints that it may have, or too much waits for one of them."""

    status = 409
    code = "too_many_endpoints"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class TooManyStreams(WebError):
    """The process has all the streams open that it may have."""

    status = 503
    code = "too_many_streams"
    headers = ((b"retry-after", b"10"),)

    def __init__(self) -> None:
        super().__init__("The server has too many streams open; try again later.")


#: The status and title of what the ledger refuses.
TABLE: dict[type[LedgerError], tuple[int, str]] = {
    ledger.CustomerNotFound: (404, "No such customer"),
    ledger.EntitlementNotFound: (404, "No such entitlement"),
    ledger.GrantNotFound: (404, "No such grant"),
    ledger.DebitNotFound: (404, "No such debit"),
    ledger.HoldNotFound: (404, "No such hold"),
    ledger.DocumentNotFound: (404, "No such object"),
    ledger.DocumentChanged: (409, "Changed meanwhile"),
    ledger.WrongStatus: (409, "Not in that state"),
    ledger.AlertNotFound: (404, "No such alert"),
    ledger.ScheduleNotFound: (404, "No such schedule"),
    ledger.TopUpNotFound: (404, "No such top-up"),
    ledger.TopUpRequestNotFound: (404, "No such top-up request"),
    ledger.FieldInvalid: (422, "A field breaks its rule"),
    ledger.AmountTooFine: (422, "The amount is finer than the scale"),
    ledger.AmountTooLarge: (422, "The amount is too large"),
    ledger.AmountNotPositive: (422, "The amount is not positive"),
    ledger.ExpiryNotInFuture: (422, "The expiry is in the past"),
    ledger.ExpiryBeforeEffective: (422, "The expiry is before the effective time"),
    ledger.InsufficientCredit: (402, "Not enough credit"),
    ledger.KeyReused: (409, "The idempotency key belongs to another request"),
    ledger.KeyInUse: (409, "The idempotency key has been used"),
    ledger.AlreadyExists: (409, "Taken"),
    ledger.ClockNotFound: (404, "No such test clock"),
    ledger.OnlyInTestMode: (403, "In test mode only"),
    ledger.ClockAdvancing: (409, "The test clock is being advanced"),
    ledger.CustomerClosed: (409, "The customer is closed"),
    ledger.EntitlementClosed: (409, "The entitlement is closed"),
    ledger.GrantExpired: (409, "The grant has expired"),
    ledger.GrantVoided: (409, "The grant has been voided"),
    ledger.GrantUsed: (409, "The grant has been drawn on"),
    ledger.GrantHeld: (409, "Some of the grant is held"),
    ledger.GrantPending: (409, "The grant is not effective yet"),
    ledger.HoldEnded: (409, "The hold has ended"),
    ledger.ScheduleOver: (409, "The schedule is over"),
    ledger.TopUpPaid: (409, "The request has been confirmed"),
    ledger.CaptureTooLarge: (409, "More than is held"),
    ledger.ReversalTooLarge: (409, "More than is left to reverse"),
    ledger.AdjustmentTooLarge: (409, "More than the grant can be adjusted by"),
    ledger.TooManyHolds: (409, "Too many holds"),
    ledger.TooManyAlerts: (409, "Too many alerts"),
    ledger.TooManySchedules: (409, "Too many schedules"),
    ledger.TooManyGrants: (409, "Too many grants"),
    ledger.MeterNotFound: (404, "No such meter"),
    ledger.RateNotFound: (404, "No such rate"),
    ledger.EventNotFound: (404, "No such usage event"),
    ledger.EventReused: (409, "The id belongs to another event"),
    ledger.TooManyMeters: (409, "Too many meters or rates"),
    ledger.TooManyCounts: (409, "Too many groups"),
    ledger.TooManyEvents: (409, "Too many events"),
}

#: What many endpoints refuse, for the documentation.
AMOUNT = (ledger.AmountTooFine, ledger.AmountTooLarge, ledger.AmountNotPositive)
NAMED = (ledger.CustomerNotFound, ledger.EntitlementNotFound)
CLOSED = (ledger.CustomerClosed, ledger.EntitlementClosed)
ENDED = (ledger.GrantNotFound, ledger.GrantExpired, ledger.GrantVoided)
HOLD_END = (ledger.FieldInvalid, ledger.ExpiryNotInFuture)
EXPIRY = (*HOLD_END, ledger.ExpiryBeforeEffective)
DEBIT = (*NAMED, *AMOUNT, *CLOSED, ledger.InsufficientCredit, ledger.KeyReused)

#: The titles of what is wrong with a request; the statuses are HTTP's.
TITLES: dict[type[WebError], str] = {
    web.Malformed: "The request cannot be read",
    web.BadRequest: "A field breaks its rule",
    web.UnknownField: "Unknown field",
    web.MissingField: "A field is missing",
    web.Unauthorized: "No valid API key",
    web.Forbidden: "The key's role is too small",
    KeyNotFound: "No such key",
    EndpointNotFound: "No such webhook endpoint",
    EventNotFound: "No such event",
    TooManyEndpoints: "Too many webhook endpoints",
    TooManyStreams: "Too many streams",
    web.UnknownUrl: "No such URL",
    web.MethodNotAllowed: "Wrong method",
    web.TooLarge: "The body is too large",
    web.TooManyRequests: "Too many requests",
    web.Unavailable: "Temporarily unavailable",
    web.Unexpected: "Internal error",
}

#: For the documentation: the status that each class of refusal is answered with.
STATUSES: dict[type[Exception], int] = {error: status for error, (status, _) in TABLE.items()}

_MEMBERS = ("field", "rule", "needed_role", "role", "maximum", "allowed")


def status_of(error: LedgerError | WebError) -> int:
    return TABLE[type(error)][0] if isinstance(error, LedgerError) else error.status


def problem(error: LedgerError | WebError, request_id: str) -> dict[str, Any]:
    """The error as problem details; the fields of its class are further members."""
    if isinstance(error, LedgerError):
        title, members = TABLE[type(error)][1], error.fields
    else:
        title = TITLES[type(error)]
        members = {name: value for name in _MEMBERS if (value := getattr(error, name, None))}
    return {
        "type": URN + error.code,
        "title": title,
        "status": status_of(error),
        "detail": str(error),
        "code": error.code,
        **members,
        "request_id": request_id,
    }


def answer(error: LedgerError | WebError, request_id: str) -> Answer:
    return Answer(status=status_of(error), body=encode(problem(error, request_id)))
