"""What the dialects say of names and of ids from elsewhere, for who looks at a ledger without serving it."""

from __future__ import annotations

from drawdown.dialects.sequence import names as sequence
from drawdown.dialects.stripe import names as stripe
from drawdown.engine.claims_audit import Naming

NAMING = Naming(
    documents={**sequence.NAMES, **stripe.NAMES}, leads={**sequence.LEADS, **stripe.LEADS}
)
