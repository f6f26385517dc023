"""What can be read of a ledger. Nothing is written; ``Ledger`` is all of it."""
