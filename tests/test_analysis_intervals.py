"""Intervals against published tables and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import make_records

from sim.analysis.cells import cells
from sim.analysis.intervals import clopper_pearson, grouped_mean, grouped_share, student_t, wilson

# Newcombe (1998), Two-sided confidence intervals for the single proportion, Table I: successes, trials,
# score interval, exact interval.
NEWCOMBE = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]


@pytest.mark.parametrize(("successes", "trials", "score", "exact"), NEWCOMBE)
def test_shares_have_the_published_intervals(successes, trials, score, exact):
    assert wilson(successes, trials) == pytest.approx(score, abs=5e-5)
    assert clopper_pearson(successes, trials) == pytest.approx(exact, abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_intervals_hold_the_share_and_mirror_it(case):
    successes, trials = case
    for interval in (wilson, clopper_pearson):
        low, high = interval(successes, trials)
        mirrored_low, mirrored_high = interval(trials - successes, trials)
        assert 0 <= low <= successes / trials + 1e-12
        assert successes / trials - 1e-12 <= high <= 1
        assert (low, high) == pytest.approx((1 - mirrored_high, 1 - mirrored_low), abs=1e-9)


def test_none_and_all_end_at_0_and_1():
    assert (wilson(0, 50)[0], wilson(50, 50)[1]) == (0.0, 1.0)


def test_no_trials_no_interval():
    for interval in (wilson, clopper_pearson):
        assert np.isnan(interval([0], [0])).all()


def test_t_interval_of_one_to_five():
    # mean 3, sd √2.5, t(4) = 2.776445
    low, high = student_t(3.0, np.sqrt(2.5), 5)
    assert (low, high) == pytest.approx((3 - 1.963243, 3 + 1.963243), abs=1e-5)


def test_grouped_mean_leaves_out_what_is_not_finite_and_counts_what_is():
    values = [1.0, 2.0, 3.0, 4.0, 5.0, np.nan, -np.inf, 7.0]
    table = grouped_mean(values, np.array([0, 0, 0, 0, 0, 0, 1, 1]), 3)
    assert table["finite"].tolist() == [5, 1, 0]
    assert table["mean"].tolist()[:2] == [3.0, 7.0]
    assert table.loc[0, ["sd", "low", "high"]].tolist() == pytest.approx([1.581139, 1.036757, 4.963243])
    assert table.loc[1:, ["sd", "low", "high"]].isna().all(axis=None)
    assert np.isnan(table["mean"][2])


def test_grouped_mean_keeps_a_small_spread_on_a_large_mean():
    table = grouped_mean([1e9, 1e9 + 1, 1e9 + 2], np.zeros(3, dtype=np.int64), 1)
    assert table["sd"][0] == 1.0


def test_grouped_share():
    share = grouped_share([True, False, True], np.array([0, 0, 1]), 3)
    assert share[:2].tolist() == [0.5, 1.0]
    assert np.isnan(share[2])


def test_cells_keep_the_order_of_the_runs():
    runs = make_records(replicates=2).runs.sort_values("depth", ascending=False, kind="stable")
    found = cells(runs, ["depth", "activation"])
    assert found.keys["depth"].drop_duplicates().tolist() == [10, 5, 2]
    assert found.keys["activation"][:3].tolist() == ["tanh", "sigmoid", "relu"]
    assert (found.keys.iloc[found.number]["depth"].to_numpy() == runs["depth"].to_numpy()).all()
    assert found.networks.sum() == len(runs)


def test_cells_treat_a_missing_value_and_a_category_as_values():
    runs = make_records(replicates=2).runs
    runs["lr"] = runs["lr"].where(runs["depth"] > 2)
    runs["activation"] = runs["activation"].astype("category")
    found = cells(runs, ["lr", "activation"])
    assert found.networks.sum() == len(runs)
    assert found.keys["lr"].isna().any()


def test_cells_without_columns_are_one_cell():
    runs = make_records(replicates=2).runs
    assert cells(runs, []).networks.tolist() == [len(runs)]
    assert len(cells(runs[:0], []).keys) == 0
