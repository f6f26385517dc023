"""What is asked over HTTP, as the bytes of requests, and how many debits an answer accepts."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from bench.traffic import AMOUNT, CODE

BASE = "/api/v1"


class Ask(StrEnum):
    """``batch`` sends many debits in one request; ``constant`` asks for what is always the same."""

    DEBIT = "debit"
    BATCH = "batch"
    BALANCE = "balance"
    CONSTANT = "constant"


class _Result(msgspec.Struct):
    status: int


class _Results(msgspec.Struct):
    results: list[_Result]


_decode_results = msgspec.json.Decoder(_Results).decode


def writer(
    ask: Ask,
    address: str,
    secret: str,
    customer: Callable[[], str],
    key: Callable[[], str],
    size: int,
) -> Callable[[], bytes]:
    """Makes the bytes of the next request; ``size`` is how many debits a batch has."""
    common = f"Host: {address}\r\nAuthorization: Bearer {secret}\r\n"

    def constant() -> bytes:
        return f"GET /health/live HTTP/1.1\r\n{common}\r\n".encode()

    def balance() -> bytes:
        return f"GET {BASE}/balances/{customer()}/{CODE} HTTP/1.1\r\n{common}\r\n".encode()

    def debit() -> bytes:
        return _post("/debits", common, _debit(customer(), key()))

    def batch() -> bytes:
        debits = ",".join(_debit(customer(), key()) for _ in range(size))
        return _post("/debits/batch", common, f'{{"debits":[{debits}]}}')

    return {Ask.CONSTANT: constant, Ask.BALANCE: balance, Ask.DEBIT: debit, Ask.BATCH: batch}[ask]


def _debit(customer: str, key: str) -> str:
    return (
        f'{{"customer":"{customer}","entitlement":"{CODE}",'
        f'"amount":"{AMOUNT}","idempotency_key":"{key}"}}'
    )


def _post(path: str, common: str, body: str) -> bytes:
    head = f"POST {BASE}{path} HTTP/1.1\r\n{common}Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode("ascii")


def statuses(ask: Ask, status: int, body: bytes) -> list[int]:
    """The status of every debit or read that was asked for; a batch carries one for each of its own."""
    if ask is Ask.BATCH and status == 200:
        return [result.status for result in _decode_results(body).results]
    return [status]


def expected(ask: Ask) -> int:
    """The status that each of ``statuses`` should have."""
    return 201 if ask in {Ask.DEBIT, Ask.BATCH} else 200
