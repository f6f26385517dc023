"""Changing customers and kinds of credit, and closing the latter. What is recorded of them stays as it was.

A name is unique among the living: renaming or closing gives it back, reopening takes it anew. Own ids and
codes stay taken for ever, since what they lead to is remembered.
"""

from __future__ import annotations

from typing import Any

import msgspec

from drawdown.core import overage
from drawdown.core.commands import (
    AmendCustomer,
    AmendEntitlement,
    CloseEntitlement,
    ReopenEntitlement,
)
from drawdown.core.context import begin, commit, encode_facts, find_customer, find_entitlement
from drawdown.core.creation import (
    check_days,
    check_grace,
    claim_name,
    replace_entitlement,
)
from drawdown.core.errors import EntitlementClosed, FieldInvalid
from drawdown.core.identity import derive, relocate, slot_of
from drawdown.core.requests import Accepted, Request
from drawdown.core.state import ENTITLEMENT_NAME, Name, State
from drawdown.core.types import (
    Customer,
    Entitlement,
    Metadata,
    MetadataValue,
    Operation,
    Profiles,
    Reference,
)

METADATA_KEYS_MAX = 50

_encode = msgspec.json.Encoder().encode
Changed = dict[str, list[Any]]


def amend_entitlement(request: Request, command: AmendEntitlement, state: State) -> Accepted:
    """What is equal changes nothing, and nothing is recorded.

    Raises ``EntitlementNotFound``, ``EntitlementClosed``, ``FieldInvalid``, ``AmountTooFine``,
    ``AmountTooLarge`` and ``AlreadyExists`` for the name of another.
    """
    before = find_entitlement(request, command.entitlement, state)
    if before.closed_at is not None:
        raise EntitlementClosed()
    asked = _asked(command, before)
    changed = {
        field: [old, new] for field, new in asked.items() if new != (old := getattr(before, field))
    }
    if not changed:
        return Accepted(entitlement=before)
    after = msgspec.structs.replace(
        before, **{field: pair[1] for field, pair in changed.items()}, updated_at=request.at
    )
    if "name" in changed:
        _rename(request, before, after.name, state)
    return _record(request, after, "amend_entitlement", changed, state)


def _asked(command: AmendEntitlement, before: Entitlement) -> dict[str, Any]:
    """The fields as they are to be; those that were not given are left out."""
    given: dict[str, Any] = {
        name: value
        for name in ("name", "unit", "shortfall", "late_usage_grace")
        if (value := getattr(command, name)) is not None
    }
    if before.currency is not None and given.keys() & {"name", "unit"}:
        field = "name" if "name" in given else "unit"
        raise FieldInvalid(field, "left out: a currency is called what it is called")
    if not isinstance(command.expires_after_days, msgspec.UnsetType):
        check_days(command.expires_after_days)
        given["expires_after_days"] = command.expires_after_days
    if command.late_usage_grace is not None:
        check_grace(command.late_usage_grace)
    if command.overage is not None:
        given["overage"] = overage.rule_of(command.overage, before.scale)
    if command.profiles:
        given["profiles"] = _profiles(before.profiles, command.profiles)
    return given


def close_entitlement(request: Request, command: CloseEntitlement, state: State) -> Accepted:
    """One that is closed already stays as it is. Raises ``EntitlementNotFound`` and ``FieldInvalid``."""
    before = find_entitlement(request, command.entitlement, state)
    if before.currency is not None:
        raise FieldInvalid("entitlement", "no currency: those are always there")
    if before.closed_at is not None:
        return Accepted(entitlement=before)
    after = msgspec.structs.replace(before, closed_at=request.at, updated_at=request.at)
    release_name(_name_of(before), state)
    changed = {"closed_at": [None, after.closed_at]}
    return _record(request, after, "close_entitlement", changed, state)


def reopen_entitlement(request: Request, command: ReopenEntitlement, state: State) -> Accepted:
    """One that is open stays as it is. Raises ``EntitlementNotFound``, and ``AlreadyExists`` for its name."""
    before = find_entitlement(request, command.entitlement, state)
    if before.closed_at is None:
        return Accepted(entitlement=before)
    if (
        state.names[_name_of(before)] == before.id
    ):  # as it was before the one that closed it was done
        release_name(_name_of(before), state)
    claim_name(request, _name_of(before), "name", state, before.id)
    after = msgspec.structs.replace(before, closed_at=None, updated_at=request.at)
    changed = {"closed_at": [before.closed_at, None]}
    return _record(request, after, "reopen_entitlement", changed, state)


def _name_of(entitlement: Entitlement) -> Name:
    return entitlement.book, ENTITLEMENT_NAME, entitlement.name


def _rename(request: Request, before: Entitlement, name: str, state: State) -> None:
    claim_name(request, (before.book, ENTITLEMENT_NAME, name), "name", state, before.id)
    release_name(_name_of(before), state)


def release_name(name: Name, state: State) -> None:
    """Somebody else may have it from here on."""
    changes = state.changes
    changes.claims = [each for each in changes.claims if (each.book, each.space, each.key) != name]
    changes.released.add(name)
    state.names[name] = None


def _record(
    request: Request, after: Entitlement, kind: str, changed: Changed, state: State
) -> Accepted:
    replace_entitlement(after, state)
    operation = Operation(
        id=derive(request.id, f"{kind}:{request.recorded_at}"),
        customer=request.book,
        entitlement=None,
        kind=kind,
        at=request.at,
        recorded_at=request.recorded_at,
        facts=b"{}",
        subject=after.id,
        changed=_encode(changed),
    )
    state.changes.operations.append((operation, []))
    return Accepted(entitlement=after)


def _profiles(before: Profiles, given: Profiles) -> Profiles:
    """Each dialect's own, laid over what it kept before; None deletes a key. Others' stay."""
    after = dict(before)
    for dialect, changes in given.items():
        laid = {**before.get(dialect, {}), **changes}
        after[dialect] = {name: value for name, value in laid.items() if value is not None}
    return {dialect: kept for dialect, kept in after.items() if kept}


def amend_customer(request: Request, command: AmendCustomer, state: State) -> Accepted:
    """What is equal changes nothing. Also of one who is closed: what is kept of him may be erased.

    Raises ``CustomerNotFound``, and ``FieldInvalid`` for too much metadata.
    """
    before = stored_customer(request, command.customer, state)
    asked: dict[str, Any] = {
        name: value
        for name in ("name", "email")
        if not isinstance(value := getattr(command, name), msgspec.UnsetType)
    }
    asked["metadata"] = merged(before.metadata, command.metadata, clear=command.clear_metadata)
    if command.profiles:
        asked["profiles"] = _profiles(before.profiles, command.profiles)
    return record(request, before, "amend_customer", asked, msgspec.to_builtins(command), state)


def stored_customer(request: Request, reference: Reference, state: State) -> Customer:
    """As he is kept: that his test clock is deleted is the clock's."""
    found = state.customers[find_customer(request, reference, state).id]
    assert found is not None
    return found


def record(
    request: Request,
    before: Customer,
    kind: str,
    asked: dict[str, Any],
    facts: dict[str, Any],
    state: State,
) -> Accepted:
    operation = Operation(
        id=relocate(request.id, slot_of(before.id)),
        customer=before.id,
        entitlement=None,
        kind=kind,
        at=state.now_of(before.id, request.at),
        recorded_at=request.recorded_at,
        facts=encode_facts({name: given for name, given in facts.items() if name != "customer"}),
        subject=before.id,
    )
    started = begin(request, state, operation)
    changed = {
        field: [old, new] for field, new in asked.items() if new != (old := getattr(before, field))
    }
    if not changed and request.key is None:
        return Accepted(customer=before)
    after = msgspec.structs.replace(before, **{name: pair[1] for name, pair in changed.items()})
    _replace_customer(after, state)
    started.note_changes(changed)
    commit(state, started)
    return Accepted(operation=operation, customer=after)


def _replace_customer(customer: Customer, state: State) -> None:
    """One made in this batch is stored so."""
    new = state.changes.customers
    place = next((n for n, made in enumerate(new) if made.id == customer.id), None)
    if place is None:
        state.changes.amended_customers[customer.id] = customer
    else:
        new[place] = customer
    state.customers[customer.id] = customer


def merged(
    metadata: Metadata, given: dict[str, MetadataValue | None], *, clear: bool = False
) -> Metadata:
    """Metadata with what was given laid over it; None deletes a key. Raises ``FieldInvalid``."""
    found = {} if clear else dict(metadata)
    for name, value in given.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = value
    if len(found) > METADATA_KEYS_MAX:
        raise FieldInvalid("metadata", f"at most {METADATA_KEYS_MAX} keys")
    return found
