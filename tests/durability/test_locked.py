"""A server whose file another program keeps locked says so, loses nothing, and goes on when it is free."""

from __future__ import annotations

import apsw

from tests.conftest import StartServer
from tests.dialects.native.support import balance, created, customer_with, debit_body, problem
from tests.durability.torture_database import readiness, until


def test_a_file_that_stays_locked_is_told_and_harms_nothing(serve: StartServer) -> None:
    """After a few seconds 503, with when to try again; reads go on, the key stays free, the log and
    readiness tell."""
    server = serve()
    tenant = server.tenant()
    with tenant.client() as client:
        customer = customer_with(client, [("100", "paid")])
        body = debit_body(customer, "5")
        other = apsw.Connection(server.database.removeprefix("sqlite:///"))
        other.set_busy_timeout(60_000)  # the server may be writing down when the key was used
        other.execute("BEGIN IMMEDIATE")
        refused = client.post("/debits", json=body)
        problem(refused, 503, "unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert balance(client, customer)["used"] == "0"
        assert readiness(server.url) == 503
        other.execute("ROLLBACK")
        other.close()
        until(server.url, 200)
        first = client.post("/debits", json=body)
        assert created(first)["amount"] == "5"
        assert "idempotent-replayed" not in first.headers
        assert balance(client, customer)["used"] == "5"
    server.process.terminate()
    assert server.process.wait(60) == 0
    told = [line for line in server.log_lines() if line["level"] == "error"]
    assert told
    assert all("keeps the database locked" in str(line["cause"]) for line in told)
