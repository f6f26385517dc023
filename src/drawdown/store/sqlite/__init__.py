"""The ledger in one SQLite file: the default, and a complete installation in one process."""
