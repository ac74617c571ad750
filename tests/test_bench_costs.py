"""The cost of a step is measured for every optimizer that is asked for, and kept for the report."""

from __future__ import annotations

import pytest

from sim.analysis.sensitivity import costs
from sim.bench.costs import NETWORK, AnyOptimizer, step_costs
from sim.catalog.optimizers import optimizer


@pytest.mark.slow
def test_a_step_is_timed():
    table = step_costs(["adam", "muon"], looks=2, network=NETWORK.of(networks=2, steps=30))
    assert table["optimizer"].tolist() == ["adam", "muon"]
    assert (table["step_ns"] > 100).all()
    assert (table["parameters"] == AnyOptimizer(**vars_of(NETWORK)).parameters).all()
    assert table["relative"].iloc[1] > 1.5  # five products of matrices a layer more than SGD


def vars_of(point):
    return {name: getattr(point, name) for name in point.__dataclass_fields__}


def test_the_kept_costs_are_those_of_the_shipped_optimizers():
    table = costs(list(optimizer)).set_index("optimizer")
    assert table.loc["sgd", "relative"] == 1.0
    assert table.loc["muon", "relative"] > table.loc["adam", "relative"] > 1.0
    assert (table["step_ns"].dropna() > 1_000).all()
    assert table["step_ns"].notna().sum() >= 20
