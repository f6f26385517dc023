"""Making customers and kinds of credit. Their names are claims: unique in a whole book."""

from __future__ import annotations

from drawdown.core import currencies, overage
from drawdown.core.amounts import SCALE_MAX
from drawdown.core.asking.directory import entitlement_names, names_of_customer
from drawdown.core.clocks import find_clock
from drawdown.core.commands import CreateCustomer, CreateEntitlement
from drawdown.core.errors import AlreadyExists, FieldInvalid
from drawdown.core.identity import OWN_ID_RULE, derive, is_own_id, spell
from drawdown.core.requests import Accepted, ClaimRecord, Request, note_origin
from drawdown.core.state import Name, State
from drawdown.core.types import DAY, Customer, Entitlement, Id, Instant, Operation

EXPIRES_AFTER_DAYS_MAX = 36_500
LATE_USAGE_MAX = 366 * DAY


def create_customer(request: Request, command: CreateCustomer, state: State) -> Accepted:
    """A customer lives in the slot of its id for life. One made by the same request before is answered."""
    made = state.customers.get(request.id)
    if made is not None:
        _check_book(made, request)
        return Accepted(customer=made)
    if command.own_id is not None:
        check_own_id("id", command.own_id)
    at = request.at
    if command.test_clock is not None:
        at = find_clock(request, command.test_clock, state).frozen_at
    if command.own_id is not None:
        own_id, alias = names_of_customer(request.book, command.own_id)
        _check_free(alias, "id", state)
        claim_name(request, own_id, "id", state)
        claim_name(request, alias, "id", state)
    customer = Customer(
        id=request.id,
        book=request.book,
        created_at=_created_at(command.created_at, at),
        own_id=command.own_id,
        name=command.name,
        email=command.email,
        metadata=command.metadata,
        profiles=command.profiles,
        test_clock=command.test_clock,
    )
    state.customers[customer.id] = customer
    state.customer_wallets[customer.id] = ()
    state.changes.customers.append(customer)
    record(request, state, "customer", customer.id, at)
    return Accepted(customer=customer)


def _check_book(made: Customer | Entitlement, request: Request) -> None:
    """Who brings an id along may find it taken by another book. Raises ``AlreadyExists``."""
    if made.book != request.book:
        raise AlreadyExists(field="id", value=spell("", request.id))


def _created_at(asked: Instant | None, at: Instant) -> Instant:
    return at if asked is None else min(asked, at)


def create_entitlement(request: Request, command: CreateEntitlement, state: State) -> Accepted:
    """A kind of credit. Without a code it is known by its id, without a name by its code.

    One made by the same request before is answered.
    """
    made = state.entitlements.get(request.id)
    if made is not None:
        _check_book(made, request)
        return Accepted(entitlement=made)
    _check_entitlement(command)
    rule = overage.rule_of(command.overage, command.scale)
    names = [
        (found, field)
        for found, field in zip(
            entitlement_names(request.book, command), ("code", "name"), strict=True
        )
        if found[2] is not None
    ]
    for (book, space, text), field in names:
        assert text is not None
        _check_free((book, space, text), field, state)
    for (book, space, text), field in names:
        assert text is not None
        claim_name(request, (book, space, text), field, state)
    code = command.code if command.code is not None else spell("", request.id)
    entitlement = Entitlement(
        id=request.id,
        book=request.book,
        created_at=_created_at(command.created_at, request.at),
        updated_at=request.at,
        code=code,
        name=command.name if command.name is not None else code,
        unit=command.unit,
        scale=command.scale,
        burn_order=command.burn_order,
        expires_after_days=command.expires_after_days,
        overage=rule,
        shortfall=command.shortfall,
        late_usage_grace=command.late_usage_grace,
        profiles=command.profiles,
    )
    state.entitlements[entitlement.id] = entitlement
    state.changes.entitlements.append(entitlement)
    record(request, state, "entitlement", request.book)
    return Accepted(entitlement=entitlement)


def replace_entitlement(entitlement: Entitlement, state: State) -> None:
    """One that is stored is amended; a currency that is not yet, and one made in this batch, is stored so."""
    new = state.changes.entitlements
    place = next((n for n, made in enumerate(new) if made.id == entitlement.id), None)
    if place is not None:
        new[place] = entitlement
    elif state.entitlements[entitlement.id] is None:
        new.append(entitlement)
    else:
        state.changes.amended_entitlements[entitlement.id] = entitlement
    state.entitlements[entitlement.id] = entitlement


def record(
    request: Request,
    state: State,
    kind: str,
    owner: Id,
    at: Instant | None = None,
    *,
    subject: Id | None = None,
    changed: bytes = b"",
    apart: str = "",
) -> None:
    """So that what was made is found where everything else is that happened. What it is, its record says.

    ``apart`` tells it from what else of the kind the request has done.
    """
    operation = Operation(
        id=derive(request.id, kind + apart),
        customer=owner,
        entitlement=None,
        kind=kind,
        at=request.at if at is None else at,
        recorded_at=request.recorded_at,
        facts=b"{}",
        subject=request.id if subject is None else subject,
        changed=changed,
    )
    if request.asked_by is not None:
        note_origin(operation, request.asked_by)
    state.changes.operations.append((operation, []))


def _check_entitlement(command: CreateEntitlement) -> None:
    if command.code is not None:
        check_own_id("code", command.code)
        if command.code in currencies.MINOR_PLACES:
            raise AlreadyExists(field="code", value=command.code)
    if not 0 <= command.scale <= SCALE_MAX:
        raise FieldInvalid("scale", f"a whole number from 0 to {SCALE_MAX}")
    check_days(command.expires_after_days)
    check_grace(command.late_usage_grace)


def check_days(days: int | None) -> None:
    if days is not None and not 1 <= days <= EXPIRES_AFTER_DAYS_MAX:
        rule = f"a whole number of days from 1 to {EXPIRES_AFTER_DAYS_MAX}"
        raise FieldInvalid("expires_after_days", rule)


def check_grace(late_usage_grace: int) -> None:
    if not 0 <= late_usage_grace <= LATE_USAGE_MAX:
        raise FieldInvalid("late_usage_grace", f"0 to {LATE_USAGE_MAX // DAY} days long")


def check_own_id(field: str, text: str) -> None:
    if not is_own_id(text):
        raise FieldInvalid(field, OWN_ID_RULE)


def _check_free(name: Name, field: str, state: State) -> None:
    if state.names[name] is not None:
        raise AlreadyExists(field=field, value=name[2])


def claim_name(
    request: Request, name: Name, field: str, state: State, target: Id | None = None
) -> None:
    """For ``target``, or what the request makes."""
    _check_free(name, field, state)
    book, space, text = name
    target = request.id if target is None else target
    state.names[name] = target
    state.changes.claims.append(
        ClaimRecord(book=book, space=space, key=text, created_at=request.recorded_at, target=target)
    )
