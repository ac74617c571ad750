"""Data sets: every one in the registry keeps its promises; splits; the user's own tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.catalog.datasets import (
    dataset,
    encode,
    load,
    natural_loss_of,
    outputs_of,
    outputs_under,
    shape_of,
)
from sim.catalog.randomness import generator
from sim.catalog.registry import REQUIRED, UnknownName

GENERATED = [name for name, part in dataset.items() if not part.traits.get("fixed")]


@pytest.fixture
def parameters(tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Values for the parameters a data set cannot do without."""
    frame = pd.DataFrame({"a": np.arange(12.0), "b": np.arange(12) ** 2, "kind": ["x", "y", "z"] * 4})
    frame.to_csv(tmp_path / "own.csv", index=False)
    known = {"path": str(tmp_path / "own.csv"), "target": "kind"}
    return lambda name: {
        key: known[key] for key, value in dataset[name].parameters.items() if value is REQUIRED
    }


@pytest.mark.parametrize("name", dataset)
def test_a_data_set_is_what_its_shape_says(name: str, parameters: Callable[[str], dict[str, Any]]) -> None:
    part, given_ = dataset[name], parameters(name)
    table = load(part, given_, seed=3, replicate=1)
    assert shape_of(part, given_) == (*table.features.shape, table.classes)
    assert len(table.targets) == len(table.features)
    assert outputs_of(part, given_) == table.outputs
    assert natural_loss_of(part, given_) == table.natural_loss
    assert part.summary.endswith(".")


@pytest.mark.parametrize("name", dataset)
def test_a_data_set_is_finite_and_has_all_its_classes(
    name: str, parameters: Callable[[str], dict[str, Any]]
) -> None:
    table = load(dataset[name], parameters(name), seed=3, replicate=1)
    assert np.isfinite(table.features).all()
    assert np.isfinite(table.targets).all()
    if table.classes:
        assert sorted(set(table.targets.tolist())) == list(range(table.classes))
        assert table.targets.shape == (len(table.features),)
    else:
        assert table.targets.ndim == 2
        assert (np.ptp(table.targets, axis=0) > 0).all()


@pytest.mark.parametrize("name", dataset)
def test_a_data_set_is_the_same_every_time(name: str, parameters: Callable[[str], dict[str, Any]]) -> None:
    part, given_ = dataset[name], parameters(name)
    first, again, other = (load(part, given_, seed, 0) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.features, again.features)
    np.testing.assert_array_equal(first.targets, again.targets)
    assert np.array_equal(first.features, other.features) == bool(part.traits.get("fixed"))


@pytest.mark.parametrize("name", GENERATED)
def test_generated_data_sets_differ_between_replicates_and_heed_samples(name: str) -> None:
    part = dataset[name]
    one, two = (load(part, {"samples": 60}, 3, replicate) for replicate in (0, 1))
    assert len(one.features) == shape_of(part, {"samples": 60}).rows == 60
    assert not np.array_equal(one.features, two.features)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("digits", (1797, 64, 10)),
        ("iris", (150, 4, 3)),
        ("wine", (178, 13, 3)),
        ("breast_cancer", (569, 30, 2)),
        ("diabetes", (442, 10, 0)),
        ("mnist1d", (5000, 40, 10)),
    ],
)
def test_well_known_shapes(name: str, shape: tuple[int, int, int]) -> None:
    assert shape_of(dataset[name], {}) == shape


@pytest.mark.parametrize(
    ("name", "given_", "shape"),
    [
        ("parity", {"bits": 7, "samples": 50}, (50, 7, 2)),
        ("spirals", {"classes": 5}, (1000, 2, 5)),
        ("blobs", {"classes": 4, "dimensions": 6}, (1000, 6, 4)),
        ("teacher", {"inputs": 3, "outputs": 4, "depth": 0}, (1000, 3, 4)),
        ("teacher", {"inputs": 3, "outputs": 4, "task": "regression"}, (1000, 3, 0)),
    ],
)
def test_shapes_follow_the_parameters(name: str, given_: dict[str, Any], shape: tuple[int, int, int]) -> None:
    table = load(dataset[name], given_, 1, 0)
    assert shape_of(dataset[name], given_) == shape == table.shape
    assert outputs_of(dataset[name], given_) == table.outputs


def test_a_plan_needs_no_heavy_import() -> None:
    code = (
        "import sys; from sim.catalog import initializers, clippings, scalings\n"
        "from sim.catalog.datasets import dataset, shape_of\n"
        "[shape_of(p, {}) for n, p in dataset.items() if n != 'table']\n"
        "print([m for m in ('pandas', 'sklearn', 'scipy', 'numba', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_mnist1d_is_the_published_one_bit_for_bit() -> None:
    published = pytest.importorskip("mnist1d.data").make_dataset()
    table = load(dataset["mnist1d"], {}, 0, 0)
    np.testing.assert_array_equal(table.features[:4000], published["x"])
    np.testing.assert_array_equal(table.features[4000:], published["x_test"])
    np.testing.assert_array_equal(table.targets, np.concatenate([published["y"], published["y_test"]]))


def test_parity_counts_the_signs() -> None:
    table = load(dataset["parity"], {"bits": 5, "samples": 64, "noise": 0.0}, 1, 0)
    assert len(np.unique(table.features, axis=0)) == 32
    np.testing.assert_array_equal(table.targets, (table.features > 0).sum(axis=1) % 2)


def test_geometry_without_noise() -> None:
    circles = load(dataset["circles"], {"noise": 0.0, "ratio": 0.3}, 1, 0)
    np.testing.assert_allclose(np.hypot(*circles.features.T), np.where(circles.targets == 0, 1.0, 0.3))
    moons = load(dataset["moons"], {"noise": 0.0}, 1, 0)
    centre = np.where(moons.targets[:, None] == 0, [0.0, 0.0], [1.0, 0.5])
    np.testing.assert_allclose(np.linalg.norm(moons.features - centre, axis=1), 1.0)
    sine = load(dataset["sine"], {"noise": 0.0, "frequency": 2.0}, 1, 0)
    np.testing.assert_allclose(sine.targets, np.sin(2.0 * sine.features))


def test_noise_has_the_stated_deviation() -> None:
    calm, loud = (load(dataset["moons"], {"noise": s, "samples": 4000}, 1, 0).features for s in (0.0, 0.3))
    assert np.std(loud - calm) == pytest.approx(0.3, rel=0.03)  # same draws, so the difference is the noise


@pytest.mark.parametrize(
    ("name", "given_", "message"),
    [
        ("moons", {"samples": 3}, "samples = 3 must be a whole number of at least 4"),
        ("moons", {"samples": 10.5}, "must be a whole number"),
        ("moons", {"samples": True}, "must be a whole number"),
        ("moons", {"noise": -0.1}, "noise = -0.1 must be a finite number of at least 0"),
        ("moons", {"noise": float("nan")}, "must be a finite number"),
        ("moons", {"noise": "loud"}, "must be a finite number"),
        ("parity", {"bits": 17}, "of at least 2 and at most 16"),
        ("teacher", {"activation": "relo"}, "must be one of tanh, relu"),
        ("teacher", {"outputs": 1}, "must be at least 2 for classification"),
        ("table", {"path": "x.csv"}, "needs target"),
    ],
)
def test_parameters_out_of_range(name: str, given_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shape_of(dataset[name], given_)


def test_an_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'noise'"):
        shape_of(dataset["moons"], {"nois": 0.1})


def test_outputs_under_each_loss() -> None:
    assert outputs_under("softmax_cross_entropy", 2) == 2
    assert outputs_under("binary_cross_entropy", 2) == 1
    assert outputs_under("half_squared_error", 3) == 3
    assert outputs_under("half_squared_error", 0, 4) == 4
    with pytest.raises(ValueError, match="two classes"):
        outputs_under("binary_cross_entropy", 3)
    with pytest.raises(ValueError, match="regression"):
        outputs_under("softmax_cross_entropy", 0)


def test_encoding() -> None:
    labels = np.array([0, 2, 1])
    np.testing.assert_array_equal(encode(labels, 3, 3), [[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    np.testing.assert_array_equal(encode(np.array([0, 1]), 2, 1), [[0.0], [1.0]])
    np.testing.assert_array_equal(encode(np.array([[0.5], [2.0]]), 0, 1), [[0.5], [2.0]])


def test_streams_are_stable_and_told_apart() -> None:
    assert generator(7, "weights", 0, 1).integers(2**32) == 2295271451
    purposes = ("weights", "biases", "order", "split", "data", "dropout", "noise")
    keys = ((), (0,), (1,), (0, 1), (1, 0))
    firsts = {generator(7, word, *key).integers(2**62) for word in purposes for key in keys}
    assert len(firsts) == len(keys) * len(purposes)
    with pytest.raises(ValueError, match="non-negative"):
        generator(-1, "weights")
