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
) -> RunRecords:
    """Train every network of a study and return what was recorded.

    With a ``directory`` the records are kept there, with tables, figures and report, and what
    it already holds is not trained again; without, nothing is written.  ``jobs`` threads (one
    a core), ``only`` some grids.  Raises StudyError for a study that cannot be planned and
    RuntimeError where batches failed.
    """
    study = study if isinstance(study, Study) else Study.load(study)
    if directory is None:
        return _in_memory(study, jobs, only)
    from sim.run import conduct
    from sim.store import read

    outcome = conduct(study, Path(directory), jobs, only)
    if outcome.failures:
        raise RuntimeError("; ".join(outcome.failures))
    return RunRecords(*read(outcome.directory))


def _in_memory(study: Study, jobs: int | None, only: Sequence[str]) -> RunRecords:
    import pyarrow as pa

    from sim.execute import Records, execute, prepare
    from sim.plan import Batch, plan
    from sim.run import cores
    from sim.store import schemas
    from sim.store.columns import TABLES, conform

    def fail(batch: Batch, error: BaseException) -> None:
        raise RuntimeError(f"batch {batch.number} of grid {batch.runs[0].grid!r} failed") from error

    planned = plan(study, only)
    if not planned.batches:
        raise StudyError("nothing to run")
    prepare(planned)
    found: dict[int, Records] = {}
    execute(
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
        for name in TABLES
    ]
    return RunRecords(*frames)
