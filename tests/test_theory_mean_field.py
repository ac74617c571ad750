"""Mean field theory against closed forms, published numbers and wide random networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sim.catalog.activations import activation
from sim.catalog.initializers import bias, initialize, initializer
from sim.catalog.registry import REQUIRED
from sim.theory import mean_field
from sim.theory.gaussian import expectation, joint_expectation
from sim.theory.mean_field import bound, predict, predicted_profile
from sim.theory.normalization import relu_correlation

variances = st.floats(1e-6, 1e6)
correlations = st.floats(-1.0, 1.0)


def phi(name: str, **parameters: float) -> mean_field.Phi:
    return bound(activation[name], parameters)


# expectations


@given(variances)
def test_even_moments_are_exact(q: float) -> None:
    assert_allclose(expectation(lambda u: u**2, q), q, rtol=1e-13)
    assert_allclose(expectation(lambda u: u**4, q), 3 * q**2, rtol=1e-13)
    assert_allclose(expectation(np.abs, q), math.sqrt(2 * q / math.pi), rtol=1e-13)


def test_expectation_keeps_the_shape_of_the_variances() -> None:
    q = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    assert_allclose(expectation(np.square, q), q, rtol=1e-13)


@given(variances, st.floats(0.0, 1.0))
def test_closed_forms_of_piecewise_linear_activations(q: float, slope: float) -> None:
    relu, leaky, linear = phi("relu"), phi("leaky_relu", slope=slope), phi("linear")
    assert_allclose(mean_field.mean_square(linear, q), q, rtol=1e-12)
    assert_allclose(mean_field.mean_square(relu, q), q / 2, rtol=1e-12)
    assert_allclose(mean_field.mean_square_slope(relu, q), 1 / 2, rtol=1e-12)
    assert_allclose(mean_field.mean_square(leaky, q), q * (1 + slope**2) / 2, rtol=1e-12)
    assert_allclose(mean_field.mean_square_slope(leaky, q), (1 + slope**2) / 2, rtol=1e-12)


@given(st.floats(1e-6, 1e3))
def test_closed_forms_of_erf(q: float) -> None:
    value, slope = 2 / math.pi * math.asin(2 * q / (1 + 2 * q)), 4 / (math.pi * math.sqrt(1 + 4 * q))
    assert_allclose(mean_field.mean_square(phi("erf"), q), value, rtol=1e-10)
    assert_allclose(mean_field.mean_square_slope(phi("erf"), q), slope, rtol=1e-10)


@given(st.floats(1e-6, 100.0))
def test_closed_forms_of_sin(q: float) -> None:
    assert_allclose(mean_field.mean_square(phi("sin"), q), -math.expm1(-2 * q) / 2, rtol=1e-10)
    assert_allclose(mean_field.mean_square_slope(phi("sin"), q), (1 + math.exp(-2 * q)) / 2, rtol=1e-10)


@given(st.floats(1e-3, 1e3), correlations)
def test_correlation_map_of_relu(q: float, c: float) -> None:
    assert_allclose(mean_field.correlation_map(phi("relu"), 2.0, 0.0, q, c), relu_correlation(c), atol=1e-13)
    slope = mean_field.correlation_factor(phi("relu"), 2.0, q, c)
    assert_allclose(slope, 1 - math.acos(c) / math.pi, atol=1e-13)


@given(st.floats(1e-3, 1e3), correlations)
def test_joint_expectation_of_erf_and_linear(q: float, c: float) -> None:
    assert_allclose(joint_expectation(lambda u: u, q, c), q * c, atol=1e-12 * q)
    erf = joint_expectation(lambda u: phi("erf")(u)[0], q, c)
    assert_allclose(erf, 2 / math.pi * math.asin(2 * q * c / (1 + 2 * q)), atol=1e-13)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "gelu", "silu", "softplus", "erf", "selu", "leaky_relu"])
@pytest.mark.parametrize("q", [0.3, 2.0, 20.0])
def test_variance_factor_is_the_slope_of_the_variance_map(name: str, q: float) -> None:
    step = 1e-5 * q
    around = mean_field.variance_map(phi(name), 1.3, 0.2, np.array([q - step, q + step]))
    measured = (around[1] - around[0]) / (2 * step)
    assert_allclose(mean_field.variance_factor(phi(name), 1.3, q), measured, rtol=1e-6)


def test_variance_factor_is_chi_plus_the_curvature_term() -> None:
    """χ₁ + σw² E φφ'' with tanh'' = −2 tanh (1 − tanh²)."""
    curvature = expectation(lambda u: -2 * np.tanh(u) ** 2 * (1 - np.tanh(u) ** 2), 0.7)
    expected = mean_field.gradient_factor(phi("tanh"), 1.5, 0.7) + 1.5 * curvature
    assert_allclose(mean_field.variance_factor(phi("tanh"), 1.5, 0.7), expected, rtol=1e-10)


# fixed points and published numbers


@pytest.mark.parametrize(
    ("name", "weight_variance", "q", "chi"),
    [
        ("sigmoid", 1 / 3, 0.0850338, 0.0200078),
        ("sigmoid", 1.0, 0.264687, 0.0557207),
        ("sigmoid", 2.0, 0.555290, 0.100977),
        ("tanh", 1 / 3, 0.0, 1 / 3),
        ("tanh", 1.0, 0.0, 1.0),
        ("tanh", 2.0, 0.617965, 1.105529),
        ("relu", 1 / 3, 0.0, 1 / 6),
        ("relu", 1.0, 0.0, 1 / 2),
        ("relu", 2.0, 1.0, 1.0),
        ("selu", 1.0, 1.0, 1.071575),
        ("gelu", 2.0, 0.0, 0.5),
        ("silu", 2.0, 0.0, 0.5),
    ],
)
def test_examples_on_square_layers(name: str, weight_variance: float, q: float, chi: float) -> None:
    found = predict(activation[name], {}, weight_variance)
    assert found.variance == pytest.approx(q, rel=2e-6, abs=1e-12)
    assert found.gradient_factor == pytest.approx(chi, rel=3e-6)


def test_examples_with_normal_weights_of_width_64() -> None:
    unit = mean_field.weight_variance("normal", {"std": 1.0}, 64, 64)
    tanh, sigmoid = predict(activation["tanh"], {}, unit), predict(activation["sigmoid"], {}, unit)
    assert (round(tanh.variance, 2), round(tanh.gradient_factor, 4)) == (57.30, 4.4846)
    assert (round(sigmoid.variance, 2), round(sigmoid.gradient_factor, 4)) == (27.38, 0.7948)
    small = mean_field.weight_variance("normal", {"std": 0.01}, 64, 64)
    assert predict(activation["relu"], {}, small).gradient_factor == pytest.approx(0.0032)
    assert predict(activation["tanh"], {}, small).gradient_factor == pytest.approx(0.0064)


def test_tanh_at_its_critical_point_decays_only_as_one_over_the_depth() -> None:
    assert predict(activation["tanh"], {}, 1.0).trainable_depth == math.inf
    variance = predicted_profile(activation["tanh"], {}, 1.0, 0.0, 1.0, 2000).variance
    assert 2 * 2000 * variance[-1] == pytest.approx(1.0, rel=0.01)


def test_tanh_with_biases_is_critical_where_published() -> None:
    critical = mean_field.critical_weight_variance(phi("tanh"), 0.05)
    assert critical == pytest.approx(1.760955, abs=5e-7)
    assert mean_field.fixed_point(phi("tanh"), critical, 0.05) == pytest.approx(0.570048, abs=5e-7)


@pytest.mark.parametrize(("weight_variance", "depth"), [(1.0, 21.8), (1.25, 40.8), (2.5, 70.8), (4.0, 41.9)])
def test_trainable_depth_of_tanh(weight_variance: float, depth: float) -> None:
    found = predict(activation["tanh"], {}, weight_variance, 0.05)
    assert round(found.trainable_depth, 1) == depth
    assert found.trainable_depth == 6 * found.correlation_depth


def test_chaotic_tanh_decorrelates_inputs() -> None:
    found = predict(activation["tanh"], {}, 2.5**2, 0.3**2)
    assert round(found.variance, 6) == 4.079124
    assert round(found.correlation, 6) == 0.122104
    assert found.gradient_depth < 0 < found.correlation_depth


@pytest.mark.parametrize(
    ("name", "q", "weight_variance", "bias_variance"),
    [
        ("gelu", (3 + math.sqrt(17)) / 2, 1.98305826, 0.17292239),
        ("silu", 14.32017362, 1.98800468, 0.55514317),
    ],
)
def test_half_stable_points(name: str, q: float, weight_variance: float, bias_variance: float) -> None:
    found = mean_field.half_stable_point(phi(name))
    assert_allclose(found, (q, weight_variance, bias_variance), rtol=0, atol=6e-9)
    assert_allclose(mean_field.variance_map(phi(name), *found[1:], found[0]), found[0], rtol=1e-12)


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_gelu_and_swish_are_bistable_between_two_and_four(name: str) -> None:
    assert mean_field.fixed_point(phi(name), 3.0, start=1e-3) == 0.0
    assert mean_field.fixed_point(phi(name), 3.0, start=100.0) == math.inf


@settings(max_examples=25)
@given(st.floats(0.2, 6.0), st.floats(0.0, 0.5), st.floats(0.01, 10.0))
def test_fixed_point_is_where_the_iteration_ends(
    weight_variance: float, bias_variance: float, start: float
) -> None:
    found = mean_field.fixed_point(phi("tanh"), weight_variance, bias_variance, start)
    q = start
    for _ in range(400):
        q = float(mean_field.variance_map(phi("tanh"), weight_variance, bias_variance, q))
    following = float(mean_field.variance_map(phi("tanh"), weight_variance, bias_variance, q))
    assert abs(found - q) <= 1e-12 + 500 * abs(following - q) + 1e-9 * q


@settings(max_examples=25)
@given(st.floats(1.2, 8.0), st.floats(0.001, 0.5))
def test_correlation_fixed_point_is_fixed_and_stable(weight_variance: float, bias_variance: float) -> None:
    q = mean_field.fixed_point(phi("tanh"), weight_variance, bias_variance)
    c = mean_field.correlation_fixed_point(phi("tanh"), weight_variance, bias_variance, q)
    assert mean_field.correlation_map(phi("tanh"), weight_variance, bias_variance, q, c) == pytest.approx(c)
    assert mean_field.correlation_factor(phi("tanh"), weight_variance, q, c) <= 1 + 1e-9


def test_depth_scale_says_vanishing_explosion_and_neither() -> None:
    assert mean_field.depth_scale(math.exp(-0.5)) == pytest.approx(2.0)
    assert mean_field.depth_scale(math.exp(0.5)) == pytest.approx(-2.0)
    assert (mean_field.depth_scale(1.0), mean_field.depth_scale(0.0)) == (math.inf, 0.0)


# initializers


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("zeros", {}, 0.0),
        ("normal", {"std": 0.1}, 0.4),
        ("uniform", {"limit": 0.3}, 1.2),
        ("glorot_normal", {}, 0.8),
        ("glorot_uniform", {"gain": 2.0}, 3.2),
        ("he_normal", {}, 2.0),
        ("he_uniform", {"gain": 0.5}, 0.5),
        ("lecun_normal", {}, 1.0),
        ("lecun_uniform", {}, 1.0),
        ("orthogonal", {"gain": 3.0}, 6.0),
        ("sparse", {"connections": 15}, 15.0),
        ("sparse", {"connections": 50}, 40.0),
        ("random_walk", {}, 2 * math.exp(2.4 / 37.6)),
        ("constant", {"value": 0.1}, None),
    ],
)
def test_weight_variance_of_a_layer_of_40_inputs_and_60_units(
    name: str, given: dict[str, float], expected: float | None
) -> None:
    found = mean_field.weight_variance(name, given, 40, 60)
    assert found == (None if expected is None else pytest.approx(expected))


def test_bias_variance() -> None:
    assert mean_field.bias_variance("zeros", {}) == 0.0
    assert mean_field.bias_variance("normal", (("std", 0.3),)) == pytest.approx(0.09)
    assert mean_field.bias_variance("constant", {"value": 0.3}) is None


def test_weight_variances_of_a_whole_network() -> None:
    found = mean_field.weight_variances("glorot_normal", {"gain": 1.0}, (64, 32, 32, 10))
    assert_allclose(found, [2 * 64 / 96, 1.0, 2 * 32 / 42])
    assert mean_field.weight_variances("lsuv", {}, (64, 32, 10)) is None


# profiles


def test_profile_starts_at_the_data_and_ends_at_the_fixed_point() -> None:
    profile = predicted_profile(activation["tanh"], {}, 2.0, 0.0, 5.0, 60)
    assert profile.variance[0] == pytest.approx(10.0)
    assert profile.variance[-1] == pytest.approx(0.617965, abs=1e-6)
    assert 10 ** (2 * profile.log10_factor[-1]) == pytest.approx(1.105529, abs=1e-6)
    assert profile.log10_factor[0] < profile.log10_factor[-1]
    assert_allclose(-np.diff(profile.log10_grad_pre), profile.log10_factor, atol=1e-12)


@pytest.mark.parametrize("name", ["relu", "linear"])
@pytest.mark.parametrize("weight_variance", [0.5, 1.0, 2.0, 8.0])
def test_weight_gradients_of_homogeneous_networks_are_equal_over_layers(
    name: str, weight_variance: float
) -> None:
    """Glorot and Bengio (2010, eq. 14): ∂L/∂h vanishes or explodes while ‖∂L/∂W‖ does not change."""
    profile = predicted_profile(activation[name], {}, weight_variance, 0.0, 1.0, 20, fan_in=32)
    assert_allclose(profile.log10_grad_weight, 0.0, atol=1e-10)
    factor = math.log10(weight_variance * (0.5 if name == "relu" else 1.0)) / 2
    assert_allclose(profile.log10_factor, factor, atol=1e-12)


def test_squared_factors_over_many_layers_pass_the_range_of_float32() -> None:
    relu = predicted_profile(activation["relu"], {}, 256.0, 0.0, 1.0, 64)
    assert round(2 * relu.log10_grad_pre[0]) == 135
    sigmoid = predict(activation["sigmoid"], {}, 1 / 3).gradient_factor
    assert round(63 * math.log10(sigmoid)) == -107


def test_zero_weights_pass_no_gradient() -> None:
    profile = predicted_profile(activation["sigmoid"], {}, 0.0, 0.0, 1.0, 2)
    assert list(profile.log10_grad_pre) == [-math.inf, -math.inf, 0.0]
    assert list(profile.log10_grad_weight) == [-math.inf, -math.inf, 0.0]
    assert np.all(np.isneginf(predicted_profile(activation["tanh"], {}, 0.0, 0.0, 1, 2).log10_grad_weight))


def squared_gradients(
    name: str, weight_variance: float, draws: np.ndarray, inputs: np.ndarray, top: np.ndarray
) -> np.ndarray:
    """‖∂L/∂h^l‖² of one network for each input, ``(depth, samples)``, from ``top`` at the last.

    ``top`` must have random signs, as an output layer gives it: a gradient of one sign meets weights that
    the active units have selected, and adds up (+0.5 in the log of the last layer's factor for ReLU).
    """
    width = draws.shape[1]
    weights = draws * math.sqrt(weight_variance / width)
    slopes, signal = [], inputs
    for layer in weights:
        signal, slope = phi(name)((layer @ signal).astype(np.float64))
        slopes.append(slope)
    delta = top * slopes[-1]
    squares = [np.sum(delta**2, axis=0)]
    for layer, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        delta = slope * (layer.T @ delta)
        squares.append(np.sum(delta**2, axis=0))
    return np.array(squares[::-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "weight_variance"),
    [("relu", 2.0), ("relu", 1.0), ("tanh", 2.0), ("sigmoid", 1.0), ("gelu", 1.0)],
)
def test_wide_networks_follow_the_profile(name: str, weight_variance: float) -> None:
    """64 networks × 8 inputs, n = 256, L = 12: log of the mean squared gradient, 0.02 a layer."""
    width, depth = 256, 12
    squares = np.zeros(depth)
    for seed in range(64):
        random = np.random.default_rng([7, seed])
        draws = random.standard_normal((depth, width, width), dtype=np.float32)
        squares += squared_gradients(
            name, weight_variance, draws, *random.standard_normal((2, width, 8))
        ).mean(1)
    profile = predicted_profile(activation[name], {}, weight_variance, 0.0, 1.0, depth)
    predicted = 2 * np.log(10) * (profile.log10_grad_pre[:depth] - profile.log10_grad_pre[depth - 1])
    measured = np.log(squares / squares[-1])
    distance = np.arange(depth - 1, 0, -1)
    assert_allclose((measured - predicted)[:-1] / distance, 0.0, atol=0.02)


def test_profile_of_unequal_layers_is_the_mean_of_sampled_networks() -> None:
    """20,000 networks of 5-8-4-6-3 units with Glorot weights, ±4 standard errors.

    For leaky ReLU the means are exact at every width; for ReLU they are those of networks that are alive.
    """
    widths, networks, random = (5, 8, 4, 6, 3), 20_000, np.random.default_rng(9)
    sigma = mean_field.weight_variances("glorot_normal", {}, widths)
    assert sigma is not None
    signal = np.broadcast_to(random.standard_normal((5, 1)), (networks, 5, 1))
    kept = []
    for variance, fan_in, fan_out in zip(sigma, widths[:-1], widths[1:], strict=True):
        weights = random.standard_normal((networks, fan_out, fan_in)) * math.sqrt(variance / fan_in)
        size, (signal, slope) = np.sum(signal**2, axis=(1, 2)), phi("leaky_relu", slope=0.2)(weights @ signal)
        kept.append((weights, slope, size))
    profile = predicted_profile(
        activation["leaky_relu"], {"slope": 0.2}, sigma, 0.0, kept[0][2][0] / 5, 3, fan_in=widths[:-1]
    )
    delta = random.choice([-1.0, 1.0], (networks, 3, 1))
    weight_scale = 3 * kept[-1][2].mean()
    for layer in (2, 1, 0):
        delta = kept[layer][1] * (np.swapaxes(kept[layer + 1][0], 1, 2) @ delta)
        pre = np.sum(delta**2, axis=(1, 2))
        for ratio, predicted in (
            (pre / 3, profile.log10_grad_pre),
            (pre * kept[layer][2] / weight_scale, profile.log10_grad_weight),
        ):
            error = ratio.std() / math.sqrt(networks)
            assert ratio.mean() == pytest.approx(10 ** (2 * predicted[layer]), abs=4 * error)


@pytest.mark.parametrize("name", sorted(activation))
def test_every_activation_of_the_catalog_has_a_prediction(name: str) -> None:
    found = predict(activation[name], {}, 1.5, 0.1)
    assert found.variance >= 0.1
    assert found.gradient_factor > 0.0
    assert 0.0 <= found.correlation <= 1.0


@pytest.mark.parametrize("name", sorted(initializer))
def test_weight_variance_is_that_of_the_drawn_weights(name: str) -> None:
    """fan_in times the mean square of 300 × 200 weights, 3 % (their standard error is below 0.7 %)."""
    part = initializer[name]
    given = part.bind(**{key: 0.3 for key, value in part.parameters.items() if value is REQUIRED}, gain=1.5)
    found = mean_field.weight_variance(name, given, 200, 300)
    assert (found is None) == (name in {"constant", "lsuv"})
    if found is not None:
        weights, _ = initialize([(300, 200)], part, given, bias["zeros"], {}, (1, 0))
        assert 200 * np.mean(weights[0] ** 2) == pytest.approx(found, rel=0.03)
