"""The check of a signature on Sequence's page takes what the server signs, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from drawdown.dialects.sequence.notifications.events import signature
from tests.docs.pages import ROOT, blocks

Check = Callable[[str, str, bytes], bool]

SECRET, BODY = "a policy's secret", b'{"notificationType":"CREDIT_BALANCE_LOW"}'


@pytest.fixture(scope="module")
def is_ours() -> Check:
    """The function as it stands on the page."""
    [sample] = [
        block.text
        for block in blocks(ROOT / "docs/dialects/sequence.md")
        if block.language == "python" and "def is_ours(" in block.text
    ]
    names: dict[str, Check] = {}
    exec(sample, names)
    return names["is_ours"]


def now() -> int:
    return int(time.time() * 1_000)


def test_what_the_server_signed_is_taken(is_ours: Check) -> None:
    assert is_ours(SECRET, signature(SECRET, now(), BODY), BODY)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("{signed}", BODY + b" "),
        ("t={now}1,s={digest}", BODY),
        ("t={now},v1={digest}", BODY),
        ("t={now},s=", BODY),
        ("t={now},s=ö", BODY),
        ("t=soon,s={digest}", BODY),
        ("{digest}", BODY),
        ("", BODY),
    ],
)
def test_whatever_else_comes_is_refused(header: str, body: bytes, is_ours: Check) -> None:
    """And raises nothing: the header is whatever a stranger sends."""
    signed = signature(SECRET, now(), BODY)
    time_part, _, digest = signed.partition(",s=")
    given = header.format(signed=signed, now=time_part.removeprefix("t="), digest=digest)
    assert not is_ours(SECRET, given, body)


def test_another_policys_signature_is_refused(is_ours: Check) -> None:
    assert not is_ours(SECRET, signature("another secret", now(), BODY), BODY)


def test_what_was_signed_an_hour_ago_is_refused(is_ours: Check) -> None:
    """Somebody may have kept it to send it again."""
    assert not is_ours(SECRET, signature(SECRET, now() - 3_600_000, BODY), BODY)
