"""An explanation in words: for a person who asks why their credit went where it went.

Plain English, exact amounts, times in UTC. Ids are written as ``spelled`` says, the dialect's own way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from drawdown.core.amounts import render
from drawdown.core.hindsight.explain import (
    Drawn,
    Excluded,
    Explanation,
    Ineligible,
    Later,
    WalletPart,
)
from drawdown.core.types import Category, Entitlement, Grant, Id, Instant

#: How many grants the sentence names of each sort; the rest it counts.
NAMED_MAX = 3
DRAWS_NAMED_MAX = 5
VALUES_NAMED_MAX = 3
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Words:
    """The words for one explanation. Grants go by their names; where two share one, by the id as well."""

    def __init__(self, explanation: Explanation, spelled: Callable[[Id], str]) -> None:
        self._explanation = explanation
        self._spelled = spelled
        grants = {grant.id: grant for part in explanation.parts for grant in _grants(part)}
        self._shared = {
            name for name, count in Counter(g.name for g in grants.values()).items() if count > 1
        }

    def name(self, grant: Grant) -> str:
        """Its name, or its id."""
        return grant.name or self._spelled(grant.id)

    def _quoted(self, grant: Grant) -> str:
        identifier = self._spelled(grant.id)
        if grant.name is None:
            return identifier
        return f"'{grant.name}'" + (f" ({identifier})" if grant.name in self._shared else "")

    def why_drawn(self, draw: Drawn, alone: bool = False) -> str:
        """What follows "because". ``alone``: it is the only draw of its wallet."""
        grant, after = draw.grant, draw.before
        if draw.captured:
            return "the hold had set it aside"
        if after is None:
            return "no other grant could pay" if alone else "no other grant that could pay was left"
        other = self._quoted(after)
        return {
            "priority": f"its priority {grant.priority} comes before {after.priority}, that of {other}",
            "expires_at": f"it expires sooner than {other}, which {_expires(after)}",
            "category": f"promotional credit is used before what was paid for, such as {other}",
            "effective_at": f"it became effective before {other}",
            "recorded_at": f"it was granted before {other}",
            "id": f"it equals {other} in all but the id, and the lower id comes first",
        }[draw.decided_by]

    def why_later(self, later: Later) -> str:
        """What follows "because"."""
        grant, last = later.grant, later.drawn
        expires_at = grant.expires_at
        return {
            "priority": f"its priority {grant.priority} comes after {last.priority}",
            "expires_at": (
                "it never expires"
                if expires_at is None
                else f"it expires later, on {_day(expires_at)}"
            ),
            "category": "it was paid for, and promotional credit is used first",
            "effective_at": f"it became effective after {self._quoted(last)}",
            "recorded_at": f"it was granted after {self._quoted(last)}",
            "id": f"it equals {self._quoted(last)} in all but the id, and the lower id comes first",
        }[later.decided_by]

    def why_excluded(self, excluded: Excluded) -> str:
        """What follows "because"."""
        grant, reason = excluded.grant, excluded.reason
        if reason is Ineligible.OUT_OF_SCOPE:
            return self._out_of_scope(excluded)
        if reason is Ineligible.EXPIRED:
            return f"it expired on {_day(grant.expired_at or grant.expires_at)}{self._as_of()}"
        if reason is Ineligible.NOT_EFFECTIVE:
            return f"it was not effective before {_day(grant.effective_at)}{self._as_of()}"
        if reason is Ineligible.VOIDED:
            return f"it was voided on {_day(grant.voided_at)}"
        return "it had been used up" if reason is Ineligible.USED_UP else "what was left was held"

    def _out_of_scope(self, excluded: Excluded) -> str:
        name = excluded.attribute
        assert name is not None
        values = excluded.grant.scope[name]
        more = len(values) - VALUES_NAMED_MAX
        named = [*values[:VALUES_NAMED_MAX], *([f"{more} more"] if more > 0 else [])]
        given = self._explanation.attributes.get(name)
        this = f"this was for {given}" if given is not None else f"this named no {name}"
        return f"it only pays for {name} {_listed(named, 'or')}, and {this}"

    def _as_of(self) -> str:
        """Said only of usage that counts at another time than when it was drawn."""
        explanation = self._explanation
        if explanation.valid_at == explanation.operation.at:
            return ""
        return f" (the usage counts as of {_moment(explanation.valid_at)})"

    def sentence(self) -> str:
        """All of it in one sentence."""
        clauses = [self._what(), *self._others(), *self._reversed()]
        return f"On {_moment(self._explanation.operation.at)}, {'; '.join(clauses)}."

    def _what(self) -> str:
        parts = self._explanation.parts
        amounts = [_amount(part.amount, part.entitlement) for part in parts]
        verb = "captured" if self._explanation.hold is not None else "drawn"
        single = len(parts) == 1 and render(parts[0].amount, parts[0].entitlement.scale) == "1"
        begin = f"{_listed(amounts)} {'was' if single else 'were'} {verb}"
        draws = [text for part in parts for text in self._draws(part, len(parts) > 1)]
        draws += [self._beyond(part, len(parts) > 1) for part in parts if part.overage]
        if not any(part.draws for part in parts):
            return f"{begin}: {_listed(draws)}"
        if len(draws) == 1:
            return f"{begin} from {draws[0].partition(' from ')[2]}"
        return f"{begin}: {_listed(draws)}"

    def _draws(self, part: WalletPart, several: bool) -> list[str]:
        """What each grant paid and why; beyond the first few, how much all others paid together.

        Why the last one came before those left alone is said of them.
        """
        found = []
        for draw in part.draws[:DRAWS_NAMED_MAX]:
            paid = _paid(draw.amount, part.entitlement, several)
            text = f"{paid} from {self._quoted(draw.grant)} ({_described(draw.grant)})"
            if draw.captured or draw is not part.draws[-1] or not part.later:
                text += f" because {self.why_drawn(draw, alone=len(part.draws) == 1)}"
            found.append(text)
        rest = part.draws[DRAWS_NAMED_MAX:]
        if rest:
            paid = _paid(sum(draw.amount for draw in rest), part.entitlement, several)
            grants = "1 more grant" if len(rest) == 1 else f"{len(rest)} more grants"
            found.append(f"{paid} from {grants} in the same order")
        return found

    def _beyond(self, part: WalletPart, several: bool) -> str:
        paid = _paid(part.overage, part.entitlement, several)
        return f"{paid} past zero, as overage, because {self.why_beyond(part)}"

    def why_beyond(self, part: WalletPart) -> str:
        """What follows "because"."""
        return "no grant that could pay was left" if part.draws else "no grant could pay"

    def _others(self) -> list[str]:
        """The grants that paid nothing: those left alone, and those with credit that could not pay."""
        parts = self._explanation.parts
        later = [each for part in parts for each in part.later]
        excluded = [each for part in parts for each in part.excluded if each.reason in _OPEN]
        left = [
            f"{self._quoted(each.grant)} was left alone because {self.why_later(each)}"
            for each in later[:NAMED_MAX]
        ]
        more = sum(part.later_count for part in parts) - len(left)
        if more:
            left.append(f"{more} more came later still")
        return left + [
            f"{self._quoted(each.grant)} could not pay because {self.why_excluded(each)}"
            for each in excluded[:NAMED_MAX]
        ]

    def _reversed(self) -> list[str]:
        parts = [part for part in self._explanation.parts if part.reversed]
        if not parts:
            return []
        if all(part.reversed == part.amount for part in self._explanation.parts):
            return ["all of it has been given back since"]
        given = _listed([_amount(part.reversed, part.entitlement) for part in parts])
        return [
            f"{given} of it {'has' if given.startswith('1 ') else 'have'} been given back since"
        ]


#: Reasons of grants that had credit all the same.
_OPEN = (Ineligible.NOT_EFFECTIVE, Ineligible.OUT_OF_SCOPE, Ineligible.HELD)


def _grants(part: WalletPart) -> Iterable[Grant]:
    return [each.grant for group in (part.draws, part.later, part.excluded) for each in group]


def _described(grant: Grant) -> str:
    promotional = ", promotional" if grant.category is Category.PROMOTIONAL else ""
    return f"priority {grant.priority}{promotional}, {_expires(grant)}"


def _expires(grant: Grant) -> str:
    return "never expires" if grant.expires_at is None else f"expires {_day(grant.expires_at)}"


def _paid(units: int, entitlement: Entitlement, several: bool) -> str:
    return _amount(units, entitlement) if several else render(units, entitlement.scale)


def _amount(units: int, entitlement: Entitlement) -> str:
    """``30 tokens``: a plain word for a unit gets its plural."""
    amount, unit = render(units, entitlement.scale), entitlement.unit
    if amount != "1" and len(unit) > 2 and unit.replace(" ", "").islower() and unit[-1] not in "sy":
        unit += "s"
    return f"{amount} {unit}"


def _listed(texts: Sequence[str], word: str = "and") -> str:
    if len(texts) == 1:
        return texts[0]
    comma = "," if any(len(text) > 40 for text in texts) else ""
    return f"{', '.join(texts[:-1])}{comma} {word} {texts[-1]}"


def _datetime(instant: Instant) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)


def _moment(instant: Instant) -> str:
    """To the minute: ``31 Jan 2026, 12:00 UTC``."""
    moment = _datetime(instant)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M} UTC"


def _day(instant: Instant | None) -> str:
    """``2 Feb 2026`` for its very beginning, else with as much of the time as there is."""
    assert instant is not None
    moment = _datetime(instant)
    day = f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"
    if moment.timetz().replace(tzinfo=None) == datetime.min.time():
        return day
    seconds = moment.second or moment.microsecond
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{day}, {moment:%H:%M}{f':{moment:%S}{fraction}' if seconds else ''} UTC"
