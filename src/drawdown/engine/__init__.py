"""The shell around the rules: gathers requests, loads what they need, stores what was decided."""
