"""A made-up comparison of optimizers with the columns of a real one, for tests and for looking at figures."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from records import DEFAULTS

from sim.catalog.optimizers import optimizer
from sim.study import Target
from sim.views.comparison import ComparisonRecords

PROBLEMS = (
    "digits", "mnist1d", "breast_cancer", "wine", "diabetes", "spirals", "parity", "teacher", "deep_sigmoid",
    "bad_start", "unscaled", "quadratic",
)  # fmt: skip
RATES = np.geomspace(1e-4, 10.0, 9)
SEEDS, TUNING, BUDGET, POINTS = 10, 2, 400, 11


@lru_cache(maxsize=2)
def made_comparison(problems: int = 12, entrants: int = 16) -> ComparisonRecords:
    """Optimizers with a pace and a best learning rate of their own; later ones in the catalog are slower."""
    generator = np.random.default_rng(0)
    names = list(optimizer)[:entrants]
    pace = (
        np.log(60) + 0.12 * np.arange(len(names))[:, None] + generator.normal(0, 0.35, (len(names), problems))
    )
    best = 10.0 ** generator.uniform(-3, 0, len(names))
    places = [(n, p) for p in range(problems) for n in range(len(names))]

    def runs(seeds: int, first: int, rates: dict[str, list[float]], stage: str, late: float) -> pd.DataFrame:
        rows = []
        luck = generator.normal(0, 0.25, (problems, seeds))
        for n, p in places:
            for trial, rate in enumerate(rates[names[n]]):
                miss = np.log10(rate / best[n])
                for seed in range(seeds):
                    time = np.exp(
                        pace[n, p] + late + 0.9 * miss**2 + luck[p, seed] + generator.normal(0, 0.15)
                    )
                    broke = miss > 1.1 or (p == 9 and n % 5 == 4 and seed % 4 == 0)
                    rows.append(_row(names[n], PROBLEMS[p], first + seed, trial, rate, time, broke))
        return pd.DataFrame(rows).assign(stage=stage)

    shown = runs(SEEDS, 100, {name: [rate] for name, rate in zip(names, best, strict=True)}, "report", 0.0)
    trials = runs(TUNING, 0, {name: list(RATES) for name in names}, "tuning", 0.0)
    trials["value"] = trials["final_train_loss"].fillna(np.inf)
    trials["spent"] = trials["steps_to_target"].fillna(BUDGET) / BUDGET
    trials["start"] = 1.0
    plain = runs(SEEDS, 100, {name: [rate] for name, rate in zip(names, best, strict=True)}, "default", 0.5)
    shown.insert(0, "run", np.arange(len(shown)))
    target = Target("target", "train_loss", 0.1)
    return ComparisonRecords(
        "comparison",
        "Which optimizer?",
        shown,
        trials,
        plain,
        _curves(shown),
        dict.fromkeys(PROBLEMS, target),
        work=pd.concat([trials, shown, plain.assign(stage="report")], ignore_index=True),
    )


def _row(
    name: str, problem: str, seed: int, trial: int, rate: float, time: float, broke: bool
) -> dict[str, Any]:
    """One run: its loss falls exponentially and passes 0.1 at `time`, seen at the next checkpoint."""
    gap = BUDGET / (POINTS - 1) / 4
    seen = np.ceil(time / gap) * gap
    reached = seen <= BUDGET and not broke
    status = "diverged" if broke else "reached" if reached else "not_reached"
    return {
        **DEFAULTS, "problem": problem, "grid": problem, "entrant": name, "replicate": seed, "trial": trial,
        "optimizer": name, "lr": rate, "steps": BUDGET, "status": status,
        "diverged_at": 7.0 if broke else np.nan, "steps_to_target": seen if reached else np.nan,
        "final_train_loss": np.nan if broke else 10.0 ** (-min(BUDGET / time, 6.0)),
        "parameters": 5_000, "time": time,
        "gradient_evaluations": (7 if broke else BUDGET) * DEFAULTS["batch_size"],
    }  # fmt: skip


def _curves(runs: pd.DataFrame) -> pd.DataFrame:
    run = np.repeat(runs["run"].to_numpy(), POINTS)
    step = np.tile(np.linspace(0, BUDGET, POINTS), len(runs))
    loss = 10.0 ** -np.minimum(step / np.repeat(runs["time"].to_numpy(), POINTS), 6.0)
    kept = ~np.repeat((runs["status"] == "diverged").to_numpy(), POINTS) | (step == 0)
    return pd.DataFrame({"run": run, "step": step.astype(int), "train_loss": loss})[kept].reset_index(
        drop=True
    )
