"""One version of Stripe's Python SDK, in a process of its own: a call a line comes in, an answer goes out.

It needs the SDK alone, so it runs where nothing else is installed (``python_sdk``). A call is told by its
name below the client, and how by its form: ``blocking`` and ``async`` are methods of ``StripeClient``,
``resources`` those of the classes (``stripe.billing.CreditGrant.create``) with settings that are global.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from functools import reduce
from typing import Any, get_args

import stripe

from tests.dialects.stripe import typed
from tests.dialects.stripe.typed import Checking, Fitting, Json, plain

#: Classes call otherwise what services call so.
_RENAMED = {
    "v1.invoices.line_items.list": "Invoice.list_lines",
    "v1.billing.meters.event_summaries.list": "billing.Meter.list_event_summaries",
}
#: Method and address of what went out for one call, repetitions included.
sent: list[tuple[str, str]] = []


class Blocking(stripe.RequestsClient):
    def request(
        self, method: str, url: str, headers: Any, post_data: Any = None, **more: Any
    ) -> Any:
        sent.append((method.upper(), url))
        return super().request(method, url, headers, post_data)


class Async(stripe.HTTPXClient):
    async def request_async(
        self, method: str, url: str, headers: Any, post_data: Any = None
    ) -> Any:
        sent.append((method.upper(), url))
        return await super().request_async(method, url, headers, post_data)


class Child:
    """``url``: the server's. ``retries``: how often the SDK may try again; None: as often as it likes.

    ``closed``: whether it must know each field that is answered (``Checking``).
    """

    def __init__(self, form: str, url: str, retries: int | None, *, closed: bool) -> None:
        self._form, self._url, self._retries = form, url, retries
        self._runner = asyncio.Runner()
        self._http: Any = Async() if form == "async" else Blocking()
        self._checking = Checking(closed=closed)
        self._clients: dict[str, Any] = {}
        if form == "resources":
            stripe.api_base = stripe.meter_events_api_base = url
            stripe.default_http_client = self._http
            if retries is not None:
                stripe.max_network_retries = retries

    def answer(self, asked: Json) -> Json:
        sent.clear()
        try:
            told = {"result": getattr(self, f"_{asked['do']}")(**asked["with"])}
        except stripe.StripeError as error:
            if error.http_status is None:
                raise
            told = {"error": _told(error)}
        return told | {"sent": sent}

    def _call(self, name: str, **asked: Any) -> Json:
        """What was read, and what in it is not as the SDK's types say."""
        found = self._send(name, **asked)
        hint = typed.calls()[name].answer
        return {"answer": plain(found), "faults": self._checking.faults(found, hint, name)}

    def _every(self, name: str, **asked: Any) -> Json:
        """All that the SDK's own pager finds."""
        pages = self._send(name, **asked)
        items = self._runner.run(_all(pages)) if self._form == "async" else pages.auto_paging_iter()
        found = list(items)
        [hint] = get_args(typed.calls()[name].answer)
        faults = self._checking.faults(found, list[hint], name)  # type: ignore[valid-type]
        return {"answer": plain(found), "faults": faults}

    def _calls(self) -> Json:
        return {name: [each.verb, each.path] for name, each in typed.calls().items()}

    def _parameters(self, names: list[str]) -> Json:
        return {name: typed.calls()[name].parameters for name in names}

    def _fit(self, components: Json, schemas: Json, but: list[str]) -> list[str]:
        """Why an answer of some schema may be none that its call can read."""
        fitting, found = Fitting(components, but), []
        for name, schema in schemas.items():
            found += fitting.faults(schema, typed.calls()[name].answer, name)
        return found

    def _send(self, name: str, *, secret: str, ids: list[str], given: Json, options: Json) -> Any:
        if self._form == "async":
            waiting = self._method(f"{name}_async", secret)
            return self._runner.run(waiting(*ids, given, options))
        if self._form == "resources" and name.startswith("v1."):
            return self._of_class(name, secret)(*ids, api_key=secret, **options, **given)
        return self._method(name, secret)(*ids, given, options)

    def _method(self, name: str, secret: str) -> Any:
        return reduce(getattr, name.split("."), self._client(secret))

    def _of_class(self, name: str, secret: str) -> Any:
        """A service and its class are called alike, and stand in one package."""
        if name in _RENAMED:
            return reduce(getattr, _RENAMED[name].split("."), stripe)
        path, _, method = name.rpartition(".")
        service = type(self._method(path, secret))
        package = importlib.import_module(service.__module__.rpartition(".")[0])
        owner = getattr(package, service.__name__.removesuffix("Service"))
        return getattr(owner, "modify" if method == "update" else method)

    def _client(self, secret: str) -> Any:
        if secret not in self._clients:
            self._clients[secret] = stripe.StripeClient(
                secret,
                base_addresses={"api": self._url, "meter_events": self._url},
                http_client=self._http,
                max_network_retries=self._retries,
            )
        return self._clients[secret]

    def close(self) -> None:
        if self._form == "async":
            self._runner.run(self._http.close_async())
        self._runner.close()


async def _all(pages: Any) -> list[Any]:
    return [each async for each in pages.auto_paging_iter()]


def _told(error: Any) -> Json:
    body = error.json_body["error"]
    return {
        "error": type(error).__name__,
        "status": error.http_status,
        "request_id": error.request_id,
        "body": body,
    }


def serve() -> None:
    """Until there is nothing more to read. The first line says what ``Child`` takes."""
    child = Child(**json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(child.answer(json.loads(line))) + "\n")
        sys.stdout.flush()
    child.close()
