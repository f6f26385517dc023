"""Products and subscriptions."""
