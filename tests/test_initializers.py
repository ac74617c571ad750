"""Initializers: variances by theory, pairing by the same normals, orthogonality, LSUV; biases."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.catalog import limits
from sim.catalog.initializers import Draw, Probe, bias, draw_normals, initialize, initializer
from sim.catalog.registry import REQUIRED, UnknownName

SHAPE = (160, 90)
KNOWN = {"value": 0.25, "std": 0.3, "limit": 0.4}


def given_for(part: Any) -> dict[str, Any]:
    return {name: KNOWN[name] for name, default in part.parameters.items() if default is REQUIRED}


def layers(
    name: str, shapes: list[tuple[int, int]], key: tuple[int, int] = (3, 0), **given_: Any
) -> list[np.ndarray]:
    probe = Probe(np.random.default_rng(5).standard_normal((128, shapes[0][1])), np.tanh)
    return initialize(shapes, initializer[name], given_, bias["zeros"], {}, key, probe)[0]


# What E W² is for (fan_out, fan_in) = (m, n), from the papers' own formulas.
VARIANCE = {
    "normal": lambda m, n: 0.3**2,
    "uniform": lambda m, n: 0.4**2 / 3,
    "standard": lambda m, n: 1 / (3 * n),
    "glorot_normal": lambda m, n: 2 / (m + n),
    "glorot_uniform": lambda m, n: 2 / (m + n),
    "xavier_normal": lambda m, n: 2 / (m + n),
    "xavier_uniform": lambda m, n: 2 / (m + n),
    "he_normal": lambda m, n: 2 / n,
    "he_uniform": lambda m, n: 2 / n,
    "kaiming_normal": lambda m, n: 2 / n,
    "kaiming_uniform": lambda m, n: 2 / n,
    "lecun_normal": lambda m, n: 1 / n,
    "lecun_uniform": lambda m, n: 1 / n,
    "random_walk": lambda m, n: 2 * np.exp(2.4 / (max(n, 6) - 2.4)) / n,
    "sparse": lambda m, n: min(15, n) / n,
}


@pytest.mark.parametrize("name", VARIANCE)
@pytest.mark.parametrize("shape", [SHAPE, (90, 160), (2000, 4)])
def test_variance_is_that_of_the_theory(name: str, shape: tuple[int, int]) -> None:
    weights = layers(name, [shape], **given_for(initializer[name]))[0]
    squares = weights.ravel() ** 2
    # 4 standard errors of the mean square, from the fourth moment of what was drawn: 1 in 16,000 by chance
    assert abs(squares.mean() - VARIANCE[name](*shape)) < 4 * squares.std() / np.sqrt(squares.size)
    assert abs(weights.mean()) < 4 * weights.std() / np.sqrt(weights.size)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("uniform", lambda m, n: 0.4),
        ("standard", lambda m, n: 1 / np.sqrt(n)),
        ("glorot_uniform", lambda m, n: np.sqrt(6 / (m + n))),
        ("he_uniform", lambda m, n: np.sqrt(6 / n)),
        ("lecun_uniform", lambda m, n: np.sqrt(3 / n)),
    ],
)
def test_uniforms_are_uniform_up_to_their_limit(name: str, limit: Any) -> None:
    scaled = layers(name, [SHAPE], **given_for(initializer[name]))[0].ravel() / limit(*SHAPE)
    assert np.abs(scaled).max() <= 1.0
    assert stats.kstest(scaled, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_normals_are_normal() -> None:
    assert stats.kstest(layers("normal", [SHAPE], std=1.0)[0].ravel(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("name", initializer)
def test_every_initializer_keeps_its_promises(name: str) -> None:
    part, shapes = initializer[name], [(7, 5), (7, 7), (3, 7)]
    first = layers(name, shapes, **given_for(part))
    assert [w.shape for w in first] == shapes
    assert all(w.dtype == np.float64 and np.isfinite(w).all() for w in first)
    assert list(part.parameters)[-1] == "gain"
    for again, doubled, one in zip(
        layers(name, shapes, **given_for(part)),
        layers(name, shapes, **given_for(part), gain=2.0),
        first,
        strict=True,
    ):
        np.testing.assert_array_equal(again, one)
        if name != "lsuv":  # there, tanh bends what the next layer measures
            np.testing.assert_array_equal(doubled, 2.0 * one)
    if name not in ("zeros", "constant"):
        assert not np.array_equal(first[0], layers(name, shapes, key=(3, 1), **given_for(part))[0])
        assert not np.array_equal(first[0], layers(name, shapes, key=(4, 0), **given_for(part))[0])


def test_initializers_are_paired() -> None:
    shapes = [(20, 12), (20, 20), (4, 20)]
    z = draw_normals(3, 0, shapes)
    for layer, (fan_out, fan_in) in enumerate(shapes):
        he, lecun, glorot = (
            layers(name, shapes)[layer] for name in ("he_normal", "lecun_normal", "glorot_normal")
        )
        np.testing.assert_allclose(he, np.sqrt(2.0) * lecun, rtol=1e-15)
        np.testing.assert_allclose(he, np.sqrt(2.0 / fan_in) * z[layer], rtol=1e-15)
        np.testing.assert_allclose(glorot * np.sqrt((fan_in + fan_out) / fan_in), he, rtol=1e-14)
        uniform = layers("he_uniform", shapes)[layer]
        np.testing.assert_array_equal(uniform.argsort(axis=None), he.argsort(axis=None))
        np.testing.assert_allclose(
            uniform / np.sqrt(6.0 / fan_in), 2.0 * stats.norm.cdf(z[layer]) - 1.0, atol=1e-15
        )


def test_draws_know_seed_replicate_and_layer_only() -> None:
    deep = draw_normals(3, 1, [(6, 4), (6, 6), (6, 6), (2, 6)])
    shallow = draw_normals(3, 1, [(6, 4), (6, 6)])
    for a, b in zip(deep, shallow, strict=False):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(deep[1], deep[2])
    with pytest.raises(ValueError, match="read-only"):
        deep[0][0, 0] = 1.0
    assert hashlib.sha256(deep[0].tobytes()).hexdigest().startswith("adadaa6cb78036f4")


def test_kept_normals_change_nothing() -> None:
    shapes = [(6, 4), (3, 6)]
    kept = draw_normals(3, 0, shapes)
    part, probe = initializer["sparse"], None
    one = initialize(shapes, part, {"connections": 2}, bias["normal"], {"std": 1.0}, (3, 0), probe, kept)
    two = initialize(shapes, part, {"connections": 2}, bias["normal"], {"std": 1.0}, (3, 0))
    for a, b in zip(one[0] + one[1], two[0] + two[1], strict=True):
        np.testing.assert_array_equal(a, b)


@given(fan_out=st.integers(1, 40), fan_in=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_orthogonal_is_orthonormal(fan_out: int, fan_in: int, seed: int) -> None:
    weights = layers("orthogonal", [(fan_out, fan_in)], key=(seed, 0))[0]
    gram = weights.T @ weights if fan_out >= fan_in else weights @ weights.T
    np.testing.assert_allclose(gram, np.eye(min(fan_out, fan_in)), atol=1e-12)


def test_orthogonal_is_uniform_over_rotations() -> None:
    # Haar: E tr Q = 0 and E (tr Q)² = 1; without R's signs each diagonal entry leans to −1.
    traces = np.array([np.trace(layers("orthogonal", [(8, 8)], key=(1, r))[0]) for r in range(600)])
    assert abs(traces.mean()) < 4 / np.sqrt(600)
    assert (traces**2).mean() == pytest.approx(1.0, abs=4 * np.sqrt(2 / 600))


def test_orthogonal_follows_its_draws() -> None:
    z = draw_normals(3, 0, [(9, 4)])[0]
    weights = layers("orthogonal", [(9, 4)])[0]
    r = weights.T @ z  # W R = Z with R upper triangular, its diagonal positive
    np.testing.assert_allclose(np.tril(r, -1), 0.0, atol=1e-12)
    assert (np.diagonal(r) > 0).all()


def test_sparse_has_its_connections() -> None:
    weights = layers("sparse", [(50, 40), (50, 50)], connections=6)
    for w in weights:
        np.testing.assert_array_equal((w != 0).sum(axis=1), 6)
        assert (np.bincount(np.nonzero(w)[1], minlength=w.shape[1]) > 0).all()
    z = draw_normals(3, 0, [(50, 40)])[0]
    np.testing.assert_array_equal(weights[0][weights[0] != 0], z[weights[0] != 0])
    assert (layers("sparse", [(5, 4)])[0] != 0).all()


@pytest.mark.parametrize("n", [3, 6, 32])
def test_random_walk_is_the_published_factor(n: int) -> None:
    g = np.sqrt(2) * np.exp(1.2 / (max(n, 6) - 2.4))
    np.testing.assert_allclose(
        layers("random_walk", [(4, n)])[0], g * draw_normals(3, 0, [(4, n)])[0] / np.sqrt(n)
    )


def test_random_walk_takes_the_drift_from_the_logarithm() -> None:
    # He at width 32 loses 0.0825 a layer in the log of the squared norm; this g makes up for it.
    def drift(name: str) -> float:
        a = np.ones(32)
        logs = []
        for w in layers(name, [(32, 32)] * 2000):
            before, a = a @ a, np.maximum(w @ a, 0.0)
            logs.append(np.log(a @ a / before))
            a /= np.linalg.norm(a)
        return float(np.mean(logs))

    error = np.sqrt(0.177498 / 2000)
    assert drift("he_normal") == pytest.approx(-0.082540, abs=4 * error)
    assert drift("random_walk") == pytest.approx(0.0, abs=4 * error)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_lsuv_gives_every_layer_unit_variance(residual: bool, gain: float) -> None:
    shapes = [(24, 24)] * 6 + [(3, 24)]
    draws = np.random.default_rng(0)
    probe = Probe(3.0 * draws.standard_normal((200, 24)), np.tanh, residual)
    parts = initializer["lsuv"], {"gain": gain}, bias["normal"], {"std": 0.3}
    weights, biases = initialize(shapes, *parts, (1, 0), probe)
    a = probe.inputs
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        products = a @ w.T
        assert products.var() == pytest.approx(gain**2, rel=1e-10)
        a = np.tanh(products + b) + (a if residual and 0 < layer < 6 else 0.0)
        gram = w.T @ w if w.shape[0] > w.shape[1] else w @ w.T
        np.testing.assert_allclose(gram, gram[0, 0] * np.eye(len(gram)), atol=1e-10)


def test_lsuv_leaves_a_dead_layer_alone_and_needs_inputs() -> None:
    probe = Probe(np.zeros((5, 4)), np.tanh)
    weights, _ = initialize([(6, 4), (2, 6)], initializer["lsuv"], {}, bias["zeros"], {}, (1, 0), probe)
    np.testing.assert_allclose(np.linalg.svd(weights[0], compute_uv=False), 1.0)
    with pytest.raises(ValueError, match="'lsuv' needs a batch of inputs"):
        initialize([(6, 4)], initializer["lsuv"], {}, bias["zeros"], {}, (1, 0))


def test_biases() -> None:
    shapes = [(500, 3), (400, 500)]

    def made(name: str, **given_: Any) -> list[np.ndarray]:
        return initialize(shapes, initializer["zeros"], {}, bias[name], given_, (1, 0))[1]

    assert [b.shape for b in made("zeros")] == [(500,), (400,)]
    assert not np.concatenate(made("zeros")).any()
    assert (np.concatenate(made("constant", value=0.1)) == 0.1).all()
    drawn = np.concatenate(made("normal", std=0.2))
    assert drawn.std() == pytest.approx(0.2, rel=4 / np.sqrt(2 * 900))
    np.testing.assert_allclose(np.concatenate(made("normal", std=0.4)), 2 * drawn)
    assert not np.array_equal(made("normal", std=1.0)[0][:3], draw_normals(1, 0, shapes)[0][0])


def test_a_draw_says_what_a_layer_is() -> None:
    draw = Draw((3, 8), seed=2, replicate=1, layer=4)
    assert (draw.fan_out, draw.fan_in) == (3, 8)
    assert draw.generator.random() == draw.generator.random()
    np.testing.assert_array_equal(draw.normal, Draw((3, 8), 2, 1, 4).normal)
    np.testing.assert_allclose(draw.uniform, 2 * stats.norm.cdf(draw.normal) - 1, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "given_", "error", "message"),
    [
        ("normal", {}, ValueError, "needs std"),
        ("normal", {"std": -1.0}, ValueError, "at least 0"),
        ("sparse", {"connections": 0}, ValueError, "at least 1"),
        ("sparse", {"connections": 2.5}, ValueError, "whole number"),
        ("he_normal", {"gain": "big"}, ValueError, "finite number"),
        ("he_normal", {"gian": 2.0}, UnknownName, "did you mean 'gain'"),
    ],
)
def test_parameters_out_of_range(
    name: str, given_: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        limits.check(initializer[name], initializer[name].bind(**given_))
