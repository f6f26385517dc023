"""By which names this dialect's documents are known; ``drawdown verify`` holds their claims to it."""

from __future__ import annotations

import msgspec

from drawdown.core.claims import NamesByKind
from drawdown.dialects.stripe.products import PRODUCTS, Product


def _of_product(body: str) -> str | None:
    """The id that was chosen for it."""
    return msgspec.json.decode(body, type=Product).own_id


NAMES: NamesByKind = {PRODUCTS.kind: _of_product}
