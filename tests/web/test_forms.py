"""Forms with brackets, as Stripe's SDKs and people write them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawdown.web import forms
from drawdown.web.errors import BadRequest, Malformed


@pytest.mark.parametrize(
    ("raw", "tree"),
    [
        (b"", {}),
        (b"a=1", {"a": "1"}),
        (b"a=", {"a": ""}),
        (b"a", {"a": ""}),
        (b"a=1&&b=2&", {"a": "1", "b": "2"}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a=b+c%20d%2B", {"a": "b c d+"}),
        (b"a=%C3%A9", {"a": "é"}),
        (b"a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        (b"a%5Bb%5D=1", {"a": {"b": "1"}}),
        (b"a[]=1&a[]=2", {"a": ["1", "2"]}),
        (b"a[0]=1&a[1]=2", {"a": {"0": "1", "1": "2"}}),
        (b"a[b][]=1&a[b][]=2", {"a": {"b": ["1", "2"]}}),
        (b"p[][id]=1&p[][id]=2", {"p": [{"id": "1"}, {"id": "2"}]}),
        (b"p[][id]=1&p[][n]=x&p[][id]=2", {"p": [{"id": "1", "n": "x"}, {"id": "2"}]}),
        (b"p[][a][b]=1&p[][a][c]=2", {"p": [{"a": {"b": "1", "c": "2"}}]}),
        (b"metadata=", {"metadata": ""}),
    ],
)
def test_brackets_nest(raw: bytes, tree: dict[str, Any]) -> None:
    assert forms.nested(raw) == tree


@pytest.mark.parametrize(
    "raw",
    [
        b"a[b=1",
        b"a]b=1",
        b"[a]=1",
        b"=1",
        b"a[b]c=1",
        b"a[[b]]=1",
        b"a=1&a[b]=2",
        b"a[b]=2&a=1",
        b"a[]=1&a[b]=2",
        b"a[b]=1&a[]=2",
        b"a[]=1&a=2",
        b"a" + b"[b]" * forms.DEPTH_MAX + b"=1",
    ],
)
def test_what_does_not_nest_is_refused_by_name(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        forms.nested(raw)


@pytest.mark.parametrize("raw", [b"a=%FF", b"%ED%A0%80=1", b"a=\xff"])
def test_text_must_be_utf8(raw: bytes) -> None:
    with pytest.raises(Malformed, match="valid UTF-8"):
        forms.nested(raw)


def test_the_number_of_parameters_is_bounded() -> None:
    pairs = [b"a%d=1" % number for number in range(forms.PAIRS_MAX)]
    assert len(forms.nested(b"&".join(pairs))) == forms.PAIRS_MAX
    with pytest.raises(Malformed, match="at most"):
        forms.nested(b"&".join([*pairs, b"b=1"]))


def test_a_flat_parameter_comes_once() -> None:
    assert forms.flat(b"a=1&b=2") == {"a": "1", "b": "2"}
    with pytest.raises(BadRequest, match="a must be given once"):
        forms.flat(b"a=1&a=2")


@pytest.mark.parametrize("raw", [b"a=%00", b"a=x%00y", b"a=1,%00"])
def test_a_flat_parameter_has_no_nul(raw: bytes) -> None:
    for lists in ((), ("a",)):
        with pytest.raises(BadRequest, match="a must be without NUL characters"):
            forms.flat(raw, lists=lists)


def test_a_flat_list_comes_often_or_with_commas() -> None:
    """Where a list is asked for, and nowhere else."""
    assert forms.flat(b"a=1&a=2,3&b=4,5", lists={"a"}) == {"a": ["1", "2", "3"], "b": "4,5"}
    assert forms.flat(b"b=1", lists={"a"}) == {"b": "1"}


def test_a_list_is_read_from_either_spelling_in_the_order_of_its_indexes() -> None:
    assert forms.as_list(["x", "y"], "a") == ["x", "y"]
    assert forms.as_list({"10": "z", "2": "y", "0": "x"}, "a") == ["x", "y", "z"]
    for value in ("x", {"b": "x"}, {"-1": "x"}, {"٣": "x"}):
        with pytest.raises(BadRequest, match="a must be a list"):
            forms.as_list(value, "a")


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(text.filter(lambda key: key and not set(key) & set("[]")), text))
def test_what_is_encoded_comes_back(values: dict[str, str]) -> None:
    assert forms.nested(urlencode(values).encode()) == values


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Nothing but the two kinds of refusal ever comes out."""
    for read in (forms.nested, forms.flat):
        try:
            read(raw)
        except (BadRequest, Malformed):
            continue


@given(st.lists(text, min_size=1, max_size=5), text)
def test_any_key_nests_under_its_parts(path: list[str], value: str) -> None:
    parts = [part.replace("[", "").replace("]", "") or "x" for part in path]
    name = quote(parts[0]) + "".join(f"[{quote(part)}]" for part in parts[1:])
    tree: Any = forms.nested(f"{name}={quote(value)}".encode())
    for part in parts:
        tree = tree[part]
    assert tree == value
