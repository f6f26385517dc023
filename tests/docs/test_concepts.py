"""The table of concepts is true to the code: each cell names calls and fields that its dialect has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from drawdown.app import BUILDERS
from drawdown.config import Config
from drawdown.dialects.dodo.webhooks.events import FORMAT as DODO_EVENTS
from drawdown.dialects.native.events import FORMAT as NATIVE_EVENTS
from drawdown.dialects.sequence.notifications.events import FORMAT as SEQUENCE_EVENTS
from drawdown.dialects.stripe.webhooks.events import FORMAT as STRIPE_EVENTS
from drawdown.web import openapi
from drawdown.web.endpoints import Dialect
from tests.docs.pages import ROOT
from tests.docs.test_complete import rows

Json = dict[str, Any]

PAGE = (ROOT / "docs/dialects/README.md").read_text("utf-8")
TABLES = PAGE.partition("\n## Every concept, four times\n")[2]
COLUMNS = ["concept", "native", "Stripe", "Dodo Payments", "Sequence"]
DIALECTS = {
    heading: next(each for each in (build(Config()) for build in BUILDERS) if each.name == name)
    for heading, name in zip(COLUMNS[1:], ("native", "stripe", "dodo", "sequence"), strict=True)
}
EVENTS = {
    "native": NATIVE_EVENTS.types,
    "stripe": STRIPE_EVENTS.types,
    "dodo": DODO_EVENTS.types,
    "sequence": SEQUENCE_EVENTS.types,
}
CALL = re.compile(r"(?:GET|POST|PUT|PATCH|DELETE) [/…]\S*")
#: Words that stand in no schema: headers, and the codes of refusals. The code has them as they are here.
IN_CODE = re.compile(
    r"(?:webhook|stripe|sequence)-[a-z]+|idempotency-key|on-behalf-of"
    r"|UNSUPPORTED_ACTION|INSUFFICIENT_CREDIT_BALANCE|InsufficientCredits"
)


@dataclass(frozen=True)
class Cell:
    concept: str
    column: str
    text: str

    @property
    def dialect(self) -> Dialect:
        return DIALECTS[self.column]

    @property
    def spans(self) -> list[str]:
        return re.findall(r"`([^`]+)`", self.text)

    @property
    def calls(self) -> list[str]:
        return [span for span in self.spans if CALL.fullmatch(span)]

    @property
    def words(self) -> list[str]:
        return [span for span in self.spans if not CALL.fullmatch(span)]


def cells() -> Iterator[Cell]:
    for row in rows(TABLES):
        if row != COLUMNS:
            for column, text in zip(COLUMNS[1:], row[1:], strict=True):
                yield Cell(row[0], column, text)


CELLS = list(cells())
DOCUMENTS: dict[str, Json] = {
    each.name: json.loads(openapi.document(each)) for each in DIALECTS.values()
}


def routes(call: str, dialect: Dialect) -> list[tuple[str, str]]:
    """Those that a call may mean: one, unless its beginning was left out where it says something."""
    method, _, path = call.partition(" ")
    return [
        (each.method, each.path)
        for each in dialect.endpoints
        if each.method == method
        and (each.path.endswith(path[1:]) if path[0] == "…" else each.path == path)
    ]


@pytest.mark.parametrize("column", COLUMNS[1:])
def test_every_call_in_a_cell_is_one_route_of_its_dialect(column: str) -> None:
    named = [(cell.concept, call) for cell in CELLS if cell.column == column for call in cell.calls]
    assert len(named) > 40
    assert not [each for each in named if len(routes(each[1], DIALECTS[column])) != 1]


@pytest.mark.parametrize("column", COLUMNS[1:])
def test_every_word_in_a_cell_is_sent_or_answered_by_the_calls_beside_it(column: str) -> None:
    """Where a cell names no call, by any of its dialect; events by their types."""
    named = [(cell, word) for cell in CELLS if cell.column == column for word in cell.words]
    assert len(named) > 40
    unknown = [(cell.concept, word) for cell, word in named if word not in said(cell)]
    code = source(DIALECTS[column].name)
    assert not [(concept, word) for concept, word in unknown if not is_in_code(word, code)]


def said(cell: Cell) -> set[str]:
    document = DOCUMENTS[cell.dialect.name]
    called = {route for call in cell.calls for route in routes(call, cell.dialect)}
    operations = [
        operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not called or (method.upper(), path) in called
    ]
    return {*EVENTS[cell.dialect.name], *words_of(operations, document)}


def words_of(operations: Iterable[Json], document: Json) -> set[str]:
    """The parameters, fields and values of what some operations take and answer, at any depth."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting: list[Any] = list(operations)
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        if not isinstance(node, dict):
            continue
        found |= set(node.get("properties", ()))
        found |= {each for each in node.get("enum", ()) if isinstance(each, str)}
        found |= {node[name] for name in ("const", "name") if isinstance(node.get(name), str)}
        if "content" in node:  # an answer: of a refusal the description has its codes
            found |= set(re.findall(r"\w+", node.get("description", "")))
        reference = node.get("$ref")
        if reference is not None and reference not in seen:
            seen.add(reference)
            waiting.append(document["components"]["schemas"][reference.rpartition("/")[2]])
        waiting += node.values()
    return found


def source(name: str) -> str:
    folders = (ROOT / "src/drawdown/dialects" / name, ROOT / "src/drawdown/webhooks")
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return "".join(path.read_text("utf-8") for path in files)


def is_in_code(word: str, code: str) -> bool:
    """Headers are known in any case."""
    return bool(IN_CODE.fullmatch(word)) and f'"{word}"'.lower() in code.lower()


def test_every_concept_has_a_cell_for_every_dialect() -> None:
    """One that cannot show it says so with a dash, and then what it shows instead, if anything."""
    found = rows(TABLES)
    concepts = [row[0] for row in found if row != COLUMNS]
    assert len(concepts) > 60
    assert len(set(concepts)) == len(concepts)
    assert not [row for row in found if len(row) != len(COLUMNS) or not all(row)]
    assert not [cell for cell in CELLS if not cell.spans and not is_said_in_words(cell)]


def is_said_in_words(cell: Cell) -> bool:
    """Without a call or field: only a dash, or how a thing is spelled or refused."""
    return cell.text.startswith("—") or bool(re.fullmatch(r"[\w ',;.-]+", cell.text))


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_no_part_of_a_dialect_is_missing_from_the_table(dialect: Dialect) -> None:
    """Whatever can be made has its row: each address that is posted to, without what it is done to."""
    made = {
        (each.method, each.path)
        for each in dialect.endpoints
        if each.method == "POST" and "{" not in each.path
    }
    named = {
        route
        for cell in CELLS
        if cell.dialect is dialect
        for call in cell.calls
        for route in routes(call, dialect)
    }
    assert not made - named
