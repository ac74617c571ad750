"""Published numbers out of our own runs: each with its standard error, so that it could fail.

"Factor" is the one on the SQUARED gradient ∂L/∂h over one layer.  Everything goes the way a user's study
goes, from a dict through :func:`sim.run_study` to the records.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sim
from sim.theory import finite_width, normalization

LN_10 = np.log(10)
"""Loss of a network that gives each of ten digits the same chance."""

INFINITESIMAL = {"name": "scale", "by": 1e-12}
"""Inputs so small that a bias-free homogeneous network answers 1/10 to every digit, whatever its weights.
The gradient at the output is then independent of the weights, as the exact theory supposes."""


def study(**grid: Any) -> sim.RunRecords:
    """The records of a study with one grid on the ten digits."""
    given = {"name": "answers", "dataset": "digits", "scaling": "standardize", "precision": "float64", **grid}
    return sim.run_study({"title": "Known answers", "seed": 11, "grid": [given]}, jobs=1)


def untrained(column: str = "log10_grad_pre", **grid: Any) -> np.ndarray:
    """Natural log of the squared norms in ``column`` of untrained networks, (networks, depth + 1)."""
    few = {"samples": 64, "test_fraction": 0.02, "evaluate": 1}  # every replicate has a table of its own
    once = {"batch_size": 16, "steps": 1, "checkpoints": 2, "measure": ["gradients"]}
    layers = study(**{**few, **once, **grid}).layers
    table = layers[layers["checkpoint"] == 0].pivot(index="run", columns="layer", values=column)
    return 2 * LN_10 * table.to_numpy()


def log_factors(**grid: Any) -> np.ndarray:
    """ln ‖∂L/∂h^l‖²/‖∂L/∂h^{l+1}‖² for l = 1 … depth − 1 (both hidden), (networks, depth − 1)."""
    return -np.diff(untrained(**grid), axis=1)[:, :-1]


def agrees(samples: np.ndarray, expected: float, error: float, bias: float = 0.0) -> None:
    """The mean of independent ``samples`` is ``expected``: 4 standard errors off at most, plus ``bias``.

    ``error`` is the standard error that the test relies on: a wider one fails, it would prove too little.
    """
    found = samples.std(ddof=1) / np.sqrt(samples.size)
    assert found <= error
    assert abs(samples.mean() - expected) <= 4 * found + bias


# --- Networks of finite width, exactly (Hanin 2018; Hanin and Nica 2018) --------------------------------


def relu(initializer: Any, **more: Any) -> np.ndarray:
    """Factors of bias-free ReLU networks of width 32, on one sample each."""
    grid = {"activation": "relu", "initializer": initializer, "depth": 16, "width": 32, "replicates": 300}
    return log_factors(**{**grid, "batch_size": 1, "scaling": INFINITESIMAL, **more})


@pytest.mark.parametrize(("initializer", "factor"), [("he_normal", 1.0), ("glorot_normal", 0.5)])
def test_he_keeps_the_squared_gradient_and_xavier_halves_it(initializer, factor):
    """He et al. (2015).  A layer's factor has mean 1 or ½ and relative variance 5/n."""
    factors = np.exp(relu(initializer)).ravel()
    agrees(factors, factor, error=factor * 0.007)
    agrees((factors / factor) ** 2, finite_width.second_moment(32), error=0.03)


@pytest.mark.parametrize(("initializer", "shift"), [("he_normal", 0.0), ("glorot_normal", -np.log(2))])
def test_the_typical_gradient_falls_even_where_the_mean_is_kept(initializer, shift):
    """The mean log of a layer's factor is m(n), not 0: twelve standard errors of this test apart."""
    logs = relu(initializer)
    agrees(logs.ravel(), finite_width.mean_log_ratio(32) + shift, error=0.0068)
    assert abs(logs.mean() - shift) > 8 * 0.0068
    assert logs.var() == pytest.approx(finite_width.variance_log_ratio(32), rel=0.1)
    # independent layers: the variance adds up; 300 networks know it to 8 %
    assert logs.sum(axis=1).var() == pytest.approx(15 * finite_width.variance_log_ratio(32), rel=0.33)


def test_xavier_is_he_with_half_the_factor_in_every_single_layer():
    """The same draws scaled: the two differ by ln 2 and by rounding, network for network."""
    difference = relu("he_normal", replicates=20) - relu("glorot_normal", replicates=20)
    np.testing.assert_allclose(difference, np.log(2), atol=1e-9)


@pytest.mark.slow
def test_sixteen_layers_of_four_thousand_networks():
    """ln of the first to the output layer's squared gradient: mean −1.3206, variance 2.840."""
    grid = {"activation": "relu", "initializer": "he_normal", "depth": 16, "width": 32, "batch_size": 1}
    norms = untrained(**grid, scaling=INFINITESIMAL, replicates=4000)
    whole = norms[:, 0] - norms[:, -1]
    agrees(whole, -1.3206, error=0.028)
    assert whole.var() == pytest.approx(2.840, rel=0.1)  # 4 standard errors


def test_random_walk_initialization_has_no_drift():
    """Sussillo and Abbott (2014) choose the gain that makes the mean log 0: 0.0014 off at width 32."""
    agrees(relu("random_walk").ravel(), 0.0, error=0.0068, bias=0.0015)


def test_orthogonal_weights_spread_relu_gradients_less():
    """E r = 1 and E r² = 1 + 3/(n+2) where Gaussian weights have 1 + 5/n."""
    factors = np.exp(relu({"name": "orthogonal", "gain": 2**0.5})).ravel()
    agrees(factors, 1.0, error=0.005)
    agrees(factors**2, finite_width.second_moment(32, orthogonal=True), error=0.015)
    assert abs((factors**2).mean() - finite_width.second_moment(32)) > 4 * 0.01


def test_linear_networks_spread_as_the_chi_square():
    """LeCun's weights: r = χ²_n/n; orthogonal ones keep every gradient as it is."""
    factors = np.exp(relu("lecun_normal", activation="linear")).ravel()
    agrees(factors, 1.0, error=0.005)
    agrees(factors**2, finite_width.second_moment(32, "linear"), error=0.01)
    np.testing.assert_allclose(relu("orthogonal", activation="linear", replicates=5), 0.0, atol=1e-9)


def test_narrow_relu_networks_are_dead_as_often_as_coins_say():
    """P(dead on one sample) = 1 − Π(1 − 2^{−n}) = 0.656 for 8 layers of 3 units; dead: not one non-zero."""
    dead = np.isneginf(untrained(activation="relu", depth=8, width=3, batch_size=1, replicates=1000)[:, 0])
    agrees(dead.astype(float), finite_width.probability_dead([3] * 8), error=0.0152)


def test_weight_gradients_stay_level_while_the_signal_gradients_vanish():
    """Glorot and Bengio (2010, eq. 14): ‖∂L/∂W‖² is alike in all layers where ‖∂L/∂h‖² halves in each."""
    grid = {"activation": "relu", "initializer": "glorot_normal", "depth": 12, "width": 64, "batch_size": 1}
    grid = {**grid, "scaling": INFINITESIMAL, "replicates": 300}
    weights, signals = untrained("log10_grad_weight", **grid), untrained(**grid)
    agrees((weights[:, 0] - weights[:, -2]) / 11, 0.0, error=0.007)
    drift = finite_width.mean_log_ratio(64) - np.log(2)
    agrees((signals[:, 0] - signals[:, -2]) / 11, drift, error=0.007)


# --- Mean field theory (Poole et al. 2016; Schoenholz et al. 2017) --------------------------------------

MEAN_FIELD = {
    "sigmoid, σw² = 1/3": ("sigmoid", "standard", 9, 3, 0.0200078),
    "sigmoid, σw² = 1": ("sigmoid", "lecun_normal", 9, 3, 0.0557207),
    "sigmoid, Xavier": ("sigmoid", "glorot_normal", 9, 3, 0.0557207),
    "sigmoid, σw² = 2": ("sigmoid", "he_normal", 9, 3, 0.100977),
    "tanh, σw² = 1/3": ("tanh", "standard", 12, 6, 1 / 3),
    "tanh, σw² = 2": ("tanh", "he_normal", 14, 7, 1.105529),
    "selu, σw² = 1": ("selu", "lecun_normal", 24, 14, 1.071575),
    "linear, σw² = 1": ("linear", "lecun_normal", 9, 1, 1.0),
}


@pytest.mark.parametrize(
    ("activation", "initializer", "depth", "settled", "factor"), MEAN_FIELD.values(), ids=MEAN_FIELD.keys()
)
def test_mean_field_factors(activation, initializer, depth, settled, factor):
    """Width 256, from the layer on where the variance has reached its fixed point; 2 % for finite width."""
    grid = {"activation": activation, "initializer": initializer, "depth": depth, "width": 256}
    logs = log_factors(**grid, replicates=40)[:, settled - 1 :]
    agrees(logs.mean(axis=1), np.log(factor), error=0.005, bias=0.02)
    assert abs(np.exp(logs.mean()) - factor) < 0.03 * factor


TOO_LARGE_OR_SMALL = {
    "tanh, std 1": ("tanh", 1.0, 4.4846, 0.03),
    "sigmoid, std 1": ("sigmoid", 1.0, 0.7948, 0.03),
    "relu, std 0.01": ("relu", 0.01, 0.0032, 0.02),
    "tanh, std 0.01": ("tanh", 0.01, 0.0064, 0.02),
}


@pytest.mark.parametrize(
    ("activation", "std", "factor", "error"), TOO_LARGE_OR_SMALL.values(), ids=TOO_LARGE_OR_SMALL.keys()
)
def test_weights_of_one_spread_whatever_the_width(activation, std, factor, error):
    """Width 64, where a typical factor is up to about 3 in 64 below its mean."""
    grid = {"activation": activation, "initializer": {"name": "normal", "std": std}, "depth": 10, "width": 64}
    logs = log_factors(**grid, replicates=60)[:, 2:]
    agrees(logs.mean(axis=1), np.log(factor), error=error, bias=3 / 64)


# --- Normalization (Yang et al. 2019) --------------------------------------------------------------------


def normalized(activation: str, normalizer: str, batch: int, depth: int, width: int, nets: int) -> np.ndarray:
    """Each network's mean log factor over the middle half of its layers."""
    grid = {"activation": activation, "normalizer": normalizer, "initializer": "lecun_normal"}
    logs = log_factors(**grid, batch_size=batch, depth=depth, width=width, replicates=nets)
    quarter = logs.shape[1] // 4
    return logs[:, quarter:-quarter].mean(axis=1)


def test_batch_normalization_explodes_gradients_of_relu_networks():
    """1.522 ± 0.02 a layer at B = 32, where the same network without it has ½."""
    logs = normalized("relu", "batch", batch=32, depth=32, width=128, nets=30)
    assert logs.std(ddof=1) / np.sqrt(30) < 0.003
    assert np.exp(logs.mean()) == pytest.approx(1.522, abs=0.02)


def test_batch_normalization_explodes_more_in_small_batches():
    logs = normalized("relu", "batch", batch=8, depth=32, width=128, nets=30)
    agrees(logs, np.log(normalization.batch_relu_factor(8)), error=0.01, bias=0.01)
    logs = normalized("linear", "batch", batch=8, depth=32, width=128, nets=30)
    agrees(logs, np.log(6 / 5), error=0.01, bias=0.02)


@pytest.mark.parametrize(("activation", "factor"), [("relu", 1.0), ("tanh", 1.178), ("sigmoid", 0.153)])
def test_layer_normalization_factors(activation, factor):
    """E φ'²/E φ² at width 256, to 2 %."""
    logs = normalized(activation, "layer", batch=32, depth=12, width=256, nets=60)
    agrees(logs, np.log(factor), error=0.006, bias=0.02)


# --- Training -------------------------------------------------------------------------------------------


def thirty_layers(**more: Any) -> pd.DataFrame:
    """30 hidden ReLU layers of 64 units on the digits, 600 steps of SGD."""
    grid = {"depth": 30, "width": 64, "activation": "relu", "initializer": ["he_normal", "glorot_normal"]}
    course = {"batch_size": 64, "steps": 600, "checkpoints": 2, "evaluate": "all"}
    return study(**grid, **course, measure=["train", "test"], **more).runs


def best(runs: pd.DataFrame, metric: str, rising: bool, *by: str) -> pd.Series:
    """The best of all learning rates by replicate (and ``by``); a diverged network is as bad as can be."""
    kept = runs[runs["status"] != "diverged"].groupby([*by, "replicate"])[metric]
    return kept.max() if rising else kept.min()


def test_he_trains_thirty_relu_layers_and_xavier_does_not():
    runs = thirty_layers(optimizer={"name": "sgd", "lr": [0.01, 0.03]}, replicates=2)
    he, xavier = (runs[runs["initializer"] == name] for name in ("he_normal", "glorot_normal"))
    assert best(he, "final_train_accuracy", True).min() > 0.75
    assert (xavier["final_train_loss"] - LN_10).abs().max() < 0.02
    assert xavier["final_train_accuracy"].max() < 0.25


@pytest.mark.slow
def test_thirty_relu_layers_at_the_best_of_five_learning_rates():
    """Of ten seeds the luckiest He network fits 0.94 of the training rows, the mean is 0.88; Xavier: ln 10.

    An independent simulation, a plain loop over NumPy matrices with draws of its own, gave 0.878 with a
    standard error of 0.020 over ten seeds, 0.962 for the best of them.
    """
    rates = {"name": "sgd", "lr": [0.003, 0.01, 0.03, 0.1, 0.3]}
    runs = thirty_layers(optimizer=rates, replicates=10)
    he, xavier = (runs[runs["initializer"] == name] for name in ("he_normal", "glorot_normal"))
    reached = best(he, "final_train_accuracy", True)
    error = reached.std() / np.sqrt(10)
    assert error < 0.02
    assert abs(reached.mean() - 0.878) < 4 * np.hypot(error, 0.020)
    assert reached.max() == pytest.approx(0.94, abs=0.03)
    assert reached.min() > 0.7
    assert len(xavier) == 50
    stuck = (best(xavier, "final_train_loss", False) - LN_10).abs() < 0.02
    assert stuck.sum() >= 9


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("optimizer", [{"name": "sgd", "lr": 0.1}, {"name": "adam", "lr": 0.01}])
def test_all_zero_weights_never_leave_ln_10(activation, optimizer):
    """No weight ever moves: activations are 0, so only the output's biases learn how common each digit is."""
    course = {"steps": 300, "batch_size": 32, "checkpoints": 4, "evaluate": "all", "replicates": 3}
    grid = {"depth": 3, "width": 20, "activation": activation, "initializer": "zeros", "optimizer": optimizer}
    records = study(**grid, **course)
    layers, curves = records.layers, records.curves
    size = layers["layer"].map({1: 64 * 20, 2: 20 * 20, 3: 20 * 20, 4: 20 * 10})
    assert (layers["grad_zero"] == size).all()
    assert np.isneginf(layers["log10_grad_weight"]).all()
    assert (layers["weight_norm"] == 0.0).all()
    hidden = layers["layer"] <= 3
    assert np.isneginf(layers.loc[hidden, "log10_grad_pre"]).all()
    assert np.isfinite(layers.loc[~hidden, "log10_grad_pre"]).all()
    assert (curves["train_loss"] - LN_10).abs().max() < 0.02
    assert curves.loc[curves["checkpoint"] == 0, "train_loss"].to_numpy() == pytest.approx(LN_10, rel=1e-12)
    assert curves["test_accuracy"].max() < 0.15


def test_sigmoid_units_with_zero_weights_move_but_stay_one_unit():
    """A sigmoid's value at 0 is ½, so zero weights do move: all units of a layer alike, as wide as one."""
    grid = {"depth": 2, "activation": "sigmoid", "initializer": "zeros", "replicates": 1}
    course = {"steps": 200, "batch_size": 32, "checkpoints": 3, "optimizer": {"name": "adam", "lr": 0.01}}
    wide, one = (study(**grid, **course, width=width) for width in (16, 1))
    last = wide.layers[wide.layers["checkpoint"] == 2]
    assert (last["weight_norm"] > 0).all()
    assert wide.runs["final_test_accuracy"].max() < 0.5
    assert one.runs["final_test_accuracy"].max() < 0.5


def cliff(**more: Any) -> pd.DataFrame:
    """Sigmoid layers of 100 units on the digits in batches of 60, with and without batch normalization."""
    grid = {"width": 100, "activation": "sigmoid", "initializer": "glorot_normal", "batch_size": 60}
    seen = {"checkpoints": 2, "evaluate": "all", "measure": ["train"], "normalizer": ["none", "batch"]}
    return study(**grid, **seen, **more).runs


def test_batch_normalization_removes_the_sigmoid_cliff():
    """500 steps at one learning rate: three layers train without it, six only with it."""
    runs = cliff(depth=[3, 6], optimizer={"name": "sgd", "lr": 1.0}, steps=500, replicates=2)
    loss = runs.groupby(["normalizer", "depth"])["final_train_loss"]
    assert loss.max()["none", 3] < 0.3
    assert abs(loss.min()["none", 6] - LN_10) < 0.02
    assert loss.max()["batch"].max() < 0.05


@pytest.mark.slow
def test_the_sigmoid_cliff_at_the_best_of_five_learning_rates():
    """2000 steps (Ioffe and Szegedy's toy): plain up to four layers, from six on at ln 10; all with it."""
    rates = {"name": "sgd", "lr": [0.1, 0.3, 1.0, 3.0, 10.0]}
    runs = cliff(depth=[2, 4, 6, 8], optimizer=rates, steps=2000, replicates=2)
    loss = best(runs, "final_train_loss", False, "normalizer", "depth")
    assert loss["none", 2].max() < 0.05
    assert loss["none", 4].max() < 0.1
    for depth in (6, 8):
        assert (loss["none", depth] - LN_10).abs().max() < 0.02
    assert loss["batch"].max() < 0.05
