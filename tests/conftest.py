"""Settings of all tests, and records made up without training for those of the store and the command."""

from __future__ import annotations

import os
import signal

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # before NumPy is imported: two cores are few
os.environ.setdefault("MPLBACKEND", "agg")

from types import SimpleNamespace
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest

hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


def made_up_records(batch: Any) -> SimpleNamespace:
    """Records of a batch that depend on its runs alone, rows in no order, zeros and gaps included."""
    tables: dict[str, list[pd.DataFrame]] = {"runs": [], "curves": [], "layers": []}
    for run in batch.runs:
        draws = np.random.default_rng(run.index)
        tables["runs"].append(_run_row(run, draws))
        checkpoints = 1 + run.index % run.settings.checkpoints.num  # some runs diverged
        steps = np.arange(checkpoints)
        curves = {"run": run.index, "checkpoint": steps, "step": 10 * steps}
        losses = {name: draws.normal(size=checkpoints) for name in ("batch_loss", "train_loss", "test_loss")}
        tables["curves"].append(pd.DataFrame({**curves, **losses}))
        rows = checkpoints * (run.depth + 1)
        checkpoint = np.repeat(steps, run.depth + 1)
        norms = draws.normal(size=rows)
        norms[:1] = -np.inf
        layers = {"run": run.index, "checkpoint": checkpoint, "step": 10 * checkpoint}
        layer = np.tile(np.arange(1, run.depth + 2), checkpoints)
        tables["layers"].append(
            pd.DataFrame({**layers, "layer": layer, "log10_grad_pre": norms, "grad_zero": rows - layer})
        )
    return SimpleNamespace(**{name: _shuffled(pd.concat(parts)) for name, parts in tables.items()})


def _run_row(run: Any, draws: np.random.Generator) -> pd.DataFrame:
    plain = {name: getattr(run, name) for name in ("grid", "replicate", "depth", "width", "residual")}
    labels = {
        name: getattr(run, name).label for name in ("dataset", "activation", "initializer", "optimizer")
    }
    status = ("reached", "not_reached", "diverged")[run.index % 3]
    return pd.DataFrame(
        {"run": [run.index], **plain, **labels, "status": status, "final_test_loss": draws.normal()}
    )


def _shuffled(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[np.random.default_rng(0).permutation(len(table))]


@pytest.fixture
def made_up() -> Any:
    """The function that makes up the records of a batch."""
    return made_up_records


# A shell starts background jobs with SIGINT ignored, and processes started here would inherit that:
# the tests that interrupt a process would then only show that an ignored signal does nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
