"""When a line is crossed: decided with the operation that crosses it, from what it did to a wallet.

An alert fires once, when credit falls to its line (or use rises to it), and again only after the wallet has
been on the other side. What happens at one instant in one operation is one step: what it passes on the way
does not count. Whether a line was crossed never depends on when that was recorded: every step carries its own
instant.

An alert on expiry fires once for each grant, so many days before its end: that is something that time does
(``settling``), after all else at its instant. A grant that is as near to its end when it becomes effective,
or when the alert is made, is told of at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from drawdown.core.identity import made_at
from drawdown.core.lifecycle import WARNING_RANK as WARNING
from drawdown.core.state import Changes, Wallet
from drawdown.core.types import (
    DAY,
    DRAWS,
    MICROSECONDS,
    AlertKind,
    AlertRule,
    Entry,
    EntryKind,
    Grant,
    Id,
    Instant,
    Operation,
)
from drawdown.core.watching.watch import Notice, Watch

#: Use is counted by days, in UTC, and the recent rate is that of so many, today included.
RECENT_DAYS = 7
#: Of so many grants an alert tells that is new to their wallet: of those that were made first.
TOLD_AT_FIRST_MAX = 1_000
#: By then every process knows of an alert for everybody, whatever its clock says.
HEARD_WITHIN = 60 * MICROSECONDS
_BEGINS = frozenset({EntryKind.GRANTED, EntryKind.ACTIVATED, EntryKind.ROLLED_IN})
#: By how much of its amount an entry changes what was ever used, and the use of its day.
_USED = dict.fromkeys((*DRAWS, EntryKind.OVERAGE_REPAID), 1) | {EntryKind.REVERSED: -1}
_SPENT = dict.fromkeys((*DRAWS, EntryKind.OVERAGE_CHARGED), 1) | {
    EntryKind.REVERSED: -1,
    EntryKind.OVERAGE_REVERSED: -1,
}


class Level(NamedTuple):
    """How a wallet stands after a step. ``came``: credit was added in it; ``spent``: what was used in it."""

    at: Instant
    available: int
    overage: int
    used: int
    came: bool = False
    spent: int = 0

    @property
    def numbers(self) -> tuple[int, int, int]:
        return self.available, self.overage, self.used

    @property
    def net(self) -> int:
        return self.available - self.overage

    @property
    def use(self) -> int:
        """All that was ever used and not given back, overage included."""
        return self.used + self.overage


class Warned(NamedTuple):
    """That a grant is so near its end: ``at``, and in which place among what is due then."""

    at: Instant
    rank: int
    grant: Grant
    rule: AlertRule


def rules_of(wallet: Wallet) -> tuple[AlertRule, ...]:
    """All that are live: everybody's, and the wallet's own."""
    return wallet.alerts if wallet.watch is None else (*wallet.alerts, *wallet.watch.rules)


def lead_of(alerts: Sequence[AlertRule], watch: Watch | None) -> int:
    """The longest time before a grant's end at which anybody wants to know of it, in microseconds."""
    own = () if watch is None else watch.rules
    return max(
        (rule.days * DAY for rule in (*alerts, *own) if rule.days and _warns(rule)), default=0
    )


def is_uncounted(alerts: Sequence[AlertRule], watch: Watch | None) -> bool:
    """Whether there is an alert on expiry by which the wallet's grants have not been looked at yet."""
    if not alerts:  # as nearly always
        return False
    counted = () if watch is None else watch.counted
    return any(_warns(rule) and rule.alert not in counted for rule in alerts)


def _warns(rule: AlertRule) -> bool:
    return rule.kind is AlertKind.DAYS_TO_EXPIRY


# What an operation did -----------------------------------------------------------------------------


def decide(changes: Changes, wallet: Wallet, entries: Sequence[Entry]) -> tuple[Notice, ...]:
    """What an operation's entries in the wallet have set off; the wallet remembers it from here on."""
    rules = rules_of(wallet)
    watch = wallet.watch or Watch()
    if wallet.closed or not (
        rules or watch.fired or watch.counted or watch.use or watch.base is not None
    ):
        return ()  # it has a top-up alone
    own = [entry for entry in entries if entry.entitlement == wallet.entitlement]
    fired = set(living(watch.fired, rules, own[0].recorded_at if own else Instant(0)))
    base, use = watch.base, dict(watch.use)
    notices = []
    before, levels = _levels(wallet, own)
    for level in levels:
        base = level.available if level.came else max(base or before.available, level.available)
        _count(use, level)
        for rule in rules if level.numbers != before.numbers else ():
            if _warns(rule):
                continue
            if not _is_crossed(rule, level, base, use):
                fired.discard(rule.alert)
            elif rule.alert not in fired and _moves_to(rule, before, level):
                fired.add(rule.alert)
                notices.append(_notice(rule, wallet, level, base))
        before = level
    notices += _begun(changes, wallet, own, levels)
    kinds = {rule.kind: rule for rule in rules}
    if any(_is_back(entry) for entry in own) and watch.counted:
        watch = msgspec.structs.replace(watch, until=own[-1].at)  # told just now, if ever
    after = msgspec.structs.replace(
        watch,
        fired=tuple(sorted(fired)),
        base=base if any(rule.percent is not None for rule in rules) else None,
        use=tuple(sorted(use.items())) if AlertKind.DEPLETES_WITHIN in kinds else (),
    )
    is_new = bool(own) and own[0].seq == 1
    keep(changes, wallet, _with_counted(after, wallet) if is_new else after)
    return tuple(notices)


def keep(changes: Changes, wallet: Wallet, watch: Watch) -> None:
    """From here on the wallet remembers this; nothing to remember is nothing to keep."""
    after = None if watch == Watch() else watch
    if after != wallet.watch:
        wallet.watch = after
        changes.watches[(wallet.customer, wallet.entitlement)] = wallet


def living(ids: Iterable[Id], rules: Sequence[AlertRule], recorded_at: Instant) -> Iterator[Id]:
    """Those of alerts that are not closed: that are known, or so new that it may be heard of them yet."""
    known = {rule.alert for rule in rules}
    for alert in ids:
        if alert in known or made_at(alert) > recorded_at - HEARD_WITHIN:
            yield alert


def _levels(wallet: Wallet, entries: Sequence[Entry]) -> tuple[Level, list[Level]]:
    """How the wallet stood before its entries, and after each of their instants."""
    used = wallet.used - sum(_USED.get(entry.kind, 0) * entry.amount for entry in entries)
    if not entries:
        return Level(wallet.last_at, wallet.available, wallet.overage, used), []
    first = entries[0]
    available = first.posted_before - first.held_before
    before = Level(first.at, available, first.overage_before, used)
    levels: list[Level] = []
    for entry in entries:
        used += _USED.get(entry.kind, 0) * entry.amount
        came = entry.kind in _BEGINS and entry.posted_after > entry.posted_before
        spent = _SPENT.get(entry.kind, 0) * entry.amount
        if levels and levels[-1].at == entry.at:
            last = levels.pop()
            came, spent = came or last.came, spent + last.spent
        available = entry.posted_after - entry.held_after
        levels.append(Level(entry.at, available, entry.overage_after, used, came, spent))
    return before, levels


def _count(use: dict[int, int], level: Level) -> None:
    """Add what was used to its day; days that are no longer recent are forgotten."""
    today = level.at // DAY
    for day in [day for day in use if day <= today - RECENT_DAYS]:
        del use[day]
    if level.spent:
        use[today] = max(0, use.get(today, 0) + level.spent)
        if not use[today]:
            del use[today]


def _is_crossed(rule: AlertRule, level: Level, base: int, use: dict[int, int]) -> bool:
    """Whether the wallet is on the far side of the line."""
    if rule.kind is AlertKind.USED_ABOVE:
        assert rule.amount is not None
        return level.use >= rule.amount
    if rule.kind is AlertKind.DEPLETES_WITHIN:
        assert rule.days is not None
        days = level.at // DAY - min(use, default=0) + 1
        return level.available * days <= sum(use.values()) * rule.days and bool(use)
    if rule.percent is not None:
        return base > 0 and level.available * 100 <= base * rule.percent
    assert rule.amount is not None
    return level.available <= rule.amount


def _moves_to(rule: AlertRule, before: Level, level: Level) -> bool:
    """Whether the step went the way of the line: credit that comes sets nothing off."""
    if rule.kind is AlertKind.USED_ABOVE:
        return level.use > before.use
    return level.net < before.net


def _notice(rule: AlertRule, wallet: Wallet, level: Level, base: int) -> Notice:
    return Notice(
        alert=rule.alert,
        kind=rule.kind,
        entitlement=wallet.entitlement,
        at=level.at,
        available=level.available,
        overage=level.overage,
        used=level.use,
        threshold=rule.amount if rule.percent is None else base * rule.percent // 100,
        percent=rule.percent,
        days=rule.days,
        name=rule.name,
    )


# What time does ------------------------------------------------------------------------------------


def warnings(wallet: Wallet, until: tuple[Instant, int]) -> list[Warned]:
    """Which grants come near their end before ``until``, an instant and a place in it: so that one is told.

    Those that are as near when they begin are not among them: what begins them tells of that.
    """
    watch = wallet.watch or Watch()
    found = []
    for rule in _leads(wallet) if watch.counted else ():
        for grant in wallet.grants.values() if rule.alert in watch.counted else ():
            due = _warned_at(rule, grant)
            begun_at = max(grant.effective_at, grant.created_at)
            if due is not None and max(watch.until, begun_at) < due and (due, WARNING) < until:
                found.append(Warned(due, WARNING, grant, rule))
    return sorted(found, key=_in_order)


def first_look(changes: Changes, wallet: Wallet, at: Instant) -> list[Warned]:
    """The grants that are near their end already, by an alert new to the wallet: to be told ``at``.

    At most ``TOLD_AT_FIRST_MAX`` by one alert.
    """
    watch = wallet.watch or Watch()
    until = Instant(max(watch.until, wallet.last_at))
    found: list[Warned] = []
    for rule in (each for each in _leads(wallet) if each.alert not in watch.counted):
        near = [
            Warned(at, WARNING, grant, rule)
            for grant in wallet.grants.values()
            if (due := _warned_at(rule, grant)) is not None and due <= until and not grant.pending
        ]
        found += sorted(near, key=_in_order)[:TOLD_AT_FIRST_MAX]
    after = msgspec.structs.replace(_with_counted(watch, wallet), until=until)
    keep(changes, wallet, after)
    return sorted(found, key=_in_order)


def _in_order(warned: Warned) -> tuple[Instant, Id, Id]:
    return warned.at, warned.grant.id, warned.rule.alert


def _leads(wallet: Wallet) -> list[AlertRule]:
    return [rule for rule in rules_of(wallet) if _warns(rule)]


def _warned_at(rule: AlertRule, grant: Grant) -> Instant | None:
    """When a grant is so near its end; None where it has none, or nothing is left of it."""
    if grant.remaining == 0 or grant.expired_at is not None:
        return None
    return _nears(rule, grant)


def _nears(rule: AlertRule, grant: Grant) -> Instant | None:
    """When a grant is so near its end, were anything left of it then."""
    assert rule.days is not None
    return None if grant.expires_at is None else Instant(grant.expires_at - rule.days * DAY)


def tell(wallet: Wallet, warned: Warned) -> Notice | None:
    """The notice of a grant that comes near its end now, unless nothing of it is left by now."""
    grant, rule = warned.grant, warned.rule
    if wallet.closed or grant.remaining == 0 or grant.pending or grant.expired_at is not None:
        return None
    level = Level(warned.at, wallet.available, wallet.overage, wallet.used)
    return _near(rule, wallet, grant, level, grant.remaining)


def _near(rule: AlertRule, wallet: Wallet, grant: Grant, level: Level, remaining: int) -> Notice:
    return Notice(
        alert=rule.alert,
        kind=rule.kind,
        entitlement=wallet.entitlement,
        at=level.at,
        available=level.available,
        overage=level.overage,
        used=level.use,
        days=rule.days,
        name=rule.name,
        grant=grant.id,
        remaining=remaining,
        expires_at=grant.expires_at,
    )


def settled(changes: Changes, wallet: Wallet, at: Instant, recorded_at: Instant) -> None:
    """The grants have been looked at up to ``at``, by the alerts that are not new to the wallet."""
    watch = wallet.watch or Watch()
    counted = tuple(living(watch.counted, _leads(wallet), recorded_at))
    until = Instant(max(watch.until, at)) if counted else Instant(0)
    keep(changes, wallet, msgspec.structs.replace(watch, counted=counted, until=until))


def _with_counted(watch: Watch, wallet: Wallet) -> Watch:
    """By all alerts that there are."""
    counted = tuple(dict.fromkeys((*watch.counted, *(rule.alert for rule in _leads(wallet)))))
    return msgspec.structs.replace(watch, counted=counted)


def note_warnings(wallet: Wallet, at: Instant) -> None:
    """The wallet, settled up to ``at``, comes due also when the next of its loaded grants is near its end."""
    due = min(_coming(wallet, wallet.grants.values(), at), default=None)
    if due is not None and (wallet.next_due_at is None or due < wallet.next_due_at):
        wallet.next_due_at = due


def _coming(wallet: Wallet, grants: Iterable[Grant], at: Instant) -> Iterator[Instant]:
    leads = _leads(wallet)
    for grant in grants if leads else ():
        if grant.pending:
            continue
        for rule in leads:
            due = _warned_at(rule, grant)
            if due is not None and due > at:
                yield due


def _begun(
    changes: Changes, wallet: Wallet, entries: Sequence[Entry], levels: Sequence[Level]
) -> list[Notice]:
    """Tell of what is near its end as it begins, and come back for what will be.

    As it was then: a settlement may have ended it since.
    """
    leads = _leads(wallet)
    at_instants = {level.at: level for level in levels}
    left = {(entry.grant, entry.at): entry.grant_after for entry in entries} if leads else {}
    found: list[Notice] = []
    for entry in entries if leads else ():
        grant = wallet.grants.get(entry.grant)
        if grant is None or grant.pending:
            continue
        note_warning(changes, wallet, grant, entry.at)
        remaining = left[(entry.grant, entry.at)]
        begins = entry.kind in _BEGINS or _is_back(entry)
        found += [
            _near(rule, wallet, grant, at_instants[entry.at], remaining)
            for rule in (leads if begins and remaining else ())
            if (due := _nears(rule, grant)) is not None and due <= entry.at
        ]
    return found


def _is_back(entry: Entry) -> bool:
    """Whether credit came back to a grant of which nothing was left."""
    return entry.kind is EntryKind.REVERSED and entry.grant_before == 0


def note_warning(changes: Changes, wallet: Wallet, grant: Grant, at: Instant) -> None:
    """The wallet comes due when the grant is so near its end."""
    known = wallet.next_due_at
    due = min(_coming(wallet, (grant,), at), default=None)
    if due is not None and (known is None or due < known):
        wallet.next_due_at = due
        changes.wallets[(wallet.customer, wallet.entitlement)] = wallet


def moved(
    changes: Changes,
    wallet: Wallet,
    grant: Grant,
    before: Instant | None,
    operation: Operation,
) -> tuple[Notice, ...]:
    """A grant's end was moved from ``before``: tell of one that is near by that alone."""
    at = operation.at
    found: tuple[Notice, ...] = ()
    for rule in _leads(wallet):
        due = _warned_at(rule, grant)
        was_near = before is not None and before - lead_of((rule,), None) <= at
        if due is not None and due <= at and not was_near:
            told = tell(wallet, Warned(at, WARNING, grant, rule))
            found += () if told is None else (told,)
    if _leads(wallet):
        settled(changes, wallet, at, operation.recorded_at)
        note_warning(changes, wallet, grant, at)
    return found
