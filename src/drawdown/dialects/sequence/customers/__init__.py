"""Customers, and the aliases that usage names them by."""
