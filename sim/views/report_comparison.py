"""The part of the report about a comparison of optimizers: who is first, where and when, at what price."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from sim.analysis.convergence import success
from sim.analysis.tuning import chosen, final, levels, steps_to
from sim.study import Target
from sim.study.comparison import TARGET as NAME
from sim.study.own import choices_in
from sim.views import wording
from sim.views.chapters import Chapter, Draft, Part, figures_of, tables_of, written
from sim.views.comparison import (
    CHAPTERS,
    FIGURES,
    TABLES,
    TARGET,
    TIME,
    ComparisonRecords,
    complete,
)
from sim.views.records import Records

# Views register themselves when their modules are imported.
from sim.views import figures_comparison, figures_comparison_times  # noqa: F401  isort: skip
from sim.views import figures_comparison_costs, figures_comparison_tuning, tables_comparison  # noqa: F401  isort: skip


def part(directory: Path, jobs: int = 1) -> Part:
    """The comparison of a results folder, its tables and figures written."""
    return told(comparison_of(Records.read(directory)), directory, jobs)


def told(records: ComparisonRecords, directory: Path, jobs: int = 1) -> Part:
    """The chapters about a comparison, their tables and figures written into a folder."""
    networks = len(records.runs) + len(records.trials) + len(records.defaults)
    summary = f"{wording.count(networks, 'network')} in a comparison of {len(records.entrants)} optimizers"
    drafts = [_draft(records, name) for name in CHAPTERS] if len(records.runs) else []
    chapters = written(drafts, directory, jobs)
    kept = [chapter for chapter in chapters if chapter.figures or chapter.tables]
    return Part(summary, overview(records), kept)


def comparison_of(records: Records) -> ComparisonRecords:
    """The runs of a comparison by stage, with the targets and what tuning chose."""
    study, runs = records.study, records.runs
    known = levels(study, runs)
    work = runs[runs["stage"].isin(["tuning", "target", "extension", "report"])]
    staged = work[work["stage"] != "target"].assign(problem=lambda table: table["grid"])
    report = staged[staged["stage"] == "report"]
    tuned, plain = (complete(report[report["setting"] == name]) for name in ("tuned", "default"))
    metrics = {problem.name: problem.metric for problem in study.problems}
    return ComparisonRecords(
        "comparison",
        study.question,
        tuned,
        _trials(staged[staged["stage"] != "report"], records.curves, metrics, known),
        plain[plain["problem"].isin(tuned["problem"])].reset_index(drop=True),
        records.curves,
        {name: Target(NAME, metrics[name], level) for name, level in known.items() if np.isfinite(level)},
        chosen=chosen(study, runs, records.curves).rename(columns={"grid": "problem"}),
        work=work,
        own=tuple(choice for choice in choices_in(study.comparison) if choice.path),
    )


def _trials(
    runs: pd.DataFrame, curves: pd.DataFrame, metrics: dict[str, str], known: dict[str, float]
) -> pd.DataFrame:
    """Trials with `value`, `spent` and `start` as ComparisonRecords says."""
    tables = []
    for problem, mine in runs.groupby("problem", sort=False):
        metric, level = metrics[str(problem)], known[str(problem)]
        value = final(mine, metric)
        own = curves[curves["run"].isin(mine["run"])]
        steps = steps_to(mine, own, metric, level) if np.isfinite(level) else mine["steps"].to_numpy()
        loss = 1.0 - value if metric.endswith("accuracy") else value
        broke = (mine["status"] == "diverged").to_numpy()
        begun = own[own["step"] == 0].set_index("run")[metric].reindex(mine["run"]).to_numpy(dtype=float)
        told = {
            "value": np.where(broke, np.inf, loss),
            "spent": steps / mine["steps"].to_numpy(),
            "start": 1.0 - begun if metric.endswith("accuracy") else begun,
        }
        tables.append(mine.assign(**told))
    blank = dict.fromkeys(("value", "spent", "start"), np.nan)
    return pd.concat(tables, ignore_index=True) if tables else runs.assign(**blank)


def _draft(records: ComparisonRecords, name: str) -> Draft:
    named = replace(records, name=f"comparison_{name}")
    for shared in ("spent", "times", "board"):  # counted once for all chapters
        named.__dict__[shared] = getattr(records, shared)
    return Draft(
        partial(_words, named, name), figures_of(named, FIGURES[name]), tables_of(named, TABLES[name])
    )


def _words(records: ComparisonRecords, name: str) -> Chapter:
    answer = ANSWERS[name](records) if name in ANSWERS else ""
    return Chapter(records.name, CHAPTERS[name], answer, records.censored())


def overview(records: ComparisonRecords) -> pd.DataFrame:
    """How many networks each problem has and what became of those on report seeds."""
    if records.runs.empty:
        return pd.DataFrame(columns=["problem", "networks"])
    shares = success(records.runs, ["problem"], TARGET)
    trials = records.trials.groupby("problem").size()
    return pd.DataFrame({
        "problem": shares["problem"], "tuning": shares["problem"].map(trials).fillna(0).astype(int),
        "report": shares["networks"], "reached": shares["successes"], "diverged": shares["diverged"],
    })  # fmt: skip


def _ranking(records: ComparisonRecords) -> str:
    board = records.board
    first = list(board.loc[board["group"] == 1, "entrant"])
    leader = board.iloc[0]
    told = (
        f"{first[0]} leads alone" if len(first) == 1 else f"{wording.enumeration(first)} cannot be told apart"
    )
    return (
        f"{told} at the top: {first[0]} spends {wording.percent(leader['mean'])} of the budget in the "
        f"mean [{wording.percent(leader['mean_low'])}, {wording.percent(leader['mean_high'])}]; "
        f"{wording.count(int(board['group'].max()), 'rank group')} of {len(board)} optimizers."
    )


def _problems(records: ComparisonRecords) -> str:
    runs = records.runs.assign(time=records.runs[TIME].fillna(records.runs["steps"]))
    means = runs.groupby(["problem", "entrant"], sort=False)["time"].mean().unstack()
    best = means.idxmin(axis=1).value_counts()
    told = wording.enumeration(f"{name} ({number})" for name, number in best.items())
    return f"Fastest in the mean, by number of problems: {told}."


ANSWERS = {"ranking": _ranking, "problems": _problems}
