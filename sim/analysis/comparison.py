"""What one changed factor does, in pairs of networks that share everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd


def paired_effect(
    runs: pd.DataFrame,
    factor: str,
    baseline: Any,
    by: Sequence[str] = (),
    quantity: str = "final_test_accuracy",
    match: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Every level of `factor` against its baseline level, over pairs equal in all of `match`.

    `match` is by default grid, replicate and every factor but this one. `quantity` is a column of `runs`:
    final_test_accuracy, final_train_loss, steps_to_<target>, or one you add, such as
    runs.assign(log10_gradient_ratio=gradients.log10_ratio(runs, layers)).

    Columns: *by, factor, level, baseline, quantity, pairs, replicates, finite_pairs, level_mean,
    baseline_mean, mean_difference, mean_difference_low, mean_difference_high, median_difference, better,
    worse, ties, share_better, share_better_low, share_better_high, p_value, p_holm.
    """
