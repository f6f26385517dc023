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
        except UnicodeEncodeError:  # bytes that the shell handed on as they were
            raise Failure("An argument is no UTF-8.", "Type it again.") from None
        except ValueError as error:  # what cannot be asked, such as an id that a script left empty
            raise Failure(f"{error}.") from None


def _client(url: str, key: str, http: httpx.Client) -> Client:
    try:
        return Client(url, key, timeout=TIMEOUT_SECONDS, attempts_max=ATTEMPTS_MAX, http=http)
    except ValueError as error:
        raise Failure(str(error)) from None


#: What a person can do about a refusal, by its code.
WAYS_OUT = {
    "customer_not_found": "`drawdown customers list` shows them; `customers create` makes one.",
    "entitlement_not_found": "`drawdown entitlements list` shows them; `entitlements create` makes one.",
    "grant_not_found": "`drawdown grants list` shows them.",
    "debit_not_found": "`drawdown entries` shows a customer's operations.",
    "hold_not_found": "`drawdown hold list` shows them.",
    "hold_ended": "`drawdown hold show` tells how; make a new one.",
    "grant_held": "`drawdown hold list` shows the holds: release them, or wait for their end.",
    "insufficient_credit": "`drawdown balance` shows what there is; `drawdown grants issue` adds to it.",
    "forbidden": "Give a key with a larger role, with --key or DRAWDOWN_API_KEY.",
    "key_reused": "Give another --idempotency-key.",
    "unknown_url": "Give the URL that `drawdown serve` prints, with --url or DRAWDOWN_URL.",
}


def failure_of(error: DrawdownError, url: str, again: str = "") -> Failure:
    """The error as a line for people, and the way out."""
    match error:
        case Unauthorized():
            return Failure(
                f"The server at {url} does not know this key.",
                "Give its secret (sk_test_… or sk_live_…) with --key or DRAWDOWN_API_KEY.",
            )
        case Unavailable():
            return Failure(error.detail, again or _once_more(error))
        case UnexpectedAnswer():
            return Failure(
                error.detail,
                "Give the URL that `drawdown serve` prints, with --url or DRAWDOWN_URL.",
            )
    refused = f"The server at {url} refused: {error.detail.rstrip('.')}."
    return Failure(refused, WAYS_OUT.get(error.code, ""))


def _once_more(error: DrawdownError) -> str:
    """A write that was not answered may have been carried out: its key tells."""
    if error.idempotency_key is None:
        return "`drawdown doctor` finds out why."
    return (
        f"Run it again with --idempotency-key {error.idempotency_key}: if it was done, it is not done "
        "twice. `drawdown doctor` finds out why."
    )
