"""Every optimizer on every surface, in one heatmap."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from sim.catalog.surfaces import minima_of
from sim.views import style, wording
from sim.views.figures_dependence import ravines
from sim.views.goals import MINIMUM
from sim.views.registry import Drawing
from sim.views.surface_records import DescentRecords, descent_figure

TILT = 38
MANY = 20
"""With more columns than this their numbers are a size smaller."""


@descent_figure(
    title="Every optimizer on every surface",
    applies=lambda records: (
        records.mapped
        and len(records.optimizers) > 2
        and len(records.surfaces) > 2
        and any(map(records.known, records.surfaces))
        and 2 * ravines(records) < len(records.surfaces)
    ),
)
def everywhere(records: DescentRecords) -> Drawing:
    """Share of starts at the best minimum, each optimizer at its best learning rate."""
    import seaborn
    from matplotlib.figure import Figure

    frame = records.tuned
    known = [label for label in records.surfaces if records.known(label)]
    shares = 100 * frame.pivot_table(index="surface", columns="optimizer", values="share_best", sort=False)
    shares = shares.reindex(index=known, columns=list(records.optimizers))
    longest = style.LETTER * max(map(len, records.optimizers.values()))
    below = 0.2 + longest * math.sin(math.radians(TILT))
    high = 0.19 * len(shares)
    wide, tall = style.PAGE_WIDTH, high + below + 0.1
    figure = Figure(figsize=(wide, tall))
    axis = figure.add_axes((1.2 / wide, below / tall, (wide - 1.95) / wide, high / tall))
    bar = figure.add_axes(((wide - 0.62) / wide, below / tall, 0.12 / wide, high / tall))
    letters = style.FONT_SIZE - (1 if shares.shape[1] <= MANY else 2)
    seaborn.heatmap(
        shares, ax=axis, cbar_ax=bar, cmap=style.SEQUENTIAL, vmin=0, vmax=100, annot=True, fmt=".0f",
        linewidths=0.5, annot_kws={"fontsize": letters}, cbar_kws={"label": MINIMUM.share},
    )  # fmt: skip
    axis.set(xlabel="", ylabel="")
    axis.set_xticks(
        np.arange(shares.shape[1]) + 0.5, list(records.optimizers.values()), rotation=TILT, ha="right",
        rotation_mode="anchor",
    )  # fmt: skip
    axis.set_yticks(
        np.arange(len(shares)) + 0.5, [name.replace("_", " ") for name in shares.index], rotation=0
    )
    axis.tick_params(length=0)
    return Drawing(figure, _everywhere_caption(records, shares))


def _everywhere_caption(records: DescentRecords, shares: pd.DataFrame) -> str:
    """The hardest surface, who is first most often, and what speaks for those whose minimum is the origin."""
    hardest = shares.max(axis=1).sort_values(kind="stable")
    leads = shares.eq(shares.max(axis=1), axis=0).sum().sort_values(ascending=False, kind="stable")
    unknown = [_words(label) for label in records.surfaces if not records.known(label)]
    best = str(leads.index[0])
    return wording.joined(
        f"Hardest: {_words(hardest.index[0])}, where the best rule brings {hardest.iloc[0]:.0f} % of the "
        f"starts to the best minimum. {records.optimizers[best]} is first, alone or with others, on "
        f"{leads.iloc[0]} of {len(shares)} surfaces. Each rule with the best of its learning rates on "
        "that surface, which flatters all of them alike.",
        f"Left out, for it has no minimum: {wording.enumeration(unknown)}." if unknown else "",
        _origin(records, shares),
    )


def _origin(records: DescentRecords, shares: pd.DataFrame) -> str:
    """A word for rules that scale a step with ‖θ‖: around the origin they step least."""
    scaling = [name for name in records.optimizers.values() if name in ("lars", "lamb")]
    there = [
        _words(label)
        for label in shares.index
        if not any(minima_of(records.surfaces[label].part)[0].at) and shares.loc[label].max() > 0
    ]
    if not scaling or not there:
        return ""
    return (
        f"{wording.enumeration(scaling)} scale their steps with the distance from the origin, which "
        f"helps where the best minimum is the origin ({wording.enumeration(there)})."
    )


def _words(label: str) -> str:
    return label.replace("_", " ")
