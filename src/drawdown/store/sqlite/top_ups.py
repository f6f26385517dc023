"""What top-ups need of the file within a batch, and what is written of them."""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from drawdown.core.state import Changes, State, Wanted
from drawdown.core.types import Id
from drawdown.store import rows, top_up_rows


def load(
    connection: apsw.Connection, queries: dict[str, str], state: State, wanted: Wanted
) -> None:
    """Load what is wanted, and which wallets it is in. What is not there is loaded as None."""

    def row(query: str, thing: Id) -> rows.Row | None:
        return connection.execute(queries[query], (thing,)).fetchone()

    for rule in wanted.top_ups:
        found = row("find_top_up", rule)
        state.top_ups[rule] = None if found is None else top_up_rows.top_up_of(found)
        state.top_up_wallets[rule] = None if found is None else (found[1], found[2])
    for request in wanted.top_up_requests:
        found = row("find_top_up_request", request)
        state.top_up_requests[request] = None if found is None else top_up_rows.request_of(found)
        state.top_up_wallets[request] = None if found is None else (found[1], found[2])


def written(changes: Changes, state: State) -> Iterator[tuple[str, list[rows.Row]]]:
    """The statements that write what a batch changed, each with its rows; mostly there is nothing."""
    if changes.new_top_ups:
        made = changes.new_top_ups.values()
        yield "insert_top_up", [top_up_rows.top_up_row(t, _book(state, t.customer)) for t in made]
    if changes.closed_top_ups:
        yield "close_top_up", [(t.closed_at, t.id) for t in changes.closed_top_ups.values()]
    if changes.new_top_up_requests:
        asked = changes.new_top_up_requests.values()
        found = [top_up_rows.request_row(each, _book(state, each.customer)) for each in asked]
        yield "insert_top_up_request", found
    if changes.top_up_requests:
        ended = changes.top_up_requests.values()
        yield "end_top_up_request", [(*top_up_rows.ended_row(each), each.id) for each in ended]


def _book(state: State, customer: Id) -> Id:
    found = state.customers[customer]
    assert found is not None
    return found.book
