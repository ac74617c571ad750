"""Probability of improvement and paired differences against slow counting, SciPy and published numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.analysis.bootstrap import Scores, multiplicities, resamples
from sim.analysis.comparison import holm
from sim.analysis.improvement import (
    hodges_lehmann,
    improvement,
    paired_differences,
    resampled_wins,
    seeds_needed,
    wilcoxon,
    win_matrix,
)


def slow_wins(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The definition: all pairs of drawn seeds that are two seeds, problem by problem."""
    entrants, problems, _ = values.shape
    wins = np.zeros((entrants, entrants))
    for one in range(entrants):
        for other in range(entrants):
            shares = []
            for problem in range(problems):
                pairs = [(i, j) for i in positions[problem] for j in positions[problem] if i != j]
                mine, theirs = values[one, problem], values[other, problem]
                shares.append(
                    np.mean([(mine[i] < theirs[j]) + 0.5 * (mine[i] == theirs[j]) for i, j in pairs])
                )
            wins[one, other] = np.mean(shares)
    return wins


def test_noethers_twenty_nine():
    assert seeds_needed(0.75) == 29
    assert seeds_needed(0.75, alpha=0.05, power=0.8) < 29 < seeds_needed(0.7)
    with pytest.raises(ValueError, match=r"lies in \(0.5, 1\]"):
        seeds_needed(0.5)


def test_win_matrix_is_the_definition():
    values = np.random.default_rng(0).integers(0, 5, size=(3, 2, 6)).astype(float)
    values[1, 0, :2] = np.inf
    drawn = resamples(2, 6, 5, seed=1)
    found = resampled_wins(values, multiplicities(drawn))
    for one, positions in zip(found, drawn, strict=True):
        assert one == pytest.approx(slow_wins(values, positions), abs=1e-6)
    expected = slow_wins(values, np.tile(np.arange(6), (2, 1)))
    np.fill_diagonal(expected, 0.5)
    assert win_matrix(values) == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 10_000))
def test_wins_and_losses_add_up_and_agree_with_mann_and_whitney(seed):
    values = np.random.default_rng(seed).integers(0, 9, size=(2, 1, 8)).astype(float)
    wins = win_matrix(values)
    assert wins + wins.T == pytest.approx(np.ones((2, 2)), abs=1e-6)
    first, second = values[:, 0]
    u = stats.mannwhitneyu(second, first).statistic  # pairs in which the second is greater, ties ½
    same = np.sum((first < second) + 0.5 * (first == second))
    assert wins[0, 1] == pytest.approx((u - same) / 56, abs=1e-6)


def test_improvement_knows_a_known_truth():
    values = np.random.default_rng(1).normal(size=(2, 12, 30)) + np.array([0.0, 1.0])[:, None, None]
    table = improvement(Scores(("a", "b"), tuple(range(12)), values), count=1_000).set_index("entrant")
    truth = stats.norm.cdf(1 / np.sqrt(2))
    assert table.loc["a", "probability_low"] < truth < table.loc["a", "probability_high"]
    assert table.loc["a", "probability_high"] - table.loc["a", "probability_low"] < 0.12
    assert table["probability"].sum() == pytest.approx(1.0)
    assert table.loc["b", "probability_low"] == pytest.approx(
        1 - table.loc["a", "probability_high"], abs=1e-6
    )


def test_hodges_lehmann_by_hand():
    # means of pairs of 1, 2, 6: 1, 1.5, 2, 3.5, 4, 6
    assert hodges_lehmann([1.0, 2.0, 6.0])[0] == 2.75
    assert np.isnan(hodges_lehmann([1.0, 2.0, 6.0])[1:]).all()  # three signs cannot reach 5 %
    # n = 10: published critical value of the signed-rank test 8, so the 9th smallest and largest means
    values = np.array([3.1, -1.0, 4.2, 0.7, 2.5, 1.9, 5.0, -0.3, 2.2, 1.1])
    first, second = np.triu_indices(10)
    means = np.sort((values[first] + values[second]) / 2)
    assert hodges_lehmann(values).tolist() == [np.median(means), means[8], means[-9]]


@given(st.lists(st.integers(-1000, 1000), min_size=6, max_size=14, unique_by=abs), st.floats(0.01, 0.99))
def test_the_interval_holds_what_wilcoxon_does_not_reject(drawn, shift):
    values = np.array(drawn) * (1 + 1e-4 * np.pi)
    _, low, high = hodges_lehmann(values)
    inside = low + shift * (high - low)
    if len(np.unique(np.abs(values - inside))) == len(values) and not (values == inside).any():
        assert stats.wilcoxon(values - inside, method="exact").pvalue > 0.05 - 1e-9
    for outside in (low - 1e-6, high + 1e-6):
        assert stats.wilcoxon(values - outside, method="exact").pvalue <= 0.05 + 1e-9


def test_many_values_have_a_normal_interval():
    values = np.random.default_rng(2).normal(1.0, 1.0, size=(2, 400))
    estimates = hodges_lehmann(values)
    reach = 1.96 * np.sqrt(np.pi / 3) / 20  # asymptotic efficiency 3/π against the mean
    assert (estimates[:, 2] - estimates[:, 1]) / 2 == pytest.approx(reach, rel=0.1)


def test_wilcoxon_tells_nothing_from_nothing():
    assert wilcoxon(np.zeros(8)) == 1.0
    assert wilcoxon(np.arange(1.0, 9.0)) == pytest.approx(2 / 2**8)
    assert wilcoxon([1.0, 1.0, 2.0, 0.0, -1.0, 3.0, 2.0]) < 0.2


def test_paired_differences_against_a_baseline():
    shared = np.random.default_rng(3).normal(size=(1, 2, 12))
    extra = np.random.default_rng(4).normal(size=(3, 2, 12))
    values = 5 * shared + 0.1 * extra + np.array([0.0, -1.0, 0.0])[:, None, None]
    table = paired_differences(Scores(("sgd", "adam", "same"), ("p", "q"), values), "sgd")
    assert table[["problem", "entrant"]].apply(tuple, axis=1).tolist() == [
        ("p", "adam"), ("p", "same"), ("q", "adam"), ("q", "same"),
    ]  # fmt: skip
    adam, same = table[table["entrant"] == "adam"], table[table["entrant"] == "same"]
    assert adam["difference"].to_numpy() == pytest.approx(-1.0, abs=0.15)
    assert (adam["better"] == 12).all()
    assert adam["p_sign"].to_numpy() == pytest.approx(2 / 2**12)
    assert (adam["difference_high"] < 0).all()
    assert (same["difference_low"] < 0).all()
    assert (same["difference_high"] > 0).all()
    assert table["p_holm"].to_numpy() == pytest.approx(holm(table["p_wilcoxon"]))
