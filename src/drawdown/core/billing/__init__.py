"""Billing: subscriptions, their invoices, and the credit that pays for them."""
