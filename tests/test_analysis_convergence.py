"""Time to target against worked examples, published data and scipy's estimator."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import make_records
from scipy import stats

from sim.analysis.convergence import kaplan_meier, success, targets, time_to_target

# Freireich et al. (1963): weeks of remission of 21 leukaemia patients on 6-MP, whether a relapse was
# seen, and of 21 on placebo, who all relapsed.
WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def observed(times: list[float], budgets: list[int] | int, **columns: object) -> pd.DataFrame:
    """Runs with given steps to the target "learned" (NaN: never)."""
    runs = pd.DataFrame({"steps_to_learned": np.array(times, dtype=float), "steps": budgets})
    runs["status"] = np.where(runs["steps_to_learned"].notna(), "reached", "not_reached")
    return runs.assign(**columns)


def freireich() -> pd.DataFrame:
    return observed([week if seen else np.nan for week, seen in zip(WEEKS, RELAPSED, strict=True)], WEEKS)


def test_worked_example():
    row = time_to_target(observed([10, 20, 30, np.nan, np.nan], 50), [], "learned").iloc[0]
    assert row[["networks", "successes", "budget", "median"]].tolist() == [5, 3, 50, 30.0]
    assert row["median_text"] == "30"
    assert row["restricted_mean"] == 32.0
    assert row["expected_running_time"] == pytest.approx(53.3333, abs=1e-4)


def test_kaplan_meier_of_freireich_has_the_published_values():
    curve = kaplan_meier(freireich(), [], "learned")
    relapses = curve[curve["reached"] > 0].set_index("step")
    published = {6: 0.8571, 7: 0.8067, 10: 0.7529, 13: 0.6902, 16: 0.6275, 22: 0.5378, 23: 0.4482}
    assert (1 - relapses["share"]).round(4).to_dict() == published
    assert relapses["at_risk"].tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert relapses["reached"].tolist() == [3, 1, 1, 1, 1, 1, 1]


def test_medians_of_freireich():
    treated = time_to_target(freireich(), [], "learned").iloc[0]
    assert treated[["median", "median_low", "median_high"]].tolist() == [23.0, 13.0, np.inf]
    untreated = time_to_target(observed(PLACEBO, 50), [], "learned").iloc[0]
    assert untreated[["median", "median_low", "median_high"]].tolist() == [8.0, 4.0, 11.0]


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=30))
def test_agrees_with_scipy(pairs):
    times, budgets = (np.array(side) for side in zip(*pairs, strict=True))
    seen = times <= budgets
    curve = kaplan_meier(observed(np.where(seen, times, np.nan), budgets), [], "learned").set_index("step")
    data = stats.CensoredData.right_censored(np.minimum(times, budgets), ~seen)
    estimate = stats.ecdf(data).sf
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # undefined where all or none arrived
        band = estimate.confidence_interval(method="log-log")
    rows = curve.loc[estimate.quantiles]
    assert rows["share"].to_numpy() == pytest.approx(1 - estimate.probabilities, abs=1e-12)
    inside = (estimate.probabilities > 0) & (estimate.probabilities < 1)
    low, high = 1 - band.high.probabilities, 1 - band.low.probabilities
    assert rows["share_low"].to_numpy()[inside] == pytest.approx(low[inside], abs=1e-9)
    assert rows["share_high"].to_numpy()[inside] == pytest.approx(high[inside], abs=1e-9)
    assert curve["share"].is_monotonic_increasing
    assert (curve["share_low"] <= curve["share"] + 1e-12).all()
    assert (curve["share_high"] >= curve["share"] - 1e-12).all()


def test_curve_runs_from_zero_to_the_budget_with_an_exact_band_where_all_or_none_arrived():
    curve = kaplan_meier(observed([10] * 10, 50), [], "learned")
    assert curve["step"].tolist() == [0, 10, 50]
    assert curve["share"].tolist() == [0.0, 1.0, 1.0]
    # Clopper and Pearson's bound for 10 of 10: 0.025^(1/10)
    assert curve["share_low"].tolist() == pytest.approx([0.0, 0.691503, 0.691503], abs=1e-6)
    assert curve["share_high"].tolist() == pytest.approx([0.308497, 1.0, 1.0], abs=1e-6)


def test_median_is_exactly_at_one_half():
    runs = observed([10, 20, 30, 40, np.nan, np.nan, np.nan, np.nan], 100)
    assert time_to_target(runs, [], "learned")["median"][0] == 40.0


def test_fewer_than_half_have_no_median():
    row = time_to_target(observed([10, np.nan, np.nan], 300), [], "learned").iloc[0]
    assert row["median"] == np.inf
    assert row["median_text"] == ">300"


def test_all_diverged():
    runs = observed([np.nan] * 8, 300, status="diverged", diverged_at=3.0)
    row = time_to_target(runs, [], "learned").iloc[0]
    # A network that diverges at once has not failed fast: it never arrives within the budget.
    assert row["restricted_mean"] == 300.0
    assert row[["median", "median_low", "median_high", "expected_running_time"]].tolist() == [np.inf] * 4
    share = success(runs, [], "learned").iloc[0]
    assert share[["successes", "share", "diverged", "diverged_share"]].tolist() == [0, 0.0, 8, 1.0]


def test_reaching_at_step_zero_counts():
    row = time_to_target(observed([0, 0, np.nan], 50), [], "learned").iloc[0]
    assert row["median"] == 0.0
    curve = kaplan_meier(observed([0, 0, np.nan], 50), [], "learned")
    assert curve["share"].tolist() == pytest.approx([2 / 3, 2 / 3])


def test_success_share_with_wilson_interval():
    # Newcombe (1998): 15 of 148 has the score interval 0.0624 … 0.1605
    row = success(observed([5.0] * 15 + [np.nan] * 133, 50), [], "learned").iloc[0]
    assert row[["networks", "successes"]].tolist() == [148, 15]
    assert row[["share_low", "share_high"]].tolist() == pytest.approx([0.0624, 0.1605], abs=5e-5)


def test_a_network_may_reach_and_then_diverge():
    runs = observed([5.0, np.nan], 50, status=["diverged", "not_reached"])
    row = success(runs, [], "learned").iloc[0]
    assert row[["successes", "diverged"]].tolist() == [1, 1]


def test_one_network():
    row = time_to_target(observed([10], 50), [], "learned").iloc[0]
    assert row["median"] == 10.0
    assert np.isnan(row["restricted_mean_low"])


def test_groups_are_kept_apart_in_the_order_of_the_runs():
    runs = make_records().runs.query("grid == 'initialization'").iloc[::-1]
    by = ["depth", "activation", "initializer"]
    table = time_to_target(runs, by, "learned")
    pd.testing.assert_frame_equal(table[by], runs[by].drop_duplicates().reset_index(drop=True))
    for _, row in table.iterrows():
        own = runs[(runs[by] == row[by]).all(axis=1)]
        alone = time_to_target(own, [], "learned").iloc[0]
        pd.testing.assert_series_equal(row.drop(by), alone, check_names=False)


@pytest.mark.parametrize("table", [success, time_to_target, kaplan_meier])
def test_empty_selection_keeps_the_columns(table):
    runs = make_records(replicates=1).runs
    full, empty = table(runs, ["depth"], "learned"), table(runs[:0], ["depth"], "learned")
    assert len(empty) == 0
    assert empty.columns.tolist() == full.columns.tolist()
    assert len(table(runs[:0], [], "learned")) == 0


def test_targets_come_primary_first():
    runs = make_records(replicates=1).runs.assign(steps_to_fitted=1.0)
    assert targets(runs) == ["learned", "fitted"]
