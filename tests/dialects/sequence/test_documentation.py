"""``docs/dialects/sequence.md``: its examples run, and its tables say what the code does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import httpx
import msgspec

from drawdown.dialects.sequence.dialect import VERSION
from drawdown.dialects.sequence.errors import ROWS
from drawdown.dialects.sequence.routes import endpoints
from tests.dialects.sequence.contract import Credit, Customer, Items, read
from tests.dialects.sequence.support import drawn
from tests.support.server import Tenant

PAGE = (Path(__file__).parents[3] / "docs" / "dialects" / "sequence.md").read_text("utf-8")
ADDRESS = "$DRAWDOWN_URL"


def example(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def curl(command: str, tenant: Tenant) -> httpx.Response:
    """What a ``curl`` command of the page asks for; it knows the options that the page uses."""
    words = iter(shlex.split(command)[1:])
    url, user, headers, body = "", "", {}, None
    for word in words:
        if word == "-u":
            user = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(words)
        else:
            url = word.replace(ADDRESS, tenant.url)
    assert user == "$DRAWDOWN_KEY_ID:$DRAWDOWN_API_KEY"
    key = tenant.test.editor
    method = "GET" if body is None else "POST"
    return httpx.request(method, url, content=body, headers=headers, auth=(key.id, key.secret))


def test_the_curl_examples_run(tenant: Tenant, native: httpx.Client) -> None:
    """And end on the answer that the page shows, but for its id and the day on which it was made."""
    commands = re.split(r"\n(?=curl)", example("sh").replace("\\\n", " ").strip())
    first, second, last = commands
    customer = read(curl(first, tenant), 201, Customer)
    made = read(curl(second, tenant), 201, Credit)
    drawn(native, customer.id, "676")
    [shown] = read(curl(last, tenant), 200, Items).items
    [printed] = msgspec.json.decode(example("json"), type=Items).items
    assert (shown.id, shown.issue_date) == (made.id, made.created_at[:10])
    printed.id, printed.issue_date = shown.id, shown.issue_date
    assert msgspec.json.encode(shown) == msgspec.json.encode(printed)


def test_the_page_lists_what_is_answered_and_nothing_else() -> None:
    rows = re.findall(r"^\| `([A-Z]+) (/\S*)` \| (\d+) \|", PAGE, re.MULTILINE)
    assert set(rows) == {
        (each.method, each.path, str(each.status)) for each in endpoints(allow_private=False)
    }


def test_the_page_lists_every_type_of_error_with_its_status() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == {(str(row.status), row.type) for row in ROWS.values()}


def test_the_page_names_the_version_that_is_answered() -> None:
    assert VERSION in PAGE
