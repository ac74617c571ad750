"""What an optimizer costs: memory, the time of a step, the time to the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sim.views import kin, style, wording
from sim.views.comparison import ComparisonRecords, comparison_figure, comparison_table
from sim.views.registry import Drawing, Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEADER = {"arrowstyle": "-", "color": style.MUTED, "linewidth": 0.3, "shrinkA": 0, "shrinkB": 2}
"""From a name to its dot."""
TALL = 2.5
"""Height of each of the two panels in inches."""
STAGES = ("tuning", "target", "extension", "report")
HEADS = {"relative": "one step, SGD's = 1", "time": "time to the target, best = 1"}


def measured(records: ComparisonRecords) -> bool:
    """True where the cost of some optimizer's step is known."""
    return bool(records.costs["relative"].notna().any())


@comparison_table(title="Memory and time", chapter="costs")
def costs(records: ComparisonRecords) -> Sheet:
    """State for each weight, cost of a step, share of the budget spent."""
    frame = records.costs
    least = frame[frame["bytes"] == frame["bytes"].min()]
    return Sheet(
        frame,
        f"State beside weights and gradients: {wording.enumeration(least['entrant'])} "
        f"{'keep' if len(least) > 1 else 'keeps'} least, {wording.number(float(least['bytes'].iloc[0]))} "
        "bytes a "
        "weight. step_ns: one step of a small network, measured once on one machine; time: mean "
        "share of "
        f"the budget × cost of a step relative to SGD.{_unmeasured(records)}",
    )


def _unmeasured(records: ComparisonRecords) -> str:
    """Which optimizers have no known cost: those of the reader's own, and those that want the full batch."""
    unknown = list(records.costs.loc[records.costs["relative"].isna(), "entrant"])
    return f" Not measured, so without a time: {wording.enumeration(unknown)}." if unknown else ""


@comparison_table(
    title="Budgets spent", chapter="costs", applies=lambda records: "gradient_evaluations" in records.work
)
def budgets(records: ComparisonRecords) -> Sheet:
    """Networks, steps and gradients that each stage of the comparison took with each optimizer."""
    work = records.work
    counted = work.assign(taken=work["diverged_at"].fillna(work["steps"])).groupby("entrant", sort=False)
    sums = {
        "networks": counted.size(), "steps": counted["taken"].sum(),
        "evaluations": counted["gradient_evaluations"].sum(),
    }  # fmt: skip
    by_stage = work.groupby(["entrant", "stage"])["gradient_evaluations"].sum().unstack(fill_value=0)
    frame = pd.DataFrame(sums).join(by_stage.reindex(columns=list(STAGES), fill_value=0))
    frame = frame.reindex(list(records.entrants)).fillna(0).astype(np.int64).reset_index(names="entrant")
    stages = {stage: frame[stage].sum() / max(frame["evaluations"].sum(), 1) for stage in STAGES}
    told = wording.enumeration(f"{stage} {wording.percent(share)}" for stage, share in stages.items())
    return Sheet(
        frame,
        f"{wording.count(int(frame['networks'].sum()), 'network')}, {frame['steps'].sum():,} steps, "
        f"{frame['evaluations'].sum():,} gradients of single samples ({told}); the last four columns split "
        "evaluations by stage. A network that diverges stops there. Seconds depend on the machine and stand "
        "in timings.csv beside the manifest: core seconds of training by part and optimizer, compiling in a "
        "row of its own.",
    )


@comparison_figure(title="Time and memory", chapter="costs", applies=measured)
def time_memory(records: ComparisonRecords) -> Drawing:
    """Cost of a step and time to the target against the memory of an optimizer's state."""
    from matplotlib.figure import Figure

    known = records.costs[np.isfinite(records.costs["relative"])]
    known = known.assign(time=known["time"] / known["time"].min())
    total = 2 * TALL + 0.75
    figure = Figure(figsize=(style.PAGE_WIDTH, total))
    levels = sorted(known["values"].unique())
    for place, (column, head) in enumerate(HEADS.items()):
        corner = (0.62, total - 0.1 - TALL - place * (TALL + 0.15))
        size = (style.PAGE_WIDTH - 0.72, TALL)
        axis = figure.add_axes((
            corner[0] / style.PAGE_WIDTH, corner[1] / total, size[0] / style.PAGE_WIDTH, size[1] / total,
        ))  # fmt: skip
        _columns(axis, records, known, column, levels)
        axis.set_ylabel(head)
        axis.yaxis.set_label_coords(-0.48 / size[0], 0.5)
        texts = [f"{value:g}" for value in levels] if place else [""] * len(levels)
        axis.set_xticks(range(len(levels)), texts)
    unit = int(known["bytes"].max() / max(known["values"].max(), 1)) if known["values"].max() else 4
    figure.supxlabel(
        f"values of state for each weight ({unit} bytes each)", y=0.02, va="bottom", fontsize=style.FONT_SIZE
    )
    fastest = known.loc[known["time"].idxmin()]
    return Drawing(
        figure,
        "Above: what a training step takes with each optimizer, measured once on one machine with networks "
        "of "
        f"{wording.number(_parameters())} parameters, relative to SGD. Below: mean share of the "
        "budget "
        f"spent × cost of a step, relative to the best, {fastest['entrant']}. Both are logarithms. "
        f"{records.censored()}{_unmeasured(records)}",
    )


def _parameters() -> float:
    """Parameters of the network that the cost of a step was measured with."""
    from sim.analysis.sensitivity import costs as known

    return float(known(["sgd"])["parameters"].iloc[0])


def _columns(
    axis: Axes, records: ComparisonRecords, known: pd.DataFrame, column: str, levels: list[float]
) -> None:
    """A column of dots for each amount of memory, names to their right, moved apart."""
    axis.set_yscale("log")
    values = known[column].to_numpy(dtype=float)
    low, high = np.log(values.min()), np.log(values.max())
    margin = 0.06 * max(high - low, 0.5)
    ticks = [m * 10.0**e for e in range(6) for m in ((1,) if high - low > 3.5 else (1, 2, 3, 5))]
    axis.minorticks_off()
    axis.set_yticks(ticks, [wording.setting(tick) for tick in ticks])
    axis.set_ylim(np.exp(low - margin), np.exp(high + margin))
    axis.set_xlim(-0.25, len(levels) - 0.1)
    axis.spines[["top", "right"]].set_visible(False)
    for place, level in enumerate(levels):
        mine = known[known["values"] == level]
        to_axis = axis.transScale + axis.transLimits
        here = mine[column].to_numpy(dtype=float)
        heights = to_axis.transform(np.column_stack([np.full(len(here), place), here]))[:, 1]
        apart = kin.spread(heights, apart=0.062)
        for name, value, height, text in zip(mine["entrant"], here, heights, apart, strict=True):
            look = records.looks[name]
            axis.plot([place], [value], marker=look.marker, color=look.color, markersize=4.5)
            axis.annotate(
                name, (place, height), (place + 0.13, text), xycoords=("data", "axes fraction"), va="center",
                textcoords=("data", "axes fraction"), fontsize=kin.SMALL, color=look.color,
                arrowprops=LEADER,
            )  # fmt: skip
