"""What top-ups need of the database within a batch, and what is written of them.

Rules and requests are read once their wallets are locked: nobody else can change them then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from drawdown.core.identity import slot_of
from drawdown.core.state import Changes, State, WalletKey, Wanted
from drawdown.core.types import Id
from drawdown.store import top_up_rows
from drawdown.store.postgres.reads import Columns, Row, id_columns

Fetch = Callable[[str, Columns], Awaitable[list[Row]]]
Write = Callable[[str, Sequence[Row]], Awaitable[None]]


class TopUpRows:
    """One transaction's view of top-ups."""

    def __init__(self, fetch: Fetch, write: Write) -> None:
        self._fetch, self._write = fetch, write

    async def find_places(self, state: State, wanted: Wanted) -> bool:
        """Find which wallets they are in; whether any was to be found."""
        if not wanted.top_ups and not wanted.top_up_requests:  # as nearly always
            return False
        places = state.top_up_wallets
        rules = wanted.top_ups - places.keys()
        requests = wanted.top_up_requests - places.keys()
        places |= dict.fromkeys(rules | requests)
        found = await self._fetch("top_up_wallet", id_columns(rules))
        found += await self._fetch("top_up_request_wallet", id_columns(requests))
        for thing, customer, entitlement in found:
            places[thing] = (customer, entitlement)
        return bool(rules or requests)

    @staticmethod
    def wallets(state: State, wanted: Wanted) -> set[WalletKey]:
        """Those to be locked for what is wanted."""
        things = wanted.top_ups | wanted.top_up_requests
        return {key for each in things if (key := state.top_up_wallets[each])}

    async def load(self, state: State, wanted: Wanted) -> None:
        if not wanted.top_ups and not wanted.top_up_requests:
            return
        state.top_ups |= dict.fromkeys(wanted.top_ups)
        state.top_up_requests |= dict.fromkeys(wanted.top_up_requests)
        for row in await self._fetch("find_top_up", id_columns(wanted.top_ups)):
            state.top_ups[row[0]] = top_up_rows.top_up_of(tuple(row))
        requests = id_columns(wanted.top_up_requests)
        for row in await self._fetch("find_top_up_request", requests):
            state.top_up_requests[row[0]] = top_up_rows.request_of(tuple(row))

    async def write(self, changes: Changes, state: State) -> None:
        if changes.new_top_ups or changes.closed_top_ups:
            await self._write_rules(changes, state)
        if changes.new_top_up_requests or changes.top_up_requests:
            await self._write_requests(changes, state)

    async def _write_rules(self, changes: Changes, state: State) -> None:
        made = changes.new_top_ups.values()
        found = [top_up_rows.top_up_row(each, _book(state, each.customer)) for each in made]
        await self._write("insert_top_up", found)
        closed = [
            (slot_of(each.id), each.id, each.closed_at) for each in changes.closed_top_ups.values()
        ]
        await self._write("close_top_up", closed)

    async def _write_requests(self, changes: Changes, state: State) -> None:
        asked = changes.new_top_up_requests.values()
        found = [top_up_rows.request_row(each, _book(state, each.customer)) for each in asked]
        await self._write("insert_top_up_request", found)
        ended = changes.top_up_requests.values()
        changed = [(slot_of(each.id), each.id, *top_up_rows.ended_row(each)) for each in ended]
        await self._write("end_top_up_request", changed)


def _book(state: State, customer: Id) -> Id:
    found = state.customers[customer]
    assert found is not None
    return found.book
