"""Debits explained over HTTP: why these grants, why not the others, and a sentence for people."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from drawdown.core.times import text_of
from drawdown.core.types import DAY, Instant
from tests.conftest import NewUrl
from tests.dialects.native.support import Json, created, problem
from tests.support.clocked_server import ClockedServer, clocked_server

START = Instant(1_767_225_600_000_000)  # 2026-01-01T00:00:00Z
_numbers = itertools.count()


def day(number: float) -> str:
    return text_of(Instant(round(START + number * DAY)))


class Story:
    """A customer of its own on a clocked server, and short ways to tell what happens to it."""

    def __init__(self, server: ClockedServer, client: httpx.Client) -> None:
        self.server, self.client = server, client
        self.customer = f"customer-{next(_numbers)}"
        self.at(0)
        created(client.post("/customers", json={"id": self.customer}))

    def at(self, number: float) -> None:
        self.server.clock.instant = Instant(round(START + number * DAY))

    def post(self, path: str, **body: Any) -> Json:
        return created(self.client.post(path, json=body))

    def grant(self, amount: str, name: str | None, kind: str = "credits", **more: Any) -> str:
        wallet = {"customer": self.customer, "entitlement": kind}
        made = self.post("/grants", **wallet, amount=amount, name=name, **more)
        return str(made["id"])

    def debit(self, amount: str, **more: Any) -> str:
        wallet = {"customer": self.customer, "entitlement": "credits"}
        key = f"key-{next(_numbers)}"
        made = self.post("/debits", **wallet, amount=amount, idempotency_key=key, **more)
        return str(made["id"])

    def explain(self, debit: str) -> Json:
        response = self.client.get(f"/debits/{debit}/explain")
        assert response.status_code == 200, response.text
        found: Json = response.json()
        assert found["debit"] == debit
        return found


@pytest.fixture(scope="module")
def server(new_url: NewUrl) -> Iterator[ClockedServer]:
    with new_url() as url, clocked_server(url, START) as started:
        with started.client() as client:
            for code, unit in (("credits", "credit"), ("images", "image")):
                body = {"code": code, "unit": unit, "scale": 2}
                created(client.post("/entitlements", json=body))
        yield started


@pytest.fixture
def story(server: ClockedServer) -> Iterator[Story]:
    with server.client() as client:
        yield Story(server, client)


def test_a_debit_over_two_grants_with_a_third_left_alone(story: Story) -> None:
    welcome = story.grant("20", "Welcome", priority=10, expires_at=day(32))
    plan = story.grant("50", "Pro plan", expires_at=day(59))
    top_up = story.grant("100", "Top-up")
    story.at(30.5)
    found = story.explain(story.debit("30"))
    assert found["sentence"] == (
        "On 31 Jan 2026, 12:00 UTC, 30 credits were drawn: "
        "20 from 'Welcome' (priority 10, expires 2 Feb 2026) because its priority 10 comes before 50, "
        "that of 'Pro plan', and 10 from 'Pro plan' (priority 50, expires 1 Mar 2026); "
        "'Top-up' was left alone because it never expires."
    )
    assert [(draw["grant"], draw["name"], draw["amount"]) for draw in found["draws"]] == [
        (welcome, "Welcome", "20"),
        (plan, "Pro plan", "10"),
    ]
    assert [draw["order_key"]["priority"] for draw in found["draws"]] == [10, 50]
    assert found["draws"][1]["reason"] == "it expires sooner than 'Top-up', which never expires"
    [later] = found["later"]
    assert (later["grant"], later["available"]) == (top_up, "100")
    assert (later["decided_by"], later["drawn_key"], later["own_key"]) == (
        "expires_at",
        day(59),
        None,
    )
    assert later["order_key"]["expires_at"] is None
    assert found["ineligible"] == []


def test_the_only_grant_there_was(story: Story) -> None:
    """One without a name goes by its id; a part of a credit is exact."""
    only = story.grant("1.05", None)
    sentence = story.explain(story.debit("1.01"))["sentence"]
    assert sentence == (
        f"On 1 Jan 2026, 00:00 UTC, 1.01 credits were drawn from {only} "
        "(priority 50, never expires) because no other grant could pay."
    )


def test_each_key_of_the_order_has_its_words(story: Story) -> None:
    story.grant("1", "First", expires_at=day(9), category="promotional")
    story.grant("1", "Paid", expires_at=day(9))
    story.grant("1", "Young", expires_at=day(9), effective_at=day(0.5))
    story.grant("1", "Late", expires_at=day(10))
    story.grant("1", "Last", priority=51)
    story.at(1)
    found = story.explain(story.debit("1"))
    decided = {later["name"]: later["decided_by"] for later in found["later"]}
    assert decided == {
        "Paid": "category",
        "Young": "category",
        "Late": "expires_at",
        "Last": "priority",
    }
    assert [later["name"] for later in found["later"]] == ["Paid", "Young", "Late", "Last"]
    assert found["sentence"] == (
        "On 2 Jan 2026, 00:00 UTC, 1 credit was drawn from 'First' (priority 50, promotional, expires "
        "10 Jan 2026); 'Paid' was left alone because it was paid for, and promotional credit is used "
        "first; 'Young' was left alone because it was paid for, and promotional credit is used first; "
        "'Late' was left alone because it expires later, on 11 Jan 2026; 1 more came later still."
    )
    found = story.explain(story.debit("1"))
    assert found["later"][0]["decided_by"] == "effective_at"
    assert found["later"][0]["reason"] == "it became effective after 'Paid'"


def test_equal_grants_are_told_apart_by_their_ids(story: Story) -> None:
    """Two of one name get their ids beside it."""
    first, second = (story.grant("5", "Twin", expires_at=day(9)) for _ in range(2))
    found = story.explain(story.debit("2"))
    [later] = found["later"]
    assert (later["decided_by"], later["drawn_key"], later["own_key"]) == ("id", first, second)
    assert (
        f"'Twin' ({second}) was left alone because it equals 'Twin' ({first})" in found["sentence"]
    )


def test_those_that_could_not_pay(story: Story) -> None:
    """Each with its reason; those that still had credit come first, and are in the sentence."""
    expired = story.grant("5", "Gone", expires_at=day(1))
    voided = story.grant("5", "Undone")
    used = story.grant("5", "Empty", priority=1)
    held = story.grant("5", "Held", priority=2)
    wallet = {"customer": story.customer, "entitlement": "credits"}
    story.debit("5")
    story.post("/holds", **wallet, amount="5", idempotency_key="h", expires_at=day(0.9))
    assert story.client.post(f"/grants/{voided}/void").status_code == 200
    coming = story.grant("5", "Coming", effective_at=day(3))
    scoped = story.grant("5", "Scoped", scope={"model": ["a", "b"]})
    story.grant("5", "Open", priority=60)
    story.at(0.5)
    debit = story.debit("1", attributes={"model": "c"})
    expected = [
        (scoped, "out_of_scope", "it only pays for model a or b, and this was for c"),
        (coming, "not_effective", "it was not effective before 4 Jan 2026"),
        (held, "held", "what was left was held"),
        (used, "used_up", "it had been used up"),
        (voided, "voided", "it was voided on 1 Jan 2026"),
    ]
    found = story.explain(debit)
    shown = [(each["grant"], each["reason"], each["detail"]) for each in found["ineligible"]]
    assert [each["name"] for each in found["draws"]] == ["Gone"]
    assert shown == expected
    assert found["sentence"].endswith(
        "'Scoped' could not pay because it only pays for model a or b, and this was for c; "
        "'Coming' could not pay because it was not effective before 4 Jan 2026; "
        "'Held' could not pay because what was left was held."
    )
    story.at(2)
    again = story.explain(debit)
    assert again == found, "what happens later changes no explanation"
    found = story.explain(story.debit("1"))
    reasons = {each["grant"]: each["detail"] for each in found["ineligible"]}
    assert reasons[expired] == "it expired on 2 Jan 2026"
    assert reasons[scoped] == "it only pays for model a or b, and this named no model"


def test_an_expiry_amended_since_is_explained_as_it_was(story: Story) -> None:
    first = story.grant("5", "First", expires_at=day(10))
    second = story.grant("5", "Second", expires_at=day(20))
    third = story.grant("5", "Third", expires_at=day(30))
    found = story.explain(debit := story.debit("1"))
    story.at(1)
    for grant, expiry in ((first, None), (second, day(5)), (second, day(6)), (third, day(2))):
        changed = story.client.patch(f"/grants/{grant}", json={"expires_at": expiry})
        assert changed.status_code == 200, changed.text
    assert story.client.post(f"/grants/{second}/expire").status_code == 200
    assert story.explain(debit) == found
    assert [later["own_key"] for later in found["later"]] == [day(20), day(30)]
    now = story.explain(story.debit("1"))
    assert [draw["name"] for draw in now["draws"]] == ["Third"]
    story.at(40)
    assert story.explain(debit) == found


def test_a_reversed_debit_says_so(story: Story) -> None:
    story.grant("50", "Pro plan")
    debit = story.debit("30")
    story.post(f"/debits/{debit}/reverse", amount="10", idempotency_key="r1")
    assert story.explain(debit)["sentence"].endswith(
        "; 10 credits of it have been given back since."
    )
    story.post(f"/debits/{debit}/reverse", idempotency_key="r2")
    assert story.explain(debit)["sentence"].endswith("; all of it has been given back since.")


def test_what_a_hold_had_set_aside_was_chosen_by_it(story: Story) -> None:
    """Only what was captured beyond the hold was chosen by the capture."""
    story.grant("5", "Held", priority=90)
    wallet = {"customer": story.customer, "entitlement": "credits"}
    hold = story.post("/holds", **wallet, amount="5", idempotency_key="h")["id"]
    story.grant("5", "Soon", expires_at=day(9))
    story.grant("5", "Ever")
    story.grant("5", "Scoped", scope={"model": ["a"]})
    first = story.post(f"/holds/{hold}/capture", amount="2", idempotency_key="c1")["id"]
    found = story.explain(first)
    assert found["sentence"] == (
        "On 1 Jan 2026, 00:00 UTC, 2 credits were captured from 'Held' (priority 90, never expires) "
        "because the hold had set it aside; 'Scoped' could not pay because it only pays for model a, "
        "and this named no model."
    )
    [draw] = found["draws"]
    assert (draw["order_key"]["priority"], draw["reason"]) == (90, "the hold had set it aside")
    assert found["later"] == []
    second = story.post(f"/holds/{hold}/capture", amount="6", final=True, idempotency_key="c2")[
        "id"
    ]
    found = story.explain(second)
    assert [(draw["name"], draw["amount"]) for draw in found["draws"]] == [
        ("Held", "3"),
        ("Soon", "3"),
    ]
    assert [later["name"] for later in found["later"]] == ["Ever"]


def test_a_spend_is_explained_wallet_by_wallet(story: Story) -> None:
    story.grant("3", "Pictures", kind="images")
    story.grant("9", "Pro plan")
    story.grant("9", "Later", priority=60)
    made = story.post(
        "/spends",
        customer=story.customer,
        quantity="5",
        wallets=[
            {"entitlement": "images", "price": "1"},
            {"entitlement": "credits", "price": "2.5"},
        ],
        idempotency_key="s",
    )
    found = story.explain(made["id"])
    assert [(draw["entitlement"], draw["amount"]) for draw in found["draws"]] == [
        ("images", "3"),
        ("credits", "5"),
    ]
    assert found["sentence"] == (
        "On 1 Jan 2026, 00:00 UTC, 3 images and 5 credits were drawn: "
        "3 images from 'Pictures' (priority 50, never expires) because no other grant could pay, and "
        "5 credits from 'Pro plan' (priority 50, never expires); "
        "'Later' was left alone because its priority 60 comes after 50."
    )


def test_at_most_ten_others_of_each_sort_are_listed(story: Story) -> None:
    """And the sentence counts the rest, of however many there are."""
    story.grant("1", "First", priority=1)
    for number in range(12):
        story.grant("1", f"Later {number:02}", priority=60)
        story.grant("1", f"Scoped {number:02}", scope={"model": ["a"]})
    found = story.explain(story.debit("1"))
    assert [each["name"] for each in found["later"]] == [f"Later {n:02}" for n in range(10)]
    assert len(found["ineligible"]) == 10
    assert "; 9 more came later still; " in found["sentence"]
    everything = story.explain(story.debit("11"))
    assert [draw["name"] for draw in everything["draws"]] == [f"Later {n:02}" for n in range(11)]
    assert ", and 6 from 6 more grants in the same order; " in everything["sentence"]


def test_only_debits_are_explained(story: Story) -> None:
    grant = story.grant("1", "First")
    for name in ("nothing", grant, "deb_0000000000000000000000"):
        problem(story.client.get(f"/debits/{name}/explain"), 404, "debit_not_found")
