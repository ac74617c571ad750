"""Tables of walks down surfaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sim.analysis import descent as analysis
from sim.views import wording
from sim.views.figures_dependence import decades, rates_alone
from sim.views.figures_surfaces import best_runs, ended, start_name
from sim.views.goals import goal
from sim.views.registry import Sheet
from sim.views.surface_records import DescentRecords, descent_table


@descent_table(title="From each start", applies=lambda records: not records.mapped)
def from_each_start(records: DescentRecords) -> Sheet:
    """Where each walk ended, how soon it was there and how long its path was."""
    names = [name for name, _ in records.descent.start]
    runs = best_runs(records) if "lr" in records.varying else records.runs
    ends = records.ends[records.ends["run"].isin(runs["run"])]
    frame = analysis.from_each_start(runs, ends, names)
    frame.insert(6, "end", [ended(row, records.known(row["surface"])) for _, row in frame.iterrows()])
    frame["start_name"] = [start_name(name) for name in frame["start_name"]]
    told = [
        _first_there(records, str(start), rows) for start, rows in frame.groupby("start_name", sort=False)
    ]
    frame = frame.rename(columns={"start_name": "start"}).drop(columns=["status", "best"])
    varied = [f for f in ("surface", "noise", "steps") if f not in records.varying]
    return Sheet(frame.drop(columns=varied), wording.joined(*told))


def _first_there(records: DescentRecords, start: str, rows: pd.DataFrame) -> str:
    """Who arrives first at the best minimum, or, where nobody does, that nobody does."""
    there = rows[rows["best"] & np.isfinite(rows["steps_to_reach"])]
    if not any(records.known(surface) for surface in rows["surface"].unique()):
        diverged, walks = int((rows["status"] == "diverged").sum()), wording.count(len(rows), "walk")
        return f"From {start} {diverged} of {walks} {wording.verb(len(rows), 'diverge')}."
    if there.empty:
        return f"From {start} nobody reaches the best minimum."
    first = there.loc[there["steps_to_reach"].idxmin()]
    return (
        f"From {start} the first to stay at the best minimum is {records.optimizers[first['optimizer']]} "
        f"({wording.count(int(first['steps_to_reach']), 'step')}, path length "
        f"{wording.number(first['path_length'])})."
    )


@descent_table(title="Best learning rate", applies=lambda records: records.mapped and "lr" in records.varying)
def best_learning_rate(records: DescentRecords) -> Sheet:
    """The rate after which most starts stand at the best minimum, of equals the fastest."""
    frame = records.tuned
    return Sheet(
        _told(records, frame),
        f"In {int(frame['edge'].sum())} of {wording.count(len(frame), 'case')} the best rate lies at the "
        "edge of those tried: a better one may lie beyond. Rates were chosen on the starts that judge them.",
    )


def _rates_far_apart(records: DescentRecords) -> bool:
    """Learning rates of two decades at least, so that one can be missed by a factor of ten."""
    return rates_alone(records) and records.runs["lr"].max() > 99 * records.runs["lr"].min()


@descent_table(title="Cost of missing the learning rate", applies=_rates_far_apart)
def missing_the_rate(records: DescentRecords) -> Sheet:
    """The fastest rate of each optimizer, and what a tenth and ten times of it cost."""
    rows = []
    for optimizer, walks in records.walks.groupby("optimizer", sort=False):
        known = walks[np.isfinite(walks["median_steps"])]
        if known.empty:
            rows.append({"optimizer": optimizer})
            continue
        best = known.loc[known["median_steps"].idxmin()]
        near = {name: _at(walks, factor * best["lr"]) for name, factor in (("tenth", 0.1), ("tenfold", 10.0))}
        rows.append(
            {
                "optimizer": optimizer,
                "fastest_rate": best["lr"],
                "median_steps": best["median_steps"],
                **{f"steps_at_{name}": row.get("median_steps", np.nan) for name, row in near.items()},
                "share_best": best["share_best"],
                **{f"share_at_{name}": row.get("share_best", np.nan) for name, row in near.items()},
                "decades_within_twice": decades(walks),
            }
        )
    frame = pd.DataFrame(rows)
    aim = goal(records)
    return Sheet(
        frame,
        f"{aim.steps.capitalize()}, and share of the {aim.share.removesuffix(' (%)')}, at the fastest "
        "learning rate, at a tenth of it and at ten times it (∞: fewer than half of the starts "
        f"{aim.arrive}; –: not tried). Last: how many decades of rates take at most twice the shortest time.",
    )


def _at(walks: pd.DataFrame, lr: float) -> Mapping[str, Any]:
    """The walk at this learning rate, or nothing where none is within a few percent of it."""
    near = walks[np.isclose(np.log10(walks["lr"]), np.log10(lr), atol=0.03, rtol=0)]
    return near.iloc[0].to_dict() if len(near) else {}


@descent_table(title="What becomes of the starts", applies=lambda records: records.mapped)
def share(records: DescentRecords) -> Sheet:
    """Every cell: starts that end at the best minimum with Wilson interval, steps, length of paths."""
    frame = records.walks
    if not any(map(records.known, records.surfaces)):
        diverged = f"{int(frame['diverged'].sum()):,} of {wording.count(int(frame['starts'].sum()), 'start')}"
        remark = f"No minimum is known; {diverged} diverge. Counted as best is what comes to rest."
        return Sheet(_told(records, frame), remark)
    least, most = (wording.percent(edge(frame["share_best"])) for edge in (min, max))
    return Sheet(
        _told(records, frame),
        f"From {least} to {most} of the starts end at the best minimum; "
        f"{int(frame['diverged'].sum()):,} of {int(frame['starts'].sum()):,} diverge. Intervals are Wilson's "
        "at 95 %, as if the starts of the map were drawn at random.",
    )


def _told(records: DescentRecords, frame: pd.DataFrame) -> pd.DataFrame:
    """Without the factors that do not vary."""
    kept = {*records.varying, "optimizer", "lr"}
    return frame.drop(columns=[factor for factor in analysis.FACTORS if factor not in kept])
