"""Walks from plan to tables: the columns are those of :mod:`sim.store.surface_columns`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from sim.catalog.randomness import generator
from sim.catalog.surfaces import lowest, minima_of
from sim.descents import DescentPlan, WalkRun
from sim.errors import StudyError, complaint
from sim.execute.own import compiling
from sim.execute.slopes import wrong_gradient
from sim.execute.threads import Done, Failed, execute
from sim.kernels import jit
from sim.kernels.descend import DIVERGED, SETTLED
from sim.kernels.walks import Reached, Walk, compile_walk, descend, slope_at
from sim.plan import Batch
from sim.study import Checkpoints, Choice

STATUS = np.array(["not_reached", "reached", "diverged"])


@dataclass(frozen=True)
class SurfaceRecords:
    """The three tables of a batch of walks."""

    walks: pa.Table
    ends: pa.Table
    paths: pa.Table


def prepare_walks(plan: DescentPlan) -> float:
    """Compile every kernel the plan names, or load it from the cache; the seconds that took.

    Raises StudyError for a part that does not compile, and for a surface whose value or gradient at a start
    is not finite.
    """
    before = jit.compile_seconds()
    checked: set[tuple[Any, ...]] = set()
    for run in plan.runs:
        seen = (run.surface, run.descent.name)
        if seen not in checked:
            _check_surface(run, plan.study.source)
            checked.add(seen)
        with compiling(run.optimizer, f"{plan.study.source}: descent {run.grid!r}.optimizer"):
            compile_walk(walk_of(run))
    return jit.compile_seconds() - before


def _check_surface(run: WalkRun, source: str) -> None:
    where, starts = f"{source}: descent {run.grid!r}.surface", run.starts()
    with compiling(run.surface, where):
        values, gradient = slope_at(run.surface.part, run.surface.settings, starts)
    bad = ~(np.isfinite(values) & np.isfinite(gradient).all(axis=1))
    if bad.any():
        at = [float(x) for x in starts[bad.argmax()]]
        problem = f"has a value or gradient that is not finite at {int(bad.sum())} starts, the first at {at}"
        raise StudyError(complaint(where, run.surface.label, problem))
    if problem := wrong_gradient(run.surface, run.descent.dimensions):
        raise StudyError(complaint(where, run.surface.label, problem))


def walk_of(run: WalkRun) -> Walk:
    """The run as the kernels take it."""
    return Walk(
        run.surface.part,
        run.surface.settings,
        run.optimizer.part,
        dict(run.optimizer.parameters),
        run.steps,
        run.noise,
        run.descent.radius,
        run.descent.tolerance,
    )


def execute_walks(
    plan: DescentPlan, batches: Sequence[Batch], jobs: int, on_done: Done, on_failure: Failed
) -> None:
    """Walk ``batches`` of the plan on ``jobs`` threads, as networks are trained."""
    execute(plan, batches, jobs, on_done, on_failure, walk_batch)


@lru_cache(maxsize=64)
def noise_keys(seed: int, replicate: int, starts: int) -> np.ndarray:
    """The keys of the starts' noise: the same for every optimizer, another for every replicate."""
    keys = generator(seed, "noise", replicate).integers(0, 2**63, starts, dtype=np.uint64)
    return keys * np.uint64(2) + np.uint64(1)  # the generator in the kernel wants them odd


def kept_steps(run: WalkRun) -> tuple[int, ...]:
    """The steps after which positions are kept: close together at first, where a path bends most."""
    if run.positions < 2:
        return (0,) * run.positions
    return Checkpoints(run.positions, "log").steps(run.steps)


def walk_batch(batch: Batch, seed: int) -> SurfaceRecords:
    """Walk all runs of a batch; the same batch and seed give the same bytes anywhere."""
    ends, paths = [], []
    for run in batch.runs:
        keys, steps = noise_keys(seed, run.replicate, run.descent.starts), kept_steps(run)
        found = descend(walk_of(run), run.starts(), keys, steps)
        ends.append(_ends(run, found))
        paths.append(_paths(run, found, np.array(steps, np.int64)))
    return SurfaceRecords(_runs(batch.runs), pa.concat_tables(ends), pa.concat_tables(paths))


def _runs(runs: Sequence[WalkRun]) -> pa.Table:
    columns: dict[str, Any] = {
        "run": [run.index for run in runs],
        "descent": [run.grid for run in runs],
        "lr": [_rate(run.optimizer) for run in runs],
        "radius": [run.descent.radius for run in runs],
        "starts": [run.descent.starts for run in runs],
        "dimensions": [run.descent.dimensions for run in runs],
    }
    for part in ("surface", "optimizer"):
        columns[part] = [getattr(run, part).label for run in runs]
    for number in ("replicate", "noise", "steps"):
        columns[number] = [getattr(run, number) for run in runs]
    return pa.table(columns)


def _rate(optimizer: Choice) -> float:
    return float(dict(optimizer.parameters).get("lr", np.nan))


def _ends(run: WalkRun, found: Reached) -> pa.Table:
    known = bool(minima_of(run.surface.part, run.descent.dimensions))
    best = lowest(run.surface.part, run.descent.dimensions)
    there = found.distance <= run.descent.radius if known else found.status == SETTLED
    status = np.where(found.status == DIVERGED, 2, there.astype(np.int64))
    since = found.since if known else found.steps
    (from_x, from_y), (to_x, to_y) = _plane(run.starts()), _plane(found.position)
    return pa.table(
        {
            "run": np.full(len(status), run.index),
            "start": np.arange(len(status)),
            "from_x": from_x, "from_y": from_y, "to_x": to_x, "to_y": to_y,
            "value": found.value,
            "gradient_norm": found.slope,
            "nearest": found.nearest,
            "distance": found.distance,
            "best": (status == 1) & (found.nearest < best),
            "status": STATUS[status],
            "steps": found.steps,
            "steps_to_reach": np.where(status == 1, since, np.nan),
            "path_length": found.length,
        }
    )  # fmt: skip


def _paths(run: WalkRun, found: Reached, steps: np.ndarray) -> pa.Table:
    starts, positions, dimensions = found.path.shape
    points = found.path.reshape(-1, dimensions)
    values = np.empty(0) if not positions else slope_at(run.surface.part, run.surface.settings, points)[0]
    x, y = _plane(points)
    return pa.table(
        {
            "run": np.full(starts * positions, run.index),
            "start": np.repeat(np.arange(starts), positions),
            "position": np.tile(np.arange(positions), starts),
            "step": np.tile(steps, starts),
            "x": x,
            "y": y,
            "value": values,
        }
    )


def _plane(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first two coordinates of points (N, dimensions); NaN for a second that is not there."""
    second = points[:, 1] if points.shape[1] > 1 else np.full(len(points), np.nan)
    return np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(second)
