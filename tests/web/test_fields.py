"""Scalars on the wire: what is accepted, and what is refused with a field and a rule."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawdown.core import identity
from drawdown.core.amounts import Amount
from drawdown.core.times import INSTANT_MAX, instant_of, text_of
from drawdown.core.types import Instant, MetadataValue
from drawdown.web import fields
from drawdown.web.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
        ("2026-01-31T12:00:00.5-00:30", "2026-01-31T12:30:00.500000Z"),
        ("2026-01-31 12:00:00z", "2026-01-31T12:00:00Z"),
        ("2026-01-31t12:00:00.123456789Z", "2026-01-31T12:00:00.123456Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_with_a_zone_is_an_instant(text: str, shown: str) -> None:
    assert text_of(fields.instant(text, "at")) == shown


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00",
        "2026-01-31",
        "20260131T120000Z",
        "2026-W05-6T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00+2",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:00+25:00",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+01:60",
        "2026-01-31T12:00:00-00:99",
        "2026-01-31T12:00:00.1234567890Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "٢٠٢٦-01-31T12:00:00Z",
        "1769860800",
        " 2026-01-31T12:00:00Z",
        "",
    ],
)
def test_any_other_time_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        fields.instant(text, "at")
    assert (caught.value.field, caught.value.rule) == ("at", fields.INSTANT_RULE)


def test_a_time_without_zone_is_utc_only_where_the_dialect_says_so() -> None:
    found = fields.instant("2026-05-06T07:08:09", "at", assume_utc=True)
    assert text_of(found) == "2026-05-06T07:08:09Z"
    offset = fields.instant("2026-05-06T07:08:09+01:00", "at", assume_utc=True)
    assert text_of(offset) == "2026-05-06T06:08:09Z"


FIRST = datetime(1971, 1, 1)  # noqa: DTZ001 - the zone is drawn beside it
LAST = datetime(9998, 1, 1)  # noqa: DTZ001


@given(st.integers(0, INSTANT_MAX))
def test_what_is_written_is_read_as_the_same_instant(value: int) -> None:
    assert fields.instant(text_of(Instant(value)), "at") == value


@given(
    st.datetimes(FIRST, LAST),
    st.integers(-23 * 60, 23 * 60),
)
def test_an_offset_names_the_instant_that_it_names(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert fields.instant(aware.isoformat(), "at") == instant_of(aware)


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1e3", "1.", ".5", "0x1", "1_0", "NaN", "٣", "1 "]
)
def test_an_amount_is_a_plain_decimal(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        fields.amount(text, "cost.amount")
    assert caught.value.field == "cost.amount"


@pytest.mark.parametrize(
    ("raw", "amount"),
    [
        (b"12", Amount(12)),
        (b"1.50", Amount(15, 1)),
        (b"1.5e2", Amount(150)),
        (b"25E-1", Amount(25, 1)),
        (b"0.1", Amount(1, 1)),
    ],
)
def test_a_json_number_is_read_from_its_text(raw: bytes, amount: Amount) -> None:
    assert fields.amount_number(msgspec.Raw(raw)) == amount


@pytest.mark.parametrize(
    "raw", [b'"12"', b"-1", b"1e31", b"1e-31", b"null", b"true", b"[1]", b"1" * 101, b"\xff"]
)
def test_what_is_no_json_number_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        fields.amount_number(msgspec.Raw(raw))


def test_a_reference_is_an_id_in_any_spelling_or_an_own_id() -> None:
    made = identity.compose(1, 2, 3, 4)
    for spelled in (
        identity.spell("cus_", made),
        identity.spell("", made),
        identity.spell_uuid(made),
    ):
        assert fields.reference(spelled, "customer") == made
    assert fields.reference("ada", "customer") == "ada"
    for text in ("", "a\0b", "a\nb", "x" * 256):
        with pytest.raises(BadRequest):
            fields.reference(text, "customer")


def test_text_has_bounds_and_no_control_characters() -> None:
    assert fields.text("Grüße, 世界 🎉", "name") == "Grüße, 世界 🎉"
    assert fields.text("a\tb\r\nc", "note", lines=True) == "a\tb\r\nc"
    for text in ("", "x" * 501, "a\0b", "a\nb", "a\x85b", "a\x7fb", "a\ud800b"):
        with pytest.raises(BadRequest) as caught:
            fields.text(text, "name")
        assert caught.value.field == "name"
    with pytest.raises(BadRequest):
        fields.text("a\0b", "note", lines=True)


def test_metadata_has_limits_that_a_dialect_may_widen() -> None:
    kept: dict[str, MetadataValue] = {"a": "line\nline", "n": 1, "t": True, "e": ""}
    assert fields.metadata(kept) == kept
    too_many = {str(number): "" for number in range(51)}
    for values in (
        too_many,
        {"": "x"},
        {"k" * 41: "x"},
        {"a\nb": "x"},
        {"a": "x" * 501},
        {"a": "\0"},
        {"a": 2**63},
    ):
        with pytest.raises(BadRequest) as caught:
            fields.metadata(values)
        assert caught.value.field.startswith("metadata")
    assert fields.metadata({"k" * 100: "x"}, key_max=100)


def test_a_key_is_printable_and_bounded() -> None:
    assert fields.key("x" * 255) == "x" * 255
    for text in ("", "x" * 256, "a\nb", "\0"):
        with pytest.raises(BadRequest, match="idempotency_key must be 1 to 255 printable"):
            fields.key(text)


@pytest.mark.parametrize("text", ["", "1.5", "1e2", " 1", "1_0", "٣", "-1", "101", "9" * 40])
def test_a_whole_number_in_text_is_plain_and_in_range(text: str) -> None:
    assert fields.whole("100", "limit", 0, 100) == 100
    with pytest.raises(BadRequest, match="limit must be a whole number from 0 to 100"):
        fields.whole(text, "limit", 0, 100)
