"""Processes of the benchmark's own: each gets a plan as JSON and answers with an outcome."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import msgspec

ROOT = Path(__file__).parent.parent

Outcome = TypeVar("Outcome")


class BenchError(Exception):
    """The run is worthless: something was answered, counted or kept otherwise than it must be."""


def run_module(
    module: str, plan: msgspec.Struct, answer: type[Outcome], timeout_seconds: float
) -> Outcome:
    """Run ``python -m module``; a failure or a late answer is a ``BenchError`` with what it said."""
    command = [sys.executable, "-m", module]
    return msgspec.json.decode(
        run(command, timeout_seconds, msgspec.json.encode(plan)), type=answer
    )


def run(command: list[str], timeout_seconds: float, given: bytes = b"") -> bytes:
    """The standard output of a command that ends well and in time."""
    try:
        done = subprocess.run(  # noqa: S603 - the commands are our own
            command,
            input=given,
            capture_output=True,
            timeout=timeout_seconds,
            cwd=ROOT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{command[0]} took more than {timeout_seconds:.0f} s") from None
    if done.returncode != 0:
        said = (done.stderr + done.stdout).decode("utf-8", "replace").strip()
        raise BenchError(f"{' '.join(command)} failed: {said[-2000:]}")
    return done.stdout
