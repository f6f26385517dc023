"""Pages, and what the pagers of the official SDKs make of them under both numberings.

The pagers count from 1, the vendor's API from 0: after a first page without a number they ask for page 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from drawdown.web.endpoints import Endpoint
from tests.conftest import NewUrl
from tests.dialects.dodo.clocked import BEGAN, Clocked
from tests.dialects.dodo.official import FORMS, Official, Refused, official
from tests.dialects.dodo.sdk import Dodo
from tests.dialects.dodo.test_every_endpoint import ENDPOINTS, name_of
from tests.dialects.dodo.world import BALANCES, MONEY, World, attached, metered
from tests.support.server import Server, Tenant, start_server

COUNT, SIZE = 25, 10
_WALLET = "/credit-entitlements/{credit_entitlement_id}/balances"


class Listed(NamedTuple):
    """How a list is asked for, the field that tells one from another, and all of them, newest first."""

    name: str
    ids: tuple[str, ...]
    given: dict[str, str]
    field: str
    everything: list[Any]

    def page(self, sdk: Official, **query: int) -> list[Any]:
        items = sdk(self.name, *self.ids, **self.given, **query)["items"]
        return [each[self.field] for each in items]

    def every(self, sdk: Official, **query: int) -> list[Any]:
        found = sdk.every(self.name, *self.ids, **self.given, **query)
        return [each[self.field] for each in found]


class Book(NamedTuple):
    tenant: Tenant
    lists: dict[str, Listed]


def fill(server: Server) -> Book:
    """So many of everything. Keys are endpoints, as in the dialect's own table."""
    tenant = server.tenant()
    sdk = official("blocking", tenant.url, tenant.test.editor.secret)
    ada = Clocked(tenant)
    lists = _fill(World(sdk), ada)
    ada.http.close()
    sdk.close()
    return Book(tenant, lists)


def _fill(world: World, ada: Clocked) -> dict[str, Listed]:
    """All is Ada's that one customer has, and her time is ahead. Her first subscription is by the day."""
    kinds, meters = _made(world.entitlement), _made(world.meter)
    kind, in_kind, own = kinds[0], {"credit_entitlement_id": kinds[0]}, (ada.customer,)

    def grant(customer: str) -> str:
        made: str = world.enter(customer, kind, "credit", "1")["grant_id"]
        return made

    def credited() -> str:
        customer = world.customer()
        grant(customer)
        return customer

    grants = _made(lambda: grant(ada.customer))
    people = [*_made(credited, COUNT - 1), ada.customer]
    by_day = metered(meters[0], kinds[1]) | {"payment_frequency_interval": "Day"}
    daily = world.product(attached(kinds[1], "1"), price=by_day)
    monthly = _made(lambda: world.product(attached(kinds[2], "1")), COUNT - 1)
    first = world.subscription(daily, ada.customer)
    others = _made(lambda: world.subscription(monthly[0], ada.customer), COUNT - 1)
    events = [world.event(ada.customer)["event_id"] for _ in range(COUNT)]
    sent = [world.event(ada.customer, event_id=each) for each in events]
    world.sdk("usage_events.ingest", events=sent)
    money = _made(lambda: _put_in(world, ada.customer))
    webhooks = _made(world.webhook)
    began = datetime.fromisoformat(BEGAN)
    days = [f"{began + timedelta(number):%Y-%m-%dT00:00:00Z}" for number in range(COUNT)]
    ada.advance(days[-1])
    return {
        "GET /customers": Listed("customers.list", (), {}, "customer_id", people),
        "GET /customers/{customer_id}/wallets/ledger-entries": Listed(
            f"{MONEY}.list", own, {}, "after_balance", money
        ),
        "GET /credit-entitlements": Listed("credit_entitlements.list", (), {}, "id", kinds),
        f"GET {_WALLET}": Listed(
            f"{BALANCES}.list", (kind,), {}, "customer_id", [ada.customer, *people[:-1]]
        ),
        f"GET {_WALLET}/{{customer_id}}/grants": Listed(
            f"{BALANCES}.list_grants", own, in_kind, "id", grants
        ),
        f"GET {_WALLET}/{{customer_id}}/ledger": Listed(
            f"{BALANCES}.list_ledger", own, in_kind, "grant_id", grants
        ),
        "GET /products": Listed("products.list", (), {}, "product_id", [*monthly, daily]),
        "GET /subscriptions": Listed(
            "subscriptions.list", (), {}, "subscription_id", [*others, first]
        ),
        "GET /subscriptions/{subscription_id}/usage-history": Listed(
            "subscriptions.retrieve_usage_history", (first,), {}, "start_date", days[::-1]
        ),
        "GET /meters": Listed("meters.list", (), {}, "id", meters),
        "GET /events": Listed("usage_events.list", (), {}, "event_id", events[::-1]),
        "GET /webhooks": Listed("webhooks.list", (), {}, "id", webhooks),
    }


def _made(make: Callable[[], Any], count: int = COUNT) -> list[Any]:
    """Newest first."""
    return [make() for _ in range(count)][::-1]


def _put_in(world: World, customer: str) -> int:
    asked = {"amount": 1, "currency": "USD", "entry_type": "credit"}
    balance: int = world.sdk(f"{MONEY}.create", customer, **asked)["balance"]
    return balance


def asks(endpoint: Endpoint, field: str) -> bool:
    return field in getattr(endpoint.query, "__struct_fields__", ())


NUMBERED = [name_of(each) for each in ENDPOINTS if asks(each, "page_number")]
each_list = pytest.mark.parametrize("endpoint", NUMBERED)


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def book(server: Server) -> Book:
    return fill(server)


@pytest.fixture(scope="module")
def sdk(form: str, book: Book) -> Iterator[Official]:
    made = official(form, book.tenant.url, book.tenant.test.editor.secret)
    yield made
    made.close()


def test_every_list_is_here(book: Book) -> None:
    by_iterator = [name_of(each) for each in ENDPOINTS if asks(each, "iterator")]
    assert set(book.lists) == {*NUMBERED, *by_iterator}
    assert {len(each.everything) for each in book.lists.values()} == {COUNT}


# Numbered from 0, as the vendor documents -----------------------------------------------------------


@each_list
def test_pages_are_numbered_from_0(endpoint: str, sdk: Official, book: Book) -> None:
    """Each page is the next part of the list; past the end they are empty, never 404."""
    listed = book.lists[endpoint]
    pages = [listed.page(sdk, page_size=SIZE, page_number=number) for number in range(4)]
    everything = listed.everything
    assert pages == [everything[0:10], everything[10:20], everything[20:], []]
    assert listed.page(sdk, page_size=SIZE) == listed.page(sdk) == everything[:10]
    assert listed.page(sdk, page_size=0) == []
    assert listed.page(sdk, page_size=100) == everything


@each_list
def test_the_pagers_miss_the_second_page(
    endpoint: str, sdk: Official, book: Book, form: str
) -> None:
    """The SDKs' own fault, of which the documentation warns; TypeScript's does not, told to begin with 0."""
    listed = book.lists[endpoint]
    missed = listed.everything[:10] + listed.everything[20:]
    assert listed.every(sdk, page_size=SIZE) == missed
    from_0 = listed.every(sdk, page_size=SIZE, page_number=0)
    assert from_0 == (listed.everything if form == "typescript" else missed)


@each_list
def test_the_pagers_see_everything_on_one_large_page(
    endpoint: str, sdk: Official, book: Book
) -> None:
    """They ask once more, for page 2, which is empty and ends it."""
    listed, before = book.lists[endpoint], len(sdk.sent)
    assert listed.every(sdk, page_size=100) == listed.everything
    queries = [each.query for each in sdk.sent[before:]]
    assert ["page_number" in each for each in queries] == [False, True]
    assert "page_number=2" in queries[1]


def test_webhooks_are_paged_to_the_end_by_their_iterator(sdk: Official, book: Book) -> None:
    assert book.lists["GET /webhooks"].every(sdk, limit=SIZE) == (
        book.lists["GET /webhooks"].everything
    )


def test_no_page_is_larger_than_100(sdk: Official, book: Book) -> None:
    for endpoint in NUMBERED:
        with pytest.raises(Refused) as caught:
            book.lists[endpoint].page(sdk, page_size=101)
        assert (caught.value.status, caught.value.code) == (422, "INVALID_QUERY_PARAMS")
        assert "page_size" in caught.value.message


# Numbered from 1, as the pagers have it -------------------------------------------------------------


@pytest.fixture(scope="module")
def book_from_1(tmp_path_factory: pytest.TempPathFactory, new_url: NewUrl) -> Iterator[Book]:
    with new_url() as url:
        folder = tmp_path_factory.mktemp("from_1")
        running = start_server(folder, database=url, dodo_page_base="1")
        yield fill(running)
        running.stop()


@pytest.fixture(scope="module")
def from_1(form: str, book_from_1: Book) -> Iterator[Official]:
    tenant = book_from_1.tenant
    made = official(form, tenant.url, tenant.test.editor.secret)
    yield made
    made.close()


@each_list
def test_the_pagers_see_everything_of_a_numbering_from_1(
    endpoint: str, from_1: Official, book_from_1: Book, form: str
) -> None:
    """Each once, whether they begin without a number or with 1.

    So do Python's with 0. TypeScript's goes on from 0 to 1, which are the same page here: begin without.
    """
    listed = book_from_1.lists[endpoint]
    assert listed.every(from_1, page_size=SIZE) == listed.everything
    assert listed.every(from_1, page_size=SIZE, page_number=1) == listed.everything
    from_0 = listed.every(from_1, page_size=SIZE, page_number=0)
    twice = listed.everything[:10] if form == "typescript" else []
    assert from_0 == twice + listed.everything


@each_list
def test_pages_are_numbered_from_1_where_it_is_set(
    endpoint: str, from_1: Official, book_from_1: Book
) -> None:
    """No number, 0 and 1 are all the first page."""
    listed = book_from_1.lists[endpoint]
    pages = [listed.page(from_1, page_size=SIZE, page_number=number) for number in range(5)]
    everything = listed.everything
    first = everything[:10]
    assert pages == [first, first, everything[10:20], everything[20:], []]
    assert listed.page(from_1, page_size=SIZE) == first


def test_webhooks_are_paged_alike_in_both_numberings(from_1: Official, book_from_1: Book) -> None:
    listed = book_from_1.lists["GET /webhooks"]
    assert listed.every(from_1, limit=SIZE) == listed.everything


def test_a_page_of_one_customer_holds_nothing_of_another(dodo: Dodo) -> None:
    """Nor of the same customer's other entitlements."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    ids = [dodo.credit(customer, tokens.id, "1").grant_id for _ in range(3)][::-1]
    other = dodo.entitlement(name="Other")
    dodo.credit(customer, other.id, "1")
    dodo.credit(dodo.customer(name="Bo"), tokens.id, "1")
    assert [grant.id for grant in dodo.grants(customer, tokens.id)] == ids
