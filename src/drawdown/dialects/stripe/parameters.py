"""Parameters of a form to a record, refused in Stripe's words: every value arrives as text.

The record is the allow-list: its fields, their types and their bounds (``msgspec.Meta``) say what is
known. An empty value unsets a field that may be None and is refused for any other. A record's
``unsupported`` names parameters of the reference version that this server cannot honour, with why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

import msgspec
from msgspec import inspect

from drawdown.dialects.stripe.errors import StripeError
from drawdown.web.decoding import check_utf8, decode_json
from drawdown.web.errors import BadRequest, echoed
from drawdown.web.forms import Tree, as_list

METADATA_KEYS_MAX = 50
METADATA_KEY_MAX = 40
METADATA_VALUE_MAX = 500
UNKNOWN_NAMED_MAX = 10
#: Of a body of JSON.
LEVELS_MAX = 8

_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Parameters(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A hash of parameters. Subclasses are the allow-lists."""

    unsupported: ClassVar[dict[str, str]] = {}


class JsonParameters(Parameters, kw_only=True):
    """Of version 2 of the API, whose bodies are JSON: objects, lists and strings (``tree_of``)."""


Record = TypeVar("Record", bound=Parameters)


def read(tree: Tree, record: type[Record]) -> Record:
    """The record that ``tree`` gives. Raises ``StripeError`` naming the first parameter that is wrong."""
    found: Record = _hash(tree, _type_info(record), "")
    return found


def tree_of(raw: bytes) -> Tree:
    """What a body of JSON says, as a form would. Raises ``StripeError``; ``Malformed`` for no JSON at all."""
    check_utf8(raw)
    value = _json(raw) if raw else {}
    if not isinstance(value, dict):
        raise StripeError("The body must be a JSON object.")
    found: Tree = _texts(value, "", 1)
    return found


_json = decode_json(Any)


def _texts(value: Any, name: str, level: int) -> Any:
    """Nulls are left out; every value is a string."""
    if level > LEVELS_MAX:
        message = f"The body may be nested {LEVELS_MAX} levels deep."
        raise StripeError(message, param=echoed(name))
    if isinstance(value, dict):
        return {
            key: _texts(each, below(name, key), level + 1)
            for key, each in value.items()
            if each is not None
        }
    if isinstance(value, list):
        return [_texts(each, f"{name}[{n}]", level + 1) for n, each in enumerate(value)]
    if not isinstance(value, str):
        written = echoed(msgspec.json.encode(value).decode())
        raise StripeError(f"Invalid string: {written}; it must be in quotes.", param=echoed(name))
    return value


@lru_cache(maxsize=256)
def _type_info(record: type) -> Any:
    return inspect.type_info(record)


def _value(value: Any, kind: Any, name: str) -> Any:
    nullable = False
    if isinstance(kind, inspect.UnionType):
        nullable = any(isinstance(each, inspect.NoneType) for each in kind.types)
        kind = next(each for each in kind.types if not isinstance(each, inspect.NoneType))
    if value == "":
        if nullable:
            return None
        raise _empty(name)
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    return _READERS[type(kind)](value, kind, name)


def _hash(value: Any, kind: inspect.StructType, name: str) -> Any:
    if not isinstance(value, dict):
        raise StripeError("Invalid object", param=name)
    fields = {field.encode_name: field for field in kind.fields}
    _refuse_unknown(value, fields.keys(), kind.cls, name)
    arguments = {}
    for key, field in fields.items():
        if key in value:
            arguments[field.name] = _value(value[key], field.type, below(name, key))
        elif field.required:
            raise missing(below(name, key))
    return kind.cls(**arguments)


def _refuse_unknown(value: Tree, known: Iterable[str], record: type, name: str) -> None:
    unknown = [key for key in value if key not in known]
    for key in unknown:
        reason = getattr(record, "unsupported", {}).get(key)
        if reason is not None:
            raise unsupported(below(name, key), reason)
    if unknown:
        names = [echoed(below(name, key)) for key in unknown[:UNKNOWN_NAMED_MAX]]
        plural = "s" if len(unknown) > 1 else ""
        raise StripeError(
            f"Received unknown parameter{plural}: {', '.join(names)}",
            code="parameter_unknown",
            param=names[0],
        )


def _list(value: Any, kind: inspect.ListType, name: str) -> list[Any]:
    try:
        items = as_list(value, name)
    except BadRequest:
        raise StripeError("Invalid array", param=name) from None
    if kind.max_length is not None and len(items) > kind.max_length:
        raise StripeError(f"{name} takes at most {kind.max_length} items.", param=name)
    return [_value(item, kind.item_type, f"{name}[{index}]") for index, item in enumerate(items)]


def _metadata(value: Any, kind: inspect.DictType, name: str) -> dict[str, str]:
    """Keys to values; an empty value stays, since it deletes its key."""
    if not isinstance(value, dict):
        raise StripeError("Invalid object", param=name)
    if len(value) > METADATA_KEYS_MAX:
        raise StripeError(f"{name} takes at most {METADATA_KEYS_MAX} keys.", param=name)
    found = {}
    for key, item in value.items():
        param = echoed(below(name, key))
        if not 1 <= len(key) <= METADATA_KEY_MAX or _CONTROL.search(key):
            rule = f"keys of 1 to {METADATA_KEY_MAX} characters, none of them a control character"
            raise StripeError(f"{name} takes {rule}.", param=param)
        found[key] = _text(item, param, METADATA_VALUE_MAX)
    return found


def _string(value: Any, kind: inspect.StrType, name: str) -> str:
    text = _text(value, name, kind.max_length)
    if kind.pattern is not None and re.fullmatch(kind.pattern, text) is None:
        raise StripeError(f"Invalid {name}: must match {kind.pattern}", param=name)
    return text


def _text(value: Any, name: str, longest: int | None) -> str:
    text = _scalar(value, "string", name)
    if longest is not None and len(text) > longest:
        raise StripeError(
            f"Invalid string: {echoed(text)}; {name} takes at most {longest} characters, and this has "
            f"{len(text)}.",
            param=name,
        )
    if _CONTROL.search(text):
        raise StripeError(f"Invalid string: {name} has control characters in it.", param=name)
    return text


def _integer(value: Any, kind: inspect.IntType, name: str) -> int:
    text = _scalar(value, "integer", name)
    if _INTEGER.fullmatch(text) is None:
        raise _not_integer(f"Invalid integer: {echoed(text)}", name)
    number = int(text)
    if kind.ge is not None and number < kind.ge:
        raise _not_integer(f"This value must be greater than or equal to {kind.ge}.", name)
    if kind.le is not None and number > kind.le:
        raise _not_integer(f"This value must be less than or equal to {kind.le}.", name)
    return number


def _enum(value: Any, kind: inspect.EnumType, name: str) -> Any:
    return kind.cls(_choice(value, [member.value for member in kind.cls], name))


def _literal(value: Any, kind: inspect.LiteralType, name: str) -> str:
    return _choice(value, [str(each) for each in kind.values], name)


def _choice(value: Any, options: list[str], name: str) -> str:
    text = _scalar(value, "string", name)
    if text not in options:
        raise StripeError(f"Invalid {name}: must be {_either(options)}", param=name)
    return text


def _scalar(value: Any, noun: str, name: str) -> str:
    if isinstance(value, str):
        return value
    shape = "an array" if isinstance(value, list) else "an object"
    raise StripeError(f"Invalid {noun}: {name} was given as {shape}.", param=name)


def _boolean(value: Any, kind: inspect.BoolType, name: str) -> bool:
    text = _scalar(value, "boolean", name)
    if text not in ("true", "false"):
        raise StripeError(f"Invalid boolean: {echoed(text)}", param=name)
    return text == "true"


def _as_it_came(value: Any, kind: inspect.AnyType, name: str) -> Any:
    """What its endpoint reads by itself: a parameter of several shapes."""
    return value


_READERS: dict[type, Callable[[Any, Any, str], Any]] = {
    inspect.AnyType: _as_it_came,
    inspect.BoolType: _boolean,
    inspect.StructType: _hash,
    inspect.ListType: _list,
    inspect.DictType: _metadata,
    inspect.StrType: _string,
    inspect.IntType: _integer,
    inspect.EnumType: _enum,
    inspect.LiteralType: _literal,
}


def below(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key


def missing(name: str) -> StripeError:
    return StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)


def unsupported(name: str, reason: str) -> StripeError:
    """For a parameter that Stripe knows and this server cannot honour: better refused than ignored."""
    return StripeError(f"The parameter {name} is not supported here: {reason}", param=name)


def _empty(name: str) -> StripeError:
    return StripeError(
        f"An empty value unsets a parameter, and {name} cannot be unset. Leave {name} out, or give it a "
        "value.",
        code="parameter_invalid_empty",
        param=name,
    )


def _not_integer(message: str, name: str) -> StripeError:
    return StripeError(message, code="parameter_invalid_integer", param=name)


def _either(options: list[str]) -> str:
    """``a``; ``one of a or b``; ``one of a, b, or c``."""
    if len(options) == 1:
        return options[0]
    comma = "," if len(options) > 2 else ""
    return f"one of {', '.join(options[:-1])}{comma} or {options[-1]}"
