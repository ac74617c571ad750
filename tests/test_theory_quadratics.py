"""Rates, stability limits and first steps against published numbers and plain loops."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sim.theory import quadratics

momenta = st.floats(0.0, 0.99)
EIGENVALUES = np.array([1.0, 100.0])


def descend(lr: float, momentum: float, steps: int, look_ahead: bool) -> np.ndarray:
    """Distances to the minimum of ½Σλx² from (1, 1) under heavy ball or Nesterov, ``(steps,)``."""
    x = previous = np.ones(2)
    distances = []
    for _ in range(steps):
        step = momentum * (x - previous)
        at = x + step if look_ahead else x
        x, previous = x + step - lr * EIGENVALUES * at, x
        distances.append(np.linalg.norm(x))
    return np.array(distances)


@pytest.mark.parametrize(
    ("tuned", "rate"),
    [
        (quadratics.gradient_descent, 0.980198),
        (quadratics.nesterov, 0.9),
        (quadratics.heavy_ball, 0.818182),
    ],
)
def test_rates_at_condition_number_100(tuned: Callable[..., quadratics.Tuned], rate: float) -> None:
    assert round(tuned(1.0, 100.0).rate, 6) == rate
    assert tuned(0.02, 2.0).rate == pytest.approx(tuned(1.0, 100.0).rate)


def test_rates_are_the_spectral_radii() -> None:
    descent, ball = quadratics.gradient_descent(1.0, 100.0), quadratics.heavy_ball(1.0, 100.0)
    nesterov = quadratics.nesterov(1.0, 100.0)
    for eigenvalue in EIGENVALUES:
        assert quadratics.heavy_ball_rate(descent.lr * eigenvalue, 0.0) == pytest.approx(descent.rate)
        assert quadratics.heavy_ball_rate(ball.lr * eigenvalue, ball.momentum) == pytest.approx(
            ball.rate, rel=1e-6
        )
    assert quadratics.nesterov_rate(nesterov.lr, nesterov.momentum) == pytest.approx(nesterov.rate, rel=1e-6)


@pytest.mark.parametrize(
    ("tuned", "look_ahead", "double_root"),
    [
        (quadratics.gradient_descent, False, False),
        (quadratics.nesterov, True, True),
        (quadratics.heavy_ball, False, True),
    ],
)
def test_a_plain_loop_reaches_the_rate(
    tuned: Callable[..., quadratics.Tuned], look_ahead: bool, double_root: bool
) -> None:
    settings = tuned(1.0, 100.0)
    distances = descend(settings.lr, settings.momentum, 400, look_ahead)
    growth = math.log(399 / 299) if double_root else 0.0
    measured = math.exp((math.log(distances[399] / distances[299]) - growth) / 100)
    assert measured == pytest.approx(settings.rate, rel=2e-3)


@given(momenta, st.floats(1e-3, 1.0 - 1e-3))
def test_stability_limit_of_heavy_ball(momentum: float, share: float) -> None:
    limit = quadratics.stability_limit(momentum)
    assert quadratics.heavy_ball_rate(share * limit, momentum) < 1
    assert quadratics.heavy_ball_rate((1 + share) * limit, momentum) > 1


def test_stability_limits_at_momentum_nine_tenths() -> None:
    assert quadratics.stability_limit() == 2
    assert quadratics.stability_limit(0.9) == pytest.approx(3.8)
    assert quadratics.stability_limit(0.9, averaged=True) == pytest.approx(38)


@pytest.mark.parametrize(("factor", "stable"), [(0.99, True), (1.01, False)])
def test_stability_limit_of_averaged_momentum_in_a_loop(factor: float, stable: bool) -> None:
    curvature = factor * quadratics.stability_limit(0.9, averaged=True)
    x, velocity = 1.0, 0.0
    for _ in range(4000):
        velocity = 0.9 * velocity + 0.1 * x
        x -= curvature * velocity
    assert (abs(x) < 1) is stable


def test_sharpness_at_the_edge_of_stability() -> None:
    assert quadratics.edge_sharpness(0.02) == pytest.approx(100)
    assert quadratics.edge_sharpness(0.02, 0.9) == pytest.approx(190)


@given(st.floats(0.0, 0.95), st.floats(1e-3, 1.0))
def test_averaged_momentum_is_heavy_ball_with_a_smaller_rate(momentum: float, lr: float) -> None:
    averaged, summed, x, y = 0.0, 0.0, 1.0, 1.0
    for _ in range(20):
        averaged = momentum * averaged + (1 - momentum) * x
        x -= lr * averaged
        summed = momentum * summed + y
        y -= lr * (1 - momentum) * summed
        assert x == pytest.approx(y, abs=1e-12)


# first steps


def adam(gradient: np.ndarray, lr: float, epsilon: float, corrected: bool) -> np.ndarray:
    first, second = (1 - 0.9) * gradient, (1 - 0.999) * gradient**2
    if corrected:
        first, second = first / (1 - 0.9), second / (1 - 0.999)
    return lr * first / (np.sqrt(second) + epsilon)


@given(st.floats(1e-9, 1e6), st.floats(1e-4, 1.0))
def test_first_step_of_adam(size: float, lr: float) -> None:
    gradient = np.array([size, -3 * size, 0.0])
    assert_allclose(quadratics.adam_first_step(gradient, lr), adam(gradient, lr, 1e-8, True), rtol=1e-12)
    uncorrected = quadratics.adam_first_step_uncorrected(lr) * np.sign(gradient)
    assert_allclose(uncorrected[:2], adam(gradient[:2], lr, 0.0, False), rtol=1e-12)


def test_first_steps_without_correction() -> None:
    assert round(quadratics.adam_first_step_uncorrected(1.0), 5) == 3.16228
    assert quadratics.rmsprop_first_step(0.01) == pytest.approx(0.1)
    gradient = 0.37
    assert 0.01 * gradient / math.sqrt((1 - 0.9) * gradient**2) == pytest.approx(
        quadratics.rmsprop_first_step(0.01, 0.9)
    )


# condition numbers


def test_published_condition_numbers() -> None:
    assert round(quadratics.shift_condition(1.0), 3) == 6.854
    assert round(quadratics.shift_condition(3.0)) == 119
    assert quadratics.shift_condition(0.0) == 1.0


@given(st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=5))
def test_shift_condition_is_that_of_the_second_moments(mean: list[float]) -> None:
    """Eigenvalues of E[(x, 1)(x, 1)ᵀ] for x ~ N(m, 1)."""
    augmented = np.array([*mean, 1.0])
    moments = np.outer(augmented, augmented)
    moments[: len(mean), : len(mean)] += np.eye(len(mean))
    expected = quadratics.shift_condition(float(np.linalg.norm(mean)))
    assert np.linalg.cond(moments) == pytest.approx(expected, rel=1e-6)


@given(st.floats(0.01, 100.0))
def test_scale_condition(scale: float) -> None:
    assert quadratics.scale_condition(scale) == pytest.approx(np.linalg.cond(np.diag([scale**2, 1.0])))


# where Adam does not converge


def play(c: float, steps: int, maximum: bool) -> tuple[float, float]:
    """Last point and average regret of Adam (β1 = 0) or AMSGrad on the sequence of Reddi et al."""
    x, second, largest, regret = 1.0, 0.0, 0.0, 0.0
    decay = 1 / (1 + c * c)
    for step in range(1, steps + 1):
        gradient = c if step % 3 == 1 else -1.0
        regret += gradient * (x + 1)
        second = decay * second + (1 - decay) * gradient**2
        largest = max(largest, second) if maximum else second
        x = min(1.0, max(-1.0, x - 0.1 / math.sqrt(step) * gradient / math.sqrt(largest)))
    return x, regret / steps


def test_adam_goes_to_the_worst_point_and_amsgrad_to_the_best() -> None:
    end, regret = play(5.0, 30_000, maximum=False)
    assert end == pytest.approx(1.0, abs=0.01)
    assert regret == pytest.approx(quadratics.adam_regret(5.0), rel=0.01)
    end, regret = play(5.0, 30_000, maximum=True)
    assert end == pytest.approx(-1.0, abs=0.01)
    assert regret < 0.1 * quadratics.adam_regret(5.0)


# the edge of stability


class ChebyshevRegression:
    """Loss (1/2n)Σ(f − T)² of a tanh network 1-50-50-1 at 20 points of a Chebyshev polynomial T."""

    def __init__(self, degree: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.x = np.linspace(-1, 1, 20)[:, None]
        self.y = np.cos(degree * np.arccos(self.x))
        parts = []
        for fan_in, fan_out in ((1, 50), (50, 50), (50, 1)):
            limit = 1 / math.sqrt(fan_in)
            parts += [
                random.uniform(-limit, limit, (fan_in, fan_out)),
                random.uniform(-limit, limit, fan_out),
            ]
        self.shapes = [part.shape for part in parts]
        self.cuts = np.cumsum([part.size for part in parts])[:-1]
        self.start = np.concatenate([part.ravel() for part in parts])
        self.direction = random.standard_normal(self.start.size)

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        flat = np.split(theta, self.cuts)
        w1, b1, w2, b2, w3, b3 = (part.reshape(shape) for part, shape in zip(flat, self.shapes, strict=True))
        first = np.tanh(self.x @ w1 + b1)
        second = np.tanh(first @ w2 + b2)
        error = (second @ w3 + b3 - self.y) / len(self.x)
        to_second = (error @ w3.T) * (1 - second**2)
        to_first = (to_second @ w2.T) * (1 - first**2)
        layers = ((self.x, to_first), (first, to_second), (second, error))
        return np.concatenate([part.ravel() for a, d in layers for part in (a.T @ d, d.sum(0))])

    def sharpness(self, theta: np.ndarray) -> float:
        """Largest eigenvalue of the Hessian: 30 power iterations, warm-started, on central differences."""
        for _ in range(30):
            step = 1e-4 * self.direction / np.linalg.norm(self.direction)
            self.direction = (self.gradient(theta + step) - self.gradient(theta - step)) / 2e-4
        return float(np.linalg.norm(self.direction))


@pytest.mark.slow
@pytest.mark.parametrize(("degree", "lr"), [(3, 0.2), (4, 0.1)])
def test_full_batch_training_hovers_at_the_edge_of_stability(degree: int, lr: float) -> None:
    """Cohen et al. (2021): 20,000 steps, sharpness over 2/lr in [0.97, 1.05] over the last quarter."""
    regression = ChebyshevRegression(degree, seed=0)
    theta, ratios = regression.start, []
    for step in range(20_000):
        theta = theta - lr * regression.gradient(theta)
        if step % 250 == 0:
            ratios.append(regression.sharpness(theta) / quadratics.edge_sharpness(lr))
    assert ratios[0] < 0.9
    assert 0.97 < min(ratios[-20:]) <= max(ratios[-20:]) < 1.05
