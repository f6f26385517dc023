"""What was, what will be, and why: any instant, the history of a balance, a debit explained."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from drawdown.client import Client, Invalid

LATER = datetime(2090, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_balance_is_known_at_any_instant(ada: Client) -> None:
    """Before there was anything, and after what is known to happen has happened."""
    end = datetime.now(UTC) + timedelta(days=2)
    ada.grant("ada", "tokens", 5, expires_at=end)
    before = datetime.now(UTC) - timedelta(days=1)
    assert ada.balance("ada", "tokens", at=before).granted == 0
    assert ada.balance("ada", "tokens", at=end - timedelta(seconds=1)).available == 105
    after = ada.balance("ada", "tokens", at=end)
    assert (after.available, after.expired, after.as_of) == (Decimal(100), Decimal(5), end)
    with pytest.raises(Invalid) as caught:
        ada.balance("ada", "tokens", at=LATER)
    assert caught.value.field == "at"


def test_grants_are_known_at_any_instant(ada: Client) -> None:
    end = datetime.now(UTC) + timedelta(days=2)
    made = ada.grant("ada", "tokens", 5, expires_at=end)
    assert ada.get_grant(made.id, at=end).state == "expired"
    then = ada.grants(customer="ada", entitlement="tokens", at=end)
    assert {grant.id: grant.state for grant in then}[made.id] == "expired"
    assert ada.get_grant(made.id).state == "active"


def test_a_history_is_made_of_segments(ada: Client) -> None:
    """Newest first; each begins where the next one ends, over several pages."""
    for amount in (10, 20, 30):
        ada.debit("ada", "tokens", amount)
    found = list(ada.balance_history("ada", "tokens", page_size=2))
    assert [segment.available for segment in found[:4]] == [40, 70, 90, 100]
    for newer, older in pairwise(found):
        assert older.end == newer.start
    middle = found[1].start
    newest = next(ada.balance_history("ada", "tokens", end=middle))
    assert newest.available == 90


def test_a_debit_is_explained(ada: Client) -> None:
    """Why these grants, why not the others, and in a sentence."""
    [first] = ada.grants(customer="ada")
    sooner = ada.grant("ada", "tokens", 5, priority=10, name="Sooner")
    later = ada.grant("ada", "tokens", 5, priority=90, name="Later")
    scoped = ada.grant("ada", "tokens", 5, scope={"model": ["o3"]}, name="Scoped")
    made = ada.debit("ada", "tokens", 50)
    found = ada.explain(made.id)
    assert found.debit == made.id
    assert "50" in found.sentence
    assert [(draw.grant, draw.amount) for draw in found.draws] == [
        (sooner.id, Decimal(5)),
        (first.id, Decimal(45)),
    ]
    assert found.draws[0].order_key is not None
    assert found.draws[0].order_key.priority == 10
    assert [(grant.grant, grant.name) for grant in found.later] == [(later.id, "Later")]
    assert found.later[0].decided_by == "priority"
    assert [grant.grant for grant in found.ineligible] == [scoped.id]
    assert found.ineligible[0].detail
