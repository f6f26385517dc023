"""One book, one key, and a client of each of the four dialects on it."""

from __future__ import annotations

from typing import Any

import httpx
import stripe

from drawdown.client import Client
from tests.dialects.dodo.sdk import Dodo
from tests.dialects.sequence.support import client as sequence_client
from tests.dialects.stripe.conftest import sdk
from tests.support.server import Tenant

Json = dict[str, Any]
#: Whatever a filter may be about: all credit in money.
METERED = {"type": "applicability_scope", "applicability_scope": {"price_type": "metered"}}


class Four:
    """The vendors' SDKs, a plain client for Sequence, Drawdown's own. Threads may share it; close it."""

    def __init__(self, tenant: Tenant) -> None:
        secret = tenant.test.editor.secret
        self.tenant = tenant
        self.http: httpx.Client = tenant.client()
        self.native = Client(tenant.url, secret)
        self.stripe: stripe.StripeClient = sdk(tenant.url, secret)
        self.dodo = Dodo(tenant.url, secret, blocking=True)
        self.sequence: httpx.Client = sequence_client(tenant)

    def close(self) -> None:
        self.http.close()
        self.native.close()
        self.dodo.close()
        self.sequence.close()

    def ask(self, method: str, path: str, body: Json | None = None, **query: Any) -> Any:
        """The native API as it is written: what it answers, which must be a success."""
        answer = self.http.request(method, path, json=body, params=query)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    def every(self, path: str, **query: Any) -> list[Json]:
        """All items of a list of the native API."""
        found: list[Json] = []
        while True:
            page = self.ask("GET", path, limit=100, **query)
            found += page["data"]
            if page["next"] is None:
                return found
            query["after"] = page["next"]
