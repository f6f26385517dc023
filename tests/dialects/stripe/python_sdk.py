"""Stripe's Python SDK in its three forms, and one of 2025, behind one way to call them.

A method is named as the SDK names it below ``client.v1`` (``billing.credit_grants.create``), or with its
version (``v2.billing.meter_events.create``). Each answer is held to the types of the SDK that read it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import unquote, urlsplit

import stripe

ROOT = Path(__file__).parents[3]
NEWEST = Path(stripe.__file__).parents[1]
OLDER = Path(sys.prefix) / "stripe-2025"
#: The folder of the SDK, and the way in which it is called (``child``).
FORMS = {
    "blocking": (NEWEST, "blocking"),
    "async": (NEWEST, "async"),
    "resources": (NEWEST, "resources"),
    "of 2025": (OLDER, "blocking"),
}
#: Neither this process's folders nor its settings: what the SDK needs lies beside it.
_START = "import sys; sys.path[:0] = sys.argv[1:]; from tests.dialects.stripe.child import serve; serve()"
#: All are faults but one, which is between the vendor's SDK and httpx.
_WARNINGS = ("-W", "error", "-W", "ignore:Use 'content=:DeprecationWarning")
#: What the public SDK does not know: alerts on credit are the vendor's preview.
_PREVIEW = ("credit_balance_threshold", "spend_threshold")
_PARAMETER = re.compile(r"\{\w+\}")


class Sent(NamedTuple):
    method: str
    path: str
    query: str


class Refused(Exception):
    """``error`` is the name of the SDK's class, ``attempts`` how often the request went out."""

    def __init__(self, told: dict[str, Any], attempts: int) -> None:
        self.error: str = told["error"]
        self.status: int = told["status"]
        self.request_id: str = told["request_id"]
        self.attempts = attempts
        body = told["body"]
        assert body.keys() <= {"type", "code", "message", "param", "doc_url"}
        self.kind: str = body["type"]
        self.message: str = body["message"]
        self.code: str | None = body.get("code")
        self.param: str | None = body.get("param")
        super().__init__(f"{self.error}: {self.status} {body}")


class Calls(Protocol):
    """A client with one key."""

    @property
    def sent(self) -> list[Sent]:
        """What went out, repetitions included."""

    def __call__(self, name: str, /, *ids: str, **given: Any) -> Any:
        """What the method answers, as JSON has it; ``options`` are the SDK's own. Raises ``Refused``."""

    def every(self, name: str, /, *ids: str, **given: Any) -> list[Any]:
        """All that the SDK's own pager finds."""

    def acting(self, secret: str) -> Calls:
        """The same with another key."""


class PythonSdk:
    """Use it in ``with``. ``retries``: how often the SDK may try again; None: as often as it likes."""

    def __init__(self, form: str, url: str, secret: str, retries: int | None = None) -> None:
        folder, way = FORMS[form]
        self._secret = secret
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", *_WARNINGS, "-c", _START, ROOT, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        closed = folder == NEWEST
        self._write({"form": way, "url": url, "retries": retries, "closed": closed})
        self.sent: list[Sent] = []

    def __call__(self, name: str, /, *ids: str, **given: Any) -> Any:
        return self._ask("call", name, ids, given)

    def every(self, name: str, /, *ids: str, **given: Any) -> list[Any]:
        found: list[Any] = self._ask("every", name, ids, given)
        return found

    def acting(self, secret: str) -> Calls:
        return _Acting(self, secret)

    def calls(self) -> dict[tuple[str, str], str]:
        """The names of all that the SDK can ask for, by method and path; parameters are ``{}``."""
        found: dict[str, tuple[str, str]] = self._do("calls")
        return {(verb, pattern(path)): name for name, (verb, path) in found.items()}

    def parameters(self, names: list[str]) -> dict[str, dict[str, Any]]:
        """What each call takes (``typed.Call.parameters``)."""
        found: dict[str, dict[str, Any]] = self._do("parameters", names=names)
        return found

    def unfit(
        self, components: dict[str, Any], schemas: dict[str, Any], but: list[str]
    ) -> list[str]:
        """Where a schema lets something through that the call of that name cannot read.

        ``but``: not looked at are members whose names end so.
        """
        found: list[str] = self._do("fit", components=components, schemas=schemas, but=but)
        return found

    def _ask(
        self,
        do: str,
        name: str,
        ids: tuple[str, ...],
        given: dict[str, Any],
        secret: str | None = None,
    ) -> Any:
        name = name if name.startswith("v2.") else f"v1.{name}"
        options = given.pop("options", {})
        asked = {"secret": secret or self._secret, "ids": ids, "given": given, "options": options}
        told = self._do(do, name=name, **asked)
        faults = [each for each in told["faults"] if not any(name in each for name in _PREVIEW)]
        assert faults == [], faults
        return told["answer"]

    def _do(self, do: str, **given: Any) -> Any:
        self._write({"do": do, "with": given})
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the SDK's process ended with {self._process.wait()}"
        answer = json.loads(line)
        self.sent += [_sent(*each) for each in answer["sent"]]
        if "error" in answer:
            raise Refused(answer["error"], len(answer["sent"]))
        return answer["result"]

    def _write(self, line: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        """It ends by itself, and well, when it has no more to read."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            ended = self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            ended = self._process.wait()
        self._process.stdout.close()
        assert ended == 0


class _Acting:
    def __init__(self, sdk: PythonSdk, secret: str) -> None:
        self._sdk, self._secret = sdk, secret

    @property
    def sent(self) -> list[Sent]:
        return self._sdk.sent

    def __call__(self, name: str, /, *ids: str, **given: Any) -> Any:
        return self._sdk._ask("call", name, ids, given, self._secret)

    def every(self, name: str, /, *ids: str, **given: Any) -> list[Any]:
        found: list[Any] = self._sdk._ask("every", name, ids, given, self._secret)
        return found

    def acting(self, secret: str) -> Calls:
        return _Acting(self._sdk, secret)


def pattern(path: str) -> str:
    """A path whatever its parameters are called."""
    return _PARAMETER.sub("{}", path)


def _sent(method: str, url: str) -> Sent:
    found = urlsplit(url)
    return Sent(method, unquote(found.path), found.query)
