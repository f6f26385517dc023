"""Entitlements, customers, balances, the ledger and wallets."""
