"""The pages name everything there is, with the right figures, and nothing that there is not."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from drawdown.app import BUILDERS
from drawdown.cli import main
from drawdown.cli import server as listening
from drawdown.config import CLIENT_VARIABLES, PREFIX, Config
from drawdown.core import (
    amending,
    amounts,
    creation,
    currencies,
    identity,
    requests,
    several,
    types,
)
from drawdown.core.schedules import terms
from drawdown.core.usage import records as usage_records
from drawdown.core.watching import alerts, crossings, usage_alerts
from drawdown.dialects.native import directory, scalars, streams, wire
from drawdown.dialects.native.events import FORMAT
from drawdown.dialects.stripe import grants as stripe_grants
from drawdown.engine import accounts, batcher, endpoints
from drawdown.store.sqlite import connection, transaction
from drawdown.web import fields, protocol, rate_limits
from drawdown.web.endpoints import Dialect
from drawdown.webhooks import addresses, deliver, outlet, sending
from tests.docs.pages import ROOT, blocks, name_of, pages, prose
from tests.support.server import Server, Tenant

DIALECTS = {dialect.name: dialect for dialect in (build(Config()) for build in BUILDERS)}
ROOT_COMMAND: Any = main.commands()
OWN_PAGES = {"/", "/health/live", "/health/ready", "/metrics"}
#: A file of the data set that a file here was taken from.
ELSEWHERE = {"data/AzureLLMInferenceTrace_code.csv"}

OPERATIONS = (ROOT / "docs/operations.md").read_text("utf-8")
GLOSSARY = (ROOT / "docs/glossary.md").read_text("utf-8")


def section(page: str, title: str) -> str:
    """A page's part under a heading, up to the next one of its rank."""
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row in ``text`` but headings and rules."""
    found = re.findall(r"^\|(.*)\|$", text, re.MULTILINE)
    cells = [[cell.strip() for cell in row.split(" | ")] for row in found]
    return [row for row in cells if not set("".join(row)) <= set("-: |")]


# Routes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_a_dialects_page_lists_its_routes_and_no_other(dialect: Dialect) -> None:
    page = (ROOT / "docs/dialects" / f"{dialect.name}.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `([A-Z]+) (/\S*)`", page, re.MULTILINE))
    assert listed == {(endpoint.method, endpoint.path) for endpoint in dialect.endpoints}


def test_the_index_of_dialects_has_the_address_and_document_of_each() -> None:
    index = (ROOT / "docs/dialects/README.md").read_text("utf-8")
    for dialect in DIALECTS.values():
        assert f"({dialect.name}.md) | `http://127.0.0.1:8080{dialect.bases[0]}` |" in index
        assert f"`{dialect.bases[0]}{dialect.openapi_path}`" in index


def test_the_operations_page_names_every_address_of_the_servers_own() -> None:
    assert not {path for path in OWN_PAGES if f"`GET {path}`" not in OPERATIONS}


def test_a_page_names_only_routes_that_there_are() -> None:
    """With or without the dialect's base before them."""
    known = {("GET", path) for path in OWN_PAGES}
    for dialect in DIALECTS.values():
        for endpoint in dialect.endpoints:
            bases = ("", *dialect.bases)
            known |= {(endpoint.method, pattern(base + endpoint.path)) for base in bases}
        known |= {("GET", base + dialect.openapi_path) for base in dialect.bases}
    named = {
        (name_of(page), method, pattern(path.rstrip("/?") or "/"))
        for page in pages()
        for method, path in re.findall(r"`(GET|POST|PUT|DELETE) (/[^\s`?]*)", prose(page))
    }
    assert len(named) > 20
    assert not {each for each in named if each[1:] not in known}


def pattern(path: str) -> str:
    """A path whatever its parameters are called."""
    return re.sub(r"\{\w+\}", "{}", path)


# Commands ----------------------------------------------------------------------------------------


def test_the_page_on_events_lists_their_types_and_no_other() -> None:
    page = (ROOT / "docs/webhooks.md").read_text("utf-8")
    listed = [row[0].strip("`") for row in rows(section(page, "Types"))][1:]
    assert listed == list(FORMAT.types)


def mentions() -> Iterator[tuple[str, str]]:
    """Every command line on a page: in a code span, or in an example."""
    for page in pages():
        examples = "".join(block.text for block in blocks(page)).replace("\\\n", " ")
        spans = re.findall(r"`([^`\n]+)`", prose(page))
        for line in (*examples.splitlines(), *spans):
            for words in re.findall(r"(?<![\w/.-])(?:\S*/)?drawdown ((?:--|[a-z]).*)", line):
                yield name_of(page), words


def test_a_page_names_only_commands_and_options_that_there_are() -> None:
    unknown = {(page, words) for page, words in mentions() if not is_command(words)}
    assert not unknown
    assert {words.split()[0] for _, words in mentions()} >= set(ROOT_COMMAND.commands)


def is_command(words: str) -> bool:
    command: Any = ROOT_COMMAND
    for word in words.split():
        below = getattr(command, "commands", {})
        if word in below:
            command = below[word]
        elif below and not word.startswith("-"):
            return False
    options = {name for option in command.params for name in (*option.opts, "--help")}
    return set(re.findall(r"(?<=\s)--[a-z-]+", " " + words)) <= options


def test_a_page_names_only_targets_that_make_has() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set()
    for page in pages():
        examples = "".join(block.text for block in blocks(page))
        named |= set(re.findall(r"^make ([a-z]+)", examples, re.MULTILINE))
        named |= set(re.findall(r"`make ([a-z]+)", prose(page)))
    assert named >= {"serve", "test", "setup", "demo", "bench"}
    assert named <= targets


# Settings, logs, metrics -------------------------------------------------------------------------


def test_every_setting_is_described_with_its_default() -> None:
    described = {
        row[0].strip("`"): row[1].strip("`")
        for row in rows(section(OPERATIONS, "Configuration"))
        if row[0] != "variable"
    }
    assert described == {
        PREFIX + field.name.upper(): written(field.default)
        for field in msgspec.structs.fields(Config)
    }


def written(default: object) -> str:
    """As it would stand in the environment."""
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_no_page_names_a_setting_that_there_is_not() -> None:
    known = {PREFIX + field.name.upper() for field in msgspec.structs.fields(Config)}
    known |= CLIENT_VARIABLES
    for page in pages():
        named = set(re.findall(r"\bDRAWDOWN_[A-Z_]*[A-Z]\b", page.read_text("utf-8")))
        assert named <= known, name_of(page)


def test_every_example_of_curl_has_one_name_for_the_key_and_for_the_server() -> None:
    """The names that ``drawdown replay`` reads, so that a reader exports them once."""
    examples = "".join(block.text for page in pages() for block in blocks(page))
    users = {user.strip('"') for user in re.findall(r"curl [^'\n]*?-u (\S+)", examples)}
    assert users == {"$DRAWDOWN_API_KEY:", "$DRAWDOWN_KEY_ID:$DRAWDOWN_API_KEY"}
    assert len(re.findall(r"\bcurl .*\$DRAWDOWN_URL/", examples)) == examples.count("curl ")


def test_every_metric_is_described_with_its_type_and_labels(
    server: Server, native: httpx.Client
) -> None:
    described = {
        row[0].strip("`"): (row[1], set(re.findall(r"`(\w+)`", row[2])))
        for row in rows(section(OPERATIONS, "Metrics"))
        if row[0] != "name"
    }
    debit = {"customer": "nobody", "entitlement": "usd", "amount": "1", "idempotency_key": "1"}
    native.post("/debits", json=debit)
    text = httpx.get(server.url + "/metrics", verify=False).text
    types_of = dict(re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE))
    own = {name: kind for name, kind in types_of.items() if name.startswith("drawdown_")}
    assert {name: kind for name, (kind, _) in described.items()} == own
    for name, (_, labels) in described.items():
        assert labels_of(name, text) == labels, name
    others = {name for name in types_of if not name.startswith(("drawdown_", "process_"))}
    assert not {name for name in others if f"`{name}`" not in OPERATIONS}


def labels_of(name: str, exposition: str) -> set[str]:
    samples = re.findall(rf"^{name}(?:_\w+)?(?:\{{(.*)\}})? ", exposition, re.MULTILINE)
    return {label for sample in samples for label in re.findall(r"(\w+)=\"", sample)} - {"le"}


def test_every_line_of_the_log_is_described_with_its_fields(tenant: Tenant, server: Server) -> None:
    described = {
        row[0].strip("`"): set(re.findall(r"`(\w+)`", row[2]))
        for row in rows(section(OPERATIONS, "Logs"))
        if row[0] != "`event`"
    }
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    logged = re.findall(r"\blog\.(?:info|warning|error|exception)\(\s*\"([^\"]+)\"", source)
    assert set(described) == set(logged)
    with tenant.client() as client:
        client.get("/customers")
    line = server.logged("request")
    assert described["request"] | {"event", "level", "timestamp"} == set(line)


def last_number(text: str) -> int:
    return int(re.findall(r"\d+", text)[-1])


#: The rows of the table, and where the code has each figure.
LIMITS = {
    "bytes of a request's body, unless `DRAWDOWN_BODY_BYTES_MAX` says otherwise": (
        Config().body_bytes_max
    ),
    "bytes of a request's line and headers": protocol.HEAD_BYTES_MAX,
    "debits in one batch request": scalars.BATCH_MAX,
    "commands in one transaction": batcher.BATCH_MAX,
    "commands that wait for a transaction, beyond which writes answer 503": batcher.WAITING_MAX,
    "connections that wait to be accepted": listening.CONNECTIONS_WAITING_MAX,
    "items of a page in the native API": scalars.PAGE_MAX,
    "webhook endpoints of a book": endpoints.ENDPOINTS_MAX,
    "events in retry for one endpoint, beyond which nothing more is read for it": (
        outlet.RETRYING_MAX
    ),
    "attempts to deliver that are kept of an endpoint": deliver.ATTEMPTS_KEPT,
    "events that were given up, kept of an endpoint": deliver.DEAD_KEPT,
    "days that attempts and events given up are kept": deliver.KEPT_FOR // types.DAY,
    "seconds an endpoint is left alone that asks for it (`Retry-After`)": int(outlet.QUIET_MAX),
    "deliveries under way at once, in all": deliver.IN_FLIGHT_MAX,
    "of those to endpoints that did not take what they were sent last": deliver.DOUBTFUL_MAX,
    "deliveries under way at once, to one endpoint": outlet.IN_FLIGHT_MAX,
    "addresses without a key that a rate limit counts apart, in one window": (
        rate_limits.ADDRESSES_MAX
    ),
    "names that are looked up at once, for deliveries": addresses.LOOKUPS_MAX,
    "seconds an attempt to deliver may take": round(sending.SECONDS_MAX),
    "bytes that are read of an endpoint's answer": sending.ANSWER_BYTES_MAX,
    "streams of balances, of one process": streams.STREAMS_MAX,
    "open grants of a wallet": types.GRANTS_OPEN_MAX,
    "open holds of a wallet": types.HOLDS_OPEN_MAX,
    "seconds a hold lives": types.HOLD_MAX // types.MICROSECONDS,
    "wallets of one spend": several.WALLETS_MAX,
    "schedules of a wallet that have not ended": terms.SCHEDULES_LIVE_MAX,
    "open alerts on everybody's credit of an entitlement": alerts.ALERTS_MAX,
    "open alerts on one customer's": alerts.OWN_ALERTS_MAX,
    "open alerts on everybody's use of a meter": usage_alerts.USAGE_ALERTS_MAX,
    "open alerts on one customer's use of a meter": usage_alerts.OWN_USAGE_ALERTS_MAX,
    "grants that an alert on expiry tells of at once, when it is new to a wallet": (
        crossings.TOLD_AT_FIRST_MAX
    ),
    "open meters of a book": usage_records.METERS_MAX,
    "open rates of a book": usage_records.RATES_MAX,
    "bytes of a meter's filter with the rest of it, or of a rate's price, as JSON": (
        usage_records.DEFINITION_BYTES_MAX
    ),
    "rates that charge one usage event": usage_records.CHARGES_MAX,
    "groups of a customer's usage by one rate in one period": usage_records.GROUPS_MAX,
    "events that an override looks at, the customer's latest": usage_records.LATEST_MAX,
    "attributes of a grant's scope": scalars.SCOPE_MAX,
    "values of one of them": scalars.SCOPE_VALUES_MAX,
    "characters of a value in a scope": scalars.SCOPE_TEXT_MAX,
    "unused grants of a customer, for a grant by Stripe's dialect": stripe_grants.UNUSED_MAX,
    "decimal places of an entitlement": amounts.SCALE_MAX,
    "units ever granted to a wallet (USD: 9,223,372,036.854775807)": types.UNITS_MAX,
    "priority of a grant; 0 burns first": types.PRIORITY_MAX,
    "days after which an entitlement's grants expire": creation.EXPIRES_AFTER_DAYS_MAX,
    "pairs of metadata, or of attributes": amending.METADATA_KEYS_MAX,
    "characters of a metadata key": signature(fields.metadata).parameters["key_max"].default,
    "characters of a metadata value": signature(fields.metadata).parameters["value_max"].default,
    "characters of an own id or a code": last_number(identity.OWN_ID.pattern),
    "characters of an idempotency key": requests.KEY_MAX,
    "characters of a name of a customer, entitlement or grant": directory.NAME_MAX,
    "characters of an account's or key's name": last_number(accounts.NAME_RULE),
    "seconds a connection may idle between requests": listening.IDLE_SECONDS,
    "wallets kept in memory": transaction.WALLETS_CACHED_MAX,
}


def test_the_table_of_limits_is_what_the_code_has() -> None:
    shown = {row[0]: row[1] for row in rows(section(OPERATIONS, "Limits")) if row[0] != "what"}
    assert shown == {what: f"{limit:,}" for what, limit in LIMITS.items()}


# Words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        types.BurnOrder,
        types.Category,
        types.EntryKind,
        types.GrantState,
        types.Mode,
        accounts.Role,
    ],
    ids=lambda words: words.__name__,
)
def test_the_glossary_has_every_word_of_the_api(words: type[Any]) -> None:
    assert not {word.value for word in words if f"`{word.value}`" not in GLOSSARY}


def test_the_glossary_says_what_every_number_of_a_balance_is() -> None:
    described = {
        word for row in rows(section(GLOSSARY, "Balances")) for word in re.split(", ", row[0])
    }
    assert (
        set(wire.Balance.__struct_fields__) - {"customer", "entitlement", "scale", "as_of"}
        <= described
    )


def test_the_table_of_currencies_is_what_the_ledger_keeps() -> None:
    """Those of the usual two places are counted, the others named."""
    by_places: dict[int, list[str]] = {}
    for code, places in sorted(currencies.MINOR_PLACES.items()):
        by_places.setdefault(places, []).append(code)
    for minor_unit, scale, codes in rows(section(GLOSSARY, "Currencies"))[1:]:
        kept = by_places.pop(last_number(minor_unit))
        assert {str(currencies.scale_of(code)) for code in kept} == {scale}
        named = re.findall(r"\b[a-z]{3}\b", codes.partition(" and ")[0])
        others = last_number(codes) if "more" in codes else 0
        assert set(named) <= set(kept)
        assert len(named) + others == len(kept)
    assert not by_places


# Files -------------------------------------------------------------------------------------------


def test_a_page_names_only_files_that_there_are() -> None:
    """Whole paths in code spans; in a package's page also its own files."""
    named = {
        (page, path)
        for page in pages()
        for path in re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|sql|toml))`", prose(page))
    }
    assert len(named) > 50
    missing = {
        f"{name_of(page)}: {path}"
        for page, path in named
        if not is_there(page.parent, path) and path not in ELSEWHERE
    }
    assert not missing


def is_there(folder: Path, path: str) -> bool:
    """From the root, from the package, or beside the page (in any of a dialects' folders)."""
    bases = (ROOT, ROOT / "src/drawdown", folder, *folder.glob("*/"))
    return any((base / path).exists() for base in bases)


PACKAGES = [
    "core",
    "engine",
    "store",
    "store/sqlite",
    "web",
    "webhooks",
    "dialects",
    "cli",
    "importing",
    "client",
]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_is_not_and_what_must_always_hold(package: str) -> None:
    page = (ROOT / "src/drawdown" / package / "README.md").read_text("utf-8")
    assert re.search(r"\b(?:is not|not a)\b", page)
    assert "Must always hold" in page


def test_the_notice_repeats_whose_the_data_is() -> None:
    """Whoever passes Drawdown on passes on the attribution that the licences ask for."""
    notice = " ".join((ROOT / "NOTICE").read_text("utf-8").split())
    data = (ROOT / "src/drawdown/data/README.md").read_text("utf-8")
    addresses = set(re.findall(r"<(https://[^>]+)>", data))
    assert len(addresses) >= 4
    assert not {address for address in addresses if address not in notice}
    [attribution] = re.findall(r"\*\*Attribution:\*\* ([^.]+)\.", data)
    names, _, title = " ".join(attribution.split()).partition(": ")
    assert names in notice
    assert title in notice


def test_funds_are_in_and_what_has_no_minor_unit_is_not() -> None:
    kept = set(currencies.MINOR_PLACES)
    assert {"che", "clf", "usn", "bgn"} <= kept
    assert not {"xau", "xag", "xdr", "xsu", "xua", "xts", "xxx"} & kept


def test_the_architecture_page_has_the_size_of_the_log() -> None:
    page = (ROOT / "docs/ARCHITECTURE.md").read_text("utf-8")
    [mebibytes] = re.findall(r"written back at (\d+) MiB", page)
    assert round(connection.CHECKPOINT_PAGES * 4096 / 2**20) == int(mebibytes)
    assert "SQLITE_DBCONFIG_ENABLE_QPSG" in page


def test_the_package_shows_the_front_page() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (ROOT / project["readme"]).is_file()
