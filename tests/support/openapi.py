"""What holds of every dialect's OpenAPI document: it is whole, valid, and what the server does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from schemathesis.specs.openapi import checks

from drawdown.web.endpoints import Endpoint

Json = dict[str, Any]

#: Headers that say where a request ends, which is its sender's to know.
FRAMING = frozenset({"content-length", "transfer-encoding"})


def document_at(url: str) -> Json:
    found: Json = httpx.get(url, verify=False).raise_for_status().json()
    return found


def operations(document: Json) -> dict[tuple[str, str], Json]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def assert_operations_are_whole(
    document: Json, error_media: str, refused: frozenset[str] = frozenset({"400", "413", "422"})
) -> None:
    """Each says what it takes, answers and refuses, under a name of its own; ``refused``: of a body."""
    names = set()
    for (method, path), operation in operations(document).items():
        names.add(operation["operationId"])
        assert operation["summary"]
        declared = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))
        responses = operation["responses"]
        assert len([status for status in responses if status.startswith("2")]) == 1
        assert {"401", "403", "429", "500", "503"} <= set(responses)
        for status, response in responses.items():
            assert response["description"]
            assert "Request-Id" in response["headers"]
            assert ("Retry-After" in response["headers"]) == (status in ("429", "503"))
            if int(status) >= 400:
                assert response["content"][error_media]["schema"]
        if "requestBody" in operation:
            assert refused <= set(responses), (method, path)
    assert len(names) == len(operations(document))


def assert_schemas_are_valid(document: Json) -> None:
    """And every reference leads to one."""
    schemas = document["components"]["schemas"]
    for reference in _references(document):
        assert reference.rpartition("/")[0] == "#/components/schemas"
        assert reference.rpartition("/")[2] in schemas
    for name in schemas:
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        Draft202012Validator(whole)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _references(each)


def assert_answers_are_as_documented(
    base: str,
    secret: str,
    row: Endpoint,
    mode: schemathesis.GenerationMode,
    *,
    examples: int = 10,
    without: Iterable[Callable[..., Any]] = (),
    document: str = "/openapi.json",
) -> None:
    """Requests drawn from the document below ``base``, right and wrong: status, type and shape agree with it.

    They are the same each time, and say truly how long they are: one that does not is no request.
    Left out are two checks: that it works without a key (the key is sent beside the case; test_access
    says what happens without), and that all that fits the schema is accepted, since no schema says
    which characters can be printed or which customers exist.
    """
    operation = _schema_at(base, document)[row.path][row.method]
    if not operation.body and not operation.query and not operation.path_parameters:
        cases = st.just(operation.Case())
    else:
        cases = operation.as_strategy(generation_mode=mode)

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def check(case: schemathesis.Case[Any]) -> None:
        for name in [each for each in case.headers if each.lower() in FRAMING]:
            del case.headers[name]
        case.call_and_validate(
            headers={"authorization": f"Bearer {secret}"},
            excluded_checks=[checks.ignored_auth, checks.positive_data_acceptance, *without],
        )

    check()


@lru_cache
def _schema_at(base: str, document: str) -> Any:
    """Read once of each server."""
    schema = schemathesis.openapi.from_url(base + document)
    schema.config.update(base_url=base, request_timeout=60)
    return schema


class Described:
    """Holds answers to a document; ``base`` is what its paths stand under."""

    def __init__(self, document: Json, base: str) -> None:
        self._base, self._operations = base, operations(document)
        self._components = {
            "schemas": {k: _closed(v) for k, v in document["components"]["schemas"].items()}
        }
        self._validators: dict[str, Draft202012Validator] = {}
        #: What was answered with a shape that the document gives.
        self.seen: set[tuple[str, str, int]] = set()

    def check(self, method: str, target: str, status: int, body: bytes) -> None:
        """The status is documented, and the body is of its schema, with nothing beside it."""
        path = target.removeprefix(self._base).partition("?")[0]
        found = self._template(method, path)
        responses = self._operations[method, found]["responses"]
        assert str(status) in responses, f"{method} {found} answers {status}, which is undocumented"
        content = responses[str(status)].get("content")
        if content is None:
            assert body == b"", f"{method} {found} answers what is undocumented: {body!r}"
        else:
            [media] = content.values()
            self._validate(media["schema"], body)
        self.seen.add((method, found, status))

    def _template(self, method: str, path: str) -> str:
        """Of those that fit, the one with most literal segments."""
        fitting = [
            each
            for verb, each in self._operations
            if verb == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", each), path)
        ]
        assert fitting, f"{method} {path} is undocumented"
        return min(fitting, key=lambda each: each.count("{"))

    def _validate(self, schema: Json, body: bytes) -> None:
        name = str(schema)
        if name not in self._validators:
            whole = {"allOf": [schema], "components": self._components}
            self._validators[name] = Draft202012Validator(whole, validate_formats=True)
        self._validators[name].validate(json.loads(body))


def _closed(schema: Json) -> Json:
    """The same, with nothing beside what it names."""
    closes = "properties" in schema and "additionalProperties" not in schema
    return schema | {"additionalProperties": False} if closes else schema
