"""The Python face: load a study, run it, look at the records as DataFrames.

import sim
study = sim.load_study("studies/smoke.toml", "replicates=3")
records = sim.run_study(study)
records.runs.groupby("optimizer")["final_test_accuracy"].mean()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import StudyError
from sim.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from sim.kinds import Kind
    from sim.plan import Batch


@dataclass(frozen=True)
class RunRecords:
    """What a study recorded: tables of what it has, None of what it has not.

    The columns are described in :mod:`sim.store.columns` and :mod:`sim.store.surface_columns`.
    """

    runs: pd.DataFrame | None = None
    """A row a network."""
    curves: pd.DataFrame | None = None
    """A row a network × checkpoint."""
    layers: pd.DataFrame | None = None
    """A row a network × checkpoint × layer."""
    walks: pd.DataFrame | None = None
    """A row a walk."""
    ends: pd.DataFrame | None = None
    """A row a walk × start."""
    paths: pd.DataFrame | None = None
    """A row a walk × start × kept position."""
    examples: pd.DataFrame | None = None
    """A row a training of a worked example; its other tables are in :mod:`sim.store.example_columns`."""
    losses: pd.DataFrame | None = None
    steps: pd.DataFrame | None = None
    states: pd.DataFrame | None = None
    units: pd.DataFrame | None = None


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
    """Do all that a study asks for and return what was recorded.

    With a ``directory`` the records are kept there, with tables, figures and report, and what
    it already holds is not done again; without, nothing is written.  ``jobs`` threads (one
    a core), ``only`` some of its parts.  Raises StudyError for a study that cannot be planned and
    RuntimeError where batches failed.
    """
    study = study if isinstance(study, Study) else Study.load(study)
    if directory is None:
        return _in_memory(study, jobs, only)
    from sim.run import conduct
    from sim.store import holds, read
    from sim.store.columns import ALL_TABLES

    outcome = conduct(study, Path(directory), jobs, only)
    if outcome.failures:
        raise RuntimeError("; ".join(outcome.failures))
    tables: dict[str, pd.DataFrame] = {}
    for noun in study.parts:
        if holds(outcome.directory, noun):
            tables |= zip(ALL_TABLES[noun], read(outcome.directory, noun), strict=True)
    return RunRecords(**tables)


def _in_memory(study: Study, jobs: int | None, only: Sequence[str]) -> RunRecords:
    from sim.kinds import planned
    from sim.run import cores

    work = planned(study, only)
    if not work:
        raise StudyError("nothing to run")
    tables: dict[str, pd.DataFrame] = {}
    for kind, plan in work:
        tables |= _executed(kind, plan, jobs or cores())
    return RunRecords(**tables)


def _executed(kind: Kind, plan: Any, jobs: int) -> dict[str, pd.DataFrame]:
    """The records of a plan and of what follows it, none of them written."""

    def fail(batch: Batch, error: BaseException) -> None:
        raise RuntimeError(f"batch {batch.number} of {batch.runs[0].grid!r} failed") from error

    found: dict[int, Any] = {}
    following: Any = plan
    while following is not None:
        plan = following
        kind.prepare(plan)
        kind.execute(
            plan,
            [batch for batch in plan.batches if batch.number not in found],
            jobs,
            lambda batch, records: found.update({batch.number: records}),
            fail,
        )
        following = kind.following(plan, partial(_first_two, plan, found))
    return _tables(plan, found)


def _first_two(plan: Any, found: dict[int, Any]) -> list[pd.DataFrame]:
    return list(_tables(plan, found).values())[:2]


def _tables(plan: Any, found: dict[int, Any]) -> dict[str, pd.DataFrame]:
    """The records of all batches, each table in one piece."""
    import pyarrow as pa

    from sim.store import schemas
    from sim.store.columns import conform

    return {
        name: conform(
            pa.concat_tables([conform(getattr(found[batch.number], name), schema) for batch in plan.batches]),
            schema,
        ).to_pandas()
        for name, schema in schemas(plan.study, plan.noun).items()
    }
