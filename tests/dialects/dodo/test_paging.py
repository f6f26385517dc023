"""Pages, and what the vendor's own pager makes of them under both numberings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import NewUrl
from tests.dialects.dodo.sdk import Ask, Dodo
from tests.support.server import Server, start_server

GRANTS = 7


@pytest.fixture(scope="module")
def one_based(tmp_path_factory: pytest.TempPathFactory, new_url: NewUrl) -> Iterator[Server]:
    with new_url() as url:
        folder = tmp_path_factory.mktemp("one_based")
        running = start_server(folder, database=url, dodo_page_base="1")
        yield running
        running.stop()


@pytest.fixture(params=["blocking", "async"])
def from_one(request: pytest.FixtureRequest, one_based: Server) -> Iterator[Dodo]:
    tenant = one_based.tenant()
    client = Dodo(tenant.url, tenant.test.editor.secret, blocking=request.param == "blocking")
    yield client
    client.close()


def issue(dodo: Dodo) -> tuple[str, str, list[str]]:
    """A customer, an entitlement, and the ids of the grants, newest first."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    ids = [dodo.credit(customer, tokens.id, str(n + 1)).grant_id for n in range(GRANTS)]
    return customer, tokens.id, ids[::-1]


def test_pages_are_numbered_from_0(dodo: Dodo) -> None:
    """Each page is the next part of the list; past the end they are empty, never 404."""
    customer, tokens, ids = issue(dodo)
    pages = [
        [grant.id for grant in dodo.grants(customer, tokens, page_size=3, page_number=number)]
        for number in range(5)
    ]
    assert pages == [ids[0:3], ids[3:6], ids[6:], [], []]
    last = dodo.grants(customer, tokens, page_size=100, page_number=2**31 - 1)
    assert last == []


def test_a_page_has_ten_items_unless_asked_for_more(dodo: Dodo) -> None:
    """None at all for a size of 0, up to 100 otherwise."""
    customer, tokens, ids = issue(dodo)
    more = [dodo.credit(customer, tokens, "1").grant_id for _ in range(5)]
    everything = more[::-1] + ids
    for size, expected in ((None, 10), (0, 0), (1, 1), (100, 12)):
        query = {} if size is None else {"page_size": size}
        found = [grant.id for grant in dodo.grants(customer, tokens, **query)]
        assert found == everything[:expected]


def test_the_sdks_pager_sees_everything_on_one_large_page(dodo: Dodo) -> None:
    """It asks once more, for page 2, which is empty and ends it."""
    customer, tokens, ids = issue(dodo)
    dodo.sent.clear()
    assert [grant.id for grant in dodo.all_grants(customer, tokens, page_size=100)] == ids
    assert [request.url.params.get("page_number") for request in dodo.sent] == [None, "2"]


@pytest.mark.parametrize("start", [{}, {"page_number": 0}])
def test_the_sdks_pager_misses_the_second_page_of_a_numbering_from_0(
    dodo: Dodo, start: dict[str, int]
) -> None:
    """The vendor's own fault, of which the documentation warns: it goes from the first page to 2."""
    customer, tokens, ids = issue(dodo)
    found = [grant.id for grant in dodo.all_grants(customer, tokens, page_size=3, **start)]
    assert found == ids[0:3] + ids[6:]


@pytest.mark.parametrize("start", [{}, {"page_number": 0}, {"page_number": 1}])
def test_the_sdks_pager_sees_everything_of_a_numbering_from_1(
    from_one: Dodo, start: dict[str, int]
) -> None:
    """No number, 0 and 1 are all the first page, so that it may begin as it likes."""
    customer, tokens, ids = issue(from_one)
    found = [grant.id for grant in from_one.all_grants(customer, tokens, page_size=3, **start)]
    assert found == ids
    active = from_one.all_grants(customer, tokens, page_size=2, status="active", **start)
    assert [grant.id for grant in active] == ids


def put_in(customer: str, cents: int) -> Ask:
    return lambda client: client.customers.wallets.ledger_entries.create(
        customer, amount=cents, currency="USD", entry_type="credit"
    )


def lists(dodo: Dodo) -> list[tuple[Ask, list[Any], str]]:
    """How each list is asked for, all that is in it, and the field that tells one from another."""
    customer, tokens, ids = issue(dodo)
    kinds = [dodo.entitlement(name=f"Number {n}").id for n in range(4)][::-1]
    people = [dodo.customer(name=f"Number {n}") for n in range(4)][::-1]
    for each in reversed(people):
        dodo.credit(each, kinds[0], "1")
    money = [dodo(put_in(customer, n + 1)).balance for n in range(5)]
    return [
        (
            lambda client: client.credit_entitlements.balances.list_ledger(
                customer, credit_entitlement_id=tokens, page_size=2
            ),
            ids,
            "grant_id",
        ),
        (lambda client: client.credit_entitlements.list(page_size=2), [*kinds, tokens], "id"),
        (
            lambda client: client.credit_entitlements.balances.list(kinds[0], page_size=1),
            people,
            "customer_id",
        ),
        (
            lambda client: client.customers.list(name="Number", page_size=1),
            people,
            "customer_id",
        ),
        (
            lambda client: client.customers.wallets.ledger_entries.list(customer, page_size=2),
            money[::-1],
            "after_balance",
        ),
    ]


def test_the_sdks_pager_sees_all_of_every_list_of_a_numbering_from_1(from_one: Dodo) -> None:
    for ask, expected, field in lists(from_one):
        assert [getattr(each, field) for each in from_one.every(ask)] == expected


def test_pages_past_the_end_are_empty_in_a_numbering_from_1(from_one: Dodo) -> None:
    customer, tokens, ids = issue(from_one)
    pages = [
        [grant.id for grant in from_one.grants(customer, tokens, page_size=3, page_number=number)]
        for number in range(1, 6)
    ]
    assert pages == [ids[0:3], ids[3:6], ids[6:], [], []]


def test_a_page_of_one_customer_holds_nothing_of_another(dodo: Dodo) -> None:
    """Nor of the same customer's other entitlements."""
    customer, tokens, ids = issue(dodo)
    other = dodo.entitlement(name="Other")
    dodo.credit(customer, other.id, "1")
    dodo.credit(dodo.customer(name="Bo"), tokens, "1")
    assert [grant.id for grant in dodo.grants(customer, tokens)] == ids
