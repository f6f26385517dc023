"""Alerts by the thousand cases: random lives, judged by a ledger that looks at every instant anew."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    CreateAlert,
    CreateCustomer,
    CreateEntitlement,
    Debit,
    IssueGrant,
)
from drawdown.core.requests import Accepted
from drawdown.core.types import DAY, AlertKind, Instant
from drawdown.core.watching.crossings import TOLD_AT_FIRST_MAX
from tests.support import alerting
from tests.support.core_subject import CoreSubject
from tests.support.memory import CoreLedger
from tests.support.oracle_subject import OracleSubject
from tests.support.scenarios import START, Step, Subject, day_text

UNITS = {"credits": {"scale": "0", "overage": "limited:40", "behavior": "carry_deficit"}}
ALERTS = {
    "L1": "below=0",
    "L2": "below=35",
    "L3": "below=25%",
    "L4": "below=80% all",
    "L5": "used=60",
    "L6": "expiry=2",
    "L7": "expiry=6 all",
    "L8": "depletes=4",
}
LIVES = 30
STEPS = 24


def step(at: int, text: str) -> Step:
    verb, *rest = text.split()
    options = dict(word.split("=", 1) for word in rest if "=" in word)
    words = tuple(word for word in rest if "=" not in word)
    return Step(f"{day_text(at)} {text}", Instant(at), verb, words, options, "", {})


def life(seed: int) -> Iterator[Step]:
    """What happens to one wallet: names are made whether or not what they stand for is."""
    chance = random.Random(seed)
    at = int(START)
    for name, line in ALERTS.items():
        yield step(at, f"alert {name} {line}")
    made: dict[str, list[str]] = {"grant": [], "debit": [], "hold": []}
    for number in range(STEPS):
        at += chance.choice((0, 1, 3_600_000_000, DAY // 3, DAY, 3 * DAY)) + chance.randrange(999)
        verb = chance.choice(("grant",) * 3 + ("debit",) * 5 + ("hold", "reverse", "amend", "read"))
        name = f"{verb}{number}"
        if verb in made:
            made[verb].append(name)
        if verb == "grant":
            ends = at + chance.randrange(1, 14 * DAY)
            begins = f" eff={day_text(at + (ends - at) // 3)}" if chance.random() < 0.2 else ""
            yield step(at, f"grant {name} {chance.randrange(1, 90)} exp={day_text(ends)}{begins}")
        elif verb == "debit":
            yield step(at, f"debit {name} {chance.randrange(1, 40)}")
        elif verb == "hold":
            until = day_text(at + chance.randrange(1, DAY))
            yield step(at, f"hold {name} {chance.randrange(1, 40)} until={until}")
        elif verb == "reverse" and made["debit"]:
            yield step(at, f"reverse {chance.choice(made['debit'])}")
        elif verb == "amend" and made["grant"]:
            later = day_text(at + chance.randrange(1, 14 * DAY))
            yield step(at, f"amend {chance.choice(made['grant'])} exp={later}")
        else:
            yield step(at, "read")
    yield step(at + 30 * DAY, "read")


def acted(subject: Subject, what: Step) -> str:
    """The result; one who cannot name what was refused before says so."""
    try:
        result = subject.act(what)[0]
    except KeyError:
        return "unknown"
    return "unknown" if result.endswith("_not_found") else result


def played(subject: CoreSubject, steps: list[Step], *, looks: bool) -> list[tuple[str, int, int]]:
    """All that alerts have told in the end; ``looks``: time is played with every step."""
    subject.prepare(UNITS)
    for each in steps:
        acted(subject, each)
        if looks:
            subject.alert("L1", each.at)
    subject.alert("L1", steps[-1].at)
    names = {alert: name for name, alert in subject.names.items()}
    operations = [operation for operation, _ in subject.core.state.changes.operations]
    told = [notice for each in operations for notice in alerting.notices(each)]
    return sorted((names[each.alert], each.at, each.available) for each in told)


@pytest.mark.parametrize("batch", range(4))
def test_alerts_fire_as_a_naive_ledger_says_that_looks_at_every_instant(batch: int) -> None:
    fired = 0
    for seed in range(batch * LIVES, (batch + 1) * LIVES):
        core, oracle = CoreSubject(), OracleSubject()
        core.prepare(UNITS)
        oracle.prepare(UNITS)
        for each in life(seed):
            assert acted(core, each) == acted(oracle, each), (seed, each.line)
            for name in [name for name in ALERTS if name in core.names]:
                found, right = core.alert(name, each.at), oracle.alert(name, each.at)
                assert found == right, (seed, each.line, name)
        fired += sum(int(core.alert(name, each.at)["told"]) for name in ALERTS)
    assert fired > 5 * LIVES


def test_what_is_told_does_not_depend_on_when_time_is_played() -> None:
    """Whoever settles a wallet, and however often: the same alerts at the same instants."""
    told = 0
    for seed in range(LIVES):
        steps = list(life(seed))
        once = played(CoreSubject(), steps, looks=False)
        assert once == played(CoreSubject(), steps, looks=True), seed
        told += len(once)
    assert told > 5 * LIVES


def test_an_alert_new_to_a_wallet_tells_of_a_thousand_grants_that_are_near_their_end() -> None:
    core = CoreLedger()
    core.one(CreateCustomer(own_id="ada"), START)
    core.one(CreateEntitlement(code="e", unit="credit", scale=0), START)
    near = IssueGrant(
        customer="ada", entitlement="e", amount=Amount(1), expires_at=Instant(START + DAY)
    )
    made = []
    for _ in range(TOLD_AT_FIRST_MAX + 9):
        accepted = core.one(near, START)
        assert isinstance(accepted, Accepted)
        assert accepted.grant is not None
        made.append(accepted.grant.id)
    core.one(CreateAlert(entitlement="e", kind=AlertKind.DAYS_TO_EXPIRY, days=5), START)
    for later in (1, 2):
        core.one(Debit(customer="ada", entitlement="e", amount=Amount(1)), Instant(START + later))
    operations = [operation for operation, _ in core.state.changes.operations]
    told = [notice.grant for each in operations for notice in alerting.notices(each)]
    assert told == sorted(made)[:TOLD_AT_FIRST_MAX]
