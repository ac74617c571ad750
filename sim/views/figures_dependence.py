"""Figures of what a walk depends on: learning rate, noise, condition number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.views import contours, style, wording
from sim.views.goals import MINIMUM, goal
from sim.views.registry import Drawing
from sim.views.surface_records import DescentRecords, descent_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TICKS = 8


def _lines(records: DescentRecords, frame: pd.DataFrame, x: str, label: str) -> Any:
    """Two panels over one axis: the share at the best minimum (or at rest), and the median steps there."""
    aim = goal(records)
    looks = contours.looks(list(records.optimizers))
    figure, axes = _two(contours.legend_height(list(records.optimizers.values())))
    for optimizer, rows in frame.groupby("optimizer", sort=False):
        rows, look = rows.sort_values(x), looks[str(optimizer)]
        low, high = 100 * rows["share_best_low"], 100 * rows["share_best_high"]
        axes[0].plot(rows[x], 100 * rows["share_best"], **look)
        axes[0].fill_between(rows[x], low, high, color=look["color"], alpha=0.12, linewidth=0)
        steps = rows["median_steps"].where(np.isfinite(rows["median_steps"]))
        axes[1].plot(rows[x], np.maximum(steps, 1), **look)
    axes[0].set_ylabel(aim.share)
    axes[1].set_ylabel(aim.steps)
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


def rates_alone(records: DescentRecords) -> bool:
    """Many starts, and learning rates that vary while nothing else but the optimizer does."""
    return records.mapped and "lr" in records.varying and set(records.varying) <= {"optimizer", "lr"}


@descent_figure(title="Learning rate", applies=rates_alone)
def learning_rate(records: DescentRecords) -> Drawing:
    """How the outcome depends on the learning rate."""
    figure, axes = _lines(records, records.walks, "lr", style.label("lr"))
    for axis in axes:
        _logarithmic(axis, records.walks["lr"])
    axes[1].set_xlim(axes[0].get_xlim())
    aim = goal(records)
    return Drawing(
        figure, wording.joined(_tolerance(records), aim.left_out, "Bands: 95 % interval.", aim.remark)
    )


def _tolerance(records: DescentRecords) -> str:
    """Over how wide a range of learning rates which optimizer is about as fast as with its fastest."""
    aim = goal(records)
    within = {
        records.optimizers[str(optimizer)]: decades(rows)
        for optimizer, rows in records.walks.groupby("optimizer", sort=False)
        if np.isfinite(rows["median_steps"]).any()
    }
    if not within:
        return f"With no learning rate do half of the starts {aim.arrive}."
    widest, narrowest = max(within, key=within.__getitem__), min(within, key=within.__getitem__)
    spans = f"{within[narrowest]:.2g} decades of learning rates with {narrowest}"
    if widest != narrowest:
        spans += f" and over {within[widest]:.2g} with {widest}"
    return (
        f"Half of the starts {aim.arrive} within twice the shortest median time over {spans}: so much a "
        "guess may be off."
    )


def _logarithmic(axis: Axes, values: pd.Series) -> None:
    """A logarithmic axis; within two decades each value has its tick, for powers of ten would be too few."""
    from matplotlib.ticker import NullLocator

    axis.set_xscale("log")
    if values.max() < 100 * values.min():
        shown = sorted(values.unique())[:: 1 + values.nunique() // MOST_TICKS]
        axis.set_xticks(shown, [f"{value:.3g}" for value in shown])
        axis.xaxis.set_minor_locator(NullLocator())


def decades(rows: pd.DataFrame) -> float:
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
        axis.set_xlim(-0.05 * least, 1.3 * float(frame["noise"].max()))
    aim = goal(records)
    told = _noise_caption(records, frame) if aim is MINIMUM else _noise_at_rest(records, frame)
    return Drawing(figure, wording.joined(told, aim.left_out, "Bands: 95 % interval.", aim.remark))


def _noise_caption(records: DescentRecords, frame: pd.DataFrame) -> str:
    """Whom noise helps most to the best minimum, and what is left of everyone's share with the most noise."""
    calm = frame[frame["noise"] == frame["noise"].min()].set_index("optimizer")["share_best"]
    gain = frame["share_best"] - frame["optimizer"].map(calm)
    most = frame.assign(gain=gain).sort_values("gain", ascending=False, kind="stable").iloc[0]
    name, before = records.optimizers[most["optimizer"]], calm[most["optimizer"]]
    rest = f"{_loudest(frame)} of the starts end there."
    if most["gain"] <= 0:
        return f"Noise helps no rule to the best minimum; {rest}"
    return (
        f"Noise helps {name} most: with {wording.setting(most['noise'])} its share at the best minimum is "
        f"{wording.percent(most['share_best'])} instead of {wording.percent(before)}; {rest}"
    )


def _noise_at_rest(records: DescentRecords, frame: pd.DataFrame) -> str:
    """What share of the starts comes to rest, with the least noise and with the most."""
    calm = _shares(frame[frame["noise"] == frame["noise"].min()])
    least = float(frame["noise"].min())
    before = f"with noise {wording.setting(least)}" if least else "without noise"
    return f"{before.capitalize()} {calm} of the starts come to rest, {_loudest(frame)}."


def _loudest(frame: pd.DataFrame) -> str:
    """With noise 10 5 % to 80 %."""
    most = frame["noise"].max()
    return f"with noise {wording.setting(most)} {_shares(frame[frame['noise'] == most])}"


def _shares(frame: pd.DataFrame) -> str:
    """The shares of all optimizers: 5 % to 80 %, or one where they are equal."""
    low, high = (wording.percent(float(edge(frame["share_best"]))) for edge in (min, max))
    return low if low == high else f"{low} to {high}"


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


def ravines(records: DescentRecords) -> int:
    """How many of the surfaces have a condition number."""
    return sum("condition" in dict(choice.parameters) for choice in records.surfaces.values())


@descent_figure(
    title="Condition number",
    applies=lambda records: (
        2 * ravines(records) >= len(records.surfaces) > 2 and not {"noise", "steps"} & set(records.varying)
    ),
)
def condition(records: DescentRecords) -> Drawing:
    """Median steps to the minimum over the condition number, each optimizer at its best learning rate."""
    frame = conditions(records)
    families = list(dict.fromkeys(frame["family"]))[:2]
    looks = contours.looks(list(records.optimizers))
    figure, axes = _two(contours.legend_height(list(records.optimizers.values())))
    for axis, family in zip(axes, families, strict=False):
        for optimizer, rows in frame[frame["family"] == family].groupby("optimizer", sort=False):
            rows = rows.sort_values("condition")
            steps = rows["median_steps"].where(np.isfinite(rows["median_steps"]))
            axis.plot(rows["condition"], np.maximum(steps, 1), **looks[str(optimizer)])
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlim(0.8 * frame["condition"].min(), 1.25 * frame["condition"].max())
        axis.set_xlabel("condition number κ")
        axis.set_title(family.replace("_", " "))
    for axis in axes[len(families) :]:
        axis.set_visible(False)
    low, high = (
        edge(axis.get_ylim()[i] for axis in axes[: len(families)]) for i, edge in enumerate((min, max))
    )
    for axis in axes:
        axis.set_ylim(max(low, 0.5), high)  # 0 where no time is known
    axes[0].set_ylabel("median steps to the minimum" if goal(records) is MINIMUM else goal(records).steps)
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
    text, aim = "; ".join(told), goal(records)
    grow = f"{text[:1].upper()}{text[1:]} (fitted from κ = 10 on)."
    none = f"At fewer than two κ from 10 on half of the starts {aim.arrive}: no growth can be fitted."
    return wording.joined(
        grow.replace("-", "−") if told else none,
        "Each optimizer at its best learning rate; theory for the best settings says 1 for gradient descent "
        "and ½ for momentum that is tuned to κ too, which it is not here.",
        aim.remark,
    )
