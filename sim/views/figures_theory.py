"""The figure that sets measurement beside theory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.analysis.prediction import compare_with_theory
from sim.views import layout, style, wording
from sim.views.records import GridRecords
from sim.views.registry import Drawing, figure
from sim.views.rows import highest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


@figure(
    title="Measured beside theory",
    needs=("log10_grad_pre",),
    varies=("activation", "initializer", "bias"),
    applies=lambda grid: (
        grid.deepest >= 3 and len(grid.runs[["activation", "initializer"]].value_counts()) > 3
    ),
)
def measured_and_predicted(grid: GridRecords) -> Drawing:
    """Squared factor per layer, measured against mean field's prediction; the line is equality."""
    frame = compare_with_theory(grid.untrained.runs, grid.layers)
    known = frame[(frame["predicted"] > 0) & (frame["measured"] > 0) & np.isfinite(frame["predicted"])]
    levels = list(dict.fromkeys(known["activation"]))
    names = "predicted squared factor per layer, χ (log scale)", "measured (log scale)"
    drawn, axis = layout.single_panel(levels, style.label("activation"), *names)
    handles = [
        _points(axis, known[known["activation"] == level], index) for index, level in enumerate(levels)
    ]
    axis.set_xscale("log")
    axis.set_yscale("log")
    if levels:
        ends = [known["predicted"].min() / 1.5, known["predicted"].max() * 1.5]
        axis.plot(ends, ends, color=style.MUTED, linewidth=0.8, linestyle=(0, (4, 2.5)), zorder=0)
        layout.legend(drawn, handles, levels, style.label("activation"))
    return Drawing(drawn, _caption(known, len(frame)))


def _points(axis: Axes, rows: pd.DataFrame, index: int) -> Line2D:
    """Cells of one activation with their intervals; after ten colours the marker changes."""
    colour = style.colours(["name"] * style.HUES)[index % style.HUES]
    marker = style.MARKERS[(index + index // style.HUES) % len(style.MARKERS)]
    axis.vlines(rows["predicted"], rows["measured_low"], rows["measured_high"], color=colour, linewidth=0.7)
    look: dict[str, Any] = {"color": colour, "markersize": 4, "alpha": 0.8, "markeredgewidth": 0.6}
    (handle,) = axis.plot(rows["predicted"], rows["measured"], marker, **look)
    return handle


def _caption(known: pd.DataFrame, cells: int) -> str:
    if known.empty:
        return "Theory predicts none of these cells."
    away = known["log_difference"].abs()
    worst = highest(known.assign(away=away), "away")
    return (
        f"Mean field theory speaks of {len(known)} of {wording.count(cells, 'cell')}; measured and "
        f"predicted squared factors differ by {wording.percent(float(np.expm1(away.median())))} in the "
        f"median cell and most, by a factor of {wording.number(float(np.exp(away.max())))}, with "
        f"{wording.cell(worst, ('activation', 'initializer', 'depth'))}. Theory is exact for infinite "
        "width; bars: 95 % interval."
    )
