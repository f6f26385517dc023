"""Forms to records, without a server: whatever comes in, a record or a refusal comes out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from drawdown.dialects.stripe import requests
from drawdown.dialects.stripe.parameters import Parameters, read
from drawdown.web import forms
from drawdown.web.errors import WebError

RECORDS = [
    requests.CreateGrant,
    requests.UpdateGrant,
    requests.ListGrants,
    requests.CreateCustomer,
]
NAMES = sorted({name for record in RECORDS for name in record.__struct_fields__})
PARTS = st.sampled_from(
    [
        *NAMES,
        "monetary",
        "currency",
        "value",
        "type",
        "scope",
        "prices",
        "price_type",
        "id",
        "0",
        "1",
        "",
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        ["", "1", "-1", "1e3", "NaN", "metered", "monetary", "usd", "paid", "%00", "%ff"]
    ),
    st.text(max_size=20),
)


@st.composite
def form(draw: st.DrawFn) -> bytes:
    """A form of names that are often nearly right."""
    pairs = []
    for _ in range(draw(st.integers(0, 8))):
        first = draw(st.sampled_from(NAMES))
        below = "".join(f"[{part}]" for part in draw(st.lists(PARTS, max_size=5)))
        pairs.append(f"{first}{below}={draw(VALUES)}")
    return "&".join(pairs).encode("utf-8", "surrogatepass")


def outcome(raw: bytes, record: type[Parameters]) -> Parameters | WebError:
    try:
        return read(forms.nested(raw), record)
    except WebError as error:
        return error


@given(raw=st.one_of(form(), st.binary(max_size=200)), record=st.sampled_from(RECORDS))
def test_any_form_is_a_record_or_a_refusal(raw: bytes, record: type[Parameters]) -> None:
    found = outcome(raw, record)
    assert isinstance(found, record | WebError)
    assert str(found)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (b"expand[0]=a&expand[1]=b", ["a", "b"]),
        (b"expand[1]=b&expand[0]=a", ["a", "b"]),
        (b"expand[]=a&expand[]=b", ["a", "b"]),
        (b"expand%5B0%5D=a&expand%5B10%5D=b&expand%5B9%5D=c", ["a", "c", "b"]),
        (b"", None),
        (b"expand=", None),
    ],
)
def test_a_list_is_read_in_either_style(form: bytes, expected: list[str] | None) -> None:
    assert read(forms.nested(form), requests.OneGrant).expand == expected


def test_a_list_of_objects_is_read_in_either_style() -> None:
    indexed = b"scope[prices][0][id]=p1&scope[prices][1][id]=p2"
    repeated = b"scope[prices][][id]=p1&scope[prices][][id]=p2"
    for raw in (indexed, repeated):
        scope = read(forms.nested(raw), requests.ApplicabilityConfig).scope
        assert scope.price_type is UNSET
        assert not isinstance(scope.prices, type(UNSET))
        assert [price.id for price in scope.prices] == ["p1", "p2"]


@pytest.mark.parametrize(
    ("form", "expires_at", "metadata"),
    [
        (b"", UNSET, UNSET),
        (b"expires_at=", None, UNSET),
        (b"expires_at=1893456000&metadata=", 1_893_456_000, None),
        (b"metadata[a]=&metadata[b]=+c%26", UNSET, {"a": "", "b": " c&"}),
    ],
)
def test_left_out_and_unset_are_two_things(form: bytes, expires_at: Any, metadata: Any) -> None:
    found = read(forms.nested(form), requests.UpdateGrant)
    assert (found.expires_at, found.metadata) == (expires_at, metadata)


def test_a_parameter_given_twice_counts_as_given_last() -> None:
    assert read(forms.nested(b"limit=5&limit=7"), requests.ListGrants).limit == 7


def test_what_is_unknown_is_named_all_at_once_up_to_ten() -> None:
    found = outcome(b"&".join(b"x%d=1" % number for number in range(12)), requests.ListGrants)
    names = ", ".join(f"x{number}" for number in range(10))
    assert str(found) == f"Received unknown parameters: {names}"
