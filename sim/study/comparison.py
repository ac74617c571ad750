"""A comparison of optimizers: who competes, on what problems, and by what rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sim.study.choices import Choice
from sim.study.model import Grid, Settings

CRITERIA = ("final", "time_to_target")
SAMPLERS = ("grid", "sobol")
TARGET = "target"
"""Name of every problem's target: ``steps_to_target`` in the records."""


@dataclass(frozen=True)
class Axis:
    """One searched parameter and its values: a list, or a range whose ``scale`` is linear or log."""

    name: str
    values: tuple[Any, ...]
    scale: str | None = None

    def beyond(self, value: float, side: int) -> float:
        """The value one step of the range further: below it (side -1) or above it (side 1)."""
        low, high, steps = self.values[0], self.values[-1], len(self.values) - 1
        if self.scale == "log":
            return float(f"{value * (high / low) ** (side / steps):.12g}")
        return float(f"{value + side * (high - low) / steps:.12g}")


@dataclass(frozen=True)
class Entrant:
    """An optimizer that competes: what of it is fixed, what is searched and how, what it is untuned."""

    name: str
    fixed: Choice
    """The part with what is fixed; searched parameters stand at the first value of their axis."""
    search: tuple[Axis, ...]
    sampler: str
    default: Choice


@dataclass(frozen=True)
class Comparison:
    """The rules: the same for every optimizer on every problem.

    ``trials`` settings of each optimizer on each problem are trained on ``tuning_seeds``; a best one at the
    edge of a range widens it, at most ``extend`` times. The ``founding`` optimizers' best settings, run again
    on ``target_seeds``, set the problems' targets, loosened by ``slack``. The best settings by ``criterion``,
    those within ``tie`` of the best judged by stability, are run again on ``report_seeds``, the untuned
    defaults beside them. All these seeds differ from each other.
    """

    entrants: tuple[Entrant, ...]
    trials: int
    tuning_seeds: int
    target_seeds: int
    report_seeds: int
    criterion: str
    tie: float
    extend: int
    founding: tuple[str, ...]
    slack: float

    def entrant(self, name: str) -> Entrant:
        """The optimizer of that name."""
        return next(entrant for entrant in self.entrants if entrant.name == name)


@dataclass(frozen=True)
class Problem:
    """What all optimizers of a comparison are tried on: a network, its data, a budget, a metric.

    ``grid`` holds all factors with one value each; its optimizer and its replicates stand for nothing.
    ``level`` is the target where the study declares it, None where the rule of the comparison sets it.
    """

    grid: Grid
    metric: str
    level: float | None = None

    @property
    def name(self) -> str:
        """The problem's name."""
        return self.grid.name

    @property
    def question(self) -> str:
        """What it asks."""
        return self.grid.question

    @property
    def settings(self) -> Settings:
        """How its networks are measured and computed."""
        return self.grid.settings

    @property
    def rising(self) -> bool:
        """Whether more of the metric is better."""
        return self.metric.endswith("accuracy")
