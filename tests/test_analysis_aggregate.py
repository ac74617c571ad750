"""Interquartile means, profiles and rank groups against SciPy, hand examples and known truths."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.analysis.aggregate import aggregate, interquartile_mean, resampled_interquartile_means
from sim.analysis.bootstrap import (
    Scores,
    interval,
    multiplicities,
    resampled_means,
    resamples,
    scores,
    share_of_budget,
    standard_error,
)
from sim.analysis.improvement import improvement
from sim.analysis.profiles import performance_profiles, profile, profile_scores, ratios, score
from sim.analysis.ranking import leaderboard, pairwise_p, rank_groups


def made(values: np.ndarray) -> Scores:
    entrants, problems, _ = values.shape
    return Scores(tuple("abcdefghijklmnopqrst"[:entrants]), tuple(range(problems)), values)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_interquartile_mean_is_scipys_trimmed_mean(values):
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-6)


def test_interquartile_mean_by_hand():
    assert interquartile_mean([100.0, 3, 1, 2, 4, -7, 5, 6]) == 3.5  # of 2, 3, 4, 5
    assert interquartile_mean([[np.inf, 1, 2, 3], [1, 2, 3, 4]]).tolist() == [2.5, 2.5]


def test_a_resample_draws_seeds_within_problems_and_the_same_for_all():
    values = np.arange(24.0).reshape(2, 3, 4)
    drawn = resamples(3, 4, 50, seed=1)
    assert drawn.shape == (50, 3, 4)
    assert np.array_equal(drawn, resamples(3, 4, 50, seed=1))
    assert not np.array_equal(drawn, resamples(3, 4, 50, seed=2))
    times = multiplicities(drawn)
    assert times.sum(axis=-1).tolist() == np.full((50, 3), 4.0).tolist()
    taken = values[:, np.arange(3)[:, None], drawn]  # (O, R, P, S)
    assert resampled_means(values, times) == pytest.approx(taken.mean(axis=(-2, -1)).T)
    slow = stats.trim_mean(taken.reshape(2, 50, 12), 0.25, axis=-1)
    assert resampled_interquartile_means(values, drawn, at_once=7) == pytest.approx(slow.T)


def test_the_interval_is_students_for_a_mean():
    sample = np.random.default_rng(0).normal(size=(1, 1, 30))
    draws = resampled_means(sample, multiplicities(resamples(1, 30, 20_000)))[:, 0]
    low, high = interval(draws, 30)
    reach = stats.t.ppf(0.975, 29) * sample.std(ddof=1) / np.sqrt(30)
    assert (high - low) / 2 == pytest.approx(reach, rel=0.03)
    assert standard_error(draws, 30) == pytest.approx(sample.std(ddof=1) / np.sqrt(30), rel=0.03)
    plain = np.diff(np.quantile(draws, [0.025, 0.975]))[0] / 2
    assert plain < 0.95 * reach  # the plain percentiles are too narrow
    assert np.isnan(interval(draws, 1)).all()


def test_normal_resamples_give_students_interval():
    draws = stats.norm.ppf((np.arange(100_001) + 0.5) / 100_001)
    low, high = interval(draws, 5)
    assert high == pytest.approx(np.sqrt(5 / 4) * stats.t.ppf(0.975, 4), abs=0.01)
    assert low == pytest.approx(-high, abs=1e-3)
    low, high = interval(draws, 5, strata=12)
    assert high == pytest.approx(np.sqrt(5 / 4) * stats.t.ppf(0.975, 48), abs=0.01)


def test_scores_of_runs_keep_seeds_together():
    runs = pd.DataFrame({
        "optimizer": ["b", "a", "b", "a"], "grid": "p", "replicate": [7, 3, 3, 7],
        "steps": 100, "steps_to_learned": [50, np.nan, 20, 100],
    })  # fmt: skip
    runs["share"] = share_of_budget(runs, "learned")
    found = scores(runs, "share")
    assert found.entrants == ("b", "a")
    assert found.values.tolist() == [[[0.2, 0.5]], [[1.0, 1.0]]]
    with pytest.raises(ValueError, match="optimizer 'a' has 0 runs of seed 7 on grid 'p'"):
        scores(runs[:3], "share")
    with pytest.raises(ValueError, match="has 2 runs of seed 7"):
        scores(pd.concat([runs, runs[:1]]), "share")
    with pytest.raises(ValueError, match="missing values"):
        scores(runs, "steps_to_learned")


def test_aggregate_tells_both_means_with_intervals_around_them():
    values = np.random.default_rng(1).lognormal(size=(3, 4, 30))
    table = aggregate(made(values), count=500)
    assert table["iqm"].to_numpy() == pytest.approx(stats.trim_mean(values.reshape(3, -1), 0.25, axis=1))
    assert table["mean"].to_numpy() == pytest.approx(values.mean(axis=(1, 2)))
    for name in ("iqm", "mean"):
        assert (table[f"{name}_low"] < table[name]).all()
        assert (table[name] < table[f"{name}_high"]).all()


# Steps of three entrants on four tasks. Fastest: 10, 20, 40, nobody.
TIMES = np.array([[10, 40, np.inf, np.inf], [20, 20, 100, np.inf], [30, 100, 40, np.inf]])


def test_ratios_and_profile_by_hand():
    ratio = ratios(TIMES)
    assert ratio.tolist() == [[1, 2, np.inf, np.inf], [2, 1, 2.5, np.inf], [3, 5, 1, np.inf]]
    assert profile(ratio, [1, 1.99, 2, 3, 5]).tolist() == [
        [0.25, 0.25, 0.5, 0.5, 0.5],
        [0.25, 0.25, 0.5, 0.75, 0.75],
        [0.25, 0.25, 0.25, 0.5, 0.75],
    ]
    assert ratios([[0.0], [5.0]]).tolist() == [[1.0], [np.inf]]


def test_the_score_is_the_integral_of_the_profile():
    # ρ of the first: ¼ on [1, 2), ½ on [2, 4]: (¼ + 1) / 3; second ¼, ½ to 2.5, ¾ to 4; third ¼ to 3, ½ to 4
    assert score(ratios(TIMES)) == pytest.approx([1.25 / 3, (0.25 + 0.25 + 1.125) / 3, (0.5 + 0.5) / 3])
    fine = np.linspace(1, 4, 30_001)
    assert profile(ratios(TIMES), fine).mean(axis=1) == pytest.approx(score(ratios(TIMES)), abs=1e-4)
    assert score(ratios([[1.0, 1.0], [4.0, 9.0]])).tolist() == [1.0, 0.0]


def test_profile_tables():
    times = np.ceil(
        np.random.default_rng(2).lognormal(5, 0.5, (3, 2, 30)) * np.array([1, 1.5, 2])[:, None, None]
    )
    times[2, :, ::3] = np.inf
    table = profile_scores(made(times), count=500)
    ratio = ratios(times).reshape(3, -1)
    assert table["score"].to_numpy() == pytest.approx(score(ratio))
    assert table["fastest"].sum() >= 1.0
    assert ((table["score_low"] < table["score"]) & (table["score"] < table["score_high"])).all()
    assert table["problem_score"].to_numpy() == pytest.approx(score(ratios(np.median(times, axis=2))))
    curves = performance_profiles(made(times), count=500, points=7)
    assert curves["factor"].iloc[[0, 6]].tolist() == pytest.approx([1.0, 4.0])
    last = curves.groupby("entrant")["share"].last()
    assert last.to_numpy() == pytest.approx((ratio <= 4.0).mean(axis=1))
    assert (curves["share_low"] <= curves["share"] + 1e-12).all()


def test_rank_groups_by_hand():
    # in order 2, 0, 3, 1: 0 is not clearly behind 2; 3 is, and leads; 1 is not clearly behind 3
    p_value = np.ones((4, 4))
    p_value[3, 2] = p_value[2, 3] = 0.01
    p_value[1, 0] = p_value[0, 1] = 0.001  # two who were not compared: neither leads
    groups, compared = rank_groups(np.array([2, 0, 3, 1]), p_value)
    assert groups.tolist() == [1, 1, 2, 2]
    assert compared.tolist() == [2, 2, 2, 3]


def test_groups_of_a_known_truth():
    shared = np.random.default_rng(3).normal(size=(1, 6, 30))
    noise = np.random.default_rng(4).normal(size=(5, 6, 30))
    truth = np.array([0.0, 0.0, 1.0, 1.0, 2.0])[:, None, None]
    table = leaderboard(made(truth + 3 * shared + 0.5 * noise), count=2_000)
    assert table.groupby("group")["entrant"].apply(set).tolist() == [{"a", "b"}, {"c", "d"}, {"e"}]
    assert table["place"].tolist() == [1, 2, 3, 4, 5]
    assert np.isnan(table["behind"].iloc[0])
    assert table["behind"].iloc[[1, 3]].abs().max() < 0.2
    assert table["behind"].iloc[[2, 4]].to_numpy() == pytest.approx(1.0, abs=0.2)
    # single intervals overlap, for the seeds' own spread is in them; paired differences tell the groups apart
    assert table["mean_high"].iloc[0] > table["mean_low"].iloc[2]
    assert table["iqm"].is_monotonic_increasing


def test_no_difference_rarely_makes_a_second_group():
    second = 0
    for number in range(40):
        values = np.random.default_rng(number).normal(size=(6, 3, 30))
        second += leaderboard(made(values), count=300)["group"].max() > 1
    assert second <= 5  # 5 % of 40 expected; more than 5 happen once in 100 times


def test_equal_entrants_share_a_group():
    values = np.repeat(np.random.default_rng(5).normal(size=(1, 3, 20)), 3, axis=0)
    table = leaderboard(made(values), count=200)
    assert table["group"].tolist() == [1, 1, 1]
    draws = resampled_interquartile_means(values, resamples(3, 20, 200))
    assert pairwise_p(draws[0], draws, 20).tolist() == np.ones((3, 3)).tolist()


@pytest.mark.slow
def test_ten_thousand_resamples_of_the_whole_comparison_take_seconds():
    values = np.random.default_rng(6).random((20, 12, 30))
    started = time.process_time()
    first = leaderboard(made(values)), improvement(made(values)), profile_scores(made(values))
    assert time.process_time() - started < 15
    again = leaderboard(made(values)), improvement(made(values)), profile_scores(made(values))
    for one, other in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
