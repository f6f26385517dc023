"""Ending what goes on beside requests."""

from __future__ import annotations

import asyncio

END_SECONDS = 3.0


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end, but not for a database that hangs.

    A statement that is broken off may wait for a host that answers nothing any more. The connections are
    closed next, and whatever still waits for one of them ends with it.
    """
    task.cancel()
    ended, _ = await asyncio.wait({task}, timeout=END_SECONDS)
    for each in ended:
        if not each.cancelled():
            each.result()
