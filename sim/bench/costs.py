"""What one training step takes with each optimizer: ``python -m sim.bench.costs`` prints CSV.

One thread trains the same small networks with every optimizer of the catalog; the quickest of a few looks
counts. sim/analysis/step_costs.csv keeps what one machine took, so that a report says the same everywhere.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import click
import pandas as pd

from sim.bench.points import Point
from sim.bench.work import work
from sim.catalog.optimizers import optimizer

NETWORK = Point("costs", depth=2, width=32, batch=32, networks=8, steps=200)
LOOKS = 5


class AnyOptimizer(Point):
    """A point with an optimizer that the benchmark does not race; its learning rate hardly moves a weight."""

    @property
    def lr(self) -> float:
        """Small, so that no rule diverges."""
        return 1e-6


def step_costs(names: Sequence[str] = (), looks: int = LOOKS, network: Point = NETWORK) -> pd.DataFrame:
    """Nanoseconds of processor time of one training step, all of it: forward, backward, update.

    Rules that need the full batch are left out: here they would stop where a line search fails.

    Columns: optimizer, step_ns, parameters, relative (to sgd).
    """
    chosen = [name for name in names or optimizer if not optimizer[name].traits.get("full_batch")]
    rows = []
    for name in dict.fromkeys(["sgd", *chosen]):
        point = AnyOptimizer(**{**dataclasses.asdict(network), "optimizer": name})
        rows.append({"optimizer": name, "step_ns": _quickest(point, looks), "parameters": point.parameters})
    table = pd.DataFrame(rows)
    table["relative"] = (table["step_ns"] / table["step_ns"].iloc[0]).round(3)
    return table[table["optimizer"].isin(chosen)].reset_index(drop=True)


def _quickest(point: Point, looks: int) -> int:
    """The least processor time of a step over some looks, in whole nanoseconds."""
    whole = work(point)
    networks = len(whole.calls[0].fleet.theta)
    least = float("inf")
    for _ in range(looks):
        call = whole.calls[0].fresh()
        began = time.process_time_ns()
        call()
        least = min(least, (time.process_time_ns() - began) / (networks * point.steps))
    return round(least)


@click.command()
@click.option(
    "--looks", default=LOOKS, show_default=True, help="How often each is timed; the quickest counts."
)
def command(looks: int) -> None:
    """Print what a training step costs with every optimizer of the catalog, as CSV."""
    click.echo(step_costs(looks=looks).to_csv(index=False, lineterminator="\n"), nl=False)


if __name__ == "__main__":
    command()
