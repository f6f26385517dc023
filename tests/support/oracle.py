"""A naive ledger that is obviously right: lists of grants and holds, sorted anew for every draw.

It knows nothing of batches, loading, entries, chains or caches, and shares no code with the core. Slow and
plain on purpose. Amounts come as text and become whole units; instants are microseconds.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.support.naive import (
    EXACT,
    NEVER,
    UNITS_MAX,
    Attributes,
    Facts,
    NaiveDraw,
    NaiveGrant,
    NaiveHold,
    NaiveWallet,
    Refusal,
    Replay,
    Scope,
    plain,
)
from tests.support.naive_schedules import NaiveScheduling, check_rollover, rollover_of
from tests.support.naive_top_ups import NaiveToppingUp
from tests.support.naive_usage import NaiveUsage, NaiveUsing

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
HOLD_DEFAULT = 15 * MINUTE
HOLD_MAX = DAY


class NaiveLedger(NaiveScheduling, NaiveToppingUp, NaiveUsing):
    """One customer's wallets, by the names of their entitlements. ``grants_max``: open in one wallet.

    ``recorded_at``: what time it really is, where the customer is on a test clock. ``usage`` is that of the
    whole book.
    """

    def __init__(
        self,
        wallets: dict[str, NaiveWallet],
        grants_max: int = 10_000,
        holds_max: int = 10_000,
        schedules_max: int = 100,
        notes: Counter[str] | None = None,
        usage: NaiveUsage | None = None,
    ) -> None:
        self.wallets = wallets
        self.usage = NaiveUsage() if usage is None else usage
        self.counted = {}
        self.holds_max, self.schedules_max = holds_max, schedules_max
        self.recorded_at: int | None = None
        self.notes: Counter[str] = Counter() if notes is None else notes
        for wallet in wallets.values():
            wallet.notes, wallet.grants_max = self.notes, grants_max
        self.grants: dict[int, tuple[NaiveWallet, NaiveGrant]] = {}
        self.holds: dict[int, tuple[NaiveWallet, NaiveHold]] = {}
        self.schedules = {}
        self.top_ups = {}
        self.debits: dict[int, list[NaiveDraw]] = {}
        self.keys: dict[tuple[str, str], object] = {}
        self._key: tuple[str, str] | None = None
        self._body: object = None
        self._replays = True

    def ask(
        self, verb: str, at: int, key: str | None = None, replays: bool = True, **asked: object
    ) -> tuple[str, Facts]:
        """``ok``, ``replayed`` or the code of the refusal; and what is told beside it."""
        self._key, self._body = None if key is None else (verb, key), None
        self._replays = replays
        try:
            facts = getattr(self, "_" + verb)(at, **asked)
        except Refusal as refusal:
            return refusal.code, refusal.facts
        except Replay:
            return "replayed", {}
        if self._key is not None:
            self.keys[self._key] = self._body
        return "ok", facts or {}

    def _once(self, *body: object) -> None:
        """A key acts once; with another body it is refused, and with any where it does not replay."""
        if self._key in self.keys:
            if not self._replays:
                raise Refusal("key_in_use")
            if self.keys[self._key] != body:
                raise Refusal("key_reused")
            raise Replay
        self._body = body

    def every_grant(self) -> dict[int | str, tuple[NaiveWallet, NaiveGrant]]:
        """What was asked for, what its schedules gave, and what was carried of grants by their own terms."""
        every: dict[int | str, tuple[NaiveWallet, NaiveGrant]] = dict(self.grants.items())
        given = {
            grant.name: (wallet, grant)
            for wallet, schedule in self.schedules.values()
            for grant in schedule.grants.values()
        }
        carried = {
            grant.name: (wallet, grant)
            for wallet in self.wallets.values()
            for grant in wallet.grants
            if grant.roll and grant.generation
        }
        return every | given | carried

    def find_grant(self, name: int | str) -> tuple[NaiveWallet, NaiveGrant] | None:
        """One that was asked for, of a schedule, or carried over (``NaiveGrant``)."""
        if isinstance(name, int):
            return self.grants.get(name)
        if ":" not in name:
            return self.every_grant().get(name)
        schedule, _, cycle = name.partition(":")
        wallet, found = self.schedules.get(int(schedule), (None, None))
        if wallet is None or found is None or cycle not in found.grants:
            return None
        return wallet, found.grants[cycle]

    def _found_grant(self, name: int | str) -> tuple[NaiveWallet, NaiveGrant]:
        found = self.find_grant(name)
        if found is None:
            raise Refusal("grant_not_found")
        return found

    def _open_hold(self, name: int, at: int, *body: object) -> tuple[NaiveWallet, NaiveHold, int]:
        wallet, hold = self.holds[name]
        now = wallet.arrive(at, self.recorded_at)
        self._once(name, *body)
        if hold.state != "open":
            raise Refusal("hold_ended", state=hold.state)
        return wallet, hold, now

    # Grants --------------------------------------------------------------------------------------

    def _grant(
        self,
        at: int,
        name: int,
        unit: str,
        amount: str,
        priority: int = 50,
        paid: bool = True,
        eff: int | None = None,
        exp: int | None = None,
        scope: Scope | None = None,
        roll: dict[str, Any] | None = None,
    ) -> None:
        """``exp`` None: by the entitlement's rule."""
        wallet = self.wallets[unit]
        units = wallet.units(amount)
        now = wallet.arrive(at, self.recorded_at)
        self._once(unit, units, priority, paid, eff, exp, scope, roll)
        effective_at = now if eff is None else eff
        if exp is None:
            days = wallet.expires_after_days
            expires_at = effective_at + days * DAY if days else NEVER
        else:
            expires_at = exp
        carried = rollover_of(wallet, roll)
        check_rollover(roll or {})
        if roll and expires_at == NEVER:
            raise Refusal("field_invalid", field="rollover")
        check_expiry(expires_at, effective_at, now)
        if wallet.granted() + units > UNITS_MAX:
            raise Refusal("amount_too_large", field="amount")
        if wallet.open_grants() >= wallet.grants_max:
            raise Refusal("too_many_grants")
        wallet.last_at = now
        made = NaiveGrant(
            name=name,
            number=len(wallet.grants),
            amount=units,
            priority=priority,
            paid=paid,
            effective_at=effective_at,
            expires_at=expires_at,
            recorded_at=self._recorded(at),
            scope=scope or {},
            remaining=units,
            roll=carried,
        )
        wallet.grants.append(made)
        self.grants[name] = (wallet, made)
        if effective_at <= now:
            wallet.repay(made, units)

    def _living(
        self, name: int | str, at: int, *body: object
    ) -> tuple[NaiveWallet, NaiveGrant, int]:
        wallet, grant = self._found_grant(name)
        now = wallet.arrive(at, self.recorded_at)
        self._once(name, *body)
        if grant.ended:
            raise Refusal(grant.ended)
        if grant.expires_at <= now:
            raise Refusal("grant_expired")
        return wallet, grant, now

    def _expire(self, at: int, grant: int | str) -> None:
        wallet, found, now = self._living(grant, at)
        wallet.last_at = now
        wallet.end_grant(found, "grant_expired", now)
        found.expires_at = now

    def _void(self, at: int, grant: int | str, only_unused: bool = False) -> None:
        wallet, found, now = self._living(grant, at, only_unused)
        if found.held:
            raise Refusal("grant_held", held=wallet.text(found.held))
        if not found.remaining or (only_unused and found.drawn):
            raise Refusal("grant_used")
        wallet.last_at = now
        wallet.end_grant(found, "grant_voided", now)

    def _amend(self, at: int, grant: int | str, exp: int) -> None:
        wallet, found, now = self._living(grant, at, exp)
        check_expiry(exp, found.effective_at, now)
        wallet.last_at = now
        found.expires_at = exp

    def _adjust(self, at: int, grant: int | str, direction: str, amount: str) -> None:
        wallet, found = self._found_grant(grant)
        now = wallet.arrive(at, self.recorded_at)
        units = wallet.units(amount)
        self._once(grant, direction, units)
        if direction == "down":
            self._check_active(found, now)
        maximum = found.remaining - found.held if direction == "down" else found.used
        if units > maximum:
            facts = {"amount": wallet.text(units), "maximum": wallet.text(maximum)}
            raise Refusal("adjustment_too_large", **facts)
        wallet.last_at = now
        if direction == "down":
            wallet.draw(found, units)
        else:
            wallet.give_back(found, units, now)

    def _check_active(self, grant: NaiveGrant, now: int) -> None:
        if grant.ended:
            raise Refusal(grant.ended)
        if grant.expires_at <= now:
            raise Refusal("grant_expired")
        if grant.effective_at > now:
            raise Refusal("grant_pending")

    # Debits --------------------------------------------------------------------------------------

    def _debit(
        self,
        at: int,
        name: int,
        unit: str,
        amount: str,
        attributes: Attributes | None = None,
        valid: int | None = None,
    ) -> None:
        wallet = self.wallets[unit]
        units = wallet.units(amount)
        now = wallet.arrive(at, self.recorded_at)
        self._once(unit, units, attributes, valid)
        valid_at = now if valid is None else valid
        draws, beyond = wallet.cover(now, valid_at, attributes or {}, units)
        wallet.last_at = now
        self.debits[name] = wallet.use(draws, beyond)
        if len(draws) > 2:
            self.notes["a debit draws three grants or more"] += 1
        if valid_at != now:
            self.notes["a debit is for another time"] += 1

    def _spend(
        self,
        at: int,
        name: int,
        quantity: str,
        prices: list[tuple[str, str]],
        partial: bool = False,
        attributes: Attributes | None = None,
    ) -> Facts:
        """Each wallet in turn pays as many steps of the quantity as it can pay exactly."""
        if Decimal(quantity) == 0 or any(Decimal(price) == 0 for _, price in prices):
            raise Refusal("amount_not_positive")
        wallets = [self.wallets[unit] for unit, _ in prices]
        now = max(at, *(wallet.last_at for wallet in wallets))
        for wallet in wallets:
            wallet.arrive(now, self.recorded_at)
        asked = [(unit, Decimal(price)) for unit, price in prices]
        self._once(Decimal(quantity), asked, partial, attributes)
        step = last_place(quantity)
        total = Fraction(quantity) / step
        eligible = [
            sum(
                grant.remaining - grant.held
                for grant in wallet.eligible(now, now, attributes or {})
            )
            for wallet in wallets
        ]
        last = wallets[-1]
        room = max(last.rule()[0] - last.overage, 0)
        reach = [*eligible[:-1], eligible[-1] + room]
        parts, only_fine = cover(total, costs(wallets, asked, step), reach)
        covered = sum(steps for steps, _ in parts)
        if covered < total and (not partial or not covered):
            if only_fine:
                raise Refusal("amount_too_fine", field="quantity")
            every = [
                most(cost, wallet.available(now))
                for cost, wallet in zip(costs(wallets, asked, step), wallets, strict=True)
            ]
            prices_of = costs(wallets, asked, step)
            paid = sum(steps for steps, _ in cover(total, prices_of, eligible)[0])
            facts = {
                "needed": plain(Decimal(quantity)),
                "available": number(paid * step),
                "available_total": number(sum(every) * step),
            }
            if last.rule()[1]:
                facts["overage_available"] = number(most(prices_of[-1], room) * step)
            raise Refusal("insufficient_credit", **facts)
        if covered < total:
            self.notes["a spend goes only as far as the wallets do"] += 1
        if len(parts) > 1 and parts[0][1] and parts[-1][1]:
            self.notes["a spend draws its first wallet and its last"] += 1
        self.debits[name] = []
        for wallet, (_, units) in zip(wallets, parts, strict=True):
            if units:
                wallet.last_at = now
                self.debits[name] += wallet.use(*wallet.cover(now, now, attributes or {}, units))
        return {"spent": number(covered * step), "unpaid": number((total - covered) * step)}

    def _reverse(
        self, at: int, debit: int, amount: str | None = None, unit: str | None = None
    ) -> None:
        """Last drawn first; no grant gets more than it drew there, or than is used of it at all."""
        if debit not in self.debits:
            raise Refusal("debit_not_found")
        draws = self.debits[debit]
        if unit is not None:
            draws = [draw for draw in draws if draw.wallet is self.wallets[unit]]
        wallets = list(dict.fromkeys(draw.wallet for draw in draws))
        if not wallets:
            raise Refusal("field_invalid")
        now = max(at, *(wallet.last_at for wallet in wallets))
        for wallet in wallets:
            wallet.arrive(now, self.recorded_at)
        if amount is not None and len(wallets) > 1:
            raise Refusal("field_invalid")  # an amount must be one of a wallet
        units = None if amount is None else wallets[0].units(amount)
        self._once(debit, wallets if len(wallets) == 1 else None, units)
        returns = to_return(draws, units)
        reversible = sum(part for _, part in returns)
        if reversible == 0 or (units is not None and reversible < units):
            facts = {"reversible": wallets[0].text(reversible)}
            if units is not None:
                facts["amount"] = wallets[0].text(units)
            raise Refusal("reversal_too_large", **facts)
        give_back(returns, now)
        for wallet in wallets:
            wallet.last_at = now

    # Holds ---------------------------------------------------------------------------------------

    def _hold(
        self,
        at: int,
        name: int,
        unit: str,
        amount: str,
        until: int | None = None,
        lasting: int | None = None,
        endless: bool = False,
        attributes: Attributes | None = None,
    ) -> None:
        """It ends ``until`` an instant, or after ``lasting``, or by default in 15 minutes."""
        wallet = self.wallets[unit]
        units = wallet.units(amount)
        now = wallet.arrive(at, self.recorded_at)
        self._once(unit, units, until, lasting, endless, attributes)
        end = NEVER if endless else until
        if end is None:
            end = now + (HOLD_DEFAULT if lasting is None else lasting)
        check_end(end, now, now, endless)
        if sum(hold.state == "open" for hold in wallet.holds) >= self.holds_max:
            raise Refusal("too_many_holds")
        slices = wallet.split(now, now, attributes or {}, units)
        wallet.last_at = now
        for grant, taken in slices:
            grant.held += taken
        made = NaiveHold(name, units, now, end, attributes or {}, slices)
        wallet.holds.append(made)
        self.holds[name] = (wallet, made)

    def _capture(
        self, at: int, name: int, hold: int, amount: str, final: bool = False, refuse: bool = False
    ) -> None:
        """From the first slice on; what is more than held is drawn from what is available."""
        if hold not in self.holds:
            raise Refusal("hold_not_found")
        self.holds[hold][0].arrive(at, self.recorded_at)
        units = self.holds[hold][0].units(amount)
        wallet, found, now = self._open_hold(hold, at, units, final, refuse)
        if found.captured + units > UNITS_MAX:
            raise Refusal("amount_too_large", field="amount")
        held = found.held
        if units > held and refuse:
            facts = {"amount": wallet.text(units), "held": wallet.text(held)}
            raise Refusal("capture_too_large", **facts)
        excess, beyond = wallet.cover(now, now, found.attributes, max(units - held, 0))
        wallet.last_at = now
        self._note_capture(found, units, final)
        draws = take(found, min(units, held))
        for grant, taken in draws:
            grant.held -= taken
        self.debits[name] = wallet.use(draws + excess, beyond)
        found.captured += units
        if final:
            wallet.end_hold(found, "captured")

    def _note_capture(self, hold: NaiveHold, units: int, final: bool) -> None:
        if units > hold.held:
            self.notes["a capture of more than is held"] += 1
        if hold.captured:
            self.notes["a hold is captured again"] += 1
        if any(grant.ended for grant, _ in hold.slices):
            self.notes["a slice is captured after its grant ended"] += 1
        if final and units < hold.held:
            self.notes["a final capture releases the rest"] += 1

    def _release(self, at: int, hold: int) -> None:
        if hold not in self.holds:
            raise Refusal("hold_not_found")
        wallet, found, now = self._open_hold(hold, at)
        wallet.last_at = now
        wallet.end_hold(found, "released")

    def _extend(
        self, at: int, hold: int, until: int | None = None, lasting: int | None = None
    ) -> None:
        if hold not in self.holds:
            raise Refusal("hold_not_found")
        wallet, found, now = self._open_hold(hold, at, until, lasting)
        if (until is None) == (lasting is None):
            raise Refusal("field_invalid")
        end = now + (lasting or 0) if until is None else until
        check_end(end, now, found.created_at, endless=False)
        if end < found.expires_at:
            raise Refusal("field_invalid")
        wallet.last_at = now
        if end == found.created_at + HOLD_MAX:
            self.notes["a hold is extended to its limit"] += 1
        found.expires_at = end

    def _rule(self, at: int, unit: str, overage_max: int, limited: bool, behavior: str) -> None:
        wallet = self.wallets[unit]
        wallet.overage_max, wallet.limited, wallet.behavior = overage_max, limited, behavior

    def _reset(self, at: int, unit: str) -> Facts:
        wallet = self.wallets[unit]
        now = wallet.arrive(at, self.recorded_at)
        self._once(unit)
        wallet.last_at = now
        moved = 0 if wallet.rule()[2].startswith("carry") else wallet.overage
        if moved:
            self.notes["a reset ends overage"] += 1
        wallet.overage -= moved
        return {"moved": wallet.text(moved)}

    def _settle(self, at: int, unit: str) -> None:
        self.wallets[unit].arrive(at, self.recorded_at)


def check_expiry(expires_at: int, effective_at: int, now: int) -> None:
    if expires_at <= now:
        raise Refusal("expiry_not_in_future", field="expires_at")
    if expires_at <= effective_at:
        raise Refusal("expiry_before_effective", field="expires_at")


def check_end(end: int, now: int, created_at: int, endless: bool) -> None:
    if end <= now:
        raise Refusal("expiry_not_in_future")
    if not endless and end > created_at + HOLD_MAX:
        raise Refusal("field_invalid")


def take(hold: NaiveHold, units: int) -> list[tuple[NaiveGrant, int]]:
    """``units`` off the first slices of a hold."""
    taken, left = [], []
    for grant, held in hold.slices:
        part = min(held, units)
        units -= part
        if part:
            taken.append((grant, part))
        if held > part:
            left.append((grant, held - part))
    hold.slices = left
    return taken


def to_return(draws: list[NaiveDraw], units: int | None) -> list[tuple[NaiveDraw, int]]:
    """What of ``units`` (None: of all) each draw gives back, the last drawn first."""
    used = {_source(draw): _used(draw) for draw in draws}
    left = sum(draw.left for draw in draws) if units is None else units
    returns = []
    for draw in reversed(draws):
        part = min(draw.left, used[_source(draw)], left)
        used[_source(draw)] -= part
        left -= part
        if draw.grant is None:
            for grant, back in repaid_after(draw, min(draw.left - part, left)):
                if _place(draw, grant) in used:
                    used[_place(draw, grant)] -= back
                part += back
                left -= back
        returns.append((draw, part))
    return returns


def repaid_after(draw: NaiveDraw, units: int) -> list[tuple[NaiveGrant, int]]:
    """Whose credit has repaid ``units`` past zero since, the first to do so first."""
    found = []
    used = {id(grant): grant.used for grant, _ in draw.wallet.repayments}
    for grant, repaid in draw.wallet.repayments[draw.repaid :]:
        part = min(units, repaid, used[id(grant)])
        used[id(grant)] -= part
        units -= part
        found.append((grant, part))
    return found


def _source(draw: NaiveDraw) -> tuple[int, int]:
    """What a draw goes back to: a grant, or its wallet's overage."""
    return _place(draw, draw.grant)


def _place(draw: NaiveDraw, grant: NaiveGrant | None) -> tuple[int, int]:
    return (id(draw.wallet), id(grant))


def _used(draw: NaiveDraw) -> int:
    return draw.wallet.overage if draw.grant is None else draw.grant.used


def give_back(returns: list[tuple[NaiveDraw, int]], now: int) -> None:
    """A draw that was gone past has nothing left: an adjustment had returned the rest of it."""
    gone_past: set[int] = set()
    settled = []
    for draw, part in reversed(returns):
        if id(draw.wallet) in gone_past:
            if draw.left > part:
                draw.wallet.notes["a reversal goes past what an adjustment returned"] += 1
            draw.left = 0
        elif part:
            draw.left -= part
            gone_past.add(id(draw.wallet))
        if part:
            settled.append((draw, part))
    for draw, part in reversed(
        settled
    ):  # overage first, then the last drawn: credit may repay what is left
        if draw.grant is None:
            undo_overage(draw, part, now)
        else:
            draw.wallet.give_back(draw.grant, part, now)


def undo_overage(draw: NaiveDraw, units: int, now: int) -> None:
    """First what is owed still; then who has repaid it gets back what he paid."""
    wallet = draw.wallet
    owed = min(units, wallet.overage)
    if owed:
        wallet.notes["a reversal undoes overage"] += 1
        wallet.overage -= owed
    for place, (grant, part) in enumerate(repaid_after(draw, units - owed), draw.repaid):
        if part:
            wallet.notes["a reversal returns what was repaid"] += 1
            wallet.repayments[place] = (grant, wallet.repayments[place][1] - part)
            wallet.give_back(grant, part, now)


def costs(
    wallets: list[NaiveWallet], prices: list[tuple[str, Decimal]], step: Fraction
) -> list[Fraction]:
    """What one step of a quantity costs in each wallet, in its units."""
    return [
        Fraction(price) * 10**wallet.scale * step
        for wallet, (_, price) in zip(wallets, prices, strict=True)
    ]


def cover(
    steps: Fraction, prices: list[Fraction], credits: list[int]
) -> tuple[list[tuple[int, int]], bool]:
    """For each wallet the steps it pays and the units they cost; each pays all it can, exactly.

    And whether the last would have paid the rest, were its units divisible.
    """
    parts, only_fine = [], False
    for price, credit in zip(prices, credits, strict=True):
        affordable = min(steps, Fraction(credit) / price)
        only_fine = affordable == steps
        paid = most(price, affordable * price)
        parts.append((paid, int(paid * price)))
        steps -= paid
    return parts, only_fine


def most(price: Fraction, credit: Fraction | int) -> int:
    """How many steps ``credit`` pays at a price for one, in whole units."""
    return int(credit / price // price.denominator * price.denominator)


def last_place(quantity: str) -> Fraction:
    """One of a quantity's last decimal place: a tenth for 2.5, one for 20."""
    fraction = quantity.partition(".")[2].rstrip("0")
    return Fraction(1, 10 ** len(fraction))


def number(exact: Fraction) -> str:
    """A fraction that a decimal can write."""
    return plain(EXACT.divide(Decimal(exact.numerator), Decimal(exact.denominator)))
