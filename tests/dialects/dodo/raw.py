"""Bytes onto a socket and back, with no client in between that would tidy them up."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Raw:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def exchange(url: str, message: bytes) -> Raw:
    """Send ``message`` to the server at ``url`` and read its answer to the end of the connection."""
    address = urlsplit(url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 80), timeout=60) as connection:
        connection.sendall(message)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Raw(int(first.split(" ")[1]), headers, body)


def message(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One request, after which the connection ends; as long as its headers say, else as it is."""
    lines = {"host": "localhost", "connection": "close"} | headers
    if method != "GET" and "transfer-encoding" not in lines:
        lines.setdefault("content-length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
