"""The train/test gap against hand-computed values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from records import make_records

from sim.analysis.overfitting import gap


def ended(train: list[float], test: list[float], **columns: object) -> pd.DataFrame:
    """Runs with given final accuracies, and losses of one less."""
    runs = pd.DataFrame({"final_train_accuracy": train, "final_test_accuracy": test, "status": "reached"})
    losses = {f"final_{split}_loss": 1 - runs[f"final_{split}_accuracy"] for split in ("train", "test")}
    return runs.assign(**losses, **columns)


def test_gap_by_hand():
    row = gap(ended([1.0, 1.0, 0.9], [0.7, 0.8, 0.8]), []).iloc[0]
    # gaps 0.3, 0.2, 0.1: mean 0.2, sd 0.1, t(2) = 4.302653
    assert row["accuracy_gap"] == pytest.approx(0.2)
    assert row["accuracy_gap_high"] - 0.2 == pytest.approx(4.302653 * 0.1 / np.sqrt(3), abs=1e-6)
    assert row[["loss_gap", "loss_gap_low"]].tolist() == pytest.approx(
        row[["accuracy_gap", "accuracy_gap_low"]]
    )
    assert row[["train_accuracy", "test_loss"]].tolist() == pytest.approx([2.9 / 3, 0.7 / 3])


def test_diverged_networks_are_counted_and_left_out():
    runs = ended([1.0, 0.9, 0.1], [0.8, 0.7, 0.9], status=["reached", "not_reached", "diverged"])
    row = gap(runs, []).iloc[0]
    assert row[["networks", "finished"]].tolist() == [3, 2]
    assert row["diverged_share"] == pytest.approx(1 / 3)
    assert row["accuracy_gap"] == pytest.approx(0.2)


def test_all_diverged_or_a_single_network():
    row = gap(ended([1.0, 1.0], [0.5, 0.5], status="diverged"), []).iloc[0]
    assert row[["networks", "finished", "diverged_share"]].tolist() == [2, 0, 1.0]
    assert row[["accuracy_gap", "loss_gap", "train_loss"]].isna().all()
    row = gap(ended([1.0], [0.5]), []).iloc[0]
    assert row["accuracy_gap"] == 0.5
    assert row[["accuracy_gap_low", "accuracy_gap_high"]].isna().all()


def test_regression_has_losses_only():
    row = gap(
        ended([1.0, 1.0], [0.5, 0.4]).assign(final_train_accuracy=np.nan, final_test_accuracy=np.nan), []
    )
    assert row["accuracy_gap"].isna().all()
    assert row["loss_gap"][0] == pytest.approx(0.55)


def test_little_data_overfits_more_in_the_records_made_so():
    runs = make_records().runs.query("grid == 'overfitting'")
    table = gap(runs, ["depth", "samples"])
    assert table[["depth", "samples"]].to_numpy().tolist() == [[2, 50], [2, 500], [5, 50], [5, 500]]
    by_samples = table.groupby("samples")["accuracy_gap"].mean()
    assert by_samples[50] == pytest.approx(by_samples[500] * np.sqrt(10), rel=0.02)


def test_empty_selection_keeps_the_columns():
    runs = make_records(replicates=1).runs
    assert gap(runs[:0], ["depth"]).columns.tolist() == gap(runs, ["depth"]).columns.tolist()
    assert len(gap(runs[:0], ["depth"])) == len(gap(runs[:0], [])) == 0
