"""Bodies and query strings to records; what msgspec says about them to a field and a rule."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any, get_origin

import msgspec
from msgspec.structs import fields

from drawdown.web import forms
from drawdown.web.errors import BadRequest, Malformed, MissingField, UnknownField
from drawdown.web.headers import Headers

_PATH = re.compile(r" - at (`key` in |`key` in )?`\$(.*)`\Z", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_EXPECTED = re.compile(
    r"Expected `([^`]*)`(?:, got .*| (of length|matching regex|>=|<=|>|<|that's) ?(.*))?", re.DOTALL
)
_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_COMPARISONS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def json_decoder(record: type) -> Callable[[bytes, Headers], Any]:
    """Reads JSON bodies of ``record``; raises ``Malformed`` or ``BadRequest``, nothing else."""
    decode = decode_json(record)

    def decode_body(raw: bytes, headers: Headers) -> Any:
        if not raw.isascii():
            check_utf8(raw)
        return decode(raw)

    return decode_body


def check_utf8(raw: bytes) -> None:
    """msgspec looks at the text it decodes, not at what it skips or leaves raw."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("The body", "valid UTF-8") from None


def decode_json(record: Any) -> Callable[[bytes | msgspec.Raw], Any]:
    """A strict decoder of one JSON value of type ``record``.

    Malformed JSON is told as such even when a field before the fault breaks a rule as well.
    """
    decode = msgspec.json.Decoder(record).decode

    def decode_value(raw: bytes | msgspec.Raw) -> Any:
        try:
            return decode(raw)
        except msgspec.ValidationError as error:
            raise _no_json(raw) or bad_request(error, record) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(error) from None

    return decode_value


def _no_json(raw: bytes | msgspec.Raw) -> Malformed | None:
    """What keeps ``raw`` from being JSON, or None. No name holds what is raised: see its test."""
    try:
        msgspec.json.decode(raw)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return malformed(error)
    return None


def malformed(error: Exception) -> Malformed:
    """What keeps a body from being JSON at all."""
    if isinstance(error, UnicodeDecodeError):
        return Malformed("The body", "valid UTF-8")
    if isinstance(error, RecursionError):
        return Malformed("The body", "JSON that is not nested this deeply")
    return Malformed("The body", _json_rule(str(error)))


def query_decoder(record: type) -> Callable[[bytes], Any]:
    """Reads flat query strings of ``record``: numbers and booleans are written as text.

    A parameter given twice is refused, but for a list: that is one given often, or with commas.
    """
    lists = {each.encode_name for each in fields(record) if get_origin(each.type) is list}

    def decode_query(raw: bytes) -> Any:
        return convert(forms.flat(raw, lists=lists), record) if raw else convert({}, record)

    return decode_query


def convert(value: Any, record: type) -> Any:
    """``value`` (from a form or a query, so its scalars are text) as a ``record``."""
    try:
        return msgspec.convert(value, record, strict=False)
    except msgspec.ValidationError as error:
        raise bad_request(error, record) from None


def bad_request(error: msgspec.ValidationError, record: Any) -> BadRequest:
    """The field that msgspec names and the rule that it broke, in words for people."""
    text = str(error)
    match = _PATH.search(text)
    path, in_key = (match[2], bool(match[1])) if match else ("", False)
    said = text[: match.start()] if match else text
    field = path.removeprefix(".").replace("[...]", "")
    if found := _UNKNOWN.fullmatch(said):
        return UnknownField(f"{field}.{found[1]}" if field else found[1])
    if found := _MISSING.fullmatch(said):
        return MissingField(f"{field}.{found[1]}" if field else found[1])
    rule = _rule(said, path, record)
    if in_key:
        rule = f"an object whose keys are {rule}"
    elif path.endswith("[...]"):
        rule = f"an object in which every value is {rule}"
    return BadRequest(field, rule)


def _rule(said: str, path: str, record: Any) -> str:
    if said.startswith("Invalid enum value"):
        return _options(record, path)
    found = _EXPECTED.fullmatch(said)
    if found is None:
        return "within range" if "out of range" in said else f"valid ({said})"
    noun = _noun(found[1])
    relation, bound = found[2], found[3]
    if relation is None:
        options = _options(record, path) if found[1] in {"str", "str | null"} else ""
        return noun if options in {"", "valid"} else options
    if relation == "of length":
        sign, _, count = bound.partition(" ")
        things = "characters" if found[1] == "str" else "items"
        return f"{noun} of {_COMPARISONS[sign]} {count} {things}"
    if relation in _COMPARISONS:
        return f"{noun} of {_COMPARISONS[relation]} {bound}"
    return f"{noun} {relation} {bound}"


def _noun(names: str) -> str:
    words = [_WORDS.get(name, name) for name in names.split(" | ") if name != "null"] or ["null"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _options(record: Any, path: str) -> str:
    """The values of the enum at ``path`` in ``record``, in words; "valid" when there is none."""
    found = _enum_at(_type_info(record), re.findall(r"\.([^.\[\]]+)|(\[)", path))
    if found is None:
        return "valid"
    values = [str(member.value) for member in found]
    return f"one of {', '.join(values)}"


@lru_cache(maxsize=256)
def _type_info(record: Any) -> Any:
    return msgspec.inspect.type_info(record)


def _enum_at(info: Any, steps: list[tuple[str, str]]) -> type[Enum] | None:
    if isinstance(info, msgspec.inspect.Metadata):
        return _enum_at(info.type, steps)
    if isinstance(info, msgspec.inspect.UnionType):
        return next((found for each in info.types if (found := _enum_at(each, steps))), None)
    if not steps:
        return info.cls if isinstance(info, msgspec.inspect.EnumType) else None
    name, _ = steps[0]
    if isinstance(info, msgspec.inspect.StructType):
        below = next((field.type for field in info.fields if field.encode_name == name), None)
    else:
        below = getattr(info, "value_type", None) or getattr(info, "item_type", None)
    return None if below is None else _enum_at(below, steps[1:])


@lru_cache(maxsize=64)
def _json_rule(said: str) -> str:
    detail = said.removeprefix("JSON is malformed: ")
    return f"a JSON value ({detail[0].lower()}{detail[1:]})"
