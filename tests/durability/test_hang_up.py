"""A client that hangs up harms nobody, and what it asked for happens once or, cut short, not at all."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.dialects.native.support import balance, created, customer_with, debit, debit_body
from tests.support.server import Tenant

TIMES = 40


def request_of(tenant: Tenant, path: str, body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST /api/v1{path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {tenant.test.editor.secret}\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def send_and_leave(tenant: Tenant, sent: bytes, *, reset: bool = False) -> None:
    """Close right after the last byte; ``reset``: as a client that crashed."""
    where = urlsplit(tenant.url)
    assert where.hostname is not None
    assert where.port is not None
    connection = socket.create_connection((where.hostname, where.port), timeout=10)
    if reset:
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.sendall(sent)
    connection.close()


def until_used(native: httpx.Client, customer: str, amount: int) -> None:
    """Waits until so much is used; ten seconds at most."""
    deadline = time.monotonic() + 60
    while int(balance(native, customer)["used"]) < amount:
        assert time.monotonic() < deadline, balance(native, customer)
        time.sleep(0.01)


def test_a_debit_is_made_though_nobody_waits_for_its_answer(
    tenant: Tenant, native: httpx.Client
) -> None:
    """Once each: asking again answers what was done, and draws nothing."""
    customer = customer_with(native, [("100", "paid")])
    bodies = [debit_body(customer, "1") for _ in range(TIMES)]
    for body in bodies:
        send_and_leave(tenant, request_of(tenant, "/debits", body))
        created(debit(native, customer, "1"))
    until_used(native, customer, 2 * TIMES)
    for body in bodies:
        again = native.post("/debits", json=body)
        assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert balance(native, customer)["used"] == str(2 * TIMES)


def test_a_batch_is_carried_out_though_nobody_waits_for_its_answer(
    tenant: Tenant, native: httpx.Client
) -> None:
    customer = customer_with(native, [("5000", "paid")])
    bodies = [debit_body(customer, "1") for _ in range(1_000)]
    send_and_leave(tenant, request_of(tenant, "/debits/batch", {"debits": bodies}))
    until_used(native, customer, 1_000)
    again = native.post("/debits/batch", json={"debits": bodies})
    assert {result["status"] for result in again.json()["results"]} == {201}
    assert balance(native, customer)["used"] == "1000"


def test_a_debit_of_a_client_that_crashed_is_there_once_or_not_at_all(
    tenant: Tenant, native: httpx.Client
) -> None:
    """And once after it is repeated."""
    customer = customer_with(native, [("100", "paid")])
    bodies = [debit_body(customer, "1") for _ in range(TIMES)]
    for body in bodies:
        send_and_leave(tenant, request_of(tenant, "/debits", body), reset=True)
    for body in bodies:
        created(native.post("/debits", json=body))
    assert balance(native, customer)["used"] == str(TIMES)


@pytest.mark.parametrize("kept", [0.0, 0.2, 0.7, 0.999])
def test_a_request_that_was_cut_short_does_nothing(
    tenant: Tenant, native: httpx.Client, kept: float
) -> None:
    """In its head or in its body, to the last byte but one."""
    customer = customer_with(native, [("100", "paid")])
    for _ in range(5):
        sent = request_of(tenant, "/debits", debit_body(customer, "1"))
        send_and_leave(tenant, sent[: int(len(sent) * kept)])
    created(debit(native, customer, "7"))
    assert balance(native, customer)["used"] == "7"
