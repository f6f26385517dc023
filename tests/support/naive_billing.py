"""A naive ledger of credits, subscriptions and invoices in cents: obviously right, and slow.

It shares no code with the core. Time moves from one thing that is due to the next; whatever credit a draft
has set aside is worked out anew from lists.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

HOUR = 3_600_000_000
DAY = 24 * HOUR


@dataclass
class Grant:
    name: str
    left: int
    number: int
    priority: int = 50
    paid: bool = True
    effective: int = 0
    expires: int | None = None
    prices: frozenset[str] = frozenset()
    ended: bool = False
    voided: bool = False
    drawn: bool = False

    @property
    def order(self) -> tuple[object, ...]:
        never = self.expires is None
        return (self.priority, never, self.expires or 0, self.paid, self.effective, self.number)


@dataclass
class Item:
    """``quantity`` None: it is metered."""

    price: str
    quantity: int | None
    since: int


@dataclass
class Line:
    price: str
    start: int
    end: int
    amount: int = 0
    metered: bool = True
    shares: list[tuple[Grant, int]] = field(default_factory=list)


@dataclass
class Invoice:
    name: str
    made: int
    period_end: int
    lines: list[Line]
    final_at: int | None
    number: int
    subscription: Subscription
    status: str = "draft"
    carried: int = 0
    outcome: str = ""

    def owed(self, now: int) -> str | None:
        """How near an open one is to the end of the days within which it is to be paid."""
        if self.status != "open" or self.subscription.days is None or self.final_at is None:
            return None
        end = self.final_at + self.subscription.days * DAY
        return "overdue" if end <= now else "near" if end - 3 * DAY <= now else "waits"

    @property
    def due(self) -> int:
        return max(self.subtotal - self.credits - self.carried, 0)

    @property
    def subtotal(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def credits(self) -> int:
        return sum(share for line in self.lines for _, share in line.shares)


@dataclass
class Subscription:
    name: str
    items: list[Item]
    every: int
    start: int
    end: int
    number: int
    invoices: int = 0
    ends: bool = False
    over: bool = False
    waiting: list[Line] = field(default_factory=list)
    carried: int = 0
    pause: tuple[str, int | None] | None = None
    days: int | None = None

    @property
    def prices(self) -> list[str]:
        return [item.price for item in self.items]


class Refusal(Exception):
    """A code, as the core would give it."""


class NaiveBilling:
    def __init__(self, prices: dict[str, str]) -> None:
        self.prices = prices
        self.grants: list[Grant] = []
        self.subscriptions: dict[str, Subscription] = {}
        self.invoices: dict[str, Invoice] = {}
        self.events: list[tuple[str, int, Fraction]] = []
        self.made = 0

    def number(self) -> int:
        self.made += 1
        return self.made

    # Time ----------------------------------------------------------------------------------------

    def settle(self, now: int) -> None:
        while due := self.due(now):
            at, _, _, what = min(due, key=lambda each: each[:3])
            if isinstance(what, Grant):
                what.left, what.ended = self.reserved(what), True
            elif isinstance(what, Subscription):
                self.turn(what, at)
            else:
                self.finalize(what)

    def due(self, now: int) -> list[tuple[int, int, int, Grant | Subscription | Invoice]]:
        found: list[tuple[int, int, int, Grant | Subscription | Invoice]] = [
            (grant.expires, 0, grant.number, grant)
            for grant in self.grants
            if grant.expires is not None and grant.expires <= now and not grant.ended
        ]
        found += [
            (each.end, 1, each.number, each)
            for each in self.subscriptions.values()
            if not each.over and each.end <= now
        ]
        for invoice in self.invoices.values():
            waits = invoice.status == "draft" and invoice.final_at is not None
            if waits and invoice.final_at is not None and invoice.final_at <= now:
                found.append((invoice.final_at, 1, invoice.number, invoice))
        return found

    def turn(self, each: Subscription, at: int) -> None:
        self.draw_up(each, at, None if each.ends else at + each.every)
        each.start, each.end = at, at + each.every
        each.over = each.ends

    # Invoices ------------------------------------------------------------------------------------

    def draw_up(self, each: Subscription, at: int, ahead: int | None) -> None:
        made = self.invoice(each, self.lines(each, at, ahead), at)
        made.final_at = None if made.outcome == "keep" else at + HOUR
        self.anew(at)

    def lines(self, each: Subscription, at: int, ahead: int | None) -> list[Line]:
        lines = []
        for item in each.items:
            if item.quantity is None and max(item.since, each.start) < at:
                lines.append(Line(item.price, max(item.since, each.start), at))
            elif item.quantity is not None and ahead is not None:
                lines.append(Line(item.price, at, ahead, self.full(item), metered=False))
        return lines

    def invoice(self, each: Subscription, lines: list[Line], at: int) -> Invoice:
        """A draft over what waited and over lines; what earlier ones came to below nothing goes with it."""
        each.invoices += 1
        name = f"{each.name}{each.invoices}"
        lines = [*each.waiting, *lines]
        made = Invoice(name, at, at, lines, None, self.number(), each, carried=each.carried)
        for line in lines:
            line.amount = self.cost(line)
        each.waiting, each.carried = [], 0
        if each.pause is not None and (each.pause[1] is None or at < each.pause[1]):
            made.outcome = each.pause[0]
        self.invoices[name] = made
        return made

    def full(self, item: Item) -> int:
        return half_up(cost_of(self.prices[item.price], Fraction(item.quantity or 0)))

    def cost(self, line: Line) -> int:
        if not line.metered:
            return line.amount
        used = sum(
            (
                quantity
                for price, time, quantity in self.events
                if price == line.price and line.start <= time < line.end
            ),
            Fraction(0),
        )
        return half_up(cost_of(self.prices[line.price], max(used, Fraction(0))))

    def share(self, invoice: Invoice, pool: dict[int, int], now: int) -> None:
        for line in invoice.lines:
            line.shares, owed = [], line.amount if line.metered else 0
            if invoice.outcome == "void":
                owed = 0
            for grant in sorted(self.grants, key=lambda each: each.order):
                valid = grant.effective <= invoice.period_end and (
                    grant.expires is None or invoice.period_end < grant.expires
                )
                scoped = not grant.prices or line.price in grant.prices
                share = min(owed, pool.get(id(grant), 0))
                if valid and scoped and grant.effective <= now and share > 0:
                    line.shares.append((grant, share))
                    pool[id(grant)] -= share
                    owed -= share

    def drafts(self) -> list[Invoice]:
        found = [each for each in self.invoices.values() if each.status == "draft"]
        return sorted(found, key=lambda each: (each.period_end, each.made, each.number))

    def reserved(self, grant: Grant) -> int:
        return sum(
            share
            for draft in self.drafts()
            for line in draft.lines
            for of, share in line.shares
            if of is grant
        )

    def anew(self, now: int, first: Invoice | None = None) -> None:
        """Share all there is among the drafts again; ``first``: with this one before the others."""
        pool = {id(grant): grant.left for grant in self.grants}
        for each in sorted(self.drafts(), key=lambda each: each is not first):
            self.share(each, pool, now)
        self.trim()

    def finalize(self, invoice: Invoice) -> None:
        for line in invoice.lines:
            line.amount = self.cost(line)
        self.anew(max(invoice.final_at or 0, invoice.made), invoice)
        for line in invoice.lines:
            for grant, share in line.shares:
                grant.left, grant.drawn = grant.left - share, True
        invoice.status = "open" if invoice.due else "paid"
        if invoice.outcome == "void":
            invoice.status = "void"
            self.carry(invoice, invoice.carried)
            return
        if invoice.outcome == "give_up" and invoice.due:
            invoice.status = "uncollectible"
        left = invoice.carried - (invoice.subtotal - invoice.credits)
        self.carry(invoice, max(left, 0))

    def carry(self, invoice: Invoice, cents: int) -> None:
        """For later invoices of the subscription, where there will be any."""
        if not invoice.subscription.over:
            invoice.subscription.carried += cents

    def trim(self) -> None:
        """Of grants that have ended nothing is left but what is reserved."""
        for grant in self.grants:
            if grant.ended:
                grant.left = self.reserved(grant)

    # What is asked for ---------------------------------------------------------------------------

    def grant(self, name: str, cents: int, now: int, **more: object) -> None:
        effective = more.pop("effective", now)
        assert isinstance(effective, int)
        made = Grant(name, cents, self.number(), effective=effective)
        for field_name, value in more.items():
            setattr(made, field_name, value)
        self.grants.append(made)

    def subscribe(
        self, name: str, prices: list[str], every: int, now: int, days: int | None = None
    ) -> None:
        items = [self.item(price, now) for price in prices]
        made = Subscription(name, items, every, now, now + every, self.number(), days=days)
        self.subscriptions[name] = made

    def item(self, text: str, now: int) -> Item:
        """``calls``, which is metered, or ``desks*3``."""
        price, _, quantity = text.partition("*")
        return Item(price, int(quantity) if quantity else None, now)

    def change(
        self,
        name: str,
        now: int,
        adds: list[str],
        drops: list[str],
        swaps: list[tuple[str, str]],
        how: str,
    ) -> None:
        """``swaps``: what a price has in its place. ``how``: as of ``actions.ItemChange``."""
        each = self.subscriptions[name]
        if each.over:
            raise Refusal("wrong_status")
        replaced = {old: self.item(new, now) for old, new in swaps}
        if not {*drops, *replaced} <= {*each.prices}:
            raise Refusal("field_invalid")
        kept = [item for item in each.items if item.price not in drops]
        after = [replaced.get(item.price, item) for item in kept]
        after = [
            old if (old.price, old.quantity) == (new.price, new.quantity) else new
            for old, new in zip(kept, after, strict=True)
        ]
        after += [self.item(text, now) for text in adds]
        if not after or len({item.price for item in after}) < len(after):
            raise Refusal("field_invalid")
        gone = [item for item in each.items if not any(item is other for other in after)]
        new = [item for item in after if not any(item is other for other in each.items)]
        each.items = after
        if how != "none":
            each.waiting = [*self.prorated(each, gone, new, now), *each.waiting]
        if how == "now" and each.waiting:
            self.bill(self.invoice(each, [], now), now)

    def begin_anew(self, name: str, now: int, how: str) -> None:
        """A period ends, and one begins, with an invoice that is final at once."""
        each = self.subscriptions[name]
        if each.over:
            raise Refusal("wrong_status")
        if how != "none":
            licensed = [item for item in each.items if item.quantity is not None]
            each.waiting = [*self.prorated(each, licensed, [], now), *each.waiting]
        made = self.invoice(each, self.lines(each, now, now + each.every), now)
        each.start, each.end = now, now + each.every
        self.bill(made, now)

    def bill(self, invoice: Invoice, now: int) -> None:
        """It is final at once, unless drafts are kept."""
        if invoice.outcome == "keep":
            self.anew(now)
        else:
            invoice.final_at = now
            self.finalize(invoice)

    def set_pause(self, name: str, pause: tuple[str, int | None] | None, now: int) -> None:
        if self.subscriptions[name].over:
            raise Refusal("wrong_status")
        if pause is not None and pause[1] is not None and pause[1] <= now:
            raise Refusal("field_invalid")
        self.subscriptions[name].pause = pause

    def prorated(
        self, each: Subscription, gone: list[Item], new: list[Item], now: int
    ) -> list[Line]:
        found = []
        for items, sign in ((gone, -1), (new, 1)):
            for item in items:
                if item.quantity is not None:
                    exact = cost_of(self.prices[item.price], Fraction(item.quantity))
                    cents = half_up(exact * (each.end - now) / (each.end - each.start))
                    found.append(Line(item.price, now, each.end, sign * cents, metered=False))
        for item in gone:
            start = max(item.since, each.start)
            if item.quantity is None and start < now:
                found.append(Line(item.price, start, now))
        return found

    def use(self, price: str, quantity: Fraction, time: int) -> None:
        self.events.append((price, time, quantity))

    def cancel(
        self, name: str, now: int, *, at_end: bool, invoice: bool, prorate: bool = False
    ) -> None:
        each = self.subscriptions[name]
        if each.over:
            raise Refusal("wrong_status")
        if at_end:
            each.ends = True
            return
        each.over = True
        if invoice and prorate:
            licensed = [item for item in each.items if item.quantity is not None]
            each.waiting = [*self.prorated(each, licensed, [], now), *each.waiting]
        if invoice and (now > each.start or each.waiting):
            self.draw_up(each, now, None)

    def need(self, name: str, *statuses: str) -> Invoice:
        if name not in self.invoices:
            raise Refusal("document_not_found")
        if self.invoices[name].status not in statuses:
            raise Refusal("wrong_status")
        return self.invoices[name]

    def finalize_now(self, name: str, now: int) -> None:
        invoice = self.need(name, "draft")
        invoice.final_at = now
        self.finalize(invoice)

    def delete(self, name: str, now: int) -> None:
        invoice = self.need(name, "draft")
        del self.invoices[name]
        self.carry(invoice, invoice.carried)
        self.trim()
        self.anew(now)

    def pay(self, name: str) -> None:
        self.need(name, "open", "uncollectible").status = "paid"

    def give_up(self, name: str) -> None:
        self.need(name, "open").status = "uncollectible"

    def void(self, name: str, now: int) -> None:
        invoice = self.need(name, "open", "uncollectible")
        invoice.status = "void"
        self.carry(invoice, invoice.subtotal - invoice.credits - invoice.due)
        for line in invoice.lines:
            for grant, share in line.shares:
                if not grant.ended:
                    grant.left += share
        self.anew(now)

    def void_grant(self, name: str, now: int) -> None:
        """What drafts have reserved of it is no hindrance: they share what is left."""
        [grant] = [each for each in self.grants if each.name == name]
        if grant.ended:
            raise Refusal("grant_voided" if grant.voided else "grant_expired")
        if grant.drawn:
            raise Refusal("grant_used")
        grant.ended = grant.voided = True
        grant.left = 0
        self.anew(now)

    def expire(self, name: str, now: int) -> None:
        [grant] = [each for each in self.grants if each.name == name]
        if grant.ended:
            raise Refusal("grant_voided" if grant.voided else "grant_expired")
        grant.expires, grant.ended, grant.left = now, True, self.reserved(grant)

    def debit(self, cents: int, now: int) -> None:
        free = [
            (grant, grant.left - self.reserved(grant))
            for grant in sorted(self.grants, key=lambda each: each.order)
            if not grant.ended and grant.effective <= now and not grant.prices
        ]
        if sum(left for _, left in free) < cents:
            raise Refusal("insufficient_credit")
        for grant, left in free:
            taken = min(left, cents)
            grant.left, cents = grant.left - taken, cents - taken
            grant.drawn = grant.drawn or taken > 0

    # What is to be seen --------------------------------------------------------------------------

    def ledger(self, now: int) -> int:
        return sum(grant.left for grant in self.grants if grant.effective <= now)

    def available(self, now: int) -> int:
        return self.ledger(now) - sum(
            self.reserved(grant) for grant in self.grants if grant.effective <= now
        )


def half_up(cents: Fraction) -> int:
    return int((cents + Fraction(1, 2)).__floor__())


def cost_of(price: str, used: Fraction) -> Fraction:
    """``5``: cents for each. ``pack:100:7``: 7 for each 100 begun. ``tiers:10:3:1``: 3 up to 10, then 1."""
    kind, *terms = price.split(":")
    if kind == "pack":
        size, cents = Fraction(terms[0]), Fraction(terms[1])
        return -(-used // size) * cents
    if kind == "tiers":
        edge, first, then = map(Fraction, terms)
        return min(used, edge) * first + max(used - edge, Fraction(0)) * then
    return used * Fraction(kind)
