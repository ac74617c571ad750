"""Tables of walks down surfaces."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sim.analysis import descent as analysis
from sim.study.surface_factors import is_published
from sim.views import wording
from sim.views.figures_surfaces import ended, start_name
from sim.views.registry import Sheet
from sim.views.surface_records import DescentRecords, descent_table

SHARES = ["optimizer", "lr", "steps", "starts", "share_best", "share_best_low", "share_best_high"]
CLOSE = 0.003
"""A measured share this close to a published one agrees with it."""


def _has_published(records: DescentRecords) -> bool:
    """Some share was published for an optimizer and a budget of this descent."""
    budgets = set(records.descent.factors["steps"])
    return any(row.steps in budgets for row in records.descent.published)


@descent_table(title="Published and measured", applies=_has_published)
def published(records: DescentRecords) -> Sheet:
    """Shares that others found beside those of the same settings here."""
    optimizers = {choice.label: choice for choice in records.descent.factors["optimizer"]}
    rows = [
        {"published": row.share, **walk, "difference": walk["share_best"] - row.share}
        for walk in records.walks[SHARES].to_dict("records")
        for row in records.descent.published
        if is_published(row, optimizers[walk["optimizer"]], int(walk["steps"]))
    ]
    frame = pd.DataFrame(rows)
    agree = int((frame["difference"].abs() <= CLOSE).sum())
    first, steps = frame.sort_values("share_best").iloc[-1], records.walks["steps"].max()
    longest = records.walks[records.walks["steps"] == steps].sort_values("share_best", ascending=False)
    names = [records.optimizers[label] for label in longest["optimizer"]]
    ranking = ", ".join(
        f"{name} {share:.4f}" for name, share in zip(names, longest["share_best"], strict=True)
    )
    return Sheet(
        frame,
        f"{agree} of {wording.count(len(frame), 'share')} agree within {CLOSE}. With the published budgets "
        f"{records.optimizers[first['optimizer']]} leads; with {wording.count(int(steps), 'step')} for "
        f"everyone: {ranking}.",
    )


@descent_table(title="From each start", applies=lambda records: not records.mapped)
def from_each_start(records: DescentRecords) -> Sheet:
    """Where each walk ended, how soon it was there and how long its path was."""
    names = [name for name, _ in records.descent.start]
    frame = analysis.from_each_start(records.runs, records.ends, names)
    frame.insert(6, "end", [ended(row, records.known(row["surface"])) for _, row in frame.iterrows()])
    frame = frame.rename(columns={"start_name": "start"}).drop(columns=["status", "nearest"])
    frame["start"] = [start_name(name) for name in frame["start"]]
    told = []
    for start, rows in frame.groupby("start", sort=False):
        arrived = rows[np.isfinite(rows["steps_to_reach"])]
        if len(arrived):
            shortest = arrived.loc[arrived["path_length"].idxmin()]
            fastest = arrived.loc[arrived["steps_to_reach"].idxmin()]
            told.append(
                f"From {start} the shortest path is that of {records.optimizers[shortest['optimizer']]} "
                f"({wording.number(shortest['path_length'])}), the first to arrive is "
                f"{records.optimizers[fastest['optimizer']]} "
                f"({wording.count(int(fastest['steps_to_reach']), 'step')})."
            )
    varied = [f for f in ("surface", "noise", "steps") if f not in records.varying]
    return Sheet(frame.drop(columns=varied), wording.joined(*told))


@descent_table(title="Best learning rate", applies=lambda records: "lr" in records.varying)
def best_learning_rate(records: DescentRecords) -> Sheet:
    """The rate after which most starts stand at the best minimum, of equals the fastest."""
    frame = records.tuned
    return Sheet(
        _told(records, frame),
        f"In {int(frame['edge'].sum())} of {wording.count(len(frame), 'case')} the best rate lies at the "
        "edge of those tried: a better one may lie beyond. Rates were chosen on the starts that judge them.",
    )


@descent_table(title="Share at the best minimum", applies=lambda records: records.mapped)
def share(records: DescentRecords) -> Sheet:
    """Every cell: starts that end at the best minimum with Wilson interval, steps, length of paths."""
    frame = records.walks
    least, most = (wording.percent(edge(frame["share_best"])) for edge in (min, max))
    return Sheet(
        _told(records, frame),
        f"From {least} to {most} of the starts end at the best minimum; {int(frame['diverged'].sum()):,} of "
        f"{int(frame['starts'].sum()):,} diverge.",
    )


def _told(records: DescentRecords, frame: pd.DataFrame) -> pd.DataFrame:
    """Without the factors that do not vary."""
    kept = {*records.varying, "optimizer", "lr"}
    return frame.drop(columns=[factor for factor in analysis.FACTORS if factor not in kept])
