"""Asking an account by the vendor's own SDK."""

from __future__ import annotations

import stripe

from drawdown.importing.fetching import TIMEOUT_SECONDS, Answered, NoAnswer, check_size


class Sdk:
    """What it answers is kept as it came; asking again is the fetcher's part."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = stripe.HTTPXClient(timeout=TIMEOUT_SECONDS)
        self._client = stripe.StripeClient(
            key,
            base_addresses={"api": self.base_url},
            http_client=self._http,
            max_network_retries=0,
        )

    async def get(self, path: str, query: dict[str, str]) -> Answered:
        try:
            found = await self._client.raw_request_async("get", path, **query)
        except stripe.APIConnectionError as error:
            cause = error.__cause__ or error.__context__ or error
            raise NoAnswer(type(cause).__name__) from None
        except stripe.StripeError as error:
            if error.http_status is None:
                raise NoAnswer(type(error).__name__) from None
            return Answered(
                error.http_status, error.headers or {}, (error.http_body or "").encode()
            )
        body = found.body.encode()
        check_size(path, body)
        return Answered(found.code, found.headers, body)

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]
