"""Auto top-up: when credit is asked for and how much, against a count of every request there ever was."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawdown.core.times import INSTANT_MAX, instant_of
from drawdown.core.types import DAY, UNITS_MAX, CostBasis, Id, Instant, UnitPrice
from drawdown.core.watching import top_ups
from drawdown.core.watching.top_ups import (
    Cap,
    CapPeriod,
    Level,
    RequestState,
    Standing,
    TopUp,
    TopUpRequest,
    Verdict,
)
from tests.support.naive_top_ups import NaiveRule, NaiveTopUp, next_period, period

HOUR = DAY // 24
NOBODY = Id(bytes(16))
NOW = instant_of(datetime(2028, 2, 28, 23, 0, tzinfo=UTC))
ROOM = UNITS_MAX


def rule(
    threshold: int = 20,
    amount: int | None = 100,
    target: int | None = None,
    cap: Cap | None = None,
    cool_down: int = HOUR,
    attempts_max: int = 3,
) -> TopUp:
    return TopUp(
        id=NOBODY,
        customer=NOBODY,
        entitlement=NOBODY,
        threshold=threshold,
        scale=0,
        created_at=NOW,
        recorded_at=NOW,
        amount=amount,
        target=target,
        cap=cap,
        cool_down=cool_down,
        attempts_max=attempts_max,
    )


def made(number: int, units: int, at: int) -> TopUpRequest:
    return TopUpRequest(
        id=Id(number.to_bytes(16, "big")),
        top_up=NOBODY,
        customer=NOBODY,
        entitlement=NOBODY,
        amount=units,
        available=0,
        requested_at=Instant(at),
        recorded_at=Instant(at),
        expires_at=Instant(at + DAY),
    )


def ended(standing: Standing, state: RequestState, at: int) -> Standing:
    assert standing.request is not None
    before = standing.request
    return top_ups.answered(
        standing, before, msgspec.structs.replace(before, state=state), Instant(at)
    )


def level(available: int, owed: int = 0) -> Level:
    return Level(available, owed, ROOM)


def asked(standing: Standing, at: int = NOW, available: int = 0) -> int:
    return top_ups.judge(standing, level(available), Instant(at)).units


def test_credit_is_asked_for_at_the_threshold_and_below_it_and_not_above() -> None:
    standing = Standing(rule=rule(threshold=20))
    assert [asked(standing, available=each) for each in (21, 20, 19)] == [0, 100, 100]


def test_a_target_is_reached_from_wherever_credit_stands_and_past_what_is_owed() -> None:
    standing = Standing(rule=rule(threshold=20, amount=None, target=150))
    assert asked(standing, available=7) == 143
    assert top_ups.judge(standing, level(0, owed=30), NOW).units == 180


def test_no_more_is_asked_for_than_the_wallet_can_take() -> None:
    standing = Standing(rule=rule())
    assert top_ups.judge(standing, Level(0, 0, 40), NOW) == Verdict(units=40)
    assert top_ups.judge(standing, Level(0, 0, 0), NOW) == Verdict()


def test_one_request_is_in_flight_at_most() -> None:
    standing = top_ups.asked(Standing(rule=rule()), made(1, 100, NOW))
    assert top_ups.judge(standing, level(0), NOW) == Verdict()
    assert standing.due_at == NOW + DAY


@pytest.mark.parametrize("end", [RequestState.CONFIRMED, RequestState.FAILED, RequestState.EXPIRED])
def test_the_end_of_a_request_begins_the_cool_down(end: RequestState) -> None:
    standing = ended(top_ups.asked(Standing(rule=rule()), made(1, 100, NOW)), end, NOW + 5)
    over = Instant(NOW + 5 + HOUR)
    assert top_ups.judge(standing, level(0), Instant(over - 1)) == Verdict(again_at=over)
    assert asked(standing, over) == 100


def test_what_is_left_of_the_cap_is_asked_for_exactly_and_then_nothing_until_the_period_ends() -> (
    None
):
    standing = Standing(rule=rule(cap=Cap(130, CapPeriod.DAY), cool_down=1))
    standing = ended(top_ups.asked(standing, made(1, 100, NOW)), RequestState.CONFIRMED, NOW)
    assert asked(standing, NOW + 1) == 30
    standing = ended(top_ups.asked(standing, made(2, 30, NOW + 1)), RequestState.CONFIRMED, NOW + 1)
    midnight = instant_of(datetime(2028, 2, 29, tzinfo=UTC))
    verdict = top_ups.judge(standing, level(0), Instant(midnight - 1))
    assert verdict == Verdict(again_at=midnight, capped=True)
    assert asked(standing, midnight) == 100


def test_a_request_counts_until_it_is_told_that_it_failed() -> None:
    standing = Standing(rule=rule(cap=Cap(100, CapPeriod.MONTH), cool_down=1))
    request = made(1, 100, NOW)
    standing = ended(top_ups.asked(standing, request), RequestState.EXPIRED, NOW + DAY)
    assert top_ups.cap_left(standing, NOW) == 0
    expired = msgspec.structs.replace(request, state=RequestState.EXPIRED)
    failed = msgspec.structs.replace(request, state=RequestState.FAILED)
    standing = top_ups.answered(standing, expired, failed, NOW)
    assert top_ups.cap_left(standing, NOW) == 100
    paid = msgspec.structs.replace(request, state=RequestState.CONFIRMED)
    standing = top_ups.answered(standing, failed, paid, NOW)
    assert top_ups.cap_left(standing, NOW) == 0


def test_a_request_of_a_period_that_is_over_counts_for_none_after_it() -> None:
    march = instant_of(datetime(2028, 3, 1, tzinfo=UTC))
    standing = Standing(rule=rule(cap=Cap(100, CapPeriod.MONTH)))
    standing = top_ups.asked(standing, made(1, 60, NOW))
    standing = ended(standing, RequestState.FAILED, march)
    standing = top_ups.asked(standing, made(2, 70, march))
    assert top_ups.cap_left(standing, march) == 30


def test_after_so_many_requests_in_a_row_that_were_not_paid_the_rule_stops() -> None:
    standing = Standing(rule=rule(cool_down=1, attempts_max=2))
    for number, state in enumerate((RequestState.FAILED, RequestState.EXPIRED)):
        assert not standing.is_stopped
        standing = ended(top_ups.asked(standing, made(number, 100, NOW)), state, NOW)
    assert standing.is_stopped
    assert top_ups.judge(standing, level(0), Instant(NOW + DAY)) == Verdict()
    assert top_ups.ruled(standing, standing.rule).attempts_left == 2


def test_a_late_payment_starts_a_stopped_rule_again() -> None:
    standing = Standing(rule=rule(cool_down=1, attempts_max=1))
    request = made(1, 100, NOW)
    standing = ended(top_ups.asked(standing, request), RequestState.EXPIRED, NOW)
    assert standing.is_stopped
    before = msgspec.structs.replace(request, state=RequestState.EXPIRED)
    after = msgspec.structs.replace(request, state=RequestState.CONFIRMED)
    assert not top_ups.answered(standing, before, after, NOW).is_stopped


def test_another_rule_goes_on_counting_and_leaves_what_is_in_flight() -> None:
    standing = top_ups.asked(Standing(rule=rule()), made(1, 100, NOW))
    standing = top_ups.ruled(standing, rule(cap=Cap(120, CapPeriod.WEEK)))
    assert standing.request is not None
    assert top_ups.cap_left(standing, NOW) == 20


def test_what_is_paid_is_the_face_value_of_a_currency_and_else_the_price_truncated() -> None:
    money = msgspec.structs.replace(rule(), scale=9, currency="usd")
    assert top_ups.cost_of(money, 1_500_000_000) == CostBasis(1_500_000_000, "usd")
    priced = msgspec.structs.replace(
        rule(), scale=2, price_per_unit=UnitPrice("0.000000000123", "usd")
    )
    assert top_ups.cost_of(priced, 1_000) == CostBasis(1, "usd")
    assert top_ups.cost_of(rule(), 100) is None


@given(
    at=st.integers(0, INSTANT_MAX - 40 * DAY),
    per=st.sampled_from(list(CapPeriod)),
)
def test_periods_are_those_of_the_calendar(at: int, per: CapPeriod) -> None:
    start, end = top_ups.period_of(per, Instant(at))
    assert end is not None
    assert start <= at < end
    assert end == next_period(per.value, at)
    assert period(per.value, max(start, 0)) == period(per.value, at)
    assert start <= 0 or period(per.value, start - 1) != period(per.value, at)


def test_the_last_month_that_can_be_written_has_no_end() -> None:
    for per in CapPeriod:
        assert top_ups.period_of(per, INSTANT_MAX)[1] is None


RULES = st.builds(
    NaiveRule,
    threshold=st.integers(0, 50),
    amount=st.integers(1, 200),
    target=st.none(),
    cap=st.none() | st.tuples(st.integers(1, 600), st.sampled_from(["day", "week", "month"])),
    cool_down=st.sampled_from([1, HOUR, 3 * DAY]),
    answer_within=st.sampled_from([HOUR, DAY]),
    attempts=st.integers(1, 4),
) | st.builds(
    NaiveRule,
    threshold=st.integers(0, 50),
    amount=st.none(),
    target=st.integers(51, 200),
    cap=st.none(),
    cool_down=st.just(HOUR),
    answer_within=st.just(DAY),
    attempts=st.just(2),
)
MOVES = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from([1, HOUR, DAY, 9 * DAY, 31 * DAY])),
    st.tuples(st.just("credit"), st.integers(0, 80)),
    st.tuples(st.just("rule"), RULES),
    st.tuples(st.just("close"), st.just(0)),
    st.tuples(st.sampled_from(["confirmed", "failed"]), st.integers(0, 20)),
)


class Both:
    """The same moves on the core and on the count of everything."""

    def __init__(self) -> None:
        self.core, self.naive = Standing(), NaiveTopUp()
        self.requests: dict[int, TopUpRequest] = {}
        self.at, self.available = NOW, 0

    def move(self, verb: str, what: object) -> None:
        if verb == "pass":
            assert isinstance(what, int)
            self._pass(self.at + what)
        elif verb == "credit":
            assert isinstance(what, int)
            self.available = what
        elif verb == "rule":
            assert isinstance(what, NaiveRule)
            self._rule(what)
        elif verb == "close":
            self.core = top_ups.ruled(self.core, None)
            self.naive.set_rule(None)
        elif self.requests:
            assert isinstance(what, int)
            self._answer(1 + what % len(self.requests), RequestState(verb))
        self._look()

    def _pass(self, until: int) -> None:
        """Each thing at its own instant, on the way."""
        while self.core.due_at is not None and self.core.due_at <= until:
            self.at = max(self.at, self.core.due_at)
            request = self.core.request
            if request is not None:
                self._answer(int.from_bytes(request.id, "big"), RequestState.EXPIRED)
            self._look()
        self.at = Instant(until)

    def _rule(self, what: NaiveRule) -> None:
        cap = None if what.cap is None else Cap(what.cap[0], CapPeriod(what.cap[1]))
        new = rule(what.threshold, what.amount, what.target, cap, what.cool_down, what.attempts)
        new = msgspec.structs.replace(new, answer_within=what.answer_within)
        self.core = top_ups.ruled(self.core, new)
        self.naive.set_rule(what)

    def _answer(self, number: int, state: RequestState) -> None:
        before = self.requests[number]
        if before.state is RequestState.CONFIRMED or before.state is state:
            return
        after = msgspec.structs.replace(before, state=state)
        self.core = top_ups.answered(self.core, before, after, self.at)
        self.requests[number] = after
        other = self.naive.requests[number - 1]
        self.naive.end(other, state.value, self.at, top_ups.COOL_DOWN_DEFAULT)

    def _look(self) -> None:
        verdict = top_ups.judge(self.core, level(self.available), self.at)
        units, again_at = self.naive.ask(self.available, 0, self.at)
        assert (verdict.units, verdict.again_at) == (units, again_at)
        self.core = msgspec.structs.replace(self.core, again_at=verdict.again_at)
        if verdict.units:
            number = len(self.requests) + 1
            made_now = made(number, verdict.units, self.at)
            assert self.core.rule is not None
            expires_at = Instant(self.at + self.core.rule.answer_within)
            made_now = msgspec.structs.replace(made_now, expires_at=expires_at)
            self.core = top_ups.asked(self.core, made_now)
            self.requests[number] = made_now


@settings(max_examples=300, deadline=None)
@given(moves=st.lists(MOVES, max_size=40))
def test_whatever_happens_it_asks_for_what_a_count_of_every_request_says(
    moves: list[tuple[str, object]],
) -> None:
    both = Both()
    for verb, what in moves:
        both.move(verb, what)
        assert both.core == msgspec.json.decode(msgspec.json.encode(both.core), type=Standing)
        if both.core.rule is not None and both.core.rule.cap is not None:
            cap = both.core.rule.cap
            counted = both.naive.counted(cap.per.value, both.at)
            assert top_ups.cap_left(both.core, both.at) == max(cap.amount - counted, 0)
