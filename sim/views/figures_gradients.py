"""Figures of where gradients vanish and explode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.analysis import gradients
from sim.analysis.prediction import compare_with_theory
from sim.views import drawing, layout, style, wording
from sim.views.arrangement import Arrangement, arrange, arrange_heatmap, factors_of
from sim.views.heatmaps import Scale, heatmap
from sim.views.records import GridRecords
from sim.views.registry import Drawing, figure
from sim.views.rows import highest, lowest, rows_by

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STRUCTURE = (
    "dataset", "depth", "width", "activation", "initializer", "bias", "normalizer", "residual", "scaling",
    "dropout",
)  # fmt: skip
"""Factors that change the gradients of a network before it is trained."""
SPAN = 3.0
"""Colours of the factor heatmap end at 10^±this or earlier: beyond, the number tells."""
DASHED = (0, (4, 2.5))


@figure(
    title="Gradient norm by layer, untrained",
    needs=("log10_grad_pre",),
    varies=STRUCTURE,
    applies=lambda grid: grid.deepest >= 2,
)
def gradient_by_layer(grid: GridRecords) -> Drawing:
    """log10 ‖∂L/∂h‖ of every layer before training; dashed: the slope that mean field theory predicts."""
    arranged = arrange(
        grid.untrained,
        hue=("initializer", "condition", "normalizer", "residual", "scaling"),
        column=("depth",),
        row=("activation",),
    )
    frame = gradients.by_layer(arranged.grid.runs, grid.layers, arranged.by_depth)
    entries, title = drawing.entries(arranged), drawing.title(arranged)
    names = style.axis_label("layer"), style.axis_label("log10_grad_pre")
    shown = layout.panels(arranged, *names, entries, title)
    looks, parts, theory = drawing.looks(arranged), rows_by(frame, arranged.by), _theory(arranged)
    for where, axis in shown:
        cells = {level: drawing.key(arranged, where, level) for level in looks}
        rows = {level: drawing.deepest(parts[cell]) for level, cell in cells.items() if cell in parts}
        drawing.bands(axis, [drawing.shade(rows[level], "layer", looks[level]) for level in rows])
        for level in rows:
            norms = rows[level].set_index("layer")["mean_log10"]
            axis.plot(norms.index, norms, markevery=drawing.every(len(norms)), **looks[level])
            _dashes(axis, rows[level], theory.get(cells[level]), looks[level]["color"])
        drawing.flags(axis, rows, "layer", looks)
    layout.legend(shown.figure, drawing.handles(arranged), entries, title)
    caption = wording.joined(_by_layer_caption(arranged, grid), _signs(frame, theory), arranged.remarks())
    return Drawing(shown.figure, caption)


def _theory(arranged: Arrangement) -> dict[tuple[Any, ...], float]:
    """Predicted log10 factor on the norm per layer of each cell that is one case of theory."""
    frame = compare_with_theory(arranged.grid.runs, arranged.grid.layers, arranged.by)
    known = frame[frame["predicted"] > 0]
    slopes = known.assign(slope=0.5 * np.log10(known["predicted"].astype(float)))
    cells = rows_by(slopes, arranged.by).items()
    return {cell: float(rows["slope"].iloc[0]) for cell, rows in cells if len(rows) == 1}


def _dashes(axis: Axes, rows: pd.DataFrame, slope: float | None, colour: Any) -> None:
    """Theory's slope through the last hidden layer's mean."""
    hidden = rows[rows["layer"] <= rows["depth"]]
    if slope is not None and len(hidden) and np.isfinite(end := hidden["mean_log10"].iloc[-1]):
        ends = np.array([hidden["layer"].iloc[0], hidden["layer"].iloc[-1]])
        axis.plot(ends, end + slope * (ends[-1] - ends), linestyle=DASHED, color=colour, linewidth=0.8)


def _signs(frame: pd.DataFrame, theory: dict[Any, float]) -> str:
    """What the marks of the figure stand for, those that occur."""
    said = "Lines: mean of the logarithm over replicates; bands: 95 % interval."
    return wording.joined(said, "Dashes: slope by mean field theory." if theory else "", drawing.signs(frame))


def _by_layer_caption(arranged: Arrangement, grid: GridRecords) -> str:
    """Where the norm falls and grows most from the last hidden layer back to the first."""
    names = arranged.by_depth
    ratio = gradients.first_to_last(arranged.grid.runs, grid.layers, names)
    known = ratio[np.isfinite(ratio["log10_ratio"])]
    if known.empty:
        return "No network has a finite gradient in both its first and its last hidden layer."
    falls, grows = lowest(known, "log10_ratio"), highest(known, "log10_ratio")
    return (
        "From the last hidden layer back to the first the gradient's norm changes by "
        f"{wording.power(falls['log10_ratio'])} ({wording.cell(falls, names)}) to "
        f"{wording.power(grows['log10_ratio'])} ({wording.cell(grows, names)})."
    )


@figure(
    title="Factor per layer, untrained",
    needs=("log10_grad_pre",),
    varies=("activation", "initializer"),
    applies=lambda grid: grid.deepest >= 3 and len({*factors_of(grid.untrained.conditioned), "depth"}) >= 3,
)
def factor_heatmap(grid: GridRecords) -> Drawing:
    """What one layer of back-propagation multiplies the gradient's norm by."""
    arranged = arrange_heatmap(
        grid.untrained,
        down=("activation", "initializer", "normalizer", "dataset"),
        across=("initializer", "condition", "normalizer", "residual", "scaling", "bias", "width"),
        panels=("condition", "normalizer", "width", "dataset"),
    )
    frame = gradients.per_layer_factor(arranged.grid.runs, grid.layers, arranged.by)
    frame = frame.assign(text=[_factor_text(row) for row in frame.itertuples()])
    reach = min(SPAN, float(np.nanmax(np.abs(frame["log10_factor"]), initial=0.1)))
    scale = Scale("factor on the norm per layer, log₁₀", style.DIVERGING, -reach, reach)
    drawn = heatmap(arranged, frame, "log10_factor", "text", scale)
    return Drawing(drawn, wording.joined(_factor_caption(frame, arranged.by), arranged.remarks()))


def _factor_text(row: Any) -> str:
    if np.isfinite(row.factor):
        return wording.short(row.factor)
    return "∞" if row.nonfinite_share > 0 else "0" if row.zero_share > 0 else "–"


def _factor_caption(frame: pd.DataFrame, by: list[str]) -> str:
    known = frame[np.isfinite(frame["log10_factor"])]
    if known.empty:
        return "No cell has finite gradients to fit a factor to."
    low, high = lowest(known, "factor"), highest(known, "factor")
    near = lowest(known.assign(away=known["log10_factor"].abs()), "away")
    falls, grows = int((known["factor_high"] < 1).sum()), int((known["factor_low"] > 1).sum())
    least, most = (f"{wording.number(row['factor'])} ({wording.cell(row, by)})" for row in (low, high))
    said = (
        f"One layer multiplies the gradient's norm by {least} to {most}; closest to 1 is "
        f"{wording.cell(near, by)} with {wording.number(near['factor'])}. Its 95 % "
        f"interval lies below 1 in {falls} and above 1 in {grows} of {wording.count(len(frame), 'cell')}."
    )
    zeros = int((frame["text"] == "0").sum())
    broken = int((frame["text"] == "∞").sum())
    if zeros + broken:
        said += f" Hatched: gradients exactly zero (0, {zeros} cells) or not finite (∞, {broken} cells)."
    return said
