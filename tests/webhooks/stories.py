"""Things that happen in a book, and what is told of them step by step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from drawdown.core import identity
from drawdown.core.amounts import Amount
from drawdown.core.billing.actions import Subscribe, VoidInvoice
from drawdown.core.billing.records import INVOICE, Item
from drawdown.core.commands import (
    Act,
    AdjustGrant,
    AdvanceTestClock,
    AmendCustomer,
    AmendEntitlement,
    AmendGrant,
    AmendMeter,
    AmendSchedule,
    AskedOverage,
    AttachRate,
    Authorize,
    CancelSchedule,
    CapTerms,
    Capture,
    ChangeTime,
    CloseAlert,
    CloseCustomer,
    CloseEntitlement,
    CloseMeter,
    CloseRate,
    CloseTopUp,
    ConfirmTopUp,
    CreateAlert,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
    CreateSchedule,
    CreateTestClock,
    CreateTopUp,
    CreateUsageAlert,
    Debit,
    DeleteTestClock,
    DetachRate,
    Direction,
    ExpireGrant,
    Extend,
    FailTopUp,
    IssueGrant,
    Money,
    PauseSchedule,
    RecordUsage,
    Release,
    ReopenEntitlement,
    ReopenMeter,
    ResetOverage,
    ResumeSchedule,
    ReverseDebit,
    RolloverTerms,
    Settle,
    VoidGrant,
)
from drawdown.core.requests import Accepted
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.times import text_of
from drawdown.core.types import (
    DAY,
    MICROSECONDS,
    AlertKind,
    Id,
    Instant,
    Mode,
    OverageBehavior,
    OverageMode,
    Shortfall,
)
from drawdown.core.usage import rating
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.records import Customers
from drawdown.core.watching.top_ups import CapPeriod
from drawdown.dialects.native.events import FORMAT
from drawdown.dialects.native.render import spelled
from drawdown.engine.positions import BEGINNING, Position
from tests.support.billing_play import item_of
from tests.webhooks.world import World

DAYS = 86_400


class Story(World):
    """Things happen in a book, and what is told of them is read step by step."""

    place: Position = BEGINNING

    async def do(self, command: Any) -> Accepted:
        self.move(0.001)
        return await self.ledger.apply(self.book.id, command)

    async def heard(self) -> list[Any]:
        """The events since the last time."""
        self.move(3)
        found, self.place = await self._events_after(self.place)
        return found

    async def everything(self) -> list[Any]:
        return (await self._events_after(BEGINNING))[0]

    async def _events_after(self, place: Position) -> tuple[list[Any], Position]:
        books = frozenset({self.book.id})
        found: list[Any] = []
        more = True
        while more:
            page = await self.ledger.feed(place, books=books, limit=100)
            for recorded in page.found:
                events = await FORMAT.render(self.ledger, recorded)
                assert [event.ordinal for event in events] == list(range(len(events)))
                found += [msgspec.json.decode(event.body) for event in events]
            place, more = page.end, page.more
        return found, place

    async def ada(self, **rules: Any) -> dict[str, Any]:
        """A customer and a kind of credit, told of already: what commands name them by."""
        number = str(self.clock.now())
        await self.do(CreateEntitlement(code=f"kind-{number}", unit="unit", scale=0, **rules))
        await self.book.customer(f"ada-{number}")
        await self.heard()
        return {"customer": f"ada-{number}", "entitlement": f"kind-{number}"}

    async def item(self) -> Item:
        """What a subscription charges."""
        return item_of("calls")

    async def give(self, ada: dict[str, Any], amount: int, **more: Any) -> Id:
        grant = await self.book.grant(ada["customer"], amount, ada["entitlement"], **more)
        return grant.id

    async def draw(self, ada: dict[str, Any], amount: int) -> Id:
        accepted = await self.do(Debit(**ada, amount=Amount(amount)))
        assert accepted.operation is not None
        return accepted.operation.id


async def cycles(here: Story) -> dict[str, Any]:
    """Of 100 for ten days 10 are used; half of the rest is carried, once."""
    ada = await here.ada()
    began = here.clock.now()
    made = await here.do(
        CreateSchedule(
            **ada,
            amount=Amount(100),
            every=Every(CalendarUnit.DAY, 10),
            rollover=RolloverTerms(percentage=50, generations_max=1),
            name="Plan",
            metadata={"plan": "pro"},
            priority=7,
        )
    )
    assert made.schedule is not None
    first = await here.heard()
    await here.draw(ada, 10)
    await here.heard()
    here.move(10 * DAYS)
    await here.do(Settle(**ada))
    second = await here.heard()
    here.move(10 * DAYS)
    await here.do(Settle(**ada))
    third = await here.heard()
    name = spelled("sched_", made.schedule.id)
    return {"first": first, "second": second, "third": third, "names": [name, began, ada]}


async def changed_schedules(here: Story) -> dict[str, Any]:
    ada = await here.ada()
    every = Every(CalendarUnit.DAY, 10)
    made = await here.do(CreateSchedule(**ada, amount=Amount(100), every=every))
    assert made.schedule is not None
    schedule = made.schedule.id
    await here.heard()
    steps: dict[str, Any] = {"name": spelled("sched_", schedule), "ada": ada}

    async def step(name: str, command: Any) -> None:
        await here.do(command)
        steps[name] = await here.heard()

    await step("later", AmendSchedule(schedule=schedule, amount=Amount(70)))
    now = ChangeTime.NOW
    await step("more", AmendSchedule(schedule=schedule, amount=Amount(120), when=now))
    await step("less", AmendSchedule(schedule=schedule, amount=Amount(90), when=now))
    rule = AskedOverage(mode=OverageMode.LIMITED, limit=Amount(5))
    await step("rule", AmendSchedule(schedule=schedule, overage=rule))
    await step("paused", PauseSchedule(schedule=schedule))
    here.move(10 * DAYS)
    await step("skipped", Settle(**ada))
    await step("resumed", ResumeSchedule(schedule=schedule))
    here.move(10 * DAYS)
    await step("third", Settle(**ada))
    await step("ending", CancelSchedule(schedule=schedule, at_cycle_end=True))
    here.move(10 * DAYS)
    await step("ended", Settle(**ada))
    other = await here.do(CreateSchedule(**ada, amount=Amount(8), every=every))
    assert other.schedule is not None
    await here.heard()
    cancel = CancelSchedule(schedule=other.schedule.id, expire_credit=True)
    await step("cancelled", cancel)
    return steps


async def overage(here: Story) -> dict[str, Any]:
    price = Money(Amount(5, 2), "usd")
    rule = AskedOverage(
        mode=OverageMode.UNLIMITED,
        behavior=OverageBehavior.CARRY_DEFICIT_AUTO_REPAY,
        price_per_unit=price,
    )
    ada = await here.ada(overage=rule)
    steps: dict[str, Any] = {"ada": ada}
    await here.give(ada, 10)
    await here.heard()
    debit = await here.draw(ada, 30)
    steps["drawn"] = await here.heard()
    await here.do(ReverseDebit(debit=debit, amount=Amount(4)))
    steps["reversed"] = await here.heard()
    await here.give(ada, 6)
    steps["repaid"] = await here.heard()
    for name, behavior in (
        ("invoiced", OverageBehavior.INVOICE_AT_BILLING),
        ("forgiven", OverageBehavior.FORGIVE_AT_RESET),
    ):
        asked = msgspec.structs.replace(rule, behavior=behavior)
        await here.do(AmendEntitlement(entitlement=ada["entitlement"], overage=asked))
        steps[name + " rule"] = await here.heard()
        await here.do(ResetOverage(**ada))
        steps[name] = await here.heard()
        await here.draw(ada, 3)
        await here.heard()
    return steps


async def usage(here: Story) -> dict[str, Any]:
    ada = await here.ada(shortfall=Shortfall.CAP, late_usage_grace=3_600 * MICROSECONDS)
    code = "meter-" + ada["entitlement"]
    measure = Measure(event_name=code, aggregation=Aggregation.COUNT)
    await here.do(CreateMeter(code=code, measure=measure))
    price = rating.PerUnit(price=Amount(3))
    await here.do(CreateRate(meter=code, entitlement=ada["entitlement"], price=price))
    steps: dict[str, Any] = {"ada": ada, "made": await here.heard(), "code": code}
    steps["grant"] = await here.give(
        ada, 5, expires_at=Instant(here.clock.now() + 100 * MICROSECONDS)
    )
    await here.heard()
    for number in (1, 2):
        event = RecordUsage(customer=ada["customer"], own_id=f"{code}-{number}", name=code)
        await here.do(event)
        steps[str(number)] = await here.heard()
    await here.give(ada, 9, expires_at=Instant(here.clock.now() + 10 * MICROSECONDS))
    time = here.clock.now()
    here.move(60)
    await here.do(Settle(**ada))
    await here.heard()
    late = RecordUsage(customer=ada["customer"], own_id=f"{code}-3", name=code, time=time)
    await here.do(late)
    steps["late"], steps["time"] = await here.heard(), text_of(time)
    return steps


async def changed_directory(here: Story) -> dict[str, Any]:
    """A customer and a kind of credit are changed and closed, the kind opened again."""
    ada = await here.ada()
    customer, kind = ada["customer"], ada["entitlement"]
    await here.heard()
    await here.do(AmendCustomer(customer=customer, email="ada@example.org", profiles={"dodo": {}}))
    await here.do(AmendEntitlement(entitlement=kind, name=f"New {kind}", expires_after_days=3))
    await here.do(AmendEntitlement(entitlement=kind, profiles={"dodo": {"description": "x"}}))
    await here.do(CloseEntitlement(entitlement=kind))
    await here.do(ReopenEntitlement(entitlement=kind))
    await here.do(CloseCustomer(customer=customer))
    return {"ada": ada, "told": await here.heard()}


async def catalogue(here: Story) -> dict[str, Any]:
    """A rate for some customers is attached to one of them and detached; then it and its meter are closed."""
    ada = await here.ada()
    code = "closed-" + ada["entitlement"]
    measure = Measure(event_name=code, aggregation=Aggregation.COUNT)
    await here.do(CreateMeter(code=code, measure=measure))
    asked = CreateRate(
        meter=code,
        entitlement=ada["entitlement"],
        price=rating.PerUnit(price=Amount(3)),
        customers=Customers.ATTACHED,
    )
    rate = (await here.do(asked)).rate
    assert rate is not None
    await here.do(AttachRate(rate=rate.id, customer=ada["customer"]))
    await here.do(DetachRate(rate=rate.id, customer=ada["customer"]))
    await here.do(CloseRate(rate=rate.id))
    await here.do(AmendMeter(meter=code, name="Calls", profiles={"dodo": {"unit": "call"}}))
    await here.do(AmendMeter(meter=code, profiles={"dodo": {"unit": "calls"}}))
    await here.do(CloseMeter(meter=code))
    await here.do(ReopenMeter(meter=code))
    return {"told": await here.heard()}


async def clocks(here: Story) -> dict[str, Any]:
    at, to = Instant(2_000_000_000 * MICROSECONDS), Instant(2_000_086_400 * MICROSECONDS)
    await here.heard()
    made = await here.do(CreateTestClock(frozen_at=at, mode=Mode.TEST, name="Year"))
    assert made.clock is not None
    await here.do(AdvanceTestClock(clock=made.clock.id, to=to))
    await here.ledger.test_clocks.play(here.book.id, made.clock.id, 5.0)
    await here.ledger.test_clocks.play(here.book.id, made.clock.id, 5.0)
    await here.do(DeleteTestClock(clock=made.clock.id))
    told = {"test_clock": spelled("clock_", made.clock.id), "name": "Year"}
    return {"all": await here.heard(), "clock": told, "at": text_of(at), "to": text_of(to)}


async def corrections(here: Story) -> dict[str, Any]:
    ada = await here.ada()
    steps: dict[str, Any] = {}

    async def step(name: str, command: Any) -> Accepted:
        accepted = await here.do(command)
        steps[name] = await here.heard()
        return accepted

    first = await here.give(ada, 10)
    await here.do(AmendGrant(grant=first, metadata={"a": 1}))
    await here.do(AdjustGrant(grant=first, direction=Direction.DOWN, amount=Amount(1)))
    later = Instant(here.clock.now() + 50 * MICROSECONDS)
    await here.give(ada, 2, effective_at=later)
    held = await here.do(Authorize(**ada, amount=Amount(4)))
    assert held.hold is not None
    await here.do(Extend(hold=held.hold.id, expires_in=3_600 * MICROSECONDS))
    await here.heard()
    await step("expired while held", ExpireGrant(grant=first))
    await step("captured", Capture(hold=held.hold.id, amount=Amount(1), final=False))
    await step("released", Release(hold=held.hold.id))
    second = await here.give(ada, 3)
    await step("voided", VoidGrant(grant=second))
    here.move(60)
    await here.do(Authorize(**ada, amount=Amount(1), expires_in=MICROSECONDS))
    here.move(5)
    await step("settled", Settle(**ada))
    return steps


async def alerts(here: Story) -> dict[str, Any]:
    ada = await here.ada()
    steps: dict[str, Any] = {}
    low = CreateAlert(**ada, kind=AlertKind.AVAILABLE_BELOW, percent=20, name="Low")
    made = await here.do(low)
    kind = ada["entitlement"]
    near = CreateAlert(entitlement=kind, kind=AlertKind.DAYS_TO_EXPIRY, days=2)
    everybody = await here.do(near)
    assert made.alert is not None
    assert everybody.alert is not None
    steps["made"] = await here.heard()
    ends = Instant(here.clock.now() + 10 * DAY)
    grant = await here.give(ada, 100, expires_at=ends)
    await here.draw(ada, 79)
    steps["above"] = await here.heard()
    await here.draw(ada, 1)
    steps["low"] = await here.heard()
    here.move(9 * DAYS)
    await here.do(Settle(**ada))
    steps["near"] = await here.heard()
    await here.do(CloseAlert(alert=made.alert.id))
    await here.do(CloseAlert(alert=everybody.alert.id))
    steps["closed"] = await here.heard()
    ids = [spelled("alert_", each.id) for each in (made.alert, everybody.alert)]
    return steps | {"ada": ada, "ids": ids, "grant": spelled("grant_", grant), "ends": ends}


async def alerts_on_use(here: Story) -> dict[str, Any]:
    ada = await here.ada()
    steps: dict[str, Any] = {}
    pages = Measure(event_name="render", aggregation=Aggregation.SUM, property="pages")
    await here.do(CreateMeter(code="renders", measure=pages))
    own = CreateUsageAlert(meter="renders", amount=Amount(25, 1), customer=ada["customer"])
    everybody = CreateUsageAlert(meter="renders", amount=Amount(5))
    made = [(await here.do(each)).alert for each in (own, everybody)]
    steps["made"] = await here.heard()
    for step, own_id, size in (("below", "r1", 1), ("reached", "r2", 2), ("lowered", "r2", 1)):
        usage = RecordUsage(
            customer=ada["customer"],
            own_id=own_id,
            name="render",
            properties={"pages": Amount(size)},
            override=True,
        )
        await here.do(usage)
        steps[step] = await here.heard()
    for alert in made:
        assert alert is not None
        await here.do(CloseAlert(alert=alert.id))
    steps["closed"] = await here.heard()
    return steps


async def top_ups(here: Story) -> dict[str, Any]:
    """Thirty a day may be asked for: twenty are paid, ten fail, and are waited for in vain."""
    ada = await here.ada()
    await here.give(ada, 15)
    steps: dict[str, Any] = {"ada": ada}
    rule = CreateTopUp(
        **ada,
        threshold=Amount(10),
        amount=Amount(20),
        cap=CapTerms(Amount(30), CapPeriod.DAY),
        cool_down=60 * MICROSECONDS,
        answer_within=3_600 * MICROSECONDS,
        metadata={"plan": "pro"},
    )
    made = await here.do(rule)
    assert made.top_up is not None
    steps["made"] = await here.heard()
    await here.draw(ada, 6)
    steps["asked"] = await here.heard()
    await here.do(ConfirmTopUp(request=_request_in(steps["asked"]), reference="pay_1"))
    steps["confirmed"] = await here.heard()
    here.move(61)
    await here.draw(ada, 20)
    steps["the rest"] = await here.heard()
    await here.do(FailTopUp(request=_request_in(steps["the rest"]), reason="card_declined"))
    steps["failed"] = await here.heard()
    here.move(61)
    await here.draw(ada, 1)
    steps["again"] = await here.heard()
    here.move(3_601)
    await here.do(Settle(**ada))
    steps["expired"] = await here.heard()
    here.move(61)
    await here.draw(ada, 1)
    steps["capped"] = await here.heard()
    await here.do(CloseTopUp(top_up=made.top_up.id))
    steps["closed"] = await here.heard()
    return steps


async def invoices(here: Story) -> dict[str, Any]:
    """A period's invoice over 0.50, of which 0.30 are paid by credit; it is void in the end."""
    ada = {"customer": (await here.ada())["customer"], "entitlement": "usd"}
    steps: dict[str, Any] = {}
    granted = await here.do(IssueGrant(**ada, amount=Amount(30, 2)))
    assert granted.grant is not None
    steps["grant"] = spelled("grant_", granted.grant.id)
    every = Every(CalendarUnit.DAY, 10)
    action: Any = Subscribe(currency="usd", items=(await here.item(),), every=every)
    await here.do(Act(**ada, kind=INVOICE, action=action))
    number = str(here.clock.now())
    used: dict[str, Any] = {"own_id": f"calls-{number}", "name": "calls"}
    used["properties"] = {"value": "10"}
    await here.do(RecordUsage(customer=ada["customer"], **used))
    await here.heard()
    here.move(10 * DAYS + 7_200)
    await here.do(Settle(**ada))
    steps["final"] = await here.heard()
    invoice = identity.parse(steps["final"][0]["data"]["invoice"])
    assert invoice is not None
    await here.do(Act(**ada, kind=INVOICE, action=VoidInvoice(invoice=invoice)))
    steps["void"] = await here.heard()
    return steps


def _request_in(events: list[Any]) -> Id:
    [name] = [each["data"]["request"] for each in events if each["type"] == "top_up.requested"]
    found = identity.parse(name)
    assert found is not None
    return found


Play = Callable[[Story], Awaitable[dict[str, Any]]]


PLAYS: tuple[Play, ...] = (
    cycles,
    changed_schedules,
    overage,
    usage,
    changed_directory,
    catalogue,
    clocks,
    corrections,
    alerts,
    alerts_on_use,
    top_ups,
    invoices,
)
