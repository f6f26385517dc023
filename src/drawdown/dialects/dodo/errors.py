"""Every refusal in Dodo's shape: ``{"code": ..., "message": ...}`` with the vendor's codes.

Dodo publishes the codes, not the status of each. ``INSUFFICIENT_CREDIT_BALANCE`` and
``IDEMPOTENCY_KEY_ALREADY_EXISTS`` are ours: it has none for these. All are in
``docs/dialects/dodo.md``.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from drawdown.core import errors as core
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Answer
from drawdown.dialects.dodo.wire import Error
from drawdown.web import errors as web
from drawdown.web.errors import BadRequest, WebError

_encode = msgspec.json.Encoder().encode


class ParameterInvalid(BadRequest):
    """An id in the path that nothing can have."""


class QueryInvalid(WebError):
    """A query parameter that breaks a rule, is unknown, or cannot be read."""

    status = 422


class BearerMissing(WebError):
    """No key, or one in another form, such as Basic."""

    status = 401
    headers = web.Unauthorized.headers

    def __init__(self) -> None:
        super().__init__("No API key was given as Bearer: send Authorization: Bearer sk_...")


class NoBalance(WebError):
    """Both exist, and the customer has never had credit of this entitlement."""

    status = 404

    def __init__(self) -> None:
        super().__init__(
            "The customer has no balance of this credit entitlement yet: grant some first."
        )


class RecordNotFound(WebError):
    """No product or subscription of this book has the id."""

    status = 404

    def __init__(self, called: str) -> None:
        super().__init__(f"There is no {called} with this id.")


class NotAllowedNow(WebError):
    """What the object's state, or what it is, does not allow."""

    status = 400


class ChangeWaits(NotAllowedNow):
    """Another change of the plan is waited for already."""

    status = 409


class InsufficientWalletFunds(WebError):
    """A wallet has less money than is to be taken out."""

    status = 400

    def __init__(self) -> None:
        super().__init__("The wallet has not enough money for that: put some in first.")


class NotRestored(WebError):
    """What cannot be brought back: not there, or not gone. The vendor answers 500 for all of it."""

    status = 500
    #: Trying again changes nothing.
    headers = ((b"x-should-retry", b"false"),)


class MeterArchived(WebError):
    """What an archived meter counts is not sold anew."""

    status = 410

    def __init__(self) -> None:
        super().__init__("The meter is archived: unarchive it first.")


class EventRefused(BadRequest):
    """An event for which its whole batch is refused."""


class QueryConflict(WebError):
    """Query parameters that contradict one another."""

    status = 400


class TooManyPairs(BadRequest):
    """More metadata than the vendor takes."""


class DuplicateMeters(BadRequest):
    """A meter that is linked twice by one price."""


class UnsupportedCurrency(BadRequest):
    """Not on the vendor's list."""


class Row(NamedTuple):
    """``message`` stands for the error's own words where these are not Dodo's, with its fields."""

    status: int
    code: str
    message: str | None = None


_BODY = "INVALID_REQUEST_BODY"
_ACTION = "UNSUPPORTED_ACTION"
_NOT_FOUND = Row(404, "NOT_FOUND", "There is no {kind} with this id.")

ROWS: dict[type[LedgerError | WebError], Row] = {
    core.CustomerNotFound: _NOT_FOUND,
    core.EntitlementNotFound: Row(404, "NOT_FOUND", "There is no credit entitlement with this id."),
    core.GrantNotFound: _NOT_FOUND,
    core.DebitNotFound: Row(404, "NOT_FOUND", "There is no ledger entry with this id."),
    core.FieldInvalid: Row(422, _BODY),
    core.AmountTooFine: Row(
        422,
        _BODY,
        "{field} must have at most {scale} decimal places, the credit entitlement's precision.",
    ),
    core.AmountTooLarge: Row(
        422, _BODY, "{field} must stay within what this credit entitlement can hold, {maximum}."
    ),
    core.AmountNotPositive: Row(422, _BODY),
    core.ExpiryNotInFuture: Row(422, _BODY),
    core.ExpiryBeforeEffective: Row(422, _BODY),
    core.InsufficientCredit: Row(
        400, "INSUFFICIENT_CREDIT_BALANCE", "The debit takes {needed}, {available} is available."
    ),
    core.KeyReused: Row(409, "IDEMPOTENCY_KEY_ALREADY_EXISTS"),
    core.KeyInUse: Row(
        409, "IDEMPOTENCY_KEY_ALREADY_EXISTS", "Idempotency key already exists: {key}."
    ),
    core.AlreadyExists: Row(
        409,
        "CREDIT_ENTITLEMENT_NAME_ALREADY_EXISTS",
        "A credit entitlement with this {field} already exists: {value}.",
    ),
    core.ClockNotFound: _NOT_FOUND,
    core.OnlyInTestMode: Row(400, _ACTION),
    core.ClockAdvancing: Row(400, _ACTION),
    core.CustomerClosed: Row(400, _ACTION),
    core.EntitlementClosed: Row(
        410, "CREDIT_ENTITLEMENT_IS_DELETED", "The credit entitlement has already been deleted."
    ),
    core.GrantExpired: Row(400, _ACTION),
    core.GrantVoided: Row(400, _ACTION),
    core.GrantUsed: Row(400, _ACTION),
    core.GrantHeld: Row(400, _ACTION),
    core.GrantPending: Row(400, _ACTION),
    core.HoldNotFound: _NOT_FOUND,
    core.AlertNotFound: _NOT_FOUND,
    core.DocumentNotFound: _NOT_FOUND,
    core.DocumentChanged: Row(400, _ACTION),
    core.WrongStatus: Row(400, _ACTION),
    core.ScheduleNotFound: _NOT_FOUND,
    core.TopUpNotFound: _NOT_FOUND,
    core.TopUpRequestNotFound: _NOT_FOUND,
    core.HoldEnded: Row(400, _ACTION),
    core.ScheduleOver: Row(400, _ACTION),
    core.TopUpPaid: Row(400, _ACTION),
    core.CaptureTooLarge: Row(400, _ACTION),
    core.ReversalTooLarge: Row(400, _ACTION),
    core.AdjustmentTooLarge: Row(400, _ACTION),
    core.TooManyHolds: Row(400, _ACTION),
    core.TooManyAlerts: Row(400, _ACTION),
    core.TooManySchedules: Row(400, _ACTION),
    core.MeterNotFound: _NOT_FOUND,
    core.RateNotFound: _NOT_FOUND,
    core.EventNotFound: _NOT_FOUND,
    core.EventReused: Row(409, "IDEMPOTENCY_KEY_ALREADY_EXISTS"),
    core.TooManyMeters: Row(400, _ACTION, "There are at most {maximum} {kind}: archive one."),
    core.TooManyCounts: Row(400, _ACTION),
    core.TooManyEvents: Row(400, _ACTION),
    core.TooManyGrants: Row(400, _ACTION),
    web.Malformed: Row(400, _BODY),
    web.BadRequest: Row(422, _BODY),
    web.UnknownField: Row(422, _BODY),
    web.MissingField: Row(422, _BODY),
    ParameterInvalid: Row(422, "INVALID_REQUEST_PARAMETERS"),
    QueryInvalid: Row(422, "INVALID_QUERY_PARAMS"),
    NoBalance: Row(404, "NOT_FOUND"),
    RecordNotFound: Row(404, "NOT_FOUND"),
    NotAllowedNow: Row(400, _ACTION),
    ChangeWaits: Row(409, _ACTION),
    InsufficientWalletFunds: Row(400, "INSUFFICIENT_WALLET_FUNDS"),
    NotRestored: Row(500, "INTERNAL_SERVER_ERROR"),
    MeterArchived: Row(410, "METER_IS_DELETED"),
    EventRefused: Row(400, _BODY),
    QueryConflict: Row(400, "INVALID_QUERY_PARAMS"),
    TooManyPairs: Row(422, "MAXIMUM_KEYS_REACHED"),
    DuplicateMeters: Row(422, "DUPLICATE_METER_IDS_IN_REQUEST"),
    UnsupportedCurrency: Row(422, "UNSUPPORTED_CURRENCY"),
    web.Unauthorized: Row(401, "UNAUTHORIZED"),
    BearerMissing: Row(401, "UNAUTHORIZED"),
    web.Forbidden: Row(403, "UNAUTHORIZED"),
    web.UnknownUrl: Row(404, "NOT_FOUND"),
    web.MethodNotAllowed: Row(405, _ACTION),
    web.TooLarge: Row(413, _BODY),
    web.TooManyRequests: Row(429, "TOO_MANY_REQUESTS"),
    web.Unavailable: Row(503, "INTERNAL_SERVER_ERROR"),
    web.Unexpected: Row(500, "INTERNAL_SERVER_ERROR"),
}
STATUSES: dict[type[Exception], int] = {error: row.status for error, row in ROWS.items()}


def answer(error: LedgerError | WebError) -> Answer:
    row = ROWS[type(error)]
    return Answer(status=row.status, body=_encode(Error(row.code, message_of(error))))


def message_of(error: LedgerError | WebError) -> str:
    """In Dodo's words where the error's own are the ledger's."""
    message = ROWS[type(error)].message
    if message is None or not isinstance(error, LedgerError):
        return str(error)
    return message.format(**error.fields)
