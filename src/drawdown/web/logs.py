"""Structured logs on stderr: JSON lines, or text for people on a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from drawdown.config import Config

_encode = msgspec.json.Encoder(enc_hook=str).encode
#: What every line says of the process that wrote it.
_process: dict[str, Any] = {}


def name_process(**fields: Any) -> None:
    """Tell the lines of this process from those of the others that log to the same place."""
    _process.update(fields)


def process_fields() -> Mapping[str, Any]:
    """What tells the lines of this process from those of others."""
    return _process


def text_for_people(config: Config) -> bool:
    """Whether lines are text, not JSON."""
    return config.log_format == "text" or (config.log_format == "auto" and sys.stderr.isatty())


def says(config: Config, level: str) -> bool:
    """Whether lines of this level are written at all."""
    return _number(level) >= _number(config.log_level)


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def configure_logs(config: Config) -> None:
    """Sends our own lines and those of the libraries to stderr in one form."""
    text, level = text_for_people(config), _number(config.log_level)
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_process,
    ]
    structlog.configure(
        processors=[*shared, *_renderers(text)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    _configure_libraries(shared, text, level)


def _add_process(logger: Any, name: str, event: EventDict) -> EventDict:
    event.update(_process)
    return event


def _renderers(text: bool) -> list[Processor]:
    if text:
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()), _as_bytes]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_encode_line)]


def _encode_line(event: Any, **options: Any) -> bytes:
    return _encode(event)


def _as_bytes(logger: Any, name: str, event: Any) -> bytes:
    return str(event).encode("utf-8", "backslashreplace")


def _configure_libraries(shared: list[Processor], text: bool, level: int) -> None:
    """What libraries log through the standard library looks like our own lines."""
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if text else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    # Its pool tells of each try to reach a database that is away; we tell of that once.
    logging.getLogger("asyncpg").setLevel(logging.ERROR)
