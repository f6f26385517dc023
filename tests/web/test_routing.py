"""How a URL finds its endpoint."""

from __future__ import annotations

import pytest

from drawdown.core.requests import Answer
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import MethodNotAllowed, UnknownUrl
from drawdown.web.routing import PATH_CHARACTERS_MAX, Router


async def nothing(call: Call) -> Answer:
    return Answer(status=204, body=b"")


def endpoint(method: str, path: str) -> Endpoint:
    return Endpoint(method=method, path=path, handler=nothing, summary="", role=Role.VIEWER)


TABLE = [
    endpoint("GET", "/customers"),
    endpoint("POST", "/customers"),
    endpoint("GET", "/customers/{customer}"),
    endpoint("GET", "/customers/by-alias/{alias}"),
    endpoint("GET", "/customers/search/all"),
    endpoint("POST", "/customers/{customer}/archive"),
    endpoint("GET", "/credits/{grant}"),
    endpoint("GET", "/credits/{customer}/grants"),
]


@pytest.fixture
def router() -> Router:
    return Router(("/base", "/base/api"), TABLE)


@pytest.mark.parametrize(
    ("path", "expected", "parameters"),
    [
        ("/base/customers", "/customers", {}),
        ("/base/api/customers", "/customers", {}),
        ("/base//customers/", "/customers", {}),
        ("/base/customers/ada", "/customers/{customer}", {"customer": "ada"}),
        ("/base/customers/a%2Fb%20c", "/customers/{customer}", {"customer": "a/b c"}),
        ("/base/customers/%C3%A9", "/customers/{customer}", {"customer": "é"}),
        ("/base/customers/by-alias/x", "/customers/by-alias/{alias}", {"alias": "x"}),
        ("/base/customers/by-alias", "/customers/{customer}", {"customer": "by-alias"}),
        ("/base/credits/x", "/credits/{grant}", {"grant": "x"}),
        ("/base/credits/x/grants", "/credits/{customer}/grants", {"customer": "x"}),
    ],
)
def test_a_path_finds_its_endpoint_and_parameters(
    router: Router, path: str, expected: str, parameters: dict[str, str]
) -> None:
    """Literals win over parameters; slashes may be doubled; parameters are percent-decoded."""
    found, values = router.find("GET", path)
    assert (found.path, values) == (expected, parameters)


def test_a_literal_that_leads_nowhere_gives_way_to_the_parameter(router: Router) -> None:
    found, values = router.find("POST", "/base/customers/search/archive")
    assert found.path == "/customers/{customer}/archive"
    assert values == {"customer": "search"}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/base",
        "/base/nothing",
        "/base/customers/a/b/c",
        "/other/customers",
        "/base/customers/%FF",
        "/base/customers/" + "x" * PATH_CHARACTERS_MAX,
        "/base/" + "x/" * 1000,
    ],
)
def test_what_is_not_in_the_table_is_an_unknown_url(router: Router, path: str) -> None:
    with pytest.raises(UnknownUrl):
        router.find("GET", path)


def test_a_wrong_method_is_told_the_right_ones(router: Router) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        router.find("DELETE", "/base/customers")
    assert caught.value.allowed == ("GET", "HEAD", "POST")
    assert caught.value.headers == ((b"allow", b"GET, HEAD, POST"),)


def test_head_is_answered_like_get(router: Router) -> None:
    assert router.find("HEAD", "/base/customers/ada")[0].method == "GET"
    with pytest.raises(MethodNotAllowed):
        router.find("HEAD", "/base/customers/ada/archive")


def test_one_method_and_path_stands_once_in_a_table() -> None:
    with pytest.raises(AssertionError, match="stands twice"):
        Router(("",), [endpoint("GET", "/a/{x}"), endpoint("GET", "/a/{y}")])
