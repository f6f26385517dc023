"""Refusals as Stripe writes them: ``{"error": {"type", "code", "message", "param", "doc_url"}}``.

``LEDGER`` and ``WEB`` have a row for every class that can reach an asker. Statuses, types and codes
are of Stripe's API reference of 2026-10-28; it has no code of its own for the state of a credit grant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from drawdown.core import errors as ledger_errors
from drawdown.core.errors import LedgerError, NotFound
from drawdown.core.requests import Answer
from drawdown.web import errors as web_errors
from drawdown.web.errors import WebError, echoed

INVALID_REQUEST = "invalid_request_error"
IDEMPOTENCY = "idempotency_error"
API = "api_error"
MESSAGE_MAX = 1_000
_DOCUMENTATION = "https://stripe.com/docs/error-codes/"


class StripeError(WebError):
    """A refusal that is already in Stripe's words. ``param`` is in a form's spelling."""

    code = "stripe"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int = 400,
        kind: str = INVALID_REQUEST,
    ) -> None:
        self.message, self.error_code, self.param = message, code, param
        self.http_status, self.kind = status, kind
        super().__init__(message)


class ErrorBody(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What is inside the envelope. What is not known is left out, never null."""

    type: str
    message: str
    code: str | None = None
    param: str | None = None
    doc_url: str | None = None


class Envelope(msgspec.Struct):
    error: ErrorBody


class Row(NamedTuple):
    """How one class is told. ``message`` is filled in with the error's fields; None: its own words."""

    status: int
    code: str | None = None
    message: str | None = None
    param: str | None = None
    kind: str = INVALID_REQUEST


_UNRECOGNIZED = Row(
    404,
    None,
    "Unrecognized request URL ({method}: {path}). Check the path and the method: what this server "
    "answers is in docs/dialects/stripe.md.",
)

LEDGER: dict[type[LedgerError], Row] = {
    ledger_errors.CustomerNotFound: Row(404, "resource_missing", "No such customer: '{reference}'"),
    ledger_errors.EntitlementNotFound: Row(
        404, "resource_missing", "No such currency: '{reference}'"
    ),
    ledger_errors.GrantNotFound: Row(
        404, "resource_missing", "No such billing credit grant: '{reference}'"
    ),
    ledger_errors.DebitNotFound: Row(404, "resource_missing", "No such debit: '{reference}'"),
    ledger_errors.FieldInvalid: Row(400, None, "Invalid {field}: must be {rule}."),
    ledger_errors.AmountTooFine: Row(400),
    ledger_errors.AmountTooLarge: Row(400, "amount_too_large"),
    ledger_errors.AmountNotPositive: Row(400, "amount_too_small"),
    ledger_errors.ExpiryNotInFuture: Row(400),
    ledger_errors.ExpiryBeforeEffective: Row(400),
    ledger_errors.InsufficientCredit: Row(400),
    ledger_errors.KeyReused: Row(
        400,
        None,
        "Keys for idempotent requests can only be used with the same parameters they were first "
        "used with. Try using a key other than '{key}' if you meant to execute a different request.",
        kind=IDEMPOTENCY,
    ),
    ledger_errors.KeyInUse: Row(
        409,
        "idempotency_key_in_use",
        "There is currently another in-progress request using this Idempotent Key: '{key}'.",
        kind=IDEMPOTENCY,
    ),
    ledger_errors.AlreadyExists: Row(400, "resource_already_exists"),
    ledger_errors.ClockNotFound: Row(404, "resource_missing", "No such test clock: '{reference}'"),
    ledger_errors.OnlyInTestMode: Row(400),
    ledger_errors.ClockAdvancing: Row(400),
    ledger_errors.CustomerClosed: Row(
        400, "resource_missing", "No such customer: it has been deleted.", "customer"
    ),
    ledger_errors.EntitlementClosed: Row(400),
    ledger_errors.GrantExpired: Row(400, None, "This credit grant has already expired."),
    ledger_errors.GrantVoided: Row(400, None, "This credit grant has already been voided."),
    ledger_errors.GrantUsed: Row(
        400,
        None,
        "You cannot void this credit grant because it has been applied to an invoice. You can expire "
        "its remaining credits instead.",
    ),
    ledger_errors.GrantHeld: Row(
        400,
        None,
        "You cannot void this credit grant while {held} of it is reserved. You can expire its "
        "remaining credits instead.",
    ),
    ledger_errors.GrantPending: Row(400),
    ledger_errors.DocumentNotFound: Row(404, "resource_missing", "No such object: '{reference}'"),
    ledger_errors.DocumentChanged: Row(429, "lock_timeout"),
    ledger_errors.WrongStatus: Row(400, "status_transition_invalid"),
    ledger_errors.AlertNotFound: Row(404, "resource_missing", "No such alert: '{reference}'"),
    ledger_errors.ScheduleNotFound: Row(404, "resource_missing", "No such schedule: '{reference}'"),
    ledger_errors.TopUpNotFound: Row(404, "resource_missing", "No such top-up: '{reference}'"),
    ledger_errors.TopUpRequestNotFound: Row(
        404, "resource_missing", "No such top-up request: '{reference}'"
    ),
    ledger_errors.HoldNotFound: Row(404, "resource_missing", "No such hold: '{reference}'"),
    ledger_errors.HoldEnded: Row(400),
    ledger_errors.ScheduleOver: Row(400),
    ledger_errors.TopUpPaid: Row(400),
    ledger_errors.CaptureTooLarge: Row(400),
    ledger_errors.ReversalTooLarge: Row(400),
    ledger_errors.AdjustmentTooLarge: Row(400),
    ledger_errors.TooManyHolds: Row(400),
    ledger_errors.TooManyAlerts: Row(400),
    ledger_errors.TooManySchedules: Row(400),
    ledger_errors.MeterNotFound: Row(404, "resource_missing", "No such meter: '{reference}'"),
    ledger_errors.RateNotFound: Row(404, "resource_missing", "No such rate: '{reference}'"),
    ledger_errors.EventNotFound: Row(404, "resource_missing", "No such meter event: '{reference}'"),
    ledger_errors.EventReused: Row(400, None, "An event already exists with identifier {event}."),
    ledger_errors.TooManyMeters: Row(400),
    ledger_errors.TooManyCounts: Row(400),
    ledger_errors.TooManyEvents: Row(400),
    ledger_errors.TooManyGrants: Row(
        400, None, "This customer has reached the maximum of {maximum} {kind} grants."
    ),
}

WEB: dict[type[WebError], Row] = {
    web_errors.Malformed: Row(400),
    web_errors.BadRequest: Row(400),
    web_errors.UnknownField: Row(400, "parameter_unknown"),
    web_errors.MissingField: Row(400, "parameter_missing"),
    web_errors.Unauthorized: Row(401),
    web_errors.Forbidden: Row(
        403,
        None,
        "The provided key does not have the required permissions for this endpoint: it has the role "
        "{role}, and this takes {needed_role} or more.",
    ),
    web_errors.UnknownUrl: _UNRECOGNIZED,
    web_errors.MethodNotAllowed: _UNRECOGNIZED,
    web_errors.TooLarge: Row(413),
    web_errors.TooManyRequests: Row(429, "rate_limit"),
    web_errors.Unavailable: Row(503, kind=API),
    web_errors.Unexpected: Row(500, kind=API),
}

STATUSES: dict[type[Exception], int] = {
    error: row.status for table in (LEDGER, WEB) for error, row in table.items()
}
_REVOKED = Row(401, "api_key_expired")
#: The ledger's names of fields that are called otherwise here.
_PARAMS = {
    "amount": "amount[monetary][value]",
    "advances": "auto_advance",
    "anchor": "billing_cycle_anchor",
    "pause.until": "pause_collection[resumes_at]",
    "prorated_from": "proration_date",
    "to": "frozen_time",
    "frozen_at": "frozen_time",
}


def missing_object(noun: str, text: str, param: str) -> StripeError:
    """Nothing of that id is in this book."""
    message = f"No such {noun}: '{echoed(text)}'"
    return StripeError(message, code="resource_missing", param=param, status=404)


def named(error: LedgerError, names: dict[type[NotFound], tuple[str, str]]) -> LedgerError:
    """The error with what was not found as it was asked for: (parameter, text) by class."""
    if not isinstance(error, NotFound) or type(error) not in names:
        return error
    param, text = names[type(error)]
    found = type(error)(echoed(text))
    found.fields["field"] = param
    return found


def answer(error: LedgerError | WebError, request_id: str) -> Answer:
    """Status and envelope of a refusal."""
    status, body = _told(error)
    body.message = body.message[:MESSAGE_MAX]
    body.param = None if body.param is None else echoed(body.param)
    if body.code is not None:
        body.doc_url = _DOCUMENTATION + body.code.replace("_", "-")
    return Answer(status=status, body=_encode(Envelope(body)), request_id=request_id)


def _told(error: LedgerError | WebError) -> tuple[int, ErrorBody]:
    if isinstance(error, StripeError):
        body = ErrorBody(
            type=error.kind, message=error.message, code=error.error_code, param=error.param
        )
        return error.http_status, body
    fields: Mapping[str, object]
    if isinstance(error, web_errors.Unauthorized) and error.revoked:
        row, fields = _REVOKED, vars(error)
    elif isinstance(error, LedgerError):
        row, fields = LEDGER[type(error)], error.fields
    else:
        row, fields = WEB[type(error)], vars(error)
    param = row.param or _param(fields.get("field"))
    words = {**fields, "field": param}
    message = str(error) if row.message is None else row.message.format(**words)
    return row.status, ErrorBody(type=row.kind, message=message, code=row.code, param=param)


def _param(field: object) -> str | None:
    if not isinstance(field, str) or not field:
        return None
    return _PARAMS.get(field, field)


_encode = msgspec.json.Encoder().encode
