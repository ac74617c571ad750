"""Who is first: the leaderboard in rank groups, performance profiles, the matrix of wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.analysis.convergence import success
from sim.analysis.profiles import R_MAX, profile_scores
from sim.views import kin, layout, style, wording
from sim.views.comparison import TARGET, ComparisonRecords, comparison_figure
from sim.views.registry import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND, UNSURE = "#f0f0ee", "#8a8a8a"


@comparison_figure(title="Leaderboard", chapter="ranking")
def leaderboard(records: ComparisonRecords) -> Drawing:
    """Share of the budget spent, success, divergence and score in rank groups."""
    from matplotlib.ticker import MaxNLocator

    board = records.board
    shares = success(records.runs, ["entrant"], TARGET).set_index("entrant").loc[records.ranked]
    score = profile_scores(records.times).set_index("entrant").loc[records.ranked]
    heads = [
        "budget spent (%), mean",
        "interquartile mean (%)",
        "reach the target (%)",
        "diverge (%)",
        f"score up to {R_MAX:g} ×",
    ]
    figure, axes = layout.dot_panels([f" {name}" for name in records.ranked], heads)
    _bands(axes, board["group"].to_numpy())
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(3))
    percent = 100 * board[["mean", "mean_low", "mean_high"]]
    _dots(axes[0], records, percent)
    _dots(axes[1], records, 100 * board[["iqm", "iqm_low", "iqm_high"]])
    _dots(axes[2], records, 100 * shares[["share", "share_low", "share_high"]])
    _dots(axes[3], records, 100 * shares[["diverged_share", "diverged_low", "diverged_high"]])
    _dots(axes[4], records, score[["score", "score_low", "score_high"]])
    untuned = _untuned(records)
    if untuned is not None:
        axes[0].scatter(
            100 * untuned, np.arange(len(untuned)), s=14, facecolors="none",
            edgecolors=[records.looks[name].color for name in records.ranked], linewidths=0.8, zorder=2,
        )  # fmt: skip
    hollow = " Hollow: the untuned default." if untuned is not None else ""
    first = board[board["group"] == 1]["entrant"]
    return Drawing(
        figure,
        f"First group: {wording.enumeration(first)}. Bars: 95 % intervals.{hollow} Bands, numbered at the "
        "right, "
        "are rank groups: a new one begins with the first optimizer whose paired difference to the leader of "
        "the group above excludes 0 after Holm's correction over all pairs. Score: area under the "
        "performance "
        f"profile up to {R_MAX:g} times the fastest. Colours as in the profiles. {records.censored()}",
    )


def _bands(axes: list[Axes], groups: Any) -> None:
    """A shade for every other group, its number at the right of its first line."""
    for group in np.unique(groups):
        lines = np.flatnonzero(groups == group)
        if group % 2 == 0:
            for axis in axes:
                axis.axhspan(lines[0] - 0.5, lines[-1] + 0.5, color=BAND, linewidth=0, zorder=0)
        axes[-1].text(
            1.04, lines[0], str(group), transform=axes[-1].get_yaxis_transform(), va="center", ha="left",
            color=style.MUTED, fontsize=kin.SMALL,
        )  # fmt: skip


def _dots(axis: Axes, records: ComparisonRecords, values: pd.DataFrame) -> None:
    """A dot and its interval a line, in the optimizer's colour."""
    middle, low, high = (values.iloc[:, index].to_numpy(dtype=float) for index in range(3))
    shades = [records.looks[name].color for name in records.ranked]
    height = np.arange(len(middle))
    axis.hlines(height, low, high, color=shades, linewidth=1.6)
    axis.scatter(middle, height, color=shades, s=16, zorder=3)


def _untuned(records: ComparisonRecords) -> Any:
    """Mean of the untuned defaults in the leaderboard's order; None where they were not run."""
    if records.defaults.empty:
        return None
    try:
        found = records.scores_of(records.defaults)
    except ValueError:  # a part of a comparison, as a scaled-down study may be
        return None
    middle = found.values.mean(axis=(1, 2))
    return pd.Series(middle, index=list(found.entrants)).reindex(records.ranked).to_numpy()


@comparison_figure(title="Performance profiles", chapter="ranking")
def profiles(records: ComparisonRecords) -> Drawing:
    """Share of tasks on which an optimizer needs at most τ times the steps of the fastest."""
    frame = records.profiles
    lines = {
        str(name): (rows["factor"].to_numpy(), 100 * rows["share"].to_numpy())
        for name, rows in frame.groupby("entrant", sort=False)
    }
    figure, axes = kin.kin_panels(
        records.crowd, lines, "steps, as a multiple of the fastest optimizer's", "tasks (%)", step=True
    )
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xlim(1.0, R_MAX)
        axis.set_ylim(0, 101)
    kin.name_lines(records.crowd, axes, lines)
    for axis in axes:
        axis.set_xticks([1, 1.5, 2, 3, 4], ["1", "1.5", "2", "3", "4"])
        axis.minorticks_off()
    nobody = float(np.isinf(records.times.values.min(axis=0)).mean())
    left = f" On {wording.percent(nobody)} of the tasks no optimizer arrives." if nobody else ""
    return Drawing(
        figure,
        "How often an optimizer arrives within a multiple of the steps of the fastest one; a task is one "
        "seed of "
        f"one problem. Left: how often nobody is faster; higher is better.{left} Faint: all other "
        "optimizers. "
        f"95 % intervals are in the table. {records.censored()}",
    )


@comparison_figure(
    title="Who beats whom", chapter="ranking", applies=lambda records: len(records.entrants) > 1
)
def win_matrix(records: ComparisonRecords) -> Drawing:
    """Probability that the row's optimizer arrives sooner than the column's, over problems."""
    from matplotlib.figure import Figure

    frame = records.wins.set_index(["entrant", "other"])
    names = records.ranked
    shape = (len(names), len(names))
    pairs = pd.MultiIndex.from_product([names, names])
    value, low, high = (
        frame[column].reindex(pairs).to_numpy(dtype=float).reshape(shape)
        for column in ("probability", "probability_low", "probability_high")
    )
    left, top, right = 0.2 + max(map(len, names)) * style.LETTER, 0.75, 0.9
    side = style.PAGE_WIDTH - left - right
    tall = min(side, 0.3 * len(names))
    total = top + tall + 0.1
    figure = Figure(figsize=(style.PAGE_WIDTH, total))
    wide = style.PAGE_WIDTH
    axis = figure.add_axes((left / wide, 0.1 / total, side / wide, tall / total))
    image = axis.imshow(100 * value, cmap=style.DIVERGING + "_r", vmin=0, vmax=100, aspect="auto")
    strong = np.abs(value - 0.5) > 0.33
    unsure = (low <= 0.5) & (high >= 0.5)
    for row, column in zip(*np.nonzero(np.isfinite(value)), strict=True):
        axis.text(
            column, row, f"{100 * value[row, column]:.0f}", ha="center", va="center", fontsize=kin.SMALL,
            color=UNSURE if unsure[row, column] else "white" if strong[row, column] else "black",
        )  # fmt: skip
    axis.set_yticks(range(len(names)), names)
    axis.set_xticks(range(len(names)), names, rotation=45, ha="left", rotation_mode="anchor")
    axis.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axis.spines[:].set_visible(False)
    for edge in np.flatnonzero(np.diff(records.board["group"])) + 0.5:
        axis.axhline(edge, color="black", linewidth=0.6)
        axis.axvline(edge, color="black", linewidth=0.6)
    bar = figure.add_axes(((left + side + 0.15) / wide, 0.1 / total, 0.12 / wide, tall / total))
    figure.colorbar(image, cax=bar, label="row beats column (%)")
    sure = int((~unsure & np.isfinite(value)).sum() / 2)
    return Drawing(
        figure,
        "Probability, in per cent, that the row's optimizer needs fewer steps than the column's in two runs "
        "of "
        "the same problem from different draws, ties half, averaged over the problems. Grey numbers: the 95 "
        "% "
        f"interval holds 50 %; {sure} of {wording.count(int(np.isfinite(value).sum() / 2), 'pair')} are told "
        f"apart. Lines: rank groups. {records.censored()}",
    )
