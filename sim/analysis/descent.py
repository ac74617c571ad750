"""Walks down surfaces: how many starts reach the best minimum, how soon, how far; learning rates compared.

A start that did not reach a minimum within its budget is a censored time, never dropped: a median that more
than half of the starts did not reach is infinite.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sim.analysis.intervals import wilson

FACTORS = ("surface", "optimizer", "lr", "noise", "steps")
"""Columns of ``runs`` that a descent may vary."""


def by_walk(runs: pd.DataFrame, ends: pd.DataFrame) -> pd.DataFrame:
    """A row for each cell of ``FACTORS``, replicates of the noise together.

    Columns: starts; best (reached the best minimum, or came to rest where none is known), share_best with
    its Wilson interval; reached (any known minimum), diverged; median_steps over all starts (inf where fewer
    than half reached a minimum), mean_length of the paths of those that did.
    """
    joined = ends.drop(columns="steps").merge(runs[["run", *FACTORS]], on="run", validate="many_to_one")
    reached = joined["status"].to_numpy() == "reached"
    joined = joined.assign(
        reached=reached,
        diverged=joined["status"].to_numpy() == "diverged",
        time=joined["steps_to_reach"].fillna(np.inf),
        length=joined["path_length"].where(reached),
    )
    cells = joined.groupby(list(FACTORS), sort=False, dropna=False)
    frame = cells.agg(
        starts=("best", "size"),
        best=("best", "sum"),
        reached=("reached", "sum"),
        diverged=("diverged", "sum"),
        median_steps=("time", _median),
        mean_length=("length", "mean"),
    ).reset_index()
    low, high = wilson(frame["best"], frame["starts"])
    shares = frame["best"] / frame["starts"]
    position = list(frame.columns).index("best") + 1
    for name, column in (("share_best_high", high), ("share_best_low", low), ("share_best", shares)):
        frame.insert(position, name, column)
    return frame


def _median(times: pd.Series) -> float:
    """The smallest time by which at least half have arrived; infinite where that never happens."""
    ordered = np.sort(times.to_numpy(dtype=float))
    return float(ordered[(len(ordered) - 1) // 2 if len(ordered) % 2 else len(ordered) // 2])


def tuned(walks: pd.DataFrame) -> pd.DataFrame:
    """The best learning rate of each surface, optimizer, noise and budget; columns as of :func:`by_walk`.

    Best is the one after which most starts stand at the best minimum; of equals the fastest, then the
    smallest. ``rates`` counts those tried; ``edge`` says that the best is the smallest or the largest of
    several: a better one may lie beyond.
    """
    by = [factor for factor in FACTORS if factor != "lr"]
    ordered = walks.sort_values(
        ["share_best", "median_steps", "lr"], ascending=[False, True, True], kind="stable"
    )
    best = ordered.drop_duplicates(by).sort_index()
    rates = walks.groupby(by, sort=False)["lr"].agg(["min", "max", "nunique"]).reset_index()
    merged = best.merge(rates, on=by, how="left", sort=False)
    edge = (merged["lr"] == merged["min"]) | (merged["lr"] == merged["max"])
    merged["rates"], merged["edge"] = merged["nunique"], edge & (merged["nunique"] > 1)
    return merged.drop(columns=["min", "max", "nunique"])


def from_each_start(runs: pd.DataFrame, ends: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A row for each walk × start with the start's name, in the order of starts, then of walks."""
    joined = ends.drop(columns="steps").merge(runs, on="run", validate="many_to_one")
    joined = joined.assign(start_name=[names[start] for start in joined["start"]])
    columns = ["start_name", *FACTORS, "status", "best", "value", "steps_to_reach", "path_length"]
    return joined.sort_values(["start", "run"], kind="stable")[columns].reset_index(drop=True)
