"""How examples are run: what would be wrong is seen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks
from tests.docs.session import difference, last_json, run
from tests.support.server import Key, Server, Tenant

KEY = Key("key_1", "sk_test_1")


def shell(text: str, words: str = "", *, line: int = 1) -> Block:
    return Block(line, "sh", words, text)


def test_examples_share_a_shell_and_the_first_that_fails_ends_it(tmp_path: Path) -> None:
    examples = [
        shell("x=kept\n"),
        shell("echo $x; cat missing\n", line=2),
        shell("echo after\n", line=3),
    ]
    ran = run(examples, tmp_path, "http://127.0.0.1:1", KEY)
    assert ran.status != 0
    assert "missing" in ran.errors
    assert ran.printed == {1: "\n", 2: "kept\n"}


@pytest.mark.parametrize(("command", "status"), [("false", 0), ("true", 1)])
def test_a_refusal_that_does_not_come_is_a_fault(tmp_path: Path, command: str, status: int) -> None:
    ran = run([shell(command + "\n", "refused")], tmp_path, "http://127.0.0.1:1", KEY)
    assert ran.status == status


@pytest.mark.parametrize(
    ("printed", "is_shown"),
    [
        ('{"id": "deb_0351GoXAZ3cV5phVEEw5et", "amount": "1.5", "at": "2026-11-21T09:30:12Z"}', True),
        ('{"other": 1}{"id": "deb_0351GoXAZ3cV5phVEEw5ev", "amount": "1.5", "at": "2030-01-01"}', True),
        ('{"id": "deb_0351GoXAZ3cV5phVEEw5et", "amount": "1.50", "at": "2026-11-21"}', False),
        ('{"id": "deb_0351GoXAZ3cV5phVEEw5et", "amount": "1.5"}', False),
        ('{"id": "op_0351GoXAZ3cV5phVEEw5et", "amount": 1.5, "at": "2026-11-21"}', False),
        ("nothing", False),
    ],
)  # fmt: skip
def test_json_that_is_shown_is_what_is_printed_but_for_ids_and_times(
    printed: str, is_shown: bool
) -> None:
    page = '{"id": "deb_0351GoWKDhLMshMOuqvkt9", "amount": "1.5", "at": "2026-01-01T00:00:00Z"}'
    block = Block(1, "sh", "", "", page, "json")
    assert (difference(block, printed) is None) is is_shown


def test_lines_that_are_shown_are_printed_in_their_order() -> None:
    block = Block(1, "sh", "", "", "first  1\nthird 3\n", "text")
    assert difference(block, "zeroth\nfirst 1  \nsecond\n third   3\n") is None
    assert difference(block, "third 3\nfirst 1\n") is not None
    assert difference(block, "first 1\n") is not None


def test_only_output_that_follows_an_example_directly_is_its_own(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\na\n```\n\n```text\n1\n```\n\n```sh refused\nb\n```\n\nWords.\n\n```json\n2\n```\n"
    )
    first, _, second, _ = blocks(page)
    assert (first.shown, first.shown_as, first.line) == ("1\n", "text", 1)
    assert (second.shown, second.words, second.line) == (None, "refused", 9)


def curl(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, ROOT / "tests/docs/curl.py", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stdout


def test_the_stand_in_asks_and_answers_as_curl_does(server: Server, tenant: Tenant) -> None:
    """A body makes it a POST, ``-G`` a query; ``-i`` shows the head; a refusal ends with 22."""
    user, customers = f"{tenant.test.editor.secret}:", server.url + "/api/v1/customers"
    status, answer = curl("-u", user, customers, "-d", '{"id": "ada"}')
    assert (status, json.loads(answer)["id"]) == (0, "ada")
    status, answer = curl("-i", "-G", "-u", user, customers, "-d", "limit=1")
    assert status == 0
    assert answer.startswith("HTTP/1.1 200 OK\n")
    assert "\ncontent-type: application/json\n" in answer
    assert [customer["id"] for customer in last_json(answer)["data"]] == ["ada"]
    status, answer = curl("-H", "Authorization: Bearer sk_test_no", customers)
    assert (status, json.loads(answer)["code"]) == (22, "unauthorized")
