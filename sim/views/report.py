"""A results folder's records -> its tables, figures and report; the same bytes for the same records."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from sim.catalog.registry import Family
from sim.study import Study
from sim.views import answers, reading, saving, style, wording
from sim.views.records import GridRecords, Records
from sim.views.registry import applicable, figure, table
from sim.views.tables import write_csv

# Views register themselves when their modules are imported.
from sim.views import figures_gradients, figures_learning, figures_success, figures_theory, figures_training  # noqa: F401  isort: skip

PAGE_ROWS = 12
"""Rows of a table on the page; the CSV has all of them."""


@dataclass(frozen=True)
class Shown:
    """A table or figure as the page shows it: `content` is rows of cells, or a PNG in base 64."""

    anchor: str
    title: str
    caption: str
    file: str
    content: Any
    total: int = 0


@dataclass(frozen=True)
class Chapter:
    """All that the page says about one grid."""

    name: str
    question: str
    answer: str
    facts: str
    figures: list[Shown]
    tables: list[Shown]
    panel: str = ""
    """A part of the page that can be played with, as HTML."""


def build(directory: str | Path) -> Path:
    """Write tables/*.csv, figures/*.png and *.svg and report.html from the records; returns the page's path.

    Raises StudyError where the folder holds no finished records. Every file is written whole or not at all;
    tables and figures of an earlier report that no longer apply are removed.
    """
    import matplotlib as mpl

    directory = Path(directory)
    records = Records.read(directory)
    with mpl.rc_context(style.settings()):
        chapters = [_chapter(grid, directory) for grid in records.grids()]
    grids = wording.count(len(chapters), "grid")
    summary = f"{wording.count(len(records.runs), 'network')} in {grids}, seed {records.study.seed}."
    return publish(directory, records.study, chapters, summary, overview(records))


def publish(
    directory: Path, study: Study, chapters: list[Chapter], summary: str, overview: pd.DataFrame
) -> Path:
    """Write the page of these chapters; what an earlier report drew and this one did not is removed."""
    from jinja2 import Environment, StrictUndefined

    written = {shown.file for chapter in chapters for shown in (*chapter.tables, *chapter.figures)}
    _remove_others(directory, written)
    source = resources.files("sim.views").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.from_string(source).render(
        study=study,
        chapters=chapters,
        summary=summary,
        overview=reading.rows(overview),
        page_rows=PAGE_ROWS,
    )
    page = directory / "report.html"
    saving.write(page, text.encode())
    return page


def _chapter(grid: GridRecords, directory: Path) -> Chapter:
    figures, tables = list(figures_of(grid, figure, directory)), list(tables_of(grid, table, directory))
    return Chapter(
        grid.name, grid.question or grid.name, answers.answer(grid), reading.facts(grid), figures, tables
    )


def figures_of(grid: Any, family: Family, directory: Path) -> Iterator[Shown]:
    """Draw and write what applies."""
    for view in applicable(family, grid):
        drawing = view.function(grid)
        name = f"figures/{grid.name}_{view.name}"
        png = saving.image(drawing.figure, "png")
        saving.write(directory / f"{name}.png", png)
        saving.write(directory / f"{name}.svg", saving.image(drawing.figure, "svg"))
        yield Shown(
            f"{grid.name}-figure-{view.name}",
            view.title,
            drawing.caption,
            f"{name}.svg",
            base64.b64encode(png).decode(),
        )


def tables_of(grid: Any, family: Family, directory: Path) -> Iterator[Shown]:
    """Count and write what applies."""
    for view in applicable(family, grid):
        sheet = view.function(grid)
        file = f"tables/{grid.name}_{view.name}.csv"
        saving.write(directory / file, write_csv(sheet.frame))
        rows = reading.rows(sheet.frame.head(PAGE_ROWS))
        yield Shown(f"{grid.name}-table-{view.name}", view.title, sheet.caption, file, rows, len(sheet.frame))


def _remove_others(directory: Path, written: set[str]) -> None:
    """Tables and figures that an earlier report left and this one did not write."""
    kept = written | {file.removesuffix(".svg") + ".png" for file in written}
    for pattern in ("tables/*.csv", "figures/*.png", "figures/*.svg"):
        for path in directory.glob(pattern):
            if path.relative_to(directory).as_posix() not in kept:
                path.unlink()


def overview(records: Records) -> pd.DataFrame:
    """How many networks each grid has and what became of them."""
    rows = []
    for grid in records.grids():
        status = grid.runs["status"].value_counts()
        rows.append(
            {"grid": grid.name, "networks": len(grid.runs)}
            | {s: int(status.get(s, 0)) for s in ("reached", "not_reached", "diverged")}
        )
    return pd.DataFrame(rows)
