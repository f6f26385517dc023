"""Every request of the native API, written once: what is asked, and how the answer is read."""

from drawdown.client.requests import balances, debits, directory, grants, holds, usage, webhooks

__all__ = ["balances", "debits", "directory", "grants", "holds", "usage", "webhooks"]
