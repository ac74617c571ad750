"""Factors of batch and layer normalization against published numbers and sampled networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.catalog.activations import activation
from sim.theory import normalization
from sim.theory.mean_field import bound


@pytest.mark.parametrize(("batch_size", "factor"), [(8, 1.788190), (32, 1.521953), (10**9, 1.466942)])
def test_batch_normalization_with_relu(batch_size: int, factor: float) -> None:
    assert normalization.batch_relu_factor(batch_size) == pytest.approx(factor, abs=5e-7)


def test_limit_of_large_batches() -> None:
    assert pytest.approx(1.466942, abs=5e-7) == normalization.BATCH_RELU_LIMIT
    assert normalization.batch_relu_factor(10**7) == pytest.approx(normalization.BATCH_RELU_LIMIT, rel=1e-6)


@given(st.integers(4, 10_000))
def test_larger_batches_explode_less(batch_size: int) -> None:
    assert normalization.batch_relu_factor(batch_size) > normalization.batch_relu_factor(batch_size + 1) > 1
    assert normalization.batch_linear_factor(batch_size) == pytest.approx((batch_size - 2) / (batch_size - 3))


@pytest.mark.parametrize("factor", [normalization.batch_relu_factor, normalization.batch_linear_factor])
def test_batches_of_three_have_no_finite_factor(factor: object) -> None:
    with pytest.raises(ValueError, match="above 3, not 3"):
        factor(3)  # type: ignore[operator]


@given(st.floats(-0.99, 0.99))
def test_slope_of_the_relu_correlation(c: float) -> None:
    step = 1e-6
    difference = normalization.relu_correlation(c + step) - normalization.relu_correlation(c - step)
    assert normalization.relu_correlation_slope(c) == pytest.approx(difference / (2 * step), abs=1e-7)


@pytest.mark.parametrize(("name", "factor"), [("relu", 1.0), ("tanh", 1.178), ("sigmoid", 0.153)])
def test_layer_normalization(name: str, factor: float) -> None:
    assert round(normalization.layer_factor(bound(activation[name])), 3) == factor


def standardize(pre: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    centred = pre - pre.mean(axis, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis, keepdims=True))
    return centred / spread, spread


def through_standardize(gradient: np.ndarray, unit: np.ndarray, spread: np.ndarray, axis: int) -> np.ndarray:
    along = (gradient * unit).mean(axis, keepdims=True)
    return (gradient - gradient.mean(axis, keepdims=True) - along * unit) / spread


def squared_gradients(
    name: str, depth: int, width: int, batch: int, axis: int, seed: list[int]
) -> np.ndarray:
    """Σ(∂L/∂h^l)² of a network normalized over ``axis`` (1 the batch, 0 the units), ``(depth,)``."""
    random = np.random.default_rng(seed)
    signal = random.standard_normal((width, batch))
    kept = []
    for _ in range(depth):
        weights = random.standard_normal((width, width)) / math.sqrt(width)
        unit, spread = standardize(weights @ signal, axis)
        signal, slope = bound(activation[name])(unit)
        kept.append((weights, unit, spread, slope))
    gradient, squares = random.standard_normal((width, batch)), []
    for weights, unit, spread, slope in reversed(kept):
        before = through_standardize(gradient * slope, unit, spread, axis)
        squares.append(np.sum(before**2))
        gradient = weights.T @ before
    return np.array(squares[::-1])


@pytest.mark.parametrize("name", ["relu", "linear"])
def test_batch_normalized_networks_explode_at_the_predicted_rate(name: str) -> None:
    """N = 128, B = 32, 32 layers, 30 networks; slope over the middle half of the layers."""
    squares = sum(squared_gradients(name, 32, 128, 32, 1, [2, net]) for net in range(30))
    middle = np.arange(8, 24)
    factor = math.exp(-np.polyfit(middle, np.log(squares[middle]), 1)[0])
    predicted = {"relu": normalization.batch_relu_factor, "linear": normalization.batch_linear_factor}[name](
        32
    )
    assert factor == pytest.approx(predicted, abs=0.02)


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid"])
def test_layer_normalized_networks_have_the_predicted_factor(name: str) -> None:
    """n = 512, eight layers, six networks: 2 %."""
    squares = sum(squared_gradients(name, 8, 512, 4, 0, [4, net]) for net in range(6))
    factor = (squares[1] / squares[-1]) ** (1 / 6)
    assert factor == pytest.approx(normalization.layer_factor(bound(activation[name])), rel=0.02)
