"""Any instant: a wallet as it was, as it is, and as it will be, by the same code that records it."""

from __future__ import annotations

from drawdown.core import posting
from drawdown.core.state import Changes, Wallet
from drawdown.core.types import Id, Instant

_NOBODY = Id(bytes(16))


def settled(wallet: Wallet, at: Instant) -> Wallet:
    """The wallet, of which all that is due is loaded, as time alone will have made it by ``at``.

    It is changed in place and nothing is recorded. Time never runs back: an earlier ``at`` is its last.
    """
    recorded = (wallet.seq, wallet.chain, wallet.last_at)
    posting.settle(wallet, Changes(), _NOBODY, Instant(max(at, wallet.last_at)), at)
    wallet.seq, wallet.chain, wallet.last_at = recorded
    return wallet
