"""Ids of requests: for the log and the asker, not of the ledger. None are accepted from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator

_DIGITS = 24
_AT_ONCE = 256


class RequestIds:
    """``req_`` and 96 random bits. They order nothing, so they need not cost what a ledger id costs."""

    def __init__(self) -> None:
        self._drawn = self._draw()
        os.register_at_fork(after_in_child=self._forget)

    def new(self) -> str:
        return next(self._drawn)

    @staticmethod
    def _draw() -> Iterator[str]:
        """The system is asked for many at once: one call for each would cost more than the rest."""
        while True:
            digits = os.urandom(_AT_ONCE * _DIGITS // 2).hex()
            for at in range(0, len(digits), _DIGITS):
                yield "req_" + digits[at : at + _DIGITS]

    def _forget(self) -> None:
        """What was drawn before a fork is the parent's."""
        self._drawn = self._draw()


new_request_id = RequestIds().new
