"""Measured gradients of untrained networks beside what mean field theory predicts."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from sim.analysis.gradients import per_layer_factor
from sim.study import Choice
from sim.study.choices import family
from sim.theory.mean_field import (
    bound,
    fixed_point,
    gradient_factor,
    predicted_profile,
    weight_variance,
)

KEYS = ("activation", "initializer", "width", "depth", "bias", "scaling")
"""What a prediction depends on."""


def compare_with_theory(
    runs: pd.DataFrame, layers: pd.DataFrame, by: Sequence[str] = ("activation", "initializer", "depth")
) -> pd.DataFrame:
    """Measured squared factor per layer of plain untrained networks beside mean field's χ.

    Plain: no normalizer, no residual connection, no dropout; other runs are left out. Groups are split by
    whatever a prediction depends on (KEYS), written or not. `measured` is `squared_factor` of
    gradients.per_layer_factor on ∂L/∂h. `predicted` follows the variance from the data through as many
    layers and fits the same slope; `predicted_deep` is χ₁ at the fixed point q*, where deep layers tend to.
    Layers are taken as square, the first one too, and inputs as centred with variance 1 unless the scaling
    says otherwise. NaN where theory has no answer (weights that are no independent draws, unscaled inputs).

    Theory speaks of infinite width and of the log of the mean; the measured mean of logs lies lower, by
    about 5/2n a layer for ReLU of width n (Hanin & Nica 2018).

    Columns: *by, *the other KEYS, networks, fitted, measured, measured_low, measured_high, predicted,
    predicted_deep, log_difference (ln measured − ln predicted, per layer), within_interval.
    """
    plain = (runs["normalizer"] == "none") & ~runs["residual"].astype(bool) & (runs["dropout"] == 0)
    by = [*by, *(key for key in KEYS if key not in by)]
    factors = per_layer_factor(runs[plain], layers, by)
    cases = zip(*(factors[key] for key in KEYS), strict=True)
    predictions = [predict(*case[:2], int(case[2]), int(case[3]), *case[4:]) for case in cases]
    theory = np.array(predictions, dtype=np.float64).reshape(-1, 2)
    columns = {"squared_factor": "measured", "squared_factor_low": "measured_low"}
    columns |= {"squared_factor_high": "measured_high"}
    table = factors[[*by, "networks", "fitted", *columns]].rename(columns=columns)
    table = table.assign(predicted=theory[:, 0], predicted_deep=theory[:, 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.log(table["measured"]) - np.log(table["predicted"])
    within = table["predicted"].between(table["measured_low"], table["measured_high"])
    return table.assign(log_difference=difference, within_interval=within)


@lru_cache(maxsize=4096)
def predict(
    activation: str, initializer: str, width: int, depth: int, bias: str, scaling: str
) -> tuple[float, float]:
    """Squared factor per layer over `depth` layers from the data on, and χ₁ at q*; parts by their labels.

    NaN for parts that theory says nothing of, a user's own from a file among them.
    """
    if not all(map(is_known, ("activation", "initializer"), (activation, initializer))):
        return np.nan, np.nan
    weights, biases = parse("initializer", initializer), parse("bias", bias)
    sigma = weight_variance(weights.name, weights.parameters, width, width)
    given = dict(biases.parameters)
    square = {"zeros": 0.0, "constant": given.get("value"), "normal": given.get("std")}.get(biases.name)
    inputs = _input_variance(parse("scaling", scaling))
    if sigma is None or square is None:
        return np.nan, np.nan
    shape = parse("activation", activation)
    deep = _deep_factor(shape, sigma, square**2)
    if depth < 2 or inputs is None or sigma == 0.0:
        return np.nan, deep
    profile = predicted_profile(shape.part, shape.parameters, sigma, square**2, inputs, depth)
    norm = profile.log10_grad_pre[:depth]
    if not np.isfinite(norm).all():
        return np.nan, deep
    return float(100.0 ** np.polyfit(-np.arange(1.0, depth + 1), norm, 1)[0]), deep


def parse(kind: str, label: str) -> Choice:
    """The choice that a label of the records stands for, e.g. "normal(std=0.01)", defaults filled in."""
    name, _, inside = label.removesuffix(")").partition("(")
    pairs = (pair.partition("=") for pair in inside.split(", ") if pair)
    given = {key: _value(text) for key, _, text in pairs}
    return Choice(kind, name, tuple(family(kind)[name].bind(**given).items()))


def is_known(kind: str, label: str) -> bool:
    """Whether a label of the records is that of a part of the catalog: one from a file tells its path."""
    name, _, inside = label.removesuffix(")").partition("(")
    return name in list(family(kind)) and not inside.startswith("path=")


def _value(text: str) -> object:
    """A number or truth value as itself, anything else as text."""
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError):
        return text


@lru_cache(maxsize=1024)
def _deep_factor(activation: Choice, sigma: float, bias_variance: float) -> float:
    """χ₁ at the fixed point; many depths share it."""
    phi = bound(activation.part, activation.parameters)
    return gradient_factor(phi, sigma, fixed_point(phi, sigma, bias_variance))


def _input_variance(scaling: Choice) -> float | None:
    """Mean square of a scaled input; None where it depends on the data."""
    given = dict(scaling.parameters)
    known = {"standardize": 1.0, "shift": 1.0 + given.get("by", 0.0) ** 2, "scale": given.get("by", 0.0) ** 2}
    return known.get(scaling.name)
