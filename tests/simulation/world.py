"""What should happen: a naive ledger for each customer, and what each request must be answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.simulation.metering import naive_usage
from tests.simulation.plays import BEGIN, GRANTS_MAX, HOLDS_MAX, SCHEDULES_MAX, Ask, Play, Turn
from tests.simulation.requests import Names
from tests.support.naive import NEVER, UNITS_MAX, NaiveWallet
from tests.support.oracle import NaiveLedger

#: ``ok``, ``replayed`` or a refusal's code; and what is told beside it.
Expected = tuple[str, dict[str, str]]


class World:
    """The naive ledgers, and ``counts`` of what they were asked, answered and went through.

    ``ids`` are those of what the clients have made so far. ``frozen`` is what the test clock shows.
    """

    def __init__(self, play: Play, counts: Counter[str]) -> None:
        self.counts = counts
        self.frozen = BEGIN
        self._clocked = play.clocked
        usage = naive_usage(play.meters)
        self.ids = Names()
        self._claims: dict[str, object] = {}
        self.ledgers = [
            NaiveLedger(
                {
                    name: NaiveWallet(
                        unit.scale,
                        unit.oldest_first,
                        unit.expires_after_days,
                        UNITS_MAX if unit.overage_max is None else unit.overage_max,
                        unit.limited,
                        unit.behavior,
                        shortfall=unit.shortfall,
                        grace=unit.grace,
                    )
                    for name, unit in play.units.items()
                },
                grants_max=GRANTS_MAX,
                holds_max=HOLDS_MAX,
                schedules_max=SCHEDULES_MAX,
                notes=counts,
                usage=usage,
            )
            for _ in range(play.customers)
        ]
        for ledger in self.ledgers:
            for wallet in ledger.wallets.values():
                wallet.ids = self.ids

    def happen(self, turn: Turn, done: Sequence[bool]) -> list[Expected | None]:
        """What becomes of each request of a turn; None of one that is undone or never begun."""
        kept = zip(turn.asks, done, strict=True)
        answers = [self._ask(ask, turn.now) if is_kept else None for ask, is_kept in kept]
        if turn.jobs:
            self.counts["jobs run"] += 1
            for customer, ledger in enumerate(self.ledgers):
                for wallet in ledger.wallets.values():
                    wallet.arrive(self.time_of(customer, turn.now), turn.now)
        return answers

    def time_of(self, customer: int, now: int) -> int:
        """What time it is for a customer when it is ``now`` for everybody else."""
        return self.frozen if customer < self._clocked else now

    def on_clock(self) -> list[NaiveWallet]:
        ledgers = self.ledgers[: self._clocked]
        return [wallet for ledger in ledgers for wallet in ledger.wallets.values()]

    def _advance(self, to: int, now: int) -> Expected:
        """Everything on the clock is played, each at its own instant."""
        if to < self.frozen:
            return "field_invalid", {}
        for wallet in self.on_clock():
            while due := [at for at in coming(wallet) if at <= to]:
                wallet.arrive(min(due), now)
                self.counts["an advance comes upon something that is due"] += 1
        self.frozen = to
        return "ok", {}

    def _ask(self, ask: Ask, now: int) -> Expected:
        code, facts = self._claim(ask, now) if ask.claims else self._decide(ask, now, ask.key)
        self.counts[f"{ask.verb}: {code}"] += 1
        return code, facts

    def _claim(self, ask: Ask, now: int) -> Expected:
        """The first answer under a claim stands, a refusal too."""
        assert ask.key is not None
        body = (ask.verb, ask.customer, ask.asked)
        if ask.key in self._claims:
            self.counts["a claim is used again"] += 1
            return ("replayed" if self._claims[ask.key] == body else "key_reused"), {}
        self._claims[ask.key] = body
        return self._decide(ask, now, None)

    def _decide(self, ask: Ask, now: int, key: str | None) -> Expected:
        if ask.verb == "advance":
            return self._advance(ask.asked["to"], now)
        ledger = self.ledgers[ask.customer]
        ledger.recorded_at, now = now, self.time_of(ask.customer, now)
        code, facts = ledger.ask(ask.verb, now, key, ask.replays, **ask.asked)
        if code == "ok":
            facts = facts | balance_of(wallet_of(ledger, ask), now)
        return code, facts


def coming(wallet: NaiveWallet) -> list[int]:
    """The instants at which time alone will change something."""
    found = [hold.expires_at for hold in wallet.holds if hold.state == "open"]
    for grant in wallet.grants:
        if grant.remaining and not grant.ended:
            found += [grant.expires_at, grant.effective_at]
    found += [schedule.next()[0] for schedule in wallet.schedules]
    return [at for at in found if wallet.last_at < at < NEVER]


def wallet_of(ledger: NaiveLedger, ask: Ask) -> NaiveWallet | None:
    """The one wallet that an accepted request was about."""
    asked = ask.asked
    if "hold" in asked:
        return ledger.holds[asked["hold"]][0]
    if "grant" in asked:
        found = ledger.find_grant(asked["grant"])
        return None if found is None else found[0]
    if "schedule" in asked:
        return ledger.schedules[asked["schedule"]][0]
    if "debit" in asked or "prices" in asked or "event" in asked:
        return None
    return ledger.wallets[asked["unit"]]


def balance_of(wallet: NaiveWallet | None, now: int) -> dict[str, str]:
    """What the wallet is right after it, in units: an answer says so."""
    if wallet is None:
        return {}
    at = max(now, wallet.last_at)
    numbers = {
        "posted": wallet.posted(at),
        "held": wallet.held(),
        "pending": wallet.pending(at),
    }
    return {name: str(units) for name, units in numbers.items()}
