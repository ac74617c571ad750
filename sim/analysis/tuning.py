"""Which setting of each optimizer is best on each problem, and what the problems' targets are.

Pure functions of the comparison's rules and of the records of its earlier stages; what a stage trains next is
decided by them alone, so that an interrupted comparison goes on as it would have gone on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sim.study import Choice, Study
from sim.study.comparison import Comparison, Entrant, Problem
from sim.trials import trials_of, wider

CHOSEN = (
    "grid", "entrant", "trial", "optimizer", "lr", "score", "diverged", "spread", "trials", "edge", "level",
)  # fmt: skip


@dataclass(frozen=True)
class Search:
    """What came of trying one optimizer on one problem."""

    tried: tuple[Choice, ...]
    """The declared trials, then those beyond the edges."""
    best: int
    """Number of the best trial; those not trained yet aside."""
    beyond: Choice | None
    """The setting that would be tried next: the best stands at the edge of a range."""
    edges: tuple[str, ...]
    """Parameters whose best value is the smallest or largest tried."""


def final(runs: pd.DataFrame, metric: str) -> np.ndarray:
    """The metric at the end of each run; a diverged one is worth nothing: loss inf, accuracy 0."""
    worst = 0.0 if metric.endswith("accuracy") else np.inf
    values = runs[f"final_{metric}"].to_numpy(dtype=float)
    return np.where((runs["status"] == "diverged") | np.isnan(values), worst, values)


def steps_to(runs: pd.DataFrame, curves: pd.DataFrame, metric: str, level: float) -> np.ndarray:
    """Steps until each run is at least as good as ``level``, its budget where it never is (resolution:
    checkpoints).
    """
    rising = metric.endswith("accuracy")
    good = curves[curves[metric] >= level] if rising else curves[curves[metric] <= level]
    first = good.groupby("run")["step"].min().reindex(runs["run"]).to_numpy(dtype=float)
    return np.where(np.isnan(first), runs["steps"].to_numpy(dtype=float), first)


def scores(
    runs: pd.DataFrame, curves: pd.DataFrame, problem: Problem, rules: Comparison, level: float
) -> pd.DataFrame:
    """How good each trial of a problem is over its seeds, the smaller the better.

    ``score``: the mean of the final metric (negative accuracy) or of min(steps to target, budget);
    ``diverged``: how many seeds did; ``spread``: standard deviation over seeds, inf where some loss is.
    Columns: entrant, trial, score, diverged, spread; a row a trial, in order.
    """
    if rules.criterion == "time_to_target":
        value = steps_to(runs, curves, problem.metric, level)
    else:
        value = final(runs, problem.metric) * (-1.0 if problem.rising else 1.0)
    told = runs[["entrant", "trial"]].assign(value=value, diverged=runs["status"] == "diverged")
    with np.errstate(invalid="ignore"):
        by = told.groupby(["entrant", "trial"], sort=True)
        found = by.agg(score=("value", "mean"), diverged=("diverged", "sum"), spread=("value", _spread))
    return found.reset_index()


def _spread(values: pd.Series) -> float:
    return float(np.std(values)) if np.isfinite(values).all() else np.inf


def best(scored: pd.DataFrame, tie: float) -> int:
    """The best trial of one optimizer; those within ``tie`` (a share of the best score) are judged by fewer
    diverged seeds, then by less spread, then by their number.
    """
    lowest = scored["score"].min()
    near = scored["score"] <= (lowest + tie * abs(lowest) if np.isfinite(lowest) else np.inf)
    order = scored[near].sort_values(["diverged", "spread", "score", "trial"], kind="stable")
    return int(order["trial"].iloc[0])


def search(study: Study, entrant: Entrant, scored: pd.DataFrame) -> Search:
    """The trials of one optimizer on one problem replayed: who was best, where that led, who is best now.

    ``scored`` holds the rows of :func:`scores` of this optimizer.
    """
    assert study.comparison is not None
    tried, known = list(trials_of(study, entrant)), set(scored["trial"])
    while True:
        chosen = best(scored[scored["trial"] < len(tried)], study.comparison.tie)
        beyond, edges = wider(entrant, tried, tried[chosen])
        if beyond is None or len(tried) not in known:
            return Search(tuple(tried), chosen, beyond, edges)
        tried.append(beyond)


def levels(study: Study, runs: pd.DataFrame) -> dict[str, float]:
    """The target of each problem: declared, or the best of the founding optimizers' medians over their
    target seeds, loosened by ``slack``. A problem that none of them learned at all has none: NaN.
    """
    assert study.comparison is not None
    again = runs[runs["stage"] == "target"]
    return {problem.name: _level(problem, study.comparison, again) for problem in study.problems}


def _level(problem: Problem, rules: Comparison, again: pd.DataFrame) -> float:
    if problem.level is not None:
        return problem.level
    mine = again[again["grid"] == problem.name]
    if mine.empty:
        return float("nan")
    medians = mine.assign(value=final(mine, problem.metric)).groupby("entrant")["value"].median()
    found = medians.max() * (1 - rules.slack) if problem.rising else medians.min() * (1 + rules.slack)
    return float(found) if np.isfinite(found) else float("nan")


def searches(
    study: Study, runs: pd.DataFrame, curves: pd.DataFrame, levels: Mapping[str, float]
) -> dict[tuple[str, str], Search]:
    """Problem and optimizer -> what came of trying it there, from the records of tuning and extension.

    Where batches failed and trials are missing, nothing is said of an optimizer.
    """
    assert study.comparison is not None
    trials = runs[runs["stage"].isin(["tuning", "extension"])]
    found = {}
    for problem in study.problems:
        mine = trials[trials["grid"] == problem.name]
        if mine.empty:
            continue
        own = curves[curves["run"].isin(mine["run"])]
        scored = scores(mine, own, problem, study.comparison, levels.get(problem.name, float("nan")))
        for entrant in study.comparison.entrants:
            rows = scored[scored["entrant"] == entrant.name]
            if len(rows) >= study.comparison.trials:
                found[problem.name, entrant.name] = search(study, entrant, rows)
    return found


def chosen(study: Study, runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """What tuning chose: a row for each problem × optimizer.

    Columns: grid, entrant, trial (number of the best), optimizer (label) and lr of the best setting, score,
    diverged and spread on the tuning seeds, trials (how many were tried, those beyond the edges included),
    edge (parameters whose best value is still at the edge of what was tried, joined by commas), level (the
    problem's target).
    """
    assert study.comparison is not None
    known = levels(study, runs)
    rows = []
    trials = runs[runs["stage"].isin(["tuning", "extension"])]
    for (problem, entrant), found in searches(study, runs, curves, known).items():
        asked = next(one for one in study.problems if one.name == problem)
        mine = trials[(trials["grid"] == problem) & (trials["entrant"] == entrant)]
        scored = scores(mine, curves, asked, study.comparison, known[problem]).set_index("trial")
        setting = found.tried[found.best]
        rows.append(
            {
                "grid": problem,
                "entrant": entrant,
                "trial": found.best,
                "optimizer": setting.label,
                "lr": float(setting.value("lr")),
                **scored.loc[found.best, ["score", "diverged", "spread"]].to_dict(),
                "trials": len(found.tried),
                "edge": ", ".join(found.edges),
                "level": known[problem],
            }
        )
    return pd.DataFrame(rows, columns=list(CHOSEN))
