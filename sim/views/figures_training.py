"""Figures of what becomes of gradients and activations while networks train."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sim.analysis import gradients
from sim.views import drawing, layout, style, wording
from sim.views.arrangement import Arrangement, arrange
from sim.views.records import GridRecords
from sim.views.registry import Drawing, figure
from sim.views.rows import Row, highest, lowest, rows_by
from sim.views.tuning import tuned

SOLID, DOTTED = "-", (0, (1.2, 1.2))


@figure(
    title="Gradient norm during training",
    needs=("log10_grad_pre", "step"),
    applies=lambda grid: grid.deepest >= 2,
)
def gradient_over_training(grid: GridRecords) -> Drawing:
    """log10 ‖∂L/∂h‖ of the first (solid) and last (dotted) hidden layer over the training steps."""
    arranged = arrange(
        tuned(grid),
        hue=("initializer", "condition", "optimizer", "normalizer", "residual", "clipping", "scaling"),
        column=("depth",),
        row=("activation", "optimizer", "steps"),
    )
    frame = gradients.over_training(arranged.grid.runs, grid.layers, arranged.by)
    entries, title = [*drawing.entries(arranged), *gradients.PLACES], drawing.title(arranged)
    names = style.axis_label("step"), style.axis_label("log10_grad_pre")
    shown = layout.panels(arranged, *names, entries, title)
    looks, parts = drawing.looks(arranged), rows_by(frame, [*arranged.by, "place"])
    for where, axis in shown:
        firsts = {}
        for level, look in looks.items():
            cell = drawing.key(arranged, where, level)
            first, last = (parts.get((*cell, place)) for place in gradients.PLACES)
            if last is not None:
                axis.plot(last["step"], last["mean_log10"], color=look["color"], linestyle=DOTTED)
            if first is not None:
                firsts[level] = first
                axis.plot(first["step"], first["mean_log10"], markevery=drawing.every(len(first), 5), **look)
        drawing.bands(axis, [drawing.shade(rows, "step", looks[level]) for level, rows in firsts.items()])
        drawing.flags(axis, firsts, "step", looks)
        drawing.step_axis(axis, frame["step"])
    layout.legend(shown.figure, drawing.handles(arranged, (SOLID, DOTTED)), entries, title)
    caption = _training_caption(frame, arranged), drawing.signs(frame), arranged.remarks()
    return Drawing(shown.figure, wording.joined(*caption))


def _training_caption(frame: pd.DataFrame, arranged: Arrangement) -> str:
    """How far the weakest first layer comes, and what the lines are."""
    first = frame[(frame["place"] == gradients.PLACES[0]) & np.isfinite(frame["mean_log10"])]
    start = first[first["step"] == 0]
    if start.empty:
        return "No first layer has a finite gradient at the start."
    weakest = lowest(start, "mean_log10")
    same = rows_by(first, arranged.by)[tuple(weakest[factor] for factor in arranged.by)]
    end = highest(same, "step")
    who = wording.cell(weakest, arranged.by) or "all networks"
    zero = _zero_from(frame, weakest, arranged.by, end["step"])
    return (
        f"The weakest first-layer gradient before training, {wording.power(weakest['mean_log10'])} "
        f"({who}), stands at {wording.power(end['mean_log10'])} after "
        f"{wording.count(int(end['step']), 'step')}{zero}. Lines: mean of the finite logarithms over "
        "replicates; bands: 95 % interval of the first layer; a diverged network leaves its line."
    )


def _zero_from(frame: pd.DataFrame, weakest: Row, by: list[str], end: float) -> str:
    """Where a first layer's gradient is zero in all networks after its last finite logarithm: from when."""
    cell = rows_by(frame, [*by, "place"])[(*(weakest[factor] for factor in by), gradients.PLACES[0])]
    after = cell[cell["step"] > end]
    if after.empty or not (after["zero_share"] == 1).all():
        return ""
    return f" and is exactly zero in all networks from step {wording.setting(after['step'].min())} on"


@figure(title="Saturation by layer, trained", needs=("saturated",), applies=lambda grid: grid.deepest >= 2)
def saturation_by_layer(grid: GridRecords) -> Drawing:
    """Share of activations whose slope is at most 5 % of the largest, in every hidden layer at the end."""
    arranged = arrange(
        tuned(grid),
        hue=("initializer", "condition", "normalizer", "optimizer", "residual"),
        column=("depth",),
        row=("activation", "optimizer"),
    )
    by = arranged.by_depth
    frame = gradients.saturation(arranged.grid.runs, grid.layers, by)
    entries, title = drawing.entries(arranged), drawing.title(arranged)
    shown = layout.panels(arranged, "hidden layer", style.axis_label("saturated"), entries, title)
    looks, parts = drawing.looks(arranged), rows_by(frame, arranged.by)
    for where, axis in shown:
        shades = []
        for level, look in looks.items():
            if (rows := parts.get(drawing.key(arranged, where, level))) is None:
                continue
            rows = drawing.deepest(rows)
            axis.plot(rows["layer"], 100 * rows["saturated"], markevery=drawing.every(len(rows)), **look)
            low, high = 100 * rows["saturated_low"], 100 * rows["saturated_high"]
            shades.append((rows["layer"], low, high, look["color"]))
        drawing.bands(axis, shades)
        axis.set_ylim(-3, 103)
    layout.legend(shown.figure, drawing.handles(arranged), entries, title)
    return Drawing(shown.figure, wording.joined(_saturation_caption(frame, by), arranged.remarks()))


def _saturation_caption(frame: pd.DataFrame, by: list[str]) -> str:
    known = frame[frame["saturated"].notna()]
    if known.empty:
        return "No network has a last checkpoint to look at."
    worst = highest(known, "saturated")
    return (
        f"Most saturated after training: layer {worst['layer']} of {wording.cell(worst, by)}, where the "
        f"slope of {wording.percent(worst['saturated'])} of the activations is at most a twentieth of its "
        f"largest and {wording.percent(worst['dead'])} of the units are so for every sample. Lines: mean "
        "over replicates at the last recorded step; bands: 95 % interval."
    )
