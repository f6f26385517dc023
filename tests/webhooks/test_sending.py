"""One request to somebody else's server, against servers that do all they can to be in the way."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest

from drawdown.webhooks import addresses
from drawdown.webhooks.sending import ANSWER_BYTES_MAX, Sender, Sent
from tests.support.answering import nobody
from tests.support.receiver import (
    Behaviour,
    answering,
    babbling,
    dripping,
    endless,
    receiver,
    resetting,
    silent,
)

pytestmark = pytest.mark.anyio

SHORT = 1.0
#: No answer that comes is late, however busy the machine is.
PATIENT = 60.0


@asynccontextmanager
async def sender(**options: object) -> AsyncIterator[Sender]:
    made = Sender(**{"allow_private": True, "seconds_max": PATIENT, **options})  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.close()


async def sent_to(behaviour: Behaviour, **options: object) -> tuple[Sent, float]:
    """What comes of sending there, and how long it takes."""
    async with receiver(behaviour) as server, sender(**options) as made:
        made._opened()  # reading certificates takes a moment, which is none of the attempt's
        began = time.monotonic()
        found = await made.post(server.url, {"webhook-id": "evt_1"}, b"{}")
        assert len(server.received) == 1
        return found, time.monotonic() - began


async def test_a_body_arrives_as_it_is_with_its_headers() -> None:
    async with receiver() as server, sender() as made:
        sent = await made.post(server.url + "?a=b", {"webhook-id": "evt_1"}, b'{"a": 1}')
        [got] = server.received
    assert sent.arrived
    assert (sent.status, sent.answer, sent.error) == (200, "ok", None)
    assert (got.path, got.body) == ("/hooks?a=b", b'{"a": 1}')
    assert got.headers["webhook-id"] == "evt_1"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("status", [204, 299])
async def test_whatever_begins_with_a_2_has_arrived(status: int) -> None:
    assert (await sent_to(answering(status)))[0].arrived


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
async def test_every_other_status_has_not(status: int) -> None:
    sent, _ = await sent_to(answering(status, b"go away"))
    assert not sent.arrived
    assert (sent.status, sent.answer) == (status, "go away")


async def test_a_redirect_is_not_followed() -> None:
    async with receiver() as inside, sender() as made:
        where = f"location: {inside.url}"
        async with receiver(answering(307, b"", where)) as server:
            sent = await made.post(server.url, {}, b"{}")
        assert not inside.received
    assert sent.status == 307
    assert not sent.arrived


@pytest.mark.parametrize("behaviour", [silent, dripping])
async def test_a_server_that_takes_its_time_is_given_only_so_much(behaviour: Behaviour) -> None:
    sent, took = await sent_to(behaviour, seconds_max=SHORT)
    assert sent.status is None
    assert sent.error == "no answer within 1 seconds"
    assert SHORT <= took < SHORT + PATIENT


async def test_of_a_huge_answer_only_the_beginning_is_read() -> None:
    """Nor is its end waited for, which never comes."""
    async with asyncio.timeout(60):
        sent, _ = await sent_to(endless, seconds_max=600)
    assert sent.arrived
    assert sent.answer == "x" * ANSWER_BYTES_MAX


async def test_a_compressed_answer_is_not_unpacked() -> None:
    """A kilobyte of it may be a gigabyte of something else."""
    packed = gzip.compress(b"x" * 100_000)
    sent, _ = await sent_to(answering(200, packed, "content-encoding: gzip"))
    assert sent.arrived
    assert sent.answer is not None
    assert "xxx" not in sent.answer


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (resetting, "the answer is not whole, or not HTTP"),
        (babbling, "the answer is not whole, or not HTTP"),
    ],
    ids=["resetting", "babbling"],
)
async def test_a_broken_answer_is_told_in_our_own_words(behaviour: Behaviour, error: str) -> None:
    sent, _ = await sent_to(behaviour)
    assert (sent.status, sent.error) == (None, error)


async def test_nobody_there_is_told_without_naming_anything_of_ours() -> None:
    async with sender() as made:
        with nobody() as url:
            sent = await made.post(url, {}, b"{}")
    assert (sent.status, sent.error) == (None, "no connection")


# Addresses -----------------------------------------------------------------------------------------


def leading_to(*addresses: str) -> object:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


@pytest.mark.parametrize("inside", ["127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "10.0.0.1"])
async def test_a_name_that_leads_inside_is_not_connected_to(inside: str) -> None:
    async with (
        receiver() as server,
        sender(allow_private=False, resolve=leading_to(inside)) as made,
    ):
        sent = await made.post(f"https://evil.example:{server.port}/", {}, b"{}")
        assert not server.received
    assert sent.error == "The name leads to an address that is not public."


async def test_what_was_checked_is_what_is_connected_to() -> None:
    """A name that is public when it is checked and private a moment later is looked up once."""
    asked = 0

    async def turning(host: str, port: int) -> list[str]:
        nonlocal asked
        asked += 1
        return ["127.0.0.1"] if asked > 1 else ["192.88.99.1"]

    async with receiver() as server, sender(allow_private=False, resolve=turning) as made:
        sent = await made.post(f"https://evil.example:{server.port}/", {}, b"{}")
        assert not server.received
    assert asked == 1
    assert not sent.arrived


async def test_a_name_without_an_address_is_told() -> None:
    async def missing(host: str, port: int) -> list[str]:
        raise OSError("who knows which file of ours this names")

    async with sender(resolve=missing) as made:
        sent = await made.post("http://nobody.example/", {}, b"{}")
    assert sent.error == "no address for the name"


# TLS -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for ``hooks.example`` that nobody has signed but itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "certificate.pem", folder / "key.pem"
    try:
        subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "2", "-subj", "/CN=hooks.example",
                "-addext", "subjectAltName=DNS:hooks.example", "-keyout", str(key), "-out", str(made),
            ],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no openssl to make a certificate with")
    return made, key


@pytest.mark.parametrize(
    ("name", "trusts", "arrives"),
    [
        ("hooks.example", True, True),
        ("hooks.example", False, False),
        ("other.example", True, False),
    ],
)
async def test_a_certificate_is_verified_for_the_name_not_the_address(
    certificate: tuple[Path, Path], name: str, trusts: bool, arrives: bool
) -> None:
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(*certificate)
    trusted = (
        ssl.create_default_context(cafile=certificate[0]) if trusts else httpx.create_ssl_context()
    )
    async with (
        receiver(tls=own) as server,
        sender(resolve=leading_to("127.0.0.1"), trusted=trusted) as made,
    ):
        sent = await made.post(f"https://{name}:{server.port}/", {}, b"{}")
    assert sent.arrived is arrives
    if not arrives:
        assert sent.error is not None
        assert sent.error.startswith("TLS failed")


async def test_connections_are_kept_and_closed_with_the_sender() -> None:
    async with receiver() as server, sender() as made:
        for _ in range(3):
            assert (await made.post(server.url, {}, b"{}")).arrived
        assert len(server.tasks) == 1


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [
        (429, "120", 120),
        (503, "0", 0),
        (503, "soon", 0),
        (503, "-5", 0),
        (503, "9" * 400, 999_999_999),
        (503, "Fri, 31 Dec 1999 23:59:59 GMT", 0),
        (503, "Fri, 99 Dec 1999 23:59:59 GMT", 0),
        (500, "120", 0),
        (200, "120", 0),
    ],
)
async def test_a_wish_to_be_left_alone_is_read_where_it_means_that(
    status: int, text: str, seconds: float
) -> None:
    sent, _ = await sent_to(answering(status, b"", f"Retry-After: {text}"))
    assert (sent.status, sent.retry_after) == (status, seconds)


async def test_a_wish_may_be_a_date() -> None:
    later = formatdate(time.time() + 1_000, usegmt=True)
    sent, _ = await sent_to(answering(503, b"", f"retry-after: {later}"))
    assert 900 < sent.retry_after <= 1_000


async def test_name_servers_that_keep_silent_hold_up_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither other names, nor what else the process does on threads."""
    answered, look_up = threading.Event(), socket.getaddrinfo

    def silent_for_some(host: str, *more: Any, **options: Any) -> Any:
        if host.startswith("silent"):
            answered.wait()
            raise socket.gaierror("no such name")
        return look_up(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", silent_for_some)
    try:
        async with receiver() as server, sender(seconds_max=SHORT) as hasty, sender() as made:
            urls = [f"http://silent-{number}.example/" for number in range(60)]
            lost = await asyncio.gather(*(hasty.post(url, {}, b"{}") for url in urls))
            assert {each.error for each in lost} == {"no answer within 1 seconds"}
            sent = await made.post(f"http://localhost:{server.port}/", {}, b"{}")
            assert sent.arrived
            await asyncio.wait_for(asyncio.to_thread(time.monotonic), PATIENT)
    finally:
        answered.set()
    for thread in threading.enumerate():
        if thread.name == "drawdown-lookup":
            await asyncio.to_thread(thread.join, 60)


async def test_so_many_names_are_looked_up_at_once_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(addresses, "_lookups", threading.BoundedSemaphore(1))
    async with receiver() as server, sender() as made:
        url = f"http://localhost:{server.port}/"
        assert addresses._lookups.acquire()
        assert (await made.post(url, {}, b"{}")).error == "no address for the name"
        addresses._lookups.release()
        assert (await made.post(url, {}, b"{}")).arrived
