"""The figure that sets measurement beside theory."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sim.analysis.prediction import compare_with_theory
from sim.views import layout, style, wording
from sim.views.records import GridRecords
from sim.views.registry import Drawing, figure


@figure(
    title="Measured beside theory",
    needs=("log10_grad_pre",),
    varies=("activation", "initializer", "bias"),
    applies=lambda grid: grid.deepest >= 3,
)
def measured_and_predicted(grid: GridRecords) -> Drawing:
    """Squared factor per layer, measured against mean field's prediction; the line is equality."""
    frame = compare_with_theory(grid.runs, grid.layers)
    known = frame[np.isfinite(frame["predicted"]) & np.isfinite(frame["measured"]) & (frame["predicted"] > 0)]
    levels = list(dict.fromkeys(known["activation"]))
    drawn, axis = layout.single_panel(levels, style.label("activation"), "predicted squared factor per layer, χ (log scale)",
                                       "measured (log scale)")  # fmt: skip
    palette = style.colours(levels[: style.HUES])
    handles = []
    for index, level in enumerate(levels):
        rows = known[known["activation"] == level]
        colour = palette[index % len(palette)]
        marker = style.MARKERS[(index + index // len(palette)) % len(style.MARKERS)]
        (handle,) = axis.loglog(
            rows["predicted"],
            rows["measured"],
            marker,
            color=colour,
            markersize=4,
            alpha=0.8,
            markeredgewidth=0,
        )
        axis.vlines(
            rows["predicted"], rows["measured_low"], rows["measured_high"], color=colour, linewidth=0.7
        )
        handles.append(handle)
    if len(known):
        ends = [known["predicted"].min() / 1.5, known["predicted"].max() * 1.5]
        axis.plot(ends, ends, color=style.MUTED, linewidth=0.8, linestyle=(0, (4, 2.5)), zorder=0)
        layout.legend(drawn, handles, levels, style.label("activation"))
    return Drawing(drawn, _caption(known, len(frame)))


def _caption(known: pd.DataFrame, cells: int) -> str:
    if known.empty:
        return "Theory predicts none of these cells."
    away = known["log_difference"].abs()
    worst = known.loc[away.idxmax()]
    return (
        f"Mean field theory speaks of {len(known)} of {wording.count(cells, 'cell')}; measured and predicted squared factors "
        f"differ by {wording.percent(float(np.expm1(away.median())))} in the median cell and most, by a factor of "
        f"{wording.number(float(np.exp(away.max())))}, with {wording.cell(worst, ('activation', 'initializer', 'depth'))}. "
        f"Theory is exact for infinite width; bars: 95 % interval."
    )
