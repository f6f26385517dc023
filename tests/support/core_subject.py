"""Scenarios on the core alone."""

from __future__ import annotations

import msgspec

from drawdown.core import amounts, lifecycle
from drawdown.core.commands import (
    AmendGrant,
    Command,
    CreateCustomer,
    CreateEntitlement,
    Debit,
    ExpireGrant,
    IssueGrant,
    ReverseDebit,
    Settle,
    VoidGrant,
)
from drawdown.core.requests import Accepted, LedgerKey, Refused, Replayed
from drawdown.core.types import BurnOrder, Category, Id, Instant
from tests.support.memory import CoreLedger
from tests.support.scenarios import START, Step, instant

CUSTOMER = "customer"


def amount(text: str) -> amounts.Amount:
    found = amounts.parse(text)
    assert found is not None, f"{text!r} is not an amount"
    return found


def expiry(text: str | None) -> Instant | msgspec.UnsetType | None:
    if text is None:
        return msgspec.UNSET
    return None if text == "never" else instant(text)


class CoreSubject:
    """Runs steps with ``plan``, and after each checks every invariant against a fold of the entries."""

    def __init__(self) -> None:
        self.core = CoreLedger()
        self.names: dict[str, Id] = {}

    def prepare(self, unit: dict[str, str]) -> None:
        self.scale = int(unit["scale"])
        days = unit.get("expires_after_days")
        command = CreateEntitlement(
            code="unit",
            unit="unit",
            scale=self.scale,
            burn_order=BurnOrder(unit.get("order", "soonest_expiry")),
            expires_after_days=None if days is None else int(days),
        )
        self.core.one(CreateCustomer(own_id=CUSTOMER), START)
        self.core.one(command, START)

    def act(self, step: Step) -> tuple[str, dict[str, str]]:
        if step.verb == "read":
            return "ok", {}
        key = step.options.get("key")
        ledger_key = None if key is None else LedgerKey(step.verb, key)
        outcome = self.core.one(self._command(step), step.at, ledger_key)
        self.core.check()
        if isinstance(outcome, Refused):
            return outcome.error.code, {
                key: str(fact) for key, fact in outcome.error.fields.items()
            }
        if isinstance(outcome, Replayed):
            return "replayed", {}
        self._remember(step, outcome)
        return "ok", {}

    def _remember(self, step: Step, outcome: Accepted) -> None:
        if step.verb == "grant" and outcome.grant is not None:
            self.names[step.words[0]] = outcome.grant.id
        elif step.verb == "debit" and outcome.operation is not None and len(step.words) > 1:
            self.names[step.words[0]] = outcome.operation.id

    def _command(self, step: Step) -> Command:
        options, words = step.options, step.words
        match step.verb:
            case "grant":
                return self._grant(words[1], options)
            case "debit":
                valid_at = options.get("valid")
                return Debit(
                    customer=CUSTOMER,
                    entitlement="unit",
                    amount=amount(words[-1]),
                    valid_at=None if valid_at is None else instant(valid_at),
                )
            case "reverse":
                part = amount(words[1]) if len(words) > 1 else None
                return ReverseDebit(debit=self.names[words[0]], amount=part)
            case "expire":
                return ExpireGrant(grant=self.names[words[0]])
            case "void":
                return VoidGrant(grant=self.names[words[0]], only_unused="only_unused" in words)
            case "amend":
                return AmendGrant(grant=self.names[words[0]], expires_at=expiry(options["exp"]))
            case "settle":
                return Settle(customer=CUSTOMER, entitlement="unit")
        raise AssertionError(f"{step.verb!r} is not something a scenario does")

    def _grant(self, units: str, options: dict[str, str]) -> IssueGrant:
        return IssueGrant(
            customer=CUSTOMER,
            entitlement="unit",
            amount=amount(units),
            priority=int(options["pri"]) if "pri" in options else None,
            category=Category(options["cat"]) if "cat" in options else None,
            effective_at=instant(options["eff"]) if "eff" in options else None,
            expires_at=expiry(options.get("exp")),
        )

    def wallet(self, at: Instant) -> dict[str, str]:
        wallets = self.core.wallets
        if not wallets:
            return dict.fromkeys(("available", "posted", "pending", "used", "granted"), "0")
        found = wallets[0]
        now = Instant(max(at, found.last_at))
        balance = lifecycle.settled_balance(
            found.balance(self.scale, found.last_at), found.grants.values(), now
        )
        names = ("available", "posted", "pending", "used", "granted", "overage", "held", "expired")
        facts = {name: amounts.render(getattr(balance, name), self.scale) for name in names}
        voided = amounts.render(balance.voided, self.scale)
        return facts | {"voided": voided, "seq": str(balance.seq)}

    def grant(self, name: str, at: Instant) -> dict[str, str]:
        now = Instant(max(at, self.core.wallets[0].last_at))
        grant = lifecycle.settled(self.core.grant(self.names[name]), now)
        fields = ("amount", "remaining", "used", "expired", "voided")
        facts = {field: amounts.render(getattr(grant, field), self.scale) for field in fields}
        return facts | {"state": lifecycle.state_of(grant, now).value}
