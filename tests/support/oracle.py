"""A naive ledger that is obviously right: a list of grants, sorted anew for every debit.

It knows nothing of batches, loading, entries, chains or caches. Slow and plain on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NEVER = 2**63


@dataclass
class NaiveGrant:
    name: int
    amount: int
    priority: int
    paid: bool
    effective_at: int
    expires_at: int
    recorded_at: int
    remaining: int = 0
    used: int = 0
    expired: int = 0
    voided: int = 0
    drawn: bool = False
    ended: str = ""

    def numbers(self) -> tuple[int, int, int, int]:
        return (self.remaining, self.used, self.expired, self.voided)


@dataclass
class NaiveDebit:
    draws: list[tuple[NaiveGrant, int]]
    left: int


@dataclass
class NaiveLedger:
    """One wallet. Every method answers ``ok`` or the code of the refusal."""

    oldest_first: bool = False
    grants: list[NaiveGrant] = field(default_factory=list)
    debits: dict[int, NaiveDebit] = field(default_factory=dict)
    last_at: int = 0

    def _arrive(self, at: int) -> int:
        """Let time do its work; the wallet's time never runs back."""
        at = max(at, self.last_at)
        for grant in self.grants:
            due = grant.remaining > 0 and grant.expires_at <= at
            became_active = grant.remaining > 0 and self.last_at < grant.effective_at <= at
            if due or became_active:
                self.last_at = at
        for grant in self.grants:
            if grant.remaining > 0 and grant.expires_at <= at:
                grant.expired += grant.remaining
                grant.remaining = 0
                grant.ended = "grant_expired"
        return at

    def available(self, at: int) -> int:
        return sum(
            grant.remaining for grant in self.grants if grant.effective_at <= at < grant.expires_at
        )

    def grant(
        self, name: int, at: int, amount: int, priority: int, paid: bool, eff: int, exp: int
    ) -> str:
        wall, at = at, self._arrive(at)
        effective_at = at if eff == 0 else eff
        if exp <= at:
            return "expiry_not_in_future"
        if exp <= effective_at:
            return "expiry_before_effective"
        self.last_at = at
        made = NaiveGrant(name, amount, priority, paid, effective_at, exp, wall)
        made.remaining = amount
        self.grants.append(made)
        return "ok"

    def debit(self, name: int, at: int, amount: int) -> str:
        at = self._arrive(at)
        if self.available(at) < amount:
            return "insufficient_credit"
        self.last_at = at
        draws = []
        for grant in sorted(self.grants, key=self._order):
            if grant.effective_at <= at < grant.expires_at and grant.remaining and amount:
                taken = min(amount, grant.remaining)
                grant.remaining -= taken
                grant.used += taken
                grant.drawn = True
                amount -= taken
                draws.append((grant, taken))
        self.debits[name] = NaiveDebit(draws, sum(taken for _, taken in draws))
        return "ok"

    def _order(self, grant: NaiveGrant) -> tuple[int, ...]:
        if self.oldest_first:
            return (grant.priority, grant.effective_at, grant.recorded_at, grant.name)
        kind = (grant.expires_at, int(grant.paid))
        return (grant.priority, *kind, grant.effective_at, grant.recorded_at, grant.name)

    def reverse(self, name: int, at: int, amount: int | None) -> str:
        if name not in self.debits:
            return "debit_not_found"
        at = self._arrive(at)
        debit = self.debits[name]
        wanted = debit.left if amount is None else amount
        if wanted > debit.left or wanted == 0:
            return "reversal_too_large"
        self.last_at = at
        debit.left -= wanted
        while wanted:
            grant, taken = debit.draws[-1]
            part = min(wanted, taken)
            wanted -= part
            debit.draws[-1:] = [(grant, taken - part)] if taken > part else []
            self._return(grant, part, at)
        return "ok"

    def _return(self, grant: NaiveGrant, part: int, at: int) -> None:
        grant.used -= part
        if grant.ended == "grant_voided":
            grant.voided += part
        elif grant.ended or grant.expires_at <= at:
            grant.expired += part
        else:
            grant.remaining += part

    def expire(self, name: int, at: int) -> str:
        at = self._arrive(at)
        grant = self.grants[name]
        if refusal := self._ended(grant, at):
            return refusal
        self.last_at = at
        grant.expired += grant.remaining
        grant.remaining, grant.ended, grant.expires_at = 0, "grant_expired", at
        return "ok"

    def void(self, name: int, at: int, only_unused: bool) -> str:
        at = self._arrive(at)
        grant = self.grants[name]
        if refusal := self._ended(grant, at):
            return refusal
        if grant.remaining == 0 or (only_unused and grant.drawn):
            return "grant_used"
        self.last_at = at
        grant.voided += grant.remaining
        grant.remaining, grant.ended = 0, "grant_voided"
        return "ok"

    def amend(self, name: int, at: int, exp: int) -> str:
        at = self._arrive(at)
        grant = self.grants[name]
        if refusal := self._ended(grant, at):
            return refusal
        if exp <= at:
            return "expiry_not_in_future"
        if exp <= grant.effective_at:
            return "expiry_before_effective"
        self.last_at = at
        grant.expires_at = exp
        return "ok"

    @staticmethod
    def _ended(grant: NaiveGrant, at: int) -> str:
        if grant.ended:
            return grant.ended
        return "grant_expired" if grant.expires_at <= at else ""
