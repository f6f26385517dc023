"""Stripe's SDKs for Python and for Node.js, behind one way to call them.

A method is named as the Python SDK names it below ``client.v1`` (``billing.credit_grants.create``), its
answer is what the SDK read, as JSON has it, and what it raises is told in the same words.
"""

from __future__ import annotations

import json
import re
from functools import reduce
from typing import Any, Protocol

import stripe

from tests.dialects.stripe.conftest import sdk
from tests.dialects.stripe.node import address
from tests.support.typescript import Sdk, SdkError

FORMS = ("python", "node")
#: What the SDK for Node.js calls otherwise, or keeps in another place.
_NODE = {
    "billing.credit_balance_summary.retrieve": "billing.creditBalanceSummaries.retrieve",
    "billing.meters.event_summaries.list": "billing.meters.listEventSummaries",
    "invoices.line_items.list": "invoices.listLineItems",
}


class Refused(Exception):
    """``error`` is the name of the SDK's class."""

    def __init__(self, error: str, status: int, code: str | None, param: str | None) -> None:
        super().__init__(f"{error}: {status} {code} {param}")
        self.error, self.status, self.code, self.param = error, status, code, param


class Official(Protocol):
    """A client with one key."""

    def __call__(self, name: str, /, *ids: str, **given: Any) -> Any:
        """What the method answers. Raises ``Refused``."""

    def every(self, name: str, /, *ids: str, **given: Any) -> list[Any]:
        """All that the SDK's own pager finds."""

    def close(self) -> None: ...


def official(form: str, url: str, secret: str) -> Official:
    return Python(url, secret) if form == "python" else Node(url, secret)


class Python:
    def __init__(self, url: str, secret: str) -> None:
        self._v1 = sdk(url, secret).v1

    def __call__(self, name: str, /, *ids: str, **given: Any) -> Any:
        try:
            return _plain(self._method(name)(*ids, *_last(given)))
        except stripe.StripeError as error:
            if error.http_status is None:
                raise
            kind, param = type(error).__name__, getattr(error, "param", None)
            raise Refused(kind, error.http_status, error.code, param) from None

    def every(self, name: str, /, *ids: str, **given: Any) -> list[Any]:
        found = self._method(name)(*ids, *_last(given))
        return [_plain(each) for each in found.auto_paging_iter()]

    def close(self) -> None:
        """There is nothing of it to close."""

    def _method(self, name: str) -> Any:
        return reduce(getattr, name.split("."), self._v1)


class Node:
    def __init__(self, url: str, secret: str) -> None:
        self._sdk = Sdk("stripe", key=secret, maxNetworkRetries=0, **address(url))

    def __call__(self, name: str, /, *ids: str, **given: Any) -> Any:
        try:
            return self._sdk.call(_camel(name), *ids, *_last(given))
        except SdkError as error:
            if error.status is None:
                raise
            kind = error.name.removeprefix("Stripe")
            raise Refused(kind, error.status, error.code, error.told.get("param")) from None

    def every(self, name: str, /, *ids: str, **given: Any) -> list[Any]:
        """By iteration; its arrays are the same."""
        found = self._sdk.pages(_camel(name), *ids, *_last(given))
        assert self._sdk.array(_camel(name), *ids, *_last(given), most=10_000) == found
        return found

    def close(self) -> None:
        self._sdk.__exit__(None, None, None)


def _camel(name: str) -> str:
    name = re.sub(r"\.delete$", ".del", _NODE.get(name, name))
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def _plain(answer: Any) -> Any:
    """Decimals, which this SDK makes of text, as the text that they were."""
    return json.loads(json.dumps(answer.to_dict(), default=str))


def _last(given: dict[str, Any]) -> list[dict[str, Any]]:
    return [given] if given else []
