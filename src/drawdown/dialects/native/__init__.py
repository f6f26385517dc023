"""The native API at ``/api/v1``: all that the ledger can do, in its own words."""
