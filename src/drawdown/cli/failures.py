"""What a command says when it cannot do what it was asked: one clear line, and the way out."""

from __future__ import annotations


class Failure(Exception):
    """An error for the person at the terminal. ``main`` shows it without a traceback and exits 1.

    ``fix`` says what to do about it, as a sentence of its own.
    """

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(f"{message} {fix}".strip())
        self.message = message
        self.fix = fix
