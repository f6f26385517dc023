"""Drawdown: an open, self-hosted ledger of prepaid credits."""

__version__ = "0.1.0"
