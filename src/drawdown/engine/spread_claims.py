"""Steps with claims in a store that is spread: each is where its key is, apart from what is done under it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from random import SystemRandom

from drawdown.core.requests import ClaimRecord
from drawdown.engine.batcher import ATTEMPTS_MAX, PAUSE_SECONDS
from drawdown.engine.ports import BatchConflict, ClaimingPart, Group, Placement

Step = Callable[[ClaimingPart, Sequence[ClaimRecord]], Awaitable[Sequence[ClaimRecord] | None]]

_random = SystemRandom()


class ClaimSteps:
    """Opens claims, keeps and leaves them: many at once, in one statement for each group."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement

    async def open(self, claims: Iterable[ClaimRecord]) -> list[tuple[ClaimRecord, ClaimRecord]]:
        """Each with what there is on its key."""
        return await self._at_each(claims, _open)

    async def keep(self, claims: Iterable[ClaimRecord]) -> None:
        await self._at_each(claims, _keep)

    async def leave(self, claims: Iterable[ClaimRecord]) -> None:
        await self._at_each(claims, _leave)

    async def release(self, claims: Iterable[ClaimRecord]) -> None:
        await self._at_each(claims, _release)

    async def _at_each(
        self, claims: Iterable[ClaimRecord], step: Step
    ) -> list[tuple[ClaimRecord, ClaimRecord]]:
        """Take a step with claims, in each group with all that are there; each with what it is after it."""
        by_group: dict[Group, list[ClaimRecord]] = {}
        for claim in claims:
            group = self._placement.of_name((claim.book, claim.space, claim.key))
            by_group.setdefault(group, []).append(claim)
        done = await asyncio.gather(
            *(self._at(group, some, step) for group, some in by_group.items())
        )
        return [pair for pairs in done for pair in pairs]

    async def _at(
        self, group: Group, claims: list[ClaimRecord], step: Step
    ) -> list[tuple[ClaimRecord, ClaimRecord]]:
        """Two who change the same claims at once may be in each other's way: one tries again."""
        for attempt in range(ATTEMPTS_MAX - 1):
            try:
                found = await step(self._placement.part(group), claims)
            except BatchConflict:
                await asyncio.sleep(_random.uniform(0, PAUSE_SECONDS * 2**attempt))
            else:
                break
        else:
            found = await step(self._placement.part(group), claims)
        return list(zip(claims, found or claims, strict=True))


async def _open(part: ClaimingPart, claims: Sequence[ClaimRecord]) -> Sequence[ClaimRecord]:
    return await part.open_claims(claims)


async def _keep(part: ClaimingPart, claims: Sequence[ClaimRecord]) -> None:
    await part.keep_claims(claims)


async def _leave(part: ClaimingPart, claims: Sequence[ClaimRecord]) -> None:
    await part.leave_claims(claims)


async def _release(part: ClaimingPart, claims: Sequence[ClaimRecord]) -> None:
    await part.release_claims(claims)
