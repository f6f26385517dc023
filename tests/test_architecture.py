"""The shape of the project, read from its own files: who may import whom, and what the core is.

core <- engine <- {store, webhooks, web} <- {dialects, console, cli} <- app
dialects <- importing <- cli
client, which knows a server by its address only <- cli

Each rule is a function that takes the root of a tree and answers its faults in words, so that
every rule can be shown to fail on a small wrong tree as well as to hold on this one.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "drawdown"

# A part, and the parts it may import besides itself. Each dialect is a part of its own.
BELOW_THE_MOUTHS = frozenset({"core", "config", "engine", "store", "webhooks", "web"})
MAY_IMPORT: dict[str, frozenset[str]] = {
    "core": frozenset(),
    "config": frozenset({"core"}),
    "engine": frozenset({"core", "config"}),
    "store": frozenset({"core", "config", "engine"}),
    "webhooks": frozenset({"core", "config", "engine"}),
    "web": frozenset({"core", "config", "engine"}),
    "dialects": BELOW_THE_MOUTHS,
    "console": BELOW_THE_MOUTHS,
    "cli": BELOW_THE_MOUTHS | {"client", "importing", "naming", "opening"},
    # Moving over from a vendor: its pages are read as its dialect reads what it is sent.
    "importing": BELOW_THE_MOUTHS | {"dialects"},
    # Stands alone, so that a program that talks to a server has nothing of the server in it.
    "client": frozenset(),
    # Knows which store a database URL means, for the command line and for Python programs.
    "opening": frozenset({"core", "config", "engine", "store"}),
    # Gathers from the dialects by which names documents are known, for `drawdown verify`.
    "naming": frozenset({"core", "engine", "dialects"}),
    # A ledger inside a Python program: the client, over the native API in memory.
    "embedded": BELOW_THE_MOUTHS | {"client", "dialects", "opening"},
    # What `import drawdown` offers to Python programs, and what `python -m drawdown` runs.
    "__init__": frozenset({"embedded"}),
    "__main__": frozenset({"cli"}),
}
COMPOSITION_ROOT = "app"

# `drawdown serve` starts what app composes; no other command knows the whole.
EXCEPTIONS = {("cli/serve.py", "drawdown.app")}

THIRD_PARTY_OF_THE_CORE = {"msgspec"}
IMPURE_MODULES = {
    "asyncio", "concurrent", "ctypes", "glob", "http", "io", "logging", "multiprocessing", "os",
    "pathlib", "platform", "queue", "random", "sched", "secrets", "select", "selectors", "shutil",
    "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib",
}  # fmt: skip
IMPURE_CALLS = {
    "open", "print", "input",
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
    "uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7", "uuid1", "uuid4", "uuid6", "uuid7",
}  # fmt: skip

FUNCTION_LINES_MAX = 70

# Spelled in two pieces, so that this file passes its own test.
OUTSIDE_PATHS = {
    "a folder beside the clone": re.compile(r"\.\./" + "shared"),
    "a folder of one machine": re.compile(r"(?<![\w.:/-])/" + r"(?:work|home|root|Users)/\w"),
}
TEXT_SUFFIXES = {
    "", ".cfg", ".css", ".csv", ".html", ".in", ".js", ".json", ".jsonl", ".md", ".py", ".sh",
    ".sql", ".svg", ".toml", ".txt", ".yaml", ".yml",
}  # fmt: skip
TOP_LEVEL_FOLDERS = {".ci", "bench", "docs", "examples", "requirements", "src", "tests"}


def direction_faults(root: Path) -> list[str]:
    """Imports that go against the direction, import a neighbour, or hide from this test."""
    faults = []
    for path in modules(root):
        here = path.relative_to(root / "src" / PACKAGE).as_posix()
        for line, target in imports(root, path):
            if reason := forbidden(here, target):
                faults.append(f"src/{PACKAGE}/{here}:{line} imports {target}: {reason}")
    return faults


def core_faults(root: Path) -> list[str]:
    """What the core uses beyond pure standard library and msgspec."""
    faults = []
    for path in modules(root):
        here = path.relative_to(root).as_posix()
        if not here.startswith(f"src/{PACKAGE}/core/"):
            continue
        for line, target in imports(root, path):
            if reason := impure(target.partition(".")[0]):
                faults.append(f"{here}:{line} imports {target}: {reason}")
        for line, name in calls(path):
            if name in IMPURE_CALLS:
                faults.append(
                    f"{here}:{line} calls {name}: time, ids and state come in as arguments"
                )
    return faults


def function_faults(root: Path) -> list[str]:
    """Functions longer than the ceiling, in the package, its tests and its benchmarks."""
    faults = []
    for path in [path for path in texts(root) if path.suffix == ".py"]:
        for node in ast.walk(parse(path)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                faults.append(
                    f"{path.relative_to(root)}:{node.lineno} {node.name} has {lines} lines: "
                    f"a function has at most {FUNCTION_LINES_MAX}; compute in smaller ones"
                )
    return faults


def outside_faults(root: Path) -> list[str]:
    """Texts that point to something a clone does not contain."""
    faults = []
    for path in texts(root):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            faults += [
                f"{path.relative_to(root)}:{number} names {what}: a clone is all that a reader has"
                for what, pattern in OUTSIDE_PATHS.items()
                if pattern.search(line)
            ]
    return faults


def requirement_faults(root: Path) -> list[str]:
    """Locks that name an address or lack a hash, and a base list that is not pyproject's."""
    faults = []
    for path in sorted((root / "requirements").glob("*.txt")):
        lock = path.read_text("utf-8")
        here = path.relative_to(root)
        if re.search(r"://|^--?[a-z-]*(index|find-links)", lock, re.MULTILINE):
            faults.append(f"{here} names an address: where packages come from is the user's choice")
        faults += [
            f"{here} has no hash for {pin.split('==')[0]}: what is not locked can change unseen"
            for pin in re.split(r"\n(?=[a-z])", lock)
            if "==" in pin and "--hash=sha256:" not in pin
        ]
    declared = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"][
        "dependencies"
    ]
    lines = (root / "requirements" / "base.in").read_text("utf-8").splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    if listed != declared:
        faults.append("requirements/base.in differs from the dependencies in pyproject.toml")
    return faults


RULES: tuple[Callable[[Path], list[str]], ...] = (
    direction_faults,
    core_faults,
    function_faults,
    outside_faults,
    requirement_faults,
)


def modules(root: Path) -> list[Path]:
    return sorted((root / "src" / PACKAGE).rglob("*.py"))


def texts(root: Path) -> Iterator[Path]:
    """Every text file of the project; not databases, caches or environments lying beside it."""
    for top in sorted(root.iterdir()):
        if top.is_file():
            found = [top]
        elif top.name in TOP_LEVEL_FOLDERS:
            found = sorted(path for path in top.rglob("*") if path.is_file())
        else:
            continue
        yield from (path for path in found if path.suffix in TEXT_SUFFIXES)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def imports(root: Path, path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import of a module, wherever in it the import stands.

    Of ``from package import name`` the answer is ``package.name`` where that is a module.
    """
    source = root / "src"
    package = path.relative_to(source).parent.parts
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = source.joinpath(*name.split("."), alias.name)
                is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
                yield node.lineno, f"{name}.{alias.name}" if is_module else name
        elif isinstance(node, ast.Call) and called(node).endswith(("import_module", "__import__")):
            yield node.lineno, called(node)


def calls(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call):
            yield node.lineno, called(node)


def called(call: ast.Call) -> str:
    """The last two words of what is called: ``datetime.datetime.now()`` is ``datetime.now``."""
    return ".".join(ast.unparse(call.func).split(".")[-2:])


def forbidden(here: str, target: str) -> str | None:
    """Why the module at ``here`` (a path in the package) may not import ``target``, or None."""
    if target.endswith(("import_module", "__import__")):
        return "an import that is computed cannot be checked; write it as a statement"
    if target.partition(".")[0] != PACKAGE or (here, target) in EXCEPTIONS:
        return None
    importer, imported = part(here.removesuffix(".py").split("/")), part(target.split(".")[1:])
    layer, layer_imported = importer.partition("/")[0], imported.partition("/")[0]
    if layer == COMPOSITION_ROOT or importer == imported:
        return None
    if layer_imported == COMPOSITION_ROOT:
        return "app is the composition root, the only file that knows every part; nothing needs it"
    if layer == layer_imported == "dialects":
        return "a dialect knows no other dialect; what they share belongs in web, a rule in core"
    if imported == "__init__":
        return "the package's public face is for users; import from where the name is defined"
    if layer not in MAY_IMPORT:
        return f"{layer} is no part of the tree; give it a place in tests/test_architecture.py"
    if layer_imported not in MAY_IMPORT[layer]:
        allowed = ", ".join(sorted(MAY_IMPORT[layer])) or "nothing of drawdown"
        return f"{layer} may import {allowed} (and itself), so that the direction has no cycle"
    return None


def part(names: list[str]) -> str:
    """``core/plan`` belongs to ``core``; ``dialects/stripe/wire`` to ``dialects/stripe``."""
    if not names:
        return "__init__"
    return "/".join(names[:2]) if names[0] == "dialects" else names[0]


def impure(module: str) -> str | None:
    if module in IMPURE_MODULES:
        return "the core has no I/O, clock, randomness, logging or waiting"
    if module == PACKAGE or module in THIRD_PARTY_OF_THE_CORE or module in sys.stdlib_module_names:
        return None
    return "the core imports the standard library and msgspec only"


@pytest.mark.parametrize("rule", RULES)
def test_the_project_keeps_its_shape(rule: Callable[[Path], list[str]]) -> None:
    """Imports go one way, the core is pure, functions are short, a clone is whole."""
    faults = rule(ROOT)
    assert not faults, "\n" + "\n".join(faults)


def test_the_rules_read_this_project() -> None:
    """The rules look at files that exist: a moved folder must not make them pass unseen."""
    assert ROOT / "src" / PACKAGE / "__init__.py" in modules(ROOT)
    assert {Path(__file__), ROOT / "Makefile", ROOT / ".ci" / "run"} <= set(texts(ROOT))
    assert {path.name for path in (ROOT / "requirements").glob("*.txt")} == {
        "base.txt",
        "build.txt",
        "stripe-2025.txt",
        "test.txt",
    }


WRONG_IMPORTS = [
    ("core/plan.py", "import drawdown.engine.ledger", "core may import nothing of drawdown"),
    ("core/plan.py", "from drawdown import config", "core may import nothing of drawdown"),
    ("config.py", "from drawdown.engine.ledger import Ledger", "config may import core"),
    ("engine/ledger.py", "from drawdown.store import memory", "engine may import config, core"),
    ("store/sqlite/store.py", "from drawdown.web import paging", "store may import"),
    ("webhooks/feed.py", "def later():\n    import drawdown.store.memory", "webhooks may import"),
    ("web/auth.py", "from ..store import memory", "web may import"),
    ("web/auth.py", "from drawdown.dialects.stripe import wire", "web may import"),
    ("dialects/dodo/routes.py", "from drawdown.dialects.stripe import wire", "no other dialect"),
    ("dialects/dodo/routes.py", "from drawdown.dialects import stripe", "no other dialect"),
    ("dialects/dodo/routes.py", "from ..stripe.wire import Grant", "no other dialect"),
    ("console/routes.py", "import drawdown.cli.main", "console may import"),
    ("cli/grants.py", "from drawdown.dialects.native import wire", "cli may import"),
    ("cli/grants.py", "from drawdown.app import create_app", "composition root"),
    (
        "client/sync.py",
        "from drawdown.core import amounts",
        "client may import nothing of drawdown",
    ),
    ("web/auth.py", "from drawdown.client import sync", "web may import"),
    ("dialects/dodo/routes.py", "from drawdown import app", "composition root"),
    ("engine/ledger.py", "from drawdown import __version__", "public face is for users"),
    ("engine/ledger.py", "from drawdown.opening import open_ledger", "engine may import"),
    ("helpers.py", "import drawdown.core.plan", "helpers is no part of the tree"),
    ("web/auth.py", "importlib.import_module('drawdown.app')", "cannot be checked"),
]


@pytest.mark.parametrize(("path", "source", "reason"), WRONG_IMPORTS)
def test_an_import_against_the_direction_is_a_fault(
    tmp_path: Path, path: str, source: str, reason: str
) -> None:
    """Each edge that the direction forbids is found, however the import is spelled."""
    write_tree(tmp_path)
    write(tmp_path / "src" / PACKAGE / path, source)
    [fault] = direction_faults(tmp_path)
    assert fault.startswith(f"src/{PACKAGE}/{path}:")
    assert reason in fault


RIGHT_IMPORTS = [
    ("core/plan.py", "from .burn import order\nimport msgspec\nimport drawdown.core.burn"),
    ("engine/ledger.py", "from drawdown.core import burn\nfrom drawdown import config"),
    ("store/sqlite/store.py", "from drawdown.store import memory\nimport drawdown.engine.ledger"),
    ("dialects/dodo/routes.py", "from . import wire\nfrom drawdown.web import paging"),
    ("cli/serve.py", "def serve():\n    from drawdown.app import create_app"),
    ("cli/grants.py", "from drawdown.client import sync"),
    ("app.py", "from drawdown.dialects import stripe\nimport drawdown.cli.main"),
    ("__init__.py", "from drawdown.embedded import open_ledger"),
]


@pytest.mark.parametrize(("path", "source"), RIGHT_IMPORTS)
def test_an_import_along_the_direction_is_no_fault(tmp_path: Path, path: str, source: str) -> None:
    """What the direction allows stays possible, the one exception for `serve` included."""
    write_tree(tmp_path)
    write(tmp_path / "src" / PACKAGE / path, source)
    assert direction_faults(tmp_path) == []
    assert core_faults(tmp_path) == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import time", "no I/O, clock"),
        ("from asyncio import sleep", "no I/O, clock"),
        ("import os.path", "no I/O, clock"),
        ("import structlog", "standard library and msgspec only"),
        ("from datetime import datetime\ndatetime.now()", "calls datetime.now"),
        ("import datetime\ndatetime.datetime.now(None)", "calls datetime.now"),
        ("import uuid\nuuid.uuid4()", "calls uuid.uuid4"),
        ("open('grants.json')", "calls open"),
    ],
)
def test_an_impure_core_is_a_fault(tmp_path: Path, source: str, reason: str) -> None:
    """The core can neither wait, look at the clock, draw lots, log, nor read a file."""
    write_tree(tmp_path)
    write(tmp_path / "src" / PACKAGE / "core" / "plan.py", source)
    [fault] = core_faults(tmp_path)
    assert reason in fault
    write(tmp_path / "src" / PACKAGE / "core" / "plan.py", "")
    write(tmp_path / "src" / PACKAGE / "cli" / "main.py", source)
    assert core_faults(tmp_path) == []


@pytest.mark.parametrize("folder", ["src/drawdown/core", "tests/core", "bench"])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_function_over_the_ceiling_is_a_fault(tmp_path: Path, folder: str, kind: str) -> None:
    """70 lines with the signature pass, 71 do not; nested functions and methods count too."""
    write_tree(tmp_path)
    path = tmp_path / folder / "long.py"
    body = "        pass\n"
    write(path, f"class Long:\n    {kind} at_the_ceiling(self):\n" + body * 69)
    assert function_faults(tmp_path) == []
    write(path, f"class Long:\n    {kind} over_the_ceiling(self):\n" + body * 70)
    [fault] = function_faults(tmp_path)
    assert "over_the_ceiling has 71 lines" in fault


@pytest.mark.parametrize(
    "line", ["see ../" + "shared/notes.md", "open /" + "work/notes", "cd (/" + "home/me/notes)"]
)
@pytest.mark.parametrize("path", ["README.md", "docs/quickstart.md", "src/drawdown/app.py"])
def test_a_text_that_points_outside_the_clone_is_a_fault(
    tmp_path: Path, line: str, path: str
) -> None:
    """Nothing refers to what only the author's machine has."""
    write_tree(tmp_path)
    write(tmp_path / path, f"# first line\n# {line}\n")
    [fault] = outside_faults(tmp_path)
    assert fault.startswith(f"{path}:2 ")


@pytest.mark.parametrize(
    ("lock", "reason"),
    [
        ("--index-url somewhere\n", "names an address"),
        ("apsw @ https://example.com/apsw.whl\n", "names an address"),
        ("apsw==1 \\\n    --hash=sha256:00\nhttpx==2\n", "has no hash for httpx"),
    ],
)
def test_a_loose_lock_is_a_fault(tmp_path: Path, lock: str, reason: str) -> None:
    """A locked requirement has a hash and no address."""
    write_tree(tmp_path)
    write(tmp_path / "requirements" / "base.txt", lock)
    [fault] = requirement_faults(tmp_path)
    assert reason in fault


def test_two_lists_of_dependencies_that_differ_are_a_fault(tmp_path: Path) -> None:
    """What is locked is what the project says it needs."""
    write_tree(tmp_path)
    assert requirement_faults(tmp_path) == []
    write(tmp_path / "requirements" / "base.in", "# what it runs on\nmsgspec\nhttpx\n")
    [fault] = requirement_faults(tmp_path)
    assert "differs from" in fault


def write_tree(root: Path) -> None:
    """A small tree without faults, with a module in each part."""
    for path in (
        "__init__.py",
        "app.py",
        "config.py",
        "opening.py",
        "core/burn.py",
        "engine/ledger.py",
        "store/memory.py",
        "webhooks/feed.py",
        "web/paging.py",
        "dialects/stripe/wire.py",
        "dialects/dodo/wire.py",
        "dialects/native/wire.py",
        "console/routes.py",
        "cli/main.py",
        "client/sync.py",
    ):
        write(root / "src" / PACKAGE / path, "")
    write(root / "pyproject.toml", '[project]\ndependencies = ["msgspec"]\n')
    write(root / "requirements" / "base.in", "# what it runs on\nmsgspec\n")
    write(root / "requirements" / "base.txt", "msgspec==1 \\\n    --hash=sha256:00\n")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
