"""Best of n trials against counting every way to draw them, and exact intervals of quantiles."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.analysis.budget import expected_best, quantile_bounds, tuning_curve


@pytest.mark.parametrize("lower", [True, False])
def test_expected_best_is_the_mean_over_every_way_to_draw(lower):
    results = [3.0, 1.0, 1.0, 7.0]
    best = min if lower else max
    expected = [np.mean([best(drawn) for drawn in product(results, repeat=n)]) for n in range(1, 5)]
    assert expected_best(results, lower) == pytest.approx(expected)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20))
def test_more_trials_are_never_worse_and_the_first_is_the_mean(results):
    curve = expected_best(results)
    assert curve[0] == pytest.approx(np.mean(results), abs=1e-6)
    assert (np.diff(curve) <= 1e-9).all()
    assert curve[-1] >= min(results) - 1e-9


def test_many_cells_at_once():
    results = np.random.default_rng(0).random((5, 2, 9))
    assert expected_best(results)[3, 1] == pytest.approx(expected_best(results[3, 1]))


def test_bounds_of_a_median_by_hand():
    # n = 10: P(Bin(10, ½) ≤ 1) = 0.0107, ≤ 2: 0.0547, so the bound lies between the 2nd and the 3rd
    low, high = quantile_bounds(np.arange(1.0, 11.0), 0.5)
    under, over = 0.025 - 11 / 1024, 56 / 1024 - 0.025
    assert low == pytest.approx(2 + under / (under + 2 / 8 * over))
    assert high == pytest.approx(11 - low)
    assert quantile_bounds([1.0, 2.0, 3.0], 0.5) == (-np.inf, np.inf)


def test_an_order_statistic_is_exact_at_its_own_chance():
    chance = float(stats.binom.cdf(3, 20, 0.3))  # of the 4th of 20
    low, _ = quantile_bounds(np.arange(1.0, 21.0), 0.3, 1 - 2 * chance)
    assert low == pytest.approx(4.0)


def test_curves_of_trials():
    trials = pd.DataFrame({"optimizer": ["a"] * 32 + ["b"] * 8, "loss": [*np.arange(32.0), *np.arange(8.0)]})
    table = tuning_curve(trials, ["optimizer"], "loss")
    first = table[table["optimizer"] == "a"].reset_index(drop=True)
    assert table.groupby("optimizer")["trials"].max().to_dict() == {"a": 32, "b": 8}
    assert first["best"].to_numpy() == pytest.approx(expected_best(np.arange(32.0)))
    assert first["median"].iloc[:3].tolist() == [15.0, 9.0, 6.0]  # 50 %, 29.3 %, 20.6 % of 32
    told = np.isfinite(first["median_low"])
    assert told.tolist() == [n <= 6 for n in range(1, 33)]  # 2^(−32/n) ≤ 2.5 % up to n = 6
    assert (first["median_high"] > first["median"])[:-1].all()
    higher = tuning_curve(trials.assign(loss=-trials["loss"]), ["optimizer"], "loss", lower=False)
    for name, other in (("best", "best"), ("median", "median"), ("median_low", "median_high")):
        assert (-higher[name]).tolist() == pytest.approx(table[other].tolist())
    assert tuning_curve(trials[:0], ["optimizer"], "loss").columns.tolist() == table.columns.tolist()
