"""By which names the documents of all dialects are known, for who looks at a ledger without serving it."""

from __future__ import annotations

from drawdown.core.claims import NamesByKind
from drawdown.dialects.sequence import names as sequence
from drawdown.dialects.stripe import names as stripe

DOCUMENT_NAMES: NamesByKind = {**sequence.NAMES, **stripe.NAMES}
