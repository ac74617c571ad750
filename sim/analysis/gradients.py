"""Where gradients vanish or explode, layer by layer, in networks of any depth.

Norms come as log10 and are averaged as log10: at depth 64 the mean of the norms themselves is ruled by a few
networks. A norm of exactly zero (−inf) and one that is no number are counted in `zero_share` and
`nonfinite_share` and stay out of means and slopes. A layer stands for itself in `layer` (1 … depth hidden,
depth + 1 the output). `checkpoint` 0 is the untrained network, −1 the last one that each run recorded.
`quantity` is log10_grad_pre (‖∂L/∂h‖) or log10_grad_weight (‖∂L/∂W‖); the two behave differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.analysis.cells import cells, joined, split
from sim.analysis.intervals import grouped_mean, grouped_share

PLACES = ("first hidden", "last hidden")


def per_layer_factor(
    runs: pd.DataFrame,
    layers: pd.DataFrame,
    by: Sequence[str],
    quantity: str = "log10_grad_pre",
    checkpoint: int = 0,
) -> pd.DataFrame:
    """What one layer of back-propagation multiplies the gradient's NORM by: below 1 it vanishes.

    factor = 10^s, s the least-squares slope of log10 norm over −layer through the hidden layers of one run;
    then the mean of s over the runs of a group with its t interval, exponentiated. `squared_factor` =
    factor² is the χ of mean field theory. A run needs two hidden layers of finite norm to be fitted.

    Columns: *by, networks, fitted, factor, factor_low, factor_high, squared_factor, squared_factor_low,
    squared_factor_high, log10_factor, log10_factor_sd, zero_share, nonfinite_share (shares of networks with
    such a norm in any hidden layer).
    """
    group = cells(runs, by)
    hidden = _hidden(runs, layers, quantity, checkpoint)
    slopes = _slopes(hidden, quantity, len(runs))
    fit = grouped_mean(slopes, group.number, len(group.keys))
    answers: dict[str, Any] = {"networks": group.networks, "fitted": fit["finite"]}
    for name, base in (("factor", 10.0), ("squared_factor", 100.0)):
        for column, ending in (("mean", ""), ("low", "_low"), ("high", "_high")):
            answers[name + ending] = base ** fit[column]
    answers |= {"log10_factor": fit["mean"], "log10_factor_sd": fit["sd"]}
    return group.beside(answers | _blemishes(hidden, quantity, group.number, len(group.keys)))


def log10_ratio(
    runs: pd.DataFrame, layers: pd.DataFrame, quantity: str = "log10_grad_pre", checkpoint: int = 0
) -> pd.Series:
    """log10 of the first hidden layer's norm over the last one's for every run, on the index of `runs`.

    −inf where only the first norm is zero, NaN where both are or where nothing was recorded.
    """
    hidden = _hidden(runs, layers, quantity, checkpoint)
    ends = []
    for layer in (1, hidden["depth"]):
        end = hidden[hidden["layer"] == layer]
        ends.append(
            pd.Series(end[quantity].to_numpy(), index=end["row"]).reindex(range(len(runs))).to_numpy()
        )
    with np.errstate(invalid="ignore"):
        return pd.Series(ends[0] - ends[1], index=runs.index, name="log10_ratio", dtype=np.float64)


def first_to_last(
    runs: pd.DataFrame,
    layers: pd.DataFrame,
    by: Sequence[str],
    quantity: str = "log10_grad_pre",
    checkpoint: int = 0,
) -> pd.DataFrame:
    """log10 of the first hidden layer's gradient norm over the last one's: very negative is vanished.

    Columns: *by, networks, finite, log10_ratio (mean of the finite ones), log10_ratio_low,
    log10_ratio_high, log10_ratio_sd, log10_ratio_median (−inf included), zero_share, nonfinite_share.
    """
    group = cells(runs, by)
    hidden = _hidden(runs, layers, quantity, checkpoint)
    ratio = log10_ratio(runs, layers, quantity, checkpoint).to_numpy()
    mean = grouped_mean(ratio, group.number, len(group.keys))
    answers: dict[str, Any] = {"networks": group.networks, "finite": mean["finite"]}
    answers |= {
        f"log10_ratio{ending}": mean[column]
        for column, ending in (("mean", ""), ("low", "_low"), ("high", "_high"), ("sd", "_sd"))
    }
    median = pd.Series(ratio).groupby(group.number).median()
    answers["log10_ratio_median"] = median.reindex(range(len(group.keys))).to_numpy()
    return group.beside(answers | _blemishes(hidden, quantity, group.number, len(group.keys)))


def by_layer(
    runs: pd.DataFrame,
    layers: pd.DataFrame,
    by: Sequence[str],
    quantity: str = "log10_grad_pre",
    checkpoint: int = 0,
) -> pd.DataFrame:
    """Gradient norm of every layer, hidden and output, over the runs of a group; put "depth" into `by`.

    Mean of log, spread of log and log of mean stand side by side: log10_mean = log10 of the mean norm,
    log10_rms = ½ log10 of the mean squared norm (what mean field theory predicts), zeros included as zeros.

    Columns: *by, layer, networks, finite, mean_log10, mean_log10_low, mean_log10_high, sd_log10,
    log10_mean, log10_rms, zero_share, nonfinite_share.
    """
    group = cells(runs, by)
    rows = joined(runs, layers, [quantity], checkpoint)
    (cell, layer), part = split(group.number[rows["row"]], rows["layer"].to_numpy())
    norm, count = rows[quantity].to_numpy(), len(cell)
    keys = group.keys.iloc[cell].reset_index(drop=True).assign(layer=layer)
    powers = {"log10_mean": _log10_power_mean(norm, part, count, 1)}
    powers["log10_rms"] = _log10_power_mean(norm, part, count, 2)
    answers = _norms(norm, part, count)
    shares = [answers.pop(name) for name in ("zero_share", "nonfinite_share")]
    return keys.assign(**answers, **powers, zero_share=shares[0], nonfinite_share=shares[1])


def over_training(
    runs: pd.DataFrame, layers: pd.DataFrame, by: Sequence[str], quantity: str = "log10_grad_pre"
) -> pd.DataFrame:
    """Gradient norm of the first and the last hidden layer by training step.

    Diverged runs leave when they diverge: `networks` counts the runs that stand at a step.

    Columns: *by, place ("first hidden" or "last hidden"), step, networks, finite, mean_log10,
    mean_log10_low, mean_log10_high, sd_log10, zero_share, nonfinite_share.
    """
    group = cells(runs, by)
    rows = joined(runs, layers, [quantity, "step"])
    first = rows[(rows["layer"] == 1) & (rows["depth"] > 0)]
    last = rows[rows["layer"] == rows["depth"]]
    both = pd.concat([first, last])
    place = np.repeat([0, 1], [len(first), len(last)])
    (cell, which, step), part = split(group.number[both["row"]], place, both["step"].to_numpy())
    keys = group.keys.iloc[cell].reset_index(drop=True)
    keys = keys.assign(place=np.array(PLACES, dtype=object)[which], step=step)
    return keys.assign(**_norms(both[quantity].to_numpy(), part, len(cell)))


def saturation(
    runs: pd.DataFrame, layers: pd.DataFrame, by: Sequence[str], checkpoint: int = -1
) -> pd.DataFrame:
    """Share of saturated activations and of dead units in every hidden layer, with t intervals.

    Columns: *by, layer, networks, saturated, saturated_low, saturated_high, dead, dead_low, dead_high.
    """
    group = cells(runs, by)
    rows = joined(runs, layers, ["saturated", "dead"], checkpoint)
    rows = rows[rows["layer"] <= rows["depth"]]
    (cell, layer), part = split(group.number[rows["row"]], rows["layer"].to_numpy())
    table = group.keys.iloc[cell].reset_index(drop=True)
    table = table.assign(layer=layer, networks=np.bincount(part, minlength=len(cell)))
    for name in ("saturated", "dead"):
        mean = grouped_mean(rows[name], part, len(cell))
        low, high = mean["low"].clip(lower=0.0), mean["high"].clip(upper=1.0)
        table = table.assign(**{name: mean["mean"], f"{name}_low": low, f"{name}_high": high})
    return table


def _hidden(runs: pd.DataFrame, layers: pd.DataFrame, quantity: str, checkpoint: int) -> pd.DataFrame:
    """The hidden layers' norms of these runs."""
    rows = joined(runs, layers, [quantity], checkpoint)
    return rows[rows["layer"] <= rows["depth"]]


def _slopes(hidden: pd.DataFrame, quantity: str, count: int) -> NDArray[np.float64]:
    """Least-squares slope of log10 norm over −layer of each run; NaN below two finite norms."""
    finite = hidden[np.isfinite(hidden[quantity])]
    row, norm = finite["row"].to_numpy(), finite[quantity].to_numpy()
    back = -finite["layer"].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.bincount(row, back, minlength=count) / np.bincount(row, minlength=count)
        away = back - middle[row]
        return np.bincount(row, away * norm, minlength=count) / np.bincount(row, away**2, minlength=count)


def _blemishes(
    hidden: pd.DataFrame, quantity: str, number: NDArray[np.int64], count: int
) -> dict[str, NDArray[np.float64]]:
    """Shares of networks with a zero norm and with a non-finite norm in any hidden layer."""
    norm, row = hidden[quantity].to_numpy(), hidden["row"].to_numpy()
    zero, broken = np.zeros(len(number), dtype=bool), np.zeros(len(number), dtype=bool)
    zero[row[np.isneginf(norm)]] = True
    broken[row[np.isnan(norm) | np.isposinf(norm)]] = True
    return {
        "zero_share": grouped_share(zero, number, count),
        "nonfinite_share": grouped_share(broken, number, count),
    }


def _norms(norm: NDArray[np.float64], part: NDArray[np.int64], count: int) -> dict[str, Any]:
    """The columns that by_layer and over_training share."""
    mean = grouped_mean(norm, part, count)
    return {
        "networks": np.bincount(part, minlength=count),
        "finite": mean["finite"],
        "mean_log10": mean["mean"],
        "mean_log10_low": mean["low"],
        "mean_log10_high": mean["high"],
        "sd_log10": mean["sd"],
        "zero_share": grouped_share(np.isneginf(norm), part, count),
        "nonfinite_share": grouped_share(np.isnan(norm) | np.isposinf(norm), part, count),
    }


def _log10_power_mean(
    norm: NDArray[np.float64], part: NDArray[np.int64], count: int, power: int
) -> NDArray[np.float64]:
    """log10 of (mean of norm^power)^(1/power) from log10 norms, without overflow; broken norms left out."""
    kept = ~(np.isnan(norm) | np.isposinf(norm))
    norm, part = norm[kept], part[kept]
    largest = np.full(count, -np.inf)
    np.maximum.at(largest, part, norm)
    anchor = np.where(np.isneginf(largest), 0.0, largest)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.bincount(part, 10.0 ** (power * (norm - anchor[part])), minlength=count)
        return anchor + np.log10(total / np.bincount(part, minlength=count)) / power
