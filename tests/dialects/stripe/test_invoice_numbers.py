"""Numbers of invoices: one after the other for each customer, through Stripe's own SDK."""

from __future__ import annotations

import pytest
import stripe

from tests.dialects.stripe.test_billing import DAY, HOUR, START, Stage
from tests.dialects.stripe.test_subscription_items import licensed

MONTHS = (31, 59, 90)


@pytest.fixture
def stage(client: stripe.StripeClient) -> Stage:
    return Stage(client)


def numbers(stage: Stage) -> list[str | None]:
    """Oldest first."""
    return [each.number for each in stage.invoices()]


def shown(stage: Stage) -> tuple[str | None, int | None]:
    customer = stage.client.v1.customers.retrieve(stage.customer.id)
    return customer.invoice_prefix, customer.next_invoice_sequence


def test_invoices_are_numbered_as_they_become_final_and_a_deleted_draft_leaves_no_gap(
    stage: Stage,
) -> None:
    prefix, following = shown(stage)
    assert prefix == stage.customer.invoice_prefix
    assert following == stage.customer.next_invoice_sequence == 1
    stage.subscribe()
    stage.advance(START + MONTHS[0] * DAY)
    draft = stage.invoices()[-1]
    assert numbers(stage) == [f"{prefix}-0001", None]
    stage.client.v1.invoices.delete(draft.id)
    stage.advance(START + MONTHS[1] * DAY + HOUR)
    assert numbers(stage) == [f"{prefix}-0001", f"{prefix}-0002"]
    assert shown(stage) == (prefix, 3)
    [listed] = stage.client.v1.customers.list({"test_clock": stage.clock.id}).data
    assert listed.next_invoice_sequence == 3


def test_a_number_stays_as_it_was_given(stage: Stage) -> None:
    """Another prefix and another number are for the invoices that come."""
    customers = stage.client.v1.customers
    customers.update(stage.customer.id, {"invoice_prefix": "ANN", "next_invoice_sequence": 41})
    assert shown(stage) == ("ANN", 41)
    stage.subscribe()
    changed = customers.update(
        stage.customer.id, {"invoice_prefix": "BOB", "next_invoice_sequence": 9999}
    )
    assert (changed.invoice_prefix, changed.next_invoice_sequence) == ("BOB", 9999)
    stage.advance(START + MONTHS[0] * DAY + HOUR)
    stage.advance(START + MONTHS[1] * DAY + HOUR)
    assert numbers(stage) == ["ANN-0041", "BOB-9999", "BOB-10000"]
    lower = customers.update(stage.customer.id, {"next_invoice_sequence": 5, "name": "Ann"})
    assert (lower.next_invoice_sequence, lower.name) == (10001, "Ann")
    unset = customers.update(stage.customer.id, {"invoice_prefix": ""})
    assert unset.invoice_prefix == stage.customer.invoice_prefix


def test_invoices_in_several_currencies_are_numbered_in_one_row(stage: Stage) -> None:
    stage.subscribe(licensed(stage, 100).id)
    stage.subscribe(licensed(stage, 100, currency="eur").id)
    stage.subscribe()
    prefix, following = shown(stage)
    given = sorted(str(number) for number in numbers(stage))
    assert given == [f"{prefix}-000{number}" for number in (1, 2, 3)]
    assert following == 4
