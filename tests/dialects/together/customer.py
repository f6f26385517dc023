"""A customer who is known to four dialects: what tells of her usage, and what is done to her credit."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import dodopayments
import pytest
import stripe

from tests.dialects.dodo.sdk import enter
from tests.dialects.sequence.contract import Transaction, read
from tests.dialects.sequence.contract_usage import Event, counting, event_body, units
from tests.dialects.sequence.support import CUSTOMER, new_credit
from tests.dialects.stripe.conftest import METERED, usd
from tests.dialects.together.four import Four, Json
from tests.dialects.together.trace import INPUT, OUTPUT, Used

Tell = Callable[[Used], object]


class Ada:
    """She is on a test clock; ``ada`` is her id, and ``her`` the alias that Sequence gave her.

    A call of the trace costs dollars for what it read and wrote, and a unit of Sequence's metric.
    """

    def __init__(self, four: Four, begins: datetime) -> None:
        self.four = four
        clocks = four.stripe.v1.test_helpers.test_clocks
        self.clock = clocks.create({"frozen_time": int(begins.timestamp())}).id
        details: Any = {"id": "ada", "name": "Ada", "email": "ada@example.com"}
        four.stripe.v1.customers.create(details | {"test_clock": self.clock})
        answer = four.sequence.put("/customers/ada", json=CUSTOMER | {"customerAliases": ["her"]})
        assert answer.status_code == 200, answer.text
        self._count()

    def _count(self) -> None:
        """Stripe's own meter waits for an invoice, and draws nothing; it takes Stripe's events."""
        four = self.four
        meter: Any = {
            "display_name": "Input",
            "event_name": "call",
            "default_aggregation": {"formula": "sum"},
            "value_settings": {"event_payload_key": "input"},
        }
        self.stripe_meter = four.stripe.v1.billing.meters.create(meter).id
        asked = {"event_name": "call", "aggregation": "sum", "property": "input"}
        read_by = four.ask("POST", "/meters", asked | {"code": "input"})["id"]
        self.dodo_meter = written_by = four.dodo(
            lambda client: client.meters.create(
                name="Output",
                event_name="call",
                measurement_unit="token",
                aggregation={"type": "sum", "key": "output"},
            )
        ).id
        for counted, price in ((read_by, INPUT), (written_by, OUTPUT)):
            cost = {"model": "per_unit", "price": f"{price:f}"}
            four.ask("POST", "/rates", {"meter": counted, "entitlement": "usd", "price": cost})
        self.metric = counting(four.sequence, name="Calls").id

    def pass_time(self, to: datetime) -> None:
        clocks = self.four.stripe.v1.test_helpers.test_clocks
        clocks.advance(self.clock, {"frozen_time": int(to.timestamp())})
        until = time.monotonic() + 60
        while clocks.retrieve(self.clock).status != "ready":
            assert time.monotonic() < until
            time.sleep(0.02)

    # A call of the trace, told in each way: each twice, and it counts once -----------------------------

    def ways(self) -> tuple[Tell, ...]:
        usage = self.metered, self.ingested, self.sent, self.recorded
        return *usage, self.debited, self.held, self.entered

    def metered(self, used: Used) -> None:
        payload = {"input": str(used.input), "output": str(used.output)}
        event: Any = {
            "event_name": "call",
            "identifier": _id(used),
            "timestamp": int(used.at.timestamp()),
            "payload": payload | {"stripe_customer_id": "her"},
        }
        self.four.stripe.v1.billing.meter_events.create(event)
        with pytest.raises(stripe.InvalidRequestError, match="already exists"):
            self.four.stripe.v1.billing.meter_events.create(event)

    def ingested(self, used: Used) -> None:
        """The second time by Sequence, which knows the event by the same id."""
        event = {
            "event_id": _id(used),
            "customer_id": "her",
            "event_name": "call",
            "timestamp": used.time,
            "metadata": _properties(used),
        }
        found = self.four.dodo(lambda client: client.usage_events.ingest(events=[event]))
        assert found.ingested_count == 1
        self._send(used)

    def sent(self, used: Used) -> None:
        """The second time with what somebody else reads of it: that takes the place of the first."""
        self._send(used)
        self._send(used, model="code")

    def _send(self, used: Used, **more: Any) -> None:
        more = {"eventProperties": _properties(used) | more, "eventTimestamp": used.time}
        body = event_body("her", customerEventId=_id(used), **more)
        read(self.four.sequence.post("/usage-events", json=body), 201, Event)

    def recorded(self, used: Used) -> None:
        for replayed in (False, True):
            found = self.four.native.record_event(
                _id(used), "her", "call", time=used.at, properties=_properties(used)
            )
            assert found.replayed is replayed

    def debited(self, used: Used) -> None:
        for replayed in (False, True):
            found = self.four.native.debit("ada", "usd", used.cost, idempotency_key=_id(used))
            assert found.replayed is replayed

    def held(self, used: Used) -> None:
        """What it may cost is set aside, and what it did cost is captured."""
        with self.four.native.hold("her", "usd", used.cost * 2) as hold:
            hold.capture(used.cost)

    def entered(self, used: Used) -> None:
        ask = enter("debit", "ada", "usd", f"{used.cost:f}", idempotency_key=_id(used))
        self.four.dodo(ask)
        with pytest.raises(dodopayments.ConflictError):
            self.four.dodo(ask)

    # Credit, given in each way ---------------------------------------------------------------------

    def by_stripe(self, cents: int, name: str, **more: Any) -> str:
        asked: Any = {
            "customer": "ada",
            "amount": usd(cents),
            "applicability_config": METERED,
            "name": name,
        }
        return self.four.stripe.v1.billing.credit_grants.create(asked | more).id

    def by_dodo(self, amount: str, **more: Any) -> str:
        """The id of the grant."""
        made: str = self.four.dodo(enter("credit", "her", "usd", amount, **more)).grant_id
        return made

    def by_sequence(self, amount: str, **more: Any) -> str:
        return new_credit(self.four.sequence, "her", amount=amount, **more).id

    def calls(self, amount: str) -> str:
        """Units of Sequence's metric."""
        body = units("ada", self.metric, amount)
        return new_credit(self.four.sequence, "ada", **{**body, "name": "Calls of the plan"}).id

    def move(self, account: str, grant: str, which: str, amount: str) -> None:
        answer = self.four.sequence.post(
            "/credit-transactions",
            json={"grantId": grant, "type": which, "amount": amount},
            headers={"On-Behalf-Of": account},
        )
        read(answer, 201, Transaction)


def _id(used: Used) -> str:
    return f"call-{used.number}"


def _properties(used: Used) -> Json:
    return {"input": used.input, "output": used.output}
