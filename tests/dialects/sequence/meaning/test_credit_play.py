"""Credits, transactions and balances against a naive customer, whatever is done and wherever.

After every step outstanding grants, balances with their transactions, one credit and the list of all of them
say what the naive customer says: amounts to the digit, in the form that each place has, and in its order.
"""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from drawdown.core.commands import (
    AmendGrant,
    AskedOverage,
    Authorize,
    Capture,
    Command,
    CreateEntitlement,
    Debit,
    ExpireGrant,
    Release,
    ReverseDebit,
    VoidGrant,
)
from drawdown.core.errors import LedgerError
from drawdown.core.identity import parse, reference, spell_uuid
from drawdown.core.requests import Accepted
from drawdown.core.types import Id, Instant, OverageBehavior, OverageMode, Reference
from tests.dialects.sequence.meaning.naive_credit import NEVER, NOTHING, NaiveCredit, NaiveGrant
from tests.dialects.sequence.meaning.world import DAY, SECOND, World, opened_world
from tests.support.books import units, verified
from tests.support.stores import SQLITE, TOGETHER, Database

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database", [SQLITE, *TOGETHER[-1:]], indirect=True),
]

HOUR = 3_600 * SECOND
#: As balances are ordered: units as they were made, then money by its code.
KINDS = ("tokens", "calls", "EUR", "USD")
#: Credit of this kind is used past zero, and repaid by what comes.
REPAYING = "calls"
_decode = msgspec.json.Decoder(float_hook=str).decode


def plain(amount: Fraction) -> str:
    """A decimal without an exponent and without trailing zeros."""
    whole = amount * 10**12
    assert whole.denominator == 1
    text = f"{whole.numerator:013d}"
    return f"{text[:-12]}.{text[-12:]}".rstrip("0").rstrip(".")


class Player:
    """Does the same to a customer of the ledger's and to a naive one."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, random.Random(seed)
        self.naive = NaiveCredit(world.clock.instant, frozenset({REPAYING}))
        self.ids: list[str] = []
        self.names = itertools.count()
        #: Holds and debits by their naive names.
        self.known: dict[str, Id] = {}
        self.metrics: dict[str, str] = {}

    async def begin(self) -> None:
        carried = AskedOverage(
            mode=OverageMode.UNLIMITED, behavior=OverageBehavior.CARRY_DEFICIT_AUTO_REPAY
        )
        for kind, overage in (("tokens", None), (REPAYING, carried)):
            command = CreateEntitlement(unit="unit", scale=3, overage=overage)
            made = await self.world.ledger.apply(self.world.book, command)
            assert made.entitlement is not None
            self.metrics[kind] = spell_uuid(made.entitlement.id)
        self.customer = await self.world.new_customer()
        me = await self.world.made("/credits", self._body("EUR", Fraction(1)))
        self.headers = {"On-Behalf-Of": me["sequenceAccountId"]}
        self._granted("EUR", Fraction(1), False, None, None, me["id"])

    async def step(self) -> None:
        play = self.random.choice(
            [self.credit] * 3
            + [self.debit] * 4
            + [self.transaction] * 4
            + [
                self.hold,
                self.settle_hold,
                self.reverse,
                self.end,
                self.amend,
                self.wait,
                self.wait,
            ]
        )
        await play()
        await self.compare()

    # Plays ---------------------------------------------------------------------------------------

    def amount(self) -> Fraction:
        return Fraction(self.random.randint(1, 9_000), self.random.choice([1, 10, 1000]))

    def day(self, offset: int) -> str:
        today = datetime.fromtimestamp(self.world.clock.instant // SECOND, UTC).date()
        return (today + timedelta(days=offset)).isoformat()

    def _body(self, kind: str, amount: Fraction, **more: Any) -> dict[str, Any]:
        metric = self.metrics.get(kind)
        units = {"creditUnitType": "METRIC", "metricId": metric, "currency": "GBP"}
        money = {"creditUnitType": "CURRENCY", "currency": kind}
        body = {"customerId": self.customer, "name": "Credit"} | more
        return (
            body
            | (money if metric is None else units)
            | {"amount": msgspec.Raw(plain(amount).encode())}
        )

    async def credit(self) -> None:
        kind, amount = self.random.choice(KINDS), self.amount()
        begins = self.random.choice([None, None, -1, 0, 1, 2])
        ends = self.random.choice([None, 0, 1, 2, 3, 5])
        if ends is not None and begins is not None:
            ends = max(ends, begins)
        is_paid = self.random.random() < 0.5
        self.world.pass_time()
        more: dict[str, Any] = {"costOfCredit": 5} if is_paid else {}
        more |= {} if begins is None else {"effectiveDate": self.day(begins)}
        more |= {} if ends is None else {"expiryDate": self.day(ends)}
        made = await self.ask("POST", "/credits", self._body(kind, amount, **more))
        self._granted(kind, amount, is_paid, begins, ends, made["id"])

    def _granted(
        self,
        kind: str,
        amount: Fraction,
        is_paid: bool,
        begins: int | None,
        ends: int | None,
        identifier: str,
    ) -> None:
        now = self.world.clock.instant
        self.naive.come_to(now)
        today = now - now % DAY
        expires_at = NEVER if ends is None else today + (ends + 1) * DAY
        self.naive.grant(kind, amount, is_paid, today + (begins or 0) * DAY, expires_at)
        self.ids.append(identifier)

    async def debit(self) -> None:
        kind, name = self.random.choice(KINDS), f"debit-{next(self.names)}"
        most = self.naive.balance(kind)
        amount = self.random.choice([self.amount() / 10, most, most / 2])
        if amount <= 0 or (amount * 1000).denominator > 1:
            return
        command = Debit(
            customer=reference(self.customer),
            entitlement=self.entitlement(kind),
            amount=units(plain(amount)),
        )
        done = await self.command(command)
        assert self.naive.debit(name, kind, amount) is (done is not None)
        if done is not None and name in self.naive.debits:
            assert done.operation is not None
            self.known[name] = done.operation.id

    async def transaction(self) -> None:
        grant = self.random.choice(self.naive.grants)
        is_debit = self.random.random() < 0.5
        most = grant.free if is_debit else grant.used
        amount = self.random.choice([most, most / 2, most + Fraction(1, 1000)])
        if amount <= 0 or (amount * 1000).denominator > 1:
            return
        reason = self.random.choice([None, "Refund"])
        body = {"grantId": self.ids[grant.number], "type": "DEBIT" if is_debit else "CREDIT"}
        body |= {"amount": plain(amount)} | ({} if reason is None else {"reason": reason})
        self.world.pass_time()
        response = await self.world.client.post(
            "/credit-transactions", json=body, headers=self.headers
        )
        self.naive.come_to(self.world.clock.instant)
        move = self.naive.take if is_debit else self.naive.put_back
        assert response.status_code == (201 if move(grant, amount, reason) else 400), response.text
        if response.status_code == 201:
            shown = response.json()
            told = (shown["grantId"], shown["type"], shown["amount"], shown.get("reason"))
            assert told == (body["grantId"], body["type"], body["amount"], reason)

    async def hold(self) -> None:
        kind, name = self.random.choice(["tokens", "EUR", "USD"]), f"hold-{next(self.names)}"
        amount, life = self.amount() / 10, self.random.choice([HOUR, 20 * HOUR])
        if (amount * 1000).denominator > 1:
            return
        command = Authorize(
            customer=reference(self.customer),
            entitlement=self.entitlement(kind),
            amount=units(plain(amount)),
            expires_in=life,
        )
        done = await self.command(command)
        ends_at = self.world.clock.instant + life
        assert self.naive.hold(name, kind, amount, ends_at) is (done is not None)
        if done is not None:
            assert done.hold is not None
            self.known[name] = done.hold.id

    async def settle_hold(self) -> None:
        soon = self.world.clock.instant + SECOND  # it is asked for then
        still = sorted(name for name, each in self.naive.holds.items() if each.ends_at > soon)
        if not still:
            return
        name = self.random.choice(still)
        held = sum((part for _, part in self.naive.holds[name].slices), NOTHING)
        amount = self.random.choice([NOTHING, held, Fraction(int(held * 500), 1000)])
        if not amount:
            assert await self.command(Release(hold=self.known[name])) is not None
            self.naive.release(name)
            return
        command = Capture(hold=self.known[name], amount=units(plain(amount)), final=True)
        assert await self.command(command) is not None
        self.naive.capture(name, amount)

    async def reverse(self) -> None:
        if not self.naive.debits:
            return
        name = self.random.choice(sorted(self.naive.debits))
        done = await self.command(ReverseDebit(debit=self.known[name]))
        assert self.naive.reverse(name) is (done is not None)

    async def end(self) -> None:
        grant = self.random.choice(self.naive.grants)
        why = self.random.choice(["Expired", "Voided"])
        command = ExpireGrant if why == "Expired" else VoidGrant
        done = await self.command(command(grant=self.id_of(grant)))
        assert self.naive.end(grant, why) is (done is not None)
        if done is not None and why == "Expired":
            grant.expires_at = self.naive.now

    async def amend(self) -> None:
        grant = self.random.choice(self.naive.grants)
        now = self.world.clock.instant
        expires_at = self.random.choice([None, now + 5 * HOUR, now + 30 * HOUR, now - HOUR])
        asked = None if expires_at is None else Instant(expires_at)
        done = await self.command(AmendGrant(grant=self.id_of(grant), expires_at=asked))
        expected = self.naive.amend(grant, NEVER if expires_at is None else expires_at)
        assert expected is (done is not None)

    async def wait(self) -> None:
        now = self.world.clock.instant
        to_midnight = DAY - now % DAY
        self.world.pass_time(self.random.choice([HOUR, 7 * HOUR, DAY, to_midnight - SECOND]))

    # Asking --------------------------------------------------------------------------------------

    def entitlement(self, kind: str) -> Reference:
        return reference(self.metrics.get(kind, kind.lower()))

    def id_of(self, grant: NaiveGrant) -> Id:
        found = parse(self.ids[grant.number])
        assert found is not None
        return found

    async def command(self, command: Command) -> Accepted | None:
        """What came of it a second later; None where it was refused."""
        self.world.pass_time()
        self.naive.come_to(self.world.clock.instant)
        try:
            return await self.world.ledger.apply(self.world.book, command)
        except LedgerError:
            return None

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        response = await self.world.client.request(
            method, path, content=None if body is None else msgspec.json.encode(body)
        )
        assert response.status_code in (200, 201), response.text
        return _decode(response.content)

    # Comparing -----------------------------------------------------------------------------------

    async def compare(self) -> None:
        self.naive.come_to(self.world.clock.instant)
        await self._compare_outstanding()
        await self._compare_balances()
        listed = (await self.ask("GET", f"/credits?limit={len(self.ids)}"))["items"]
        assert [(each["id"], each["currentBalance"]) for each in listed] == [
            (self.ids[each.number], plain(each.remaining)) for each in self.naive.grants[::-1]
        ]
        grant = self.random.choice(self.naive.grants)
        shown = await self.ask("GET", f"/credits/{self.ids[grant.number]}")
        said = (shown["originalAmount"], str(shown["amount"]), shown["currentBalance"])
        assert said == (plain(grant.amount), plain(grant.amount), plain(grant.remaining))
        assert (shown["type"], shown.get("metricId")) == (
            "USAGE" if grant.kind in self.metrics else "CASH",
            self.metrics.get(grant.kind),
        )

    async def _compare_outstanding(self) -> None:
        shown = await self.ask("GET", f"/credits/{self.customer}/grants")
        assert [
            (each["id"], str(each["grantAmount"]), str(each["balance"])) for each in shown["items"]
        ] == [
            (self.ids[each.number], plain(each.amount), plain(each.remaining))
            for each in self.naive.outstanding()
        ]

    async def _compare_balances(self) -> None:
        shown = (await self.ask("GET", f"/credits/{self.customer}/balances"))["items"]
        kinds = [each for each in KINDS if self.naive.of(each)]
        assert [each["id"] for each in shown] == [self.metrics.get(kind, kind) for kind in kinds]
        for kind, item in zip(kinds, shown, strict=True):
            assert item["balance"] == plain(self.naive.balance(kind))
            assert [(each["id"], each["currentBalance"]) for each in item["grants"]] == [
                (self.ids[each.number], plain(each.remaining)) for each in self.naive.of(kind)
            ]
            moved = self.naive.moved[kind]
            assert [
                (each["type"], each["amount"], each.get("reason"), each["grantId"])
                for each in item["transactions"]
            ] == [(t, plain(a), why, self.ids[number]) for t, a, why, number in moved[::-1]]
            signed = [each.amount if each.type == "CREDIT" else -each.amount for each in moved]
            assert plain(sum(signed, NOTHING)) == item["balance"]


async def test_everything_says_what_a_naive_customer_says(database: Database) -> None:
    """Sixty steps of each of a few customers, and in the end the ledger finds nothing wrong with itself."""
    seeds = range(8) if database.url.startswith("sqlite") else range(2)
    async with opened_world(database) as world:
        for seed in seeds:
            player = Player(world, seed)
            await player.begin()
            for _ in range(60):
                await player.step()
        await verified(world.ledger)
