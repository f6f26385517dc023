"""Turns out of a seed: what clients ask next, given how things stand. Odd cases are common here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, TypeVar

import msgspec

from tests.simulation import faults, using
from tests.simulation.looking import instants_of
from tests.simulation.plays import ALL, BEGIN, DAY, HOUR, MINUTE, SECOND, Ask, Play, Turn, Unit
from tests.simulation.world import World
from tests.support.naive import NEVER, UNITS_MAX, NaiveWallet
from tests.support.oracle import NaiveLedger
from tests.support.stores import SQLITE

T = TypeVar("T")

VERBS = {
    "grant": 5.0,
    "debit": 8.0,
    "spend": 2.0,
    "hold": 5.0,
    "capture": 6.0,
    "release": 1.5,
    "extend": 1.5,
    "reverse": 3.0,
    "adjust": 2.0,
    "amend": 1.5,
    "expire": 0.7,
    "void": 0.7,
    "reset": 0.4,
    "settle": 0.7,
    "schedule": 1.2,
    "change": 0.8,
    "pause": 0.4,
    "resume": 0.5,
    "cancel": 0.3,
    "use": 3.0,
}
NAMED = ("grant", "debit", "spend", "hold", "capture", "schedule", "change")
SPANS = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}
ZONES = ("UTC",) * 8 + ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Mars")
MODELS = ("large", "small", "tiny")
REGIONS = ("eu", "us")
BEHAVIORS = (
    "forgive_at_reset",
    "invoice_at_billing",
    "carry_deficit",
    "carry_deficit_auto_repay",
    "carry_deficit_auto_repay",
)
PRICES = ("1", "2", "0.5", "0.25", "3", "0.3", "10")
ASKS_MAX = 8
REPEATS_KEPT = 12


def setting(chance: Random, depth: str, seed: int | None = None, database: str = SQLITE) -> Play:
    """Two or three kinds of credit and a few customers; nothing has been asked yet."""
    units = {"credits": beyond(chance, Unit(chance.choice((0, 0, 2)), chance.random() < 0.3))}
    days = chance.choice((0, 0, 0, 1))
    cash = chance.choice(("cash", "cash", "usd"))
    units[cash] = (
        Unit(9) if cash == "usd" else Unit(chance.choice((2, 9, 10)), chance.random() < 0.1, days)
    )
    if chance.random() < 0.4:
        units["free"] = beyond(chance, Unit())
    units = {name: unit if name == "usd" else charged(chance, unit) for name, unit in units.items()}
    power = depth == "engine" and chance.random() < 0.25
    meters = tuple(using.meter(chance, units) for _ in range(chance.choice((0, 1, 2, 2, 3))))
    customers = chance.randint(1, 3)
    clocked = chance.choice((0, 0, 1, customers))
    return Play(units, customers, (), depth, database, power, meters, clocked, seed)


def charged(chance: Random, unit: Unit) -> Unit:
    """What becomes of usage that it does not pay, and how late that may come."""
    shortfall = chance.choice(("refuse", "cap", "overage"))
    grace = chance.choice((0, HOUR, DAY, 366 * DAY))
    return msgspec.structs.replace(unit, shortfall=shortfall, grace=grace)


def beyond(chance: Random, unit: Unit) -> Unit:
    """Now and then the unit may be used past zero."""
    if chance.random() < 0.6:
        return unit
    most = chance.choice((1, 20, 60, 60, None))
    behavior = chance.choice(BEHAVIORS)
    return msgspec.structs.replace(unit, overage_max=most, behavior=behavior)


class Generator:
    """Makes one turn after the other. It looks at the world as clients do: between turns."""

    def __init__(self, chance: Random, play: Play, world: World) -> None:
        self._chance = chance
        self._world = world
        self._units = list(play.units)
        self._faulty, self._power = play.depth == "engine", play.power
        self._connected = self._faulty and play.database != SQLITE
        self._now = self._wall = BEGIN
        self._clocked = play.clocked
        self._named = 0
        self._keyed = 0
        self._asked: list[Ask] = []
        self._unheard: list[Ask] = []
        self._used: list[dict[str, Any]] = []
        self._huge = chance.random() < 0.06
        moods = (chance.choice((0.3, 1.0, 1.0, 3.0)) for _ in VERBS)
        self._verbs = list(VERBS)
        self._weights = [weight * mood for weight, mood in zip(VERBS.values(), moods, strict=True)]

    def turns(self, commands: int) -> Iterator[Turn]:
        """Turns of so many requests in all, or a few more."""
        made, chance = 0, self._chance
        while made < commands:
            self._now = self._wall = self._next_now(self._wall)
            if self._clocked and chance.random() < 0.12:
                made += 1
                yield self._advance()
                continue
            size = self._chance.choice((1, 1, 1, 2, 3, ASKS_MAX))
            asks = tuple(self._ask() for _ in range(size))
            made += size
            yield self._turn(asks)

    def _turn(self, asks: tuple[Ask, ...]) -> Turn:
        chance = self._chance
        jobs = chance.random() < 0.04
        if not self._faulty:
            return Turn(self._wall, asks, jobs=jobs)
        first = chance.randint(1, len(asks)) if chance.random() < 0.4 else ALL
        fault = chance.choice(faults.FAULTS) if chance.random() < 0.06 else ""
        server = int(chance.random() < 0.2)
        turn = Turn(self._wall, asks, first, server, fault=fault, jobs=jobs)
        if self._connected:
            turn = self._connected_turn(turn)
        elif self._power and chance.random() < 0.25:
            turn = Turn(self._wall, asks, fault=faults.POWER_FAILS, step=chance.randint(1, 40))
        heard = zip(asks, faults.heard(turn), strict=True)
        self._unheard += [ask for ask, known in heard if not known and is_once(ask)]
        return turn

    def _connected_turn(self, turn: Turn) -> Turn:
        """What else can become of it where servers and their database are apart."""
        chance, replace = self._chance, msgspec.structs.replace
        if self._power and chance.random() < 0.03:
            return Turn(turn.now, turn.asks, fault=faults.KILLED, step=chance.randint(0, 15))
        if not turn.fault and chance.random() < 0.1:
            turn = replace(turn, fault=chance.choice(faults.UNNOTICED))
        if turn.fault in ("", *faults.UNNOTICED) and chance.random() < 0.3:
            # Two that ask under one claim at once might come in any order.
            claims = any(ask.claims or ask.verb == "use" for ask in turn.asks)
            even = any(ask.customer % 2 == 0 for ask in turn.asks)
            turn = replace(turn, both=True, first=ALL) if even and not claims else turn
        return turn

    # Time ----------------------------------------------------------------------------------------

    def _advance(self) -> Turn:
        """The test clock goes forward, as time does, or further; rarely it is asked to go back."""
        chance, frozen = self._chance, self._world.frozen
        to = self._next_now(frozen)
        if to <= frozen and chance.random() < 0.9:
            days = chance.choice((1, 1, 2, 7, 30, 31, 100 if chance.random() < 0.3 else 1))
            to = frozen + days * DAY
        fault = ""
        if self._faulty and chance.random() < 0.25:
            fault = chance.choice((faults.FAILS, *faults.DEATHS))
        ask = Ask("advance", {"to": to})
        return Turn(self._wall, (ask,), server=int(chance.random() < 0.3), fault=fault)

    def _next_now(self, now: int) -> int:
        """Mostly the same moment or a little later; often exactly when something falls due; or back."""
        chance = self._chance
        what = chance.random()
        if what < 0.5:
            return now
        if what < 0.7:
            return now + chance.randint(1, 600) * SECOND
        if what < 0.85:
            coming = sorted(self._coming(now))[:4]
            if coming:
                return chance.choice(coming) + chance.choice((0, 0, 0, -1, 1))
        if what < 0.95:
            return now + chance.randint(1, 4) * HOUR
        if what < 0.965:
            return now + chance.randint(1, 40) * DAY
        if what < 0.967:
            return now + chance.choice((100, 365, 366)) * DAY
        return max(BEGIN, now - chance.choice((1, SECOND, MINUTE, HOUR, 3 * HOUR)))

    def _coming(self, now: int) -> list[int]:
        """The instants at which time alone will change something."""
        wallets = [w for ledger in self._world.ledgers for w in ledger.wallets.values()]
        found = [at for wallet in wallets for at in instants_of(wallet)]
        return [at for at in found if now < at < now + 40 * DAY]

    # Asking --------------------------------------------------------------------------------------

    def _ask(self) -> Ask:
        """Something new, or now and then the same again, or something else under a used key.

        What was not answered is soon asked again.
        """
        chance = self._chance
        if self._unheard and chance.random() < 0.4:
            return self._unheard.pop(chance.randrange(len(self._unheard)))
        if self._asked and chance.random() < 0.06:
            return chance.choice(self._asked[-REPEATS_KEPT:])
        customer = chance.randrange(len(self._world.ledgers))
        self._now = self._world.time_of(customer, self._wall)
        verb = self._verb(self._world.ledgers[customer])
        ask = Ask(verb, self._body(verb, self._world.ledgers[customer]), customer)
        if verb in ("settle", "use") or chance.random() < 0.5:
            return ask
        if self._asked and chance.random() < 0.03:
            key = chance.choice(self._asked[-REPEATS_KEPT:]).key
        else:
            self._keyed += 1
            key = f"k{self._keyed}"
        claims = self._faulty and chance.random() < 0.15
        ask = Ask(verb, ask.asked, customer, key, claims or chance.random() < 0.95, claims)
        self._asked.append(ask)
        return ask

    def _verb(self, ledger: NaiveLedger) -> str:
        """Any; but without a grant, a hold or a debit rather what makes one."""
        verb = self._chance.choices(self._verbs, self._weights)[0]
        if verb != "settle" and not any(g.remaining for _, g in ledger.every_grant().values()):
            return "grant" if self._chance.random() < 0.6 else verb
        if verb in ("change", "pause", "resume", "cancel") and not ledger.schedules:
            return "schedule" if self._chance.random() < 0.8 else verb
        if verb in ("capture", "release", "extend") and not is_held(ledger):
            return "hold" if self._chance.random() < 0.8 else verb
        return verb

    def _body(self, verb: str, ledger: NaiveLedger) -> dict[str, Any]:
        body: dict[str, Any] = getattr(self, "_" + verb)(ledger)
        if verb in NAMED:
            self._named += 1
            body["name"] = self._named
        return body

    def _unit(self) -> str:
        return self._units[0] if self._chance.random() < 0.6 else self._chance.choice(self._units)

    def _funded(self, ledger: NaiveLedger) -> str:
        """Mostly a kind of credit of which the customer has some."""
        some = [unit for unit in self._units if ledger.wallets[unit].available(self._now)]
        return self._chance.choice(some) if some and self._chance.random() < 0.8 else self._unit()

    def _one_of(self, names: Sequence[T], living: Sequence[T] = ()) -> T | int:
        """A name that there is: mostly of something ``living``, else rather a new one. Or of nothing."""
        chance = self._chance
        if not names or chance.random() < 0.01:
            return 0
        if living and chance.random() < 0.85:
            return chance.choice(living)
        return chance.choice(names[-12:] if chance.random() < 0.8 else names)

    def _grant_name(self, ledger: NaiveLedger) -> int | str:
        every = ledger.every_grant()
        living = [name for name, (_, grant) in every.items() if not grant.ended]
        return self._one_of(list(every), living)

    def _schedule_name(self, ledger: NaiveLedger, *states: str) -> int:
        """Rather of one in one of the states."""
        living = [name for name, (_, found) in ledger.schedules.items() if found.state in states]
        return self._one_of(list(ledger.schedules), living)

    def _hold_name(self, ledger: NaiveLedger) -> int:
        living = [name for name, (_, hold) in ledger.holds.items() if hold.state == "open"]
        return self._one_of(list(ledger.holds), living)

    # Amounts -------------------------------------------------------------------------------------

    def _amount(self, wallet: NaiveWallet, likely: Sequence[int] = (), most: int = 30) -> str:
        """A few units, or one of the ``likely`` amounts or one beside it; rarely one that is no amount."""
        chance = self._chance
        what = chance.random()
        if what < 0.01:
            return chance.choice(("0", "0." + "0" * wallet.scale + "1", str(UNITS_MAX + 1)))
        if likely and what < 0.4:
            units = max(1, chance.choice(likely) + chance.choice((0, 0, 0, 1, -1)))
        elif self._huge and what < 0.7:
            units = UNITS_MAX // chance.choice((1, 1, 2, 3, 10))
        else:
            units = chance.randint(1, most)
        return wallet.text(min(units, UNITS_MAX))

    def _attributes(self) -> dict[str, str]:
        chance, found = self._chance, {}
        if chance.random() < 0.6:
            found["model"] = chance.choice(MODELS)
        if chance.random() < 0.3:
            found["region"] = chance.choice(REGIONS)
        return found

    def _scope(self) -> dict[str, list[str]]:
        chance, found = self._chance, {}
        if chance.random() < 0.25:
            found["model"] = sorted(chance.sample(MODELS, chance.randint(1, 2)))
        if chance.random() < 0.08:
            found["region"] = [chance.choice(REGIONS)]
        return found

    # What each verb asks for ---------------------------------------------------------------------

    def _grant(self, ledger: NaiveLedger) -> dict[str, Any]:
        chance = self._chance
        body: dict[str, Any] = {"unit": self._unit()}
        body["amount"] = self._amount(ledger.wallets[body["unit"]], most=100)
        body["priority"] = chance.choice((50, 50, 10, 20))
        if chance.random() < 0.4:
            body["paid"] = False
        if chance.random() < 0.2:
            body["eff"] = self._instant(ledger, -HOUR)
        if chance.random() < 0.6:
            least = body.get("eff", 0) + chance.choice((0, 1, MINUTE, HOUR))
            body["exp"] = max(self._instant(ledger, 1), least)
        if scope := self._scope():
            body["scope"] = scope
        if chance.random() < 0.3:
            body["roll"] = self._roll(ledger.wallets[body["unit"]])
        return body

    def _instant(self, ledger: NaiveLedger, least: int, most: int = 30 * DAY) -> int:
        """An instant that matters already, or one some time from now; mostly one to come."""
        chance, now = self._chance, self._now
        if chance.random() < 0.3:
            wallets = ledger.wallets.values()
            known = [hold.expires_at for wallet in wallets for hold in wallet.holds[-4:]]
            known += [grant.expires_at for wallet in wallets for grant in wallet.grants[-6:]]
            coming = [at for at in known if now < at <= now + most]
            known = coming if coming and chance.random() < 0.9 else known
            known = [at for at in known if at < NEVER]
            if known:
                return chance.choice(known)
        return now + chance.choice(
            (least, MINUTE, 20 * MINUTE, HOUR, 5 * HOUR, DAY, most, chance.randint(1, DAY))
        )

    def _debit(self, ledger: NaiveLedger) -> dict[str, Any]:
        chance, unit = self._chance, self._funded(ledger)
        wallet = ledger.wallets[unit]
        amount = self._amount(wallet, (wallet.available(self._now),))
        body: dict[str, Any] = {"unit": unit, "amount": amount}
        if attributes := self._attributes():
            body["attributes"] = attributes
        if chance.random() < 0.05:
            body["valid"] = self._now + chance.choice((-DAY, -HOUR, -1, 1, HOUR))
        return body

    def _spend(self, ledger: NaiveLedger) -> dict[str, Any]:
        chance = self._chance
        units = chance.sample(self._units, chance.randint(1, len(self._units)))
        body: dict[str, Any] = {
            "quantity": chance.choice((str(chance.randint(1, 60)), f"{chance.randint(1, 99)}.5")),
            "prices": [[unit, chance.choice(PRICES)] for unit in units],
            "partial": chance.random() < 0.3,
        }
        if chance.random() < 0.01:
            body["quantity"] = "0"
        if attributes := self._attributes():
            body["attributes"] = attributes
        return body

    def _hold(self, ledger: NaiveLedger) -> dict[str, Any]:
        unit = self._funded(ledger)
        wallet = ledger.wallets[unit]
        amount = self._amount(wallet, (wallet.available(self._now),))
        body: dict[str, Any] = {"unit": unit, "amount": amount}
        if attributes := self._attributes():
            body["attributes"] = attributes
        return body | self._end(ledger, self._now)

    def _end(self, ledger: NaiveLedger, born: int) -> dict[str, Any]:
        """When a hold is to end: not said, after some time, at an instant, at the limit or beyond it."""
        chance = self._chance
        what = chance.random()
        if what < 0.3:
            return {}
        if what < 0.55:
            spans = (1, MINUTE, HOUR, HOUR, DAY, DAY, DAY + 1, chance.randint(1, DAY))
            return {"lasting": chance.choice(spans)}
        if what < 0.65:
            return {"until": born + DAY + chance.choice((0, 0, 1))}
        if what < 0.7:
            return {"endless": True}
        return {"until": self._instant(ledger, 0, DAY)}

    def _capture(self, ledger: NaiveLedger) -> dict[str, Any]:
        chance, name = self._chance, self._hold_name(ledger)
        wallet, hold = ledger.holds.get(name, (ledger.wallets[self._units[0]], None))
        held = 0 if hold is None else hold.held
        likely = (held, held, held // 2, held + wallet.available(self._now))
        body: dict[str, Any] = {"hold": name, "amount": self._amount(wallet, likely)}
        if chance.random() < 0.25:
            body["final"] = True
        if chance.random() < 0.25:
            body["refuse"] = True
        return body

    def _release(self, ledger: NaiveLedger) -> dict[str, Any]:
        return {"hold": self._hold_name(ledger)}

    def _extend(self, ledger: NaiveLedger) -> dict[str, Any]:
        name = self._hold_name(ledger)
        born = ledger.holds[name][1].created_at if name in ledger.holds else self._now
        end = self._end(ledger, born)
        if "lasting" not in end and "until" not in end:
            end = {"lasting": HOUR}
        return {"hold": name} | end

    def _debit_name(self, ledger: NaiveLedger) -> int:
        """Rather of one that drew several grants."""
        several = [name for name, draws in ledger.debits.items() if len(draws) > 1]
        if several and self._chance.random() < 0.4:
            return self._chance.choice(several)
        return self._one_of(list(ledger.debits))

    def _reverse(self, ledger: NaiveLedger) -> dict[str, Any]:
        chance, name = self._chance, self._debit_name(ledger)
        draws = ledger.debits.get(name, [])
        body: dict[str, Any] = {"debit": name}
        if not draws or chance.random() < 0.4:
            return body
        draw = chance.choice(draws)
        left = sum(one.left for one in draws if one.wallet is draw.wallet)
        body["amount"] = self._amount(draw.wallet, (left, left // 2))
        if len({id(one.wallet) for one in draws}) > 1 and chance.random() < 0.9:
            units = ledger.wallets
            body["unit"] = next(unit for unit in units if units[unit] is draw.wallet)
        return body

    def _adjust(self, ledger: NaiveLedger) -> dict[str, Any]:
        name, up = self._grant_name(ledger), self._chance.random() < 0.5
        draws = ledger.debits.get(self._debit_name(ledger))
        if up and draws and draws[-1].grant is not None and self._chance.random() < 0.4:
            name = draws[-1].grant.name
        found = ledger.find_grant(name)
        wallet, grant = (ledger.wallets[self._units[0]], None) if found is None else found
        likely = [] if grant is None else [grant.used if up else grant.remaining - grant.held]
        amount = self._amount(wallet, likely)
        return {"grant": name, "direction": "up" if up else "down", "amount": amount}

    def _amend(self, ledger: NaiveLedger) -> dict[str, Any]:
        never = self._chance.random() < 0.15
        exp = NEVER if never else self._instant(ledger, 1)
        return {"grant": self._grant_name(ledger), "exp": exp}

    def _expire(self, ledger: NaiveLedger) -> dict[str, Any]:
        return {"grant": self._grant_name(ledger)}

    def _void(self, ledger: NaiveLedger) -> dict[str, Any]:
        only_unused = self._chance.random() < 0.5
        return {"grant": self._grant_name(ledger), "only_unused": only_unused}

    def _reset(self, ledger: NaiveLedger) -> dict[str, Any]:
        owing = [unit for unit in self._units if ledger.wallets[unit].overage]
        return {"unit": self._chance.choice(owing) if owing else self._unit()}

    def _settle(self, ledger: NaiveLedger) -> dict[str, Any]:
        return {"unit": self._unit()}

    def _use(self, ledger: NaiveLedger) -> dict[str, Any]:
        chance = self._chance
        if self._used and chance.random() < 0.15:
            return using.again(chance, chance.choice(self._used[-REPEATS_KEPT:]))
        self._used.append(using.event(chance, f"e{len(self._used)}", self._now))
        return self._used[-1]

    # Schedules -----------------------------------------------------------------------------------

    def _schedule(self, ledger: NaiveLedger) -> dict[str, Any]:
        chance, unit, now = self._chance, self._unit(), self._now
        wallet = ledger.wallets[unit]
        every = (
            chance.choice(("day", "day", "day", "week", "month", "month", "year")),
            chance.choice((1, 1, 1, 2, 3, 0 if chance.random() < 0.1 else 1)),
        )
        span = SPANS[every[0]] * max(1, every[1])
        body: dict[str, Any] = {"unit": unit, "amount": self._amount(wallet), "every": every}
        if chance.random() < 0.3:
            body["starts"] = max(0, self._around(now, span))
        starts = body.get("starts", now)
        if chance.random() < 0.3:
            ends_at = starts + chance.choice((1, HOUR, span // 2, 3 * span, 0))
            body["trial"] = [self._amount(wallet), ends_at, chance.random() < 0.6]
        if chance.random() < 0.3:
            body["anchor"] = max(0, self._around(now, span))
        if chance.random() < 0.3:
            body["ends"] = self._instant(ledger, 1) if chance.random() < 0.2 else starts + span * 3
        if chance.random() < 0.3:
            body["zone"] = chance.choice(ZONES)
        if chance.random() < 0.4:
            body["life"] = chance.choice(("never", 1, 2, 30, 0 if chance.random() < 0.1 else 7))
        if chance.random() < 0.6:
            body["roll"] = self._roll(wallet)
        if chance.random() < 0.2:
            body["rule"] = self._rule(wallet)
        return body

    def _around(self, now: int, span: int) -> int:
        """Some time before or after now, or now."""
        chance = self._chance
        return now + chance.choice((0, HOUR, span, -HOUR, -span // 3, -2 * span, DAY))

    def _roll(self, wallet: NaiveWallet) -> dict[str, Any]:
        chance = self._chance
        found: dict[str, Any] = {"percentage": chance.choice((100, 100, 50, 33, 1))}
        if chance.random() < 0.03:
            found["percentage"] = chance.choice((0, 101))
        if chance.random() < 0.5:
            found["generations"] = chance.choice((1, 1, 2, 3, 0 if chance.random() < 0.1 else 1))
        if chance.random() < 0.4:
            found["lives"] = [chance.choice((1, 2)), chance.choice(("day", "week", "month"))]
        if chance.random() < 0.2:
            found["least"] = wallet.text(chance.randint(1, 20))
        if chance.random() < 0.2:
            found["most"] = wallet.text(chance.randint(1, 30))
        return found

    def _rule(self, wallet: NaiveWallet) -> list[Any]:
        """How many units past zero, whether that is said, and what becomes of them."""
        most = self._chance.choice((0, 5, 50, None)) if not wallet.scale else None
        behavior = self._chance.choice(BEHAVIORS)
        return [UNITS_MAX if most is None else most, bool(most), behavior]

    def _change(self, ledger: NaiveLedger) -> dict[str, Any]:
        chance = self._chance
        name = self._schedule_name(ledger, "active", "active", "paused")
        wallet, found = ledger.schedules.get(name, (ledger.wallets[self._units[0]], None))
        body: dict[str, Any] = {"schedule": name}
        if chance.random() < 0.9:
            likely = () if found is None else (found.amount, found.amount * 2, found.amount // 2)
            body["amount"] = self._amount(wallet, likely)
        if chance.random() < 0.6:
            body["now"] = True
        if chance.random() < 0.4:
            body["prorate"] = True
        if chance.random() < 0.15:
            body["rule"] = "none" if chance.random() < 0.3 else self._rule(wallet)
        return body

    def _pause(self, ledger: NaiveLedger) -> dict[str, Any]:
        return {"schedule": self._schedule_name(ledger, "active")}

    def _resume(self, ledger: NaiveLedger) -> dict[str, Any]:
        return {"schedule": self._schedule_name(ledger, "paused")}

    def _cancel(self, ledger: NaiveLedger) -> dict[str, Any]:
        chance = self._chance
        body: dict[str, Any] = {"schedule": self._schedule_name(ledger, "active", "paused")}
        if chance.random() < 0.4:
            body["at_end"] = True
        if chance.random() < 0.4:
            body["expire"] = True
        return body


def is_once(ask: Ask) -> bool:
    """Whether it may be asked again: it is done once."""
    return ask.key is not None or ask.verb == "use"


def is_held(ledger: NaiveLedger) -> bool:
    return any(hold.state == "open" for _, hold in ledger.holds.values())
