"""The settings of a server, read once: ``DRAWDOWN_*`` variables, and options above them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from drawdown.core.types import BurnOrder

PREFIX = "DRAWDOWN_"
DATABASE_DEFAULT = "sqlite:///drawdown.db"
#: What a client has in its shell; the server itself does not read them.
CLIENT_VARIABLES = frozenset({"DRAWDOWN_URL", "DRAWDOWN_API_KEY", "DRAWDOWN_KEY_ID"})


Requests = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class ConfigError(Exception):
    """A setting breaks its rule; the message names the variable and the rule."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Each field is read from ``DRAWDOWN_`` and its name in capitals.

    ``database``: a URL; ``sqlite:///file`` is in the working folder, ``sqlite:////file`` absolute.
    ``log_format``: ``auto`` is ``text`` on a terminal and ``json`` elsewhere. ``access_log``: one
    line for each request. ``request_seconds_max``: from a request's first byte to its last.
    ``claims_kept_days``: how long HTTP idempotency keys are remembered.
    ``rate_limit_*``: requests of one caller, 0 for no limit; ``usage`` are those that report usage, which
    count among all the others where they have no limit of their own; ``unauthenticated`` is who has no key
    that opens anything, by address.
    ``dodo_*``: in the Dodo dialect, the number of the first page, the burn-down order of the entitlements
    that are made there, and whether a meter's free threshold counts for credit.
    ``workers``: processes of one server.
    ``database_connections_max``: to PostgreSQL, of all its workers together.
    ``webhooks_allow_private``: events may go to private addresses, and without TLS.
    """

    database: Annotated[str, Meta(min_length=1)] = DATABASE_DEFAULT
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    database_connections_max: Annotated[int, Meta(ge=4, le=10_000)] = 40
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "text"] = "auto"
    access_log: bool = True
    body_bytes_max: Annotated[int, Meta(ge=1024, le=1 << 30)] = 4 * 1024 * 1024
    request_seconds_max: Annotated[int, Meta(ge=1, le=3600)] = 60
    claims_kept_days: Annotated[int, Meta(ge=1, le=3650)] = 30
    rate_limit_per_second: Requests = 0
    rate_limit_per_minute: Requests = 0
    rate_limit_usage_per_second: Requests = 0
    rate_limit_usage_per_minute: Requests = 0
    rate_limit_unauthenticated_per_second: Requests = 0
    rate_limit_unauthenticated_per_minute: Requests = 0
    dodo_page_base: Literal[0, 1] = 0
    dodo_burn_order: BurnOrder = BurnOrder.OLDEST_FIRST
    dodo_free_threshold: bool = False
    webhooks_allow_private: bool = False


def read_config(environment: Mapping[str, str], **options: Any) -> Config:
    """The settings in ``environment``, with the ``options`` that are not None above them.

    Raises ``ConfigError`` naming the first setting that breaks its rule.
    """
    given: dict[str, Any] = {}
    for field in msgspec.structs.fields(Config):
        value = environment.get(PREFIX + field.name.upper())
        if options.get(field.name) is not None:
            value = options[field.name]
        if value is not None:
            given[field.name] = _checked(field, value)
    return Config(**given)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """``DRAWDOWN_*`` variables that are no setting: most likely misspelt."""
    settings = {PREFIX + field.name.upper() for field in msgspec.structs.fields(Config)}
    known = settings | CLIENT_VARIABLES
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def _checked(field: msgspec.structs.FieldInfo, value: Any) -> Any:
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as error:
        name = PREFIX + field.name.upper()
        raise ConfigError(f"{name} is {value!r}. {error}.") from None
