"""The Python face: load a study, run it, look at the records as DataFrames.

import sim
study = sim.load_study("studies/smoke.toml", "replicates=3")
records = sim.run_study(study)
records.runs.groupby("optimizer")["final_test_accuracy"].mean()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import StudyError
from sim.study import Study

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunRecords:
    """What a study recorded; the columns are described in :mod:`sim.store.columns`."""

    runs: pd.DataFrame
    """A row a network."""
    curves: pd.DataFrame
    """A row a network × checkpoint."""
    layers: pd.DataFrame
    """A row a network × checkpoint × layer."""


@dataclass(frozen=True)
class SurfaceRunRecords:
    """What a study of surfaces recorded; the columns are described in :mod:`sim.store.surface_columns`."""

    runs: pd.DataFrame
    """A row a walk."""
    ends: pd.DataFrame
    """A row a walk × start."""
    paths: pd.DataFrame
    """A row a walk × start × kept position."""


def load_study(source: str | Path | Mapping[str, Any], *overrides: str) -> Study:
    """A study from a TOML file or a dict of the same structure, checked whole.

    ``overrides`` are ``KEY=VALUE`` as on the command line.  Raises StudyError, one line that
    names the key, the value and the choices.
    """
    return Study.load(source, overrides)


def run_study(
    study: Study | str | Path | Mapping[str, Any],
    directory: str | Path | None = None,
    *,
    jobs: int | None = None,
    only: Sequence[str] = (),
) -> RunRecords | SurfaceRunRecords:
    """Train every network of a study, or walk down its surfaces, and return what was recorded.

    With a ``directory`` the records are kept there, with tables, figures and report, and what
    it already holds is not trained again; without, nothing is written.  ``jobs`` threads (one
    a core), ``only`` some grids.  Raises StudyError for a study that cannot be planned and
    RuntimeError where batches failed.
    """
    study = study if isinstance(study, Study) else Study.load(study)
    if directory is None:
        return _in_memory(study, jobs, only)
    from sim.kinds import kind_of
    from sim.run import conduct

    outcome = conduct(study, Path(directory), jobs, only)
    if outcome.failures:
        raise RuntimeError("; ".join(outcome.failures))
    return _told(study, kind_of(study).read(outcome.directory))


def _told(study: Study, tables: Sequence[Any]) -> RunRecords | SurfaceRunRecords:
    return SurfaceRunRecords(*tables) if study.descents else RunRecords(*tables)


def _in_memory(study: Study, jobs: int | None, only: Sequence[str]) -> RunRecords | SurfaceRunRecords:
    import pyarrow as pa

    from sim.kinds import kind_of
    from sim.plan import Batch
    from sim.run import cores
    from sim.store import schemas
    from sim.store.columns import conform

    def fail(batch: Batch, error: BaseException) -> None:
        raise RuntimeError(f"batch {batch.number} of grid {batch.runs[0].grid!r} failed") from error

    kind = kind_of(study)
    planned = kind.plan(study, only)
    if not planned.batches:
        raise StudyError("nothing to run")
    kind.prepare(planned)
    found: dict[int, Any] = {}
    kind.execute(
        planned,
        planned.batches,
        jobs or cores(),
        lambda batch, records: found.update({batch.number: records}),
        fail,
    )
    schema = schemas(study)
    frames = [
        conform(
            pa.concat_tables(
                [conform(getattr(found[batch.number], name), schema[name]) for batch in planned.batches]
            ),
            schema[name],
        ).to_pandas()
        for name in schema
    ]
    return _told(study, frames)
