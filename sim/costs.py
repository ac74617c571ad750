"""What networks cost in seconds, on one core of the kind they were measured on: more than matrix products.

In tiny networks a step is mostly calls of products and passes over a few numbers, and what surrounds
training, samples to prepare and weights to draw, takes longer than training itself. That surrounding work is
Python's, which one thread does at a time; kernels run beside one another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sim.plan import Batch, Run
from sim.study.resolve import outputs, shape

FLOPS_A_SECOND = 20e9
"""The suite's small products, everything around them included."""
STEP, LAYER = 200e-9, 160e-9
"""A step of a network, and each layer of it with its three products, besides their flops."""
ROW = 0.6e-6
"""A row of the records: as much for the kernels to measure as for Python to keep."""
NETWORK, WEIGHTS = 70e-6, 8.5e-6
"""A network to set up, and each layer's weights to draw."""
TABLE, CELL = 450e-6, 17e-9
"""A replicate's samples to draw, split and scale, and each of their numbers."""
COUPLED = 4.0
"""Flops as long as a product of two outputs takes in a loss: plain loops are half as fast as layers."""
AGAIN = 0.25
"""Share of that for samples which an earlier batch has had."""
KEPT = 32
"""Tables of samples that are kept from batch to batch."""
BATCH = 12e-3
"""A batch to plan, keep and write."""


@dataclass(frozen=True)
class Cost:
    """Seconds: ``alone`` on one thread at a time, ``beside`` on as many as there are."""

    alone: float = 0.0
    beside: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.alone + other.alone, self.beside + other.beside)

    def seconds(self, jobs: int) -> float:
        """On so many threads."""
        return self.alone + self.beside / jobs


def cost_of(batches: Iterable[Batch]) -> Cost:
    """What the networks of these batches cost, in this order."""
    total, had = Cost(), set[tuple[object, ...]]()
    for batch in batches:
        run = batch.runs[0]
        data = (run.dataset, run.scaling, run.samples, run.settings.test_fraction)
        tables = {(*data, replicate) for replicate in {run.replicate for run in batch.runs}}
        again = len(tables & had) if len(tables) <= KEPT else 0
        total += networks_cost(run, len(batch.runs), len(tables) - (1 - AGAIN) * again)
        total += Cost(alone=BATCH)
        had |= tables
    return total


def networks_cost(run: Run, count: int, tables: float) -> Cost:
    """``count`` networks like ``run``, on so many tables of samples."""
    layers, rows = run.depth + 1, run.rows * ROW
    flops = run.flops() + COUPLED * sum(run.samples_seen()) * _coupled(run)
    kernels = run.steps * (STEP + layers * LAYER) + flops / FLOPS_A_SECOND + rows
    cells = shape(run.dataset).rows * shape(run.dataset).features
    alone = count * (NETWORK + layers * WEIGHTS + rows) + tables * (TABLE + cells * CELL)
    return Cost(alone, count * kernels)


def _coupled(run: Run) -> int:
    """Products of outputs with one another in the loss of a sample."""
    if not run.loss.part.traits.get("couples_outputs"):
        return 0
    return outputs(run.dataset, run.loss) ** 2
