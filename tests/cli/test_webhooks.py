"""`drawdown webhooks`, against a real server that delivers to one that is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.conftest import StartServer
from tests.support.commands import Ran, drawdown
from tests.support.receiver import Receiver, answering, receiver
from tests.support.server import Tenant


@pytest.fixture
def listening() -> Iterator[tuple[Receiver, asyncio.Runner]]:
    """A receiver that runs while the runner does."""
    with asyncio.Runner() as runner:
        opened = receiver()
        made = runner.run(opened.__aenter__())
        yield made, runner
        runner.run(opened.__aexit__(None, None, None))


def run(tenant: Tenant, *words: object) -> Ran:
    return drawdown(*words, url=tenant.url, api_key=tenant.test.editor.secret)


def test_an_endpoint_is_made_tested_and_sent_events_again(
    serve: StartServer, listening: tuple[Receiver, asyncio.Runner]
) -> None:
    got, runner = listening
    tenant = serve(webhooks_allow_private="1").tenant()

    async def beside(*words: object) -> Ran:
        return await asyncio.to_thread(run, tenant, *words)

    def ask(*words: object) -> Ran:
        return runner.run(beside(*words))

    def settled(count: int) -> None:
        """So many have arrived, and the server has kept it: a change before that sends the last once more."""
        runner.run(got.wait(count))
        until = time.monotonic() + 60
        while len(ask("webhooks", "deliveries", listed["id"], "--json").json()) < count:
            assert time.monotonic() < until, "what has arrived was never kept"

    made = ask("webhooks", "create", got.url, "--type", "customer.*", "--ordered")
    assert "whsec_" in made.out
    [listed] = ask("webhooks", "list", "--json").json()
    assert (listed["types"], listed["ordered"]) == (["customer.*"], True)
    tested = ask("webhooks", "test", listed["id"])
    assert (tested.code, got.types) == (0, ["webhook.test"])
    assert "delivered" in tested.out
    ask("customers", "create", "ada")
    settled(2)
    assert ask("webhooks", "redeliver", listed["id"], "--event", got.ids[1]).code == 0
    settled(3)
    assert got.ids[2] == got.ids[1]
    assert ask("webhooks", "redeliver", listed["id"], "--since", "2026-01-01").code == 0
    settled(4)
    got.behaviour = answering(500, b"not now")
    failed = ask("webhooks", "test", listed["id"])
    assert (failed.code, "500 not now" in failed.out) == (1, True)
    deliveries = ask("webhooks", "deliveries", listed["id"], "--json").json()
    # What failed is tried again after five seconds: maybe before they are listed.
    assert [each["outcome"] for each in deliveries[-5:]] == ["failed", *["delivered"] * 4]


def test_what_is_sent_again_is_named_by_one_of_two_options(tenant: Tenant) -> None:
    made = run(tenant, "webhooks", "create", "https://example.com/hooks", "--json").json()
    assert (
        run(tenant, "webhooks", "redeliver", made["id"]).failure().startswith("Error: Give --event")
    )
    refused = run(tenant, "webhooks", "create", "https://127.0.0.1/").failure()
    assert "url" in refused


def test_whose_events_they_are_is_one_of_those_that_there_are(tenant: Tenant) -> None:
    words = ("webhooks", "create", "https://example.com/hooks", "--format")
    refused = run(tenant, *words, "nobodys").failure()
    assert "format" in refused
    assert "native" in refused
    made = run(tenant, *words, "native", "--json").json()
    assert made["format"] == "native"
    given_up = run(tenant, "webhooks", "dead-letters", made["id"])
    assert (given_up.code, given_up.out) == (0, "")
