"""The commands on a ledger in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
import pytest

from drawdown.store.postgres.durability import Settings, weaknesses
from tests.conftest import StartServer
from tests.support.commands import drawdown, process
from tests.support.postgres import VERSIONS, Cluster, Clusters


@pytest.fixture
def cluster(clusters: Clusters) -> Cluster:
    return clusters.of(VERSIONS[-1])


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    """An empty database: no ledger is in it yet."""
    with cluster.database("template0") as found:
        yield found


def by_name(url: str) -> dict[str, list[dict[str, str]]]:
    """What the doctor found, by the name of the check."""
    ran = drawdown("doctor", "--json", "--database", url)
    found: dict[str, list[dict[str, str]]] = {}
    for check in json.loads(ran.out)["checks"]:
        found.setdefault(check["check"], []).append(check)
    return found


def test_a_ledger_is_prepared_once(url: str) -> None:
    """The schema, an account and its key; the second time nothing is changed."""
    made = drawdown("init", "--account", "north", "--json", "--database", url).json()
    assert made["prepared"]
    assert made["database"] == url
    again = drawdown("init", "--json", "--database", url).json()
    assert again == {"prepared": False, "database": url, "accounts": ["north"]}
    assert [key["id"] for key in drawdown("keys", "list", "--json", "--database", url).json()] == [
        made["key"]["id"]
    ]
    assert drawdown("verify", "--json", "--database", url).json()["ok"]


def test_what_uses_a_ledger_makes_none(url: str, cluster: Cluster) -> None:
    for words in (("verify",), ("accounts", "list"), ("keys", "list")):
        assert "There is no ledger at" in drawdown(*words, "--database", url).failure()
    assert (
        cluster.sql(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", urlsplit(url).path[1:]
        )
        == "0\n"
    )


def test_a_new_ledger_is_told_of(url: str) -> None:
    made = drawdown("accounts", "create", "north", "--database", url)
    assert (made.code, made.err) == (0, f"A new ledger at {url}\n")
    assert drawdown("accounts", "create", "south", "--database", url).err == ""


def test_the_schema_is_shown_and_brought_up_to_date(url: str) -> None:
    pending = drawdown("migrate", "--check", "--json", "--database", url)
    assert pending.code == 1
    done = drawdown("migrate", "--json", "--database", url).json()
    assert done["before"] == 0
    assert done["schema"] == done["newest"] > 0
    assert drawdown("migrate", "--check", "--database", url).code == 0


def test_the_doctor_looks_at_the_database(url: str) -> None:
    """What the tests' own cluster leaves out for speed is a fault."""
    assert by_name(url)["database"][0]["state"] == "fault"
    drawdown("init", "--database", url)
    found = by_name(url)
    assert found["database"][0]["state"] == found["schema"][0]["state"] == "ok"
    assert found["writable"][0]["state"] == found["keys"][0]["state"] == "ok"
    assert found["due work"][0]["state"] == found["clock"][0]["state"] == "ok"
    assert {check["state"] for check in found["durability"]} == {"fault"}
    assert "fsync" in found["durability"][0]["found"]


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    url = "postgresql://clerk:secret@127.0.0.1:1/none?password=hidden"
    for words in (("verify",), ("init",), ("migrate",), ("serve", "--port", "0")):
        failure = process(*words, "--database", url).failure()
        assert "postgresql://clerk:***@127.0.0.1:1/none?password=***" in failure
        assert "secret" not in failure
        assert "hidden" not in failure


@pytest.mark.parametrize("url", ["postgresql://[", "postgresql://localhost:port/x"])
def test_what_is_no_url_is_told(url: str) -> None:
    assert "Cannot use the database" in drawdown("verify", "--database", url).failure()


def test_another_programs_database_is_left_alone(url: str, cluster: Cluster) -> None:
    """A table that is there already is not ours."""
    name = urlsplit(url).path[1:]
    cluster.sql("CREATE TABLE customer (id int)", name)
    failure = drawdown("init", "--database", url).failure()
    assert "another program" in failure
    assert cluster.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'wallet'", name) == "0\n"


def test_a_database_that_is_not_utf8_is_refused(cluster: Cluster) -> None:
    with cluster.database("template0 ENCODING 'LATIN1' LOCALE 'C'") as url:
        assert "UTF-8" in drawdown("init", "--database", url).failure()


def test_a_file_is_copied_and_a_database_is_not(url: str) -> None:
    assert "docs/operations.md" in drawdown("backup", "copy.db", "--database", url).failure()


# Durability ------------------------------------------------------------------------------------------

STRONG = Settings(
    synced=True,
    synchronous_commit="on",
    standbys="ANY 1 (*)",
    only_reads=False,
    bytes=0,
    clock=0,
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"synced": False}, ["fsync"]),
        ({"synchronous_commit": "off"}, ["synchronous_commit is off"]),
        ({"synchronous_commit": "local"}, ["synchronous_commit is local"]),
        ({"synchronous_commit": "remote_write"}, []),
        ({"standbys": ""}, ["synchronous_standby_names"]),
        ({"standbys": "", "synchronous_commit": "local"}, ["synchronous_standby_names"]),
        ({"standbys": "", "synced": False}, ["fsync", "synchronous_standby_names"]),
    ],
)
def test_what_weakens_the_promise_is_told(changes: dict[str, object], words: list[str]) -> None:
    found = weaknesses(msgspec.structs.replace(STRONG, **changes))
    assert len(found) == len(words)
    assert all(word in weakness for word, weakness in zip(words, found, strict=True))


def test_a_server_warns_at_its_start(url: str, cluster: Cluster, serve: StartServer) -> None:
    """Of everything that makes its database keep less than is promised."""
    cluster.sql(f"ALTER DATABASE {urlsplit(url).path[1:]} SET synchronous_commit = off")
    server = serve(database=url)
    warned = [str(line["weakness"]) for line in server.log_lines() if "weakness" in line]
    assert [text.split()[0] for text in warned] == [
        "fsync",
        "synchronous_commit",
        "synchronous_standby_names",
    ]
