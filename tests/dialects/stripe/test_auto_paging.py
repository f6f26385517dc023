"""Every list through the pagers of both SDKs, both ways to its end, by pages of any size.

All of a list was made in the same instant, among others of its kind that its filter leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from drawdown.core.types import MICROSECONDS, Instant
from drawdown.dialects.stripe.dialect import StripeDialect
from drawdown.web.endpoints import Endpoint
from tests.conftest import NewUrl
from tests.dialects.stripe.conftest import METERED, usd
from tests.dialects.stripe.official import FORMS, Official, Refused, official
from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.server import Tenant

COUNT = 5
#: 2026-10-28T12:00:00Z
NOW = 1_793_188_800
HOUR = 3_600
HOOK = "https://hooks.example.com/stripe"
SEARCH = "GET /v1/customers/search"


class Listed(NamedTuple):
    """How a list is asked for, and all that is in it, newest first."""

    name: str
    ids: tuple[str, ...]
    given: dict[str, Any]
    url: str
    everything: list[str]

    def page(self, sdk: Official, **more: Any) -> Any:
        return sdk(self.name, *self.ids, **self.given, **more)

    def every(self, sdk: Official, **more: Any) -> list[str]:
        return named(sdk.every(self.name, *self.ids, **self.given, **more))


class Book(NamedTuple):
    """``other``: an account that has nothing."""

    tenant: Tenant
    other: Tenant
    lists: dict[str, Listed]


def named(items: list[Any]) -> list[str]:
    return [each["id"] for each in items]


def make(count: int, one: Callable[[], Any]) -> list[str]:
    """Newest first."""
    return [one()["id"] for _ in range(count)][::-1]


class Filling:
    """So many of everything for each list, and some that are in none."""

    def __init__(self, sdk: Official) -> None:
        self.sdk = sdk
        self.ada = self.customer(email="ada@example.com")["id"]
        self.bob = self.customer(email="bob@example.com")["id"]
        self._number = 0

    def customer(self, **given: Any) -> Any:
        return self.sdk("customers.create", name="Ada", **given)

    def grant(self, customer: str) -> Any:
        return self.sdk(
            "billing.credit_grants.create",
            customer=customer,
            amount=usd(100),
            applicability_config=METERED,
        )

    def product(self, active: bool) -> Any:
        return self.sdk("products.create", name="Search", active=active)

    def price(self, product: str, **given: Any) -> Any:
        asked = {"currency": "usd", "unit_amount": 5, "recurring": {"interval": "month"}}
        return self.sdk("prices.create", product=product, **{**asked, **given})

    def meter(self) -> Any:
        self._number += 1
        return self.sdk(
            "billing.meters.create",
            display_name="Searches",
            event_name=f"search{self._number}",
            default_aggregation={"formula": "sum"},
        )

    def ended_meter(self) -> Any:
        return self.sdk("billing.meters.deactivate", self.meter()["id"])

    def subscription(self, customer: str, *prices: str) -> Any:
        items = [{"price": each} for each in prices]
        return self.sdk("subscriptions.create", customer=customer, items=items)

    def alert(self, customer: str) -> Any:
        lte = {"balance_type": "monetary", "monetary": {"currency": "usd", "value": 5}}
        filters = [{"type": "customer", "customer": customer}]
        return self.sdk(
            "billing.alerts.create",
            title="Low",
            alert_type="credit_balance_threshold",
            credit_balance_threshold={"lte": lte, "filters": filters},
        )

    def clock(self) -> Any:
        return self.sdk("test_helpers.test_clocks.create", frozen_time=NOW)

    def endpoint(self) -> Any:
        return self.sdk("webhook_endpoints.create", url=HOOK, enabled_events=["*"])

    def lists(self) -> dict[str, Listed]:
        return self._credit() | self._customers() | self._catalog() | self._billing() | self._rest()

    def _credit(self) -> dict[str, Listed]:
        grants = []
        for _ in range(COUNT):
            grants.append(self.grant(self.ada)["id"])
            self.grant(self.bob)
        moved = self.sdk("billing.credit_balance_transactions.list", customer=self.ada, limit=100)[
            "data"
        ]
        assert [each["credit_grant"] for each in moved] == grants[::-1]
        alerts = []
        for _ in range(COUNT):
            alerts.append(self.alert(self.ada)["id"])
            self.alert(self.bob)
        whose = {"customer": self.ada}
        return {
            "GET /v1/billing/credit_grants": Listed(
                "billing.credit_grants.list", (), whose, "/v1/billing/credit_grants", grants[::-1]
            ),
            "GET /v1/billing/credit_balance_transactions": Listed(
                "billing.credit_balance_transactions.list",
                (),
                whose,
                "/v1/billing/credit_balance_transactions",
                named(moved),
            ),
            "GET /v1/billing/alerts": Listed(
                "billing.alerts.list", (), whose, "/v1/billing/alerts", alerts[::-1]
            ),
        }

    def _customers(self) -> dict[str, Listed]:
        email = "many@example.com"
        many = make(COUNT, lambda: self.customer(email=email))
        self.customer()
        by_email, query = {"email": email}, {"query": f'email:"{email}"'}
        return {
            "GET /v1/customers": Listed("customers.list", (), by_email, "/v1/customers", many),
            SEARCH: Listed("customers.search", (), query, "/v1/customers/search", many),
        }

    def _catalog(self) -> dict[str, Listed]:
        products = []
        for _ in range(COUNT):
            products.append(self.product(active=False)["id"])
            self.product(active=True)
        ended = make(COUNT, self.ended_meter)
        used = self.meter()
        for number in range(COUNT):
            self.sdk(
                "billing.meter_events.create",
                event_name=used["event_name"],
                payload={"stripe_customer_id": self.ada, "value": "1"},
                timestamp=NOW - number * HOUR - 1,
            )
        hourly: dict[str, Any] = {
            "customer": self.ada,
            "start_time": NOW - COUNT * HOUR,
            "end_time": NOW,
            "value_grouping_window": "hour",
        }
        summaries = self.sdk("billing.meters.event_summaries.list", used["id"], **hourly)["data"]
        assert [each["aggregated_value"] for each in summaries] == [1] * COUNT
        own = products[0]
        prices = make(COUNT, lambda: self.price(own))
        self.price(products[1])
        return {
            "GET /v1/products": Listed(
                "products.list", (), {"active": False}, "/v1/products", products[::-1]
            ),
            "GET /v1/prices": Listed("prices.list", (), {"product": own}, "/v1/prices", prices),
            "GET /v1/billing/meters": Listed(
                "billing.meters.list", (), {"status": "inactive"}, "/v1/billing/meters", ended
            ),
            "GET /v1/billing/meters/{meter}/event_summaries": Listed(
                "billing.meters.event_summaries.list",
                (used["id"],),
                hourly,
                f"/v1/billing/meters/{used['id']}/event_summaries",
                named(summaries),
            ),
        }

    def _billing(self) -> dict[str, Listed]:
        """The lines are those of a first invoice, of what is charged ahead."""
        product = self.product(active=True)["id"]
        prices = make(COUNT, lambda: self.price(product))
        subscriptions = []
        for _ in range(COUNT):
            subscriptions.append(self.subscription(self.ada, prices[0]))
            self.subscription(self.bob, prices[0])
        whole = self.subscription(self.bob, *prices)["latest_invoice"]
        lines = self.sdk("invoices.retrieve", whole)["lines"]["data"]
        assert len(lines) == COUNT
        whose = {"customer": self.ada}
        invoices = [each["latest_invoice"] for each in subscriptions]
        return {
            "GET /v1/subscriptions": Listed(
                "subscriptions.list", (), whose, "/v1/subscriptions", named(subscriptions)[::-1]
            ),
            "GET /v1/invoices": Listed("invoices.list", (), whose, "/v1/invoices", invoices[::-1]),
            "GET /v1/invoices/{invoice}/lines": Listed(
                "invoices.line_items.list",
                (whole,),
                {},
                f"/v1/invoices/{whole}/lines",
                named(lines),
            ),
        }

    def _rest(self) -> dict[str, Listed]:
        clocks, endpoints = make(COUNT, self.clock), make(COUNT, self.endpoint)
        of_type = {"type": "billing.meter.deactivated"}
        return {
            "GET /v1/test_helpers/test_clocks": Listed(
                "test_helpers.test_clocks.list", (), {}, "/v1/test_helpers/test_clocks", clocks
            ),
            "GET /v1/webhook_endpoints": Listed(
                "webhook_endpoints.list", (), {}, "/v1/webhook_endpoints", endpoints
            ),
            "GET /v1/events": Listed("events.list", (), of_type, "/v1/events", []),
        }


def fill(served: ClockedServer) -> Book:
    tenant = served.tenant()
    sdk = official("python", tenant.url, tenant.test.editor.secret)
    lists = Filling(sdk).lists()
    served.clock.instant = Instant((NOW + 60) * MICROSECONDS)
    told, ended = lists["GET /v1/events"], lists["GET /v1/billing/meters"]
    page = told.page(sdk, limit=100)["data"]
    assert [each["data"]["object"]["id"] for each in page] == ended.everything
    told.everything.extend(named(page))
    return Book(tenant, served.tenant(), lists)


def is_list(endpoint: Endpoint) -> bool:
    return "limit" in getattr(endpoint.query, "__struct_fields__", ())


LISTS = [f"{each.method} {each.path}" for each in StripeDialect().endpoints if is_list(each)]
BY_CURSOR = [each for each in LISTS if each != SEARCH]
each_list = pytest.mark.parametrize("endpoint", LISTS)
each_by_cursor = pytest.mark.parametrize("endpoint", BY_CURSOR)


@pytest.fixture(scope="module")
def served(new_url: NewUrl) -> Iterator[ClockedServer]:
    with new_url() as url, clocked_server(url, Instant(NOW * MICROSECONDS)) as running:
        yield running


@pytest.fixture(scope="module")
def book(served: ClockedServer) -> Book:
    return fill(served)


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def sdk(form: str, book: Book) -> Iterator[Official]:
    made = official(form, book.tenant.url, book.tenant.test.editor.secret)
    yield made
    made.close()


def test_every_list_is_here(book: Book) -> None:
    assert set(book.lists) == set(LISTS)
    assert {len(each.everything) for each in book.lists.values()} == {COUNT}


@each_list
def test_a_list_is_followed_to_its_end(endpoint: str, sdk: Official, book: Book) -> None:
    """Each item once, newest first, whatever the size of a page; the filter holds on every one."""
    listed = book.lists[endpoint]
    for limit in (1, 2, 100):
        assert listed.every(sdk, limit=limit) == listed.everything, limit
    assert listed.every(sdk) == listed.everything


@each_by_cursor
def test_a_list_is_followed_back_to_its_beginning(endpoint: str, sdk: Official, book: Book) -> None:
    """From the oldest, which is left out: the SDKs turn each page around."""
    listed = book.lists[endpoint]
    oldest = listed.everything[-1]
    for limit in (1, 2, 100):
        found = listed.every(sdk, limit=limit, ending_before=oldest)
        assert found == listed.everything[-2::-1], limit


@each_by_cursor
def test_a_page_tells_whether_there_is_more(endpoint: str, sdk: Official, book: Book) -> None:
    """In the direction that was asked for; an item before or after is not more."""
    listed = book.lists[endpoint]
    first, *_, last = whole = listed.everything
    for given, items, more in (
        ({"limit": COUNT}, whole, False),
        ({"limit": COUNT - 1}, whole[:-1], True),
        ({"limit": 1}, whole[:1], True),
        ({"starting_after": last}, [], False),
        ({"starting_after": whole[1], "limit": COUNT - 2}, whole[2:], False),
        ({"starting_after": whole[1], "limit": COUNT - 3}, whole[2:-1], True),
        ({"ending_before": first}, [], False),
        ({"ending_before": whole[2], "limit": 2}, whole[:2], False),
        ({"ending_before": whole[2], "limit": 1}, whole[1:2], True),
    ):
        page = listed.page(sdk, **given)
        assert (named(page["data"]), page["has_more"]) == (items, more), given
        assert (page["object"], page["url"]) == ("list", listed.url)


@each_by_cursor
def test_a_cursor_that_names_nothing_of_the_list_is_not_found(
    endpoint: str, sdk: Official, book: Book
) -> None:
    """Neither one that never was, nor one that is no id, nor one of something else."""
    listed = book.lists[endpoint]
    somewhere = "GET /v1/prices" if endpoint != "GET /v1/prices" else "GET /v1/products"
    prefix = listed.everything[0].rpartition("_")[0]
    for cursor in (f"{prefix}_{'1' * 22}", "nonsense", book.lists[somewhere].everything[0]):
        for param in ("starting_after", "ending_before"):
            with pytest.raises(Refused) as caught:
                listed.page(sdk, **{param: cursor})
            refused = caught.value
            assert (refused.error, refused.status) == ("InvalidRequestError", 404), cursor
            assert (refused.code, refused.param) == ("resource_missing", param)


@pytest.mark.parametrize("endpoint", [each for each in BY_CURSOR if "{" not in each])
def test_a_cursor_of_another_book_is_not_found(endpoint: str, book: Book) -> None:
    """Of the account's live mode, and of another account's: as if it had never been."""
    listed = book.lists[endpoint]
    for keys in (book.tenant.live, book.other.test):
        sdk = official("python", book.tenant.url, keys.editor.secret)
        with pytest.raises(Refused) as caught:
            sdk(listed.name, starting_after=listed.everything[0])
        assert (caught.value.status, caught.value.code) == (404, "resource_missing")


@each_by_cursor
def test_a_list_is_followed_one_way(endpoint: str, sdk: Official, book: Book) -> None:
    listed = book.lists[endpoint]
    first, *_, last = listed.everything
    with pytest.raises(Refused) as caught:
        listed.page(sdk, starting_after=first, ending_before=last)
    assert (caught.value.status, caught.value.code) == (400, "parameters_exclusive")


def test_a_search_goes_on_with_the_page_that_it_named(sdk: Official, book: Book) -> None:
    listed = book.lists[SEARCH]
    whole = listed.everything
    page = listed.page(sdk, limit=COUNT - 1)
    assert (named(page["data"]), page["has_more"], page["url"]) == (whole[:-1], True, listed.url)
    last = listed.page(sdk, page=page["next_page"])
    assert (named(last["data"]), last["has_more"], last["next_page"]) == (whole[-1:], False, None)
    with pytest.raises(Refused) as caught:
        listed.page(sdk, page="2")
    assert (caught.value.status, caught.value.param) == (400, "page")


def test_all_transactions_are_followed_alike_by_pages_of_any_size(
    sdk: Official, book: Book
) -> None:
    """Of every customer, when none is named."""
    name = "billing.credit_balance_transactions.list"
    whole = named(sdk(name, limit=100)["data"])
    assert len(whole) == len(set(whole)) == 2 * COUNT
    for limit in (1, 3):
        assert named(sdk.every(name, limit=limit)) == whole
        assert named(sdk.every(name, limit=limit, ending_before=whole[-1])) == whole[-2::-1]


@pytest.fixture(scope="module")
def long(served: ClockedServer) -> tuple[Tenant, list[str]]:
    """103 active products of an account, newest first, among as many that are not."""
    tenant = served.tenant()
    sdk = official("python", tenant.url, tenant.test.editor.secret)

    def product(number: int) -> Any:
        return sdk("products.create", name="Search", active=number % 2 == 0)

    return tenant, named([product(number) for number in range(206)][::2])[::-1]


def test_a_long_list_is_followed_through_what_its_filter_leaves_out(
    long: tuple[Tenant, list[str]], form: str
) -> None:
    """More than is read at a time, of which every second one counts."""
    tenant, whole = long
    sdk = official(form, tenant.url, tenant.test.editor.secret)
    for limit in (100, 53):
        found = sdk.every("products.list", active=True, limit=limit)
        assert named(found) == whole
    found = sdk.every("products.list", active=True, ending_before=whole[-1], limit=100)
    assert named(found) == whole[-2::-1]
    sdk.close()


# What comes and goes between two pages --------------------------------------------------------------


@pytest.fixture
def fresh(served: ClockedServer, form: str) -> Iterator[Official]:
    """The same SDK with an account of the test's own."""
    tenant = served.tenant()
    made = official(form, tenant.url, tenant.test.editor.secret)
    yield made
    made.close()


def test_what_is_made_and_deleted_between_pages_moves_nothing_else(fresh: Official) -> None:
    """Neither twice nor left out: a page begins after its cursor, wherever that is by now."""

    def product() -> Any:
        return fresh("products.create", name="Search")

    oldest, fourth, third, second, newest = make(5, product)[::-1]
    page = fresh("products.list", limit=2)
    assert named(page["data"]) == [newest, second]
    fresh("products.delete", newest)
    fresh("products.delete", fourth)
    later = product()["id"]
    page = fresh("products.list", limit=2, starting_after=second)
    assert (named(page["data"]), page["has_more"]) == ([third, oldest], False)
    page = fresh("products.list", limit=2, ending_before=third)
    assert (named(page["data"]), page["has_more"]) == ([later, second], False)
    assert named(fresh.every("products.list", limit=1)) == [later, second, third, oldest]


def test_a_cursor_that_was_deleted_is_not_found(fresh: Official) -> None:
    """What is deleted meanwhile has no place in its list any more; a deleted customer has."""
    for create, delete, listed, given in (
        ("products.create", "products.delete", "products.list", {"name": "Search"}),
        (
            "webhook_endpoints.create",
            "webhook_endpoints.delete",
            "webhook_endpoints.list",
            {"url": HOOK, "enabled_events": ["*"]},
        ),
        (
            "test_helpers.test_clocks.create",
            "test_helpers.test_clocks.delete",
            "test_helpers.test_clocks.list",
            {"frozen_time": NOW},
        ),
    ):
        _, gone = (fresh(create, **given)["id"] for _ in range(2))
        fresh(delete, gone)
        with pytest.raises(Refused) as caught:
            fresh(listed, starting_after=gone)
        assert (caught.value.status, caught.value.code) == (404, "resource_missing")
    stays, gone = (fresh("customers.create")["id"] for _ in range(2))
    fresh("customers.delete", gone)
    assert named(fresh("customers.list", starting_after=gone)["data"]) == [stays]
