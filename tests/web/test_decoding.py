"""What msgspec says about a body, as a field and a rule in words."""

from __future__ import annotations

import gc
from contextlib import suppress
from enum import StrEnum
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from drawdown.web.decoding import decode_json, json_decoder, query_decoder
from drawdown.web.errors import BadRequest, Malformed, MissingField, UnknownField
from drawdown.web.headers import Headers


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    count: int
    colour: Colour | None = None


class Outer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    inner: Inner | None = None
    items: Annotated[list[Inner], Meta(max_length=2)] = []
    size: Annotated[int, Meta(ge=1, le=100)] = 1
    labels: dict[Annotated[str, Meta(max_length=3)], str] = {}
    value: str | int | bool = ""
    colours: dict[str, Colour] = {}
    raw: msgspec.Raw = msgspec.Raw(b"null")


@pytest.mark.parametrize(
    "body", [b'{"name":1}', b'{"colour":1}', b'{"name":1', b'{"name":1}}', b"{"]
)
def test_a_body_that_is_refused_is_let_go_of_at_once(body: bytes) -> None:
    """Were there a cycle of references, megabytes would wait for the garbage collector."""
    decode = decode_json(Outer)
    with suppress(BadRequest, Malformed):
        decode(body)
    gc.collect()
    with suppress(BadRequest, Malformed):
        decode(body)
    assert gc.collect() == 0


@pytest.mark.parametrize("body", ['{"%s":1}', '{"name":"a","inner":{"count":1,"%s":1}}'])
def test_a_name_that_was_sent_is_repeated_only_as_far_as_a_person_would_read_it(body: str) -> None:
    with pytest.raises(UnknownField) as caught:
        decode_json(Outer)((body % ("x" * 100_000)).encode())
    assert len(caught.value.field) < 250
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("body", "kind", "field", "rule"),
    [
        ('{"name":1}', BadRequest, "name", "a string"),
        ('{"name":"a","size":"1"}', BadRequest, "size", "a whole number"),
        ('{"name":"a","size":1.5}', BadRequest, "size", "a whole number"),
        ('{"name":"a","size":0}', BadRequest, "size", "a whole number of at least 1"),
        ('{"name":"a","size":101}', BadRequest, "size", "a whole number of at most 100"),
        ('{"name":"a","value":%s}' % ("9" * 5000), BadRequest, "value", "within range"),
        ('{"name":"a","inner":{"count":true}}', BadRequest, "inner.count", "a whole number"),
        ('{"name":"a","inner":[]}', BadRequest, "inner", "an object"),
        ('{"name":"a","items":[{"count":1},{}]}', MissingField, "items[1].count", "given"),
        (
            '{"name":"a","items":[{"count":1},{"count":1},{"count":1}]}',
            BadRequest,
            "items",
            "a list of at most 2 items",
        ),
        (
            '{"name":"a","inner":{"count":1,"colour":"blue"}}',
            BadRequest,
            "inner.colour",
            "one of red, green",
        ),
        (
            '{"name":"a","inner":{"count":1,"colour":3}}',
            BadRequest,
            "inner.colour",
            "one of red, green",
        ),
        (
            '{"name":"a","colours":{"x":"blue"}}',
            BadRequest,
            "colours",
            "an object in which every value is one of red, green",
        ),
        (
            '{"name":"a","labels":{"x":1}}',
            BadRequest,
            "labels",
            "an object in which every value is a string",
        ),
        (
            '{"name":"a","labels":{"long":"x"}}',
            BadRequest,
            "labels",
            "an object whose keys are a string of at most 3 characters",
        ),
        (
            '{"name":"a","value":[]}',
            BadRequest,
            "value",
            "true or false, a whole number or a string",
        ),
        ("{}", MissingField, "name", "given"),
        ('{"name":"a","other":1}', UnknownField, "other", None),
        ('{"name":"a","inner":{"count":1,"x.y":2}}', UnknownField, "inner.x.y", None),
        ("[]", BadRequest, "", "an object"),
        ("null", BadRequest, "", "an object"),
    ],
)
def test_a_body_that_breaks_a_rule_is_told_field_and_rule(
    body: str, kind: type[BadRequest], field: str, rule: str | None
) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_json(Outer)(body.encode())
    assert type(caught.value) is kind
    assert caught.value.field == field
    if rule is not None:
        assert caught.value.rule == rule


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name":"a"} x',
        b'{"name":NaN}',
        b"{'name':'a'}",
        b'{"name":"a\x00"}',
        b'{"name":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b'{"name":"\xff"}',
        b'{"\xff":1}',
        b'{"name":"a","raw":"\xff"}',
        b'{"name":"a","raw":%s}' % (b"[" * 100_000 + b"]" * 100_000),
    ],
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    """Invalid UTF-8 and deep nesting too, even in a value that is kept as it came."""
    with pytest.raises(Malformed, match="The body must be"):
        json_decoder(Outer)(body, Headers([]))


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "ignore"))
)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    decode = json_decoder(Outer)
    with suppress(Malformed, BadRequest):
        assert isinstance(decode(raw, Headers([])), Outer)


class Query(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    live: bool = False
    colour: Colour | None = None


def test_a_query_reads_numbers_and_words_from_text() -> None:
    decode = query_decoder(Query)
    assert decode(b"") == Query()
    assert decode(b"limit=5&live=true&colour=red") == Query(5, True, Colour.RED)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"limit=0", "limit"),
        (b"limit=1.5", "limit"),
        (b"limit=", "limit"),
        (b"limit=5&limit=6", "limit"),
        (b"live=maybe", "live"),
        (b"colour=blue", "colour"),
        (b"other=1", "other"),
    ],
)
def test_a_query_that_breaks_a_rule_is_told_the_field(raw: bytes, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        query_decoder(Query)(raw)
    assert caught.value.field == field
