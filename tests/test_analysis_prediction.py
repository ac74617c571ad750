"""Predictions beside measurements, on the published constants of mean field theory."""

from __future__ import annotations

import numpy as np
import pytest
from records import make_records

from sim.analysis.prediction import compare_with_theory, parse, predict
from sim.study import Choice

SQUARE = {"width": 64, "bias": "zeros", "scaling": "standardize"}


@pytest.mark.parametrize(
    ("activation", "initializer", "chi"),
    [
        ("sigmoid", "glorot_normal", 0.0557207),
        ("relu", "glorot_uniform", 0.5),
        ("relu", "he_normal", 1.0),
        ("tanh", "normal(std=1)", 4.4846),
        ("sigmoid", "normal(std=1)", 0.7948),
        ("relu", "normal(std=0.01)", 0.0032),
    ],
)
def test_deep_factor_is_the_published_one(activation, initializer, chi):
    """Schoenholz et al. (2017) and Glorot & Bengio (2010), square layers of width 64."""
    _, deep = predict(activation, initializer, depth=10, **SQUARE)
    assert deep == pytest.approx(chi, rel=1e-4)


def test_prediction_follows_the_depth():
    # tanh at σw² = 1 decays as a power of depth, not exponentially: the slope comes near 1 only slowly.
    shallow, deep = (predict("tanh", "lecun_normal", depth=depth, **SQUARE)[0] for depth in (3, 60))
    assert shallow < deep < 1.0
    for depth in (2, 9, 30):
        assert predict("relu", "he_normal", depth=depth, **SQUARE)[0] == pytest.approx(1.0)


def test_bias_variance_is_the_square_of_its_deviation():
    # tanh with σb² = 0.05 is critical at σw² = 1.760955 (Schoenholz et al. 2017): χ₁ = 1 however deep.
    weights, bias = f"normal(std={np.sqrt(1.760955 / 64)})", f"normal(std={np.sqrt(0.05)})"
    limited, deep = predict("tanh", weights, 64, 100, bias, "standardize")
    assert deep == pytest.approx(1.0, abs=1e-5)
    assert limited == pytest.approx(1.0, abs=1e-3)
    constant = f"constant(value={np.sqrt(0.05)})"
    assert predict("tanh", weights, 64, 100, constant, "standardize") == (limited, deep)


@pytest.mark.parametrize(("scaling", "q"), [("standardize", 1), ("scale(by=2)", 4), ("shift(by=3)", 10)])
def test_variance_starts_at_the_scaled_inputs(scaling, q):
    # Two hidden layers, erf, σw² = 1: the factor between is E φ'² = 4/(π√(1+4q)) at the inputs' variance.
    predicted, _ = predict("erf", "lecun_normal", 64, 2, "zeros", scaling)
    assert predicted == pytest.approx(4 / (np.pi * np.sqrt(1 + 4 * q)), rel=1e-9)


def test_unscaled_inputs_leave_the_start_open():
    predicted, deep = predict("erf", "lecun_normal", 64, 2, "zeros", "minmax")
    assert np.isnan(predicted)
    assert np.isfinite(deep)


def test_no_prediction_where_theory_has_none():
    assert np.isnan(predict("tanh", "lsuv", depth=5, **SQUARE)).all()
    assert np.isnan(predict("relu", "zeros", depth=5, **SQUARE)[0])
    assert np.isnan(predict("relu", "he_normal", depth=1, **SQUARE)[0])


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("activation", "tanh"),
        ("activation", "leaky_relu(slope=0.1)"),
        ("initializer", "normal(std=0.01)"),
        ("initializer", "normal(std=1e-05, gain=2)"),
        ("bias", "constant(value=0.1)"),
        ("scaling", "shift(by=-3)"),
    ],
)
def test_a_label_read_back_gives_the_label(kind, label):
    choice = parse(kind, label)
    assert isinstance(choice, Choice)
    assert choice.label == label


def test_measured_and_predicted_stand_in_one_row():
    records = make_records(noise=0.02, replicates=6)
    runs = records.runs.query("grid == 'initialization' and activation == 'relu'")
    table = compare_with_theory(runs, records.layers).set_index(["initializer", "depth"])
    plain = table.loc[("glorot_normal", 10)]
    # The records' ReLU slope is −0.15 a layer: a squared factor of 10^−0.3 where theory says 1/2.
    assert plain["measured"] == pytest.approx(10**-0.3, rel=0.02)
    assert plain["predicted"] == pytest.approx(0.5)
    assert plain["predicted_deep"] == pytest.approx(0.5)
    assert plain["log_difference"] == pytest.approx(np.log(10**-0.3 / 0.5), abs=0.02)
    assert plain["within_interval"] == (plain["measured_low"] <= 0.5 <= plain["measured_high"])
    assert table.loc[("zeros", 10), ["measured", "predicted"]].isna().all()


def test_only_plain_networks_are_compared():
    records = make_records(replicates=2)
    table = compare_with_theory(
        records.runs.query("grid == 'cures'"), records.layers, ["normalizer", "residual"]
    )
    assert table[["normalizer", "residual"]].to_numpy().tolist() == [["none", False]]
    assert table["networks"].tolist() == [2]
    dropped = records.runs.query("grid == 'overfitting'")
    assert compare_with_theory(dropped, records.layers, ["dropout"])["dropout"].unique().tolist() == [0.0]


def test_empty_selection_keeps_the_columns():
    records = make_records(replicates=1)
    full, empty = (compare_with_theory(runs, records.layers) for runs in (records.runs, records.runs[:0]))
    assert len(empty) == 0
    assert empty.columns.tolist() == full.columns.tolist()
