"""The few options of curl that the pages use, for machines without it.

Asks one URL, prints the answer, and fails with 22 on a refusal, as ``--fail-with-body`` does.
"""

from __future__ import annotations

import base64
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit

FORM = "application/x-www-form-urlencoded"


def main(arguments: list[str]) -> int:
    words, data, headers, url = iter(arguments), [], {}, ""
    method, shows_head, as_query = "", False, False
    for word in words:
        if word == "-d":
            data.append(next(words))
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-X":
            method = next(words)
        elif word == "-u":
            headers["Authorization"] = "Basic " + base64.b64encode(next(words).encode()).decode()
        elif word in {"-i", "-G"}:
            shows_head, as_query = shows_head or word == "-i", as_query or word == "-G"
        elif word.startswith("-"):
            sys.exit(f"curl.py does not know {word}")
        else:
            url = word
    return _ask(method, url, "&".join(data), headers, shows_head, as_query)


def _ask(
    method: str, url: str, data: str, headers: dict[str, str], shows_head: bool, as_query: bool
) -> int:
    address = urlsplit(url)
    query = "&".join(part for part in (address.query, data if as_query else "") if part)
    target = address.path + ("?" + query if query else "")
    connection = HTTPConnection(address.netloc, timeout=30)
    if data and not as_query:
        connection.request(
            method or "POST", target, data.encode(), {"Content-Type": FORM} | headers
        )
    else:
        connection.request(method or "GET", target, headers=headers)
    answer = connection.getresponse()
    if shows_head:
        head = [f"HTTP/1.1 {answer.status} {answer.reason}", *_lines(answer.getheaders()), "", ""]
        sys.stdout.write("\n".join(head))
    sys.stdout.write(answer.read().decode())
    return 22 if answer.status >= 400 else 0


def _lines(headers: list[tuple[str, str]]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
