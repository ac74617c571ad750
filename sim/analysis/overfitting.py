"""How much worse a network does on rows it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def gap(runs: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Train/test gap of accuracy and of loss at the end; both are positive when a network overfits.

    Columns: *by, networks, diverged_share, finished, train_accuracy, test_accuracy, accuracy_gap,
    accuracy_gap_low, accuracy_gap_high, train_loss, test_loss, loss_gap, loss_gap_low, loss_gap_high.
    """
