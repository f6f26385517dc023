"""Records of the ledger as Dodo shows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from drawdown.core import amounts, identity, types
from drawdown.core.lifecycle import state_of
from drawdown.core.requests import Accepted
from drawdown.core.times import text_of
from drawdown.core.types import GrantState, Id, Instant, Metadata
from drawdown.dialects.dodo.credit import imported
from drawdown.dialects.dodo.credit.imported import entitlement_id
from drawdown.dialects.dodo.credit.wire import HeldCredit
from drawdown.dialects.dodo.reading import PROFILE
from drawdown.dialects.dodo.selling.links import SUBSCRIPTION, subscription_in
from drawdown.dialects.dodo.wire import (
    Balance,
    CreditEntitlement,
    Customer,
    CustomerProfile,
    EntitlementProfile,
    EntryType,
    Grant,
    GrantStatus,
    LedgerEntry,
)

#: What each status lists; together they list every grant that Dodo shows, each once. Dodo has no
#: word for a voided grant: it lost its credit to something other than use, so it is shown as
#: expired. A pending grant is not shown at all.
STATES: dict[GrantStatus, frozenset[GrantState]] = {
    GrantStatus.ACTIVE: frozenset({GrantState.ACTIVE}),
    GrantStatus.DEPLETED: frozenset({GrantState.DEPLETED}),
    GrantStatus.EXPIRED: frozenset({GrantState.EXPIRED, GrantState.VOIDED}),
}
SHOWN = frozenset[GrantState]().union(*STATES.values())


def customer_id(found: types.Customer) -> str:
    """The operator's own id for the customer, if it has one."""
    return found.own_id or identity.spell("cus_", found.id)


def business_id(account: Id) -> str:
    return identity.spell("bus_", account)


def customer(found: types.Customer, account: Id) -> Customer:
    profile = msgspec.convert(found.profiles.get(PROFILE, {}), CustomerProfile)
    return Customer(
        customer_id=customer_id(found),
        business_id=business_id(account),
        name=found.name or "",
        email=found.email or "",
        created_at=text_of(found.created_at),
        phone_number=profile.phone_number,
        metadata=found.metadata,
        preferred_locale=profile.preferred_locale,
    )


def entitlement(found: types.Entitlement, account: Id) -> CreditEntitlement:
    profile = msgspec.convert(found.profiles.get(PROFILE, {}), EntitlementProfile)
    return CreditEntitlement(
        id=entitlement_id(found),
        business_id=business_id(account),
        name=found.name,
        unit=found.unit,
        precision=found.scale,
        expires_after_days=found.expires_after_days,
        created_at=text_of(found.created_at),
        updated_at=text_of(found.updated_at),
        **msgspec.structs.asdict(profile),
    )


def held(found: types.Balance, kind: types.Entitlement) -> HeldCredit:
    profile = msgspec.convert(kind.profiles.get(PROFILE, {}), EntitlementProfile)
    return HeldCredit(
        credit_entitlement_id=entitlement_id(kind),
        name=kind.name,
        unit=kind.unit,
        description=profile.description,
        balance=amounts.render(found.posted, found.scale),
        overage=amounts.render(found.overage, found.scale),
    )


def balance(
    found: types.Balance, owner: types.Customer, kind: types.Entitlement, created_at: Instant
) -> Balance:
    """``balance`` is what is posted, which includes what is held.

    The ledger knows a wallet by its customer and entitlement; the row's id follows from these two.
    """
    last_at = created_at if found.last_at is None else found.last_at
    return Balance(
        id=identity.spell("ccb_", identity.derive(owner.id, f"balance:{found.entitlement.hex()}")),
        customer_id=customer_id(owner),
        credit_entitlement_id=entitlement_id(kind),
        balance=amounts.render(found.posted, found.scale),
        overage=amounts.render(found.overage, found.scale),
        created_at=text_of(created_at),
        updated_at=text_of(last_at),
        last_transaction_at=text_of(last_at),
    )


def grant(
    found: types.Grant, owner: types.Customer, kind: types.Entitlement, now: Instant
) -> Grant:
    """``source_id`` is the subscription's; what was carried on keeps it.

    Of a grant that was made at the vendor, what it was made for and when is what the vendor said.
    """
    there = imported.grant_there(found) or _grant_here(found)
    made_at = found.created_at if imported.PROFILE not in found.profiles else found.effective_at
    return Grant(
        id=there.id,
        credit_entitlement_id=entitlement_id(kind),
        customer_id=customer_id(owner),
        source_type=there.source_type,
        source_id=there.source_id,
        initial_amount=amounts.render(found.amount, kind.scale),
        remaining_amount=amounts.render(found.remaining, kind.scale),
        rollover_count=there.rollover_count,
        is_expired=state_of(found, now) in STATES[GrantStatus.EXPIRED],
        is_rolled_over=there.is_rolled_over,
        parent_grant_id=there.parent_grant_id,
        expires_at=there.expires_at,
        metadata={key: found.metadata[key] for key in found.metadata if key != SUBSCRIPTION},
        created_at=text_of(made_at),
        updated_at=text_of(found.updated_at),
    )


def _grant_here(found: types.Grant) -> imported.GrantThere:
    subscription = subscription_in(found.metadata)
    return imported.GrantThere(
        id=identity.spell("cgr_", found.id),
        source_type=_source_of(found, subscription),
        source_id=subscription,
        rollover_count=found.generation,
        is_rolled_over=found.rolled_over > 0,
        parent_grant_id=None if found.parent is None else identity.spell("cgr_", found.parent),
        expires_at=None if found.expires_at is None else text_of(found.expires_at),
    )


def _source_of(found: types.Grant, subscription: str | None) -> str:
    if found.generation:
        return "rollover"
    return "api" if subscription is None else "subscription"


def only_grant(entries: Sequence[types.Entry], names: Mapping[Id, str]) -> str | None:
    """The grant, where there is but one; overage is no grant's. ``names``: of those made at the vendor."""
    grants = {entry.grant for entry in entries if entry.grant != types.NOTHING}
    return grant_name(grants.pop(), names) if len(grants) == 1 else None


def grant_name(grant: Id, names: Mapping[Id, str]) -> str:
    return names.get(grant) or identity.spell("cgr_", grant)


def _names_of(grant: types.Grant | None) -> dict[Id, str]:
    return {} if grant is None else {grant.id: imported.grant_id(grant)}


def ledger_entry(
    accepted: Accepted, entry_type: EntryType, reason: str | None, metadata: Metadata
) -> LedgerEntry:
    """One row for the whole operation. ``grant_id`` is null when it drew on several grants."""
    operation, entries = accepted.operation, accepted.entries
    owner, entitlement = accepted.customer, accepted.entitlement
    assert operation is not None
    assert owner is not None
    assert entitlement is not None
    first, last, scale = entries[0], entries[-1], entitlement.scale
    return LedgerEntry(
        id=identity.spell("cle_", operation.id),
        customer_id=customer_id(owner),
        credit_entitlement_id=entitlement_id(entitlement),
        entry_type=entry_type,
        amount=amounts.render(accepted.amount, scale),
        is_credit=entry_type is EntryType.CREDIT,
        balance_before=amounts.render(first.posted_before, scale),
        balance_after=amounts.render(last.posted_after, scale),
        overage_before=amounts.render(first.overage_before, scale),
        overage_after=amounts.render(last.overage_after, scale),
        grant_id=only_grant(entries, _names_of(accepted.grant)),
        reason=reason,
        metadata=metadata,
        created_at=text_of(operation.at),
    )
