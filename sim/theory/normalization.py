"""Normalization at initialization: the factor per layer on the SQUARED gradient (norm factor √ of it).

Normalization stands before the activation; widths are infinite and weights Gaussian, so the factors do not
depend on σw².  No units.
"""

from __future__ import annotations

import numpy as np

from sim.theory.maps import Phi, mean_square, mean_square_slope

BATCH_RELU_LIMIT = np.pi / (np.pi - 1)
"""Factor of batch normalization with ReLU for an infinite batch, 1.466942."""


def relu_correlation(c: float) -> float:
    """J(c) = (√(1−c²) + (π − acos c)c)/π, ReLU's correlation map (Cho and Saul 2009)."""
    return float((np.sqrt(1 - c * c) + (np.pi - np.arccos(c)) * c) / np.pi)


def relu_correlation_slope(c: float) -> float:
    """J'(c) = (π − acos c)/π."""
    return float((np.pi - np.arccos(c)) / np.pi)


def batch_relu_factor(batch_size: int) -> float:
    """Batch normalization with ReLU, batch of B > 3: gradients explode at every B.

    [J'(−1/(B−1)) + (B−1)] / [(B−3)(1 − J(−1/(B−1)))] − 1/(B−3) (Yang et al. 2019); π/(π−1) as B → ∞.
    ValueError for B ≤ 3, where the mean squared gradient is infinite.
    """
    _require_four(batch_size)
    c = -1 / (batch_size - 1)
    numerator = relu_correlation_slope(c) + batch_size - 1
    return numerator / ((batch_size - 3) * (1 - relu_correlation(c))) - 1 / (batch_size - 3)


def batch_linear_factor(batch_size: int) -> float:
    """Batch normalization without activation, (B−2)/(B−3), B > 3 (Yang et al. 2019); ValueError below."""
    _require_four(batch_size)
    return (batch_size - 2) / (batch_size - 3)


def _require_four(batch_size: int) -> None:
    if batch_size <= 3:
        raise ValueError(f"batch normalization has a finite factor for batches above 3, not {batch_size}")


def layer_factor(phi: Phi) -> float:
    """Layer normalization, E φ'(z)²/E φ(z)²: ReLU 1, tanh 1.178, sigmoid 0.153 (Yang et al. 2019)."""
    return float(mean_square_slope(phi, 1.0) / mean_square(phi, 1.0))
