"""Credits and debits through the vendor's SDK: what they answer, and what they refuse."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from dodopayments import (
    BadRequestError,
    ConflictError,
    NotFoundError,
    UnprocessableEntityError,
)

from tests.dialects.dodo.sdk import Ask, Dodo, enter
from tests.support.server import Tenant


def test_a_credit_is_a_grant(dodo: Dodo) -> None:
    """One row, which names the grant, with the balance before and after."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    metadata = {"campaign": "launch", "n": 1, "f": 0.5, "b": True}
    entry = dodo.credit(customer, tokens.id, "100.250", reason="Promo", metadata=metadata)
    assert entry.id.startswith("cle_")
    assert (entry.customer_id, entry.credit_entitlement_id) == (customer, tokens.id)
    assert (entry.entry_type, entry.is_credit, entry.amount) == ("credit", True, "100.25")
    assert (entry.balance_before, entry.balance_after) == ("0", "100.25")
    assert (entry.overage_before, entry.overage_after) == ("0", "0")
    assert (entry.reason, entry.metadata) == ("Promo", metadata)
    [grant] = dodo.grants(customer, tokens.id)
    assert (grant.id, grant.metadata) == (entry.grant_id, metadata)
    assert (grant.initial_amount, grant.remaining_amount) == ("100.25", "100.25")


def test_what_an_entry_is_not_given_is_null_or_empty(dodo: Dodo) -> None:
    """Null and absent are the same, as several SDKs cannot tell them apart."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    absent = dodo.credit(customer, tokens.id, "1")
    null = dodo.credit(
        customer, tokens.id, "1", reason=None, metadata=None, expires_at=None, idempotency_key=None
    )
    for entry in (absent, null):
        assert (entry.reason, entry.metadata) == (None, {})
    assert [grant.expires_at for grant in dodo.grants(customer, tokens.id)] == [None, None]


def test_a_debit_over_several_grants_is_one_row(dodo: Dodo) -> None:
    """It draws the oldest first; it names its grant only when there is one."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    first = dodo.credit(customer, tokens.id, "10")
    second = dodo.credit(customer, tokens.id, "10")
    one = dodo.debit(customer, tokens.id, "4")
    several = dodo.debit(customer, tokens.id, "7", reason="usage", metadata={"run": "r1"})
    assert (one.grant_id, one.balance_before, one.balance_after) == (first.grant_id, "20", "16")
    assert several.grant_id is None
    assert (several.is_credit, several.entry_type, several.amount) == (False, "debit", "7")
    assert (several.balance_before, several.balance_after) == ("16", "9")
    assert (several.reason, several.metadata) == ("usage", {"run": "r1"})
    remaining = {grant.id: grant.remaining_amount for grant in dodo.grants(customer, tokens.id)}
    assert remaining == {first.grant_id: "0", second.grant_id: "9"}


def test_too_little_credit_draws_nothing(dodo: Dodo) -> None:
    """400, once, saying how much there is; also where overage is enabled."""
    customer = dodo.customer()
    tokens = dodo.entitlement(overage_enabled=True, price_per_unit="1", currency="USD")
    dodo.credit(customer, tokens.id, "10")
    dodo.sent.clear()
    refusal = dodo.refused(enter("debit", customer, tokens.id, "10.01"))
    assert refusal.error is BadRequestError
    assert refusal.code == "INSUFFICIENT_CREDIT_BALANCE"
    assert refusal.message == "The debit takes 10.01, 10 is available."
    assert len(dodo.sent) == 1
    balance = dodo.balance(customer, tokens.id)
    assert (balance.balance, balance.overage) == ("10", "0")


def test_a_used_key_is_a_conflict(dodo: Dodo) -> None:
    """409, sent once, for the same body, another one, and the other type of entry."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    dodo.credit(customer, tokens.id, "10", idempotency_key="k")
    for entry_type, amount in (("credit", "10"), ("credit", "3"), ("debit", "1")):
        dodo.sent.clear()
        refusal = dodo.refused(enter(entry_type, customer, tokens.id, amount, idempotency_key="k"))
        assert refusal.error is ConflictError
        assert refusal.code == "IDEMPOTENCY_KEY_ALREADY_EXISTS"
        assert refusal.should_retry == "false"
        assert len(dodo.sent) == 1
    assert dodo.balance(customer, tokens.id).balance == "10"


def test_a_key_belongs_to_a_customer_and_an_entitlement(dodo: Dodo) -> None:
    """Another customer, or the same one with another entitlement, may use it again."""
    ada, bo = dodo.customer(), dodo.customer(name="Bo")
    tokens, minutes = dodo.entitlement(), dodo.entitlement(name="Minutes")
    for customer, entitlement in ((ada, tokens), (bo, tokens), (ada, minutes)):
        dodo.credit(customer, entitlement.id, "1", idempotency_key="same")
    assert dodo.balance(ada, tokens.id).balance == "1"


def test_a_refused_entry_leaves_its_key_free(dodo: Dodo) -> None:
    customer, tokens = dodo.customer(), dodo.entitlement()
    dodo.refused(enter("debit", customer, tokens.id, "5", idempotency_key="k"))
    dodo.credit(customer, tokens.id, "5")
    assert dodo.debit(customer, tokens.id, "5", idempotency_key="k").balance_after == "0"


def test_one_key_acts_once_however_many_ask_at_once(tenant: Tenant) -> None:
    """Of 16 equal requests one is carried out and 15 are refused."""
    dodo = Dodo(tenant.url, tenant.test.editor.secret, blocking=True)
    customer, tokens = dodo.customer(), dodo.entitlement()
    ask = enter("credit", customer, tokens.id, "1", idempotency_key="k")
    statuses = at_once(dodo, [ask] * 16)
    assert sorted(statuses) == [201] + [409] * 15
    assert dodo.balance(customer, tokens.id).balance == "1"
    dodo.close()


def test_parallel_debits_never_overdraw(tenant: Tenant) -> None:
    """30 debits of 1 on a balance of 10: exactly 10 succeed."""
    dodo = Dodo(tenant.url, tenant.test.editor.secret, blocking=True)
    customer, tokens = dodo.customer(), dodo.entitlement()
    dodo.credit(customer, tokens.id, "10")
    statuses = at_once(dodo, [enter("debit", customer, tokens.id, "1")] * 30)
    assert sorted(statuses) == [201] * 10 + [400] * 20
    assert dodo.balance(customer, tokens.id).balance == "0"
    dodo.close()


def at_once(dodo: Dodo, asks: list[Ask]) -> list[int]:
    def status(ask: Ask) -> int:
        try:
            dodo(ask)
        except (BadRequestError, ConflictError) as error:
            return error.status_code
        return 201

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(status, asks))


AMOUNTS = [
    ("0", "greater than 0"),
    ("0.00", "greater than 0"),
    ("-1", "no sign"),
    ("+1", "no sign"),
    ("1e2", "no exponent"),
    (".5", "plain decimal"),
    ("5.", "plain decimal"),
    ("1,5", "plain decimal"),
    (" 1", "plain decimal"),
    ("NaN", "plain decimal"),
    ("Infinity", "plain decimal"),
    ("0x10", "plain decimal"),
    ("１", "plain decimal"),
    ("", "plain decimal"),
    ("1.234", "2 decimal places"),
    ("10000000000", "at most 10 digits before the point"),
    ("99999999999999999999", "at most 19 digits"),
    ("1" * 5000, "at most 19 digits"),
]


@pytest.mark.parametrize(("amount", "rule"), AMOUNTS)
@pytest.mark.parametrize("entry_type", ["credit", "debit"])
def test_an_amount_that_breaks_its_rule_is_refused(
    tenant: Tenant, entry_type: str, amount: str, rule: str
) -> None:
    """422 naming the field and the rule, and nothing is kept."""
    dodo = Dodo(tenant.url, tenant.test.editor.secret, blocking=True)
    customer, tokens = dodo.customer(), dodo.entitlement()
    dodo.credit(customer, tokens.id, "1")
    refusal = dodo.refused(enter(entry_type, customer, tokens.id, amount))
    assert refusal.error is UnprocessableEntityError
    assert refusal.code == "INVALID_REQUEST_BODY"
    assert refusal.message.startswith("amount")
    assert rule in refusal.message
    assert dodo.balance(customer, tokens.id).balance == "1"
    dodo.close()


def test_an_amount_beyond_64_bits_is_refused(dodo: Dodo) -> None:
    """At ten decimal places a balance holds 922337203.6854775807, and the refusal says so."""
    customer, tokens = dodo.customer(), dodo.entitlement(precision=10)
    dodo.credit(customer, tokens.id, "922337203.6854775806")
    for amount in ("922337204", "0.0000000002"):
        refusal = dodo.refused(enter("credit", customer, tokens.id, amount))
        assert refusal.error is UnprocessableEntityError
        assert "922337203.6854775807" in refusal.message
    assert dodo.balance(customer, tokens.id).balance == "922337203.6854775806"


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"entry_type": "refund"}, "INVALID_REQUEST_BODY", "entry_type must be one of credit, debit"),
    ({"entry_type": "Credit"}, "INVALID_REQUEST_BODY", "entry_type"),
    ({"expires_at": "2001-01-01T00:00:00Z"}, "INVALID_REQUEST_BODY", "expires_at must be later"),
    ({"expires_at": "tomorrow"}, "INVALID_REQUEST_BODY", "expires_at"),
    ({"expires_at": "2099-02-30T00:00:00Z"}, "INVALID_REQUEST_BODY", "expires_at"),
    ({"expires_at": "2099-01-01"}, "INVALID_REQUEST_BODY", "expires_at"),
    ({"expires_at": "9999-12-31T23:59:59-14:00"}, "INVALID_REQUEST_BODY", "expires_at"),
    ({"idempotency_key": ""}, "INVALID_REQUEST_BODY", "idempotency_key"),
    ({"idempotency_key": "k" * 256}, "INVALID_REQUEST_BODY", "idempotency_key"),
    ({"idempotency_key": "a\x00"}, "INVALID_REQUEST_BODY", "idempotency_key"),
    ({"reason": "r" * 1001}, "INVALID_REQUEST_BODY", "reason"),
    ({"reason": "a\x00"}, "INVALID_REQUEST_BODY", "reason"),
    ({"metadata": {"a": {}}}, "INVALID_REQUEST_BODY", "metadata"),
    ({"metadata": {"k" * 41: 1}}, "INVALID_REQUEST_BODY", "metadata"),
    ({"metadata": {"a": "v" * 501}}, "INVALID_REQUEST_BODY", "metadata.a"),
    ({"metadata": {str(i): 1 for i in range(51)}}, "MAXIMUM_KEYS_REACHED", "metadata"),
    ({"extra_body": {"type": "credit"}}, "INVALID_REQUEST_BODY", "type is not a field"),
    (
        {"entry_type": "debit", "expires_at": "2099-01-01T00:00:00Z"},
        "INVALID_REQUEST_BODY",
        "expires_at must be left out of a debit",
    ),
]


@pytest.mark.parametrize(("change", "code", "message"), REFUSED)
def test_an_entry_that_breaks_a_rule_is_refused(
    dodo: Dodo, change: dict[str, Any], code: str, message: str
) -> None:
    """422 naming the field, sent once, and nothing is kept."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    given = {"entry_type": "credit", "amount": "1"} | change
    dodo.sent.clear()
    refusal = dodo.refused(
        lambda client: client.credit_entitlements.balances.create_ledger_entry(
            customer, credit_entitlement_id=tokens.id, **given
        )
    )
    assert refusal.error is UnprocessableEntityError
    assert refusal.code == code
    assert refusal.message.startswith(message)
    assert len(dodo.sent) == 1
    assert dodo.grants(customer, tokens.id) == []


def test_customer_and_entitlement_must_exist(dodo: Dodo, tenant: Tenant) -> None:
    """404 for either, and for those of another mode or another account: no difference is told."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    live = Dodo(tenant.url, tenant.live.editor.secret, blocking=True)
    theirs, their_tokens = live.customer(), live.entitlement()
    for unknown in ("cus_8VbC6JDZzPEqfBPUdpj0K", tokens.id, theirs):
        refusal = dodo.refused(enter("credit", unknown, tokens.id, "1"))
        assert (refusal.error, refusal.code) == (NotFoundError, "NOT_FOUND")
        assert refusal.message == "There is no customer with this id."
    for unknown in ("cde_ztxm5XJsKxWucRWA3rjdM", customer, their_tokens.id):
        refusal = dodo.refused(enter("credit", customer, unknown, "1"))
        assert (refusal.error, refusal.code) == (NotFoundError, "NOT_FOUND")
        assert refusal.message == "There is no credit entitlement with this id."
    live.close()


def test_a_grant_expires_when_it_was_told_to(dodo: Dodo) -> None:
    """Any offset is understood; a time without a zone, as a naive datetime arrives, is UTC."""
    customer, tokens = dodo.customer(), dodo.entitlement(expires_after_days=30)
    expected = datetime(2099, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    for expires_at in (
        "2099-05-06T07:08:09.123456Z",
        "2099-05-06T09:08:09.123456+02:00",
        "2099-05-06T07:08:09.123456",
        expected,
        expected.replace(tzinfo=None),
    ):
        dodo.credit(customer, tokens.id, "1", expires_at=expires_at)
        assert dodo.grants(customer, tokens.id)[0].expires_at == expected


def test_a_grant_without_an_expiry_follows_its_entitlement(timed: Dodo) -> None:
    """So many days from now; null is the same as leaving it out."""
    customer, tokens = timed.customer(), timed.entitlement(expires_after_days=30)
    timed.credit(customer, tokens.id, "1")
    timed.credit(customer, tokens.id, "1", expires_at=None)
    ends = [grant.expires_at for grant in timed.grants(customer, tokens.id)]
    assert ends == [datetime(2026, 1, 31, tzinfo=UTC)] * 2


def test_a_native_debit_draws_what_dodo_granted(dodo: Dodo, native: httpx.Client) -> None:
    """And one made here shows in the native balance: it is one ledger."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    entry = dodo.credit(customer, tokens.id, "10")
    drawn = native.post(
        "/debits",
        json={
            "customer": customer,
            "entitlement": tokens.id,
            "amount": "2.5",
            "idempotency_key": "d1",
        },
    )
    assert drawn.status_code == 201, drawn.text
    assert dodo.balance(customer, tokens.id).balance == "7.5"
    assert dodo.debit(customer, tokens.id, "0.5").grant_id == entry.grant_id
    answer = native.get(f"/balances/{customer}/{tokens.id}").json()
    assert (answer["posted"], answer["used"]) == ("7", "3")
