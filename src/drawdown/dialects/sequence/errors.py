"""Every refusal in Sequence's shape: ``{"error": {"type": ..., "message": ...}}``.

The vendor publishes that envelope for one error, ``UnrecognisedApiVersion``, and no type of any other:
the other types are ours (``docs/dialects/sequence.md``). 409 is kept for idempotency keys.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from drawdown.core import errors as core
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Answer
from drawdown.dialects.sequence.wire import Error, ErrorDetail
from drawdown.web import errors as web
from drawdown.web.errors import WebError

_encode = msgspec.json.Encoder().encode

#: The ledger's names of fields, and what they are called in this dialect.
FIELDS = {
    "cost_basis.amount": "costOfCredit",
    "expires_at": "expiryDate",
}


class UnrecognisedApiVersion(WebError):
    """``Sequence-Version`` names a version that is not spoken here."""

    code = "unrecognised_api_version"

    def __init__(self, given: str, spoken: str) -> None:
        super().__init__(
            f"{given!r} is not a version of this API. Send Sequence-Version: {spoken}, "
            "or leave the header out."
        )


class PairMissing(WebError):
    """No key, or a secret without its id: alone, or in the place of the id."""

    status = 401
    code = "unauthorized"
    headers = web.Unauthorized.headers

    def __init__(self) -> None:
        super().__init__(
            "No API key was given in full: send Authorization: Basic with base64 of key id:secret "
            "(key_...:sk_...), or Bearer sk_..."
        )


class AliasNotFound(WebError):
    """No alias has the id, in this book."""

    status = 404
    code = "not_found"

    def __init__(self) -> None:
        super().__init__("There is no alias with this id.")


class PolicyNotFound(WebError):
    """No notification policy has the id, or it has no such type or recipient."""

    status = 404
    code = "not_found"

    def __init__(self) -> None:
        super().__init__("There is no notification policy with this id, type or recipient.")


class NotAllowed(WebError):
    """What there is does not allow it; the message says what does."""

    code = "invalid_state"


class TooManyUnmapped(WebError):
    """There is room for so many events whose alias nobody has."""

    code = "too_many_unmapped_events"

    def __init__(self, maximum: int) -> None:
        super().__init__(
            f"{maximum:,} events wait for aliases that no customer has: the maximum. "
            "Give these to customers, or send the event for an alias that somebody has."
        )


class Row(NamedTuple):
    """``message`` stands for the error's own words where these are not Sequence's, with its fields."""

    status: int
    type: str
    message: str | None = None


_INVALID = Row(400, "ValidationError")
_STATE = Row(400, "InvalidState")
_KEY = Row(409, "IdempotencyKeyReused")

ROWS: dict[type[LedgerError | WebError], Row] = {
    core.CustomerNotFound: Row(404, "NotFound", "There is no customer with this id or alias."),
    core.EntitlementNotFound: Row(404, "NotFound", "There is no metric with this id."),
    core.GrantNotFound: Row(404, "NotFound", "There is no credit grant with this id."),
    core.DebitNotFound: Row(404, "NotFound", "There is no credit transaction with this id."),
    core.FieldInvalid: _INVALID,
    core.AmountTooFine: Row(
        400,
        "ValidationError",
        "{field} must have at most {scale} decimal places, as many as are kept of this credit.",
    ),
    core.AmountTooLarge: _INVALID,
    core.AmountNotPositive: _INVALID,
    core.ExpiryNotInFuture: Row(
        400,
        "ValidationError",
        "{field} must be today or later: it is the last day, in the account's zone, on which the grant "
        "can be used.",
    ),
    core.ExpiryBeforeEffective: Row(
        400, "ValidationError", "{field} must be the day of effectiveDate or later."
    ),
    core.InsufficientCredit: Row(400, "InsufficientCredits"),
    core.KeyReused: _KEY,
    core.KeyInUse: _KEY,
    core.AlreadyExists: Row(
        400, "ValidationError", "The alias {value!r} is taken: it names a customer."
    ),
    core.ClockNotFound: Row(404, "NotFound"),
    core.OnlyInTestMode: _STATE,
    core.ClockAdvancing: _STATE,
    core.CustomerClosed: Row(
        400, "InvalidState", "The customer is archived: it takes no credit grants and no usage."
    ),
    core.EntitlementClosed: Row(
        400,
        "InvalidState",
        "The metric is deleted: it takes no credit grants, and cannot be changed.",
    ),
    core.GrantExpired: _STATE,
    core.GrantVoided: _STATE,
    core.GrantUsed: _STATE,
    core.GrantHeld: _STATE,
    core.GrantPending: _STATE,
    core.HoldNotFound: Row(404, "NotFound"),
    core.AlertNotFound: Row(404, "NotFound"),
    core.DocumentNotFound: Row(404, "NotFound"),
    core.DocumentChanged: _STATE,
    core.WrongStatus: _STATE,
    core.ScheduleNotFound: Row(404, "NotFound"),
    core.TopUpNotFound: Row(404, "NotFound"),
    core.TopUpRequestNotFound: Row(404, "NotFound"),
    core.HoldEnded: _STATE,
    core.ScheduleOver: _STATE,
    core.TopUpPaid: _STATE,
    core.CaptureTooLarge: _INVALID,
    core.ReversalTooLarge: _INVALID,
    core.AdjustmentTooLarge: Row(
        400,
        "ValidationError",
        "{amount} is more than was taken from this grant and can be put back, {maximum}.",
    ),
    core.TooManyHolds: _STATE,
    core.TooManyAlerts: _STATE,
    core.TooManySchedules: _STATE,
    core.TooManyGrants: _STATE,
    core.MeterNotFound: Row(404, "NotFound", "There is no meter with this id."),
    core.RateNotFound: Row(404, "NotFound", "There is no rate with this id."),
    core.EventNotFound: Row(404, "NotFound", "There is no usage event with this id."),
    core.EventReused: _KEY,
    core.TooManyMeters: _STATE,
    core.TooManyCounts: _STATE,
    core.TooManyEvents: _STATE,
    UnrecognisedApiVersion: Row(400, "UnrecognisedApiVersion"),
    AliasNotFound: Row(404, "NotFound"),
    TooManyUnmapped: _STATE,
    PolicyNotFound: Row(404, "NotFound"),
    NotAllowed: Row(400, "InvalidState"),
    web.Malformed: _INVALID,
    web.BadRequest: _INVALID,
    web.UnknownField: _INVALID,
    web.MissingField: _INVALID,
    web.Unauthorized: Row(401, "Unauthorized"),
    PairMissing: Row(401, "Unauthorized"),
    web.Forbidden: Row(403, "Forbidden"),
    web.UnknownUrl: Row(404, "NotFound"),
    web.MethodNotAllowed: Row(405, "MethodNotAllowed"),
    web.TooLarge: Row(413, "PayloadTooLarge"),
    web.TooManyRequests: Row(429, "TooManyRequests"),
    web.Unavailable: Row(503, "ServiceUnavailable"),
    web.Unexpected: Row(500, "InternalServerError"),
}

#: For the documentation.
STATUSES: dict[type[Exception], int] = {error: row.status for error, row in ROWS.items()}


def answer(error: LedgerError | WebError) -> Answer:
    row = ROWS[type(error)]
    shown = Error(error=ErrorDetail(type=row.type, message=_message(error, row)))
    return Answer(status=row.status, body=_encode(shown))


def _message(error: LedgerError | WebError, row: Row) -> str:
    if not isinstance(error, LedgerError):
        return str(error)
    fields = dict(error.fields)
    if "field" in fields:
        fields["field"] = FIELDS.get(str(fields["field"]), fields["field"])
    return (row.message or error.template).format(**fields)
