"""A chapter of the report: a question, its answer, and the figures and tables that were written for it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sim.catalog.registry import Family
from sim.catalog.registry import Part as View
from sim.views import processes, reading, saving
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
    panel: str = ""
    """A part of the page that can be played with, as HTML."""
    figures: Sequence[Shown] = ()
    tables: Sequence[Shown] = ()


@dataclass(frozen=True)
class Part:
    """What the page says about one kind of work: a sentence, a table of all it did, its chapters."""

    summary: str
    overview: pd.DataFrame
    chapters: list[Chapter]


class Made(NamedTuple):
    """A table or figure, and the files that it is, by their names in the results folder."""

    shown: Shown
    files: Mapping[str, bytes]


Make = Callable[[], Made]
"""Makes a table or a figure when it is called, perhaps in another process."""


def figures_of(grid: Any, family: Family) -> list[Make]:
    """What draws the figures that apply."""
    return [partial(_figure, grid, view) for view in applicable(family, grid)]


def tables_of(grid: Any, family: Family) -> list[Make]:
    """What counts the tables that apply."""
    return [partial(_table, grid, view) for view in applicable(family, grid)]


def _figure(grid: Any, view: View) -> Made:
    """Draw a figure, in both formats."""
    drawing = view.function(grid)
    name = f"figures/{grid.name}_{view.name}"
    files = {f"{name}.{kind}": saving.image(drawing.figure, kind) for kind in ("png", "svg")}
    picture = base64.b64encode(files[f"{name}.png"]).decode()
    anchor = f"{grid.name}-figure-{view.name}"
    shown = Shown(anchor, view.title, drawing.caption, f"{name}.svg", picture)
    if drawing.moving:
        files[f"{name}.gif"] = drawing.moving
        shown = replace(shown, moving=f"{name}.gif")
    return Made(shown, files)


def _table(grid: Any, view: View) -> Made:
    """Count a table; the page shows its head."""
    sheet = view.function(grid)
    file = f"tables/{grid.name}_{view.name}.csv"
    rows = reading.rows(sheet.frame.head(PAGE_ROWS))
    anchor = f"{grid.name}-table-{view.name}"
    shown = Shown(anchor, view.title, sheet.caption, file, rows, len(sheet.frame))
    return Made(shown, {file: write_csv(sheet.frame)})


class Draft(NamedTuple):
    """A chapter that is still to be made."""

    words: Callable[[], Chapter]
    """Makes it without figures and tables."""
    figures: Sequence[Make]
    tables: Sequence[Make]


def written(drafts: Sequence[Draft], directory: Path, jobs: int) -> list[Chapter]:
    """Make all chapters on ``jobs`` processes; their figures and tables are written into the folder."""
    groups = [[draft.words, *draft.figures, *draft.tables] for draft in drafts]
    made: list[dict[int, Any]] = [{} for _ in groups]
    for (group, place), result in processes.results(groups, jobs):
        if isinstance(result, Made):
            for name, content in result.files.items():
                saving.write(directory / name, content)
            result = result.shown
        made[group][place] = result
    return [_whole(draft, found) for draft, found in zip(drafts, made, strict=True)]


def _whole(draft: Draft, found: Mapping[int, Any]) -> Chapter:
    """The chapter with its figures and tables, whichever was made first."""
    chapter, *shown = (found[place] for place in range(len(found)))
    count = len(draft.figures)
    return replace(chapter, figures=shown[:count], tables=shown[count:])
