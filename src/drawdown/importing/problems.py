"""What stands in the way of an import, in words that say where."""

from __future__ import annotations

import msgspec

#: So many are told at once; more would not be read.
PROBLEMS_MAX = 10


class ImportRefused(Exception):
    """Nothing more is done. ``fix`` says what to do about it, as a sentence of its own."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(f"{message} {fix}".strip())
        self.message, self.fix = message, fix


class Problem(msgspec.Struct, frozen=True):
    """A record of a page that breaks a rule. ``field`` is empty where the whole record does."""

    page: str
    record: str
    field: str
    rule: str

    def __str__(self) -> str:
        where = f"{self.page}, {self.record}" if self.record else self.page
        field = f"{self.field} must be " if self.field else ""
        return f"{where}: {field}{self.rule}"


class Problems:
    """Gathers them, so that all of them can be put right at once."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.count = 0

    def add(self, problem: Problem) -> None:
        self.count += 1
        if len(self.found) < PROBLEMS_MAX:
            self.found.append(problem)

    def refuse(self) -> None:
        """Raises ``ImportRefused`` where there are any."""
        if not self.found:
            return
        more = self.count - len(self.found)
        told = [str(each) for each in self.found] + ([f"and {more:,} more."] if more else [])
        raise ImportRefused(
            f"The pages cannot be brought over, and nothing was written: {' '.join(told)}",
            "Correct the pages, or delete them and fetch them again.",
        )
