"""One log line for each answered request: what was asked, never who, with what, or about whom."""

from __future__ import annotations

import structlog

from drawdown.core.identity import spell
from drawdown.engine.accounts import KEY_PREFIX
from drawdown.web.endpoints import Context

log = structlog.get_logger("drawdown.access")


def log_request(dialect: str, context: Context, status: int, seconds: float) -> None:
    """Logs the route as the table spells it, so that no id of a customer gets into the log."""
    endpoint, principal = context.endpoint, context.principal
    log.info(
        "request",
        method=context.method,
        route=None if endpoint is None else endpoint.path,
        dialect=dialect,
        status=status,
        ms=round(seconds * 1000, 3),
        request_id=context.request_id,
        key=None if principal is None else spell(KEY_PREFIX, principal.key_id),
    )
