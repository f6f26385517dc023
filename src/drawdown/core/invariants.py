"""What must always hold. For tests and ``drawdown verify``: each raises ``Fault`` at the first breach."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from drawdown.core.fold import Fault, WalletFold
from drawdown.core.types import UNITS_MAX, Grant, Hold, HoldState, Id

ACCOUNTS = ("posted", "pending", "used", "expired", "voided")


def check_grant(grant: Grant) -> None:
    """amount = remaining + used + expired + voided + rolled_over, and nothing is below zero."""
    parts = (grant.remaining, grant.used, grant.expired, grant.voided, grant.rolled_over)
    if min(parts) < 0 or sum(parts) != grant.amount:
        raise Fault(f"grant {grant.id.hex()}: {parts} do not sum to {grant.amount}")


def check_double_entry(wallet: WalletFold) -> None:
    """What was granted is posted, pending, used, expired or voided; nowhere else, and once.

    What rolled out has rolled in, and what is past zero has come from nowhere else.
    """
    if wallet.rolled or wallet.unfunded != wallet.overage:
        raise Fault(
            f"{wallet.rolled} rolled out and not in; {wallet.unfunded} is unfunded,"
            f" but overage is {wallet.overage}"
        )
    total = sum(getattr(wallet, account) for account in ACCOUNTS)
    if total != wallet.granted or wallet.granted > UNITS_MAX:
        raise Fault(f"{wallet.granted} was granted, but the accounts hold {total}")


class KeptWallet(Protocol):
    """What a store keeps of a wallet beside its entries; accounts are read by their names."""

    @property
    def open_grants(self) -> int: ...
    @property
    def open_holds(self) -> int: ...


def check_wallet(
    folded: WalletFold, kept: KeptWallet, grants: Iterable[Grant], holds: Iterable[Hold]
) -> None:
    """The kept wallet, grants and open holds are what their entries say. ``kept`` has a wallet's fields."""
    check_double_entry(folded)
    for name in (*ACCOUNTS, "granted", "held", "overage", "seq", "chain"):
        if getattr(kept, name) != getattr(folded, name):
            raise Fault(
                f"{name} is kept as {getattr(kept, name)!r}, its entries say {getattr(folded, name)!r}"
            )
    seen = still_open = 0
    for grant in grants:
        seen, still_open = seen + 1, still_open + (grant.remaining > 0)
        _check_against(grant, folded)
    if still_open != kept.open_grants:
        raise Fault(f"{still_open} grants are open, the wallet counts {kept.open_grants}")
    if seen != len(folded.grants):
        raise Fault(f"{len(folded.grants)} grants have entries, {seen} are kept")
    _check_holds(folded, kept, holds)


def _check_holds(folded: WalletFold, kept: KeptWallet, holds: Iterable[Hold]) -> None:
    """What the open holds' slices name is what is held of each grant."""
    held: dict[Id, int] = {}
    count = 0
    for hold in holds:
        if hold.state is not HoldState.OPEN:
            raise Fault(f"hold {hold.id.hex()} is {hold.state}, but stands among the open ones")
        if hold.held != sum(part.amount for part in hold.slices):
            raise Fault(f"hold {hold.id.hex()}: its slices do not sum to {hold.held}")
        count += 1
        for part in hold.slices:
            held[part.grant] = held.get(part.grant, 0) + part.amount
    for grant, found in folded.grants.items():
        if found.held != held.get(grant, 0):
            raise Fault(
                f"grant {grant.hex()}: {found.held} is held, its holds name {held.get(grant, 0)}"
            )
    if not held.keys() <= folded.grants.keys():
        raise Fault("a hold names a grant of another wallet")
    if count != kept.open_holds:
        raise Fault(f"{count} holds are open, the wallet counts {kept.open_holds}")


def _check_against(grant: Grant, folded: WalletFold) -> None:
    check_grant(grant)
    found = folded.grants.get(grant.id)
    if found is None:
        raise Fault(f"grant {grant.id.hex()} has no entries")
    for name in ("amount", "remaining", "used", "expired", "voided", "rolled_over", "held"):
        if getattr(found, name) != getattr(grant, name):
            raise Fault(f"grant {grant.id.hex()}: {name} differs from what its entries say")
    if grant.remaining > 0 and grant.pending != found.pending:
        raise Fault(f"grant {grant.id.hex()}: pending differs from what its entries say")
