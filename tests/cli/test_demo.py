"""`drawdown demo`: it tells the truth, needs nothing, and leaves nothing."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS_MAX = 60
#: So long it may take where others keep the machine busy.
PATIENCE_SECONDS = 600


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Its temporary files go to a folder we can look into; settings of a real server are about."""
    (tmp_path / "temporary").mkdir()
    return os.environ | {
        "TMPDIR": str(tmp_path / "temporary"),
        "DRAWDOWN_DATABASE": "sqlite:///must-not-be-touched.db",
        "DRAWDOWN_PORT": "1",
        "DRAWDOWN_URL": "http://127.0.0.1:1",
        # Nothing leaves the machine, and the loopback goes through no proxy.
        "HTTP_PROXY": "http://127.0.0.1:1",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "NO_PROXY": "",
    }


def start(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "drawdown", "demo"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def leftovers(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.name != "temporary")


def processor_seconds() -> float:
    """Of all processes that were started here and have ended, those that they started included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def answers(url: str) -> bool:
    import httpx

    try:
        return httpx.get(f"{url}/health/live", trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_the_demo_ends_on_the_exact_sum_in_every_dialect(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """In a pipe it is plain text; it takes less than a minute of the machine's time, and cleans up."""
    before = processor_seconds()
    with start(tmp_path, environment) as running:
        out, err = running.communicate(timeout=PATIENCE_SECONDS)
    assert 0 < processor_seconds() - before < SECONDS_MAX
    assert (running.returncode, err) == (0, "")
    for where in ("Entries", "Native API", "Double entry", "Dodo Payments", "Sequence"):
        assert re.search(rf"^{where} .* 47\.6088950  ✓", out, re.MULTILINE), where
    assert re.search(r"^Starter pack +0\.5075000 +50 cents", out, re.MULTILINE)
    assert "refused with 402" in out
    assert "8,819 recognised by their idempotency keys, 0 debited" in " ".join(out.split())
    assert "\x1b" not in out
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_demo_that_is_interrupted_leaves_nothing(
    tmp_path: Path, environment: dict[str, str], number: signal.Signals
) -> None:
    """Neither its server nor its files."""
    with start(tmp_path, environment) as running:
        assert running.stdout is not None
        seen = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", seen)):
            line = running.stdout.readline()
            assert line, seen
            seen += line
        assert answers(found[0])
        running.send_signal(number)
        _, err = running.communicate(timeout=PATIENCE_SECONDS)
    assert running.returncode == 128 + number
    assert "Traceback" not in err
    assert not answers(found[0])
    assert leftovers(tmp_path) == []
