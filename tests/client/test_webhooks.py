"""Events and endpoints by the client, on the real server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from drawdown.client import Client, EndpointNotFound, EventNotFound, Invalid

URL = "https://example.com/hooks"


def test_an_endpoint_is_made_changed_listed_and_deleted(client: Client) -> None:
    made = client.create_webhook_endpoint(URL, types=["debit.*"], ordered=True, description="Ours")
    assert made.secret.startswith("whsec_")
    assert (made.url, made.types, made.ordered, made.enabled) == (URL, ["debit.*"], True, True)
    found = client.get_webhook_endpoint(made.id)
    assert [each.id for each in client.webhook_endpoints()] == [found.id]
    changed = client.change_webhook_endpoint(made.id, enabled=False, types=["*"])
    assert (changed.enabled, changed.disabled_for, changed.types) == (False, "request", ["*"])
    rotated = client.rotate_webhook_secret(made.id)
    assert rotated.secret != made.secret
    assert rotated.previous_valid_until > datetime.now(UTC)
    assert client.test_webhook_endpoint(made.id).event is not None
    assert client.redeliver(made.id, since=datetime(2026, 1, 1, tzinfo=UTC)).event is None
    assert not list(client.webhook_deliveries(made.id))
    assert not list(client.dead_letters(made.id))
    assert client.delete_webhook_endpoint(made.id).deleted
    with pytest.raises(EndpointNotFound):
        client.get_webhook_endpoint(made.id)


def test_what_is_refused_is_raised_by_its_name(client: Client) -> None:
    with pytest.raises(Invalid):
        client.create_webhook_endpoint("http://127.0.0.1/")
    made = client.create_webhook_endpoint(URL)
    with pytest.raises(EventNotFound):
        client.redeliver(made.id, "evt_0351Ozbaa3U2chrAzL5j2x_0")


def test_the_feed_is_read_page_by_page(client: Client) -> None:
    for number in range(3):
        client.create_customer(f"customer-{number}")
    seen: list[str] = []
    after: str | None = None
    while len(seen) < 3:
        page = client.events(after=after, limit=2, type="customer.*")
        seen += [event.data["id"] for event in page.data]
        after = page.next
    assert seen == ["customer-0", "customer-1", "customer-2"]
