"""Drawdown: an open, self-hosted ledger of prepaid credits.

``open_ledger`` opens a ledger inside this program; ``drawdown.client`` speaks to a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drawdown.embedded import (
        AccountUnknown,
        DatabaseUrlInvalid,
        StoreUnavailable,
        StoreUnusable,
        open_ledger,
    )

__version__ = "0.1.0"
__all__ = [
    "AccountUnknown",
    "DatabaseUrlInvalid",
    "StoreUnavailable",
    "StoreUnusable",
    "open_ledger",
]


def __getattr__(name: str) -> Any:
    """What is offered here is loaded when it is used: `drawdown --help` needs none of it."""
    if name in __all__:
        from drawdown import embedded

        return getattr(embedded, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
