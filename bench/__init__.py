"""Measures Drawdown beside a ledger written by hand in PL/pgSQL, on the same machine in the same run.

``python -m bench`` (``make bench``) is the command; ``docs/performance.md`` says what the figures mean.
Nothing of the package is installed with Drawdown.
"""
