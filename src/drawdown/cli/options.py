"""Options that several commands have, with one meaning."""

from __future__ import annotations

from typing import Annotated

import typer

URL_DEFAULT = "http://127.0.0.1:8080"

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Zone = Annotated[
    str,
    typer.Option(
        "--zone",
        help="The time zone of its days, such as Europe/Berlin, where a dialect names days.",
    ),
]
Url = Annotated[str, typer.Option("--url", envvar="DRAWDOWN_URL", help="The server.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="DRAWDOWN_API_KEY",
        show_envvar=True,
        help="The secret of a key; the variable is the safer place.",
    ),
]
