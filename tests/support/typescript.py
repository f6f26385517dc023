"""The vendors' TypeScript SDKs, called from here: each in a Node.js process of its own."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FOLDER = Path(__file__).parents[1] / "typescript"
NODE = Path(sys.prefix) / "bin" / "node"


class SdkError(Exception):
    """What an SDK threw: the name of its class, ``status``, ``code``, and the ``body`` that it had read."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(f"{told.get('name')}: {told.get('message')}")
        self.name: str = told["name"]
        self.status: int | None = told.get("status")
        self.code: str | None = told.get("code")
        self.body: Any = told.get("body")
        self.told = told


class Sdk:
    """One client of an SDK; use it in ``with``. Its methods are called by their dotted names."""

    def __init__(self, sdk: str, **options: Any) -> None:
        self._process = subprocess.Popen(
            [NODE, FOLDER / "call.mjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._write({"sdk": sdk, "options": options})
        self._options: dict[str, Any] | None = None
        #: Method and address of what went out, repetitions included.
        self.sent: list[tuple[str, str]] = []

    def with_options(self, **options: Any) -> Self:
        """The same process with other options of the client, such as another key: Dodo's SDK alone."""
        other = copy.copy(self)
        other._options, other.sent = options, []
        return other

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def call(self, name: str, *arguments: Any) -> Any:
        """What the method answers. Raises ``SdkError``."""
        return self._ask({"call": name, "with": arguments})

    def pages(self, name: str, *arguments: Any, most: int | None = None) -> list[Any]:
        """All items that the method's auto-pager gives, or the first ``most``."""
        found: list[Any] = self._ask({"call": name, "with": arguments, "pages": most or True})
        return found

    def array(self, name: str, *arguments: Any, most: int) -> list[Any]:
        """The first ``most`` items as the auto-pager makes an array of them: Stripe's SDK alone."""
        found: list[Any] = self._ask({"call": name, "with": arguments, "array": most})
        return found

    def at_once(self, name: str, *arguments: Any, times: int) -> list[Any]:
        """The same call so often at the same time: of each its answer, or its ``SdkError``."""
        found = self._ask({"call": name, "with": arguments, "times": times})
        return [SdkError(one["error"]) if "error" in one else one["result"] for one in found]

    def _ask(self, asked: dict[str, Any]) -> Any:
        self._write(asked if self._options is None else asked | {"options": self._options})
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"Node.js ended with {self._process.wait()}"
        answer = json.loads(line)
        self.sent += [(method, url) for method, url in answer["sent"]]
        if "error" in answer:
            raise SdkError(answer["error"])
        return answer["result"]

    def _write(self, line: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
