"""Ids of requests: for the log and the asker, not of the ledger. None are accepted from outside."""

from __future__ import annotations

import os


def new_request_id() -> str:
    """``req_`` and 96 random bits. It orders nothing, so it need not cost what a ledger id costs."""
    return "req_" + os.urandom(12).hex()
