"""A chapter of the report: a question, its answer, and the figures and tables that were written for it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sim.catalog.registry import Family
from sim.views import reading, saving
from sim.views.registry import applicable
from sim.views.tables import write_csv

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
    moving: str = ""
    """The file of the figure's animation, if it has one."""


@dataclass(frozen=True)
class Chapter:
    """All that the page says about one grid or descent."""

    name: str
    question: str
    answer: str
    facts: str
    figures: list[Shown]
    tables: list[Shown]
    panel: str = ""
    """A part of the page that can be played with, as HTML."""


@dataclass(frozen=True)
class Part:
    """What the page says about one kind of work: a sentence, a table of all it did, its chapters."""

    summary: str
    overview: pd.DataFrame
    chapters: list[Chapter]


def figures_of(grid: Any, family: Family, directory: Path) -> Iterator[Shown]:
    """Draw and write what applies."""
    for view in applicable(family, grid):
        drawing = view.function(grid)
        name = f"figures/{grid.name}_{view.name}"
        png = saving.image(drawing.figure, "png")
        saving.write(directory / f"{name}.png", png)
        saving.write(directory / f"{name}.svg", saving.image(drawing.figure, "svg"))
        if drawing.moving:
            saving.write(directory / f"{name}.gif", drawing.moving)
        yield Shown(
            f"{grid.name}-figure-{view.name}",
            view.title,
            drawing.caption,
            f"{name}.svg",
            base64.b64encode(png).decode(),
            moving=f"{name}.gif" if drawing.moving else "",
        )


def tables_of(grid: Any, family: Family, directory: Path) -> Iterator[Shown]:
    """Count and write what applies."""
    for view in applicable(family, grid):
        sheet = view.function(grid)
        file = f"tables/{grid.name}_{view.name}.csv"
        saving.write(directory / file, write_csv(sheet.frame))
        rows = reading.rows(sheet.frame.head(PAGE_ROWS))
        yield Shown(f"{grid.name}-table-{view.name}", view.title, sheet.caption, file, rows, len(sheet.frame))
