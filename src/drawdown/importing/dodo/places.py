"""Where each list of an account is kept, and where the vendor answers it."""

from __future__ import annotations

ENTITLEMENTS = "entitlements"
DELETED = "deleted-entitlements"
CUSTOMERS = "customers"


def balances(entitlement: str) -> str:
    return f"credit/{entitlement}/balances"


def grants(entitlement: str, customer: str) -> str:
    return f"credit/{entitlement}/{customer}/grants"


def ledger(entitlement: str, customer: str) -> str:
    return f"credit/{entitlement}/{customer}/ledger"


def path_of_balances(entitlement: str) -> str:
    return f"/credit-entitlements/{entitlement}/balances"


def path_of_grants(entitlement: str, customer: str) -> str:
    return f"/credit-entitlements/{entitlement}/balances/{customer}/grants"


def path_of_ledger(entitlement: str, customer: str) -> str:
    return f"/credit-entitlements/{entitlement}/balances/{customer}/ledger"
