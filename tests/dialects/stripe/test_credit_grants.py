"""Credit grants through Stripe's own SDK: every endpoint, every state, every limit."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from stripe.billing import CreditGrant

from drawdown.core.types import MICROSECONDS, Instant
from tests.dialects.stripe.conftest import METERED, MakeGrant, asked, sdk, usd
from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.server import Tenant

DAY = 86_400
#: 2026-10-28T12:00:00Z
START = 1_793_188_800


@pytest.fixture
def timed(database_url: str) -> Iterator[ClockedServer]:
    """A server of the test's own, whose time passes when it is told to."""
    with clocked_server(database_url, Instant(START * MICROSECONDS)) as running:
        yield running


def refused(error: stripe.StripeError) -> tuple[int | None, str | None, str | None, str | None]:
    """Status, code, parameter and message of a refusal."""
    detail = error.error
    assert detail is not None
    return error.http_status, error.code, detail.param, detail.message


def test_a_new_grant_shows_what_was_asked_for(make_grant: MakeGrant) -> None:
    before = int(time.time())
    grant = make_grant(
        name="Purchased Credits",
        category="promotional",
        priority=10,
        expires_at=before + DAY,
        metadata={"order": "17"},
    )
    assert re.fullmatch("credgr_test_[0-9A-Za-z]{22}", grant.id)
    assert grant.object == "billing.credit_grant"
    assert grant.amount.to_dict() == usd(1000)
    assert grant.applicability_config.to_dict() == METERED
    assert (grant.name, grant.category, grant.priority) == ("Purchased Credits", "promotional", 10)
    assert before <= grant.created <= time.time()
    assert grant.created == grant.updated == grant.effective_at
    assert grant.expires_at == before + DAY
    assert grant.metadata.to_dict() == {"order": "17"}
    assert (grant.livemode, grant.voided_at, grant.test_clock) == (False, None, None)
    assert grant.customer_account is None


def test_what_is_left_out_has_the_reference_s_defaults(make_grant: MakeGrant) -> None:
    """category paid, priority 50, never expiring, without a name."""
    grant = make_grant()
    assert (grant.category, grant.priority, grant.expires_at) == ("paid", 50, None)
    assert grant.name is None
    assert grant.metadata.to_dict() == {}


def test_a_grant_can_be_retrieved_as_it_was_made(
    client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    grant = make_grant(name="first")
    found = client.v1.billing.credit_grants.retrieve(grant.id)
    assert found.to_dict() == grant.to_dict()


def test_a_live_key_makes_live_grants_that_a_test_key_does_not_see(tenant: Tenant) -> None:
    live, test = sdk(tenant.url, tenant.live.editor), sdk(tenant.url, tenant.test.editor)
    owner = live.v1.customers.create()
    grant = live.v1.billing.credit_grants.create(asked(owner.id))
    assert re.fullmatch("credgr_[0-9A-Za-z]{22}", grant.id)
    assert grant.livemode is True
    with pytest.raises(stripe.InvalidRequestError) as caught:
        test.v1.billing.credit_grants.retrieve(grant.id)
    assert refused(caught.value)[:3] == (404, "resource_missing", "id")
    assert caught.value.error is not None
    assert caught.value.error.message == f"No such billing credit grant: '{grant.id}'"
    assert test.v1.billing.credit_grants.list().data == []


def test_a_currency_is_read_in_any_case_and_kept_in_lower(make_grant: MakeGrant) -> None:
    amount = {"type": "monetary", "monetary": {"currency": "JPY", "value": 500}}
    assert make_grant(amount=amount).to_dict()["amount"]["monetary"] == {
        "currency": "jpy",
        "value": 500,
    }


@pytest.mark.parametrize("currency", ["usd", "jpy", "kwd", "clf"])
def test_the_largest_amount_fits_every_minor_unit(make_grant: MakeGrant, currency: str) -> None:
    monetary = {"currency": currency, "value": 99_999_999_999}
    grant = make_grant(amount={"type": "monetary", "monetary": monetary})
    assert grant.amount.monetary is not None
    assert grant.amount.monetary.value == 99_999_999_999


def test_a_customer_holds_no_more_than_the_ledger_can_count(make_grant: MakeGrant) -> None:
    for _ in range(9):
        make_grant(amount=usd(99_999_999_999))
    with pytest.raises(stripe.InvalidRequestError) as caught:
        make_grant(amount=usd(99_999_999_999))
    assert refused(caught.value)[:3] == (400, "amount_too_large", "amount[monetary][value]")
    assert "9223372036.854775807" in str(caught.value.user_message)


def test_metadata_is_merged_key_by_key(client: stripe.StripeClient, make_grant: MakeGrant) -> None:
    """Given keys are set, others stay, and an empty value deletes its key."""
    grant = make_grant(metadata={"a": "1", "b": "2", "c": "3"})
    updated = client.v1.billing.credit_grants.update(
        grant.id, {"metadata": {"b": "two", "c": "", "d": "4"}}
    )
    assert updated.metadata.to_dict() == {"a": "1", "b": "two", "d": "4"}
    assert client.v1.billing.credit_grants.retrieve(grant.id).metadata == updated.metadata


def test_empty_metadata_deletes_all_of_it(
    client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    grant = make_grant(metadata={"a": "1", "b": "2"})
    nothing: Any = {"metadata": ""}
    updated = client.v1.billing.credit_grants.update(grant.id, nothing)
    assert updated.metadata.to_dict() == {}


def test_an_update_that_would_make_too_many_metadata_keys_changes_nothing(
    client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    grant = make_grant(metadata={f"k{number}": "v" for number in range(50)})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.billing.credit_grants.update(grant.id, {"metadata": {"one": "more"}})
    assert refused(caught.value)[:3] == (400, None, "metadata")
    assert len(client.v1.billing.credit_grants.retrieve(grant.id).metadata.to_dict()) == 50


def test_an_expiry_can_be_moved_and_taken_away(
    client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    later = int(time.time()) + DAY
    grant = make_grant(expires_at=later)
    moved = client.v1.billing.credit_grants.update(grant.id, {"expires_at": later + DAY})
    assert moved.expires_at == later + DAY
    never = client.v1.billing.credit_grants.update(grant.id, {"expires_at": ""})
    assert never.expires_at is None


def test_expiring_sets_the_expiry_to_now(
    client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    grant = client.v1.billing.credit_grants.expire(make_grant().id)
    assert grant.expires_at == grant.updated
    assert grant.updated >= grant.created
    assert grant.amount.to_dict() == usd(1000), "the original amount never changes"


def test_voiding_leaves_the_expiry_alone(
    client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    later = int(time.time()) + DAY
    grant = client.v1.billing.credit_grants.void_grant(make_grant(expires_at=later).id)
    assert grant.voided_at == grant.updated
    assert grant.expires_at == later


def test_an_effective_time_just_past_is_now(timed: ClockedServer) -> None:
    """A clock that is up to a minute behind still means the present."""
    client = sdk(timed.url, timed.secret)
    customer = client.v1.customers.create()
    past = asked(customer.id, effective_at=START - 60)
    assert client.v1.billing.credit_grants.create(past).effective_at == START


def test_an_effective_time_to_come_stands_as_given(make_grant: MakeGrant) -> None:
    later = int(time.time()) + DAY
    assert make_grant(effective_at=later, expires_at=later + 1).effective_at == later


def wrong_times() -> list[tuple[dict[str, int], str]]:
    return [
        ({"effective_at": -61}, "effective_at"),
        ({"expires_at": -1}, "expires_at"),
        ({"effective_at": DAY, "expires_at": DAY}, "expires_at"),
        ({"effective_at": DAY, "expires_at": DAY - 1}, "expires_at"),
    ]


@pytest.mark.parametrize(("times", "param"), wrong_times())
def test_times_that_cannot_be_are_refused(
    client: stripe.StripeClient, make_grant: MakeGrant, times: dict[str, int], param: str
) -> None:
    now = int(time.time())
    with pytest.raises(stripe.InvalidRequestError) as caught:
        make_grant(**{name: now + offset for name, offset in times.items()})
    assert refused(caught.value)[:3] == (400, None, param)
    assert client.v1.billing.credit_grants.list().data == []


def test_an_expiry_cannot_be_moved_before_the_grant_is_effective(
    client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    later = int(time.time()) + DAY
    grant = make_grant(effective_at=later)
    for wrong in (later, later - 1, int(time.time()) - 1):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.billing.credit_grants.update(grant.id, {"expires_at": wrong})
        assert refused(caught.value)[:3] == (400, None, "expires_at")
    assert client.v1.billing.credit_grants.retrieve(grant.id).expires_at is None


class Journey:
    """Brings a grant into a state; the dialect's own words for what can happen to it then."""

    def __init__(self, tenant: Tenant, client: stripe.StripeClient, make_grant: MakeGrant) -> None:
        self._tenant, self._client, self._make_grant = tenant, client, make_grant
        self.grants = client.v1.billing.credit_grants

    def grant_in(self, state: str) -> CreditGrant:
        later = int(time.time()) + DAY
        if state == "pending":
            return self._make_grant(effective_at=later)
        grant = self._make_grant()
        if state in {"partly used", "depleted"}:
            self._debit(grant, "4" if state == "partly used" else "10")
        if state == "expired":
            self.grants.expire(grant.id)
        if state == "voided":
            self.grants.void_grant(grant.id)
        return grant

    def _debit(self, grant: CreditGrant, amount: str) -> None:
        body = {"customer": grant.customer, "entitlement": "usd", "amount": amount}
        with self._tenant.client() as native:
            answer = native.post("/debits", json={**body, "idempotency_key": "use"})
        assert answer.status_code == 201, answer.text

    def act(self, action: str, grant: CreditGrant) -> CreditGrant:
        later = int(time.time()) + 2 * DAY
        actions = {
            "expire": lambda: self.grants.expire(grant.id),
            "void": lambda: self.grants.void_grant(grant.id),
            "metadata": lambda: self.grants.update(grant.id, {"metadata": {"seen": "yes"}}),
            "expires_at": lambda: self.grants.update(grant.id, {"expires_at": later}),
        }
        return actions[action]()


EXPIRED = "This credit grant has already expired."
VOIDED = "This credit grant has already been voided."
APPLIED = (
    "You cannot void this credit grant because it has been applied to an invoice. "
    "You can expire its remaining credits instead."
)
#: What each action does in each state: None, or the words it is refused with.
TRANSITIONS: dict[str, dict[str, str | None]] = {
    "pending": {"expire": None, "void": None, "metadata": None, "expires_at": None},
    "untouched": {"expire": None, "void": None, "metadata": None, "expires_at": None},
    "partly used": {"expire": None, "void": APPLIED, "metadata": None, "expires_at": None},
    "depleted": {"expire": None, "void": APPLIED, "metadata": None, "expires_at": None},
    "expired": {"expire": EXPIRED, "void": EXPIRED, "metadata": None, "expires_at": EXPIRED},
    "voided": {"expire": VOIDED, "void": VOIDED, "metadata": None, "expires_at": VOIDED},
}


@pytest.mark.parametrize(
    ("state", "action", "words"),
    [(state, action, words) for state, row in TRANSITIONS.items() for action, words in row.items()],
)
def test_what_can_be_done_depends_on_the_state(
    tenant: Tenant,
    client: stripe.StripeClient,
    make_grant: MakeGrant,
    state: str,
    action: str,
    words: str | None,
) -> None:
    journey = Journey(tenant, client, make_grant)
    grant = journey.grant_in(state)
    before = journey.grants.retrieve(grant.id)
    if words is None:
        assert journey.act(action, grant).updated >= before.updated
        return
    with pytest.raises(stripe.InvalidRequestError) as caught:
        journey.act(action, grant)
    assert refused(caught.value) == (400, None, None, words)
    assert journey.grants.retrieve(grant.id).to_dict() == before.to_dict()


def test_drawing_on_a_grant_does_not_update_it(
    tenant: Tenant, client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    journey = Journey(tenant, client, make_grant)
    grant = journey.grant_in("partly used")
    assert journey.grants.retrieve(grant.id).to_dict() == grant.to_dict()


def test_a_grant_ends_at_its_expiry_by_itself(timed: ClockedServer) -> None:
    """Time is a fact: nothing need have run for an expired grant to refuse what only a living one takes."""
    client = sdk(timed.url, timed.secret)
    customer = client.v1.customers.create()
    grant = client.v1.billing.credit_grants.create(asked(customer.id, expires_at=START + 2))
    timed.clock.instant = Instant((START + 2) * MICROSECONDS)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.billing.credit_grants.void_grant(grant.id)
    assert refused(caught.value)[3] == EXPIRED


def test_a_customer_holds_at_most_100_unused_grants(
    tenant: Tenant, client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    """Depleted, expired and voided grants do not count; pending ones and every currency do."""
    journey = Journey(tenant, client, make_grant)
    for state in ("depleted", "expired", "voided", "pending"):
        journey.grant_in(state)
    make_grant(amount={"type": "monetary", "monetary": {"currency": "eur", "value": 1}})
    grants = [make_grant() for _ in range(98)]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        make_grant()
    message = "This customer has reached the maximum of 100 unused credit grants."
    assert refused(caught.value) == (400, None, None, message)
    journey.grants.expire(grants[0].id)
    assert make_grant().id


WRONG_CREATES: list[tuple[dict[str, Any], int, str | None, str, str]] = [
    (
        {"customer": "cus_nobody"},
        404,
        "resource_missing",
        "customer",
        "No such customer: 'cus_nobody'",
    ),
    (
        {"customer_account": "acct_1"},
        400,
        None,
        "customer_account",
        "The parameter customer_account is not supported here: this server has no accounts that stand "
        "for customers; name a customer instead.",
    ),
    (
        {"amount": usd(0)},
        400,
        "amount_too_small",
        "amount[monetary][value]",
        "amount[monetary][value] must be at least 1.",
    ),
    (
        {"amount": usd(-5)},
        400,
        "amount_too_small",
        "amount[monetary][value]",
        "amount[monetary][value] must be at least 1.",
    ),
    (
        {"amount": usd(100_000_000_000)},
        400,
        "amount_too_large",
        "amount[monetary][value]",
        "amount[monetary][value] must be at most 99999999999.",
    ),
    (
        {"amount": {"type": "monetary", "monetary": {"currency": "xyz", "value": 1}}},
        400,
        None,
        "amount[monetary][currency]",
        "Invalid currency: xyz. It must be a three-letter ISO 4217 code.",
    ),
    (
        {"amount": {"type": "custom_pricing_unit", "monetary": usd(1)["monetary"]}},
        400,
        None,
        "amount[type]",
        "Invalid amount[type]: must be monetary",
    ),
    (
        {"amount": {"type": "monetary"}},
        400,
        "parameter_missing",
        "amount[monetary]",
        "Missing required param: amount[monetary].",
    ),
    (
        {"applicability_config": {"scope": {"price_type": "licensed"}}},
        400,
        None,
        "applicability_config[scope][price_type]",
        "Invalid applicability_config[scope][price_type]: must be metered",
    ),
    (
        {"applicability_config": {"scope": {"prices": [{"id": "price_1"}, {"id": "price_2"}]}}},
        404,
        "resource_missing",
        "applicability_config[scope][prices][0][id]",
        "No such price: 'price_1'",
    ),
    (
        {"applicability_config": {"scope": {"prices": [{"id": "price_1"}, {"id": "price_1"}]}}},
        400,
        None,
        "applicability_config[scope][prices]",
        "applicability_config[scope][prices] must name each price once.",
    ),
    (
        {
            "applicability_config": {
                "scope": {"prices": [{"id": f"price_{number}"} for number in range(21)]}
            }
        },
        400,
        None,
        "applicability_config[scope][prices]",
        "applicability_config[scope][prices] takes at most 20 items.",
    ),
    (
        {
            "applicability_config": {
                "scope": {"price_type": "metered", "prices": [{"id": "price_1"}]}
            }
        },
        400,
        "parameters_exclusive",
        "applicability_config[scope][prices]",
        "You may only specify one of these parameters: applicability_config[scope][price_type], "
        "applicability_config[scope][prices].",
    ),
    (
        {"applicability_config": {"scope": {"billable_items": [{"id": "bi_1"}]}}},
        400,
        "parameter_unknown",
        "applicability_config[scope][billable_items]",
        "Received unknown parameter: applicability_config[scope][billable_items]",
    ),
    (
        {"category": "gift"},
        400,
        None,
        "category",
        "Invalid category: must be one of paid or promotional",
    ),
    (
        {"priority": 101},
        400,
        "parameter_invalid_integer",
        "priority",
        "This value must be less than or equal to 100.",
    ),
    (
        {"priority": -1},
        400,
        "parameter_invalid_integer",
        "priority",
        "This value must be greater than or equal to 0.",
    ),
    (
        {"name": "x" * 101},
        400,
        None,
        "name",
        f"Invalid string: {'x' * 101}; name takes at most 100 characters, and this has 101.",
    ),
    (
        {"metadata": {"k" * 41: "v"}},
        400,
        None,
        f"metadata[{'k' * 41}]",
        "metadata takes keys of 1 to 40 characters, none of them a control character.",
    ),
    (
        {"metadata": {"k": "v" * 501}},
        400,
        None,
        "metadata[k]",
        f"Invalid string: {'v' * 200}…; metadata[k] takes at most 500 characters, and this has 501.",
    ),
    (
        {"metadata": {f"k{number}": "v" for number in range(51)}},
        400,
        None,
        "metadata",
        "metadata takes at most 50 keys.",
    ),
]


@pytest.mark.parametrize(("wrong", "status", "code", "param", "message"), WRONG_CREATES)
def test_a_create_that_breaks_a_rule_is_refused_by_name(
    client: stripe.StripeClient,
    make_grant: MakeGrant,
    wrong: dict[str, Any],
    status: int,
    code: str | None,
    param: str,
    message: str,
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        make_grant(**wrong)
    assert refused(caught.value) == (status, code, param, message)
    assert client.v1.billing.credit_grants.list().data == [], "nothing was made"


def test_the_limits_themselves_are_within_them(make_grant: MakeGrant) -> None:
    metadata = {f"{number:040d}": "v" * 500 for number in range(50)}
    grant = make_grant(name="n" * 100, priority=100, metadata=metadata)
    assert grant.metadata.to_dict() == metadata
    assert (grant.name, grant.priority) == ("n" * 100, 100)
    assert make_grant(priority=0).priority == 0


@pytest.mark.parametrize("param", ["name", "priority", "category", "amount", "effective_at"])
def test_only_expiry_and_metadata_can_be_updated(
    client: stripe.StripeClient, make_grant: MakeGrant, param: str
) -> None:
    grant = make_grant()
    changes: Any = {param: "1"}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.billing.credit_grants.update(grant.id, changes)
    message = f"Received unknown parameter: {param}"
    assert refused(caught.value) == (400, "parameter_unknown", param, message)
    assert client.v1.billing.credit_grants.retrieve(grant.id).to_dict() == grant.to_dict()


@pytest.mark.parametrize("action", ["retrieve", "update", "expire", "void_grant"])
@pytest.mark.parametrize("grant", ["credgr_test_missing", "cus_1", "credgr_test_" + "0" * 22])
def test_a_grant_that_is_not_there_is_named_as_it_was_asked_for(
    client: stripe.StripeClient, action: str, grant: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        getattr(client.v1.billing.credit_grants, action)(grant)
    message = f"No such billing credit grant: '{grant}'"
    assert refused(caught.value) == (404, "resource_missing", "id", message)


@pytest.mark.parametrize("action", ["retrieve", "update", "expire", "void_grant"])
def test_another_account_s_grant_is_not_there(
    server: Any, client: stripe.StripeClient, make_grant: MakeGrant, action: str
) -> None:
    other = server.tenant()
    stranger = sdk(other.url, other.test.admin)
    grant = make_grant()
    with pytest.raises(stripe.InvalidRequestError) as caught:
        getattr(stranger.v1.billing.credit_grants, action)(grant.id)
    message = f"No such billing credit grant: '{grant.id}'"
    assert refused(caught.value) == (404, "resource_missing", "id", message)
    assert client.v1.billing.credit_grants.retrieve(grant.id).to_dict() == grant.to_dict()


def test_another_account_s_customer_is_not_there(
    server: Any, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    other = server.tenant()
    stranger = sdk(other.url, other.test.admin)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        stranger.v1.billing.credit_grants.create(asked(customer.id))
    message = f"No such customer: '{customer.id}'"
    assert refused(caught.value) == (404, "resource_missing", "customer", message)
    assert client.v1.billing.credit_grants.list().data == []
