"""What was noted of a batch's networks, as tables: the columns are `sim.store.columns`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from sim.kernels.arguments import CURVE, Notes
from sim.kernels.measure import Column
from sim.plan import Run
from sim.study import Target
from sim.study.resolve import shape

MEASURED = {
    "gradients": ("log10_grad_weight", "log10_grad_pre", "grad_zero", "grad_nonfinite"),
    "activations": ("activation_mean", "activation_std", "saturated", "dead"),
    "updates": ("update_ratio", "weight_norm"),
}
"""Which columns each word of a study's ``measure`` asks for."""
ACCURACIES = [place for place, name in enumerate(CURVE) if name.endswith("accuracy")]
"""Columns of the curves that a regression does not have."""
WHOLE = ("grad_zero", "grad_nonfinite")


@dataclass(frozen=True)
class Records:
    """The three tables of a batch."""

    runs: pa.Table
    curves: pa.Table
    layers: pa.Table
    seconds: float = 0.0
    """What training took of one core."""


def records_of(runs: Sequence[Run], notes: Notes, parameters: int, seconds: float = 0.0) -> Records:
    """The tables of a batch whose networks have ``parameters`` trainable numbers each."""
    steps = np.array(runs[0].settings.checkpoints.steps(runs[0].steps))
    written = np.arange(len(steps)) < notes.recorded[:, None]
    if not shape(runs[0].dataset).classes:
        notes.curves[:, :, ACCURACIES] = np.nan
    return Records(
        pa.table(_runs(runs, notes, steps, parameters)),
        pa.table(_curves(runs, notes, steps, written)),
        pa.table(_layers(runs, notes, steps, written)),
        seconds,
    )


# --- runs ----------------------------------------------------------------------------------


def _runs(runs: Sequence[Run], notes: Notes, steps: np.ndarray, parameters: int) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "run": [run.index for run in runs],
        "grid": [run.grid for run in runs],
        "replicate": [run.replicate for run in runs],
        "precision": [run.settings.precision for run in runs],
        "lr": [float(run.optimizer.value("lr")) for run in runs],
        "parameters": [parameters] * len(runs),
    }
    for part in (
        "dataset",
        "scaling",
        "activation",
        "initializer",
        "bias",
        "normalizer",
        "loss",
        "optimizer",
        "schedule",
        "clipping",
    ):
        columns[part] = [getattr(run, part).label for run in runs]
    plain = (
        "samples",
        "depth",
        "width",
        "residual",
        "dropout",
        "weight_decay",
        "decay",
        "batch_size",
        "steps",
    )
    for number in plain:
        columns[number] = [getattr(run, number) for run in runs]
    diverged = notes.diverged >= 0
    columns["diverged_at"] = np.where(diverged, notes.diverged, np.nan)
    reached = np.zeros(len(runs), bool)
    for place, target in enumerate(runs[0].settings.targets):
        times = _steps_to(target, notes, steps)
        columns[f"steps_to_{target.name}"] = times
        if place == 0:
            reached = ~np.isnan(times)
    if runs[0].stage:
        columns |= {
            name: [getattr(run, name) for run in runs] for name in ("stage", "entrant", "setting", "trial")
        }
        level = next((target.value for target in runs[0].settings.targets), np.nan)
        columns["target"] = [level] * len(runs)
        made = np.where(notes.diverged >= 0, notes.diverged, runs[0].steps)
        columns["gradient_evaluations"] = made * runs[0].batch_size
    columns["status"] = np.where(diverged, "diverged", np.where(reached, "reached", "not_reached"))
    last = np.maximum(notes.recorded - 1, 0)
    for field, metric in enumerate(CURVE[1:], start=1):
        columns[f"final_{metric}"] = notes.curves[np.arange(len(runs)), last, field]
    return columns


def _steps_to(target: Target, notes: Notes, steps: np.ndarray) -> np.ndarray:
    """The first checkpoint, in steps, at which the target holds; NaN where there is none."""
    values = notes.curves[:, :, CURVE.index(target.metric)]
    good = values >= target.value if target.rising else values <= target.value
    return np.where(good.any(axis=1), steps[good.argmax(axis=1)], np.nan)


# --- checkpoints -----------------------------------------------------------------------------


def _curves(runs: Sequence[Run], notes: Notes, steps: np.ndarray, written: np.ndarray) -> dict[str, Any]:
    index = np.array([run.index for run in runs])
    run, checkpoint = np.nonzero(written)
    columns: dict[str, Any] = {"run": index[run], "checkpoint": checkpoint, "step": steps[checkpoint]}
    for number, metric in enumerate(CURVE):
        columns[metric] = notes.curves[run, checkpoint, number]
    return columns


def _layers(runs: Sequence[Run], notes: Notes, steps: np.ndarray, written: np.ndarray) -> dict[str, Any]:
    index = np.array([run.index for run in runs])
    measured = np.broadcast_to(written[:, :, None], notes.layers.shape[:3])
    run, checkpoint, layer = np.nonzero(measured)
    columns: dict[str, Any] = {
        "run": index[run],
        "checkpoint": checkpoint,
        "step": steps[checkpoint],
        "layer": layer + 1,
    }
    asked = [name for word in runs[0].settings.measure for name in MEASURED.get(word, ())]
    for name in asked:
        values = notes.layers[run, checkpoint, layer, Column[name]]
        columns[name] = values.astype(np.int64) if name in WHOLE else values
    return columns
