"""The records of a study of surfaces, and the part of them that belongs to one descent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from sim import store
from sim.analysis import descent as analysis
from sim.catalog.registry import Family
from sim.catalog.surfaces import minima_of
from sim.study import Choice, Descent, Study

descent_table = Family("descent table", supplied=1)
descent_figure = Family("descent figure", supplied=1)
"""The views of a descent; they apply as those of networks do, see :mod:`sim.views.registry`."""


@dataclass(frozen=True, eq=False)
class DescentRecords:
    """One descent's records."""

    descent: Descent
    runs: pd.DataFrame
    ends: pd.DataFrame
    paths: pd.DataFrame

    @property
    def name(self) -> str:
        """The descent's name."""
        return self.descent.name

    @property
    def question(self) -> str:
        """What it asks."""
        return self.descent.question

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Factors with more than one level; a learning rate that its optimizer decides does not vary."""
        several = [factor for factor in analysis.FACTORS if self.runs[factor].nunique(dropna=False) > 1]
        rates = self.runs.groupby("optimizer", sort=False)["lr"].nunique(dropna=False)
        return tuple(factor for factor in several if factor != "lr" or (rates > 1).any())

    def measured(self, *columns: str) -> bool:
        """True where each column of ``paths`` holds a value."""
        return all(column in self.paths and bool(self.paths[column].notna().any()) for column in columns)

    @cached_property
    def walks(self) -> pd.DataFrame:
        """A row for each cell, replicates together (see :func:`sim.analysis.descent.by_walk`)."""
        return analysis.by_walk(self.runs, self.ends)

    @cached_property
    def tuned(self) -> pd.DataFrame:
        """The best learning rate of each optimizer on each surface, with each noise and budget."""
        return analysis.tuned(self.walks)

    @cached_property
    def surfaces(self) -> Mapping[str, Choice]:
        """Label -> surface, in the order of the study."""
        return {choice.label: choice for choice in self.descent.factors["surface"]}

    @cached_property
    def optimizers(self) -> Mapping[str, str]:
        """Label -> short name, in the order of the study."""
        return short_names(self.descent.factors["optimizer"])

    @property
    def mapped(self) -> bool:
        """Whether the starts stand on a map."""
        return self.descent.map is not None

    def known(self, surface: str) -> int:
        """How many minima of a surface are known."""
        return len(minima_of(self.surfaces[surface].part, self.descent.dimensions))


def short_names(optimizers: Sequence[Choice]) -> dict[str, str]:
    """Label -> the name alone, with the parameters in which those of one name differ; lr left out."""
    labels = {choice.label: choice for choice in optimizers}
    found: dict[str, str] = {}
    for label, choice in labels.items():
        alike = [dict(other.parameters) for other in labels.values() if other.name == choice.name]
        own = dict(choice.parameters)
        differing = [word for word in own if word != "lr" and len({given[word] for given in alike}) > 1]
        told = ", ".join(_told(word, own[word]) for word in differing)
        found[label] = f"{choice.name}, {told}" if told else choice.name
    return found


def _told(word: str, value: Any) -> str:
    """A parameter in a short name: a switch by its name, a word by itself, a number with its name."""
    words = word.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    if isinstance(value, str):
        return value.replace("_", " ")
    return f"{words} {value:g}"


@dataclass(frozen=True)
class SurfaceRecords:
    """A study of surfaces and its three tables."""

    study: Study
    walks: pd.DataFrame
    ends: pd.DataFrame
    paths: pd.DataFrame

    @staticmethod
    def read(directory: Path) -> SurfaceRecords:
        """The records of a results folder; raises StudyError where they are missing."""
        tables = store.read(directory, "walks")
        return SurfaceRecords(Study.load(directory / "study.toml"), *tables)

    def descents(self) -> list[DescentRecords]:
        """The descents that have runs, in the study's order."""
        found = []
        for descent in self.study.descents:
            runs = self.walks[self.walks["descent"] == descent.name].reset_index(drop=True)
            if len(runs):
                ends = self.ends[self.ends["run"].isin(runs["run"])].reset_index(drop=True)
                paths = self.paths[self.paths["run"].isin(runs["run"])].reset_index(drop=True)
                found.append(DescentRecords(descent, runs, ends, paths))
        return found
