"""What tuning asks for: how wide the good learning rates lie, and what more trials bring."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.analysis.budget import tuning_curve
from sim.analysis.sensitivity import WITHIN, by_level, good_region
from sim.views import kin, layout, style, wording
from sim.views.comparison import ComparisonRecords, comparison_figure
from sim.views.problem_panels import axis_names, problem_panels
from sim.views.registry import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE, TINY, ABREAST = 0.1, 6.0, 4
"""Height of an optimizer's strip in inches, size of its name, panels side by side: it all is one page."""
LEARNED = 0.75
"""A network has learned where training took away a quarter of its untrained loss, at least."""
DIVERGED = "#d9d9d9"
SHADES = ["best", "middling", "worst rates", "most runs diverge", "good region"]


def several_rates(records: ComparisonRecords) -> bool:
    """True where learning rates were searched."""
    return not records.trials.empty and records.trials["lr"].nunique() > 2


@lru_cache(maxsize=2)
def rates(records: ComparisonRecords) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Final metric by problem, entrant and learning rate, and the good region of each problem × entrant.

    Where more than the learning rate was searched, the best of the other settings stands for a rate. A rate
    is good only where its networks learned: the limit of a region is min(WITHIN × best, LEARNED × untrained),
    so an optimizer that learns at no rate has no good region, though all rates do equally badly.
    """
    trials = records.trials
    by = ["problem", "entrant", "lr"]
    medians = trials.groupby([*by, "trial"], sort=False)["value"].median().reset_index()
    kept = medians.sort_values("value", kind="stable").drop_duplicates(by)
    shown = trials.merge(kept[[*by, "trial"]], on=[*by, "trial"])
    table = by_level(shown, "lr", ["problem", "entrant"], quantity="value")
    untrained = table["problem"].map(trials.groupby("problem")["start"].median())
    regions = good_region(table.assign(ceiling=LEARNED * untrained), "lr", ["problem", "entrant"])
    return table, regions


@comparison_figure(title="Learning-rate sensitivity", chapter="tuning", applies=several_rates)
def rate_sensitivity(records: ComparisonRecords) -> Drawing:
    """How good each learning rate is, all optimizers, a panel a problem, the good region marked."""
    table, regions = rates(records)
    names = records.ranked
    left = 0.18 + max(map(len, names)) * style.LETTER * TINY / style.FONT_SIZE
    figure, axes = problem_panels(records, LINE * len(names) + 0.06, SHADES, left, abreast=ABREAST)
    low, high = table["lr"].min(), table["lr"].max()
    for place, (problem, axis) in enumerate(axes.items()):
        mine = table[table["problem"] == problem]
        _strips(axis, mine, names)
        _regions(axis, regions[regions["problem"] == problem].set_index("entrant").reindex(names))
        axis.set_xscale("log")
        axis.set_xlim(low / 1.8, high * 1.8)
        axis.minorticks_off()
        axis.set_xticks(_rate_ticks(low, high))
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_yticks(
            range(len(names)), names if place % ABREAST == 0 else [""] * len(names), fontsize=TINY
        )
        axis.tick_params(axis="y", length=0, pad=1)
        axis.spines["left"].set_visible(False)
    axis_names(figure, style.axis_label("lr"), "", SHADES, left)
    _legend(figure)
    runs, diverged = len(records.trials), int((records.trials["status"] == "diverged").sum())
    return Drawing(
        figure,
        "Median final metric at each learning rate tried, ranked among all rates of all optimizers on the "
        f"problem. Outlined: the good region, within {WITHIN:g} times the best rate's loss (or error) or "
        f"within its noise, and at most {LEARNED:g} of the untrained one; dot: the best rate. "
        f"{_unlearned(regions)}{_widest(regions)} {runs:,} tuning runs; "
        f"{diverged:,} diverge and count as infinite loss.",
    )


def _unlearned(regions: pd.DataFrame) -> str:
    """Who has no good region, and why."""
    none = int((~np.isfinite(regions["decades"].to_numpy(dtype=float))).sum())
    if not none:
        return ""
    pairs = wording.count(none, "pair")
    return (
        f"None where no rate takes away a quarter of the untrained loss ({pairs} of problem and optimizer). "
    )


def _rate_ticks(low: float, high: float) -> list[float]:
    """Up to three powers of ten inside the range, none at its very edge."""
    powers = list(range(math.ceil(math.log10(low) + 0.4), math.floor(math.log10(high) - 0.4) + 1))
    return [10.0**power for power in powers[:: max(1, math.ceil(len(powers) / 3))]]


def _strips(axis: Axes, mine: pd.DataFrame, names: list[str]) -> None:
    """A cell for each learning rate of each optimizer, its edges halfway to the neighbours."""
    from matplotlib import colormaps
    from matplotlib.collections import PolyCollection

    ordered = np.sort(mine["loss"].to_numpy())
    boxes, shades = [], []
    for line, name in enumerate(names):
        rows = mine[mine["entrant"] == name]
        loss, edges = rows["loss"].to_numpy(), _edges(np.log10(rows["lr"].to_numpy()))
        rank = np.searchsorted(ordered, loss) / max(len(ordered) - 1, 1)
        for place in range(len(rows)):
            low, high = 10.0 ** edges[place], 10.0 ** edges[place + 1]
            boxes.append([(low, line - 0.42), (high, line - 0.42), (high, line + 0.42), (low, line + 0.42)])
            best_to_worst = colormaps["viridis_r"](0.05 + 0.9 * rank[place])
            shades.append(DIVERGED if np.isinf(loss[place]) else best_to_worst)
    axis.add_collection(PolyCollection(boxes, facecolors=shades, linewidths=0))


def _edges(places: Any) -> Any:
    """Edges of cells around ascending places."""
    half = np.diff(places).min() / 2 if len(places) > 1 else 0.25
    return np.concatenate([[places[0] - half], (places[1:] + places[:-1]) / 2, [places[-1] + half]])


def _regions(axis: Axes, regions: pd.DataFrame) -> None:
    """An outline around each good region and a dot at its best rate."""
    lines = np.arange(len(regions))
    known = np.isfinite(regions["decades"].to_numpy(dtype=float))
    low, high = (regions[name].to_numpy(dtype=float)[known] for name in ("low", "high"))
    axis.barh(
        lines[known], high - low, left=low, height=0.84, facecolor="none", edgecolor="#d1306a", linewidth=1.1
    )
    axis.plot(
        regions["best"].to_numpy(dtype=float)[known], lines[known], "o", color="#d1306a", markersize=2.4
    )


def _legend(figure: Any) -> None:
    """From best to worst, diverged, good region."""
    from matplotlib import colormaps
    from matplotlib.patches import Patch

    shades = colormaps["viridis_r"]([0.05, 0.5, 0.95])
    handles = [Patch(color=shade) for shade in shades] + [Patch(color=DIVERGED)]
    handles.append(Patch(facecolor="none", edgecolor="#d1306a"))
    layout.legend(figure, handles, SHADES)


def _widest(regions: pd.DataFrame) -> str:
    """Who tolerates most, in the median over problems."""
    median = regions.groupby("entrant", sort=False)["decades"].median().sort_values(kind="stable")
    if not median.notna().any():
        return ""
    known = median.dropna()
    return (
        f"Median width over the problems: widest {known.index[-1]} ({wording.number(known.iloc[-1], 2)} "
        "decades), "
        f"narrowest {known.index[0]} ({wording.number(known.iloc[0], 2)})."
    )


@comparison_figure(title="Width of the good learning rates", chapter="tuning", applies=several_rates)
def good_width(records: ComparisonRecords) -> Drawing:
    """Decades of learning rate within the good region: a dot a problem, the median as a line."""
    _, regions = rates(records)
    median = regions.groupby("entrant", sort=False)["decades"].median()
    order = sorted(records.entrants, key=lambda name: -np.nan_to_num(float(median[name]), nan=-1.0))
    figure, (axis,) = layout.dot_panels(
        [f" {name}" for name in order], ["width of the good region (decades)"]
    )
    for line, name in enumerate(order):
        mine = regions[regions["entrant"] == name]
        look, known = records.looks[name], mine[np.isfinite(mine["decades"])]
        closed = known[~known["open"].astype(bool)]["decades"]
        wider = known[known["open"].astype(bool)]["decades"]
        shift = 0.16 * np.sin(1.7 * np.arange(len(known)))  # dots of one width lie side by side
        axis.plot(closed, line + shift[: len(closed)], "o", color=look.color, markersize=3.2, alpha=0.75)
        axis.plot(wider, line + shift[len(closed) :], ">", color=look.color, markersize=3.2, alpha=0.75)
        axis.vlines(median[name], line - 0.36, line + 0.36, color="black", linewidth=1.4, zorder=4)
    axis.set_xlim(0, None)
    runs = wording.count(len(records.trials), "tuning run")
    diverged = int((records.trials["status"] == "diverged").sum())
    return Drawing(
        figure,
        "How many decades of learning rate do about as well as the best one and take away a quarter of the "
        "untrained loss, at least. A dot for each problem, the line at their median; triangles: the "
        "region reaches the edge of what was tried, so it may be wider. "
        f"{runs}; {diverged:,} diverge and count as infinite loss.",
    )


@lru_cache(maxsize=2)
def budget_curves(records: ComparisonRecords) -> pd.DataFrame:
    """tuning_curve of each problem × entrant over the trials' mean share of the budget spent.

    A bound that so few trials cannot give is missing rather than infinite.
    """
    trials = records.trials.groupby(["problem", "entrant", "trial"], sort=False)["spent"].mean().reset_index()
    return tuning_curve(trials, ["problem", "entrant"], "spent").replace([-np.inf, np.inf], np.nan)


@comparison_figure(
    title="What more tuning brings", chapter="tuning",
    applies=lambda records: several_rates(records) and "spent" in records.trials,
)  # fmt: skip
def tuning_budget(records: ComparisonRecords) -> Drawing:
    """Expected best of n trials, averaged over the problems."""
    frame = budget_curves(records)
    most = int(frame.groupby(["problem", "entrant"])["trials"].max().min())
    means = frame[frame["trials"] <= most].groupby(["entrant", "trials"], sort=False)["best"].mean()
    lines: dict[str, kin.Line] = {}
    for name in records.entrants:
        mine = means[name]
        lines[name] = (mine.index.to_numpy(dtype=float), 100 * mine.to_numpy())
    figure, axes = kin.kin_panels(records.crowd, lines, "trials", "share of the budget spent (%)")
    highest = max(y[0] for _, y in lines.values())
    lowest = min(y[-1] for _, y in lines.values())
    for axis in axes:
        axis.set_xlim(1, most)
        axis.set_ylim(max(0.0, lowest - 5), min(highest + 3, 101))
    kin.name_lines(records.crowd, axes, lines)
    ticks = sorted({1, most, *range(0, most, max(2, round(most / 4)))} - {0})
    for axis in axes:
        axis.set_xticks(ticks)
    runs = wording.count(len(records.trials), "tuning run")
    return Drawing(
        figure,
        "Expected best of n random trials from each optimizer's search space: mean share of the budget spent "
        "until the target (100 %: never), averaged over the problems; lower is better. Faint: all other "
        f"optimizers. {runs}, {int(records.trials['spent'].eq(1).sum()):,} of which do not arrive before "
        "their "
        "budget ends. The table holds every problem, with exact intervals of the median best of n.",
    )
