"""Every field of every request: missing, null, of another type, too long, out of its range, unknown.

Each is refused with 400, by the field's name; and afterwards there is nothing that was not there before.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import msgspec
import pytest

from drawdown.web.endpoints import Endpoint
from tests.dialects.sequence.calls import CALLS, DAYS
from tests.dialects.sequence.contract import Envelope, read, refusal
from tests.dialects.sequence.fields import FIELDS, changed, places
from tests.dialects.sequence.test_every_endpoint import ENDPOINTS, name_of
from tests.dialects.sequence.test_every_key import shown
from tests.dialects.sequence.world import NOTHING, Ask, World

BODIES = [row for row in ENDPOINTS if row.body is not None]
QUERIES = [row for row in ENDPOINTS if row.query is not None]
each_body = pytest.mark.parametrize("endpoint", BODIES, ids=name_of)


def asked(endpoint: Endpoint, world: World) -> tuple[Ask, dict[str, Any]]:
    """The usual call, whose body has every field."""
    ask = CALLS[name_of(endpoint)](world)
    body = dict(ask.body or {})
    if "/usage-metrics" in endpoint.path and endpoint.method == "PUT":
        body = dict(CALLS["POST /usage-metrics"](world).body or {})
    if name_of(endpoint) == "PUT /customers/{id}":
        body["parentId"] = world.customer()
    return ask, body


def sent(ask: Ask, world: World, body: dict[str, Any]) -> httpx.Response:
    return replace(ask, body=body).send(world.client)


@each_body
def test_every_field_is_tried(endpoint: Endpoint, world: World) -> None:
    """Of what the endpoint reads nothing is left out, and the usual call gives all of it."""
    assert endpoint.body is not None
    expected = set(places(endpoint.body))
    assert set(FIELDS[name_of(endpoint)]) == expected
    ask, body = asked(endpoint, world)
    for place in expected:
        changed(body, place, msgspec.UNSET)
    assert sent(ask, world, body).status_code == endpoint.status


@each_body
def test_a_field_that_breaks_its_rule_is_refused_by_name(endpoint: Endpoint, world: World) -> None:
    ask, body = asked(endpoint, world)
    before = shown(world.client)
    for place, field in FIELDS[name_of(endpoint)].items():
        for value in field.wrong:
            answer = sent(ask, world, changed(body, place, value))
            message = refusal(answer, 400, "ValidationError")
            assert place.removesuffix("[0]") in message, (place, value, message)
    assert shown(world.client) == before
    assert sent(ask, world, body).status_code == endpoint.status


@each_body
def test_what_is_required_can_be_neither_left_out_nor_null(
    endpoint: Endpoint, world: World
) -> None:
    """What only other fields require may be missing from the list of those that a document requires."""
    ask, body = asked(endpoint, world)
    before = shown(world.client)
    for place, field in FIELDS[name_of(endpoint)].items():
        if not field.required:
            continue
        refusal(sent(ask, world, changed(body, place, None)), 400, "ValidationError", place)
        if not place.endswith("]"):
            left_out = changed(body, place, msgspec.UNSET)
            refusal(sent(ask, world, left_out), 400, "ValidationError", place)
    assert shown(world.client) == before


@each_body
def test_what_is_optional_may_be_left_out_or_null(endpoint: Endpoint, world: World) -> None:
    """Both are the same, and neither is answered with null."""
    for value in (None, msgspec.UNSET):
        ask, body = asked(endpoint, world)
        for place, field in FIELDS[name_of(endpoint)].items():
            if not field.required:
                body = changed_if_there(body, place, value)
        answer = sent(ask, world, body)
        assert answer.status_code == endpoint.status, answer.text
        read(answer, endpoint.status, ask.record or Envelope)


def changed_if_there(body: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """Of what was left out before, there is nothing to leave out."""
    try:
        return changed(body, place, value)
    except (KeyError, TypeError, IndexError):
        return body


@each_body
def test_a_field_that_it_does_not_have_is_refused_by_name(endpoint: Endpoint, world: World) -> None:
    """Also in an object in the body, and where it differs in its case alone."""
    ask, body = asked(endpoint, world)
    before = shown(world.client)
    first = next(iter(body))
    names = ["surprise", "id", first.capitalize(), "", "ä", "x" * 5_000]
    within = [place for place in ("address", "contacts[0]") if place.split("[")[0] in body]
    for place in [*names, *(f"{each}.surprise" for each in within)]:
        answer = sent(ask, world, changed(body, place, 1) if place else body | {"": 1})
        refusal(answer, 400, "ValidationError", place[:200], "leave it out")
    assert shown(world.client) == before


NOT_BODIES = (b"", b" ", b"{", b"[]", b'"x"', b"1", b"null", b"true", b'{"a":1,}', b"\xff", b"a=b")


@each_body
def test_a_body_that_is_no_object_is_refused(endpoint: Endpoint, world: World) -> None:
    ask, _ = asked(endpoint, world)
    before = shown(world.client)
    deep = (b"[" * 100_000, b'{"a":' * 100_000, json.dumps([{}] * 9).encode())
    for content in (*NOT_BODIES, *deep):
        answer = world.client.request(ask.method, ask.path, content=content, headers=ask.headers)
        refusal(answer, 400, "ValidationError")
    assert shown(world.client) == before


# Queries ---------------------------------------------------------------------------------------------

_CURSORS = ("", "x", "!!!!", "AAAA", "A" * 23 + "=", "A" * 10_000, "ä", NOTHING, "{}", "null")
_WHEN = ("", "x", "yesterday", "2026-02-30", "2026-13-01T00:00:00Z", "99999-01-01T00:00:00Z")
_DAYS = ("", "x", "2026-02-30", "2026-1-1", "1969-12-31", "2026-01-01T00:00:00Z")
#: What no value of a parameter is.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "limit": ("0", "101", "-1", "1.5", "", "x", "9" * 40, "null", "true"),
    "after": _CURSORS,
    "before": _CURSORS,
    "offset": ("-1", "10001", "x", "", "1.5"),
    "sortBy": ("", "id", "eventTimestamp", "createdat"),
    "sortOrder": ("", "asc", "UP"),
    "customerAlias": ("", "x" * 256, "a\nb"),
    "unmappedAliasesOnly": ("", "yes", "2"),
    "legalName": ("", "x" * 501, "a\x00b"),
    "email": ("", "x" * 501, "a\x00b"),
    "alias": ("", "x" * 256, "a\nb"),
    "includeArchived": ("", "yes", "2"),
    "value": ("", "x" * 256, "a\nb"),
    "name": ("", "x" * 501, "a\x00b"),
    "id": ("", "x" * 501, "a\x00b"),
    "eventProperty": ("", "x" * 101, "a,", "a\x00b"),
    "aggregationType": ("", "sum", "SUM,", "MEAN"),
    "notificationType": ("", "WEATHER", "customer_created"),
    "customParameters": ("myParam=10", "{}"),
    "eventType": ("", "x" * 101, "a\x00b", "drawdown.replaced"),
    "eventId": ("", "x" * 256, "a\x00b", "a\nb"),
    "eventTimestampBefore": _WHEN,
    "eventTimestampAfter": _WHEN,
    "customerAliases": ("", "nobody", "x" * 256, ",", "a\nb", ",".join(["x"] * 101)),
    "periodStart": (*_DAYS, "2032-01-01"),
    "periodEnd": (*_DAYS, "2025-12-31"),
}


@pytest.mark.parametrize("endpoint", QUERIES, ids=name_of)
def test_a_parameter_that_breaks_its_rule_is_refused_by_name(
    endpoint: Endpoint, world: World
) -> None:
    assert endpoint.query is not None
    ask = CALLS[name_of(endpoint)](world)
    names = {field.encode_name for field in msgspec.structs.fields(endpoint.query)}
    assert names <= PARAMETERS.keys()
    for name in names:
        for value in PARAMETERS[name]:
            answer = world.client.get(ask.path, params=ask.query | {name: value})
            refusal(answer, 400, "ValidationError", name)
    answer = world.client.get(ask.path, params=ask.query | {"surprise": "1"})
    refusal(answer, 400, "ValidationError", "surprise")


@pytest.mark.parametrize("endpoint", QUERIES, ids=name_of)
def test_a_parameter_is_given_once(endpoint: Endpoint, world: World) -> None:
    """Only ``customerAliases`` are several."""
    ask = CALLS[name_of(endpoint)](world)
    name = "periodStart" if "periodStart" in ask.query else "limit"
    params = [*ask.query.items(), (name, ask.query.get(name, "1")), (name, "1")]
    refusal(world.client.get(ask.path, params=params), 400, "ValidationError", name)


def test_calculate_takes_all_of_its_parameters(world: World) -> None:
    ask = CALLS["GET /usage-metrics/{id}/calculate"](world)
    for name in ask.query:
        given = {each: value for each, value in ask.query.items() if each != name}
        refusal(world.client.get(ask.path, params=given), 400, "ValidationError", name)
    turned = ask.query | {"periodStart": DAYS["periodEnd"], "periodEnd": DAYS["periodStart"]}
    refusal(world.client.get(ask.path, params=turned), 400, "ValidationError", "periodEnd")


@pytest.mark.parametrize("value", ["", "nobody", NOTHING, "acct_x", "ä".encode().decode("latin-1")])
def test_on_behalf_of_whom_is_required(value: str, world: World) -> None:
    """The account of the key, in any spelling; before anything is moved."""
    ask = CALLS["POST /credit-transactions"](world)
    before = shown(world.client)
    for headers in ({}, {"On-Behalf-Of": value.encode("latin-1")}):
        answer = world.client.post(ask.path, json=ask.body, headers=headers)  # type: ignore[arg-type]
        refusal(answer, 400, "ValidationError", "On-Behalf-Of", "account of the API key")
    assert shown(world.client) == before
    ask.granted(world.client)
