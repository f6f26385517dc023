"""Worker processes that do one thing together, and the parent that keeps them running.

A worker is a fork of the parent, joined to it by a channel. It says on the channel that it is ready; the
channel's end means that it should finish, whether the parent was told to stop or has died.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import structlog

#: The pause before a worker that died is started again; it doubles while they die young.
PAUSE_SECONDS = 0.1
PAUSE_SECONDS_MAX = 30.0
YOUNG_SECONDS = 10.0
READY = b"r"

log = structlog.get_logger("drawdown.group")

#: Does a worker's work, given its number and its end of the channel; returns its exit status.
Work = Callable[[int, socket.socket], int]


@dataclass
class Worker:
    """One place in the group. ``pid`` 0: nobody has it now, and ``start_at`` somebody will."""

    number: int
    pid: int = 0
    channel: socket.socket | None = None
    ready: bool = False
    started_at: float = 0.0
    start_at: float = 0.0
    pause: float = 0.0


class Group:
    """``run`` starts the workers, starts them again when they die, and ends when all have ended.

    ``listening`` is called once all of them are ready for the first time, ``stopping`` when they are told
    to finish, ``ended`` with the number of each that has ended.
    """

    def __init__(
        self,
        workers: int,
        work: Work,
        *,
        listening: Callable[[], None],
        stopping: Callable[[], None],
        ended: Callable[[int], None],
    ) -> None:
        self._workers = [Worker(number) for number in range(1, workers + 1)]
        self._work = work
        self._listening: Callable[[], None] | None = listening
        self._stopping, self._ended = stopping, ended
        self._told_to_stop = False
        self._all_well = True

    def run(self) -> bool:
        """Until SIGTERM or SIGINT. Whether every worker then finished well."""
        with self._signals() as woken:
            while not self._told_to_stop:
                self._start_those_due()
                self._wait(woken)
                self._reap()
            self._stop()
            while any(worker.pid for worker in self._workers):
                self._wait(woken)
                self._reap()
        return self._all_well

    @contextmanager
    def _signals(self) -> Iterator[socket.socket]:
        """Within, signals are only noted; what this yields can be read after each of them."""
        woken, waker = socket.socketpair()
        for end in (woken, waker):
            end.setblocking(False)
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._note)
        try:
            yield woken
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            woken.close()
            waker.close()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._told_to_stop = True

    def _wait(self, woken: socket.socket) -> None:
        """Until a signal, a word from a worker, or the time to start one."""
        starts = [each.start_at for each in self._workers if not each.pid]
        waits = bool(starts) and not self._told_to_stop
        seconds = max(0.0, min(starts) - time.monotonic()) if waits else None
        channels = {each.channel: each for each in self._workers if each.channel is not None}
        found, _, _ = select.select([woken, *channels], [], [], seconds)
        for readable in found:
            if readable is woken:
                woken.recv(4096)
            else:
                self._hear(channels[readable])

    def _hear(self, worker: Worker) -> None:
        assert worker.channel is not None
        worker.ready = worker.channel.recv(1) == READY
        if not worker.ready:  # it is ending: what became of it is told when it has
            worker.channel.close()
            worker.channel = None
        if self._listening is not None and all(each.ready for each in self._workers):
            self._listening()
            self._listening = None

    def _start_those_due(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if not worker.pid and worker.start_at <= now:
                self._start(worker)

    def _start(self, worker: Worker) -> None:
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            ours.close()
            os._exit(self._live(worker.number, theirs))
        theirs.close()
        worker.pid, worker.channel, worker.started_at = pid, ours, time.monotonic()

    def _live(self, number: int, channel: socket.socket) -> int:
        """A worker's whole life. The others' channels must end with the parent, so it keeps none."""
        try:
            signal.set_wakeup_fd(-1)
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            for worker in self._workers:
                if worker.channel is not None:
                    worker.channel.close()
            return self._work(number, channel)
        except BaseException as error:
            log.error("a worker failed", exc_info=error)
            return 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    def _reap(self) -> None:
        for worker in self._workers:
            if worker.pid and (found := os.waitpid(worker.pid, os.WNOHANG))[0]:
                self._note_end(worker, os.waitstatus_to_exitcode(found[1]))

    def _note_end(self, worker: Worker, status: int) -> None:
        pid, now = worker.pid, time.monotonic()
        if worker.channel is not None:
            worker.channel.close()
        worker.pid, worker.channel, worker.ready = 0, None, False
        self._ended(worker.number)
        if self._told_to_stop:
            self._all_well = self._all_well and status == 0
            if status != 0:
                log.error("a worker did not finish", worker=worker.number, pid=pid, status=status)
            return
        young = now - worker.started_at < YOUNG_SECONDS
        worker.pause = min(PAUSE_SECONDS_MAX, 2 * worker.pause) if young else 0.0
        worker.pause = max(PAUSE_SECONDS, worker.pause)
        worker.start_at = now + worker.pause
        log.warning(
            "a worker ended and is started again",
            worker=worker.number,
            pid=pid,
            status=status,
            seconds=worker.pause,
        )

    def _stop(self) -> None:
        """Every worker finishes what it has accepted. One that has just been forked hears of it too."""
        self._stopping()
        for worker in self._workers:
            if worker.channel is not None:
                worker.channel.close()
                worker.channel = None


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
