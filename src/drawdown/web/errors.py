"""What is wrong with a request before the ledger is asked; each dialect gives it its own shape.

    WebError
    ├── Malformed                    the body or query is not what it claims to be
    ├── BadRequest                   one field breaks a rule
    │   ├── UnknownField
    │   └── MissingField
    ├── Unauthorized                 no key, or one that opens nothing
    ├── Forbidden                    a key whose role is too small
    ├── UnknownUrl
    ├── MethodNotAllowed
    ├── TooLarge
    ├── TooManyRequests              more in a second or a minute than one caller may ask
    ├── Unavailable                  the database does not answer
    └── Unexpected                   our mistake: logged with its traceback, told without it

``status`` is what HTTP means by it; a dialect may answer another one.
"""

from __future__ import annotations

from typing import ClassVar

Header = tuple[bytes, bytes]

ECHO_MAX = 200


def echoed(text: str) -> str:
    """What was sent, as far as a person would read it: an answer is not the place for megabytes."""
    return text if len(text) <= ECHO_MAX else text[:ECHO_MAX] + "…"


class WebError(Exception):
    """``code`` is stable. ``headers`` go on the answer whatever the dialect."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    headers: tuple[Header, ...] = ()


class Malformed(WebError):
    """The whole body or query cannot be read; ``part`` names it in prose ("The body")."""

    code = "malformed"

    def __init__(self, part: str, rule: str) -> None:
        self.part, self.rule = part, rule
        super().__init__(f"{part} must be {rule}.")


class BadRequest(WebError):
    """``field`` is a dotted path (``debits[2].amount``); ``rule`` completes "must be ..."."""

    status = 422
    code = "field_invalid"

    def __init__(self, field: str, rule: str) -> None:
        self.field, self.rule = echoed(field), rule
        super().__init__(self.sentence(self.field, rule))

    @staticmethod
    def sentence(field: str, rule: str) -> str:
        return f"{field or 'The body'} must be {rule}."


class UnknownField(BadRequest):
    code = "field_unknown"

    def __init__(self, field: str) -> None:
        super().__init__(field, "left out: this endpoint does not know it")

    @staticmethod
    def sentence(field: str, rule: str) -> str:
        return f"{field} is not a field of this endpoint; leave it out."


class MissingField(BadRequest):
    code = "field_missing"

    def __init__(self, field: str) -> None:
        super().__init__(field, "given")

    @staticmethod
    def sentence(field: str, rule: str) -> str:
        return f"{field} is required."


class Unauthorized(WebError):
    status = 401
    code = "unauthorized"
    headers = ((b"www-authenticate", b'Bearer realm="drawdown"'),)

    def __init__(self, *, given: bool, revoked: bool = False) -> None:
        self.given, self.revoked = given, revoked
        if revoked:
            message = "The API key has been revoked."
        elif given:
            message = "The API key is unknown."
        else:
            message = "No API key was given, or not in a form we read."
        super().__init__(message)


class Forbidden(WebError):
    """A viewer writes, or an editor manages keys."""

    status = 403
    code = "forbidden"

    def __init__(self, needed_role: str, role: str) -> None:
        self.needed_role, self.role = needed_role, role
        super().__init__(f"This takes a key with the role {needed_role} or more, not {role}.")


class UnknownUrl(WebError):
    status = 404
    code = "unknown_url"

    def __init__(self, method: str, path: str) -> None:
        self.method, self.path = method, echoed(path)
        super().__init__(f"There is no {method} {self.path} here.")


class MethodNotAllowed(WebError):
    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, path: str, allowed: tuple[str, ...]) -> None:
        self.method, self.path, self.allowed = method, path, allowed
        self.headers = ((b"allow", ", ".join(allowed).encode()),)
        super().__init__(f"{path} takes {', '.join(allowed)}, not {method}.")


class TooLarge(WebError):
    """The connection is closed after the answer: the rest of the body is not wanted."""

    status = 413
    code = "body_too_large"
    headers = ((b"connection", b"close"),)

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        super().__init__(f"The body must be at most {maximum} bytes.")


class TooManyRequests(WebError):
    """More than ``maximum`` in the current window, of so many ``seconds``; it ends in ``reset_in``."""

    status = 429
    code = "too_many_requests"

    def __init__(self, maximum: int, seconds: int, reset_in: int) -> None:
        self.maximum = maximum
        self.headers = ((b"retry-after", b"%d" % reset_in),)
        window = "second" if seconds == 1 else "minute"
        super().__init__(
            f"Too many requests: the limit is {maximum} a {window}. Try again in {reset_in} s."
        )


class Unavailable(WebError):
    status = 503
    code = "unavailable"
    headers = ((b"retry-after", b"1"),)

    def __init__(self) -> None:
        super().__init__(
            "The database does not answer at the moment. Try again: what has an idempotency key is done once."
        )


class Unexpected(WebError):
    status = 500
    code = "internal_error"

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        super().__init__(
            f"Something went wrong on our side. The server's log tells what, under {request_id}."
        )
