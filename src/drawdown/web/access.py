"""One log line for each answered request: what was asked, never who, with what, or about whom."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, BinaryIO

import msgspec
import structlog

from drawdown.config import Config
from drawdown.core.identity import spell
from drawdown.core.types import Id
from drawdown.engine.accounts import KEY_PREFIX
from drawdown.web.dispatch import Observe
from drawdown.web.endpoints import Context
from drawdown.web.logs import process_fields, says, text_for_people

log = structlog.get_logger("drawdown.access")
_encode = msgspec.json.Encoder().encode


def access_log(config: Config) -> Observe | None:
    """What logs the answers of this process; None when nobody would read it."""
    if not config.access_log or not says(config, "info"):
        return None
    if text_for_people(config):
        return log_text
    return JsonLines(sys.stderr.buffer, process_fields())


def log_text(dialect: str, context: Context, status: int, seconds: float) -> None:
    log.info("request", **_fields(dialect, context, status, seconds))


class JsonLines:
    """Lines like those of structlog at a tenth of their cost.

    Those of one turn of the event loop go out together at its end, since a system call costs more than
    a line does.
    """

    def __init__(self, stream: BinaryIO, process: Mapping[str, Any]) -> None:
        self._stream, self._process = stream, process
        self._lines: list[bytes] = []

    def __call__(self, dialect: str, context: Context, status: int, seconds: float) -> None:
        line = _fields(dialect, context, status, seconds)
        line["event"] = "request"
        line["level"] = "info"
        line["timestamp"] = datetime.now(UTC)
        line.update(self._process)
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        self._lines.append(_encode(line))

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        self._stream.write(b"\n".join([*lines, b""]))
        self._stream.flush()


def _fields(dialect: str, context: Context, status: int, seconds: float) -> dict[str, Any]:
    """The route is told as the table spells it, so that no id of a customer gets into the log."""
    endpoint, principal = context.endpoint, context.principal
    return {
        "method": context.method,
        "route": None if endpoint is None else endpoint.path,
        "dialect": dialect,
        "status": status,
        "ms": round(seconds * 1000, 3),
        "request_id": context.request_id,
        "key": None if principal is None else _name_of(principal.key_id),
    }


@lru_cache(maxsize=1024)
def _name_of(key: Id) -> str:
    return spell(KEY_PREFIX, key)
