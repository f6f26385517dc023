"""Scenarios on the core alone."""

from __future__ import annotations

import copy
from decimal import Decimal

import msgspec

from drawdown.core import amounts, forecast, instants, lifecycle
from drawdown.core.commands import (
    AdjustGrant,
    AmendEntitlement,
    AmendGrant,
    AskedOverage,
    Authorize,
    Capture,
    CloseAlert,
    CloseTopUp,
    Command,
    ConfirmTopUp,
    CreateCustomer,
    CreateEntitlement,
    Debit,
    Direction,
    ExpireGrant,
    Extend,
    FailTopUp,
    IssueGrant,
    OverCapture,
    PauseSchedule,
    Price,
    Release,
    ResetOverage,
    ResumeSchedule,
    ReverseDebit,
    Settle,
    Spend,
    VoidGrant,
)
from drawdown.core.requests import Accepted, LedgerKey, Refused, Replayed
from drawdown.core.state import Wallet
from drawdown.core.times import text_of
from drawdown.core.types import (
    MICROSECONDS,
    BurnOrder,
    Category,
    Grant,
    Id,
    Instant,
    OverageBehavior,
    OverageMode,
    Shortfall,
)
from drawdown.core.watching import top_ups
from drawdown.core.watching.top_ups import TopUpRequest
from tests.support import alerting, metered, scheduling, topping_up
from tests.support.memory import CoreLedger
from tests.support.scenarios import START, Step, day_text, instant, rule_of, span

CUSTOMER = "customer"
EMPTY = "available posted pending held used granted expired voided overage".split()


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

    def prepare(self, units: dict[str, dict[str, str]]) -> None:
        self._first = next(iter(units))
        self._rates = 0
        self._kinds: dict[str, Id] = {}
        self._scales = {unit: int(options["scale"]) for unit, options in units.items()}
        self.core.one(CreateCustomer(own_id=CUSTOMER), START)
        for unit, options in units.items():
            days = options.get("expires_after_days")
            command = CreateEntitlement(
                code=unit,
                unit="unit",
                scale=int(options["scale"]),
                burn_order=BurnOrder(options.get("order", "soonest_expiry")),
                expires_after_days=None if days is None else int(days),
                overage=asked_overage(options, options.get("overage", "off")),
                shortfall=Shortfall(options.get("shortfall", "refuse")),
                late_usage_grace=int(options.get("grace", "0")) * MICROSECONDS,
            )
            made = self.core.one(command, START)
            assert isinstance(made, Accepted)
            assert made.entitlement is not None
            self._kinds[unit] = made.entitlement.id

    def act(self, step: Step) -> tuple[str, dict[str, str]]:
        if step.verb == "read":
            return "ok", {}
        if step.verb == "forecast":
            return "ok", self._forecast(step)
        if step.verb == "rate":
            return self._rate(step)
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
        if step.verb == "use":
            assert outcome.event is not None
            said = metered.facts(outcome.event)
            return "ok" if outcome.operation is not None else "replayed", said
        if step.verb == "reset":
            return "ok", {"moved": amounts.render(outcome.amount, self._scales[self._unit(step)])}
        return "ok", _spent(step, outcome)

    def _forecast(self, step: Step) -> dict[str, str]:
        """Of a copy, with what the wallet's entries say was used."""
        unit = self._unit(step)
        wallet = copy.deepcopy(self._kept(self._kinds[unit]))
        assert wallet is not None
        kind = self.core.state.entitlements[self._kinds[unit]]
        assert kind is not None
        wallet.overage_default = kind.overage
        at = Instant(max(step.at, wallet.last_at))
        since = forecast.window_start(wallet, at, int(step.options.get("window", "7")))
        entries = self.core.entries_of(wallet)
        units = max(forecast.used(entry for entry in entries if entry.at > since), 0)
        use = forecast.Use(units=units, since=since)
        found = forecast.look_ahead(wallet, use, at, int(step.words[0]))
        scale, depletes_at = self._scales[unit], found.depletes_at
        return {
            "rate": amounts.render(forecast.per_day(use, at, scale), forecast.RATE_PLACES),
            "depletes": str(found.lasting) if depletes_at is None else day_text(depletes_at),
            "lost": amounts.render(found.lost, scale),
            "short": amounts.render(found.shortfall, scale),
        } | {day_text(p.at): amounts.render(p.available, scale) for p in found.points}

    def _remember(self, step: Step, outcome: Accepted) -> None:
        if not step.words:
            return
        name = step.words[0]
        if step.verb == "grant" and outcome.grant is not None:
            self.names[name] = outcome.grant.id
        elif step.verb == "schedule" and outcome.schedule is not None:
            self.names[name] = outcome.schedule.id
        elif step.verb == "alert" and outcome.alert is not None:
            self.names[name] = outcome.alert.id
        elif step.verb == "topup" and outcome.top_up is not None:
            self.names[name] = outcome.top_up.id
        elif step.verb == "hold" and outcome.hold is not None:
            self.names[name] = outcome.hold.id
        elif step.verb in ("debit", "spend", "capture", "use") and outcome.operation is not None:
            self.names[name] = outcome.operation.id

    def _rate(self, step: Step) -> tuple[str, dict[str, str]]:
        self._rates += 1
        for command in metered.commands(step, f"m{self._rates}", self._unit(step)):
            made = self.core.one(command, step.at)
            assert isinstance(made, Accepted), made
        return "ok", {}

    def _use(self, step: Step) -> Command:
        return metered.record(step, CUSTOMER)

    def _command(self, step: Step) -> Command:
        asked: Command = getattr(self, "_" + step.verb)(step)
        return asked

    def _unit(self, step: Step) -> str:
        return step.options.get("of", self._first)

    def _grant(self, step: Step) -> Command:
        options = step.options
        return IssueGrant(
            customer=CUSTOMER,
            entitlement=self._unit(step),
            amount=amount(step.words[1]),
            priority=int(options["pri"]) if "pri" in options else None,
            category=Category(options["cat"]) if "cat" in options else None,
            effective_at=instant(options["eff"]) if "eff" in options else None,
            expires_at=expiry(options.get("exp")),
            scope={name: tuple(values) for name, values in step.scope.items()},
            rollover=scheduling.rollover(options),
        )

    def _debit(self, step: Step) -> Command:
        valid_at = step.options.get("valid")
        return Debit(
            customer=CUSTOMER,
            entitlement=self._unit(step),
            amount=amount(step.words[-1]),
            attributes=step.attributes,
            valid_at=None if valid_at is None else instant(valid_at),
        )

    def _spend(self, step: Step) -> Command:
        wallets = [Price(entitlement=unit, price=amount(price)) for unit, price in step.prices]
        return Spend(
            customer=CUSTOMER,
            quantity=amount(step.words[1]),
            wallets=tuple(wallets),
            partial="partial" in step.words,
            attributes=step.attributes,
        )

    def _reverse(self, step: Step) -> Command:
        part = amount(step.words[1]) if len(step.words) > 1 else None
        debit = self.names[step.words[0]]
        return ReverseDebit(debit=debit, amount=part, entitlement=step.options.get("of"))

    def _hold(self, step: Step) -> Command:
        options = step.options
        return Authorize(
            customer=CUSTOMER,
            entitlement=self._unit(step),
            amount=amount(step.words[1]),
            expires_at=instant(options["until"]) if "until" in options else msgspec.UNSET,
            expires_in=span(options["for"]) if "for" in options else None,
            attributes=step.attributes,
        )

    def _capture(self, step: Step) -> Command:
        return Capture(
            hold=self.names[step.words[1]],
            amount=amount(step.words[2]),
            final="final" in step.words,
            over_capture=OverCapture.REFUSE if "refuse" in step.words else OverCapture.DRAW,
        )

    def _release(self, step: Step) -> Command:
        return Release(hold=self.names[step.words[0]])

    def _extend(self, step: Step) -> Command:
        options = step.options
        return Extend(
            hold=self.names[step.words[0]],
            expires_at=instant(options["until"]) if "until" in options else None,
            expires_in=span(options["for"]) if "for" in options else None,
        )

    def _adjust(self, step: Step) -> Command:
        name, direction, units = step.words
        return AdjustGrant(
            grant=self.names[name], direction=Direction(direction), amount=amount(units)
        )

    def _amend(self, step: Step) -> Command:
        expires_at = expiry(step.options["exp"])
        return AmendGrant(grant=self.names[step.words[0]], expires_at=expires_at)

    def _expire(self, step: Step) -> Command:
        return ExpireGrant(grant=self.names[step.words[0]])

    def _void(self, step: Step) -> Command:
        return VoidGrant(grant=self.names[step.words[0]], only_unused="only_unused" in step.words)

    def _schedule(self, step: Step) -> Command:
        return scheduling.create(CUSTOMER, self._unit(step), step)

    def _change(self, step: Step) -> Command:
        return scheduling.change(self.names[step.words[0]], step)

    def _pause(self, step: Step) -> Command:
        return PauseSchedule(schedule=self.names[step.words[0]])

    def _resume(self, step: Step) -> Command:
        return ResumeSchedule(schedule=self.names[step.words[0]])

    def _cancel(self, step: Step) -> Command:
        return scheduling.cancel(self.names[step.words[0]], step)

    def _alert(self, step: Step) -> Command:
        return alerting.create(None if "all" in step.words else CUSTOMER, self._unit(step), step)

    def _silence(self, step: Step) -> Command:
        return CloseAlert(alert=self.names[step.words[0]])

    def alert(self, name: str, at: Instant) -> dict[str, str]:
        """What is due is recorded first: an alert fires when time is played."""
        for unit in self._scales:
            self.core.one(Settle(customer=CUSTOMER, entitlement=unit), at)
        operations = [operation for operation, _ in self.core.state.changes.operations]
        told = [n for each in operations for n in alerting.notices(each)]
        found = [notice for notice in told if notice.alert == self.names[name]]
        texts = [(n.at, amounts.render(n.available, self._scale(n.entitlement))) for n in found]
        return alerting.facts(texts)

    def _topup(self, step: Step) -> Command:
        return topping_up.create(CUSTOMER, self._unit(step), step)

    def _close(self, step: Step) -> Command:
        return CloseTopUp(top_up=self.names[step.words[0]])

    def _confirm(self, step: Step) -> Command:
        request = self._request(*step.words[0].split("."))
        return ConfirmTopUp(request=request.id, reference=step.options.get("ref"))

    def _fail(self, step: Step) -> Command:
        return FailTopUp(request=self._request(*step.words[0].split(".")).id)

    def _requests(self, name: str) -> list[TopUpRequest]:
        """Those of the wallet of a rule, in the order in which they were made."""
        rule = self.core.state.top_ups[self.names[name]]
        assert rule is not None
        found = self.core.state.changes.new_top_up_requests.values()
        return [each for each in found if each.entitlement == rule.entitlement]

    def _request(self, name: str, number: str) -> TopUpRequest:
        return self._requests(name)[int(number) - 1]

    def _rule(self, step: Step) -> Command:
        rule = asked_overage(step.options, step.words[0])
        return AmendEntitlement(entitlement=self._unit(step), overage=rule)

    def _reset(self, step: Step) -> Command:
        return ResetOverage(customer=CUSTOMER, entitlement=self._unit(step))

    def _settle(self, step: Step) -> Command:
        return Settle(customer=CUSTOMER, entitlement=self._unit(step))

    def wallet(self, at: Instant, unit: str | None) -> dict[str, str]:
        unit = unit or self._first
        kept = self._kept(self._kinds[unit])
        if kept is None:
            return dict.fromkeys(EMPTY, "0")
        seen = instants.settled(copy.deepcopy(kept), at)
        facts = {name: amounts.render(getattr(seen, name), self._scales[unit]) for name in EMPTY}
        return facts | {"seq": str(kept.seq)}

    def _kept(self, kind: Id) -> Wallet | None:
        return next((found for found in self.core.wallets if found.entitlement == kind), None)

    def grant(self, name: str, at: Instant) -> dict[str, str]:
        kind = self.core.grant(self.names[name]).entitlement
        seen = self._settled(kind, at)
        return self._grant_facts(seen.grants[self.names[name]], seen, at)

    def _grant_facts(self, grant: Grant, wallet: Wallet, at: Instant) -> dict[str, str]:
        scale = self._scale(wallet.entitlement)
        fields = ("amount", "remaining", "held", "used", "expired", "voided", "rolled_over")
        facts = {field: amounts.render(getattr(grant, field), scale) for field in fields}
        expires = "never" if grant.expires_at is None else text_of(grant.expires_at)
        facts |= {"at": text_of(grant.effective_at), "expires": expires}
        return facts | {"state": lifecycle.state_of(grant, max(at, wallet.last_at)).value}

    def carried(self, name: str, times: int, at: Instant) -> dict[str, str]:
        kind = self.core.grant(self.names[name]).entitlement
        seen = self._settled(kind, at)
        grant = seen.grants.get(scheduling.carried_id(self.names[name], times))
        return {"state": "none"} if grant is None else self._grant_facts(grant, seen, at)

    def hold(self, name: str, at: Instant) -> dict[str, str]:
        kind = next(
            kept.entitlement for kept in self.core.wallets if self.names[name] in kept.holds
        )
        hold, scale = self._settled(kind, at).holds[self.names[name]], self._scale(kind)
        fields = ("amount", "held", "captured")
        facts = {field: amounts.render(getattr(hold, field), scale) for field in fields}
        return facts | {"state": hold.state.value}

    def schedule(self, name: str, at: Instant) -> dict[str, str]:
        return scheduling.facts(self._with_schedule(name, at).schedules[self.names[name]])

    def cycle_grant(self, name: str, cycles: str, at: Instant) -> dict[str, str]:
        """Of a grant that was never made, nothing is left."""
        wallet = self._with_schedule(name, at)
        grant = wallet.grants.get(scheduling.grant_id(self.names[name], cycles))
        if grant is None:
            return {"state": "none"}
        return self._grant_facts(grant, wallet, at)

    def top_up(self, name: str, at: Instant) -> dict[str, str]:
        rule = self.core.state.top_ups[self.names[name]]
        assert rule is not None
        kept = self._kept(rule.entitlement)
        standing = None if kept is None or kept.watch is None else kept.watch.top_up
        state = top_ups.state_of(rule, standing or top_ups.Standing())
        return {"state": state.value, "asked": str(len(self._requests(name)))}

    def top_up_request(self, name: str, number: int, at: Instant) -> dict[str, str]:
        request = self._request(name, str(number))
        return topping_up.facts(request, self._scale(request.entitlement), at)

    def _with_schedule(self, name: str, at: Instant) -> Wallet:
        schedule = self.names[name]
        kind = next(kept.entitlement for kept in self.core.wallets if schedule in kept.schedules)
        return self._settled(kind, at)

    def _settled(self, kind: Id, at: Instant) -> Wallet:
        kept = self._kept(kind)
        assert kept is not None
        return instants.settled(copy.deepcopy(kept), at)

    def _scale(self, kind: Id) -> int:
        return next(scale for unit, scale in self._scales.items() if self._kinds[unit] == kind)


def asked_overage(options: dict[str, str], text: str) -> AskedOverage:
    asked = rule_of(options, text)
    return AskedOverage(
        mode=OverageMode(asked["mode"]),
        limit=amount(asked["limit"]) if "limit" in asked else None,
        behavior=OverageBehavior(asked.get("behavior", "forgive_at_reset")),
    )


def _spent(step: Step, outcome: Accepted) -> dict[str, str]:
    """Of a spend: how much of the quantity was paid, and how much was not."""
    if step.verb != "spend":
        return {}
    paid = sum((Decimal(str(part.quantity)) for part in outcome.parts), Decimal(0))
    unpaid = Decimal(step.words[1]) - paid
    return {"spent": f"{paid.normalize():f}", "unpaid": f"{unpaid.normalize():f}"}
