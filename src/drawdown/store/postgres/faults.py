"""What the database's errors mean to the engine, by their SQLSTATE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import asyncpg

from drawdown.engine.ports import BatchConflict, StoreUnavailable

#: What a driver raises when a statement fails, or its connection does.
FAILURES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
#: Nothing was stored, and the same batch may do better at once. 23505: another process was first with a
#: row that must be unique, and will be seen now. 0A000: what a statement was prepared for has changed.
RETRIED = frozenset({"40001", "40P01", "55P03", "23505", "0A000"})
#: The server is going away, has gone, only reads, or cannot: asking again later may help.
_GONE = re.compile(r"57P0[1-5]|57014|08...|XX...|53...|58...|25006")
#: The connection leads to a standby, or to what a statement was not prepared for: a new one is made.
ELSEWHERE = frozenset({"0A000", "25006"})
_LOST = "08006"


def code_of(error: BaseException) -> str:
    """The SQLSTATE of an error; 08006 for a connection that broke, or never answered."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate)
    return _LOST if _is_lost_connection(error) else ""


def _is_lost_connection(error: BaseException) -> bool:
    """A driver that is cut off in the middle loses its own thread, which it calls an internal error.

    Of its other errors only those that the connection is closed, or that the pool has taken it back, as it
    does with one that ended while nothing was under way on it; the rest are our mistakes.
    """
    if isinstance(error, asyncpg.InterfaceError):
        return any(word in str(error) for word in ("closed", "closing", "released"))
    return isinstance(error, OSError | TimeoutError | asyncpg.InternalClientError)


def told(error: BaseException) -> Exception:
    """What the engine is told in its place. An error that says nothing to it stays as it is."""
    code = code_of(error)
    said = f"{code}: {str(error) or type(error).__name__}"
    if code in RETRIED:
        return BatchConflict(said)
    if _GONE.fullmatch(code):
        return StoreUnavailable(said)
    assert isinstance(error, Exception)
    return error


@contextmanager
def translated() -> Iterator[None]:
    """Errors of a read or of a single statement as the engine knows them: asked again, they may do."""
    try:
        yield
    except FAILURES as error:
        meant = told(error)
        if meant is error:
            raise
        if isinstance(meant, BatchConflict):
            meant = StoreUnavailable(str(meant))
        raise meant from error


@contextmanager
def before_the_commit() -> Iterator[None]:
    """Whatever breaks in here has stored nothing, so that all of it may be tried again.

    What was not answered in time is for the asker to try again.
    """
    try:
        yield
    except FAILURES as error:
        meant = told(error)
        if meant is error:
            raise
        if isinstance(error, TimeoutError):  # who asks has waited long enough
            raise meant from error
        raise BatchConflict(str(meant)) from error


@contextmanager
def warnings_of(connection: Any) -> Iterator[list[str]]:
    """What the server warns of meanwhile."""
    told: list[str] = []

    def listen(_: object, message: Any) -> None:
        if message.severity_en == "WARNING":
            told.append(str(message))

    connection.add_log_listener(listen)
    try:
        yield told
    finally:
        with suppress(asyncpg.InterfaceError):  # one that broke has forgotten its listeners
            connection.remove_log_listener(listen)


def check_confirmed(warnings: list[str]) -> None:
    """Raises ``StoreUnavailable`` for a commit whose wait for a standby was broken off.

    The server then calls it a success, and warns that it may not have been replicated.
    """
    if warnings:
        raise StoreUnavailable(f"No standby has confirmed the commit: {warnings[0]}")
