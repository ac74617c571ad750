"""Intervals of shares that hardly vary: by hand, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from sim.analysis.claims import OPEN, SUPPORTED, Effect, evidence, judge, limits_of, verdict_of
from sim.analysis.randomization import paired_mean, unpaired_mean
from tests.test_claims import claim, rows_of

SHARES = (-1.0, 1.0)


def ends(tested):
    return tested.low.item(), tested.high.item()


@pytest.mark.parametrize("n", [6, 14, 28])
@pytest.mark.parametrize("d", [-1.0, 0.0, 0.25, 1.0])
def test_equal_differences_by_hand(n, d):
    # Nothing else in n draws: its probability q may be as large as (1 − q)ⁿ = 0.025.
    q = 1 - 0.025 ** (1 / n)
    found, plain = paired_mean(np.full(n, d), limits=SHARES), paired_mean(np.full(n, d))
    assert ends(found) == pytest.approx((d - q * (1 + d), d + q * (1 - d)))
    assert (found.p, found.mean) == (plain.p, plain.mean)
    assert ends(plain) == pytest.approx((d, d))


def test_one_other_of_fourteen_by_hand():
    # (1 − q)¹⁴ + 14 q (1 − q)¹³ = 0.025 at q = 0.33868 (Clopper and Pearson's bound for 1 of 14).
    low, high = ends(paired_mean([0.0] * 13 + [1.0], limits=SHARES))
    assert (low, high) == pytest.approx((-(1 - 0.025 ** (1 / 14)), 0.33868), abs=1e-5)
    tenth = ends(paired_mean([0.0] * 13 + [0.1], limits=SHARES))  # others as far from 0 as this one
    assert tenth == pytest.approx((low / 10, high / 10))
    assert (1 - high) ** 14 + 14 * high * (1 - high) ** 13 == pytest.approx(0.025)


def test_limits_leave_alone_what_varies():
    varied = np.random.default_rng(2).uniform(-1, 1, (50, 12))
    assert np.array_equal(paired_mean(varied, limits=SHARES), paired_mean(varied))
    six_of_fourteen = [0.0] * 8 + [1.0] * 6
    assert ends(paired_mean(six_of_fourteen, limits=SHARES)) == ends(paired_mean(six_of_fourteen))


def test_unpaired_constants_by_hand():
    q = 1 - 0.025 ** (1 / 10)
    assert ends(unpaired_mean(np.ones(10), np.zeros(10), limits=(0, 1))) == pytest.approx((1 - 2**0.5 * q, 1))
    assert ends(unpaired_mean(np.zeros(10), np.zeros(10), limits=(0, 1))) == pytest.approx((-q, q))
    assert ends(unpaired_mean(np.ones(10), np.zeros(10))) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "limits"),
    [
        ({"quantity": "success"}, (-1, 1)),
        ({"quantity": "success_learned"}, (-1, 1)),
        ({"quantity": "success", "b": None, "than": 0.4}, (-0.4, 0.6)),
        ({"quantity": "diverged", "relative_to": {"f": 3}}, (-2, 2)),
        ({"quantity": "best_minimum", "tuned": True, "misset": 2.0}, (-2, 2)),
        ({"quantity": "path_length", "compare": "wins"}, (-0.5, 0.5)),
        ({"quantity": "final_test_loss"}, None),
    ],
)
def test_limits_of_a_claim(changes, limits):
    found = limits_of(claim(**changes))
    assert found == (limits and pytest.approx(limits))


def test_claims_about_shares_are_not_surer_than_their_replicates():
    question = claim(quantity="success", direction="neither", matters=0.1)
    for n, verdict in ((14, OPEN), (40, SUPPORTED)):  # 1 − 0.025^(1/40) = 0.088
        assert judge([evidence(question, rows_of([0] * n, [0] * n), "higher")])[0].verdict == verdict
    never = claim(quantity="success", direction="lower", matters=0.4, b=None, than=0.5)
    effect = evidence(never, rows_of([0] * 14, []), "higher").effect
    assert (effect.low, effect.high) == pytest.approx((-0.5, -0.5 + 1 - 0.025 ** (1 / 14)))


@pytest.mark.parametrize("n", [6, 14, 28])
def test_the_interval_holds_the_truth(n):
    """A succeeds with probability p, B never; p is just what matters, so that *neither* is wrong."""
    draws = np.random.default_rng(n)
    for p in (0.05, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3):
        differences = (draws.random((1500, n)) < p).astype(float)
        tested = paired_mean(differences, limits=SHARES)
        covered = ((tested.low <= p + 1e-12) & (p - 1e-12 <= tested.high)).mean()
        assert covered >= 0.93, (p, covered)
        question = claim(quantity="success", direction="neither", matters=p)
        effects = [Effect(*values, n, n) for values in zip(*tested, strict=True)]
        neither = np.mean([verdict_of(question, one, one.p) == SUPPORTED for one in effects])
        assert neither <= 0.05
