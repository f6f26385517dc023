"""By which names this dialect's documents are known, and what the vendor's ids lead to, for ``verify``."""

from __future__ import annotations

import msgspec

from drawdown.core.claims import NamesByKind
from drawdown.core.imported_ids import GrantKept, Kept, Lead, Leads
from drawdown.core.types import Document, Id
from drawdown.dialects.stripe import imported
from drawdown.dialects.stripe.products import PRODUCTS, Product


def _of_product(body: str) -> str | None:
    """The id that was chosen for it."""
    return msgspec.json.decode(body, type=Product).own_id


def _target(body: str) -> tuple[tuple[type[Kept], ...], Id]:
    grant, transaction = imported.ids_in(body)
    if grant is not None:
        return (GrantKept,), grant
    if transaction is None:
        raise ValueError("it leads to nothing")
    return (Document,), transaction


def _known_as(found: Kept) -> str | None:
    if isinstance(found, Document):
        return imported.read(found).id if found.kind == imported.TRANSACTION else None
    there = found.profiles.get(imported.PROFILE)
    return None if there is None else there["id"]


LEADS: Leads = {imported.PLACE: Lead(_target, _known_as)}
NAMES: NamesByKind = {PRODUCTS.kind: _of_product}
