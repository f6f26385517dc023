"""What the vendor's newest SDK knows of, read out of its own source, beside the dialect's table."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import dodopayments.resources
from dodopayments._resource import SyncAPIResource

from tests.dialects.dodo.test_every_endpoint import ENDPOINTS
from tests.support.server import Tenant

_SENDS = re.compile(
    r'self\._(get|post|patch|put|delete|get_api_list)\(\s*(?:path_template\(\s*)?"(/[^"]*)"'
)
#: The operator's own, which stands for a payment at the vendor.
OURS = {("POST", "/subscriptions/x/confirm-payment")}
#: With these the SDK does not ask the server.
LOCAL = {"WebhooksResource.unwrap", "WebhooksResource.unsafe_unwrap"}


def resources() -> Iterator[type]:
    packages = pkgutil.walk_packages(dodopayments.resources.__path__, "dodopayments.resources.")
    for found in packages:
        module = importlib.import_module(found.name)
        for each in vars(module).values():
            is_own = inspect.isclass(each) and each.__module__ == module.__name__
            if is_own and issubclass(each, SyncAPIResource):
                yield each


def vendors() -> tuple[set[tuple[str, str]], set[str]]:
    """Method and path of each request that the SDK sends; and the methods that send none."""
    found: set[tuple[str, str]] = set()
    silent: set[str] = set()
    for resource in resources():
        for name, method in vars(resource).items():
            if not inspect.isfunction(method):
                continue
            sends = _SENDS.findall(inspect.getsource(method))
            found |= {(_verb(verb), _named(path)) for verb, path in sends}
            if not sends:
                silent.add(f"{resource.__name__}.{name}")
    return found, silent


def _verb(name: str) -> str:
    return "GET" if name == "get_api_list" else name.upper()


def _named(path: str) -> str:
    return re.sub(r"\{\w+\}", "x", path)


VENDORS, SILENT = vendors()


def test_all_that_the_sdk_sends_was_found() -> None:
    assert SILENT == LOCAL
    assert ("POST", "/credit-entitlements/x/balances/x/ledger-entries") in VENDORS


def test_there_is_one_endpoint_that_the_vendor_does_not_have() -> None:
    assert {(each.method, _named(each.path)) for each in ENDPOINTS} - VENDORS == OURS


def test_what_the_vendor_has_beyond_the_table_is_not_there(tenant: Tenant) -> None:
    """404 in its shape, or 405 where the path is another endpoint's: nothing is half there."""
    beyond = VENDORS - {(each.method, _named(each.path)) for each in ENDPOINTS}
    assert len(beyond) > 100
    with tenant.client(base="/dodo") as http:
        for method, path in beyond:
            answer = http.request(method, path)
            told = (answer.status_code, answer.json()["code"])
            assert told in {(404, "NOT_FOUND"), (405, "UNSUPPORTED_ACTION")}, (method, path)
