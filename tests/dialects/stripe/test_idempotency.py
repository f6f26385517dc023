"""``Idempotency-Key``: once understood, a request is answered once, and the answer kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import stripe

from tests.dialects.stripe.conftest import MakeGrant, asked, sdk, usd
from tests.support.server import Tenant

GRANTS = "/v1/billing/credit_grants"
MISMATCH = (
    "Keys for idempotent requests can only be used with the same parameters they were first used "
    "with. Try using a key other than '{key}' if you meant to execute a different request."
)


def form(customer: str, **more: str) -> dict[str, str]:
    return {
        "customer": customer,
        "amount[type]": "monetary",
        "amount[monetary][currency]": "usd",
        "amount[monetary][value]": "1000",
        "applicability_config[scope][price_type]": "metered",
        **more,
    }


def post(raw: httpx.Client, path: str, data: dict[str, str], key: str) -> httpx.Response:
    return raw.post(path, data=data, headers={"idempotency-key": key})


def count(raw: httpx.Client) -> int:
    return len(raw.get(GRANTS, params={"limit": 100}).json()["data"])


def test_the_same_request_again_gets_the_first_answer(
    raw: httpx.Client, customer: stripe.Customer
) -> None:
    first = post(raw, GRANTS, form(customer.id), "key-1")
    again = post(raw, GRANTS, form(customer.id), "key-1")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert count(raw) == 1
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"]
    assert again.headers["request-id"] != first.headers["request-id"]
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"] == "key-1"


def test_the_sdk_tells_a_replay_and_a_mismatch(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    def make(value: int) -> stripe.billing.CreditGrant:
        return client.v1.billing.credit_grants.create(
            asked(customer.id, amount=usd(value)),
            {"idempotency_key": "used"},
        )

    first, again = make(1000), make(1000)
    assert again.id == first.id
    assert again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError) as caught:
        make(999)
    assert caught.value.http_status == 400
    assert caught.value.user_message == MISMATCH.format(key="used")
    assert len(client.v1.billing.credit_grants.list().data) == 1


def test_another_path_under_the_same_key_is_refused(
    raw: httpx.Client, customer: stripe.Customer
) -> None:
    grant = post(raw, GRANTS, form(customer.id), "made").json()["id"]
    assert post(raw, f"{GRANTS}/{grant}/void", {}, "ended").status_code == 200
    for path in (f"{GRANTS}/{grant}/expire", f"{GRANTS}/credgr_test_other/void", "/v1/customers"):
        answer = post(raw, path, {}, "ended")
        assert answer.status_code == 400, path
        assert answer.json()["error"]["type"] == "idempotency_error"


@pytest.mark.parametrize("wrong", [{"name": "other"}, {"unknown": "1"}, {"amount[type]": "gold"}])
def test_a_used_key_is_refused_before_anything_that_is_wrong_with_the_parameters(
    raw: httpx.Client, customer: stripe.Customer, wrong: dict[str, str]
) -> None:
    assert post(raw, GRANTS, form(customer.id), "used").status_code == 200
    error = post(raw, GRANTS, wrong, "used").json()["error"]
    assert error == {"type": "idempotency_error", "message": MISMATCH.format(key="used")}


def test_a_request_that_was_not_understood_leaves_its_key_free(
    raw: httpx.Client, customer: stripe.Customer
) -> None:
    refused = post(raw, GRANTS, form(customer.id, priority="high"), "once more")
    assert refused.status_code == 400
    corrected = post(raw, GRANTS, form(customer.id, priority="7"), "once more")
    assert (corrected.status_code, corrected.json()["priority"]) == (200, 7)
    assert "idempotent-replayed" not in corrected.headers


def test_a_refusal_by_the_ledger_is_kept_like_any_answer(
    raw: httpx.Client, customer: stripe.Customer
) -> None:
    """A retry tells what happened the first time, even when it would go well by now."""
    first = post(raw, GRANTS, form("cus_coming"), "early")
    assert first.status_code == 404
    assert raw.post("/v1/customers", data={"id": "cus_coming"}).status_code == 200
    again = post(raw, GRANTS, form("cus_coming"), "early")
    assert (again.status_code, again.content) == (404, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"]
    assert post(raw, GRANTS, form("cus_coming"), "later").status_code == 200


@pytest.mark.parametrize("grant", ["credgr_test_missing", "credgr_test_" + "0" * 22])
def test_that_a_grant_is_not_there_is_kept_too(raw: httpx.Client, grant: str) -> None:
    first = post(raw, f"{GRANTS}/{grant}/expire", {}, "none")
    again = post(raw, f"{GRANTS}/{grant}/expire", {}, "none")
    assert (first.status_code, again.content) == (404, first.content)
    assert again.headers["idempotent-replayed"] == "true"


def test_expiring_twice_under_one_key_is_expiring_once(
    client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    grant = make_grant()
    options: Any = {"idempotency_key": "end"}
    first = client.v1.billing.credit_grants.expire(grant.id, options=options)
    again = client.v1.billing.credit_grants.expire(grant.id, options=options)
    assert again.to_dict() == first.to_dict()


def test_a_request_is_the_same_however_it_is_written(
    tenant: Tenant, raw: httpx.Client, customer: stripe.Customer
) -> None:
    """List style, order, escapes, doubled slashes and where the parameters stand decide nothing."""
    pairs = form(customer.id) | {"expand[0]": "customer"}
    first = post(raw, GRANTS, pairs, "spelt")
    assert first.status_code == 200
    other = {name.replace("[0]", "[]"): value for name, value in reversed(pairs.items())}
    doubled = tenant.url + "//v1//billing/credit_grants"
    assert post(raw, doubled, other, "spelt").content == first.content
    plain = "&".join(f"{name}={value}" for name, value in pairs.items() if name != "customer")
    header = {
        "idempotency-key": "spelt",
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
    }
    url = f"{GRANTS}?customer={customer.id}"
    assert raw.post(url, content=plain, headers=header).content == first.content
    assert count(raw) == 1


def test_keys_of_test_and_live_and_of_other_accounts_are_apart(server: Any, tenant: Tenant) -> None:
    other = server.tenant()
    made = {
        sdk(keys.url, key).v1.customers.create({}, {"idempotency_key": "same"}).id
        for keys, key in (
            (tenant, tenant.test.editor),
            (tenant, tenant.live.editor),
            (other, other.test.editor),
        )
    }
    assert len(made) == 3


def test_a_key_is_of_the_book_not_of_the_api_key(tenant: Tenant) -> None:
    made = {
        sdk(tenant.url, key).v1.customers.create({}, {"idempotency_key": "shared"}).id
        for key in (tenant.test.editor, tenant.test.admin)
    }
    assert len(made) == 1


def test_reading_ignores_keys(raw: httpx.Client, customer: stripe.Customer) -> None:
    assert post(raw, GRANTS, form(customer.id), "written").status_code == 200
    answer = raw.get(GRANTS, headers={"idempotency-key": "written"})
    assert answer.status_code == 200
    assert "idempotency-key" not in answer.headers


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_cannot_be_kept_is_refused(
    raw: httpx.Client, customer: stripe.Customer, key: str
) -> None:
    answer = post(raw, GRANTS, form(customer.id), key)
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "type": "idempotency_error",
        "message": "The Idempotency-Key must be 1 to 255 printable characters.",
    }
    assert count(raw) == 0
    assert post(raw, GRANTS, form(customer.id), "k" * 255).status_code == 200


def test_one_key_sent_many_times_at_once_acts_once(
    tenant: Tenant, raw: httpx.Client, customer: stripe.Customer
) -> None:
    headers = {"authorization": f"Bearer {tenant.test.editor.secret}", "idempotency-key": "rush"}

    def send(_: int) -> httpx.Response:
        return httpx.post(tenant.url + GRANTS, data=form(customer.id), headers=headers)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(48)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert count(raw) == 1
