"""The part of the report about networks: a chapter for each grid."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd

from sim.views import answers, reading, wording
from sim.views.chapters import Chapter, Draft, Part, figures_of, tables_of, written
from sim.views.records import GridRecords, Records
from sim.views.registry import figure, table

# Views register themselves when their modules are imported.
from sim.views import figures_gradients, figures_learning, figures_success, figures_theory, figures_training  # noqa: F401  isort: skip
from sim.views import figures_sensitivity  # noqa: F401  isort: skip


def part(directory: Path, jobs: int = 1) -> Part:
    """The grids of a results folder, their tables and figures written."""
    records = Records.read(directory)
    told = overview(records)
    drafts = [
        Draft(partial(_words, grid), figures_of(grid, figure), tables_of(grid, table))
        for grid in records.grids()
    ]
    chapters = written(drafts, directory, jobs)
    networks = wording.count(int(told["networks"].sum()), "network")
    return Part(f"{networks} in {wording.count(len(chapters), 'grid')}", told, chapters)


def _words(grid: GridRecords) -> Chapter:
    return Chapter(grid.name, grid.question or grid.name, answers.answer(grid), reading.facts(grid))


def overview(records: Records) -> pd.DataFrame:
    """How many networks each grid has and what became of them."""
    rows = []
    for grid in records.grids():
        status = grid.runs["status"].value_counts()
        rows.append(
            {"grid": grid.name, "networks": len(grid.runs)}
            | {s: int(status.get(s, 0)) for s in ("reached", "not_reached", "diverged")}
        )
    return pd.DataFrame(rows, columns=["grid", "networks", "reached", "not_reached", "diverged"])
