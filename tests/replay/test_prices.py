"""Prices are decimals, exactly as written."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawdown.cli.failures import Failure
from drawdown.cli.replay import prices
from drawdown.cli.replay.prices import FILE_BYTES_MAX, Price
from drawdown.core import amounts
from drawdown.core.amounts import Amount


def load(path: Path, content: bytes, model: str = "m") -> Price:
    path.write_bytes(content)
    return prices.load(path, model, "prices.json")


def fault(path: Path, content: bytes, model: str = "m") -> str:
    with pytest.raises(Failure) as caught:
        load(path, content, model)
    return str(caught.value)


def costs(cost: str) -> bytes:
    return b'{"m":{"input_cost_per_token":%b,"output_cost_per_token":"0"}}' % cost.encode()


def test_the_shipped_prices_are_those_of_the_trace() -> None:
    """gpt-4o: 2.50 USD for a million tokens read, 10 USD for a million written."""
    price = prices.load(prices.shipped(), "gpt-4o", prices.SHIPPED)
    assert price == Price(input=Amount(25, 7), output=Amount(1, 5))


def test_every_shipped_model_has_a_price() -> None:
    content = json.loads(prices.shipped().read_text("utf-8"))
    assert len(content) == 10
    for model in content:
        assert prices.load(prices.shipped(), model, prices.SHIPPED).output.digits > 0


@pytest.mark.parametrize("name", ["azure_llm_2023_code.csv.gz", "llm_prices.json"])
def test_shipped_data_is_what_its_page_says(name: str) -> None:
    """Length and digest of each file stand in the README beside it, with origin and licence."""
    folder = files("drawdown") / "data"
    content, page = (folder / name).read_bytes(), (folder / "README.md").read_text("utf-8")
    [line] = [line for line in page.splitlines() if line.startswith(f"| `{name}`")]
    assert hashlib.sha256(content).hexdigest() in line
    assert f"| {len(content):,} |" in line
    assert f"## {name}" in page


@given(digits=st.integers(0, 10**18), places=st.integers(0, 12))
def test_a_string_and_a_number_mean_the_same_price(
    tmp_path_factory: pytest.TempPathFactory, digits: int, places: int
) -> None:
    """A JSON number is read from its text: plain or with an exponent, to the last digit."""
    path = tmp_path_factory.mktemp("prices") / "prices.json"
    text = amounts.render(digits, places)
    expected = amounts.normalised(digits, places)
    for written in (f'"{text}"', text, f"{digits}e-{places}", f"{digits}E-{places}"):
        assert load(path, costs(written)).input == expected


def test_the_form_of_litellm_is_read_as_it_is(tmp_path: Path) -> None:
    """Fields of other meaning are passed over."""
    content = (
        b'{"sample_spec":{"mode":"chat","max_tokens":1},'
        b'"m":{"input_cost_per_token":2.5e-06,"output_cost_per_token":1e-05,"supports_vision":true,'
        b'"tiers":[{"range":[0,1.5]}]}}'
    )
    assert load(tmp_path / "p", content) == Price(input=Amount(25, 7), output=Amount(1, 5))


@pytest.mark.parametrize(
    "cost",
    ['"-1"', "-1", '"1e-6"', "null", '""', '"x"', "[]", "{}", "true", '"0.0000000000001"', "1e-13",
     "1e99", '"NaN"', '"99999999999999999999"'],
)  # fmt: skip
def test_a_cost_that_is_none_is_refused(tmp_path: Path, cost: str) -> None:
    """With the field and the rule; never rounded, never a guess."""
    said = fault(tmp_path / "p", costs(cost))
    assert "prices.json, m: input_cost_per_token is" in said
    assert "at most 12 places" in said


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"m":1}', b"\xff", b"[" * 100_000])
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: bytes) -> None:
    """The refusal shows the form."""
    said = fault(tmp_path / "p", content)
    assert "prices.json is no price file" in said
    assert "input_cost_per_token" in said


def test_a_missing_cost_is_named(tmp_path: Path) -> None:
    said = fault(tmp_path / "p", b'{"m":{"input_cost_per_token":"1"}}')
    assert "output_cost_per_token is missing" in said


def test_an_unknown_model_is_refused_with_those_like_it() -> None:
    with pytest.raises(Failure, match="gpt-4o-mini"):
        prices.load(prices.shipped(), "gpt4omini", prices.SHIPPED)


def test_a_file_without_models_is_refused(tmp_path: Path) -> None:
    assert "empty" in fault(tmp_path / "p", b"{}")


def test_a_price_file_has_a_limit(tmp_path: Path) -> None:
    assert "16 MiB" in fault(tmp_path / "p", b" " * (FILE_BYTES_MAX + 1))


def test_a_price_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"Cannot read prices\.json"):
        prices.load(tmp_path / "missing", "m", "prices.json")
