"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from drawdown.client import calls, exchange, requests
from drawdown.client.binding import described
from drawdown.client.calls import Call, Listing
from drawdown.client.errors import DrawdownError, HoldEnded
from drawdown.client.holding import Answer, Holding
from drawdown.client.records import Hold

P = ParamSpec("P")
T = TypeVar("T")


def _method(
    build: Callable[P, Call[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(build(*args, **kwargs))

    return described("AsyncClient", method, build, "{}")


def _pages(
    build: Callable[P, Listing[T]],
) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[T]]:
    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self._items(build(*args, **kwargs))

    return described("AsyncClient", method, build, "AsyncIterator[{}]")


def _holding(
    build: Callable[P, Call[Hold]],
) -> Callable[Concatenate[AsyncClient, P], Authorizing]:
    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> Authorizing:
        return Authorizing(self, build(*args, **kwargs))

    return described("AsyncClient", method, build, "Authorizing")


def _of_hold(
    build: Callable[Concatenate[str, P], Call[Answer]],
) -> Callable[Concatenate[AsyncOpenHold, P], Coroutine[Any, Any, Answer]]:
    async def method(self: AsyncOpenHold, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
        return self._noted(await self._client.send(build(self.id, *args, **kwargs)))

    return described("AsyncOpenHold", method, build, "{}", bound=1)


class AsyncClient:
    """As ``Client``, with the same methods, to be awaited; lists are gone through with ``async for``.

    ``hold`` may be awaited, or entered with ``async with``.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        attempts_max: int = 5,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._server = exchange.server(url, key, attempts_max)
        self._timeout = timeout
        self._http = httpx.AsyncClient() if http is None else http
        self._closes = http is None

    def __repr__(self) -> str:
        return f"AsyncClient({self.url!r})"

    @property
    def url(self) -> str:
        return self._server.url

    async def close(self) -> None:
        """Close its connections."""
        if self._closes:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, call: Call[T]) -> T:
        """The answer to one request, sent again while that can help."""
        attempts = exchange.Attempts(self._server, call)
        while True:
            try:
                response = await self._http.request(
                    call.method,
                    self.url + call.path,
                    params=call.query or None,
                    content=call.body,
                    headers=self._server.headers(call),
                    timeout=self._timeout,
                    follow_redirects=False,
                )
            except httpx.RequestError as error:
                await asyncio.sleep(attempts.after_no_answer(error))
                continue
            pause = attempts.after_answer(response.status_code, response.headers)
            if pause is None:
                return exchange.read(
                    self._server, call, response.status_code, response.headers, response.content
                )
            await asyncio.sleep(pause)

    async def _items(self, listing: Listing[T]) -> AsyncIterator[T]:
        """Page after page, each asked for when the one before has been gone through."""
        cursor: str | None = None
        while True:
            page = await self.send(listing.after(cursor))
            for item in page.data:
                yield item
            cursor = page.next
            if cursor is None:
                return

    create_customer = _method(requests.directory.create_customer)
    get_customer = _method(requests.directory.get_customer)
    amend_customer = _method(requests.directory.amend_customer)
    close_customer = _method(requests.directory.close_customer)
    customers = _pages(requests.directory.customers)
    create_entitlement = _method(requests.directory.create_entitlement)
    amend_entitlement = _method(requests.directory.amend_entitlement)
    close_entitlement = _method(requests.directory.close_entitlement)
    reopen_entitlement = _method(requests.directory.reopen_entitlement)
    get_entitlement = _method(requests.directory.get_entitlement)
    entitlements = _pages(requests.directory.entitlements)
    create_api_key = _method(requests.directory.create_api_key)
    revoke_api_key = _method(requests.directory.revoke_api_key)
    api_keys = _pages(requests.directory.api_keys)

    grant = _method(requests.grants.grant)
    get_grant = _method(requests.grants.get_grant)
    grants = _pages(requests.grants.grants)
    amend_grant = _method(requests.grants.amend_grant)
    adjust_grant = _method(requests.grants.adjust_grant)
    expire_grant = _method(requests.grants.expire_grant)
    void_grant = _method(requests.grants.void_grant)

    debit = _method(requests.debits.debit)
    debit_many = _method(requests.debits.debit_many)
    get_debit = _method(requests.debits.get_debit)
    reverse = _method(requests.debits.reverse)
    explain = _method(requests.debits.explain)
    spend = _method(requests.debits.spend)
    get_spend = _method(requests.debits.get_spend)

    hold = _holding(requests.holds.hold)
    get_hold = _method(requests.holds.get_hold)
    holds = _pages(requests.holds.holds)
    capture = _method(requests.holds.capture)
    release = _method(requests.holds.release)
    extend = _method(requests.holds.extend)

    balance = _method(requests.balances.balance)
    reset_overage = _method(requests.balances.reset_overage)
    balance_history = _pages(requests.balances.balance_history)
    entries = _pages(requests.balances.entries)
    forecast = _method(requests.ahead.forecast)
    dry_run = _method(requests.ahead.dry_run)

    create_meter = _method(requests.usage.create_meter)
    get_meter = _method(requests.usage.get_meter)
    meters = _pages(requests.usage.meters)
    amend_meter = _method(requests.usage.amend_meter)
    close_meter = _method(requests.usage.close_meter)
    reopen_meter = _method(requests.usage.reopen_meter)
    create_rate = _method(requests.usage.create_rate)
    get_rate = _method(requests.usage.get_rate)
    close_rate = _method(requests.usage.close_rate)
    attach_rate = _method(requests.usage.attach_rate)
    detach_rate = _method(requests.usage.detach_rate)
    rates = _pages(requests.usage.rates)
    record_event = _method(requests.usage.record_event)
    record_events = _method(requests.usage.record_events)
    get_usage_event = _method(requests.usage.get_usage_event)
    usage_events = _pages(requests.usage.usage_events)

    create_schedule = _method(requests.schedules.create_schedule)
    get_schedule = _method(requests.schedules.get_schedule)
    schedules = _pages(requests.schedules.schedules)
    amend_schedule = _method(requests.schedules.amend_schedule)
    pause_schedule = _method(requests.schedules.pause_schedule)
    resume_schedule = _method(requests.schedules.resume_schedule)
    cancel_schedule = _method(requests.schedules.cancel_schedule)
    create_alert = _method(requests.alerts.create_alert)
    get_alert = _method(requests.alerts.get_alert)
    alerts = _pages(requests.alerts.alerts)
    close_alert = _method(requests.alerts.close_alert)
    create_top_up = _method(requests.top_ups.create_top_up)
    get_top_up = _method(requests.top_ups.get_top_up)
    top_ups = _pages(requests.top_ups.top_ups)
    close_top_up = _method(requests.top_ups.close_top_up)
    get_top_up_request = _method(requests.top_ups.get_top_up_request)
    top_up_requests = _pages(requests.top_ups.top_up_requests)
    confirm_top_up = _method(requests.top_ups.confirm_top_up)
    fail_top_up = _method(requests.top_ups.fail_top_up)
    create_test_clock = _method(requests.clocks.create_test_clock)
    get_test_clock = _method(requests.clocks.get_test_clock)
    test_clocks = _pages(requests.clocks.test_clocks)
    advance_test_clock = _method(requests.clocks.advance_test_clock)
    delete_test_clock = _method(requests.clocks.delete_test_clock)

    events = _method(requests.webhooks.events)
    create_webhook_endpoint = _method(requests.webhooks.create_webhook_endpoint)
    get_webhook_endpoint = _method(requests.webhooks.get_webhook_endpoint)
    webhook_endpoints = _pages(requests.webhooks.webhook_endpoints)
    change_webhook_endpoint = _method(requests.webhooks.change_webhook_endpoint)
    delete_webhook_endpoint = _method(requests.webhooks.delete_webhook_endpoint)
    rotate_webhook_secret = _method(requests.webhooks.rotate_webhook_secret)
    test_webhook_endpoint = _method(requests.webhooks.test_webhook_endpoint)
    redeliver = _method(requests.webhooks.redeliver)
    webhook_deliveries = _pages(requests.webhooks.webhook_deliveries)
    dead_letters = _pages(requests.webhooks.dead_letters)

    request = _method(calls.request)


class AsyncOpenHold(Holding):
    """A hold to capture from. Leaving ``async with`` releases what is still held, whatever happened."""

    def __init__(self, client: AsyncClient, record: Hold) -> None:
        super().__init__(record)
        self._client = client

    capture = _of_hold(requests.holds.capture)
    release = _of_hold(requests.holds.release)
    extend = _of_hold(requests.holds.extend)
    refresh = _of_hold(requests.holds.get_hold)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        body: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.state != "open":
            return
        try:
            await self.release()
        except HoldEnded:
            return
        except DrawdownError as error:
            if body is None:
                raise
            self._note_unreleased(error, body)


class Authorizing:
    """What ``AsyncClient.hold`` answers: a hold once it is awaited, or entered."""

    def __init__(self, client: AsyncClient, call: Call[Hold]) -> None:
        self._client = client
        self._call = call
        self._entered: AsyncOpenHold | None = None

    def __await__(self) -> Generator[Any, None, AsyncOpenHold]:
        return self._authorized().__await__()

    async def __aenter__(self) -> AsyncOpenHold:
        self._entered = await self
        return self._entered

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        body: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._entered is not None
        await self._entered.__aexit__(kind, body, trace)

    async def _authorized(self) -> AsyncOpenHold:
        return AsyncOpenHold(self._client, await self._client.send(self._call))
