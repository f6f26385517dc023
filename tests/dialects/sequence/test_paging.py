"""Every list by pages: forwards and backwards, whatever their size, and with no other's cursor."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple

import httpx
import pytest
from msgspec import UNSET

from drawdown.dialects.sequence.paging import Page
from drawdown.web.endpoints import Endpoint
from tests.dialects.sequence import contract, contract_usage
from tests.dialects.sequence.contract import read, refusal
from tests.dialects.sequence.support import client
from tests.dialects.sequence.test_every_endpoint import ENDPOINTS, name_of
from tests.dialects.sequence.world import POLICIES, World
from tests.support.server import Server, Tenant

COUNT = 7
_EVENTS = count()
LISTS = [row for row in ENDPOINTS if row.query is not None and issubclass(row.query, Page)]


class List(NamedTuple):
    """``make`` adds one item to the list below ``path``, and answers its id."""

    path: str
    record: type[Any]
    make: Callable[[World], str]
    query: Mapping[str, str] = {}


def _waiting(world: World) -> List:
    """Events for an alias that nobody has."""
    alias = world.new("nobody")
    query = {"unmappedAliasesOnly": "true", "customerAlias": alias}
    make: Callable[[World], str] = lambda world: world.event(customerAlias=alias).id  # noqa: E731
    return List("/usage-events", contract_usage.Events, make, query)


def _everybodys(world: World) -> str:
    """An event of somebody, or one that waits."""
    waits = next(_EVENTS) % 2
    return world.event(**({"customerAlias": "nobody"} if waits else {})).id


MADE: Mapping[str, Callable[[World], List]] = {
    "GET /customers": lambda _: List("/customers", contract.Customers, World.customer),
    "GET /customer-aliases": lambda _: List(
        "/customer-aliases", contract.Aliases, lambda world: world.alias().id
    ),
    "GET /credits": lambda _: List("/credits", contract.Grants, lambda world: world.credit().id),
    "GET /usage-metrics": lambda _: List(
        "/usage-metrics", contract_usage.Metrics, lambda world: world.metric().id
    ),
    "GET /usage-events": lambda _: List("/usage-events", contract_usage.Events, _everybodys),
    "GET /notifications/policies": lambda _: List(
        POLICIES, contract.Policies, lambda world: world.policy().id
    ),
}
#: Those, and lists of events in other orders.
KINDS: Mapping[str, Callable[[World], List]] = {
    **MADE,
    "oldest first": lambda _: List(
        "/usage-events", contract_usage.Events, _everybodys, {"sortOrder": "ASC"}
    ),
    "waiting": _waiting,
    "customers, oldest first": lambda _: List(
        "/customers", contract.Customers, World.customer, {"sortOrder": "ASC"}
    ),
    "living customers": lambda _: List(
        "/customers", contract.Customers, World.customer, {"includeArchived": "false"}
    ),
}


@pytest.fixture
def world(server: Server) -> Iterator[World]:
    """On an account of its own."""
    tenant = server.tenant()
    with client(tenant) as opened:
        yield World(opened, tenant)


def test_every_list_is_walked() -> None:
    assert set(MADE) == {name_of(row) for row in LISTS}


def page(world: World, listed: List, **query: str | int) -> Any:
    answer = world.client.get(listed.path, params={**listed.query, **query})
    return read(answer, 200, listed.record)


def ids(found: Any) -> list[str]:
    return [each.id for each in found.items]


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_is_walked_both_ways(kind: str, world: World) -> None:
    """Each item once, in one order; a cursor is there where a page is, and nowhere else."""
    listed = KINDS[kind](world)
    empty = page(world, listed)
    assert (empty.items, empty.pagination) == ([], contract.Pagination())
    expected = [listed.make(world) for _ in range(COUNT)]
    if listed.query.get("sortOrder") != "ASC":
        expected.reverse()
    for limit in (1, 2, 3, COUNT - 1, COUNT, COUNT + 1, 100):
        pages = [page(world, listed, limit=limit)]
        assert pages[0].pagination.before is UNSET
        while pages[-1].pagination.after is not UNSET:
            pages.append(page(world, listed, limit=limit, after=pages[-1].pagination.after))
        walked = [ids(each) for each in pages]
        assert walked == [expected[at : at + limit] for at in range(0, COUNT, limit)]
        back = [pages[-1]]
        while back[-1].pagination.before is not UNSET:
            back.append(page(world, listed, limit=limit, before=back[-1].pagination.before))
        assert [ids(each) for each in back[::-1]] == walked


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_meanwhile_moves_no_page(kind: str, world: World) -> None:
    """Neither twice nor left out; what is newer comes before the first page there was."""
    listed = KINDS[kind](world)
    made = [listed.make(world) for _ in range(4)]
    first = page(world, listed, limit=2)
    newer = listed.make(world)
    second = page(world, listed, limit=2, after=first.pagination.after)
    if listed.query.get("sortOrder") == "ASC":
        assert ids(first) + ids(second) == made
        last = page(world, listed, after=second.pagination.after)
        assert ids(last) == [newer]
    else:
        assert ids(first) + ids(second) == made[::-1]
        again = page(world, listed, before=second.pagination.before)
        assert ids(again) == [newer, *made[:1:-1]]


def test_a_page_has_twenty_unless_asked_otherwise(world: World) -> None:
    for _ in range(21):
        world.customer()
    found = read(world.client.get("/customers"), 200, contract.Customers)
    assert len(found.items) == 20


@pytest.fixture(scope="module")
def here(server: Server) -> Tenant:
    return server.tenant()


@pytest.fixture(scope="module")
def shared(here: Tenant) -> Iterator[World]:
    with client(here) as opened:
        yield World(opened, here)


def cursor_of(world: World, listed: List) -> str:
    for _ in range(2):
        listed.make(world)
    return str(page(world, listed, limit=1).pagination.after)


@pytest.mark.parametrize("kind", MADE)
def test_both_cursors_at_once_are_refused(kind: str, shared: World) -> None:
    listed = MADE[kind](shared)
    cursor = cursor_of(shared, listed)
    query = {"after": cursor, "before": cursor}
    answer = shared.client.get(listed.path, params=query)
    refusal(answer, 400, "ValidationError", "before", "one way")


@pytest.mark.parametrize("kind", MADE)
def test_a_cursor_that_was_changed_is_refused(kind: str, shared: World) -> None:
    listed = MADE[kind](shared)
    cursor = cursor_of(shared, listed)
    raw = base64.urlsafe_b64decode(cursor)
    changed = [
        cursor[:-1],
        cursor + "A",
        cursor + "====",
        cursor[::-1],
        cursor.upper(),
        f" {cursor}",
        base64.urlsafe_b64encode(raw[5:]).decode(),
        base64.urlsafe_b64encode(bytes(5) + raw[5:]).decode(),
        base64.urlsafe_b64encode(raw * 2).decode(),
    ]
    for text in {*changed} - {cursor}:
        for name in ("after", "before"):
            answer = shared.client.get(listed.path, params={name: text})
            refusal(
                answer, 400, "ValidationError", name, "a cursor as a page of this list has given"
            )


@pytest.mark.parametrize("kind", MADE)
def test_another_lists_cursor_is_refused(kind: str, shared: World, server: Server) -> None:
    """Of another endpoint, of another account, and of the other mode."""
    listed = MADE[kind](shared)
    other = MADE["GET /credits" if kind == "GET /customers" else "GET /customers"](shared)
    foreign = [cursor_of(shared, other)]
    tenant = server.tenant()
    for key in (tenant.test.editor, tenant.live.editor):
        with client(tenant, key) as opened:
            stranger = World(opened, tenant)
            foreign.append(cursor_of(stranger, MADE[kind](stranger)))
    for text in foreign:
        for name in ("after", "before"):
            refusal(
                shared.client.get(listed.path, params={name: text}), 400, "ValidationError", name
            )


@pytest.mark.parametrize("row", LISTS, ids=name_of)
def test_a_cursor_needs_no_encoding(row: Endpoint, shared: World) -> None:
    """A client that puts it into an address as it is gets the same page."""
    listed = MADE[name_of(row)](shared)
    cursor = cursor_of(shared, listed)
    plain: httpx.Response = shared.client.get(f"{listed.path}?limit=1&after={cursor}")
    assert ids(read(plain, 200, listed.record)) == ids(page(shared, listed, limit=1, after=cursor))
