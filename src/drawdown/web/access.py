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
_encode_lines = msgspec.json.Encoder().encode_lines


def access_log(config: Config) -> Observe | None:
    """What logs the answers of this process; None when nobody would read it."""
    if not config.access_log or not says(config, "info"):
        return None
    if text_for_people(config):
        return log_text
    return JsonLines(sys.stderr.buffer, process_fields())


class Line(msgspec.Struct, gc=False):
    """What is told, in its order. ``worker`` and ``pid`` only where several processes log together."""

    method: str
    route: str | None
    dialect: str
    status: int
    ms: float
    request_id: str
    key: str | None
    event: str
    level: str
    timestamp: datetime
    worker: int | msgspec.UnsetType = msgspec.UNSET
    pid: int | msgspec.UnsetType = msgspec.UNSET


def log_text(dialect: str, context: Context, status: int, seconds: float) -> None:
    values = _values(dialect, context, status, seconds)
    log.info("request", **dict(zip(Line.__struct_fields__, values, strict=False)))


class JsonLines:
    """Lines like those of structlog at a tenth of their cost.

    Those of one turn of the event loop go out together at its end, since a system call costs more than
    a line does.
    """

    def __init__(self, stream: BinaryIO, process: Mapping[str, Any]) -> None:
        self._stream, self._process = stream, process
        self._lines: list[Line] = []

    def __call__(self, dialect: str, context: Context, status: int, seconds: float) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        values = _values(dialect, context, status, seconds)
        self._lines.append(Line(*values, "request", "info", datetime.now(UTC), **self._process))

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        self._stream.write(_encode_lines(lines))
        self._stream.flush()


def _values(
    dialect: str, context: Context, status: int, seconds: float
) -> tuple[str, str | None, str, int, float, str, str | None]:
    """A line's first fields. The route is as the table spells it: no id of a customer gets into the log."""
    endpoint, principal = context.endpoint, context.principal
    return (
        context.method,
        None if endpoint is None else endpoint.path,
        dialect,
        status,
        int(seconds * 1_000_000 + 0.5) / 1_000,
        context.request_id,
        None if principal is None else _name_of(principal.key_id),
    )


@lru_cache(maxsize=1024)
def _name_of(key: Id) -> str:
    return spell(KEY_PREFIX, key)
