"""A forecast, naively: from one instant to the next at which anything happens, one unit after the other."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Context, Decimal

from tests.support.naive import DAY, NEVER, NaiveWallet, Refusal

EXACT = Context(prec=80, rounding=ROUND_DOWN)


@dataclass
class NaiveForecast:
    """``available`` by day."""

    depletes_at: int | None = None
    lost: int = 0
    short: int = 0
    available: dict[int, int] = field(default_factory=dict)


def look_ahead(wallet: NaiveWallet, units: int, span: int, at: int, days: int) -> NaiveForecast:
    """``units`` were used in the last ``span`` microseconds, and so it goes on, whatever credit is for."""
    seen = copy.deepcopy(wallet)
    now = begin = seen.arrive(at)
    for grant in seen.grants:
        grant.scope = {}
    found, unit, lost = NaiveForecast(), 1, expired(seen)
    while now <= begin + days * DAY:
        seen.arrive(now)
        while units and begin + -(-unit * span // units) == now:
            try:
                seen.use(*seen.cover(now, now, {}, 1))
            except Refusal:
                found.short += 1
            unit += 1
        if units and seen.available(now) == 0 and found.depletes_at is None:
            found.depletes_at = now
        if (now - begin) % DAY == 0:
            found.available[now] = seen.available(now)
        following = [now + DAY - (now - begin) % DAY, *coming(seen, now)]
        if units:
            following.append(begin + -(-unit * span // units))
        now = min(following)
    found.lost = expired(seen) - lost
    return found


def window_start(made_at: int, at: int, days: int) -> int:
    return min(at - DAY, max(at - days * DAY, made_at))


def per_day(units: int, span: int, scale: int) -> Decimal:
    """To twelve places, not rounded up."""
    exact = EXACT.divide(Decimal(units * DAY), Decimal(span * 10**scale))
    return exact.quantize(Decimal(1).scaleb(-12), context=EXACT)


def expired(wallet: NaiveWallet) -> int:
    return sum(grant.expired for grant in wallet.grants)


def coming(wallet: NaiveWallet, now: int) -> list[int]:
    """Whatever is to happen by itself."""
    instants = [instant for g in wallet.grants for instant in (g.effective_at, g.expires_at)]
    instants += [hold.expires_at for hold in wallet.holds if hold.state == "open"]
    instants += [schedule.next()[0] for schedule in wallet.schedules]
    return [instant for instant in instants if now < instant < NEVER]


def net_use(wallet: NaiveWallet) -> int:
    return sum(grant.used for grant in wallet.grants) + wallet.overage
