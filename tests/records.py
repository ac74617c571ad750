"""Synthetic records with the schema of a real study and a truth known beforehand, for tests."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

DEFAULTS: dict[str, Any] = {
    "dataset": "digits", "samples": 1437, "scaling": "standardize", "depth": 5, "width": 32,
    "activation": "tanh", "initializer": "glorot_normal", "bias": "zeros", "normalizer": "none",
    "residual": False, "dropout": 0.0, "loss": "softmax_cross_entropy", "optimizer": "sgd", "lr": 0.1,
    "schedule": "constant", "weight_decay": 0.0, "decay": "l2", "clipping": "none",
    "batch_size": 32, "steps": 300, "precision": "float64",
}  # fmt: skip
GRIDS: dict[str, dict[str, list[Any]]] = {
    "initialization": {
        "depth": [2, 5, 10],
        "activation": ["tanh", "sigmoid", "relu"],
        "initializer": ["glorot_normal", "zeros", "normal(std=1)"],
    },
    "cures": {
        "depth": [10],
        "activation": ["sigmoid"],
        "normalizer": ["none", "batch"],
        "residual": [False, True],
    },
    "overfitting": {
        "depth": [2, 5],
        "samples": [50, 500],
        "weight_decay": [0.0, 0.01],
        "dropout": [0.0, 0.2],
    },
    "optimizers": {"depth": [2, 10], "optimizer": ["sgd", "adam"], "lr": [0.01, 0.1]},
}
# log10 of the factor on the gradient's norm per layer of back-propagation
ACTIVATION_SLOPE = {"tanh": 0.0, "sigmoid": -0.6, "relu": -0.15}
INITIALIZER_SLOPE = {"normal(std=1)": 0.8}


class Records(NamedTuple):
    """The three tables of a study."""

    runs: pd.DataFrame
    curves: pd.DataFrame
    layers: pd.DataFrame


def make_records(
    grids: dict[str, dict[str, list[Any]]] | None = None,
    replicates: int = 4,
    checkpoints: int = 6,
    noise: float = 0.01,
    seed: int = 0,
) -> Records:
    """Records of a product of factors in each grid.

    Truth: a hidden layer's log10 norm is `slope(runs)` × (depth − layer) plus a replicate's offset plus
    normal noise of standard deviation `noise`, zeros give −inf in every hidden layer, and |slope| × depth
    decides the fate: above 4 upwards diverges halfway, below −4 never learns, else learns exponentially.
    """
    generator = np.random.default_rng(seed)
    runs = _factors(GRIDS if grids is None else grids, replicates)
    reach = slope(runs) * runs["depth"]
    zeros = (runs["initializer"] == "zeros").to_numpy()
    diverges = (reach > 4.0).to_numpy() & ~zeros
    learns = (reach >= -4.0).to_numpy() & ~diverges & ~zeros
    curves = _curves(runs, learns, diverges, checkpoints, generator)
    return Records(_outcomes(runs, curves, diverges), curves, _layers(runs, curves, noise, generator))


def slope(runs: pd.DataFrame) -> pd.Series:
    """The true log10 factor per layer of each run."""
    plain = runs["activation"].map(ACTIVATION_SLOPE) + runs["initializer"].map(INITIALIZER_SLOPE).fillna(0.0)
    return plain.where((runs["normalizer"] == "none") & ~runs["residual"].astype(bool), 0.0)


def _factors(grids: dict[str, dict[str, list[Any]]], replicates: int) -> pd.DataFrame:
    rows = [
        {"grid": grid, "replicate": replicate, **DEFAULTS, **dict(zip(factors, values, strict=True))}
        for grid, factors in grids.items()
        for values in product(*factors.values())
        for replicate in range(replicates)
    ]
    runs = pd.DataFrame(rows, columns=["grid", "replicate", *DEFAULTS])
    runs.insert(0, "run", np.arange(len(runs)))
    return runs


def _curves(
    runs: pd.DataFrame,
    learns: np.ndarray,
    diverges: np.ndarray,
    checkpoints: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    run = np.repeat(np.arange(len(runs)), checkpoints)
    checkpoint = np.tile(np.arange(checkpoints), len(runs))
    step = np.round(checkpoint * runs["steps"].to_numpy()[run] / (checkpoints - 1)).astype(np.int64)
    pace = np.maximum(runs["depth"].to_numpy(), 1) * 10.0 * np.exp(generator.normal(0.0, 0.3, len(runs)))
    progress = np.where(learns[run], 1.0 - np.exp(-step / pace[run]), 0.0)
    gap = 0.4 * progress * np.sqrt(50 / runs["samples"].to_numpy()[run])
    train_loss = np.log(10.0) * (1.0 - progress) + 0.01
    curves = pd.DataFrame({
        "run": runs["run"].to_numpy()[run], "checkpoint": checkpoint, "step": step, "batch_loss": train_loss,
        "train_loss": train_loss, "test_loss": train_loss + gap,
        "train_accuracy": 0.1 + 0.9 * progress, "test_accuracy": 0.1 + 0.9 * progress - gap,
    })  # fmt: skip
    kept = ~diverges[run] | (checkpoint <= checkpoints // 2)
    return curves[kept].reset_index(drop=True)


def _outcomes(runs: pd.DataFrame, curves: pd.DataFrame, diverges: np.ndarray) -> pd.DataFrame:
    reached = curves[curves["test_accuracy"] >= 0.8].groupby("run")["step"].min()
    last = curves.groupby("run").last()
    steps_to = runs["run"].map(reached).astype(float)
    outcome = {
        "parameters": 65 * runs["width"] + (runs["depth"] - 1) * (runs["width"] + 1) * runs["width"],
        "status": np.where(diverges, "diverged", np.where(steps_to.notna(), "reached", "not_reached")),
        "diverged_at": np.where(diverges, runs["run"].map(last["step"]) + 1.0, np.nan),
        "steps_to_learned": steps_to,
    }
    finals = {
        f"final_{split}_{metric}": runs["run"].map(last[f"{split}_{metric}"])
        for metric in ("loss", "accuracy")
        for split in ("train", "test")
    }
    return runs.assign(**outcome, **finals)


def _layers(
    runs: pd.DataFrame, curves: pd.DataFrame, noise: float, generator: np.random.Generator
) -> pd.DataFrame:
    depth = curves["run"].map(runs.set_index("run")["depth"]).to_numpy(dtype=np.int64)
    row = np.repeat(np.arange(len(curves)), depth + 1)
    layer = (
        np.concatenate([np.arange(1, d + 2) for d in depth]) if len(depth) else np.empty(0, dtype=np.int64)
    )
    run = curves["run"].to_numpy()[row]
    factors = runs.set_index("run").loc[run]
    hidden = layer <= depth[row]
    offset = generator.normal(-1.0, 0.2, len(runs))[np.searchsorted(runs["run"].to_numpy(), run)]
    norm = offset + slope(factors).to_numpy() * (depth[row] - layer) * hidden
    norm = norm + generator.normal(0.0, noise, len(row))
    norm = np.where((factors["initializer"] == "zeros").to_numpy() & hidden, -np.inf, norm)
    saturated = np.where(hidden, np.clip(0.05 * layer, 0.0, 1.0), 0.0)
    return pd.DataFrame({
        "run": run,
        "checkpoint": curves["checkpoint"].to_numpy()[row], "step": curves["step"].to_numpy()[row],
        "layer": layer, "log10_grad_weight": norm + 0.3, "log10_grad_pre": norm,
        "grad_zero": np.where(np.isneginf(norm), 1024, 0), "grad_nonfinite": 0,
        "activation_mean": 0.0, "activation_std": 0.6, "saturated": saturated, "dead": saturated / 2,
        "update_ratio": np.where(curves["checkpoint"].to_numpy()[row] == 0, np.nan, 1e-3), "weight_norm": 8.0,
    })  # fmt: skip
