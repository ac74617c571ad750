"""The exact laws of finite width against published numbers and sampled networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sim.theory import finite_width

widths = st.integers(1, 512)


def test_moments_of_width_32() -> None:
    assert round(finite_width.mean_log_ratio(32), 6) == -0.082540
    assert round(finite_width.variance_log_ratio(32), 6) == 0.177498
    mean, variance = finite_width.log_ratio_moments([32] * 16)
    assert (round(mean, 4), round(variance, 3)) == (-1.3206, 2.840)


def test_moments_tend_to_their_asymptotes() -> None:
    for width in (128, 512, 2048):
        assert finite_width.mean_log_ratio(width) == pytest.approx(-5 / (2 * width), rel=5 / width)
        assert finite_width.variance_log_ratio(width) == pytest.approx(5 / width, rel=10 / width)


def test_typical_network_is_far_below_the_mean() -> None:
    """Width 32, depth 64: the median squared gradient is 0.5 % of the mean."""
    mean, variance = finite_width.log_ratio_moments([32] * 64)
    assert round(100 * math.exp(mean), 1) == 0.5
    assert finite_width.networks_for_mean_log([32] * 64, 0.1) == pytest.approx(variance / 0.01)
    assert round(finite_width.networks_for_mean_log([32] * 64, 0.1), -2) == 1_100
    assert round(finite_width.networks_for_mean([32] * 64, 0.1), -5) == 1_100_000


@given(st.lists(widths, min_size=1, max_size=6))
def test_dead_networks(sizes: list[int]) -> None:
    expected = 1 - math.prod(1 - 2.0**-width for width in sizes)
    assert_allclose(finite_width.probability_dead(sizes), expected, atol=1e-15)


def test_one_unit_is_dead_on_half_of_the_inputs() -> None:
    assert finite_width.probability_dead([1]) == pytest.approx(0.5)
    assert finite_width.probability_dead([64] * 10) == pytest.approx(10 * 2.0**-64)


@given(st.integers(1, 300))
def test_second_moment_of_the_ratio_law(width: int) -> None:
    """E[((2/n)χ²_K)²] = (4/n²) E[K² + 2K] summed over the binomial law."""
    from scipy.stats import binom

    active = np.arange(width + 1)
    moment = 4 / width**2 * (binom.pmf(active, width, 0.5) @ (active**2 + 2 * active))
    assert finite_width.second_moment(width) == pytest.approx(moment)


def test_second_moments_multiply_over_layers() -> None:
    product = math.prod(1 + 5 / width for width in (8, 16, 32))
    assert finite_width.relative_variance([8, 16, 32]) == pytest.approx(product - 1)
    assert finite_width.second_moment(10, orthogonal=True) == 1.25
    assert finite_width.second_moment(10, "linear") == 1.2
    assert finite_width.relative_variance([10, 20], "linear", orthogonal=True) == 0.0
    with pytest.raises(KeyError):
        finite_width.second_moment(10, "tanh")


@pytest.mark.parametrize("activation", ["relu", "linear"])
@pytest.mark.parametrize("orthogonal", [False, True])
def test_second_moments_of_sampled_layers(activation: str, orthogonal: bool) -> None:
    """A fixed direction through 40,000 layers of 6 units, ±4 standard errors."""
    random, width = np.random.default_rng(3), 6
    output = random.standard_normal((40_000, width)) / math.sqrt(width)
    if orthogonal:
        output /= np.linalg.norm(output, axis=1, keepdims=True)
    if activation == "relu":
        output = math.sqrt(2) * np.maximum(output, 0)
    ratio = np.sum(output**2, axis=1)
    for power, expected in ((1, 1.0), (2, finite_width.second_moment(width, activation, orthogonal))):
        error = np.std(ratio**power) / math.sqrt(len(ratio))
        assert abs(np.mean(ratio**power) - expected) <= 4 * error + 1e-12


def test_random_walk_gain_takes_the_drift_away() -> None:
    """From 16 units on the drift of the log is below a tenth of what He's gain leaves."""
    for width in (16, 32, 64, 128, 256):
        gain = finite_width.random_walk_gain(width)
        before = finite_width.mean_log_ratio(width)
        assert abs(before + math.log(gain**2 / 2)) < 0.1 * abs(before)
    assert finite_width.random_walk_gain(32) == pytest.approx(math.sqrt(2) * math.exp(1.2 / 29.6))
    assert finite_width.random_walk_gain(2) == finite_width.random_walk_gain(6)


def test_eigenvalue_variance_of_eight_layers() -> None:
    found = [
        finite_width.eigenvalue_variance(8, slope_ratio, orthogonal)
        for slope_ratio, orthogonal in ((1.0, False), (1.0, True), (2.0, False), (2.0, True))
    ]
    assert found == [8.0, 0.0, 16.0, 8.0]


def test_mean_singular_value_of_a_layer() -> None:
    assert round(finite_width.mean_singular_value(1.0), 3) == 0.849
    assert round(finite_width.mean_singular_value(1 / 3), 3) == 0.490
    weights = np.random.default_rng(1).standard_normal((200, 200)) / math.sqrt(200)
    measured = np.mean(np.linalg.svd(weights, compute_uv=False))
    assert measured == pytest.approx(finite_width.mean_singular_value(1.0), rel=0.01)


def squared_ratios(kind: str, networks: int, depth: int, width: int) -> np.ndarray:
    """Ratio of squared norms over ``depth`` He-initialized ReLU layers, ``(networks,)``.

    Of the signal of a fixed input, of the Jacobian times a fixed direction, or of the gradient ∂L/∂h; the
    last needs a layer more, because its first mask is part of what it starts from.
    """
    random = np.random.default_rng(11)
    signal, tangent = np.zeros((2, networks, width, 1))
    signal[:, 0], tangent[:, 1] = 1.0, 1.0
    layers = []
    for _ in range(depth + (kind == "gradient")):
        weights = random.standard_normal((networks, width, width), dtype=np.float32) * math.sqrt(2 / width)
        active = weights @ signal > 0
        signal, tangent = active * (weights @ signal), active * (weights @ tangent)
        layers.append((weights, active))
    if kind == "gradient":
        gradient = start = layers[-1][1] * random.standard_normal((networks, width, 1))
        for (weights, _), (_, active) in zip(layers[:0:-1], layers[-2::-1], strict=True):
            gradient = active * (np.swapaxes(weights, 1, 2) @ gradient)
        return np.sum(gradient**2, axis=(1, 2)) / np.sum(start**2, axis=(1, 2))
    return np.sum((signal if kind == "signal" else tangent) ** 2, axis=(1, 2))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["signal", "jacobian", "gradient"])
def test_log_ratio_of_sampled_networks(kind: str) -> None:
    """4,000 networks of 16 × 32 ReLU units, ±4 standard errors."""
    networks, sizes = 4_000, [32] * 16
    logarithm = np.log(squared_ratios(kind, networks, len(sizes), sizes[0]))
    mean, variance = finite_width.log_ratio_moments(sizes)
    assert abs(logarithm.mean() - mean) < 4 * math.sqrt(variance / networks)
    fourth = np.mean((logarithm - logarithm.mean()) ** 4)
    assert abs(logarithm.var() - variance) < 4 * math.sqrt((fourth - variance**2) / networks)


@pytest.mark.slow
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("orthogonal", [False, True])
def test_eigenvalue_variance_of_sampled_jacobians(relu: bool, orthogonal: bool) -> None:
    """Eight layers of 256 units, 24 networks: 6 % of theory, and exactly 0 for linear orthogonal layers.

    Finite width adds 5 % for Gaussian ReLU.  Each network is divided by its own mean eigenvalue.
    """
    random, width, depth = np.random.default_rng(5), 256, 8
    variances = []
    for _ in range(24):
        jacobian, signal = np.eye(width), random.standard_normal(width)
        for _ in range(depth):
            weights = random.standard_normal((width, width)) / math.sqrt(width)
            if orthogonal:
                weights = np.linalg.qr(weights)[0]
            signal = weights @ signal
            slope = math.sqrt(2) * (signal > 0) if relu else np.ones(width)
            jacobian, signal = slope[:, None] * (weights @ jacobian), slope * signal
        squares = jacobian @ jacobian.T
        variances.append(width * np.sum(squares**2) / np.trace(squares) ** 2 - 1)
    expected = finite_width.eigenvalue_variance(depth, 2.0 if relu else 1.0, orthogonal)
    assert np.mean(variances) == pytest.approx(expected, rel=0.06, abs=1e-9)
