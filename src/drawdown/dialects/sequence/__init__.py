"""Sequence's credits over the ledger, under ``/sequence``: amounts are JSON numbers, dates are days."""
