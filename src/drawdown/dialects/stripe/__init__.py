"""Stripe's Billing Credits over the ledger: its words, its shapes and its manners."""
