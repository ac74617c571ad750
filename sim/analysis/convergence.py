"""Who reaches a target, and how soon, under a budget of training steps."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def targets(runs: pd.DataFrame) -> list[str]:
    """Names of the targets in the records (columns steps_to_<target>), the primary one first."""


def success(runs: pd.DataFrame, by: Sequence[str], target: str) -> pd.DataFrame:
    """Share of networks that reach the target, and share that diverge, with Wilson intervals.

    Columns: *by, networks, successes, share, share_low, share_high, diverged, diverged_share,
    diverged_low, diverged_high.
    """


def time_to_target(runs: pd.DataFrame, by: Sequence[str], target: str) -> pd.DataFrame:
    """Steps to the target where failures count as censored at their budget.

    Columns: *by, networks, successes, budget, median, median_low, median_high (inf: beyond the budget),
    median_text ("120", ">300"), restricted_mean, restricted_mean_low, restricted_mean_high,
    expected_running_time (inf without a success).
    """


def kaplan_meier(runs: pd.DataFrame, by: Sequence[str], target: str) -> pd.DataFrame:
    """Share of networks that have reached the target by each step: a right-continuous step curve.

    Columns: *by, step (from 0 to the budget), at_risk, reached (at this step), share, share_low, share_high.
    """
