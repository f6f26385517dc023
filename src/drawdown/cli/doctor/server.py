"""The checks of a running server, and of the key in the caller's environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import httpx

from drawdown.cli.doctor.checks import Check, fault, ok, warning

SECONDS_MAX = 5.0
_MODES = {"sk_test_": "test", "sk_live_": "live"}


def examine(url: str, key: str | None, *, named: bool) -> Iterator[Check]:
    """The checks of the server at ``url``. ``named``: someone said that there is one."""
    try:
        with httpx.Client(base_url=url, timeout=SECONDS_MAX) as client:
            welcome = _json(client.get("/"))
            if welcome.get("name") != "Drawdown":
                fix = "Give the URL that `drawdown serve` prints, with --url or DRAWDOWN_URL."
                yield fault("server", f"What answers at {url} is no Drawdown server.", fix)
                return
            yield _release(url, welcome.get("version"))
            yield _readiness(client)
            yield _key(client, key)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError):
        yield fault("server", f"{url!r} is no URL of a server.", "Such as http://127.0.0.1:8080.")
    except httpx.TransportError as error:
        kind = fault if named else warning
        cause = str(error) or type(error).__name__
        fix = "`drawdown serve` starts one; --url or DRAWDOWN_URL names another."
        yield kind("server", f"No server answers at {url}: {cause}.", fix)


def _release(url: str, theirs: object) -> Check:
    ours = version("drawdown")
    if theirs == ours:
        return ok("server", f"{url}, release {theirs}")
    found = f"{url} runs release {theirs}, this command is {ours}."
    return warning("server", found, "Upgrade the older one, and restart the server.")


def _readiness(client: httpx.Client) -> Check:
    status = client.get("/health/ready").status_code
    if status == 200:
        return ok("readiness", "it reads its database")
    fix = "See its log for the cause: the disk, the file's permissions, or PostgreSQL."
    return fault("readiness", f"It answers {status} to /health/ready.", fix)


def _key(client: httpx.Client, key: str | None) -> Check:
    """What the key opens. Only an admin may list keys; others are told what they are."""
    if not key:
        return warning(
            "key", "none is given", "Set DRAWDOWN_API_KEY; `drawdown keys create` makes one."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        return fault("key", "It has characters that no key has.", "Copy it again.")
    asked = client.get("/api/v1/keys", headers={"authorization": f"Bearer {key}"})
    problem = _json(asked)
    if asked.status_code == 401:
        detail = str(problem.get("detail", "")).rstrip(".")
        fix = (
            "`drawdown keys list` shows the keys of the server's database; `keys create` makes one."
        )
        return fault("key", f"The server does not take the key: {detail}.", fix)
    mode = _MODES.get(key[:8], "unknown")
    if asked.status_code == 200:
        return ok("key", f"{mode}, admin")
    role = re.search(r"not (viewer|editor)\b", str(problem.get("detail")))
    if asked.status_code == 403 and role is not None:
        return ok("key", f"{mode}, {role[1]}")
    return fault("key", f"The server answers {asked.status_code}.", "See its log.")


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
