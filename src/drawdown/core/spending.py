"""Giving credit and drawing it down."""

from __future__ import annotations

import msgspec

from drawdown.core import amounts, burn, currencies, lifecycle, overage, posting
from drawdown.core.clocks import played_until
from drawdown.core.commands import Debit, IssueGrant, Money, ResetOverage, Settle
from drawdown.core.context import (
    Context,
    check_open,
    find_customer,
    find_entitlement,
    given,
    settled_context,
)
from drawdown.core.errors import (
    AmountNotPositive,
    AmountTooLarge,
    ExpiryBeforeEffective,
    ExpiryNotInFuture,
    FieldInvalid,
    InsufficientCredit,
    LedgerError,
    TooManyGrants,
)
from drawdown.core.identity import derive
from drawdown.core.requests import Accepted, Request
from drawdown.core.schedules import rollover
from drawdown.core.schedules.terms import check_rollover
from drawdown.core.state import DebitRecord, State, Wallet
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import (
    DAY,
    GRANTS_OPEN_MAX,
    MICROSECONDS,
    PRIORITY_DEFAULT,
    PRIORITY_MAX,
    UNITS_MAX,
    Attributes,
    Category,
    CostBasis,
    Entitlement,
    EntryKind,
    Grant,
    Instant,
    Metadata,
    OverageMode,
)


def issue_grant(request: Request, command: IssueGrant, state: State) -> Accepted:
    """Add a grant to a customer's wallet. One that is not effective yet is pending."""
    customer = find_customer(request, command.customer, state)
    entitlement = find_entitlement(request, command.entitlement, state)
    units = positive_units(command.amount, entitlement)
    context = settled_context(request, customer, entitlement, state)
    used = _used_before(context, command, units)
    started = context.begin("grant", _grant_facts(command, units, used))
    check_open(customer, entitlement)
    grant = _new_grant(context, command, units)
    if used is not None and used < units and lifecycle.is_ended(grant, context.at):
        grant.expired_at = context.at  # so that nothing waits for its end
    _check_room(context, command, units)
    if isinstance(command.expires_at, msgspec.UnsetType) and grant.expires_at is not None:
        started.note_changes({"expires_at": [None, grant.expires_at]})
    _register(context, grant)
    posting.post(started, context.wallet, grant, EntryKind.GRANTED, units, context.at)
    if used is None:
        posting.repay(started, context.wallet, grant, units, context.at)
    else:
        _bring_over(started, context, grant, used)
    return context.finish(started, units, grant)


def _used_before(context: Context, command: IssueGrant, units: int) -> int | None:
    """What was used of a grant elsewhere; None: it is new. Raises ``FieldInvalid``."""
    if command.used_before is None:
        return None
    used = amounts.to_units(command.used_before, context.entitlement.scale, "used_before")
    if used > units:
        raise FieldInvalid("used_before", "at most the amount")
    if used and command.effective_at is not None and command.effective_at > context.at:
        raise FieldInvalid("effective_at", "not in the future: some of it was used")
    return used


def _bring_over(started: posting.Posting, context: Context, grant: Grant, used: int) -> None:
    """What became of a grant before it came here: it was used, and has expired since or not.

    It repays no overage: it did, or did not, where it comes from.
    """
    if used:
        posting.draw(started, context.wallet, [(grant, used)], context.at)
    if grant.expired_at is not None:
        posting.write_off(started, context.wallet, grant, EntryKind.EXPIRED, context.at)


def _new_grant(context: Context, command: IssueGrant, units: int) -> Grant:
    at = context.at
    effective_at = _effective_at(command, at)
    grant = Grant(
        id=derive(context.operation_id, "grant"),
        customer=context.customer.id,
        entitlement=context.entitlement.id,
        amount=units,
        remaining=units,
        priority=priority_of(command.priority),
        category=command.category or Category.PAID,
        effective_at=effective_at,
        expires_at=_expires_at(command, context.entitlement, effective_at),
        recorded_at=context.request.recorded_at,
        created_at=at,
        updated_at=at,
        pending=effective_at > at,
        cost_basis=_cost_basis(context, command, units),
        name=command.name,
        scope=command.scope,
        metadata=command.metadata,
        profiles=command.profiles,
        rollover=rollover.rollover_of(command.rollover, context.entitlement),
    )
    _check_rollover(grant)
    if command.used_before is None or not lifecycle.is_ended(grant, at):
        check_expiry(grant.expires_at, effective_at, at)
    return grant


def _check_rollover(grant: Grant) -> None:
    """Raises ``FieldInvalid``."""
    if grant.rollover is None:
        return
    check_rollover(grant.rollover)
    if grant.expires_at is None:
        raise FieldInvalid(
            "rollover", "left out of a grant that never expires, or given expires_at"
        )


def _effective_at(command: IssueGrant, at: Instant) -> Instant:
    """Now, or as asked; the past only as far as the asker's rule lets it."""
    if command.effective_at is None:
        return at
    if command.late_max is None:
        return command.effective_at
    if command.effective_at < at - command.late_max:
        rule = f"in the future, or at most {command.late_max // MICROSECONDS} seconds in the past"
        raise FieldInvalid("effective_at", rule)
    return max(command.effective_at, at)


def priority_of(asked: int | None) -> int:
    """As asked for, else the default. Raises ``FieldInvalid``."""
    priority = PRIORITY_DEFAULT if asked is None else asked
    if not 0 <= priority <= PRIORITY_MAX:
        raise FieldInvalid("priority", f"a whole number from 0 to {PRIORITY_MAX}")
    return priority


def _expires_at(
    command: IssueGrant, entitlement: Entitlement, effective_at: Instant
) -> Instant | None:
    """The expiry asked for, else the entitlement's days from when the grant becomes effective."""
    if command.expires_at is None or isinstance(command.expires_at, int):
        return command.expires_at
    if entitlement.expires_after_days is None:
        return None
    return Instant(min(effective_at + entitlement.expires_after_days * DAY, INSTANT_MAX))


def check_expiry(expires_at: Instant | None, effective_at: Instant, at: Instant) -> None:
    if expires_at is None:
        return
    if expires_at <= at:
        raise ExpiryNotInFuture(field="expires_at")
    if expires_at <= effective_at:
        raise ExpiryBeforeEffective(field="expires_at")


def _cost_basis(context: Context, command: IssueGrant, units: int) -> CostBasis | None:
    """What was paid: as given; promotional 0; a paid currency grant its face value; else unknown."""
    currency = context.entitlement.currency
    given_basis = cost_basis_of(command.cost_basis, command.category)
    if given_basis is not None:
        return given_basis
    if command.category is Category.PROMOTIONAL:
        return CostBasis(0, currency)
    return None if currency is None else CostBasis(units, currency)


def cost_basis_of(money: Money | None, category: Category | None) -> CostBasis | None:
    """What was given as paid, if anything was. Raises ``FieldInvalid``."""
    if money is None:
        return None
    if category is Category.PROMOTIONAL and money.amount.digits:
        raise FieldInvalid("cost_basis.amount", "0, or left out, for a promotional grant")
    if money.currency not in currencies.MINOR_PLACES:
        raise FieldInvalid("cost_basis.currency", "a lower-case ISO 4217 currency code")
    scale = currencies.scale_of(money.currency)
    return CostBasis(amounts.to_units(money.amount, scale, "cost_basis.amount"), money.currency)


def _check_room(context: Context, command: IssueGrant, units: int) -> None:
    """Totals stay within 64 bits, open grants within their limit, unused ones within the asker's."""
    wallet = context.wallet
    if wallet.granted + units > UNITS_MAX:
        scale = context.entitlement.scale
        raise AmountTooLarge(field="amount", maximum=amounts.render(UNITS_MAX, scale))
    if wallet.open_grants >= GRANTS_OPEN_MAX:
        raise TooManyGrants(maximum=GRANTS_OPEN_MAX, kind="open")
    if command.unused_max is not None and _unused(context) >= command.unused_max:
        raise TooManyGrants(maximum=command.unused_max, kind="unused credit")


def _unused(context: Context) -> int:
    """The customer's grants of any currency with something left: pending or active, held or not."""
    request, state = context.request, context.state
    count = 0
    codes = currencies.codes_by_id(request.book)
    for _, entitlement_id in state.customer_wallets[context.customer.id]:
        if entitlement_id in codes:
            entitlement = find_entitlement(request, entitlement_id, state)
            other = settled_context(request, context.customer, entitlement, state)
            count += other.wallet.open_grants
    return count


def _register(context: Context, grant: Grant) -> None:
    """Make the grant, its wallet and a currency used for the first time part of what is stored."""
    register_wallet(context)
    posting.admit(context.state.changes, context.wallet, grant)
    context.state.grant_wallets[grant.id] = context.key


def _grant_facts(command: IssueGrant, units: int, used: int | None) -> dict[str, object]:
    facts = {"amount": units} | given(command, *_GRANT_FACTS)
    if used is not None:
        facts["used_before"] = used
    if command.rollover is not None:
        facts["rollover"] = rollover.as_written(command.rollover)
    if not isinstance(command.expires_at, int | None):
        return facts
    return facts | {"expires_at": command.expires_at}


_GRANT_FACTS = (
    "priority",
    "category",
    "effective_at",
    "cost_basis",
    "name",
    "scope",
    "metadata",
    "profiles",
    "reason",
)


class _DebitFacts(msgspec.Struct, omit_defaults=True):
    """What ``given`` says of a debit, in a third of its time."""

    amount: int
    attributes: Attributes = {}
    occurred_at: Instant | None = None
    valid_at: Instant | None = None
    metadata: Metadata = {}
    reason: str | None = None
    as_overage: bool = False


def _debit_facts(command: Debit, units: int) -> _DebitFacts:
    return _DebitFacts(
        units,
        command.attributes,
        command.occurred_at,
        command.valid_at,
        command.metadata,
        command.reason,
        command.as_overage,
    )


def debit(request: Request, command: Debit, state: State) -> Accepted:
    """Draw an amount in burn-down order: all of it, or nothing and ``InsufficientCredit``.

    What credit does not pay is overage, as far as the entitlement's rule lets it go past zero.
    """
    customer = find_customer(request, command.customer, state)
    entitlement = find_entitlement(request, command.entitlement, state)
    units = positive_units(command.amount, entitlement)
    context = settled_context(request, customer, entitlement, state)
    started = context.begin("debit", _debit_facts(command, units))
    check_open(customer, entitlement)
    valid_at = context.at if command.valid_at is None else command.valid_at
    if command.as_overage:
        draws, beyond = [], _brought_overage(context, units)
    elif command.within_credit:
        draws, beyond = pay(context, units, valid_at, command.attributes), 0
    else:
        draws, beyond = cover(context, units, valid_at, command.attributes)
    use(started, context, draws, beyond)
    record = DebitRecord(operation=started.operation, draws=tuple(started.entries))
    state.debits[started.operation.id] = record
    accepted = context.finish(started, units)
    if len(draws) == 1:
        accepted.grant = draws[0][0]
    return accepted


def _brought_overage(context: Context, units: int) -> int:
    """Overage from elsewhere goes as far as 64 bits. Raises ``AmountTooLarge``."""
    if context.wallet.overage + units > UNITS_MAX:
        maximum = amounts.render(UNITS_MAX, context.entitlement.scale)
        raise AmountTooLarge(field="amount", maximum=maximum)
    return units


def register_wallet(context: Context) -> None:
    """Make the wallet, and a currency used for the first time, part of what is stored."""
    state, entitlement = context.state, context.entitlement
    if state.entitlements[entitlement.id] is None:
        state.entitlements[entitlement.id] = entitlement
        state.changes.entitlements.append(entitlement)
    if state.wallet(context.key) is None:
        state.wallets[context.key] = context.wallet
        state.changes.new_wallets[context.key] = context.wallet
        if context.customer.id in state.customer_wallets:
            state.customer_wallets[context.customer.id] += (context.key,)


def cover(
    context: Context, units: int, valid_at: Instant, attributes: Attributes
) -> tuple[posting.Draws, int]:
    """Which grants pay ``units``, and how much of it is overage. Raises ``InsufficientCredit``."""
    wallet = context.wallet
    draws, shortfall = burn.split(wallet.queue, units, valid_at, attributes)
    if shortfall:
        drawn = units - shortfall
        assert wallet.whole or drawn == wallet.available, "needs must load all that may be drawn"
        if shortfall > overage.headroom(wallet):
            raise _insufficient(context, units, valid_at, attributes)
    return draws, shortfall


def pay(context: Context, units: int, valid_at: Instant, attributes: Attributes) -> posting.Draws:
    """Which grants can set ``units`` aside; overage is never held. Raises ``InsufficientCredit``."""
    wallet = context.wallet
    draws, shortfall = burn.split(wallet.queue, units, valid_at, attributes)
    if shortfall:
        assert wallet.whole or units > wallet.available, "needs must load all that may be drawn"
        raise insufficient(context, units, valid_at, attributes)
    return draws


def use(started: posting.Posting, context: Context, draws: posting.Draws, beyond: int) -> None:
    """Draw, and book what goes beyond as overage: last, so that a reversal undoes it first."""
    wallet = context.wallet
    if beyond:
        register_wallet(context)
    posting.draw(started, wallet, draws, context.at)
    if beyond:
        posting.post_overage(started, wallet, EntryKind.OVERAGE_CHARGED, beyond, context.at)


def _insufficient(
    context: Context, units: int, valid_at: Instant, attributes: Attributes
) -> LedgerError:
    """Why a debit is refused: with what overage could have paid where that has a limit."""
    wallet, rule, scale = context.wallet, context.wallet.overage_rule, context.entitlement.scale
    if rule.mode is OverageMode.UNLIMITED:
        return AmountTooLarge(field="amount", maximum=amounts.render(UNITS_MAX, scale))
    if rule.mode is OverageMode.OFF:
        return insufficient(context, units, valid_at, attributes)
    left = amounts.render(overage.headroom(wallet), scale)
    return insufficient(context, units, valid_at, attributes, overage_available=left)


def insufficient(
    context: Context, units: int, valid_at: Instant, attributes: Attributes, **further: str
) -> InsufficientCredit:
    scale = context.entitlement.scale
    return InsufficientCredit(
        needed=amounts.render(units, scale),
        available=amounts.render(payable(context.wallet, valid_at, attributes), scale),
        available_total=amounts.render(context.wallet.available, scale),
        **further,
    )


def payable(wallet: Wallet, valid_at: Instant, attributes: Attributes) -> int:
    """What of the wallet a debit valid at an instant, with its attributes, could draw at most."""
    if not wallet.whole:
        return wallet.available
    return sum(
        grant.free for grant in wallet.queue if burn.is_eligible(grant, valid_at, attributes)
    )


def reset_overage(request: Request, command: ResetOverage, state: State) -> Accepted:
    """Forgive the wallet's overage, or take it to an invoice; where it is carried on, nothing moves."""
    customer = find_customer(request, command.customer, state)
    entitlement = find_entitlement(request, command.entitlement, state)
    context = settled_context(request, customer, entitlement, state)
    started = context.begin("reset", {})
    wallet, rule = context.wallet, context.wallet.overage_rule
    register_wallet(context)
    before = wallet.overage
    units = posting.reset_overage(started, wallet, overage.RESETS.get(rule.behavior), context.at)
    posting.note_reset(started, wallet, before)
    return context.finish(started, units)


def settle_wallet(request: Request, command: Settle, state: State) -> Accepted:
    """Record what is due in a wallet; nothing due records nothing."""
    customer = find_customer(request, command.customer, state)
    entitlement = find_entitlement(request, command.entitlement, state)
    now = played_until(state.clock_of(customer.id), command.at)
    context = settled_context(request, customer, entitlement, state, now=now)
    return Accepted(
        customer=customer,
        entitlement=entitlement,
        balance=context.wallet.balance(entitlement.scale, context.at),
    )


def positive_units(amount: amounts.Amount, entitlement: Entitlement) -> int:
    units = amounts.to_units(amount, entitlement.scale)
    if units <= 0:
        raise AmountNotPositive(field="amount")
    return units
