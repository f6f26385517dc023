"""What a simulation went through, counted: one that stops reaching something is seen."""

from __future__ import annotations

from collections import Counter

from rich.table import Table

from tests.simulation import faults
from tests.simulation.generate import VERBS
from tests.support.billing_choices import OF_INVOICES
from tests.support.billing_choices import VERBS as BILLED_VERBS

#: What is asked for by customers, and of their test clock.
ASKED = (*VERBS, "advance")
BILLED = (*BILLED_VERBS, *OF_INVOICES)
#: And what is asked in plays about invoices.
DECIDED = frozenset({*ASKED, *BILLED})
#: Each must be reached, and the short simulation in the tests says so.
RARE_PATHS = (
    "a hold expires",
    "a hold and a grant end at one instant",
    "a hold is captured again",
    "a hold is extended to its limit",
    "a capture of more than is held",
    "a final capture releases the rest",
    "a grant ends while a part of it is held",
    "a slice is captured after its grant ended",
    "a hold that expired gives back to a grant that has ended",
    "a hold that was released gives back to a grant that has ended",
    "a hold that was captured gives back to a grant that has ended",
    "credit returns to a grant that has ended",
    "a pending grant begins",
    "a debit is for another time",
    "the clock is behind a wallet",
    "a reversal goes past what an adjustment returned",
    "credit is refused to a debit that it is not for",
    "a debit draws three grants or more",
    "a spend draws its first wallet and its last",
    "a spend goes only as far as the wallets do",
    "jobs run",
    "a debit goes past zero",
    "a grant repays overage",
    "a reset ends overage",
    "a reversal undoes overage",
    "a reversal returns what was repaid",
    "a cycle is played",
    "a cycle is skipped",
    "a schedule is taken up after it has begun",
    "a schedule is resumed between its cycles",
    "a schedule ends",
    "a trial's credit ends with it",
    "credit is carried over",
    "what was carried over is carried on",
    "what was carried often enough is forfeited",
    "a grant rolls over at its own end",
    "what was carried of a grant is carried on",
    "a grant was carried over often enough",
    "a part of a grant is held while the rest is carried over",
    "a change gives more for the cycle that runs",
    "a change takes from the cycle that runs",
    "a cycle's end resets overage",
    "a cycle finds no room for a grant",
    "an event comes again",
    "usage costs less than was charged",
    "usage is paid as far as credit goes",
    "usage goes past zero",
    "nothing pays for usage",
    "late usage is paid by what has expired",
    "usage comes too late for what has expired",
    "an advance comes upon something that is due",
)
#: Only where there is an engine, with a store, that can fail.
RARE_IN_THE_ENGINE = (
    *(f"fault: {fault}" for fault in (*faults.FAULTS, faults.POWER_FAILS)),
    "a transaction survives a power failure unacknowledged",
    "a transaction is lost to a power failure",
    "a batch is tried one by one",
    "requests gather while others are committed",
    "a lost answer is asked for again and was done",
    "more grants are loaded than at first",
    "another server has written",
    "a claim is used again",
    "a balance is foreseen",
    "a balance is looked back at",
    *(f"an advance meets: {fault}" for fault in (faults.FAILS, *faults.DEATHS)),
)
#: Only where servers and their database are apart.
RARE_ON_POSTGRES = (
    *(f"fault: {fault}" for fault in (*faults.UNNOTICED, faults.KILLED)),
    *(f"fault: {fault}" for fault in faults.FAULTS),
    "a batch is tried one by one",
    "requests gather while others are committed",
    "more grants are loaded than at first",
    "two servers at once",
    "a lost answer is asked for again and was done",
    "a claim is used again",
    "a balance is foreseen",
    "a balance is looked back at",
)
#: Refusals that every simulation must meet.
REFUSALS = (
    "grant: too_many_grants",
    "grant: amount_too_large",
    "grant: expiry_before_effective",
    "hold: too_many_holds",
    "hold: field_invalid",
    "capture: capture_too_large",
    "capture: hold_ended",
    "capture: hold_not_found",
    "void: grant_held",
    "void: grant_used",
    "adjust: adjustment_too_large",
    "adjust: grant_pending",
    "reverse: reversal_too_large",
    "spend: amount_too_fine",
    "spend: insufficient_credit",
    "debit: key_reused",
    "debit: key_in_use",
    "schedule: too_many_schedules",
    "schedule: too_many_grants",
    "schedule: field_invalid",
    "change: schedule_over",
    "cancel: field_invalid",
    "use: event_reused",
    "use: field_invalid",
    "advance: field_invalid",
)


def commands_in(counts: Counter[str]) -> int:
    """How many requests were decided."""
    return sum(count for name, count in counts.items() if name.partition(":")[0] in DECIDED)


def missing_on_postgres(counts: Counter[str]) -> list[str]:
    """What a simulation of the engine there should have reached, and did not."""
    return [name for name in RARE_ON_POSTGRES if not counts[name]]


def missing(counts: Counter[str]) -> list[str]:
    """What a simulation of the core, and of the engine on SQLite, should have reached, and did not."""
    replays = tuple(f"{verb}: replayed" for verb in VERBS if verb != "settle")
    done = tuple(f"{verb}: ok" for verb in ASKED)
    wanted = RARE_PATHS + RARE_IN_THE_ENGINE + REFUSALS + replays + done
    return [name for name in wanted if not counts[name]]


def outcomes_table(counts: Counter[str]) -> Table:
    """Requests by what was asked and what became of it."""
    table = Table("asked", "answered", "times", title="Requests")
    for verb in ASKED:
        found = {name: count for name, count in counts.items() if name.startswith(verb + ":")}
        for place, name in enumerate(sorted(found, key=lambda name: -found[name])):
            answer = name.partition(": ")[2]
            table.add_row(verb if place == 0 else "", answer, f"{found[name]:,}")
        table.add_section()
    return table


def paths_table(counts: Counter[str]) -> Table:
    """Faults and rare paths, those that were not reached too."""
    table = Table("path", "times", title="Faults and rare paths")
    for name in dict.fromkeys((*RARE_PATHS, *RARE_IN_THE_ENGINE, *RARE_ON_POSTGRES)):
        table.add_row(name, f"{counts[name]:,}" if counts[name] else "[red]never[/red]")
    return table


def counts_table(counts: Counter[str], title: str) -> Table:
    """All that was counted."""
    table = Table("what", "times", title=title)
    for name, count in sorted(counts.items()):
        table.add_row(name, f"{count:,}")
    return table
