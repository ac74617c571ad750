"""The plan: the product in its order, rows left out and added, what is resolved, how runs are batched."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.catalog.datasets import dataset, load, split
from sim.errors import StudyError
from sim.plan import BATCH_FLOPS, BATCH_RUNS, Plan, plan
from sim.study import Choice, Study

SMOKE = Path(__file__).parent.parent / "studies" / "smoke.toml"


def planned(*grids: dict[str, Any], only: tuple[str, ...] = (), **keys: Any) -> Plan:
    named = [{"name": f"g{index}", "steps": 20, **grid} for index, grid in enumerate(grids)]
    if any("epochs" in grid for grid in grids):
        named = [{k: v for k, v in grid.items() if k != "steps" or "epochs" not in grid} for grid in named]
    return plan(Study.load({"title": "Test", "grid": named, **keys}), only)


def test_runs_follow_the_product_with_replicates_fastest():
    runs = planned({"width": [4, 5], "depth": [1, 2], "activation": ["tanh", "relu"], "replicates": 3}).runs
    found = [(run.depth, run.width, run.activation.name, run.replicate) for run in runs]
    assert found == list(itertools.product([1, 2], [4, 5], ["tanh", "relu"], [0, 1, 2]))
    assert [run.index for run in runs] == list(range(24))


def test_exclude_leaves_out_what_agrees_with_a_whole_row():
    rows = [{"depth": [2, 3], "activation": "relu"}, {"optimizer": {"name": "sgd", "lr": 0.2}, "depth": 1}]
    optimizers = [{"name": "sgd", "lr": [0.1, 0.2]}, {"name": "adam", "lr": 0.2}]
    runs = planned(
        {"depth": [1, 2, 3], "activation": ["tanh", "relu"], "optimizer": optimizers, "exclude": rows}
    ).runs
    found = {(run.depth, run.activation.name, run.optimizer.name, run.optimizer.value("lr")) for run in runs}
    every = set(itertools.product([1, 2, 3], ["tanh", "relu"], [("sgd", 0.1), ("sgd", 0.2), ("adam", 0.2)]))
    expected = {
        (depth, activation, *rule)
        for depth, activation, rule in every
        if not (depth in (2, 3) and activation == "relu") and not (rule == ("sgd", 0.2) and depth == 1)
    }
    assert found == expected
    assert len(runs) == len(found)


def test_include_adds_the_product_of_its_row_once():
    rows = [{"depth": 9, "activation": "relu"}, {"depth": [2, 9]}]
    runs = planned({"depth": [1, 2], "activation": ["tanh", "elu"], "width": [4, 8], "include": rows}).runs
    found = [(run.depth, run.width, run.activation.name) for run in runs]
    product = list(itertools.product([1, 2], [4, 8], ["tanh", "elu"]))
    assert found[:8] == product
    assert found[8:] == [(9, 4, "relu"), (9, 8, "relu"), *itertools.product([9], [4, 8], ["tanh", "elu"])]


def test_only_keeps_indexes_and_batch_numbers():
    grids = ({"depth": [1, 2]}, {"width": [4, 5, 6]}, {"activation": ["relu", "elu"]})
    whole, part = planned(*grids), planned(*grids, only=("g1",))
    assert part.runs == whole.runs[2:5]
    assert part.batches == tuple(batch for batch in whole.batches if batch.runs[0].grid == "g1")
    assert [row.grid for row in part.summary()] == ["g1"]
    with pytest.raises(StudyError, match=r"'g4' is not a grid of this study; did you mean"):
        planned(*grids, only=("g4",))


@pytest.mark.parametrize(
    ("name", "fraction"),
    [
        ("digits", 0.2),
        ("iris", 0.25),
        ("diabetes", 0.333),
        ("diabetes", 0.9995),
        ("moons", 0.1),
        ("xor", 0.5),
    ],
)
def test_samples_are_the_rows_that_the_split_gives(name: str, fraction: float):
    (run,) = planned({"dataset": name, "test_fraction": fraction, "batch_size": "full"}).runs
    train, _ = split(load(dataset[name], {}, seed=0, replicate=0), np.random.default_rng(1), fraction)
    assert run.samples == run.batch_size == len(train)


def test_auto_is_the_natural_loss_of_the_data_set():
    runs = planned({"dataset": ["diabetes", "digits", "moons"]}).runs
    assert [run.loss.name for run in runs] == ["half_squared_error", *["softmax_cross_entropy"] * 2]
    assert planned({"dataset": "moons", "loss": "binary_cross_entropy"}).runs[0].loss == Choice(
        "loss", "binary_cross_entropy"
    )


@pytest.mark.parametrize(
    ("samples", "batch", "epochs", "steps"), [(100, 20, 3, 15), (100, 30, 2, 7), (50, "full", 12, 12)]
)
def test_epochs_become_steps(samples: int, batch: Any, epochs: int, steps: int):
    (run,) = planned({"samples": samples, "batch_size": batch, "epochs": epochs, "checkpoints": 2}).runs
    assert (run.steps, run.epochs) == (steps, epochs)


def test_the_dataclasses_travel_between_processes():
    whole = plan(Study.load(SMOKE))
    again = pickle.loads(pickle.dumps(whole))
    assert again == whole
    assert again.study.digest() == whole.study.digest()


CELLS = st.fixed_dictionaries(
    {
        "depth": st.lists(st.integers(0, 6), min_size=1, max_size=3, unique=True),
        "activation": st.lists(st.sampled_from(["tanh", "relu", "sin"]), min_size=1, unique=True),
        "optimizer": st.sampled_from(
            [{"name": "sgd", "lr": [0.1, 0.2]}, [{"name": "sgd"}, {"name": "adam"}]]
        ),
        "steps": st.sampled_from([20, 3000, 60_000]),
        "replicates": st.integers(1, 40),
    }
)


@settings(max_examples=40, deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=3))
def test_batches_hold_every_run_once_and_only_what_belongs_together(grids: list[dict[str, Any]]):
    whole = planned(*grids)
    assert sorted(run.index for batch in whole.batches for run in batch.runs) == list(range(whole.networks))
    assert [run.index for run in whole.runs] == list(range(whole.networks))
    assert [batch.number for batch in whole.batches] == list(range(len(whole.batches)))
    for batch in whole.batches:
        assert len({(run.grid, run.kernel_key()) for run in batch.runs}) == 1
        order = [(run.replicate, run.index) for run in batch.runs]
        assert order == sorted(order)
        assert batch.flops == pytest.approx(sum(run.flops() for run in batch.runs))
        assert len(batch.runs) == 1 or (batch.flops <= BATCH_FLOPS and len(batch.runs) <= BATCH_RUNS)


def test_what_chooses_a_kernel_is_never_mixed_in_a_batch():
    momentum = [{"name": "rmsprop", "lr": 0.1, "momentum": mu} for mu in (0.0, 0.8, 0.9)]
    whole = planned({"optimizer": momentum, "activation": [{"name": "leaky_relu", "slope": [0.1, 0.2]}]})
    mixed = [{run.optimizer.value("momentum") for run in batch.runs} for batch in whole.batches]
    assert mixed == [{0.0}, {0.8, 0.9}]
    assert all(len({run.activation for run in batch.runs}) == 2 for batch in whole.batches)


def test_summary_counts_networks_steps_and_flops():
    # 64 -> 4 -> 10: 296 weights; 20 steps of 32 rows; 11 checkpoints of 256 training and 256 test rows.
    whole = planned(
        {"depth": 1, "width": 4, "replicates": 3}, {"depth": 0, "steps": 10, "measure": ["gradients"]}
    )
    first, second = whole.summary()
    assert (first.grid, first.networks, first.steps) == ("g0", 3, 60)
    assert first.flops == 3 * 296 * (6 * 32 * 20 + 2 * 512 * 11)
    assert second.flops == 640 * 6 * 32 * 10
    assert (whole.networks, whole.steps, whole.flops) == (4, 70, first.flops + second.flops)


def test_kernels_names_every_part_that_is_compiled():
    kernels = plan(Study.load(SMOKE)).kernels
    assert kernels["optimizer"] == ("adam", "momentum", "rmsprop", "sgd")
    assert kernels["normalizer"] == ("batch", "layer", "none")
    assert kernels["precision"] == ("float32", "float64")


def test_a_hundred_thousand_networks_are_planned_in_two_seconds():
    std = {"start": 0.001, "stop": 1.0, "num": 25, "scale": "log"}
    lr = {"start": 0.001, "stop": 1.0, "num": 50, "scale": "log"}
    study = Study.load(
        {
            "title": "Large",
            "grid": [
                {
                    "name": "large",
                    "steps": 300,
                    "depth": list(range(1, 21)),
                    "width": [8, 16],
                    "activation": ["tanh", "relu"],
                    "initializer": {"name": "normal", "std": std},
                    "optimizer": {"name": "sgd", "lr": lr},
                }
            ],
        }
    )
    spent = []
    for _ in range(2):  # the better of two, since other work on the machine costs time here too
        started = time.process_time()
        assert plan(study).networks == 100_000
        spent.append(time.process_time() - started)
    assert min(spent) < 2.0


def test_a_plan_is_made_without_the_heavy_libraries():
    code = (
        "import sys; from sim.study import Study; from sim.plan import plan; "
        f"plan(Study.load({str(SMOKE)!r})); "
        "heavy = {'numba', 'pandas', 'scipy', 'sklearn', 'seaborn', 'pyarrow'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_main_study_is_as_large_as_promised_and_no_larger_than_affordable():
    whole = plan(Study.load(SMOKE.with_name("vanishing.toml")))
    assert whole.networks >= 5000
    assert min(run.steps for run in whole.runs) >= 300
    assert max(run.depth for run in whole.runs) >= 30
    assert whole.kernels["precision"] == ("float64",)
    assert len(whole.summary()) >= 5
    assert all(row.question.endswith("?") for row in whole.summary())
    assert whole.flops < 2.7e12  # a minute on two cores at 45 GFLOP/s together


def test_the_smoke_study_is_small_and_names_every_founding_part():
    whole = plan(Study.load(SMOKE))
    assert 24 <= whole.networks <= 100
    assert whole.flops < 1e9
    assert {run.clipping.name for run in whole.runs} == {"none", "norm", "value"}
    assert {(run.residual, run.dropout > 0) for run in whole.runs} >= {(True, True), (False, False)}


def test_an_exclude_row_that_leaves_nothing_out_is_an_error() -> None:
    grid = {"name": "g", "depth": [1, 2], "steps": 5, "checkpoints": 2, "exclude": [{"depth": 77}]}
    with pytest.raises(StudyError, match=r"exclude\[0\].*leaves out no network"):
        plan(Study.load({"seed": 1, "grid": [grid]}))
