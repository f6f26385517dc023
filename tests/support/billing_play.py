"""Steps about subscriptions, invoices and credits, on the core or any open ledger, and on the naive one.

    d0     grant A 10.00 priority=1 expires=d40 effective=d5 category=promotional prices=tokens
    d0     subscribe S tokens calls every=30
    d3     use tokens 120              or use tokens 120 time=d2
    d10    change S add=desks*3 drop=tokens swap=calls>packs       or change S ... none, or ... now
    d20    pause S keep until=d40      or give_up, or void, or without an end; then resume S
    d20    anew S                      or anew S none: a period begins then
    d30+1h read                        => S1=open:6.00-5.00 S1.A=5.00 available=0.00 ledger=0.00

``S1`` is the first invoice that a period of ``S`` or a change of it made: its status, what its lines come
to, and what credit pays of that; ``S1.due`` is what is asked for. ``desks*3`` is licensed, three of them.
Days are of 24 hours; amounts are of a currency with cents.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import msgspec

from drawdown.core import amounts
from drawdown.core.amounts import Amount
from drawdown.core.billing import actions
from drawdown.core.billing.records import (
    INVOICE,
    SUBSCRIPTION,
    Invoice,
    InvoiceStatus,
    Item,
    Metered,
    Outcome,
    Pause,
    hexed,
    invoice_of,
    step_of,
    subscription_of,
)
from drawdown.core.commands import (
    Act,
    Command,
    Debit,
    ExpireGrant,
    IssueGrant,
    RecordUsage,
    Settle,
    VoidGrant,
)
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Accepted
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import DAY, Balance, Category, Document, Id, Instant
from drawdown.core.usage import rating
from drawdown.core.usage.meters import Aggregation, Measure
from tests.support.naive_billing import HOUR, NaiveBilling, Refusal

START = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
CURRENCY = "usd"
STEP = step_of(CURRENCY)
#: What each price costs, in cents: a price's name is also that of the events it counts.
PRICES = {
    "tokens": "0.05",
    "calls": "5",
    "seats": "250",
    "packs": "pack:100:7",
    "tiers": "tiers:10:3:1",
    "desks": "1000",
    "lamps": "33.3",
}


@dataclass
class Step:
    at: int
    verb: str
    words: list[str]
    options: dict[str, str]
    expected: dict[str, str]
    refusal: str | None


def instant(text: str) -> int:
    found = re.fullmatch(r"d(\d+)(?:\+(\d+)h)?(?:\+(\d+)m)?", text)
    assert found is not None, text
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return START + days * DAY + hours * HOUR + minutes * HOUR // 60


def cents(text: str) -> int:
    return int(Fraction(text) * 100)


def money(units: int) -> str:
    sign = "-" if units < 0 else ""
    return f"{sign}{abs(units) // 100}.{abs(units) % 100:02d}"


def read_step(line: str) -> Step:
    asked, _, said = line.partition("=>")
    at, verb, *rest = asked.split()
    options = dict(word.split("=", 1) for word in rest if "=" in word)
    expected = dict(word.split("=", 1) for word in said.split() if "=" in word)
    refused = re.search(r"refused (\w+)", said)
    words = [word for word in rest if "=" not in word]
    return Step(instant(at), verb, words, options, expected, refused[1] if refused else None)


class Subject(Protocol):
    async def act(self, step: Step) -> str | None:
        """Do it; the code of a refusal."""

    async def facts(self, now: int) -> dict[str, str]:
        """All that can be seen."""


class NaiveSubject:
    def __init__(self) -> None:
        self.naive = NaiveBilling(PRICES)

    async def act(self, step: Step) -> str | None:
        self.naive.settle(step.at)
        try:
            self._act(step)
        except Refusal as refusal:
            return str(refusal)
        return None

    def _act(self, step: Step) -> None:
        naive, words, at = self.naive, step.words, step.at
        acts: dict[str, Callable[[], None]] = {
            "read": lambda: None,
            "grant": lambda: self._grant(step),
            "subscribe": lambda: naive.subscribe(
                words[0], words[1:], int(step.options["every"]) * DAY, at, days_of(step)
            ),
            "use": lambda: naive.use(words[0], Fraction(words[1]), self._time(step)),
            "cancel": lambda: naive.cancel(
                words[0],
                at,
                at_end="end" in words,
                invoice="invoice" in words,
                prorate="prorate" in words,
            ),
            "pause": lambda: naive.set_pause(words[0], (words[1], until_of(step)), at),
            "resume": lambda: naive.set_pause(words[0], None, at),
            "anew": lambda: naive.begin_anew(words[0], at, next(iter(words[1:]), "")),
            "change": lambda: naive.change(
                words[0], at, *parts_of(step), next(iter(words[1:]), "")
            ),
            "finalize": lambda: naive.finalize_now(words[0], at),
            "delete": lambda: naive.delete(words[0], at),
            "pay": lambda: naive.pay(words[0]),
            "uncollectible": lambda: naive.give_up(words[0]),
            "void": lambda: naive.void(words[0], at),
            "undo": lambda: naive.void_grant(words[0], at),
            "expire": lambda: naive.expire(words[0], at),
            "debit": lambda: naive.debit(cents(words[0]), at),
        }
        acts[step.verb]()

    def _time(self, step: Step) -> int:
        return instant(step.options["time"]) if "time" in step.options else step.at

    def _grant(self, step: Step) -> None:
        options = step.options
        more: dict[str, object] = {
            name: instant(options[name]) for name in ("expires", "effective") if name in options
        }
        if "priority" in options:
            more["priority"] = int(options["priority"])
        more["paid"] = options.get("category") != "promotional"
        more["prices"] = frozenset(options.get("prices", "").split(",")) - {""}
        self.naive.grant(step.words[0], cents(step.words[1]), step.at, **more)

    async def facts(self, now: int) -> dict[str, str]:
        found = {
            "ledger": money(self.naive.ledger(now)),
            "available": money(self.naive.available(now)),
        }
        for name, invoice in self.naive.invoices.items():
            found[name] = f"{invoice.status}:{money(invoice.subtotal)}-{money(invoice.credits)}"
            found[f"{name}.due"] = money(invoice.due)
            found[f"{name}.lines"] = "/".join(money(line.amount) for line in invoice.lines)
            shares: dict[str, int] = {}
            for line in invoice.lines:
                for grant, share in line.shares:
                    shares[grant.name] = shares.get(grant.name, 0) + share
            found |= {f"{name}.{grant}": money(share) for grant, share in shares.items()}
            state = invoice.owed(now)
            found |= {} if state is None else {f"{name}.owed": state}
        return found


Apply = Callable[[Command, int], Awaitable[Accepted]]


class LedgerSubject:
    """Asks a ledger; ``apply`` carries a command out at a time, the others tell what is there."""

    def __init__(
        self,
        customer: str,
        apply: Apply,
        documents: Callable[[], Awaitable[list[Document]]],
        balance: Callable[[], Awaitable[Balance | None]],
    ) -> None:
        self.customer, self.apply = customer, apply
        self.documents, self.balance = documents, balance
        self.grants: dict[str, Id] = {}
        self.subscriptions: dict[str, Id] = {}
        self.items: dict[str, dict[str, str]] = {}  # of a subscription, by price
        self.used = 0

    async def act(self, step: Step) -> str | None:
        try:
            command = await self._command(step)
            accepted = await self.apply(command, step.at)
        except LedgerError as error:
            return error.code
        if step.verb == "grant":
            assert accepted.grant is not None
            self.grants[step.words[0]] = accepted.grant.id
        elif step.verb == "subscribe":
            [made] = [each for each in accepted.documents if each.kind == SUBSCRIPTION]
            self.subscriptions[step.words[0]] = made.id
        if step.verb in ("subscribe", "change"):
            [kept] = [each for each in accepted.documents if each.kind == SUBSCRIPTION]
            items = subscription_of(kept.body).items
            self.items[step.words[0]] = {item.name: item.id for item in items}
        return None

    async def _command(self, step: Step) -> Command:
        words, options = step.words, step.options
        place: dict[str, Any] = {"customer": self.customer, "entitlement": CURRENCY}
        match step.verb:
            case "read":
                return Settle(**place)
            case "grant":
                return self._grant(step, place)
            case "debit":
                return Debit(**place, amount=amount(words[0]))
            case "expire":
                return ExpireGrant(grant=self.grants[words[0]])
            case "undo":
                return VoidGrant(grant=self.grants[words[0]], only_unused=True)
            case "use":
                self.used += 1  # as a dialect does: what is due has its turn before later usage
                await self.apply(Settle(**place), step.at)
                time = Instant(instant(options["time"])) if "time" in options else None
                return RecordUsage(
                    customer=self.customer,
                    own_id=f"{self.customer}-event-{self.used}",
                    name=words[0],
                    time=time,
                    properties={"value": words[1]},
                )
        return Act(**place, kind=INVOICE, action=await self._action(step))

    def _grant(self, step: Step, place: dict[str, Any]) -> Command:
        options = step.options
        prices = tuple(options.get("prices", "").split(","))
        more: dict[str, Any] = {"scope": {"price": prices}} if "prices" in options else {}
        for name in ("effective", "expires"):
            if name in options:
                more[f"{name}_at"] = Instant(instant(options[name]))
        if "priority" in options:
            more["priority"] = int(options["priority"])
        category = Category(options.get("category", "paid"))
        return IssueGrant(**place, amount=amount(step.words[1]), category=category, **more)

    async def _action(self, step: Step) -> object:
        words, options = step.words, step.options
        match step.verb:
            case "subscribe":
                return actions.Subscribe(
                    currency=CURRENCY,
                    items=tuple(map(item_of, words[1:])),
                    every=Every(CalendarUnit.DAY, int(options["every"])),
                    due_days=days_of(step),
                )
            case "cancel":
                subscription = self.subscriptions[words[0]]
                if "end" in words:
                    return actions.AmendSubscription(
                        subscription=subscription, cancel_at_period_end=True
                    )
                return actions.CancelSubscription(
                    subscription=subscription,
                    invoice_now="invoice" in words,
                    prorates="prorate" in words,
                )
            case "pause" | "resume":
                paused = step.verb == "pause"
                return actions.AmendSubscription(
                    subscription=self.subscriptions[words[0]],
                    pause=Pause(Outcome(words[1]), until_of(step)) if paused else None,
                )
            case "anew":
                return actions.AmendSubscription(
                    subscription=self.subscriptions[words[0]],
                    items=actions.ItemChange(prorates="none" not in words),
                    begins_anew=True,
                )
            case "change":
                change = change_of(step, self.items[words[0]])
                return actions.AmendSubscription(
                    subscription=self.subscriptions[words[0]], items=change
                )
            case "preview":
                return actions.Preview(subscription=self.subscriptions[words[0]])
        kinds: dict[str, Callable[..., object]] = {
            "finalize": actions.FinalizeInvoice,
            "delete": actions.DeleteDraft,
            "pay": actions.PayInvoice,
            "uncollectible": actions.MarkUncollectible,
            "void": actions.VoidInvoice,
        }
        await self.apply(Settle(customer=self.customer, entitlement=CURRENCY), step.at)
        found = await self.invoices()
        document = found.get(words[0])
        return kinds[step.verb](invoice=Id(bytes(16)) if document is None else document.id)

    async def invoices(self) -> dict[str, Document]:
        """Those that periods have made, by the names of their subscriptions, in their order."""
        names = {hexed(each): name for name, each in self.subscriptions.items()}
        found: dict[str, Document] = {}
        counts: dict[str, int] = {}
        for document in sorted(await self.documents(), key=lambda each: (each.created_at, each.id)):
            invoice = invoice_of(document.body)
            if invoice.reason == "create":
                continue
            name = names[invoice.subscription]
            counts[name] = counts.get(name, 0) + 1
            if document.deleted_at is None:
                found[f"{name}{counts[name]}"] = document
        return found

    async def facts(self, now: int) -> dict[str, str]:
        balance = await self.balance()
        posted, available = (0, 0) if balance is None else (balance.posted, balance.available)
        found = {"ledger": money(posted // STEP), "available": money(available // STEP)}
        names = {hexed(each): name for name, each in self.grants.items()}
        for name, document in (await self.invoices()).items():
            found |= shown(name, invoice_of(document.body), names)
        return found


def shown(name: str, invoice: Invoice, grants: dict[str, str]) -> dict[str, str]:
    found = {
        name: f"{invoice.status}:{money(invoice.subtotal)}-{money(invoice.credits)}",
        f"{name}.due": money(invoice.due),
        f"{name}.lines": "/".join(money(line.amount) for line in invoice.lines),
    }
    shares: dict[str, int] = {}
    for line in invoice.lines:
        for each in line.applied:
            shares[grants[each.grant]] = shares.get(grants[each.grant], 0) + each.units
        for grant, units in line.held:
            shares[grants[grant]] = shares.get(grants[grant], 0) + units
    found |= {f"{name}.{grant}": money(units // STEP) for grant, units in shares.items()}
    state = owed(invoice)
    return found if state is None else found | {f"{name}.owed": state}


def amount(text: str) -> Amount:
    found = amounts.parse(text)
    assert found is not None
    return found


def until_of(step: Step) -> Instant | None:
    return Instant(instant(step.options["until"])) if "until" in step.options else None


def parts_of(step: Step) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """What is added, dropped, and put in the place of what."""
    added, dropped, swapped = (
        [each for each in step.options.get(name, "").split(",") if each]
        for name in ("add", "drop", "swap")
    )
    pairs = [each.partition(">") for each in swapped]
    return added, dropped, [(old, new) for old, _, new in pairs]


def days_of(step: Step) -> int | None:
    return int(step.options["due"]) if "due" in step.options else None


def owed(invoice: Invoice) -> str | None:
    """What is known of the days within which an open one is to be paid."""
    if invoice.status is not InvoiceStatus.OPEN or invoice.due_at is None:
        return None
    if invoice.notice_at is None:
        return "overdue"
    return "near" if invoice.notice_at == invoice.due_at else "waits"


def change_of(step: Step, ids: dict[str, str]) -> actions.ItemChange:
    added, dropped, swapped = parts_of(step)
    return actions.ItemChange(
        added=tuple(
            msgspec.structs.replace(item_of(each), id=f"{each}-{step.at}") for each in added
        ),
        removed=tuple(ids.get(each, each) for each in dropped),
        changed=tuple(
            msgspec.structs.replace(item_of(new), id=ids.get(old, old)) for old, new in swapped
        ),
        prorates="none" not in step.words,
        invoices_now="now" in step.words,
    )


def item_of(text: str) -> Item:
    """``calls``, which is metered, or ``desks*3``."""
    price, _, quantity = text.partition("*")
    if quantity:
        return Item(id=price, name=price, rate=rate_of(PRICES[price]), quantity=int(quantity))
    measure = Measure(event_name=price, aggregation=Aggregation.SUM, property="value")
    return Item(
        id=price,
        name=price,
        rate=rate_of(PRICES[price]),
        metered=Metered(meter=price, measure=measure),
    )


def rate_of(text: str) -> rating.Price:
    kind, *terms = text.split(":")
    if kind == "pack":
        return rating.Package(size=amount(terms[0]), price=amount(terms[1]))
    if kind == "tiers":
        edge, first, then = map(amount, terms)
        return rating.Graduated(
            tiers=(rating.Tier(up_to=edge, price=first), rating.Tier(price=then))
        )
    return rating.PerUnit(price=amount(kind))


def scenarios(text: str) -> list[tuple[str, list[Step]]]:
    """Each rule with its steps."""
    found: list[tuple[str, list[Step]]] = []
    for line in text.splitlines():
        if line.startswith("== "):
            found.append((line.removeprefix("== "), []))
        elif line.strip() and found:
            found[-1][1].append(read_step(line))
    return found


async def run(subject: Subject, steps: list[Step]) -> None:
    """Every step does what it says."""
    for step in steps:
        refusal = await subject.act(step)
        assert refusal == step.refusal, (step, refusal)
        facts = await subject.facts(step.at)
        told = {name: facts.get(name, "none") for name in step.expected}
        assert told == step.expected, step
