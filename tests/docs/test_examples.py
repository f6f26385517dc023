"""Every example on a page runs as it stands, against a server of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks, name_of
from tests.docs.session import Ran, difference, run
from tests.support.server import Key, Server, start_server

RUN = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if any(block.is_run for block in blocks(page))
]
#: What a newcomer reads, page after page, with the server that the first of them started. The quickstart
#: tells what the whole ledger adds up to, so it is the first to write.
READ_ON = [
    ROOT / "docs/quickstart.md",
    *(page for page in RUN if page.stem not in {"quickstart", "operations"}),
]


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[tuple[Server, Key]]:
    """A server just started in an empty folder, and the key that it printed."""
    server = start_server(tmp_path, database=f"sqlite:///{tmp_path / 'drawdown.db'}")
    printed = "\n".join(server.output)
    key, secret = (re.search(rf"\b{prefix}_\w+", printed) for prefix in ("key", "sk_test"))
    assert key is not None
    assert secret is not None
    yield server, Key(key[0], secret[0])
    if server.process.poll() is None:
        server.stop()


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_examples_run_and_print_what_the_page_shows(
    page: Path, newcomer: tuple[Server, Key], tmp_path: Path
) -> None:
    server, key = newcomer
    examples = [block for block in blocks(page) if block.is_run]
    while_it_runs = [block for block in examples if "stopped" not in block.words]
    ran = run(while_it_runs, tmp_path, server.url, key)
    printed = ran.printed
    if ran.status == 0 and len(while_it_runs) < len(examples):
        server.stop()
        ran = run(
            [block for block in examples if "stopped" in block.words], tmp_path, server.url, key
        )
        printed |= ran.printed
    _check_success(page, ran)
    assert set(printed) == {block.line for block in examples}
    assert not _faults(page, examples, printed)


def test_pages_are_followed_one_after_the_other_on_one_server(
    newcomer: tuple[Server, Key], tmp_path: Path
) -> None:
    """No page is in the way of another: each has customers and kinds of credit of its own."""
    server, key = newcomer
    for page in READ_ON:
        examples = [block for block in blocks(page) if block.is_run]
        ran = run(examples, tmp_path, server.url, key)
        _check_success(page, ran)
        assert not _faults(page, examples, ran.printed)


def _check_success(page: Path, ran: Ran) -> None:
    last = max(ran.printed)
    assert ran.status == 0, f"{name_of(page)}:{last} failed:\n{ran.errors}{ran.printed[last]}"


def _faults(page: Path, examples: list[Block], printed: dict[int, str]) -> dict[str, str]:
    return {
        f"{name_of(page)}:{block.line}": fault
        for block in examples
        if block.shown is not None and (fault := difference(block, printed[block.line]))
    }
