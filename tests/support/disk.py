"""A disk so small that it can be filled: a file system of its own, where this user may mount one."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHUNK = bytes(64 * 1024)


class Disk:
    """``path`` is its root."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filling = path / "filling"

    def fill(self) -> None:
        """To the last byte."""
        with self._filling.open("ab", buffering=0) as file:
            for size in (len(CHUNK), 512, 1):
                with contextlib.suppress(_Full):
                    while True:
                        _append(file.fileno(), CHUNK[:size])

    def make_room(self) -> None:
        self._filling.unlink()


class _Full(Exception):
    pass


def _append(file: int, content: bytes) -> None:
    try:
        if os.write(file, content) < len(content):
            raise _Full
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _Full from error


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Disk]:
    """Skips the test where no file system can be mounted."""
    path.mkdir()
    size = f"size={megabytes}m"
    command = ["mount", "-t", "tmpfs", "-o", size, "drawdown-tests", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command, so no disk to fill")
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted, so no disk filled: {done.stderr.strip()}")
    try:
        path.chmod(0o755)
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
