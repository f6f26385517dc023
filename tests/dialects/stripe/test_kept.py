"""Pages of lists that are longer than what is looked at for one of them, and the ranges of their filters."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import UNSET

from drawdown.core.types import Id
from drawdown.dialects.stripe.errors import StripeError
from drawdown.dialects.stripe.kept import CHUNK, LOOKED_AT_MAX, page_of, range_of, span_of

pytestmark = pytest.mark.anyio
COUNT = 3 * LOOKED_AT_MAX


def written(number: int) -> Id:
    return Id(number.to_bytes(4, "big"))


async def page(keep: Callable[[int], bool], limit: int, **asked: str) -> tuple[list[int], bool]:
    """Of the numbers below ``COUNT``, the largest of which is the newest."""

    async def cursor(text: str, param: str) -> Id:
        return written(int(text))

    async def chunk(after: Id | None, before: Id | None) -> list[int]:
        if before is not None:
            first = int.from_bytes(before, "big") + 1
            return list(range(first, min(first + CHUNK, COUNT)))
        last = COUNT if after is None else int.from_bytes(after, "big")
        return list(range(last - 1, max(last - 1 - CHUNK, -1), -1))

    given = {"starting_after": UNSET, "ending_before": UNSET, **asked, "limit": limit}
    return await page_of(SimpleNamespace(**given), cursor, chunk, written, keep)


async def followed(keep: Callable[[int], bool], limit: int, *, back: bool = False) -> list[int]:
    """As the SDKs' pagers go on: while there is more, from the last that they have."""
    whole: list[int] = []
    asked = {"ending_before": "0"} if back else {}
    while True:
        found, more = await page(keep, limit, **asked)
        whole += found[::-1] if back else found
        if not more:
            return whole
        asked = {"ending_before" if back else "starting_after": str(whole[-1])}


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_what_a_filter_keeps_is_found_to_the_end_of_a_long_list(limit: int) -> None:
    """Also where there is less of it in what is looked at than a page has."""
    kept = list(range(0, COUNT, 2_499))
    rare = set(kept)
    assert await followed(rare.__contains__, limit) == kept[::-1]
    assert await followed(rare.__contains__, limit, back=True) == kept[1:]


async def test_there_is_no_more_where_all_was_looked_at() -> None:
    assert await page(lambda number: number < 3, 5, starting_after="50") == ([2, 1, 0], False)
    newest = COUNT - 3
    assert await page(lambda number: number >= newest, 5, ending_before=str(COUNT - 50)) == (
        [newest + 2, newest + 1, newest],
        False,
    )


@pytest.mark.parametrize(
    ("value", "inside", "outside"),
    [
        (UNSET, [0, 10**18], []),
        ("5", [5_000_000, 5_999_999], [4_999_999, 6_000_000]),
        ({"gt": "5"}, [6_000_000], [5_999_999]),
        ({"gte": "5"}, [5_000_000], [4_999_999]),
        ({"lt": "5"}, [4_999_999], [5_000_000]),
        ({"lte": "5"}, [5_999_999], [6_000_000]),
        (
            {"gt": "1", "gte": "5", "lt": "9", "lte": "7"},
            [5_000_000, 7_999_999],
            [4_999_999, 8_000_000],
        ),
        ({"gt": "5", "lt": "5"}, [], [5_000_000, 5_999_999]),
    ],
)
def test_a_range_is_of_whole_seconds(value: Any, inside: list[int], outside: list[int]) -> None:
    holds = range_of(value, "created")
    assert [each for each in (*inside, *outside) if holds(each)] == inside
    since, until = span_of(value, "created")
    within = [
        each
        for each in (*inside, *outside)
        if (since is None or since <= each) and (until is None or each <= until)
    ]
    assert within == inside


@pytest.mark.parametrize(
    ("value", "param"),
    [("soon", "created"), ({"gt": "-1"}, "created[gt]"), ({"after": "1"}, "created[after]")],
)
def test_a_range_that_is_none_is_refused_by_its_name(value: Any, param: str) -> None:
    with pytest.raises(StripeError) as caught:
        span_of(value, "created")
    assert caught.value.param == param
