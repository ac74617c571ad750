"""Gradient tables against records whose slopes are known, and against small frames done by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from records import DEFAULTS, make_records, slope

from sim.analysis import gradients

BY = ["activation", "initializer", "depth"]
TABLES = [
    gradients.per_layer_factor,
    gradients.first_to_last,
    gradients.by_layer,
    gradients.over_training,
    gradients.saturation,
]


@pytest.fixture(scope="module")
def exact():
    """Records without noise: every slope is the truth."""
    return make_records(noise=0.0)


def hand_made(norms: dict[int, list[float]], **columns: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs at checkpoint 0 with given log10 norms: hidden layers first, the output layer last."""
    runs = pd.DataFrame([{"run": run, **DEFAULTS, "depth": len(row) - 1} for run, row in norms.items()])
    rows = [(run, layer, norm) for run, row in norms.items() for layer, norm in enumerate(row, start=1)]
    layers = pd.DataFrame(rows, columns=["run", "layer", "log10_grad_pre"])
    return runs.assign(**columns), layers.assign(checkpoint=0, step=0, saturated=0.0, dead=0.0)


def test_factor_is_the_true_slope(exact):
    table = gradients.per_layer_factor(exact.runs, exact.layers, ["grid", *BY, "normalizer", "residual"])
    fitted = table[table["initializer"] != "zeros"]
    truth = 10.0 ** slope(fitted).to_numpy()
    assert fitted["factor"].to_numpy() == pytest.approx(truth, rel=1e-9)
    assert fitted["squared_factor"].to_numpy() == pytest.approx(truth**2, rel=1e-9)
    assert (fitted["zero_share"] == 0).all()


def test_interval_covers_the_truth_about_as_often_as_it_says():
    records = make_records(noise=0.3, replicates=10, seed=3)
    table = gradients.per_layer_factor(
        records.runs, records.layers, ["grid", *BY, "lr", "optimizer", "samples"]
    )
    table = table[(table["initializer"] != "zeros") & (table["grid"] != "cures")]
    table = table.assign(normalizer="none", residual=False)
    truth = 10.0 ** slope(table)
    covered = truth.between(table["factor_low"], table["factor_high"])
    assert 0.8 <= covered.mean() <= 1.0
    assert (table["factor_low"] < table["factor_high"]).all()


def test_slope_goes_backwards_through_hidden_layers_only():
    # The norm falls by 10 a layer on the way back; the output layer's 99 must not enter.
    runs, layers = hand_made({0: [-3.0, -2.0, -1.0, 99.0]})
    table = gradients.per_layer_factor(runs, layers, ["depth"])
    assert table["factor"][0] == pytest.approx(0.1)
    assert table["squared_factor"][0] == pytest.approx(0.01)


def test_least_squares_by_hand():
    # x = −1, −2, −3; y = 0, 1, 0.5: slope = Σ(x−x̄)y / Σ(x−x̄)² = (1·0 + 0·1 − 1·0.5) / 2
    runs, layers = hand_made({0: [0.0, 1.0, 0.5, 0.0]})
    assert gradients.per_layer_factor(runs, layers, [])["log10_factor"][0] == pytest.approx(-0.25)


def test_logs_are_averaged_over_networks():
    runs, layers = hand_made({0: [-1.0, 0.0, 0.0], 1: [-3.0, 0.0, 0.0]})
    table = gradients.per_layer_factor(runs, layers, ["depth"])
    assert table["factor"][0] == pytest.approx(1e-2)
    assert table["log10_factor_sd"][0] == pytest.approx(np.sqrt(2))
    # t(1) = 12.7062, sd/√2 = 1
    assert np.log10(table["factor_high"][0]) == pytest.approx(-2 + 12.7062, abs=1e-3)


def test_zero_and_broken_norms_are_counted_and_left_out():
    norms = {
        0: [-np.inf, -2.0, -1.0, 0.0],  # the slope of what is left: 10^-1
        1: [-np.inf, -np.inf, -1.0, 0.0],  # one finite layer: no slope
        2: [np.nan, -2.0, -1.0, 0.0],
        3: [-3.0, -2.0, -1.0, -np.inf],  # the output layer is no hidden layer
    }
    runs, layers = hand_made(norms)
    table = gradients.per_layer_factor(runs, layers, ["depth"])
    assert table.loc[0, ["networks", "fitted"]].tolist() == [4, 3]
    assert table.loc[0, ["zero_share", "nonfinite_share"]].tolist() == [0.5, 0.25]
    assert table["factor"][0] == pytest.approx(0.1)


def test_all_zero_gradients_give_no_factor_but_a_row(exact):
    zeros = exact.runs[exact.runs["initializer"] == "zeros"]
    table = gradients.per_layer_factor(zeros, exact.layers, BY)
    assert (table["fitted"] == 0).all()
    assert (table["zero_share"] == 1).all()
    assert table["factor"].isna().all()
    ratio = gradients.first_to_last(zeros, exact.layers, BY)
    assert ratio["log10_ratio"].isna().all()
    assert gradients.by_layer(zeros, exact.layers, BY).query("layer <= depth")["log10_mean"].eq(-np.inf).all()


def test_one_hidden_layer_has_no_slope_and_none_has_no_ratio():
    runs, layers = hand_made({0: [-1.0, 0.0], 1: [0.0]})
    table = gradients.per_layer_factor(runs, layers, ["depth"])
    assert table["depth"].tolist() == [1, 0]
    assert table["fitted"].tolist() == [0, 0]
    ratio = gradients.first_to_last(runs, layers, ["depth"])
    assert ratio["finite"].tolist() == [1, 0]
    assert ratio["log10_ratio"][0] == 0.0


def test_ratio_is_slope_times_distance(exact):
    table = gradients.first_to_last(exact.runs, exact.layers, ["grid", *BY, "normalizer", "residual"])
    table = table[table["initializer"] != "zeros"]
    truth = slope(table) * (table["depth"] - 1)
    assert table["log10_ratio"].to_numpy() == pytest.approx(truth.to_numpy(), abs=1e-9)
    assert table["log10_ratio_low"].to_numpy() == pytest.approx(truth.to_numpy(), abs=1e-9)


def test_ratio_counts_underflow_in_the_median():
    runs, layers = hand_made({0: [-np.inf, 0.0, 0.0], 1: [-np.inf, 0.0, 0.0], 2: [-5.0, 0.0, 0.0]})
    table = gradients.first_to_last(runs, layers, ["depth"])
    assert table["log10_ratio"][0] == -5.0
    assert table["log10_ratio_median"][0] == -np.inf
    assert table["zero_share"][0] == pytest.approx(2 / 3)
    assert gradients.log10_ratio(runs, layers).tolist() == [-np.inf, -np.inf, -5.0]


def test_ratio_of_single_runs_keeps_the_index_of_runs(exact):
    some = exact.runs[exact.runs["activation"] == "sigmoid"].iloc[::-1]
    ratio = gradients.log10_ratio(some, exact.layers)
    assert ratio.index.equals(some.index)
    single = some[(some["grid"] == "initialization") & (some["initializer"] == "glorot_normal")]
    assert ratio[single.index].to_numpy() == pytest.approx(-0.6 * (single["depth"] - 1), abs=1e-9)


def test_mean_of_log_and_log_of_mean_stand_side_by_side():
    runs, layers = hand_made({0: [0.0, 0.0], 1: [2.0, 0.0]})
    first = gradients.by_layer(runs, layers, ["depth"]).iloc[0]
    assert first["mean_log10"] == 1.0
    assert first["sd_log10"] == pytest.approx(np.sqrt(2))
    assert first["log10_mean"] == pytest.approx(np.log10(50.5))
    assert first["log10_rms"] == pytest.approx(np.log10(5000.5) / 2)


def test_log_of_mean_survives_what_a_float_cannot_hold():
    runs, layers = hand_made({0: [-400.0, 0.0], 1: [-400.0, 0.0], 2: [-np.inf, 0.0]})
    first = gradients.by_layer(runs, layers, ["depth"]).iloc[0]
    assert first["log10_mean"] == pytest.approx(-400 + np.log10(2 / 3))
    assert first["log10_rms"] == pytest.approx(-400 + np.log10(2 / 3) / 2)


def test_by_layer_has_a_row_for_every_layer_in_order(exact):
    table = gradients.by_layer(exact.runs, exact.layers, ["grid", "depth"])
    assert table[table["grid"] == "initialization"].groupby("depth")["layer"].apply(list).to_dict() == {
        depth: list(range(1, depth + 2)) for depth in (2, 5, 10)
    }


def test_over_training_follows_both_ends_and_loses_diverged_runs(exact):
    runs = exact.runs.query("grid == 'initialization' and activation == 'tanh' and depth == 10")
    table = gradients.over_training(runs, exact.layers, ["initializer"])
    plain = table[table["initializer"] == "glorot_normal"]
    assert plain["place"].drop_duplicates().tolist() == ["first hidden", "last hidden"]
    assert plain["step"].tolist() == [0, 60, 120, 180, 240, 300] * 2
    large = table[(table["initializer"] == "normal(std=1)") & (table["place"] == "first hidden")]
    assert (runs.query("initializer == 'normal(std=1)'")["status"] == "diverged").all()
    assert large["step"].tolist() == [0, 60, 120, 180]
    last = table[(table["initializer"] == "normal(std=1)") & (table["place"] == "last hidden")]
    assert (large["mean_log10"].to_numpy() - last["mean_log10"].to_numpy()) == pytest.approx([7.2] * 4)


def test_saturation_stays_within_hidden_layers_and_the_unit_interval(exact):
    table = gradients.saturation(exact.runs, exact.layers, ["depth"])
    assert (table["layer"] <= table["depth"]).all()
    assert table["saturated"].to_numpy() == pytest.approx(0.05 * table["layer"])
    assert table["dead"].to_numpy() == pytest.approx(0.025 * table["layer"])
    runs, layers = hand_made({0: [0.0, 0.0], 1: [0.0, 0.0]})
    layers["saturated"] = [0.0, 0.0, 1.0, 0.0]
    wide = gradients.saturation(runs, layers, []).iloc[0]
    assert wide[["saturated", "saturated_low", "saturated_high"]].tolist() == [0.5, 0.0, 1.0]


def test_the_last_checkpoint_is_each_runs_own():
    records = make_records(noise=0.0)
    layers = records.layers.assign(log10_grad_pre=lambda rows: rows["step"].astype(float))
    runs = records.runs.query("grid == 'initialization'")
    table = gradients.by_layer(runs, layers, ["status"], checkpoint=-1).query("layer == 1")
    ends = dict(zip(table["status"], table["mean_log10"], strict=True))
    assert ends == {"reached": 300.0, "not_reached": 300.0, "diverged": 180.0}


@pytest.mark.parametrize("table", TABLES)
def test_empty_selection_keeps_the_columns(table, exact):
    full, empty = table(exact.runs, exact.layers, BY), table(exact.runs[:0], exact.layers, BY)
    assert len(empty) == 0
    assert empty.columns.tolist() == full.columns.tolist()
    assert len(table(exact.runs, exact.layers[:0], BY)) in (0, full[BY].drop_duplicates().shape[0])


@pytest.mark.parametrize("table", TABLES)
def test_rows_of_other_runs_and_their_order_do_not_matter(table, exact):
    runs = exact.runs[exact.runs["grid"] == "initialization"]
    own = exact.layers[exact.layers["run"].isin(runs["run"])]
    shuffled = exact.layers.sample(frac=1.0, random_state=1)
    first, second = table(runs, own, BY), table(runs, shuffled, BY)
    pd.testing.assert_frame_equal(first, second, rtol=1e-12)


@pytest.mark.parametrize("table", TABLES)
def test_groups_come_as_the_runs_name_them(table, exact):
    runs = exact.runs[exact.runs["grid"] == "initialization"].iloc[::-1]
    result = table(runs, exact.layers, BY)
    expected = runs[BY].drop_duplicates().reset_index(drop=True)
    pd.testing.assert_frame_equal(result[BY].drop_duplicates().reset_index(drop=True), expected)


def test_one_replicate_has_no_interval():
    records = make_records(replicates=1)
    table = gradients.per_layer_factor(
        records.runs.query("grid == 'cures'"), records.layers, ["residual", "normalizer"]
    )
    assert table["factor"].notna().all()
    assert table[["factor_low", "factor_high", "log10_factor_sd"]].isna().all(axis=None)
