"""Figures of walks down surfaces: paths, basins, and what the walk depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.views import contours, style, wording
from sim.views.registry import Drawing
from sim.views.surface_records import DescentRecords, descent_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 12


def start_name(name: str) -> str:
    """A start's name as words."""
    return name.replace("_", " ")


def ended(row: pd.Series | dict[str, Any], known: int) -> str:
    """Where a walk ended, in words."""
    if row["status"] != "reached":
        return "diverges" if row["status"] == "diverged" else "reaches no minimum"
    if known < 2:
        return "reaches the minimum"
    return "reaches the best minimum" if row["nearest"] == 0 else "ends in a poorer minimum"


def _one_walk_each(records: DescentRecords) -> bool:
    """One walk for every optimizer: no other factor but the surface varies."""
    return set(records.varying) <= {"surface", "optimizer"}


# --- paths ----------------------------------------------------------------------------------------


@descent_figure(
    title="Paths of all optimizers",
    needs=("x", "y"),
    applies=lambda records: (
        not records.mapped and records.descent.dimensions == 2 and _one_walk_each(records)
    ),
)
def paths(records: DescentRecords) -> Drawing:
    """All optimizers in one picture, a panel for each start and surface."""
    names = [name for name, _ in records.descent.start]
    surfaces = list(records.surfaces)[: max(1, MOST_PANELS // len(names))]
    places = [(surface, start) for surface in surfaces for start in range(len(names))]
    columns = min(3, len(places))
    rows = -(-len(places) // columns)
    looks = contours.looks(list(records.optimizers))
    figure, axes = contours.panels(rows, columns, contours.legend_height(len(looks)), between=0.42)
    flat = [axis for line in axes for axis in line]
    for axis, (surface, start) in zip(flat, places, strict=False):
        _draw_paths(axis, records, surface, start, looks)
        named = start_name(names[start])
        axis.set_title(named if len(surfaces) == 1 else f"{surface}: {named}")
    for axis in flat[len(places) :]:
        axis.set_visible(False)
    contours.legend(figure, looks, dict(records.optimizers))
    return Drawing(figure, _paths_caption(records, surfaces[0], names))


def _draw_paths(axis: Axes, records: DescentRecords, surface: str, start: int, looks: dict[str, Any]) -> None:
    contours.ground(axis, records.surfaces[surface])
    runs = records.runs[(records.runs["surface"] == surface) & (records.runs["replicate"] == 0)]
    mine = records.paths[records.paths["start"] == start]
    parts = dict(iter(mine.groupby("run", sort=False)))
    for run, label in zip(runs["run"], runs["optimizer"], strict=True):
        path = parts[run]
        axis.plot(path["x"], path["y"], linewidth=1.0, markevery=[-1], **looks[label])
    shown = mine[mine["run"].isin(runs["run"])]
    contours.zoom(axis, records.surfaces[surface], shown["x"].to_numpy(), shown["y"].to_numpy())
    first = mine.iloc[0]
    axis.plot(first["x"], first["y"], "*", color="black", markersize=6, zorder=7)


def _paths_caption(records: DescentRecords, surface: str, names: list[str]) -> str:
    """Who reaches the best minimum from each start, and who gets there by the shortest way."""
    known, told = records.known(surface), []
    runs = records.runs[records.runs["surface"] == surface]
    for start, name in enumerate(names):
        ends = records.ends[records.ends["start"] == start].merge(runs[["run", "optimizer"]], on="run")
        best = ends[(ends["status"] == "reached") & (ends["nearest"] <= 0)]
        who = (
            wording.enumeration(records.optimizers[label] for label in best["optimizer"])
            if len(best)
            else "none"
        )
        aim = "the best minimum" if known > 1 else "the minimum"
        told.append(f"From {start_name(name)}, {len(best)} of {len(ends)} reach {aim} ({who}).")
    return wording.joined(
        *told,
        f"Surface {surface}; star: start, marker: end of a path, cross: known minimum.",
    )


# --- basins ---------------------------------------------------------------------------------------


def _basin_runs(records: DescentRecords) -> pd.DataFrame:
    """One walk an optimizer: of several budgets the longest, of several rates the best, without noise."""
    walks = records.tuned
    walks = walks[walks["noise"] == walks["noise"].min()]
    longest = walks[walks["steps"] == walks["steps"].max()]
    keys = ["optimizer", "lr", "noise", "steps"]
    return longest[keys].merge(records.runs[records.runs["replicate"] == 0], on=keys, how="left")


@descent_figure(
    title="Which minimum is reached from where, and how soon",
    applies=lambda records: (
        records.mapped
        and len(records.surfaces) == 1
        and records.descent.map >= 100
        and len(records.optimizers) <= 6
    ),
)
def basins(records: DescentRecords) -> Drawing:
    """Maps of starts: above, the minimum each ends at; below, the steps until it stays there."""
    from matplotlib.colors import ListedColormap

    runs = _basin_runs(records)
    (surface,) = records.surfaces
    titles = [records.optimizers[label].replace(", ", ",\n") for label in runs["optimizer"]]
    lines = 1 + max(title.count("\n") for title in titles)
    figure, axes = contours.panels(2, len(runs), bar=0.75, lines=lines)
    good, bad, grey = style.verdict_colours()
    times = {}
    parts = dict(iter(records.ends.groupby("run", sort=False)))
    for column, (_, run) in enumerate(runs.iterrows()):
        ends = parts[run["run"]]
        where = np.where(ends["status"] == "reached", np.where(ends["nearest"] == 0, 0, 1), 2)
        _map(axes[0][column], records, where, cmap=ListedColormap([good, bad, grey]), vmin=-0.5, vmax=2.5)
        axes[0][column].set_title(titles[column])
        times[column] = ends["steps_to_reach"].to_numpy()
    highest = max(np.nanmax(time) for time in times.values() if np.isfinite(time).any())
    from matplotlib.colors import LogNorm

    for column, time in times.items():
        shown = _map(
            axes[1][column], records, np.maximum(time, 1), cmap=style.SEQUENTIAL, norm=LogNorm(1, highest)
        )
    last = axes[1][-1].get_position()
    bar = figure.add_axes((last.x1 + 0.015, last.y0, 0.014, last.height))
    figure.colorbar(shown, cax=bar, label="steps until it stays")
    top = axes[0][-1].get_position()
    for place, (colour, text) in enumerate(zip((good, bad, grey), ("best", "poorer", "none"), strict=True)):
        figure.text(top.x1 + 0.015, top.y1 - 0.05 * (place + 1), f"■ {text}", color=colour)
    return Drawing(figure, _basins_caption(records, runs, surface))


def _map(axis: Axes, records: DescentRecords, values: np.ndarray, **how: Any) -> Any:
    side = records.descent.map
    assert side is not None
    (surface,) = records.surfaces.values()
    (left, right), (low, high) = surface.part.domain
    axis.set_xticks([left, (left + right) / 2])
    return axis.imshow(
        values.reshape(side, side), origin="lower", extent=(left, right, low, high), interpolation="nearest",
        aspect="auto", **how,
    )  # fmt: skip


def _basins_caption(records: DescentRecords, runs: pd.DataFrame, surface: str) -> str:
    keys = ["optimizer", "lr", "noise", "steps"]
    shares = (
        runs[keys].merge(records.walks, on=keys).sort_values("share_best", ascending=False, kind="stable")
    )
    told = wording.enumeration(
        f"{records.optimizers[row['optimizer']]} {100 * row['share_best']:.1f} %"
        for _, row in shares.iterrows()
    )
    assert records.descent.map is not None
    return (
        f"Share of {records.descent.map:,} × {records.descent.map:,} starts on {surface} that reach the best "
        f"minimum within {wording.count(int(runs['steps'].iloc[0]), 'step')}: {told}."
    )
