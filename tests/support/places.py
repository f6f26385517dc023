"""Where tests keep what is thrown away with them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")
#: Bytes that a test run needs at most, and as much again.
ROOM = 4 * 2**30


def quick_place() -> Path | None:
    """Memory, where there is enough of it: a database is copied in 20 ms instead of 300, and a commit does
    not wait for a disk. None: wherever temporary files go on this machine."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if roomy and os.access(MEMORY, os.W_OK) else None
