"""What Stripe's Python SDK says of its calls by its types: method, path, parameters and answer.

Reads the SDK that is imported, whichever version that is, and needs nothing else: it is walked in the
process that the SDK runs in (``child``).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import types
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import (
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    NotRequired,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import stripe
from stripe._stripe_service import StripeService

Json = dict[str, Any]
_VERBS = ("get", "post", "delete")
_UNIONS = (Union, types.UnionType)


class Call(NamedTuple):
    """``name`` is below the client's version: ``v1.billing.credit_grants.create``."""

    name: str
    verb: str
    path: str
    function: types.FunctionType

    @property
    def answer(self) -> Any:
        return self._said["return"]

    @property
    def parameters(self) -> Json:
        """By name: ``required``, the ``words`` that it may be (None: any), and those ``below`` it."""
        return _parameters(self._said.get("params"))

    @property
    def _said(self) -> Json:
        return get_type_hints(self.function, _names(self.function.__module__))


@lru_cache
def calls() -> dict[str, Call]:
    """Every call of the SDK that sends a request, by name."""
    client: Any = stripe.StripeClient("sk_test_none")
    found = (each for name in ("v1", "v2") for each in _calls(getattr(client, name), name))
    return {each.name: each for each in found}


def _calls(service: StripeService, name: str) -> Iterator[Call]:
    for method, function in inspect.getmembers(type(service), inspect.isfunction):
        texts = [each for each in function.__code__.co_consts if isinstance(each, str)]
        verbs = [each for each in texts if each in _VERBS]
        paths = [each for each in texts if each.startswith(("/v1/", "/v2/"))]
        if verbs and paths and not method.endswith("_async"):
            yield Call(f"{name}.{method}", verbs[0].upper(), paths[0], function)
    # The newest makes its services when they are asked for; those before it, when it is made.
    for below in sorted(vars(service).keys() | inspect.get_annotations(type(service)).keys()):
        within = getattr(service, below)
        if isinstance(within, StripeService):
            yield from _calls(within, f"{name}.{below}")


@lru_cache
def _names(module: str) -> dict[str, Any]:
    """A module's own names, and those that it imports for its types alone."""
    loaded = importlib.import_module(module)
    found = dict(vars(loaded))
    for node in ast.walk(ast.parse(inspect.getsource(loaded))):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for each in node.names:
                value = getattr(importlib.import_module(node.module), each.name)
                found[each.asname or each.name] = value
    return found


def _hints(owner: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """Of a class itself, without those of its parents; in a TypedDict they are its own."""
    own = {
        name: hint for name, hint in inspect.get_annotations(owner).items() if name not in without
    }
    said = types.SimpleNamespace(__annotations__=own)
    return get_type_hints(said, _names(owner.__module__), dict(vars(owner)), include_extras=True)


# What may be asked -----------------------------------------------------------------------------------


#: Of the SDK itself, which it does not send.
_OPTIONS = inspect.get_annotations(stripe.RequestOptions).keys()


def _parameters(kind: Any) -> Json:
    found: Json = {}
    for form in _records(kind):
        for name, hint in _hints(form, without=_OPTIONS).items():
            required = get_origin(hint) is not NotRequired
            bare = hint if required else get_args(hint)[0]
            words, below = _words(bare), _parameters(bare)
            found[name] = {"required": required, "words": words, "below": below}
    return found


def _records(kind: Any) -> Iterator[Any]:
    """The hashes that a parameter may be, or a list of."""
    if isinstance(kind, type) and hasattr(kind, "__total__"):
        yield kind
    elif get_origin(kind) in (*_UNIONS, list):
        for each in get_args(kind):
            yield from _records(each)


def _words(kind: Any) -> list[str] | None:
    """Those that a parameter, or each of a list, may be. An empty one unsets it."""
    if get_origin(kind) is Literal:
        return [each for each in get_args(kind) if each != ""]
    if get_origin(kind) in (*_UNIONS, list):
        within = [_words(each) for each in get_args(kind)]
        said = [each for words in within if words is not None for each in words]
        return sorted(set(said)) or None
    return None


# What may be answered --------------------------------------------------------------------------------


class Member(NamedTuple):
    kind: Any
    required: bool


@lru_cache
def members(kind: Any) -> dict[str, Member]:
    """Of a class of answers. What may be null may be left out, as far as the types tell."""
    found: dict[str, Member] = {}
    for base in reversed(kind.__mro__):
        if not issubclass(base, stripe.StripeObject) or base is stripe.StripeObject:
            continue
        private = [name for name in inspect.get_annotations(base) if name.startswith("_")]
        for name, hint in _hints(base, without=private).items():
            if get_origin(hint) is not ClassVar:
                found[name] = Member(hint, not _is_nullable(hint))
    if kind is stripe.SearchResultObject:
        # Its class was written by hand: the vendor's reference has an address, and a page or none.
        found |= {"url": Member(str, True), "next_page": Member(str | None, False)}
    return found


def _is_nullable(hint: Any) -> bool:
    return get_origin(hint) in _UNIONS and type(None) in get_args(hint)


def forms_of(hint: Any) -> tuple[Any, ...]:
    """Of a union, those that tell most first; an enum that may grow has the words that it has."""
    if get_origin(hint) not in _UNIONS:
        return (hint,)
    forms = sorted(get_args(hint), key=lambda each: each in (str, type(None)))
    has_words = any(get_origin(each) is Literal for each in forms)
    return tuple(each for each in forms if not (has_words and each is str))


def bound(hint: Any, given: tuple[Any, ...]) -> Any:
    """A member of a list, of what the list is said to be of."""
    if isinstance(hint, TypeVar):
        return given[0] if given else Any
    if get_origin(hint) is list:
        return list[bound(get_args(hint)[0], given)]  # type: ignore[misc]
    return hint


class Checking:
    """Holds what the SDK read to its types; ``closed``: it must know each field, too."""

    def __init__(self, *, closed: bool) -> None:
        self._closed = closed

    def faults(self, value: Any, hint: Any, where: str) -> list[str]:
        """Of the form that fits best."""
        tried = [self._of_form(value, each, where) for each in forms_of(hint)]
        return min(tried, key=len)

    def _of_form(self, value: Any, form: Any, where: str) -> list[str]:
        origin, given = get_origin(form), get_args(form)
        if form in (Any, object):
            return []
        if origin is Literal:
            return [] if value in given else [f"{where}: {value!r} is none of {given}"]
        if origin is list:
            return self._of_list(value, given[0], where)
        kind = origin or form
        if kind in (dict, Mapping) or kind.__name__ == "UntypedStripeObject":
            return self._of_map(value, given[-1] if given else Any, where)
        if issubclass(kind, stripe.StripeObject):
            return self._of_object(value, kind, given, where)
        if kind is float and type(value) in (int, float):
            return []
        return [] if type(value) is kind else [f"{where}: {value!r} is no {kind.__name__}"]

    def _of_list(self, value: Any, item: Any, where: str) -> list[str]:
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        found = (self.faults(each, item, f"{where}[{n}]") for n, each in enumerate(value))
        return [fault for each in found for fault in each]

    def _of_map(self, value: Any, item: Any, where: str) -> list[str]:
        if not isinstance(value, (dict, stripe.StripeObject)):
            return [f"{where}: {value!r} is no object"]
        found = (self.faults(each, item, f"{where}.{key}") for key, each in fields(value).items())
        return [fault for each in found for fault in each]

    def _of_object(self, value: Any, kind: Any, given: tuple[Any, ...], where: str) -> list[str]:
        if not isinstance(value, stripe.StripeObject):
            return [f"{where}: {value!r} is no {kind.__name__}"]
        held, known = fields(value), members(kind)
        if held.get("deleted") is True:
            return [] if held.keys() == {"id", "object", "deleted"} else [f"{where}: {held}"]
        found = [
            f"{where}.{name}: left out"
            for name, member in known.items()
            if member.required and name not in held
        ]
        if self._closed:
            unknown = held.keys() - known.keys() - {"object"}
            found += [f"{where}.{name}: the SDK does not know it" for name in unknown]
        for name in held.keys() & known.keys():
            hint = bound(known[name].kind, given)
            found += self.faults(held[name], hint, f"{where}.{name}")
        return found


def fields(value: Any) -> Json:
    """Of what the SDK read: an object of its own, or a dictionary."""
    return dict(getattr(value, "_data", value))


def plain(value: Any) -> Any:
    """The same as JSON has it."""
    if isinstance(value, (dict, stripe.StripeObject)):
        return {key: plain(each) for key, each in fields(value).items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, Decimal) else value


# Whether a type reads all that a schema lets through -------------------------------------------------


class Fitting:
    """Compares a document's schemas with types, but for the members ``but``, by the end of their names."""

    def __init__(self, components: Json, but: Collection[str]) -> None:
        self._components, self._but = components, tuple(but)
        #: What is being compared already, further out: an invoice has lines that have their invoice.
        self._comparing: set[tuple[str, str]] = set()

    def faults(self, schema: Json, hint: Any, where: str) -> list[str]:
        """Why some value of the schema is none of the type's."""
        if where.endswith(self._but):
            return []
        if "$ref" in schema:
            return self._of_component(schema, hint, where)
        alternatives = schema.get("anyOf", ())
        if isinstance(schema.get("type"), list):
            alternatives = [schema | {"type": each} for each in schema["type"]]
        if alternatives:
            return [each for one in alternatives for each in self.faults(one, hint, where)]
        tried = [self._of_form(schema, each, where) for each in forms_of(hint)]
        return min(tried, key=len)

    def _of_component(self, schema: Json, hint: Any, where: str) -> list[str]:
        key = schema["$ref"], repr(hint)
        if key in self._comparing:
            return []
        self._comparing.add(key)
        found = self.faults(self._components[schema["$ref"].rpartition("/")[2]], hint, where)
        self._comparing.discard(key)
        return found

    def _of_form(self, schema: Json, form: Any, where: str) -> list[str]:
        origin, given = get_origin(form), get_args(form)
        if form in (Any, object):
            return []
        if origin is Literal:
            return _words_unfit(schema, given, where)
        kind = origin or form
        said = schema.get("type", "string" if "enum" in schema or "const" in schema else None)
        if said not in _KINDS.get(kind, {"object"}):
            return [f"{where}: {said} is no {form}"]
        if kind is list:
            if schema.get("maxItems") == 0:
                return []
            return self.faults(schema.get("items", {}), given[0], f"{where}[]")
        if kind in (dict, Mapping) or kind.__name__ == "UntypedStripeObject":
            value = schema.get("additionalProperties", {})
            return self.faults(value, given[-1], f"{where}{{}}") if given and value else []
        return [] if kind in _KINDS else self._of_object(schema, kind, given, where)

    def _of_object(self, schema: Json, kind: Any, given: tuple[Any, ...], where: str) -> list[str]:
        properties, required = schema.get("properties", {}), set(schema.get("required", ()))
        if "deleted" in required:
            return []
        known = members(kind)
        found = [
            f"{where}.{name}: the SDK requires it"
            for name, member in known.items()
            if member.required and name not in required
        ]
        for name in properties.keys() & known.keys():
            hint = bound(known[name].kind, given)
            found += self.faults(properties[name], hint, f"{where}.{name}")
        return found


def _words_unfit(schema: Json, allowed: tuple[Any, ...], where: str) -> list[str]:
    said = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if said is None:
        return [f"{where}: any {schema.get('type')}, and the SDK knows {len(allowed)} of them"]
    return [f"{where}: {each!r} is none of the SDK's" for each in said if each not in allowed]


_KINDS: dict[Any, set[str]] = {
    str: {"string"},
    Decimal: {"string"},
    int: {"integer"},
    float: {"number", "integer"},
    bool: {"boolean"},
    type(None): {"null"},
    list: {"array"},
}
