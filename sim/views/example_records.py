"""The records of worked examples, and how near they come to printed figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from sim import store
from sim.errors import StudyError
from sim.store.example_columns import example_schemas
from sim.study import Choice, Study
from sim.study.example_load import AFTER
from sim.study.example_model import Example
from sim.views.derivation import Derivation, Moment, derive
from sim.views.update_rules import UpdateRule

FULL_DIGITS = 15
"""A figure printed with so many significant digits is compared by units in the last place of float64."""
NEAR_ULP = 2.0
"""How many of those it may be away."""


@dataclass(frozen=True)
class Compared:
    """A printed figure beside our own."""

    epoch: int
    figure: str
    printed: str
    ours: float

    @property
    def full(self) -> bool:
        """Whether it was printed with all digits that float64 has."""
        return len(Decimal(self.printed).as_tuple().digits) >= FULL_DIGITS

    @property
    def units(self) -> float:
        """The distance: in units in the last place of float64, or of the last printed digit."""
        number = float(self.printed)
        if self.full:
            return abs(self.ours - number) / math.ulp(number)
        last = Decimal(1).scaleb(int(Decimal(self.printed).as_tuple().exponent))
        if number == 0.0 and self.ours == 0.0:
            return 0.0
        return float(abs(Decimal(repr(float(self.ours))) - Decimal(self.printed)) / last)

    @property
    def agrees(self) -> bool:
        """Within 2 units in the last place, or equal when rounded as it was printed."""
        return self.units <= (NEAR_ULP if self.full else 0.5)


@dataclass(frozen=True, eq=False)
class Training:
    """One training of an example and its records."""

    example: Example
    optimizer: Choice
    row: Mapping[str, Any]
    losses: pd.Series
    steps: pd.DataFrame
    states: pd.DataFrame
    units: pd.DataFrame

    @property
    def said(self) -> bool:
        """Whether it is what the source's words say."""
        return bool(self.row["said"])

    @property
    def label(self) -> str:
        """The optimizer with its learning rate."""
        return f"{self.optimizer.label}, lr {self.row['lr']:g}"

    @property
    def diverged(self) -> bool:
        """Whether its loss left the finite numbers."""
        return self.row["status"] == "diverged"

    def recorded(self, epoch: int) -> bool:
        """Whether the epoch's numbers are there."""
        return bool((self.steps["epoch"] == epoch).any())

    def moment(self, epoch: int) -> Moment:
        """The records of one epoch."""
        steps, units, states = (
            table[table["epoch"] == epoch].to_dict("records")
            for table in (self.steps, self.units, self.states)
        )
        columns = {
            column: {row["name"]: float(row[column]) for row in steps}
            for column in ("before", "after", "gradient", "difference", "difference_error")
        }
        slots: dict[str, dict[str, dict[str, float]]] = {"before": {}, "after": {}}
        for row in states:
            for side, found in slots.items():
                name = self.example.parameters[row["parameter"]]
                found.setdefault(row["slot"], {})[name] = float(row[side])
        return Moment(
            epoch=epoch,
            **columns,
            slots_before=slots["before"],
            slots_after=slots["after"],
            activation={(row["sample"], row["unit"]): float(row["activation"]) for row in units},
            delta={(row["sample"], row["unit"]): float(row["delta"]) for row in units},
            loss=float(self.losses[epoch]),
        )

    def derivation(self, epoch: int) -> Derivation:
        """The epoch written out."""
        return derive(self.example, UpdateRule(self.optimizer), self.moment(epoch))

    @cached_property
    def derivations(self) -> list[Derivation]:
        """Every traced epoch that was reached, written out."""
        return [self.derivation(epoch) for epoch in self.example.trace if self.recorded(epoch)]

    @cached_property
    def compared(self) -> list[Compared]:
        """Every printed figure whose epoch was reached, beside our own."""
        return [
            Compared(row.epoch, name, printed, self.figure(row.epoch, name))
            for row in self.example.published
            if self.recorded(row.epoch)
            for name, printed in row.figures
        ]

    def figure(self, epoch: int, name: str) -> float:
        """A figure by its name (see :func:`sim.study.example_load.figures`)."""
        moment = self.moment(epoch)
        if name == "loss":
            return moment.loss
        if name == f"loss{AFTER}":
            return float(self.losses[epoch + 1])
        if name in moment.after:
            return moment.after[name]
        for slot, values in moment.slots_after.items():
            if name.startswith(f"{slot}_") and name.removeprefix(f"{slot}_") in values:
                return values[name.removeprefix(f"{slot}_")]
        return self._of_unit(epoch, name)

    def _of_unit(self, epoch: int, name: str) -> float:
        """z3, a3 of the first sample, or a3 after the update."""
        letter, unit = name[0], int(name.removesuffix(AFTER)[1:])
        rows = self.units[(self.units["epoch"] == epoch) & (self.units["sample"] == 0)].set_index("unit")
        if name.endswith(AFTER):
            return float(rows["activation_after"][unit])
        if letter == "a":
            return float(rows["activation"][unit])
        lines = (line for block in self.derivation(epoch).blocks for line in block.lines)
        return float(next(line.value for line in lines if line.left == name and line.value is not None))


@dataclass(frozen=True)
class ExampleRecords:
    """A study's examples with their trainings, what the source's words say last."""

    study: Study
    examples: list[tuple[Example, list[Training]]]

    @staticmethod
    def read(directory: Path) -> ExampleRecords:
        """The records of a results folder; raises StudyError where they, or columns of them, are missing."""
        study = Study.load(directory / "study.toml")
        tables = store.read(directory, "examples")
        for (name, schema), table in zip(example_schemas().items(), tables, strict=True):
            if lacking := [column for column in schema.names if column not in table]:
                problem = f"has no {lacking[0]!r}, as records of another version: run its study with --fresh"
                raise StudyError(f"{directory / name}.parquet: {problem}")
        return ExampleRecords.of(study, *tables)

    @staticmethod
    def of(study: Study, runs: pd.DataFrame, *tables: pd.DataFrame) -> ExampleRecords:
        """The same from the tables: examples, losses, steps, states, units."""
        found, first = [], 0
        for example in study.examples:
            rows: list[Any] = runs[runs["example"] == example.name].to_dict("records")
            trainings = []
            for row in rows:  # one that failed has none
                choice = example.optimizers[row["run"] - first]
                losses, *others = [table[table["run"] == row["run"]] for table in tables]
                series = losses.set_index("epoch")["loss"]
                trainings.append(Training(example, choice, row, series, *others))
            first += len(example.optimizers)
            if trainings:
                found.append((example, trainings))
        return ExampleRecords(study, found)
