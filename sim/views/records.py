"""The records of a study, and the part of them that belongs to one grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sim import store
from sim.study import Study, Target

FACTORS = (
    "dataset", "depth", "width", "activation", "initializer", "bias", "normalizer", "residual", "scaling",
    "optimizer", "lr", "schedule", "weight_decay", "decay", "dropout", "clipping", "samples", "batch_size",
    "steps", "loss", "precision",
)  # fmt: skip
"""Columns of `runs` that a grid may vary, causes before consequences (the data set before its loss)."""
TREATMENTS = {
    "normalizer": "none", "residual": False, "scaling": "standardize", "weight_decay": 0.0, "dropout": 0.0,
    "clipping": "none",
}  # fmt: skip
"""What is done to a network that could also be left alone -> the level that leaves it alone."""
TRAINING = ("optimizer", "lr", "schedule", "weight_decay", "decay", "clipping", "steps")
"""Factors that an untrained network does not know of."""
PLAIN, TOGETHER = "plain", " + "


@dataclass(frozen=True)
class Records:
    """A study and the three tables of what was measured, sorted by run, checkpoint and layer."""

    study: Study
    runs: pd.DataFrame
    curves: pd.DataFrame
    layers: pd.DataFrame

    @staticmethod
    def read(directory: Path) -> Records:
        """The records of a results folder; raises StudyError where they are missing."""
        with pd.option_context("mode.string_storage", "python"):  # rows are grouped by names all the time
            runs, curves, layers = store.read(directory)
        return Records(Study.load(directory / "study.toml"), runs, curves, layers)

    def grids(self) -> list[GridRecords]:
        """The grids that have runs, in the study's order."""
        return [
            GridRecords(
                grid.name,
                grid.question,
                self.runs[mine.to_numpy()].reset_index(drop=True),
                _rows_of(self.curves, self.runs.loc[mine, "run"]),
                _rows_of(self.layers, self.runs.loc[mine, "run"]),
                grid.settings.targets,
            )
            for grid in self.study.grids
            if (mine := self.runs["grid"] == grid.name).any()
        ]


def _rows_of(table: pd.DataFrame, runs: pd.Series) -> pd.DataFrame:
    """Rows of these runs, which stand together in a table sorted by run."""
    number = table["run"].to_numpy()
    first, last = np.searchsorted(number, [runs.min(), runs.max() + 1])
    return table.iloc[first:last]


@dataclass(frozen=True, eq=False)
class GridRecords:
    """One grid's records; `layers` and `curves` may hold rows of more runs than `runs` does."""

    name: str
    question: str
    runs: pd.DataFrame
    curves: pd.DataFrame
    layers: pd.DataFrame
    targets: tuple[Target, ...] = ()
    notes: tuple[str, ...] = field(default=())
    effects: dict[tuple[str, ...], pd.DataFrame] = field(default_factory=dict, init=False)
    """What :func:`sim.views.effects.effects` has counted of these runs, by the factors that part them."""

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Factors with more than one level, without those that others decide (a loss by its data set)."""
        found: list[str] = []
        for factor in FACTORS:
            if self.runs[factor].nunique(dropna=False) < 2:
                continue
            if (
                not found
                or (
                    self.runs.groupby(found, sort=False, dropna=False)[factor].nunique(dropna=False) > 1
                ).any()
            ):
                found.append(factor)
        return tuple(found)

    @cached_property
    def treatments(self) -> tuple[str, ...]:
        """The treatments among the varying factors."""
        return tuple(factor for factor in TREATMENTS if factor in self.varying)

    @cached_property
    def target(self) -> str | None:
        """Name of the primary target."""
        return self.targets[0].name if self.targets else None

    def levels(self, factor: str) -> list[Any]:
        """Levels of a factor: numbers ascending, names in the order of the plan."""
        found = self.runs[factor].drop_duplicates()
        if pd.api.types.is_numeric_dtype(found):
            return sorted(found.tolist())
        names = list(found)
        return (
            sorted(names, key=lambda name: name.count(TOGETHER) + (name != PLAIN))
            if PLAIN in names
            else names
        )

    def baseline(self, factor: str) -> Any:
        """The level of a treatment that leaves the network alone, or else the first level."""
        levels = self.levels(factor)
        return TREATMENTS[factor] if TREATMENTS.get(factor) in levels else levels[0]

    def measured(self, *columns: str) -> bool:
        """True where each column exists (layers, curves or runs) and holds at least one value."""
        return all(any(self._holds(table, column) for table in self._tables) for column in columns)

    @property
    def _tables(self) -> Sequence[pd.DataFrame]:
        return (self.runs, self.curves, self.layers)

    @staticmethod
    def _holds(table: pd.DataFrame, column: str) -> bool:
        return column in table and bool(table[column].notna().any())

    @cached_property
    def deepest(self) -> int:
        """Most hidden layers of any network."""
        return int(self.runs["depth"].max())

    def of(self, runs: pd.DataFrame, *notes: str) -> GridRecords:
        """The same grid with a selection of its runs, and what a caption must say about the selection."""
        return replace(self, runs=runs, notes=(*self.notes, *notes))

    @cached_property
    def untrained(self) -> GridRecords:
        """Each network that differs before training, once: of those that differ only in it the first."""
        same = [factor for factor in FACTORS if factor not in TRAINING]
        runs = self.runs.drop_duplicates([*same, "replicate"], ignore_index=True)
        return self.of(runs.assign(**{factor: runs[factor].iloc[0] for factor in TRAINING}))

    @cached_property
    def conditioned(self) -> GridRecords:
        """With a column `condition` that names a network's treatments, where two of them vary."""
        if len(self.treatments) < 2:
            return self
        from sim.views.wording import treatment

        named = [
            self.runs[factor].map(
                {
                    level: "" if level == self.baseline(factor) else treatment(factor, level)
                    for level in self.levels(factor)
                }
            )
            for factor in self.treatments
        ]
        names = [TOGETHER.join(filter(None, row)) or PLAIN for row in zip(*named, strict=True)]
        return self.of(self.runs.assign(condition=names))
