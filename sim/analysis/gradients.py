"""Where gradients vanish or explode, layer by layer, and what theory says about it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def per_layer_factor(
    runs: pd.DataFrame,
    layers: pd.DataFrame,
    by: Sequence[str],
    quantity: str = "log10_grad_pre",
    checkpoint: int = 0,
) -> pd.DataFrame:
    """What one layer of back-propagation multiplies the gradient's norm by.

    Columns: *by, networks, fitted, factor, factor_low, factor_high, squared_factor, squared_factor_low,
    squared_factor_high, log10_factor, log10_factor_sd, zero_share, nonfinite_share.
    """


def first_to_last(
    runs: pd.DataFrame,
    layers: pd.DataFrame,
    by: Sequence[str],
    quantity: str = "log10_grad_pre",
    checkpoint: int = 0,
) -> pd.DataFrame:
    """log10 of the first hidden layer's gradient norm over the last one's: very negative is vanished.

    Columns: *by, networks, finite, log10_ratio, log10_ratio_low, log10_ratio_high, log10_ratio_sd,
    log10_ratio_median (-inf counted as such), zero_share, nonfinite_share.
    """


def log10_ratio(
    runs: pd.DataFrame, layers: pd.DataFrame, quantity: str = "log10_grad_pre", checkpoint: int = 0
) -> pd.Series:
    """The first-to-last ratio of every single run, on the index of `runs` (for comparison.paired_effect)."""


def by_layer(
    runs: pd.DataFrame,
    layers: pd.DataFrame,
    by: Sequence[str],
    quantity: str = "log10_grad_pre",
    checkpoint: int = 0,
) -> pd.DataFrame:
    """Gradient norm of every layer (hidden 1..depth, output depth+1; so put "depth" into `by`).

    Columns: *by, layer, networks, finite, mean_log10, mean_log10_low, mean_log10_high, sd_log10,
    log10_mean (log of the mean norm), log10_rms (log of the root mean square norm), zero_share,
    nonfinite_share.
    """


def over_training(
    runs: pd.DataFrame, layers: pd.DataFrame, by: Sequence[str], quantity: str = "log10_grad_pre"
) -> pd.DataFrame:
    """Gradient norm of the first and the last hidden layer by training step.

    Columns: *by, place ("first hidden" or "last hidden"), step, networks, finite, mean_log10,
    mean_log10_low, mean_log10_high, sd_log10, zero_share, nonfinite_share.
    """


def saturation(
    runs: pd.DataFrame, layers: pd.DataFrame, by: Sequence[str], checkpoint: int = -1
) -> pd.DataFrame:
    """Saturated activations and dead units of every hidden layer.

    Columns: *by, layer, networks, saturated, saturated_low, saturated_high, dead, dead_low, dead_high.
    """


def compare_with_theory(
    runs: pd.DataFrame,
    layers: pd.DataFrame,
    by: Sequence[str] = ("activation", "initializer", "width", "bias"),
) -> pd.DataFrame:
    """Measured squared factor per layer of untrained plain networks beside mean field's chi.

    Columns: *by, networks, fitted, measured, measured_low, measured_high, predicted,
    log_difference (ln measured - ln predicted, per layer), within_interval.
    """
