"""The vendor's own SDK, blocking and not, behind one set of calls; it counts what it sends.

Every answer is checked strictly against the SDK's models (``_strict_response_validation``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import dodopayments
import httpx
import pytest
from dodopayments import (
    AsyncDodoPayments,
    DefaultAsyncHttpxClient,
    DefaultHttpxClient,
    DodoPayments,
)

Ask = Callable[[Any], Any]


@dataclass(frozen=True)
class Refusal:
    """``should_retry``: the header that overrules the SDK's own idea of what to send again."""

    error: type[dodopayments.APIStatusError]
    status: int
    code: str
    message: str
    should_retry: str | None


class Dodo:
    """One client of one key. ``sent`` are the requests that went out, repetitions included."""

    def __init__(self, url: str, secret: str, *, blocking: bool, retries: int = 2) -> None:
        self.sent: list[httpx.Request] = []
        self.blocking = blocking
        self._runner = asyncio.Runner()
        options: dict[str, Any] = {
            "base_url": f"{url}/dodo",
            "bearer_token": secret,
            "max_retries": retries,
            "_strict_response_validation": True,
        }
        self._client: Any
        if blocking:
            hooks = {"request": [self.sent.append]}
            self._client = DodoPayments(
                **options, http_client=DefaultHttpxClient(event_hooks=hooks)
            )
        else:
            self._client = AsyncDodoPayments(
                **options,
                http_client=DefaultAsyncHttpxClient(event_hooks={"request": [self._note]}),
            )

    async def _note(self, request: httpx.Request) -> None:
        self.sent.append(request)

    def close(self) -> None:
        if self.blocking:
            self._client.close()
        else:
            self._runner.run(self._client.close())
        self._runner.close()

    def __call__(self, ask: Ask) -> Any:
        """What ``ask`` gets from the client."""
        asked = ask(self._client)
        return asked if self.blocking else self._runner.run(_answered(asked))

    def every(self, ask: Ask) -> list[Any]:
        """Every item that the SDK's own pager finds."""
        pages = ask(self._client)
        return list(pages) if self.blocking else self._runner.run(_collected(pages))

    def refused(self, ask: Ask) -> Refusal:
        """What ``ask`` is told instead of an answer; it must be in Dodo's shape."""
        with pytest.raises(dodopayments.APIStatusError) as caught:
            self(ask)
        body: Any = caught.value.body
        assert set(body) == {"code", "message"}
        assert all(isinstance(value, str) and value for value in body.values())
        return Refusal(
            error=type(caught.value),
            status=caught.value.status_code,
            code=body["code"],
            message=body["message"],
            should_retry=caught.value.response.headers.get("x-should-retry"),
        )

    # What most tests begin with ------------------------------------------------------------------

    def customer(self, **details: Any) -> str:
        given = {"name": "Ada", "email": "ada@example.com"} | details
        created: str = self(lambda client: client.customers.create(**given)).customer_id
        return created

    def entitlement(self, **settings: Any) -> Any:
        given = {
            "name": "Tokens",
            "unit": "token",
            "precision": 2,
            "rollover_enabled": False,
            "overage_enabled": False,
        } | settings
        return self(lambda client: client.credit_entitlements.create(**given))

    def credit(self, customer: str, entitlement: str, amount: str, **more: Any) -> Any:
        return self(enter("credit", customer, entitlement, amount, **more))

    def debit(self, customer: str, entitlement: str, amount: str, **more: Any) -> Any:
        return self(enter("debit", customer, entitlement, amount, **more))

    def balance(self, customer: str, entitlement: str) -> Any:
        return self(
            lambda client: client.credit_entitlements.balances.retrieve(
                customer, credit_entitlement_id=entitlement
            )
        )

    def grants(self, customer: str, entitlement: str, **query: Any) -> list[Any]:
        """One page, as it was asked for."""
        page: list[Any] = self(
            lambda client: client.credit_entitlements.balances.list_grants(
                customer, credit_entitlement_id=entitlement, **query
            )
        ).items
        return page

    def all_grants(self, customer: str, entitlement: str, **query: Any) -> list[Any]:
        """What the SDK's own pager finds from there."""
        return self.every(
            lambda client: client.credit_entitlements.balances.list_grants(
                customer, credit_entitlement_id=entitlement, **query
            )
        )


def enter(entry_type: str, customer: str, entitlement: str, amount: str, **more: Any) -> Ask:
    return lambda client: client.credit_entitlements.balances.create_ledger_entry(
        customer,
        credit_entitlement_id=entitlement,
        entry_type=entry_type,
        amount=amount,
        **more,
    )


async def _answered(asked: Awaitable[Any]) -> Any:
    return await asked


async def _collected(pages: Any) -> list[Any]:
    return [item async for item in pages]
