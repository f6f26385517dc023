"""What must always hold of a wallet's top-up: each request is answered once, counted once, and comes due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from drawdown.core.fold import Fault
from drawdown.core.types import Grant, Id, Instant
from drawdown.core.watching import top_ups
from drawdown.core.watching.top_ups import RequestState, Standing, TopUpRequest

#: Where a grant came from that was paid for.
SOURCE = "top_up"


class KeptWallet(Protocol):
    """What a store keeps of a wallet that follows from its top-up."""

    @property
    def next_due_at(self) -> Instant | None: ...


def check_top_up(
    kept: KeptWallet,
    standing: Standing | None,
    requests: Sequence[TopUpRequest],
    grants: Iterable[Grant],
) -> None:
    """Raises ``Fault``. ``requests`` are all of the wallet's, ``grants`` all that it has."""
    standing = standing or Standing()
    open_ones = [each for each in requests if each.state is RequestState.OPEN]
    if open_ones != ([] if standing.request is None else [standing.request]):
        raise Fault(f"{len(open_ones)} top-up requests are open: not the one in flight")
    _check_due(kept, standing)
    _check_counted(standing, requests)
    _check_granted(requests, {grant.id: grant for grant in grants})


def _check_due(kept: KeptWallet, standing: Standing) -> None:
    """The wallet comes due when its top-up does, or before."""
    due_at = standing.due_at
    if due_at is not None and (kept.next_due_at is None or due_at < kept.next_due_at):
        raise Fault(f"the top-up is due at {due_at}, the wallet at {kept.next_due_at}")


def _check_counted(standing: Standing, requests: Iterable[TopUpRequest]) -> None:
    """What a period has been asked for is the sum of its requests that did not fail."""
    sums = dict.fromkeys(standing.counted, 0)
    for request in requests:
        for per, counted in standing.counted.items():
            in_period = top_ups.period_of(per, request.requested_at)[0] == counted.start
            if in_period and request.state is not RequestState.FAILED:
                sums[per] += request.amount
    for per, counted in standing.counted.items():
        if counted.units != sums[per]:
            raise Fault(f"{counted.units} count for the {per}, its requests ask for {sums[per]}")


def _check_granted(requests: Iterable[TopUpRequest], grants: dict[Id, Grant]) -> None:
    """What was confirmed was granted, and nothing else was for a top-up."""
    paid = {each.grant: each for each in requests if each.grant is not None}
    for identifier, request in paid.items():
        grant = grants.get(identifier)
        confirmed = request.state is RequestState.CONFIRMED
        if grant is None or grant.amount != request.amount or not confirmed:
            raise Fault(f"top-up request {request.id.hex()}: its grant is not what was paid for")
    for grant in grants.values():
        if grant.source == SOURCE and grant.id not in paid:
            raise Fault(f"grant {grant.id.hex()} was paid for by no top-up request")
