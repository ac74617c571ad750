"""95 % intervals hold the truth of simulated optimizers in 93 to 97 of 100 repetitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from simulated import PLACE, REPETITIONS, SEEDS, coverage, intervals

from sim.analysis.intervals import wilson

CHEAP = ("Wilson", "Student", "trials", "Hodges")


def kept() -> pd.DataFrame:
    return pd.read_csv(PLACE / "coverage.csv")


def test_the_kept_coverage_is_within_bounds():
    table = kept()
    assert (table["repetitions"] == REPETITIONS).all()
    assert SEEDS == 30
    assert table["covered"].between(0.93, 0.97).all()
    assert (PLACE / "coverage.png").read_bytes().startswith(b"\x89PNG")


def test_intervals_without_a_bootstrap_cover_here_too():
    chosen = [one for one in intervals() if any(word in one.name for word in CHEAP)]
    assert len(chosen) > 5
    table = coverage(chosen, 400)  # 400 repetitions leave ± 2.2 points
    assert table["covered"].between(0.91, 0.985).all(), table


def test_wilson_covers_exactly_as_often_on_the_average_over_shares():
    low, high = wilson(np.arange(SEEDS + 1), SEEDS)
    shares = np.linspace(0.02, 0.98, 193)[:, None]
    inside = (low <= shares) & (shares <= high)
    covered = (stats.binom.pmf(np.arange(SEEDS + 1), SEEDS, shares) * inside).sum(axis=1)
    assert covered.mean() == pytest.approx(0.953, abs=0.002)
    # Counts are whole numbers, so at a single share it is a little more or less.
    assert covered[(shares[:, 0] > 0.1) & (shares[:, 0] < 0.9)].min() > 0.92


@pytest.mark.slow
def test_every_interval_covers_as_the_kept_table_says():
    table = coverage(intervals())
    assert table["covered"].between(0.93, 0.97).all(), table
    assert table["interval"].tolist() == kept()["interval"].tolist()
    # Another processor may round a bound differently and move a few repetitions across it.
    assert table["covered"].to_numpy() == pytest.approx(kept()["covered"].to_numpy(), abs=0.005)
