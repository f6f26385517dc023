"""The command as a whole: help, version, usage, settings."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup

from drawdown.cli import main
from tests.docs.test_complete import is_command
from tests.support.commands import drawdown, process, sqlite_url

README = Path("src/drawdown/cli/README.md")


def commands(
    group: object, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command that does something, with the words that call it."""
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(commands(main.commands()))


KNOWN = {
    "dry-run",
    "forecast",
    "schedules create",
    "schedules list",
    "schedules show",
    "schedules amend",
    "schedules pause",
    "schedules resume",
    "schedules cancel",
    "webhooks dead-letters",
    "serve",
    "init",
    "doctor",
    "migrate",
    "backup",
    "restore",
    "copy",
    "import dodo",
    "import stripe",
    "import sequence",
    "accounts create",
    "accounts set",
    "accounts list",
    "keys create",
    "keys list",
    "keys revoke",
    "verify",
    "alerts create",
    "alerts list",
    "alerts show",
    "alerts close",
    "top-ups create",
    "top-ups list",
    "top-ups show",
    "top-ups close",
    "top-ups requests",
    "top-ups confirm",
    "top-ups fail",
    "test-clocks create",
    "test-clocks list",
    "test-clocks show",
    "test-clocks advance",
    "test-clocks delete",
    "dodo confirm",
    "customers create",
    "customers amend",
    "customers close",
    "customers list",
    "customers show",
    "entitlements create",
    "entitlements amend",
    "entitlements close",
    "entitlements reopen",
    "entitlements list",
    "entitlements show",
    "grants issue",
    "grants list",
    "grants show",
    "grants expire",
    "grants void",
    "grants amend",
    "grants adjust",
    "debit create",
    "debit spend",
    "debit show",
    "debit reverse",
    "hold create",
    "hold show",
    "hold list",
    "hold capture",
    "hold release",
    "hold extend",
    "meters create",
    "meters list",
    "meters show",
    "meters amend",
    "meters close",
    "meters reopen",
    "rates create",
    "rates list",
    "rates show",
    "rates attach",
    "rates detach",
    "rates close",
    "events send",
    "events list",
    "events show",
    "webhooks create",
    "webhooks list",
    "webhooks show",
    "webhooks deliveries",
    "webhooks test",
    "webhooks redeliver",
    "balance",
    "entries",
    "explain",
    "reset-overage",
    "replay",
    "demo",
}


def test_these_are_the_commands() -> None:
    """No command comes or goes unseen."""
    assert {" ".join(words) for words in COMMANDS} == KNOWN


def test_the_server_loads_nothing_that_only_other_commands_need() -> None:
    """It would keep that in memory for as long as it runs."""
    program = (
        "import sys; from drawdown.cli.main import server; server(); import drawdown.cli.serve; "
        "print(*{'drawdown.client', 'drawdown.importing', 'httpx', 'asyncpg'} & set(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == ""
    assert [words for words, _ in commands(main.server())] == [("serve",)]


@pytest.mark.parametrize("words", sorted(COMMANDS.keys() - {("serve",), ("demo",)}), ids=" ".join)
def test_every_command_answers_in_json_too(words: tuple[str, ...]) -> None:
    """But the server, which has its log, and the demo, which is a story."""
    command = COMMANDS[words]
    assert isinstance(command, TyperCommand)
    assert "--json" in {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_and_option_is_documented(
    words: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    """In its own help, and in the page on the command line."""
    page = (request.config.rootpath / README).read_text("utf-8")
    assert f"`drawdown {' '.join(words)}" in page
    help_shown = drawdown(*words, "--help")
    assert help_shown.code == 0
    command = COMMANDS[words]
    assert isinstance(command, TyperCommand)
    assert command.help
    for parameter in command.params:
        for option in parameter.opts:
            if option.startswith("--") and option != "--help":
                assert getattr(parameter, "help", None), f"{option} says nothing"
                assert option in help_shown.out
                assert f"`{option}" in page, f"{option} is not in the page"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_help_has_an_example_that_is_a_command(words: tuple[str, ...]) -> None:
    """Which says what the usage line cannot."""
    command = COMMANDS[words]
    assert isinstance(command, TyperCommand)
    examples = re.findall(r"`drawdown ([^`]+)`", (command.help or "").partition("Example")[2])
    assert examples
    for example in examples:
        assert example.startswith(" ".join(words))
        assert is_command(example), example


def completing(instruction: str, **variables: str) -> str:
    """What the command prints when a shell asks it for completion."""
    asked = {"_DRAWDOWN_COMPLETE": instruction, **variables}
    words = [sys.executable, "-m", "drawdown"]
    ran = subprocess.run(
        words, env=os.environ | asked, capture_output=True, text=True, timeout=180, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_printed(shell: str) -> None:
    """What `--install-completion` installs, for those who install it themselves."""
    script = completing(f"source_{shell}")
    assert f"_DRAWDOWN_COMPLETE=complete_{shell}" in script
    assert "--show-completion" in drawdown("--help").out


@pytest.mark.parametrize(
    ("line", "last", "completed"),
    [
        ("drawdown bac", 1, {"backup"}),
        ("drawdown keys c", 2, {"create"}),
        ("drawdown backup --ver", 2, {"--verify"}),
        ("drawdown keys create --mode l", 4, {"live"}),
    ],
)
def test_commands_options_and_values_are_completed(
    line: str, last: int, completed: set[str]
) -> None:
    """As bash asks for it: the words so far, and which of them is being typed."""
    found = completing("complete_bash", COMP_WORDS=line, COMP_CWORD=str(last))
    assert set(found.split()) == completed


def test_without_words_the_command_shows_its_help() -> None:
    """A person who types only the name learns what there is."""
    ran = drawdown()
    assert all(words[0] in ran.out + ran.err for words in COMMANDS)


def test_the_version_is_the_installed_one() -> None:
    """Whoever reports a fault can say which release."""
    ran = drawdown("--version")
    assert (ran.code, ran.out) == (0, f"drawdown {version('drawdown')}\n")


@pytest.mark.parametrize(
    "words",
    [["make"], ["keys", "make"], ["verify", "--fast"], ["keys", "create", "--mode", "prod"]],
)
def test_wrong_usage_exits_with_2(words: list[str]) -> None:
    """Which tells it from a command that could not be done."""
    ran = drawdown(*words)
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_the_module_is_the_command() -> None:
    """``python -m drawdown`` does what `drawdown` does, in a process of its own."""
    ran = process("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"drawdown {version('drawdown')}\n", "")


def test_a_port_that_is_taken_is_said_before_a_database_is_made(tmp_path: Path) -> None:
    """One line that names the port and the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        url = sqlite_url(tmp_path / "ledger.db")
        failure = process("serve", "--port", port, "--database", url).failure()
    assert str(port) in failure
    assert "--port" in failure
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_breaks_its_rule_is_named(tmp_path: Path) -> None:
    """With its variable, before anything is started."""
    url = sqlite_url(tmp_path / "ledger.db")
    failure = drawdown("serve", "--database", url, log_level="loud").failure()
    assert "DRAWDOWN_LOG_LEVEL" in failure
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_that_is_none_is_wrong_usage(port: str) -> None:
    assert drawdown("serve", "--port", port).code == 2
