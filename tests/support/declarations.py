"""What TypeScript declarations (``.d.ts``) say a value of JSON must be: as much of them as an SDK's need.

Read from the SDK as it is installed, and each file only when something in it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|[\w$]+|[^\s]")
_WORDS: dict[str, Any] = {
    "string": str,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "void": (),
    "any": object,
    "unknown": object,
    "Decimal": str,
    "OtherString": (),  # what a newer version may say, and this one does not
}


class Literal(NamedTuple):
    value: Any


class Named(NamedTuple):
    """``A.B<C>``"""

    path: tuple[str, ...]
    given: tuple[Type, ...]


class Union(NamedTuple):
    options: tuple[Type, ...]


class Array(NamedTuple):
    item: Type


class Member(NamedTuple):
    type: Type
    required: bool


@dataclass
class Shape:
    """``others``: of every key that is not named."""

    members: dict[str, Member] = field(default_factory=dict)
    others: Type | None = None
    bases: list[Named] = field(default_factory=list)


Type: TypeAlias = Literal | Named | Union | Array | Shape


@dataclass
class Scope:
    """A file or a namespace, and what has a name in it."""

    folder: Path
    parent: Scope | None = None
    shapes: dict[str, Shape] = field(default_factory=dict)
    aliases: dict[str, Type] = field(default_factory=dict)
    below: dict[str, Scope] = field(default_factory=dict)
    #: By the name here: the file, and the name there, None for all of it.
    imported: dict[str, tuple[str, str | None]] = field(default_factory=dict)


class Reader:
    """Of one file."""

    def __init__(self, path: Path) -> None:
        self._tokens = _TOKEN.findall(_COMMENT.sub("", path.read_text("utf-8")))
        self._place = 0
        self.scope = Scope(path.parent)
        while self._place < len(self._tokens):
            self._statement(self.scope)

    def _peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _next(self, *expected: str) -> str:
        token = self._peek()
        assert not expected or token in expected, (token, expected, self._tokens[self._place - 9 :])
        self._place += 1
        return token

    def _taken(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._place += 1
        return True

    def _statement(self, scope: Scope) -> None:
        while self._peek() in ("export", "declare"):
            self._next()
        word = self._next()
        if word == "interface":
            self._interface(scope)
        elif word == "namespace":
            inner = scope.below.setdefault(self._next(), Scope(scope.folder, scope))
            self._next("{")
            while not self._taken("}"):
                self._statement(inner)
        elif word == "type" and self._peek() != "=":
            name = self._next()
            self._generic()
            self._next("=")
            scope.aliases[name] = self._type()
            self._taken(";")
        elif word in ("import", "{"):
            self._import(scope, word)
        else:
            self._skip()

    def _interface(self, scope: Scope) -> None:
        name = self._next()
        self._generic()
        bases = []
        while self._peek() != "{":
            self._next("extends", ",")
            bases.append(self._named())
        shape = self._shape()
        shape.bases = bases
        scope.shapes[name] = shape

    def _generic(self) -> None:
        if self._taken("<"):
            while self._next() != ">":
                pass

    def _import(self, scope: Scope, word: str) -> None:
        """Also a ``{A} from``, which is an export."""
        names: dict[str, str | None] = {}
        if word == "{" or self._taken("{"):
            while not self._taken("}"):
                name = self._next()
                as_name = (self._next("as"), self._next())[1] if self._peek() == "as" else name
                names[as_name] = name
                self._taken(",")
        elif self._taken("*"):
            self._next("as")
            names[self._next()] = None
        if self._taken("from"):
            file = self._next().strip("'")
            scope.imported |= {here: (file, there) for here, there in names.items()}
            self._next(";")
        else:
            self._skip()

    def _skip(self) -> None:
        """To the end of a statement that declares no type."""
        depth = 0
        while self._place < len(self._tokens):
            token = self._next()
            depth += (token in "{(<") - (token in "})")
            if token == ">" and self._tokens[self._place - 2] != "=":
                depth -= 1
            if depth == 0 and token in ";}":
                return

    def _shape(self) -> Shape:
        shape = Shape()
        self._next("{")
        while not self._taken("}"):
            if self._taken("["):
                self._next(), self._next(":"), self._next(), self._next("]"), self._next(":")
                shape.others = self._type()
            else:
                name = self._next().strip("'")
                if self._peek() == "(":
                    self._skip()
                    continue
                required = not self._taken("?")
                self._next(":")
                shape.members[name] = Member(self._type(), required)
            self._taken(";")
        return shape

    def _type(self) -> Type:
        self._taken("|")
        options = [self._single()]
        while self._taken("|"):
            options.append(self._single())
        return options[0] if len(options) == 1 else Union(tuple(options))

    def _single(self) -> Type:
        token = self._peek()
        found: Type
        if token == "{":
            found = self._shape()
        elif self._taken("("):
            found = self._type()
            self._next(")")
        elif token.startswith("'"):
            found = Literal(self._next().strip("'"))
        elif token.isdigit():
            found = Literal(int(self._next()))
        elif token in ("true", "false"):
            found = Literal(self._next() == "true")
        else:
            found = self._named()
        while self._taken("["):
            self._next("]")
            found = Array(found)
        return found

    def _named(self) -> Named:
        path = [self._next()]
        while self._taken("."):
            path.append(self._next())
        given = []
        if self._taken("<"):
            given.append(self._type())
            while self._taken(","):
                given.append(self._type())
            self._next(">")
        return Named(tuple(path), tuple(given))


class Declarations:
    """Of the files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, Scope] = {}

    @cached_property
    def objects(self) -> dict[str, list[tuple[Path, str]]]:
        """Where the shapes are declared whose ``object`` is always the same, by that."""
        found: dict[str, list[tuple[Path, str]]] = {}
        shape = re.compile(r"^export interface (\w+)[^{]*\{(.*?)^\}", re.MULTILINE | re.DOTALL)
        for path in sorted(self._folder.rglob("*.d.ts")):
            for name, inside in shape.findall(path.read_text("utf-8")):
                if kind := re.search(r"^    object: '([\w.]+)';", inside, re.MULTILINE):
                    found.setdefault(kind[1], []).append((path, name))
        return found

    def problems(self, value: Any) -> list[str]:
        """Where an object of the API is not what is declared of its kind."""
        kind = value["object"]
        if kind in ("list", "search_result"):
            return [each for item in value["data"] for each in self.problems(item)]
        found = [
            self._shaped(value, shape, scope, kind)
            for path, name in self.objects[kind]
            for scope in [self._scope(path)]
            for shape in [scope.shapes[name]]
        ]
        return _nearest(found, kind)

    def _scope(self, path: Path) -> Scope:
        if path not in self._read:
            self._read[path] = Reader(path).scope
        return self._read[path]

    def _unfit(self, value: Any, kind: Type, scope: Scope, where: str) -> list[str]:
        if isinstance(kind, Union):
            options = sorted(kind.options, key=_is_far)
            return _nearest([self._unfit(value, each, scope, where) for each in options], where)
        if isinstance(kind, Literal):
            same = type(value) is type(kind.value) and value == kind.value
            return [] if same else [f"{where}: {value!r} is not {kind.value!r}"]
        if isinstance(kind, Array):
            return self._items(value, kind.item, scope, where)
        if isinstance(kind, Shape):
            return self._shaped(value, kind, scope, where)
        return self._unfit_named(value, kind, scope, where)

    def _items(self, value: Any, item: Type, scope: Scope, where: str) -> list[str]:
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no array"]
        return [each for one in value for each in self._unfit(one, item, scope, f"{where}[]")]

    def _unfit_named(self, value: Any, kind: Named, scope: Scope, where: str) -> list[str]:
        name = kind.path[-1]
        if name in _WORDS:
            right = isinstance(value, _WORDS[name]) and not (
                name == "number" and isinstance(value, bool)
            )
            return [] if right else [f"{where}: {value!r} is no {name}"]
        if name == "Array":
            return self._items(value, kind.given[0], scope, where)
        if name == "ApiList":
            if not isinstance(value, dict) or {"object", "data", "has_more", "url"} != set(value):
                return [f"{where}: no list"]
            return self._items(value["data"], kind.given[0], scope, f"{where}.data")
        if not isinstance(value, dict | str):
            return [f"{where}: {value!r} is no {name}"]
        found, there = self._find(kind.path, scope)
        return self._unfit(value, found, there, where)

    def _shaped(self, value: Any, shape: Shape, scope: Scope, where: str) -> list[str]:
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        found, known = [], dict(self._members(shape, scope))
        for name, (member, there) in known.items():
            if name in value:
                found += self._unfit(value[name], member.type, there, f"{where}.{name}")
            elif member.required:
                found.append(f"{where}.{name}: is missing")
        if not known and shape.others is None:  # any object at all
            return []
        for name in sorted(value.keys() - known.keys()):
            if shape.others is None:
                found.append(f"{where}.{name}: is not declared")
            else:
                found += self._unfit(value[name], shape.others, scope, f"{where}.{name}")
        return found

    def _members(self, shape: Shape, scope: Scope) -> Iterator[tuple[str, tuple[Member, Scope]]]:
        for base in shape.bases:
            found, there = self._find(base.path, scope)
            assert isinstance(found, Shape)
            yield from self._members(found, there)
        for name, member in shape.members.items():
            yield name, (member, scope)

    def _find(self, path: tuple[str, ...], scope: Scope) -> tuple[Type, Scope]:
        """What a name stands for, and where that is declared: looked for from the inside out."""
        here: Scope | None = scope
        while here is not None:
            found = self._within(path, here)
            if found is not None:
                return found
            here = here.parent
        raise AssertionError(f"{'.'.join(path)} is declared nowhere")

    def _within(self, path: tuple[str, ...], scope: Scope) -> tuple[Type, Scope] | None:
        first, rest = path[0], path[1:]
        if rest and first in scope.below:
            return self._within(rest, scope.below[first])
        if not rest and first in scope.shapes:
            return scope.shapes[first], scope
        if not rest and first in scope.aliases:
            return scope.aliases[first], scope
        if first in scope.imported:
            file, there = scope.imported[first]
            other = self._scope((scope.folder / file.replace(".js", ".d.ts")).resolve())
            return self._within(rest if there is None else (there, *rest), other)
        return None


def _nearest(tried: list[list[str]], where: str) -> list[str]:
    """The problems with the one that is meant: such as lie within, and the fewest of them."""
    if [] in tried:
        return []
    within = [each for each in tried if any(not one.startswith(f"{where}: ") for one in each)]
    return min(within or tried, key=len)


def _is_far(kind: Type) -> bool:
    """Whether it takes another file to know it: tried last."""
    return isinstance(kind, Named) and kind.path[-1] not in _WORDS
