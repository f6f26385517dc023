"""What the path of a request names, and how it is answered."""

from __future__ import annotations

import msgspec

from drawdown.core.requests import Answer
from drawdown.core.types import Reference
from drawdown.dialects.dodo import reading
from drawdown.web.endpoints import Call

_encode = msgspec.json.Encoder().encode


def customer_named(call: Call) -> Reference:
    return reading.path_reference(call.path["customer_id"], "customer_id")


def entitlement_named(call: Call) -> Reference:
    return reading.path_reference(call.path["credit_entitlement_id"], "credit_entitlement_id")


def answer(call: Call, record: msgspec.Struct | None, status: int = 200) -> Answer:
    """None: the vendor answers nothing."""
    body = b"" if record is None else _encode(record)
    return Answer(status=status, body=body, request_id=call.request_id)
