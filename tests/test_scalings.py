"""Input scalings, by what they do to training and test rows; clippings, by the numbers they declare."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sim.catalog import limits
from sim.catalog.clippings import clipping
from sim.catalog.datasets import Prepared, Table, prepare
from sim.catalog.scalings import scaling

TRAIN, TEST = np.arange(200), np.arange(200, 260)


def prepared(name: str, **parameters: Any) -> Prepared:
    draws = np.random.default_rng(0)
    features = draws.gamma(2.0, 1.0, (260, 5)) * [1.0, 1e-6, 1e6, 3.0, 1.0] + [0.0, 5.0, -1e6, 0.1, 0.0]
    features[:, 4] = 0.1  # constant, and its computed deviation is not exactly zero
    return prepare(Table(features, features[:, 0] > 2.0, 2), TRAIN, TEST, scaling[name], parameters)


def test_standardize() -> None:
    ready = prepared("standardize")
    np.testing.assert_allclose(ready.train_features.mean(axis=0), 0.0, atol=1e-8)  # 5 + 1e-6 x is that coarse
    np.testing.assert_allclose(ready.train_features[:, :4].std(axis=0), 1.0, rtol=1e-9)
    np.testing.assert_allclose(ready.train_features[:, 4], 0.0, atol=1e-15)


def test_test_rows_go_through_the_training_rows_numbers() -> None:
    raw, ready = prepared("none"), prepared("standardize")
    mean, spread = raw.train_features[:, :4].mean(axis=0), raw.train_features[:, :4].std(axis=0)
    np.testing.assert_allclose(
        ready.test_features[:, :4] * spread + mean, raw.test_features[:, :4], rtol=1e-12
    )
    assert (np.abs(ready.test_features[:, :4].mean(axis=0)) > 1e-4).all()


def test_minmax() -> None:
    ready = prepared("minmax")
    np.testing.assert_allclose(ready.train_features[:, :4].min(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(ready.train_features[:, :4].max(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(ready.train_features[:, 4], 0.0)


def test_shift_and_scale_stand_on_standardized_inputs() -> None:
    plain = prepared("standardize")
    for part in ("train_features", "test_features"):
        base = getattr(plain, part)
        np.testing.assert_allclose(getattr(prepared("shift", by=3.0), part), base + 3.0, atol=1e-8)
        np.testing.assert_allclose(getattr(prepared("scale", by=10.0), part), base * 10.0, atol=1e-8)


def test_shifted_inputs_have_the_known_condition_number() -> None:
    # Two directions, mean shift m along one: κ = λ², λ = 1 + m²/2 + m√(1 + m²/4), for m = 3: 118.99
    z = np.random.default_rng(1).standard_normal((2000, 2))
    white = np.linalg.qr(z - z.mean(axis=0))[0] * np.sqrt(2000)
    shift, factor = scaling["shift"].function(white, by=3.0 / np.sqrt(2.0))
    x = np.column_stack([(white - shift) * factor, np.ones(2000)])
    eigenvalues = np.linalg.eigvalsh(x.T @ x / 2000)
    assert eigenvalues[-1] / eigenvalues[0] == pytest.approx(118.9916, rel=1e-3)


@pytest.mark.parametrize("name", scaling)
def test_every_scaling_gives_finite_numbers_per_feature(name: str) -> None:
    parameters = {"by": 2.0} if "by" in scaling[name].parameters else {}
    shift, factor = scaling[name].function(np.random.default_rng(0).random((9, 3)), **parameters)
    assert shift.shape == factor.shape == (3,)
    assert np.isfinite(shift).all()
    assert (factor > 0).all()


def test_features_that_scaling_cannot_bring_into_range() -> None:
    features = np.array([[1e308], [-1e308], [0.0], [1.0], [2.0], [3.0]])
    table = Table(features, np.array([0, 1] * 3), 2)
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match="scaling 'scale' makes features non-finite"),
    ):
        prepare(table, np.arange(2, 6), np.arange(2), scaling["scale"], {"by": 10.0})


def test_clippings() -> None:
    assert clipping["none"].function() == (math.inf, math.inf)
    assert clipping["norm"].function(**clipping["norm"].bind(limit=1)) == (1.0, math.inf)
    assert clipping["value"].function(**clipping["value"].bind(limit=0.5)) == (math.inf, 0.5)


@pytest.mark.parametrize(
    ("part", "parameters"),
    [
        (clipping["norm"], {"limit": 0.0}),
        (clipping["value"], {"limit": -1.0}),
        (clipping["norm"], {"limit": math.inf}),
        (scaling["scale"], {"by": 0.0}),
        (scaling["shift"], {"by": "far"}),
    ],
)
def test_limits_are_kept(part: Any, parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be a finite number"):
        limits.check(part, parameters)
