"""Recurring grants: what a schedule says, when its cycles begin, and what they do."""
