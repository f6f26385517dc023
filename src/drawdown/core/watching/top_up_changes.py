"""Making and closing top-up rules, and answering their requests. When one is made is in ``top_up_requests``.

A request may be confirmed whatever became of it, and whether or not its rule is still there: money was taken,
so credit is given for it, once.
"""

from __future__ import annotations

import msgspec

from drawdown.core import amounts, currencies, posting
from drawdown.core.amounts import Amount
from drawdown.core.commands import CloseTopUp, ConfirmTopUp, CreateTopUp, FailTopUp
from drawdown.core.context import (
    Context,
    check_open,
    find_customer,
    find_entitlement,
    given,
    settled_context,
    written,
)
from drawdown.core.creation import EXPIRES_AFTER_DAYS_MAX
from drawdown.core.errors import (
    AmountTooLarge,
    FieldInvalid,
    TooManyGrants,
    TopUpNotFound,
    TopUpPaid,
    TopUpRequestNotFound,
)
from drawdown.core.identity import derive
from drawdown.core.requests import Accepted, Request
from drawdown.core.spending import priority_of, register_wallet
from drawdown.core.state import State, WalletKey
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import (
    DAY,
    GRANTS_OPEN_MAX,
    MICROSECONDS,
    UNITS_MAX,
    Category,
    Entitlement,
    EntryKind,
    Grant,
    Id,
    Instant,
    UnitPrice,
)
from drawdown.core.watching import top_up_invariants, top_up_requests, top_ups
from drawdown.core.watching.top_ups import Cap, RequestState, Standing, TopUp, TopUpRequest

_SECONDS = {
    "cool_down": (top_ups.COOL_DOWN_MIN, top_ups.COOL_DOWN_MAX),
    "answer_within": (top_ups.ANSWER_WITHIN_MIN, top_ups.ANSWER_WITHIN_MAX),
}


def create_top_up(request: Request, command: CreateTopUp, state: State) -> Accepted:
    """A wallet's rule, in place of the one it may have: what that asked for counts, and may still be paid."""
    customer = find_customer(request, command.customer, state)
    entitlement = find_entitlement(request, command.entitlement, state)
    context = settled_context(request, customer, entitlement, state)
    started = context.begin("create_top_up", _facts(command))
    check_open(customer, entitlement)
    rule = _new_rule(context, command)
    register_wallet(context)
    standing = top_up_requests.standing_of(context.wallet) or Standing()
    if standing.rule is not None:
        _close(state, standing.rule, context.at)
    state.changes.new_top_ups[rule.id] = rule
    state.top_ups[rule.id] = rule
    before = None if standing.rule is None else standing.rule.id.hex()
    started.note_changes({"top_up": [before, rule.id.hex()]})
    top_up_requests.keep(state.changes, context.wallet, top_ups.ruled(standing, rule))
    started.watch(context.wallet)
    return _with_rule(context, context.finish(started), rule)


def close_top_up(request: Request, command: CloseTopUp, state: State) -> Accepted:
    """From now on nothing is asked for; what is in flight may still be answered. It stays closed."""
    rule = state.top_ups.get(command.top_up)
    if rule is None:
        raise TopUpNotFound(written(command.top_up))
    context = _context(request, (rule.customer, rule.entitlement), state)
    if context is None:
        raise TopUpNotFound(written(command.top_up))
    started = context.begin("close_top_up", {}, command.top_up)
    standing = top_up_requests.standing_of(context.wallet)
    if rule.closed_at is None and standing is not None:
        started.note_changes({"top_up": [rule.id.hex(), None]})
        rule = _close(state, rule, context.at)
        top_up_requests.keep(state.changes, context.wallet, top_ups.ruled(standing, None))
        return _with_rule(context, context.finish(started), rule)
    return _with_rule(context, _unchanged(context), rule)


def confirm_top_up(request: Request, command: ConfirmTopUp, state: State) -> Accepted:
    """Grant what was paid for, once. The same payment again is answered; another one is refused."""
    context, asked = _request_context(request, command.request, state)
    facts = {"amount": asked.amount, "top_up": asked.top_up.hex()}
    facts |= given(command, "reference")
    started = context.begin("confirm_top_up", facts, command.request)
    if asked.state is RequestState.CONFIRMED:
        if asked.reference != command.reference:
            raise TopUpPaid(reference=asked.reference or "")
        return _with_request(_unchanged(context), asked)
    check_open(context.customer, context.entitlement)
    grant = _grant(context, asked)
    _check_room(context, asked.amount)
    posting.admit(state.changes, context.wallet, grant)
    state.grant_wallets[grant.id] = context.key
    posting.post(started, context.wallet, grant, EntryKind.GRANTED, asked.amount, context.at)
    posting.repay(started, context.wallet, grant, asked.amount, context.at)
    after = msgspec.structs.replace(
        asked,
        state=RequestState.CONFIRMED,
        ended_at=context.at,
        reference=command.reference,
        reason=None,
        grant=grant.id,
    )
    _answer(context, asked, after)
    started.note_changes(
        {"state": [asked.state, after.state], "expires_at": [None, grant.expires_at]}
    )
    return _with_request(context.finish(started, asked.amount, grant), after)


def fail_top_up(request: Request, command: FailTopUp, state: State) -> Accepted:
    """No payment was taken. A request that has expired may fail as well: then its cap is free again."""
    context, asked = _request_context(request, command.request, state)
    facts = {"amount": asked.amount, "top_up": asked.top_up.hex()}
    started = context.begin("fail_top_up", facts | given(command, "reason"), command.request)
    if asked.state is RequestState.CONFIRMED:
        raise TopUpPaid(reference=asked.reference or "")
    if asked.state is RequestState.FAILED:
        return _with_request(_unchanged(context), asked)
    after = msgspec.structs.replace(
        asked, state=RequestState.FAILED, ended_at=context.at, reason=command.reason
    )
    standing = _answer(context, asked, after)
    left = standing.attempts_left
    started.note_changes({"state": [asked.state, after.state], "attempts_left": [None, left]})
    started.watch(context.wallet)
    return _with_request(context.finish(started), after)


# A rule ------------------------------------------------------------------------------------------


def _facts(command: CreateTopUp) -> dict[str, object]:
    """What was asked for; amounts as they were written."""
    facts = given(command, *_FACTS)
    for name in ("threshold", "amount", "target"):
        value = getattr(command, name)
        if value is not None:
            facts[name] = str(value)
    if command.cap is not None:
        facts["cap"] = [str(command.cap.amount), command.cap.per]
    if command.price_per_unit is not None:
        price = command.price_per_unit
        facts["price_per_unit"] = [str(price.amount), price.currency]
    return facts


_FACTS = (
    "cool_down",
    "answer_within",
    "attempts_max",
    "priority",
    "expires_after_days",
    "name",
    "metadata",
)


def _new_rule(context: Context, command: CreateTopUp) -> TopUp:
    """Raises ``FieldInvalid`` and what an amount may raise."""
    entitlement = context.entitlement
    scale = entitlement.scale
    cap = command.cap
    rule = TopUp(
        id=made_by(context.operation_id),
        customer=context.customer.id,
        entitlement=entitlement.id,
        threshold=amounts.to_units(command.threshold, scale, "threshold"),
        scale=scale,
        currency=entitlement.currency,
        amount=_optional_units(command.amount, entitlement, "amount"),
        target=_optional_units(command.target, entitlement, "target"),
        cap=None if cap is None else Cap(_units(cap.amount, entitlement, "cap.amount"), cap.per),
        cool_down=command.cool_down,
        answer_within=command.answer_within,
        attempts_max=command.attempts_max,
        price_per_unit=_price(command, entitlement),
        priority=command.priority,
        expires_after_days=command.expires_after_days,
        name=command.name,
        metadata=command.metadata,
        created_at=context.at,
        recorded_at=context.request.recorded_at,
    )
    _check(rule)
    return rule


def made_by(operation: Id) -> Id:
    """The id of the rule that an operation makes."""
    return derive(operation, "top_up")


def _optional_units(amount: Amount | None, entitlement: Entitlement, field: str) -> int | None:
    return None if amount is None else _units(amount, entitlement, field)


def _units(amount: Amount, entitlement: Entitlement, field: str) -> int:
    units = amounts.to_units(amount, entitlement.scale, field)
    if units <= 0:
        raise FieldInvalid(field, "greater than 0")
    return units


def _price(command: CreateTopUp, entitlement: Entitlement) -> UnitPrice | None:
    price = command.price_per_unit
    if price is None:
        return None
    if entitlement.currency is not None:
        raise FieldInvalid(
            "price_per_unit", "left out where credit is money: it costs its face value"
        )
    if price.currency not in currencies.MINOR_PLACES:
        raise FieldInvalid("price_per_unit.currency", "a lower-case ISO 4217 currency code")
    return UnitPrice(str(price.amount), price.currency)


def _check(rule: TopUp) -> None:
    if (rule.amount is None) == (rule.target is None):
        raise FieldInvalid("amount", "given, or else target, and not both")
    if rule.target is not None and rule.target <= rule.threshold:
        raise FieldInvalid("target", "more than threshold")
    for field, (least, most) in _SECONDS.items():
        if not least <= getattr(rule, field) <= most:
            bounds = f"from {least // MICROSECONDS} to {most // MICROSECONDS}"
            raise FieldInvalid(f"{field}_seconds", f"a whole number {bounds}")
    if not 1 <= rule.attempts_max <= top_ups.ATTEMPTS_MAX:
        raise FieldInvalid("attempts_max", f"a whole number from 1 to {top_ups.ATTEMPTS_MAX}")
    days = rule.expires_after_days
    if days is not None and not 1 <= days <= EXPIRES_AFTER_DAYS_MAX:
        bounds = f"from 1 to {EXPIRES_AFTER_DAYS_MAX}"
        raise FieldInvalid("expires_after_days", f"a whole number of days {bounds}")
    priority_of(rule.priority)
    cost = top_ups.cost_of(rule, rule.amount or rule.target or 0)
    if cost is not None and cost.amount >= UNITS_MAX:
        raise FieldInvalid("price_per_unit.amount", "so low that what is asked for can be written")


def _close(state: State, rule: TopUp, at: Instant) -> TopUp:
    """End the rule that a wallet has."""
    closed = msgspec.structs.replace(rule, closed_at=at)
    changes = state.changes
    made = changes.new_top_ups if rule.id in changes.new_top_ups else changes.closed_top_ups
    made[rule.id] = state.top_ups[rule.id] = closed
    return closed


# A request ---------------------------------------------------------------------------------------


def _request_context(request: Request, asked: Id, state: State) -> tuple[Context, TopUpRequest]:
    """The settled wallet of a request named by its id, and the request as it is after that."""
    found = state.top_up_requests.get(asked)
    key = None if found is None else (found.customer, found.entitlement)
    context = None if key is None else _context(request, key, state)
    if found is None or context is None:
        raise TopUpRequestNotFound(written(asked))
    return context, top_up_requests.latest(state.changes, found)


def _context(request: Request, key: WalletKey, state: State) -> Context | None:
    customer = state.customers[key[0]]
    if customer is None or customer.book != request.book:
        return None
    customer = find_customer(request, key[0], state)
    return settled_context(request, customer, find_entitlement(request, key[1], state), state)


def _answer(context: Context, before: TopUpRequest, after: TopUpRequest) -> Standing:
    """Keep a request's answer, and where the wallet's top-up stands after it."""
    changes = context.state.changes
    top_up_requests.note_request(changes, after)
    context.state.top_up_requests[after.id] = after
    standing = top_up_requests.standing_of(context.wallet) or Standing()
    standing = top_ups.answered(standing, before, after, context.at)
    top_up_requests.keep(changes, context.wallet, standing)
    return standing


def _grant(context: Context, asked: TopUpRequest) -> Grant:
    rule = context.state.top_ups[asked.top_up]
    assert rule is not None, "rules stay as long as their requests"
    at = context.at
    return Grant(
        id=derive(asked.id, "grant"),
        customer=asked.customer,
        entitlement=asked.entitlement,
        amount=asked.amount,
        remaining=asked.amount,
        priority=priority_of(rule.priority),
        category=Category.PAID,
        effective_at=at,
        expires_at=_expires_at(rule, context.entitlement, at),
        recorded_at=context.request.recorded_at,
        created_at=at,
        updated_at=at,
        source=top_up_invariants.SOURCE,
        cost_basis=asked.cost_basis,
        name=rule.name,
        metadata=rule.metadata,
    )


def _expires_at(rule: TopUp, entitlement: Entitlement, at: Instant) -> Instant | None:
    days = rule.expires_after_days
    if days is None:
        days = entitlement.expires_after_days
    return None if days is None else Instant(min(at + days * DAY, INSTANT_MAX))


def _check_room(context: Context, units: int) -> None:
    wallet = context.wallet
    if wallet.granted + units > UNITS_MAX:
        maximum = amounts.render(UNITS_MAX, context.entitlement.scale)
        raise AmountTooLarge(field="amount", maximum=maximum)
    if wallet.open_grants >= GRANTS_OPEN_MAX:
        raise TooManyGrants(maximum=GRANTS_OPEN_MAX, kind="open")


# What is answered ----------------------------------------------------------------------------------


def _unchanged(context: Context) -> Accepted:
    return Accepted(
        customer=context.customer,
        entitlement=context.entitlement,
        balance=context.wallet.balance(context.entitlement.scale, context.at),
    )


def _with_rule(context: Context, accepted: Accepted, rule: TopUp) -> Accepted:
    """With the rule, and where the wallet's top-up stands now."""
    accepted.top_up = rule
    accepted.standing = top_up_requests.standing_of(context.wallet)
    return accepted


def _with_request(accepted: Accepted, asked: TopUpRequest) -> Accepted:
    accepted.top_up_request = asked
    return accepted
