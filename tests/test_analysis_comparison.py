"""Paired effects against pairs made by hand and published adjustments."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import DEFAULTS, make_records
from scipy import stats

from sim.analysis.comparison import holm, paired_effect, sign_test, smallest_p
from sim.analysis.gradients import log10_ratio


def paired(
    baseline: list[float], level: list[float], quantity: str = "final_test_accuracy", **columns: object
):
    """A run a replicate without and one with batch norm."""
    rows = [
        {"grid": "cures", **DEFAULTS, "replicate": replicate, "normalizer": normalizer, quantity: value}
        for normalizer, values in (("none", baseline), ("batch", level))
        for replicate, value in enumerate(values)
    ]
    return pd.DataFrame(rows).assign(status="not_reached", **columns)


def effect(runs: pd.DataFrame, quantity: str = "final_test_accuracy", **given: object) -> pd.Series:
    table = paired_effect(runs, "normalizer", "none", quantity=quantity, **given)
    assert len(table) == 1
    return table.iloc[0]


def test_pairs_by_hand():
    row = effect(paired([0.5, 0.5, 0.5, 0.5], [0.6, 0.7, 0.8, 0.5]))
    assert row[["factor", "level", "baseline", "quantity"]].tolist() == [
        "normalizer", "batch", "none", "final_test_accuracy",
    ]  # fmt: skip
    assert row[["pairs", "replicates", "finite_pairs", "better", "worse", "ties"]].tolist() == [
        4,
        4,
        4,
        3,
        0,
        1,
    ]
    # differences 0.1, 0.2, 0.3, 0: mean 0.15, sd 0.129099, t(3) = 3.182446
    assert row["mean_difference"] == pytest.approx(0.15)
    assert row["mean_difference_low"] == pytest.approx(0.15 - 3.182446 * 0.1290994 / 2, abs=1e-6)
    assert row["median_difference"] == pytest.approx(0.15)
    assert row[["level_mean", "baseline_mean"]].tolist() == pytest.approx([0.65, 0.5])
    assert row["share_better"] == 0.875
    assert row["p_value"] == row["p_holm"] == 0.25  # 3 of 3 signs: 2 · (1/2)³


def test_a_lower_loss_is_better():
    row = effect(paired([1.0, 1.0], [0.5, 2.0], "final_train_loss"), "final_train_loss")
    assert row[["better", "worse", "mean_difference"]].tolist() == [1, 1, 0.25]


def test_a_diverged_network_loses_and_stays_out_of_the_mean():
    runs = paired([0.5, 0.1, 0.4], [0.6, 0.9, 0.9])
    runs["status"] = ["not_reached", "diverged", "diverged", "not_reached", "not_reached", "diverged"]
    row = effect(runs)
    assert row[["pairs", "finite_pairs", "better", "worse", "ties"]].tolist() == [3, 1, 2, 0, 1]
    assert row["mean_difference"] == pytest.approx(0.1)
    assert row[["baseline_diverged", "diverged"]].tolist() == pytest.approx([2 / 3, 1 / 3])
    # differences 0.1, +∞ (the baseline diverged), 0 (both did)
    assert row["median_difference"] == pytest.approx(0.1)


def test_steps_are_compared_under_the_budget():
    # budget 300: the last pair arrives at the very end where its partner never does
    quantity = "steps_to_learned"
    row = effect(paired([200, np.nan, np.nan, np.nan], [100, 50, np.nan, 300], quantity), quantity)
    assert row[["better", "worse", "ties", "finite_pairs"]].tolist() == [3, 0, 1, 4]
    assert row["mean_difference"] == pytest.approx((-100 - 250 + 0 + 0) / 4)


def test_a_ratio_is_better_nearer_to_one():
    runs = paired([-30.0, 8.0, -np.inf, np.nan], [-1.0, 0.5, -20.0, -20.0], "log10_gradient_ratio")
    row = effect(runs, "log10_gradient_ratio")
    assert row[["better", "worse", "finite_pairs"]].tolist() == [4, 0, 2]
    assert row["mean_difference"] == pytest.approx((29 - 7.5) / 2)


def test_the_meaning_of_better_can_be_said():
    runs = paired([1.0, 1.0], [2.0, 2.0], "lr")
    assert effect(runs, "lr", match=["replicate"])["better"] == 0
    assert effect(runs, "lr", match=["replicate"], better="higher")["better"] == 2
    with pytest.raises(ValueError, match="bigger"):
        effect(runs, "lr", match=["replicate"], better="bigger")


def test_the_replicate_is_the_unit_of_evidence():
    # Three widths of one replicate agree; they share draws and count as one piece of evidence.
    runs = pd.concat([paired([0.5], [0.6], width=width) for width in (8, 16, 32)])
    row = effect(runs)
    assert row[["pairs", "replicates", "share_better", "p_value"]].tolist() == [3, 1, 1.0, 1.0]
    assert np.isnan(row["mean_difference_low"])
    assert row["share_better_low"] < 0.25


def test_pairs_agree_in_every_other_factor():
    plain, deep = paired([0.5, 0.5], [0.9, 0.9]), paired([0.1, 0.1], [0.2, 0.2], depth=50)
    only_level = paired([0.0], [1.0], depth=99).query("normalizer == 'batch'")
    table = paired_effect(pd.concat([deep, plain, only_level]), "normalizer", "none", ["depth"])
    assert table["depth"].tolist() == [50, 5]
    assert table["mean_difference"].tolist() == pytest.approx([0.1, 0.4])


def test_unequal_learning_rates_can_be_matched_on_request():
    runs = paired([0.5, 0.5], [0.9, 0.9]).assign(
        lr=lambda rows: np.where(rows["normalizer"] == "none", 1.0, 0.1)
    )
    assert len(paired_effect(runs, "normalizer", "none")) == 0
    assert effect(runs, match=["replicate", "depth"])["pairs"] == 2


def test_ambiguous_pairs_are_refused():
    runs = pd.concat([paired([0.5], [0.9], lr=lr) for lr in (0.1, 0.2)])
    with pytest.raises(ValueError, match="several runs share one level of normalizer"):
        paired_effect(runs, "normalizer", "none", match=["replicate"])


def test_rows_are_independent_of_the_order_of_runs():
    runs = make_records().runs.query("grid == 'optimizers'")
    shuffled = runs.sample(frac=1.0, random_state=2)
    by = ["depth", "lr"]
    first = paired_effect(runs, "optimizer", "sgd", by).sort_values(by, ignore_index=True)
    second = paired_effect(shuffled, "optimizer", "sgd", by).sort_values(by, ignore_index=True)
    pd.testing.assert_frame_equal(first, second)


def test_cures_lift_the_sigmoid_in_the_records_made_so():
    records = make_records(replicates=8)
    runs = records.runs.query("grid == 'cures'")
    runs = runs.assign(log10_gradient_ratio=log10_ratio(runs, records.layers))
    for quantity in ("steps_to_learned", "final_test_accuracy", "log10_gradient_ratio"):
        table = paired_effect(runs, "normalizer", "none", ["residual"], quantity).set_index("residual")
        reached = 8 if quantity != "steps_to_learned" else runs["steps_to_learned"].iloc[16:24].notna().sum()
        assert table.loc[False, ["better", "worse"]].tolist() == [reached, 0]
        assert table.loc[False, "p_value"] == pytest.approx(2 / 2**reached)
        assert table.loc[True, "p_value"] > 0.05
    assert table.loc[False, "mean_difference"] == pytest.approx(0.6 * 9, abs=0.1)


def test_empty_selection_keeps_the_columns():
    runs = make_records(replicates=1).runs
    full = paired_effect(runs.query("grid == 'cures'"), "normalizer", "none", ["residual"])
    for none in (runs[:0], runs.query("normalizer == 'none'")):
        empty = paired_effect(none, "normalizer", "none", ["residual"])
        assert len(empty) == 0
        assert empty.columns.tolist() == full.columns.tolist()


def test_holm_by_hand():
    # sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, then never falling
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@given(st.integers(0, 30), st.integers(0, 30))
def test_sign_test_agrees_with_scipy(positive, negative):
    expected = stats.binomtest(positive, positive + negative).pvalue if positive + negative else 1.0
    assert sign_test(positive, negative) == pytest.approx(expected, rel=1e-9)


def test_the_smallest_p_is_that_of_equal_signs():
    assert smallest_p([1, 2, 8]).tolist() == [1.0, 0.5, 2 / 256]
