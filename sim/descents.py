"""The plan of a study of surfaces: study -> walks -> batches; pure, and numbered as networks are.

A walk is one optimizer on one surface from all starts of its descent.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from sim.catalog.surfaces import domain_of
from sim.plan import Batch, known_names
from sim.study import Choice, Descent, Study

STEP_FLOPS = 300.0
"""A step of one start, told as multiplications and additions of matrix products that take as long (15 ns)."""
NOT_ELEMENTWISE = 60.0
"""So many times as long takes a rule that cannot step many starts together."""
BATCH_FLOPS = 1.2e10


@dataclass(frozen=True)
class WalkRun:
    """One optimizer on one surface, with noise or without, for so many steps, from all starts of ``descent``.

    ``replicate`` names the draws of the noise: equal replicates share them for every optimizer.
    """

    index: int
    replicate: int
    surface: Choice
    optimizer: Choice
    noise: float
    steps: int
    descent: Descent

    @property
    def grid(self) -> str:
        """The descent's name."""
        return self.descent.name

    @property
    def rows(self) -> int:
        """Rows of the largest table that this run fills."""
        return self.descent.starts * max(1, self.positions)

    @property
    def positions(self) -> int:
        """How many positions of each path are kept: no more than there are."""
        return min(self.descent.positions, self.steps + 1)

    @property
    def flops(self) -> float:
        """Estimated work."""
        rule = self.optimizer.part.rule(dict(self.optimizer.parameters))
        each = STEP_FLOPS * (1.0 if rule.elementwise else NOT_ELEMENTWISE)
        return each * self.steps * self.descent.starts * self.descent.dimensions / 2

    def starts(self) -> np.ndarray:
        """Where it starts, (starts, dimensions); a map goes row by row from the lower left corner."""
        descent = self.descent
        if descent.map is None:
            return np.array([point for _, point in descent.start], dtype=float)
        lines = [np.linspace(low, high, descent.map) for low, high in domain_of(self.surface.part)]
        return np.stack(np.meshgrid(*lines), axis=-1).reshape(-1, 2)


@dataclass(frozen=True)
class DescentPlan:
    """The walks of a study, sorted by index, and the batches they are computed in."""

    study: Study
    runs: tuple[WalkRun, ...]
    batches: tuple[Batch, ...]

    noun: ClassVar = "walks"

    @cached_property
    def starts(self) -> int:
        """Starts of all walks together."""
        return sum(run.descent.starts for run in self.runs)

    @cached_property
    def flops(self) -> float:
        """Estimated work of all walks together."""
        return sum(batch.flops for batch in self.batches)


def plan_descents(study: Study, only: Iterable[str] = ()) -> DescentPlan:
    """All walks of a study; ``only`` names the descents that are wanted, none means all.

    Ordered by descent, then by the product of surface, optimizer, noise and steps, replicates fastest.
    """
    wanted = known_names(study, only)
    runs: list[WalkRun] = []
    for descent in study.descents:
        cells = itertools.product(*descent.factors.values(), range(descent.replicates))
        for *cell, replicate in cells:
            factors = dict(zip(descent.factors, cell, strict=True))
            runs.append(WalkRun(index=len(runs), replicate=replicate, descent=descent, **factors))
    batches = _batches(runs)
    kept = tuple(batch for batch in batches if batch.runs[0].grid in wanted)
    return DescentPlan(study, tuple(run for run in runs if run.grid in wanted), kept)


def _batches(runs: list[WalkRun]) -> list[Batch]:
    """Consecutive walks of one descent, as many as come to a second or so."""
    found: list[Batch] = []
    for _, group in itertools.groupby(runs, key=lambda run: run.grid):
        part: list[WalkRun] = []
        for run in group:
            if part and sum(walk.flops for walk in part) + run.flops > BATCH_FLOPS:
                found.append(_batch(len(found), part))
                part = []
            part.append(run)
        found.append(_batch(len(found), part))
    return found


def _batch(number: int, runs: list[WalkRun]) -> Batch:
    return Batch(number, tuple(runs), sum(run.flops for run in runs))
