"""Log-rank tests and competing outcomes against published data, SciPy and counting by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from test_analysis_convergence import PLACEBO, freireich, observed

from sim.analysis.comparison import holm
from sim.analysis.convergence import kaplan_meier
from sim.analysis.survival import logrank, outcomes


def remissions() -> pd.DataFrame:
    """Freireich et al. (1963), both arms."""
    treated = freireich().assign(optimizer="6-MP")
    return pd.concat([treated, observed(PLACEBO, 50, optimizer="placebo")], ignore_index=True)


def test_logrank_of_freireich_has_the_published_values():
    row = logrank(remissions(), "learned").iloc[0]
    assert row[["entrant", "other", "networks", "other_networks"]].tolist() == ["6-MP", "placebo", 21, 21]
    assert row["chi2"] == pytest.approx(16.79, abs=0.005)
    assert row["p_value"] == pytest.approx(4.17e-5, abs=0.005e-5)
    assert row["statistic"] < 0  # an arrival is a relapse: the treated ones are later
    assert row["p_holm"] == row["p_value"]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9), st.booleans()), min_size=2, max_size=40),
)
def test_every_pair_agrees_with_scipy(drawn):
    entrant, step, seen = (np.array(side) for side in zip(*drawn, strict=True))
    runs = observed(np.where(seen, step, np.nan), step, optimizer=[f"o{one}" for one in entrant])
    for row in logrank(runs, "learned").to_dict("records"):
        sides = [(runs["optimizer"] == row[name]).to_numpy() for name in ("entrant", "other")]
        data = [stats.CensoredData.right_censored(step[side], ~seen[side]) for side in sides]
        with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            expected = stats.logrank(*data)
        assert row["statistic"] == pytest.approx(expected.statistic, nan_ok=True)
        assert row["p_value"] == pytest.approx(expected.pvalue, nan_ok=True)


def test_problems_are_tested_apart():
    runs = remissions()
    shifted = runs.assign(grid="b", steps_to_learned=runs["steps_to_learned"] + 5, steps=runs["steps"] + 5)
    third = runs.query("optimizer == 'placebo'").assign(optimizer="sham")
    table = logrank(
        pd.concat([runs.assign(grid="a"), third.assign(grid="a"), shifted]), "learned", by=["grid"]
    )
    assert table["grid"].tolist() == ["a", "a", "a", "b"]
    assert table["entrant"].tolist() == ["6-MP", "6-MP", "placebo", "6-MP"]
    assert table["chi2"].iloc[3] == pytest.approx(16.79, abs=0.005)  # the same order of events
    assert table["chi2"].iloc[2] == pytest.approx(0.0)
    assert table["p_holm"].iloc[:3].to_numpy() == pytest.approx(holm(table["p_value"].iloc[:3]))


def test_nobody_arrives_is_no_answer():
    runs = observed([np.nan] * 4, 10, optimizer=["a", "a", "b", "b"])
    assert logrank(runs, "learned")[["statistic", "p_value", "p_holm"]].isna().all(axis=None)
    assert logrank(runs[:0], "learned").columns.tolist() == logrank(runs, "learned").columns.tolist()


def fates() -> pd.DataFrame:
    runs = observed([2, 4, 4, np.nan, np.nan, np.nan, 8, np.nan], [10] * 7 + [5])
    return runs.assign(diverged_at=[np.nan, np.nan, 9, 4, 1, np.nan, np.nan, np.nan])


def test_outcomes_by_hand():
    table = outcomes(fates(), [], "learned").set_index("step")
    assert table["at_risk"].to_dict() == {0: 8, 1: 8, 2: 7, 4: 6, 5: 3, 8: 2, 10: 1}
    assert table.loc[1, ["reached", "diverged"]].tolist() == [0.0, 1 / 8]
    assert table.loc[4, ["reached", "diverged", "under_way"]].tolist() == pytest.approx([3 / 8, 2 / 8, 3 / 8])
    # one of three leaves unseen at step 5: the arrival at 8 stands for half of the 3/8 under way
    assert table.loc[10].tolist() == pytest.approx([1, 3 / 8 + 3 / 16, 2 / 8, 3 / 16])


def test_who_needs_no_step_has_arrived_at_step_0():
    runs = observed([0, 4, np.nan, np.nan], 10).assign(diverged_at=[np.nan, np.nan, 4, np.nan])
    table = outcomes(runs, [], "learned").set_index("step")
    assert table.loc[0, ["at_risk", "reached", "under_way"]].tolist() == [4, 0.25, 0.75]
    assert table.loc[10, ["reached", "diverged"]].tolist() == pytest.approx([0.5, 0.25])


def test_outcomes_add_up_and_without_divergence_are_kaplan_meiers():
    generator = np.random.default_rng(3)
    time, budget = generator.integers(1, 30, 200).astype(float), generator.integers(5, 25, 200)
    runs = observed(np.where(time <= budget, time, np.nan), budget, optimizer=["a", "b"] * 100)
    broke = generator.integers(1, 30, 200)
    broken = runs.assign(diverged_at=np.where((broke < budget) & (time > budget), broke, np.nan))
    table = outcomes(broken, ["optimizer"], "learned")
    assert (table["reached"] + table["diverged"] + table["under_way"]).to_numpy() == pytest.approx(1.0)
    assert (table.groupby("optimizer")[["reached", "diverged"]].diff().fillna(0) >= 0).all(axis=None)
    alone = outcomes(runs.assign(diverged_at=np.nan), ["optimizer"], "learned")
    curve = kaplan_meier(runs, ["optimizer"], "learned")
    assert alone["step"].tolist() == curve["step"].tolist()
    assert alone["reached"].to_numpy() == pytest.approx(curve["share"].to_numpy())
