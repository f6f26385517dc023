"""Where the ledger is kept. One folder per database; the same query names in each."""
