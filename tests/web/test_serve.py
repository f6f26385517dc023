"""The server as a process: how it starts, what it says, how it stops, what stands beside the APIs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from drawdown.config import CLIENT_VARIABLES
from tests.conftest import StartServer
from tests.dialects.native.support import (
    balance,
    capture,
    created,
    customer_with,
    debit,
    debit_body,
    hold,
)
from tests.support.server import COMMAND, Server, Tenant, start_server

SECRET = re.compile(r"sk_test_[0-9A-Za-z]+")


def run_server(*options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    environment = {f"DRAWDOWN_{name.upper()}": value for name, value in settings.items()}
    return subprocess.run(
        [*COMMAND, *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def get(url: str) -> httpx.Response:
    return httpx.get(url, verify=False)


def test_the_first_start_gives_a_key_that_works_and_the_second_gives_none(
    tmp_path: Path,
) -> None:
    first = start_server(tmp_path)
    said = "\n".join(first.output)
    secret = SECRET.findall(said)[0]
    assert "not shown again" in said
    response = httpx.get(first.url + "/api/v1/keys", auth=(secret, ""), verify=False)
    assert [key["role"] for key in response.json()["data"]] == ["admin"]
    first.stop()
    second = start_server(tmp_path, database=first.database)
    assert second.output == [f"listening on {second.url}"]
    response = httpx.get(second.url + "/api/v1/keys", auth=(secret, ""), verify=False)
    assert response.status_code == 200
    second.stop()


def test_the_steps_that_the_first_start_shows_can_be_followed(serve: StartServer) -> None:
    """Each is a curl command with a body that the API takes."""
    server = serve()
    steps = [line.strip() for line in server.output if "curl" in line]
    exported = dict(re.findall(r"\b(DRAWDOWN_\w+)=(\S+)", "\n".join(server.output)))
    assert set(exported) == CLIENT_VARIABLES
    assert exported["DRAWDOWN_URL"] == server.url
    secret = exported["DRAWDOWN_API_KEY"]
    answers = []
    for step in steps:
        path = re.search(r"\$DRAWDOWN_URL(\S+)", step)
        body = re.search(r"-d '(.*)'", step)
        assert path
        with httpx.Client(base_url=server.url, auth=(secret, ""), verify=False) as client:
            url = path[1]
            answers.append(client.post(url, content=body[1]) if body else client.get(url))
    assert [answer.status_code for answer in answers] == [201, 201, 201, 200]
    assert answers[-1].json()["available"] == "19.9958"


def test_the_first_start_names_a_command_that_makes_a_key_for_this_server(
    serve: StartServer,
) -> None:
    """It can be run as it stands, where the server was started."""
    server = serve()
    [command] = [line.split(": ", 1)[1] for line in server.output if "keys create" in line]
    environment = {name: value for name, value in os.environ.items() if "DRAWDOWN_" not in name}
    made = subprocess.run(
        shlex.split(command),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    secret = SECRET.findall(made.stdout)[0]
    response = httpx.get(server.url + "/api/v1/customers", auth=(secret, ""), verify=False)
    assert response.status_code == 200


def test_the_first_start_names_the_other_apis_and_where_to_read_on(serve: StartServer) -> None:
    server = serve()
    said = "\n".join(server.output)
    for base in ("", "/dodo", "/sequence"):
        assert re.search(rf" {server.url}{base}(?:,|$)", said, re.MULTILINE)
    named = re.findall(r"docs/\S+\.md", said)
    assert named
    assert all((Path(__file__).parents[2] / name).is_file() for name in named)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(serve: StartServer, number: signal.Signals) -> None:
    server = serve()
    server.process.send_signal(number)
    assert server.wait() == 0
    assert server.output[-1] == "stopped"
    assert not any("Traceback" in str(line) for line in server.log_lines())


def test_what_was_accepted_before_a_signal_is_answered_and_kept(serve: StartServer) -> None:
    """Under load from eight clients, each answer that came is in the ledger after a restart."""
    server = serve()
    tenant = server.tenant()
    with tenant.client() as client:
        customer = customer_with(client, [("1000000", "paid")])
    answered: list[int] = []
    failures: list[str] = []

    def spend() -> None:
        with tenant.client() as client:
            while True:
                try:
                    response = debit(client, customer, "1")
                except httpx.TransportError:
                    return
                if response.status_code == 201:
                    answered.append(1)
                else:
                    failures.append(response.text)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(answered) < 200:
        time.sleep(0.01)
    server.stop()
    for thread in threads:
        thread.join(60)
    assert failures == []
    again = serve(database=server.database)
    with Tenant(again.url, tenant.account, tenant.test, tenant.live).client() as client:
        assert int(balance(client, customer)["used"]) >= len(answered) >= 200


def test_a_client_that_hangs_up_after_asking_harms_nobody(
    server: Server, tenant: Tenant, native: httpx.Client
) -> None:
    """Its debit happens once: asked again under its key, it is replayed."""
    customer = customer_with(native, [("20", "paid")])
    body = json.dumps(debit_body(customer, "3")).encode()
    head = (
        "POST /api/v1/debits HTTP/1.1\r\nhost: x\r\n"
        f"authorization: Bearer {tenant.test.editor.secret}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    parts = urlsplit(server.url)
    assert parts.hostname
    for sent in (head.encode() + body, head.encode() + body[:20]):
        with socket.create_connection((parts.hostname, parts.port or 80)) as connection:
            connection.sendall(sent)
    deadline = time.monotonic() + 60
    while balance(native, customer)["used"] != "3":
        assert time.monotonic() < deadline
    assert native.post("/debits", content=body).headers["idempotent-replayed"] == "true"
    assert balance(native, customer)["used"] == "3"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health/live HTTP/1.1\r\nhost: x\r\nx-long: " + b"x" * 2_000_000,
        b"GET /health/live HTTP/1.1\r\n" + b"x-many: x\r\n" * 200_000,
        b"GET /" + b"x" * 2_000_000,
    ],
)
def test_a_head_without_end_is_cut_off(server: Server, head: bytes) -> None:
    """Whether it is one header, many, or the URL."""
    answer = exchange(server.url, head)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", ["/health/live", "/api/v1/debits"])
def test_a_request_that_never_ends_is_cut_off(serve: StartServer, path: str) -> None:
    """Although something comes of it all the time; and nothing of it is carried out."""
    server = serve(request_seconds_max="1")
    tenant = server.tenant()
    with tenant.client() as client:
        customer = customer_with(client, [("20", "paid")])
    body = json.dumps(debit_body(customer, "3"))
    request = (
        f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {tenant.test.editor.secret}\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()
    parts = urlsplit(server.url)
    assert parts.hostname
    begun = time.monotonic()
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=60) as connection:
        connection.settimeout(0.05)
        received, sent = b"", 0
        while not received:
            assert sent < len(request) - 1, "the rest was waited for"
            connection.sendall(request[sent : sent + 1])
            sent += 1
            with contextlib.suppress(TimeoutError):
                received = connection.recv(65536)
    assert received.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begun >= 1
    with tenant.client() as client:
        assert balance(client, customer)["used"] == "0"


def test_a_connection_may_carry_any_number_of_requests(server: Server) -> None:
    """Their heads are bounded one by one, not together."""
    with httpx.Client(base_url=server.url, verify=False) as client:
        padding = {"x-padding": "x" * 20_000}
        for _ in range(20):
            assert client.get("/health/live", headers=padding).status_code == 200


def test_requests_in_one_packet_with_long_bodies_are_all_answered(
    server: Server, tenant: Tenant
) -> None:
    """The bound is on heads: a body of any length, and what follows it, is none of its business."""
    body = json.dumps({"debits": [], "x": "y" * 200_000}).encode()
    head = (
        "POST /api/v1/debits/batch HTTP/1.1\r\nhost: x\r\n"
        f"authorization: Bearer {tenant.test.editor.secret}\r\ncontent-length: {len(body)}\r\n"
    ).encode()
    last = head + b"connection: close\r\n\r\n" + body
    answer = exchange(server.url, (head + b"\r\n" + body) * 3 + last)
    assert answer.count(b"HTTP/1.1 422 ") == 4


def test_an_offer_to_speak_another_protocol_is_passed_over(server: Server, tenant: Tenant) -> None:
    """As HTTP allows: the request is answered as it stands."""
    answer = exchange(server.url, offering_upgrade("GET", tenant, b""))
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("framing", ["content-length: 14", "transfer-encoding: chunked"])
def test_a_body_beside_such_an_offer_is_refused_and_never_lost(
    server: Server, tenant: Tenant, framing: str
) -> None:
    """What follows the head may be the body or the other protocol; nothing of it is a new request."""
    inner = offering_upgrade("GET", tenant, b"")
    answer = exchange(server.url, offering_upgrade("POST", tenant, inner, framing))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Upgrade" in answer
    assert b"HTTP/1.1 200 " not in answer
    with tenant.client() as client:
        assert client.get("/customers").json()["data"] == []


def offering_upgrade(method: str, tenant: Tenant, body: bytes, framing: str = "x-none: 0") -> bytes:
    """A request as clients send it that would rather speak HTTP/2."""
    head = (
        f"{method} /api/v1/customers HTTP/1.1\r\nhost: x\r\n{framing}\r\n"
        f"authorization: Bearer {tenant.test.editor.secret}\r\n"
        "connection: Upgrade, HTTP2-Settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    )
    return head.encode() + b"\r\n" + body


def exchange(url: str, sent: bytes) -> bytes:
    """Send bytes and read what comes until the server closes the connection."""
    parts = urlsplit(url)
    assert parts.hostname
    received = b""
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=60) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                received += part
    return received


def test_a_taken_port_is_told_before_the_database_is_touched(
    server: Server, tmp_path: Path
) -> None:
    database = tmp_path / "new.db"
    port = str(urlsplit(server.url).port)
    ended = run_server("--port", port, "--database", f"sqlite:///{database}")
    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr
    assert "--port" in ended.stderr
    assert ended.stderr.count("127.0.0.1") == 1
    assert "Traceback" not in ended.stderr
    assert not database.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("body_bytes_max", "many"),
        ("body_bytes_max", "10"),
        ("request_seconds_max", "0"),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("access_log", "perhaps"),
        ("claims_kept_days", "0"),
        ("dodo_page_base", "2"),
        ("database", "mysql://x"),
    ],
)
def test_a_setting_that_breaks_its_rule_is_told_by_name(
    tmp_path: Path, name: str, value: str
) -> None:
    settings = {"database": f"sqlite:///{tmp_path / 'x.db'}", "port": "0"} | {name: value}
    ended = run_server(**settings)
    assert ended.returncode in {1, 2}
    assert value in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unknown_setting_is_named_as_a_warning(serve: StartServer) -> None:
    server = serve(acess_log="1")
    warnings = [line for line in server.log_lines() if line["level"] == "warning"]
    assert [line["variable"] for line in warnings] == ["DRAWDOWN_ACESS_LOG"]


def test_the_front_page_and_a_wrong_address_name_the_apis(server: Server) -> None:
    front, nowhere = get(server.url + "/"), get(server.url + "/api/v2/debits")
    assert (front.status_code, nowhere.status_code) == (200, 404)
    assert "nothing at this address" in nowhere.json()["error"]["message"]
    for answer in (front, nowhere):
        bases = {name: api["base"] for name, api in answer.json()["apis"].items()}
        assert bases == {
            "native": "/api/v1",
            "stripe": "/",
            "dodo": "/dodo",
            "sequence": "/sequence",
        }
        for api in answer.json()["apis"].values():
            assert get(server.url + api["openapi"]).json()["openapi"] == "3.1.0"
    assert httpx.post(server.url + "/", verify=False).status_code == 404


def test_health_tells_life_and_readiness(server: Server) -> None:
    assert get(server.url + "/health/live").json() == {"status": "live"}
    assert get(server.url + "/health/ready").json() == {"status": "ready"}


def test_doubled_slashes_do_not_matter(server: Server, tenant: Tenant) -> None:
    headers = {"authorization": f"Bearer {tenant.test.viewer.secret}"}
    url = server.url + "//api//v1///customers/"
    assert httpx.get(url, headers=headers, verify=False).json() == {"data": [], "next": None}


def test_metrics_count_requests_by_route_and_hold_no_ids(serve: StartServer) -> None:
    server = serve()
    tenant = server.tenant()
    with tenant.client() as client:
        customer = customer_with(client, [("20", "paid")])
        created(debit(client, customer, "1"))
        debit(client, customer, "100")
        twice = debit_body(customer, "2")
        client.post("/debits/batch", json={"debits": [twice, twice]})
        client.get(f"/balances/{customer}/usd")
        client.get("/nothing/at/all")
        held = hold(client, customer, "3")
        created(capture(client, held["id"], "1"))
        wallets = [{"entitlement": "usd", "price": "1"}]
        spend = {"customer": customer, "quantity": "1", "wallets": wallets}
        created(client.post("/spends", json=spend | {"idempotency_key": "spend"}))
        assert client.patch(f"/grants/{held['slices'][0]['grant']}", json={}).status_code == 200
    text = get(server.url + "/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    requests = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for sample in families["drawdown_requests"].samples
    }
    assert requests == {
        ("POST", "/customers", "201"): 1,
        ("POST", "/grants", "201"): 1,
        ("POST", "/debits", "201"): 1,
        ("POST", "/debits", "402"): 1,
        ("POST", "/debits/batch", "200"): 1,
        ("POST", "/holds", "201"): 1,
        ("POST", "/holds/{hold}/capture", "201"): 1,
        ("POST", "/spends", "201"): 1,
        ("PATCH", "/grants/{grant}", "200"): 1,
        ("GET", "/balances/{customer}/{entitlement}", "200"): 1,
        ("ANY", "none", "404"): 1,
    }
    counted = {
        sample.labels["route"]: sample.value
        for sample in families["drawdown_request_seconds"].samples
        if sample.name.endswith("_count")
    }
    assert counted["/debits"] == 2
    debits = {s.labels["outcome"]: s.value for s in families["drawdown_debits"].samples}
    assert debits == {"accepted": 4, "insufficient_credit": 1, "replayed": 1}
    sizes = {sample.name: sample.value for sample in families["drawdown_batch_size"].samples}
    assert sizes["drawdown_batch_size_count"] >= 4
    assert families["process_resident_memory_bytes"].samples[0].value > 0
    assert customer not in text
    assert tenant.test.editor.secret not in text


def test_a_request_is_one_log_line_without_secrets_ids_or_bodies(serve: StartServer) -> None:
    server = serve()
    tenant = server.tenant()
    with tenant.client() as client:
        customer = customer_with(client, [("20", "paid")])
        response = client.get(f"/balances/{customer}/usd")
    server.stop()
    lines = [line for line in server.log_lines() if line["event"] == "request"]
    assert [line["route"] for line in lines] == [
        "/customers",
        "/grants",
        "/balances/{customer}/{entitlement}",
    ]
    last = lines[-1]
    assert last["request_id"] == response.headers["request-id"]
    assert (last["method"], last["dialect"], last["status"]) == ("GET", "native", 200)
    assert last["key"] == tenant.test.editor.id
    assert isinstance(last["ms"], float)
    text = server.log_path.read_text()
    assert customer not in text
    assert tenant.test.editor.secret not in text


def test_the_access_log_can_be_left_out(serve: StartServer) -> None:
    server = serve(access_log="0")
    tenant = server.tenant()
    with tenant.client() as client:
        assert client.get("/customers").status_code == 200
    server.stop()
    assert server.log_lines() == []


def test_logs_are_text_where_they_are_asked_to_be(serve: StartServer) -> None:
    server = serve(log_format="text")
    get(server.url + "/api/v1/customers")
    server.process.terminate()
    assert server.wait() == 0
    line = server.log_path.read_text().strip()
    assert not line.startswith("{")
    assert "route=/customers" in line
    assert "status=401" in line


def test_the_level_leaves_out_what_is_below_it(serve: StartServer) -> None:
    server = serve(log_level="warning", misspelt="1")
    get(server.url + "/api/v1/customers")
    server.stop()
    assert [line["level"] for line in server.log_lines()] == ["warning"]
