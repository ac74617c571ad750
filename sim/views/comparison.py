"""The records of a comparison of optimizers, and how each optimizer looks in every figure.

A comparison has problems and entrants. Each entrant's best setting on a problem was chosen on tuning seeds
and run again on report seeds, all entrants from the same draws; its untuned default was run on these too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sim.analysis.bootstrap import Scores, scores, share_of_budget
from sim.analysis.convergence import PREFIX
from sim.analysis.improvement import improvement
from sim.analysis.profiles import performance_profiles
from sim.analysis.ranking import leaderboard
from sim.analysis.sensitivity import costs
from sim.catalog.registry import Family, Part
from sim.study import Choice, Target
from sim.views import style, wording

TARGET = "target"
"""Every problem's target bears this name in the records: ``steps_to_target``."""
TIME = PREFIX + TARGET

CHAPTERS = {
    "ranking": "Which optimizer is first, and how sure is that?",
    "problems": "Problem by problem: who arrives, and when?",
    "tuning": "What does each optimizer ask of its tuning?",
    "costs": "What does each optimizer cost?",
}
"""Chapters of the report about a comparison."""
TABLES = {chapter: Family(f"{chapter}_table", supplied=1) for chapter in CHAPTERS}
FIGURES = {chapter: Family(f"{chapter}_figure", supplied=1) for chapter in CHAPTERS}


def comparison_table(chapter: str, **traits: Any) -> Callable[[Any], Part]:
    """Decorates a function that makes a table of a comparison's records, for one of CHAPTERS."""
    return TABLES[chapter](**traits)


def comparison_figure(chapter: str, **traits: Any) -> Callable[[Any], Part]:
    """Decorates a function that draws a figure of a comparison's records, for one of CHAPTERS."""
    return FIGURES[chapter](**traits)


FOUNDING = ("sgd", "momentum", "rmsprop", "adam")
KINSHIPS = {
    "descent": "gradient descent", "squares": "squared gradients", "moments": "Adam and relatives",
    "spread": "other second moments", "signs": "signs", "layerwise": "whole layers",
    "averaged": "averaged weights", "quasi_newton": "quasi-Newton", "own": "own",
}  # fmt: skip
"""Modules of the catalog's optimizers -> what their optimizers have in common."""
FAINT = "#c9c9c9"


@dataclass(frozen=True)
class Look:
    """How an entrant is drawn: its kin share a colour, its marker is its own among them."""

    kinship: str
    color: Any
    marker: str

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of a line with markers."""
        return {"color": self.color, "marker": self.marker}


@dataclass(frozen=True, eq=False)
class Crowd:
    """Optimizers that are drawn together: each one's name -> the label of what it is in the catalog."""

    parts: dict[str, str]

    @cached_property
    def kinships(self) -> dict[str, list[str]]:
        """Names by what they have in common, in the order of KINSHIPS."""
        from sim.catalog.optimizers import optimizer

        kin = {name: _kinship(optimizer, label) for name, label in self.parts.items()}
        order = dict.fromkeys([*KINSHIPS.values(), *kin.values()])
        found = {one: [name for name, other in kin.items() if other == one] for one in order}
        return {one: names for one, names in found.items() if names}

    @cached_property
    def looks(self) -> dict[str, Look]:
        """Colour by kinship, marker within it."""
        colours = style.colours(list(self.kinships))
        return {
            name: Look(kin, colour, style.MARKERS[place % len(style.MARKERS)])
            for (kin, names), colour in zip(self.kinships.items(), colours, strict=True)
            for place, name in enumerate(names)
        }


@dataclass(frozen=True, eq=False)
class ComparisonRecords:
    """Runs of a comparison by stage, each with columns `problem` and `entrant` beside those of `runs`."""

    name: str
    question: str
    runs: pd.DataFrame
    """The best settings on report seeds."""
    trials: pd.DataFrame
    """All settings tried, on tuning seeds; `trial` numbers an entrant's settings on a problem, `value` is the
    final metric of the problem as a loss (1 − accuracy), inf where a run diverged, `start` that of the
    untrained network, `spent` min(t, T) / T."""
    defaults: pd.DataFrame
    """The untuned defaults on report seeds."""
    curves: pd.DataFrame
    targets: dict[str, Target] = field(default_factory=dict)
    """The target of every problem."""
    chosen: pd.DataFrame = field(default_factory=pd.DataFrame)
    """What tuning chose: analysis.tuning.chosen; may be empty."""
    varying: tuple[str, ...] = ()
    work: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Every network of every stage, those that found the targets too."""
    own: tuple[Choice, ...] = ()
    """Optimizers of the user's own files."""

    def measured(self, *columns: str) -> bool:
        """True where each column exists and holds at least one value."""
        tables = (self.runs, self.curves)
        return all(any(name in table and table[name].notna().any() for table in tables) for name in columns)

    @cached_property
    def entrants(self) -> tuple[str, ...]:
        """Names of the optimizers, in the study's order."""
        return tuple(self.runs["entrant"].drop_duplicates())

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Names of the problems, in the study's order."""
        return tuple(self.runs["problem"].drop_duplicates())

    @property
    def seeds(self) -> int:
        """Report seeds."""
        return int(self.runs["replicate"].nunique())

    @cached_property
    def crowd(self) -> Crowd:
        """How the entrants look."""
        parts = self.runs.drop_duplicates("entrant").set_index("entrant")["optimizer"]
        return Crowd({name: str(parts[name]) for name in self.entrants})

    @property
    def looks(self) -> dict[str, Look]:
        """Look of every entrant."""
        return self.crowd.looks

    @cached_property
    def costs(self) -> pd.DataFrame:
        """entrant, memory, cost of a step, mean share of the budget and that × the cost: a row an entrant."""
        parts = self.runs.drop_duplicates("entrant")
        precision = str(parts["precision"].iloc[0])
        labels = [str(label) for label in parts["optimizer"]]
        known = costs(labels, precision, self.own).set_index("optimizer")
        table = known.loc[parts["optimizer"]].reset_index().drop(columns=["parameters"])
        table.insert(0, "entrant", parts["entrant"].to_numpy())
        spent = self.board.set_index("entrant")["mean"].reindex(table["entrant"]).to_numpy()
        return table.assign(spent=spent, time=spent * table["relative"].to_numpy())

    @cached_property
    def founding(self) -> list[str]:
        """SGD, momentum, RMSprop and Adam, as far as they compete."""
        return [name for name in FOUNDING if name in self.entrants]

    @cached_property
    def spent(self) -> Scores:
        """min(t, T) / T of every entrant, problem and report seed."""
        return self.scores_of(self.runs)

    @cached_property
    def times(self) -> Scores:
        """Steps to the target, inf for never."""
        never = self.runs.assign(time=self.runs[TIME].fillna(np.inf))
        return scores(never, "time", "entrant", "problem")

    @cached_property
    def board(self) -> pd.DataFrame:
        """The leaderboard: a row an entrant, best first."""
        return leaderboard(self.spent)

    @cached_property
    def wins(self) -> pd.DataFrame:
        """Probability of improvement of every ordered pair, in steps to the target."""
        return improvement(self.times)

    @cached_property
    def profiles(self) -> pd.DataFrame:
        """Performance profiles of all entrants."""
        return performance_profiles(self.times)

    @cached_property
    def ranked(self) -> list[str]:
        """Entrants from best to worst."""
        return list(self.board["entrant"])

    def scores_of(self, runs: pd.DataFrame) -> Scores:
        """min(t, T) / T of runs that are a whole comparison."""
        return scores(runs.assign(spent=share_of_budget(runs, TARGET)), "spent", "entrant", "problem")

    def censored(self, runs: pd.DataFrame | None = None) -> str:
        """How many runs stand behind a view, and what was censored, as a sentence."""
        runs = self.runs if runs is None else runs
        never, broke = int(runs[TIME].isna().sum()), int((runs["status"] == "diverged").sum())
        entrants, problems = runs["entrant"].nunique(), runs["problem"].nunique()
        told = (
            f"{wording.count(len(runs), 'run')} ({wording.count(entrants, 'optimizer')}, "
            f"{wording.count(problems, 'problem')}, {wording.count(runs['replicate'].nunique(), 'seed')})"
        )
        return (
            f"{told}; {never:,} never reach the target and are censored at their budget, {broke:,} diverge."
        )


def complete(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs of the problems on which every entrant has every seed once: what can be compared fairly."""
    seeds, entrants = runs["replicate"].nunique(), runs["entrant"].nunique()
    once = runs.drop_duplicates(["problem", "entrant", "replicate"])
    whole = once.groupby("problem", sort=False).size() == seeds * entrants
    return once[once["problem"].map(whole).to_numpy(dtype=bool)].reset_index(drop=True)


def goal(target: Target) -> str:
    """A problem's target: test accuracy ≥ 0.8."""
    sign = "≥" if target.rising else "≤"
    return f"{style.label(target.metric)} {sign} {wording.number(target.value)}"


def _kinship(known: Any, label: str) -> str:
    """What the optimizer of a label has in common with others; a user's own are on their own."""
    name = label.partition("(")[0]
    if name not in list(known) or "(path=" in label or known[name].content:
        return KINSHIPS["own"]
    module = known[name].function.__module__.rpartition(".")[2]
    return KINSHIPS.get(module, module.replace("_", " "))
