"""Good regions, reach and memory against curves whose answer is known by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.analysis.intervals import wilson
from sim.analysis.sensitivity import by_level, good_region, memory, reach, span
from sim.catalog.optimizers import optimizer

RATES = np.geomspace(1e-4, 1.0, 9)


def runs_of(loss: Any, rates: np.ndarray = RATES, networks: int = 4, **columns: Any) -> pd.DataFrame:
    """`networks` runs at each rate; inf is a diverged run; those at or below 1 have reached the target."""
    value = np.repeat(np.asarray(loss, dtype=float), networks)
    broken = np.isinf(value)
    return pd.DataFrame({
        "lr": np.repeat(rates, networks), "steps": 100, "final_train_loss": np.where(broken, np.nan, value),
        "steps_to_learned": np.where(value <= 1.0, 50.0, np.nan),
        "status": np.where(broken, "diverged", np.where(value <= 1.0, "reached", "not_reached")),
    }).assign(**columns)  # fmt: skip


def regions(loss: Any, rates: np.ndarray = RATES, within: float = 2.0) -> dict[str, Any]:
    table = by_level(runs_of(loss, rates, optimizer="adam"), "lr", ["optimizer"], "learned")
    return good_region(table, "lr", ["optimizer"], within).iloc[0].to_dict()


def test_levels_ascend_and_diverged_networks_count_as_worst():
    runs = runs_of([4, 1], np.array([1.0, 0.1]), optimizer="sgd")
    runs.loc[runs.index[-1], ["status", "final_train_loss"]] = ["diverged", 0.0]
    runs.loc[runs.index[0], "final_train_loss"] = 2.0
    table = by_level(runs, "lr", ["optimizer"], "learned")
    assert table["lr"].tolist() == [0.1, 1.0]
    assert table["loss"].tolist() == [1.0, 4.0]
    assert table["loss_low"].tolist() == [1.0, 3.5]  # quartile of 2, 4, 4, 4
    assert table["loss_high"].tolist() == [np.inf, 4.0]  # three quarters of the way into a diverged one
    assert table["diverged"].tolist() == [1, 0]
    assert table["share"].tolist() == [1.0, 0.0]
    assert table["share_low"].iloc[0] == wilson(4, 4)[0]
    assert "share" not in by_level(runs, "lr", ["optimizer"])


def test_width_of_a_curve_drawn_by_hand():
    # |log10 lr + 2| decades from the best, each decade a factor that interpolates to a whole decade
    loss = 1 + 2 * np.abs(np.log10(RATES) + 2)
    found = regions(loss, within=3.0)
    assert found["best"] == pytest.approx(0.01)
    assert [found["low"], found["high"]] == pytest.approx([1e-3, 1e-1])
    assert found["decades"] == pytest.approx(2.0)
    assert not found["open"]
    assert regions(loss, within=2.0)["decades"] == pytest.approx(1.0)  # between two levels


def test_divergence_ends_a_region_halfway():
    found = regions([9, 9, 9, 9, 1, 1, 1, np.inf, np.inf])
    assert found["high"] == pytest.approx(10 ** (-1 + 0.25))
    assert found["low"] == pytest.approx(10 ** (-2 - 0.5 / 8))  # from 1 to 9 over half a decade, up to 2
    assert found["success_high"] > 0.1


def test_a_region_at_the_edge_is_open_and_never_jumps_a_gap():
    found = regions([1, 1, 9, 9, 9, 9, 1.5, 1.5, 9])
    assert found["open"]
    assert found["low"] == pytest.approx(1e-4)
    assert found["high"] < 1e-3
    everything = regions([1] * 9)
    assert everything["decades"] == pytest.approx(4.0)
    assert everything["open"]


def test_noise_at_the_best_widens_the_region():
    runs = runs_of([2, 1, 2], np.array([0.01, 0.1, 1.0]), optimizer="a")
    best = runs.index[runs["lr"] == 0.1]
    runs.loc[best, "final_train_loss"] = [0.5, 0.9, 1.1, 6.0]
    table = by_level(runs, "lr", ["optimizer"])
    (found,) = good_region(table, "lr", ["optimizer"], within=1.01).to_dict("records")
    assert found["threshold"] == 1.1 + 0.25 * 4.9
    assert found["decades"] == pytest.approx(2.0)


def test_a_ceiling_caps_what_is_good():
    table = by_level(runs_of([3, 2, 3], np.array([0.01, 0.1, 1.0]), optimizer="a"), "lr", ["optimizer"])
    widths = {
        top: good_region(table.assign(ceiling=top), "lr", ["optimizer"]).iloc[0]
        for top in (9.0, 2.5, 1.5, np.nan)
    }
    assert [widths[top]["threshold"] for top in (9.0, 2.5)] == [4.0, 2.5]
    assert widths[9.0]["decades"] == pytest.approx(2.0)
    assert widths[9.0]["open"]
    assert widths[2.5]["decades"] == pytest.approx(1.0)  # halfway on both sides
    assert not widths[2.5]["open"]
    assert np.isnan(widths[1.5]["decades"])
    assert widths[np.nan]["threshold"] == 4.0


def test_nothing_learned_has_no_good_region_of_success():
    found = regions([3, 2, 3, np.inf, np.inf, np.inf, np.inf, np.inf, np.inf])
    assert np.isnan(found["success_decades"])
    assert found["success_best"] == 0.0
    assert np.isnan(regions([np.inf] * 9)["decades"])


def test_how_deep_success_reaches():
    shares = {"sgd": [1.0, 1.0, 0.25, 0.75], "adam": [1.0, 1.0, 1.0, 0.5], "none": [0.25, 0, 0, 0]}
    rows = [
        {"optimizer": name, "depth": depth, "share": share}
        for name, line in shares.items()
        for depth, share in zip([2, 5, 10, 20], line, strict=True)
    ]
    table = reach(pd.DataFrame(rows), "depth", ["optimizer"]).set_index("optimizer")
    assert table["largest"].tolist() == pytest.approx([5, 20, np.nan], nan_ok=True)
    assert table["beyond"].tolist() == pytest.approx([10, np.nan, 2], nan_ok=True)
    assert table["total"].tolist() == [3.0, 3.5, 0.25]


def test_span_between_best_and_worst():
    runs = runs_of([1, 1, 8], np.array([8.0, 32.0, 128.0]), optimizer="a").rename(
        columns={"lr": "batch_size"}
    )
    table = by_level(runs, "batch_size", ["optimizer"], "learned")
    (found,) = span(table, "batch_size", ["optimizer"]).to_dict("records")
    assert (found["best_share"], found["worst"], found["worst_share"], found["drop"]) == (
        1.0,
        128.0,
        0.0,
        1.0,
    )
    assert found["loss_ratio"] == 8.0


def test_memory_of_each_rule():
    kept = memory(["sgd", "momentum", "adam", "adam(beta1=0.8)", "soap", "shampoo"]).set_index("optimizer")
    assert kept["values"].to_dict() == {
        "sgd": 0, "momentum": 1, "adam": 2, "adam(beta1=0.8)": 2, "soap": 6, "shampoo": 2,
    }  # fmt: skip
    assert kept["bytes"].tolist() == (4 * kept["values"]).tolist()
    assert memory(["adam"], "float64")["bytes"].item() == 16
    assert len(memory(list(optimizer))) == len(optimizer)
