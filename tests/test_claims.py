"""Claims judged: by hand, by rule, and on records in which the truth is known."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sim.analysis.claims import (
    DEPENDS,
    OPEN,
    REFUTED,
    SUPPORTED,
    Effect,
    Evidence,
    Level,
    evidence,
    judge,
    verdict_of,
)
from sim.analysis.randomization import paired_mean, unpaired_mean
from sim.study.claim_load import claims_in
from sim.study.claims import Claim


def claim(**changes: Any) -> Claim:
    """A claim that a is higher than b by more than 0.5."""
    written = {"name": "c", "sentence": "a is higher than b.", "on": "g", "quantity": "x", "matters": 0.5}
    entry = {**written, "direction": "higher", "a": {"f": 1}, "b": {"f": 2}, **changes}
    (found,) = claims_in({"claim": [{k: v for k, v in entry.items() if v is not None}]}, "test")
    return found


def rows_of(a: Any, b: Any, **columns: Any) -> pd.DataFrame:
    """Rows of one pair: the values of a and of b in replicate after replicate."""
    sides = [
        {"side": side, "unit": unit, "value": float(value)}
        for side, values in (("a", a), ("b", b))
        for unit, value in enumerate(values)
    ]
    plain = {"pair": 0, "base": 0, "arm": 0, "rate": np.nan, "reference": False}
    return pd.DataFrame(sides).assign(**{**plain, **columns})


# --- by hand ---------------------------------------------------------------------------------


def test_three_differences_by_hand():
    # Sums with all signs: ±5, ±3, ±3, ±1; six of eight are at least as far from 0 as 3 + 1 − 1.
    assert paired_mean([3.0, 1.0, -1.0]).p.item() == 6 / 8
    assert not np.isfinite(paired_mean([3.0, 1.0, -1.0]).low.item())


def test_six_differences_by_hand():
    # All positive: two of 2⁶ ways to give them signs. The 95 % interval: from least to largest.
    found = paired_mean([1.0, 2.0, 1.0, 3.0, 2.0, 1.0])
    assert found.p.item() == 2 / 64
    assert (found.mean.item(), found.low.item(), found.high.item()) == (10 / 6, 1.0, 3.0)


def test_the_exact_test_is_that_of_all_signs():
    values = np.random.default_rng(3).normal(0.4, 1.0, 9)
    signs = np.array(list(itertools.product([1, -1], repeat=9)))
    extreme = np.abs(signs @ values) >= abs(values.sum()) - 1e-12
    assert paired_mean(values).p.item() == pytest.approx(extreme.mean())
    found = paired_mean(values)
    for shift, inside in ((found.low.item() - 1e-6, False), (found.low.item() + 1e-6, True)):
        assert (paired_mean(values - shift).p.item() > 0.05) == inside


def test_many_differences_by_students_t():
    values = np.random.default_rng(4).normal(0.3, 1.0, 40)
    known, found = stats.ttest_1samp(values, 0.0), paired_mean(values)
    assert found.p.item() == pytest.approx(known.pvalue)
    assert (found.low.item(), found.high.item()) == pytest.approx(tuple(known.confidence_interval()))
    assert paired_mean(np.ones(20)).p.item() == 2 * 0.5**20


def test_unpaired_means_by_welch():
    draws = np.random.default_rng(5)
    a, b = draws.normal(1.0, 1.0, 12), draws.normal(0.0, 3.0, 20)
    known, found = stats.ttest_ind(a, b, equal_var=False), unpaired_mean(a, b)
    assert found.p.item() == pytest.approx(known.pvalue)
    assert found.low.item() == pytest.approx(known.confidence_interval().low)
    assert unpaired_mean(np.ones(4), np.zeros(4)).p.item() == pytest.approx(2 / 70)


def test_a_claim_by_hand():
    found = evidence(claim(), rows_of([5, 6, 7, 8, 9, 10], [4, 4, 6, 5, 7, 9]), "higher")
    assert (found.a_mean, found.b_mean) == (7.5, 35 / 6)
    assert found.effect == Effect(10 / 6, 1.0, 3.0, 1 / 32, 6, 6)
    (judged,) = judge([found])
    assert (judged.verdict, judged.p_holm) == (SUPPORTED, 1 / 32)


def test_holm_counts_all_claims():
    found = evidence(claim(), rows_of([5, 6, 7, 8, 9, 10], [4, 4, 6, 5, 7, 9]), "higher")
    judged = judge([found, found])
    assert [one.p_holm for one in judged] == [1 / 16, 1 / 16]
    assert [one.verdict for one in judged] == [OPEN, OPEN]
    assert "after adjustment" in judged[0].reason


def test_pairs_of_one_replicate_are_one_piece_of_evidence():
    one = rows_of([5, 6, 7, 8, 9, 10], [4, 4, 6, 5, 7, 9])
    many = pd.concat([one.assign(pair=pair) for pair in range(50)], ignore_index=True)
    once, often = (evidence(claim(), rows, "higher").effect for rows in (one, many))
    assert (often.pairs, often.units, often.p) == (300, 6, once.p)
    assert often.mean == pytest.approx(once.mean)


def test_wins_count_ties_half_and_must_beat_every_rival():
    rows = pd.concat([
        rows_of([1, 1, 1, 1], []),
        rows_of([], [2, 2, 2, 1], arm=1),
        rows_of([], [3, 0, 2, 5], arm=2),
    ], ignore_index=True)  # fmt: skip
    found = evidence(claim(compare="wins", direction="lower"), rows, "lower")
    assert found.effect.mean == (1 + 0 + 1 + 0.5) / 4 - 0.5


def test_the_rate_is_chosen_on_other_replicates_than_it_is_judged_on():
    # In replicates 0, 3 and 6 the rate 0.1 looks good; in all others it is bad.
    lucky = [9.0 if unit % 3 == 0 else 0.0 for unit in range(9)]
    rows = pd.concat([
        rows_of(lucky, [], rate=0.1), rows_of([5] * 9, [], rate=0.01), rows_of([], [1] * 9, rate=0.1),
    ], ignore_index=True)  # fmt: skip
    found = evidence(claim(tuned=True), rows.assign(criterion=rows["value"]), "higher")
    assert (found.a_mean, found.b_mean, found.effect.units, found.edge) == (0.0, 1.0, 6, 1)


def test_of_equally_good_rates_the_middle_one_is_taken():
    rows = [rows_of([rate] * 6, [], rate=rate, criterion=float(rate < 50)) for rate in (1.0, 2.0, 3.0, 99.0)]
    rows += [rows_of([], [0] * 6, rate=1.0, criterion=0.0)]
    assert evidence(claim(tuned=True), pd.concat(rows, ignore_index=True), "higher").a_mean == 2.0


def test_a_misset_rate_costs_what_its_neighbours_lose():
    value = {0.1: 2.0, 1.0: 8.0, 10.0: 5.0}
    sides = [rows_of([value[rate]] * 6, [7.0] * 6, rate=rate) for rate in value]
    rows = pd.concat(sides, ignore_index=True)
    found = evidence(claim(tuned=True, misset=10.0), rows.assign(criterion=rows["value"]), "higher")
    assert (found.a_mean, found.b_mean) == ((2.0 + 5.0) / 2 - 8.0, 0.0)


def test_changes_are_told_against_the_reference_of_the_same_replicate():
    rows = pd.concat([
        rows_of([4, 6, 8], [1, 2, 3]), rows_of([1, 2, 3], [1, 1, 1], reference=True),
    ], ignore_index=True)  # fmt: skip
    found = evidence(claim(), rows, "higher")
    assert (found.a_mean, found.b_mean) == (4.0, 1.0)


def test_a_number_in_place_of_b():
    found = evidence(claim(b=None, than=2.0), rows_of([3, 4, 5, 6, 7, 8], []), "higher")
    assert (found.b_mean, found.effect.mean, found.effect.p) == (2.0, 3.5, 1 / 32)


def test_a_missing_value_leaves_no_verdict():
    rows = rows_of([5, 6, 7, 8, 9, np.nan], [4, 4, 6, 5, 7, 9])
    (judged,) = judge([evidence(claim(), rows, "higher")])
    assert (judged.verdict, judged.reason) == (OPEN, "1 values are missing")
    (judged,) = judge([evidence(claim(), rows[rows["side"] == "a"].dropna(), "higher")])
    assert (judged.verdict, judged.reason) == (OPEN, "its runs are not there")


# --- the rule --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "low", "high", "p", "verdict"),
    [
        ("higher", 0.6, 1.0, 0.01, SUPPORTED),
        ("higher", 0.6, 1.0, 0.06, OPEN),
        ("higher", 0.4, 1.0, 0.01, OPEN),
        ("higher", 0.1, 0.4, 0.01, REFUTED),
        ("higher", -2.0, -1.0, 0.01, REFUTED),
        ("higher", -np.inf, np.inf, 1.0, OPEN),
        ("lower", -1.0, -0.6, 0.01, SUPPORTED),
        ("lower", 0.6, 1.0, 0.01, REFUTED),
        ("neither", -0.4, 0.4, 1.0, SUPPORTED),
        ("neither", 0.6, 1.0, 0.01, REFUTED),
        ("neither", -1.0, -0.6, 0.01, REFUTED),
        ("neither", -0.4, 0.6, 0.2, OPEN),
    ],
)
def test_the_rule(direction, low, high, p, verdict):
    effect = Effect((low + high) / 2 if np.isfinite(low) else 0.0, low, high, p, 12, 12)
    assert verdict_of(claim(direction=direction), effect, p) == verdict


def _with_levels(direction: str, *bounds: tuple[float, float]) -> Evidence:
    effects = [Effect(sum(b) / 2, *b, 1e-4, 14, 14) for b in bounds]
    levels = tuple(Level("depth", place, effect) for place, effect in enumerate(effects))
    whole = Effect(0.5, 0.0, 1.0, 0.04, 14, 28)
    return Evidence(claim(direction=direction, by=["depth"]), 1.0, 0.5, whole, levels)


def test_what_holds_at_one_level_and_not_at_another_depends():
    (judged,) = judge([_with_levels("higher", (0.6, 2.0), (-0.2, 0.2))])
    assert (judged.verdict, judged.depends_on) == (DEPENDS, "depth")
    (judged,) = judge([_with_levels("higher", (0.6, 2.0), (0.2, 0.7))])
    assert (judged.verdict, judged.depends_on) == (OPEN, "")


def test_neither_is_ahead_where_each_is_ahead_somewhere():
    (judged,) = judge([_with_levels("neither", (0.6, 2.0), (-2.0, -0.6))])
    assert (judged.verdict, judged.depends_on) == (SUPPORTED, "depth")
    (judged,) = judge([_with_levels("neither", (0.6, 2.0), (-0.2, 0.2))])
    assert judged.verdict == OPEN


def test_levels_come_from_the_records_with_wider_intervals():
    deep = rows_of(np.arange(12) + 5.0, np.arange(12) % 3, pair=0, depth=10)
    flat = rows_of(np.arange(12) % 4, np.arange(12) % 3, pair=1, depth=2)
    rows = pd.concat([deep, flat], ignore_index=True)
    found = evidence(claim(by=["depth"]), rows, "higher")
    alone = evidence(claim(), deep, "higher")
    assert [level.level for level in found.levels] == [10, 2]
    assert found.levels[0].effect.mean == alone.effect.mean
    assert found.levels[0].effect.low < alone.effect.low


# --- with known truth ------------------------------------------------------------------------

DRAWS = {
    "normal": lambda draws, shape: draws.normal(size=shape),
    "heavy": lambda draws, shape: draws.standard_t(2, size=shape),
    "skewed": lambda draws, shape: draws.exponential(size=shape),
    "successes": lambda draws, shape: (draws.random(shape) < 0.3).astype(float),
}
TINY = 1e-9


def _judged_by_simulation(differences: np.ndarray) -> np.ndarray:
    """(repetitions, claims): whether each is supported, where next to nothing matters."""
    tested, question = paired_mean(differences), claim(matters=TINY)
    verdicts = []
    for mean, low, high, p in zip(*tested, strict=True):
        found = [
            Evidence(question, 0.0, 0.0, Effect(*values, differences.shape[-1], 0))
            for values in zip(mean, low, high, p, strict=True)
        ]
        verdicts.append([one.verdict == SUPPORTED for one in judge(found)])
    return np.array(verdicts)


@pytest.mark.parametrize("replicates", [9, 20])
@pytest.mark.parametrize("name", DRAWS)
def test_a_claim_with_no_effect_is_seldom_supported(name, replicates):
    draws = np.random.default_rng([replicates, len(name)])
    a, b = (DRAWS[name](draws, (2000, 5, replicates)) for _ in range(2))
    supported = _judged_by_simulation(a - b)
    assert supported.mean() <= 0.025
    assert supported.any(axis=1).mean() <= 0.05  # any of five
    alone = _judged_by_simulation((a - b)[:, :1])
    assert alone.mean() <= 0.05
    assert alone.mean() > 0.005 or name == "successes"  # and not for want of any power


def test_a_true_effect_is_found_as_often_as_it_should():
    # 1.2 sd, 16 replicates, five claims: Holm's first step asks for p < 0.01 of one of five.
    draws = np.random.default_rng(8)
    differences = draws.normal(0.0, 1.0, (2000, 5, 16))
    differences[:, 0] += 1.2
    found = _judged_by_simulation(differences)[:, 0].mean()
    shift, limit = 1.2 * np.sqrt(16), stats.t.ppf(1 - 0.05 / 5 / 2, 15)
    assert found == pytest.approx(stats.nct.sf(limit, 15, shift), abs=0.04)
    assert found > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("tuned", [False, True])
def test_records_without_an_effect_seldom_support_a_claim(tuned):
    """The whole way from rows to verdict, learning rates and levels included."""
    draws, verdicts = np.random.default_rng(9), []
    question = claim(matters=TINY, by=["depth"], tuned=tuned)
    rates = [0.01, 0.1, 1.0] if tuned else [0.1]
    rows = pd.concat([
        rows_of(range(15), range(15), pair=depth, depth=depth, rate=rate)
        for depth in (2, 10) for rate in rates
    ], ignore_index=True)  # fmt: skip
    for _ in range(2000):
        values = draws.exponential(size=len(rows))
        filled = rows.assign(value=values, criterion=values)
        verdicts.append(judge([evidence(question, filled, "lower")])[0].verdict)
    assert np.mean([verdict == SUPPORTED for verdict in verdicts]) <= 0.05
    assert np.mean([verdict == DEPENDS for verdict in verdicts]) <= 0.05
