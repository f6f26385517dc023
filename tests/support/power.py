"""A disk whose power can fail: it keeps what was synced, and loses, tears or keeps everything else at random.

SQLite writes to it through an apsw VFS. Locks and the shared memory of the write-ahead log are those of the
real files in a real folder; their contents are held here until the power fails, and are then written out
as the disk would hold them.
"""

from __future__ import annotations

import random
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import apsw

SECTOR = 512


class PowerFailure(apsw.IOError):
    """The power is gone. SQLite hears of an I/O error, as it would never do in truth."""


@dataclass
class Write:
    """Bytes on their way to the disk; ``data`` None: the file is cut at ``offset``."""

    offset: int
    data: bytes | None


@dataclass
class Content:
    """A file: what reads see, what is on the disk for sure, and what lies between the two.

    Threads that write and sync at once do it one after the other.
    """

    current: bytearray
    durable: bytearray
    unsynced: list[Write] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, write: Write) -> None:
        with self.lock:
            apply(self.current, write)
            self.unsynced.append(write)

    def sync(self) -> None:
        with self.lock:
            for write in self.unsynced:
                apply(self.durable, write)
            self.unsynced.clear()

    def after_failure(self, chance: random.Random) -> bytearray:
        """What is found on the disk: of every unsynced write any sectors, and any part of a sector."""
        kept = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for write in self.unsynced:
            for part in sectors_of(write):
                fate = chance.random()
                if part.data is not None and fate < kept / 4:
                    part.data = part.data[: chance.randrange(len(part.data))]
                if fate < kept:
                    apply(self.durable, part)
        return self.durable


def apply(target: bytearray, write: Write) -> None:
    if write.data is None:
        del target[write.offset :]
        return
    target.extend(bytes(max(0, write.offset - len(target))))
    target[write.offset : write.offset + len(write.data)] = write.data


def sectors_of(write: Write) -> list[Write]:
    """The write cut where sectors end."""
    if write.data is None:
        return [write]
    parts, start = [], 0
    while start < len(write.data):
        end = start + SECTOR - (write.offset + start) % SECTOR
        parts.append(Write(write.offset + start, write.data[start:end]))
        start = end
    return parts


def kind_of(path: str) -> str:
    """``wal``, ``journal``, or ``database`` for the file itself."""
    return next((kind for kind in ("wal", "journal") if path.endswith("-" + kind)), "database")


class Disk(apsw.VFS):
    """A folder's disk. Open SQLite with ``vfs=disk.name``.

    ``fails_at``: at which write, cut, sync or deletion the power fails, counted from 1; None: never.
    ``fails_on``: count only steps of that kind, such as ``sync database``.
    ``failure`` then says what it was. ``honest`` False: it says that it has synced, and has not.
    """

    def __init__(
        self,
        seed: int,
        fails_at: int | None = None,
        honest: bool = True,
        fails_on: str | None = None,
    ) -> None:
        self.name = f"disk-{secrets.token_hex(8)}"
        self.steps = 0
        self.failure: str | None = None
        self._chance = random.Random(seed)
        self._fails_at = fails_at
        self._fails_on = fails_on
        self._honest = honest
        self._contents: dict[str, Content] = {}
        self._deleted: dict[str, bytes] = {}
        super().__init__(self.name, "")

    def content(self, path: str) -> Content:
        if path not in self._contents:
            found = Path(path).read_bytes() if Path(path).exists() else b""
            self._contents[path] = Content(bytearray(found), bytearray(found))
            self._deleted.pop(path, None)
        return self._contents[path]

    def step(self, what: str) -> None:
        """One more thing is done to the disk; or the power fails instead."""
        self.steps += self._fails_on in (None, what)
        if self.steps == self._fails_at and self.failure is None:
            self.failure = what
        if self.failure is not None:
            raise PowerFailure(f"the power failed at step {self._fails_at}, {self.failure}")

    def fail_after(self, steps: int | None) -> None:
        """From now on the power fails at that step, counted from here; None: it does not."""
        self._fails_at = None if steps is None else self.steps + steps

    def sync(self, path: str) -> None:
        self.step("sync " + kind_of(path))
        if self._honest:
            self.content(path).sync()

    def pull_the_plug(self) -> None:
        """Leave in the folder what a restart would find there. All connections must be closed."""
        for path, content in self._contents.items():
            Path(path).write_bytes(content.after_failure(self._chance))
        for path, durable in self._deleted.items():  # a deletion that was not synced may be undone
            if self._chance.random() < 0.5:
                Path(path).write_bytes(durable)
        for path in self._contents:
            Path(path + "-shm").unlink(missing_ok=True)
        self.unregister()

    # What SQLite calls ---------------------------------------------------------------------------

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> DiskFile:  # noqa: N802
        assert name is not None, "temporary files are kept in memory"
        return DiskFile(self, name, flags)

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        if pathname in self._contents:
            return bool(self._contents[pathname].current)
        return super().xAccess(pathname, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.step("delete " + kind_of(filename))
        content = self._contents.pop(filename, None)
        if content is not None and not syncdir:
            self._deleted[filename] = bytes(content.durable)
        super().xDelete(filename, syncdir)

    def excepthook(
        self,
        etype: type[BaseException] | None,
        evalue: BaseException | None,
        etraceback: TracebackType | None,
    ) -> bool:
        """Told of an error that SQLite goes on without: ours is not news."""
        return isinstance(evalue, PowerFailure)


class DiskFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename, flags: list[int]) -> None:
        self._disk = disk
        self._path = name if isinstance(name, str) else name.filename()
        super().__init__("", name, flags)
        self._content = disk.content(self._path)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return bytes(self._content.current[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._content.change(Write(offset, bytes(data)))
        self._disk.step("write " + kind_of(self._path))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._content.change(Write(newsize, None))
        self._disk.step("cut " + kind_of(self._path))

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.sync(self._path)

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._content.current)

    def excepthook(
        self,
        etype: type[BaseException] | None,
        evalue: BaseException | None,
        etraceback: TracebackType | None,
    ) -> bool:
        return isinstance(evalue, PowerFailure)
