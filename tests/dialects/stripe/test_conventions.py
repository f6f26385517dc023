"""Keys, versions, accounts, headers and unknown addresses."""

from __future__ import annotations

import asyncio
import base64
import re

import httpx
import pytest
import stripe

from drawdown.core import identity
from drawdown.core.requests import Answer
from drawdown.dialects.stripe.dialect import StripeDialect
from drawdown.opening import open_ledger
from drawdown.web.endpoints import Context
from drawdown.web.headers import Headers
from tests.dialects.stripe.conftest import SDK_VERSION, sdk
from tests.support.server import Server, Tenant

CUSTOMERS = "/v1/customers"


def error_of(answer: httpx.Response) -> dict[str, str]:
    error = answer.json()["error"]
    assert isinstance(error, dict)
    return error


def basic(user: str, password: str = "") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_basic_and_bearer_are_equal(tenant: Tenant) -> None:
    """Basic takes the key as user name; a password is not looked at."""
    secret = tenant.test.editor.secret
    for value in (f"Bearer {secret}", f"bearer {secret}", basic(secret), basic(secret, "x")):
        answer = httpx.post(tenant.url + CUSTOMERS, headers={"authorization": value})
        assert answer.status_code == 200, value


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, None),
        ("Bearer", None),
        ("Bearer sk_test_wrong", None),
        ("Bearer whsec_abc", None),
        ("Digest abc", None),
        ("Basic not-base-64", None),
        (basic("sk_test_wrong"), None),
        ("Bearer pk_test_abc", "secret_key_required"),
        (basic("pk_live_abc"), "secret_key_required"),
    ],
)
def test_without_a_secret_key_nothing_is_open(
    tenant: Tenant, authorization: str | None, code: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = httpx.post(tenant.url + CUSTOMERS, headers=headers)
    assert answer.status_code == 401
    assert (error_of(answer)["type"], error_of(answer).get("code")) == (
        "invalid_request_error",
        code,
    )
    assert answer.headers["request-id"].startswith("req_")
    assert "www-authenticate" in answer.headers or code is not None


def test_the_sdk_raises_its_own_class_for_a_wrong_key(tenant: Tenant) -> None:
    with pytest.raises(stripe.AuthenticationError) as caught:
        sdk(tenant.url, "sk_test_wrong").v1.customers.create()
    assert caught.value.http_status == 401
    assert caught.value.request_id is not None


def test_a_revoked_key_is_told_so(server: Server, tenant: Tenant) -> None:
    async def revoke() -> None:
        key = identity.parse(tenant.test.editor.id)
        assert key is not None
        async with open_ledger(server.database, jobs=False) as ledger:
            assert await ledger.accounts.revoke_key(key)

    asyncio.run(revoke())
    with pytest.raises(stripe.AuthenticationError) as caught:
        sdk(tenant.url, tenant.test.editor).v1.customers.create()
    assert caught.value.error is not None
    assert caught.value.error.code == "api_key_expired"


def test_a_viewer_reads_and_does_not_write(tenant: Tenant, customer: stripe.Customer) -> None:
    viewer = sdk(tenant.url, tenant.test.viewer)
    assert viewer.v1.customers.retrieve(customer.id).id == customer.id
    assert viewer.v1.billing.credit_grants.list().data == []
    with pytest.raises(stripe.PermissionError) as caught:
        viewer.v1.customers.create()
    assert caught.value.http_status == 403
    assert "viewer" in str(caught.value.user_message)


@pytest.mark.parametrize(
    "version",
    [
        SDK_VERSION,
        "2024-10-28.acacia",
        "2020-08-27",
        "2026-10-28.preview",
        "2025-05-28.basil;checkout_product_catalog_preview=v1",
        "2025-05-28.basil; a_beta=v3;b_beta=v1",
    ],
)
def test_a_version_of_the_right_form_is_taken_and_answered(raw: httpx.Client, version: str) -> None:
    answer = raw.post(CUSTOMERS, headers={"stripe-version": version})
    assert (answer.status_code, answer.headers["stripe-version"]) == (200, version)


@pytest.mark.parametrize("version", ["", "latest", "2026-13-01", "2026-10-28.", "2026-10-28;x"])
def test_a_version_of_another_form_is_refused(raw: httpx.Client, version: str) -> None:
    answer = raw.post(CUSTOMERS, headers={"stripe-version": version})
    assert (answer.status_code, answer.headers["stripe-version"]) == (400, SDK_VERSION)
    assert error_of(answer)["message"].startswith(f"Invalid Stripe API version: {version}.")


def test_without_a_version_the_newest_is_answered(raw: httpx.Client) -> None:
    assert raw.get(CUSTOMERS + "/cus_1").headers["stripe-version"] == SDK_VERSION


def test_the_sdk_sends_the_version_this_dialect_is_written_for() -> None:
    assert stripe.api_version == SDK_VERSION


@pytest.mark.parametrize("header", ["stripe-account", "stripe-context"])
def test_an_account_named_in_a_header_must_be_the_key_s_own(
    server: Server, tenant: Tenant, raw: httpx.Client, header: str
) -> None:
    assert raw.post(CUSTOMERS, headers={header: tenant.account}).status_code == 200
    for account in (server.tenant().account, "acct_1", "", "nonsense"):
        answer = raw.post(CUSTOMERS, headers={header: account})
        assert answer.status_code == 403
        assert error_of(answer)["code"] == "account_invalid"
        assert f"'{account}'" in error_of(answer)["message"]


def test_the_sdk_may_name_its_own_account(tenant: Tenant, client: stripe.StripeClient) -> None:
    assert client.v1.customers.create({}, {"stripe_account": tenant.account}).id
    with pytest.raises(stripe.PermissionError):
        client.v1.customers.create({}, {"stripe_account": "acct_other"})


def test_every_answer_names_its_request(raw: httpx.Client) -> None:
    answers = [
        raw.post(CUSTOMERS),
        raw.get(CUSTOMERS + "/cus_none"),
        raw.get("/v1/nowhere"),
        raw.post(CUSTOMERS, data={"nonsense": "1"}),
    ]
    ids = [answer.headers["request-id"] for answer in answers]
    assert all(re.fullmatch("req_[0-9A-Za-z]+", each) for each in ids)
    assert len(set(ids)) == len(ids)


def test_the_sdk_finds_the_request_id(client: stripe.StripeClient) -> None:
    made = client.v1.customers.create()
    assert made.last_response is not None
    assert str(made.last_response.request_id).startswith("req_")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.retrieve("cus_none")
    assert str(caught.value).startswith(f"Request {caught.value.request_id}: No such customer")


def test_a_refusal_says_that_trying_again_will_not_help(raw: httpx.Client) -> None:
    assert raw.get(CUSTOMERS + "/cus_none").headers["stripe-should-retry"] == "false"
    assert "stripe-should-retry" not in raw.post(CUSTOMERS).headers


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_what_may_go_well_later_is_worth_trying_again(status: int) -> None:
    context = Context(method="GET", path="/", query=b"", headers=Headers(()), request_id="req_1")
    answer = Answer(status=status, body=b"")
    assert (b"stripe-should-retry", b"true") in StripeDialect().response_headers(context, answer)


def test_an_error_with_a_code_leads_to_its_documentation(raw: httpx.Client) -> None:
    """What is not known is left out of the envelope, never null."""
    assert raw.get(CUSTOMERS + "/cus_none").json() == {
        "error": {
            "type": "invalid_request_error",
            "code": "resource_missing",
            "message": "No such customer: 'cus_none'",
            "param": "id",
            "doc_url": "https://stripe.com/docs/error-codes/resource-missing",
        }
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/foo"),
        ("GET", "/v2/billing/meter_events"),
        ("POST", "/v1/billing/credit_grants/credgr_1/nothing"),
        ("DELETE", "/v1/billing/credit_grants/credgr_1"),
        ("PUT", "/v1/billing/credit_grants"),
    ],
)
def test_an_unknown_address_is_told_with_its_method(
    raw: httpx.Client, method: str, path: str
) -> None:
    answer = raw.request(method, path)
    error = error_of(answer)
    assert (answer.status_code, error["type"]) == (404, "invalid_request_error")
    assert error["message"].startswith(f"Unrecognized request URL ({method}: {path}). ")


def test_doubled_slashes_do_not_matter(tenant: Tenant, customer: stripe.Customer) -> None:
    """An SDK whose base address ends in a slash asks for ``//v1/...``."""
    client = sdk(tenant.url + "/", tenant.test.editor)
    assert client.v1.customers.retrieve(customer.id).id == customer.id
    assert client.v1.billing.credit_grants.list({"customer": customer.id}).data == []


def test_the_table_is_documented_where_everybody_may_read_it(tenant: Tenant) -> None:
    answer = httpx.get(tenant.url + "/v1/openapi.json")
    document = answer.json()
    assert answer.status_code == 200
    operations = {(m.upper(), path) for path, each in document["paths"].items() for m in each}
    assert operations == {
        (endpoint.method, endpoint.path) for endpoint in StripeDialect().endpoints
    }
    assert all("." not in name for name in document["components"]["schemas"])
