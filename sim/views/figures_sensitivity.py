"""Which optimizer stands what: success against batch size, input scale and depth, optimizer by optimizer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from sim.analysis.prediction import parse
from sim.analysis.sensitivity import by_level, reach, span
from sim.views import drawing, kin, style, wording
from sim.views.arrangement import hold
from sim.views.comparison import Crowd
from sim.views.figures_success import goal, has_target
from sim.views.records import GridRecords
from sim.views.registry import Drawing, Sheet, figure, table
from sim.views.rows import highest, lowest
from sim.views.tuning import tuned

FEWEST = 3
"""Levels of a factor, and optimizers, from which on its effect is a curve."""
SCALE = "input_scale"
NAMES = {"batch_size": "batch size", SCALE: "scale of the inputs", "depth": "depth (hidden layers)"}


def with_scale(grid: GridRecords) -> GridRecords:
    """With a column `input_scale`: what standardized inputs are multiplied by; NaN for another scaling."""
    known = {label: _scale(str(label)) for label in grid.levels("scaling")}
    return grid.of(grid.runs.assign(**{SCALE: grid.runs["scaling"].map(known)}))


def _scale(label: str) -> float:
    choice = parse("scaling", label)
    return {"standardize": 1.0}.get(choice.name, float(dict(choice.parameters).get("by", np.nan)))


def sweeps(grid: GridRecords, factor: str) -> bool:
    """True where several optimizers are tried at several levels of the factor."""
    if len(grid.levels("optimizer")) < FEWEST or not has_target(grid):
        return False
    if factor != SCALE:
        return factor in grid.varying and len(grid.levels(factor)) >= FEWEST
    scales = [_scale(str(label)) for label in grid.levels("scaling")]
    return len(scales) >= FEWEST and bool(np.isfinite(scales).all())


@lru_cache(maxsize=4)
def swept(grid: GridRecords, factor: str) -> tuple[GridRecords, pd.DataFrame, str]:
    """Runs at their best learning rates, `by_level` of every optimizer, and what a caption must add."""
    chosen = tuned(grid)
    others = [
        f for f in chosen.varying if f not in ("optimizer", "lr", factor, "scaling" * (factor == SCALE))
    ]
    kept, held = hold(chosen, others)
    kept = with_scale(kept) if factor == SCALE else kept
    frame = by_level(kept.runs, factor, ["optimizer"], str(grid.target))
    said = f"Held fixed: {wording.held(held)}." if held else ""
    return kept, frame, wording.joined(said, *kept.notes)


def _drawn(grid: GridRecords, factor: str) -> Drawing:
    kept, frame, notes = swept(grid, factor)
    names = [str(name) for name in dict.fromkeys(frame["optimizer"])]
    crowd = Crowd({name: name for name in names})
    lines: dict[str, kin.Line] = {
        str(name): (rows[factor].to_numpy(dtype=float), 100 * rows["share"].to_numpy())
        for name, rows in frame.groupby("optimizer", sort=False)
    }
    drawn, axes = kin.kin_panels(crowd, lines, NAMES[factor], style.axis_label("success"))
    for axis in axes:
        drawing.size_axis(axis, frame[factor])
        axis.set_xlim(frame[factor].min(), frame[factor].max())
        axis.set_ylim(-3, 103)
    kin.name_lines(crowd, axes, lines)
    diverged = int((kept.runs["status"] == "diverged").sum())
    return Drawing(
        drawn,
        f"Networks that reach {goal(grid.targets[0])} against {NAMES[factor]}, each optimizer at its best "
        f"learning rate. {_losses(span(frame, factor, ['optimizer']))} "
        f"Faint: all other optimizers. {wording.count(len(kept.runs), 'network')}; "
        f"{int(kept.runs[f'steps_to_{grid.target}'].isna().sum()):,} never reach the target, {diverged:,} "
        "diverge. "
        f"{notes}".strip(),
    )


def _losses(found: pd.DataFrame) -> str:
    """Who loses most and least between the best and the worst level."""
    most, least = highest(found, "drop"), lowest(found, "drop")
    if most["drop"] == least["drop"]:
        return f"Between its best and its worst level every optimizer loses {wording.percent(most['drop'])}."
    return (
        f"Between its best and its worst level {most['optimizer']} loses most, "
        f"{wording.percent(most['drop'])} "
        f"of the networks, {least['optimizer']} least, {wording.percent(least['drop'])}."
    )


def _sheet(grid: GridRecords, factor: str) -> Sheet:
    _, frame, notes = swept(grid, factor)
    found = span(frame, factor, ["optimizer"])[["optimizer", "best", "worst", "drop", "loss_ratio"]]
    frame = frame.merge(found, on="optimizer")
    told = (
        f"drop: success between an optimizer's best and worst {NAMES[factor]}; loss_ratio: of its median "
        "losses "
        "there, infinite where most diverge."
    )
    return Sheet(frame, wording.joined(told, notes))


@figure(title="Batch size, optimizer by optimizer", applies=lambda grid: sweeps(grid, "batch_size"))
def sensitivity_to_batch_size(grid: GridRecords) -> Drawing:
    """Success against batch size: the smaller the batch, the noisier the gradient."""
    return _drawn(grid, "batch_size")


@table(title="Batch size, optimizer by optimizer", applies=lambda grid: sweeps(grid, "batch_size"))
def by_batch_size(grid: GridRecords) -> Sheet:
    """Loss and success of every optimizer at every batch size."""
    return _sheet(grid, "batch_size")


@figure(title="Input scale, optimizer by optimizer", applies=lambda grid: sweeps(grid, SCALE))
def sensitivity_to_input_scale(grid: GridRecords) -> Drawing:
    """Success against what the inputs are multiplied by."""
    return _drawn(grid, SCALE)


@table(title="Input scale, optimizer by optimizer", applies=lambda grid: sweeps(grid, SCALE))
def by_input_scale(grid: GridRecords) -> Sheet:
    """Loss and success of every optimizer at every scale of the inputs."""
    return _sheet(grid, SCALE)


@figure(title="Depth, optimizer by optimizer", applies=lambda grid: sweeps(grid, "depth"))
def sensitivity_to_depth(grid: GridRecords) -> Drawing:
    """Success against depth: does an adaptive optimizer rescue a network whose gradient vanishes?"""
    return _drawn(grid, "depth")


@table(title="Depth, optimizer by optimizer", applies=lambda grid: sweeps(grid, "depth"))
def by_depth(grid: GridRecords) -> Sheet:
    """Loss and success of every optimizer at every depth, and the depth it reaches."""
    _, frame, notes = swept(grid, "depth")
    reached = reach(frame, "depth", ["optimizer"])
    merged = frame.merge(reached[["optimizer", "largest", "beyond"]], on="optimizer")
    deepest: Any = reached.dropna(subset=["largest"]).sort_values("largest", kind="stable")
    if deepest.empty:
        return Sheet(merged, wording.joined("No optimizer trains half of the networks at any depth.", notes))
    most = deepest["largest"].iloc[-1]
    names = deepest.loc[deepest["largest"] == most, "optimizer"]
    told = (
        f"Deepest with at least half of the networks trained: {wording.enumeration(map(str, names))} "
        f"({wording.setting(most)} hidden layers). largest: the depth reached without a failure before it."
    )
    return Sheet(merged, wording.joined(told, notes))
