"""Real usage of a language model, which ships with Drawdown: what each call took, and what it cost."""

from __future__ import annotations

import csv
import gzip
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

TRACE = Path(str(files("drawdown") / "data" / "azure_llm_2023_code.csv.gz"))
#: Dollars for a token, by direction.
INPUT, OUTPUT = Decimal("0.0000025"), Decimal("0.00001")


@dataclass(frozen=True)
class Used:
    """One call of the service, to the second."""

    number: int
    at: datetime
    input: int
    output: int

    @property
    def cost(self) -> Decimal:
        return self.input * INPUT + self.output * OUTPUT

    @property
    def time(self) -> str:
        return self.at.strftime("%Y-%m-%dT%H:%M:%SZ")


def calls(count: int) -> list[Used]:
    """The first of them, in the order in which they were made."""
    with gzip.open(TRACE, "rt", encoding="utf-8", newline="") as file:
        return [
            Used(
                number,
                datetime.fromisoformat(row["TIMESTAMP"][:19]).replace(tzinfo=UTC),
                int(row["ContextTokens"]),
                int(row["GeneratedTokens"]),
            )
            for number, row in enumerate(itertools.islice(csv.DictReader(file), count))
        ]
