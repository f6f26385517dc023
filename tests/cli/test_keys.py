"""`drawdown keys` and `drawdown accounts`."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

import httpx
import pytest

from drawdown.core import identity
from drawdown.core.types import Mode
from drawdown.engine.accounts import KeyRevoked, Principal, Role
from drawdown.opening import is_postgres, open_ledger
from drawdown.store.postgres.store import KEY_SECONDS
from tests.support.commands import drawdown
from tests.support.server import Server

TEST_EDITOR = ("--mode", "test", "--role", "editor")
ACCOUNT = re.compile(r"acct_[0-9A-Za-z]{22}")
KEY = re.compile(r"key_[0-9A-Za-z]{22}")


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def who(url: str, secret: str, key_id: str | None = None) -> Principal | None:
    """What a server on this database would take the bearer of ``secret`` for."""

    async def ask() -> Principal | None:
        async with open_ledger(url, jobs=False) as ledger:
            return await ledger.authenticate(secret, key_id)

    return asyncio.run(ask())


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("role", list(Role))
def test_a_new_key_opens_the_book_and_has_the_role_it_was_made_for(
    url: str, mode: Mode, role: Role
) -> None:
    """The JSON holds all that a program needs, and the secret shows its mode."""
    made = drawdown(
        *("keys", "create", "--mode", mode, "--role", role, "--name", "ci"),
        *("--database", url, "--json"),
    ).json()
    assert set(made) == {"id", "secret", "mode", "role", "account", "name"}
    assert (made["mode"], made["role"], made["name"]) == (mode, role, "ci")
    assert KEY.fullmatch(made["id"])
    assert ACCOUNT.fullmatch(made["account"])
    assert made["secret"].startswith(f"sk_{mode}_")
    principal = who(url, made["secret"], made["id"])
    assert principal is not None
    assert (principal.mode, principal.role) == (mode, role)
    assert principal.account == identity.parse(made["account"])


@pytest.mark.parametrize("missing", ["--mode", "--role"])
def test_a_key_needs_a_mode_and_a_role(url: str, missing: str) -> None:
    """Neither is guessed: a live key or a powerful one is made only by saying so."""
    words = {"--mode": "test", "--role": "viewer"}
    del words[missing]
    ran = drawdown(
        "keys", "create", *(w for pair in words.items() for w in pair), "--database", url
    )
    assert ran.code == 2
    assert missing in ran.err


def test_the_secret_is_shown_once_and_never_listed(url: str) -> None:
    """What people read names the secret where it is made; no list has it again."""
    shown = drawdown("keys", "create", *TEST_EDITOR, "--database", url).out
    [secret] = re.findall(r"sk_test_\w+", shown)
    assert who(url, secret) is not None
    for words in ([], ["--json"]):
        assert secret not in drawdown("keys", "list", "--database", url, *words).out


def test_a_key_without_an_account_makes_the_first_one(url: str) -> None:
    """On an empty database the first key brings its account; the next key uses the same."""
    first = drawdown("keys", "create", *TEST_EDITOR, "--database", url, "--json").json()
    second = drawdown("keys", "create", *TEST_EDITOR, "--database", url, "--json").json()
    accounts = drawdown("accounts", "list", "--database", url, "--json").json()
    assert [account["name"] for account in accounts] == ["default"]
    assert first["account"] == second["account"] == accounts[0]["id"]


def test_among_several_accounts_one_must_be_chosen(url: str) -> None:
    """No account is guessed; the refusal names them."""
    for name in ("north", "south"):
        drawdown("accounts", "create", name, "--database", url)
    failure = drawdown("keys", "create", *TEST_EDITOR, "--database", url).failure()
    assert "north, south" in failure
    assert "--account" in failure
    assert drawdown("keys", "list", "--database", url, "--json").json() == []


@pytest.mark.parametrize("by", ["name", "id"])
def test_an_account_is_chosen_by_name_or_id(url: str, by: str) -> None:
    """The key belongs to the account that was named, and is listed with it."""
    drawdown("accounts", "create", "north", "--database", url)
    south = drawdown("accounts", "create", "south", "--database", url, "--json").json()
    chosen = ("--account", south[by])
    key = drawdown("keys", "create", *TEST_EDITOR, *chosen, "--database", url, "--json").json()
    assert key["account"] == south["id"]
    of_north = drawdown("keys", "list", "--account", "north", "--database", url, "--json").json()
    of_south = drawdown("keys", "list", *chosen, "--database", url, "--json").json()
    assert (of_north, [listed["id"] for listed in of_south]) == ([], [key["id"]])


def test_an_account_that_does_not_exist_is_refused(url: str) -> None:
    """The refusal names those there are, and how to make one."""
    drawdown("accounts", "create", "north", "--database", url)
    words = ("keys", "create", *TEST_EDITOR, "--account", "nroth", "--database", url)
    failure = drawdown(*words).failure()
    assert "'nroth'" in failure
    assert "north" in failure
    assert "drawdown accounts create" in failure


def test_a_revoked_key_opens_nothing(url: str) -> None:
    """It stays listed, with the time it was revoked; it cannot be revoked again."""
    key = drawdown("keys", "create", *TEST_EDITOR, "--database", url, "--json").json()
    assert drawdown("keys", "revoke", key["id"], "--database", url).code == 0
    with pytest.raises(KeyRevoked):
        who(url, key["secret"])
    [listed] = drawdown("keys", "list", "--database", url, "--json").json()
    assert listed["revoked_at"].endswith("Z")
    again = drawdown("keys", "revoke", key["id"], "--database", url).failure()
    assert "There is no key" in again


def test_a_running_server_sees_what_the_command_line_does(server: Server) -> None:
    """A key works until it is revoked, on PostgreSQL at most a second longer, without a restart."""
    database = ("--database", server.database)
    drawdown("accounts", "create", "beside a server", *database)
    made = drawdown(
        *("keys", "create", *TEST_EDITOR, "--account", "beside a server", *database, "--json")
    ).json()
    headers = {"authorization": f"Bearer {made['secret']}"}
    with httpx.Client(base_url=server.url, headers=headers) as client:
        assert client.get("/api/v1/customers").status_code == 200
        drawdown("keys", "revoke", made["id"], *database)
        if is_postgres(server.database):
            time.sleep(KEY_SECONDS)
        assert client.get("/api/v1/customers").status_code == 401


def test_a_secret_given_for_an_id_is_not_repeated(url: str) -> None:
    """A secret typed where an id belongs does not end in a log."""
    key = drawdown("keys", "create", *TEST_EDITOR, "--database", url, "--json").json()
    failure = drawdown("keys", "revoke", key["secret"], "--database", url).failure()
    assert key["secret"] not in failure
    assert "keys list" in failure
    assert who(url, key["secret"]) is not None


def test_last_use_is_listed(server: Server) -> None:
    """Who reads the list sees which keys are alive."""
    tenant = server.tenant()
    with tenant.client() as client:
        assert client.get("/customers").status_code == 200
    server_side = ("--account", tenant.account, "--database", server.database, "--json")

    def used() -> set[str]:
        keys = drawdown("keys", "list", *server_side).json()
        return {key["id"] for key in keys if key["last_used_at"] is not None}

    assert wait_for(lambda: used() == {tenant.test.editor.id})


def wait_for(condition: Callable[[], bool]) -> bool:
    """Uses are written down by a job that runs every second, unless the machine is busy."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_two_accounts_cannot_have_one_name(url: str) -> None:
    """The second is refused and not made."""
    drawdown("accounts", "create", "north", "--database", url)
    assert "'north'" in drawdown("accounts", "create", "north", "--database", url).failure()
    assert len(drawdown("accounts", "list", "--database", url, "--json").json()) == 1


def test_the_days_of_an_account_are_in_a_zone_that_can_be_set_and_is_shown(url: str) -> None:
    """UTC unless another is named, when it is made or later; by its name or its id."""
    database = ("--database", url)
    north = drawdown("accounts", "create", "north", *database, "--json").json()
    chosen = ("--zone", "Asia/Kathmandu")
    south = drawdown("accounts", "create", "south", *chosen, *database, "--json").json()
    assert (north["zone"], south["zone"]) == ("UTC", "Asia/Kathmandu")
    said = drawdown("accounts", "set", "north", "--zone", "Pacific/Apia", *database).out
    assert said == f"Account north: {north['id']}, days in Pacific/Apia\n"
    words = ("accounts", "set", south["id"], "--zone", "UTC", *database, "--json")
    assert drawdown(*words).json() == south | {"zone": "UTC"}
    listed = drawdown("accounts", "list", *database, "--json").json()
    assert listed == [north | {"zone": "Pacific/Apia"}, south | {"zone": "UTC"}]
    assert "Pacific/Apia" in drawdown("accounts", "list", *database).out


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Berlin", "zone must be the name of a time zone of the IANA database"),
        ("europe/berlin", "the spelling is Europe/Berlin"),
    ],
)
def test_a_zone_that_nobody_knows_is_refused(url: str, zone: str, said: str) -> None:
    """With the rule, or the right spelling; nothing is made or changed."""
    database = ("--database", url)
    north = drawdown("accounts", "create", "north", *database, "--json").json()
    for words in (("create", "south"), ("set", "north")):
        assert said in drawdown("accounts", *words, "--zone", zone, *database).failure()
    assert drawdown("accounts", "list", *database, "--json").json() == [north]


def test_the_zone_of_nobody_cannot_be_set(url: str) -> None:
    """The refusal names the accounts there are; none is made by the way."""
    drawdown("accounts", "create", "north", "--database", url)
    words = ("accounts", "set", "nroth", "--zone", "UTC", "--database", url)
    failure = drawdown(*words).failure()
    assert "'nroth'" in failure
    assert "north" in failure


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", "a\x1b[31m"])
def test_a_name_that_cannot_be_shown_is_refused(url: str, name: str) -> None:
    """The rule is said; nothing is made. It holds for accounts and for keys."""
    drawdown("accounts", "create", "north", "--database", url)
    assert (
        "1 to 100 characters" in drawdown("accounts", "create", name, "--database", url).failure()
    )
    words = ("keys", "create", *TEST_EDITOR, "--name", name, "--database", url)
    assert "1 to 100 characters" in drawdown(*words).failure()
    assert drawdown("keys", "list", "--database", url, "--json").json() == []


def test_a_name_is_not_read_as_markup(url: str) -> None:
    """What looks like an instruction to the terminal is shown as it is."""
    name = "[red]north[/red] :smile:"
    assert name in drawdown("accounts", "create", name, "--database", url).out
    assert name in drawdown("accounts", "list", "--database", url).out
