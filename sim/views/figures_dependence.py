"""Figures of what a walk depends on: learning rate, noise, condition number, and the surface itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sim.views import contours, style, wording
from sim.views.registry import Drawing
from sim.views.surface_records import DescentRecords, descent_figure

SHARE = "starts at the best minimum (%)"
LEFT_OUT = "Times are left out where fewer than half of the starts stay at a minimum."


def _lines(records: DescentRecords, frame: pd.DataFrame, x: str, label: str) -> Any:
    """Two panels over one axis: the share at the best minimum, and the median steps to a minimum."""
    looks = contours.looks(list(records.optimizers))
    figure, axes = _two(contours.legend_height(len(looks)))
    for optimizer, rows in frame.groupby("optimizer", sort=False):
        rows, look = rows.sort_values(x), looks[str(optimizer)]
        low, high = 100 * rows["share_best_low"], 100 * rows["share_best_high"]
        axes[0].plot(rows[x], 100 * rows["share_best"], **look)
        axes[0].fill_between(rows[x], low, high, color=look["color"], alpha=0.12, linewidth=0)
        steps = rows["median_steps"].where(np.isfinite(rows["median_steps"]))
        axes[1].plot(rows[x], np.maximum(steps, 1), **look)
    axes[0].set_ylabel(SHARE)
    axes[1].set_ylabel("median steps to a minimum")
    axes[1].set_yscale("log")
    for axis in axes:
        axis.set_xlabel(label)
    contours.legend(figure, looks, dict(records.optimizers))
    return figure, axes


def _two(below: float) -> Any:
    """Two wide panels side by side."""
    from matplotlib.figure import Figure

    wide, tall, side = style.PAGE_WIDTH, 2.85 + below, 2.55
    figure = Figure(figsize=(wide, tall))
    axes = [
        figure.add_axes((x / wide, (0.42 + below) / tall, side / wide, 2.2 / tall))
        for x in (0.55, 0.55 + side + 0.75)
    ]
    return figure, axes


@descent_figure(
    title="Learning rate",
    applies=lambda records: (
        "lr" in records.varying and not {"surface", "noise", "steps"} & set(records.varying)
    ),
)
def learning_rate(records: DescentRecords) -> Drawing:
    """How the outcome depends on the learning rate."""
    figure, axes = _lines(records, records.walks, "lr", style.label("lr"))
    for axis in axes:
        axis.set_xscale("log")
    walks = records.walks
    within = {
        records.optimizers[str(optimizer)]: _decades(rows)
        for optimizer, rows in walks.groupby("optimizer", sort=False)
    }
    widest, narrowest = max(within, key=within.__getitem__), min(within, key=within.__getitem__)
    return Drawing(
        figure,
        "Half of the starts arrive within twice the shortest median time over "
        f"{within[narrowest]:.2g} decades of learning rates with {narrowest} and over {within[widest]:.2g} "
        f"with {widest}: so much a guess may be off. {LEFT_OUT} Bands: 95 % interval.",
    )


def _decades(rows: pd.DataFrame) -> float:
    """How many decades of learning rates take at most twice the shortest median time."""
    rows = rows.sort_values("lr")
    steps = np.maximum(rows["median_steps"].to_numpy(), 1.0)
    good = np.flatnonzero(steps <= 2 * steps.min()) if np.isfinite(steps).any() else np.array([0])
    rates = rows["lr"].to_numpy()
    return float(np.log10(rates[good[-1]] / rates[good[0]]))


@descent_figure(
    title="Gradient noise",
    applies=lambda records: "noise" in records.varying and not {"surface", "steps"} & set(records.varying),
)
def noise(records: DescentRecords) -> Drawing:
    """How the outcome depends on the standard deviation of what is added to the gradient."""
    frame = records.tuned
    figure, axes = _lines(records, frame, "noise", "standard deviation of the gradient noise")
    least = float(frame.loc[frame["noise"] > 0, "noise"].min())
    for axis in axes:
        axis.set_xscale("symlog", linthresh=least)
        axis.set_xlim(left=-0.05 * least)
    return Drawing(figure, f"{_noise_caption(records, frame)} {LEFT_OUT} Bands: 95 % interval.")


def _noise_caption(records: DescentRecords, frame: pd.DataFrame) -> str:
    """Whom noise helps most to the best minimum, and what is left of everyone's share with the most noise."""
    calm = frame[frame["noise"] == frame["noise"].min()].set_index("optimizer")["share_best"]
    gain = frame["share_best"] - frame["optimizer"].map(calm)
    most = frame.assign(gain=gain).sort_values("gain", ascending=False, kind="stable").iloc[0]
    name, before = records.optimizers[most["optimizer"]], calm[most["optimizer"]]
    loud = frame[frame["noise"] == frame["noise"].max()]["share_best"]
    rest = (
        f"with noise {wording.setting(frame['noise'].max())} {wording.percent(loud.min())} to "
        f"{wording.percent(loud.max())} of the starts end there."
    )
    if most["gain"] <= 0:
        return f"Noise helps no rule to the best minimum; {rest}"
    return (
        f"Noise helps {name} most: with {wording.setting(most['noise'])} its share at the best minimum is "
        f"{wording.percent(most['share_best'])} instead of {wording.percent(before)}; {rest}"
    )


def conditions(records: DescentRecords) -> pd.DataFrame:
    """The tuned walks on surfaces with a condition number: columns ``family`` and ``condition`` are added."""
    known = {
        label: (choice.name, float(choice.value("condition")))
        for label, choice in records.surfaces.items()
        if "condition" in dict(choice.parameters)
    }
    frame = records.tuned[records.tuned["surface"].isin(known)]
    return frame.assign(
        family=[known[label][0] for label in frame["surface"]],
        condition=[known[label][1] for label in frame["surface"]],
    )


def _ravines(records: DescentRecords) -> int:
    """How many of the surfaces have a condition number."""
    return sum("condition" in dict(choice.parameters) for choice in records.surfaces.values())


@descent_figure(
    title="Condition number",
    applies=lambda records: (
        2 * _ravines(records) >= len(records.surfaces) > 2 and not {"noise", "steps"} & set(records.varying)
    ),
)
def condition(records: DescentRecords) -> Drawing:
    """Median steps to the minimum over the condition number, each optimizer at its best learning rate."""
    frame = conditions(records)
    families = list(dict.fromkeys(frame["family"]))[:2]
    looks = contours.looks(list(records.optimizers))
    figure, axes = _two(contours.legend_height(len(looks)))
    for axis, family in zip(axes, families, strict=False):
        for optimizer, rows in frame[frame["family"] == family].groupby("optimizer", sort=False):
            rows = rows.sort_values("condition")
            steps = rows["median_steps"].where(np.isfinite(rows["median_steps"]))
            axis.plot(rows["condition"], np.maximum(steps, 1), **looks[str(optimizer)])
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("condition number κ")
        axis.set_title(family.replace("_", " "))
    for axis in axes[len(families) :]:
        axis.set_visible(False)
    low, high = (
        edge(axis.get_ylim()[i] for axis in axes[: len(families)]) for i, edge in enumerate((min, max))
    )
    for axis in axes:
        axis.set_ylim(low, high)
    axes[0].set_ylabel("median steps to the minimum")
    contours.legend(figure, looks, dict(records.optimizers))
    return Drawing(figure, _condition_caption(records, frame, families))


def _condition_caption(records: DescentRecords, frame: pd.DataFrame, families: list[str]) -> str:
    told = []
    for family in families:
        slopes = {}
        for optimizer, rows in frame[frame["family"] == family].groupby("optimizer", sort=False):
            rows = rows[np.isfinite(rows["median_steps"]) & (rows["condition"] >= 10)]
            if len(rows) > 1:
                fitted = np.polyfit(np.log(rows["condition"]), np.log(np.maximum(rows["median_steps"], 1)), 1)
                slopes[records.optimizers[str(optimizer)]] = round(float(fitted[0]), 2) + 0.0
        if slopes:
            ordered = sorted(slopes, key=slopes.__getitem__)
            told.append(
                f"{family.replace('_', ' ')}: steps grow as κ to the power "
                + wording.enumeration(f"{slopes[name]:.2f} ({name})" for name in ordered)
            )
    text = "; ".join(told)
    return (
        f"{text[:1].upper()}{text[1:]} (fitted from κ = 10 on). Each optimizer at its best learning rate; "
        "theory for the best settings says 1 for gradient descent and ½ for momentum that is tuned to κ too."
    ).replace("-", "−")


@descent_figure(
    title="Every optimizer on every surface",
    applies=lambda records: (
        records.mapped
        and len(records.optimizers) > 2
        and len(records.surfaces) > 2
        and 2 * _ravines(records) < len(records.surfaces)
    ),
)
def everywhere(records: DescentRecords) -> Drawing:
    """Share of starts at the best minimum, each optimizer at its best learning rate."""
    import seaborn
    from matplotlib.figure import Figure

    frame = records.tuned
    shares = 100 * frame.pivot_table(index="surface", columns="optimizer", values="share_best", sort=False)
    shares = shares.reindex(index=list(records.surfaces), columns=list(records.optimizers))
    wide, tall = style.PAGE_WIDTH, 0.19 * len(shares) + 1.0
    figure = Figure(figsize=(wide, tall))
    axis = figure.add_axes((1.2 / wide, 0.85 / tall, (wide - 1.95) / wide, (tall - 0.95) / tall))
    bar = figure.add_axes(((wide - 0.62) / wide, 0.85 / tall, 0.12 / wide, (tall - 0.95) / tall))
    seaborn.heatmap(
        shares, ax=axis, cbar_ax=bar, cmap=style.SEQUENTIAL, vmin=0, vmax=100, annot=True, fmt=".0f",
        linewidths=0.5, annot_kws={"fontsize": style.FONT_SIZE - 1}, cbar_kws={"label": SHARE},
    )  # fmt: skip
    axis.set(xlabel="", ylabel="")
    axis.set_xticks(
        np.arange(shares.shape[1]) + 0.5, list(records.optimizers.values()), rotation=38, ha="right",
        rotation_mode="anchor",
    )  # fmt: skip
    axis.set_yticks(
        np.arange(len(shares)) + 0.5, [name.replace("_", " ") for name in shares.index], rotation=0
    )
    axis.tick_params(length=0)
    hardest = shares.max(axis=1).sort_values(kind="stable")
    leads = shares.eq(shares.max(axis=1), axis=0).sum().sort_values(ascending=False, kind="stable")
    return Drawing(
        figure,
        f"Hardest: {hardest.index[0].replace('_', ' ')}, where the best rule brings {hardest.iloc[0]:.0f} % "
        f"of the starts to the best minimum. {records.optimizers[str(leads.index[0])]} is first, alone or "
        f"with others, on {leads.iloc[0]} of {len(shares)} surfaces. Each rule with the best of its learning "
        "rates on that surface, which flatters all of them alike.",
    )
