"""How much worse a network does on rows it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sim.analysis.cells import cells
from sim.analysis.intervals import grouped_mean, grouped_share


def gap(runs: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Train/test gap of accuracy and of loss at the end; both are positive when a network overfits.

    accuracy_gap = train − test, loss_gap = test − train, means over the runs of a group with t intervals.
    Diverged runs have no end to compare: they are counted in `diverged_share` and left out of the means.
    A regression has no accuracy: its accuracies are NaN.

    Columns: *by, networks, diverged_share, finished, train_accuracy, test_accuracy, accuracy_gap,
    accuracy_gap_low, accuracy_gap_high, train_loss, test_loss, loss_gap, loss_gap_low, loss_gap_high.
    """
    group = cells(runs, by)
    count = len(group.keys)
    diverged = runs["status"] == "diverged"
    share = grouped_share(diverged, group.number, count)
    ended = runs[~diverged]
    number = group.number[~diverged.to_numpy()]
    finished = np.bincount(number, minlength=count)
    answers: dict[str, Any] = {"networks": group.networks, "diverged_share": share, "finished": finished}
    for metric, sign in (("accuracy", 1.0), ("loss", -1.0)):
        train, test = ended[f"final_train_{metric}"], ended[f"final_test_{metric}"]
        answers[f"train_{metric}"] = grouped_mean(train, number, count)["mean"]
        answers[f"test_{metric}"] = grouped_mean(test, number, count)["mean"]
        between = grouped_mean(sign * (train - test), number, count)
        answers[f"{metric}_gap"] = between["mean"]
        answers |= {f"{metric}_gap_low": between["low"], f"{metric}_gap_high": between["high"]}
    return group.beside(answers)
