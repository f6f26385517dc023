"""How requests are answered."""

from __future__ import annotations

import msgspec

from drawdown.core import identity
from drawdown.core.requests import Answer
from drawdown.core.types import Id
from drawdown.dialects.sequence.dates import Days
from drawdown.web import fields
from drawdown.web.endpoints import Call
from drawdown.web.errors import BadRequest

#: Under this name the ledger keeps what only Sequence knows of an object.
PROFILE = "sequence"

_encode = msgspec.json.Encoder().encode


def answer(call: Call, status: int, record: msgspec.Struct | None = None) -> Answer:
    """None: nothing is said but the status."""
    body = b"" if record is None else _encode(record)
    return Answer(status=status, body=body, request_id=call.request_id)


async def days_of(call: Call) -> Days:
    """Those of the account's zone."""
    return Days(await call.ledger.accounts.zone_of(call.principal.account))


def check_account(given: str | None, account: Id) -> None:
    """The account is the key's. A request may name it, and then must name that one."""
    if given is not None and identity.parse(given) != account:
        raise BadRequest("sequenceAccountId", f"{account_rule(account)}, or left out")


def account_rule(account: Id) -> str:
    return f"the account of the API key, {identity.spell_uuid(account)}"


def optional_text(
    value: str | None, field: str, *, shortest: int = 1, longest: int = fields.TEXT_MAX
) -> str | None:
    return None if value is None else fields.text(value, field, shortest=shortest, longest=longest)
