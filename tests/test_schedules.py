"""Schedules: their factors against PyTorch's, what they do to training, and that a study may vary them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.catalog.schedules import factors, plateaus, schedule

RECORDED = json.loads((Path(__file__).parent / "golden" / "optimizers" / "schedules.json").read_text())
"""Factors of 60 steps; each entry names PyTorch's scheduler and its settings."""


def row(name: str, steps: int, **given: Any) -> np.ndarray:
    return factors([(schedule[name], schedule[name].bind(**given))], steps)[0]


@pytest.mark.parametrize("entry", RECORDED["schedules"], ids=lambda entry: entry["scheduler"])
def test_as_pytorch(entry: dict[str, Any]) -> None:
    np.testing.assert_allclose(row(**entry["ours"], steps=60), entry["factors"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("entry", RECORDED["plateaus"], ids=["short", "cooled"])
def test_plateau_as_pytorch(entry: dict[str, Any]) -> None:
    from sim.kernels.plateau import RATE, STATE, begin, watch

    names = {"min_lr": "final"}
    settings = {names.get(key, key): value for key, value in entry["settings"].items()}
    rule = plateaus([(schedule["plateau"], schedule["plateau"].bind(every=1, **settings))])[0]
    state, rates = np.zeros(STATE), []
    begin.py_func(state)
    for loss in entry["losses"]:
        watch.py_func(state, rule, loss)
        rates.append(state[RATE])
    np.testing.assert_allclose(rates, entry["rates"], rtol=1e-12)
    assert 3 <= len(set(rates)) < 60


def test_training_slows_down_on_a_plateau() -> None:
    """The rate of each step of gradient descent, read off the steps, is that of the losses seen before it."""
    from cases import Case

    from sim import train_arrays
    from sim.kernels.plateau import RATE, STATE, begin, watch

    inputs, targets, weights, biases, order = Case(steps=40).arrays()
    chosen = {"name": "plateau", "every": 2, "factor": 0.5, "patience": 1}
    sgd = {"name": "sgd", "lr": 0.1}
    whole = train_arrays(inputs, targets, weights, biases, order, optimizer=sgd, schedule=chosen)
    rule = plateaus([(schedule["plateau"], schedule["plateau"].bind(every=2, factor=0.5, patience=1))])[0]
    state = np.zeros(STATE)
    begin.py_func(state)
    for rows, loss in zip(order, whole.losses, strict=True):
        rate = {"name": "sgd", "lr": 0.1 * state[RATE]}
        one = train_arrays(inputs, targets, weights, biases, rows[None], optimizer=rate)
        weights, biases = one.weights, one.biases
        watch.py_func(state, rule, loss)
    assert state[RATE] <= 0.25
    assert np.abs(whole.weights[0] - weights[0]).max() <= 1e-15


@pytest.mark.parametrize("name", schedule)
@given(steps=st.integers(1, 300))
def test_every_schedule_has_a_factor_for_every_step(name: str, steps: int) -> None:
    found = row(name, steps)
    assert found.shape in ((steps,), (1,))
    assert (found >= 0).all()
    assert found.max() <= 1.0
    assert found[0] > 0 or steps == 1


def test_known_values() -> None:
    np.testing.assert_allclose(row("warmup", 20, warmup=0.5), [*np.arange(1, 11) / 10, *[1.0] * 10])
    np.testing.assert_allclose(row("inverse_sqrt", 9), 1 / np.sqrt(np.arange(1, 10)))
    np.testing.assert_allclose(row("inverse_sqrt", 9, after=4), [1, 1, 1, 1, *np.sqrt(4 / np.arange(5, 10))])
    both = row("warmup_cosine", 100, warmup=0.2, final=0.1)
    np.testing.assert_allclose(both[:20], np.arange(1, 21) / 20)
    np.testing.assert_allclose(both[20:], 0.1 + 0.9 * row("cosine", 80))


def test_rows_of_one_batch_are_equally_long() -> None:
    chosen = [(schedule["constant"], {}), (schedule["cosine"], {"final": 0.0})]
    assert factors(chosen, 7).shape == (2, 7)
    assert factors(chosen[:1] * 2, 7).shape == (2, 1)


def test_training_follows_the_schedule() -> None:
    """One step of gradient descent a time, each with its own rate, is the scheduled descent."""
    from cases import Case, difference

    from sim import train_arrays

    inputs, targets, weights, biases, order = Case(steps=12).arrays()
    whole = train_arrays(
        inputs, targets, weights, biases, order, optimizer={"name": "sgd", "lr": 0.3}, schedule="cosine"
    )
    for rows, factor in zip(order, row("cosine", 12), strict=True):
        one = train_arrays(
            inputs, targets, weights, biases, rows[None], optimizer={"name": "sgd", "lr": 0.3 * factor}
        )
        weights, biases = one.weights, one.biases
    assert np.abs(np.array(whole.weights[0]) - weights[0]).max() <= 1e-15
    assert difference(whole, train_arrays(
        *Case(steps=12).arrays(), optimizer={"name": "sgd", "lr": 0.3}
    )) > 1e-3  # fmt: skip


def test_a_study_varies_schedules() -> None:
    """Networks of one batch follow different schedules, and each is the one it would be alone."""
    from sim import run_study

    study = {
        "title": "schedules", "seed": 1,
        "grid": [{
            "name": "g", "dataset": "digits", "samples": 200, "depth": 1, "width": 8, "steps": 20,
            "optimizer": {"name": "adam", "lr": 0.05}, "weight_decay": 0.1, "decay": ["l2", "decoupled"],
            "schedule": ["constant", "cosine", {"name": "step", "every": 5, "factor": [0.5, 0.1]}],
            "checkpoints": 3,
        }],
    }  # fmt: skip
    together = run_study(study).runs
    assert len(together) == 8
    assert together["final_train_loss"].nunique() == 8
    assert set(together["schedule"]) == {
        "constant", "cosine", "step(every=5, factor=0.5)", "step(every=5)"
    }  # fmt: skip
    study["grid"][0]["schedule"] = "cosine"
    alone = run_study(study).runs
    chosen = together[together["schedule"] == "cosine"]
    assert len(alone) == 2
    np.testing.assert_array_equal(alone["final_train_loss"], chosen["final_train_loss"])
