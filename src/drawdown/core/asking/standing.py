"""What an action of a player needs: the wallet with all that stands there, and what the player says."""

from __future__ import annotations

from drawdown.core.asking.asking import Asking
from drawdown.core.commands import Act
from drawdown.core.requests import Request
from drawdown.core.standing import playing
from drawdown.core.standing.players import Wants
from drawdown.core.state import Wallet, WalletKey
from drawdown.core.types import BurnOrder, Instant


def act(asking: Asking, request: Request, command: Act) -> None:
    key = asking.wallet_key(request, command.customer, command.entitlement)
    if key is None:
        return
    if command.begins:
        asking.lock_customer(key[0])
    now = asking.now(request, key)
    wallet = asking.due(now, key)
    if wallet is None and asking.state.wallets.get(key, key) is not None:
        return
    asking.demand.grown.add(key)
    found = wallet or Wallet(key[0], key[1], BurnOrder.SOONEST_EXPIRY, now)  # it is new
    at = Instant(asking.demand.time_of(found, now))
    player, standing = asking.state.players[command.kind], found.documents.values()
    known = asking.state.documents
    wants = player.wants_to_act(key[0], standing, command.action, at, known)
    asking.met(key, found, wants)


def reserved(asking: Asking, request: Request, key: WalletKey) -> bool:
    """Whether it is known what documents have set aside, with all that they may set aside instead."""
    if asking.customer(request.book, key[0]) is None:
        return False
    wallet = asking.due(asking.now(request, key), key)
    if wallet is None:
        return False
    holds = playing.reserved(wallet, asking.state)
    return not holds or asking.met(key, wallet, Wants(holds=holds))
