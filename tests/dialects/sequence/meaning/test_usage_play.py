"""Usage, played at random against the naive model: what is sent, mapped, changed and granted in any order."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest

from drawdown.core import identity
from drawdown.core.amounts import Amount
from drawdown.core.commands import CreateRate, VoidGrant
from drawdown.core.types import Id
from drawdown.core.usage.rating import PerUnit
from tests.dialects.sequence.contract_usage import metric_body, units
from tests.dialects.sequence.meaning.naive_usage import NEVER, Event, Grant, Naive, Refused, Rule
from tests.dialects.sequence.meaning.world import DAY, SECOND, World, opened_world
from tests.dialects.sequence.support import credit_body
from tests.support.books import verified
from tests.support.postgres import Clusters
from tests.support.stores import SPREAD, SQLITE, new_database

pytestmark = pytest.mark.anyio

ALIASES = ("a", "b", "c", "d", "VOID")
EVENT_IDS = tuple(f"e-{number}" for number in range(8))
#: Around the end of a month, and long before it.
TIMES = (
    "2025-11-03T10:00:00Z",
    "2026-01-31T23:59:59.999999Z",
    "2026-02-01T00:00:00Z",
)
PRICE = Fraction(1, 2)


def instant(text: str) -> int:
    since = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1)


def day(at: int) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at):%Y-%m-%d}"


def exact(text: Any) -> Fraction:
    return Fraction(str(text))


def frozen(said: dict[str, Any]) -> str:
    return json.dumps(
        {name: str(exact(each)) if name == "n" else each for name, each in said.items()},
        sort_keys=True,
    )


class Play:
    """A world, what it ought to be, and what happens next."""

    def __init__(self, world: World, random: Random) -> None:
        self.world, self.random, self.naive = world, random, Naive(now=world.clock.instant)
        self.customers: list[str] = []
        self.names: dict[str, str] = {}
        self.grants: dict[str, Grant] = {}
        self.living: list[Rule] = []
        self.notes: Counter[str] = Counter()

    async def begin(self) -> None:
        for _ in range(3):
            self.customers.append(await self.world.new_customer())
        for customer in self.customers:
            self.naive.aliases[customer] = customer
        await self.make_metric()

    async def go_on(self) -> None:
        steps = {
            self.send: 30,
            self.give_alias: 4,
            self.take_alias_back: 2,
            self.grant: 6,
            self.void: 1,
            self.make_metric: 1,
            self.change_metric: 2,
            self.delete_metric: 1,
            self.price: 2,
            self.wait: 2,
        }
        [step] = self.random.choices(list(steps), list(steps.values()))
        await step()
        self.notes[step.__name__] += 1

    async def ask(self, *asked: Any, **more: Any) -> Any:
        """The model's time is that of the call."""
        self.naive.pass_to(self.world.clock.instant + SECOND)
        return await self.world.ask(*asked, **more)

    # Steps ---------------------------------------------------------------------------------------

    async def send(self) -> None:
        random = self.random
        own_id, alias = random.choice(EVENT_IDS), random.choice((*ALIASES, *self.customers))
        kind = random.choice(("call", "call", "image"))
        past = [each for each in TIMES if instant(each) <= self.naive.now]
        time = random.choice((None, None, *past))
        said = self._properties()
        written = said | ({"n": float(said["n"])} if "n" in said else {})
        body = {
            "customerAlias": alias,
            "eventType": kind,
            "customerEventId": own_id,
            "eventProperties": written,
        } | ({} if time is None else {"eventTimestamp": time})
        response = await self.ask("POST", "/usage-events", body)
        try:
            then = None if time is None else instant(time)
            expected = self.naive.send(own_id, alias, kind, then, said)
        except Refused:
            self.notes["refused"] += 1
            assert response.status_code == 400, response.text
            return
        assert response.status_code == 201, response.text
        assert instant(response.json()["eventTimestamp"]) == expected.time

    def _properties(self) -> dict[str, Any]:
        random = self.random
        said: dict[str, Any] = {}
        if random.random() < 0.9:
            said["n"] = Fraction(random.choice((0, 1, 2, 5, 9)), 2)
        if random.random() < 0.8:
            said["region"] = random.choice(("eu", "EU", "us"))
        if random.random() < 0.8:
            said["user"] = random.choice(("ada", "bob", "Ada"))
        return said

    async def give_alias(self) -> None:
        free = [each for each in ALIASES[:-1] if each not in self.naive.aliases]
        if free:
            alias, customer = self.random.choice(free), self.random.choice(self.customers)
            body = {"customerId": customer, "value": alias}
            response = await self.ask("POST", "/customer-aliases", body)
            assert response.status_code == 201, response.text
            self.names[alias] = response.json()["id"]
            self.notes["waited"] += any(each.alias == alias for each in self.naive.waiting.values())
            self.naive.map_alias(alias, customer)

    async def take_alias_back(self) -> None:
        if self.names:
            alias = self.random.choice(sorted(self.names))
            response = await self.ask("DELETE", f"/customer-aliases/{self.names.pop(alias)}")
            assert response.status_code == 200, response.text
            del self.naive.aliases[alias]

    async def grant(self) -> None:
        customer, size = self.random.choice(self.customers), self.random.choice((1, 3, 8, 20))
        now = self.world.clock.instant + SECOND
        unit = self.random.choice((*(each.metric for each in self.living), "USD"))
        days = {}
        starts, ends = now - now % DAY, NEVER
        if self.random.random() < 0.3:
            starts += self.random.choice((1, 2)) * DAY
            days["effectiveDate"] = day(starts)
        if self.random.random() < 0.6:
            ends = starts + self.random.choice((1, 2, 5)) * DAY
            days["expiryDate"] = day(ends - DAY)
        if unit == "USD":
            body = credit_body(customer, amount=size) | days
        else:
            body = units(customer, unit, "") | {"amount": size} | days
        response = await self.ask("POST", "/credits", body)
        assert response.status_code == 201, response.text
        identifier = response.json()["id"]
        made = Grant(len(self.grants), unit, Fraction(size), starts, ends)
        self.grants[identifier] = made
        self.naive.grants.setdefault(customer, []).append(made)

    async def void(self) -> None:
        open_ones = [name for name, each in self.grants.items() if each.left]
        if open_ones:
            name = self.random.choice(open_ones)
            self.world.pass_time()
            self.naive.pass_to(self.world.clock.instant)
            if self.grants[name].left:
                identifier = identity.parse(name)
                assert identifier is not None
                await self.world.ledger.apply(self.world.book, VoidGrant(grant=identifier))
                self.naive.void_grant(self.grants[name])

    def _definition(self) -> dict[str, Any]:
        random = self.random
        body = metric_body(eventType=random.choice(("call", "call", "image")))
        body["aggregationType"] = random.choice(("COUNT", "SUM", "SUM", "UNIQUE"))
        body["aggregationProperty"] = {"SUM": "n", "UNIQUE": "user"}.get(body["aggregationType"])
        if random.random() < 0.3:
            body |= {"metricType": "GROUPED", "groupingProperty": "region"}
        if random.random() < 0.5:
            body["propertyFilters"] = {"region": random.choice((["eu"], ["EU", "us"]))}
            body["propertiesToNegate"] = random.choice(([], ["region"]))
            body["caseSensitive"] = random.random() < 0.5
        body["deduction"] = random.choice(("AT_ONCE", "AT_ONCE", "AT_ONCE", "ON_INVOICE"))
        return body

    def _rule(self, metric: str, body: dict[str, Any]) -> Rule:
        return Rule(
            metric=metric,
            event=body["eventType"],
            aggregation=body["aggregationType"],
            property=body["aggregationProperty"],
            group=body.get("groupingProperty"),
            filters=body.get("propertyFilters", {}),
            negated=body.get("propertiesToNegate", []),
            any_case=not body.get("caseSensitive", True),
            waits=body["deduction"] == "ON_INVOICE",
            opened=self.naive.now,
        )

    async def make_metric(self) -> None:
        if len(self.living) < 3:
            body = self._definition() | {"name": f"Metric {self.naive.now}"}
            response = await self.ask("POST", "/usage-metrics", body)
            assert response.status_code == 201, response.text
            rule = self._rule(response.json()["id"], body)
            self.living.append(rule)
            self.naive.rules.append(rule)

    async def change_metric(self) -> None:
        if self.living:
            old = self.random.choice(self.living)
            body = self._definition() | {"name": f"Metric {self.naive.now}"}
            response = await self.ask("PUT", f"/usage-metrics/{old.metric}", body)
            assert response.status_code == 200, response.text
            new = self._rule(old.metric, body)
            if self._says(new) == self._says(old):
                return
            old.closed = self.naive.now
            self.living[self.living.index(old)] = new
            self.naive.rules.append(new)

    @staticmethod
    def _says(rule: Rule) -> tuple[Any, ...]:
        return (
            (rule.event, rule.aggregation, rule.property, rule.group, rule.waits, rule.any_case),
            rule.filters,
            rule.negated,
        )

    async def delete_metric(self) -> None:
        if len(self.living) > 1:
            rule = self.random.choice(self.living)
            response = await self.ask("DELETE", f"/usage-metrics/{rule.metric}")
            assert response.status_code == 200, response.text
            self.living.remove(rule)
            rule.closed = self.naive.now

    async def price(self) -> None:
        """Money for what is left of a metric that only ever grows."""
        free = [each for each in self.living if each.price is None and each.aggregation != "UNIQUE"]
        if free:
            rule = self.random.choice(free)
            self.world.pass_time()
            self.naive.pass_to(self.world.clock.instant)
            metric = identity.parse(rule.metric)
            catalog = await self.world.ledger.catalog(self.world.book)
            [first] = [
                each
                for each in catalog.rates.values()
                if each.entitlement == metric and each.closed_at is None
            ]
            asked = CreateRate(
                meter=first.meter,
                entitlement="usd",
                price=PerUnit(price=Amount(5, 1)),
                rest_of=Id(first.id),
            )
            await self.world.ledger.apply(self.world.book, asked)
            rule.price, rule.priced_at = PRICE, self.naive.now

    async def wait(self) -> None:
        """Hours, or until a day begins; to its microsecond."""
        now = self.world.clock.instant
        midnight = DAY - now % DAY
        passed = self.random.choice((3_600 * SECOND, DAY // 3, midnight, midnight - 1 - SECOND))
        self.world.pass_time(max(passed - SECOND, 0))
        self.naive.pass_to(self.world.clock.instant)

    # What is compared ----------------------------------------------------------------------------

    async def compare(self) -> None:
        await self._compare_events()
        for customer in self.customers:
            await self._compare_credit(customer)
        for rule in self.living:
            await self._compare_metric(rule)

    async def _compare_events(self) -> None:
        listed: list[Any] = []
        query: dict[str, Any] = {"limit": 100}
        while True:
            page = await self.world.read("/usage-events", **query)
            listed += page["items"]
            if "after" not in page["pagination"]:
                break
            query["after"] = page["pagination"]["after"]
        found = Counter(self._said(each) for each in listed)
        expected = Counter(
            (own_id, kind, time, frozen(said)) for own_id, kind, time, said in self.naive.received
        )
        assert found == expected
        for own_id in EVENT_IDS:
            await self._compare_one(own_id, self.naive.standing(own_id))

    @staticmethod
    def _said(shown: Any) -> tuple[str, str, int, str]:
        time = instant(shown["eventTimestamp"])
        return shown["customerEventId"], shown["eventType"], time, frozen(shown["eventProperties"])

    async def _compare_one(self, own_id: str, standing: tuple[str, Event] | None) -> None:
        found = (await self.world.read("/usage-events", eventId=own_id))["items"]
        expected = []
        if standing is not None:
            whose, said = standing
            expected = [(whose, (own_id, said.kind, said.time, frozen(said.said)))]
        assert [(each["customerAlias"], self._said(each)) for each in found] == expected, own_id

    async def _compare_credit(self, customer: str) -> None:
        now = self.world.clock.instant + SECOND
        self.naive.pass_to(now)
        items = (await self.world.read(f"/credits/{customer}/grants"))["items"]
        found = [(self.grants[each["id"]], exact(each["balance"])) for each in items]
        expected = [(each, each.left) for each in self.naive.outstanding(customer)]
        assert sorted(found, key=lambda each: each[0].place) == sorted(
            expected, key=lambda each: each[0].place
        )
        self.naive.pass_to(now + SECOND)
        for balance in (await self.world.read(f"/credits/{customer}/balances"))["items"]:
            grants = [
                each for each in self.naive.grants.get(customer, []) if each.unit == balance["id"]
            ]
            left = sum((each.left for each in grants), Fraction(0))
            moved = [
                exact(each["amount"]) * (1 if each["type"] == "CREDIT" else -1)
                for each in balance["transactions"]
            ]
            assert (exact(balance["balance"]), sum(moved)) == (left, left), balance["name"]

    async def _compare_metric(self, rule: Rule) -> None:
        some = set(self.random.sample(self.customers, 2))
        for first, last in (("2025-01-01", "2027-12-31"), ("2026-01-01", "2026-01-31")):
            found = await self.world.read(
                f"/usage-metrics/{rule.metric}/calculate",
                customerAliases=",".join(some),
                periodStart=first,
                periodEnd=last,
            )
            start = instant(first + "T00:00:00Z")
            end = instant(last + "T00:00:00Z") + DAY
            assert exact(found["value"]) == self.naive.calculate(rule, some, start, end)


async def played(world: World, seed: int, steps: int) -> Counter[str]:
    play = Play(world, Random(seed))
    await play.begin()
    for number in range(steps):
        await play.go_on()
        if number % 10 == 9:
            await play.compare()
    await play.compare()
    await verified(world.ledger)
    return play.notes


#: On SQLite some long plays, on PostgreSQL a short one. In each of them much of everything happens.
PLAYS = ((SQLITE, 3, 150), (SQLITE, 11, 150), (SQLITE, 16, 150), (SPREAD, 3, 60))


@pytest.mark.parametrize(("kind", "seed", "steps"), PLAYS)
async def test_usage_is_what_the_naive_model_says(
    kind: str, seed: int, steps: int, tmp_path: Path, clusters: Clusters
) -> None:
    with new_database(kind, tmp_path, clusters) as database:
        async with opened_world(database) as world:
            notes = await played(world, seed, steps)
    assert min(notes[each] for each in ("send", "grant", "refused", "waited")) > 0
