"""``docs/dialects/stripe.md``: its examples run, and its tables say what the code does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import httpx
import pytest

from drawdown.dialects.stripe import requests
from drawdown.dialects.stripe.dialect import StripeDialect
from drawdown.dialects.stripe.parameters import Parameters
from drawdown.dialects.stripe.versions import VERSION
from tests.support.server import Tenant

PAGE = (Path(__file__).parents[3] / "docs" / "dialects" / "stripe.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8080"


def example(language: str) -> str:
    """The first; ``tests/docs`` runs all of them, one after the other."""
    return str(re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[0])


def run_curl(command: str, tenant: Tenant) -> httpx.Response:
    """What a ``curl`` command of the page asks for; it knows the options that the page uses."""
    words = iter(shlex.split(command)[1:])
    url, data, headers, user, get = "", [], {}, "", False
    for word in words:
        if word == "-d":
            data.append(next(words))
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-u":
            user = next(words).replace("$DRAWDOWN_API_KEY", tenant.test.editor.secret)
        elif word == "-G":
            get = True
        else:
            url = word.replace("$DRAWDOWN_URL", tenant.url)
    name, _, password = user.partition(":")
    form = "&".join(data)
    if get:
        return httpx.get(f"{url}?{form}", headers=headers, auth=(name, password))
    headers["content-type"] = "application/x-www-form-urlencoded"
    return httpx.post(url, content=form, headers=headers, auth=(name, password))


def test_the_sdk_example_runs(tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    source = example("python").replace(ADDRESS, tenant.url)
    exec(compile(source.replace("sk_test_...", tenant.test.editor.secret), "stripe.md", "exec"), {})
    assert re.fullmatch(r"credgr_test_\w+ Welcome None\n", capsys.readouterr().out)


def test_the_curl_examples_run(tenant: Tenant) -> None:
    commands = example("sh").replace("\\\n", " ").splitlines()
    customer, grant, page = (run_curl(command, tenant).json() for command in commands)
    assert (customer["id"], grant["customer"]) == ("zoe", "zoe")
    assert grant["amount"]["monetary"] == {"currency": "usd", "value": 1000}
    assert page["data"] == [grant | {"customer": customer}]


def test_the_page_lists_what_is_answered_and_nothing_else() -> None:
    listed = set(re.findall(r"^\| `([A-Z]+) (/v[12]\S*)` \|", PAGE, re.MULTILINE))
    assert listed == {(endpoint.method, endpoint.path) for endpoint in StripeDialect().endpoints}


def test_the_page_names_the_version_that_is_answered() -> None:
    assert set(re.findall(r"\d{4}-\d\d-\d\d\.\w+", PAGE)) == {VERSION}


def every_record(parent: type[Parameters] = Parameters) -> list[type[Parameters]]:
    children = parent.__subclasses__()
    return children + [below for child in children for below in every_record(child)]


def test_the_page_names_every_parameter_that_cannot_be_honoured() -> None:
    names = {name for record in every_record() for name in record.unsupported}
    assert len(names) > 9
    assert not {name for name in names if f"`{name}`" not in PAGE}


def test_the_page_names_every_detail_that_is_kept_of_a_customer() -> None:
    kept = requests.CustomerDetails.__struct_fields__
    assert not {name for name in kept if f"`{name}`" not in PAGE}
