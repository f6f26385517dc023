"""What can go wrong with a transaction, and what then becomes of the requests of its turn."""

from __future__ import annotations

from tests.simulation.plays import Turn

#: The commit fails, once: the engine tries the requests one by one.
FAILS = "commit fails"
#: The database does not answer: all are told, and nothing has happened.
UNAVAILABLE = "database unavailable"
#: The process dies just before the commit, or just after: its clients hear nothing.
DIES_BEFORE = "dies before the commit"
DIES_AFTER = "dies after the commit"
#: The answers get lost on their way; the clients will ask again.
LOST = "answers are lost"
FAULTS = (FAILS, UNAVAILABLE, DIES_BEFORE, DIES_AFTER, LOST)
#: The power fails while the disk is written to: what was not acknowledged is there wholly or not at all.
POWER_FAILS = "power fails"
DEATHS = (DIES_BEFORE, DIES_AFTER)
#: On PostgreSQL: what is told to nobody, because the server finds out what became of its transaction.
CUT_BEFORE = "connection cut as a transaction begins"
CUT_AT = "connection cut, and the commit with it"
CUT_AFTER = "connection cut after the commit"
UNDONE = "commit undone by the database"
ERROR = "database reports an error of its own at the commit"
ENDED_IDLE = "connections ended between transactions"
ENDED = "connections ended in a transaction"
UNNOTICED = (CUT_BEFORE, CUT_AT, CUT_AFTER, UNDONE, ERROR, ENDED_IDLE, ENDED)
#: The database is killed while a turn is under way, and started again.
KILLED = "database killed"
#: Of these nobody can say what became of what was not answered; it is looked at afterwards.
UNFORESEEN = (POWER_FAILS, KILLED)


def done(turn: Turn) -> list[bool]:
    """Of each request, whether it is decided and kept. Nobody waits behind a process that died.

    What cannot be foreseen is looked at afterwards.
    """
    size = len(turn.asks)
    first = min(turn.first, size)
    if turn.fault == DIES_BEFORE:
        return [False] * size
    if turn.fault == DIES_AFTER:
        return [True] * first + [False] * (size - first)
    if turn.fault == UNAVAILABLE or (turn.fault == FAILS and first == 1):
        return [False] * first + [True] * (size - first)
    return [True] * size


def heard(turn: Turn) -> list[bool]:
    """Of each request, whether its client hears what became of it."""
    deaf = turn.fault in (LOST, *UNFORESEEN, *DEATHS)
    return [kept and not deaf for kept in done(turn)]
