"""The figures of a run as the tables of ``docs/performance.md``.

python -m bench.pages figures.json       (make bench ARGS="--json" > figures.json)
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.report import TARGETS, Line, Report, Target, number, read

_FIGURES = ("", "median", "lowest–highest", "", "p50 ms", "p99 ms", "÷ `debit()`")
_TARGETS = ("", "found", "at least", "aim", "")


def figures(document: Report) -> str:
    """Every line, in Markdown."""
    rows = [_figure(line) for line in document.lines]
    return _table(_FIGURES, ("---", "--:", "--:", "---", "--:", "--:", "--:"), rows)


def targets(document: Report) -> str:
    """Every target, and whether it was reached; latencies and memory are better when lower."""
    rows = [_target(each) for each in document.targets]
    return _table(_TARGETS, ("---", "--:", "--:", "--:", "---"), rows)


def _figure(line: Line) -> tuple[str, ...]:
    ratio = "" if line.to_reference is None else f"{line.to_reference:.2f}"
    extremes = f"{number(line.lowest)}–{number(line.highest)}"
    latencies = (number(line.p50_ms), number(line.p99_ms))
    return (_title(line.title), number(line.value), extremes, line.unit, *latencies, ratio)


def _target(target: Target) -> tuple[str, ...]:
    unit = "" if target.unit == "×" else f" {target.unit}"
    said = {"aim": "aim reached", "least": "reached", "missed": "**missed**"}[target.reached]
    aim = "" if target.aim is None else f"{target.aim:g}"
    return (_title(target.title), f"{target.value:.2f}{unit}", f"{target.least:g}", aim, said)


def _title(title: str) -> str:
    """What is set in for a terminal gets three dots on a page."""
    text = title.replace("debit()", "`debit()`")
    if not text.startswith("  ") or text.startswith("  …"):
        return text.strip()
    return "… " + text.strip()


def _table(head: tuple[str, ...], aligned: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, aligned, *rows))


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bench.pages figures.json")
    document = read(Path(sys.argv[1]))
    assert len(document.targets) == len(TARGETS), "a run with the reference has every target"
    sys.stdout.write(f"{figures(document)}\n\n{targets(document)}\n")


if __name__ == "__main__":
    main()
