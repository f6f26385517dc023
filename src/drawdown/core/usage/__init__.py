"""Usage: events, what meters count of them, what that costs, and who pays."""
