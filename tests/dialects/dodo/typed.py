"""What the vendor's Python SDK says of each of its calls by its types: method, path, parameters and answer.

Read from the SDK as it is installed: a newer one is walked in the same way.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import types
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import dodopayments.resources
from dodopayments._models import BaseModel
from dodopayments._resource import SyncAPIResource

Json = dict[str, Any]
_CALL = re.compile(
    r"self\._(get|post|put|patch|delete|get_api_list)\(\s*(?:path_template\(\s*)?\"(/[^\"]*)\""
)
_PARAMS = re.compile(r"(\w+_params)\.(\w+Params)\b")
_PARAMETER = re.compile(r"\{\w+\}")


class Typed(NamedTuple):
    """``answer`` is a type, or None where nothing is answered; ``given`` the parameters by their names, and
    which of them the SDK requires. A path's parameters have no names here.
    """

    answer: Any
    given: Json
    required: frozenset[str]


def pattern(path: str) -> str:
    """A path whatever its parameters are called."""
    return _PARAMETER.sub("{}", path)


def calls() -> dict[tuple[str, str], Typed]:
    """Every call of the SDK by method and path."""
    found: dict[tuple[str, str], Typed] = {}
    for resource in _resources():
        for _, function in inspect.getmembers(resource, inspect.isfunction):
            asked = _CALL.search(inspect.getsource(function))
            if asked is None:
                continue
            method = "GET" if asked[1] == "get_api_list" else asked[1].upper()
            found[method, pattern(asked[2])] = _typed(resource, function)
    return found


def _resources() -> Iterator[type[SyncAPIResource]]:
    package = dodopayments.resources
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        loaded = importlib.import_module(module.name)
        for _, value in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(value, SyncAPIResource) and value.__module__ == module.name:
                yield value


def _typed(resource: type[SyncAPIResource], function: types.FunctionType) -> Typed:
    names = vars(importlib.import_module(resource.__module__))
    answer = get_type_hints(function, names)["return"]
    asked = _PARAMS.search(inspect.getsource(function))
    if asked is None:
        return Typed(answer, {}, frozenset())
    params = getattr(names[asked[1]], asked[2])
    forms = get_args(params) or (params,)
    given = {name: kind for form in forms for name, kind in get_type_hints(form).items()}
    required = (set(filter(_is_required(form), get_type_hints(form))) for form in forms)
    return Typed(answer, given, frozenset(set.intersection(*required)))


def _is_required(form: Any) -> Callable[[str], bool]:
    """Whether a member of a TypedDict must be there: its own list is wrong where its hints are texts."""
    hints = get_type_hints(form, include_extras=True)
    return lambda name: get_origin(hints[name]) is Required


# Whether a type reads all that a schema lets through -------------------------------------------------


class Fitting:
    """Compares a document's schemas with types; ``problems`` are where they differ."""

    def __init__(self, components: Json) -> None:
        self._components = components
        self.problems: list[str] = []
        #: What is being compared already, further out: a filter has filters within.
        self._comparing: set[tuple[str, str]] = set()

    def check(self, schema: Json, kind: Any, where: str) -> None:
        self.problems += self._unfit(schema, kind, where)

    def properties(self, schema: Json) -> tuple[Json, set[str]]:
        """Of an object: those it may have, and those it must."""
        while "$ref" in schema:
            schema = self._component(schema)
        return schema.get("properties", {}), set(schema.get("required", ()))

    def _component(self, schema: Json) -> Json:
        found: Json = self._components[schema["$ref"].rpartition("/")[2]]
        return found

    def _unfit(self, schema: Json, kind: Any, where: str) -> list[str]:
        """Why some value of the schema is none of the type's."""
        kind = _bare(kind)
        if "$ref" in schema:
            return self._unfit_component(schema, kind, where)
        alternatives = schema.get("anyOf", ())
        if isinstance(schema.get("type"), list):
            alternatives = [schema | {"type": each} for each in schema["type"]]
        if alternatives:
            return [each for one in alternatives for each in self._unfit(one, kind, where)]
        if get_origin(kind) in (Union, types.UnionType):
            tried = [self._unfit(schema, each, where) for each in get_args(kind)]
            return min(tried, key=len)
        return self._unfit_single(schema, kind, where)

    def _unfit_component(self, schema: Json, kind: Any, where: str) -> list[str]:
        key = schema["$ref"], repr(kind)
        if key in self._comparing:
            return []
        self._comparing.add(key)
        found = self._unfit(self._component(schema), kind, where)
        self._comparing.discard(key)
        return found

    def _unfit_single(self, schema: Json, kind: Any, where: str) -> list[str]:
        said, origin = schema.get("type"), get_origin(kind)
        if kind is object:
            return []
        if origin is Literal:
            return _unfit_literal(schema, get_args(kind), where)
        expected = {list: {"array"}, dict: {"object"}}.get(origin, _SCALARS.get(kind, {"object"}))
        if said not in expected:
            return [f"{where}: {said} is no {kind}"]
        if origin is list:
            nothing = schema.get("maxItems") == 0
            return [] if nothing else self._unfit(schema["items"], get_args(kind)[0], f"{where}[]")
        if origin is dict:
            value = schema.get("additionalProperties", {})
            return self._unfit(value, get_args(kind)[1], f"{where}{{}}")
        return [] if kind in _SCALARS else self._unfit_model(schema, kind, where)

    def _unfit_model(self, schema: Json, kind: type[BaseModel], where: str) -> list[str]:
        found = []
        properties, required = self.properties(schema)
        for name, field in kind.model_fields.items():
            called = field.alias or name
            if field.is_required() and called not in required:
                found.append(f"{where}.{called}: the SDK requires it")
            if called in properties:
                found += self._unfit(properties[called], field.annotation, f"{where}.{called}")
        return found


def _unfit_literal(schema: Json, allowed: tuple[Any, ...], where: str) -> list[str]:
    said = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if said is None:
        return [f"{where}: any {schema.get('type')}, and the SDK knows {len(allowed)} of them"]
    return [f"{where}: {each!r} is none of the SDK's" for each in said if each not in allowed]


_SCALARS: dict[Any, set[str]] = {
    str: {"string"},
    datetime: {"string"},
    date: {"string"},
    int: {"integer"},
    float: {"number", "integer"},
    bool: {"boolean"},
    type(None): {"null"},
}


def _bare(kind: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return getattr(kind, "__value__", kind)
