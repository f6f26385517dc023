"""A server asked from the command line: what goes wrong is one clear line, and the way out."""

from __future__ import annotations

import pytest

from drawdown.cli.client import asking
from drawdown.cli.failures import Failure
from tests.support.answering import nobody
from tests.support.server import Tenant

AGAIN = "Run it again."


def test_what_the_client_answers_is_handed_on(tenant: Tenant) -> None:
    with asking(tenant.url, tenant.test.editor.secret) as client:
        assert client.create_customer("ada").id == "ada"


def test_a_server_that_is_not_there_is_named_with_the_way_out() -> None:
    with (
        nobody() as url,
        pytest.raises(Failure) as caught,
        asking(url, "sk_test_x", again=AGAIN) as client,
    ):
        client.create_api_key("viewer")
    assert f"{url} does not answer" in caught.value.message
    assert caught.value.fix == AGAIN


def test_another_kind_of_server_is_told_from_drawdown(tenant: Tenant) -> None:
    """Such as a page of the same server."""
    with (
        pytest.raises(Failure, match=r"no Drawdown server.*drawdown serve"),
        asking(f"{tenant.url}/metrics", tenant.test.editor.secret) as client,
    ):
        client.get_customer("ada")


def test_a_key_the_server_does_not_know_is_a_failure(tenant: Tenant) -> None:
    with (
        pytest.raises(Failure, match=r"does not know this key.*DRAWDOWN_API_KEY"),
        asking(tenant.url, "sk_test_x") as client,
    ):
        client.get_customer("ada")


def test_a_refusal_is_told_in_the_servers_words(tenant: Tenant) -> None:
    with (
        pytest.raises(Failure, match=f"The server at {tenant.url} refused: .*id.*[^.][.]$"),
        asking(tenant.url, tenant.test.editor.secret) as client,
    ):
        client.create_customer("a b")


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_it_is_said_where_one_comes_from(key: str | None) -> None:
    with pytest.raises(Failure, match=r"drawdown keys create"), asking("http://x", key):
        raise AssertionError("nothing is asked")


@pytest.mark.parametrize(
    ("reference", "said"), [("", "customer is empty: give its id"), ("\udcff", "no UTF-8")]
)
def test_what_cannot_be_asked_is_a_failure(tenant: Tenant, reference: str, said: str) -> None:
    """Such as the id that a script did not find, and bytes that are no text."""
    with (
        pytest.raises(Failure, match=said),
        asking(tenant.url, tenant.test.editor.secret) as client,
    ):
        client.get_customer(reference)


def test_an_address_within_the_api_is_told_from_the_servers(tenant: Tenant) -> None:
    with (
        pytest.raises(Failure, match=r"There is no GET .*drawdown serve"),
        asking(f"{tenant.url}/api/v1", tenant.test.editor.secret) as client,
    ):
        client.get_customer("ada")


@pytest.mark.parametrize(("url", "key"), [("localhost:8080", "sk_test_x"), ("http://x", "sk\n")])
def test_an_url_or_key_that_can_be_none_is_a_failure(url: str, key: str) -> None:
    with pytest.raises(Failure), asking(url, key):
        raise AssertionError("nothing is asked")
