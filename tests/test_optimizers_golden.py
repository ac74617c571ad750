"""Every optimizer walks as PyTorch, optax or its authors' package walks, step by step."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trials import FLAT, STEPS, TRIALS, Trial, batches, network_arrays
from updates import flat_path

FLAT_TRIALS = {name: trial for name, trial in TRIALS.items() if trial.flat}
FOLDER = Path(__file__).parent / "golden" / "optimizers"


LIBRARIES = tuple(dict.fromkeys(trial.library for trial in TRIALS.values()))


@cache
def recorded(library: str) -> dict[str, np.ndarray]:
    """The trajectories that a library left."""
    with np.load(FOLDER / f"{library}.npz") as stored:
        return dict(stored)


def apart(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The largest difference of each step, relative to that step's largest parameter."""
    return np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1)


def test_every_trial_is_recorded_and_says_by_whom() -> None:
    versions = json.loads((FOLDER / "versions.json").read_text())
    assert versions.keys() == {"torch", "optax", "jax", "jaxlib", "schedulefree", "pytorch-optimizer"}
    names = {key.partition("/")[0] for library in LIBRARIES for key in recorded(library)}
    assert names == set(TRIALS)
    assert sum(path.stat().st_size for path in FOLDER.glob("*.npz")) < 1_200_000


def test_every_optimizer_is_tried() -> None:
    from sim.catalog.optimizers import optimizer

    twins = {"soap"}  # no library has it in a form to be compared: see test_optimizers_layerwise.py
    assert {trial.ours["name"] for trial in TRIALS.values()} == set(optimizer) - twins


@pytest.mark.parametrize("problem", FLAT)
@pytest.mark.parametrize("trial", FLAT_TRIALS.values(), ids=FLAT_TRIALS)
def test_walks_as_the_oracle(trial: Trial, problem: str) -> None:
    """200 steps, each within 1e-10 of θ; in single precision the first 50 within 1e-4."""
    expected = recorded(trial.library)[f"{trial.name}/{problem}"]
    alike = trial.alike.get(problem, STEPS)
    assert apart(flat_path(trial, problem), expected)[:alike].max() <= 1e-10
    short = 5 if trial.searches else 50
    single = apart(flat_path(trial, problem, "float32", short), expected[:short])
    assert 0 < single.max() <= 1e-4


def train_network(trial: Trial, precision: str = "float64", steps: int = 200) -> Any:
    from sim import train_arrays

    *arrays, order = network_arrays(trial.widths)
    return train_arrays(
        *arrays, batches(trial, order)[:steps],
        optimizer=trial.choice("network"), weight_decay=trial.weight_decay,
        decay="decoupled" if trial.decoupled else "l2", clipping=trial.clipping, precision=precision,
    )  # fmt: skip


@pytest.mark.parametrize("trial", TRIALS.values(), ids=TRIALS)
def test_trains_as_the_oracle(trial: Trial) -> None:
    """The loss of each of 200 mini-batches and the last parameters within 1e-10; single: 50 within 1e-4."""
    golden = recorded(trial.library)
    losses = golden[f"{trial.name}/losses"]
    trained = train_network(trial)
    last = np.concatenate([p.ravel() for p in _interleaved(trained)])
    alike, short = trial.alike.get("network", STEPS), 5 if trial.searches else 50
    assert apart(trained.losses[:alike, None], losses[:alike, None]).max() <= 1e-10
    if alike == STEPS:
        assert apart(last[None], golden[f"{trial.name}/parameters"][None]).max() <= 1e-10
    single = train_network(trial, "float32", short).losses
    assert apart(single[:, None], losses[:short, None]).max() <= 1e-4


def test_a_search_ends_where_the_oracles_ended() -> None:
    """Rounding makes trials differ, not what they lead to."""
    golden = recorded("torch")
    for name, problem in (("lbfgs", "quadratic"), ("lbfgs", "rosenbrock"), ("lbfgs_short", "quadratic")):
        expected = golden[f"{name}/{problem}"]
        assert (expected[100:] == expected[-1]).all()
        assert apart(flat_path(TRIALS[name], problem)[-1:], expected[-1:]).max() <= 1e-8


def _interleaved(trained: Any) -> list[np.ndarray]:
    return [p for pair in zip(trained.weights, trained.biases, strict=True) for p in pair]


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_oracle_still_walks_as_recorded(library: str) -> None:
    """Where the library is installed, it is asked again."""
    pytest.importorskip(library)
    described = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    assert described is not None
    assert described.loader is not None
    make = importlib.util.module_from_spec(described)
    described.loader.exec_module(make)
    make.prepare(library)
    for trial in TRIALS.values():
        if trial.library == library:
            for name, values in make.trajectories(trial).items():
                np.testing.assert_allclose(
                    values, recorded(library)[name], rtol=1e-9, atol=1e-12, err_msg=name
                )
