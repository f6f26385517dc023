"""A Drawdown server asked from the command line: what goes wrong is told to the person there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from drawdown.cli.failures import Failure
from drawdown.client import Client, DrawdownError, Unauthorized, Unavailable, UnexpectedAnswer

ATTEMPTS_MAX = 6
TIMEOUT_SECONDS = 60.0


@contextmanager
def asking(url: str, key: str | None, *, again: str = "", direct: bool = False) -> Iterator[Client]:
    """A client of the server at ``url``; what it raises within the block becomes a ``Failure``.

    ``again`` says what to do when there was no answer. ``direct`` ignores proxy settings.
    """
    if not key:
        raise Failure(
            "A key is needed.",
            "Put the secret of one into DRAWDOWN_API_KEY; `drawdown keys create` makes one.",
        )
    with httpx.Client(trust_env=not direct) as http:
        client = _client(url, key, http)
        try:
            yield client
        except DrawdownError as error:
            raise failure_of(error, client.url, again) from None


def _client(url: str, key: str, http: httpx.Client) -> Client:
    try:
        return Client(url, key, timeout=TIMEOUT_SECONDS, attempts_max=ATTEMPTS_MAX, http=http)
    except ValueError as error:
        raise Failure(str(error)) from None


def failure_of(error: DrawdownError, url: str, again: str = "") -> Failure:
    """The error as a line for people, and the way out."""
    match error:
        case Unauthorized():
            return Failure(
                f"The server at {url} does not know this key.",
                "Give its secret (sk_test_… or sk_live_…) with --key or DRAWDOWN_API_KEY.",
            )
        case Unavailable():
            return Failure(error.detail, again)
        case UnexpectedAnswer():
            return Failure(
                error.detail,
                "Give the URL that `drawdown serve` prints, with --url or DRAWDOWN_URL.",
            )
    return Failure(f"The server at {url} refused: {error.detail.rstrip('.')}.")
