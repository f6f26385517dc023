"""What is known of a hold between its requests; without any sending."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from drawdown.client.errors import DrawdownError
from drawdown.client.records import Capture, Hold

Answer = TypeVar("Answer", bound=Hold | Capture)


class Holding:
    """A hold as the last answer showed it. Amounts are the hold's own, not the wallet's."""

    def __init__(self, record: Hold) -> None:
        self.record = record

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.state} held={self.held}>"

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def state(self) -> str:
        """``open``, ``captured``, ``released`` or ``expired``."""
        return self.record.state

    @property
    def held(self) -> Decimal:
        """What is still set aside."""
        return self.record.held

    @property
    def captured(self) -> Decimal:
        """What was captured so far."""
        return self.record.captured

    @property
    def expires_at(self) -> datetime | None:
        return self.record.expires_at

    def _noted(self, answer: Answer) -> Answer:
        self.record = answer.hold if isinstance(answer, Capture) else answer
        return answer

    def _note_unreleased(self, error: DrawdownError, body: BaseException) -> None:
        """The body's exception is the one that is raised; it says what came after it."""
        end = "by itself" if self.expires_at is None else f"by itself at {self.expires_at}"
        body.add_note(f"The hold {self.id} could not be released, and ends {end}: {error}")
