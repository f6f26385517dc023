"""Kills a server under load, or its database, for as long as one likes: ``make soak``."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.durability.torture import Torture
from tests.durability.torture_database import DatabaseTorture
from tests.support.postgres import DURABLE, VERSIONS, Cluster


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often the server is killed.")] = 100,
    seconds: Annotated[
        float, typer.Option(min=0.05, max=600, help="The load before a kill, at most.")
    ] = 3.0,
    seed: Annotated[
        int | None, typer.Option(help="Chooses the load and the moments; random when not given.")
    ] = None,
    postgres: Annotated[
        bool, typer.Option(help="Kill PostgreSQL under two servers, and one of them with it.")
    ] = False,
) -> None:
    """Load, kill, start, check; again and again on one database. Ends at the first fault with a traceback."""
    console = Console(highlight=False, soft_wrap=True)
    chosen = random.randrange(2**31) if seed is None else seed
    console.print(f"seed {chosen}, {rounds} rounds of up to {seconds:g} s of load")
    with tortured(chosen, seconds, postgres) as torture:
        for number in range(1, rounds + 1):
            found = torture.round()
            console.print(
                f"{number:5} killed: {found.acknowledged:6,} acknowledged, all there once;"
                f" {found.unanswered:4} unanswered, of which {found.of_those_done} done"
            )
        console.print(f"asking again for all {len(torture.asked):,} operations")
        torture.finish()
    kinds = ", ".join(f"{name} {times:,}" for name, times in torture.kinds.most_common())
    console.print(f"{len(torture.asked):,} operations, each there once: {kinds}.")


@contextmanager
def tortured(seed: int, seconds: float, postgres: bool) -> Iterator[Torture]:
    with tempfile.TemporaryDirectory(prefix="drawdown-soak-") as folder:
        if not postgres:
            yield Torture(Path(folder), seed, seconds)
            return
        with closing(Cluster(VERSIONS[-1], DURABLE)) as cluster, cluster.database() as url:
            yield DatabaseTorture(Path(folder), seed, seconds, url, cluster=cluster)


if __name__ == "__main__":
    typer.run(main)
