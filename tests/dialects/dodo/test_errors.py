"""Every refusal has a row; roles; and the documentation lists what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from dodopayments import AuthenticationError, DodoPayments, PermissionDeniedError

from drawdown.core.errors import LedgerError, every_error
from drawdown.dialects.dodo import errors
from drawdown.dialects.dodo.dialect import DodoDialect
from drawdown.web import errors as web
from drawdown.web.errors import WebError
from tests.dialects.dodo.sdk import Ask, Dodo, enter
from tests.support.server import Tenant

DOCUMENTATION = (Path(__file__).parents[3] / "docs" / "dialects" / "dodo.md").read_text("utf-8")
ENDPOINTS = DodoDialect(0, allow_private=False).endpoints


def web_errors() -> list[type[WebError]]:
    """Every error that a request can meet before the ledger is asked, this dialect's own included."""
    found = [*vars(web).values(), *vars(errors).values()]
    return [
        value
        for value in found
        if isinstance(value, type) and issubclass(value, WebError) and value is not WebError
    ]


@pytest.mark.parametrize("error", [*every_error(), *web_errors()])
def test_every_error_has_a_row(error: type[LedgerError | WebError]) -> None:
    """Documented, with a status that the vendor uses or HTTP demands."""
    row = errors.ROWS[error]
    assert row.status in {400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 500, 503}
    assert re.search(rf"^\| [\d, ]*{row.status}[\d, ]* \| `{row.code}` \|", DOCUMENTATION, re.M)


@pytest.mark.parametrize("error", every_error())
def test_every_message_can_be_written(error: type[LedgerError]) -> None:
    """A row's own words use only fields that the error has."""
    fields = set(re.findall(r"{(\w+)", error.template))
    message = errors.ROWS[error].message or ""
    assert set(re.findall(r"{(\w+)", message)) <= fields


@pytest.mark.parametrize("error", every_error())
def test_no_message_speaks_of_books(error: type[LedgerError]) -> None:
    """Who uses the vendor's API knows of none."""
    assert "book" not in (errors.ROWS[error].message or error.template)


def test_the_documentation_lists_every_endpoint() -> None:
    """And no other, each with its status."""
    table = {(f"{row.method} {row.path}", str(row.status)) for row in ENDPOINTS}
    documented = re.findall(r"^\| `([A-Z]+ /[^`]*)` \| (\d+) \|", DOCUMENTATION, re.M)
    assert sorted(documented) == sorted(table)


def test_the_openapi_document_has_the_statuses_of_the_rows(tenant: Tenant) -> None:
    """Each endpoint with the status of its answer and of every refusal that it names."""
    paths = httpx.get(f"{tenant.url}/dodo/openapi.json").json()["paths"]
    for row in ENDPOINTS:
        documented = set(paths[row.path][row.method.lower()]["responses"])
        named = {str(errors.ROWS[error].status) for error in row.errors}
        assert {str(row.status), "401", "403", *named} <= documented


def test_the_example_of_the_documentation_runs(tenant: Tenant) -> None:
    """As it stands there, with this server's address and key."""
    found = re.search(r"```python\n(.*?)```", DOCUMENTATION, re.S)
    assert found is not None
    example = found[1].replace("http://127.0.0.1:8080", tenant.url)
    assert "sk_test_..." in example
    names: dict[str, Any] = {}
    exec(example.replace("sk_test_...", tenant.test.editor.secret), names)
    assert names["balance"].balance == "100.25"
    names["client"].close()


def test_the_environment_points_the_sdk_here(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line of a program needs to change."""
    monkeypatch.setenv("DODO_PAYMENTS_BASE_URL", f"{tenant.url}/dodo")
    monkeypatch.setenv("DODO_PAYMENTS_API_KEY", tenant.test.editor.secret)
    with DodoPayments() as client:
        assert client.customers.create(name="Ada", email="ada@example.com").name == "Ada"


def test_a_viewer_reads_and_does_not_write(dodo: Dodo, tenant: Tenant) -> None:
    """403 once, and nothing is written."""
    customer, tokens = dodo.customer(), dodo.entitlement()
    dodo.credit(customer, tokens.id, "1")
    viewer = Dodo(tenant.url, tenant.test.viewer.secret, blocking=dodo.blocking)
    assert viewer.balance(customer, tokens.id).balance == "1"
    assert len(viewer.grants(customer, tokens.id)) == 1
    assert viewer(lambda client: client.customers.retrieve(customer)).customer_id == customer
    assert viewer(lambda client: client.credit_entitlements.retrieve(tokens.id)) == tokens
    writes: list[Ask] = [
        enter("debit", customer, tokens.id, "1"),
        lambda client: client.customers.create(name="Bo", email="b@example.com"),
        lambda client: client.credit_entitlements.create(
            name="New", unit="x", precision=0, rollover_enabled=False, overage_enabled=False
        ),
    ]
    for write in writes:
        viewer.sent.clear()
        refusal = viewer.refused(write)
        assert (refusal.error, refusal.code) == (PermissionDeniedError, "UNAUTHORIZED")
        assert "editor" in refusal.message
        assert len(viewer.sent) == 1
    viewer.close()
    assert dodo.balance(customer, tokens.id).balance == "1"


def test_an_admin_writes(tenant: Tenant) -> None:
    admin = Dodo(tenant.url, tenant.test.admin.secret, blocking=True)
    assert admin.customer().startswith("cus_")
    admin.close()


@pytest.mark.parametrize("blocking", [True, False])
def test_a_wrong_key_is_refused_once(tenant: Tenant, blocking: bool) -> None:
    """The key of the vendor's own test suite, which has spaces, among them."""
    for secret in ("My Bearer Token", "dodo_test_key", tenant.test.editor.secret + "x"):
        stranger = Dodo(tenant.url, secret, blocking=blocking)
        refusal = stranger.refused(lambda client: client.customers.retrieve("ada"))
        assert (refusal.error, refusal.code) == (AuthenticationError, "UNAUTHORIZED")
        assert len(stranger.sent) == 1
        stranger.close()


def test_a_key_in_another_form_is_told_what_to_send(tenant: Tenant) -> None:
    """The vendor's SDKs send Bearer; a hand with curl may try Basic."""
    key = tenant.test.editor.secret
    answer = httpx.get(f"{tenant.url}/dodo/customers/ada", auth=(key, ""))
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
    assert "Authorization: Bearer sk_..." in answer.json()["message"]
