"""The dialects: thin translators from HTTP to the ledger, each over one table of endpoints."""
