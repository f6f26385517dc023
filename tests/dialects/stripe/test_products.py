"""Products with ids of their own and with the price that they have by default, through Stripe's own SDK."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from tests.dialects.stripe.test_catalog import refused

Client = stripe.StripeClient
CREDITS: Any = {"currency": "usd", "unit_amount": 1000, "recurring": {"interval": "month"}}


def test_a_product_is_found_by_the_id_that_was_chosen_for_it(client: Client) -> None:
    products, prices = client.v1.products, client.v1.prices
    made = products.create({"id": "gold:2030", "name": "Gold"})
    other = products.create({"name": "Silver"})
    assert made.id == "gold:2030"
    assert products.retrieve("gold:2030").to_dict() == made.to_dict()
    assert products.update("gold:2030", {"name": "Golden"}).name == "Golden"
    asked: Any = {**CREDITS, "product": "gold:2030"}
    price = prices.create(asked)
    assert price.product == "gold:2030"
    assert [each.id for each in prices.list({"product": "gold:2030"}).data] == [price.id]
    expanded = prices.retrieve(price.id, {"expand": ["product"]}).product
    assert isinstance(expanded, stripe.Product)
    assert (expanded.id, expanded.name) == ("gold:2030", "Golden")
    assert [each.id for each in products.list().data] == [other.id, "gold:2030"]
    assert [each.id for each in products.list({"ids": ["gold:2030"]}).data] == ["gold:2030"]
    after: Any = {"starting_after": other.id}
    assert [each.id for each in products.list(after).data] == ["gold:2030"]


def test_an_id_is_one_products_until_that_is_deleted(client: Client) -> None:
    products = client.v1.products
    products.create({"id": "gold", "name": "Gold"})
    refused(
        lambda: products.create({"id": "gold", "name": "Another"}),
        param="id",
        code="resource_already_exists",
    )
    asked: Any = {**CREDITS, "product_data": {"id": "gold", "name": "Another"}}
    refused(
        lambda: client.v1.prices.create(asked),
        param="id",
        code="resource_already_exists",
    )
    assert [each.name for each in products.list().data] == ["Gold"]
    assert client.v1.prices.list().data == []
    products.delete("gold")
    refused(lambda: products.retrieve("gold"), param="id", code="resource_missing")
    assert products.create({"id": "gold", "name": "New"}).name == "New"
    assert products.retrieve("gold").name == "New"


def test_of_many_who_ask_for_an_id_at_once_one_gets_it(client: Client) -> None:
    def attempt(number: int) -> str:
        try:
            return client.v1.products.create({"id": "gold", "name": f"{number}"}).name
        except stripe.InvalidRequestError as error:
            return str(error.code)

    with ThreadPoolExecutor(8) as several:
        found = sorted(several.map(attempt, range(8)))
    assert found[1:] == ["resource_already_exists"] * 7
    assert [each.name for each in client.v1.products.list().data] == found[:1]


def test_making_a_product_again_under_its_key_makes_one(client: Client) -> None:
    options: Any = {"idempotency_key": "gold"}
    asked: Any = {"id": "gold", "name": "Gold", "default_price_data": CREDITS}
    one = client.v1.products.create(asked, options)
    two = client.v1.products.create(asked, options)
    assert one.to_dict() == two.to_dict()
    assert len(client.v1.prices.list().data) == 1


def test_a_product_is_made_with_its_default_price(client: Client) -> None:
    made = client.v1.products.create({"name": "Gold", "default_price_data": CREDITS})
    assert isinstance(made.default_price, str)
    price = client.v1.prices.retrieve(made.default_price)
    assert (price.product, price.unit_amount, price.currency) == (made.id, 1000, "usd")
    assert price.recurring is not None
    assert (price.recurring.interval, price.recurring.usage_type) == ("month", "licensed")
    unset: Any = {"default_price": ""}
    assert client.v1.products.update(made.id, unset).default_price is None
    again = client.v1.products.update(made.id, {"default_price": price.id})
    assert again.default_price == price.id


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"currency": "xxx", "unit_amount": 1}, "default_price_data[currency]"),
        ({"currency": "usd"}, "default_price_data[unit_amount]"),
        ({"unit_amount": 1}, "default_price_data[currency]"),
        (
            {"currency": "usd", "unit_amount": 1, "unit_amount_decimal": "1"},
            "default_price_data[unit_amount]",
        ),
        (
            {
                "currency": "usd",
                "unit_amount": 1,
                "recurring": {"interval": "year", "interval_count": 4},
            },
            "default_price_data[recurring][interval_count]",
        ),
    ],
)
def test_a_default_price_that_cannot_be_is_refused_with_its_product(
    client: Client, said: dict[str, Any], param: str
) -> None:
    create: Any = client.v1.products.create
    with pytest.raises(stripe.InvalidRequestError) as error:
        create({"name": "Gold", "default_price_data": said})
    assert error.value.param == param
    assert client.v1.products.list().data == []


def test_a_default_price_is_one_of_the_product(client: Client) -> None:
    gold = client.v1.products.create({"name": "Gold", "default_price_data": CREDITS})
    other = client.v1.products.create({"name": "Silver"})
    asked: Any = {"default_price": gold.default_price}
    refused(lambda: client.v1.products.update(other.id, asked), param="default_price")
    refused(
        lambda: client.v1.products.update(other.id, {"default_price": "price_no"}),
        param="default_price",
        code="resource_missing",
    )
    for wrong in ("a b", "x" * 65, "é"):
        create: Any = client.v1.products.create
        with pytest.raises(stripe.InvalidRequestError) as error:
            create({"id": wrong, "name": "Bronze"})
        assert error.value.param == "id"
