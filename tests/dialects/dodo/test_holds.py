"""What holds, captures and spends of the native API are to this dialect, which has no word for them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from dodopayments import BadRequestError

from tests.dialects.dodo.sdk import Dodo


def made(native: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = native.post(path, json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_what_is_held_stays_in_the_balance_and_in_its_grant(
    dodo: Dodo, native: httpx.Client
) -> None:
    """A debit of it is refused all the same, with what is available."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    dodo.credit(customer, tokens.id, "20")
    place = {"customer": customer, "entitlement": tokens.id}
    hold = made(native, "/holds", **place, amount="8", idempotency_key="stream")
    assert dodo.balance(customer, tokens.id).balance == "20"
    [grant] = dodo.grants(customer, tokens.id)
    assert (grant.remaining_amount, grant.is_expired) == ("20", False)
    with pytest.raises(BadRequestError, match="The debit takes 13, 12 is available"):
        dodo.debit(customer, tokens.id, "13")
    made(native, f"/holds/{hold['id']}/capture", amount="3", final=True, idempotency_key="last")
    assert dodo.balance(customer, tokens.id).balance == "17"
    entry = dodo.debit(customer, tokens.id, "13")
    assert (entry.balance_before, entry.balance_after) == ("17", "4")


def test_a_spend_takes_from_the_balance(dodo: Dodo, native: httpx.Client) -> None:
    customer, tokens = dodo.customer(), dodo.entitlement()
    dodo.credit(customer, tokens.id, "20")
    wallets = [{"entitlement": tokens.id, "price": "2"}]
    made(native, "/spends", customer=customer, quantity="3", wallets=wallets, idempotency_key="s")
    assert dodo.balance(customer, tokens.id).balance == "14"


def test_a_grant_of_a_scope_pays_for_no_debit_of_this_dialect(
    dodo: Dodo, native: httpx.Client
) -> None:
    """Its debits carry no attributes; the balance tells of all that there is."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    place = {"customer": customer, "entitlement": tokens.id}
    made(native, "/grants", **place, amount="5", scope={"model": ["gpt-4o"]})
    assert dodo.balance(customer, tokens.id).balance == "5"
    with pytest.raises(BadRequestError, match="The debit takes 1, 0 is available"):
        dodo.debit(customer, tokens.id, "1")
