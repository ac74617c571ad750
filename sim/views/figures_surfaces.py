"""Paths of all optimizers in one picture, still or moving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from sim.analysis.descent import FACTORS
from sim.views import contours, style, wording
from sim.views.animation import Moving, animated
from sim.views.registry import Drawing
from sim.views.surface_records import DescentRecords, descent_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 12
END = {"markersize": 4.2, "markeredgecolor": "white", "markeredgewidth": 0.5}
"""How the end of a path is marked."""


def start_name(name: str) -> str:
    """A start's name as words."""
    return name.replace("_", " ")


def ended(row: pd.Series | dict[str, Any], known: int) -> str:
    """Where a walk ended, in words."""
    if row["status"] == "diverged":
        return "diverges"
    if not known:
        return f"ends at f = {wording.number(row['value'])}"
    if row["status"] != "reached":
        return "reaches no minimum"
    if known < 2:
        return "reaches the minimum"
    return "reaches the best minimum" if row["best"] else "ends in a poorer minimum"


def _one_walk_each(records: DescentRecords) -> bool:
    """One walk for every optimizer, or several learning rates to choose from: no other factor varies."""
    return set(records.varying) <= {"surface", "optimizer", "lr"}


def best_runs(records: DescentRecords) -> pd.DataFrame:
    """A walk for each surface, optimizer, noise and budget: at its best rate, of replicates the first."""
    keys = list(FACTORS)
    return records.tuned[keys].merge(records.runs[records.runs["replicate"] == 0], on=keys, how="left")


@descent_figure(
    title="Paths of all optimizers",
    needs=("x", "y"),
    applies=lambda records: (
        not records.mapped and records.descent.dimensions == 2 and _one_walk_each(records)
    ),
)
def paths(records: DescentRecords) -> Drawing:
    """All optimizers in one picture: a panel for each start and surface, a row for up to ten optimizers."""
    names = [name for name, _ in records.descent.start]
    surfaces = list(records.surfaces)[: max(1, MOST_PANELS // len(names))]
    places = [(surface, start) for surface in surfaces for start in range(len(names))]
    looks = list(contours.looks(list(records.optimizers)).items())
    most = -(-len(looks) // -(-len(looks) // style.HUES))
    tens = [dict(looks[first : first + most]) for first in range(0, len(looks), most)]
    columns = min(3, len(places))
    each = -(-len(places) // columns)
    under = max(contours.legend_height([records.optimizers[label] for label in ten]) for ten in tens)
    figure, axes = contours.panels(each * len(tens), columns, between=0.42, under=under)
    runs = best_runs(records)
    moving: list[Moving] = []
    for row, ten in enumerate(tens):
        flat = [axis for line in axes[each * row : each * (row + 1)] for axis in line]
        for axis, (surface, start) in zip(flat, places, strict=False):
            moving += _draw_paths(axis, records, runs[runs["surface"] == surface], start, ten)
            named = start_name(names[start])
            axis.set_title(named if len(surfaces) == 1 else f"{surface}: {named}")
        for axis in flat[len(places) :]:
            axis.set_visible(False)
        contours.legend(figure, ten, dict(records.optimizers), under=flat[-1])
    shown = animated(figure, moving) if records.descent.animate else b""
    return Drawing(figure, _paths_caption(records, runs, surfaces[0], names), shown)


def _draw_paths(
    axis: Axes, records: DescentRecords, runs: pd.DataFrame, start: int, looks: dict[str, Any]
) -> list[Moving]:
    """The paths of these optimizers from one start."""
    surface = records.surfaces[runs["surface"].iloc[0]]
    contours.ground(axis, surface)
    all_of_start = records.paths[(records.paths["start"] == start) & records.paths["run"].isin(runs["run"])]
    walked, run_of = (
        dict(iter(all_of_start.groupby("run"))),
        dict(zip(runs["optimizer"], runs["run"], strict=True)),
    )
    moving = []
    for label, look in looks.items():
        path = walked[run_of[label]]
        (line,) = axis.plot(path["x"], path["y"], markevery=[-1], **{**look, **END})
        moving.append(Moving(line, *(path[name].to_numpy() for name in ("step", "x", "y"))))
    contours.zoom(axis, surface, all_of_start["x"].to_numpy(), all_of_start["y"].to_numpy())
    first = all_of_start.iloc[0]
    axis.plot(first["x"], first["y"], "*", color="black", markersize=6, zorder=7)
    return moving


def _paths_caption(records: DescentRecords, runs: pd.DataFrame, surface: str, names: list[str]) -> str:
    """Who reaches the best minimum from each start."""
    here, told = runs[runs["surface"] == surface], []
    ends = records.ends.merge(here[["run", "optimizer"]], on="run")
    aim = "the best minimum" if records.known(surface) > 1 else "the minimum"
    for start, name in enumerate(names):
        mine = ends[ends["start"] == start]
        if not records.known(surface):
            told.append(f"From {start_name(name)}, {_where(records, mine)}.")
            continue
        told.append(f"From {start_name(name)}, {_who(records, mine)} {aim}{_shortest(records, mine)}.")
    rates = "Each optimizer at its best learning rate for these starts." if "lr" in records.varying else ""
    crosses = "; cross: known minimum" if records.known(surface) else ""
    marks = f"star: start; symbol of the legend: end of a path{crosses}."
    return wording.joined(*told, rates, f"Surface {surface.replace('_', ' ')}; {marks}")


def _where(records: DescentRecords, ends: pd.DataFrame) -> str:
    """How low walks end where no minimum is known."""
    left, verb = ends[ends["status"] != "diverged"], wording.verb(len(ends), "diverge")
    lost = f"{len(ends) - len(left)} of {wording.count(len(ends), 'optimizer')} {verb}"
    if left.empty:
        return lost
    last = left.sort_values("value", kind="stable").iloc[0]
    lowest = f"{records.optimizers[last['optimizer']]} ends lowest, at f = {wording.number(last['value'])}"
    return lowest if len(left) == len(ends) else f"{lost}; {lowest}"


def _shortest(records: DescentRecords, ends: pd.DataFrame) -> str:
    """Of those that reach the best minimum, who takes the shortest and the longest way."""
    there = ends[ends["best"]].sort_values("path_length", kind="stable")
    if len(there) < 2:
        return ""
    (short, least), (long, most) = (
        (records.optimizers[row["optimizer"]], wording.number(row["path_length"]))
        for _, row in there.iloc[[0, -1]].iterrows()
    )
    return f"; the shortest path there is that of {short} ({least}), the longest that of {long} ({most})"


def _who(records: DescentRecords, ends: pd.DataFrame) -> str:
    """All 8 reach, none of 8 reaches, 3 of 8 (a, b and c) reach, all of 8 but a and b reach."""
    best = ends["best"].to_numpy(dtype=bool)
    named = {
        there: wording.enumeration(records.optimizers[label] for label in ends["optimizer"][best == there])
        for there in (True, False)
    }
    if best.all():
        return f"all {len(best)} optimizers reach"
    if not best.any():
        return f"none of {len(best)} optimizers reaches"
    if best.mean() > 0.5:
        return f"all of {len(best)} optimizers but {named[False]} reach"
    reach = "reaches" if best.sum() == 1 else "reach"
    return f"{best.sum()} of {len(best)} optimizers ({named[True]}) {reach}"
