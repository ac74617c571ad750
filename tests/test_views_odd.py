"""Studies of every shape get a report: what does not apply is left out, and nothing breaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from views_records import draw, special

from sim.views import report  # noqa: F401  (registers the views)
from sim.views.answers import answer
from sim.views.reading import facts, rows
from sim.views.records import GridRecords
from sim.views.registry import applicable, figure, table


def regression(part: GridRecords) -> GridRecords:
    """As if nothing had an accuracy."""
    curves = part.curves.assign(train_accuracy=np.nan, test_accuracy=np.nan)
    runs = part.runs.assign(final_train_accuracy=np.nan, final_test_accuracy=np.nan)
    return replace(part, runs=runs, curves=curves)


def untested(part: GridRecords) -> GridRecords:
    """As if test rows had not been evaluated."""
    nothing = {f"{place}_{metric}": np.nan for place in ("test",) for metric in ("loss", "accuracy")}
    final = {f"final_{name}": np.nan for name in nothing}
    return replace(part, runs=part.runs.assign(**final), curves=part.curves.assign(**nothing))


def all_diverged(part: GridRecords) -> GridRecords:
    """As if every network had diverged after the first checkpoint."""
    lost = {"status": "diverged", "diverged_at": 1.0, "steps_to_learned": np.nan}
    runs = part.runs.assign(**lost)
    first = part.curves["checkpoint"] == 0
    layers = part.layers[part.layers["checkpoint"] == 0].assign(
        log10_grad_pre=np.nan, log10_grad_weight=np.inf
    )
    return replace(part, runs=runs, curves=part.curves[first], layers=layers)


def no_target(part: GridRecords) -> GridRecords:
    """As if the study had not named one."""
    return replace(part, runs=part.runs.drop(columns="steps_to_learned"), targets=())


def no_layers(part: GridRecords) -> GridRecords:
    """As if gradients and activations had not been measured: the table is there and empty of values."""
    measured = part.layers.columns.drop(["run", "checkpoint", "step", "layer"])
    return replace(part, layers=part.layers.assign(**dict.fromkeys(measured, np.nan)))


def never_ran_layers(part: GridRecords) -> GridRecords:
    """A table without any row."""
    return replace(part, layers=part.layers.iloc[:0])


def one_treatment_missing(part: GridRecords) -> GridRecords:
    """As with include rows: the grid is no product."""
    runs = part.runs
    return replace(part, runs=runs[~((runs["depth"] == 2) & runs["residual"])].reset_index(drop=True))


FACTORS: list[dict[str, list[Any]]] = [
    {"depth": [5]},
    {"depth": [0, 1]},
    {"depth": [0, 1, 2, 4, 8, 16], "activation": ["tanh"]},
    {"depth": [2, 5], "residual": [False, True], "dropout": [0.0, 0.2], "samples": [50, 500]},
    {
        "optimizer": ["sgd", "adam"],
        "lr": [0.01, 0.1, 1.0],
        "depth": [2, 5],
        "clipping": ["none", "norm(limit=1)"],
    },
    {"dataset": ["digits", "iris"], "width": [8, 16], "batch_size": [8, 32], "steps": [100, 300]},
    {"activation": ["tanh", "leaky_relu(slope=0.01)"], "scaling": ["none", "shift(by=3)"], "depth": [3]},
]
CHANGES = [
    regression, untested, all_diverged, no_target, no_layers, never_ran_layers, one_treatment_missing
]  # fmt: skip


@pytest.mark.parametrize("factors", FACTORS, ids=lambda factors: "-".join(factors))
def test_any_factors_are_told(factors: dict[str, list[Any]]) -> None:
    told(special(factors, replicates=1))


@pytest.mark.slow
@pytest.mark.parametrize("factors", FACTORS, ids=lambda factors: "-".join(factors))
def test_any_factors_are_told_with_replicates(factors: dict[str, list[Any]]) -> None:
    told(special(factors))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_any_gap_in_the_records_is_told(change: Any) -> None:
    told(change(special({"depth": [1, 2, 5], "residual": [False, True]})))


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("factors", FACTORS[2:5], ids=lambda factors: "-".join(factors))
def test_any_gap_in_any_records_is_told(factors: dict[str, list[Any]], change: Any) -> None:
    told(change(special(factors)))


def told(part: GridRecords) -> None:
    """Fill all tables and draw all figures that apply."""
    assert facts(part)
    assert "nan" not in answer(part)
    for view in applicable(table, part):
        sheet = view.function(part)
        assert isinstance(sheet.frame, pd.DataFrame)
        assert rows(sheet.frame.head(12))
        assert sheet.caption.endswith(".")
    for view in applicable(figure, part):
        drawn = draw(view.name, part)
        assert drawn.caption.endswith(".")
        drawn.figure.draw_without_rendering()
