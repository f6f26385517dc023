"""Both official SDKs, in their three forms, behind one way to call them.

A method is named as the Python SDK names it (``credit_entitlements.balances.list_grants``), its answer is
what the SDK read, as JSON has it, and what it raises is told in the same words.
"""

from __future__ import annotations

import re
import warnings
from functools import reduce
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import unquote, urlsplit

import dodopayments

from tests.dialects.dodo.sdk import Dodo
from tests.support.typescript import Sdk, SdkError

FORMS = ("blocking", "async", "typescript")
BASE = "/dodo"
#: What the newest TypeScript SDK has no method for, and its own way to such an endpoint.
LACKING = {"meters.update": ("patch", "/meters/{}")}
#: What both SDKs raise for a status that has no class of its own.
OTHER = "APIError"


class Sent(NamedTuple):
    """``path`` is below the dialect's base, and decoded."""

    method: str
    path: str
    query: str


class Refused(Exception):
    """``error`` is the name of the SDK's class, ``attempts`` how often the request went out."""

    def __init__(self, error: str, status: int, body: Any, attempts: int) -> None:
        super().__init__(f"{error}: {status} {body}")
        assert set(body) == {"code", "message"}
        self.error, self.status, self.attempts = error, status, attempts
        self.code: str = body["code"]
        self.message: str = body["message"]


class Official(Protocol):
    """A client with one key. ``sent``: what went out, repetitions included."""

    @property
    def sent(self) -> list[Sent]: ...

    def __call__(self, name: str, /, *ids: str, extra: Any = None, **given: Any) -> Any:
        """What the method answers. ``extra`` is a field that the SDK does not know. Raises ``Refused``.

        ``post`` is the SDK's own way to an endpoint that it has no method for.
        """

    def every(self, name: str, /, *ids: str, **given: Any) -> list[Any]:
        """All that the SDK's own pager finds."""

    def acting(self, secret: str, url: str | None = None) -> Official:
        """The same with another key, and on another server. Close it, too."""

    def close(self) -> None: ...


def official(form: str, url: str, secret: str, retries: int = 2) -> Official:
    """``retries``: how often the SDK tries again what may be; 2 is its own choice."""
    if form == "typescript":
        options = {"baseURL": url + BASE, "bearerToken": secret, "maxRetries": retries}
        return TypeScript(Sdk("dodopayments", **options))
    return Python(url, secret, blocking=form == "blocking", retries=retries)


class Python:
    """Checks every answer strictly against its models."""

    def __init__(self, url: str, secret: str, *, blocking: bool, retries: int = 2) -> None:
        self._url = url
        self._dodo = Dodo(url, secret, blocking=blocking, retries=retries)

    @property
    def sent(self) -> list[Sent]:
        return [_sent(each.method, str(each.url)) for each in self._dodo.sent]

    def __call__(self, name: str, /, *ids: str, extra: Any = None, **given: Any) -> Any:
        if name == "post":
            given = {"cast_to": object, "body": given | (extra or {})}
        elif extra is not None:
            given[f"extra_{'query' if _reads(name) else 'body'}"] = extra
        before = len(self._dodo.sent)
        try:
            with _deprecated():
                answer = self._dodo(lambda client: _method(client, name)(*ids, **given))
        except dodopayments.APIStatusError as error:
            kind = type(error).__name__.replace("APIStatusError", OTHER)
            attempts = len(self._dodo.sent) - before
            raise Refused(kind, error.status_code, error.body, attempts) from None
        return answer.to_dict(mode="json") if hasattr(answer, "to_dict") else answer

    def every(self, name: str, /, *ids: str, **given: Any) -> list[Any]:
        found = self._dodo.every(lambda client: _method(client, name)(*ids, **given))
        return [each.to_dict(mode="json") for each in found]

    def acting(self, secret: str, url: str | None = None) -> Python:
        return Python(url or self._url, secret, blocking=self._dodo.blocking)

    def close(self) -> None:
        self._dodo.close()


class TypeScript:
    """In a process of Node.js, which those share that act with other keys."""

    def __init__(self, sdk: Sdk, *, owner: bool = True) -> None:
        self._sdk, self._owner = sdk, owner

    @property
    def sent(self) -> list[Sent]:
        return [_sent(*each) for each in self._sdk.sent]

    def __call__(self, name: str, /, *ids: str, extra: Any = None, **given: Any) -> Any:
        given |= ({"query": extra} if name.endswith(".retrieve") else extra) if extra else {}
        if name in LACKING:
            name, path = LACKING[name]
            ids = (path.format(*ids),)
        if name in ("post", "patch"):
            given = {"body": given}
        before = len(self._sdk.sent)
        try:
            return self._sdk.call(_camel(name), *ids, *_last(given)) or None
        except SdkError as error:
            if error.status is None:
                raise
            attempts = len(self._sdk.sent) - before
            raise Refused(error.name, error.status, error.body, attempts) from None

    def every(self, name: str, /, *ids: str, **given: Any) -> list[Any]:
        return self._sdk.pages(_camel(name), *ids, *_last(given))

    def acting(self, secret: str, url: str | None = None) -> Self:
        options = {"bearerToken": secret} | ({"baseURL": url + BASE} if url else {})
        return type(self)(self._sdk.with_options(**options), owner=False)

    def close(self) -> None:
        if self._owner:
            self._sdk.__exit__(None, None, None)


def _method(client: Any, name: str) -> Any:
    return reduce(getattr, name.split("."), client)


def _reads(name: str) -> bool:
    return name.rpartition(".")[2].startswith(("list", "retrieve"))


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def _last(given: dict[str, Any]) -> list[dict[str, Any]]:
    return [given] if given else []


def _sent(method: str, url: str) -> Sent:
    found = urlsplit(url)
    return Sent(method, unquote(found.path.removeprefix(BASE)), found.query)


def _deprecated() -> warnings.catch_warnings[None]:
    """``subscriptions.create`` is deprecated at the vendor, which the SDK says each time."""
    return warnings.catch_warnings(action="ignore", category=DeprecationWarning)
