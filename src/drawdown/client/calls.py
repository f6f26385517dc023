"""One request and how its answer is read, as a value: the same for both clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Struct

from drawdown.client.records import Page, Written
from drawdown.client.values import key_or_new

API = "/api/v1"
PAGE_SIZE = 100

T = TypeVar("T")


class Call(Struct, Generic[T], frozen=True, kw_only=True):
    """``key`` is its idempotency key. Only a call that is ``repeatable`` is ever sent twice."""

    method: str
    path: str
    read: Callable[[bytes, bool], T]
    query: dict[str, str] = {}
    body: bytes | None = None
    key: str | None = None
    repeatable: bool = True


class Listing(Struct, Generic[T], frozen=True, kw_only=True):
    """A list that is read page by page. ``page_size`` None: there is only one page."""

    path: str
    query: dict[str, str]
    page: type[Page[T]]
    page_size: int | None = PAGE_SIZE

    def after(self, cursor: str | None) -> Call[Page[T]]:
        query = dict(self.query)
        if self.page_size is not None:
            query["limit"] = str(self.page_size)
        if cursor is not None:
            query["after"] = cursor
        return get(self.path, self.page, **query)


def get(path: str, record: type[T], **query: Any) -> Call[T]:
    """``query`` without what is None."""
    return Call(method="GET", path=API + path, read=reader(record), query=given(query))


def write(
    path: str,
    record: type[T],
    body: Mapping[str, Any],
    idempotency_key: str | None,
    method: str = "POST",
) -> Call[T]:
    """A write with a key: the caller's, or a new one. ``body`` without what is ``UNSET``."""
    key = key_or_new(idempotency_key)
    sent = {name: value for name, value in body.items() if value is not UNSET}
    return Call(
        method=method,
        path=API + path,
        read=reader(record),
        body=msgspec.json.encode({**sent, "idempotency_key": key}),
        key=key,
    )


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What is not None."""
    return {name: value for name, value in fields.items() if value is not None}


def reader(record: type[T]) -> Callable[[bytes, bool], T]:
    """Reads an answer's body; the truth value says whether it was a replay."""

    def read(body: bytes, replayed: bool) -> T:
        answer = msgspec.json.decode(body, type=record)
        if replayed and isinstance(answer, Written):
            msgspec.structs.force_setattr(answer, "replayed", True)
        return answer

    return read


#: A JSON number is read from its text: an amount never becomes a binary float.
_decode_any = msgspec.json.Decoder(float_hook=Decimal).decode


def read_any(body: bytes, replayed: bool) -> Any:
    """The JSON as it is."""
    return _decode_any(body)


def request(
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Any = None,
    repeatable: bool = False,
) -> Call[Any]:
    """Any request to the server, answered as JSON; numbers with a point are Decimals.

    For what has no method here, such as another dialect: ``request("GET", "/dodo/customers/ada")``.
    A GET may always be sent again; anything else only if you say that it is ``repeatable``.
    """
    return Call(
        method=method,
        path=path,
        read=read_any,
        query=dict(query or {}),
        body=None if body is None else msgspec.json.encode(body),
        repeatable=repeatable or method == "GET",
    )
