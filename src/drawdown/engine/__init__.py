"""The shell around the rules: gathers requests, loads what they need, has them decided, stores the outcome."""
