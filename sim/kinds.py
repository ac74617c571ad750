"""The two kinds of studies, of networks and of surfaces: what the command does differently for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.study import Study


@dataclass(frozen=True)
class Kind:
    """The stations of a study, from its plan to its report."""

    noun: str
    """What a run is called, in the plural."""
    plan: Callable[[Study, Sequence[str]], Any]
    check: Callable[[Any], object]
    """Raises StudyError for what can only be seen once something is compiled; before anything is written."""
    prepare: Callable[[Any], float]
    """Compiles what a plan names; the seconds that took."""
    execute: Callable[..., None]
    """Plan, batches, number of threads, what is done with the records of a batch, and with a failure."""
    report: Callable[[Path], Path]
    read: Callable[[Path], tuple[Any, ...]]
    """The records of a results folder as DataFrames."""


def kind_of(study: Study) -> Kind:
    """The kind of a study: of surfaces where it has descents."""
    return _surfaces() if study.descents else _networks()


def kind_in(directory: Path) -> Kind:
    """The kind of the study whose results a folder holds; of networks where it holds none."""
    from sim.study import Study

    written = directory / "study.toml"
    return kind_of(Study.load(written)) if written.is_file() else _networks()


def _networks() -> Kind:
    from sim import execute, store
    from sim.plan import plan

    return Kind(
        "networks", plan, lambda plan: None, execute.prepare, execute.execute, _network_report, store.read
    )


def _surfaces() -> Kind:
    from sim import store
    from sim.descents import plan_descents
    from sim.execute.surfaces import execute_walks, prepare_walks

    return Kind(
        "walks",
        plan_descents,
        prepare_walks,
        prepare_walks,
        execute_walks,
        _surface_report,
        store.read_surfaces,
    )


def _network_report(directory: Path) -> Path:
    from sim.views import report  # drawing is imported by those who draw

    return report.build(directory)


def _surface_report(directory: Path) -> Path:
    from sim.views import report_surfaces

    return report_surfaces.build(directory)
