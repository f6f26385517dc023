"""Random steps about subscriptions, invoices and credits, given how things stand on the naive ledger."""

from __future__ import annotations

from random import Random

from tests.support.billing_play import START, Step
from tests.support.naive_billing import HOUR, NaiveBilling, Subscription

MINUTE = HOUR // 60
DAY = 24 * HOUR
#: Those that are used in random plays.
PRICES = ("calls", "tokens", "packs", "tiers")
LICENSED = ("desks*1", "desks*2", "lamps*1", "lamps*7")
VERBS = (
    "grant grant grant use use use use use use use subscribe change change anew pause debit cancel "
    "expire undo read"
).split()
PAUSES = (None, None, None, "keep", "give_up", "void")
OF_INVOICES = "finalize delete void pay uncollectible".split()


class Choices:
    """One customer's steps, one after the other."""

    def __init__(self, random: Random, naive: NaiveBilling) -> None:
        self.random, self.naive = random, naive
        self.now, self.number = START, 0

    def wait(self) -> None:
        """Some hours, or to just when something is due, or some minutes after that."""
        ends = [each.end for each in self.naive.subscriptions.values() if not each.over]
        ends += [each.expires for each in self.naive.grants if each.expires and not each.ended]
        ends = [each for each in ends if each > self.now]
        chosen = self.random.random()
        if any(each.status == "draft" for each in self.naive.invoices.values()) and chosen < 0.6:
            self.now += self.random.choice([0, 10, 20]) * MINUTE
        elif ends and chosen < 0.5:
            self.now = min(ends) + self.random.choice([0, 0, 20, 40]) * MINUTE
        elif chosen < 0.97:
            self.now += self.random.randint(1, 40) * HOUR
        else:
            self.now += self.random.randint(2, 20) * DAY

    def first(self) -> Step:
        return self._step("subscribe", ["S", *self._prices()], every=str(self.random.randint(4, 9)))

    def next(self) -> Step:
        random, naive = self.random, self.naive
        drafts = [name for name, each in naive.invoices.items() if each.status == "draft"]
        ended = [each for each in naive.invoices if each not in drafts][-6:]
        owed = [each for each in ended if naive.invoices[each].status != "paid"] or ended
        if drafts and random.random() < 0.25:
            return self._step(random.choice(["finalize", "delete"]), [random.choice(drafts)])
        if owed and random.random() < 0.15:
            return self._step(random.choice(OF_INVOICES), [random.choice(owed)])
        self.number += 1
        return self._any(random.choice(VERBS))

    def _any(self, verb: str) -> Step:
        random, naive = self.random, self.naive
        if verb == "grant":
            cents = random.choice([random.randint(1, 50), random.randint(50, 900)])
            words = [f"G{self.number}", f"{cents // 100}.{cents % 100:02d}"]
            return self._step(verb, words, **self._options_of_a_grant())
        if verb == "use":
            return self._use()
        if verb == "subscribe":
            words = [f"S{self.number}x", *self._prices()]
            return self._step(verb, words, every=str(random.randint(3, 12)))
        if verb == "cancel":
            how = random.choice([["end"], ["invoice"], ["invoice", "prorate"]])
            return self._step(verb, [random.choice(list(naive.subscriptions)), *how])
        if verb in ("change", "anew", "pause"):
            return self._amend(verb, random.choice(list(naive.subscriptions)))
        if verb in ("expire", "undo") and naive.grants:
            return self._step(verb, [random.choice(naive.grants).name])
        if verb == "debit":
            return self._step(verb, [f"0.{random.randint(1, 60):02d}"])
        return self._step("read", [])

    def _amend(self, verb: str, name: str) -> Step:
        random = self.random
        if verb == "change":
            words = [name, *random.choice([[], [], ["now"], ["none"]])]
            return self._step(verb, words, **self._change_of(self.naive.subscriptions[name]))
        if verb == "anew":
            return self._step(verb, [name, *random.choice([[], ["none"]])])
        how = random.choice(PAUSES)
        if how is None:
            return self._step("resume", [name])
        until = {"until": day(self.now + random.randint(1, 300) * HOUR)}
        return self._step(verb, [name, how], **random.choice([{}, until]))

    def _use(self) -> Step:
        random = self.random
        running = [each for each in self.naive.subscriptions.values() if not each.over]
        counted = [price for each in running for price in each.prices] or list(PRICES)
        words = [random.choice(counted), str(random.randint(1, 120))]
        time = self.now - random.choice([0, 0, 0, 1, 5, 60]) * HOUR
        return self._step("use", words, time=day(max(time, START)))

    def _prices(self) -> list[str]:
        return self.random.sample(PRICES, self.random.randint(1, 3))

    def _change_of(self, subscription: Subscription) -> dict[str, str]:
        """One price comes, goes, or gets another or another quantity; it may be one that is there already."""
        random, found = self.random, dict[str, str]()
        priced = random.choice([*PRICES, *LICENSED, *LICENSED])
        known = random.choice(subscription.prices)
        chosen = random.random()
        if chosen < 0.45:
            found["add"] = priced
        elif chosen < 0.6:
            found["drop"] = known
        else:
            found["swap"] = f"{known}>{priced}"
        return found

    def _options_of_a_grant(self) -> dict[str, str]:
        random, found = self.random, dict[str, str]()
        effective = self.now
        if random.random() < 0.2:
            effective += random.randint(1, 100) * HOUR
            found["effective"] = day(effective)
        if random.random() < 0.6:
            found["expires"] = day(effective + random.randint(1, 15 * 24) * HOUR + 30 * MINUTE)
        if random.random() < 0.3:
            found["priority"] = str(random.randint(49, 51))
        if random.random() < 0.3:
            found["category"] = "promotional"
        if random.random() < 0.3:
            found["prices"] = ",".join(self._prices())
        return found

    def _step(self, verb: str, words: list[str], **options: str) -> Step:
        return Step(self.now, verb, words, options, {}, None)


def day(at: int) -> str:
    minutes = (at - START) // MINUTE
    return f"d{minutes // 1440}+{minutes // 60 % 24}h+{minutes % 60}m"


def text_of(step: Step) -> str:
    """The step as ``billing_play.read_step`` reads it."""
    said = [f"{name}={value}" for name, value in step.options.items()]
    return " ".join([day(step.at), step.verb, *step.words, *said])
