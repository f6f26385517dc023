"""Documents that stand with a wallet, and what they do there at their instants."""
