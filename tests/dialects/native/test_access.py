"""Who may do what: keys, roles, modes."""

from __future__ import annotations

import base64
import re

import httpx
import pytest

from drawdown.engine.accounts import Role
from tests.conftest import StartServer
from tests.dialects.native.support import (
    ENDPOINTS,
    Json,
    created,
    customer_with,
    debit_body,
    problem,
)
from tests.support.server import Key, Tenant


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def ask(tenant: Tenant, authorization: str) -> httpx.Response:
    headers = {"authorization": authorization}
    return httpx.get(tenant.url + "/api/v1/customers", headers=headers, verify=False)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer nonsense",
        "Bearer sk_test_" + "x" * 54,
        "Basic !!!",
        "Basic bm9jb2xvbg==",
        "Basic /////w==",
        "Digest x",
        "Bearer \xff",
        basic("nobody", "nothing"),
    ],
)
def test_without_a_key_that_opens_something_nothing_is_answered(
    tenant: Tenant, header: str | None
) -> None:
    headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
    response = httpx.get(tenant.url + "/api/v1/customers", headers=headers, verify=False)
    problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_one_key_is_read_in_every_form(tenant: Tenant) -> None:
    key = tenant.test.viewer
    for header in (
        f"Bearer {key.secret}",
        f"bearer {key.secret}",
        basic(key.secret, ""),
        basic(key.id, key.secret),
    ):
        response = ask(tenant, header)
        assert response.status_code == 200, header


def test_a_secret_under_another_keys_id_opens_nothing(tenant: Tenant) -> None:
    header = basic(tenant.test.admin.id, tenant.test.viewer.secret)
    response = ask(tenant, header)
    problem(response, 401, "unauthorized")


#: What asks something and writes nothing, though its question is too long for a path.
QUESTIONS = {"/dry-runs"}
WRITES = [
    (each.method, re.sub(r"{\w+}", "x", each.path), each.role)
    for each in ENDPOINTS
    if each.method != "GET" and each.path not in QUESTIONS
]


@pytest.mark.parametrize(("method", "path", "role"), WRITES)
def test_a_viewer_writes_nothing(tenant: Tenant, method: str, path: str, role: Role) -> None:
    assert role in (Role.EDITOR, Role.ADMIN)
    with tenant.client(tenant.test.viewer) as viewer:
        refused = problem(viewer.request(method, path, json={}), 403, "forbidden")
    assert (refused["needed_role"], refused["role"]) == (role.value, "viewer")


def test_a_viewer_reads_all_but_keys(tenant: Tenant, native: httpx.Client) -> None:
    customer = customer_with(native, [("20", "paid")])
    made = created(native.post("/debits", json=debit_body(customer, "1")))
    held = created(native.post("/holds", json=debit_body(customer, "1")))
    wallets = [{"entitlement": "usd", "price": "1"}]
    body = {"customer": customer, "quantity": "1", "wallets": wallets, "idempotency_key": "s"}
    spent = created(native.post("/spends", json=body))
    with tenant.client(tenant.test.viewer) as viewer:
        for path in (
            "/customers",
            f"/customers/{customer}",
            "/entitlements",
            "/entitlements/usd",
            "/grants",
            f"/grants/{made['draws'][0]['grant']}",
            f"/debits/{made['id']}",
            f"/debits/{spent['id']}",
            f"/spends/{spent['id']}",
            "/holds",
            f"/holds/{held['id']}",
            f"/balances/{customer}/usd",
            f"/entries?customer={customer}",
        ):
            assert viewer.get(path).status_code == 200, path
        problem(viewer.get("/keys"), 403, "forbidden")


def test_only_an_admin_manages_keys(tenant: Tenant) -> None:
    with tenant.client(tenant.test.editor) as editor:
        problem(editor.get("/keys"), 403, "forbidden")
        problem(editor.post("/keys", json={"role": "viewer"}), 403, "forbidden")
        problem(editor.post(f"/keys/{tenant.test.admin.id}/revoke"), 403, "forbidden")


def but_for_its_use(key: Json) -> Json:
    """When it was last used is noted now and then: the one answer may know it, and the other not yet."""
    return {name: value for name, value in key.items() if name != "last_used_at"}


def test_a_key_made_over_http_opens_the_book_until_it_is_revoked(tenant: Tenant) -> None:
    with tenant.client(tenant.test.admin) as admin:
        made = created(admin.post("/keys", json={"role": "editor", "name": "worker"}))
        assert (made["mode"], made["role"], made["name"]) == ("test", "editor", "worker")
        assert made["secret"].startswith("sk_test_")
        with tenant.client(Key(made["id"], made["secret"])) as worker:
            created(worker.post("/customers", json={"id": "ada"}))
            revoked = admin.post(f"/keys/{made['id']}/revoke")
            assert revoked.status_code == 200
            assert revoked.json()["revoked_at"] is not None
            problem(worker.get("/customers"), 401, "unauthorized")
        again = admin.post(f"/keys/{made['id']}/revoke").json()
        assert but_for_its_use(again) == but_for_its_use(revoked.json())
        listed = {key["id"]: key for key in admin.get("/keys").json()["data"]}
        assert but_for_its_use(listed[made["id"]]) == but_for_its_use(revoked.json())
        assert "secret" not in listed[made["id"]]


def test_test_keys_never_see_or_make_live_ones(tenant: Tenant) -> None:
    with tenant.client(tenant.test.admin) as test, tenant.client(tenant.live.admin) as live:
        assert {key["mode"] for key in test.get("/keys").json()["data"]} == {"test"}
        problem(test.post("/keys", json={"role": "viewer", "mode": "live"}), 403, "forbidden")
        problem(test.post(f"/keys/{tenant.live.viewer.id}/revoke"), 404, "key_not_found")
        assert {key["mode"] for key in live.get("/keys").json()["data"]} == {"test", "live"}
        made = created(live.post("/keys", json={"role": "viewer"}))
        assert made["mode"] == "live"
        assert made["secret"].startswith("sk_live_")
        assert live.get("/customers").status_code == 200


def test_another_accounts_keys_are_not_there(database_url: str, serve: StartServer) -> None:
    server = serve(database=database_url)
    ours, theirs = server.tenant(), server.tenant()
    with ours.client(ours.live.admin) as admin:
        assert len(admin.get("/keys").json()["data"]) == 6
        problem(admin.post(f"/keys/{theirs.test.viewer.id}/revoke"), 404, "key_not_found")
        told = problem(admin.post("/keys/nonsense/revoke"), 404, "key_not_found")
        assert told["title"] == "No such key"
        assert "'nonsense'" in told["detail"]
    with theirs.client(theirs.test.viewer) as viewer:
        assert viewer.get("/customers").status_code == 200
