"""Webhook endpoints over HTTP, and a real server that delivers to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.dialects.native.test_events import post
from tests.support.receiver import Receiver, answering, receiver
from tests.support.server import Server, Tenant

URL = "https://example.com/hooks"


def make(client: httpx.Client, **more: Any) -> Any:
    return post(client, "/webhook-endpoints", **{"url": URL, **more})


def test_an_endpoint_is_made_listed_changed_and_deleted(native: httpx.Client) -> None:
    made = make(native, types=["grant.*", "debit.created"], description="Ours", ordered=True)
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    path = f"/webhook-endpoints/{made['id']}"
    assert native.get(path).json() == made
    assert native.get("/webhook-endpoints").json() == {"data": [made], "next": None}
    changed = native.patch(
        path, json={"enabled": False, "types": ["*"], "metadata": {"a": 1}}
    ).json()
    assert (changed["enabled"], changed["disabled_for"]) == (False, "request")
    assert (changed["types"], changed["metadata"], changed["url"]) == (["*"], {"a": 1}, URL)
    assert native.patch(path, json={"enabled": True}).json()["disabled_for"] is None
    assert native.delete(path).json() == {"id": made["id"], "deleted": True}
    assert native.get(path).status_code == 404
    assert native.get("/webhook-endpoints").json()["data"] == []


def test_a_secret_is_shown_when_it_is_made_and_never_again(
    native: httpx.Client, server: Server
) -> None:
    made = make(native)
    path = f"/webhook-endpoints/{made['id']}"
    rotated = post(native, path + "/rotate-secret")
    assert rotated["secret"] != made["secret"]
    shown = native.get(path).text + native.get("/webhook-endpoints").text
    for secret in (made["secret"], rotated["secret"]):
        assert secret not in shown
        assert secret not in server.log_path.read_text()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "http://example.com/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://[::1]/"}, "url"),
        ({"url": "https://a:b@example.com/"}, "url"),
        ({"url": "https://example.com:25/"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"url": URL, "types": []}, "types"),
        ({"url": URL, "types": ["grant.*", "grants.*"]}, "types[1]"),
        ({"url": URL, "types": ["debit.created "]}, "types[0]"),
        ({"url": URL, "description": "a\0b"}, "description"),
        ({"url": URL, "metadata": {"": 1}}, "metadata"),
        ({"url": URL, "secret": "mine"}, "secret"),
        ({"url": URL, "format": "nativ"}, "format"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_its_name(
    native: httpx.Client, body: dict[str, Any], field: str
) -> None:
    answer = native.post("/webhook-endpoints", json=body)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["field"] == field
    made = make(native)
    if "url" in body and field == "url":
        changed = native.patch(f"/webhook-endpoints/{made['id']}", json=body)
        assert changed.json()["field"] == field
    assert len(native.get("/webhook-endpoints").json()["data"]) == 1


def test_an_unknown_format_is_refused_with_the_names_of_those_that_there_are(
    native: httpx.Client,
) -> None:
    answer = native.post("/webhook-endpoints", json={"url": URL, "format": "nobodys"})
    assert "native" in answer.json()["detail"]
    assert make(native, format="native")["format"] == "native"


def test_dead_letters_come_in_pages(native: httpx.Client) -> None:
    path = f"/webhook-endpoints/{make(native)['id']}/dead-letters"
    assert native.get(path).json() == {"data": [], "next": None}
    place = native.get("/events-feed").json()["next"]
    assert native.get(path, params={"after": place}).json()["data"] == []
    refused = native.get(path, params={"after": "evt_1"})
    assert (refused.status_code, refused.json()["field"]) == (422, "after")


def test_another_books_endpoint_is_not_there(tenant: Tenant, native: httpx.Client) -> None:
    path = f"/webhook-endpoints/{make(native)['id']}"
    with tenant.client(tenant.live.editor) as live:
        asked: list[tuple[str, str]] = [
            ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/deliveries"), ("GET", "/dead-letters"),
            ("POST", "/rotate-secret"), ("POST", "/test"), ("POST", "/redeliver"),
        ]  # fmt: skip
        for method, more in asked:
            body = {"since": "2026-01-01T00:00:00Z"} if more == "/redeliver" else {}
            answer = live.request(method, path + more, json=body if method != "GET" else None)
            assert (answer.status_code, answer.json()["code"]) == (404, "endpoint_not_found"), more
    assert native.get(path).status_code == 200


def test_a_viewer_sees_endpoints_and_changes_none(tenant: Tenant, native: httpx.Client) -> None:
    made = make(native)
    with tenant.client(tenant.test.viewer) as viewer:
        assert viewer.get(f"/webhook-endpoints/{made['id']}").status_code == 200
        assert viewer.post("/webhook-endpoints", json={"url": URL}).status_code == 403
        assert viewer.post(f"/webhook-endpoints/{made['id']}/rotate-secret").status_code == 403


def test_there_is_an_end_to_the_endpoints_of_a_book(native: httpx.Client) -> None:
    for _ in range(100):
        make(native)
    answer = native.post("/webhook-endpoints", json={"url": URL})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_endpoints")


def test_what_is_asked_to_be_sent_again_must_be_there(native: httpx.Client) -> None:
    path = f"/webhook-endpoints/{make(native)['id']}/redeliver"
    answer = native.post(path, json={"event": "evt_0351Ozbaa3U2chrAzL5j2x_0"})
    assert (answer.status_code, answer.json()["code"]) == (404, "event_not_found")
    for body in ({}, {"event": "evt_1", "since": "2026-01-01T00:00:00Z"}, {"since": "yesterday"}):
        assert native.post(path, json=body).status_code == 422


# Delivered by a server of its own -------------------------------------------------------------------


@pytest.fixture
def delivering(serve: StartServer) -> Server:
    return serve(webhooks_allow_private="true")


def eventually(asked: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := asked()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
    return found


@pytest.fixture
def listening() -> Iterator[tuple[Receiver, asyncio.Runner]]:
    """A receiver that runs while ``run`` waits."""
    with asyncio.Runner() as runner:
        opened = receiver()
        made = runner.run(opened.__aenter__())
        yield made, runner
        runner.run(opened.__aexit__(None, None, None))


def test_events_arrive_and_the_log_of_deliveries_tells_of_them(
    delivering: Server, listening: tuple[Receiver, asyncio.Runner]
) -> None:
    got, runner = listening
    with delivering.tenant().client() as client:
        made = make(client, url=got.url)
        path = f"/webhook-endpoints/{made['id']}"

        def logged() -> list[Any]:
            return list(client.get(f"{path}/deliveries").json()["data"])

        def kept(count: int) -> list[Any]:
            """The log once it tells of so many: what arrived and is not kept comes again after a change."""
            runner.run(got.wait(count))
            eventually(lambda: len(logged()) == count)
            return logged()

        post(client, "/customers", id="ada")
        kept(1)
        tested = post(client, f"{path}/test")
        by_event = {each["event"]: each for each in kept(2)}
        assert got.types == ["customer.created", "webhook.test"]
        assert by_event[tested["event"]]["outcome"] == "delivered"
        assert {each["answer"] for each in by_event.values()} == {"ok"}
        post(client, f"{path}/redeliver", event=got.ids[0])
        runner.run(got.wait(3))
        assert got.ids[2] == got.ids[0]
    counted = 'drawdown_webhook_attempts_total{format="native",outcome="delivered"} 3.0'
    assert eventually(lambda: counted in httpx.get(f"{delivering.url}/metrics", verify=False).text)


def test_a_server_that_is_killed_while_it_delivers_leaves_nothing_out(
    serve: StartServer, listening: tuple[Receiver, asyncio.Runner]
) -> None:
    """Killed again and again: everything arrives at least once, and where asked in its order."""
    got, runner = listening
    first = serve(webhooks_allow_private="true")
    tenant = first.tenant()
    running = first
    with tenant.client() as client:
        make(client, url=got.url, ordered=True)
        post(client, "/customers", id="ada")
        post(client, "/entitlements", code="images", unit="image", scale=0)
        for amount in range(1, 31):
            post(client, "/grants", customer="ada", entitlement="images", amount=str(amount))
    for kill in (6, 14, 22):
        runner.run(got.wait(kill))
        running.kill()
        running = serve(database=first.database, webhooks_allow_private="true")
    runner.run(_until_all(got, 32))
    amounts = [
        int(each.event["data"]["amount"])
        for each in got.received
        if each.event["type"] == "grant.created"
    ]
    assert list(dict.fromkeys(amounts)) == list(range(1, 31))
    assert all(later <= earlier + 1 for earlier, later in pairwise(amounts))
    assert len(set(got.ids)) == 32


async def _until_all(got: Receiver, count: int) -> None:
    async with asyncio.timeout(90), got.arrived:
        await got.arrived.wait_for(lambda: len(set(got.ids)) >= count)


def test_an_endpoint_that_is_told_off_is_not_logged_with_what_it_said(
    delivering: Server, listening: tuple[Receiver, asyncio.Runner]
) -> None:
    """410: it is disabled, which is logged, with neither secret, URL nor body."""
    got, runner = listening
    got.behaviour = answering(410, b"a secret of theirs")
    with delivering.tenant().client() as client:
        made = make(client, url=got.url)
        post(client, "/customers", id="ada")
        runner.run(got.wait(1))
        path = f"/webhook-endpoints/{made['id']}"
        found = eventually(lambda: (shown := client.get(path).json())["enabled"] is False and shown)
        assert found["disabled_for"] == "gone"
    [line] = eventually(
        lambda: [each for each in delivering.log_lines() if "disabled" in str(each["event"])]
    )
    assert (line["level"], line["reason"], line["status"]) == ("warning", "gone", 410)
    text = delivering.log_path.read_text()
    assert made["secret"] not in text
    assert "a secret of theirs" not in text
