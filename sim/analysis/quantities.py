"""The quantities of claims (:mod:`sim.study.quantities`), computed from the records: no run is left out.

A network that diverged has the loss it had untrained (whoever stops there has it for nothing), accuracy 0,
and never reaches a target afterwards.  Who does not reach a target counts with all the steps there were.  A
norm of exactly zero counts as 1e-308.  What cannot be told of a run is NaN, and a claim with one has no
verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from sim.analysis.cells import joined
from sim.analysis.gradients import log10_ratio, per_layer_factor
from sim.study.quantities import LOG_STEPS, STEPS, SUCCESS

FLOOR = -308.0
Tables = Mapping[str, pd.DataFrame]
"""Name of a table of records -> its rows."""


def of_networks(tables: Tables, name: str, target: str | None, checkpoint: int) -> pd.DataFrame:
    """The quantity of every network: columns run, unit (its replicate), value.

    ``tables``: runs, curves, layers.  ``target``: the one that "success" is about.
    """
    runs = tables["runs"]
    if name == "success":
        name = f"{SUCCESS}{target}"
    if name.startswith((STEPS, SUCCESS, LOG_STEPS)):
        value = _about_target(runs, name)
    elif name in READ_AT:
        value = READ_AT[name](runs, tables["layers"], checkpoint)
    else:
        value = READ[name](runs, tables["curves"])
    return pd.DataFrame({"run": runs["run"], "unit": runs["replicate"], "value": np.asarray(value, float)})


def _about_target(runs: pd.DataFrame, name: str) -> pd.Series:
    """Whether a target was reached, the steps to it, or their logarithm (from one step on)."""
    kind = next(prefix for prefix in (LOG_STEPS, STEPS, SUCCESS) if name.startswith(prefix))
    time = runs[f"{STEPS}{name.removeprefix(kind)}"]
    if kind == SUCCESS:
        return time.notna()
    steps = pd.Series(np.fmin(time, runs["steps"]))
    return steps if kind == STEPS else _log10(steps.clip(lower=1))


def of_surfaces(tables: Tables, name: str) -> pd.DataFrame:
    """The quantity of every start of every walk: columns run, unit (the start), value.

    ``tables``: walks, ends.
    """
    ends, steps = tables["ends"], tables["walks"].set_index("run")["steps"]
    reached = (ends["status"] == "reached").to_numpy()
    value = {
        "best_minimum": lambda: ends["best"],
        "success": lambda: reached,
        "diverged": lambda: ends["status"] == "diverged",
        "steps_to_reach": lambda: np.fmin(ends["steps_to_reach"], ends["run"].map(steps)),
        "path_length": lambda: ends["path_length"].where(reached),
        "end_value": lambda: ends["value"],
    }[name]()
    return pd.DataFrame({"run": ends["run"], "unit": ends["start"], "value": np.asarray(value, float)})


def _diverged(runs: pd.DataFrame) -> pd.Series:
    return runs["status"] == "diverged"


def _loss(split: str) -> Callable[[pd.DataFrame, pd.DataFrame], pd.Series]:
    def read(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.Series:
        first = curves[curves["checkpoint"] == 0].set_index("run")[f"{split}_loss"]
        return runs[f"final_{split}_loss"].where(~_diverged(runs), runs["run"].map(first))

    return read


def _log10_loss(split: str) -> Callable[[pd.DataFrame, pd.DataFrame], pd.Series]:
    return lambda runs, curves: _log10(_loss(split)(runs, curves))


def _log10(values: pd.Series) -> pd.Series:
    return np.log10(values.clip(lower=10.0**FLOOR))


def _accuracy(split: str) -> Callable[[pd.DataFrame, pd.DataFrame], pd.Series]:
    return lambda runs, curves: runs[f"final_{split}_accuracy"].where(~_diverged(runs), 0.0)


def _loss_noise(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.Series:
    """log10 of the sd of log10 L(next checkpoint) / L(checkpoint), L the train loss, second half of training.

    A loss that falls at a steady rate has none, however small it is; what is left is what goes up and down.
    """
    half = runs.set_index("run")["steps"] / 2
    late = curves[curves["step"] >= curves["run"].map(half)]
    change = _log10(late["train_loss"]).groupby(late["run"]).diff()
    noise = change.groupby(late["run"]).std()
    return _log10(runs["run"].map(noise)).where(~_diverged(runs))


def _accuracy_lost(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.Series:
    best = runs["run"].map(curves.groupby("run")["test_accuracy"].max())
    return best - _accuracy("test")(runs, curves)


def _loss_risen(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.Series:
    return _loss("test")(runs, curves) - runs["run"].map(curves.groupby("run")["test_loss"].min())


def _layer_factor(runs: pd.DataFrame, layers: pd.DataFrame, checkpoint: int) -> pd.Series:
    fits = per_layer_factor(runs, layers, ["run"], checkpoint=checkpoint)
    return runs["run"].map(fits.set_index("run")["log10_factor"])


def _update(runs: pd.DataFrame, layers: pd.DataFrame, checkpoint: int) -> pd.Series:
    rows = joined(runs, layers, ["update_ratio"], checkpoint)
    means = _log10(rows["update_ratio"]).groupby(rows["row"]).mean()
    return means.reindex(range(len(runs)))


READ: Mapping[str, Callable[[pd.DataFrame, pd.DataFrame], pd.Series]] = {
    **{f"final_{split}_loss": _loss(split) for split in ("train", "test")},
    **{f"log10_final_{split}_loss": _log10_loss(split) for split in ("train", "test")},
    **{f"final_{split}_accuracy": _accuracy(split) for split in ("train", "test")},
    "diverged": lambda runs, curves: _diverged(runs),
    "loss_noise": _loss_noise,
    "test_accuracy_lost": _accuracy_lost,
    "test_loss_risen": _loss_risen,
}
"""What is read from runs and curves."""

READ_AT: Mapping[str, Callable[[pd.DataFrame, pd.DataFrame, int], pd.Series]] = {
    "log10_gradient_ratio": lambda runs, layers, at: log10_ratio(runs, layers, checkpoint=at).clip(
        lower=FLOOR
    ),
    "log10_layer_factor": _layer_factor,
    "gradient_drift": lambda runs, layers, at: _layer_factor(runs, layers, at).abs(),
    "log10_update": _update,
}
"""What is read from the layers at a checkpoint."""
