"""What the networks of a small study learn: a handful of figures for each of its cells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.bench.nightly.figures import LEARNING, ROUNDING, START, Figure

if TYPE_CHECKING:
    import pandas as pd

    from sim.study import Study


class Frames(NamedTuple):
    """The records of a study as DataFrames; columns: :mod:`sim.store.columns`."""

    runs: pd.DataFrame
    curves: pd.DataFrame
    layers: pd.DataFrame


class Quantity(NamedTuple):
    """A number that every network has."""

    name: str
    kind: str
    unit: str


START_LOSS = Quantity("train loss at the start", START, "")
START_FIRST = Quantity("gradient of the first layer at the start", START, "log₁₀")
START_LAST = Quantity("gradient of the last layer at the start", START, "log₁₀")
END_LOSS = Quantity("train loss", LEARNING, "")
END_ACCURACY = Quantity("test accuracy", LEARNING, "share")
END_FIRST = Quantity("gradient of the first layer", LEARNING, "log₁₀")
END_UPDATE = Quantity("update of the first layer", LEARNING, "share")


def fingerprint(text: str) -> str:
    """Hex digest of what a study file says: comments and the order of keys aside."""
    import tomllib

    told = json.dumps(tomllib.loads(text), sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def train(study: Study, jobs: int) -> Frames:
    """Train every network of the study and keep the records in memory.

    Raises RuntimeError where a batch failed, StudyError for a study that cannot be planned.
    """
    import pyarrow as pa

    from sim.execute import execute, prepare
    from sim.plan import Batch, plan
    from sim.store.columns import conform, schemas

    def fail(batch: Batch, error: BaseException) -> None:
        raise RuntimeError(f"batch {batch.number} of grid {batch.runs[0].grid!r} failed: {error}") from error

    planned = plan(study)
    prepare(planned)
    found: dict[int, Any] = {}
    execute(
        planned, planned.batches, jobs, lambda batch, records: found.update({batch.number: records}), fail
    )
    tables = []
    for name, schema in schemas(study).items():
        parts = [conform(getattr(found[number], name), schema) for number in sorted(found)]
        tables.append(conform(pa.concat_tables(parts), schema).to_pandas())
    return Frames(*tables)


def measured(study: Study, jobs: int) -> list[Figure]:
    """Train the study; the figures of its cells."""
    return figures(train(study, jobs))


def figures(frames: Frames) -> list[Figure]:
    """Every quantity of every cell, a value a replicate; runs of a cell differ in their replicate alone."""
    numbers = _numbers(frames)
    return [
        Figure(
            f"{cell}: {quantity.name}",
            quantity.kind,
            quantity.unit,
            tuple(map(float, numbers.loc[runs["run"], quantity.name])),
            ROUNDING[str(runs["precision"].iloc[0])],
        )
        for cell, runs in _cells(frames.runs)
        for quantity in QUANTITIES
    ]


QUANTITIES = (START_LOSS, START_FIRST, START_LAST, END_LOSS, END_ACCURACY, END_FIRST, END_UPDATE)


def _numbers(frames: Frames) -> pd.DataFrame:
    """Every quantity, a row a run; NaN where a network diverged before."""
    import pandas as pd

    runs = frames.runs.set_index("run")
    curves = frames.curves.set_index("run")
    start = curves[curves["checkpoint"] == 0]
    layers = frames.layers.merge(frames.runs[["run", "depth"]], on="run").set_index("run")
    first, last = layers[layers["layer"] == 1], layers[layers["layer"] == layers["depth"] + 1]
    final = first["checkpoint"].max()
    first_start, first_end = first[first["checkpoint"] == 0], first[first["checkpoint"] == final]
    columns = {
        START_LOSS: start["train_loss"],
        START_FIRST: first_start["log10_grad_weight"],
        START_LAST: last[last["checkpoint"] == 0]["log10_grad_weight"],
        END_LOSS: runs["final_train_loss"],
        END_ACCURACY: runs["final_test_accuracy"],
        END_FIRST: first_end["log10_grad_weight"],
        END_UPDATE: first_end["update_ratio"],
    }
    return pd.DataFrame(
        {quantity.name: column.reindex(runs.index) for quantity, column in columns.items()}, index=runs.index
    )


def _cells(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each cell's name, made of what varies in its grid, and its runs in the order of replicates."""
    from sim.views.records import FACTORS

    for grid, members in runs.groupby("grid", sort=False):
        varied = [name for name in FACTORS if members[name].nunique(dropna=False) > 1]
        keys = varied or ["precision"]
        for values, cell in members.groupby(keys, sort=False, dropna=False):
            told = ", ".join(f"{name}={value}" for name, value in zip(keys, values, strict=True))
            yield f"{grid}, {told}", cell.sort_values("replicate")
