"""`drawdown demo`: the story of the ledger in a terminal, on real usage and a server thrown away."""
