"""One customer used through all four dialects at once: after every round each shows the same truth.

The usage is a real trace. Each call is told in one of seven ways, over many connections at once; meanwhile
each dialect grants, and what was granted before is expired, voided, reversed, taken and put back; then time
passes. The sum of all that was drawn is what the trace costs, to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from drawdown.client.errors import GrantHeld
from tests.conftest import StartServer
from tests.dialects.sequence.contract_usage import listed, value
from tests.dialects.together.customer import Ada
from tests.dialects.together.four import Four
from tests.dialects.together.shown import Wallet, agreed
from tests.dialects.together.trace import Used, calls
from tests.support.commands import drawdown
from tests.support.server import Server

CONNECTIONS = 12
ROUNDS, EACH = 5, 28
#: One of so many calls of the trace, over all of its hour.
SAMPLE = 62
BEGINS = datetime(2023, 11, 16, 18, 17, tzinfo=UTC)
ENDS = datetime(2023, 11, 17, tzinfo=UTC)
PLAN, HELD = 1_000, Decimal("2.000000001")
PATIENCE_SECONDS = 120


@pytest.fixture
def running(database_url: str, serve: StartServer) -> Server:
    """On PostgreSQL of two processes: there is no order but the database's."""
    workers = () if database_url.startswith("sqlite") else ("--workers", "2")
    return serve(*workers, database=database_url, dodo_page_base="1")


@pytest.fixture
def four(running: Server) -> Iterator[Four]:
    opened = Four(running.tenant())
    yield opened
    opened.close()


class Play:
    """Rounds of calls, each with what is done to credit meanwhile."""

    def __init__(self, ada: Ada) -> None:
        self.ada, self.four = ada, ada.four
        self.account = self.four.sequence.get("/credits").json()["items"][0]["sequenceAccountId"]
        self.cost = Decimal(0)
        self.events = 0
        self.now = BEGINS
        #: What the round before has left for this one to do.
        self.next: list[Callable[[], object]] = []

    def round(self, used: list[Used], number: int, threads: ThreadPoolExecutor) -> None:
        """All at once, right after the last call; nothing of it may fail."""
        self.now = used[-1].at
        self.ada.pass_time(self.now)
        self.check()
        ways = self.ada.ways()
        tellings = [partial(ways[n % len(ways)], each) for n, each in enumerate(used)]
        told: list[Callable[[], object]] = [*tellings[::2], *self.given(number), *tellings[1::2]]
        self.at_once(threads, *told)
        self.cost += sum(each.cost for each in used)
        self.events += sum(n % len(ways) < 4 for n in range(len(used)))

    def at_once(self, threads: ThreadPoolExecutor, *told: Callable[[], object]) -> None:
        """With what the round before has left to do."""
        later, self.next = self.next, []
        for done in [threads.submit(act) for act in (*later, *told)]:
            done.result(PATIENCE_SECONDS)

    def given(self, number: int) -> list[Callable[[], object]]:
        """Credit from each dialect, and what shall become of it in the next round."""
        return [
            partial(self._stripe_grants, number),
            partial(self._native_grants, number),
            partial(self._dodo_grants, number),
            partial(self._sequence_grants, number),
            self._is_corrected,
            self._is_held,
        ]

    def _stripe_grants(self, number: int) -> None:
        """One is soon used up, one is drawn first and then expired, the last of all is voided."""
        grants = self.four.stripe.v1.billing.credit_grants
        self.ada.by_stripe(1, f"Small {number}", priority=0)
        first = self.ada.by_stripe(60, f"Stripe {number}", priority=number + 1)
        last = self.ada.by_stripe(100, f"Unused {number}", priority=100, category="promotional")
        expire: Callable[[], object] = partial(grants.expire, first)
        if number % 2:
            expire = partial(self.four.native.expire_grant, first)
        self.next += [expire, partial(grants.void_grant, last)]

    def _native_grants(self, number: int) -> None:
        """Effective after some rounds; one of them is voided before."""
        made = self.four.native.grant(
            "ada",
            "usd",
            "7.123456789",
            name=f"Native {number}",
            effective_at=self.now + timedelta(minutes=15),
            metadata={"round": str(number)},
        )
        if number == 1:
            self.next.append(partial(self._void, made.id))

    def _dodo_grants(self, number: int) -> None:
        """It expires before the next round; one that does not is voided while it is drawn on."""
        voided = number == 2
        ends = self.now + timedelta(minutes=90 if voided else 3)
        amount = "30.000000001" if voided else "1.000000001"
        made = self.ada.by_dodo(amount, expires_at=ends.strftime("%Y-%m-%dT%H:%M:%SZ"))
        if voided:
            self.next.append(partial(self._void, made))

    def _void(self, grant: str) -> None:
        """In a later round where some of it is held in this one."""
        try:
            self.four.native.void_grant(grant)
        except GrantHeld:
            self.next.append(partial(self._void, grant))

    def _sequence_grants(self, number: int) -> None:
        """Until midnight; some of another that never ends is taken, and put back in the next round."""
        self.ada.by_sequence("25.5", name=f"Sequence {number}", expiryDate="2023-11-16")
        self.ada.calls("5")
        kept = self.ada.by_sequence("12.75", costOfCredit="9", name=f"Kept {number}")
        move = partial(self.ada.move, self.account, kept)
        move("DEBIT", "0.75")
        self.next.append(partial(move, "CREDIT", "0.75"))

    def _is_corrected(self) -> None:
        """A debit that should not have been."""
        debit = self.four.native.debit("her", "usd", "1.000000003")
        self.next.append(partial(self.four.native.reverse, debit.id))

    def _is_held(self) -> None:
        """What may be needed, and is not."""
        hold = self.four.native.hold("ada", "usd", HELD, expires_in=3_600)
        self.next.append(hold.release)

    def check(self) -> dict[str, Wallet]:
        return agreed(self.four, "ada")


def test_one_customer_is_used_through_all_dialects_at_once(four: Four, running: Server) -> None:
    used = calls(ROUNDS * EACH * SAMPLE)[::SAMPLE]
    assert len(used) == ROUNDS * EACH
    ada = Ada(four, BEGINS)
    four.native.grant("ada", "usd", "500", priority=60, name="Base")
    ada.calls(str(PLAN))
    play = Play(ada)
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        for number in range(ROUNDS):
            some = used[number * EACH : (number + 1) * EACH]
            play.round(some, number, threads)
            assert play.check()["usd"].has("held") == HELD
        while play.next:
            play.at_once(threads)
    wallets = play.check()
    cost = sum(each.cost for each in used)
    assert play.cost == cost
    assert wallets["usd"].has("used") == cost
    [calls_of] = [each for code, each in wallets.items() if code != "usd"]
    assert calls_of.has("used") == play.events
    check_usage(ada, used, play.events)
    states = {each["state"] for each in wallets["usd"].grants}
    assert states >= {"active", "depleted", "expired", "voided"}
    ada.pass_time(ENDS)
    left = {each["name"] for each in play.check()["usd"].grants if each["state"] == "active"}
    assert not any(name.startswith("Sequence") for name in left)
    assert any(name.startswith("Kept") for name in left)
    assert drawdown("verify", "--database", running.database, "--json").json()["ok"]


def check_usage(ada: Ada, used: list[Used], events: int) -> None:
    """Each dialect has every event, whichever told of it, and counts the same."""
    four, told = ada.four, [each for n, each in enumerate(used) if n % EACH % 7 < 4]
    ids = {f"call-{each.number}" for each in told}
    assert len(ids) == events
    assert {each["id"] for each in four.every("/events", customer="ada")} == ids
    found = four.dodo.every(lambda client: client.usage_events.list(customer_id="her"))
    assert {each.event_id for each in found} == ids
    shown = set()
    query = {"customerAlias": "her", "limit": "100"}
    while True:
        page = four.sequence.get("/usage-events", params=query).json()
        shown |= {each["customerEventId"] for each in page["items"]}
        if "after" not in page["pagination"]:
            break
        query["after"] = page["pagination"]["after"]
    assert shown == ids
    assert value(four.sequence, ada.metric, "her", "2023-11-16", "2023-11-16") == str(events)
    window: Any = {
        "customer": "ada",
        "start_time": int(BEGINS.timestamp()),
        "end_time": int((BEGINS + timedelta(hours=1)).timestamp()),
    }
    summaries = four.stripe.v1.billing.meters.event_summaries
    [summary] = summaries.list(ada.stripe_meter, window).data
    assert summary.aggregated_value == sum(each.input for each in told)
    assert len(listed(four.sequence, eventId=next(iter(ids)))) == 1
