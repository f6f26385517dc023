"""Prices of models, in US dollars per token, from a file in LiteLLM's form.

The form is ``{"model": {"input_cost_per_token": ..., "output_cost_per_token": ...}, ...}``, each cost
a decimal string or a JSON number; a number is read from its text, never as a binary float.
LiteLLM's own ``model_prices_and_context_window.json`` can be given as it is.
"""

from __future__ import annotations

import difflib
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

from drawdown.cli.failures import Failure
from drawdown.core import amounts
from drawdown.core.amounts import Amount

FILE_BYTES_MAX = 16 * 1024 * 1024
SHIPPED = "the prices that ship with Drawdown"
COST_RULE = "a decimal of at least 0 with at most 12 places, as a string or a number"

_decode = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]]).decode


class Price(msgspec.Struct, frozen=True):
    """What one token costs, by direction."""

    input: Amount
    output: Amount


def shipped() -> Traversable:
    """The price file in ``data/``; its README gives origin and licence."""
    return files("drawdown") / "data" / "llm_prices.json"


def load(source: Traversable, model: str, name: str) -> Price:
    """The price of ``model`` in the file ``source``, which messages call ``name``."""
    costs = _models(source, name)
    if model not in costs:
        near = difflib.get_close_matches(model, costs, n=5, cutoff=0.3) or sorted(costs)[:5]
        raise Failure(
            f"There is no model {model!r} in {name}.",
            f"Choose one with --model, such as {', '.join(near)}, or another file with --prices."
            if near
            else "The file is empty; choose another with --prices.",
        )
    return Price(
        _cost(costs[model], "input_cost_per_token", f"{name}, {model}"),
        _cost(costs[model], "output_cost_per_token", f"{name}, {model}"),
    )


def _models(source: Traversable, name: str) -> dict[str, dict[str, msgspec.Raw]]:
    try:
        with source.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Failure(f"Cannot read {name}: {error.strerror}.") from None
    if len(content) > FILE_BYTES_MAX:
        raise Failure(
            f"{name} is larger than {FILE_BYTES_MAX >> 20} MiB, the limit of a price file."
        )
    try:
        return _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failure(
            f"{name} is no price file: {error}.",
            'It maps models to costs: {"gpt-4o": {"input_cost_per_token": "0.0000025", '
            '"output_cost_per_token": "0.00001"}}.',
        ) from None


def _cost(fields: dict[str, msgspec.Raw], field: str, where: str) -> Amount:
    """A cost of 0 is a cost; one that is missing is a fault of the file."""
    if field not in fields:
        raise Failure(f"{where}: {field} is missing.", f"It is {COST_RULE}.")
    raw = bytes(fields[field]).decode("utf-8", "replace").strip()
    cost = amounts.parse(raw[1:-1]) if raw.startswith('"') else _number(raw)
    if cost is None:
        raise Failure(f"{where}: {field} is {raw[:40]}.", f"It must be {COST_RULE}.")
    return cost


def _number(raw: str) -> Amount | None:
    return amounts.parse_number(raw) if len(raw) <= 100 else None
